"""Several senders on one ledger, sinks that keep the book of what arrived, and every way to die."""

import ast
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from newsletter.issues.issue import compile_issue
from newsletter.models import Announcement, Day, Keyword, News, Owed
from newsletter.state.engines import Place
from newsletter.state.postgres.database import Database
from newsletter.state.postgres.deliveries import Deliveries
from newsletter.state.state import State
from tests.making.papers import paper
from tests.making.warm import Forked, fork
from tests.peers.hosts import Host
from tests.peers.postgres import PASSWORD, SECRETS, Postgres

CHECKOUT = Path(__file__).parents[2]
MRI = Keyword(name="mri")
CONFIG = """
[newsletter]
id = "{name}"
title = "Papers"
sender = "Papers <papers@example.org>"
[[keywords]]
name = "mri"
[state]
url = "{url}"
lease_seconds = {lease}
[smtp]
host = "127.0.0.1"
port = {port}
security = "none"
connections = {connections}
messages_per_connection = 1000000
"""


@dataclass
class Books:
    """What the ledger, the sinks and the senders say, by recipient.

    `owed` has status and attempts, `arrived` Message-IDs, `said` what the logs of the senders have:
    the attempts that each was granted, and the outcomes that it heard of.
    """

    owed: Mapping[str, tuple[str, int]]
    arrived: Mapping[str, list[str]]
    said: Mapping[str, list[int | str]]

    @property
    def lost(self) -> int:
        return sum(name not in self.arrived for name, (status, _) in self.owed.items())

    @property
    def twice(self) -> int:
        return sum(len(copies) - 1 for copies in self.arrived.values())

    @property
    def denied(self) -> int:
        """How many copies there are that the ledger knows no attempt for."""
        return sum(
            max(0, len(copies) - self.owed[name][1]) for name, copies in self.arrived.items()
        )

    @property
    def unlike(self) -> int:
        return sum(len(set(copies)) > 1 for copies in self.arrived.values())

    @property
    def gainsaid(self) -> list[str]:
        """Of whom the senders' own book says something else than the other two."""
        return sorted(filter(self._gainsaid, {*self.owed, *self.arrived}))

    def _gainsaid(self, name: str) -> bool:
        said, (status, attempts) = self.said.get(name, []), self.owed.get(name, ("", 0))
        granted = [each for each in said if isinstance(each, int)]
        return (
            len(set(granted)) < len(granted)  # the same attempt twice
            or max(granted, default=0) > attempts
            or len(self.arrived.get(name, [])) > len(granted)
            or (status == "accepted") != ("accepted" in said)
        )


