"""Listings as every source gives them: in order, and empty where they cannot be trusted."""

from collections.abc import Iterable

from newsletter.models import Listing, Paper, Scope


def incomplete(scope: Scope, source: str, reason: str) -> Listing:
    """Return the listing that says only why there is none."""
    return Listing(
        keyword=scope.keyword.name, source=source, papers=(), complete=False, reason=reason
    )


def newest_first(papers: Iterable[Paper]) -> tuple[Paper, ...]:
    """Return each paper once, by its highest version, the last submitted first."""
    once: dict[str, Paper] = {}
    for paper in papers:
        if paper.id not in once or once[paper.id].version < paper.version:
            once[paper.id] = paper
    return tuple(sorted(once.values(), key=lambda p: (p.submitted, p.id), reverse=True))
