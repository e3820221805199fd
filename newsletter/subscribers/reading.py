"""Turn the list file into subscribers, and say what is wrong with it. Never writes it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from newsletter.addresses import address
from newsletter.errors import SubscribersError
from newsletter.models import Abstracts, Format, Frequency, OrderBy, Subscriber
from newsletter.phrases import counted, did_you_mean
from newsletter.prose import beginning, plain, printable
from newsletter.subscribers.listfile import ListFile, Row, opened
from newsletter.subscribers.people import People

COLUMNS = (
    "email", "name", "keywords", "frequency", "status", "format", "profile", "paused_until",
    "abstracts", "order",
)  # fmt: skip

# Of a list that cannot be trusted nobody reads more than this.
_MAX_PROBLEMS = 1000
_READINGS = 3

# A list is distrusted when more than 5 % of its rows are bad, and at least 3; or when it has lost
# 30 % of the subscribers of the last good run, and at least 10.
_BAD_SHARE, _BAD_ROWS = 0.05, 3
_LOST_SHARE, _LOST_ROWS = 0.30, 10

_FREQUENCIES: dict[str, Frequency] = {"": "daily", "daily": "daily", "weekly": "weekly"}
_STATUSES = {"": False, "active": False, "paused": True}
_FORMATS: dict[str, Format] = {"": "html", "html": "html", "text": "text"}
_ABSTRACTS: dict[str, Abstracts | None] = {
    "": None,
    "full": "full",
    "excerpt": "excerpt",
    "none": "none",
}
_ORDERS: dict[str, OrderBy | None] = {"": None, "relevance": "relevance", "date": "date"}
_CHOICES: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("frequency", _FREQUENCIES),
    ("status", _STATUSES),
    ("format", _FORMATS),
    ("abstracts", _ABSTRACTS),
    ("order", _ORDERS),
)
_CHOSEN = (*(name for name, _ in _CHOICES), "paused_until")
_KEPT = 1_000  # ways to choose in these columns: the dates of pauses are many
_UNSEEN = "control, invisible or line-breaking characters"
# What is for people to read may be cleaned; an address may not, and the others are words of ours.
_CLEANED = ("name", "keywords")
_NAMED = 20  # unknown keywords of a cell
_HINTS = 200  # unknown keywords of a list for which the nearest known word is looked for
_SHARED = 2_000  # letters of a cell that is kept for others like it
_LONGEST = {"name": 200, "keywords": 10_000, "profile": 10_000}
_PLAIN = min(_LONGEST.values())  # letters of a row none of whose cells can be too long

# What is wrong with a row where an open quote may have swallowed what follows.
RUNS_ON = "a line break inside quotes; is a quote missing?"


class SubscriberList(Struct, frozen=True, kw_only=True):
    """What a list file says: who is on it, paused ones too, and what is wrong with it.

    `rows` counts the rows with something in them, `bad` those that gave no subscriber.
    """

    subscribers: People
    problems: tuple[str, ...] = ()
    rows: int = 0
    bad: int = 0


def read(
    path: Path,
    *,
    keywords: Sequence[str],
    previous: Iterable[str] = (),
    kept_off: Callable[[str], str | None] = lambda _address: None,
    accept: bool = False,
    today: date | None = None,
) -> SubscriberList:
    """Return the subscribers in the file; a bad row never stops a good one.

    `keywords` are the names people can subscribe to. `previous` are the addresses that the last
    good run had; those that `kept_off` gives a reason against are not missed. `today` tells which
    pauses are over. Raises SubscribersError when the file as a whole cannot be trusted: missing,
    not text, no email column, changed while it was read; and, unless `accept`: no valid row, too
    many bad ones, far fewer subscribers than before.
    """
    for _ in range(_READINGS):
        with opened(path) as file:
            found = _collected(file, path.name, RowReader(keywords, today=today))
            if not file.replaced():
                break
    else:
        raise SubscribersError(
            [f"{path}: changed while it was read; run again when it is written to its end"]
        )
    reason = "" if accept else _distrust(found, previous, kept_off)
    if reason:
        raise SubscribersError([f"{path.name}: {reason}", *found.problems])
    return found


class RowReader:
    """Knows what a row may say. One serves a whole file: equal keyword cells share their tuple.

    From `paused_until` on, a pause is over; without `today` none is.
    """

    def __init__(self, keywords: Sequence[str], *, today: date | None = None) -> None:
        self._today = today
        self._names = {name_key(name): name for name in keywords}
        self._seen: dict[str, tuple[tuple[str, ...] | None, tuple[str, ...]]] = {}
        self._hints = _HINTS
        self._chosen = lru_cache(maxsize=_KEPT)(self._read_choices)

    def subscriber(self, cells: Mapping[str, str]) -> tuple[Subscriber | None, list[str]]:
        """Return the subscriber in a row, None if it is bad, and its problems as `column: ...`.

        An unknown keyword beside a known one is a problem, but no reason to leave somebody out.
        """
        whole = "".join(cells.values())
        seen_to: list[str] = []
        problems: list[str] = []
        if len(whole) > _PLAIN or not whole.isprintable():
            cells, seen_to = cleaned(cells)
            problems = _unreadable(cells)
        if problems:
            return None, problems
        email = ""
        try:
            email = address(cells["email"])
        except ValueError as e:
            problems.append(f"email: {e}" if cells["email"] else "email: missing")
        keywords, unknown = self._keywords(cells.get("keywords", ""))
        choices, wrong = self._chosen(*[cells.get(name, "") for name in _CHOSEN])
        problems += wrong
        if problems or keywords == ():
            return None, [*problems, *seen_to, *unknown]
        return Subscriber(
            email=email,
            name=cells.get("name", ""),
            keywords=keywords,
            profile=cells.get("profile", ""),
            **choices,
        ), [*seen_to, *unknown]

    def _read_choices(self, *texts: str) -> tuple[dict[str, Any], list[str]]:
        """Return what the cells of `_CHOSEN` choose, by field of a subscriber, and what is wrong.

        Few choose otherwise than others, so that this is asked once for many.
        """
        said = dict(zip(_CHOSEN, texts, strict=True))
        chosen = {name: said[name].lower() for name, _ in _CHOICES}
        problems = [
            f"{name}: {chosen[name][:40]!r} is none of {', '.join(filter(None, known))}"
            f"{did_you_mean(chosen[name], known)}"
            for name, known in _CHOICES
            if chosen[name] not in known
        ]
        until = None
        if text := said["paused_until"]:
            try:
                until = date.fromisoformat(text)
            except ValueError:
                problems.append(f"paused_until: {text[:40]!r} is no date; write 2026-12-31")
        if problems:
            return {}, problems
        over = until is not None and self._today is not None and until <= self._today
        return {
            "frequency": _FREQUENCIES[chosen["frequency"]],
            "paused": _STATUSES[chosen["status"]] and not over,
            "paused_until": until,
            "format": _FORMATS[chosen["format"]],
            "abstracts": _ABSTRACTS[chosen["abstracts"]],
            "order": _ORDERS[chosen["order"]],
        }, []

    def _keywords(self, cell: str) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
        found = self._seen.get(cell)
        if found is None:
            found = self._looked_up(cell)
            if len(cell) <= _SHARED:
                self._seen[cell] = found
        return found

    def _looked_up(self, cell: str) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
        wanted = [name.strip() for name in cell.split(";") if name.strip()]
        if not wanted or "*" in wanted:
            return None, ()
        known = dict.fromkeys(self._names.get(name_key(name), "") for name in wanted)
        known.pop("", None)
        unknown = [name for name in wanted if name_key(name) not in self._names]
        problems = [
            f"keywords: unknown keyword {beginning(name, 80)!r}" for name in unknown[:_NAMED]
        ]
        if self._hints > 0:  # looking for the nearest word takes milliseconds
            self._hints -= len(problems)
            hints = (did_you_mean(name, self._names.values()) for name in unknown)
            problems = list(map("".join, zip(problems, hints, strict=False)))
        if len(unknown) > _NAMED:
            problems.append(f"keywords: and {len(unknown) - _NAMED:,} more that are unknown")
        return tuple(known), tuple(problems)


def name_key(keyword: str) -> str:
    """Return what the spellings of one keyword in a list have in common."""
    return " ".join(keyword.casefold().split())


def cleaned(cells: Mapping[str, str]) -> tuple[Mapping[str, str], list[str]]:
    """Return cells without what people cannot see in them, and which these were.

    A line break in a cell of keywords parts them, as a semicolon does.
    """
    clean, seen_to = {}, []
    for column in _CLEANED:
        text = cells.get(column, "")
        if not printable(text):
            parted = "; ".join(text.splitlines()) if column == "keywords" else text
            seen = "".join(each for each in plain(parted) if printable(each))
            clean[column] = seen
            seen_to.append(f"{column}: has {_UNSEEN}; read as {beginning(seen, 80)!r}")
    return {**cells, **clean} if clean else cells, seen_to


def merged(first: Subscriber, second: Subscriber) -> Subscriber:
    """Return one subscriber for two rows: the first, with the keywords and the pause of both."""
    keywords = None
    if first.keywords is not None and second.keywords is not None:
        keywords = tuple(dict.fromkeys(first.keywords + second.keywords))
    return replace(first, keywords=keywords, paused=first.paused or second.paused)


def _unreadable(cells: Mapping[str, str]) -> list[str]:
    problems = []
    for column in COLUMNS:
        text = cells.get(column, "")
        if not printable(text):
            problems.append(f"{column}: has {_UNSEEN}")
        elif len(text) > _LONGEST.get(column, 320):
            problems.append(f"{column}: longer than {_LONGEST.get(column, 320):,} characters")
    return problems


def rows_in(file: ListFile, *, having: str = "") -> Iterator[Row]:
    """Yield the rows of a list; a row that an open quote runs on for is a problem of one line.

    With `having` those at least that may hold this text: see `ListFile.rows`.
    """
    for row in file.rows(having=having):
        if '"' in row.raw and _runs_on(row, file):
            yield Row(line=row.line, raw=file.hand_back(row), problem=RUNS_ON)
        else:
            yield row


def filled(file: ListFile) -> Iterator[Row]:
    """Yield the rows with something in them: a spreadsheet leaves rows of delimiters behind."""
    return (row for row in rows_in(file) if row.problem or (row.cells and any(row.cells)))


def in_row(row: Row, file: ListFile, reader: RowReader) -> tuple[Subscriber | None, list[str]]:
    """Return the subscriber in a row, None if it is bad, and its problems."""
    if row.cells is None:
        return None, [row.problem]
    columns = file.columns
    if len(row.cells) > len(columns) and any(row.cells[len(columns) :]):
        count = f"{len(row.cells)} cells for {len(columns)} columns"
        return None, [f"{count}; quote a cell that has {file.delimiter!r} in it"]
    cells = dict(zip(columns, row.cells, strict=False))
    cells.setdefault("email", "")
    return reader.subscriber(cells)


def _runs_on(row: Row, file: ListFile) -> bool:
    """Return whether a quote that was never closed may have swallowed what follows.

    It has not where the line break is in a column of somebody's own, nor in a name where the row
    has as many cells as columns, and no address behind the break.
    """
    text = row.raw.rstrip("\r\n")
    breaks = {each for each in "\r\n" if each in text}
    if not breaks:
        return False
    cells = row.cells or []
    whole = len(cells) == len(file.columns)
    return any(
        breaks & set(cell or "") and not (whole and name in _CLEANED and "@" not in str(cell))
        for name, cell in zip_longest(file.columns, cells)
        if name is None or name in COLUMNS
    )


def _collected(file: ListFile, name: str, reader: RowReader) -> SubscriberList:
    people = People()
    problems = [
        f"{name}:{file.line}: unknown column {column[:40]!r} is ignored{hint}"
        for column in file.columns
        if column not in COLUMNS and (hint := did_you_mean(column, COLUMNS, likeness=0.8))
    ]
    rows = bad = beyond = 0
    for row in filled(file):
        rows += 1
        subscriber, found = in_row(row, file, reader)
        if subscriber is None:
            bad += 1
        else:
            there = people.take_in(subscriber)
            if there is not None:
                first = people[there]
                people.change_choices(there, merged(first, subscriber))
                found.append(f"email: {first.email!r} is here twice; the rows were merged")
        if found and len(problems) >= _MAX_PROBLEMS:
            beyond += 1
        else:
            problems += [f"{name}:{row.line}: {problem}" for problem in found]
    if beyond:
        problems.append(f"{name}: and problems in {counted(beyond, 'more row')}")
    return SubscriberList(subscribers=people, problems=tuple(problems), rows=rows, bad=bad)


def _distrust(
    found: SubscriberList, previous: Iterable[str], kept_off: Callable[[str], str | None]
) -> str:
    people = found.subscribers
    if not people:
        return "no row gives a subscriber; add one with `newsletter subscribers add`"
    if found.bad >= _BAD_ROWS and found.bad > found.rows * _BAD_SHARE:
        return (
            f"{found.bad} of {found.rows} rows are bad, too many to go on; "
            "repair them, or run once with --accept-list"
        )
    before, known = 0, bytearray(people.places)
    for each in previous:
        before += 1
        if (place := people.place_of(each)) is not None:
            known[place] = 1
    # The last run did not count those who had left; who has left since is not lost.
    there = sum(known[place] or not kept_off(email) for place, email in people.emails())
    lost = before - there
    if lost >= _LOST_ROWS and lost >= before * _LOST_SHARE:
        return (
            f"{there} subscribers where the last good run had {before}; "
            "if that is right, run once with --accept-list"
        )
    return ""
