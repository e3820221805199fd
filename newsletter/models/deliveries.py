"""What is owed to whom, how it leaves, what became of it, and what came back."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime
from typing import Literal, Protocol

from msgspec import Struct

from newsletter.models.people import Abstracts, Format, Frequency

DeliveryStatus = Literal[
    "untried", "sending", "deferred", "unknown", "accepted", "rejected", "suppressed", "expired"
]


FINAL: frozenset[DeliveryStatus] = frozenset({"accepted", "rejected", "suppressed", "expired"})


class Rendered(Struct, frozen=True, kw_only=True):
    """An edition as text, in pieces that follow one another.

    Joined, the pieces are the whole part. Most are shared by many editions (one paper's card is
    the same string object in all of them), so whatever is done to a piece can be done once.
    A piece may hold the slots `pieces.UNSUBSCRIBE` and `PREFERENCES`, nothing else is personal.
    `date` is that of the issue.
    """

    date: date
    subject: str
    html: tuple[str, ...]
    text: tuple[str, ...]


class Delivery(Struct, frozen=True, kw_only=True):
    """What is owed to one recipient for one issue, frozen when the issue was opened.

    `keywords` are in the subscriber's order; in per-keyword mode there is one delivery a keyword.
    `after` is the number of the last issue whose news the recipient has had: the edition takes
    everything after it. `abstracts` is None for what the newsletter does. `attempts` counts how
    often it was tried.
    """

    id: int
    issue: int
    after: int
    recipient: str
    keywords: tuple[str, ...]
    format: Format
    frequency: Frequency = "daily"
    abstracts: Abstracts | None = None
    status: DeliveryStatus = "untried"
    attempts: int = 0


class Envelope(Struct, frozen=True, kw_only=True):
    """RFC 5321 sender and recipient; `id` is the ENVID of a delivery status notification."""

    sender: str
    recipient: str
    id: str = ""

    @property
    def ours(self) -> frozenset[str]:
        """The addresses in it that are ours: none where we write to ourselves."""
        return frozenset({self.sender} - {self.recipient})


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one attempt: a delivery status, and the reply that led to it.

    `code` is the SMTP reply code, 0 where no server was asked or none answered; `text` is the
    reply, or the reason in plain words.
    """

    status: DeliveryStatus
    code: int = 0
    text: str = ""


class Outgoing(Struct, frozen=True, kw_only=True):
    """A message ready to leave: CRLF line ends, not dot-stuffed, in parts to be joined.

    No part begins or ends inside a line, and parts shared by many messages are the same object in
    all of them. `smallest` makes the message again for a server that takes no more; it returns None
    where there is nothing to leave out. An `encoded` message is quoted-printable: no line begins
    with a dot, and whatever is not ASCII is in one of the first two parts, which are its headers.
    """

    delivery: int
    envelope: Envelope
    message: tuple[bytes, ...]
    smallest: Callable[[], "Outgoing | None"] = lambda: None
    encoded: bool = False

    @property
    def size(self) -> int:
        """How many bytes the message has."""
        return sum(map(len, self.message))


class Ledger(Protocol):
    """What a transport writes down while it works."""

    def commit(self, outcomes: Mapping[int, Outcome], intents: Collection[int]) -> frozenset[int]:
        """Note in one transaction what became of some deliveries and what leaves next.

        Both are keyed by `Delivery.id`; outcomes come first where one is in both. An intent is
        committed before the message's envelope is sent, so that a suppression is seen in time; at
        most one earlier message of the same connection may still await its outcome then. Returns
        those of `intents` that may leave; the others were suppressed meanwhile and are on record
        as such, or stay outstanding. A transport may call it from another thread, but never twice
        at once.
        """
        ...

    def holds(self, delivery: int) -> bool:
        """Return whether an intent still may leave: asked right before its final dot."""
        ...


class Transport(Protocol):
    """How a message leaves."""

    def send(self, outgoing: Iterator[Outgoing], ledger: Ledger) -> None:
        """Take messages until there are none, telling the ledger before and after each.

        Raises TransportError when going on is useless; what was not recorded stays outstanding.
        """
        ...


class Owed(Struct, frozen=True, kw_only=True):
    """What one recipient is about to be owed: the news of `keywords` after issue `after`."""

    recipient: str
    keywords: tuple[str, ...]
    format: Format
    after: int
    frequency: Frequency = "daily"
    abstracts: Abstracts | None = None


class Tally(Struct, frozen=True, kw_only=True):
    """Deliveries a run worked on, by status; `planned` is the sum of the final ones and the rest.

    `deferred` and `unknown` are counted inside `outstanding`.
    """

    accepted: int = 0
    deferred: int = 0
    rejected: int = 0
    unknown: int = 0
    suppressed: int = 0
    expired: int = 0
    outstanding: int = 0

    @property
    def planned(self) -> int:
        """How many deliveries there were to work on."""
        return self.accepted + self.rejected + self.suppressed + self.expired + self.outstanding


# dead: the address is no more. soft: it could not take the mail for now. ours: it was we who were
# refused. unknown: nobody can say.
BounceKind = Literal["dead", "soft", "ours", "unknown"]


class Bounce(Struct, frozen=True, kw_only=True):
    """A failure of one issue for one address; `issue` is 0 where none is known."""

    address: str
    issue: int
    kind: BounceKind
    text: str


class Mailing(Struct, frozen=True, kw_only=True):
    """An issue that went to an address, and what came back: None where nothing did."""

    issue: int
    opened: datetime
    kind: BounceKind | None
