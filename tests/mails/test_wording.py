"""The sentences of a mail, as tables."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from newsletter.mails import wording
from newsletter.models import Announcement, Closeness, Digest, Keyword
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
    ("shown", "note"),
    [
        (digest("new", *TWO_NEW), ""),
        (digest("new", *TWO_NEW, since=at(19)), ""),
        (digest("new", *TWO_NEW, since=at(17)), "Covers the days since Tuesday"),
        (digest("none", since=at(16)), "Covers the days since Monday"),
        (digest("new", *TWO_NEW, since=at(13)), "Covers the days since Friday"),
        (digest("new", *TWO_NEW, since=at(12)), "Covers the days since 12 Nov"),
        (digest("new", *TWO_NEW, since=at(31, 12, 2025)), "Covers the days since 31 Dec 2025"),
        (digest("new", *TWO_NEW, reason="the index is a day old"), "The index is a day old"),
        (digest("none"), ""),
        (digest("not-scheduled", since=at(12), reason="a quiet day"), ""),
        (
            digest("baseline", *TWO_NEW, since=None),
            "First digest; older papers count as known",
        ),
        (
            digest("unknown", *TWO_NEW, reason="arXiv answered\r\n503"),
            (
                "No trustworthy answer today: arXiv answered 503; "
                "nothing is lost, the next digest will cover these days"
            ),
        ),
    ],
)
def test_only_what_is_not_as_usual_is_noted(shown: Digest, note: str) -> None:
    assert wording.notes(edition(shown)) == ([note] if note else [])


@pytest.mark.parametrize(
    ("day", "since", "noted"),
    [
        (date(2026, 11, 23), at(20), False),  # Monday, after Friday
        (date(2026, 11, 24), at(20), True),
        (date(2026, 11, 22), at(20), False),
        (date(2026, 11, 23), at(19), True),
    ],
)
def test_a_weekend_is_no_missed_day(day: date, since: datetime, noted: bool) -> None:
    shown = replace(edition(digest("new", *TWO_NEW, since=since)), date=day)
    assert bool(wording.notes(shown)) is noted


def test_a_weekly_edition_does_not_note_that_it_covers_a_week() -> None:
    week = replace(edition(digest("new", *TWO_NEW, since=at(12))), first=date(2026, 11, 13))
    assert wording.notes(week) == []


def test_keywords_share_a_note_and_are_named_unless_it_is_all_of_them() -> None:
    down = [replace(digest("unknown", reason="503"), keyword=Keyword(name=n)) for n in "abc"]
    (note,) = wording.notes(edition(*down))
    assert note.startswith("No trustworthy answer today: 503;")
    (note,) = wording.notes(edition(*down, digest("new", *TWO_NEW)))
    assert note.startswith("a, b and c: no trustworthy answer today: 503;")


def test_what_exclusions_took_is_counted() -> None:
    less = digest("new", *TWO_NEW, left_out={"survey": 3})
    assert wording.news(less) == "2 new, 3 left out by survey"
    none = digest("none", left_out={"survey": 1})
    assert wording.quiet(edition(none)) == "Nothing new for mri (1 left out by survey)."


def test_of_a_week_the_days_are_said_elsewhere_and_the_reason_here() -> None:
    week = replace(
        edition(digest("new", since=at(12), reason="a day late")), first=date(2026, 11, 13)
    )
    assert wording.notes(week) == ["A day late"]
    long = digest("unknown", reason="x" * 201)
    assert f"{'x' * 199}…;" in wording.notes(edition(long))[0]
    assert f"{'x' * 200};" in wording.notes(edition(replace(long, reason="x" * 200)))[0]


def test_quiet_keywords_share_a_line() -> None:
    quiet = [replace(digest("none"), keyword=Keyword(name=n)) for n in ("mri", "pet", "ct")]
    unknown = replace(digest("unknown"), keyword=Keyword(name="eeg"))
    shown = edition(digest("new", *TWO_NEW), *quiet, unknown)
    assert wording.quiet(shown) == "Nothing new for mri, pet and ct."
    assert wording.quiet(edition(digest("new", *TWO_NEW))) == ""


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (1, "k0"),
        (2, "k0 and k1"),
        (10, "k0, k1, k2, k3, k4, k5, k6, k7, k8 and k9"),
        (11, "k0, k1, k2, k3, k4, k5, k6, k7, k8, k9 and 1 more"),
    ],
)
def test_of_many_names_ten_are_listed(number: int, names: str) -> None:
    assert wording.listed([f"k{place}" for place in range(number)]) == names


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (digest("new", *TWO_NEW, REPLACED), "2 new, 1 replaced"),
        (digest("new", REPLACED), "1 replaced"),
        (digest("none"), ""),
    ],
)
def test_a_heading_counts_what_a_digest_announces(shown: Digest, words: str) -> None:
    assert wording.news(shown) == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            wording.count(wording.counts(edition(digest("new", *TWO_NEW, REPLACED)))),
            "2 new papers, 1 replaced",
        ),
        (wording.count(wording.counts(edition(digest("new", TWO_NEW[0])))), "1 new paper"),
        (wording.count(wording.counts(edition(digest("new", REPLACED)))), "1 replaced"),
        (wording.count(wording.counts(edition(digest("none")))), "nothing new"),
        (wording.above("4 new", 2), "4 new, 2 of them above"),
        (wording.also(["pet"]), "also in pet"),
        (wording.also(["a", "b", "c", "d"]), "also in a, b, c and 1 more"),
        (wording.also([]), ""),
        (wording.why("Ada Quill"), "here for Ada Quill"),
        (wording.authors(["x" * 80]), "x" * 80),
        (wording.authors(["x" * 81]), "x" * 79 + "…"),
        (wording.here_too(1), "Also here: 1 paper of other keywords."),
        (
            wording.more(3, ["mri", "pet"]),
            "… and 3 more under mri and pet. The plain-text part of this mail has every paper.",
        ),
        (wording.not_shown(["a:1"]), "1 paper could not be shown: a:1"),
        (wording.not_shown(["a:1", "a:\n2"]), "2 papers could not be shown: a:1, a: 2"),
        (wording.short_day(DAY), "19 Nov"),
        (wording.short_day(DAY, beside=DAY), "19 Nov"),
        (wording.short_day(DAY, beside=date(2027, 1, 1)), "19 Nov 2026"),
        (
            wording.close_to(Closeness(id="x", own="A paper\nof mine", words=("graph", "mirror"))),
            "Close to your “A paper of mine”: graph, mirror",
        ),
        (
            wording.close_to(Closeness(id="x", own=11 * "word ", words=())),
            f"Close to your “{' '.join(9 * ['word'])} word…”",
        ),
    ],
)
def test_a_sentence_says_what_is_there(said: str, words: str) -> None:
    assert said == words


@pytest.mark.parametrize(
    ("digests", "best", "subject"),
    [
        ([], "", "Nothing new, 19 Nov 2026"),
        ([news("mri", [paper()])], "On MRI", "mri, 1 new: On MRI"),
        ([news("mri", TWO_NEW), news("pet")], "On MRI", "2 new: On MRI"),
        ([news("mri", TWO_NEW), news("pet", TWO_NEW)], "On MRI", "2 new: On MRI"),
        ([news("mri", TWO_NEW), news("pet", [REPLACED])], "A", "2 new, 1 replaced: A"),
        ([news("x" * 99)], "", f"{'x' * 59}…, Nothing new, 19 Nov 2026"),
        (
            [news("mri", TWO_NEW), digest("unknown")],
            "A",
            "2 new, 1 keyword without answer: A",
        ),
        ([news("a", TWO_NEW), news("b")], "long " * 30, f"2 new: {'long ' * 18}long…"),
    ],
)
def test_the_subject_says_how_many_and_names_the_best(
    digests: list[Digest], best: str, subject: str
) -> None:
    assert wording.subject("", edition(*digests), newsletter="Daily", best=best) == subject


def test_a_weekly_subject_says_the_week() -> None:
    week = replace(edition(news("mri", TWO_NEW), news("pet")), first=date(2026, 11, 13))
    subject = wording.subject("", week, newsletter="Daily", best="On MRI")
    assert subject == "Week of 13–19 November 2026, 2 new: On MRI"


def test_beside_a_long_keyword_forty_letters_of_a_title_are_left() -> None:
    shown = edition(news("k" * 60, TWO_NEW))
    subject = wording.subject("", shown, newsletter="Daily", best="y" * 99)
    assert subject == f"{'k' * 60}, 2 new: {'y' * 39}…"
    assert wording.subject("{title}" * 3, shown, newsletter="Daily", best="y" * 99) == (
        f"{'y' * 189}…"
    )


def test_a_subject_can_have_a_template() -> None:
    shown = edition(news("mri", TWO_NEW))
    template = "[{newsletter}] {keyword}: {news}, {when}, No. {issue}: {title}"
    subject = wording.subject(template, shown, newsletter="Daily", best="On {news}")
    assert subject == "[Daily] mri: 2 new, Thu 19 November 2026, No. 12: On {news}"
    assert wording.unknown_fields(template) == []
    assert wording.unknown_fields("{title.__class__} {news}") == ["title.__class__"]


@pytest.mark.parametrize(
    ("first", "last", "when"),
    [
        (None, date(2026, 11, 19), "Thu 19 November 2026"),
        (date(2025, 7, 22), date(2025, 7, 28), "Week of 22–28 July 2025"),
        (date(2025, 6, 30), date(2025, 7, 6), "Week of 30 June – 6 July 2025"),
        (date(2025, 12, 30), date(2026, 1, 5), "Week of 30 December 2025 – 5 January 2026"),
        (date(2025, 7, 28), date(2025, 7, 28), "Week to 28 July 2025"),
    ],
)
def test_an_edition_says_its_day_or_its_week(first: date | None, last: date, when: str) -> None:
    assert wording.when(replace(edition(), first=first, date=last)) == when


@pytest.mark.parametrize(
    ("submitted", "since", "label", "when"),
    [
        (at(18), at(18), "", ""),
        (at(11), at(18), "", ""),
        (at(10), at(18), "Late", "submitted 10 Nov"),
        (at(4, 2), at(18), "Late", "submitted 4 Feb"),
        (at(4, 2, 2025), at(18), "Late", "submitted 4 Feb 2025"),
        (at(9), at(12), "", ""),
        (at(4, 2, 2025), None, "", ""),
    ],
)
def test_a_paper_that_was_held_up_says_so(
    submitted: datetime, since: datetime | None, label: str, when: str
) -> None:
    new = Announcement(paper=paper(submitted=submitted))
    shown = digest("new", new, since=since)
    late = wording.is_late(new.paper, shown, DAY)
    assert wording.label(new, late=late) == label
    assert wording.submitted(new, late=late, day=DAY) == when


def test_a_replacement_says_which_version_and_when() -> None:
    revised = paper(version=3, submitted=at(1, 2), updated=at(18))
    again = Announcement(paper=revised, kind="replacement", replaces=1)
    assert wording.label(again, late=False) == "Replaced: v3, replaces v1"
    assert wording.label(replace(again, replaces=None), late=False) == "Replaced: v3"
    said = wording.submitted(again, late=False, day=DAY)
    assert said == "submitted 1 Feb, updated 18 Nov"


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
    ("number", "names"),
    [
        (0, ""),
        (1, "A0"),
        (5, "A0, A1, A2, A3, A4"),
        (6, "A0, A1, A2 et al., A5"),
        (400, "A0, A1, A2 et al., A399"),
    ],
)
def test_of_many_authors_the_first_three_and_the_last_are_named(number: int, names: str) -> None:
    assert wording.authors([f"A{place}" for place in range(number)]) == names


def test_a_line_has_the_first_author() -> None:
    assert wording.first_author([]) == ""
    assert wording.first_author(["A"]) == "A"
    assert wording.first_author(["A", "B"]) == "A et al."


@pytest.mark.parametrize(
    ("text", "limit", "left"),
    [
        ("some words", 10, "some words"),
        ("some words", 9, "some…"),
        ("some, words", 9, "some…"),
        ("a " + "w" * 20, 10, "a " + "w" * 7 + "…"),
        ("wwww " + "w" * 20, 10, "wwww " + "w" * 4 + "…"),
        ("wwwww " + "w" * 20, 10, "wwwww…"),
    ],
)
def test_text_is_cut_between_words_where_there_are_some(text: str, limit: int, left: str) -> None:
    assert wording.shortened(text, limit) == left


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


@pytest.mark.slow
@given(st.text())
def test_plain_text_is_one_line_that_can_be_encoded(text: str) -> None:
    shown = plain(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert plain(shown) == shown
