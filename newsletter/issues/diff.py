"""Decide what is news. Pure: it sees values, and returns values."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from newsletter.keywords.matching import excluder, matcher
from newsletter.models import (
    Announcement,
    Keyword,
    KeywordOutcome,
    LeftOut,
    Listing,
    Memory,
    News,
    Paper,
)
from newsletter.phrases import counted

_SHOWN = 3  # records that could not be read


def news(
    keyword: Keyword, listing: Listing, memory: Memory, *, now: datetime, baseline_days: float
) -> News:
    """Compare a listing with what was announced before.

    An incomplete listing is `unknown` and changes nothing. The first good answer is a `baseline`:
    only what was submitted in the `baseline_days` before `now` is announced; a keyword that was
    redefined also announces what was submitted since its last good answer, and whatever it would
    have announced as it was. What an exclusion leaves out of all this is no news, then or later.
    """
    if not listing.complete:
        return News(
            keyword=keyword,
            source=listing.source,
            outcome="unknown",
            since=memory.last_good,
            reason=listing.reason,
        )
    found = announcements(keyword, listing.papers, memory)
    due = found
    recorded: tuple[Paper, ...] = ()
    if memory.needs_baseline:
        opening = min(now, memory.last_good or now) - timedelta(days=baseline_days)
        was_due = _due_before(keyword, memory.former)
        due = tuple(each for each in found if each.paper.submitted >= opening or was_due(each))
        ids = {each.paper.id for each in due}
        recorded = tuple(paper for paper in listing.papers if paper.id not in ids)
    left_out_by = excluder(keyword)
    left_out = [(each, by) for each in due if (by := left_out_by(each.paper))]
    ids_left_out = {each.paper.id for each, _ in left_out}
    fresh = tuple(each for each in due if each.paper.id not in ids_left_out)
    doubt = "" if due or listing.current or memory.needs_baseline else listing.reason
    return News(
        keyword=keyword,
        source=listing.source,
        outcome="baseline" if memory.needs_baseline else _outcome(listing, fresh, due),
        announcements=fresh,
        recorded=recorded,
        listed=len(listing.papers),
        since=memory.last_good,
        reason="; ".join(filter(None, (doubt, _unread(listing.unread)))),
        left_out=Counter(by for _, by in left_out),
        excluded=tuple(LeftOut(paper=each.paper, by=by) for each, by in left_out),
        unread=listing.unread,
    )


def announcements(
    keyword: Keyword, papers: tuple[Paper, ...], memory: Memory
) -> tuple[Announcement, ...]:
    """Return what was not announced before, newest first: new papers, then replacements."""
    found = [each for paper in papers if (each := _announcement(keyword, paper, memory))]
    return tuple(sorted(found, key=_newest_first))


def _due_before(keyword: Keyword, former: Keyword | None) -> Callable[[Announcement], bool]:
    """Return the decision whether a keyword that was redefined owed an announcement before.

    Of a raw query that was itself rewritten only arXiv knows what it found.
    """
    if former is None:
        return lambda _: False
    kinds = ("new", "replacement") if former.replacements else ("new",)
    if replace(former, replacements=keyword.replacements) == keyword:
        return lambda each: each.kind in kinds
    found, left_out_by = matcher(former) or (lambda _: False), excluder(former)
    return lambda each: each.kind in kinds and found(each.paper) and not left_out_by(each.paper)


def _announcement(keyword: Keyword, paper: Paper, memory: Memory) -> Announcement | None:
    before = memory.announced.get(paper.id)
    if before is None and not _is_old_paper_revised(keyword, paper, memory):
        return Announcement(paper=paper)
    if keyword.replacements and paper.version > (before or 0):
        return Announcement(paper=paper, kind="replacement", replaces=before or paper.version - 1)
    return None


def _is_old_paper_revised(keyword: Keyword, paper: Paper, memory: Memory) -> bool:
    """Tell a paper from before the first window, which only its revision brought into sight."""
    return (
        keyword.replacements
        and paper.version > 1
        and memory.since is not None
        and paper.submitted < memory.since
    )


def _outcome(
    listing: Listing, fresh: tuple[Announcement, ...], due: tuple[Announcement, ...]
) -> KeywordOutcome:
    if fresh:
        return "new"
    if due:
        return "none"  # all of it was left out
    if not listing.due and not listing.unread:
        return "not-scheduled"
    return "none" if listing.current else "unknown"


def _unread(records: Sequence[str]) -> str:
    if not records:
        return ""
    shown = ", ".join(records[:_SHOWN]) + (", ..." if len(records) > _SHOWN else "")
    return f"{counted(len(records), 'record')} could not be read: {shown}; the next run tries again"


def _newest_first(announcement: Announcement) -> tuple[bool, float, str]:
    paper = announcement.paper
    replaced = announcement.kind == "replacement"
    moment = paper.updated if replaced else paper.submitted
    return (replaced, -moment.timestamp(), paper.id)
