"""How many messages a minute may leave."""

LONGEST_BACKOFF = 60.0


class Pace:
    """Lets `per_minute` messages through, evenly, with at most one second's worth saved up."""

    def __init__(self, per_minute: float, credit: float, now: float) -> None:
        self._per_second = per_minute / 60
        self._most = max(1.0, self._per_second)
        self._credit = min(credit, self._most)
        self._at = now

    def wait(self, now: float) -> float:
        """Return the seconds until the next message may leave."""
        if not self._per_second:
            return 0
        self._credit = min(self._most, self._credit + (now - self._at) * self._per_second)
        self._at = now
        return max(0, 1 - self._credit) / self._per_second

    def spend(self) -> None:
        """Note that one leaves."""
        self._credit -= 1
