"""Change the list file, row by row, and leave everything else in it byte for byte.

Every change is planned in one reading and made in a second, under a lock, into a new file that
takes the old one's place.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

from msgspec import Struct, field

from newsletter.addresses import folded
from newsletter.errors import SubscribersError
from newsletter.files import locked, replacing
from newsletter.models import Subscriber
from newsletter.prose import shown
from newsletter.subscribers.forms import columns_for, parted
from newsletter.subscribers.listfile import (
    PIECE,
    ListFile,
    Row,
    lines_of,
    opened,
    split,
    value,
    written,
)
from newsletter.subscribers.reading import (
    COLUMNS,
    RUNS_ON,
    RowReader,
    cleaned,
    filled,
    in_row,
    rows_in,
)

_AS_THEY_ARE: Mapping[str, str] = {}
_BATCH = 10_000  # rows that are written at once


class Imported(Struct, frozen=True, kw_only=True):
    """What an import did, or would do: addresses, and what was wrong with rows.

    `skipped` counts the rows that were left out.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    skipped: int = 0


def add(path: Path, cells: Mapping[str, str], *, keywords: Sequence[str]) -> Subscriber:
    """Append a row that says `cells`, by column; columns that the file lacks are added.

    Raises SubscribersError when the row is bad or the address is on the list.
    """
    subscriber = _checked(cells, keywords)
    with locked(path):
        with opened(path) as file:
            if any(True for _ in _rows_of(subscriber.email, file)):
                raise SubscribersError(
                    [f"{path.name}: {subscriber.email} is on the list; nothing was changed"]
                )
            plan = _Plan.of(file, cells)
            plan.appended.append(_row(cells, plan.columns, file))
        plan.carry_out(path)
    return subscriber


def change(
    path: Path, email: str, cells: Mapping[str, str], *, keywords: Sequence[str]
) -> Subscriber:
    """Let the rows of an address say `cells`, by column, and keep the other cells as they are.

    Raises SubscribersError when a row would be bad or the address is not on the list.
    """
    changed = None
    with locked(path):
        with opened(path) as file:
            plan = _Plan.of(file, cells)
            for row in _rows_of(email, file):
                changed = _checked({**_cells(row, file), **cells}, keywords)
                plan.edit(row, _edited(row, cells, plan.columns, file))
        if changed is None:
            raise SubscribersError([f"{path.name}: {email} is not on the list"])
        plan.carry_out(path)
    return changed


def remove(path: Path, email: str) -> int:
    """Remove every row of an address; returns how many there were."""
    with locked(path):
        with opened(path) as file:
            plan = _Plan.of(file, {})
            for row in _rows_of(email, file):
                plan.edit(row, "")
        plan.carry_out(path)
    return len(plan.edits)


def row_of(path: Path, email: str) -> dict[str, str] | None:
    """Return what the first row of an address says, by column; None if it is not on the list."""
    with opened(path) as file:
        return next((_cells(row, file) for row in _rows_of(email, file)), None)


