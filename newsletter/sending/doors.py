"""Opening connections beside the work: a name look-up and a greeting may take their time.

A connection is set up through smtplib, TLS and login included, and handed over as a session.
"""

import base64
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Literal

from msgspec import Struct

from newsletter.addresses import host_problem
from newsletter.errors import CONFIG, TEMPORARY, UNAVAILABLE, TransportError
from newsletter.sending.replies import ProtocolError, Reply, ReplyReader
from newsletter.sending.session import Patience, Session

Security = Literal["tls", "starttls", "none"]

_CHUNK = 65536
_MAX_PROMPTS = 3
_NO_INITIAL_RESPONSE = 501  # RFC 4954 4 would have a server take it; some do not


class Server(Struct, frozen=True, kw_only=True):
    """Where mail is handed in, and what it takes to be let in.

    `without` has what is not used even if it is offered: "dsn", "pipelining".
    """

    host: str
    port: int
    security: Security = "starttls"
    username: str = ""
    password: str = ""
    ehlo_name: str = ""
    ca_file: Path | None = None
    without: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"Server({self})"  # without the password


class LostError(Exception):
    """There is no connection; another try may fare better.

    `busy` is whether the server itself asked for that, by a 4yz reply.
    """

    def __init__(self, reason: str, *, busy: bool = False) -> None:
        super().__init__(reason)
        self.busy = busy


