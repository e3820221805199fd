"""Hand messages to one SMTP server over a few connections at once.

It asks the ledger before anything leaves and tells it what became of it; it composes nothing and
decides nothing about who is owed what.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from math import inf
from threading import Event

from newsletter.errors import CONFIG, NewsletterError, TransportError
from newsletter.models import DeliveryStatus, Ledger, Outcome, Outgoing
from newsletter.phrases import counted
from newsletter.sending.circuit import ROW, Circuit, Suspect
from newsletter.sending.doors import Doors, LostError, Server
from newsletter.sending.line import Item, Line
from newsletter.sending.pace import Conduct, Meter, Pace, Rest, SharedPace
from newsletter.sending.pool import Pool, Together
from newsletter.sending.replies import Reply
from newsletter.sending.session import Answer, Patience, Session

__all__ = ["Conduct", "Patience", "Server", "SmtpTransport"]

_GLANCE = 0.2  # seconds between looks at `stop`
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
    `rate_per_minute`: less than 1 where the run before has just used the rate up. With a `meter`
    that and every rest hold for all who share it.

    An intent is committed before MAIL FROM, so that a suppression is seen in time, and one commit
    serves all connections that are ready. With PIPELINING the next envelope leaves along with a
    text, so a kill can leave two intents of a connection; the one without its dot never arrived.
    """

    def __init__(
        self,
        server: Server,
        conduct: Conduct | None = None,
        *,
        patience: Patience | None = None,
        stop: Event | None = None,
        credit: float = 1,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._conduct = conduct or Conduct()
        self._patience = patience or Patience()
        self._stop = stop or Event()
        self._credit = credit
        self._meter = meter
        self._clock = clock

    def send(self, outgoing: Iterator[Outgoing], ledger: Ledger) -> None:
        """Take messages until there are none, telling the ledger before and after each.

        Raises TransportError where going on is useless: 69 for a server that cannot be reached,
        hangs up on everything or has no TLS to trust, 78 for a refused login or sender and for
        refusals that are about us, 75 for a server that stays busy. Whatever else the iterator
        raises ends the work in the same orderly way. Nobody is rejected for our own faults.
        """
        rate, now = self._conduct.rate_per_minute, self._clock()
        pace = SharedPace(rate, self._meter, now) if self._meter else Pace(rate, self._credit, now)
        doors = Doors(self._server, self._patience)
        with closing(Pool(doors, messages=self._conduct.messages_per_connection)) as pool:
            run = _Run(self._server, self._conduct, self._patience, pool, pace)
            run.work(Line(outgoing), ledger, stop=self._stop, clock=self._clock)


class _Run:
    """One `send`: what is in flight, and what an answer means for those that wait."""

    def __init__(
        self, server: Server, conduct: Conduct, patience: Patience, pool: Pool, pace: Pace
    ) -> None:
        self._server = server
        self._attempts = conduct.attempts
        self._grace = patience.grace
        self._pool, self._together = pool, Together()
        self._pace = pace
        self._rest = Rest(
            str(server),
            connections=conduct.connections,
            attempts=conduct.attempts,
            backoff=patience.backoff,
        )
        self._circuit = Circuit(str(server))
        self._without: set[str] = set()
        self._oversized: list[str] = []
        self._line = Line(iter(()))
        self._holds: Callable[[int], bool] = lambda _delivery: True
        self._flying: dict[int, Item] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._end_at = inf
        self._failure: NewsletterError | None = None

    def work(self, line: Line, ledger: Ledger, *, stop: Event, clock: Callable[[], float]) -> None:
        """Turn until there is nothing left to do."""
        self._line = line
        self._holds = ledger.holds
        while True:
            now = clock()
            if stop.is_set():
                self._wind_up(now)
            again = self._hand_out(ledger, now)
            self._open_sessions(now)
            if not len(self._pool) and self._idle(now):
                break
            self._wait(clock, at_most=0 if again else _GLANCE)
            while left := self._together.left(self._pool, clock()):
                self._wait(clock, at_most=left)
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
            intents = [item.delivery for item in taken.values()]
            allowed = self._together.commit(ledger, self._outcomes, intents)
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
        while item := self._fetch(now):
            obstacle = session.obstacle(item.outgoing)
            if obstacle:
                self._outcomes[item.delivery] = Outcome(status="rejected", text=obstacle)
            elif session.too_large(item.outgoing) and not (
                item.shrink() and not session.too_large(item.outgoing)
            ):
                self._give_up_on_size(item, session, None)
            else:
                self._pace.spend()
                item.seen = self._circuit.accepted
                return item
        return None

    def _fetch(self, now: float) -> Item | None:
        if self._stopping:
            return None
        try:
            return self._line.take(now, last=self._circuit.asked)
        except NewsletterError as error:
            self._fail(error, now)
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
        """Wait for the next thing to happen, make mails meanwhile, and take it in."""
        now = clock()
        moments = [self._rest.until, now + self._pace.wait(now), self._line.next_retry]
        longest = min([at_most, *(each - now for each in moments if each > now)])
        events = self._pool.wait(longest, meanwhile=lambda: self._line.foresee(len(self._pool)))
        now = clock()
        for result in events.opened:
            if isinstance(result, Session):
                result.do_without(self._without)
                result.holds = self._holds
            else:
                self._heed_failure(result, now)
        for session in self._pool:
            if session in events.telling or session.lost or now >= session.deadline:
                self._heed(session, now)

    def _heed_failure(self, error: Exception, now: float) -> None:
        """Take in why a connection could not be set up."""
        match error:
            case LostError():
                self._let_rest(str(error), now, busy=error.busy)
            case NewsletterError():
                self._fail(error, now)
            case _:
                raise error

    def _let_rest(self, reason: str, now: float, *, busy: bool) -> None:
        """Let the server rest; where it said so itself, others who send to it rest too."""
        if not self._rest.over(now):
            return
        self._fail(self._rest.begin(reason, now, busy=busy), now)
        if busy:
            self._pace.rest(self._rest.until - now)

    def _heed(self, session: Session, now: float) -> None:
        """Take in what a session has to tell."""
        for answer in session.pump(now):
            self._settle(answer, session, now)
        self._do_without(session.given_up)
        if not session.lost:
            self._pool.watch(session)
            return
        self._pool.drop(session)
        # One that has done some work may go for reasons of its own: many servers close after so
        # many messages, or so many errors.
        if session.busy or not (session.served or session.leaving or self._stopping):
            self._let_rest(session.lost, now, busy=session.busy)

    def _do_without(self, extensions: set[str]) -> None:
        """Leave out on all connections what the server refused on one, and say so once."""
        for extension in extensions - self._without:
            log.warning(
                "%s offers %s and does not want it: doing without for the rest of the run;"
                ' smtp.%s = "off" does so from the start',
                self._server,
                extension.upper(),
                extension,
            )
            self._without.add(extension)
            for session in self._pool:
                session.do_without(self._without)

    def _settle(self, answer: Answer, session: Session, now: float) -> None:
        """Note what an answer means for the recipient, and act on what it means for the run."""
        reply = answer.reply
        item = self._flying.pop(answer.outgoing.delivery)
        code, text = (reply.code, reply.text) if reply else (0, session.lost)
        status = _STATUS.get(answer.meaning, "deferred")
        self._outcomes[item.delivery] = Outcome(status=status, code=code, text=text)
        if reply is None:
            if answer.meaning == "lost":
                self._retry_lost(item, answer, session, now)
        elif reply.code >= 500:
            self._heed_refusal(item, answer, reply, session, now)
        elif reply.code >= 400:
            self._heed_delay(item, answer, reply, now)
        else:
            self._circuit.passed(item.recipient)
            self._rest.worked()

    def _heed_refusal(
        self, item: Item, answer: Answer, reply: Reply, session: Session, now: float
    ) -> None:
        """Ask others, or the same again in another way."""
        match answer.meaning:
            case "refused":
                self._circuit.refused += 1
                self._rest.worked()
            case "suspect":
                self._circuit.put_aside(Suspect.of(answer.outgoing, answer.phase, reply))
                self._rest.worked()
                self._break_circuit(now)
            case "do without":
                self._line.put_off(item, now)
            case "too large" if item.shrink():
                self._line.put_off(item, now)
            case "too large":
                self._give_up_on_size(item, session, reply)

    def _heed_delay(self, item: Item, answer: Answer, reply: Reply, now: float) -> None:
        """Put the one recipient off, or let everybody wait."""
        # Those who come again say nothing new about the others.
        first = answer.meaning == "throttled" and not item.tries
        if answer.meaning == "busy" or (first and self._circuit.throttled()):
            self._let_rest(f"{self._server} said {reply}", now, busy=True)
            # A server that takes others meanwhile has nothing against this one.
            self._retry(item, now, counts=self._circuit.accepted == item.seen)
        else:
            self._retry(item, now + self._rest.pause(item.tries))

    def _retry_lost(self, item: Item, answer: Answer, session: Session, now: float) -> None:
        pause = 0 if session.served else self._rest.pause(item.tries)
        # A server that closes after so many messages has not even looked at this one.
        unheard = bool(session.served or session.leaving) and answer.phase == "MAIL"
        self._retry(item, now + pause, counts=not unheard)

    def _retry(self, item: Item, due: float, *, counts: bool = True) -> None:
        item.tries += counts
        if item.tries < self._attempts:
            self._line.put_off(item, due)

    def _break_circuit(self, now: float) -> None:
        """Stop where nobody gets through, once others have been asked."""
        if len(self._circuit.row) < ROW or self._stopping:
            return
        try:
            others = self._line.others(self._circuit.asked)
        except NewsletterError as error:
            self._fail(error, now)
            return
        self._fail(self._circuit.broken(others=others), now)

    def _give_up_on_size(self, item: Item, session: Session, reply: Reply | None) -> None:
        """Leave a message outstanding that is too large even in its smallest form."""
        limit = f"takes {session.size_limit}" if session.size_limit else "names no limit"
        text = f"the message has {item.outgoing.size} bytes at least, the server {limit}"
        code, said = (reply.code, f"{reply.text}: {text}") if reply else (0, text)
        self._outcomes[item.delivery] = Outcome(status="deferred", code=code, text=said)
        self._oversized.append(text)

    def _conclude(self) -> None:
        """Let the suspects be judged, where the work has come to its end."""
        if not self._stopping:
            verdict = self._circuit.verdict()
            for each in verdict.rejected:
                log.warning(
                    "%s refuses %s alone, so it is rejected for this issue: %s",
                    self._server,
                    each.recipient,
                    each.reply,
                )
            self._outcomes |= verdict.outcomes
            self._failure = verdict.trouble
        if self._oversized:
            number = counted(len(self._oversized), "message")
            told = (
                f"{self._server} takes nothing as large as {number} of ours:"
                f" {self._oversized[-1]}; it waits for a server that takes more"
            )
            first = self._failure
            refused = isinstance(first, TransportError) and first.about == "refusals"
            self._failure = TransportError(
                f"{told}; {first}" if first else told,
                exit_code=CONFIG,
                about="sizes" if refused or not first else "server",
            )
