"""What more senders bring: one ledger in PostgreSQL, and 1, 2, 4, 8 times `newsletter deliver`.

    python -m benchmarks.senders [--recipients 16000] [--each 2000] [--connections 4]
    python -m benchmarks.senders --ledger 20000
    python -m benchmarks.senders --freeze 10000000

The real commands send to one relay (`benchmarks.relay`, in a process of its own), which answers at
once or after 20 ms: first one that has a file, which is what one machine has, then ever more on a
PostgreSQL that is started for them, and beside one and four of them as many workers of
Procrastinate there, which is installed for it, with a job for each parcel. Everything is on this
machine, so without delay its cores are the limit; with delay it is the round trips, as it is with
relays elsewhere.

Without delay all share `--recipients` mails; with delay each has `--each`, so that few of them take
no longer than many. What is measured begins when all connections of all of them are open, and ends
when nine tenths of the mails are out: how long programs take to start, and the last of them to
finish its parcel, are other questions. Printed are mails a second then, and what a mail costs of
the processor in the senders, in the database and in the relay. Then the ledger is measured alone,
in turns of some connections; with `--ledger` nothing else is. `--freeze` tells how long an issue
takes to open that so many are owed, and how large it is. What becomes of mails when senders are
killed: `benchmarks.dying`. Needs PostgreSQL.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import islice
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.everything import with_peers
from benchmarks.relay import Far, relay
from newsletter.errors import TEMPORARY
from newsletter.models import Outcome
from newsletter.state.postgres.database import Database
from newsletter.state.postgres.deliveries import Deliveries
from tests.making.tools import POSTGRES
from tests.peers.postgres import Postgres, postgres
from tests.whole.fleet import Fleet

CHECKOUT = Path(__file__).parents[1]
NOW = "2026-11-19T10:00:00Z"
PROCRASTINATE = "procrastinate==3.10.0"
ACCEPTED = Outcome(status="accepted", code=250, text="2.0.0 Ok: queued as 0123456789AB")
TICKS = os.sysconf("SC_CLK_TCK")
LEDGER = 10_000  # deliveries
DELIVER = [sys.executable, "-m", "newsletter", "deliver", "--now", NOW]
PARCEL_QUEUE = ("-m", "benchmarks.parcel_queue")
PEERED = (1, 4)  # beside so many senders as many workers of Procrastinate are measured
EMPTIED = (
    'drop schema if exists "newsletter senders" cascade',
    "drop schema public cascade",
    "create schema public authorization newsletter",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipients", type=int, default=16_000, help="where nothing waits")
    # A sender has a parcel of 1,000 at a time; of fewer some would have nothing to do at the end.
    parser.add_argument("--each", type=int, default=2000, help="of a sender where replies wait")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--senders", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--far", type=int, nargs="*", default=[1, 4], help="senders with delay")
    parser.add_argument("--alone", action="store_true", help="without Procrastinate")
    parser.add_argument("--ledger", type=int, help="measure so many deliveries of the ledger alone")
    parser.add_argument("--freeze", type=int, help="open an issue that so many are owed")
    options = parser.parse_args()
    require_postgres(parser)
    with postgres() as server:
        if not (options.ledger or options.freeze):
            queue = None if options.alone else with_peers("queue", [PROCRASTINATE])
            print("a mail takes of the processor: in senders + in the database + in the relay")
            with relay(0) as near:
                contest = Contest(server, near, " 0 ms", options.connections)
                contest.hold(options.senders, lambda _count: options.recipients, queue)
            if options.far:
                with relay(20) as far:
                    contest = Contest(server, far, "20 ms", options.connections)
                    contest.hold(options.far, lambda count: options.each * count, queue)
        with TemporaryDirectory() as folder:
            if not options.freeze:
                ledger(server, Path(folder), options.ledger or min(LEDGER, options.recipients))
            else:
                freeze(server, Path(folder), options.freeze)


def require_postgres(parser: argparse.ArgumentParser) -> None:
    """End with what is missing, where it is."""
    if not (POSTGRES / "postgres").exists():
        parser.error("PostgreSQL is needed: apt-get install postgresql")


@dataclass(frozen=True, slots=True)
class Contest:
    """Who sends the same mails to the same relay, one contender after the other."""

    server: Postgres
    far: Far
    name: str
    connections: int

    def hold(self, counts: Sequence[int], mails: Callable[[int], int], queue: str | None) -> None:
        """Print what one with a file sends, and ever more senders and workers on PostgreSQL."""
        print(f"{self.name} 1 with a file       {self.with_a_file(mails(1))}", flush=True)
        first: dict[str, float] = {}
        for count in counts:
            contenders: dict[str, str | None] = {"on PostgreSQL": None}
            if queue and count in PEERED:
                contenders["of Procrastinate"] = queue
            for who, python in contenders.items():
                found = self.together(count, mails(count), python)
                times = found.rate / first.setdefault(who, found.rate)
                print(f"{self.name} {count} {who:<17} {found}, x {times:.2f}", flush=True)

    def with_a_file(self, mails: int) -> "Found":
        """Open an issue in a file, and let one process work it off."""
        with TemporaryDirectory() as folder:
            room = set_up(Path(folder), self.far.port, mails, self.connections)
            newsletter("run", room, environ())
            return self.sent(DELIVER, room, environ(), 1, mails)

    def together(self, count: int, mails: int, queue: str | None) -> "Found":
        """Open an issue in PostgreSQL, and let so many senders, or workers, work it off."""
        environment = environ(self.server)
        with TemporaryDirectory() as folder:
            room = set_up(Path(folder), self.far.port, mails, self.connections)
            newsletter("run", room, environment)
            try:
                if queue:
                    command([queue, *PARCEL_QUEUE, "fill"], room, environment)
                words = [queue, *PARCEL_QUEUE, "work"] if queue else DELIVER
                return self.sent(words, room, environment, count, mails)
            finally:
                self.server.sql(*EMPTIED)

    def sent(
        self,
        words: Sequence[str],
        room: Path,
        environment: Mapping[str, str],
        count: int,
        mails: int,
    ) -> "Found":
        """Let so many processes work; return what they did while all were at it."""
        with (room / "said").open("ab") as said:
            processes = [
                subprocess.Popen(words, cwd=room, env=environment, stdout=said, stderr=said)
                for _ in range(count)
            ]
        try:
            before = self.far.taken
            all_open = count * self.connections

            def wait_until(part: float, connections: float = inf) -> Moment:
                while (
                    self.far.taken - before < part * mails
                    and self.far.connections < connections
                    and any(map(is_alive, processes))
                ):
                    time.sleep(0.005)
                return self.moment(processes)

            # Who is late when a third of the mails are out is not waited for.
            began = wait_until(1 / 3, all_open)
            ended = wait_until(9 / 10)
            codes = {each.wait() for each in processes}
        finally:
            for each in processes:
                each.kill()
                each.wait()
        if self.far.taken - before != mails or codes - {0, TEMPORARY}:
            raise SystemExit(f"ended with {codes}: {(room / 'said').read_text('utf-8')[-2000:]}")
        return Found(began, ended, "NEWSLETTER_STATE__URL" in environment)

    def moment(self, processes: Sequence["subprocess.Popen[bytes]"]) -> "Moment":
        """Read the clock, the relay's book, and what everybody has used."""
        return Moment(
            seconds=time.perf_counter(),
            taken=self.far.taken,
            own=sum(used(each.pid)[0] for each in processes),
            database=of_database(self.server),
            relay=used(self.far.pid)[0],
            commits=commits(self.server),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When it was, how many mails were out, and how much of the processor had been used, in s."""

    seconds: float
    taken: int
    own: float
    database: float
    relay: float
    commits: int


@dataclass(frozen=True, slots=True)
class Found:
    """What was done between two moments, on a ledger that is `shared` or in a file."""

    began: Moment
    ended: Moment
    shared: bool

    @property
    def rate(self) -> float:
        """Mails a second."""
        return self._mails / max(0.001, self.ended.seconds - self.began.seconds)

    @property
    def _mails(self) -> int:
        return max(1, self.ended.taken - self.began.taken)

    def __str__(self) -> str:
        own, database, relay = (
            f"{1e6 * (getattr(self.ended, who) - getattr(self.began, who)) / self._mails:>4.0f}"
            for who in ("own", "database", "relay")
        )
        told = f"{self.rate:>6.0f} a second, {own} + {database} + {relay} µs"
        if not self.shared:
            return told
        commits = max(1, self.ended.commits - self.began.commits)
        return f"{told}, {self._mails / commits:.1f} mails a commit"


def ledger(server: Postgres, folder: Path, mails: int) -> None:
    """Print what the ledger costs alone, in turns of as many mails as there are connections."""
    for connections in (4, 16, 64):
        found = Fleet(folder, server, f"turns-{connections}", lease=60, parcel=1000)
        found.publish(1, mails)
        database = Database(found.place)
        database.open()
        book = Deliveries(database)
        book.take_up(now=datetime.now(UTC), max_age=timedelta(days=3))
        began, spent, asked = time.perf_counter(), time.process_time(), of_database(server)
        with book.claim() as claim:
            deliveries, outcomes = iter(claim), dict[int, Outcome]()
            while some := [each.id for each in islice(deliveries, connections)] or outcomes:
                wanted = [each for each in some if each not in outcomes]
                granted = claim.commit(outcomes, wanted, now=datetime.now(UTC))
                outcomes = dict.fromkeys(granted, ACCEPTED)
        seconds = time.perf_counter() - began
        own, theirs = time.process_time() - spent, of_database(server) - asked
        assert book.tally().accepted == mails
        database.close()
        each = 1e6 / mails
        print(
            f"{connections:>2} connections: {own * each:.0f} + {theirs * each:.0f} ="
            f" {(own + theirs) * each:.0f} µs a delivery, {mails / seconds:.0f} a second"
        )


def freeze(server: Postgres, folder: Path, mails: int) -> None:
    """Open an issue that so many are owed, in one transaction, and look at it."""
    found = Fleet(folder, server, "frozen", parcel=1000)
    began, spent, asked = time.perf_counter(), time.process_time(), of_database(server)
    found.publish(1, mails)
    seconds = time.perf_counter() - began
    own, theirs = time.process_time() - spent, of_database(server) - asked
    of = "from pg_class where oid = '\"newsletter frozen\".deliveries'::regclass"
    table, indexes = (
        int(server.sql(f"select {size}(oid) {of}")) for size in ("pg_table_size", "pg_indexes_size")
    )
    print(
        f"{mails:,} deliveries frozen in one transaction: {seconds:.0f} s, of the processor"
        f" {own:.0f} + {theirs:.0f} s; table {table / 1e6:,.0f} MB, indexes {indexes / 1e6:,.0f} MB"
    )
    database = Database(found.place)
    database.open()
    book = Deliveries(database)
    with book.claim() as claim:
        began = time.perf_counter()
        next(iter(claim))
        print(f"the first parcel leased and read: {1000 * (time.perf_counter() - began):.0f} ms")
    began = time.perf_counter()
    book.by_pool()
    print(f"what status asks of it: {time.perf_counter() - began:.1f} s")
    database.close()


def commits(server: Postgres) -> int:
    """Return how often something was committed, as far as the server has counted it yet."""
    return int(server.sql("select xact_commit from pg_stat_database where datname = 'newsletter'"))


def set_up(folder: Path, smtp: int, recipients: int, connections: int) -> Path:
    """Write a newsletter whose issue everybody gets; return its folder."""
    for each in (files("newsletter.preview") / "sample").iterdir():
        if each.is_file():
            (folder / each.name).write_bytes(each.read_bytes())
    with (folder / "newsletter.toml").open("a", encoding="utf-8") as config:
        config.write(f'\n[smtp]\nhost = "127.0.0.1"\nport = {smtp}\nsecurity = "none"\n')
        config.write(f"connections = {connections}\nmessages_per_connection = 1000\n")
        config.write("deliver_in_run = false\n")
    rows = ["email,keywords", *(f"reader{number}@example.org,*" for number in range(recipients))]
    (folder / "subscribers.csv").write_text("\n".join([*rows, ""]), "utf-8")
    return folder


def newsletter(what: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Carry out a command of the program."""
    command([sys.executable, "-m", "newsletter", what, "--now", NOW], folder, environment)


def command(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Carry out a command; end the benchmark with its words where it fails."""
    done = subprocess.run(
        words, cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr}")


def environ(server: Postgres | None = None) -> dict[str, str]:
    """Return what commands need, to work on a file or on a server."""
    found = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    return found | (server.environ("senders") if server else {})


def of_database(server: Postgres) -> float:
    """Return the processor's seconds of the server and all it started."""
    assert server.process
    own = Path(f"/proc/{server.process.pid}")
    taken = 0.0
    for each in (own / "task" / own.name / "children").read_text("utf-8").split():
        with suppress(FileNotFoundError):  # it has ended since, and counts with the server's
            taken += used(int(each))[0]
    return taken + sum(used(server.process.pid))


def is_alive(process: "subprocess.Popen[bytes]") -> bool:
    """Return whether it has not ended; one that has stays, with what it has used."""
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, ended) is None


def used(process: int) -> tuple[float, float]:
    """Return the processor's seconds of a process, and of its children that have ended."""
    _, _, fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(") ")
    own, system, children, their_system = map(int, fields.split()[11:15])
    return (own + system) / TICKS, (children + their_system) / TICKS


if __name__ == "__main__":
    main()
