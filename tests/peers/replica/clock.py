"""A clock that tests move. It never waits: to sleep is to move it."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Wall time and monotonic time that advance together, and only when told to."""

    def __init__(self, start: datetime = datetime(2025, 6, 2, 10, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1000.0
        self.slept = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Advance by `seconds`, which `slept` adds up."""
        self.slept += seconds
        self._advance(seconds)

    def set(self, now: datetime) -> None:
        """Go to a wall time. Backwards moves the wall clock alone, as on a real machine."""
        self._monotonic += max(0.0, (now - self._now).total_seconds())
        self._now = now

    def _advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
