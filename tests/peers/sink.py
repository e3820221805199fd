"""An SMTP sink that writes down what it takes before it says so: the book of what arrived.

`python -m tests.peers.sink DOOR FILE SECONDS`: a line `recipient message-id` for each message, in
the file before the reply; replies to the dot come after so many seconds. DOOR is the number of a
listening socket that was handed down: who connects before the sink has begun waits for it.
"""

import asyncio
import os
import re
import socket
import sys
from pathlib import Path

_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


class Sink(asyncio.Protocol):
    """One connection: quick, with PIPELINING, and without a doubt about anything."""

    def __init__(self, book: int, seconds: float) -> None:
        self._book = book
        self._seconds = seconds
        self._data = bytearray()
        self._in_text = False
        self._taking = False  # and will say so in a moment
        self._recipient = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._data += data
        while not self._taking and self._step():
            pass

    def _take(self) -> None:
        self._taking = False
        self._transport.write(b"250 taken\r\n")
        self.data_received(b"")

    def _step(self) -> bool:
        if self._in_text:
            end = self._data.find(b"\r\n.\r\n")
            if end < 0:
                return False
            found = _ID.search(bytes(self._data[:end]))
            del self._data[: end + 5]
            self._in_text = False
            name = found[1].decode() if found else "none"
            os.write(self._book, f"{self._recipient} {name}\n".encode())
            if self._seconds:
                # What came along with the text is answered after it.
                self._taking = True
                asyncio.get_running_loop().call_later(self._seconds, self._take)
                return False
            self._transport.write(b"250 taken\r\n")
            return True
        end = self._data.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._data[:end])
        del self._data[: end + 2]
        self._transport.write(self._reply(line))
        return True

    def _reply(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        if verb == b"RCPT":
            self._recipient = line[line.index(b"<") + 1 : line.index(b">")].decode()
        if verb == b"DATA":
            self._in_text = True
            return b"354 go on\r\n"
        if verb == b"QUIT":
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
            return b""
        return b"250 fine\r\n"


async def serve(door: int, book: Path, seconds: float) -> None:
    file = os.open(book, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Sink(file, seconds), sock=socket.socket(fileno=door), backlog=256
    )
    await server.serve_forever()


if __name__ == "__main__":
    door, book, seconds = sys.argv[1:]
    asyncio.run(serve(int(door), Path(book), float(seconds)))