def import_rows(
    path: Path,
    source: Path,
    *,
    keywords: Sequence[str],
    kept_off: Callable[[str], str | None] = lambda _address: None,
    headers: Mapping[str, str] = _AS_THEY_ARE,
    dry_run: bool = False,
) -> Imported:
    """Merge the rows of another list file into this one; empty cells change nothing.

    What forms export is understood; `headers` has those by column that nobody can guess. Columns of
    one's own are carried where this list has them, and a row keeps its spelling of the address.
    `kept_off` returns why an address must not come back, if so. Raises SubscribersError when
    either file as a whole cannot be read.
    """
    with locked(path):
        with opened(path) as file:
            listed = {*COLUMNS, *filter(None, file.columns)}
        arriving, problems, skipped = _arriving(
            source, listed, headers, keywords=keywords, kept_off=kept_off
        )
        given = {column for cells in arriving.values() for column in cells}
        changed, unchanged = [], []
        with opened(path) as file:
            plan = _Plan.of(file, given)
            for row in rows_in(file):
                key = _key(row, file)
                cells = arriving.pop(key, None) if key else None
                if cells is None:
                    continue
                before = _cells(row, file)
                email, said = cells["email"], {**cells, "email": before["email"]}
                if any(before.get(column, "") != text for column, text in said.items()):
                    plan.edit(row, _edited(row, said, plan.columns, file))
                    changed.append(email)
                else:
                    unchanged.append(email)
            plan.appended += [_row(cells, plan.columns, file) for cells in arriving.values()]
        if not dry_run:
            plan.carry_out(path)
    return Imported(
        added=tuple(cells["email"] for cells in arriving.values()),
        changed=tuple(changed),
        unchanged=tuple(unchanged),
        problems=tuple(problems),
        skipped=skipped,
    )


def export(path: Path, out: TextIO) -> int:
    """Write every row as plain CSV that is safe to open in a spreadsheet; returns how many."""
    count = 0
    with opened(path) as file:
        out.write(",".join(written(shown(column), ",") for column in file.columns) + "\n")
        for row in filled(file):
            if row.cells:
                cells = ("\r\n".join(map(shown, cell.split("\r\n"))) for cell in row.cells)
                out.write(",".join(written(cell, ",") for cell in cells) + "\n")
                count += 1
    return count


class _Plan(Struct, kw_only=True):
    """What becomes of a file: rows to write instead of others, by line, and rows to append."""

    stamp: tuple[int, int, int]
    preamble: str
    columns: tuple[str, ...]
    encoding: str
    line_end: str
    widens: bool = False
    edits: dict[int, str] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)  # how many lines these rows had
    appended: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, file: ListFile, wanted: Collection[str]) -> "_Plan":
        missing = [name for name in COLUMNS if name in wanted and name not in file.columns]
        preamble = file.preamble
        if missing:
            header = preamble.rstrip("\r\n")
            preamble = file.delimiter.join([header, *missing]) + file.line_end
        return cls(
            stamp=file.stamp,
            preamble=preamble,
            columns=(*file.columns, *missing),
            encoding=file.encoding,
            line_end=file.line_end,
            widens=bool(missing),
        )

    def edit(self, row: Row, text: str) -> None:
        """Let a row become `text`, with its line end; nothing takes it out."""
        self.edits[row.line] = text
        self.lengths[row.line] = len(lines_of(row.raw))

    def carry_out(self, path: Path) -> None:
        """Write the new file, unless there is nothing to change."""
        if not self.edits and not self.appended:
            return
        with opened(path) as file, replacing(path) as out:
            last = self.preamble
            out.write(last.encode(self.encoding))
            batch: list[str] = []
            for text in self._kept(file, path.name):
                last = text or last
                batch.append(text)
                if len(batch) == _BATCH or len(text) >= PIECE:
                    out.write("".join(batch).encode(self.encoding))
                    batch.clear()
            out.write("".join(batch).encode(self.encoding))
            for raw in self.appended:
                gap = "" if last.endswith(("\r", "\n")) else self.line_end
                out.write(f"{gap}{raw}".encode(self.encoding))
                last = raw
            if file.stamp != self.stamp or file.replaced():
                raise SubscribersError([f"{path}: an editor changed it meanwhile; try again"])

    def _kept(self, file: ListFile, name: str) -> Iterator[str]:
        """Yield the text after the header as it will be."""
        if not self.widens:  # then nobody need know where cells begin: a list may be long
            inside, left = 0, len(self.edits)
            for raw in file.lines() if left else ():
                number = file.line
                if inside:
                    inside -= 1
                elif number in self.edits:
                    inside = self.lengths[number] - 1
                    left -= 1
                    yield self.edits[number]
                else:
                    yield raw
                if not (left or inside):
                    break
            yield from file.rest()
            return
        for row in rows_in(file):
            problem = ""
            if any((row.cells or [])[len(file.columns) :]):
                problem = "this row has more cells than there are columns, and a new one would"
                problem += " name one of them: name all columns in the first row, then try again"
            elif row.problem == RUNS_ON:  # how far a quote goes is judged by the number of columns
                problem = f"{row.problem}; with a new column the row could say something else:"
                problem += " mend it, then try again"
            if problem:
                raise SubscribersError([f"{name}:{row.line}: {problem}"])
            yield self.edits.get(row.line, row.raw)


