"""An SMTP server on loopback that misbehaves as it is told, and keeps everything it took.

    with SmtpServer(script={"RCPT": ["450 4.2.1 later"], "dot": [DROP]}) as server:
        ...  # talk to 127.0.0.1 at server.port
    assert [mail.recipient for mail in server.mails] == ["ada@example.org"]

`script` says what happens instead of the ordinary at each phase: greeting, EHLO, HELO, STARTTLS,
handshake, AUTH, MAIL, RCPT, DATA, body (in the middle of a text), dot (after it), RSET, QUIT, or
`RCPT ada@example.org` for one recipient alone, so at DATA and the dot. Each value is used up one by
one, over all connections; `repeat("550 …")` never ends. An action is a reply to give (421 also
hangs up), bytes to write as they are, or one of DROP, RESET, HANG, ORDINARY; a `Drip` is written
slowly.
It is strict about what it did not offer: `violations` lists what a client must not do.
"""

import base64
import re
import socket
import ssl
import struct
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from threading import Event, Lock, Thread
from typing import Literal, Self

from tests.peers.haste import Haste

OFFERED = ("PIPELINING", "SIZE 10240000", "8BITMIME", "DSN", "SMTPUTF8")


class Fault(Enum):
    """What a server may do instead of answering; ORDINARY is to answer as ever."""

    DROP = auto()
    RESET = auto()
    HANG = auto()
    ORDINARY = auto()


DROP, RESET, HANG, ORDINARY = Fault


@dataclass(frozen=True)
class Drip:
    """Bytes written one by one, `seconds` apart."""

    data: bytes
    seconds: float


Action = str | bytes | Fault | Drip


@dataclass(frozen=True)
class Mail:
    """A message that was taken whole, without dot-stuffing, and what its envelope said."""

    sender: str
    recipient: str
    data: bytes
    parameters: tuple[str, ...]
    at: float

    @property
    def message_id(self) -> str:
        found = re.search(rb"^message-id:\s*(\S+)", self.data, re.IGNORECASE | re.MULTILINE)
        return found[1].decode() if found else ""


