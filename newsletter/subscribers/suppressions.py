"""Keep who must not be mailed, and why, in a file that only grows. Does not decide who that is."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from newsletter.addresses import address, folded
from newsletter.errors import SubscribersError
from newsletter.files import locked, replacing, sync_folder
from newsletter.moments import iso
from newsletter.prose import said
from newsletter.subscribers.listfile import guarded, lines_of, stamp_at, unguarded

# The reason that takes a suppression back.
LIFTED = "lifted"

_HEADER = ("address", "reason", "since", "detail")
FORGOTTEN = "forgotten"


class Suppression(Struct, frozen=True, kw_only=True):
    """A line of the file. `since` is as written there: ISO 8601, in UTC."""

    address: str
    reason: str
    since: str = ""
    detail: str = ""


class KeptOff(Protocol):
    """Who must not be mailed, wherever that is written down."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be understood."""
        ...

    def reason_for(self, address: str, /) -> str | None:
        """Return why the address must not be mailed, None if it may be, as of `refresh`."""
        ...

    def entries(self) -> tuple[Suppression, ...]:
        """Return every suppression in force, oldest first."""
        ...

    def refresh(self) -> None:
        """Take in what has changed: cheap enough to ask before every mail."""
        ...

    def add(self, address: str, /, *, reason: str, now: datetime, detail: str = "") -> None:
        """Suppress an address, durably; nothing is written if it is for that reason already."""
        ...

    def add_all(
        self, addresses: Iterable[str], /, *, reason: str, now: datetime, detail: str = ""
    ) -> None:
        """Suppress some addresses as `add` does each, in the time of one."""
        ...

    def remove(self, address: str, /, *, now: datetime, detail: str = "") -> bool:
        """Lift a suppression. Returns whether there was one."""
        ...


def suppression_of(suppressions: KeptOff, address: str) -> Suppression | None:
    """Return what is written down of an address under its own name, None where nothing is."""
    wanted = folded(address)
    return next((each for each in suppressions.entries() if folded(each.address) == wanted), None)


class Suppressions:
    """The suppression file (`address,reason,since,detail`), the last line for an address counts.

    A person may edit it; a bare address on a line of its own will do. `problems` says which lines
    could not be understood. Without `keys` forgotten people cannot be told from others.
    """

    def __init__(self, path: Path, *, keys: Sequence[bytes] = ()) -> None:
        """Read the file; a missing one is empty. Raises SubscribersError if it is not UTF-8."""
        self._path = path
        self._keys = tuple(keys)
        self._entries: dict[str, Suppression] = {}
        self._any_forgotten = False
        self._content = b""
        self._lines = 0
        self.problems: tuple[str, ...] = ()
        self._stamp = stamp_at(path)
        self._read()

    def reason_for(self, address: str) -> str | None:
        """Return why the address must not be mailed, None if it may be, as of `refresh`."""
        entry = self._entries.get(folded(address))
        if entry is None and self._any_forgotten:
            hashes = chain.from_iterable(hashes_of(address, key) for key in self._keys)
            entry = next((self._entries[name] for name in hashes if name in self._entries), None)
        return entry.reason if entry else None

    def entries(self) -> tuple[Suppression, ...]:
        """Return every suppression in force, oldest first."""
        return tuple(self._entries.values())

    def of_unknown_keys(self) -> int:
        """Return how many forgotten people cannot be told from others: by a key that is not here.

        A hash of before they named their key counts where there is no key at all.
        """
        known = {_key_id(key) for key in self._keys}
        hashes = [name.split(":") for name in self._entries if _is_hash(name)]
        return sum(parts[1] not in known if len(parts) == 3 else not known for parts in hashes)

    def refresh(self) -> None:
        """Read the file again if it changed: cheap enough to ask before every mail."""
        stamp = stamp_at(self._path)
        if stamp != self._stamp:
            self._read()
            self._stamp = stamp

    def add(self, address: str, *, reason: str, now: datetime, detail: str = "") -> None:
        """Suppress an address, durably; nothing is written if it is for that reason already.

        Nor if it is forgotten: the file must not learn its name again. Raises ValueError for the
        one reason that would lift it.
        """
        self.add_all([address], reason=reason, now=now, detail=detail)

    def add_all(
        self, addresses: Iterable[str], *, reason: str, now: datetime, detail: str = ""
    ) -> None:
        """Suppress some addresses as `add` does each, with one sync of the disk."""
        require_reason(reason)
        self.refresh()
        new = [
            each
            for each in dict.fromkeys(addresses)
            if self.reason_for(each) not in {reason, FORGOTTEN}
        ]
        if new:
            self._append(new, reason, now, detail)

    def remove(self, address: str, *, now: datetime, detail: str = "") -> bool:
        """Lift a suppression by a line that says so. Returns whether there was one."""
        self.refresh()
        names = [folded(address), *chain.from_iterable(hashes_of(address, k) for k in self._keys)]
        found = [name for name in names if name in self._entries]
        if found:
            self._append(found, LIFTED, now, detail)
        return bool(found)

    def forget(self, address: str, *, now: datetime) -> int:
        """Erase an address but for a hash, by the first key, that keeps it off the list.

        Returns how many lines were erased: this alone rewrites the file. Raises ValueError without
        keys.
        """
        if not self._keys:
            raise ValueError("forgetting somebody needs a key")
        hashed, _ = hashes_of(address, self._keys[0])
        with locked(self._path):
            lines = lines_of(self._text())
            kept = [line for line in lines if _name(_fields(line)) != folded(address)]
            text = "".join(kept).rstrip("\r\n") or ",".join(_HEADER)
            with replacing(self._path, mode=0o600) as file:
                file.write(f"{text}\n{_line(hashed, FORGOTTEN, iso(now), '')}".encode())
        self.refresh()
        return len(lines) - len(kept)

    def _append(self, names: Sequence[str], reason: str, now: datetime, detail: str) -> None:
        lines = "".join(_line(each, reason, iso(now), detail) for each in names)
        with locked(self._path):
            self.refresh()
            new = not self._path.exists()
            self._path.touch(mode=0o600)
            with self._path.open("ab+", buffering=0) as file:
                _put_at_end(file, lines)
            if new:
                sync_folder(self._path.resolve().parent)
            self.refresh()

    def _read(self) -> None:
        """Read the file, and only its new lines where it says what it said before and more."""
        before, content = self._content, self._bytes()
        added = content.startswith(before) and before.endswith(b"\n")
        # A byte order mark is one at the beginning of the file only.
        new, encoding = (content[len(before) :], "utf-8") if added else (content, "utf-8-sig")
        text = _decoded(new, encoding, self._path)
        if not added:
            self._entries, self._any_forgotten = {}, False
            self._lines, self.problems = 0, ()
        # Each line stands for itself: a quote left open must not hide those that follow.
        first = self._lines + 1
        lines = [(number, _fields(line)) for number, line in enumerate(lines_of(text), first)]
        for _, fields in lines:
            self._note(fields)
        self.problems += tuple(
            f"{self._path.name}:{number}: address: {problem}"
            for number, fields in lines
            if (problem := _problem(fields))
        )
        self._content, self._lines = content, self._lines + len(lines)

    def _note(self, fields: Sequence[str]) -> None:
        address, reason, since, detail = fields
        name = _name(fields)
        if not name:
            return
        self._entries.pop(name, None)  # the newest goes last
        if reason.lower() != LIFTED:
            self._entries[name] = Suppression(
                address=address, reason=reason or "suppressed", since=since, detail=detail
            )
            self._any_forgotten |= _is_hash(name)

    def _text(self) -> str:
        return _decoded(self._bytes(), "utf-8-sig", self._path)

    def _bytes(self) -> bytes:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""


