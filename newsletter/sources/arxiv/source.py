"""arXiv's query API as a source of papers.

An outage is never a quiet day: what cannot be trusted becomes an incomplete listing with a reason.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import requests
from msgspec.structs import replace

from newsletter.errors import SourceError
from newsletter.models import Fetched, Keyword, Paper, Recalled, Scope
from newsletter.sources.arxiv.atom import Feed
from newsletter.sources.arxiv.client import Client, Manners
from newsletter.sources.arxiv.inquiry import Inquiry, Probe, revised
from newsletter.sources.arxiv.pages import Pages, Question, dated
from newsletter.sources.arxiv.query import search_query


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
        self._manners.told("", 0.0)
        return Fetched(
            listings=tuple(listings[scope.keyword.name] for scope in scopes),
            requests=asked.requests,
        )

    def by_id(self, ids: Sequence[str], *, now: datetime) -> Recalled:
        """Return those of up to IDS_A_REQUEST papers that arXiv has, asked for once.

        Raises OSError when the folder of `Manners` cannot be written.
        """
        once = replace(self._manners, attempts=1)
        client = Client(self._session, url=self._url, manners=once, now=now)
        try:
            papers = Pages(client, self._url).named(ids)
        except SourceError as error:
            return Recalled(papers=(), requests=client.requests, reason=str(error))
        return Recalled(papers=papers, requests=client.requests)

    def newest(self, keyword: Keyword, start: datetime, *, now: datetime) -> Feed:
        """Return a page of the newest papers of a keyword, by one request. Raises SourceError.

        It is arXiv's own answer, wider than what the keyword means. What the page has no room for
        is counted in its `total`.
        """
        client = Client(self._session, url=self._url, manners=self._manners, now=now)
        search = dated(search_query(keyword), start.astimezone(UTC), now.astimezone(UTC))
        return Pages(client, self._url).page(Question(search=search))

    def past(
        self, keyword: Keyword, first: datetime, last: datetime, *, now: datetime
    ) -> tuple[Paper, ...]:
        """Return what arXiv has for a keyword that was submitted from `first` on, before `last`.

        Raises SourceError.
        """
        return tuple(self._asked(now).past(keyword, first, last))

    def queries(self, scopes: tuple[Scope, ...], *, now: datetime) -> list[str]:
        """Return the URLs that a run at `now` would begin with; nothing is asked."""
        asked = self._asked(now)
        windows = [asked.window_url(group) for group in asked.groups(scopes)]
        return windows + [asked.revisions_url(group) for group in asked.groups(revised(scopes))]

    def probe(self, *, now: datetime) -> Probe:
        """Return how fresh the index is, by one cheap question. Raises SourceError."""
        return self._asked(now).probe()

    def _asked(self, now: datetime) -> Inquiry:
        client = Client(self._session, url=self._url, manners=self._manners, now=now)
        return Inquiry(client, self._url, now)