@dataclass
class Fleet:
    """A ledger, and everybody who works on it."""

    folder: Path
    server: Postgres
    name: str
    connections: int = 8
    lease: int = 5
    parcel: int = 100
    through: int = 0
    sinks: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    senders: list["Forked | subprocess.Popen[bytes]"] = field(default_factory=list)
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        return Place(
            file=self.folder / "none",
            url=self.server.url(through=self.through),
            password=PASSWORD,
            newsletter=self.name,
            lease_seconds=self.lease,
        )

    def publish(self, number: int, recipients: int) -> None:
        """Open an issue that so many are owed."""
        now = datetime.now(UTC).replace(microsecond=0)
        news = News(
            source="arXiv",
            keyword=MRI,
            outcome="new",
            announcements=(Announcement(paper=paper(f"2611.{number:05}")),),
            listed=1,
        )
        day = Day(now=now, news=[news], windows={"mri": now})
        owed = (
            Owed(
                recipient=f"r{each}@example.org", keywords=("mri",), format="html", after=number - 1
            )
            for each in range(recipients)
        )
        database = Database(self.place)
        database.open()
        with State(database, Deliveries(database, parcel=self.parcel)) as state:
            issue = compile_issue(number, now.date(), day.news)
            state.publish(issue, day, owed, [], weekly=False)

    def sink(self, *, seconds: float = 0, host: str = "127.0.0.1") -> None:
        """Start one more sink, at a door that is open already."""
        book = self.folder / f"book-{len(self.sinks)}"
        with socket.create_server((host, 0), backlog=256) as door:
            words = [str(door.fileno()), str(book), str(seconds)]
            command = [sys.executable, "-m", "tests.peers.sink", *words]
            sink = subprocess.Popen(command, cwd=CHECKOUT, pass_fds=[door.fileno()])
            self.sinks.append(sink)
            self.ports.append(door.getsockname()[1])

    def arrived(self, sink: int) -> int:
        """Return how many mails a sink has taken."""
        book = self.folder / f"book-{sink}"
        return book.read_bytes().count(b"\n") if book.exists() else 0

    def config(self, number: int, *, through: int = 0) -> Path:
        """Write what a sender needs to know; its database may be reached `through` a port."""
        path = self.folder / f"sender-{number}.toml"
        path.write_text(
            CONFIG.format(
                name=self.name,
                url=self.server.url(through=through or self.through),
                lease=self.lease,
                port=self.ports[number % len(self.ports)],
                connections=self.connections,
            )
        )
        return path

    def send(
        self,
        *,
        follow: bool = True,
        host: Host | None = None,
        hours: int = 0,
        program: Path = CHECKOUT,
    ) -> "Forked | subprocess.Popen[bytes]":
        """Start one more sender, the real command of a `program`; its clock may be hours off."""
        number = len(self.senders)
        config = self.config(number)
        words = ["--config", str(config), "-v", "--log-format", "json", "deliver"]
        words += ["--follow"] if follow else []
        words += (
            ["--now", (datetime.now(UTC) + timedelta(hours=hours)).isoformat()] if hours else []
        )
        environ = {**os.environ, **SECRETS, **self.environ}
        process: Forked | subprocess.Popen[bytes]
        with (self.folder / f"log-{number}").open("ab") as log:
            command = [sys.executable, "-m", "newsletter", *words]
            if host:
                text = config.read_text().replace("@127.0.0.1:", f"@{host.database}:")
                relay = f'"{host.relay}"\nallow_plaintext = true'
                config.write_text(text.replace('"127.0.0.1"', relay))
                command = ["ip", "netns", "exec", host.name, *command]
            if host or program != CHECKOUT:
                process = subprocess.Popen(
                    command, cwd=program, stdout=log, stderr=log, env=environ
                )
            else:
                process = fork(*words, folder=CHECKOUT, environ=environ, stdout=log, stderr=log)
        self.senders.append(process)
        return process

    def say(self, *words: str, program: Path = CHECKOUT) -> "subprocess.CompletedProcess[str]":
        """Give another command of a `program`, with what a sender is configured by."""
        command = [sys.executable, "-m", "newsletter", "--config", str(self.config(0)), *words]
        environ = {**os.environ, **SECRETS, **self.environ}
        return subprocess.run(
            command, cwd=program, env=environ, check=False, capture_output=True, text=True
        )

    def watch(self) -> None:
        """Have the ledger write down from now on when a lease is taken over, and until when it was.

        A busy machine may be late with renewing one that nobody has meant to end.
        """
        schema = f'"newsletter {self.name}"'
        self.server.sql(
            f"create table {schema}.takeovers (parcel bigint, owner text, at timestamptz,"
            " until timestamptz)",
            f"grant insert on {schema}.takeovers to newsletter",
            f"create function {schema}.take_over() returns trigger language plpgsql as $$ begin"
            f" insert into {schema}.takeovers"
            " values (old.id, old.owner, clock_timestamp(), old.until); return null; end $$",
            f"create trigger take_over after update on {schema}.parcels for each row"
            " when (old.until is not null and old.token <> new.token)"
            f" execute function {schema}.take_over()",
        )

    def takeovers(self, condition: str = "true") -> int:
        """Return how often a lease was taken over; with a condition on owner, at and until."""
        return int(
            self.server.sql(
                f'select count(*) from "newsletter {self.name}".takeovers where {condition}'
            )
        )

    def left(self) -> int:
        return int(
            self.server.sql(f'select count(*) from "newsletter {self.name}".parcels where not done')
        )

    def wait(self, *, seconds: float = 600) -> None:
        """Wait until nothing is owed any more."""
        until = time.monotonic() + seconds
        while self.left():
            if time.monotonic() > until:
                logs = [path.read_text()[-1500:] for path in sorted(self.folder.glob("log-*"))]
                raise TimeoutError("\n".join(logs))
            time.sleep(0.3)

    def books(self) -> Books:
        owed, names = {}, {}
        for line in self.server.sql(
            f'select id, recipient, status, attempts from "newsletter {self.name}".deliveries'
        ).splitlines():
            number, name, status, attempts = line.split("|")
            owed[name] = (status, int(attempts))
            names[int(number)] = name
        arrived: dict[str, list[str]] = {}
        for book in sorted(self.folder.glob("book-*")):
            for line in book.read_text().splitlines():
                name, message = line.split()
                arrived.setdefault(name, []).append(message)
        said: dict[str, list[int | str]] = {}
        for delivery, what in self._logged():
            said.setdefault(names[delivery], []).append(what)
        return Books(owed=owed, arrived=arrived, said=said)

    def _logged(self) -> Iterator[tuple[int, int | str]]:
        """Yield what senders have written of deliveries: attempts granted, outcomes heard of."""
        for log in sorted(self.folder.glob("log-*")):
            for line in log.read_text().splitlines():
                message = json.loads(line)["message"] if line.endswith("}") else ""
                if message.startswith(("may send {", "heard of {")):
                    yield from ast.literal_eval(message[message.index("{") :]).items()

    def end(self) -> list[int]:
        """Ask all senders to end, once each can hear it; return how they ended."""
        alive = [(n, each) for n, each in enumerate(self.senders) if each.poll() is None]
        for number, each in alive:
            with suppress(ProcessLookupError):
                each.send_signal(signal.SIGCONT)
                while not self._is_ready(number) and each.poll() is None:
                    time.sleep(0.05)
                each.terminate()
        return [each.wait() for _, each in alive]

    def _is_ready(self, number: int) -> bool:
        return (self.folder / f"log-{number}").stat().st_size > 0


