"""The time of a mail server that several senders share, as the database keeps it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Row:
    """A row with the next moment that is free, by a clock, or one that goes only when told."""

    clock: Callable[[], float] | None = None
    told: float = 0.0
    next: float = 0.0
    is_there: bool = True

    @property
    def now(self) -> float:
        return self.clock() if self.clock else self.told

    def take(self, seconds: float) -> float | None:
        if not self.is_there:
            return None
        begins = max(self.next, self.now)
        self.next = begins + seconds
        return begins - self.now

    def rest(self, seconds: float) -> None:
        self.next = max(self.next, self.now + seconds)
