"""What more senders bring: one ledger in PostgreSQL, and 1, 2, 4, 8 times `newsletter deliver`.

    python -m benchmarks.senders [--recipients 20000] [--delayed 3000] [--connections 4]

The real commands, from the opened issue to the last mail, into one smtp-sink: first `newsletter
run` on a file, which is what one machine has, then ever more senders on a PostgreSQL that is
started for it. Delay is put on every reply by a proxy that all go through. Everything is on this
machine, so without delay its cores are the limit; with delay it is the round trips, as it is with
relays elsewhere. Printed are mails a second from the first sender's start to the last one's end,
and what a mail costs of the processor in senders and in the database. Needs PostgreSQL and
Postfix's smtp-sink.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from benchmarks.send import SINK, delayed, sink
from tests.making.tools import POSTGRES
from tests.peers.postgres import PASSWORD, Postgres, postgres

CHECKOUT = Path(__file__).parents[1]
NOW = "2026-11-19T10:00:00Z"
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--delayed", type=int, default=3000, help="recipients where replies wait")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--senders", type=int, nargs="+", default=[1, 2, 4, 8])
    options = parser.parse_args()
    if not SINK:
        parser.error("smtp-sink is needed: apt-get install postfix")
    if not (POSTGRES / "postgres").exists():
        parser.error("PostgreSQL is needed: apt-get install postgresql")
    print(f"{options.connections} connections each; processor of a mail in senders + database")
    with sink() as smtp:
        for delay, recipients in ((0, options.recipients), (20, options.delayed)):
            if not recipients:
                continue
            with delayed(smtp, delay / 1000) as entrance, tempfile.TemporaryDirectory() as folder:
                room = set_up(Path(folder), entrance, recipients, options.connections)
                print(f"{delay:>2} ms  one run on a file     {on_a_file(room, recipients)}")
                alone = None
                for senders in options.senders:
                    found = together(room, recipients, senders)
                    alone = alone or found
                    times = found.rate / alone.rate
                    print(f"{delay:>2} ms  {senders} on PostgreSQL       {found}, x {times:.2f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a send took."""

    mails: int
    seconds: float
    own: float
    database: float = 0.0

    @property
    def rate(self) -> float:
        """Mails a second."""
        return self.mails / self.seconds

    def __str__(self) -> str:
        each = 1e6 / self.mails
        spent = f"{self.own * each:>5.0f} + {self.database * each:>3.0f} µs"
        return f"{self.rate:>6.0f} a second, {spent}"


def on_a_file(folder: Path, mails: int) -> Found:
    """Open an issue with one run, and send it with the next."""
    environment = environ()
    newsletter("run", folder, environment)
    began, spent = time.perf_counter(), of_children()
    newsletter("deliver", folder, environment)
    seconds = time.perf_counter() - began
    return Found(mails=mails, seconds=seconds, own=of_children() - spent)


def together(folder: Path, mails: int, senders: int) -> Found:
    """Open an issue in a new database, and let so many senders work it off."""
    with postgres() as server:
        environment = environ() | {
            "NEWSLETTER_STATE__URL": server.url(),
            "NEWSLETTER_STATE__PASSWORD": PASSWORD,
            "NEWSLETTER_STATE__TOKEN_KEY": "benchmark" * 8,
        }
        newsletter("run", folder, environment)
        began, spent, asked = time.perf_counter(), of_children(), of_database(server)
        with ThreadPoolExecutor(senders) as pool:
            sent = [pool.submit(newsletter, "deliver", folder, environment) for _ in range(senders)]
            for each in sent:
                each.result()
        return Found(
            mails=mails,
            seconds=time.perf_counter() - began,
            own=of_children() - spent,
            database=of_database(server) - asked,
        )


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


def newsletter(command: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Carry out a command; end the benchmark with its words where it fails."""
    words = [sys.executable, "-m", "newsletter", command, "--now", NOW]
    done = subprocess.run(
        words, cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}: {done.stderr}")


def environ() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}


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
