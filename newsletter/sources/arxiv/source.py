"""Where papers come from: arXiv's query API, or an answer of it that was saved to a file.

An outage is never a quiet day: what cannot be trusted becomes an incomplete listing with a reason.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import requests

from newsletter.keywords.matching import matcher
from newsletter.models import Fetched, Listing, Paper, Scope
from newsletter.sources.arxiv.atom import AtomError, parse
from newsletter.sources.arxiv.client import MAX_BYTES, Client, Manners
from newsletter.sources.arxiv.inquiry import (
    SWEEP,
    Inquiry,
    Probe,
    incomplete,
    newest_first,
    revised,
)

SWEEP_EVERY = timedelta(days=7)


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
        return windows + [asked.revisions_url(group) for group in asked.groups(revised(scopes))]

    def probe(self, *, now: datetime) -> Probe:
        """Return how fresh the index is, by one cheap question. Raises SourceError."""
        return self._asked(now).probe()

    def _asked(self, now: datetime) -> Inquiry:
        client = Client(self._session, url=self._url, manners=self._manners, now=now)
        return Inquiry(client, self._url, now)


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
            return Fetched(listings=tuple(incomplete(s, reason) for s in scopes), requests=0)
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
            return incomplete(scope, f"{self._path}: only arXiv can answer a raw query, not a file")
        chosen = [paper for paper in papers if belongs(paper)]
        return Listing(keyword=scope.keyword.name, papers=newest_first(chosen), complete=True)
