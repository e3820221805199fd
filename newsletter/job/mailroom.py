"""Deliver what is outstanding: compose, hand to the transport, write down what became of it.

It decides nothing about who is owed what; that was committed when the issue was opened.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property, lru_cache, partial
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from newsletter.errors import NewsletterError, SubscribersError
from newsletter.issues.issue import Covered, edition_for
from newsletter.models import (
    FINAL,
    Abstracts,
    Delivery,
    Issue,
    Outcome,
    Outgoing,
    Rendered,
    Transport,
    Worded,
)
from newsletter.state.engines import Claim
from newsletter.state.state import State
from newsletter.subscribers.suppressions import KeptOff

if TYPE_CHECKING:  # where nobody is owed anything, none is made
    from newsletter.mails.message import Composer
    from newsletter.mails.ready.quoted import Ready
    from newsletter.mails.render import Renderer
    from newsletter.mails.template import Layout

MAX_FAILURES = 3

_log = logging.getLogger(__name__)


class Ordering(Protocol):
    """Who knows in which order readers with papers of their own get an edition."""

    def ahead(
        self, deliveries: Iterable[Delivery], issues: Callable[[int, int], Sequence[Issue]], /
    ) -> Iterator[Delivery]:
        """Yield deliveries, with what can be prepared of many at once prepared."""
        ...

    def order(
        self, delivery: Delivery, issues: Sequence[Issue], among: Collection[str], /
    ) -> Worded | None:
        """Return the order of the papers `among` those of some issues; None: the usual one."""
        ...


class Press:
    """Turns deliveries into messages; what editions share is made once.

    `open_renderer` is called when there is something to print: its libraries take longer to import
    than a day without news takes in all.
    `issues` returns the issues numbered after < number <= upto, oldest first; `abstracts` is how
    much of them readers see who do not say; `orders` knows who has papers in an order of their own.
    """

    def __init__(
        self,
        issues: Callable[[int, int], Sequence[Issue]],
        open_renderer: "Callable[[], Renderer]",
        open_composer: "Callable[[], Composer]",
        *,
        abstracts: Abstracts = "excerpt",
        orders: Ordering | None = None,
    ) -> None:
        self._abstracts: Abstracts = abstracts
        self._open_renderer = open_renderer
        self._open_composer = open_composer
        self._orders = orders
        # Deliveries come sorted by issues, then by keywords, so a handful is enough.
        self._issues = lru_cache(maxsize=1)(issues)
        self._covered = lru_cache(maxsize=1)(lambda after, upto: Covered(self._issues(after, upto)))
        self._day = lru_cache(maxsize=1)(
            lambda number: next((each.date for each in issues(number - 1, number)), None)
        )
        self._layout = lru_cache(maxsize=8)(self._laid_out)
        self._rendered = lru_cache(maxsize=8)(self._render)

    @cached_property
    def _renderer(self) -> "Renderer":
        return self._open_renderer()

    @cached_property
    def _composer(self) -> "Composer":
        return self._open_composer()

    def require_templates(self) -> None:
        """Raise RenderError for templates that cannot be used."""
        _ = self._renderer, self._composer

    def ahead(self, deliveries: Iterable[Delivery]) -> Iterator[Delivery]:
        """Yield deliveries, with what can be prepared of many at once prepared."""
        return self._orders.ahead(deliveries, self._issues) if self._orders else iter(deliveries)

    def outgoing(self, delivery: Delivery) -> Outgoing:
        """Compose the message of one delivery; raises RenderError for a broken template."""
        whole = self._composer.outgoing(delivery, self._edition(delivery))
        return replace(whole, smallest=partial(self._smallest, delivery))

    def rendered(self, delivery: Delivery, *, smallest: bool = False) -> Rendered:
        """Return the edition of one delivery as text, without what is in its slots."""
        choice = self._choice(delivery)
        if order := self._order(delivery, choice):
            return self._renderer.render(self._layout(*choice), order=order, smallest=smallest)
        return self._rendered(choice, smallest=smallest)

    def _edition(self, delivery: Delivery) -> "Ready | Rendered":
        """Return the edition of one delivery, ready where it has an order of its own, and fits."""
        choice = self._choice(delivery)
        if order := self._order(delivery, choice):
            layout = self._layout(*choice)
            return self._renderer.ready(layout, order) or self._renderer.render(layout, order=order)
        return self._rendered(choice, smallest=False)

    def _choice(self, delivery: Delivery) -> tuple[int, int, tuple[str, ...], bool, Abstracts]:
        """Return what says which edition is due."""
        return (
            delivery.issue,
            delivery.after,
            delivery.keywords,
            delivery.frequency == "weekly",
            delivery.abstracts or self._abstracts,
        )

    def _order(self, delivery: Delivery, choice: tuple[Any, ...]) -> Worded | None:
        """Return the order of one delivery, where it has one of its own."""
        if not self._orders:
            return None
        issues = self._issues(delivery.after, delivery.issue)
        return self._orders.order(delivery, issues, self._layout(*choice).where)

    def _smallest(self, delivery: Delivery) -> Outgoing | None:
        """Compose it once more with titles alone, for a server that takes no larger one."""
        try:
            return self._composer.outgoing(delivery, self.rendered(delivery, smallest=True))
        except Exception as error:  # noqa: BLE001 - the whole one is there, and waits
            _log.warning("delivery %d: no smaller mail can be made: %r", delivery.id, error)
            return None

    def _render(self, choice: tuple[Any, ...], *, smallest: bool) -> Rendered:
        return self._renderer.render(self._layout(*choice), smallest=smallest)

    def _laid_out(
        self,
        issue: int,
        after: int,
        keywords: tuple[str, ...],
        weekly: bool,  # noqa: FBT001 (a cache knows its arguments by their places)
        abstracts: Abstracts,
    ) -> "Layout":
        covered = self._covered(after, issue)
        before = self._day(after) if weekly else None
        edition = edition_for(covered, keywords, weekly=weekly, before=before, abstracts=abstracts)
        return self._renderer.laid_out(edition)


class Mailroom(Struct, frozen=True, kw_only=True):
    """Everything it takes to get deliveries out of the door.

    `clock` tells the time of each outcome; `stop`, once set, ends the work after what is in
    flight; `progress` is told how many deliveries have ended, and of how many.
    """

    state: State
    press: Press
    transport: Transport
    suppressions: KeptOff
    clock: Callable[[], datetime]
    hold_unknown: bool = False
    stop: Event = field(default_factory=Event)
    progress: Callable[[int, int], None] = lambda _ended, _of: None

    def deliver(self, *, issue: int | None = None, late: bool | None = None) -> None:
        """Work through what was taken up, or what `Book.claim` says of it.

        Raises TransportError when the transport cannot go on, SubscribersError or OSError when
        the suppressions cannot be read any more: the rest stays outstanding.
        """
        of = self.state.deliveries.expected()
        pause: float | None = 0
        while pause is not None and not self.stop.wait(pause):
            with self.state.claim(issue=issue, late=late, hold_unknown=self.hold_unknown) as claim:
                ledger = _Ledger(
                    claim, self.suppressions, self.clock, lambda ended: self.progress(ended, of)
                )
                self.transport.send(self._outgoing(claim, ledger), ledger)
            if ledger.trouble:
                raise ledger.trouble
            pause = claim.pause

    def _outgoing(self, claim: Claim, ledger: "_Ledger") -> Iterator[Outgoing]:
        for delivery in self.press.ahead(claim):
            if self.stop.is_set() or ledger.trouble:
                return
            self.press.require_templates()  # where they are missing, no edition is to blame
            try:
                outgoing = self.press.outgoing(delivery)
            except (NewsletterError, OSError, MemoryError, ImportError):
                raise  # nor where this machine, its disk, a library or the ledger is
            except Exception as error:  # noqa: BLE001 - one poisonous edition must not stop the rest
                _set_aside(claim, delivery, f"{type(error).__name__}: {error}", now=self.clock())
                continue
            ledger.hand_over(delivery)
            yield outgoing


class _Ledger:
    """The ledger of one delivery run: whose mails the transport has, and what becomes of them.

    `trouble` is why nothing may leave any more, once there is a reason.
    """

    def __init__(
        self,
        claim: Claim,
        suppressions: KeptOff,
        clock: Callable[[], datetime],
        progress: Callable[[int], None],
    ) -> None:
        self.trouble: SubscribersError | OSError | None = None
        self._claim = claim
        self._suppressions = suppressions
        self._clock = clock
        self._progress = progress
        self._recipients: dict[int, str] = {}  # of what the transport has, by delivery
        self._ended = 0

    def holds(self, delivery: int) -> bool:
        """Return whether what was granted still may leave."""
        return self._claim.holds(delivery)

    def hand_over(self, delivery: Delivery) -> None:
        """Remember whom a mail is for that the transport is about to get."""
        self._recipients[delivery.id] = delivery.recipient

    def commit(self, outcomes: Mapping[int, Outcome], intents: Collection[int]) -> frozenset[int]:
        """Be the transport's ledger: suppressions are looked up before an intent is noted.

        Where they cannot be, nothing may leave any more; what is in flight gets its outcome.
        """
        try:
            self._suppressions.refresh()
        except (SubscribersError, OSError) as error:
            self.trouble = error
        if self.trouble:
            intents = ()
        suppressed = {
            delivery: Outcome(status="suppressed", text=reason)
            for delivery in intents
            if (reason := self._suppressions.reason_for(self._recipients[delivery]))
        }
        wanted = frozenset(intents) - suppressed.keys()
        granted = self._claim.commit({**outcomes, **suppressed}, wanted, now=self._clock())
        ended = [id_ for id_, each in outcomes.items() if each.status in FINAL] + [*suppressed]
        for delivery in ended:
            self._recipients.pop(delivery, None)
        if ended:
            self._ended += len(ended)
            self._progress(self._ended)
        return granted


def _set_aside(claim: Claim, delivery: Delivery, reason: str, *, now: datetime) -> None:
    if claim.failed_to_compose(delivery.id, reason, now=now) >= MAX_FAILURES:
        given_up = Outcome(
            status="rejected", text=f"could not be composed {MAX_FAILURES} times: {reason}"
        )
        claim.commit({delivery.id: given_up}, [], now=now)


class Aside(Struct):
    """The ledger of letters that are nobody's deliveries: it remembers what became of each.

    They are told apart by what stands in `Outgoing.delivery`, 0 where there is but one.
    """

    _outcomes: dict[int, Outcome] = field(default_factory=dict)

    def commit(self, outcomes: Mapping[int, Outcome], intents: Collection[int]) -> frozenset[int]:
        """Let everything leave, and note the outcomes."""
        self._outcomes.update(outcomes)
        return frozenset(intents)

    def holds(self, _delivery: int) -> bool:
        """Return True: nobody else has it."""
        return True

    def outcome(self, number: int = 0) -> Outcome:
        """Return what became of a letter."""
        return self._outcomes.get(number) or Outcome(status="untried", text="it was not tried")
