"""What a dead sender had goes to another in time, and what a living one has does not."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from math import inf
from threading import Event
from typing import Any

import pytest

from newsletter.issues.issue import compile_issue
from newsletter.models import Day, DeliveryStatus, Outcome, Owed
from newsletter.state import opening
from newsletter.state.engines import Claim, Place
from newsletter.state.postgres.database import Database
from newsletter.state.postgres.parcels import _LEASE, Parcels
from newsletter.state.postgres.suppressions import SharedSuppressions
from newsletter.state.state import State
from tests.making.papers import NOW
from tests.peers.postgres import Postgres

TAKEN = Outcome(status="accepted", code=250, text="taken")
REFUSED = Outcome(status="rejected", code=550, text="no")
LATER = Outcome(status="deferred", code=450, text="later")
LEASE = 600  # seconds: none ends by itself, only where the test lets it

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

_numbers = count(1)


@pytest.fixture
def place(server: Postgres) -> Place:
    return server.place(f"heirs-{next(_numbers)}", lease_seconds=LEASE)


@pytest.fixture
def victim(place: Place) -> Iterator[State]:
    with opening.opened(place) as state:
        owed = [
            Owed(recipient=f"r{number}@example.org", keywords=("mri",), format="html", after=0)
            for number in range(3)
        ]
        day = Day(now=NOW, news=[], windows={})
        state.publish(compile_issue(1, NOW.date(), []), day, owed, [], weekly=False)
        state.deliveries.take_up(now=NOW, max_age=timedelta(days=2))
        yield state


@pytest.fixture
def heir(place: Place) -> Iterator[State]:
    with opening.opened(place) as state:
        of(state).present()
        of(state).connected_at -= LEASE  # it has been there for long
        yield state


def of(state: State) -> Database:
    assert isinstance(state.database, Database)
    return state.database


def moments(state: State) -> tuple[datetime, datetime]:
    """Return the server's time, and since when it runs."""
    now, started = of(state).present()
    assert isinstance(now, datetime)
    assert isinstance(started, datetime)
    return now, started


def let_leases_end(state: State) -> None:
    with state.database.transaction() as db:
        db.execute("update parcels set until = clock_timestamp() where until > 'now'")


def leases(state: State) -> int:
    ((number,),) = state.database.rows(
        "select count(*) from parcels where until > clock_timestamp()"
    )
    return int(number)


def looked(state: State) -> int:
    """Return how much somebody finds who looks once."""
    with state.claim() as claim:
        return len(list(claim))


def leased(claim: Claim) -> list[int]:
    """Lease what there is, and never renew it again, as who was killed."""
    assert isinstance(claim, Parcels)
    found = [each.id for each in claim]
    claim.fall_silent()
    return found


def test_the_first_look_after_the_end_of_a_lease_takes_over(victim: State, heir: State) -> None:
    with victim.claim() as claim:
        assert len(leased(claim)) == 3
        with heir.claim() as nothing:
            assert list(nothing) == []
            assert nothing.pause == of(heir).place.look
        let_leases_end(victim)
        assert looked(heir) == 3


@pytest.mark.parametrize(("late", "found"), [(0.9, 3), (1.1, 0)])
def test_who_looks_late_takes_over_unless_a_lease_could_have_ended_meanwhile(
    victim: State, heir: State, late: float, found: int
) -> None:
    with victim.claim() as claim:
        assert len(leased(claim)) == 3
        let_leases_end(victim)
        of(heir).heard_at -= late * of(heir).place.silence
        assert looked(heir) == found


def test_whose_lease_has_ended_goes_on_unless_another_has_the_parcel(
    victim: State, heir: State
) -> None:
    def time_passes(claim: Parcels) -> None:
        let_leases_end(victim)
        (parcel,) = claim._parcels.values()
        parcel.deadline -= LEASE

    with victim.claim() as claim:
        assert isinstance(claim, Parcels)
        first, second, _ = leased(claim)
        time_passes(claim)
        assert not claim.holds(first)
        assert claim.commit({}, [first], now=NOW) == {first}
        assert claim.holds(first)
        time_passes(claim)
        assert looked(heir) == 3
        assert claim.commit({}, [second], now=NOW) == frozenset()
        assert not claim.holds(second)