@contextmanager
def fleet(folder: Path, server: Postgres, name: str) -> Iterator[Fleet]:
    """Hand out an empty fleet; whoever still lives at the end is killed."""
    found = Fleet(folder, server, name)
    try:
        yield found
    finally:
        for each in (*found.senders, *found.sinks):
            if each.poll() is None:
                each.kill()
            each.wait()


def chaos(found: Fleet, seed: int, *, kinds: str, times: int, senders: int = 4) -> Counter[str]:
    """Kill senders (k), stop them for longer than a lease (s), kill the database (d), by a seed.

    Whoever was killed is replaced. Returns how often each was done while there was work to do.
    """
    random_ = random.Random(seed)
    done: Counter[str] = Counter()
    stopped: list[tuple[float, Forked | subprocess.Popen[bytes]]] = []
    for _ in range(senders):
        found.send()
    for _ in range(times):
        time.sleep(random_.uniform(0.5, 1.5))
        now = time.monotonic()
        for when, process in [each for each in stopped if each[0] <= now]:
            process.send_signal(signal.SIGCONT)
            stopped.remove((when, process))
        if not found.left():
            break
        kind = random_.choice(kinds)
        asleep = [process for _, process in stopped]
        alive = [each for each in found.senders if each.poll() is None and each not in asleep]
        if kind == "d":
            found.server.kill()
            time.sleep(random_.uniform(0, 1))
            found.server.start()
        elif alive:
            victim = random_.choice(alive)
            if kind == "k":
                victim.kill()
                victim.wait()
                found.send()
            else:
                victim.send_signal(signal.SIGSTOP)
                stopped.append((now + found.lease + 1.5, victim))
        done[kind] += 1
    for when, process in stopped:
        time.sleep(max(0.0, when - time.monotonic()))
        process.send_signal(signal.SIGCONT)
    return done
