"""Where papers come from: ask arXiv about many keywords at once, and believe only what holds up.

An outage never looks like a quiet day: what cannot be trusted is an incomplete listing with a
reason. How requests are made is in polite.py, what is believed in trust.py.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from urllib.parse import urlencode

import requests

from newsletter import trust
from newsletter.atom import AtomError, Feed, parse
from newsletter.calendar import announcement_due
from newsletter.errors import SourceError
from newsletter.keywords import claimer, matcher, search_query
from newsletter.models import Fetched, Listing, Paper, Scope
from newsletter.polite import MAX_BYTES, Client, Manners, QueryError

SWEEP = timedelta(days=90)
SWEEP_EVERY = timedelta(days=7)

_PAGE = 1000
_REACHABLE = 9000  # of the 10,000 results that arXiv's index gives out, whole pages only
_MAX_URL = 3500
_MAX_PHRASES = 25
_MAX_IDS = 100
_NEAR = timedelta(days=7)
_REVISION_MARGIN = timedelta(days=14)
_CANARY = "cat:cs.LG"


def window_start(
    *,
    now: datetime,
    last_good: datetime | None,
    last_sweep: datetime | None,
    baseline_start: datetime | None,
    lookback_days: float,
) -> datetime:
    """Return where a keyword's window of submission times opens.

    It reaches `lookback_days` back from the last good answer, because arXiv holds papers for weeks
    before it announces them; once a week 90 days. It never opens before the baseline's, which had
    90 days itself: what is older than that was not announced to anybody, and is not news.
    """
    reach = timedelta(days=lookback_days)
    if last_good is None or last_sweep is None or now - last_sweep >= SWEEP_EVERY:
        reach = max(reach, SWEEP)
    start = min(last_good or now, now) - reach
    return start if baseline_start is None else max(start, baseline_start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How fresh arXiv's index is: its newest paper's submission, and if that is as it should be."""

    newest: datetime
    current: bool


class ArxivSource:
    """The query API at `url`. A `Source`; what it learns is in the listings, not in it."""

    def __init__(self, session: requests.Session, *, url: str, manners: Manners) -> None:
        self._session = session
        self._url = url
        self._manners = manners

    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:
        """Return one listing per scope, in as few requests as arXiv's limits allow.

        Raises OSError when the folder of `Manners` cannot be written; whatever arXiv does is told
        in the listings.
        """
        asked = self._asked(now)
        listings = asked.listings(scopes)
        return Fetched(
            listings=tuple(listings[scope.keyword.name] for scope in scopes),
            requests=asked.requests,
        )

    def queries(self, scopes: tuple[Scope, ...], *, now: datetime) -> list[str]:
        """Return the URLs that a run at `now` would begin with; nothing is asked."""
        asked = self._asked(now)
        windows = [asked.window_url(group) for group in asked.groups(scopes)]
        return windows + [asked.revisions_url(group) for group in asked.groups(_revised(scopes))]

    def probe(self, *, now: datetime) -> Probe:
        """Return how fresh the index is, by one cheap question. Raises SourceError."""
        return self._asked(now).probe()

    def _asked(self, now: datetime) -> "_Visit":
        client = Client(self._session, url=self._url, manners=self._manners, now=now)
        return _Visit(client, self._url, now)


