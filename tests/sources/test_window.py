"""window.py: how far back is asked, at the boundary and one step beside it."""

from datetime import datetime, timedelta

import pytest

from newsletter.sources.window import is_sweep, window_start
from tests.making.papers import DAY, NOW

MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("last_good", "last_sweep", "baseline", "lookback", "start"),
    [
        (NOW - DAY, NOW - 7 * DAY + MOMENT, None, 40, NOW - 41 * DAY),
        (NOW - DAY, NOW - 7 * DAY, None, 40, NOW - 91 * DAY),  # a week after the last sweep
        (NOW - DAY, None, None, 40, NOW - 91 * DAY),
        (None, NOW, None, 40, NOW - 90 * DAY),  # the baseline
        (NOW - DAY, None, None, 120, NOW - 121 * DAY),  # more than a sweep was wanted
        (NOW + DAY, NOW, None, 40, NOW - 40 * DAY),  # the clock was put back
        (NOW - DAY, NOW, NOW - 41 * DAY, 40, NOW - 41 * DAY),
        (NOW - DAY, NOW, NOW - 30 * DAY, 40, NOW - 30 * DAY),  # never before the baseline's
        (NOW - DAY, NOW, NOW - 90 * DAY, 40, NOW - 41 * DAY),
    ],
)
def test_a_window_reaches_back_from_the_last_good_answer(
    last_good: datetime | None,
    last_sweep: datetime | None,
    baseline: datetime | None,
    lookback: float,
    start: datetime,
) -> None:
    assert start == window_start(
        now=NOW,
        last_good=last_good,
        last_sweep=last_sweep,
        baseline_start=baseline,
        lookback_days=lookback,
    )


@pytest.mark.parametrize(("start", "sweep"), [(MOMENT, False), (0 * DAY, True), (-MOMENT, True)])
def test_a_sweep_reaches_back_ninety_days(start: timedelta, sweep: bool) -> None:
    assert is_sweep(NOW - 90 * DAY + start, now=NOW) is sweep
