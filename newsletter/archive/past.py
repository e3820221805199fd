"""Look up papers of the past for the archive, a month at a time; it mails and announces nothing.

What it finds lies apart from what runs know, so that every run announces what it would have.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Protocol

from newsletter.models import Keyword, Paper
from newsletter.phrases import counted
from newsletter.prose import plain
from newsletter.state.state import State


class Past(Protocol):
    """Where papers of the past come from."""

    def past(
        self, keyword: Keyword, first: datetime, last: datetime, *, now: datetime
    ) -> tuple[Paper, ...]:
        """Return what was submitted from `first` on, before `last`. Raises SourceError."""
        ...


def fill(
    source: Past, state: State, keywords: Sequence[Keyword], *, since: date, now: datetime
) -> Iterator[str]:
    """Look up each keyword from the month of `since` on, up to where the runs began to look.

    Yields a line on each month, when it is kept; months that were looked up before are left out,
    so that whatever was broken off goes on. The newest month comes first. Raises SourceError.
    """
    for keyword in keywords:
        trail = state.trail(keyword.name)
        if trail is None:
            yield f"{plain(keyword.name)}: no run has had an answer for it yet; run first"
            continue
        done = state.papers.looked_up(keyword)
        for first, last in _months(since, min(trail.since, now)):
            month = f"{first:%Y-%m}"
            if month in done:
                continue
            papers = source.past(keyword, first, last, now=now)
            state.papers.keep_past(
                keyword, papers, now=now, month=month, whole=last == _following(first)
            )
            yield f"{plain(keyword.name)}, {month}: {counted(len(papers), 'paper')}"


def _months(since: date, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the months from that of `since` up to a moment, newest first, the last cut off."""
    found = []
    first = datetime(since.year, since.month, 1, tzinfo=UTC)
    while first < until:
        found.append((first, min(_following(first), until)))
        first = _following(first)
    return found[::-1]


def _following(month: datetime) -> datetime:
    """Return the beginning of the month after one."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
