"""A saved Atom answer in the place of arXiv: for trying things out, and for the demo."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from newsletter.keywords.index import Index
from newsletter.models import Fetched, Listing, Paper, Recalled, Scope
from newsletter.sources.arxiv.atom import MAX_BYTES, AtomError, Feed, parse
from newsletter.sources.arxiv.identity import SOURCE
from newsletter.sources.listings import incomplete, newest_first


class FileSource:
    """A saved answer of the query API in place of arXiv. A `Source`.

    It is taken as it is, whatever its dates; a raw query cannot be decided without arXiv.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:  # noqa: ARG002
        """Return one listing per scope; all incomplete when the file cannot be read."""
        try:
            feed = self._feed()
        except (OSError, AtomError) as error:
            reason = self._reason(error)
            return Fetched(
                listings=tuple(incomplete(s, SOURCE, reason) for s in scopes), requests=0
            )
        shares: dict[str, list[Paper]] = {scope.keyword.name: [] for scope in scopes}
        index = Index(scope.keyword for scope in scopes)
        for paper in feed.papers:
            for keyword in index.of(paper):
                shares[keyword.name].append(paper)
        return Fetched(
            listings=tuple(self._listing(s, shares[s.keyword.name], feed) for s in scopes),
            requests=0,
        )

    def by_id(self, ids: Sequence[str], *, now: datetime) -> Recalled:  # noqa: ARG002
        """Return those of some papers that are in the file; none when it cannot be read."""
        try:
            papers = self._feed().papers
        except (OSError, AtomError) as error:
            return Recalled(papers=(), requests=0, reason=self._reason(error))
        return Recalled(papers=tuple(each for each in papers if each.id in ids), requests=0)

    def _reason(self, error: Exception) -> str:
        return f"{self._path}: {getattr(error, 'strerror', None) or error}"

    def _feed(self) -> Feed:
        with self._path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise AtomError(f"more than {MAX_BYTES // 1_000_000} MB")
        return parse(body)

    def _listing(self, scope: Scope, chosen: Sequence[Paper], feed: Feed) -> Listing:
        if scope.keyword.query is not None:
            reason = f"{self._path}: only arXiv can answer a raw query, not a file"
            return incomplete(scope, SOURCE, reason)
        return Listing(
            keyword=scope.keyword.name,
            source=SOURCE,
            papers=newest_first(chosen),
            complete=True,
            unread=tuple(each.name for each in feed.unread),
        )
