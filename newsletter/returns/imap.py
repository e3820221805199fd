"""Read and move the mails of a folder over IMAP (RFC 3501, RFC 9051) and TLS.

A server may say whatever it likes, for as long as it likes: each answer is bounded in bytes, and
all of them together in time. What one mail makes it say costs that mail alone.
"""

import imaplib
import re
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from time import monotonic

from msgspec import Struct

from newsletter import __version__
from newsletter.addresses import host_problem
from newsletter.errors import CONFIG, PERMISSION, UNAVAILABLE, InboxError
from newsletter.prose import said
from newsletter.returns.mailboxes import MAX_BYTES, Mail, Mailbox

TIMEOUT_SECONDS = 60  # for an answer to begin, and to go on
SESSION_SECONDS = 600  # for everything that is asked in one reading
# Bytes of one answer: some servers send the whole of a long mail when asked for its beginning.
MAX_ANSWER = 128 << 20
# After so many lost connections the server is given up: it is no longer one mail that it dies of.
MAX_LOST_LINES = 10

_MAX_LINE = 1 << 20
_GLANCE = 0.25  # seconds between looks at the clock and at `stop`
_UID = re.compile(rb"\bUID (\d+)")
_PREFIX = re.compile(rb'^\(\("([^"\\]*)"')
# The codes of a refused login: RFC 5530.
_REFUSAL = re.compile(
    r"\[((?:AUTHENTICATION|AUTHORIZATION)FAILED|EXPIRED|NOPERM|PRIVACYREQUIRED)\]"
)
_PRINTABLE = re.compile(r"[^ -~]+")


@contextmanager
def imap(
    host: str,
    port: int,
    *,
    username: str,
    password: str,
    folder: str = "INBOX",
    ca_file: Path | None = None,
    patience: float = TIMEOUT_SECONDS,
    seconds: float = SESSION_SECONDS,
    stop: Event | None = None,
    clock: Callable[[], float] = monotonic,
) -> Iterator[Mailbox]:
    """Open a folder, named as people see it.

    `patience` is how many seconds an answer may take to begin or to go on, `seconds` how many all
    of them together; once `stop` is set none is waited for. Raises InboxError: 69 if the server
    cannot be reached or its certificate is not to be trusted, 78 if it refuses the login, has no
    such folder, or no host can have that name, 77 if mails may not be moved there.
    """
    patience, stop = min(patience, seconds), stop or Event()
    account = _Account(host, port, username, password, folder, ca_file, patience, stop, clock)
    opened = _ImapFolder(account, deadline=clock() + seconds)
    try:
        yield opened
    finally:
        opened.close()


class _Account(Struct, frozen=True):
    host: str
    port: int
    username: str
    password: str
    folder: str
    ca_file: Path | None
    patience: float
    stop: Event
    clock: Callable[[], float]

    def __repr__(self) -> str:
        return f"{self.host}:{self.port}"  # without the password


