"""The sentences of a mail, as tables."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.mails import wording
from newsletter.models import Announcement, Digest, Keyword
from newsletter.prose import plain
from tests.making.editions import edition, news
from tests.making.papers import paper
from tests.making.shared_data import june_papers

DAY = date(2026, 11, 19)  # a Thursday
TWO_NEW = tuple(Announcement(paper=paper(f"2611.0000{place}")) for place in (1, 2))
REPLACED = Announcement(paper=paper("2611.00003", version=4), kind="replacement", replaces=3)


def at(day: int, month: int = 11, year: int = 2026) -> datetime:
    return datetime(year, month, day, 10, tzinfo=UTC)


def digest(outcome: str, *announcements: Announcement, **fields: object) -> Digest:
    plain: dict[str, object] = {"listed": 61, "since": at(18)}
    return Digest(
        source="arXiv",
        keyword=Keyword(name="mri"),
        outcome=outcome,  # type: ignore[arg-type]
        announcements=announcements,
        **(plain | fields),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (digest("new", *TWO_NEW), "61 listed since yesterday, 2 new; complete"),
        (
            digest("new", *TWO_NEW, REPLACED, since=at(16)),
            "61 listed since Monday, 2 new, 1 replaced; complete; covers 3 days",
        ),
        (
            digest("new", *TWO_NEW, since=at(12)),
            "61 listed since 12 Nov, 2 new; complete; covers 7 days",
        ),
        (
            digest("new", *TWO_NEW, since=at(31, 12, 2025)),
            "61 listed since 31 Dec 2025, 2 new; complete; covers 323 days",
        ),
        (
            digest("new", *TWO_NEW, reason="the index is a day old"),
            "61 listed since yesterday, 2 new; the index is a day old",
        ),
        (digest("new", *TWO_NEW, since=at(19)), "61 listed since earlier today, 2 new; complete"),
        (digest("none"), "arXiv confirmed nothing new since yesterday; 61 listed"),
        (
            digest("none", since=at(15)),
            "arXiv confirmed nothing new since Sunday; 61 listed; covers 4 days",
        ),
        (digest("not-scheduled"), "no announcement was due since yesterday"),
        (
            digest("baseline", *TWO_NEW, since=None),
            "61 listed, 2 new; first digest, older papers count as known",
        ),
        (
            digest("baseline", since=None),
            "61 listed, none of them new; first digest, older papers count as known",
        ),
        (
            digest("unknown", reason="arXiv answered\r\n503"),
            (
                "no trustworthy answer today: arXiv answered 503; "
                "nothing is lost, the next digest will cover these days"
            ),
        ),
        (
            digest("unknown", *TWO_NEW, since=at(16), reason="arXiv answered 503"),
            (
                "2 new since Monday, but no trustworthy answer today: arXiv answered 503; "
                "nothing is lost, the next digest will cover these days"
            ),
        ),
    ],
)
def test_a_digest_says_what_it_covers(shown: Digest, words: str) -> None:
    assert wording.coverage(shown, DAY) == words


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (digest("new", *TWO_NEW, REPLACED), "2 new, 1 replaced"),
        (digest("new", REPLACED), "1 replaced"),
        (digest("none"), ""),
    ],
)
def test_the_contents_count_what_a_digest_announces(shown: Digest, words: str) -> None:
    assert wording.news(shown) == words


@pytest.mark.parametrize(
    ("digests", "subject"),
    [
        ([], "Daily: nothing new, 19 Nov 2026"),
        ([news("mri", [paper()])], "Daily: mri, 1 new paper, 19 Nov 2026"),
        ([news("mri", TWO_NEW), news("pet")], "Daily: 2 new papers, 19 Nov 2026"),
        ([news("mri", TWO_NEW), news("pet", TWO_NEW)], "Daily: 2 new papers, 19 Nov 2026"),
        (
            [news("mri", TWO_NEW), news("pet", [REPLACED])],
            "Daily: 2 new papers, 1 replaced, 19 Nov 2026",
        ),
        ([news("x" * 99)], f"Daily: {'x' * 79}…, nothing new, 19 Nov 2026"),
    ],
)
def test_the_subject_has_title_count_and_date(digests: list[Digest], subject: str) -> None:
    assert wording.subject("Daily", edition(*digests)) == subject


@pytest.mark.parametrize(
    ("submitted", "since", "label", "when"),
    [
        (at(18), at(18), "New", "submitted 18 Nov"),
        (at(11), at(18), "New", "submitted 11 Nov"),
        (at(10), at(18), "New, late", "submitted 10 Nov, announced today"),
        (at(4, 2), at(18), "New, late", "submitted 4 Feb, announced today"),
        (at(4, 2), at(12), "New, late", "submitted 4 Feb, announced only now"),
        (at(9), at(12), "New", "submitted 9 Nov"),
        (at(4, 2, 2025), None, "New", "submitted 4 Feb 2025"),
    ],
)
def test_a_paper_that_was_held_up_says_so(
    submitted: datetime, since: datetime | None, label: str, when: str
) -> None:
    new = Announcement(paper=paper(submitted=submitted))
    shown = digest("new", new, since=since)
    late = wording.is_late(new.paper, shown, DAY)
    assert wording.label(new, late=late) == label
    assert wording.when(new, shown, DAY) == when


def test_a_replacement_says_which_version_and_when() -> None:
    revised = paper(version=3, submitted=at(1, 2), updated=at(18))
    again = Announcement(paper=revised, kind="replacement", replaces=1)
    assert wording.label(again, late=False) == "Replaced: v3, replaces v1"
    assert wording.label(replace(again, replaces=None), late=False) == "Replaced: v3"
    assert wording.when(again, digest("new", again), DAY) == "submitted 1 Feb, updated 18 Nov"


@pytest.mark.parametrize(
    ("comment", "abstract", "withdrawn"),
    [
        ("This paper has been withdrawn by the author", "", True),
        ("WITHDRAWN", "", True),
        ("We are withdrawing this version", "", True),
        ("12 pages", "This paper and abstract have been withdrawn.", True),
        ("12 pages", "This article has been withdrawn.", True),
        ("12 pages", "Patients were withdrawn from the study.", False),
        ("About withdrawals at cash machines", "", False),
        ("Withdrawn from the workshop, now under review elsewhere", "", False),
        ("v2: the claim of Section 3 is withdrawn", "", False),
        ("We withdraw our Theorem 2; the rest stands", "", False),
        ("On opioid withdrawal", "", False),
        ("Theorem 2 is withdrawn, and so this paper has been withdrawn", "", True),
        ("", "", False),
    ],
)
def test_a_withdrawn_paper_is_recognised_by_its_words(
    comment: str, abstract: str, withdrawn: bool
) -> None:
    second = paper(version=2, comment=comment, abstract=abstract)
    first = replace(second, version=1)
    assert (wording.label(Announcement(paper=second), late=False) == "Withdrawn") is withdrawn
    assert wording.label(Announcement(paper=first), late=False) != "Withdrawn"


@pytest.mark.slow
def test_of_a_month_of_papers_exactly_those_that_say_so_count_as_withdrawn() -> None:
    withdrawn = [
        each
        for each in june_papers()
        if wording.label(Announcement(paper=each), late=False) == "Withdrawn"
    ]
    assert len(withdrawn) == 9
    assert all("withdr" in each.comment.lower() for each in withdrawn)


@pytest.mark.parametrize(
    ("keyword", "places", "sentence"),
    [
        (Keyword(name="mri"), ["title", "abstract"], "mri, in title and abstract"),
        (Keyword(name="mri"), ["abstract"], "mri, in abstract"),
        (Keyword(name="mri", query="ti:mri"), [], "mri"),
        (Keyword(name="mri", authors=("bo ångström",)), [], "mri, by Bo Ångström"),
        (Keyword(name="mri", authors=("Somebody Else",)), [], "mri"),
    ],
)
def test_a_paper_says_why_it_is_here(keyword: Keyword, places: list[str], sentence: str) -> None:
    assert wording.why(paper(), keyword, places) == sentence


@pytest.mark.parametrize(
    ("number", "names"),
    [(0, ""), (1, "A0"), (10, "A0, A1, A2, A3, A4, A5, A6, A7, A8, A9")],
)
def test_up_to_ten_authors_are_named(number: int, names: str) -> None:
    assert wording.authors([f"A{place}" for place in range(number)]) == names


def test_further_authors_are_counted() -> None:
    assert wording.authors([f"A{place}" for place in range(22)]).endswith(", A9 and 12 more")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\r\nb\tc\x00d\x85e\u2028f", "a b c d e f"),
        ("\u202eabc\u202c \u2066d\u2069\ufeff", "abc d"),
        ("\ud800x\ufffe", "x"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("  two   spaces ", "two spaces"),
    ],
)
def test_text_loses_what_could_change_its_surroundings(text: str, left: str) -> None:
    assert plain(text) == left


@given(st.text())
def test_plain_text_is_one_line_that_can_be_encoded(text: str) -> None:
    shown = plain(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert plain(shown) == shown
