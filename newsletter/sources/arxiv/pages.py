"""Pages of arXiv's answers, asked for one after another until they are whole and agree.

Which question is asked, and whose the papers are, is in inquiry.py.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain
from math import inf
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from newsletter.errors import SourceError
from newsletter.models import IDS_A_REQUEST, Paper
from newsletter.sources.arxiv import trust
from newsletter.sources.arxiv.atom import DamageError, Feed, Unread, parse
from newsletter.sources.arxiv.client import Client
from newsletter.sources.arxiv.identity import arxiv_id

PAGE = 1000
MAX_SMALLER = 24  # requests a run for pages that are damaged as a whole
_ENOUGH = 4  # smaller pages that are all damaged: it is not a record, it is arXiv
_REACHABLE = 9000  # of the 10,000 results that arXiv's index gives out, whole pages only


class Question(Struct, frozen=True, kw_only=True):
    """One page of an answer."""

    search: str
    ids: tuple[str, ...] = ()
    sort: str = "submittedDate"
    start: int = 0
    size: int = PAGE

    def url(self, base: str) -> str:
        """Return the URL that asks it of the API at `base`."""
        asked = {
            "search_query": self.search,
            "id_list": ",".join(self.ids),
            "start": self.start,
            "max_results": self.size,
            "sortBy": self.sort,
            "sortOrder": "descending",
        }
        return f"{base}?{urlencode({name: value for name, value in asked.items() if value != ''})}"


class Found(NamedTuple):
    """Papers by id, and the records among them that could not be read."""

    papers: dict[str, Paper]
    unread: tuple[Unread, ...] = ()


class Pages:
    """The pages that one run asks of the query API at `url`."""

    def __init__(self, client: Client, url: str) -> None:
        self._client = client
        self._url = url
        self._smaller_left = MAX_SMALLER

    def papers(self, search: str, first: datetime, last: datetime, *, size: int) -> Found:
        """Return all papers of a window by id; a window with too many is halved."""
        try:
            return self._pages(dated(search, first, last), size=size)
        except _TooManyError as error:
            if last - first < timedelta(days=1):
                raise SourceError(
                    self._url, f"more than {_REACHABLE} papers a day match"
                ) from error
        middle = first + (last - first) / 2
        early = self.papers(search, first, middle, size=size)
        late = self.papers(search, middle, last, size=size)
        return Found(early.papers | late.papers, early.unread + late.unread)

    def _pages(self, search: str, *, size: int) -> Found:
        """Return the papers of all pages, when they agree with each other.

        If they do not, or if there is nothing at all, pages of another size are asked for once
        more: the index may have changed between them, and a bad answer may be in arXiv's cache.
        """
        for pages_of in (size, size - 50):
            found = self._once_through(search, size=pages_of)
            if found and found.papers:
                return found
        if found is None:
            raise SourceError(self._url, "arXiv's pages contradict each other")
        return found

    def _once_through(self, search: str, *, size: int) -> Found | None:
        """Return the papers of all pages, None when they overlap, leave gaps or change total."""
        feed = self.page(Question(search=search, size=size))
        total, received = feed.total, feed.size
        if total > _REACHABLE:
            raise _TooManyError
        found = Found({paper.id: paper for paper in feed.papers}, feed.unread)
        while received < total:
            feed = self.page(Question(search=search, start=received, size=size))
            if feed.total != total:
                return None
            received += feed.size
            papers = found.papers | {paper.id: paper for paper in feed.papers}
            found = Found(papers, found.unread + feed.unread)
        return found if len(found.papers) + len(found.unread) == total else None

    def revisions(self, search: str, since: datetime, *, listed: Collection[Paper]) -> Found:
        """Return the papers whose current version was submitted from `since` on.

        Those `listed` in the window, which are among them, must come back.
        """
        found: dict[str, Paper] = {}
        unread: tuple[Unread, ...] = ()
        received = 0
        while True:
            question = Question(search=search, sort="lastUpdatedDate", start=received)
            feed = self.page(question)
            if trust.is_shuffled(feed.papers):
                raise SourceError(question.url(self._url), "arXiv ignored the sort order")
            found |= {paper.id: paper for paper in feed.papers}
            unread += feed.unread
            received += feed.size
            # The last ten, because a few may stand out of order.
            if received >= feed.total or all(p.updated < since for p in feed.papers[-10:]):
                break
            if received >= _REACHABLE:
                raise SourceError(
                    question.url(self._url),
                    f"the last {received} do not reach back to {since:%Y-%m-%d}",
                )
        missing = sorted({paper.id for paper in listed} - found.keys())
        if missing and (not found or trust.is_too_many(missing, of=listed)):
            raise SourceError(
                question.url(self._url),
                f"{len(missing)} papers listed just before did not come back, such as"
                f" {arxiv_id(missing[0])}",
            )
        return Found({p.id: p for p in found.values() if p.updated >= since}, unread)

    def by_id(self, search: str, ids: Sequence[str]) -> list[Paper]:
        """Return those of some papers that arXiv has, or that match a query."""
        found: list[Paper] = []
        for first in range(0, len(ids), IDS_A_REQUEST):
            asked = tuple(map(arxiv_id, ids[first : first + IDS_A_REQUEST]))
            found += self.page(Question(search=search, ids=asked)).papers
        return [paper for paper in found if paper.id in ids]

    def named(self, ids: Sequence[str]) -> tuple[Paper, ...]:
        """Return those of up to IDS_A_REQUEST papers that arXiv has.

        A record that cannot be read is left out, and not asked for again.
        """
        feed = self._whole(Question(search="", ids=tuple(map(arxiv_id, ids))))
        return tuple(paper for paper in feed.papers if paper.id in ids)

    def page(self, question: Question) -> Feed:
        """Return one page, when it is whole and what was asked for. Raises SourceError.

        One with records that cannot be read is asked for a second time, a paper smaller, since it
        may be spoilt in arXiv's cache only. One that is damaged as a whole both times, by a record
        at which it breaks off, say, is asked for in smaller ones.
        """
        try:
            feed = self._whole(question)
        except _SpoiltError:
            return self._in_smaller(question) or self._whole(question, damaged=inf)
        if feed.unread:
            with suppress(SourceError):
                again = self._whole(replace(question, size=max(1, question.size - 1)))
                return again if len(again.unread) < len(feed.unread) else feed
        return feed

    def _in_smaller(self, question: Question) -> Feed | None:
        """Return a page by its halves, and by theirs where they are damaged, down to the record.

        None where most of it cannot be had so, or not within MAX_SMALLER requests a run.
        """
        sound: list[Feed] = []
        unread: list[Unread] = []
        asked = 0
        parts = _halves(question.start, question.start + question.size)
        while parts:
            first, end = parts.pop(0)
            end = min(end, sound[0].total) if sound else end
            if first >= end:
                continue
            if not self._smaller_left or (asked >= _ENOUGH and not sound):
                return None
            self._smaller_left -= 1
            asked += 1
            part = replace(question, start=first, size=end - first)
            try:
                sound.append(self._whole(part, damaged=1, same=True))
            except _SpoiltError as error:
                if end - first > 1:
                    parts += _halves(first, end)
                else:
                    place = f"record {first + 1} of the answer"
                    unread.append(error.unread or Unread(place, error.reason))
        sound.sort(key=attrgetter("start"))
        papers = tuple(chain.from_iterable(each.papers for each in sound))
        unread += chain.from_iterable(each.unread for each in sound)
        agree = len({each.total for each in sound}) == 1
        if not agree or len(unread) > max(1, len(papers)):
            return None
        return replace(sound[0], start=question.start, papers=papers, unread=tuple(unread))

    def _whole(self, question: Question, *, damaged: float = 2, same: bool = False) -> Feed:
        """Return one page. Raises _SpoiltError where it was damaged so many times, SourceError.

        Each try asks for a paper less, unless it must be the `same` page.
        """

        def page_of(attempt: int) -> Question:
            return question if same else replace(question, size=max(1, question.size - attempt))

        def read(attempt: int, body: bytes) -> Feed:
            asked = page_of(attempt)
            try:
                feed = parse(body)
            except DamageError as error:
                if attempt + 1 < damaged:
                    raise
                raise _SpoiltError(asked.url(self._url), error) from error
            trust.require_whole(feed, search=asked.search, start=asked.start, size=asked.size)
            return feed

        return self._client.ask(lambda attempt: page_of(attempt).url(self._url), read)


def dated(search: str, first: datetime, last: datetime) -> str:
    """Return a query narrowed to what was first submitted in a window, to the minute."""
    return f"{search} AND submittedDate:[{first:%Y%m%d%H%M} TO {last:%Y%m%d%H%M}]"


def _halves(first: int, end: int) -> list[tuple[int, int]]:
    middle = (first + end + 1) // 2
    return [(first, middle), (middle, end)]


class _SpoiltError(SourceError):
    """A page is damaged as a whole; `unread` is its record, if it has one."""

    def __init__(self, url: str, error: DamageError) -> None:
        super().__init__(url, f"arXiv answered 200 but {error.reason}")
        self.unread = error.unread


class _TooManyError(Exception):
    """More papers than arXiv's index gives out."""
