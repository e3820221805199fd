"""Hand messages to one SMTP server over a few connections at once.

It asks the ledger before anything leaves and tells it what became of it; it composes nothing and
decides nothing about who is owed what.
"""

import heapq
import logging
import selectors
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from math import inf
from random import SystemRandom
from ssl import SSLSocket, cert_time_to_seconds
from threading import Event
from types import TracebackType
from typing import Self

from newsletter.errors import CONFIG, TEMPORARY, UNAVAILABLE, NewsletterError, TransportError
from newsletter.models import DeliveryStatus, Ledger, Outcome, Outgoing
from newsletter.sending.doors import Doors
from newsletter.sending.pace import LONGEST_BACKOFF, Pace
from newsletter.sending.replies import Reply, advice
from newsletter.sending.session import (
    Answer,
    LostError,
    Patience,
    Server,
    Session,
    connect,
    tls_context,
)

__all__ = ["Patience", "ProbeResult", "Server", "SmtpTransport", "probe"]

_BUSY_TRIES = 8  # back-offs in a row that a server may ask for: more than two minutes in all
_GLANCE = 0.2  # seconds between looks at `stop`
_MAX_ERRORS = 18  # on a connection: Postfix hangs up at 20, and EHLO may have been one
_MAX_RETRIES = 1000  # messages kept for another try before new ones are taken
_POLICY_ROW = 3
_POLICY_SHARE = 0.05
_STATUS: dict[str, DeliveryStatus] = {
    "done": "accepted",
    "refused": "rejected",
    "unknown": "unknown",
}

log = logging.getLogger(__name__)


