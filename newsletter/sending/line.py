"""Who waits in line: the messages that are still to come, and those that get another try.

It decides who goes next, and nothing about when or how.
"""

import heapq
from collections import deque
from collections.abc import Collection, Iterator
from itertools import count
from math import inf

from msgspec import Struct

from newsletter.addresses import domain_of
from newsletter.models import Outgoing

_MAX_RETRIES = 1000  # messages kept for another try before new ones are taken
_FORESIGHT = 500  # messages looked through for somebody at another domain


class Item(Struct):
    """A message on its way; `tries` is how often it has failed for reasons of its own.

    `seen` is how many others the server had accepted when this one was last taken up; `smallest`
    whether the message is in its smallest form.
    """

    outgoing: Outgoing
    tries: int = 0
    seen: int = 0
    smallest: bool = False

    @property
    def delivery(self) -> int:
        """The delivery that it is the message of."""
        return self.outgoing.delivery

    @property
    def recipient(self) -> str:
        """Whom it is for."""
        return self.outgoing.envelope.recipient

    def shrink(self) -> bool:
        """Put the message into its smallest form; return whether it was larger before."""
        if self.smallest:
            return False
        self.smallest = True
        smaller, size = self.outgoing.smallest(), self.outgoing.size
        if smaller is None or smaller.size >= size:
            return False
        self.outgoing = smaller
        return True


class Line:
    """Messages in the order in which they go: whose turn has come again, then new ones.

    New ones are taken from `outgoing` as they are needed; what it raises comes out of `peek`,
    `take` and `others`. Where some domains are to be asked `last`, somebody at another goes first,
    if there is one not far behind.
    """

    def __init__(self, outgoing: Iterator[Outgoing]) -> None:
        self._coming: Iterator[Item] = map(Item, outgoing)
        self._fresh: deque[Item] = deque()
        self._retries: list[tuple[float, int, Item]] = []
        self._order = count()

    @property
    def next_retry(self) -> float:
        """When the next one that was put off may go."""
        return self._retries[0][0] if self._retries else inf

    def peek(self, now: float) -> Item | None:
        """Return what could go next, without taking it; None where there is nothing yet."""
        if self._retries and self.next_retry <= now:
            return self._retries[0][-1]
        if not self._fresh and len(self._retries) < _MAX_RETRIES:
            self._look_ahead()
        return self._fresh[0] if self._fresh else None

    def take(self, now: float, *, last: Collection[str] = ()) -> Item | None:
        """Return what goes next; it is in line no more."""
        item = self.peek(now)
        if item is None:
            return None
        if self._retries and item is self._retries[0][-1]:
            heapq.heappop(self._retries)
            return item
        place = self._elsewhere(last) if last else None
        if place:
            item = self._fresh[place]
            del self._fresh[place]
        else:
            self._fresh.popleft()
        return item

    def foresee(self, most: int) -> bool:
        """Take one more of those to come, unless `most` are here; return whether that was done.

        What it raises comes out when those before have gone.
        """
        try:
            return len(self._fresh) < most and self._look_ahead()
        except Exception as error:  # noqa: BLE001 - its turn comes
            self._coming = _raising(error)
            return False

    def others(self, domains: Collection[str]) -> bool:
        """Return whether somebody new is at another domain, as far as can be seen."""
        return self._elsewhere(domains) is not None

    def ended(self, now: float) -> bool:
        """Return whether nobody is in line any more."""
        return not self._retries and self.peek(now) is None

    def put_off(self, item: Item, due: float) -> None:
        """Let a message go again, from `due` on."""
        heapq.heappush(self._retries, (due, next(self._order), item))

    def _look_ahead(self) -> bool:
        """Take one more of those to come; return whether there was one."""
        item = next(self._coming, None)
        if item:
            self._fresh.append(item)
        return item is not None

    def _elsewhere(self, domains: Collection[str]) -> int | None:
        """Return the place of the first new message to another domain."""
        for place in range(_FORESIGHT):
            if place == len(self._fresh) and not self._look_ahead():
                return None
            if domain_of(self._fresh[place].recipient) not in domains:
                return place
        return None


def _raising(error: Exception) -> Iterator[Item]:
    raise error
    yield
