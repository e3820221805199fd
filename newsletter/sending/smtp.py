"""Hand messages to one SMTP server over a few connections at once.

It asks the ledger before anything leaves and tells it what became of it; it composes nothing and
decides nothing about who is owed what.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from ssl import SSLSocket, cert_time_to_seconds
from threading import Event

from newsletter.errors import CONFIG, TEMPORARY, UNAVAILABLE, NewsletterError, TransportError
from newsletter.models import DeliveryStatus, Ledger, Outcome, Outgoing
from newsletter.sending.circuit import Circuit
from newsletter.sending.doors import Doors, LostError, Server, connect, tls_context
from newsletter.sending.line import Item, Line
from newsletter.sending.pace import Conduct, Pace, Rest
from newsletter.sending.pool import Pool
from newsletter.sending.session import Answer, Patience, Session

__all__ = ["Conduct", "Patience", "ProbeResult", "Server", "SmtpTransport", "probe"]

_GLANCE = 0.2  # seconds between looks at `stop`
_STATUS: dict[str, DeliveryStatus] = {
    "done": "accepted",
    "refused": "rejected",
    "unknown": "unknown",
}


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
        conduct: Conduct | None = None,
        *,
        patience: Patience | None = None,
        stop: Event | None = None,
        credit: float = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._manners = conduct or Conduct()
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
        pace = Pace(self._manners.rate_per_minute, self._credit, self._clock())
        doors = Doors(self._server, self._patience)
        with closing(Pool(doors, messages=self._manners.messages_per_connection)) as pool:
            run = _Run(self._server, self._manners, self._patience, pool, pace)
            run.work(Line(outgoing), ledger, stop=self._stop, clock=self._clock)


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


class _Run:
    """One `send`: what is in flight, and what an answer means for those that wait."""

    def __init__(
        self, server: Server, conduct: Conduct, patience: Patience, pool: Pool, pace: Pace
    ) -> None:
        self._server = server
        self._attempts = conduct.attempts
        self._grace = patience.grace
        self._pool = pool
        self._pace = pace
        self._rest = Rest(
            str(server),
            connections=conduct.connections,
            attempts=conduct.attempts,
            backoff=patience.backoff,
        )
        self._circuit = Circuit(str(server))
        self._line = Line(iter(()))
        self._flying: dict[int, Item] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._end_at = inf
        self._failure: NewsletterError | None = None

    def work(self, line: Line, ledger: Ledger, *, stop: Event, clock: Callable[[], float]) -> None:
        """Turn until there is nothing left to do."""
        self._line = line
        while True:
            now = clock()
            if stop.is_set():
                self._wind_up(now)
            again = self._hand_out(ledger, now)
            self._open_sessions(now)
            if not len(self._pool) and self._idle(now):
                break
            self._wait(clock, at_most=0 if again else _GLANCE)
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
            self._end_at = now + self._grace
        elif now >= self._end_at:
            for session in self._pool:
                session.abandon("stopped before the server answered")

    def _fail(self, error: NewsletterError | None, now: float) -> None:
        if error:
            self._failure = self._failure or error
            self._wind_up(now)

    def _idle(self, now: float) -> bool:
        return self._next(now) is None and (self._stopping or self._line.ended(now))

    # What goes out

    def _hand_out(self, ledger: Ledger, now: float) -> bool:
        """Commit once for every session whose turn it is, then let them write.

        Returns whether there was something that may not leave, so that a session went without.
        """
        resting = [each for each in self._pool if each.resting]
        taken = {each: item for each in resting if (item := self._take(each, now))}
        allowed: frozenset[int] = frozenset()
        if taken or self._outcomes:
            allowed = ledger.commit(self._outcomes, [item.delivery for item in taken.values()])
            self._outcomes = {}
        for session in resting:
            item = taken.get(session)
            following = item.outgoing if item and item.delivery in allowed else None
            if item and following:
                self._flying[item.delivery] = item
            if following or session.due:
                session.advance(following, now=now)
            elif self._finished_with(session, now):
                session.quit(now=now)
            if session.lost:
                self._heed(session, now)
            else:
                self._pool.watch(session)
        return len(allowed) < len(taken)

    def _take(self, session: Session, now: float) -> Item | None:
        """Return the next message for this session, None where it has to do without."""
        if self._worn(session) or not self._rest.over(now) or self._pace.wait(now):
            return None
        if session.loaded and not session.pipelining:
            return None
        while self._next(now) and (item := self._line.take(now)):
            obstacle = session.obstacle(item.outgoing)
            if not obstacle:
                self._pace.spend()
                item.seen = self._circuit.accepted
                return item
            self._outcomes[item.delivery] = Outcome(status="rejected", text=obstacle)
        return None

    def _next(self, now: float) -> Item | None:
        """Return who is next; nobody is once the work is being wound up."""
        if self._stopping:
            return None
        try:
            return self._line.peek(now)
        except NewsletterError as error:
            self._fail(error, now)
            return None

    def _worn(self, session: Session) -> bool:
        return self._pool.worn(session, self._rest.connections)

    def _finished_with(self, session: Session, now: float) -> bool:
        return self._worn(session) or (self._idle(now) and not self._flying)

    def _open_sessions(self, now: float) -> None:
        """Open what is missing; just one until the server has shown that it takes our mail."""
        if self._rest.over(now) and self._next(now) and not self._pace.wait(now):
            self._pool.fill(self._rest.connections if self._circuit.accepted else 1)

    # What comes back

    def _wait(self, clock: Callable[[], float], *, at_most: float) -> None:
        """Wait for the next thing to happen, and take it in."""
        now = clock()
        moments = [self._rest.until, now + self._pace.wait(now), self._line.next_retry]
        events = self._pool.wait(min([at_most, *(each - now for each in moments if each > now)]))
        now = clock()
        for result in events.opened:
            if not isinstance(result, Session):
                self._heed_failure(result, now)
        for session in self._pool:
            if session in events.telling or session.lost or now >= session.deadline:
                self._heed(session, now)

    def _heed_failure(self, error: Exception, now: float) -> None:
        """Take in why a connection could not be set up."""
        match error:
            case LostError():
                self._fail(self._rest.begin(str(error), now, busy=error.busy), now)
            case NewsletterError():
                self._fail(error, now)
            case _:
                raise error

    def _heed(self, session: Session, now: float) -> None:
        """Take in what a session has to tell."""
        for answer in session.pump(now):
            self._settle(answer, session, now)
        if not session.lost:
            self._pool.watch(session)
            return
        self._pool.drop(session)
        # One that has done some work may go for reasons of its own: many servers close after so
        # many messages, or so many errors.
        if session.busy or not (session.served or session.leaving or self._stopping):
            self._fail(self._rest.begin(session.lost, now, busy=session.busy), now)

    def _settle(self, answer: Answer, session: Session, now: float) -> None:
        """Decide what an answer means for the recipient, and for the run."""
        delivery, reply = answer.outgoing.delivery, answer.reply
        item = self._flying.pop(delivery)
        code, text = (reply.code, reply.text) if reply else (0, session.lost)
        status = _STATUS.get(answer.meaning, "deferred")
        outcome = self._outcomes[delivery] = Outcome(status=status, code=code, text=text)
        match answer.meaning:
            case "done":
                self._circuit.passed()
                self._rest.worked()
            case "refused":
                self._circuit.refused()
                self._rest.worked()
            case "policy":
                self._fail(self._circuit.suspect(delivery, outcome), now)
            case "sender":
                self._fail(_sender_refused(self._server, answer), now)
            case "lost":
                pause = 0 if session.served else self._rest.pause(item.tries)
                # A server that closes after so many messages has not even looked at this one.
                unheard = bool(session.served) and answer.phase == "MAIL"
                self._retry(item, now + pause, counts=not unheard)
            case "temporary":
                self._retry(item, now + self._rest.pause(item.tries))
            case "busy":
                self._fail(self._rest.begin(f"{self._server} said {reply}", now, busy=True), now)
                # A server that takes others meanwhile has nothing against this one.
                self._retry(item, now, counts=self._circuit.accepted == item.seen)

    def _retry(self, item: Item, due: float, *, counts: bool = True) -> None:
        item.tries += counts
        if item.tries < self._attempts:
            self._line.put_off(item, due)

    def _conclude(self) -> None:
        """Let the suspects be judged, where the work has come to its end."""
        if self._stopping:
            return
        try:
            self._outcomes |= self._circuit.verdict()
        except TransportError as error:
            self._failure = error


def _sender_refused(server: Server, answer: Answer) -> TransportError:
    return TransportError(
        f"{server} refuses the sender <{answer.outgoing.envelope.sender}> ({answer.reply}):"
        " check newsletter.sender, bounces.address and what this login may send as",
        exit_code=CONFIG,
    )
