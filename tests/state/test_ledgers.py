"""What both ledgers promise: the file, and the one that many machines share."""

import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace
from msgspec.structs import replace as redefined

from newsletter.errors import LockedError
from newsletter.issues.issue import compile_issue
from newsletter.models import (
    Announcement,
    Bounce,
    Day,
    Delivery,
    Keyword,
    LeftOut,
    News,
    Outcome,
    Owed,
    Reader,
)
from newsletter.state import opening
from newsletter.state.engines import Place
from newsletter.state.postgres.parcels import Parcels
from newsletter.state.state import State
from tests.making.papers import NOW, paper
from tests.peers.postgres import PASSWORD, Postgres

MRI = Keyword(name="mri", categories=("eess.IV",))
ACCEPTED = Outcome(status="accepted", code=250, text="queued as 1")
DEFERRED = Outcome(status="deferred", code=450, text="later")
DAY = timedelta(days=1)

_numbers = count(1)


SERVED = (pytest.mark.postgres, pytest.mark.slow)


@pytest.fixture(
    params=[
        "file",
        pytest.param("postgres", marks=SERVED),
        pytest.param("bouncer", marks=[*SERVED, pytest.mark.pgbouncer]),
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    file = tmp_path / "state.sqlite3"
    if request.param == "file":
        return Place(file=file)
    server: Postgres = request.getfixturevalue("server")
    through = request.getfixturevalue("bouncer") if request.param == "bouncer" else 0
    return Place(
        file=file,
        url=server.url(through=through),
        password=PASSWORD,
        newsletter=f"ledger-{next(_numbers)}",
        lease_seconds=1,
    )


@pytest.fixture
def state(place: Place) -> Iterator[State]:
    with opening.opened(place) as opened:
        yield opened


def day(*ids: str, **fields: object) -> Day:
    news = News(
        source="arXiv",
        keyword=MRI,
        outcome="new" if ids else "none",
        announcements=tuple(Announcement(paper=paper(each)) for each in ids),
        listed=12,
    )
    values = {"now": NOW, "news": [news], "windows": {"mri": NOW - 30 * DAY}}
    return Day(**(values | fields))  # type: ignore[arg-type]


def publish(state: State, number: int, *ids: str, to: tuple[str, ...] = ()) -> None:
    today = day(*ids)
    owed = [Owed(recipient=each, keywords=("mri",), format="html", after=number - 1) for each in to]
    readers = [Reader(address=each, fingerprint="x", covered=number) for each in to]
    state.publish(compile_issue(number, NOW.date(), today.news), today, owed, readers, weekly=False)


def taken_up(state: State) -> None:
    state.deliveries.take_up(now=NOW, max_age=2 * DAY)


TO = tuple(f"r{number}@example.org" for number in range(5))


def test_readers_are_read_to_the_last_some_at_a_time(state: State) -> None:
    for some in (TO, TO[:4], ()):
        publish(state, state.newest_issue() + 1, to=some)
        assert [each.address for each in state.readers(page=2)] == sorted(some)


def test_who_has_left_the_list_can_still_be_named_by_a_token_and_may_be_owed_a_mail(
    state: State,
) -> None:
    publish(state, 1, to=TO)
    publish(state, 2, to=TO[:1])
    assert sorted(state.recipients()) == sorted(TO)
    assert set(state.deliveries.awaiting()) == set(TO)
    taken_up(state)
    state.deliveries.withdraw(TO[1:], "gone", now=NOW)
    assert set(state.deliveries.awaiting()) == {TO[0]}
    assert sorted(state.recipients()) == sorted(TO)


def test_what_was_published_is_announced_and_owed(state: State) -> None:
    publish(state, 1, "2611.00001", "2611.00002", to=TO)
    assert state.announced("mri") == {"arxiv:2611.00001": 1, "arxiv:2611.00002": 1}
    assert state.announced("mri", among=["arxiv:2611.00002"]) == {"arxiv:2611.00002": 1}
    assert state.newest_issue() == 1
    assert sorted(state.deliveries.awaiting()) == sorted(TO)
    (issue,) = state.issues(0, 1)
    assert [each.paper.id for each in issue.digests[0].announcements] == [
        "arxiv:2611.00001",
        "arxiv:2611.00002",
    ]
    assert [each.address for each in state.readers()] == sorted(TO)
    assert state.problems() == []


@pytest.mark.parametrize("lease", [5, 6.5, 10, 30, 60, 600])
def test_a_takeover_takes_no_longer_than_a_lease_and_five_seconds(
    tmp_path: Path, lease: float
) -> None:
    place = Place(file=tmp_path / "none", lease_seconds=lease)
    assert lease + place.look <= lease + 5
    assert 4 * place.look <= place.silence  # three may come late before one is a newcomer
    assert 2 * place.renewal + place.silence <= lease  # who was cut off with us still has its own


def test_an_issue_opens_once(place: Place) -> None:
    with opening.opened(place) as state:
        publish(state, 1, "2611.00001", to=TO)
    with opening.opened(place) as state:
        with pytest.raises(Exception, match=r"(?i)unique"):
            publish(state, 1, "2611.00003", to=TO)
        assert len(state.deliveries.of_issue(1)) == 5
        assert "arxiv:2611.00003" not in state.announced("mri")


def test_a_keyword_remembers_its_windows(state: State) -> None:
    state.note(day(), [])
    state.note(day(now=NOW + DAY, windows={"mri": NOW - 90 * DAY}, swept=["mri"]), [])
    memory = state.memory(MRI)
    assert (memory.since, memory.last_good) == (NOW - 90 * DAY, NOW + DAY)
    trail = state.trail("mri")
    assert trail
    assert trail.last_sweep == NOW + DAY
    state.note(day(now=NOW - DAY), [])
    trail = state.trail("mri")
    assert trail
    assert trail.last_sweep == NOW - DAY


def test_a_surge_is_held_since_it_was_first_seen(state: State) -> None:
    for days in (1, 0, 2):
        state.note(day(now=NOW + days * DAY, news=[], held=["mri"]), [])
    assert state.held_since("mri") == NOW


def test_what_a_claim_grants_is_granted_once(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO)
    taken_up(state)
    with state.claim() as claim:
        found = list(claim)
        assert [each.recipient for each in found] == list(TO)
        first, *rest = [each.id for each in found]
        assert claim.commit({}, [first], now=NOW) == {first}
        assert claim.holds(first)
        assert claim.commit({first: ACCEPTED}, rest[:1], now=NOW) == set(rest[:1])
        claim.commit({rest[0]: DEFERRED}, [], now=NOW)
    tally = state.deliveries.tally()
    assert (tally.planned, tally.accepted, tally.deferred, tally.outstanding) == (5, 1, 1, 4)
    assert {each[0]: (each[1], each[2]) for each in state.deliveries.of_issue(1)} == {
        TO[0]: ("accepted", 1),
        TO[1]: ("deferred", 1),
        **dict.fromkeys(TO[2:], ("untried", 0)),
    }
    with state.claim() as claim:
        assert {each.recipient for each in claim} == set(TO[1:])


@pytest.mark.parametrize("reply", [' "no", {a,b} \\ and \\" é\n', "NULL", ""])
def test_a_reply_is_kept_whatever_it_says(state: State, reply: str) -> None:
    publish(state, 1, "2611.00001", to=TO[:1])
    taken_up(state)
    with state.claim() as claim:
        (delivery,) = claim
        assert claim.commit({}, [delivery.id], now=NOW) == {delivery.id}
        said = Outcome(status="rejected", code=550, text=reply)
        claim.commit({delivery.id: said}, [], now=NOW)
    assert state.deliveries.of_issue(1) == [(TO[0], "rejected", 1, reply)]


def test_who_left_before_the_mail_did_was_never_tried(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO[:1])
    taken_up(state)
    with state.claim() as claim:
        (delivery,) = claim
        claim.commit({delivery.id: Outcome(status="suppressed", text="left")}, [], now=NOW)
    assert state.deliveries.of_issue(1) == [(TO[0], "suppressed", 0, "left")]


def test_an_outcome_and_a_new_intent_of_one_delivery_are_one_commit(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO[:1])
    taken_up(state)
    with state.claim() as claim:
        (delivery,) = [each.id for each in claim]
        claim.commit({}, [delivery], now=NOW)
        assert claim.commit({delivery: DEFERRED}, [delivery], now=NOW) == {delivery}
        claim.commit({delivery: ACCEPTED}, [], now=NOW)
    ((_, status, attempts, reply),) = state.deliveries.of_issue(1)
    assert (status, attempts, reply) == ("accepted", 2, "queued as 1")


def test_what_was_under_way_when_a_run_ended_is_unknown_and_goes_again(place: Place) -> None:
    with opening.opened(place) as state:
        publish(state, 1, "2611.00001", to=TO)
        taken_up(state)
        claim = state.claim(hold_unknown=True)  # nothing is noted ahead
        claim.__enter__()
        first, *_ = list(claim)
        claim.commit({}, [first.id], now=NOW)
        if isinstance(claim, Parcels):
            claim.fall_silent()  # as a kill leaves it
    with opening.opened(place) as state:
        taken_up(state)
        found: dict[str, Delivery] = {}
        while True:
            with state.claim() as again:
                found |= {each.recipient: each for each in again}
            if again.pause is None:
                break
            time.sleep(again.pause)
        assert len(found) == 5
        assert (found[TO[0]].status, found[TO[0]].attempts) == ("unknown", 1)


def test_what_is_held_is_not_claimed(place: Place) -> None:
    test_what_was_under_way_when_a_run_ended_is_unknown_and_goes_again(place)
    with opening.opened(place) as state:
        taken_up(state)
        with state.claim(hold_unknown=True) as claim:
            assert {each.recipient for each in claim} == set(TO[1:])


def test_what_is_too_old_expires(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO)
    state.deliveries.take_up(now=NOW + 3 * DAY, max_age=2 * DAY)
    with state.claim() as claim:
        assert list(claim) == []
    tally = state.deliveries.tally()
    assert (tally.expired, tally.outstanding) == (5, 0)


def test_who_has_gone_is_owed_nothing(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO)
    taken_up(state)
    state.deliveries.withdraw(TO[:2], "gone", now=NOW)
    with state.claim() as claim:
        assert {each.recipient for each in claim} == set(TO[2:])
    assert state.deliveries.tally().suppressed == 2


def test_what_is_under_way_to_somebody_who_has_gone_gets_its_outcome(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO[:2])
    taken_up(state)
    with state.claim(hold_unknown=True) as claim:  # nothing is noted ahead
        first, _ = [each.id for each in claim]
        claim.commit({}, [first], now=NOW)
        state.deliveries.withdraw(TO[:2], "gone", now=NOW)
        assert [each[1] for each in state.deliveries.of_issue(1)] == ["sending", "suppressed"]
        claim.commit({first: ACCEPTED}, [], now=NOW)
    assert [each[1] for each in state.deliveries.of_issue(1)] == ["accepted", "suppressed"]


def test_who_was_refused_comes_last(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO)
    taken_up(state)
    with state.claim() as claim:
        ids = [each.id for each in claim]
        claim.commit({}, ids, now=NOW)
        refused = Outcome(status="rejected", code=550, text="5.1.1 nobody")
        claim.commit({**dict.fromkeys(ids, ACCEPTED), ids[0]: refused}, [], now=NOW)
    assert state.deliveries.rejections() == [(TO[0], 1, "550 5.1.1 nobody")]
    publish(state, 2, "2611.00002", to=TO)
    taken_up(state)
    with state.claim(late=False) as claim:
        assert [each.recipient for each in claim] == list(TO[1:])
    with state.claim(issue=2, late=True) as claim:
        assert [each.recipient for each in claim] == [*TO[1:], TO[0]]
    with state.claim(late=True) as claim:  # no issue: nobody but those
        assert [each.recipient for each in claim] == [TO[0]]


def test_failures_to_compose_are_counted(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO[:1])
    taken_up(state)
    with state.claim() as claim:
        (delivery,) = [each.id for each in claim]
        assert [claim.failed_to_compose(delivery, "broken", now=NOW) for _ in range(3)] == [1, 2, 3]
    assert state.deliveries.tally().deferred == 1


def test_planned_is_always_the_sum(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO)
    taken_up(state)
    ends = ("accepted", "rejected", "suppressed", "unknown", "deferred")
    with state.claim() as claim:
        for delivery, status in zip([each.id for each in claim], ends, strict=True):
            claim.commit({}, [delivery], now=NOW)
            assert state.deliveries.tally().planned == 5
            claim.commit({delivery: Outcome(status=status)}, [], now=NOW)  # type: ignore[arg-type]
            assert state.deliveries.tally().planned == 5
    tally = state.deliveries.tally()
    assert (tally.accepted, tally.rejected, tally.suppressed) == (1, 1, 1)
    assert (tally.unknown, tally.deferred, tally.outstanding) == (1, 1, 2)


def test_old_issues_become_totals(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO)
    taken_up(state)
    with state.claim() as claim:
        ids = [each.id for each in claim]
        claim.commit({}, ids, now=NOW)
        claim.commit(dict.fromkeys(ids, ACCEPTED), [], now=NOW)
    state.prune(now=NOW + 91 * DAY)
    assert state.deliveries.of_issue(1) == []
    assert state.deliveries.totals(1) == {"accepted": 5}


def test_a_forgotten_address_is_nowhere(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO)
    assert state.forget(TO[0].upper(), alias="forgotten:1", now=NOW) == 1
    assert TO[0] not in state.recipients()
    assert TO[0] not in state.deliveries.awaiting()
    assert [each[0] for each in state.deliveries.to_address(TO[1])] == [1]


def test_the_book_of_what_came_back(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO)
    taken_up(state)
    with state.claim() as claim:
        ids = [each.id for each in claim]
        claim.commit({}, ids, now=NOW)
        claim.commit(dict.fromkeys(ids, ACCEPTED), [], now=NOW)
    dead = Bounce(address=TO[0], issue=1, kind="dead", text="550")
    soft = Bounce(address=TO[0], issue=1, kind="soft", text="450")
    state.bounces.note_begun("box", "1", now=NOW)
    state.bounces.note_mails("box", {"1": "bounce"}, [soft, dead, soft], now=NOW)
    assert state.bounces.mails_read("box", ["1", "2"]) == {"1": "bounce"}
    assert state.bounces.unjudged() == [dead]
    state.bounces.note_judged([dead])
    assert state.bounces.unjudged() == []
    assert state.bounces.returned(1) == [TO[0]]
    assert state.bounces.mailed(1) == {"example.org": 5}
    assert [(each.issue, each.kind) for each in state.bounces.mailings(TO[0])] == [(1, "dead")]
    assert state.bounces.of_address(TO[0])[0]["reply"] == "550"


def test_the_book_of_runs_and_alerts(state: State) -> None:
    for code in (0, 75):
        report = {"run": "2026-11-20T10:00:00Z", "finished": "2026-11-20T10:00:01Z", "exit": code}
        state.history.record_run(report)
    assert [each.exit_code for each in state.history.runs(limit=5)] == [75, 0]
    assert [each.exit_code for each in state.history.runs(limit=5, exit_code=0)] == [0]
    assert state.history.last_told("disk") is None
    state.history.note_told(["disk"], now=NOW)
    state.history.note_told(["disk"], now=NOW + DAY)
    assert state.history.last_told("disk") == NOW + DAY


def test_the_book_of_papers(state: State) -> None:
    left_out = LeftOut(paper=paper("2611.00009"), by="survey")
    news = day("2611.00001", "2611.00002").news[0]
    assert news.announcements
    with_more = News(
        source="arXiv",
        keyword=MRI,
        outcome="new",
        announcements=news.announcements,
        recorded=(paper("2611.00003"),),
        excluded=(left_out,),
        listed=4,
    )
    today = day(news=[with_more])
    state.publish(compile_issue(1, NOW.date(), today.news), today, [], [], weekly=True)
    papers, shelf = state.papers, state.shelf
    assert {each.id for each in papers.last_seen(9)} == {
        f"arxiv:2611.0000{number}" for number in (1, 2, 3, 9)
    }
    assert set(papers.by_id(["arxiv:2611.00001", "x"])) == {"arxiv:2611.00001"}
    assert papers.without_data(9) == []
    assert [each.paper.id for each in papers.announced(keyword="mri")] == [
        "arxiv:2611.00001",
        "arxiv:2611.00002",
    ]
    assert len(papers.of_keyword("mri", NOW - 900 * DAY) or []) == 4
    assert papers.left_out("mri") == {"survey": 1}
    assert papers.authors() == sorted(
        {name for each in papers.last_seen(9) for name in each.authors}
    )
    papers.complete(["arxiv:2611.00001"], [])
    assert len(shelf.newest("mri", 2)) == 2
    recent = shelf.recent(days=9, limit=9)
    assert [(each, names) for each, _, _, names in recent] == [
        ("arxiv:2611.00001", ("mri",)),
        ("arxiv:2611.00002", ("mri",)),
    ]
    assert len(shelf.recent(days=9, limit=9, keyword="mri")) == 2
    assert shelf.week_of(1) == []
    assert set(shelf.years()) == {"2026"}
    assert ("arxiv:2611.00001", 1) in shelf.of_year("2026")
    assert [each.id for each, _ in shelf.shown([("arxiv:2611.00002", 1)])] == ["arxiv:2611.00002"]
    papers.keep_past(MRI, [paper("2501.00001")], now=NOW, month="2025-01", whole=True)
    papers.keep_past(MRI, [paper("2501.00001", version=2)], now=NOW, month="2025-01", whole=True)
    assert papers.looked_up(MRI) == {"2025-01"}
    assert shelf.mark_of("mri")
    assert shelf.keywords() == ["mri"]
    assert shelf.contents() == [(1, NOW.date(), 2)]
    assert shelf.contents(keyword="mri", month="2026-11", limit=1) == [(1, NOW.date(), 2)]
    assert shelf.contents(keyword="pet") == []
    assert shelf.months() == [(NOW.strftime("%Y-%m"), 1)]
    assert shelf.announced_in("mri", [paper("2611.00001")]) == {("arxiv:2611.00001", 1): 1}
    assert shelf.sources() == ["arXiv"]
    assert shelf.began() == NOW - 30 * DAY
    assert shelf.last_recorded() == NOW
    assert state.last_weekly() == state.first_day() == NOW.date()
    assert state.announced_since("mri", NOW - DAY) == 2
    assert state.news_in(after=0) == {"mri": 1}
    assert len(state.known("mri", NOW - 900 * DAY)) == 4
    later = replace(with_more, keyword=redefined(MRI, name="pet"), announcements=(), excluded=())
    state.note(day(news=[later], windows={"pet": NOW - 9 * DAY}), [])
    assert shelf.began() == NOW - 30 * DAY  # the first, not the last
    assert state.problems() == []


def test_a_snapshot_can_be_changed_without_a_trace(state: State) -> None:
    publish(state, 1, "2611.00001", to=TO)
    with state.snapshot() as copy:
        publish(copy, 2, "2611.00002", to=TO)
        taken_up(copy)
        assert copy.deliveries.tally().planned == 10
    assert state.newest_issue() == 1


def test_one_run_keeps_others_out(place: Place) -> None:
    with opening.alone(place) as state:
        publish(state, 1, "2611.00001", to=TO)
        assert opening.holder(place)
        with pytest.raises(LockedError, match="under way"), opening.alone(place):
            pass
    assert not opening.holder(place)
    with opening.alone(place):
        pass


def test_nothing_is_there_before_the_first_run(place: Place) -> None:
    assert not opening.there_is(place)
    assert not opening.holder(place)
    with opening.opened(place):
        pass
    assert opening.there_is(place)
