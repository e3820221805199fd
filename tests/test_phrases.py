"""Counts, guesses and times, as every message writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from newsletter.moments import iso, moment_of, stamp
from newsletter.phrases import counted, did_you_mean


def test_one_is_one_and_all_others_are_several() -> None:
    assert [counted(n, "paper") for n in (0, 1, 2)] == ["0 papers", "1 paper", "2 papers"]


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("grph", ["graph", "groups"], "graph"),
        ("GRPH", ["Graph"], "Graph"),
        ("mri", ["", "pet"], ""),
        ("", ["", "pet"], ""),
        ("mri", [], ""),
        ("a" * 100, ["a" * 99], "a" * 99),
        ("a" * 101, ["a" * 99], ""),  # nobody types so much, and to compare it takes long
    ],
)
def test_the_nearest_known_word_is_offered(word: str, known: list[str], meant: str) -> None:
    assert did_you_mean(word, known) == (f" (did you mean {meant!r}?)" if meant else "")


def test_a_word_may_have_to_be_nearer() -> None:
    assert did_you_mean("maple", ["male"], likeness=0.8)
    assert not did_you_mean("maple", ["mane"], likeness=0.8)


def test_a_moment_is_written_in_utc_to_the_second_and_read_back() -> None:
    moment = datetime(2026, 3, 1, 0, 30, 5, 999_999, timezone(timedelta(hours=2)))
    assert iso(moment) == "2026-02-28T22:30:05Z"
    assert moment_of(iso(moment)) == datetime(2026, 2, 28, 22, 30, 5, tzinfo=UTC)
    assert stamp(moment) == "20260228T223005Z"