class FileSource:
    """A saved answer of the query API in place of arXiv. A `Source`.

    It is taken as it is, whatever its dates; a raw query cannot be decided without arXiv.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:  # noqa: ARG002
        """Return one listing per scope; all incomplete when the file cannot be read."""
        try:
            papers = self._papers()
        except (OSError, AtomError) as error:
            reason = f"{self._path}: {getattr(error, 'strerror', None) or error}"
            return Fetched(listings=tuple(_incomplete(s, reason) for s in scopes), requests=0)
        return Fetched(listings=tuple(self._listing(s, papers) for s in scopes), requests=0)

    def _papers(self) -> tuple[Paper, ...]:
        with self._path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise AtomError(f"more than {MAX_BYTES // 1_000_000} MB")
        return parse(body).papers

    def _listing(self, scope: Scope, papers: Collection[Paper]) -> Listing:
        belongs = matcher(scope.keyword)
        if belongs is None:
            return _incomplete(
                scope, f"{self._path}: only arXiv can answer a raw query, not a file"
            )
        chosen = [paper for paper in papers if belongs(paper)]
        return Listing(keyword=scope.keyword.name, papers=_newest_first(chosen), complete=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One page of an answer."""

    search: str
    ids: tuple[str, ...] = ()
    sort: str = "submittedDate"
    start: int = 0
    size: int = _PAGE

    def url(self, base: str) -> str:
        asked = {
            "search_query": self.search,
            "id_list": ",".join(self.ids),
            "start": self.start,
            "max_results": self.size,
            "sortBy": self.sort,
            "sortOrder": "descending",
        }
        return f"{base}?{urlencode({name: value for name, value in asked.items() if value != ''})}"


class _TooManyError(Exception):
    """More papers than arXiv's index gives out."""


