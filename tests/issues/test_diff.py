from datetime import timedelta

import pytest
from msgspec.structs import replace
from msgspec.structs import replace as redefined

from newsletter.issues.diff import announcements, news
from newsletter.models import Keyword, Listing, Memory, Paper
from tests.making.papers import NOW, paper

GNN = Keyword(name="graph neural network")
REPLACED = Keyword(name="graph neural network", replacements=True)
YESTERDAY = NOW - timedelta(days=1)


def memory(**announced: int) -> Memory:
    ids = {f"arxiv:{key[1:].replace('_', '.')}": value for key, value in announced.items()}
    return Memory(announced=ids, since=NOW - timedelta(days=90), last_good=YESTERDAY)


def listing(*papers: object, **fields: object) -> Listing:
    plain = {"keyword": GNN.name, "source": "arXiv", "papers": papers, "complete": True}
    return Listing(**(plain | fields))  # type: ignore[arg-type]


def judged(found: Listing, before: Memory, keyword: Keyword = GNN) -> tuple[str, list[str]]:
    result = news(keyword, found, before, now=NOW, baseline_days=1)
    return result.outcome, [each.paper.local_id for each in result.announcements]


def test_what_was_not_announced_before_is_new_newest_first() -> None:
    older = paper("2611.00002", submitted=NOW - timedelta(days=5))
    found = listing(older, paper("2611.00003"), paper("2611.00001"))
    assert judged(found, memory(p2611_00001=1)) == ("new", ["2611.00003", "2611.00002"])


def test_a_new_version_is_silent_unless_replacements_are_wanted() -> None:
    second = paper("2611.00001", version=2)
    assert announcements(GNN, (second,), memory(p2611_00001=1)) == ()
    (found,) = announcements(REPLACED, (second,), memory(p2611_00001=1))
    assert (found.kind, found.replaces) == ("replacement", 1)
    assert announcements(REPLACED, (second,), memory(p2611_00001=2)) == ()
    (found,) = announcements(REPLACED, (replace(second, version=4),), memory(p2611_00001=1))
    assert found.replaces == 1  # what was announced last, whatever came between


def test_replacements_come_last_and_the_latest_first() -> None:
    def revised(arxiv_id: str, *, submitted: int, updated: int) -> Paper:
        made = paper(arxiv_id, version=2, submitted=NOW - timedelta(days=submitted))
        return replace(made, updated=NOW - timedelta(days=updated))

    first = revised("2611.00001", submitted=9, updated=2)
    later = revised("2611.00002", submitted=8, updated=3)
    fresh = paper("2611.00003", submitted=NOW - timedelta(days=20))
    before = memory(p2611_00001=1, p2611_00002=1)
    found = announcements(REPLACED, (later, first, fresh), before)
    assert [each.paper for each in found] == [fresh, first, later]


def test_an_old_paper_that_only_its_revision_brought_into_sight_is_a_replacement() -> None:
    revived = paper("1301.00001", version=4, submitted=NOW - timedelta(days=5000))
    (found,) = announcements(REPLACED, (revived,), memory())
    assert (found.kind, found.replaces) == ("replacement", 3)


def test_a_paper_first_seen_as_its_second_version_is_new() -> None:
    (found,) = announcements(REPLACED, (paper(version=2),), memory())
    assert found.kind == "new"


def test_replacements_follow_the_new_papers() -> None:
    papers = (paper("2611.00001", version=2, updated=NOW), paper("2611.00002"))
    found = announcements(REPLACED, papers, memory(p2611_00001=1))
    assert [each.kind for each in found] == ["new", "replacement"]


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, "none"),
        ({"due": False}, "not-scheduled"),
        ({"due": False, "current": False}, "not-scheduled"),
        ({"current": False, "reason": "stale"}, "unknown"),
        ({"complete": False, "reason": "down"}, "unknown"),
    ],
)
def test_silence_is_called_none_only_when_arxiv_confirmed_it(
    fields: dict[str, object], outcome: str
) -> None:
    found = news(GNN, listing(**fields), memory(), now=NOW, baseline_days=1)
    assert found.outcome == outcome
    assert bool(found.reason) == (outcome == "unknown")