def _arriving(
    source: Path,
    listed: Collection[str],
    headers: Mapping[str, str],
    *,
    keywords: Sequence[str],
    kept_off: Callable[[str], str | None],
) -> tuple[dict[str, dict[str, str]], list[str], int]:
    """Return the cells to write by folded address, what is wrong, and how many rows stay out."""
    reader = RowReader(keywords)
    arriving: dict[str, dict[str, str]] = {}
    problems = []
    skipped = 0
    with opened(source, partial(columns_for, given=headers)) as file:
        left = [column for column in file.columns if column and column not in listed]
        if left:
            names = ", ".join(repr(each[:40]) for each in left)
            problems.append(f"{source.name}:{file.line}: left out, as the list has none: {names}")
        for row in filled(file):
            _part_keywords(row, file, keywords)
            subscriber, found = in_row(row, file, reader)
            key = folded(subscriber.email) if subscriber else ""
            if subscriber and (reason := kept_off(subscriber.email)):
                found, key = [f"email: {subscriber.email} is kept off the list: {reason}"], ""
            elif subscriber and key in arriving:
                found, key = [f"email: {subscriber.email!r} is here twice; the first counts"], ""
            if key:
                cells, _ = cleaned(_cells(row, file))
                given = {name: text for name, text in cells.items() if text and name in listed}
                arriving[key] = given
            else:
                skipped += 1
            problems += [f"{source.name}:{row.line}: {problem}" for problem in found]
    return arriving, problems, skipped


def _part_keywords(row: Row, file: ListFile, keywords: Sequence[str]) -> None:
    place = file.columns.index("keywords") if "keywords" in file.columns else -1
    if row.cells and 0 <= place < len(row.cells):
        row.cells[place] = parted(row.cells[place], keywords)


def _checked(cells: Mapping[str, str], keywords: Sequence[str]) -> Subscriber:
    subscriber, problems = RowReader(keywords).subscriber({"email": "", **cells})
    if subscriber is None or problems:
        raise SubscribersError(problems)
    return subscriber


def _rows_of(email: str, file: ListFile) -> Iterator[Row]:
    wanted, place = folded(email), file.columns.index("email")
    for row in rows_in(file, having=wanted):
        cells = row.cells or ()
        if place < len(cells) and folded(cells[place]) == wanted:
            yield row


def _key(row: Row, file: ListFile) -> str:
    return folded(_cells(row, file).get("email", ""))


def _cells(row: Row, file: ListFile) -> dict[str, str]:
    return dict(zip(file.columns, row.cells or (), strict=False))


def _row(cells: Mapping[str, str], columns: Sequence[str], file: ListFile) -> str:
    texts = [written(cells.get(column, ""), file.delimiter) for column in columns]
    return file.delimiter.join(texts) + file.line_end


def _edited(row: Row, cells: Mapping[str, str], columns: Sequence[str], file: ListFile) -> str:
    raw = split(row.raw, file.delimiter) or []
    line_end = row.raw[len(row.raw.rstrip("\r\n")) :]
    for index, column in enumerate(columns):
        if column in cells:
            raw += [""] * (index + 1 - len(raw))
            if value(raw[index]) != cells[column]:
                raw[index] = written(cells[column], file.delimiter)
    return file.delimiter.join(raw) + line_end
