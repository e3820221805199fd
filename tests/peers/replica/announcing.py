"""When arXiv announced what: its schedule, and moderation holds read off the ids. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from newsletter.models import Paper
from tests.peers.replica.store import Record, record_of

EASTERN = ZoneInfo("America/New_York")
CUT_OFF = time(14)
MAILING = time(20)
HOLIDAYS = frozenset(  # info.arxiv.org/help/availability: no mailing in the evening
    date.fromisoformat(day)
    for day in (
        *("2025-01-01", "2025-01-20", "2025-06-19", "2025-09-01", "2025-11-27", "2025-12-25"),
        *("2026-01-01", "2026-01-19", "2026-06-19", "2026-07-03", "2026-09-07", "2026-11-26"),
        *("2026-12-25", "2026-12-29", "2026-12-31"),
    )
)

_IDS_A_MONTH = 25_000
_MONDAY, _THURSDAY, _FRIDAY, _SUNDAY = 0, 3, 4, 6


def mailing(submitted: datetime) -> datetime:
    """Return when a paper is announced that nobody holds back, in UTC."""
    local = submitted.astimezone(EASTERN)
    day = local.date() + timedelta(days=local.time() >= CUT_OFF)
    while not _MONDAY <= day.weekday() <= _FRIDAY:
        day += timedelta(days=1)
    return _evening(day)


def announced(papers: Iterable[Paper]) -> dict[str, datetime]:
    """Return, by arXiv id, when each paper's first version was announced.

    Ids are given at announcement, in its order. So none was announced before a paper with a lower
    id was submitted, and the first paper of a day that nobody held back dates all that follow.
    Ids of months in which none of the papers was submitted are dated by their share of the month.
    """
    papers = sorted(papers, key=lambda paper: paper.local_id)
    last = max(paper.submitted for paper in papers)
    found: dict[str, datetime] = {}
    newest = datetime.min.replace(tzinfo=UTC)
    for paper in papers:
        newest = max(newest, mailing(paper.submitted))
        if (month := _month(paper.local_id)) > last.date():
            share = int(paper.local_id.partition(".")[2]) / _IDS_A_MONTH
            newest = max(newest, _evening(month + timedelta(days=int(30 * share))))
        found[paper.local_id] = newest
    return found


def history(papers: Iterable[Paper]) -> list[Record]:
    """Return each paper's first version and, where there is a later one, its newest."""
    papers = list(papers)
    first = announced(papers)
    records = []
    for paper in papers:
        record = record_of(paper, announced=max(first[paper.local_id], mailing(paper.updated)))
        records.append(record)
        if paper.version > 1:
            at = first[paper.local_id]
            records.append(replace(record, version=1, updated=record.published, announced=at))
    return records


def _evening(day: date) -> datetime:
    """Return the mailing of a day, or the next one after it."""
    while _THURSDAY < day.weekday() < _SUNDAY or day in HOLIDAYS:
        day += timedelta(days=1)
    return datetime.combine(day, MAILING, EASTERN).astimezone(UTC)


def _month(arxiv_id: str) -> date:
    return date(2000 + int(arxiv_id[:2]), int(arxiv_id[2:4]), 1)
