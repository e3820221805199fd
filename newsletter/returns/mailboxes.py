"""Read mails over IMAP, from a Maildir or an mbox, and move them. Nothing is ever deleted.

It does not look into a mail, and leaves it to the caller to remember which ones were read.
"""

import fcntl
import hashlib
import imaplib
import mailbox
import os
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from newsletter.addresses import host_problem
from newsletter.errors import CONFIG, PERMISSION, UNAVAILABLE, InboxError, exit_code_of

# Of a longer mail only the beginning is read: what a bounce says comes before what it returns.
MAX_BYTES = 1 << 20
TIMEOUT_SECONDS = 60

_UID = re.compile(rb"\bUID (\d+)")
_PREFIX = re.compile(rb'^\(\("([^"\\]*)"')
_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail, or the first MAX_BYTES of it; `key` tells it from every other in its mailbox."""

    key: str
    content: bytes


class Mailbox(Protocol):
    """An open mailbox. `name` and a mail's key stay the same for as long as the mail is there.

    Methods raise InboxError.
    """

    name: str

    def keys(self) -> list[str]:
        """Return the keys of all mails, oldest first."""
        ...

    def read(self, keys: Sequence[str]) -> list[Mail]:
        """Return the mails with those keys that are still there; they remain unread to others."""
        ...

    def move(self, keys: Sequence[str], folder: str) -> None:
        """Move mails into another folder of the same mailbox, which is created when missing."""
        ...


Opener = Callable[[], AbstractContextManager[Mailbox]]


@contextmanager
def imap(
    host: str,
    port: int,
    *,
    username: str,
    password: str,
    folder: str = "INBOX",
    ca_file: Path | None = None,
) -> Iterator[Mailbox]:
    """Open a folder over IMAP and TLS (RFC 9051).

    Raises InboxError: 69 if the server cannot be reached or its certificate is not to be trusted,
    78 if it refuses the login, has no such folder, or no host can have that name.
    """
    if problem := host_problem(host):
        raise InboxError(f"inbox.host: {problem}", exit_code=CONFIG)
    where = f"{host}:{port}"
    try:
        context = ssl.create_default_context(cafile=ca_file)
        connection = imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=TIMEOUT_SECONDS)
    except (OSError, imaplib.IMAP4.error) as error:
        raise InboxError(
            f"{where}: the inbox cannot be reached ({error}): are inbox.host and inbox.port right,"
            " and is the server up?",
            exit_code=UNAVAILABLE,
        ) from error
    try:
        with _talking(where):
            _log_in(connection, where, username, password)
            validity = _selected(connection, where, folder)
            _, answer = connection.capability()  # after the login there are more
        yield _ImapFolder(
            connection,
            where,
            name=f"imap://{username}@{where}/{folder};{validity}",
            capabilities=frozenset(_bytes(answer[-1]).decode().upper().split()),
        )
    finally:
        with suppress(OSError, imaplib.IMAP4.error):
            connection.logout()
        with suppress(OSError):  # already closed if that went well
            connection.shutdown()


class _ImapFolder:
    """A selected folder; keys are UIDs, good together with UIDVALIDITY (RFC 9051 2.3.1.1)."""

    def __init__(
        self, connection: imaplib.IMAP4, where: str, *, name: str, capabilities: frozenset[str]
    ) -> None:
        self.name = name
        self._capabilities = capabilities
        self._connection = connection
        self._where = where
        self._created: dict[str, str] = {}

    def keys(self) -> list[str]:
        with _talking(self._where):
            # A search would answer in one line, and imaplib refuses long ones.
            answer = self._uid("FETCH", "1:*", "(UID)")
        return [found[1].decode() for each in answer if (found := _UID.search(_bytes(each)))]

    def read(self, keys: Sequence[str]) -> list[Mail]:
        with _talking(self._where):
            answer = self._uid("FETCH", ",".join(keys), f"(UID BODY.PEEK[]<0.{MAX_BYTES}>)")
        mails = []
        for each, following in zip(answer, [*answer[1:], b""], strict=True):
            if isinstance(each, tuple):
                # A server may say which one it is before the text or after it.
                found = _UID.search(each[0]) or _UID.search(_bytes(following))
                if found:
                    mails.append(Mail(key=found[1].decode(), content=each[1]))
        return mails

    def move(self, keys: Sequence[str], folder: str) -> None:
        uids = ",".join(keys)
        with _talking(self._where):
            target = self._folder(folder)
            if "MOVE" in self._capabilities:  # RFC 6851
                self._uid("MOVE", uids, target)
                return
            if "UIDPLUS" not in self._capabilities:
                # A plain EXPUNGE would take what others have marked, too.
                raise InboxError(
                    f"{self._where}: the server can neither MOVE nor UID EXPUNGE, so mails stay"
                    " where they are; fetch them into a Maildir and name that in [inbox]",
                    exit_code=CONFIG,
                )
            self._uid("COPY", uids, target)
            self._uid("STORE", uids, r"+FLAGS.SILENT (\Deleted)")
            self._uid("EXPUNGE", uids)

    def _folder(self, name: str) -> str:
        """Create a folder where this server has those of its users; return its quoted name."""
        if name not in self._created:
            prefix = b""
            if "NAMESPACE" in self._capabilities:
                _, (answer, *_) = self._connection.namespace()
                found = _PREFIX.match(_bytes(answer))
                prefix = found[1] if found else b""
            self._created[name] = _quoted(prefix.decode("ascii", "replace") + name)
            self._connection.create(self._created[name])  # refused where it exists
        return self._created[name]

    def _uid(self, command: str, *arguments: str) -> list[bytes | tuple[bytes, bytes]]:
        status, answer = self._connection.uid(command, *arguments)
        if status != "OK":
            raise imaplib.IMAP4.error(f"UID {command}: {status} {answer}")
        return [each for each in answer if each is not None]


@contextmanager
def maildir(path: Path) -> Iterator[Mailbox]:
    """Open a Maildir (cr.yp.to/proto/maildir.html). Raises InboxError where there is none."""
    if not (path / "cur").is_dir():
        raise InboxError(
            f"{path}: there is no Maildir; correct inbox.path, or make one", exit_code=CONFIG
        )
    yield _Maildir(path)


class _Maildir:
    """A Maildir; keys are file names without the flags that mail programs add and change."""

    def __init__(self, path: Path) -> None:
        self.name = f"maildir:{path.resolve()}"
        self._path = path

    def keys(self) -> list[str]:
        with _filing(self._path):
            return sorted(self._files())

    def read(self, keys: Sequence[str]) -> list[Mail]:
        with _filing(self._path):
            files = self._files()
            found = ((key, _beginning(files[key])) for key in keys if key in files)
            return [Mail(key=key, content=content) for key, content in found if content is not None]

    def move(self, keys: Sequence[str], folder: str) -> None:
        target = self._path / f".{folder}"  # a subfolder as Maildir++ has them
        with _filing(self._path):
            for part in ("tmp", "new", "cur"):
                (target / part).mkdir(parents=True, exist_ok=True)
            (target / "maildirfolder").touch()
            files = self._files()
            for key in keys:
                if key in files:
                    with suppress(FileNotFoundError):  # a mail program was faster: next time
                        files[key].rename(target / files[key].parent.name / files[key].name)

    def _files(self) -> dict[str, Path]:
        return {
            path.name.partition(":")[0]: path
            for part in ("cur", "new")
            for path in (self._path / part).iterdir()
            if not path.name.startswith(".")
        }


@contextmanager
def mbox(path: Path) -> Iterator[Mailbox]:
    """Open an mbox, which no mail can enter until it is closed; a missing one is empty.

    Mails are moved into files beside it. Raises InboxError if another program holds it.
    """
    if not path.exists() and path.parent.is_dir():  # made when the first mail arrives
        yield _Mbox(path)
        return
    with _filing(path):
        box = mailbox.mbox(path, create=False)
    try:
        with _filing(path):
            box.lock()
        yield _Mbox(path, box)
    finally:
        with _filing(path):
            box.close()


class _Mbox:
    """A locked mbox; keys are hashes of Message-IDs, or of whole mails where there is none.

    What was moved leaves the file when it is closed; a crash before leaves a second copy.
    """

    def __init__(self, path: Path, box: mailbox.mbox | None = None) -> None:
        self.name = f"mbox:{path.resolve()}"
        self._path = path
        self._box = box
        self._numbers: dict[str, list[str]] = {}

    def keys(self) -> list[str]:
        with _filing(self._path):
            for number in self._box.iterkeys() if self._box is not None else ():
                self._numbers.setdefault(_fingerprint(self._beginning(number)), []).append(number)
        return list(self._numbers)

    def read(self, keys: Sequence[str]) -> list[Mail]:
        with _filing(self._path):
            return [
                Mail(key=key, content=self._beginning(self._numbers[key][0]))
                for key in keys
                if key in self._numbers
            ]

    def move(self, keys: Sequence[str], folder: str) -> None:
        if self._box is None:
            return
        numbers = [number for key in keys for number in self._numbers.pop(key, ())]
        with _filing(self._path), self._path.with_name(folder).open("ab") as target:
            fcntl.lockf(target, fcntl.LOCK_EX)
            for number in numbers:
                target.write(self._box.get_bytes(number, from_=True) + b"\n")
            target.flush()
            os.fsync(target.fileno())
        for number in numbers:
            self._box.discard(number)

    def _beginning(self, number: str) -> bytes:
        if self._box is None:
            return b""
        content: bytes = self._box.get_file(number).read(MAX_BYTES)
        return content


def _beginning(path: Path) -> bytes | None:
    """Return what a mail begins with, None if a mail program has just renamed it."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except FileNotFoundError:
        return None