def statuses(state: State) -> list[tuple[DeliveryStatus, int]]:
    return [(status, attempts) for _, status, attempts, _ in state.deliveries.of_issue(1)]


def test_what_one_hears_late_counts_unless_another_was_granted_the_next_attempt(
    victim: State, heir: State
) -> None:
    with victim.claim() as overtaken:
        first, second, third = leased(overtaken)
        assert overtaken.commit({}, [first, second, third], now=NOW) == {first, second, third}
        let_leases_end(victim)
        with heir.claim() as claim:
            assert [(each.status, each.attempts) for each in claim] == [("unknown", 1)] * 3
            assert claim.commit({}, [second, third], now=NOW) == {second, third}
            claim.commit({third: TAKEN}, [], now=NOW)
            overtaken.commit({first: TAKEN, second: REFUSED, third: REFUSED}, [], now=NOW)
            assert statuses(heir) == [("accepted", 1), ("sending", 2), ("accepted", 2)]
            claim.commit({second: TAKEN}, [], now=NOW)
        assert heir.deliveries.tally().outstanding == 0


def test_what_could_not_be_composed_counts_unless_another_was_granted_the_next_attempt(
    victim: State, heir: State
) -> None:
    with victim.claim() as overtaken:
        first, second, _ = leased(overtaken)
        let_leases_end(victim)
        with heir.claim() as claim:
            assert len(leased(claim)) == 3
            assert claim.commit({}, [first], now=NOW) == {first}
            assert overtaken.failed_to_compose(first, "broken", now=NOW) == 0
            assert overtaken.failed_to_compose(second, "broken", now=NOW) == 1
            assert statuses(heir) == [("sending", 1), ("deferred", 0), ("untried", 0)]


def test_what_has_ended_stays_as_it_ended(victim: State) -> None:
    with victim.claim() as claim:
        first, second, third = leased(claim)
        claim.commit({}, [first, second], now=NOW)
        claim.commit({first: TAKEN, second: REFUSED}, [], now=NOW)
        claim.commit({first: REFUSED, second: TAKEN}, [], now=NOW)
        assert claim.commit({}, [first, second], now=NOW) == frozenset()
        assert statuses(victim) == [("accepted", 1), ("rejected", 1), ("untried", 0)]
        claim.commit({}, [third], now=NOW)
        claim.commit({third: TAKEN}, [], now=NOW)
        assert victim.database.rows("select done from parcels") == [(True,)]


def test_who_was_overtaken_is_granted_nothing_and_its_lease_is_no_more(
    victim: State, heir: State
) -> None:
    with victim.claim() as overtaken:
        first, second, third = leased(overtaken)
        let_leases_end(victim)
        assert overtaken.commit({}, [first], now=NOW) == frozenset()  # nobody has it yet
        with heir.claim() as claim:
            assert len(leased(claim)) == 3
            assert claim.commit({}, [second], now=NOW) == {second}
            # What was granted to another is not granted again, also where the count fits.
            assert overtaken.commit({}, [second, third], now=NOW) == frozenset()
            overtaken.__exit__(None, None, None)
            assert claim.commit({second: TAKEN}, [third], now=NOW) == {third}
            assert statuses(heir) == [("untried", 0), ("accepted", 1), ("sending", 1)]


