"""What more senders bring: one ledger in PostgreSQL, and 1, 2, 4, 8 times `newsletter deliver`.

    python -m benchmarks.senders [--recipients 20000] [--delayed 16000] [--connections 4]
    python -m benchmarks.senders --kills 6
    python -m benchmarks.senders --ledger 20000
    python -m benchmarks.senders --freeze 10000000

The real commands, from the opened issue to the last mail, into one smtp-sink: first `newsletter
run` on a file, which is what one machine has, then ever more senders on a PostgreSQL that is
started for it, and as many workers of Procrastinate there, which is installed for it, with a job
for each parcel. Delay is put on every reply by a proxy that all go through. Everything is on this
machine, so without delay its cores are the limit; with delay it is the round trips, as it is with
relays elsewhere. Printed are mails a second from the first mail that was taken to the last one,
and what a mail costs of the processor in senders and in the database. With `--kills` some of four
senders, or workers, are killed and replaced, and the book of what arrived says what was lost and
what came twice. `--ledger` measures the ledger alone, in turns of some connections; `--freeze` how
long an issue takes to open that so many are owed, and how large it is. Needs PostgreSQL and
Postfix's smtp-sink.
"""

import argparse
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import files
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from benchmarks.everything import with_peers
from benchmarks.send import SINK, delayed, sink
from newsletter.errors import TEMPORARY
from newsletter.models import Outcome
from newsletter.state.postgres.database import Database
from newsletter.state.postgres.deliveries import Deliveries
from tests.making.tools import POSTGRES
from tests.peers.postgres import PASSWORD, Postgres, postgres
from tests.whole.fleet import Fleet, fleet

CHECKOUT = Path(__file__).parents[1]
NOW = "2026-11-19T10:00:00Z"
PROCRASTINATE = "procrastinate==3.10.0"
ACCEPTED = Outcome(status="accepted", code=250, text="2.0.0 Ok: queued as 0123456789AB")
SILENTLY: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipients", type=int, default=20_000)
    # A sender has a parcel of 1,000 at a time: eight need sixteen, so as to end together.
    parser.add_argument("--delayed", type=int, default=16_000, help="recipients where replies wait")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--senders", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--alone", action="store_true", help="without Procrastinate")
    parser.add_argument("--kills", type=int, help="kill so many, and count what arrived")
    parser.add_argument("--ledger", type=int, help="measure so many deliveries of the ledger alone")
    parser.add_argument("--freeze", type=int, help="open an issue that so many are owed")
    options = parser.parse_args()
    if not SINK:
        parser.error("smtp-sink is needed: apt-get install postfix")
    if not (POSTGRES / "postgres").exists():
        parser.error("PostgreSQL is needed: apt-get install postgresql")
    if options.ledger or options.freeze or options.kills:
        with postgres() as server, TemporaryDirectory() as folder:
            if options.ledger:
                ledger(server, Path(folder), options.ledger)
            if options.freeze:
                freeze(server, Path(folder), options.freeze)
            if options.kills:
                killed(server, Path(folder), options.kills, min(options.delayed, 3000))
        return
    queue = None if options.alone else with_peers("queue", [PROCRASTINATE])
    print(f"{options.connections} connections each; processor of a mail in senders + database")
    with sink() as smtp:
        for delay, recipients in ((0, options.recipients), (20, options.delayed)):
            if recipients:
                with delayed(smtp, delay / 1000) as entrance, TemporaryDirectory() as folder:
                    room = set_up(Path(folder), entrance, recipients, options.connections)
                    compare(room, f"{delay:>2} ms ", recipients, options.senders, queue)


