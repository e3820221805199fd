from datetime import timedelta
from random import Random

import pytest
from msgspec.structs import replace

from newsletter.issues.issue import Covered, compile_issue, edition_for
from newsletter.models import Announcement, Digest, Keyword, News
from tests.making.papers import NOW, digest, issue, paper


def test_an_issue_says_of_every_keyword_what_became_of_it() -> None:
    silent = News(
        keyword=Keyword(name="mri"), source="arXiv", outcome="unknown", reason="arXiv was down"
    )
    compiled = compile_issue(3, NOW.date(), [silent])
    assert compiled.digests[0].reason == "arXiv was down"
    assert compiled.number == 3


def test_a_paper_of_two_keywords_is_shown_in_full_under_the_first() -> None:
    shared, own = paper("2611.00001"), paper("2611.00002")
    edition = edition_for(
        [issue(1, digest("mri", shared), digest("pet", shared, own))], ["pet", "mri"]
    )
    assert [each.keyword.name for each in edition.digests] == ["pet", "mri"]
    assert edition.shown_in == {"arxiv:2611.00001": "pet", "arxiv:2611.00002": "pet"}


def test_an_edition_leaves_out_keywords_that_its_issue_does_not_know() -> None:
    assert edition_for([issue(1, digest("mri", paper()))], ["mri", "added later"]).shown_in


def test_an_edition_over_several_issues_has_each_paper_once_newest_first() -> None:
    first, second = paper("2611.00001"), paper("2611.00002", submitted=NOW)
    revised = Announcement(
        paper=replace(first, version=2, updated=NOW), kind="replacement", replaces=1
    )
    tuesday = digest("mri", second)
    tuesday = replace(tuesday, announcements=(*tuesday.announcements, revised), since=NOW)
    monday = replace(digest("mri", first), since=NOW - timedelta(days=7))
    (merged,) = edition_for([issue(1, monday), issue(2, tuesday)], ["mri"]).digests
    assert [(a.paper.local_id, a.paper.version, a.kind) for a in merged.announcements] == [
        ("2611.00002", 1, "new"),
        ("2611.00001", 2, "new"),
    ]
    assert merged.since == monday.since


def test_news_of_a_week_does_not_hide_that_its_last_day_is_unknown() -> None:
    down = replace(digest("mri"), source="arXiv", outcome="unknown", reason="arXiv answered 503")
    days = [issue(1, digest("mri", paper())), issue(2, down)]
    (merged,) = edition_for(days, ["mri"]).digests
    assert (merged.outcome, len(merged.announcements)) == ("unknown", 1)
    (merged,) = edition_for(days[::-1], ["mri"]).digests
    assert merged.outcome == "new"


def test_the_edition_of_a_week_with_a_quiet_last_day_has_news_and_the_number_of_that_day() -> None:
    quiet = replace(issue(2, replace(digest("mri"), outcome="none")), date=NOW.date())
    edition = edition_for([issue(1, digest("mri", paper())), quiet], ["mri"])
    assert edition.digests[0].outcome == "new"
    assert (edition.issue, edition.date) == (2, NOW.date())


def test_two_replacements_in_a_week_are_one_of_what_the_reader_had_before() -> None:
    def revised(version: int) -> Digest:
        again = Announcement(paper=paper(version=version), kind="replacement", replaces=version - 1)
        return replace(digest("mri"), announcements=(again,))

    (merged,) = edition_for([issue(1, revised(2)), issue(2, revised(3))], ["mri"]).digests
    (found,) = merged.announcements
    assert (found.paper.version, found.kind, found.replaces) == (3, "replacement", 1)


def test_papers_stand_best_first_under_each_keyword() -> None:
    old = paper("2611.00001", title="On MRI", submitted=NOW - timedelta(days=3))
    titled = paper("2611.00002", title="On MRI", submitted=NOW - timedelta(days=2))
    newest = paper("2611.00003", title="Beyond", submitted=NOW)
    both = paper("2611.00004", title="Beyond", submitted=NOW - timedelta(days=4))
    news = issue(1, digest("mri", newest, titled, old, both), digest("pet", both))
    edition = edition_for([news], ["mri", "pet"])
    (first, _) = edition.digests
    assert [each.paper for each in first.announcements] == [both, titled, old, newest]
    assert edition.best_first == (
        "arxiv:2611.00004",
        "arxiv:2611.00002",
        "arxiv:2611.00001",
        "arxiv:2611.00003",
    )


def test_what_was_replaced_comes_after_what_is_new() -> None:
    revised = paper("2611.00001", version=2, title="On MRI", updated=NOW)
    mixed = replace(
        digest("mri", paper("2611.00002", title="Beyond")),
        announcements=(
            Announcement(paper=revised, kind="replacement", replaces=1),
            Announcement(paper=paper("2611.00002", title="Beyond")),
        ),
    )
    (found,) = edition_for([issue(1, mixed)], ["mri"]).digests
    assert [each.kind for each in found.announcements] == ["new", "replacement"]


