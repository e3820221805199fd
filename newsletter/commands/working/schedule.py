"""Run a job at the times of a cron expression, one at a time. Knows nothing of the job."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from cronsim import CronSim, CronSimError

# A machine that was asleep notices within a minute: a wait does not count the time it slept.
SLICE = 60.0


def following(at: str, moment: datetime, timezone: tzinfo) -> datetime:
    """Return the first time after `moment` that the cron expression `at` means, in UTC.

    Where clocks are put forward or back it does as Debian's cron(8). Raises ValueError for what is
    no cron expression, or one that never comes.
    """
    try:
        return next(CronSim(at, moment.astimezone(timezone))).astimezone(UTC)
    except CronSimError as error:
        raise ValueError(
            f"{at!r} is no cron expression ({error}); write one like '0 10 * * *'"
        ) from error
    except StopIteration as error:
        raise ValueError(f"{at!r} never comes; write one like '0 10 * * *'") from error


def keep(
    at: str,
    job: Callable[[datetime], object],
    *,
    timezone: tzinfo,
    clock: Callable[[], datetime],
    wait: Callable[[float], bool],
) -> None:
    """Call `job` with the time at each time of `at`, until `wait` returns True.

    Times that pass during a job are left out; those that a sleeping machine missed count once.
    `wait(seconds)` tells whether to stop, as `Event.wait` does. Raises ValueError as `following`.
    """
    due = following(at, clock(), timezone)
    while not wait(min(max((due - clock()).total_seconds(), 0), SLICE)):
        now = clock()
        if now >= due:
            job(now)
            due = following(at, clock(), timezone)
