"""Read mails from a Maildir or an mbox, and move them. Nothing is ever deleted.

It does not look into a mail, and leaves it to the caller to remember which ones were read.
"""

import fcntl
import hashlib
import mailbox
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from itertools import islice, pairwise
from math import inf
from pathlib import Path
from threading import Event
from typing import IO, Any, Protocol, TypeVar

from msgspec import Struct

from newsletter.errors import CONFIG, PERMISSION, UNAVAILABLE, InboxError, exit_code_of

# Of a longer mail only the beginning is read: what a bounce says comes before what it returns.
MAX_BYTES = 1 << 20
_PIECE = 1 << 16

# So much of an mbox is looked through, copied and written anew in a second, on a slow disk.
_BYTES_A_SECOND = 20_000_000
MOST_MAILS = 100_000  # of an mbox at a time; the next reading finds the others
_FROM = b"\nFrom "
_HEAD = 1 << 13  # where a Message-ID nearly always is

_T = TypeVar("_T")

_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?(\S+)", re.IGNORECASE | re.MULTILINE)


class Mail(Struct, frozen=True, kw_only=True):
    """A mail, or the first MAX_BYTES of it; `key` tells it from every other in its mailbox."""

    key: str
    content: bytes


class Mailbox(Protocol):
    """An open mailbox. `name` and a mail's key stay the same for as long as the mail is there.

    `unreadable` says of mails that were asked for in vain, by key, what came instead. Methods raise
    InboxError.
    """

    name: str
    unreadable: dict[str, str]

    def keys(self) -> list[str]:
        """Return the keys of all mails, oldest first."""
        ...

    def read(self, keys: Sequence[str]) -> list[Mail]:
        """Return the mails with those keys that are still there; they remain unread to others."""
        ...

    def move(self, keys: Sequence[str], folder: str) -> None:
        """Move mails into another folder of the same mailbox, which is created when missing."""
        ...


class Opener(Protocol):
    """What opens a mailbox, for `seconds` where it is over a network."""

    def __call__(self, *, seconds: float) -> AbstractContextManager[Mailbox]:
        """Open it. Raises InboxError."""
        ...


@contextmanager
def maildir(
    path: Path,
    *,
    seconds: float = 0.0,  # noqa: ARG001 (an Opener)
    stop: Event | None = None,
) -> Iterator[Mailbox]:
    """Open a Maildir (cr.yp.to/proto/maildir.html). Raises InboxError where there is none.

    Once `stop` is set it is not listed to its end; that is an InboxError, too.
    """
    if not (path / "cur").is_dir():
        raise InboxError(
            f"{path}: there is no Maildir; correct inbox.path, or make one", exit_code=CONFIG
        )
    yield _Maildir(path, stop or Event())


class _Maildir:
    """A Maildir; keys are file names without the flags that mail programs add and change."""

    def __init__(self, path: Path, stop: Event) -> None:
        self.name = f"maildir:{path.resolve()}"
        self.unreadable: dict[str, str] = {}
        self._path = path
        self._stop = stop
        self._listed: dict[str, Path] = {}

    def keys(self) -> list[str]:
        with _filing(self._path):
            self._listed = self._files()
            return sorted(self._listed)

    def read(self, keys: Sequence[str]) -> list[Mail]:
        with _filing(self._path):
            files = self._there(keys)
            found = ((key, _beginning(files[key])) for key in keys if key in files)
            return [Mail(key=key, content=content) for key, content in found if content is not None]

    def move(self, keys: Sequence[str], folder: str) -> None:
        target = self._path / f".{folder}"  # a subfolder as Maildir++ has them
        with _filing(self._path):
            for part in ("tmp", "new", "cur"):
                (target / part).mkdir(parents=True, exist_ok=True)
            (target / "maildirfolder").touch()
            files = self._there(keys)
            for key in keys:
                if key in files:
                    with suppress(FileNotFoundError):  # a mail program was faster: next time
                        files[key].rename(target / files[key].parent.name / files[key].name)

    def _there(self, keys: Sequence[str]) -> dict[str, Path]:
        """Return where mails lie; the folder is listed again only where one has been renamed."""
        if not all(key in self._listed and self._listed[key].exists() for key in keys):
            self._listed = self._files()
        return self._listed

    def _files(self) -> dict[str, Path]:
        """List the mails: regular files, since to open anything else may never end."""
        found = {}
        for part in ("cur", "new"):
            with os.scandir(self._path / part) as entries:
                for each in _until(self._stop, entries):
                    if not each.name.startswith(".") and each.is_file(follow_symlinks=False):
                        found[each.name.partition(":")[0]] = Path(each.path)
        return found


@contextmanager
def mbox(path: Path, *, seconds: float = inf, stop: Event | None = None) -> Iterator[Mailbox]:
    """Open an mbox, which no mail can enter until it is closed; a missing one is empty.

    Mails are moved into files beside it. Raises InboxError if another program holds it, or if it is
    too large to be looked through in `seconds`, or is not looked through to its end since `stop` is
    set.
    """
    stop = stop or Event()
    if not path.exists() and path.parent.is_dir():  # made when the first mail arrives
        yield _Mbox(path, stop)
        return
    with _filing(path):
        if not path.is_file():
            raise InboxError(
                f"{path}: this is no mbox but another kind of file; correct inbox.path",
                exit_code=CONFIG,
            )
        if (size := path.stat().st_size) > seconds * _BYTES_A_SECOND:
            raise InboxError(
                f"{path}: {size // 1_000_000:,} MB are more than can be looked through in"
                f" {seconds:.0f} s; move large mails out of it",
                exit_code=UNAVAILABLE,
            )
        box = _BoundedMbox(path, stop)
    try:
        with _filing(path):
            box.lock()
        yield _Mbox(path, stop, box)
    finally:
        with _filing(path):
            box.close()