@pytest.mark.parametrize(
    ("fields", "papers", "first", "reason"),
    [
        ({"reason": "of today"}, (), False, ""),  # said of an answer that is current
        ({"current": False, "reason": "stale"}, (), False, "stale"),
        ({"current": False, "reason": "stale"}, (paper(),), False, ""),  # there is news anyway
        ({"current": False, "reason": "stale"}, (), True, ""),  # a baseline claims no silence
        (
            {"current": False, "reason": "stale", "unread": ("2611.00009",)},
            (),
            False,
            "stale; 1 record could not be read: 2611.00009; the next run tries again",
        ),
        (
            {"unread": tuple("abc")},
            (),
            False,
            "3 records could not be read: a, b, c; the next run tries again",
        ),
        (
            {"unread": tuple("abcd")},
            (),
            False,
            "4 records could not be read: a, b, c, ...; the next run tries again",
        ),
    ],
)
def test_a_reason_is_given_for_what_is_in_doubt_and_for_what_could_not_be_read(
    fields: dict[str, object], papers: tuple[Paper, ...], first: bool, reason: str
) -> None:
    before = Memory(announced={}) if first else memory()
    found = news(GNN, listing(*papers, **fields), before, now=NOW, baseline_days=1)
    assert found.reason == reason


def test_a_day_without_announcement_is_no_quiet_one_where_a_record_could_not_be_read() -> None:
    assert judged(listing(due=False, unread=("2611.00009",)), memory())[0] == "none"


@pytest.mark.parametrize(
    ("keyword", "version", "since", "kind"),
    [
        (REPLACED, 2, timedelta(days=1), "replacement"),
        (REPLACED, 2, timedelta(0), "new"),  # submitted when the window opened
        (REPLACED, 1, timedelta(days=1), "new"),
        (GNN, 2, timedelta(days=1), "new"),
        (REPLACED, 2, None, "new"),  # there was no window yet
    ],
)
def test_what_only_its_revision_brought_into_sight_is_told_by_its_version_and_age(
    keyword: Keyword, version: int, since: timedelta | None, kind: str
) -> None:
    shown = paper(submitted=YESTERDAY, version=version)
    before = Memory(announced={}, since=None if since is None else YESTERDAY + since)
    (found,) = announcements(keyword, (shown,), before)
    assert (found.kind, found.replaces) == (kind, 1 if kind == "replacement" else None)


def test_an_untrusted_listing_announces_nothing_whatever_it_holds() -> None:
    found = listing(paper(), complete=False, reason="the date filter was ignored")
    assert judged(found, memory()) == ("unknown", [])


def test_the_first_answer_lets_the_last_day_through_and_records_the_rest() -> None:
    old, fresh = paper("2611.00001", submitted=NOW - timedelta(days=3)), paper("2611.00002")
    result = news(GNN, listing(old, fresh), Memory(announced={}), now=NOW, baseline_days=2)
    assert result.outcome == "baseline"
    assert [each.paper for each in result.announcements] == [fresh]
    assert result.recorded == (old,)


@pytest.mark.parametrize(("late", "announced"), [(0, ["2611.00001"]), (1, [])])
def test_a_baseline_begins_to_the_moment(late: int, announced: list[str]) -> None:
    opening = NOW - timedelta(days=2)
    shown = paper(submitted=opening - timedelta(microseconds=late))
    result = news(GNN, listing(shown), Memory(announced={}), now=NOW, baseline_days=2)
    assert [each.paper.local_id for each in result.announcements] == announced


