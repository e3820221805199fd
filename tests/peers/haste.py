"""Time for those who wait for a server that never answers: no test waits for long."""

import time
from threading import Lock

_TIMES = 100


class Haste:
    """A clock that runs fast from when the server leaves a client waiting until the next comes.

    So a test need not be less patient than a busy machine is slow.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._ahead = 0.0
        self._since: float | None = None

    def __call__(self) -> float:
        with self._lock:
            now = time.monotonic()
            return now + self._ahead + self._gained(now)

    def hurry(self) -> None:
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()

    def walk(self) -> None:
        with self._lock:
            self._ahead += self._gained(time.monotonic())
            self._since = None

    def _gained(self, now: float) -> float:
        return 0.0 if self._since is None else (_TIMES - 1) * (now - self._since)
