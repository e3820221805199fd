"""What goes wrong at arXiv, one value each: seen, reported or to be expected (arxiv.md, C5).

A fault changes what the index is asked, the page that comes of it, or the bytes of the answer.
Several may be on at once; they apply in the order given.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from tests.peers.replica.atom import Page
from tests.peers.replica.query import Between, Both, Not, Query
from tests.peers.replica.search import SortBy
from tests.peers.replica.store import Author, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came in; `url` is the path with its query, or the path and a form's text."""

    method: str
    url: str
    params: Mapping[str, str]
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What the index is asked, as it stood at `now`."""

    query: Query | None
    ids: tuple[str, ...]
    start: int
    max_results: int
    sort_by: SortBy | Literal["nothing"]
    ascending: bool
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Bytes on their way out: `delay` is in real seconds, `ending` how the connection behaves."""

    status: int
    body: Iterable[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    ending: Literal["whole", "chunked", "truncated", "reset"] = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with the requests that `on` picks; `hides` papers from them."""

    name: str
    on: Callable[[Asked], bool] = lambda asked: True
    hides: Callable[[Record], bool] = lambda record: False
    search: Callable[[Search], Search] = lambda search: search
    page: Callable[[Page], Page] = lambda page: page
    answer: Callable[[Answer], Answer] = lambda answer: answer


def first(count: int, fault: Fault) -> Fault:
    """Return the fault for the first `count` requests it picks; afterwards all is well."""
    left = [count]

    def on(asked: Asked) -> bool:
        if left[0] <= 0 or not fault.on(asked):
            return False
        left[0] -= 1
        return True

    return replace(fault, name=f"{fault.name}, {count} times", on=on)


def cached(fault: Fault) -> Fault:
    """Return the fault for the URL that meets it first, for good; any other URL is served well."""
    poisoned: list[str] = []

    def on(asked: Asked) -> bool:
        if not poisoned and fault.on(asked):
            poisoned.append(asked.url)
        return asked.url in poisoned

    return replace(fault, name=f"{fault.name}, cached", on=on)


# What the index is asked, or holds.


def stale(by: timedelta) -> Fault:
    """Return a fault by which the whole index is as it was some time ago."""
    return Fault(name="stale index", search=lambda search: replace(search, now=search.now - by))


def missing(low: str, high: str) -> Fault:
    """Return a fault that hides a range of ids, both ends included: arXiv indexes it a day late."""
    return Fault(name="ids missing", hides=lambda record: low <= record.arxiv_id <= high)


def _unfiltered(query: Query | None) -> Query | None:
    match query:
        case Between():
            return Between(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
        case Not(operand):
            inner = _unfiltered(operand)
            return Not(inner) if inner else None
        case Both(operator, left, right):
            sides = _unfiltered(left), _unfiltered(right)
            return Both(operator, sides[0], sides[1]) if sides[0] and sides[1] else None
        case _:
            return query


STALE = stale(timedelta(days=1))
FILTER_IGNORED = Fault(
    name="date filter ignored",
    search=lambda search: replace(search, query=_unfiltered(search.query)),
)
SORT_IGNORED = Fault(name="sort ignored", search=lambda search: replace(search, sort_by="nothing"))
OVERLAPPING_PAGES = Fault(
    name="duplicate across pages",
    search=lambda search: replace(search, start=max(0, search.start - 1)),
)


# The page.

NOTHING = Fault(name="total 0", page=lambda page: replace(page, total=0, records=()))
SHORT_PAGE = Fault(name="short page", page=lambda page: replace(page, records=page.records[:-1]))
EMPTY_PAGE = Fault(name="entries gone", page=lambda page: replace(page, records=()))
SECOND_PAGE_EMPTY = Fault(
    name="page 2 empty", page=lambda page: replace(page, records=()) if page.start else page
)
TOTAL_CHANGES = Fault(
    name="total changes between pages",
    page=lambda page: replace(page, total=page.total + 7) if page.start else page,
)
DUPLICATE_IDS = Fault(
    name="duplicate ids",
    page=lambda page: replace(page, records=(*page.records[:1], *page.records[:-1])),
)


def altered(name: str, change: Callable[[Record], Record]) -> Fault:
    """Return a fault that changes every paper on its way out: what hostile authors can write."""
    return Fault(
        name=name,
        page=lambda page: replace(page, records=tuple(map(change, page.records))),
    )


LINE_BREAKS = altered(
    "line breaks in the title",
    lambda record: replace(record, title=f"{record.title}\r\nBcc: everyone@example.org\r\n\r\nHi"),
)
RIGHT_TO_LEFT = altered(
    "right-to-left override", lambda record: replace(record, title=f"\u202e{record.title}\u2066")
)
MARKUP = altered(
    "markup in every text",
    lambda record: replace(
        record,
        title=f"{record.title}</title></script><script>alert(1)</script>",
        abstract=f"<img src=x onerror=alert(1)>{{{{ 7*7 }}}}{record.abstract}",
        comment=']]> <!-- " onmouseover=alert(1) &lt;b&gt;',
    ),
)
MANY_AUTHORS = altered(
    "10,000 authors",
    lambda record: replace(
        record, authors=tuple(Author(name=f"Author {number}") for number in range(10_000))
    ),
)
NO_AUTHORS = altered("no authors", lambda record: replace(record, authors=()))
NO_CATEGORIES = altered("no categories", lambda record: replace(record, categories=()))
EMPTY_TITLES = altered("empty title", lambda record: replace(record, title=""))
NEXT_VERSION = altered(
    "version changed", lambda record: replace(record, version=record.version + 1)
)


# The answer.


def instead(
    name: str, status: int, body: str, *, headers: Mapping[str, str] | None = None
) -> Fault:
    """Return a fault that answers something else altogether."""
    answer = Answer(status=status, body=[body.encode()], headers=headers or {})
    return Fault(name=name, answer=lambda _: answer)


def rate_exceeded(status: int = 429, *, retry_after: str = "") -> Fault:
    """Return arXiv's bare refusal; it has come with 200 too."""
    headers = {"Content-Type": "text/plain"} | ({"Retry-After": retry_after} if retry_after else {})
    after = f", Retry-After: {retry_after}" if retry_after else ""
    return instead(f"{status} Rate exceeded{after}", status, "Rate exceeded.", headers=headers)


def slow(seconds: float) -> Fault:
    """Return a fault that keeps the client waiting, in real time, for the first byte."""
    return Fault(name="slow first byte", answer=lambda answer: replace(answer, delay=seconds))


def redirected(location: str) -> Fault:
    """Return a redirect to somewhere else."""
    return instead(f"307 to {location}", 307, "", headers={"Location": location})


def body_changed(name: str, change: Callable[[bytes], bytes]) -> Fault:
    """Return a fault that changes the bytes of the body."""
    return Fault(
        name=name,
        answer=lambda answer: replace(answer, body=[change(b"".join(answer.body))]),
    )


def _html(title: str, text: str) -> str:
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1><p>{text}</p><hr><p>Varnish cache server</p></body></html>\n"
    )


