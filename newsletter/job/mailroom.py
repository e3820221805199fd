"""Deliver what is outstanding: compose, hand to the transport, write down what became of it.

It decides nothing about who is owed what; that was committed when the issue was opened.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from threading import Event

from newsletter.errors import RenderError, SubscribersError
from newsletter.issues.issue import edition_for
from newsletter.mails.message import Composer
from newsletter.mails.render import Renderer
from newsletter.models import FINAL, Delivery, Outcome, Outgoing, Rendered, Transport
from newsletter.state.deliveries import Deliveries
from newsletter.state.state import State
from newsletter.subscribers.suppressions import Suppressions

MAX_FAILURES = 3


class Press:
    """Turns deliveries into messages; what editions share is made once."""

    def __init__(self, state: State, renderer: Renderer, composer: Composer) -> None:
        self._renderer = renderer
        self._composer = composer
        # Deliveries come sorted by issues, then by keywords, so a handful is enough.
        self._issues = lru_cache(maxsize=1)(state.issues)
        self._rendered = lru_cache(maxsize=8)(self._render)

    def outgoing(self, delivery: Delivery) -> Outgoing:
        """Compose the message of one delivery; raises RenderError for a broken template."""
        return self._composer.outgoing(delivery, self.rendered(delivery))

    def rendered(self, delivery: Delivery) -> Rendered:
        """Return the edition of one delivery as text, without what is personal."""
        return self._rendered(delivery.issue, delivery.after, delivery.keywords)

    def _render(self, issue: int, after: int, keywords: tuple[str, ...]) -> Rendered:
        return self._renderer.render(edition_for(self._issues(after=after, upto=issue), keywords))


@dataclass(slots=True, kw_only=True)
class Mailroom:
    """Everything it takes to get a delivery out of the door.

    `clock` tells the time of each outcome; `stop`, once set, ends the work after what is in
    flight; `progress` is told how many deliveries have ended, and of how many.
    """

    deliveries: Deliveries
    press: Press
    transport: Transport
    suppressions: Suppressions
    clock: Callable[[], datetime]
    hold_unknown: bool = False
    stop: Event = field(default_factory=Event)
    progress: Callable[[int, int], None] = lambda _ended, _of: None
    _recipients: dict[int, str] = field(default_factory=dict, init=False)
    _trouble: SubscribersError | OSError | None = field(default=None, init=False)
    _ended: int = field(default=0, init=False)
    _of: int = field(default=0, init=False)

    def deliver(self, *, issue: int | None = None) -> None:
        """Work through what was taken up, or through one issue of it.

        Raises TransportError when the transport cannot go on, SubscribersError or OSError when
        the suppressions cannot be read any more: the rest stays outstanding.
        """
        self._recipients.clear()
        self._ended, self._of = 0, self.deliveries.tally().outstanding
        try:
            self.transport.send(self._outgoing(issue), self)
        finally:
            self.deliveries.release()
        if self._trouble:
            raise self._trouble

    def commit(self, outcomes: Mapping[int, Outcome], intents: Collection[int]) -> frozenset[int]:
        """Be the transport's ledger: suppressions are looked up before an intent is noted.

        Where they cannot be, nothing may leave any more; what is in flight gets its outcome.
        """
        try:
            self.suppressions.refresh()
        except (SubscribersError, OSError) as error:
            self._trouble = error
        if self._trouble:
            intents = ()
        suppressed = {
            delivery: Outcome(status="suppressed", text=reason)
            for delivery in intents
            if (reason := self.suppressions.reason_for(self._recipients[delivery]))
        }
        allowed = frozenset(intents) - suppressed.keys()
        self.deliveries.commit({**outcomes, **suppressed}, allowed, now=self.clock())
        ended = [id_ for id_, each in outcomes.items() if each.status in FINAL] + [*suppressed]
        for delivery in ended:
            self._recipients.pop(delivery, None)
        if ended:
            self._ended += len(ended)
            self.progress(self._ended, self._of)
        return allowed

    def _outgoing(self, issue: int | None) -> Iterator[Outgoing]:
        for delivery in self.deliveries.outstanding(issue=issue, hold_unknown=self.hold_unknown):
            if self.stop.is_set() or self._trouble:
                return
            try:
                outgoing = self.press.outgoing(delivery)
            except RenderError:
                raise
            except Exception as error:  # noqa: BLE001 - one poisonous edition must not stop the rest
                self._set_aside(delivery, f"{type(error).__name__}: {error}")
                continue
            self._recipients[delivery.id] = delivery.recipient
            yield outgoing

    def _set_aside(self, delivery: Delivery, reason: str) -> None:
        now = self.clock()
        if self.deliveries.failed_to_compose(delivery.id, reason, now=now) >= MAX_FAILURES:
            given_up = Outcome(
                status="rejected", text=f"could not be composed {MAX_FAILURES} times: {reason}"
            )
            self.deliveries.commit({delivery.id: given_up}, [], now=now)


@dataclass(slots=True)
class Aside:
    """The ledger of one message that is nobody's delivery: it remembers what became of it."""

    outcome: Outcome = field(default=Outcome(status="untried", text="nothing was tried"))

    def commit(self, outcomes: Mapping[int, Outcome], intents: Collection[int]) -> frozenset[int]:
        """Let everything leave, and note the last outcome."""
        for outcome in outcomes.values():
            self.outcome = outcome
        return frozenset(intents)
