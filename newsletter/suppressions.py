"""Keep who must not be mailed, and why, in a file that only grows. Does not decide who that is."""

import csv
import hmac
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from newsletter.addresses import address, folded
from newsletter.errors import SubscribersError
from newsletter.files import locked, replacing, sync_folder

# The reason that takes a suppression back.
LIFTED = "lifted"

_HEADER = ("address", "reason", "since", "detail")
_FORGOTTEN = "forgotten:"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """A line of the file. `since` is as written there: ISO 8601, in UTC."""

    address: str
    reason: str
    since: str = ""
    detail: str = ""


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
        self.problems: tuple[str, ...] = ()
        self._stamp = _stamp(path)
        self._read()

    def reason_for(self, address: str) -> str | None:
        """Return why the address must not be mailed, None if it may be, as of `refresh`."""
        entry = self._entries.get(folded(address))
        if entry is None and self._any_forgotten:
            hashes = (_forgotten(address, key) for key in self._keys)
            entry = next((self._entries[name] for name in hashes if name in self._entries), None)
        return entry.reason if entry else None

    def entries(self) -> tuple[Suppression, ...]:
        """Return every suppression in force, oldest first."""
        return tuple(self._entries.values())

    def refresh(self) -> None:
        """Read the file again if it changed: cheap enough to ask before every mail."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            self._read()

    def add(self, address: str, *, reason: str, now: datetime, detail: str = "") -> None:
        """Suppress an address, durably. Nothing is written if it is suppressed for that reason."""
        self.refresh()
        if self.reason_for(address) != reason:
            self._append(address, reason, now, detail)

    def remove(self, address: str, *, now: datetime, detail: str = "") -> bool:
        """Lift a suppression by a line that says so. Returns whether there was one."""
        self.refresh()
        names = [folded(address), *(_forgotten(address, key) for key in self._keys)]
        found = [name for name in names if name in self._entries]
        for name in found:
            self._append(name, LIFTED, now, detail)
        return bool(found)

    def forget(self, address: str, *, now: datetime) -> int:
        """Erase an address but for a keyed hash that keeps it off the list.

        Returns how many lines were erased: this alone rewrites the file. Raises ValueError without
        keys.
        """
        if not self._keys:
            raise ValueError("forgetting somebody needs a key")
        name = folded(address)
        with locked(self._path):
            lines = _lines(self._text())
            kept = [line for line in lines if _name(_fields(line)) != name]
            with replacing(self._path, mode=0o600) as file:
                file.write("".join(kept or [_line(*_HEADER)]).encode())
        self._append(_forgotten(address, self._keys[0]), "forgotten", now, "")
        return len(lines) - len(kept)

    def _append(self, name: str, reason: str, now: datetime, detail: str) -> None:
        since = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = _line(name, reason, since, detail).encode()
        with locked(self._path):
            new = not self._path.exists()
            with self._path.open("ab+") as file:
                size = file.seek(0, os.SEEK_END)
                if size == 0:
                    line = _line(*_HEADER).encode() + line
                elif not _ends_line(file, size):
                    line = b"\n" + line  # whoever wrote last was cut short
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if new:
                sync_folder(self._path.resolve().parent)
        self.refresh()

    def _read(self) -> None:
        entries: dict[str, Suppression] = {}
        problems = []
        for number, line in enumerate(_lines(self._text()), 1):
            fields = _fields(line)
            name = _name(fields)
            if not name or fields[0].lower() == _HEADER[0]:
                continue
            entries.pop(name, None)  # the newest goes last
            if fields[1].lower() != LIFTED:
                entries[name] = Suppression(
                    address=fields[0],
                    reason=fields[1] or "suppressed",
                    since=fields[2],
                    detail=fields[3],
                )
            if "@" not in name and not name.startswith(_FORGOTTEN):
                problems.append(f"{self._path.name}:{number}: address: {fields[0][:80]!r} has no @")
        self._entries = entries
        self._any_forgotten = any(name.startswith(_FORGOTTEN) for name in entries)
        self.problems = tuple(problems)

    def _text(self) -> str:
        try:
            return self._path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as e:
            reason = "not UTF-8; save it so, because nobody may be mailed before it can be read"
            raise SubscribersError([f"{self._path.name}: {reason}"]) from e


def _lines(text: str) -> list[str]:
    # Each line stands for itself: a quote left open must not hide those that follow.
    return _LINE.findall(text)


def _fields(line: str) -> list[str]:
    """Return the four fields of a line, whichever delimiter a spreadsheet gave it."""
    text = line.strip()
    delimiter = next((mark for mark in text if mark in ",;\t"), ",")
    try:
        fields = next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:  # a field of more than 128 KiB
        fields = [text]
    return [field.strip() for field in [*fields, "", "", "", ""][:4]]


def _name(fields: Sequence[str]) -> str:
    """Return by what an address is found; empty for comments and blank lines."""
    given = fields[0]
    if not given or given.startswith("#"):
        return ""
    if given.isascii():
        return folded(given)
    try:
        return folded(address(given))  # the list has domains as A-labels
    except ValueError:
        return folded(given)


def _line(*fields: str) -> str:
    line = io.StringIO()
    clean = (" ".join(field.split()) for field in fields)
    csv.writer(line, lineterminator="\n").writerow(clean)
    return line.getvalue()


def _forgotten(address: str, key: bytes) -> str:
    digest = hmac.digest(key, b"forgotten\0" + folded(address).encode(), "sha256")
    return _FORGOTTEN + digest.hex()


def _ends_line(file: io.BufferedRandom, size: int) -> bool:
    file.seek(size - 1)
    return file.read(1) in b"\r\n"


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