class _Line(imaplib.IMAP4_SSL):
    """A connection on which no answer is endless."""

    def __init__(self, account: _Account, *, deadline: float) -> None:
        self.left, self._arrived = MAX_ANSWER, bytearray()
        self._deadline = deadline
        self._patience, self._stop, self._clock = account.patience, account.stop, account.clock
        tls = ssl.create_default_context(cafile=account.ca_file)
        super().__init__(account.host, account.port, ssl_context=tls, timeout=account.patience)

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes. Raises imaplib.IMAP4.abort where they do not come."""
        if size > MAX_ANSWER:
            raise self.abort(f"an answer of {size} bytes")
        while len(self._arrived) < size:
            self._receive()
        return self._taken(size)

    def readline(self) -> bytes:
        """Return the next line with its end. Raises imaplib.IMAP4.abort where there is none."""
        searched = 0
        while (end := self._arrived.find(b"\n", searched)) < 0:
            searched = len(self._arrived)
            if searched > _MAX_LINE:
                raise self.abort(f"a line of more than {_MAX_LINE} bytes")
            self._receive()
        return self._taken(end + 1)

    def _receive(self) -> None:
        ends = min(self._deadline, self._clock() + self._patience)
        data = None
        while data is None:
            left = ends - self._clock()
            if left <= 0 or self._stop.is_set():
                raise self.abort("the time for the inbox is up, or the run was told to stop")
            self.sock.settimeout(min(_GLANCE, left))
            with suppress(TimeoutError):
                data = self.sock.recv(1 << 16)
        self.sock.settimeout(self._patience)
        if not data:
            raise self.abort("the line was dropped")
        self.left -= len(data)
        if self.left < 0:
            raise self.abort(f"an answer of more than {MAX_ANSWER} bytes")
        self._arrived += data

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._arrived[:size])
        del self._arrived[:size]
        return taken


class _ImapFolder:
    """A selected folder; keys are UIDs, good together with UIDVALIDITY (RFC 9051 2.3.1.1)."""

    def __init__(self, account: _Account, *, deadline: float) -> None:
        self.unreadable: dict[str, str] = {}
        self._account = account
        self._deadline = deadline
        self._lost = 0
        self._created: dict[str, str] = {}
        self._line: _Line | None = None
        with _talking(str(account)):
            self._line, self._validity, self._count, self._capabilities = self._selected()
        self.name = f"imap://{account.username}@{account}/{account.folder};{self._validity}"

    def keys(self) -> list[str]:
        if not self._count:  # of which some say that it is an error to ask for them
            return []
        with _talking(str(self._account)):
            try:
                # A search would answer in one line, and there are bounds to lines.
                answer = self._uid("FETCH", "1:*", "(UID)")
            except imaplib.IMAP4.error as error:
                if not _is_refusal(error):
                    raise
                numbers = _words(self._uid("SEARCH", "ALL")).split()
                return [each for each in numbers if each.isdigit()]
        return [found[1].decode() for each in answer if (found := _UID.search(_bytes(each)))]

    def read(self, keys: Sequence[str]) -> list[Mail]:
        mails, trouble = self._fetched(keys)
        if trouble and len(keys) == 1 and not mails:
            self.unreadable[keys[0]] = trouble
        elif trouble:
            came = {each.key for each in mails}
            for key in keys:
                if key not in came:
                    try:
                        mails += self.read([key])
                    except InboxError:
                        if mails:  # what came is kept; the next question finds out, too
                            break
                        raise
        return mails

    def move(self, keys: Sequence[str], folder: str) -> None:
        uids = ",".join(keys)
        with _talking(str(self._account)):
            target = self._folder(folder)
            if "MOVE" in self._capabilities:  # RFC 6851
                self._uid("MOVE", uids, target)
                return
            if "UIDPLUS" not in self._capabilities:
                # A plain EXPUNGE would take what others have marked, too.
                raise InboxError(
                    f"{self._account}: the server can neither MOVE nor UID EXPUNGE, so mails"
                    " stay where they are; fetch them into a Maildir and name that in [inbox]",
                    exit_code=CONFIG,
                )
            self._uid("COPY", uids, target)
            self._uid("STORE", uids, r"+FLAGS.SILENT (\Deleted)")
            self._uid("EXPUNGE", uids)

    def close(self) -> None:
        """Take leave, as far as the server listens."""
        line, self._line = self._line, None
        if line:
            with suppress(Exception):  # whatever it says now changes nothing
                line.logout()
            with suppress(OSError):  # already closed if that went well
                line.shutdown()

    def _fetched(self, keys: Sequence[str]) -> tuple[list[Mail], str]:
        """Return the mails that came, and what was said instead of the others."""
        line = self._connected()
        wanted = f"(UID BODY.PEEK[]<0.{MAX_BYTES}>)"
        try:
            status, answer = line.uid("FETCH", ",".join(keys), wanted)
            trouble = "" if status == "OK" else said(f"{status} {_words(answer)}")
        except Exception as error:  # noqa: BLE001 - as in `_talking`
            trouble = said(str(error)) or type(error).__name__
            if not _is_refusal(error):
                self._hang_up()
        if trouble:
            _, answer = line.response("FETCH")  # what came before that
        # Some send along what nobody asked for, or the same mail twice.
        return [*{each.key: each for each in _mails(answer) if each.key in keys}.values()], trouble

    def _connected(self) -> _Line:
        """Return the connection, a new one where it was lost; the folder must be the same."""
        if self._line is None:
            self._lost += 1
            with _talking(str(self._account)):
                if self._lost > MAX_LOST_LINES:
                    raise imaplib.IMAP4.abort(f"the line was lost {self._lost} times")
                self._line, validity, *_ = self._selected()
                if validity != self._validity:
                    raise imaplib.IMAP4.error("another UIDVALIDITY than a moment ago")
        self._line.left = MAX_ANSWER
        return self._line

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line:
            with suppress(OSError):
                line.shutdown()

    def _selected(self) -> tuple[_Line, str, int, frozenset[str]]:
        """Log in and select the folder: a connection, UIDVALIDITY, how many mails, what it can."""
        line = _reached(self._account, self._deadline)
        try:
            _log_in(line, self._account)
            before = {each.upper() for each in line.capabilities}
            _, answer = line.capability()  # after the login there are more
            capabilities = frozenset(before | {*_words(answer).upper().split()})
            if "ID" in capabilities:
                # Some let nobody in who does not say this first: RFC 2971.
                with suppress(imaplib.IMAP4.error):
                    line.xatom("ID", f'("name" "arxiv-newsletter" "version" "{__version__}")')
            validity, count = _select(line, self._account)
        except BaseException:
            with suppress(OSError):
                line.shutdown()
            raise
        return line, validity, count, capabilities

    def _folder(self, name: str) -> str:
        """Create a folder where this server has those of its users; return its quoted name."""
        if name not in self._created:
            prefix = b""
            if "NAMESPACE" in self._capabilities:
                _, answer = self._connected().namespace()
                found = _PREFIX.match(_bytes(answer[0])) if answer else None
                prefix = found[1] if found else b""
            self._created[name] = _quoted(prefix.decode("ascii", "replace") + name)
            self._connected().create(self._created[name])  # refused where it exists
        return self._created[name]

    def _uid(self, command: str, *arguments: str) -> list[bytes | tuple[bytes, bytes]]:
        status, answer = self._connected().uid(command, *arguments)
        if status != "OK":
            raise imaplib.IMAP4.error(f"UID {command}: {status} {_words(answer)}")
        return [each for each in answer if each is not None]


def folder_name(name: str) -> str:
    """Return a folder name as IMAP spells it, in modified UTF-7 (RFC 3501 5.1.3)."""
    return _PRINTABLE.sub(_shifted, name.replace("&", "&-"))


def _shifted(found: re.Match[str]) -> str:
    encoded = b64encode(found[0].encode("utf-16-be")).decode().rstrip("=")
    return f"&{encoded.replace('/', ',')}-"


def _is_refusal(error: Exception) -> bool:
    """Return whether a server said no, and the connection is as good as before."""
    refused = isinstance(error, imaplib.IMAP4.error)
    return refused and not isinstance(error, imaplib.IMAP4.abort)


def _mails(answer: Sequence[object]) -> list[Mail]:
    mails = []
    for each, following in zip(answer, [*answer[1:], b""], strict=True):
        if isinstance(each, tuple):
            # A server may say which one it is before the text or after it.
            found = _UID.search(each[0]) or _UID.search(_bytes(following))
            if found:
                mails.append(Mail(key=found[1].decode(), content=each[1][:MAX_BYTES]))
    return mails


def _reached(account: _Account, deadline: float) -> _Line:
    if problem := host_problem(account.host):
        raise InboxError(f"inbox.host: {problem}", exit_code=CONFIG)
    try:
        return _Line(account, deadline=deadline)
    except Exception as error:  # as in `_talking`: a greeting is an answer, too
        raise InboxError(
            f"{account}: the inbox cannot be reached ({said(str(error))}): are inbox.host and"
            " inbox.port right, and is the server up?",
            exit_code=UNAVAILABLE,
        ) from error


def _log_in(line: _Line, account: _Account) -> None:
    username, password = account.username, account.password
    try:
        if "AUTH=PLAIN" in line.capabilities:  # takes letters of any script
            line.authenticate("PLAIN", lambda _: f"\0{username}\0{password}".encode())
        elif (username + password).isascii():
            line.login(username, password)
        else:
            raise InboxError(
                f"{account}: the server takes only plain letters (it has no AUTHENTICATE"
                f" PLAIN), and the user name {username} or its password has others: choose a login"
                " without, and correct inbox.username",
                exit_code=CONFIG,
            )
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        if "[UNAVAILABLE]" in str(error):  # RFC 5530: a trouble of the server's own
            raise
        # No more than the code: a server may say in its words what it was given as a password.
        found = _REFUSAL.search(str(error))
        code = found[1] if found else "NO"
        raise InboxError(
            f"{account}: the login as {username} is refused ({code}): check inbox.username"
            " and the password of [inbox]",
            exit_code=CONFIG,
        ) from None


def _select(line: _Line, account: _Account) -> tuple[str, int]:
    """Select the folder and return its UIDVALIDITY, and how many mails it has."""
    try:
        status, answer = line.select(_quoted(folder_name(account.folder)))
    except imaplib.IMAP4.readonly as error:
        raise InboxError(
            f"{account}: folder {account.folder!r} can only be read, so that mails cannot be"
            " moved: give the user the right to",
            exit_code=PERMISSION,
        ) from error
    if status != "OK":
        raise InboxError(
            f"{account}: folder {account.folder!r} cannot be opened"
            f" ({said(_words(answer))}): check inbox.mailbox",
            exit_code=CONFIG,
        )
    _, validity = line.response("UIDVALIDITY")
    count = _words(answer[-1:])
    # Who does not say how many there are is asked for all of them.
    return _words(validity[-1:]), int(count) if count.isdigit() else 1


@contextmanager
def _talking(where: str) -> Iterator[None]:
    try:
        yield
    except InboxError:
        raise
    except Exception as error:  # imaplib fails in many ways over what no server should say
        words = said(str(error)) or type(error).__name__
        raise InboxError(
            f"{where}: the inbox stopped answering ({words}); what was read is remembered, and the"
            " rest is read next time",
            exit_code=UNAVAILABLE,
        ) from error


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _words(answer: Sequence[object]) -> str:
    return " ".join(_bytes(each).decode("utf-8", "replace") for each in answer).strip()


def _bytes(part: object) -> bytes:
    return part if isinstance(part, bytes) else b""
