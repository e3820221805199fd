"""Decide whether an answer of arXiv may be believed. Pure: it asks nothing, and drops nothing."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from newsletter.models import Paper, Scope
from newsletter.sources.arxiv.atom import AtomError, Feed
from newsletter.sources.arxiv.calendar import last_cutoff

# More than arXiv's clock and ours can differ, also where Eastern time is taken for UTC.
_TOLERANCE = timedelta(days=1)
# The longest time before a cut-off in which no paper is submitted.
_QUIET = timedelta(hours=12)
_CONFIRMED_AFTER = timedelta(hours=20)
_SYNTAX = frozenset(
    {"and", "or", "not", "andnot", "title", "ti", "to", "submitteddate", "lastupdateddate"}
)


def require_whole(feed: Feed, *, search: str, start: int, size: int) -> None:
    """Raise AtomError unless this is the page that was asked for, with as many papers as it says.

    arXiv echoes the query in a rewritten form, so its words are compared, not the string.
    """
    missing = _asked_words(search) - _asked_words(feed.title)
    if missing:
        raise AtomError(f"to another question: {', '.join(sorted(missing)[:3])} was not asked")
    if feed.start != start:
        raise AtomError(f"with the papers from {feed.start}, not from {start}")
    expected = max(0, min(size, feed.total - start))
    if feed.size != expected:
        raise AtomError(f"with {feed.size} papers where {expected} belong")


def outside(papers: Collection[Paper], first: datetime, last: datetime) -> str:
    """Return why the date filter did not work, empty if it did."""
    strays = [
        paper for paper in papers if not first - _TOLERANCE <= paper.submitted <= last + _TOLERANCE
    ]
    if not strays:
        return ""
    stray = strays[0]
    return (
        f"arXiv ignored the dates: {len(strays)} of {len(papers)} papers were not asked for,"
        f" such as {stray.local_id} of {stray.submitted:%Y-%m-%d}"
    )


def absent(scope: Scope, returned: Collection[str], *, now: datetime) -> Sequence[str]:
    """Return the known papers that should have come back, if more are missing than may be."""
    anchors = {
        paper_id for paper_id, submitted in scope.known.items() if scope.start <= submitted <= now
    }
    missing = anchors - set(returned)
    return sorted(missing) if is_too_many(missing, of=anchors) else ()


def is_too_many(missing: Collection[str], *, of: Collection[object]) -> bool:
    """Tell whether more is missing than may be: one, or 2 %, since a paper can stop matching.

    More means a broken index or filter.
    """
    return len(missing) > max(1, 0.02 * len(of))


def is_surge(scope: Scope, papers: Collection[Paper], *, now: datetime) -> bool:
    """Tell whether so much is new at once that the index may be broken rather than science busy.

    It is when more than 50 papers are new, and more than five times the usual daily maximum for
    each day since the last good answer. A surge is believed when an answer the next day (20 hours
    after `held_since`) still has it.
    """
    if scope.last_good is None:
        return False
    if scope.held_since is not None and now - scope.held_since >= _CONFIRMED_AFTER:
        return False
    new = [p for p in papers if p.id not in scope.known and p.submitted >= scope.start]
    a_day = Counter(submitted.date() for submitted in scope.known.values())
    days = max(1.0, (now - scope.last_good) / timedelta(days=1))
    return len(new) > max(50, 5 * days * max(a_day.values(), default=0))


def newest_expected(now: datetime) -> datetime:
    """Return the time after which the newest paper of a current index was surely submitted."""
    return last_cutoff(now) - _QUIET


def is_shuffled(papers: Sequence[Paper]) -> bool:
    """Tell whether papers asked for by last update, newest first, come in no such order."""
    rising = sum(later.updated > earlier.updated for earlier, later in pairwise(papers))
    return rising > 0.1 * len(papers)


def _asked_words(search: str) -> set[str]:
    # Dates are left out: how arXiv writes them back is its own business.
    words = re.findall(r"[a-z0-9]+", search.lower())
    return {word for word in words if word not in _SYNTAX and not re.fullmatch(r"\d{4,14}", word)}
