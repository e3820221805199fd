"""What the tests of the SMTP transport share: messages, a ledger that checks its rules, TLS."""

import ssl
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Any

import trustme
from msgspec.structs import fields

from newsletter.errors import NewsletterError
from newsletter.models import FINAL, DeliveryStatus, Envelope, Ledger, Outcome, Outgoing
from newsletter.sending.pace import Meter
from newsletter.sending.smtp import Conduct, Patience, Server, SmtpTransport
from tests.peers.smtp_server import SmtpServer

# Everything a real server may take minutes for, in fractions of a second.
HURRY = Patience(connect=5, command=5, body=5, dot=5, quit=1, backoff=0.01)
SHARED = (b"Subject: news\r\n", b"\r\n", b"Nothing is new under the sun.\r\n" * 20)


def message(number: int, *, recipient: str = "", text: bytes = b"") -> Outgoing:
    """Return the message of delivery `number`; most of its parts are shared with the others."""
    recipient = recipient or f"reader{number}@example.org"
    personal = f"Message-ID: <{number}@example.org>\r\nTo: {recipient}\r\n".encode()
    return Outgoing(
        delivery=number,
        envelope=Envelope(sender="papers@example.org", recipient=recipient, id=f"i1.{number}"),
        message=(personal, *SHARED, *([text] if text else [])),
    )


def messages(count: int) -> Iterator[Outgoing]:
    return map(message, range(1, count + 1))


@dataclass
class Books:
    """A ledger in memory that objects to what the Ledger protocol forbids."""

    suppressed: Collection[int] = ()
    states: dict[int, DeliveryStatus] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    history: dict[int, list[DeliveryStatus]] = field(default_factory=dict)
    most_open: int = 0

    def holds(self, _delivery: int) -> bool:
        return True

    def commit(self, outcomes: Mapping[int, Outcome], intents: Collection[int]) -> frozenset[int]:
        for delivery, outcome in outcomes.items():
            assert self.states.get(delivery) not in FINAL, f"{delivery} has ended before"
            self._note(delivery, outcome.status)
            self.outcomes[delivery] = outcome
        for delivery in intents:
            assert self.states.get(delivery) not in {*FINAL, "sending"}, f"{delivery} again"
            self._note(delivery, "suppressed" if delivery in self.suppressed else "sending")
        self.most_open = max(self.most_open, list(self.states.values()).count("sending"))
        return frozenset(intents) - frozenset(self.suppressed)

    def _note(self, delivery: int, status: DeliveryStatus) -> None:
        self.states[delivery] = status
        self.history.setdefault(delivery, []).append(status)

    def having(self, status: DeliveryStatus) -> list[int]:
        return sorted(delivery for delivery, each in self.states.items() if each == status)


def transport_to(
    server: SmtpServer,
    *,
    patience: Patience = HURRY,
    stop: Event | None = None,
    credit: float = 1,
    meter: Meter | None = None,
    clock: Callable[[], float] = time.monotonic,
    **changes: Any,
) -> SmtpTransport:
    """Return a transport to a scripted server: one connection and no TLS unless told otherwise.

    `changes` are to the fields of Server and Conduct.
    """
    of_conduct = {each.name for each in fields(Conduct)} & changes.keys()
    behaving: dict[str, Any] = {
        "connections": 1,
        **{name: changes.pop(name) for name in of_conduct},
    }
    reaching: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        **changes,
    }
    return SmtpTransport(
        Server(**reaching),
        Conduct(**behaving),
        patience=patience,
        stop=stop,
        credit=credit,
        meter=meter,
        clock=clock,
    )


def send(
    outgoing: Iterable[Outgoing],
    server: SmtpServer,
    *,
    books: Books | None = None,
    patience: Patience = HURRY,
    stop: Event | None = None,
    **changes: Any,
) -> Books:
    """Send everything through a scripted server, and return the books; raises what `send` does."""
    books = books or Books()
    transport = transport_to(server, patience=patience, stop=stop, **changes)
    transport.send(iter(outgoing), books)
    assert not server.violations
    return books


def server_tls(
    authority: trustme.CA, *, name: str = "127.0.0.1", until: datetime | None = None
) -> ssl.SSLContext:
    """Return TLS for a server that `authority` vouches for under that name, `until` then."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=until).configure_cert(context)
    return context


class Refusing:
    """A transport that cannot be used at all."""

    def __init__(self, error: NewsletterError) -> None:
        self._error = error

    def send(self, outgoing: Iterator[Outgoing], ledger: Ledger) -> None:
        raise self._error


class Picky:
    """A transport that answers some recipients as told, and takes the others."""

    def __init__(self, answers: dict[str, Outcome]) -> None:
        self._answers = answers
        self.seen: list[bytes] = []

    def send(self, outgoing: Iterator[Outgoing], ledger: Ledger) -> None:
        for each in outgoing:
            ledger.commit({}, [each.delivery])
            self.seen.append(b"".join(each.message))
            accepted = Outcome(status="accepted", code=250)
            ledger.commit({each.delivery: self._answers.get(each.envelope.recipient, accepted)}, [])
