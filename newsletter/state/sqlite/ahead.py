"""What one delivery run has claimed of all that is owed; what is owed, the book knows.

An intent must be durable before the final dot, and making it so takes longer than a server nearby
takes for a message. So a run claims deliveries before their turn comes, and gives back those that
never left. How it claims them is its ledger's affair: this one, which no other run can write to,
notes the next in line along with an intent that had to be written anyway; one that many senders
share has to lease them.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Protocol, Self

from newsletter.models import Delivery, DeliveryStatus, Outcome


class Noting(Protocol):
    """What a claim asks of the book."""

    @property
    def reach(self) -> int:
        """How many intents to note ahead: the more, the faster they follow each other."""
        ...

    def pages(
        self, *, issue: int | None, late: bool | None, hold_unknown: bool
    ) -> Iterator[list[Delivery]]:
        """Yield what was taken up, some at a time."""
        ...

    def commit(
        self,
        outcomes: Mapping[int, Outcome],
        intents: Collection[int],
        *,
        now: datetime,
        never_left: Collection[int],
        coming: Collection[int],
    ) -> int:
        """Note outcomes and intents; return what to wait for before one that is coming leaves."""
        ...

    def wait_for_sync(self, commit: int) -> None:
        """Wait until no power cut can undo a commit."""
        ...

    def take_back(self, intents: Mapping[int, DeliveryStatus]) -> None:
        """Give those that never left the status they had."""
        ...

    def failed_to_compose(
        self, delivery: int, reason: str, *, now: datetime, never_left: bool
    ) -> int:
        """Count a failure."""
        ...


class Ahead:
    """A claim on what was taken up, of one issue or of all, given back when the context ends.

    Where intents follow each other, one commit notes the intents of the next deliveries in line as
    well, while half of those before are still to leave; so the disk has them, most of the time,
    when their turn comes. The outcomes until then are left for the next sync.
    """

    def __init__(
        self, book: "Noting", *, issue: int | None, late: bool | None, hold_unknown: bool
    ) -> None:
        self._book = book
        self._issue = issue
        self._late = late
        self._hold_unknown = hold_unknown
        self._line: dict[int, DeliveryStatus] = {}  # what was not tried yet, with its status
        # Noted ahead: with the status before, and the commit that must be on the disk.
        self._noted: dict[int, tuple[DeliveryStatus, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()

    def release(self) -> None:
        """Take back the intents of what was noted ahead and did not leave; sync all outcomes."""
        self._book.take_back({id_: status for id_, (status, _) in self._noted.items()})
        self._noted.clear()

    def __iter__(self) -> Iterator[Delivery]:
        """Yield what is claimed, those that share an edition together, each once.

        Outcomes may be committed meanwhile.
        """
        for page in self._book.pages(
            issue=self._issue, late=self._late, hold_unknown=self._hold_unknown
        ):
            self._line = {each.id: each.status for each in page}
            yield from page

    def commit(
        self, outcomes: Mapping[int, Outcome], intents: Collection[int], *, now: datetime
    ) -> frozenset[int]:
        """Note outcomes, and what is about to leave, as `Deliveries.commit` does.

        Returns those of `intents` that are granted: here all of them.
        """
        noted, line = self._noted, self._line
        fresh = [delivery for delivery in intents if delivery not in noted]
        for delivery in (*outcomes, *intents):
            line.pop(delivery, None)
        ahead: dict[int, DeliveryStatus] = {}
        # What is noted and never leaves would be held back after a kill, for nothing.
        reach = 0 if self._hold_unknown or not intents else self._book.reach
        if len(noted) <= reach / 2:
            coming = islice(line.items(), reach)
            ahead = {id_: status for id_, status in coming if id_ not in noted}
        commit = self._book.commit(
            outcomes, fresh, now=now, never_left=noted.keys(), coming=ahead.keys()
        )
        for delivery in outcomes:
            noted.pop(delivery, None)
        leaving = [noted.pop(delivery)[1] for delivery in intents if delivery in noted]
        if leaving:
            self._book.wait_for_sync(max(leaving))
        for delivery, status in ahead.items():
            noted[delivery] = status, commit
        return frozenset(intents)

    def holds(self, _delivery: int) -> bool:
        """Return True: nobody else writes to this ledger while the run has it."""
        return True

    @property
    def pause(self) -> float | None:
        """None: what there is to claim, this run has claimed."""
        return None

    def failed_to_compose(self, delivery: int, reason: str, *, now: datetime) -> int:
        """Count that a message could not be composed; return how often that happened."""
        failures = self._book.failed_to_compose(
            delivery, reason, now=now, never_left=delivery in self._noted
        )
        self._line.pop(delivery, None)
        self._noted.pop(delivery, None)
        return failures
