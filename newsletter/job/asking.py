"""What a run asks its source, and what it learns: the day, before any of it is committed."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from msgspec import Struct
from msgspec.structs import replace

from newsletter.errors import InstallationError, NewsletterError, PartError, StoppedError
from newsletter.issues.diff import news
from newsletter.models import (
    IDS_A_REQUEST,
    Day,
    Fetched,
    Keyword,
    Listing,
    Memory,
    Scope,
    Source,
)
from newsletter.sources.listings import incomplete
from newsletter.sources.window import is_sweep, window_start
from newsletter.state.state import State

_log = logging.getLogger(__name__)


class Rules(Struct, frozen=True, kw_only=True):
    """What the operator decided: see `newsletter.toml`."""

    lookback_days: float
    baseline_days: float
    max_age: timedelta
    per_keyword: bool
    timezone: tzinfo


class Asked(Struct, frozen=True, kw_only=True):
    """What became of asking: the day, how many HTTP requests it took, and what was in the way."""

    day: Day
    requests: int
    troubles: tuple[NewsletterError, ...] = ()


def ask(
    keywords: Sequence[Keyword], *, source: Source, state: State, rules: Rules, now: datetime
) -> Asked:
    """Ask for what the keywords found since their last good answers. Writes nothing.

    Raises StateError, and StoppedError where the run is told to stop.
    """
    memories = [state.memory(each, among=()) for each in keywords]
    scopes = tuple(
        scope(each, memory, state, rules, now=now)
        for each, memory in zip(keywords, memories, strict=True)
    )
    fetched, troubles = answered(source, scopes, now=now)
    found = [
        news(
            each,
            listing,
            replace(memory, announced=_announced(each, listing, state)),
            now=now,
            baseline_days=rules.baseline_days,
        )
        for each, listing, memory in zip(keywords, fetched.listings, memories, strict=True)
    ]
    day = Day(
        now=now,
        news=found,
        windows={each.keyword.name: each.start for each in scopes},
        swept=[each.keyword.name for each in scopes if is_sweep(each.start, now=now)],
        held=[each.keyword for each in fetched.listings if each.held],
    )
    return Asked(day=day, requests=fetched.requests, troubles=troubles)


def scope(keyword: Keyword, memory: Memory, state: State, rules: Rules, *, now: datetime) -> Scope:
    """Return what the source must know to answer for one keyword."""
    trail = state.trail(keyword.name)
    start = window_start(
        now=now,
        last_good=memory.last_good,
        # A baseline looks as far back as a sweep, and records what one would find later.
        last_sweep=trail.last_sweep if trail and not memory.needs_baseline else None,
        baseline_start=memory.since,
        lookback_days=rules.lookback_days,
    )
    if memory.needs_baseline:
        return Scope(keyword=keyword, start=start)
    return Scope(
        keyword=keyword,
        start=start,
        known=state.known(keyword.name, start),
        last_good=memory.last_good,
        held_since=state.held_since(keyword.name),
    )


def answered(
    source: Source, scopes: tuple[Scope, ...], *, now: datetime
) -> tuple[Fetched, tuple[NewsletterError, ...]]:
    """Return what the source answers; whatever it raises is an outage with a reason.

    Raises only StoppedError.
    """
    try:
        return source.fetch(scopes, now=now), ()
    except StoppedError:
        raise
    except NewsletterError as error:
        trouble = error
    except ImportError as error:
        trouble = InstallationError(error)
    except Exception as error:  # noqa: BLE001 - what a stranger sends is not to be foreseen
        _log.debug("the source failed here:", exc_info=error)
        trouble = PartError("the source", error)
    listings = tuple(incomplete(each, "", str(trouble)) for each in scopes)
    return Fetched(listings=listings, requests=0), (trouble,)


def _announced(keyword: Keyword, listing: Listing, state: State) -> dict[str, int]:
    return state.announced(keyword.name, among=[paper.id for paper in listing.papers])


def complete_papers(source: Source, state: State, *, now: datetime) -> int:
    """Fetch data of papers that were recorded by id alone; return how many requests it took.

    There are at most two.
    It comes last and is in nobody's way: whatever goes wrong waits for the next run.
    """
    requests = 0
    lacking = state.papers.without_data(2 * IDS_A_REQUEST)
    for first in range(0, len(lacking), IDS_A_REQUEST):
        asked = lacking[first : first + IDS_A_REQUEST]
        try:
            found = source.by_id(asked, now=now)
            requests += found.requests
            trouble: object = found.reason
            if not trouble:
                state.papers.complete(asked, found.papers)
        except Exception as error:  # noqa: BLE001 - nothing of today depends on it
            trouble = error
        if trouble:
            _log.info("older papers could not be fetched, the next run tries again: %s", trouble)
            break
        _log.info("fetched the data of %d papers that were known by id alone", len(found.papers))
    return requests