class _BoundedMbox(mailbox.mbox):
    """An mbox that is searched for where mails begin: a mail of any size takes little time, memory.

    What stands before its first mail, and what comes after the first MOST_MAILS, is kept as it is
    under the numbers -1 and MOST_MAILS.
    """

    def __init__(self, path: Path, stop: Event) -> None:
        super().__init__(path, create=False)
        self._file: Any = _Pieces(self._file)
        self._stop = stop

    def _generate_toc(self) -> None:
        """Note where each mail begins and ends; the class above calls this, and needs all three."""
        starts = list(islice(_starts(self._file, self._stop), MOST_MAILS + 1))
        length = self._file.seek(0, os.SEEK_END)
        found = dict(enumerate(pairwise([*starts, length])))
        if starts and starts[0]:
            found[-1] = (0, starts[0])
        self._toc = {n: (start, end - self._blank_before(end)) for n, (start, end) in found.items()}
        self._next_key = len(self._toc)
        self._file_length = length

    def _blank_before(self, end: int) -> int:
        """Return the length of the blank line that ends there: it parts mails, and is in none."""
        self._file.seek(max(0, end - 2))
        return int(self._file.read(min(end, 2)) in {b"\n\n", b"\n"})


def _starts(file: IO[bytes], stop: Event) -> Iterator[int]:
    """Yield where mails begin: at each line that begins with "From " (RFC 4155, Appendix A)."""
    file.seek(0)
    read, before = 0, b"\n"
    for piece in _until(stop, iter(partial(file.read, _PIECE), b"")):
        window = before + piece
        found = window.find(_FROM)
        while found >= 0:
            yield read - len(before) + found + 1
            found = window.find(_FROM, found + 1)
        read += len(piece)
        before = window[1 - len(_FROM) :]


class _Pieces:
    """An open file, read a piece of a line at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readline(self) -> bytes:
        return self._file.readline(_PIECE)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a file has
        return getattr(self._file, name)


class _Mbox:
    """A locked mbox; keys are hashes of Message-IDs, or of whole mails where there is none.

    What was moved leaves the file when it is closed; a crash before leaves a second copy.
    """

    def __init__(self, path: Path, stop: Event, box: mailbox.mbox | None = None) -> None:
        self.name = f"mbox:{path.resolve()}"
        self.unreadable: dict[str, str] = {}
        self._path = path
        self._stop = stop
        self._box = box
        self._numbers: dict[str, list[str]] = {}

    def keys(self) -> list[str]:
        self._numbers = {}
        with _filing(self._path):
            for number in _until(self._stop, () if self._box is None else self._box.iterkeys()):
                if 0 <= int(number) < MOST_MAILS:
                    self._numbers.setdefault(self._key(number), []).append(number)
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
        numbers = [number for key in keys for number in self._numbers.get(key, ())]
        path = self._path.with_name(folder)
        with _filing(self._path), open(path, "ab", opener=_at_once) as target:
            try:
                fcntl.lockf(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InboxError(
                    f"{path}: another program holds it; what was read is moved there next time",
                    exit_code=UNAVAILABLE,
                ) from error
            for number in numbers:
                shutil.copyfileobj(self._box.get_file(number, from_=True), target, _PIECE)
                target.write(b"\n")
            target.flush()
            os.fsync(target.fileno())
        for number in numbers:
            self._box.discard(number)
        for key in keys:
            self._numbers.pop(key, None)

    def _key(self, number: str) -> str:
        head = self._beginning(number, _HEAD)
        if (found := _message_id(head)) and found.end() < len(head):
            return _hashed(found[1])
        content = self._beginning(number)
        found = _message_id(content)
        return _hashed(found[1] if found else content)

    def _beginning(self, number: str, size: int = MAX_BYTES) -> bytes:
        if self._box is None:
            return b""
        content: bytes = self._box.get_file(number).read(size)
        return content


def _until(stop: Event, things: Iterable[_T]) -> Iterator[_T]:
    """Yield what is looked through. Raises InboxError once `stop` is set."""
    for each in things:
        if stop.is_set():
            raise InboxError(
                "the run was told to stop while it looked through the inbox; the next one reads it",
                exit_code=UNAVAILABLE,
            )
        yield each


def _beginning(path: Path) -> bytes | None:
    """Return what a mail begins with, None if a mail program has just renamed it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor, not a path)
            return file.read(MAX_BYTES)
    except FileNotFoundError:
        return None


def _at_once(path: str, flags: int) -> int:
    """Be an opener for open(): it waits for nobody, and a file it makes is its owner's alone."""
    return os.open(path, flags | os.O_NONBLOCK, 0o600)


def _message_id(content: bytes) -> re.Match[bytes] | None:
    return _MESSAGE_ID.search(re.split(rb"\r?\n\r?\n", content, maxsplit=1)[0])


def _hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


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