def _decoded(content: bytes, encoding: str, path: Path) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as e:
        reason = "not UTF-8; save it so, because nobody may be mailed before it can be read"
        raise SubscribersError([f"{path.name}: {reason}"]) from e


def _fields(line: str) -> list[str]:
    """Return the four fields of a line, whichever delimiter a spreadsheet gave it."""
    text = line.strip()
    if text.startswith("#"):
        return ["", "", "", ""]
    delimiter = next((mark for mark in text if mark in ",;\t"), ",")
    fields = text.split(delimiter)
    if '"' in text:
        with suppress(csv.Error):  # a field of more than 128 KiB
            fields = next(csv.reader([text], delimiter=delimiter))
    return [unguarded(field.strip()) for field in [*fields, "", "", "", ""][:4]]


def _name(fields: Sequence[str]) -> str:
    """Return by what an address is found; empty for comments, blank lines and the header."""
    given = fields[0]
    if not given or given.lower() == _HEADER[0]:
        return ""
    return folded(given)


def _problem(fields: Sequence[str]) -> str:
    """Return why a line with a name keeps nobody off, empty if it may."""
    name = _name(fields)
    if name and not _is_hash(name):
        try:
            address(fields[0])
        except ValueError as e:
            return str(e)
    return ""


def _line(*fields: str) -> str:
    line = io.StringIO()
    clean = [guarded(said(field)) for field in fields]
    # An address may begin with #, but then it must not look like a comment.
    quoting: Literal[0, 1] = csv.QUOTE_ALL if fields[0].startswith("#") else csv.QUOTE_MINIMAL
    csv.writer(line, lineterminator="\n", quoting=quoting).writerow(clean)
    return line.getvalue()


def hashes_of(address: str, key: bytes) -> tuple[str, str]:
    """Return the two names under which a forgotten address may stand in the file.

    The first has the id of its key; files of before keys had ids have the second.
    """
    import hmac

    digest = hmac.digest(key, b"forgotten\0" + folded(address).encode(), "sha256").hex()
    return f"{FORGOTTEN}:{_key_id(key)}:{digest}", f"{FORGOTTEN}:{digest}"


def _key_id(key: bytes) -> str:
    import hmac

    return hmac.digest(key, b"key id", "sha256").hex()[:8]


def require_reason(reason: str) -> None:
    """Raise ValueError for the one reason that would lift a suppression."""
    if reason.strip().lower() == LIFTED:
        raise ValueError(f"{reason!r} takes a suppression back; write why the address has one")


def _is_hash(name: str) -> bool:
    return name.startswith(f"{FORGOTTEN}:")


def _put_at_end(file: io.FileIO, lines: str) -> None:
    """Write lines durably; where the disk is full, none of them: half an address is another's."""
    size = file.seek(0, os.SEEK_END)
    left = f"{_before_line(file, size)}{lines}".encode()
    try:
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(size)
        raise


def _before_line(file: io.FileIO, size: int) -> str:
    """Return what must stand before a new line: the header, or the end of a line cut short."""
    if not size:
        return _line(*_HEADER)
    file.seek(-1, os.SEEK_END)
    return "" if file.read(1) in b"\r\n" else "\n"
