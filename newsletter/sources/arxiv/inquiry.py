"""One run's questions to arXiv, and what becomes of the answers: listings or reasons.

How pages are asked for is in pages.py, and what may be believed in trust.py.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from newsletter.errors import SourceError
from newsletter.keywords.matching import matcher
from newsletter.models import IDS_A_REQUEST, Keyword, Listing, Paper, Scope
from newsletter.sources.arxiv import trust
from newsletter.sources.arxiv.atom import Unread
from newsletter.sources.arxiv.calendar import announcement_due
from newsletter.sources.arxiv.client import Client, QueryError
from newsletter.sources.arxiv.identity import SOURCE, arxiv_id, paper_id
from newsletter.sources.arxiv.pages import PAGE, Pages, Question, dated
from newsletter.sources.arxiv.query import asked, claimer, search_query
from newsletter.sources.listings import incomplete, newest_first
from newsletter.sources.window import SWEEP

_MAX_URL = 3500
_MAX_PHRASES = 25
_NEAR = timedelta(days=7)
_AHEAD = timedelta(days=1)
_REVISION_MARGIN = timedelta(days=14)
_CANARY = "cat:cs.LG"
# Before the oldest date of submission: some papers of before arXiv opened are dated back, to 1986.
_BEGINNING = datetime(1980, 1, 1, tzinfo=UTC)


class Probe(Struct, frozen=True, kw_only=True):
    """How fresh arXiv's index is: its newest paper's submission, and if that is as it should be."""

    newest: datetime
    current: bool


class Inquiry:
    """All that one run asks of the query API at `url`."""

    def __init__(self, client: Client, url: str, now: datetime) -> None:
        self._client = client
        self._pages = Pages(client, url)
        self._url = url
        self._now = now.astimezone(UTC)
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
        answered = [s for s in revised(scopes) if found[s.keyword.name].complete]
        for group in self.groups(answered):
            found |= self._with_revisions(group, found)
        return self._silence_confirmed(scopes, found)

    def past(self, keyword: Keyword, first: datetime, last: datetime) -> list[Paper]:
        """Return what was submitted from `first` on, before `last`, in its current versions.

        Raises SourceError where the answer is not to be trusted.
        """
        scope = Scope(keyword=keyword, start=first)
        papers = self._pages.papers(_search([scope]), first, last, size=PAGE).papers.values()
        if reason := trust.outside(papers, first, last):
            raise SourceError(self._url, reason)
        share = self._shares([scope], papers)[keyword.name]
        return [paper for paper in share if first <= paper.submitted < last]

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
        return Question(search=dated(_search(group), first, last)).url(self._url)

    def revisions_url(self, group: Sequence[Scope]) -> str:
        """Return the URL of the first page of a group's new versions."""
        return Question(search=self._ever(group), sort="lastUpdatedDate").url(self._url)

    def probe(self) -> Probe:
        """Ask for papers that only a current index has; if there are none, for the newest it has.

        The question has a date filter like any other, so that a broken one does not go unnoticed.
        """
        expected = trust.newest_expected(self._now)
        for first in (expected, self._now - SWEEP):
            question = Question(search=dated(_CANARY, first, self._now + _AHEAD), size=10)
            papers = self._pages.page(question).papers
            if papers:
                newest = max(paper.submitted for paper in papers)
                return Probe(newest=newest, current=newest > expected)
        raise SourceError(self._url, f"arXiv's index has no {_CANARY} paper of the last 90 days")

    def _fits(self, group: Sequence[Scope]) -> bool:
        keywords = [scope.keyword for scope in group]
        return (
            all(keyword.query is None for keyword in keywords)
            and group[-1].start - group[0].start <= _NEAR
            and sum(len(asked(each)) + len(each.authors) for each in keywords) <= _MAX_PHRASES
            and len(self.window_url(group)) <= _MAX_URL
        )

    def _window(self, group: Sequence[Scope]) -> tuple[datetime, datetime]:
        """Return a window that ends with the minute, so that no earlier run's answer is cached."""
        first = min(scope.start for scope in group).astimezone(UTC).date()
        return datetime.combine(first, time(), UTC), self._now + _AHEAD

    def _ever(self, group: Sequence[Scope]) -> str:
        return dated(_search(group), _BEGINNING, self._now + _AHEAD)

    def _listings(self, group: tuple[Scope, ...], *, size: int = PAGE) -> dict[str, Listing]:
        try:
            return self._believed(group, size)
        except QueryError as error:
            if len(group) > 1:
                half = len(group) // 2
                first, second = group[:half], group[half:]
                return self._listings(first, size=size) | self._listings(second, size=size)
            reason = f"keyword {group[0].keyword.name!r}: {error.reason}"
        except SourceError as error:
            reason = error.reason
        return {scope.keyword.name: incomplete(scope, SOURCE, reason) for scope in group}

    def _believed(self, group: Sequence[Scope], size: int) -> dict[str, Listing]:
        """Ask, and once more in another way where the answer is doubtful."""
        listings = self._answered(group, size=size, last=False)
        if all(listing.complete or listing.held for listing in listings.values()):
            return listings
        return self._answered(group, size=size - 100, last=True)

    def _answered(self, group: Sequence[Scope], *, size: int, last: bool) -> dict[str, Listing]:
        first, until = self._window(group)
        papers, unread = self._pages.papers(_search(group), first, until, size=size)
        reason = trust.outside(papers.values(), first, until)
        if reason:
            return {scope.keyword.name: incomplete(scope, SOURCE, reason) for scope in group}
        shares = self._shares(group, papers.values())
        came = {*papers, *(paper_id(each.name) for each in unread)}
        missing = {scope.keyword.name: trust.absent(scope, came, now=self._now) for scope in group}
        if last and any(missing.values()):
            missing = self._unexplained(group, missing, returned=papers)
        listings = {
            scope.keyword.name: self._judged(
                scope,
                shares[scope.keyword.name],
                missing[scope.keyword.name],
                _concerning(scope, unread, group),
            )
            for scope in group
        }
        if papers and all(listing.complete for listing in listings.values()):
            newest = max(paper.submitted for paper in papers.values())
            self._newest = max(newest, self._newest or newest)
        return listings

    def _judged(
        self,
        scope: Scope,
        share: Iterable[Paper],
        missing: Sequence[str],
        unread: Sequence[str],
    ) -> Listing:
        if missing:
            return incomplete(
                scope,
                SOURCE,
                f"arXiv's index is incomplete: {len(missing)} of the papers known for this"
                f" keyword did not come back, such as {arxiv_id(missing[0])}",
            )
        papers = newest_first(paper for paper in share if paper.submitted >= scope.start)
        if trust.is_surge(scope, papers, now=self._now):
            new = sum(paper.id not in scope.known for paper in papers)
            reason = f"{new} papers are new at once, far more than usual; held until tomorrow's"
            return replace(incomplete(scope, SOURCE, f"{reason} answer confirms them"), held=True)
        due = scope.last_good is None or announcement_due(scope.last_good, self._now)
        return Listing(
            keyword=scope.keyword.name,
            source=SOURCE,
            papers=papers,
            complete=True,
            due=due,
            unread=tuple(unread),
        )

    def _unexplained(
        self,
        group: Sequence[Scope],
        missing: Mapping[str, Sequence[str]],
        *,
        returned: Collection[str],
    ) -> dict[str, Sequence[str]]:
        """Return what is missing although arXiv has it and it matches, or because arXiv lost it.

        Papers cease to match when they are revised, or when the keyword's definition is.
        """
        share = IDS_A_REQUEST // len(group)
        sample = {name: ids[:share] for name, ids in missing.items()}
        wanted = sorted(set(chain.from_iterable(sample.values())))
        present = {paper.id: paper for paper in self._pages.by_id("", wanted)}
        unexplained: dict[str, Sequence[str]] = {}
        for scope in group:
            name = scope.keyword.name
            here = [present[each] for each in sample[name] if each in present]
            claims = claimer(scope.keyword)
            matching = [paper for paper in here if claims(paper)]
            if scope.keyword.query is not None and returned:
                matching = self._pages.by_id(search_query(scope.keyword), sample[name])
            lost = len(sample[name]) - len(here)
            unexplained[name] = missing[name] if lost > 1 or len(matching) > 1 else ()
        return unexplained

    def _shares(self, group: Sequence[Scope], papers: Collection[Paper]) -> dict[str, list[Paper]]:
        """Return whose the papers are; arXiv is asked about those that no keyword claims here."""
        claims = [claimer(scope.keyword) for scope in group]
        belongs = [matcher(scope.keyword) or claimer(scope.keyword) for scope in group]
        shares: dict[str, list[Paper]] = {scope.keyword.name: [] for scope in group}
        strangers = []
        # Paper by paper, because the analysis of a paper is kept only for a while.
        for paper in papers:
            for share, is_theirs in zip(shares.values(), belongs, strict=True):
                if is_theirs(paper):
                    share.append(paper)
            if not any(claim(paper) for claim in claims):
                strangers.append(paper)
        if len(strangers) > max(20, len(papers) // 10):
            raise SourceError(
                self.window_url(group),
                f"arXiv answered another question: {len(strangers)} of {len(papers)} papers hold"
                f" none of the keywords, such as {strangers[0].local_id}",
            )
        unknown = [p for p in strangers if not any(p.id in s.known for s in group)]
        ids = tuple(paper.id for paper in unknown)
        for scope in group:
            share = shares[scope.keyword.name]
            share += [paper for paper in strangers if paper.id in scope.known]
            query = search_query(scope.keyword)
            share += unknown if len(group) == 1 else self._pages.by_id(query, ids)
        return shares

    def _with_revisions(
        self, group: Sequence[Scope], listings: Mapping[str, Listing]
    ) -> dict[str, Listing]:
        """Add what was lately updated. Without an answer the listing says that it lacks them.

        The look-back is long, so that nothing is lost while arXiv ignores the sort order for days;
        at a baseline it is the window, so that what was lately revised is known, too.
        """
        since = min(
            min(scope.last_good, self._now) - _REVISION_MARGIN if scope.last_good else scope.start
            for scope in group
        )
        own = [listings[scope.keyword.name] for scope in group]
        listed = [p for each in own for p in each.papers if p.updated >= since]
        try:
            latest = self._pages.revisions(self._ever(group), since, listed=listed)
            shares = self._shares(group, latest.papers.values())
        except SourceError as error:
            reason = f"new versions could not be looked for: {error.reason}"
            return {
                scope.keyword.name: _unsure(scope, listing, reason)
                for scope, listing in zip(group, own, strict=True)
            }
        return {
            each.keyword: replace(
                each,
                papers=newest_first([*each.papers, *shares[each.keyword]]),
                unread=tuple(
                    dict.fromkeys([*each.unread, *_concerning(scope, latest.unread, group)])
                ),
            )
            for scope, each in zip(group, own, strict=True)
        }

    def _silence_confirmed(
        self, scopes: Sequence[Scope], listings: dict[str, Listing]
    ) -> dict[str, Listing]:
        """Make sure that where nothing is new, it is because arXiv has nothing new.

        Any paper submitted close to the last cut-off proves the index current. Without one, and
        only where an announcement was due and nothing came, another question tells. If the index
        is current, the silent keywords are asked about again: it may have become so just now.
        """
        expected = trust.newest_expected(self._now)
        silent = [scope for scope in scopes if _is_silent(scope, listings[scope.keyword.name])]
        if not silent or (self._newest is not None and self._newest > expected):
            return listings
        try:
            probe = self.probe()
        except SourceError as error:
            return listings | {
                scope.keyword.name: _unsure(
                    scope,
                    listings[scope.keyword.name],
                    f"it is not certain that arXiv has nothing new: {error.reason}",
                )
                for scope in silent
            }
        if probe.current:
            for group in self.groups(silent):
                again = self._listings(group, size=PAGE - 20)
                listings |= {name: _joined(listings[name], again[name]) for name in again}
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


def _search(group: Sequence[Scope]) -> str:
    return f"({' OR '.join(search_query(scope.keyword) for scope in group)})"


def _concerning(scope: Scope, unread: Iterable[Unread], group: Sequence[Scope]) -> list[str]:
    """Return the records that may be the keyword's, by what is legible of them.

    What is nobody's so, or not legible at all, may be everybody's.
    """
    names = []
    for each in unread:
        legible = each.legible
        if legible:
            theirs = [one for one in group if claimer(one.keyword)(legible)]
            if theirs and scope not in theirs:
                continue
        names.append(each.name)
    return names


def revised(scopes: Iterable[Scope]) -> list[Scope]:
    """Return the scopes that want new versions too."""
    return [scope for scope in scopes if scope.keyword.replacements]


def _is_silent(scope: Scope, listing: Listing) -> bool:
    new = any(
        paper.id not in scope.known and paper.submitted >= scope.start for paper in listing.papers
    )
    return listing.complete and listing.current and listing.due and not new


def _joined(before: Listing, again: Listing) -> Listing:
    """Return a listing asked for again, with the new versions that the first one found."""
    if not again.complete:
        return again
    return replace(again, papers=newest_first([*before.papers, *again.papers]))


def _unsure(scope: Scope, listing: Listing, reason: str) -> Listing:
    """Doubt a silence. One at the baseline would let in everything later: it is no answer."""
    if scope.last_good is None:
        return incomplete(scope, SOURCE, reason)
    return replace(listing, current=False, reason=reason)
