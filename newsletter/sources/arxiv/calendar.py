"""Know when arXiv announces papers. Pure; it explains silence, and nothing depends on it.

arXiv takes submissions until 14:00 Eastern and announces them at 20:00, Sunday to Thursday; those
from Friday's cut-off to Monday's are announced on Monday (info.arxiv.org/help/availability.html).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_EASTERN = ZoneInfo("America/New_York")
_CUT_OFF = time(14)
_ANNOUNCED = time(20)
_DAY = timedelta(days=1)
_MONDAY, _THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = 0, 3, 4, 5, 6

# Days without an announcement that follow no rule; arXiv publishes them each autumn.
_EXTRA_HOLIDAYS = frozenset({date(2026, 12, 29), date(2026, 12, 31)})


def last_announcement(now: datetime) -> datetime:
    """Return the last scheduled announcement at or before `now`, in UTC."""
    return next(
        at for day in _days_back(now) if _is_announcing(day) and (at := _at(day, _ANNOUNCED)) <= now
    )


def last_cutoff(now: datetime) -> datetime:
    """Return until when papers were submitted that the last announcement had, in UTC."""
    announced = last_announcement(now)
    return next(
        at
        for day in _days_back(announced)
        if _is_working(day) and (at := _at(day, _CUT_OFF)) <= announced
    )


def announcement_due(since: datetime, now: datetime) -> bool:
    """Tell whether an announcement was scheduled after `since`, up to and with `now`."""
    return last_announcement(now) > since


def _days_back(now: datetime) -> Iterator[date]:
    day = now.astimezone(_EASTERN).date()
    while True:
        yield day
        day -= _DAY


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, _EASTERN).astimezone(UTC)


def _is_announcing(day: date) -> bool:
    """Sunday brings what came in until Friday, so it falls silent with Friday."""
    if day.weekday() == _SUNDAY:
        return _is_working(day - 2 * _DAY)
    return day.weekday() <= _THURSDAY and _is_working(day)


def _is_working(day: date) -> bool:
    return day.weekday() <= _FRIDAY and day not in _EXTRA_HOLIDAYS and day not in _holidays(day)


def _holidays(day: date) -> set[date]:
    """Return the holidays by rule that may fall on `day`, moved off weekends as in federal law."""
    year = day.year
    fixed = (
        date(year, 1, 1),
        date(year, 6, 19),
        date(year, 7, 4),
        date(year, 12, 25),
        date(year + 1, 1, 1),
    )
    return {
        *(_observed(holiday) for holiday in fixed),
        _nth_weekday(year, 1, _MONDAY, 3),
        _nth_weekday(year, 9, _MONDAY, 1),
        _nth_weekday(year, 11, _THURSDAY, 4),
    }


def _observed(holiday: date) -> date:
    return holiday + {_SATURDAY: -_DAY, _SUNDAY: _DAY}.get(holiday.weekday(), timedelta())


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
