"""Senders that stand still at one moment of a delivery's life each, to be killed there, or robbed.

They are the real command, in processes that are forked from one that has imported everything.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count, repeat
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.peers.between import Between, Hold, Moment
from tests.peers.postgres import SECRETS, Postgres
from tests.peers.smtp_server import ORDINARY, Action, SmtpServer
from tests.whole.fleet import Books, Fleet

RECIPIENTS = 12
PARCEL = 6
CONNECTIONS = 2

_LEASE = b"for update skip locked"
_SWEEP = b"the sender ended before"
_TURN = b"_pg3_0"  # as psycopg calls the statement that the server keeps: once to name it
_RENEWAL = b"and not done and until"
_RELEASE = b"done = not found.owed"

# By name: the statement at which a sender stands, or the phase of its talk with the mail server.
POINTS: Mapping[str, Moment | str] = {
    "a lease is asked for": Moment(_LEASE),
    "a lease is had, unknowingly": Moment(_LEASE, answered=True),
    "the parcel is looked through": Moment(_SWEEP),
    "the parcel was looked through": Moment(_SWEEP, answered=True),
    "the first intent is asked for": Moment(_TURN, 2),
    "the first intent is granted, unknowingly": Moment(_TURN, 2, answered=True),
    "the server hears whom it is for": "RCPT",
    "the server asks for the text": "DATA",
    "the server has a part of the text": "body",
    "the server has taken the mail": "dot",
    "an outcome is to be noted": Moment(_TURN, 4),
    "an outcome is noted, unknowingly": Moment(_TURN, 4, answered=True),
    "a lease is to be renewed": Moment(_RENEWAL),
    "a lease is renewed, unknowingly": Moment(_RENEWAL, answered=True),
    "a parcel is to be given back": Moment(_RELEASE),
    "a parcel is given back, unknowingly": Moment(_RELEASE, answered=True),
}

_numbers = count(1)
_forks = multiprocessing.get_context("forkserver")
# What the command imports by and by, so that a fork has it.
_forks.set_forkserver_preload(
    [
        "Stemmer",
        "jinja2",
        "newsletter.commands.main",
        "newsletter.commands.working.progress",
        "newsletter.job.run",
        "newsletter.mails.render",
        "newsletter.sending.smtp",
        "newsletter.state.postgres.lease",
        "newsletter.state.postgres.suppressions",
        "newsletter.tex",
        "premailer",
        "tests.whole.standing",
    ]
)


@dataclass
class Stand:
    """A ledger of its own, its mail server, and the sender that stands still."""

    fleet: Fleet
    between: Between
    sink: SmtpServer
    processes: list[ForkServerProcess] = field(default_factory=list)

    @property
    def hold(self) -> Hold:
        return self.between.hold

    def send(self, *, through: int = 0, follow: bool) -> ForkServerProcess:
        """Start a sender, which may reach its database through a port."""
        number = len(self.processes)
        config = self.fleet.config(number, through=through)
        arguments = ["--config", str(config), "-v", "--log-format", "json", "deliver"]
        arguments += ["--follow"] if follow else []
        process = _forks.Process(
            target=_command, args=(arguments, self.fleet.folder / f"log-{number}")
        )
        process.start()
        self.processes.append(process)
        return process

    def books(self) -> Books:
        books = self.fleet.books()
        arrived: dict[str, list[str]] = {}
        for mail in self.sink.mails:
            arrived.setdefault(mail.recipient, []).append(mail.message_id)
        return replace(books, arrived=arrived)


@contextmanager
def stands(
    folder: Path,
    server: Postgres,
    points: Sequence[str],
    *,
    prepare: Callable[[Fleet], object] = lambda _fleet: None,
) -> Iterator[dict[str, Stand]]:
    """Open an issue for each of the points, and let a sender go up to it; yield when all stand.

    `prepare` may do something to a ledger before its sender begins.
    """
    with ExitStack() as stack:
        found: dict[str, Stand] = {}
        for number, name in enumerate(points):
            hold = Hold()
            point = POINTS[name]
            moment = point if isinstance(point, Moment) else None
            own = folder / str(number)
            own.mkdir()
            fleet = Fleet(own, server, f"stand-{next(_numbers)}", CONNECTIONS, parcel=PARCEL)
            fleet.publish(1, RECIPIENTS)
            prepare(fleet)
            sink = stack.enter_context(SmtpServer(script=dict(_script(point, hold))))
            fleet.ports.append(sink.port)
            between = stack.enter_context(Between(server.port, moment, hold))
            found[name] = Stand(fleet, between, sink)
        try:
            for stand in found.values():
                stand.send(through=stand.between.port, follow=True)
            until = time.monotonic() + 600
            for name, stand in found.items():
                while not stand.hold.reached.wait(0.1):
                    if not stand.processes[0].is_alive() or time.monotonic() > until:
                        log = (stand.fleet.folder / "log-0").read_text()
                        raise TimeoutError(f"nobody came to where {name}: {log}")
            yield found
        finally:
            for stand in found.values():
                stand.hold.go.set()
                for process in stand.processes:
                    process.kill()
                    process.join()


def _script(point: Moment | str, hold: Hold) -> Iterator[tuple[str, Iterator[Action]]]:
    """Yield what the mail server does so that the moment comes."""

    def stands() -> Iterator[Action]:
        hold.stand()
        yield from repeat(ORDINARY)

    def waits() -> Iterator[Action]:
        hold.reached.wait()
        yield from repeat(ORDINARY)

    if isinstance(point, str):
        yield point, stands()
    elif point.words == _RENEWAL:
        yield "dot", waits()


def _command(arguments: Sequence[str], log: Path) -> None:
    """Be the command."""
    from newsletter.commands.main import main

    file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.update(SECRETS)
    sys.argv = ["newsletter", *arguments]
    main()
