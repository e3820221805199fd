"""Who waits in line: the messages that are still to come, and those that get another try.

It decides who goes next, and nothing about when or how.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import inf

from newsletter.models import Outgoing

_MAX_RETRIES = 1000  # messages kept for another try before new ones are taken


@dataclass(slots=True)
class Item:
    """A message on its way; `tries` is how often it has failed for reasons of its own.

    `seen` is how many others the server had accepted when this one was last taken up.
    """

    outgoing: Outgoing
    tries: int = 0
    seen: int = 0

    @property
    def delivery(self) -> int:
        """The delivery that it is the message of."""
        return self.outgoing.delivery


class Line:
    """Messages in the order in which they go: whose turn has come again, then new ones.

    New ones are taken from `outgoing` one by one, as they are needed; what it raises comes out of
    `peek` and `take`.
    """

    def __init__(self, outgoing: Iterator[Outgoing]) -> None:
        self._fresh = map(Item, outgoing)
        self._peeked: Item | None = None
        self._retries: list[tuple[float, int, Item]] = []
        self._order = count()

    @property
    def next_retry(self) -> float:
        """When the next one that was put off may go."""
        return self._retries[0][0] if self._retries else inf

    def peek(self, now: float) -> Item | None:
        """Return what goes next, without taking it; None where there is nothing at the moment."""
        if self.next_retry <= now:
            return self._retries[0][-1]
        if self._peeked is None and len(self._retries) < _MAX_RETRIES:
            self._peeked = next(self._fresh, None)
        return self._peeked

    def take(self, now: float) -> Item | None:
        """Return what goes next; it is in line no more."""
        item = self.peek(now)
        if item is self._peeked:
            self._peeked = None
        elif item:
            heapq.heappop(self._retries)
        return item

    def ended(self, now: float) -> bool:
        """Return whether nobody is in line any more."""
        return not self._retries and self.peek(now) is None

    def put_off(self, item: Item, due: float) -> None:
        """Let a message go again, from `due` on."""
        heapq.heappush(self._retries, (due, next(self._order), item))
