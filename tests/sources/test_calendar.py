"""calendar.py: when arXiv announces. Days are of 2026; 20:00 Eastern is the next day in UTC."""

from datetime import UTC, datetime, timedelta

import pytest

from newsletter.sources.arxiv.calendar import announcement_due, last_announcement, last_cutoff


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "announced", "cut_off"),
    [
        ("2026-11-19T10:00", "2026-11-19T01:00", "2026-11-18T19:00"),  # Thursday morning
        ("2026-11-19T00:59", "2026-11-18T01:00", "2026-11-17T19:00"),  # a minute too early
        ("2026-11-19T01:00", "2026-11-19T01:00", "2026-11-18T19:00"),  # to the minute
        ("2026-11-21T10:00", "2026-11-20T01:00", "2026-11-19T19:00"),  # Saturday: Thursday's
        ("2026-11-22T23:00", "2026-11-20T01:00", "2026-11-19T19:00"),  # Sunday, before the evening
        ("2026-11-23T10:00", "2026-11-23T01:00", "2026-11-20T19:00"),  # Monday: Sunday's
        ("2026-11-24T10:00", "2026-11-24T01:00", "2026-11-23T19:00"),  # Tuesday: Monday's
        ("2026-11-27T10:00", "2026-11-26T01:00", "2026-11-25T19:00"),  # Thanksgiving was silent
        ("2026-06-10T10:00", "2026-06-10T00:00", "2026-06-09T18:00"),  # summer time
        ("2026-01-20T10:00", "2026-01-19T01:00", "2026-01-16T19:00"),  # Martin Luther King Day
        ("2026-01-02T10:00", "2026-01-01T01:00", "2025-12-31T19:00"),  # New Year's Day
        ("2026-07-06T10:00", "2026-07-03T00:00", "2026-07-02T18:00"),  # Sunday follows the 3rd
        ("2026-12-30T10:00", "2026-12-29T01:00", "2026-12-28T19:00"),  # 29 December, this year
        ("2027-07-06T10:00", "2027-07-05T00:00", "2027-07-02T18:00"),  # the 4th on a Sunday
        ("2025-06-20T10:00", "2025-06-19T00:00", "2025-06-18T18:00"),  # Juneteenth on a Thursday
        ("2025-09-02T10:00", "2025-09-01T00:00", "2025-08-29T18:00"),  # Labor Day on the 1st
        ("2025-12-26T10:00", "2025-12-25T01:00", "2025-12-24T19:00"),  # Christmas on a Thursday
        ("2027-12-24T10:00", "2027-12-24T01:00", "2027-12-23T19:00"),
        ("2022-01-03T10:00", "2021-12-31T01:00", "2021-12-30T19:00"),  # 1 January on a Saturday
    ],
)
def test_announcements_follow_the_schedule(now: str, announced: str, cut_off: str) -> None:
    assert last_announcement(_utc(now)) == _utc(announced)
    assert last_cutoff(_utc(now)) == _utc(cut_off)


@pytest.mark.parametrize(
    ("since", "now", "due"),
    [
        ("2026-11-18T10:00", "2026-11-19T10:00", True),
        ("2026-11-19T10:00", "2026-11-19T18:00", False),
        ("2026-11-20T10:00", "2026-11-22T10:00", False),  # Friday to Sunday
        ("2026-11-20T10:00", "2026-11-23T10:00", True),
        ("2026-11-26T10:00", "2026-11-27T10:00", False),  # Thanksgiving
        ("2026-11-26T10:00", "2026-11-25T10:00", False),  # the clock went back
        ("2026-11-19T00:59", "2026-11-19T01:00", True),  # to the minute
        ("2026-11-19T00:59", "2026-11-19T00:59", False),
        ("2026-11-19T01:00", "2026-11-19T01:00", False),
        ("2026-11-19T01:00", "2026-11-19T10:00", False),  # that one was at hand already
    ],
)
def test_an_announcement_is_due_only_when_one_was_scheduled(
    since: str, now: str, due: bool
) -> None:
    assert announcement_due(_utc(since), _utc(now)) is due


def test_the_silent_evenings_of_2026_are_the_holidays_and_the_sundays_after_those() -> None:
    noons = [_utc("2026-01-01T12:00") + timedelta(days=number) for number in range(365)]
    silent = {
        f"{noon:%m-%d}"
        for noon in noons
        if noon.strftime("%a") not in {"Fri", "Sat"}
        and not announcement_due(noon, noon + timedelta(days=1))
    }
    assert silent == {
        *("01-01", "01-19", "06-21", "07-05", "09-07", "11-26", "12-27", "12-29", "12-31"),
    }
