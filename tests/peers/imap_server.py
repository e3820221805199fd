"""An IMAP server on a free port of loopback that misbehaves as it is told.

It knows as much of RFC 3501 as the program asks for, and no more.
"""

import re
import socket
import ssl
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import trustme

from tests.peers.haste import Haste

PASSWORD = "correct-horse-battery"
CAPABILITIES = "IMAP4rev1 UIDPLUS MOVE NAMESPACE AUTH=PLAIN"

_DONE = re.compile(rb"^\{tag\} (OK|NO|BAD)\b", re.MULTILINE)

# What becomes of the line when a mail is asked for: an answer, or nothing and a line that is cut.
Fault = str | None


@dataclass
class ImapServer:
    """A server with one mailbox; `folders` are the names it knows on the wire, with their mails.

    `faults` says what is answered where a mail is asked for, by UID: `NO`, `BAD`, `gone` (an OK
    without it), `nil`, `drop`, `half` (a part of it, and the line is cut), `hang`, `whole` (more
    than was asked for). `answers` are whole answers to a command instead of ours, `{tag}` in them
    is the tag; where one is None the line is cut. Those to `endless` commands are said for ever.
    `unasked` are UIDs whose mails come along with whatever mails are asked for.
    """

    port: int
    ca_file: Path
    username: str = "bounces@example.org"
    password: str = PASSWORD
    capabilities: str = CAPABILITIES
    wants_id: bool = False
    greeting: bytes = b"* OK ready\r\n"
    validity: int = 1
    folders: dict[str, dict[int, bytes]] = field(default_factory=lambda: {"INBOX": {}})
    faults: dict[int, Fault] = field(default_factory=dict)
    answers: dict[str, bytes | None] = field(default_factory=dict)
    endless: set[str] = field(default_factory=set)
    unasked: list[int] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    clock: Haste = field(default_factory=Haste)

    @property
    def inbox(self) -> dict[int, bytes]:
        return self.folders["INBOX"]


