"""What arXiv knows: every version of every paper, and when each was announced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter.models import Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """A name as arXiv gives it, and where the author works."""

    name: str
    affiliations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One version of one e-print.

    `published` is when v1 was submitted, `updated` when this version was, `announced` when this
    version became public; all in UTC. `arxiv_id` has no version.
    """

    arxiv_id: str
    version: int
    title: str
    abstract: str
    authors: tuple[Author, ...]
    categories: tuple[str, ...]
    published: datetime
    updated: datetime
    announced: datetime
    comment: str = ""
    journal_ref: str = ""
    dois: tuple[str, ...] = ()
    report_number: str = ""

    @property
    def name(self) -> str:
        """The id with its version, as in the entry's address."""
        return f"{self.arxiv_id}v{self.version}"


def record_of(paper: Paper, *, announced: datetime | None = None) -> Record:
    """Return a newsletter's paper as arXiv would hold it; by default announced when submitted."""
    return Record(
        arxiv_id=paper.local_id,
        version=paper.version,
        title=paper.title,
        abstract=paper.abstract,
        authors=tuple(Author(name=name) for name in paper.authors),
        categories=paper.categories,
        published=paper.submitted,
        updated=paper.updated,
        announced=announced or paper.updated,
        comment=paper.comment,
        journal_ref=paper.journal_ref,
        dois=(paper.doi,) if paper.doi else (),
    )


def current(records: Sequence[Record], now: datetime, delay: timedelta) -> dict[str, int]:
    """Return, by arXiv id, the position of the newest version that the index holds at `now`."""
    found: dict[str, int] = {}
    for position, record in enumerate(records):
        if record.announced + delay > now:
            continue
        other = found.get(record.arxiv_id)
        if other is None or records[other].version < record.version:
            found[record.arxiv_id] = position
    return found