def test_a_redefined_keyword_floods_nobody_but_loses_no_day() -> None:
    before = Memory(
        announced={"arxiv:2611.00001": 1},
        since=NOW - timedelta(days=90),
        last_good=NOW - timedelta(days=4),
        former=Keyword(name="paint"),
    )
    since_then = paper("2611.00003", submitted=NOW - timedelta(days=4))
    long_ago = paper("2610.00002", submitted=NOW - timedelta(days=20))
    result = news(GNN, listing(paper(), since_then, long_ago), before, now=NOW, baseline_days=1)
    assert result.outcome == "baseline"
    assert [each.paper for each in result.announcements] == [since_then]
    assert long_ago in result.recorded


@pytest.mark.parametrize(
    ("former", "keyword", "announced"),
    [
        (GNN, REPLACED, ["held", "others"]),
        (GNN, redefined(GNN, authors=("Cy Late",)), ["held"]),
        (GNN, redefined(REPLACED, authors=("Cy Late",)), ["held"]),  # no revision was owed
        (GNN, Keyword(name="quiet life"), ["held"]),
        (Keyword(name="x", query="ti:graph"), Keyword(name="x", query="ti:graphs"), []),
        (
            Keyword(name="x", query="ti:graph", replacements=True),
            Keyword(name="x", query="ti:graph"),
            ["held", "others"],
        ),
        (REPLACED, redefined(REPLACED, authors=("Cy Late",)), ["held", "revised"]),
    ],
)
def test_what_a_redefined_keyword_would_have_announced_as_it_was_is_still_announced(
    former: Keyword, keyword: Keyword, announced: list[str]
) -> None:
    known = paper("2611.00001", submitted=NOW - timedelta(days=9))
    papers = {
        "known": known,
        "held": paper("2611.00009", submitted=NOW - timedelta(days=6)),
        "others": paper("2611.00008", submitted=NOW - timedelta(days=7), title="On paint"),
        "revised": replace(known, version=2),
    }
    before = replace(memory(p2611_00001=1), former=former)
    result = news(keyword, listing(*papers.values()), before, now=NOW, baseline_days=1)
    found = [each.paper for each in result.announcements]
    assert [name for name, each in papers.items() if each in found] == announced


EXCLUDING = Keyword(name=GNN.name, exclude=("survey", "PET"))


def test_what_an_exclusion_leaves_out_is_no_news_and_is_counted_by_the_first_that_does() -> None:
    survey = paper("2611.00002", title="A survey of graph neural networks in PET")
    found = news(EXCLUDING, listing(paper(), survey), memory(), now=NOW, baseline_days=1)
    assert found.outcome == "new"
    assert [each.paper.local_id for each in found.announcements] == ["2611.00001"]
    assert [(each.paper, each.by) for each in found.excluded] == [(survey, "survey")]


def test_where_all_is_left_out_there_is_nothing_new() -> None:
    found = listing(paper(abstract="Surveys of graph neural networks."))
    assert judged(found, memory(), EXCLUDING) == ("none", [])
    assert judged(replace(found, current=False), memory(), EXCLUDING) == ("none", [])


def test_what_was_left_out_stays_so_when_the_exclusion_goes() -> None:
    before = replace(memory(p2611_00001=1), former=EXCLUDING)
    assert judged(listing(paper(title="A survey of graph neural networks")), before)[1] == []


def test_what_a_keyword_left_out_before_it_was_redefined_was_not_due() -> None:
    old = paper(title="A survey of graph neural networks", submitted=NOW - timedelta(days=5))
    kept = paper("2611.00002", submitted=NOW - timedelta(days=5))
    before = replace(memory(), former=EXCLUDING)
    assert judged(listing(old, kept), before) == ("baseline", ["2611.00002"])


def test_a_baseline_leaves_out_what_it_would_announce_and_records_the_rest() -> None:
    old = paper("2611.00002", title="Survey", submitted=NOW - timedelta(days=5))
    found = listing(paper("2611.00003", abstract="A survey."), old, paper())
    result = news(EXCLUDING, found, Memory(announced={}), now=NOW, baseline_days=2)
    assert [each.paper.local_id for each in result.excluded] == ["2611.00003"]
    assert [each.local_id for each in result.recorded] == ["2611.00002"]
    assert [each.paper.local_id for each in result.announcements] == ["2611.00001"]