def test_a_turn_whose_answer_was_lost_may_be_repeated(victim: State) -> None:
    with victim.claim() as claim:
        assert isinstance(claim, Parcels)
        first, *_ = leased(claim)
        assert claim.commit({}, [first], now=NOW) == {first}
        claim._attempts[first] -= 1  # as it was before the answer
        assert claim.commit({}, [first], now=NOW) == {first}
        assert statuses(victim)[0] == ("sending", 1)
        assert claim.commit({}, [first], now=NOW) == frozenset()  # that is another attempt
        claim.commit({first: LATER}, [], now=NOW)
        claim._attempts[first] -= 1
        assert claim.commit({}, [first], now=NOW) == frozenset()  # and that was answered
        assert statuses(victim)[0] == ("deferred", 1)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({}, id="nothing"),
        {"status": "deferred", "code": 450, "text": "later"},
        {"status": "unknown", "text": "gone"},
    ],
)
def test_what_has_not_ended_is_left_to_others(
    victim: State, heir: State, said: dict[str, Any]
) -> None:
    with victim.claim() as claim:
        first, *others = leased(claim)
        claim.commit({}, [first, *others], now=NOW)
        outcomes = {first: Outcome(**said)} if said else {}
        claim.commit(outcomes | dict.fromkeys(others, TAKEN), [], now=NOW)
    assert looked(heir) == 1


def test_a_parcel_that_was_given_back_is_nobodys_and_still_owed(victim: State, heir: State) -> None:
    with victim.claim() as overtaken:
        overtaken.commit({}, leased(overtaken), now=NOW)
        let_leases_end(victim)
        with heir.claim(hold_unknown=True) as claim:
            assert isinstance(claim, Parcels)
            assert list(claim) == []
            of(heir).asked(claim._renew)
            assert leases(heir) == 0
    assert looked(heir) == 3


def test_nobody_renews_the_lease_of_another(victim: State, heir: State) -> None:
    with victim.claim() as claim:
        leased(claim)
        with heir.claim() as idle:
            assert isinstance(idle, Parcels)
            let_leases_end(victim)
            of(heir).asked(idle._renew)
            assert leases(heir) == 0


def test_who_follows_leaves_what_was_deferred_until_it_is_due(
    place: Place, victim: State, heir: State
) -> None:
    with victim.claim() as claim:
        first, *others = leased(claim)
        claim.commit({}, [first, *others], now=NOW)
        claim.commit({first: LATER, **dict.fromkeys(others, TAKEN)}, [], now=NOW)
    with opening.beside(place, patience=0, stop=Event(), follow=True) as follower:
        assert looked(follower) == 0
        heir.database.rows("update parcels set due = clock_timestamp() returning 1")
        assert looked(follower) == 1


def test_a_turn_says_that_somebody_has_left(victim: State, heir: State) -> None:
    here, elsewhere = SharedSuppressions(of(victim)), SharedSuppressions(of(heir))
    here._looked = inf  # no look of its own is due
    with victim.claim() as claim:
        elsewhere.add("r2@example.org", reason="unsubscribed", now=NOW)
        here.refresh()
        assert here.reason_for("r2@example.org") is None
        claim.commit({}, leased(claim)[:1], now=NOW)
        here.refresh()
    assert here.reason_for("r2@example.org") == "unsubscribed"


@pytest.mark.parametrize(
    ("asked_ago", "begun_ago", "found"), [(0, 0, 1), (LEASE, 0, 0), (0, LEASE, 0)]
)
def test_a_question_that_comes_late_or_after_a_restart_takes_nothing_over(
    victim: State, heir: State, asked_ago: int, begun_ago: int, found: int
) -> None:
    with victim.claim() as claim:
        leased(claim)
        let_leases_end(victim)
        now, started = moments(heir)
        with heir.claim() as idle:
            assert isinstance(idle, Parcels)
            asked = idle._condition() | {
                "now": now - timedelta(seconds=asked_ago),
                "started": started - timedelta(seconds=begun_ago),
                "silence": of(heir).place.silence,
                "may_take_over": True,
            }
            rows = of(heir).asked(lambda db: db.execute(_LEASE, asked).fetchall())
            assert len(rows) == found


@pytest.mark.parametrize(("seconds", "holds"), [(LEASE / 10 - 1, False), (LEASE / 2, True)])
def test_a_lease_that_is_about_to_end_holds_no_more(
    victim: State, seconds: float, *, holds: bool
) -> None:
    with victim.claim() as claim:
        assert isinstance(claim, Parcels)
        first, *_ = leased(claim)
        (parcel,) = claim._parcels.values()
        parcel.deadline = time.monotonic() + seconds
        assert claim.holds(first) is holds