def test_of_two_replacements_the_one_revised_last_comes_first() -> None:
    def revised(arxiv_id: str, *, submitted: int, updated: int) -> Announcement:
        made = paper(arxiv_id, version=2, submitted=NOW - timedelta(days=submitted))
        made = replace(made, updated=NOW - timedelta(days=updated))
        return Announcement(paper=made, kind="replacement", replaces=1)

    both = (
        revised("2611.00001", submitted=8, updated=3),
        revised("2611.00002", submitted=9, updated=2),
    )
    edition = edition_for([issue(1, replace(digest("mri"), announcements=both))], ["mri"])
    assert edition.best_first == ("arxiv:2611.00002", "arxiv:2611.00001")


def test_a_paper_that_lost_its_title_is_placed_as_the_others_are() -> None:
    lost = replace(paper("2611.00001"), title=None)
    edition = edition_for([issue(1, digest("mri", lost, paper("2611.00002")))], ["mri"])
    assert sorted(edition.best_first) == ["arxiv:2611.00001", "arxiv:2611.00002"]


def test_a_weekly_edition_knows_the_first_day_of_its_news() -> None:
    days = [
        replace(issue(n, digest("mri", paper())), date=NOW.date() - timedelta(days=9 - n))
        for n in (3, 9)
    ]
    assert edition_for(days, ["mri"]).first is None
    assert edition_for(days, ["mri"], weekly=True).first == NOW.date() - timedelta(days=6)


@pytest.mark.parametrize(("before", "first"), [(9, 8), (7, 6), (None, 6)])
def test_a_week_begins_after_the_issue_before_it(before: int | None, first: int) -> None:
    days = [
        replace(issue(n, digest("mri", paper())), date=NOW.date() - timedelta(days=7 - n))
        for n in (1, 7)
    ]
    day = NOW.date() - timedelta(days=before) if before else None
    edition = edition_for(days, ["mri"], weekly=True, before=day)
    assert edition.first == NOW.date() - timedelta(days=first)
    assert edition.issues == (1, 7)


def test_an_edition_of_one_issue_says_what_the_issue_says() -> None:
    first = replace(digest("mri", paper()), outcome="baseline")
    assert edition_for([issue(1, first)], ["mri"]).digests == (first,)


def test_an_edition_of_quiet_days_is_quiet_and_says_what_the_last_one_does() -> None:
    days = [replace(digest("mri"), outcome="none", reason=f"on day {day}") for day in (1, 2, 3)]
    edition = edition_for([issue(n, each) for n, each in enumerate(days, 1)], ["mri"])
    (merged,) = edition.digests
    assert (merged.outcome, merged.reason) == ("none", "on day 3")


def test_a_keyword_in_the_title_counts_though_another_is_in_the_abstract_alone() -> None:
    titled = paper("2611.00001", title="On MRI", abstract="And PET.", submitted=NOW)
    other = paper("2611.00002", title="Of both", submitted=NOW + timedelta(days=1))
    both = issue(1, digest("mri", titled, other), digest("pet", titled, other))
    assert edition_for([both], ["mri", "pet"]).best_first == (titled.id, other.id)


@pytest.mark.parametrize("seed", range(20))
def test_papers_of_several_keywords_stand_as_they_do_where_each_is_looked_at_by_itself(
    seed: int,
) -> None:
    chance = Random(seed)
    names = ["mri", "pet", "optics", "graphs"]
    papers = [
        paper(
            f"2611.{number:05}",
            title=f"On {chance.choice(names)} and {chance.choice(names)}",
            submitted=NOW - timedelta(days=chance.randrange(3)),
            updated=NOW - timedelta(hours=chance.randrange(3)),
        )
        for number in range(8)
    ]
    kinds = [chance.choice(["new", "new", "replacement"]) for _ in papers]
    announced = [
        Announcement(paper=each, kind="new")
        if kind == "new"
        else Announcement(paper=each, kind="replacement", replaces=0)
        for each, kind in zip(papers, kinds, strict=True)
    ]
    news = issue(
        1,
        *[
            replace(digest(name), announcements=tuple(chance.sample(announced, 4)))
            for name in names
        ],
    )
    covered = Covered([news])
    for _ in range(10):
        chosen = chance.sample(names, chance.randrange(1, 5))
        of = {each.keyword.name: each.announcements for each in news.digests}

        def place(each: Announcement) -> tuple[object, ...]:
            theirs = [name for name in chosen if each in of[name]]  # noqa: B023 (called at once)
            moment = each.paper.submitted if each.kind == "new" else each.paper.updated
            titled = any(name in each.paper.title.lower() for name in theirs)
            replaced = each.kind == "replacement"
            return (replaced, -len(theirs), not titled, NOW - moment, each.paper.id)

        edition = edition_for(covered, chosen)
        for found in edition.digests:
            assert list(found.announcements) == sorted(of[found.keyword.name], key=place)
        shown = [each for each in announced if any(each in of[name] for name in chosen)]
        assert edition.best_first == tuple(each.paper.id for each in sorted(shown, key=place))
        assert edition.shown_in == {
            each.paper.id: next(name for name in chosen if each in of[name]) for each in shown
        }
        assert edition == edition_for([news], chosen)
