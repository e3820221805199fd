from dataclasses import replace
from datetime import timedelta

from newsletter.issues.issue import compile_issue, edition_for
from newsletter.issues.owing import fingerprint, owed, readers_after
from newsletter.models import Announcement, Digest, Frequency, Keyword, News, Reader, Subscriber
from tests.making.papers import NOW, digest, issue, paper

ADA = Subscriber(email="ada@example.org", keywords=("mri", "pet"))
BOB = Subscriber(email="bob@example.org", frequency="weekly")
EVE = Subscriber(email="eve@example.org", keywords=("mri",), paused=True)
DAILY: tuple[Frequency, ...] = ("daily",)
MONDAY: tuple[Frequency, ...] = ("daily", "weekly")


def plan(
    *subscribers: Subscriber,
    served: tuple[Frequency, ...] = DAILY,
    news_in: dict[str, int] | None = None,
    before: dict[str, Reader] | None = None,
    per_keyword: bool = False,
) -> list[tuple[str, tuple[str, ...], int]]:
    found = owed(
        7,
        subscribers,
        keywords=["mri", "pet", "ct"],
        news_in={"mri": 7} if news_in is None else news_in,
        before=before or {},
        served=served,
        per_keyword=per_keyword,
    )
    return [(each.recipient, each.keywords, each.after) for each in found]


def reader(subscriber: Subscriber, covered: int | None) -> dict[str, Reader]:
    return {
        subscriber.email: Reader(
            address=subscriber.email, fingerprint=fingerprint(subscriber), covered=covered
        )
    }


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


def test_an_edition_over_several_issues_has_each_paper_once_newest_issue_first() -> None:
    first, second = paper("2611.00001"), paper("2611.00002")
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


def test_two_replacements_in_a_week_are_one_of_what_the_reader_had_before() -> None:
    def revised(version: int) -> Digest:
        again = Announcement(paper=paper(version=version), kind="replacement", replaces=version - 1)
        return replace(digest("mri"), announcements=(again,))

    (merged,) = edition_for([issue(1, revised(2)), issue(2, revised(3))], ["mri"]).digests
    (found,) = merged.announcements
    assert (found.paper.version, found.kind, found.replaces) == (3, "replacement", 1)


def test_an_issue_is_owed_to_those_whose_keywords_have_news() -> None:
    assert plan(ADA, EVE) == [(ADA.email, ("mri", "pet"), 6)]
    assert plan(ADA, news_in={"ct": 7}) == []


def test_all_keywords_are_those_of_the_configuration() -> None:
    assert plan(BOB, served=MONDAY) == [(BOB.email, ("mri", "pet", "ct"), 6)]


def test_weekly_subscribers_get_everything_since_their_last_issue() -> None:
    assert plan(BOB) == []
    before = reader(BOB, 2)
    assert plan(BOB, served=MONDAY, before=before, news_in={"ct": 4}) == [
        (BOB.email, ("mri", "pet", "ct"), 2)
    ]
    assert plan(BOB, served=MONDAY, before=before, news_in={"ct": 2}) == []


def test_per_keyword_mode_owes_one_mail_for_each_keyword_with_news() -> None:
    found = plan(ADA, per_keyword=True, news_in={"mri": 7, "pet": 7})
    assert found == [(ADA.email, ("mri",), 6), (ADA.email, ("pet",), 6)]
    assert plan(ADA, per_keyword=True) == [(ADA.email, ("mri",), 6)]


def test_readers_remember_how_far_each_has_read() -> None:
    def covered(*, served: tuple[Frequency, ...]) -> list[int | None]:
        return [each.covered for each in readers_after(7, [ADA, BOB, EVE], {}, served=served)]

    assert covered(served=DAILY) == [7, 6, None]
    assert covered(served=MONDAY) == [7, 7, None]
    assert covered(served=()) == [6, 6, None]


def test_who_changes_from_weekly_to_daily_misses_nothing() -> None:
    (weekly,) = readers_after(7, [BOB], reader(BOB, 3), served=DAILY)
    daily = replace(BOB, frequency="daily")
    assert plan(daily, before={BOB.email: weekly}) == [(BOB.email, ("mri", "pet", "ct"), 3)]
