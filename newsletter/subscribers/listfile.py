"""Read the rows of a list file as they are written, and write them back so. Knows no subscribers.

A file is UTF-8 (with or without BOM) or UTF-16 with one; commas, semicolons or tabs part its cells;
its lines end in any way, and those that begin with # are comments. The csv module cannot be used:
it does not say how a cell was written, and what is not changed must stay as it is.
"""

import codecs
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from io import BufferedReader, TextIOWrapper
from pathlib import Path

from msgspec import Struct

from newsletter.errors import SubscribersError

# A quote that is never closed would swallow the file; a row that runs on for longer has one.
_MAX_LINES = 20
_MAX_LINE = 1 << 22
PIECE = 1 << 20
_BOM = "\ufeff"
_MARKS = ",;\t"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")

# Where a spreadsheet may see a cell begin: it may split at another separator than the list does.
_AT_START = r"(?:\A|(?<=[;,\t]))[ ]*"
_FORMULA = re.compile(rf"({_AT_START})(?='*[=+\-@])")
_GUARDED = re.compile(rf"({_AT_START})'(?='*[=+\-@])")


class Row(Struct, kw_only=True):
    """A record: the line where it begins, its text with line end, and what its cells say.

    `cells` is None for comments, blank lines, and what is not CSV: `problem` then says why.
    """

    line: int
    raw: str
    cells: list[str] | None = None
    problem: str = ""


class ListFile:
    """A list file open for one reading.

    `preamble` is its text up to and with the header, whose cells in lower case are `columns`.
    `line` is the number of the line read last, `stamp` tells this version of the file from others.
    """

    def __init__(
        self,
        path: Path,
        file: BufferedReader,
        named: Callable[[Sequence[str]], Sequence[str]] = tuple,
    ) -> None:
        """Read up to the header. Raises SubscribersError if it has no email column."""
        self._path = path
        self.stamp = stamp_of(os.fstat(file.fileno()))
        self.encoding = _encoding(file)
        self._text = TextIOWrapper(file, self.encoding, newline="")
        self._handed_back: deque[str] = deque()
        self.line = 0
        self.preamble, header = self._up_to_header()
        self.delimiter = max(
            _MARKS, key=lambda mark: (_is_whole(header, mark), len(split(header, mark) or ()))
        )
        self.columns = tuple(
            named([header_name(value(cell)) for cell in split(header, self.delimiter) or [header]])
        )
        self.line_end = header[len(header.rstrip("\r\n")) :] or "\n"
        self._check_columns()

    def rows(self, *, having: str = "") -> Iterator[Row]:
        """Yield what follows the header, to the end. Raises SubscribersError if undecodable.

        With `having`, in lower case, rows may be left out none of whose cells can hold that text
        in any spelling: of a million the one that is looked for need not be taken apart.
        """
        while raw := self._next_line():
            if (
                having
                and having not in raw.lower()
                and raw.isascii()
                and '"' not in raw  # its row may go on
                and "'" not in raw  # what it says is not what stands there
            ):
                continue
            if raw.startswith("#") or not raw.strip():
                yield Row(line=self.line, raw=raw)
            elif '"' not in raw and "'" not in raw:
                cells = raw.rstrip("\r\n").split(self.delimiter)
                yield Row(line=self.line, raw=raw, cells=[cell.strip() for cell in cells])
            else:
                yield self._quoted_row(raw)

    def lines(self) -> Iterator[str]:
        """Yield the lines that follow the header as they stand, where nobody asks for rows."""
        while raw := self._next_line():
            yield raw

    def rest(self) -> Iterator[str]:
        """Yield what follows the line read last, in pieces, where nobody asks for lines."""
        yield from self._handed_back
        self._handed_back.clear()
        while piece := self._decoded(self._text.read, PIECE):
            yield piece

    def hand_back(self, row: Row) -> str:
        """Let the lines of `row` after its first, which is returned, be rows of their own."""
        first, *lines = lines_of(row.raw)
        self._handed_back.extendleft(reversed(lines))
        self.line -= len(lines)
        return first

    def replaced(self) -> bool:
        """Return whether the file was written to, or another took its name, since it was opened."""
        return {stamp_at(self._path), stamp_of(os.fstat(self._text.fileno()))} != {self.stamp}

    def _quoted_row(self, raw: str) -> Row:
        row = Row(line=self.line, raw=raw)
        for _ in range(_MAX_LINES):
            cells = split(row.raw, self.delimiter)
            if cells is not None:
                row.cells = [value(cell) for cell in cells]
                return row
            row.raw += self._next_line()
        # The quote is taken for a mistake in its own line; the lines after it are read as rows.
        problem = "a quote is out of place, or is not closed"
        return Row(line=row.line, raw=self.hand_back(row), problem=problem)

    def _next_line(self) -> str:
        line = self._handed_back.popleft() if self._handed_back else self._decoded_line()
        self.line += bool(line)
        return line

    def _decoded_line(self) -> str:
        line = self._decoded(self._text.readline, _MAX_LINE)
        if len(line) == _MAX_LINE:
            reason = f"a line of more than {_MAX_LINE:,} characters; this is no list"
            raise SubscribersError([f"{self._path.name}:{self.line + 1}: {reason}"])
        return line

    def _decoded(self, read: Callable[[int], str], size: int) -> str:
        try:
            return read(size)
        except UnicodeDecodeError as e:
            # The lines before the chunk at fault have all been handed out.
            number = self.line + 1 + e.object[: e.start].count(b"\n")
            raise SubscribersError(
                [f"{self._path.name}:{number}: not {e.encoding.upper()}; save the file as UTF-8"]
            ) from e

    def _up_to_header(self) -> tuple[str, str]:
        preamble = ""
        while line := self._next_line():
            header = line.removeprefix(_BOM)
            # Excel tells itself the delimiter by a first line `sep=;`.
            if header.strip() and not header.lower().startswith(("#", "sep=")):
                rest = self._rest_of_header(header)
                return preamble + line + rest, header + rest
            preamble += line
        raise SubscribersError(
            [f"{self._path.name}: empty; its first row must name the columns, at least: email"]
        )

    def _rest_of_header(self, header: str) -> str:
        """Return the further lines of a header with line breaks in quotes, as forms write them."""
        lines: list[str] = []
        while '"' in header and len(lines) < _MAX_LINES:
            if any(_is_whole(header + "".join(lines), mark) for mark in _MARKS):
                return "".join(lines)
            lines.append(self._next_line())
        # The quote is never closed: the header ends with its line, and what follows are rows.
        self._handed_back.extendleft(reversed(lines))
        self.line -= sum(map(bool, lines))
        return ""

    def _check_columns(self) -> None:
        where = f"{self._path.name}:{self.line}"
        if "email" not in self.columns:
            found = ", ".join(repr(column[:40]) for column in self.columns[:10])
            raise SubscribersError([f"{where}: no column is named 'email'; there is {found}"])
        twice = sorted({name for name in self.columns if name and self.columns.count(name) > 1})
        if twice:
            raise SubscribersError([f"{where}: several columns are named {twice[0][:40]!r}"])


