"""arXiv's ids and addresses: how a paper of it is named, and where it stands. Pure.

Nothing outside this folder builds or reads them.
"""

from datetime import UTC, datetime
from re import compile as pattern

from newsletter.models import Link, Paper

SOURCE = "arXiv"
BEGAN = datetime(1991, 8, 14, tzinfo=UTC)  # the day it opened

_SCHEME = "arxiv:"
_SITE = "https://arxiv.org"
_MONTH = pattern(r"(\d{4})\.\d{4,5}")


def paper_id(arxiv_id: str) -> str:
    """Return the id of the paper that arXiv calls `2401.01234` or `hep-th/9901001`, no version."""
    return _SCHEME + arxiv_id


def arxiv_id(paper_id: str) -> str:
    """Return what arXiv calls a paper of its own. Raises ValueError for another's."""
    if not paper_id.startswith(_SCHEME):
        raise ValueError(f"{paper_id!r} is no paper of arXiv")
    return paper_id.removeprefix(_SCHEME)


def links(arxiv_id: str) -> tuple[Link, ...]:
    """Return where a paper can be read: built from its id, never copied from a feed.

    Each leads to the current version. arXiv makes HTML of most of what was submitted since
    December 2023.
    """
    month = _MONTH.fullmatch(arxiv_id)
    labels = {"Abstract": "abs", "PDF": "pdf", "HTML": "html", "BibTeX": "bibtex"}
    if not month or month[1] < "2312":
        del labels["HTML"]
    return tuple(
        Link(label=label, url=f"{_SITE}/{page}/{arxiv_id}") for label, page in labels.items()
    )


def version_url(paper: Paper) -> str:
    """Return where the very version of a paper stands; another source's paper has one page only."""
    if paper.id.startswith(_SCHEME):
        return f"{_SITE}/abs/{paper.local_id}v{paper.version}"
    return paper.links[0].url