_HTML = {"Content-Type": "text/html; charset=utf-8"}

EMPTY_BODY = instead("empty body", 200, "", headers={"Content-Type": "application/atom+xml"})
RATE_EXCEEDED = rate_exceeded()
RATE_EXCEEDED_LATER = rate_exceeded(retry_after="20")
RATE_EXCEEDED_200 = rate_exceeded(200)
UNAVAILABLE = instead(
    "503, Retry-After: 0",
    503,
    _html("503 first byte timeout", "Error 54113"),
    headers=_HTML | {"Retry-After": "0"},
)
DENIED = instead("403", 403, _html("Access denied", "Robots are blocked."), headers=_HTML)
NOT_ACCEPTABLE = instead("406", 406, "Not Acceptable", headers={"Content-Type": "text/plain"})
HTML_PAGE = instead("HTML with 200", 200, _html("Error", "Come back later."), headers=_HTML)
DENIED_TO_STRANGERS = replace(
    DENIED,
    name="403 to a default User-Agent",
    on=lambda asked: bool(re.match(r"python-|Python-|curl/|$", asked.user_agent)),
)
RESET = Fault(name="connection reset", answer=lambda answer: replace(answer, ending="reset"))
CUT_OFF = body_changed("body cut in half", lambda body: body[: len(body) // 2])
TRUNCATED = Fault(
    name="chunked body breaks off", answer=lambda answer: replace(answer, ending="truncated")
)
LINKS_BARE = body_changed(
    "link attributes missing", lambda body: re.sub(rb'(<link href="[^"]*")[^>]*/>', rb"\1/>", body)
)
IDS_MISSING = body_changed(
    "entries without an id", lambda body: re.sub(rb"    <id>.*?</id>\n", b"", body)
)
LATIN_1 = body_changed(
    "bytes that are not UTF-8", lambda body: body.replace(b"</feed>", b"<!-- \xe9 --></feed>")
)
WRONG_CHARSET = Fault(
    name="wrong charset in the header",
    answer=lambda answer: replace(
        answer,
        headers={**answer.headers, "Content-Type": "application/atom+xml; charset=us-ascii"},
    ),
)
CONTROL_CHARACTERS = body_changed(
    "control characters", lambda body: body.replace(b"<summary>", b"<summary>\x00\x0b")
)

_BOMB = "\n".join(
    [
        '<?xml version="1.0"?>\n<!DOCTYPE feed [<!ENTITY a0 "arXiv">',
        *(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)),
        ']>\n<feed xmlns="http://www.w3.org/2005/Atom"><title>&a9;</title></feed>',
    ]
)
BOMB = instead("DOCTYPE bomb", 200, _BOMB, headers={"Content-Type": "application/atom+xml"})


def _padded(answer: Answer) -> Answer:
    def body() -> Iterator[bytes]:
        whole = b"".join(answer.body)
        yield whole[: whole.rfind(b"</feed>")]
        for _ in range(100):
            yield b" " * 1_000_000
        yield b"</feed>\n"

    return replace(answer, body=body(), ending="chunked")


HUGE = Fault(name="100 MB body", answer=_padded)

INSTEAD: tuple[Fault, ...] = (
    *(EMPTY_BODY, RATE_EXCEEDED, RATE_EXCEEDED_LATER, RATE_EXCEEDED_200, UNAVAILABLE, DENIED),
    *(NOT_ACCEPTABLE, HTML_PAGE, DENIED_TO_STRANGERS, BOMB),
)
"""Faults that replace the answer: whatever went wrong before them does not show."""

QUICK: tuple[Fault, ...] = (
    *(STALE, FILTER_IGNORED, SORT_IGNORED, OVERLAPPING_PAGES),
    *(NOTHING, SHORT_PAGE, EMPTY_PAGE, SECOND_PAGE_EMPTY, TOTAL_CHANGES, DUPLICATE_IDS),
    *(LINE_BREAKS, RIGHT_TO_LEFT, MARKUP, NO_AUTHORS, NO_CATEGORIES, EMPTY_TITLES, NEXT_VERSION),
    *INSTEAD,
    *(RESET, CUT_OFF, TRUNCATED, LINKS_BARE, IDS_MISSING, LATIN_1, WRONG_CHARSET),
    CONTROL_CHARACTERS,
)
"""Every fault that is quick to serve, in the order in which they combine. HUGE, MANY_AUTHORS and
slow() cost a second or more; missing() and redirected() need to be told more."""