class Doors:
    """Sets connections up, each in a thread of its own: smtplib and the look-up of names block.

    Can be selected for reading: readable when there are results.
    """

    def __init__(self, server: Server, patience: Patience) -> None:
        self.pending = 0
        self._server = server
        self._patience = patience
        self._context = tls_context(server)
        self._ear, self._bell = socket.socketpair()
        self._results: SimpleQueue[Session | Exception] = SimpleQueue()
        self._lock = Lock()
        self._closed = False

    def fileno(self) -> int:
        """Return what a selector waits for: readable when there are results."""
        return self._ear.fileno()

    def open(self) -> None:
        """Begin to set up one more connection."""
        self.pending += 1
        # A daemon, so that a server which never answers cannot keep the program from ending.
        thread = Thread(target=self._set_up, name="smtp", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._tell(LostError(f"no connection can be opened: {error}"))

    def results(self) -> Iterator[Session | Exception]:
        """Return what has become of those begun: a session, or the exception in its place."""
        for _ in self._ear.recv(4096):
            self.pending -= 1
            yield self._results.get()

    def close(self) -> None:
        """Close what nobody asked for any more, now and when it comes."""
        with self._lock:
            self._closed = True
            while not self._results.empty():
                _dismiss(self._results.get())
            self._ear.close()
            self._bell.close()

    def _set_up(self) -> None:
        result: Session | Exception
        try:
            result = connect(self._server, self._patience, self._context)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits for it
            result = error
        self._tell(result)

    def _tell(self, result: Session | Exception) -> None:
        with self._lock:
            if self._closed:
                _dismiss(result)
            else:
                self._results.put(result)
                self._bell.send(b".")


def tls_context(server: Server) -> ssl.SSLContext | None:
    """Return the one context for all connections to a server: reading the system's CAs is slow.

    Raises TransportError (78) where `ca_file` cannot be used.
    """
    if server.security == "none":
        return None
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if server.ca_file:
        try:
            context.load_verify_locations(cafile=server.ca_file)
        except OSError as error:
            raise TransportError(
                f"{server.ca_file}: no CA certificates can be read from it ({error}): check"
                " smtp.ca_file",
                exit_code=CONFIG,
            ) from error
    return context


def connect(server: Server, patience: Patience, context: ssl.SSLContext | None) -> Session:
    """Open a connection, TLS and login included; blocks for as long as `patience` allows.

    `context` is that of `tls_context`.

    Raises LostError where another try may help, TransportError where it does not: TLS that is
    missing or not to be trusted and a server that wants nothing from us (69), the login (78).
    """
    try:
        client = _client(server, patience, context)
    except ssl.SSLEOFError as error:
        raise LostError(f"{server} hung up during the TLS handshake") from error
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or str(error)
        raise TransportError(
            f"{server}: TLS is not to be trusted ({reason}): check smtp.host, security and ca_file",
            exit_code=UNAVAILABLE,
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise TransportError(
            f"{server} does not offer STARTTLS, so nothing was said to it: try port 465 with"
            ' smtp.security = "tls"',
            exit_code=UNAVAILABLE,
        ) from error
    except smtplib.SMTPResponseException as error:
        reply = _reply(error.smtp_code, error.smtp_error)
        if reply.code < 500:
            raise LostError(f"{server} said {reply}", busy=True) from error
        raise TransportError(f"{server} said {reply}", exit_code=UNAVAILABLE) from error
    except ProtocolError as error:
        raise LostError(f"{server} does not talk SMTP: {error}") from error
    except UnicodeError as error:
        raise TransportError(f"{server}: {error}: check smtp.host", exit_code=CONFIG) from error
    except OSError as error:
        raise LostError(f"{server} cannot be reached: {error}") from error
    session = Session(client.opened, client.esmtp_features, patience)
    session.do_without(server.without)
    return session


class ProbeResult(Struct, frozen=True, kw_only=True):
    """What a server is like. `size_limit` is in bytes, 0 where it names none."""

    tls_version: str
    certificate_expires: datetime | None
    logged_in: bool
    size_limit: int
    pipelining: bool


def probe(server: Server, *, patience: Patience | None = None) -> ProbeResult:
    """Connect, log in and leave again; no mail is sent. Raises TransportError."""
    patience = patience or Patience()
    try:
        session = connect(server, patience, tls_context(server))
    except LostError as error:
        exit_code = TEMPORARY if error.busy else UNAVAILABLE
        raise TransportError(str(error), exit_code=exit_code) from error
    sock = session.sock
    certificate = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
    result = ProbeResult(
        tls_version=(sock.version() or "") if isinstance(sock, ssl.SSLSocket) else "",
        certificate_expires=(
            datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
            if certificate
            else None
        ),
        logged_in=bool(server.username),
        size_limit=session.size_limit,
        pipelining=session.pipelining,
    )
    session.quit(now=time.monotonic())
    session.abandon("done")
    return result


def _dismiss(result: Session | Exception) -> None:
    if isinstance(result, Session):
        result.abandon("the run is over")


def _client(server: Server, patience: Patience, context: ssl.SSLContext | None) -> "_Client":
    """Return a connection that has said EHLO, under TLS if asked for, and is logged in."""
    # Not None: smtplib would look our own name up, and fall over one with a label that is too long.
    where = (server.host, server.port, server.ehlo_name)
    if server.security == "tls":
        client: _Client = _TlsClient(*where, timeout=patience.connect, context=context)
    else:
        client = _Client(*where, timeout=patience.connect)
    try:
        client.timeout = patience.command
        client.local_hostname = server.ehlo_name or _own_name(client.opened)
        _greet(client)
        if server.security == "starttls":
            client.starttls(context=context)
            _greet(client)
        if server.username:
            _log_in(client, server)
    except BaseException:
        client.close()
        raise
    return client


def _greet(client: "_Client") -> None:
    code, said = client.ehlo()
    if 500 <= code < 600:
        code, said = client.helo()
    if code != 250:
        raise smtplib.SMTPHeloError(code, said)


def _log_in(client: "_Client", server: Server) -> None:
    """Try one mechanism, once: a wrong password is not hammered at the server."""
    if not isinstance(client.sock, ssl.SSLSocket):
        raise TransportError(
            f"{server}: a password is never sent without TLS: set smtp.security, or leave out"
            " smtp.username",
            exit_code=CONFIG,
        )
    offered = client.esmtp_features.get("auth", "").upper().split()
    user, password = server.username.encode(), server.password.encode()
    if "PLAIN" in offered:
        code, status = _log_in_plain(client, user, password)
    elif "LOGIN" in offered:
        code, status = _log_in_by_prompts(client, user, password)
    else:
        raise TransportError(
            f"{server} offers no login we know ({' '.join(offered) or 'none at all'}; PLAIN or"
            " LOGIN is needed): check smtp.port, or leave out smtp.username",
            exit_code=CONFIG,
        )
    if code != 235:
        if 400 <= code < 500 and code != 432:
            raise LostError(f"{server} puts the login off ({code} {status})", busy=True)
        # Not the text: servers have been seen to repeat what was sent.
        raise TransportError(
            f"{server} refuses the login of {server.username} ({code} {status}): check"
            " smtp.username and the password; many providers want an app password",
            exit_code=CONFIG,
        )


def _log_in_plain(client: "_Client", user: bytes, password: bytes) -> tuple[int, str]:
    """Return the code and the status of the reply that decided (RFC 4616)."""
    secret = _base64(b"\0" + user + b"\0" + password)
    code, said = client.docmd("AUTH", f"PLAIN {secret}")
    if code == _NO_INITIAL_RESPONSE:
        code, said = client.docmd("AUTH", "PLAIN")
    if code == 334:
        code, said = client.docmd(secret)
    return code, _reply(code, said).status


def _log_in_by_prompts(client: "_Client", user: bytes, password: bytes) -> tuple[int, str]:
    """Answer what is asked, whether or not the name was taken along with the command.

    Where that cannot be told from a prompt, we begin again without it: then the first is for the
    name. The password is never the answer to a prompt that may be for the name.
    """
    code, said = client.docmd("AUTH", f"LOGIN {_base64(user)}")
    if code == 334 and not _prompt(said):
        code, said = client.docmd("*")  # RFC 4954 4: this cancels it, and the answer is 501
    named = code == 334
    if code == _NO_INITIAL_RESPONSE:
        code, said = client.docmd("AUTH", "LOGIN")
    for _ in range(_MAX_PROMPTS):
        if code != 334:
            break
        wanted = _prompt(said) or ("password" if named else "name")
        named = named or wanted == "name"
        code, said = client.docmd(_base64(user if wanted == "name" else password))
    return code, _reply(code, said).status


def _prompt(said: bytes) -> Literal["name", "password", ""]:
    """Return what a prompt is for, as far as it says."""
    try:
        words = base64.b64decode(said).decode().lower()
    except ValueError:
        return ""
    if "pass" in words:
        return "password"
    return "name" if "name" in words or "user" in words else ""


def _own_name(sock: socket.socket) -> str:
    """Return what we introduce ourselves as: our name, else our address (RFC 5321 4.1.4)."""
    try:
        name = socket.getfqdn()
    except UnicodeError:
        name = ""
    if "." in name and not host_problem(name):
        return name
    own = sock.getsockname()[0]
    return f"[IPv6:{own}]" if ":" in own else f"[{own}]"


class _Client(smtplib.SMTP):
    """smtplib's connection, but no reply is longer or takes longer than it should."""

    @cached_property
    def _reader(self) -> ReplyReader:
        return ReplyReader()

    @property
    def opened(self) -> socket.socket:
        """The open socket; raises SMTPServerDisconnected where there is none."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        return self.sock

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply; raises ProtocolError, or OSError where none comes."""
        try:
            reply = self._next_reply()
        except (OSError, ProtocolError):
            self.close()
            raise
        return reply.code, reply.raw

    def _next_reply(self) -> Reply:
        deadline = time.monotonic() + self.timeout
        replies: list[Reply] = []
        while not replies:
            self.opened.settimeout(max(deadline - time.monotonic(), 0.001))
            data = self.opened.recv(_CHUNK)
            if not data:
                raise smtplib.SMTPServerDisconnected("the server hung up")
            replies = self._reader.feed(data)
        # Nothing may follow unasked; least of all after STARTTLS, where it would be taken for
        # something said under TLS (CVE-2011-0411).
        if len(replies) > 1 or self._reader.pending:
            raise ProtocolError("more than one reply to one command")
        self.opened.settimeout(self.timeout)
        return replies[0]


class _TlsClient(_Client, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte on."""


def _base64(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


def _reply(code: int, said: bytes | str) -> Reply:
    return Reply(code, said if isinstance(said, bytes) else said.encode())
