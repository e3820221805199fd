"""A mail server that is some way off: it takes everything, keeps nothing, and answers later.

    python -m benchmarks.relay PORT MILLISECONDS BOOK

What comes in one piece is answered in one, so many milliseconds after it was here, as by a server
at the end of a long line that is quick itself. It looks for the ends of texts and at the beginnings
of lines, and at nothing else: on the machine of those whom it serves it takes as little of the
processor as it can. In the file `BOOK` stands how many mails it has taken, and how many connections
are open, for whoever maps it.
"""

import asyncio
import mmap
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from benchmarks.send import wait_for
from tests.peers.ports import free_port

COUNTS = struct.Struct("=QQ")
EXTENSIONS = b"250-relay\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250 8BITMIME\r\n"
REPLIES = {b"EHLO": EXTENSIONS, b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
TAKEN = b"250 2.0.0 Ok: queued as 0123456789AB\r\n"
END = b"\r\n.\r\n"


@dataclass(frozen=True, slots=True)
class Far:
    """A relay that runs: its port, its process, and its book."""

    port: int
    pid: int
    book: mmap.mmap

    @property
    def taken(self) -> int:
        """How many mails it has taken."""
        return int(COUNTS.unpack_from(self.book)[0])

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return int(COUNTS.unpack_from(self.book)[1])


@contextmanager
def relay(milliseconds: int) -> Iterator[Far]:
    """Run one that answers after so many milliseconds."""
    with NamedTemporaryFile() as file:
        file.write(bytes(COUNTS.size))
        file.flush()
        port = free_port()
        words = [sys.executable, "-m", "benchmarks.relay", str(port), str(milliseconds), file.name]
        process = subprocess.Popen(words, cwd=Path(__file__).parents[1])
        try:
            wait_for(port)
            with mmap.mmap(file.fileno(), COUNTS.size, access=mmap.ACCESS_READ) as book:
                yield Far(port, process.pid, book)
        finally:
            process.terminate()
            process.wait()


class Counts:
    """What stands in the book."""

    def __init__(self, book: mmap.mmap) -> None:
        self._book = book
        self._taken = self._connections = 0

    def note(self, *, taken: int = 0, connections: int = 0) -> None:
        """Note so many more."""
        self._taken += taken
        self._connections += connections
        COUNTS.pack_into(self._book, 0, self._taken, self._connections)


class Conversation(asyncio.Protocol):
    """One connection."""

    def __init__(self, seconds: float, counts: Counts) -> None:
        self._seconds = seconds
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._rest = b""  # of a line, or what may be the beginning of the end of a text
        self._in_text = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._counts.note(connections=1)
        self._answer(b"220 relay\r\n")

    def connection_lost(self, _error: Exception | None) -> None:
        """Count it no more."""
        self._counts.note(connections=-1)

    def data_received(self, data: bytes) -> None:
        """Take in what came, and answer every line and text that it ends."""
        data, at, replies = self._rest + data, 0, []
        while (end := data.find(END if self._in_text else b"\r\n", at)) >= 0:
            if self._in_text:
                self._in_text, at = False, end + len(END)
                self._counts.note(taken=1)
                replies.append(TAKEN)
            else:
                verb = data[at : at + 4].upper()
                self._in_text, at = verb == b"DATA", end + 2
                replies.append(REPLIES.get(verb, b"250 2.1.0 Ok\r\n"))
        # Of a text only what may be the beginning of its end is kept.
        self._rest = data[max(at, len(data) - len(END) + 1) if self._in_text else at :]
        if replies:
            self._answer(b"".join(replies))

    def _answer(self, replies: bytes) -> None:
        if self._seconds:
            self._loop.call_later(self._seconds, self._transport.write, replies)
        else:
            self._transport.write(replies)


async def serve(port: int, seconds: float, counts: Counts) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Conversation(seconds, counts), "127.0.0.1", port, backlog=512
    )
    await server.serve_forever()


def main() -> None:
    port, milliseconds, name = sys.argv[1:]
    with Path(name).open("r+b") as file, mmap.mmap(file.fileno(), COUNTS.size) as book:
        asyncio.run(serve(int(port), float(milliseconds) / 1000, Counts(book)))


if __name__ == "__main__":
    main()