def _fingerprint(content: bytes) -> str:
    head = re.split(rb"\r?\n\r?\n", content, maxsplit=1)[0]
    found = _MESSAGE_ID.search(head)
    return hashlib.sha256(found[1] if found else content).hexdigest()[:32]


def _log_in(connection: imaplib.IMAP4, where: str, username: str, password: str) -> None:
    try:
        if "AUTH=PLAIN" in connection.capabilities:  # takes letters of any script
            connection.authenticate("PLAIN", lambda _: f"\0{username}\0{password}".encode())
        else:
            connection.login(username, password)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        if "[UNAVAILABLE]" in str(error):  # RFC 5530: a trouble of the server's own
            raise
        raise InboxError(
            f"{where}: the login as {username} is refused ({error}): check inbox.username and the"
            " password of [inbox]",
            exit_code=CONFIG,
        ) from error


def _selected(connection: imaplib.IMAP4, where: str, folder: str) -> str:
    """Select a folder and return its UIDVALIDITY."""
    status, answer = connection.select(_quoted(folder))
    if status != "OK":
        raise InboxError(
            f"{where}: folder {folder!r} cannot be opened ({_bytes(answer[0]).decode()}): check"
            " inbox.mailbox",
            exit_code=CONFIG,
        )
    _, (validity, *_) = connection.response("UIDVALIDITY")
    return _bytes(validity).decode()


@contextmanager
def _talking(where: str) -> Iterator[None]:
    try:
        yield
    except (OSError, imaplib.IMAP4.error) as error:
        raise InboxError(
            f"{where}: the inbox stopped answering ({error}); what was read is remembered, and the"
            " rest is read next time",
            exit_code=UNAVAILABLE,
        ) from error


@contextmanager
def _filing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, mailbox.Error) as error:
        code = exit_code_of(error)
        raise InboxError(
            f"{path}: the inbox cannot be read, or mails cannot be moved: {error}"
            + ("; give this user the right to write there" if code == PERMISSION else ""),
            exit_code=code,
        ) from error


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bytes(part: object) -> bytes:
    return part if isinstance(part, bytes) else b""