class SmtpServer:
    """A server in threads; `mails`, `lines` (every command) and `connections` tell what it saw.

    `most_open` is of connections at once, `most_errors` of 4yz and 5yz replies on one of them,
    `refuses_dsn` has what it says to those who use DSN, at MAIL or RCPT, although it offers it;
    `secrets` what was given to each prompt of AUTH LOGIN. One that `discards` throws away what came
    along with a command, PIPELINING or not.
    """

    def __init__(
        self,
        *,
        script: Mapping[str, Iterable[Action]] | None = None,
        offers: Collection[str] = OFFERED,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        login: tuple[str, str] | None = None,
        mechanisms: str = "PLAIN LOGIN",
        initial_response: Literal["taken", "ignored", "refused"] = "taken",
        prompts: tuple[str, str] = ("Username:", "Password:"),
        close_after: int = 0,
        error_limit: int = 0,
        per_second: float = 0,
        refuses_dsn: Mapping[str, str] | None = None,
        eager: bool = False,
        discards: bool = False,
        small_window: bool = False,
    ) -> None:
        self.mails: list[Mail] = []
        self.lines: list[str] = []
        self.violations: list[str] = []
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.most_errors = 0
        self.offers = tuple(offers)
        self.tls, self.implicit_tls = tls, implicit_tls
        self.login, self.mechanisms = login, mechanisms
        self.initial_response, self.prompts = initial_response, prompts
        self.secrets: list[tuple[str, str]] = []
        self.close_after, self.error_limit = close_after, error_limit
        self.eager, self.discards = eager, discards
        self.clock = Haste()  # for clients with one connection
        self.refuses_dsn = dict(refuses_dsn or {})
        self.over = Event()
        self._script = {phase: iter(actions) for phase, actions in (script or {}).items()}
        self._bucket = _Bucket(per_second)
        self._lock = Lock()
        self._threads: list[Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        if small_window:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    @property
    def recipients(self) -> list[str]:
        """Who was sent to, one for each message taken, in that order."""
        return [mail.recipient for mail in self.mails]

    def verbs(self, verb: str) -> list[str]:
        """Return the commands that began with `verb`."""
        return [line for line in self.lines if line.upper().startswith(verb)]

    def action(self, *phases: str) -> Action:
        """Return what is to happen, by the first of the phases that has something left."""
        with self._lock:
            for phase in phases:
                action = next(self._script.get(phase, iter(())), ORDINARY)
                if action is not ORDINARY:
                    return action
        return ORDINARY

    def too_fast(self) -> bool:
        with self._lock:
            return not self._bucket.take()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.clock.walk()
            self._start(partial(self._serve, sock))

    def _serve(self, sock: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            self.open += 1
            self.most_open = max(self.open, self.most_open)
        sock.settimeout(0.05)  # so that a hanging client cannot outlive the test
        connection = _Connection(self, sock)
        with suppress(_GoneError, OSError):
            connection.talk()
        connection.close()
        self.leave(connection)

    def leave(self, connection: "_Connection") -> None:
        """Count one connection less, before its client can know that it has ended."""
        with self._lock:
            self.open -= not connection.left
            connection.left = True

    def _start(self, work: Callable[[], None]) -> None:
        thread = Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()


class _GoneError(Exception):
    """This connection is over."""


class _Bucket:
    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._tokens = max(per_second, 1.0)
        self._at = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        most = max(self._per_second, 1.0)
        self._tokens = min(most, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._per_second and self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class _Connection:
    """One client, from greeting to the end."""

    def __init__(self, server: SmtpServer, sock: socket.socket) -> None:
        self._server = server
        self._sock = sock
        self._buffer = b""
        self._sender: tuple[str, tuple[str, ...]] | None = None
        self._recipients: list[tuple[str, tuple[str, ...]]] = []
        self._logged_in = server.login is None
        self._errors = 0
        self._taken = 0
        self.left = False

    def talk(self) -> None:
        if self._server.implicit_tls:
            self._secure()
        self._answer("220 test.example ESMTP", "greeting")
        while True:
            line = self._line().decode("utf-8", "replace")
            self._server.lines.append(line)
            verb = line.split(" ")[0].upper()
            if self._buffer and "PIPELINING" not in self._offers():
                self._server.violations.append(f"pipelined after {line}")
            handler = getattr(self, f"_{verb.lower()}", None)
            if verb in _VERBS and handler:
                handler(line)
            else:
                self._answer("502 5.5.1 not implemented", verb)
            if self._server.discards and self._buffer:
                self._server.clock.hurry()
                self._buffer = b""

    def close(self) -> None:
        with suppress(OSError):
            self._sock.close()

    # Commands

    def _ehlo(self, line: str) -> None:
        lines = ["test.example", *self._offers()]
        dashed = [f"250-{each}" for each in lines[:-1]]
        self._answer("\r\n".join([*dashed, f"250 {lines[-1]}"]), "EHLO")

    def _helo(self, line: str) -> None:
        self._answer("250 test.example", "HELO")

    def _starttls(self, line: str) -> None:
        if self._answer("220 2.0.0 go ahead", "STARTTLS"):
            self._secure()

    def _auth(self, line: str) -> None:
        _, mechanism, *initial = line.split(" ")
        if not isinstance(self._sock, ssl.SSLSocket):
            self._server.violations.append("a login without TLS")
        if initial and self._server.initial_response == "refused":
            self._write(b"501 5.5.2 no initial response, please\r\n")
            return
        if self._server.initial_response == "ignored":
            initial = []
        if mechanism == "PLAIN":
            if not initial:
                self._write(b"334 \r\n")
                initial = [self._line().decode()]
            _, user, password = base64.b64decode(initial[0]).decode().split("\0")
        elif not (user := self._given(initial, 0)) or not (password := self._given([], 1)):
            self._answer("501 5.7.0 cancelled", "cancel")
            return
        right = (user, password) == self._server.login
        self._logged_in = right
        self._answer("235 2.7.0 welcome" if right else "535 5.7.8 wrong credentials", "AUTH")

    def _given(self, initial: list[str], which: int) -> str:
        """Return what the client gives for the name or the password, and keep what it was."""
        if initial:
            return base64.b64decode(initial[0]).decode()
        prompt = self._server.prompts[which]
        self._write(b"334 " + base64.b64encode(prompt.encode()) + b"\r\n")
        line = self._line()
        if line == b"*":
            return ""
        given = base64.b64decode(line).decode()
        self._server.secrets.append((prompt, given))
        return given

    def _mail(self, line: str) -> None:
        address, parameters = self._path(line)
        if "MAIL" in self._server.refuses_dsn and any(map(_of_dsn, parameters)):
            ordinary = self._server.refuses_dsn["MAIL"]
        elif not self._logged_in:
            ordinary = "530 5.7.0 log in first"
        elif self._sender:
            ordinary = "503 5.5.1 nested MAIL"
        elif self._server.too_fast():
            ordinary = "454 4.7.0 too fast"
        else:
            ordinary = "250 2.1.0 ok"
        if self._answer(ordinary, "MAIL"):
            self._sender, self._recipients = (address, parameters), []

    def _rcpt(self, line: str) -> None:
        address, parameters = self._path(line)
        ordinary = "250 2.1.5 ok" if self._sender else "503 5.5.1 MAIL first"
        if "RCPT" in self._server.refuses_dsn and any(map(_of_dsn, parameters)):
            ordinary = self._server.refuses_dsn["RCPT"]
        if self._answer(ordinary, f"RCPT {address}", "RCPT"):
            self._recipients.append((address, parameters))

    def _data(self, line: str) -> None:
        if self._recipients or (self._server.eager and self._sender):
            ordinary = "354 go ahead"
        else:
            ordinary = "554 5.5.1 no valid recipients"
        named = [address for address, _ in self._recipients]
        if not self._answer(ordinary, *(f"DATA {each}" for each in named), "DATA"):
            return
        data = self._text()
        mails = [
            Mail(self._sender[0], recipient, data, self._sender[1] + parameters, time.monotonic())
            for recipient, parameters in self._recipients
            if self._sender
        ]
        self._sender, self._recipients = None, []
        ordinary = "250 2.0.0 taken" if mails else "554 5.5.1 no valid recipients"
        action = self._server.action(*(f"dot {each}" for each in named), "dot")
        if mails and (not isinstance(action, str) or action.startswith("2")):
            self._server.mails.extend(mails)
        self._act(ordinary if action is ORDINARY else action)
        self._taken += 1
        if self._taken == self._server.close_after:
            raise _GoneError

    def _rset(self, line: str) -> None:
        if self._answer("250 2.0.0 ok", "RSET"):
            self._sender, self._recipients = None, []

    def _quit(self, line: str) -> None:
        self._server.leave(self)
        self._answer("221 2.0.0 bye", "QUIT")
        raise _GoneError

    # Bytes

    def _offers(self) -> list[str]:
        offers = list(self._server.offers)
        secure = isinstance(self._sock, ssl.SSLSocket)
        if self._server.tls and not secure and not self._server.implicit_tls:
            offers.append("STARTTLS")
        if self._server.login and secure:
            offers.append(f"AUTH {self._server.mechanisms}")
        return offers

    def _path(self, line: str) -> tuple[str, tuple[str, ...]]:
        found = re.fullmatch(r"(?:MAIL FROM|RCPT TO):<([^>]*)>((?: \S+)*)", line)
        if not found:
            self._server.violations.append(f"malformed: {line}")
            return "", ()
        parameters = tuple(found[2].split())
        offered = " ".join(self._server.offers)
        for parameter in parameters:
            if _OFFERED_BY[parameter.split("=")[0]] not in offered:
                self._server.violations.append(f"not offered: {parameter}")
        if not line.isascii() and "SMTPUTF8" not in offered:
            self._server.violations.append(f"not ASCII: {line}")
        return found[1], parameters

    def _answer(self, ordinary: str, *phases: str) -> bool:
        """Do what the script says, else give the ordinary reply; return whether it was a yes."""
        action = self._server.action(*phases)
        return self._act(ordinary if action is ORDINARY else action)

    def _act(self, action: Action) -> bool:
        match action:
            case str():
                self._write(action.encode() + b"\r\n")
                if action.startswith("421"):
                    raise _GoneError
                self._errors += action[0] in "45"
                self._server.most_errors = max(self._server.most_errors, self._errors)
                if 0 < self._server.error_limit <= self._errors:
                    self._write(b"421 4.7.0 too many errors\r\n")
                    raise _GoneError
                return action[0] in "23"
            case bytes():
                self._write(action)
                return action[:1] in {b"2", b"3"}
            case Drip():
                self._server.clock.hurry()
                for byte in action.data:
                    self._write(bytes([byte]))
                    self._server.over.wait(action.seconds)
                return True
            case Fault.RESET:
                linger = struct.pack("ii", 1, 0)
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            case Fault.HANG:
                self._server.clock.hurry()
                self._server.over.wait()
        raise _GoneError

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._more()
        line, self._buffer = self._buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            self._server.violations.append(f"a bare line feed: {line!r}")
        return line.removesuffix(b"\r")

    def _text(self) -> bytes:
        lines = []
        faulty = self._server.action("body")
        while (line := self._line()) != b".":
            lines.append(line.removeprefix(b".") + b"\r\n")
            if faulty is not ORDINARY and len(lines) == 3:
                self._act(faulty)
        return b"".join(lines)

    def _more(self) -> None:
        while not self._server.over.is_set():
            try:
                data = self._sock.recv(65536)
            except TimeoutError:
                continue
            if not data:
                break
            self._buffer += data
            return
        raise _GoneError

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._server.over.is_set():
            with suppress(TimeoutError):
                view = view[self._sock.send(view) :]

    def _secure(self) -> None:
        if self._server.action("handshake") is HANG:
            self._server.over.wait()
            raise _GoneError
        assert self._server.tls
        self._sock.settimeout(60)
        self._sock = self._server.tls.wrap_socket(self._sock, server_side=True)
        self._sock.settimeout(0.05)
        self._logged_in = self._server.login is None


def _of_dsn(parameter: str) -> bool:
    return _OFFERED_BY[parameter.split("=", maxsplit=1)[0]] == "DSN"


_VERBS = {"EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "QUIT"}
_OFFERED_BY = {
    "SIZE": "SIZE",
    "BODY": "8BITMIME",
    "SMTPUTF8": "SMTPUTF8",
    "RET": "DSN",
    "ENVID": "DSN",
    "NOTIFY": "DSN",
    "ORCPT": "DSN",
}