class SmtpTransport:
    """A `Transport` over SMTP; one thread, and a short-lived one for each connection being set up.

    `stop`, once set, ends the work: what is in flight is finished, or given up after
    `patience.grace` seconds. `credit` is how many messages may leave at once under
    `rate_per_minute`: less than 1 where the run before has just used the rate up.

    An intent is committed before MAIL FROM, so that a suppression is seen in time, and one commit
    serves all connections that are ready. With PIPELINING the envelope of the next message leaves
    together with the text of the one before, so two intents of a connection can be open after a
    kill; but only one of them can have its final dot out, and only that one can arrive twice.
    """

    def __init__(
        self,
        server: Server,
        *,
        patience: Patience | None = None,
        stop: Event | None = None,
        credit: float = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._patience = patience or Patience()
        self._stop = stop or Event()
        self._credit = credit
        self._clock = clock

    def send(self, outgoing: Iterator[Outgoing], ledger: Ledger) -> None:
        """Take messages until there are none, telling the ledger before and after each.

        Raises TransportError where going on is useless: 69 for a server that cannot be reached,
        hangs up on everything or has no TLS to trust, 78 for a refused login or sender and for
        refusals that are about us, 75 for a server that stays busy. Whatever else the iterator
        raises ends the work in the same orderly way. Nobody is rejected for our own faults.
        """
        pace = Pace(self._server.rate_per_minute, self._credit, self._clock())
        with _Run(self._server, self._patience, pace, self._stop, self._clock) as run:
            run.work(outgoing, ledger)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a server is like. `size_limit` is in bytes, 0 where it names none."""

    tls_version: str
    certificate_expires: datetime | None
    logged_in: bool
    size_limit: int
    pipelining: bool


def probe(server: Server, *, patience: Patience | None = None) -> ProbeResult:
    """Connect, log in and leave again; no mail is sent. Raises TransportError."""
    patience = patience or Patience()
    try:
        session = connect(server, patience, tls_context(server))
    except LostError as error:
        exit_code = TEMPORARY if error.busy else UNAVAILABLE
        raise TransportError(str(error), exit_code=exit_code) from error
    sock = session.sock
    certificate = sock.getpeercert() if isinstance(sock, SSLSocket) else None
    result = ProbeResult(
        tls_version=(sock.version() or "") if isinstance(sock, SSLSocket) else "",
        certificate_expires=(
            datetime.fromtimestamp(cert_time_to_seconds(str(certificate["notAfter"])), UTC)
            if certificate
            else None
        ),
        logged_in=bool(server.username),
        size_limit=session.size_limit,
        pipelining=session.pipelining,
    )
    session.quit(now=time.monotonic())
    session.abandon("done")
    return result


@dataclass(slots=True)
class _Item:
    """A message on its way; `tries` is how often it has failed for reasons of its own.

    `seen` is how many others the server had accepted when this one was last taken up.
    """

    outgoing: Outgoing
    tries: int = 0
    seen: int = 0


class _Run:
    """One `send`: the sessions, what is in flight on them, and what waits for another try."""

    def __init__(
        self,
        server: Server,
        patience: Patience,
        pace: Pace,
        stop: Event,
        clock: Callable[[], float],
    ) -> None:
        self._server = server
        self._patience = patience
        self._pace = pace
        self._stop = stop
        self._clock = clock
        self._sessions: list[Session] = []
        self._doors = Doors(server, patience)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._doors, selectors.EVENT_READ)
        self._fresh: Iterator[_Item] = iter(())
        self._peeked: _Item | None = None
        self._retries: list[tuple[float, int, _Item]] = []
        self._order = count()
        self._flying: dict[int, _Item] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._suspects: dict[int, Outcome] = {}
        self._limit = server.connections
        self._accepted = self._refused = self._troubles = 0
        self._resume_at = -inf
        self._end_at = inf
        self._failure: NewsletterError | None = None
        self._random = SystemRandom()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._selector.close()
        self._doors.close()
        for session in self._sessions:
            session.abandon("the run is over")

    def work(self, outgoing: Iterator[Outgoing], ledger: Ledger) -> None:
        """Turn until there is nothing left to do."""
        self._fresh = (_Item(each) for each in outgoing)
        while True:
            now = self._clock()
            if self._stop.is_set():
                self._wind_up(now)
            again = self._hand_out(ledger, now)
            self._open_sessions(now)
            if not self._sessions and self._idle(now):
                break
            self._wait(now, at_most=0 if again else _GLANCE)
        self._conclude()
        if self._outcomes:
            ledger.commit(self._outcomes, ())
        if self._failure:
            raise self._failure

    @property
    def _stopping(self) -> bool:
        return self._end_at < inf

    def _wind_up(self, now: float) -> None:
        """Take nothing more; give up what is still in flight after the time of grace."""
        if not self._stopping:
            self._end_at = now + self._patience.grace
        elif now >= self._end_at:
            for session in self._sessions:
                session.abandon("stopped before the server answered")

    def _fail(self, error: NewsletterError, now: float) -> None:
        self._failure = self._failure or error
        self._wind_up(now)

    def _idle(self, now: float) -> bool:
        return self._stopping or not (self._retries or self._peek(now))

    # What goes out

    def _hand_out(self, ledger: Ledger, now: float) -> bool:
        """Commit once for every session whose turn it is, then let them write.

        Returns whether there was something that may not leave, so that a session went without.
        """
        resting = [each for each in self._sessions if each.resting]
        taken = {each: item for each in resting if (item := self._take(each, now))}
        allowed: frozenset[int] = frozenset()
        if taken or self._outcomes:
            intents = [item.outgoing.delivery for item in taken.values()]
            allowed = ledger.commit(self._outcomes, intents)
            self._outcomes = {}
        for session in resting:
            item = taken.get(session)
            following = item.outgoing if item and item.outgoing.delivery in allowed else None
            if item and following:
                self._flying[following.delivery] = item
            if following or session.due:
                session.advance(following, now=now)
            elif self._finished_with(session, now):
                session.quit(now=now)
            if session.lost:
                self._heed(session, now)
            else:
                self._watch(session)
        return len(allowed) < len(taken)

    def _take(self, session: Session, now: float) -> _Item | None:
        """Return the next message for this session, None where it has to do without."""
        if self._worn(session) or now < self._resume_at or self._pace.wait(now):
            return None
        if session.loaded and not session.pipelining:
            return None
        while item := self._next(now):
            obstacle = session.obstacle(item.outgoing)
            if not obstacle:
                self._pace.spend()
                item.seen = self._accepted
                return item
            self._outcomes[item.outgoing.delivery] = Outcome(status="rejected", text=obstacle)
        return None

    def _worn(self, session: Session) -> bool:
        return (
            session.taken >= self._server.messages_per_connection
            or session.errors + session.at_stake > _MAX_ERRORS
            or self._sessions.index(session) >= self._limit
        )

    def _finished_with(self, session: Session, now: float) -> bool:
        return self._worn(session) or (self._idle(now) and not self._flying)

    def _peek(self, now: float) -> _Item | None:
        """Return what goes next, without taking it: who waited for another try, then the others."""
        if self._stopping:
            return None
        if self._retries and self._retries[0][0] <= now:
            return self._retries[0][-1]
        if self._peeked is None and len(self._retries) < _MAX_RETRIES:
            try:
                self._peeked = next(self._fresh, None)
            except NewsletterError as error:
                self._fail(error, now)
        return self._peeked

    def _next(self, now: float) -> _Item | None:
        item = self._peek(now)
        if item is self._peeked:
            self._peeked = None
        elif item:
            heapq.heappop(self._retries)
        return item

    def _open_sessions(self, now: float) -> None:
        """Open what is missing; just one until the server has shown that it takes our mail."""
        if now < self._resume_at or self._peek(now) is None or self._pace.wait(now):
            return
        limit = self._limit if self._accepted else 1
        while len(self._sessions) + self._doors.pending < limit:
            self._doors.open()

    # What comes back

    def _wait(self, now: float, *, at_most: float) -> None:
        """Wait for the next thing to happen, and take it in."""
        moments = [self._resume_at, now + self._pace.wait(now)]
        if self._retries:
            moments.append(self._retries[0][0])
        pause = min([at_most, *(moment - now for moment in moments if moment > now)])
        ready = {key.fileobj for key, _ in self._selector.select(pause)}
        now = self._clock()
        if self._doors in ready:
            self._let_in(now)
        for session in tuple(self._sessions):
            if session.sock in ready or session.lost or now >= session.deadline:
                self._heed(session, now)

    def _let_in(self, now: float) -> None:
        for result in self._doors.results():
            match result:
                case Session():
                    self._sessions.append(result)
                    self._selector.register(result.sock, selectors.EVENT_READ)
                case LostError():
                    self._back_off(str(result), now, busy=result.busy)
                case NewsletterError():
                    self._fail(result, now)
                case _:
                    raise result

    def _heed(self, session: Session, now: float) -> None:
        """Take in what a session has to tell."""
        for answer in session.pump(now):
            self._settle(answer, session, now)
        if not session.lost:
            self._watch(session)
            return
        self._selector.unregister(session.sock)
        self._sessions.remove(session)
        if session.busy:
            self._back_off(session.lost, now, busy=True)
        elif not (session.served or session.leaving or self._stopping):
            # One that has done some work may go for reasons of its own: many servers close after
            # so many messages, or so many errors.
            self._back_off(session.lost, now, busy=False)

    def _watch(self, session: Session) -> None:
        """Wait for replies, and for room in the socket where there are bytes left to write."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if session.writing else 0)
        if self._selector.get_key(session.sock).events != events:
            self._selector.modify(session.sock, events)

    def _settle(self, answer: Answer, session: Session, now: float) -> None:
        """Decide what an answer means for the recipient, and for the run."""
        delivery, reply = answer.outgoing.delivery, answer.reply
        item = self._flying.pop(delivery)
        code, text = (reply.code, reply.text) if reply else (0, session.lost)
        status = _STATUS.get(answer.meaning, "deferred")
        outcome = self._outcomes[delivery] = Outcome(status=status, code=code, text=text)
        match answer.meaning:
            case "done":
                self._accepted += 1
                self._troubles = 0
            case "refused":
                self._refused += 1
                self._troubles = 0
            case "policy":
                self._suspects[delivery] = replace(outcome, status="rejected")
                self._break_circuit(now)
            case "sender":
                self._fail(_sender_refused(self._server, answer), now)
            case "lost":
                pause = 0 if session.served else self._pause(item.tries)
                # A server that closes after so many messages has not even looked at this one.
                unheard = bool(session.served) and answer.phase == "MAIL"
                self._retry(item, now + pause, counts=not unheard)
            case "temporary":
                self._retry(item, now + self._pause(item.tries))
            case "busy":
                self._back_off(f"{self._server} said {reply}", now, busy=True)
                # A server that takes others meanwhile has nothing against this one.
                self._retry(item, now, counts=self._accepted == item.seen)

    def _retry(self, item: _Item, due: float, *, counts: bool = True) -> None:
        item.tries += counts
        if item.tries < self._server.attempts:
            heapq.heappush(self._retries, (due, next(self._order), item))

    def _back_off(self, reason: str, now: float, *, busy: bool) -> None:
        """Let the server rest, and use half as many connections from then on.

        Several connections that meet the same trouble before the rest is over count once.
        """
        if now < self._resume_at:
            return
        self._limit = max(1, self._limit // 2)
        self._resume_at = now + self._pause(self._troubles)
        self._troubles += 1
        log.info("%s: waiting %.1f s", reason, self._resume_at - now)
        if busy and self._troubles >= _BUSY_TRIES:
            self._fail(
                TransportError(f"{reason}; it stays busy: the rest waits for a later run"), now
            )
        elif not busy and self._troubles >= self._server.attempts:
            self._fail(
                TransportError(
                    f"{reason} ({self._troubles} times in a row): is {self._server} the right"
                    " smtp.host and port, and is it up?",
                    exit_code=UNAVAILABLE,
                ),
                now,
            )

    def _pause(self, before: int) -> float:
        """Return 1 s, 2 s, 4 s ... and some more, so that not everybody comes back at once."""
        pause = self._patience.backoff * 2.0**before
        return min(LONGEST_BACKOFF, pause * self._random.uniform(1, 1.25))

    def _break_circuit(self, now: float) -> None:
        """Stop where refusals show that it is us who are refused, not the recipients."""
        refusals = len(self._suspects)
        answered = self._accepted + self._refused + refusals
        if refusals >= _POLICY_ROW and (not self._accepted or refusals > _POLICY_SHARE * answered):
            self._fail(self._refused_ourselves(), now)

    def _conclude(self) -> None:
        """Decide about refusals by policy: deferred so far, they are final where others passed."""
        if self._suspects and not self._stopping:
            if self._accepted:
                self._outcomes |= self._suspects
            else:
                self._failure = self._refused_ourselves()

    def _refused_ourselves(self) -> TransportError:
        *_, last = self._suspects.values()
        reply = Reply(last.code, last.text.encode())
        return TransportError(
            f"{self._server} refuses our mail ({reply}): {advice(reply)}. Nobody is given up:"
            " what is outstanding goes out once this is mended",
            exit_code=TEMPORARY if reply.status == "5.4.5" else CONFIG,
        )


def _sender_refused(server: Server, answer: Answer) -> TransportError:
    return TransportError(
        f"{server} refuses the sender <{answer.outgoing.envelope.sender}> ({answer.reply}):"
        " check newsletter.sender, bounces.address and what this login may send as",
        exit_code=CONFIG,
    )
