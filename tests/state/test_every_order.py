"""Whatever happens to a ledger in whatever order: nobody is lost, and no copy denied.

A small model says what must be; Hypothesis looks for an order of events in which it is not.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from newsletter.issues.issue import compile_issue
from newsletter.models import FINAL, Day, Delivery, DeliveryStatus, Keyword, News, Outcome, Owed
from newsletter.state.engines import Claim
from newsletter.state.postgres.database import Database
from newsletter.state.postgres.deliveries import Deliveries
from newsletter.state.postgres.parcels import Parcels
from newsletter.state.state import State
from tests.making.papers import NOW
from tests.peers.postgres import Postgres

pytestmark = pytest.mark.slow

LEASE = 600  # seconds: none ends by itself, only where the test lets it
MAX_AGE = timedelta(days=2)
SENDERS = st.integers(0, 2)

_numbers = count(1)


@dataclass
class Sender:
    """One that delivers: what it has claimed, may send, and has yet to note."""

    state: State
    claim: Claim | None = None
    coming: Iterator[Delivery] = field(default_factory=lambda: iter(()))
    taken: dict[int, Delivery] = field(default_factory=dict)
    granted: dict[int, Delivery] = field(default_factory=dict)
    heard: dict[int, Outcome] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)  # as they were granted

    def forget(self) -> None:
        self.claim, self.coming = None, iter(())
        for each in (self.taken, self.granted, self.heard):
            each.clear()


class EveryOrder(RuleBasedStateMachine):
    """Senders on a ledger: one where it is a file, three where they share it.

    `arrived` counts who has got which issue how often, `ended` is how the ledger says it ended.
    """

    def __init__(self, opened: Callable[[], State], *, senders: int) -> None:
        super().__init__()
        self.opened = opened
        self.issue = 0
        self.now = NOW
        self.arrived: Counter[tuple[int, str]] = Counter()
        self.ended: dict[tuple[int, str], str] = {}
        self.shared = senders > 1
        self.senders = [Sender(opened()) for _ in range(senders)]

    # What may happen

    @precondition(lambda self: self.issue < 3)
    @rule(recipients=st.integers(1, 7))
    def publish(self, recipients: int) -> None:
        self.issue += 1
        news = News(source="arXiv", keyword=Keyword(name="mri"), outcome="none", listed=1)
        day = Day(now=self.now, news=[news], windows={"mri": self.now})
        owed = [
            Owed(recipient=f"r{each}@example.org", keywords=("mri",), format="html", after=0)
            for each in range(recipients)
        ]
        issue = compile_issue(self.issue, NOW.date() + timedelta(self.issue), day.news)
        self.senders[0].state.publish(issue, day, owed, [], weekly=False)

    @rule(who=SENDERS, most=st.integers(1, 5))
    def take(self, who: int, most: int) -> None:
        """Claim what there is, or go on with that."""
        sender = self.sender(who)
        if sender.claim is None:
            self.begin(sender)
        for _, delivery in zip(range(most), sender.coming, strict=False):
            sender.taken[delivery.id] = delivery

    @rule(who=SENDERS, most=st.integers(1, 4))
    def intend(self, who: int, most: int) -> None:
        self.commit(self.sender(who), most, outcomes=False)

    @rule(who=SENDERS)
    def send(self, who: int) -> None:
        """Let all that was granted arrive, as late as it may be."""
        sender = self.sender(who)
        for delivery in sender.granted.values():
            self.arrived[delivery.issue, delivery.recipient] += 1
            sender.heard[delivery.id] = Outcome(status="accepted", code=250, text="taken")
        sender.granted.clear()

    @rule(who=SENDERS, status=st.sampled_from(["rejected", "deferred", "unknown"]))
    def fail(self, who: int, status: DeliveryStatus) -> None:
        """Let one that was granted not arrive; what was deferred may go again at once."""
        sender = self.sender(who)
        for delivery in list(sender.granted.values())[:1]:
            del sender.granted[delivery.id]
            sender.heard[delivery.id] = Outcome(status=status, code=450, text="because")
            if status == "deferred":
                sender.taken[delivery.id] = delivery

    @rule(who=SENDERS, most=st.integers(0, 2))
    def hear(self, who: int, most: int) -> None:
        """Note all outcomes, and perhaps intents along with them."""
        self.commit(self.sender(who), most)

    @rule(who=SENDERS)
    def leave(self, who: int) -> None:
        """Finish in order, as after SIGTERM."""
        sender = self.sender(who)
        self.send(who)
        self.commit(sender, 0)
        if sender.claim:
            sender.claim.__exit__(None, None, None)
        sender.forget()

    @rule(who=SENDERS)
    def crash(self, who: int) -> None:
        sender = self.sender(who)
        die(sender)
        self.senders[self.senders.index(sender)] = Sender(self.opened())

    @rule()
    def leases_end(self) -> None:
        """Let all leases end, and everybody have been there for long."""
        for each in self.senders:
            if isinstance(each.state.database, Database):
                each.state.database.connected_at -= LEASE
                with each.state.database.transaction() as db:
                    db.execute("update parcels set until = clock_timestamp() where until > 'now'")

    @rule(who=st.integers(0, 6))
    def withdraw(self, who: int) -> None:
        """Let a reader be gone, which a run on a file notices before it delivers."""
        if self.senders[0].claim is None or self.shared:
            state = self.senders[0].state
            state.deliveries.withdraw([f"r{who}@example.org"], "gone", now=self.now)

    @rule()
    def a_day_passes(self) -> None:
        self.now += timedelta(days=1)

    # What must be

    @invariant()
    def the_books_agree(self) -> None:
        for who, (status, attempts) in self.rows().items():
            assert self.arrived[who] <= attempts, f"{who}: a copy is denied"
            if status == "accepted":
                assert self.arrived[who], f"{who} has it, says the ledger"
            if status in FINAL:
                assert self.ended.setdefault(who, status) == status, f"{who} ended twice"
        assert self.senders[0].state.problems() == []

    def teardown(self) -> None:
        """Let somebody finish after all have died: nothing may be owed for ever."""
        for each in self.senders:
            die(each)
        self.senders = [Sender(self.opened())]
        (state,) = [each.state for each in self.senders]
        for _ in range(4):  # a newcomer takes nothing over
            self.leases_end()
            self.take(0, 100)
            self.intend(0, 100)
            self.leave(0)
        self.the_books_agree()
        assert {status for status, _ in self.rows().values()} <= FINAL
        state.database.close()

    # How

    def sender(self, number: int) -> Sender:
        return self.senders[number % len(self.senders)]

    def rows(self) -> dict[tuple[int, str], tuple[str, int]]:
        return {
            (issue, recipient): (status, attempts)
            for issue, recipient, status, attempts in self.senders[0].state.database.rows(
                "select issue, recipient, status, attempts from deliveries"
            )
        }

    def begin(self, sender: Sender) -> None:
        sender.state.deliveries.take_up(now=self.now, max_age=MAX_AGE)
        sender.claim = sender.state.claim().__enter__()
        sender.coming = iter(sender.claim)

    def commit(self, sender: Sender, most: int, *, outcomes: bool = True) -> None:
        if sender.claim is None:
            return
        noted = dict(sender.heard) if outcomes else {}
        ready = [each for each in sender.taken if outcomes or each not in sender.heard][:most]
        before = self.known()
        granted = sender.claim.commit(noted, ready, now=self.now)
        assert granted <= set(ready)
        if self.shared:
            self.require_exact(sender, noted, granted, before)
        for each in ready:
            delivery = sender.taken.pop(each)
            if each in granted:
                sender.granted[each] = delivery
        for each in noted:
            del sender.heard[each]

    def known(self) -> dict[int, tuple[str, int]]:
        return {
            delivery: (status, attempts)
            for delivery, status, attempts in self.senders[0].state.database.rows(
                "select id, status, attempts from deliveries"
            )
        }

    def require_exact(
        self,
        sender: Sender,
        noted: dict[int, Outcome],
        granted: frozenset[int],
        before: dict[int, tuple[str, int]],
    ) -> None:
        """Require that an attempt was granted once, and that no outcome is of an older one."""
        now = self.known()
        for each, outcome in noted.items():
            status, attempts = before[each]
            counts = sender.attempts[each] == attempts and status not in FINAL
            if each not in granted:
                assert now[each] == (outcome.status if counts else status, attempts)
        for each in granted:
            assert now[each] == ("sending", before[each][1] + 1)
            sender.attempts[each] = now[each][1]


def die(sender: Sender) -> None:
    """Leave everything as it is, as a kill does."""
    if isinstance(sender.claim, Parcels):
        sender.claim.fall_silent()
    sender.forget()
    sender.state.database.close()


def hunted(make: Callable[[], EveryOrder], examples: int) -> None:
    run_state_machine_as_test(
        cast("type[RuleBasedStateMachine]", make),
        settings=settings(max_examples=examples, stateful_step_count=30, deadline=None),
    )


@pytest.mark.parametrize("examples", [10, pytest.param(600, marks=pytest.mark.full)])
def test_a_file_agrees_with_the_model(tmp_path: Path, examples: int) -> None:
    def make() -> EveryOrder:
        folder = Path(mkdtemp(dir=tmp_path))
        return EveryOrder(lambda: State.open(folder / "state.sqlite3"), senders=1)

    hunted(make, examples)


@pytest.mark.postgres
@pytest.mark.timeout(1800)  # each question goes to a server: two minutes, on a busy machine many
@pytest.mark.parametrize("examples", [10, pytest.param(200, marks=pytest.mark.full)])
def test_a_shared_ledger_agrees_with_the_model(
    tmp_path: Path, server: Postgres, examples: int
) -> None:
    place = server.place(f"order-{next(_numbers)}", lease_seconds=LEASE)

    def opened() -> State:
        database = Database(place)
        database.open()
        return State(database, Deliveries(database, parcel=3))

    def make() -> EveryOrder:
        with opened() as blank, blank.database.transaction() as db:
            for table in ("deliveries", "parcels", "digests", "keywords", "issues"):
                db.execute(f"delete from {table}")
        return EveryOrder(opened, senders=3)

    hunted(make, examples)