@contextmanager
def imap_server(folder: Path) -> Iterator[ImapServer]:
    """Run a server for as long as the context lasts; `folder` is for its certificates."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "imap-ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))
    server = ImapServer(port=listener.getsockname()[1], ca_file=folder / "imap-ca.pem")
    threads: list[Thread] = []
    clients: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server.clock.walk()
                clients.append(client)
                thread = Thread(target=_talk, args=(server, client, context), daemon=True)
                thread.start()
                threads.append(thread)

    accepting = Thread(target=serve, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in (accepting, *threads):
            thread.join(5)


class _CutError(Exception):
    """The line is cut here."""


def _talk(server: ImapServer, client: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError, _CutError), context.wrap_socket(client, server_side=True) as line:
        _Session(server, line).run()


class _Session:
    def __init__(self, server: ImapServer, line: ssl.SSLSocket) -> None:
        self._server = server
        self._line = line
        self._file = line.makefile("rb")
        self._identified = False
        self._selected = ""

    def run(self) -> None:
        self._say(self._server.greeting)
        if not self._server.greeting.endswith(b"\n"):
            self._server.clock.hurry()
        while heard := self._file.readline():
            self._server.heard.append(heard.decode().strip())
            tag, _, rest = heard.decode().strip().partition(" ")
            name, _, given = rest.partition(" ")
            if name.upper() == "UID":
                name, _, given = given.partition(" ")
                name = f"UID {name}"
            self._answer(tag, name.upper(), given)

    def _answer(self, tag: str, name: str, given: str) -> None:
        if name in self._server.answers:
            answer = self._server.answers[name]
            if answer is None:
                raise _CutError
            self._say(answer.replace(b"{tag}", tag.encode()))
            if not _DONE.search(answer):
                self._server.clock.hurry()
            while name in self._server.endless:
                self._say(answer * 1000)
            return
        commands: dict[str, Callable[[str], str]] = {
            "CAPABILITY": self._capability,
            "ID": self._id,
            "LOGIN": self._login,
            "AUTHENTICATE": self._authenticate,
            "SELECT": self._select,
            "NAMESPACE": self._namespace,
            "CREATE": self._create,
            "UID FETCH": self._fetch,
            "UID SEARCH": self._search,
            "UID MOVE": self._move,
            "LOGOUT": self._logout,
        }
        self._say(f"{tag} {commands[name](given)}\r\n".encode())
        if name == "LOGOUT":
            raise _CutError

    def _say(self, said: bytes) -> None:
        self._line.sendall(said)

    def _capability(self, _given: str) -> str:
        self._say(f"* CAPABILITY {self._server.capabilities}\r\n".encode())
        return "OK done"

    def _id(self, given: str) -> str:
        self._identified = '"name"' in given
        self._say(b'* ID ("name" "peer")\r\n')
        return "OK done"

    def _login(self, given: str) -> str:
        known = f'{self._server.username} "{self._server.password}"'
        return "OK done" if given.replace('"', "") == known.replace('"', "") else "NO wrong"

    def _authenticate(self, _given: str) -> str:
        self._say(b"+ \r\n")
        said = b64decode(self._file.readline()).decode()
        known = f"\0{self._server.username}\0{self._server.password}"
        return "OK done" if said == known else "NO [AUTHENTICATIONFAILED] wrong"

    def _select(self, given: str) -> str:
        name = given.strip('"')
        if self._server.wants_id and not self._identified:
            return "NO SELECT Unsafe Login. Please contact kefu@188.com for help"
        if name not in self._server.folders:
            return "NO no such folder"
        self._selected = name
        self._say(f"* {len(self._mails)} EXISTS\r\n".encode())
        self._say(f"* OK [UIDVALIDITY {self._server.validity}] valid\r\n".encode())
        return "OK [READ-WRITE] done"

    @property
    def _mails(self) -> dict[int, bytes]:
        return self._server.folders[self._selected]

    def _namespace(self, _given: str) -> str:
        self._say(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
        return "OK done"

    def _create(self, given: str) -> str:
        self._server.folders.setdefault(given.strip('"'), {})
        return "OK done"

    def _search(self, _given: str) -> str:
        self._say(f"* SEARCH {' '.join(map(str, self._mails))}\r\n".encode())
        return "OK done"

    def _fetch(self, given: str) -> str:
        if not self._mails:
            return "BAD no mails with those numbers"
        numbers, _, wanted = given.partition(" ")
        asked = [*self._mails] if numbers == "1:*" else [int(each) for each in numbers.split(",")]
        limit = re.search(r"<0\.(\d+)>", wanted)
        asked += self._server.unasked if limit else []
        for place, uid in enumerate(asked, start=1):
            if limit is None:
                self._say(f"* {place} FETCH (UID {uid})\r\n".encode())
                continue
            refusal = self._hand_out(place, uid, int(limit[1]))
            if refusal:
                return refusal
        return "OK done"

    def _hand_out(self, place: int, uid: int, limit: int) -> str:
        fault = self._server.faults.get(uid)
        content = self._mails.get(uid)
        if content is None or fault == "gone":
            return ""
        if fault in {"NO", "BAD"}:
            return f"{fault} [SERVERBUG] message {uid} cannot be had"
        if fault == "nil":
            self._say(f"* {place} FETCH (UID {uid} BODY[]<0> NIL)\r\n".encode())
            return ""
        if fault == "drop":
            raise _CutError
        if fault == "hang":
            self._server.clock.hurry()
            self._file.readline()
            raise _CutError
        part = content if fault == "whole" else content[:limit]
        self._say(f"* {place} FETCH (UID {uid} BODY[]<0> {{{len(part)}}}\r\n".encode())
        if fault == "half":
            self._say(part[: len(part) // 2])
            raise _CutError
        self._say(part + b")\r\n")
        return ""

    def _move(self, given: str) -> str:
        numbers, _, target = given.partition(" ")
        for uid in map(int, numbers.split(",")):
            content = self._mails.pop(uid, None)
            if content is not None:
                self._server.folders[target.strip('"')][uid] = content
        return "OK done"

    def _logout(self, _given: str) -> str:
        self._say(b"* BYE\r\n")
        return "OK done"
