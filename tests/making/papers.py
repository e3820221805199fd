"""Papers written for the tests, so that a test names only what it is about."""

from datetime import UTC, datetime, timedelta

from newsletter.models import Announcement, Digest, Issue, Keyword, Paper
from newsletter.sources.arxiv import identity

NOW = datetime(2026, 11, 19, 10, tzinfo=UTC)  # a Thursday
DAY = timedelta(days=1)
SOURCE = identity.SOURCE


def paper(arxiv_id: str = "2611.00001", **fields: object) -> Paper:
    """Return a plausible paper; any field may be given."""
    plausible: dict[str, object] = {
        "id": identity.paper_id(arxiv_id),
        "source": SOURCE,
        "links": identity.links(arxiv_id),
        "version": 1,
        "title": f"On the quiet life of graph neural networks, part {arxiv_id[-2:]}",
        "abstract": "We look at graphs until they look back. The effect is small but steady.",
        "authors": ("Ada Quill", "Bo Ångström"),
        "categories": ("cs.LG", "stat.ML"),
        "submitted": datetime(2026, 11, 18, 9, tzinfo=UTC),
        "updated": datetime(2026, 11, 18, 9, tzinfo=UTC),
    }
    return Paper(**(plausible | fields))  # type: ignore[arg-type]


def digest(keyword: str = "graph neural network", *papers: Paper) -> Digest:
    """Return a digest that announces these papers as new."""
    return Digest(
        keyword=Keyword(name=keyword),
        source=SOURCE,
        outcome="new" if papers else "none",
        announcements=tuple(Announcement(paper=each) for each in papers),
        listed=len(papers),
    )


def issue(number: int, *digests: Digest) -> Issue:
    """Return an issue of the day of the tests."""
    return Issue(number=number, date=NOW.date(), digests=digests)
