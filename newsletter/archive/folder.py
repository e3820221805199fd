"""Put files into the archive's folder, each all at once; it touches nothing that is not ours."""

import json
import os
import re
import unicodedata
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct
from msgspec.structs import asdict

from newsletter.errors import ArchiveError, LockedError
from newsletter.files import LOCK_PATIENCE, locked, sync_folder

MARK = "arxiv-newsletter"  # stands in every file of ours

_RECORD = ".arxiv-newsletter.json"
_DRAFTS = ".arxiv-newsletter.new"
_MANY = 200  # files that are synced one by one; of more, the whole system is
_MOST = 40  # characters of a keyword that stand in a file name
_NAMES = re.compile(
    r"(?:issues|months|keywords|feeds|search)/[a-z0-9][a-z0-9.-]*"
    r"|(?:index|daily-papers|search)\.html|README\.md|feeds\.opml"
)


class Record(Struct, frozen=True, kw_only=True):
    """What the folder is up to date with: it is written last, so that a kill is made up for.

    `pages` changes when the same papers would make other pages. `keywords` and `years` have a mark
    of what is known for each, `mark` of what is known at all. `parts` tells for each part of the
    search index which papers are in it.
    """

    pages: str
    mark: str
    issue: int
    keywords: dict[str, str]
    years: dict[str, str]
    parts: dict[str, str]


class Folder:
    """The archive's folder while it is being written; `problems` names what was in the way.

    Whoever looks at a file sees the old one or the new one. One that stands at a name of ours
    without our mark in it is somebody else's, and stays.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self.written: list[str] = []
        self._drafts = path / _DRAFTS
        self._numbers = count()
        self._settled = 0  # how many of those written

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        self._clear()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._clear()

    def record(self, pages: str) -> Record | None:
        """Return what was noted last, None where there is nothing, or other pages were made."""
        try:
            fields = json.loads((self.path / _RECORD).read_bytes())
            found = Record(**{name: fields[name] for name in Record.__struct_fields__})
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
        return found if found.pages == pages else None

    def note(self, record: Record) -> None:
        """Note what the folder is up to date with."""
        self.put(_RECORD, json.dumps({"written by": MARK} | asdict(record)) + "\n")

    def text(self, name: str) -> str:
        """Return what a file says as it is, empty where it cannot be read as a text."""
        try:
            return (self.path / name).read_text("utf-8")
        except (OSError, ValueError):
            return ""

    def put(self, name: str, text: str) -> None:
        """Write a file unless it says so already; somebody else's is left alone, and named."""
        assert MARK in text, name  # noqa: S101 - else we would take it for somebody else's
        content, path = text.encode("utf-8"), self.path / name
        try:
            there = path.read_bytes()
        except FileNotFoundError:
            there = None
        except (IsADirectoryError, NotADirectoryError):
            there = b"a folder"
        if there == content:
            return
        # A power cut before `settle` may leave an empty file of ours.
        if there and MARK.encode() not in there:
            self.problems.append(
                f"{path}: something stands there that this program did not write, and it was left"
                " alone; move it away, or name another folder in [archive] directory"
            )
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._drafts.mkdir(exist_ok=True)
        draft = self._drafts / str(next(self._numbers))
        with draft.open("wb") as file:
            file.write(content)
        draft.replace(path)
        self.written.append(name)

    def drop_others(self, room: str, names: Container[str]) -> None:
        """Remove from a room the files of ours that are none of `names`; nothing leads to them."""
        for path in (self.path / room).glob("*"):
            name = f"{room}/{path.name}"
            if name not in names and path.is_file() and MARK.encode() in path.read_bytes():
                path.unlink()

    def settle(self) -> None:
        """Make what was put survive a power cut."""
        names, self._settled = self.written[self._settled :], len(self.written)
        if len(names) > _MANY:
            os.sync()
            return
        for name in names:
            with (self.path / name).open("rb") as file:
                os.fsync(file.fileno())
        for folder in {(self.path / name).parent for name in names}:
            sync_folder(folder)

    def _clear(self) -> None:
        """Away with what a run left half-written."""
        if self._drafts.is_dir():
            for path in self._drafts.iterdir():
                path.unlink()
            self._drafts.rmdir()


@contextmanager
def opened(path: Path, *, patience: float = LOCK_PATIENCE) -> Iterator[Folder]:
    """Open the folder for one writer at a time. Raises ArchiveError for whatever was in the way.

    Who has it now is waited for, for so many seconds.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with locked(path / MARK, patience=patience), Folder(path) as folder:
            yield folder
            folder.settle()
    except LockedError as error:
        raise ArchiveError([str(error)]) from error
    except OSError as error:
        where = error.filename or path
        reason = error.strerror or error
        raise ArchiveError(
            [f"{where}: the archive cannot be written: {reason}; mend that, the next run goes on"]
        ) from error
    if folder.problems:
        raise ArchiveError(folder.problems)


def is_name_of_ours(name: str) -> bool:
    """Return whether the archive may have a file of this name, given from its folder on.

    The folder may hold anything else too: the list, say, where it is that of newsletter.toml.
    """
    return _NAMES.fullmatch(name) is not None


def file_name(keyword: str) -> str:
    """Return a name for a keyword's files, without an ending: the same for ever, safe anywhere.

    It begins with the keyword's letters as far as they are ASCII. No two keywords share one, also
    where upper and lower case are the same, and none is a device of Windows.
    """
    letters = unicodedata.normalize("NFKD", keyword).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", letters)[:_MOST].strip("-") or "keyword"
    return f"{stem}-{sha256(keyword.encode()).hexdigest()[:8]}"
