"""How often somebody may knock: counted in memory, by a clock that is handed in."""

from collections import deque
from collections.abc import Callable
from threading import Lock

_MOST_NAMES = 10_000


class Limit:
    """At most `times` in `seconds` for each name; who is over it is not counted again."""

    def __init__(self, times: int, seconds: float, clock: Callable[[], float]) -> None:
        self._times = times
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._seen: dict[str, deque[float]] = {}

    def allows(self, name: str = "") -> bool:
        """Count one more for a name, and return whether it is within the limit."""
        now = self._clock()
        with self._lock:
            if name not in self._seen and len(self._seen) >= _MOST_NAMES:
                self._drop_old(now)
            seen = self._seen.setdefault(name, deque())
            while seen and seen[0] <= now - self._seconds:
                seen.popleft()
            if len(seen) >= self._times:
                return False
            seen.append(now)
            return True

    def _drop_old(self, now: float) -> None:
        fresh = {n: s for n, s in self._seen.items() if s and s[-1] > now - self._seconds}
        # Where so many knock at once, the oldest are forgotten, so that memory has an end.
        for name in list(fresh)[: max(0, len(fresh) - _MOST_NAMES // 2)]:
            del fresh[name]
        self._seen = fresh
