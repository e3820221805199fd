"""The open connections of a run: waiting for what they have to tell, and for each other.

It knows nothing of what is said on them.
"""

import selectors
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from msgspec import Struct

from newsletter.models import Ledger, Outcome
from newsletter.sending.doors import Doors
from newsletter.sending.session import Session

_LONGEST = 0.02  # seconds that others are waited for
_SHORTEST = 0.001  # a selector waits for whole milliseconds
_MAX_ERRORS = 18  # on a connection: Postfix hangs up at 20, and EHLO may have been one


class Events(Struct, frozen=True):
    """What has happened: which connections have something to tell, and what doors opened.

    In place of a session there is the exception that kept it from being set up.
    """

    telling: frozenset[Session]
    opened: tuple[Session | Exception, ...]


class Pool:
    """Sessions that are set up, those that are on the way, and what is heard of either.

    None of them carries more than `messages` messages.
    """

    def __init__(self, doors: Doors, *, messages: int) -> None:
        self._messages = messages
        self._doors = doors
        self._sessions: list[Session] = []
        self._writing: set[Session] = set()  # those that wait for room in the socket
        self._selector = selectors.DefaultSelector()
        self._selector.register(doors, selectors.EVENT_READ, doors)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions))

    def __len__(self) -> int:
        return len(self._sessions)

    def close(self) -> None:
        """Abandon everything."""
        self._selector.close()
        self._doors.close()
        for session in self._sessions:
            session.abandon("the run is over")

    def fill(self, limit: int) -> None:
        """Begin to open what is missing of `limit` connections."""
        while len(self._sessions) + self._doors.pending < limit:
            self._doors.open()

    def worn(self, session: Session, limit: int) -> bool:
        """Return whether a session should be left: it has done its share, or is one too many."""
        return bool(
            session.taken >= self._messages
            or (session.errors and session.errors + session.at_stake > _MAX_ERRORS)
            or (len(self._sessions) > limit and self._sessions.index(session) >= limit)
        )

    def wait(self, seconds: float, *, meanwhile: Callable[[], bool]) -> Events:
        """Wait until something happens, at most `seconds`; sessions that opened are in the pool.

        Before that `meanwhile` is called for as long as it has something to do, and says so.
        """
        happened = self._selector.select(0)
        while not happened and meanwhile():
            happened = self._selector.select(0)
        ready = [key.data for key, _ in happened or self._selector.select(seconds)]
        opened: tuple[Session | Exception, ...] = ()
        if self._doors in ready:
            ready.remove(self._doors)
            opened = tuple(self._doors.results())
        for result in opened:
            if isinstance(result, Session):
                self._sessions.append(result)
                self._selector.register(result.sock, selectors.EVENT_READ, result)
        return Events(frozenset(ready), opened)

    def watch(self, session: Session) -> None:
        """Wait for replies, and for room in the socket where there are bytes left to write."""
        writing = session.writing
        if writing is (session in self._writing):
            return
        self._writing ^= {session}
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
        self._selector.modify(session.sock, events, session)

    def drop(self, session: Session) -> None:
        """Forget a session that is lost."""
        self._selector.unregister(session.sock)
        self._sessions.remove(session)
        self._writing.discard(session)


class Together:
    """Lets sessions share a commit: once one is ready, it waits for others, as long as one takes.

    It waits for those alone whose turn is near, judging by how long the server took the last time:
    with one that is far away hardly ever in vain. Where commits take no time, nobody waits.
    """

    def __init__(self) -> None:
        self._took = 0.0
        self._until: float | None = None

    def commit(
        self, ledger: Ledger, outcomes: Mapping[int, Outcome], intents: Collection[int]
    ) -> frozenset[int]:
        """Commit, and see how long it takes."""
        began = time.monotonic()
        allowed = ledger.commit(outcomes, intents)
        self._took = min(time.monotonic() - began, _LONGEST)
        return allowed

    def left(self, sessions: Iterable[Session], now: float) -> float:
        """Return for how many seconds more to wait; 0 where it is over, or for nobody."""
        if self._until is None:
            self._until = now + self._took
        left = self._until - now
        near = self._until + self._took  # who is a commit late costs less than one of its own
        if left >= _SHORTEST and any(
            not each.resting and each.rests_at <= near for each in sessions
        ):
            return left
        self._until = None
        return 0.0