@contextmanager
def opened(
    path: Path, named: Callable[[Sequence[str]], Sequence[str]] = tuple
) -> Iterator[ListFile]:
    """Open a list file for one reading; `named` returns the columns that its header stands for.

    Raises SubscribersError when it is missing, not text, or has no header with an email column.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as e:
        raise SubscribersError([f"{path}: no such file; `newsletter init` writes one"]) from e
    with file:
        yield ListFile(path, file, named)


def header_name(text: str) -> str:
    """Return what a header is compared by: in lower case, on one line."""
    return " ".join(text.lower().split())


def lines_of(text: str) -> list[str]:
    """Return the lines of a text with their ends, however they end.

    str.splitlines also ends a line at U+2028 and eight others, which files do not.
    """
    return _LINE.findall(text)


def stamp_of(stat: os.stat_result) -> tuple[int, int, int]:
    """Return what tells one version of a file from others."""
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def stamp_at(path: Path) -> tuple[int, int, int] | None:
    """Return the stamp of the file that stands at a path now, None where there is none."""
    try:
        return stamp_of(path.stat())
    except FileNotFoundError:
        return None


def split(raw: str, delimiter: str) -> list[str] | None:
    """Return the cells of a record as they are written, None if a quote is open or out of place.

    Blanks around a quoted cell are allowed: people write `ada@example.org, "mri; pet"`.
    """
    pattern = _cell(delimiter)
    text = raw.rstrip("\r\n")
    cells, position = [], 0
    while match := pattern.match(text, position):
        cells.append(match[1])
        if not match[2]:
            return cells
        position = match.end()
    return None


def value(cell: str) -> str:
    """Return what a written cell says: without quotes, blanks around it, and formula guard."""
    text = cell.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('""', '"').strip()
    return unguarded(text)


def unguarded(text: str) -> str:
    """Return a text without its formula guards."""
    return _GUARDED.sub(r"\1", text) if "'" in text else text


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, nor any part of it.

    See owasp.org/www-community/attacks/CSV_Injection: an apostrophe in front makes it text.
    """
    return _FORMULA.sub(r"\1'", text)


def written(text: str, delimiter: str) -> str:
    """Return the cell that says `text`, `guarded`."""
    text = guarded(text)
    plain = not {'"', "\r", "\n", delimiter} & set(text) and not text.startswith("#")
    return text if plain else '"' + text.replace('"', '""') + '"'


def _is_whole(header: str, delimiter: str) -> bool:
    """Return whether every quote in a header opens or closes a cell."""
    cells = split(header, delimiter)
    return cells is not None and all('"' not in cell or cell.strip()[0] == '"' for cell in cells)


@cache
def _cell(delimiter: str) -> re.Pattern[str]:
    quoted = r'[ ]*"[^"]*(?:""[^"]*)*"[ ]*'
    plain = rf'(?![ ]*")[^{delimiter}]*'
    return re.compile(rf"({quoted}|{plain})({delimiter}|\Z)")


def _encoding(file: BufferedReader) -> str:
    # The byte order is named, so that the mark is text and is kept when the file is rewritten.
    marks = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
    return marks.get(file.peek(2)[:2], "utf-8")