def compare(room: Path, name: str, mails: int, counts: Sequence[int], queue: str | None) -> None:
    """Print what one run on a file takes, and ever more senders and workers on PostgreSQL."""
    print(f"{name} one run on a file     {on_a_file(room, mails)}", flush=True)
    alone = None
    for senders in counts:
        found = together(room, mails, senders)
        alone = alone or found
        times = found.rate / alone.rate
        print(f"{name} {senders} on PostgreSQL       {found}, x {times:.2f}", flush=True)
    for workers in counts if queue else ():
        found = together(room, mails, workers, queue=queue)
        print(f"{name} {workers} of Procrastinate    {found}", flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a send took."""

    mails: int
    seconds: float
    own: float
    database: float = 0.0
    commits: int = 0

    @property
    def rate(self) -> float:
        """Mails a second."""
        return self.mails / self.seconds

    def __str__(self) -> str:
        each = 1e6 / self.mails
        spent = f"{self.own * each:>5.0f} + {self.database * each:>3.0f} µs"
        shared = f", {self.mails / self.commits:.1f} mails a commit" if self.commits else ""
        return f"{self.rate:>6.0f} a second, {spent}{shared}"


def on_a_file(folder: Path, mails: int) -> Found:
    """Open an issue with one run, and send it with the next."""
    environment = environ()
    newsletter("run", folder, environment)
    spent = of_children()
    with closing(sqlite3.connect(f"file:{folder}/state.sqlite3?mode=ro", uri=True)) as ledger:

        def found(question: str) -> bool:
            return ledger.execute(question).fetchone() is not None

        words = [sys.executable, "-m", "newsletter", "deliver", "--now", NOW]
        begun = "select 1 from deliveries where status = 'accepted' limit 1"
        left = "select 1 from outstanding limit 1"
        work = partial(command, words, folder, environment)
        seconds = timed(work, 1, partial(found, begun), partial(found, left))
    return Found(mails=mails, seconds=seconds, own=of_children() - spent)


def timed(
    work: Callable[[], None],
    processes: int,
    begun: Callable[[], bool],
    going: Callable[[], bool],
) -> float:
    """Return for how many seconds mails leave while so many processes are at work.

    That is from when they have begun until nothing is going on: what it takes to start them, and to
    end, is another question.
    """
    with ThreadPoolExecutor(processes) as pool:
        sent = [pool.submit(work) for _ in range(processes)]
        while not begun() and not all(each.done() for each in sent):
            time.sleep(0.05)
        began = time.perf_counter()
        while going() and not all(each.done() for each in sent):
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        for each in sent:
            each.result()
    return seconds


def together(folder: Path, mails: int, senders: int, *, queue: str | None = None) -> Found:
    """Open an issue in a new database, and let so many senders, or workers, work it off."""
    with postgres() as server:
        environment = environ(server)
        newsletter("run", folder, environment)
        words = [sys.executable, "-m", "newsletter", "deliver", "--now", NOW]
        if queue:
            words = [queue, "-m", "benchmarks.parcel_queue", "work"]
            command([*words[:-1], "fill"], folder, environment)
        before = commits(server)
        spent, asked = of_children(), of_database(server)
        begun = "select from deliveries where status = 'accepted' limit 1"
        left = "select from parcels where not done limit 1"
        if queue:
            begun = "select from procrastinate_jobs where status <> 'todo' limit 1"
            left = "select from procrastinate_jobs where status <> 'succeeded' limit 1"
        schema = server.sql("select nspname from pg_namespace where nspname like 'newsletter %'")
        with psycopg.connect(server.url(), password=PASSWORD, autocommit=True) as ledger:
            ledger.execute(f'set search_path = "{schema}", public')

            def found(question: str) -> bool:
                return ledger.execute(question).fetchone() is not None

            work = partial(command, words, folder, environment, to_others=True)
            seconds = timed(work, senders, partial(found, begun), partial(found, left))
            assert not found(left)
        return Found(
            mails=mails,
            seconds=seconds,
            own=of_children() - spent,
            database=of_database(server) - asked,
            commits=commits(server) - before,
        )


def killed(server: Postgres, folder: Path, kills: int, recipients: int) -> None:
    """Kill senders, then workers, at the same pace, and print what became of the mails."""
    print(f"{recipients} mails, 4 at work with 4 connections each, {kills} kills", flush=True)
    for name, queue in (("ours", None), ("Procrastinate", with_peers("queue", [PROCRASTINATE]))):
        with fleet(folder / name, server, name.lower()) as found:
            found.folder.mkdir()
            found.connections, found.parcel = 4, recipients // 6
            found.publish(1, recipients)
            found.sink(seconds=0.02)
            shutil.copy(found.config(0), found.folder / "newsletter.toml")
            environment = environ(server)
            words = [sys.executable, "-m", "newsletter", "deliver"]
            if queue:
                words = [queue, "-m", "benchmarks.parcel_queue", "work"]
                command([*words[:-1], "fill"], found.folder, environment)

            def start(words: list[str] = words, at: Path = found.folder) -> "subprocess.Popen[str]":
                return subprocess.Popen(words, cwd=at, env=environ(server), **SILENTLY)

            at_work = [start() for _ in range(4)]
            for number in range(kills):
                while len(found.books().arrived) < recipients * (number + 1) / (kills + 2):
                    time.sleep(0.2)
                at_work[number % 4].kill()
                at_work[number % 4].wait()
                at_work[number % 4] = start()
            for each in at_work:
                each.wait()
            once = found.books()
            if queue:  # who is dead is known by its silence; then the jobs may be given out anew
                time.sleep(4)
                command([*words[:-1], "retry"], found.folder, environment)
                time.sleep(1)
            start().wait()
            books = found.books()
            print(
                f"{name}: {once.lost} never arrived and {once.twice} came twice before what was"
                f" left was tried again, {books.lost} and {books.twice} after it; twice and not on"
                f" record: {books.twice if queue else books.denied}",
                flush=True,
            )


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
    time.sleep(1)  # it is told by those who did
    found = "select sum(xact_commit) from pg_stat_database where datname = 'newsletter'"
    return int(server.sql(found))


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


def command(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], *, to_others: bool = False
) -> None:
    """Carry out a command; end the benchmark with its words where it fails.

    It may leave something `to_others`, who still work on it when it ends.
    """
    done = subprocess.run(
        words, cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode and not (to_others and done.returncode == TEMPORARY):
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr}")


def environ(server: Postgres | None = None) -> dict[str, str]:
    """Return what commands need, to work on a file or on a server."""
    found = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    if server:
        found["NEWSLETTER_STATE__URL"] = server.url()
        found["NEWSLETTER_STATE__PASSWORD"] = PASSWORD
        found["NEWSLETTER_STATE__TOKEN_KEY"] = "benchmark" * 8
    return found


def of_children() -> float:
    """Return the processor's seconds of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def of_database(server: Postgres) -> float:
    """Return the processor's seconds of the server and all it started."""
    assert server.process
    own = Path(f"/proc/{server.process.pid}")
    children = (own / "task" / own.name / "children").read_text("utf-8").split()
    times = _ticks(own)[:4]
    for each in children:
        times += _ticks(Path("/proc") / each)[:2]
    return sum(times) / TICKS


def _ticks(process: Path) -> list[int]:
    """Return its time as user and system, and the same of its children that have ended."""
    _, _, fields = (process / "stat").read_text("utf-8").rpartition(") ")
    return [int(each) for each in fields.split()[11:15]]


if __name__ == "__main__":
    main()
