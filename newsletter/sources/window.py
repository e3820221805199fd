"""How far back a keyword is looked for: the window that each day asks about."""

from datetime import datetime, timedelta

SWEEP = timedelta(days=90)
SWEEP_EVERY = timedelta(days=7)


def window_start(
    *,
    now: datetime,
    last_good: datetime | None,
    last_sweep: datetime | None,
    baseline_start: datetime | None,
    lookback_days: float,
) -> datetime:
    """Return where a keyword's window of submission times opens.

    It reaches `lookback_days` back from the last good answer, because arXiv holds papers for weeks
    before it announces them; once a week 90 days. It never opens before the baseline's, which had
    90 days itself: what is older than that was not announced to anybody, and is not news.
    """
    reach = timedelta(days=lookback_days)
    if last_good is None or last_sweep is None or now - last_sweep >= SWEEP_EVERY:
        reach = max(reach, SWEEP)
    start = min(last_good or now, now) - reach
    return start if baseline_start is None else max(start, baseline_start)


def is_sweep(start: datetime, *, now: datetime) -> bool:
    """Return whether a window that opened at `start` reached back 90 days."""
    return start <= now - SWEEP
