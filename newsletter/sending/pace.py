"""How much may leave at once, and when to rest. It reads no clock; moments are given to it."""

import logging
from math import inf
from random import SystemRandom
from typing import Protocol

from msgspec import Struct

from newsletter.errors import UNAVAILABLE, TransportError

LONGEST_BACKOFF = 60.0

_SLICE = 0.2  # seconds of a shared rate that are taken at a time: what a kill wastes
_GLANCE = 1.0  # seconds between looks at whether another sender was told to rest

_BUSY_TRIES = 8  # back-offs in a row that a server may ask for: more than two minutes in all

log = logging.getLogger(__name__)


class Conduct(Struct, frozen=True, kw_only=True):
    """How a run behaves towards the server.

    `rate_per_minute` 0 is as fast as the server takes it; `attempts` are per run and recipient.
    """

    connections: int = 4
    rate_per_minute: float = 0
    messages_per_connection: int = 100
    attempts: int = 3


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

    def rest(self, seconds: float) -> None:
        """Hear that the server wants to be left alone for so long."""


class Meter(Protocol):
    """The time of a server, which several senders share."""

    def take(self, seconds: float) -> float | None:
        """Take so much of it; return in how many seconds it begins, None where nobody can tell."""
        ...

    def rest(self, seconds: float) -> None:
        """Let nobody have the next seconds."""
        ...


class SharedPace(Pace):
    """A pace that all who share a meter keep together; when one is told to rest, all do.

    It asks the meter when `wait` is called: five times a second, once where there is no rate.
    """

    def __init__(self, per_minute: float, meter: Meter, now: float) -> None:
        super().__init__(per_minute, 0, now)
        self._meter = meter
        self._mails = max(1.0, self._per_second * _SLICE)
        self._seconds = self._mails / self._per_second if per_minute else 0.0
        self._until = now
        self._looked = -inf

    def wait(self, now: float) -> float:
        """Return the seconds until the next message may leave."""
        if now >= self._until and self._has_to_ask(now):
            begins = self._meter.take(self._seconds)
            self._looked = now
            self._until = now + (_GLANCE if begins is None else begins)
            self._credit += 0 if begins is None else self._mails
        return max(0.0, self._until - now)

    def _has_to_ask(self, now: float) -> bool:
        return self._credit < 1 if self._per_second else now >= self._looked + _GLANCE

    def rest(self, seconds: float) -> None:
        """Let all others rest, too."""
        self._meter.rest(seconds)


class Rest:
    """When everybody waits because the server cannot be used, and for how long.

    `until` is the end of the rest, `connections` how many may be open after it: half as many after
    each. A server that is `busy` said so itself; it is waited for longer than one that does not
    answer, which `attempts` rests in a row are enough for.
    """

    def __init__(self, name: str, *, connections: int, attempts: int, backoff: float) -> None:
        self.until = -inf
        self.connections = connections
        self._name = name
        self._attempts = attempts
        self._backoff = backoff
        self._troubles = 0
        self._random = SystemRandom()

    def over(self, now: float) -> bool:
        """Return whether there is no rest, or not any more."""
        return now >= self.until

    def worked(self) -> None:
        """Note that the server did what it is there for, so that no row of troubles is left."""
        self._troubles = 0

    def begin(self, reason: str, now: float, *, busy: bool) -> TransportError | None:
        """Let the server rest; return the error instead where it has had enough of that.

        Several connections that meet the same trouble before the rest is over count once.
        """
        if not self.over(now):
            return None
        self.connections = max(1, self.connections // 2)
        self.until = now + self.pause(self._troubles)
        self._troubles += 1
        log.info("%s: waiting %.1f s", reason, self.until - now)
        if busy and self._troubles >= _BUSY_TRIES:
            return TransportError(f"{reason}; it stays busy: the rest waits for a later run")
        if not busy and self._troubles >= self._attempts:
            return TransportError(
                f"{reason} ({self._troubles} times in a row): is {self._name} the right"
                " smtp.host and port, and is it up?",
                exit_code=UNAVAILABLE,
            )
        return None

    def pause(self, before: int) -> float:
        """Return 1 s, 2 s, 4 s ... and some more, so that not everybody comes back at once."""
        pause = self._backoff * 2.0**before
        return min(LONGEST_BACKOFF, pause * self._random.uniform(1, 1.25))