class _Visit:
    """What one run asks of arXiv, and what it makes of the answers."""

    def __init__(self, client: Client, url: str, now: datetime) -> None:
        self._client = client
        self._url = url
        self._now = now
        self._newest: datetime | None = None

    @property
    def requests(self) -> int:
        """How many HTTP requests it took so far."""
        return self._client.requests

    def listings(self, scopes: Sequence[Scope]) -> dict[str, Listing]:
        """Return the listing of each keyword by its name."""
        found: dict[str, Listing] = {}
        for group in self.groups(scopes):
            found |= self._listings(group)
        revised = [s for s in _revised(scopes) if found[s.keyword.name].complete]
        for group in self.groups(revised):
            found |= self._with_revisions(group, found)
        return self._silence_confirmed(scopes, found)

    def groups(self, scopes: Iterable[Scope]) -> list[tuple[Scope, ...]]:
        """Return the scopes by request: windows that open close together, and a URL that is short.

        A raw query stands alone: then all that arXiv returns is its own, and none is guessed.
        """
        groups: list[tuple[Scope, ...]] = []
        for scope in sorted(scopes, key=lambda s: (s.keyword.query is not None, s.start)):
            if groups and self._fits((*groups[-1], scope)):
                groups[-1] = (*groups[-1], scope)
            else:
                groups.append((scope,))
        return groups

    def window_url(self, group: Sequence[Scope]) -> str:
        """Return the URL of the first page of a group's window."""
        first, last = self._window(group)
        return _Question(search=_dated(_search(group), first, last)).url(self._url)

    def revisions_url(self, group: Sequence[Scope]) -> str:
        """Return the URL of the first page of a group's new versions."""
        return _Question(search=_search(group), sort="lastUpdatedDate").url(self._url)

    def probe(self) -> Probe:
        """Ask for papers that only a current index has; if there are none, for the newest it has.

        The question has a date filter like any other, so that a broken one does not go unnoticed.
        """
        expected = trust.newest_expected(self._now)
        for first in (expected, self._now - SWEEP):
            last = self._now + timedelta(days=1)
            question = _Question(search=_dated(_CANARY, first, last), size=10)
            papers = self._page(question).papers
            if papers:
                newest = max(paper.submitted for paper in papers)
                return Probe(newest=newest, current=newest > expected)
        raise SourceError(self._url, f"arXiv's index has no {_CANARY} paper of the last 90 days")

    def _fits(self, group: Sequence[Scope]) -> bool:
        keywords = [scope.keyword for scope in group]
        return (
            all(keyword.query is None for keyword in keywords)
            and group[-1].start - group[0].start <= _NEAR
            and sum(1 + len(keyword.authors) for keyword in keywords) <= _MAX_PHRASES
            and len(self.window_url(group)) <= _MAX_URL
        )

    def _window(self, group: Sequence[Scope]) -> tuple[datetime, datetime]:
        """Return whole days, so that arXiv's cache may know the answer when we ask again."""
        first = min(scope.start for scope in group).astimezone(UTC).date()
        last = self._now.astimezone(UTC).date() + timedelta(days=1)
        return datetime.combine(first, time(), UTC), datetime.combine(last, time(23, 59), UTC)

    def _listings(self, group: tuple[Scope, ...]) -> dict[str, Listing]:
        try:
            return self._believed(group)
        except QueryError as error:
            if len(group) > 1:
                half = len(group) // 2
                return self._listings(group[:half]) | self._listings(group[half:])
            reason = f"keyword {group[0].keyword.name!r}: {error.reason}"
        except SourceError as error:
            reason = error.reason
        return {scope.keyword.name: _incomplete(scope, reason) for scope in group}

    def _believed(self, group: Sequence[Scope]) -> dict[str, Listing]:
        """Ask, and once more in another way where the answer is doubtful."""
        listings = self._answered(group, size=_PAGE, last=False)
        if all(listing.complete or listing.held for listing in listings.values()):
            return listings
        return self._answered(group, size=_PAGE - 100, last=True)

    def _answered(self, group: Sequence[Scope], *, size: int, last: bool) -> dict[str, Listing]:
        first, until = self._window(group)
        papers = self._papers(_search(group), first, until, size=size)
        reason = trust.outside(papers.values(), first, until)
        if reason:
            return {scope.keyword.name: _incomplete(scope, reason) for scope in group}
        shares = self._shares(group, papers.values())
        listings = {
            scope.keyword.name: self._judged(scope, shares[scope.keyword.name], papers, last=last)
            for scope in group
        }
        if papers and all(listing.complete for listing in listings.values()):
            newest = max(paper.submitted for paper in papers.values())
            self._newest = max(newest, self._newest or newest)
        return listings

    def _judged(
        self, scope: Scope, share: Iterable[Paper], returned: Collection[str], *, last: bool
    ) -> Listing:
        missing = trust.absent(scope, returned, now=self._now)
        if missing and not (last and self._is_explained(scope, missing, returned)):
            return _incomplete(
                scope,
                f"arXiv's index is incomplete: {len(missing)} of the papers known for this"
                f" keyword did not come back, such as {missing[0]}",
            )
        papers = _newest_first(paper for paper in share if paper.submitted >= scope.start)
        if trust.is_surge(scope, papers, now=self._now):
            new = sum(paper.arxiv_id not in scope.known for paper in papers)
            reason = f"{new} papers are new at once, far more than usual; held until tomorrow's"
            return replace(_incomplete(scope, f"{reason} answer confirms them"), held=True)
        due = scope.last_good is None or announcement_due(scope.last_good, self._now)
        return Listing(keyword=scope.keyword.name, papers=papers, complete=True, due=due)

    def _is_explained(
        self, scope: Scope, missing: Sequence[str], returned: Collection[str]
    ) -> bool:
        """Tell whether arXiv has the missing papers, and they have ceased to match the keyword.

        They do when they were revised, or when the keyword's definition was.
        """
        sample = tuple(missing[:_MAX_IDS])
        present = self._by_id("", sample)
        if len(sample) - len(present) > 1:
            return False
        claims = claimer(scope.keyword)
        if claims is not None:
            matching = [paper for paper in present if claims(paper)]
        elif returned:
            matching = self._by_id(search_query(scope.keyword), sample)
        else:
            return False
        return len(matching) <= 1

    def _shares(self, group: Sequence[Scope], papers: Collection[Paper]) -> dict[str, list[Paper]]:
        """Return whose the papers are; arXiv is asked about those that no keyword claims here."""
        claims = [claims for scope in group if (claims := claimer(scope.keyword))]
        if not claims:
            return {group[0].keyword.name: list(papers)}
        strangers = [paper for paper in papers if not any(claim(paper) for claim in claims)]
        if len(strangers) > max(20, len(papers) // 10):
            raise SourceError(
                self.window_url(group),
                f"arXiv answered another question: {len(strangers)} of {len(papers)} papers hold"
                f" none of the keywords, such as {strangers[0].arxiv_id}",
            )
        unknown = [p for p in strangers if not any(p.arxiv_id in s.known for s in group)]
        ids = tuple(paper.arxiv_id for paper in unknown)
        shares = {}
        for scope in group:
            belongs = matcher(scope.keyword) or claims[0]
            share = [paper for paper in papers if belongs(paper)]
            share += [paper for paper in strangers if paper.arxiv_id in scope.known]
            share += unknown if len(group) == 1 else self._by_id(search_query(scope.keyword), ids)
            shares[scope.keyword.name] = share
        return shares

    def _with_revisions(
        self, group: Sequence[Scope], listings: Mapping[str, Listing]
    ) -> dict[str, Listing]:
        """Add what was lately updated. Without an answer the listing says that it lacks them.

        The look-back is long, so that nothing is lost while arXiv ignores the sort order for days.
        """
        last_good = min(min(scope.last_good or self._now, self._now) for scope in group)
        since = last_good - _REVISION_MARGIN
        own = [listings[scope.keyword.name] for scope in group]
        try:
            revised = self._revisions(_search(group), since)
            shares = self._shares(group, revised)
        except SourceError as error:
            reason = f"new versions could not be looked for: {error.reason}"
            return {each.keyword: replace(each, current=False, reason=reason) for each in own}
        return {
            each.keyword: replace(each, papers=_newest_first([*each.papers, *shares[each.keyword]]))
            for each in own
        }

    def _silence_confirmed(
        self, scopes: Sequence[Scope], listings: dict[str, Listing]
    ) -> dict[str, Listing]:
        """Make sure that where nothing is new, it is because arXiv has nothing new.

        Any paper submitted close to the last cut-off proves the index current. Without one, and
        only where an announcement was due and nothing came, one more question settles it.
        """
        expected = trust.newest_expected(self._now)
        silent = [scope for scope in scopes if _is_silent(scope, listings[scope.keyword.name])]
        if not silent or (self._newest is not None and self._newest > expected):
            return listings
        try:
            probe = self.probe()
        except SourceError as error:
            return listings | {
                scope.keyword.name: _unconfirmed(scope, listings[scope.keyword.name], error.reason)
                for scope in silent
            }
        if probe.current:
            return listings
        newest = probe.newest
        reason = (
            f"arXiv's index has not been updated since {newest.day} {newest:%B %H:%M} UTC; the last"
            " announcement is not in it yet"
        )
        return listings | {
            scope.keyword.name: replace(listings[scope.keyword.name], current=False, reason=reason)
            for scope in silent
        }

    def _papers(
        self, search: str, first: datetime, last: datetime, *, size: int
    ) -> dict[str, Paper]:
        """Return all papers of a window by id; a window with too many is halved."""
        try:
            return self._pages(_dated(search, first, last), size=size)
        except _TooManyError as error:
            if last - first < timedelta(days=1):
                raise SourceError(
                    self._url, f"more than {_REACHABLE} papers a day match"
                ) from error
        middle = first + (last - first) / 2
        return self._papers(search, first, middle, size=size) | self._papers(
            search, middle, last, size=size
        )

    def _pages(self, search: str, *, size: int) -> dict[str, Paper]:
        """Return the papers of all pages, when they agree with each other.

        If they do not, or if there is nothing at all, pages of another size are asked for once
        more: the index may have changed between them, and a bad answer may be in arXiv's cache.
        """
        for pages_of in (size, size - 50):
            found = self._once_through(search, size=pages_of)
            if found:
                return found
        if found is None:
            raise SourceError(self._url, "arXiv's pages contradict each other")
        return found

    def _once_through(self, search: str, *, size: int) -> dict[str, Paper] | None:
        """Return the papers of all pages, None when they overlap, leave gaps or change total."""
        feed = self._page(_Question(search=search, size=size))
        total, received = feed.total, len(feed.papers)
        if total > _REACHABLE:
            raise _TooManyError
        found = {paper.arxiv_id: paper for paper in feed.papers}
        while received < total:
            feed = self._page(_Question(search=search, start=received, size=size))
            if feed.total != total:
                return None
            received += len(feed.papers)
            found |= {paper.arxiv_id: paper for paper in feed.papers}
        return found if len(found) == total else None

    def _revisions(self, search: str, since: datetime) -> list[Paper]:
        """Return the papers whose current version was submitted from `since` on."""
        found: dict[str, Paper] = {}
        received = 0
        while True:
            question = _Question(search=search, sort="lastUpdatedDate", start=received)
            feed = self._page(question)
            if trust.is_shuffled(feed.papers):
                raise SourceError(question.url(self._url), "arXiv ignored the sort order")
            found |= {paper.arxiv_id: paper for paper in feed.papers}
            received += len(feed.papers)
            # The last ten, because a few may stand out of order.
            if received >= feed.total or all(p.updated < since for p in feed.papers[-10:]):
                return [paper for paper in found.values() if paper.updated >= since]
            if received >= _REACHABLE:
                raise SourceError(
                    question.url(self._url),
                    f"the last {received} do not reach back to {since:%Y-%m-%d}",
                )

    def _by_id(self, search: str, ids: Sequence[str]) -> list[Paper]:
        """Return those of some papers that arXiv has, or that match a query."""
        found: list[Paper] = []
        for first in range(0, len(ids), _MAX_IDS):
            asked = tuple(ids[first : first + _MAX_IDS])
            found += self._page(_Question(search=search, ids=asked)).papers
        return [paper for paper in found if paper.arxiv_id in ids]

    def _page(self, question: _Question) -> Feed:
        def page_of(attempt: int) -> _Question:
            return replace(question, size=max(1, question.size - attempt))

        def read(attempt: int, body: bytes) -> Feed:
            feed, asked = parse(body), page_of(attempt)
            trust.require_whole(feed, search=asked.search, start=asked.start, size=asked.size)
            return feed

        return self._client.ask(lambda attempt: page_of(attempt).url(self._url), read)


def _search(group: Sequence[Scope]) -> str:
    return f"({' OR '.join(search_query(scope.keyword) for scope in group)})"


def _dated(search: str, first: datetime, last: datetime) -> str:
    return f"{search} AND submittedDate:[{first:%Y%m%d%H%M} TO {last:%Y%m%d%H%M}]"


def _revised(scopes: Iterable[Scope]) -> list[Scope]:
    return [scope for scope in scopes if scope.keyword.replacements]


def _is_silent(scope: Scope, listing: Listing) -> bool:
    new = any(paper.arxiv_id not in scope.known for paper in listing.papers)
    return listing.complete and listing.current and listing.due and not new


def _unconfirmed(scope: Scope, listing: Listing, reason: str) -> Listing:
    """Doubt a silence. One at the baseline would let in everything later: it is no answer."""
    reason = f"it is not certain that arXiv has nothing new: {reason}"
    if scope.last_good is None:
        return _incomplete(scope, reason)
    return replace(listing, current=False, reason=reason)


def _incomplete(scope: Scope, reason: str) -> Listing:
    return Listing(keyword=scope.keyword.name, papers=(), complete=False, reason=reason)


def _newest_first(papers: Iterable[Paper]) -> tuple[Paper, ...]:
    """Return each paper once, by its highest version, the last submitted first."""
    once: dict[str, Paper] = {}
    for paper in papers:
        if paper.arxiv_id not in once or once[paper.arxiv_id].version < paper.version:
            once[paper.arxiv_id] = paper
    return tuple(sorted(once.values(), key=lambda p: (p.submitted, p.arxiv_id), reverse=True))
