"""trust.py: where an answer stops being believed, at the boundary and one step beside it."""

from datetime import UTC, datetime, timedelta

import pytest

from newsletter.models import Keyword, Paper, Scope
from newsletter.sources.arxiv.atom import AtomError, Feed
from newsletter.sources.arxiv.trust import (
    absent,
    is_shuffled,
    is_surge,
    is_too_many,
    newest_expected,
    outside,
    require_whole,
)
from tests.making.papers import DAY, NOW, paper

HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)
START = NOW - 30 * DAY


def papers(count: int, *, at: datetime = NOW - DAY) -> list[Paper]:
    return [paper(f"2611.{number:05}", submitted=at) for number in range(count)]


def scope(**fields: object) -> Scope:
    values: dict[str, object] = {"keyword": Keyword(name="mri"), "start": START}
    return Scope(**(values | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("missing", "known", "too_many"),
    [
        (0, 0, False),
        (1, 1, False),  # one may always go
        (2, 2, True),
        (2, 99, True),
        (2, 100, False),  # 2 %
        (3, 100, True),
        (3, 149, True),
        (3, 150, False),
        (4, 150, True),
    ],
)
def test_one_paper_may_be_missing_or_two_in_a_hundred(
    missing: int, known: int, too_many: bool
) -> None:
    assert is_too_many("x" * missing, of="x" * known) is too_many


@pytest.mark.parametrize(
    ("submitted", "expected"),
    [
        (START - MOMENT, False),
        (START, True),
        (NOW, True),
        (NOW + MOMENT, False),
    ],
)
def test_only_known_papers_of_the_window_must_come_back(
    submitted: datetime, expected: bool
) -> None:
    known = {f"arxiv:2611.0000{number}": submitted for number in range(9, 0, -1)}
    assert list(absent(scope(known=known), [], now=NOW)) == (sorted(known) if expected else [])
    assert list(absent(scope(known=known), [*known][1:], now=NOW)) == []


@pytest.mark.parametrize(
    ("submitted", "stray"),
    [
        (START - DAY - MOMENT, True),
        (START - DAY, False),
        (NOW + DAY, False),
        (NOW + DAY + MOMENT, True),
    ],
)
def test_papers_may_be_a_day_outside_the_dates(submitted: datetime, stray: bool) -> None:
    told = outside([paper(submitted=submitted), *papers(2)], START, NOW)
    assert told == (
        f"arXiv ignored the dates: 1 of 3 papers were not asked for, such as 2611.00001 of"
        f" {submitted:%Y-%m-%d}"
        if stray
        else ""
    )


@pytest.mark.parametrize(
    ("new", "usual", "since_good", "surge"),
    [
        (50, 0, DAY, False),
        (51, 0, DAY, True),
        (51, 0, 11 * DAY, True),  # nothing is usual, however long ago it was
        (51, 11, DAY, False),  # five times the usual
        (55, 11, DAY, False),
        (56, 11, DAY, True),
        (56, 11, HOUR, True),  # less than a day is a day
        (110, 11, 2 * DAY, False),
        (111, 11, 2 * DAY, True),
    ],
)
def test_a_surge_is_more_than_fifty_and_more_than_five_times_the_usual(
    new: int, usual: int, since_good: timedelta, surge: bool
) -> None:
    # The usual is the most of one day: half as many on the day before change nothing.
    known = {f"known {number}": NOW - 5 * DAY for number in range(usual)}
    known |= {f"before {number}": NOW - 6 * DAY for number in range(usual // 2)}
    asked = scope(known=known, last_good=NOW - since_good)
    assert is_surge(asked, papers(new), now=NOW) is surge


@pytest.mark.parametrize(
    ("fields", "surge"),
    [
        ({}, True),
        ({"last_good": None}, False),  # a baseline knows nothing to compare with
        ({"held_since": NOW - 20 * HOUR + MOMENT}, True),
        ({"held_since": NOW - 20 * HOUR}, False),  # still there on the next day
        ({"known": {each.id: each.submitted for each in papers(1)}}, False),
        ({"start": NOW - DAY + MOMENT}, False),
        ({"start": NOW - DAY}, True),
    ],
)
def test_what_is_new_is_counted_until_the_next_day_confirms_it(
    fields: dict[str, object], surge: bool
) -> None:
    asked = scope(**({"last_good": NOW - DAY} | fields))
    assert is_surge(asked, papers(51), now=NOW) is surge


@pytest.mark.parametrize(
    ("rising", "count", "shuffled"), [(0, 0, False), (1, 10, False), (1, 9, True), (2, 19, True)]
)
def test_an_order_may_be_broken_by_one_in_ten(rising: int, count: int, shuffled: bool) -> None:
    falling = [paper(updated=NOW - number * HOUR) for number in range(count - rising)]
    late = [paper(updated=NOW + number * HOUR) for number in range(1, rising + 1)]
    assert is_shuffled([*falling, *late]) is shuffled


def test_papers_updated_at_the_same_moment_are_in_order() -> None:
    assert not is_shuffled([paper(updated=NOW)] * 5)


def test_the_newest_paper_is_expected_half_a_day_before_the_cut_off() -> None:
    # Of Wednesday's announcement, cut off at 14:00 Eastern, which is 19:00 UTC.
    assert newest_expected(NOW) == datetime(2026, 11, 18, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "total", "count", "told"),
    [
        (0, 0, 0, ""),
        (0, 3, 3, ""),
        (0, 3, 2, "with 2 papers where 3 belong"),
        (0, 12, 10, ""),
        (0, 12, 11, "with 11 papers where 10 belong"),
        (10, 12, 2, ""),
        (10, 12, 1, "with 1 papers where 2 belong"),
        (10, 9, 0, ""),  # one was withdrawn meanwhile
        (10, 9, 1, "with 1 papers where 0 belong"),
    ],
)
def test_a_page_has_as_many_papers_as_it_says(
    start: int, total: int, count: int, told: str
) -> None:
    feed = Feed(title="ti:mri", total=total, start=start, papers=tuple(papers(count)))
    if told:
        with pytest.raises(AtomError, match=told):
            require_whole(feed, search='ti:"mri"', start=start, size=10)
    else:
        require_whole(feed, search='ti:"mri"', start=start, size=10)


@pytest.mark.parametrize(
    ("search", "title", "told"),
    [
        ('ti:"deep mri" AND submittedDate:[202611010000 TO 202611190000]', "deep AND mri", ""),
        ("ti:deep OR abs:mri ANDNOT cat:x", "abs x mri cat deep", ""),
        ("ti:mri", "", "mri was not asked"),
        ("ti:a OR ti:b OR ti:c OR ti:d", "", "a, b, c was not asked"),
        ("ti:123", "", "123 was not asked"),  # four digits and more may be a date
        ("ti:1234", "", ""),
        ("ti:12345678901234", "", ""),
        ("ti:123456789012345", "", "123456789012345 was not asked"),
    ],
)
def test_an_answer_names_the_words_that_were_asked(search: str, title: str, told: str) -> None:
    feed = Feed(title=title, total=0, start=0, papers=())
    if told:
        with pytest.raises(AtomError, match=f"to another question: {told}$"):
            require_whole(feed, search=search, start=0, size=10)
    else:
        require_whole(feed, search=search, start=0, size=10)


def test_a_page_starts_where_it_was_asked_to() -> None:
    feed = Feed(title="mri", total=20, start=0, papers=())
    with pytest.raises(AtomError, match="with the papers from 0, not from 10"):
        require_whole(feed, search="ti:mri", start=10, size=10)
