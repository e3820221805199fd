"""What becomes of mails when senders die: how soon others go on, what is lost, what comes twice.

    python -m benchmarks.dying [--takeovers 5] [--kills 6] [--recipients 2000]

For a takeover one of two senders has all there is when it is killed, in the middle of its parcel,
with a lease of five seconds; the other has been there for longer than that and has nothing to do.
Printed is how long after the kill the first mail of that parcel comes from it: the lease may have
all of its time to run, and who looks does so every so often.

For `--kills` four senders, and after them four workers of Procrastinate with a job for each parcel,
are killed one by one and replaced, at the same pace; the book of what arrived says what was lost
and what came twice. Needs PostgreSQL.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.everything import with_peers
from benchmarks.senders import CHECKOUT, PARCEL_QUEUE, PROCRASTINATE, command, require_postgres
from tests.peers.postgres import SECRETS, Postgres, postgres
from tests.whole.fleet import Fleet, fleet

SILENTLY: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
ENVIRON = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **SECRETS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--takeovers", type=int, default=5)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--recipients", type=int, default=2000, help="where senders are killed")
    options = parser.parse_args()
    require_postgres(parser)
    with postgres() as server, TemporaryDirectory() as folder:
        if options.takeovers:
            takeovers(server, Path(folder), options.takeovers)
        if options.kills:
            print(f"{options.recipients} mails, 4 at work with 4 connections each", flush=True)
            killed(server, Path(folder) / "ours", options.kills, options.recipients)
            queue = with_peers("queue", [PROCRASTINATE])
            killed(server, Path(folder) / "queue", options.kills, options.recipients, queue)


def takeovers(server: Postgres, folder: Path, times: int) -> None:
    """Print after how many seconds what a killed sender had is gone on with."""
    with fleet(folder, server, "heirs") as found:
        found.connections, found.parcel = 4, 1000
        found.publish(1, 4)  # so that there is a ledger to wait on
        for _ in range(2):
            another(found)
        found.wait()
        issues = count(2)
        seconds: list[float] = []
        while len(seconds) < times:
            if (after := taken_over(found, next(issues))) is not None:
                seconds.append(after)
        arrived = [line for book in folder.glob("book-*") for line in book.read_text().split("\n")]
        told = server.sql(
            f'select count(*), sum(attempts) from "newsletter {found.name}".deliveries'
        )
    mails, copies = len({*arrived} - {""}), len([*filter(None, arrived)])
    owed, tried = map(int, told.split("|"))
    print(
        f"{times} takeovers, lease {found.lease} s: the first mail"
        f" {statistics.median(seconds):.1f} s after the kill, at most {max(seconds):.1f} s;"
        f" {owed - mails} lost, {copies - mails} twice, {tried - owed} tried again on record",
        flush=True,
    )


def taken_over(found: Fleet, issue: int) -> float | None:
    """Kill who has an issue's one parcel; return after how many seconds another goes on with it.

    None where all mails were out before the kill: whoever was to see it begin was late.
    """
    time.sleep(found.lease + 1)  # who has just come takes nothing over
    alive = [number for number, each in enumerate(found.senders) if each.poll() is None]
    before = {number: found.arrived(number) for number in alive}
    found.publish(issue, 200)
    while not (begun := [n for n in alive if found.arrived(n) >= before[n] + 60]):
        time.sleep(0.01)
    victim = begun[0]
    (heir,) = {*alive} - {victim}
    found.senders[victim].kill()
    killed_at = time.monotonic()
    while not (goes_on := found.arrived(heir) > before[heir]) and found.left():
        time.sleep(0.01)
    seconds = time.monotonic() - killed_at
    another(found)
    found.wait()
    return seconds if goes_on else None


def another(found: Fleet) -> None:
    """Start a sender with a sink of its own, so that its mails are told from those of others."""
    found.sink(seconds=0.05)
    found.send()


def killed(
    server: Postgres, folder: Path, kills: int, recipients: int, queue: str | None = None
) -> None:
    """Kill senders, or workers of a `queue`, and print what became of the mails."""
    folder.mkdir()
    with fleet(folder, server, folder.name) as found:
        found.connections, found.parcel = 4, recipients // 6
        found.publish(1, recipients)
        found.sink(seconds=0.02)
        shutil.copy(found.config(0), folder / "newsletter.toml")
        words = [sys.executable, "-m", "newsletter", "deliver"]
        if queue:
            words = [queue, *PARCEL_QUEUE, "work"]
            command([queue, *PARCEL_QUEUE, "fill"], folder, ENVIRON)

        def start() -> "subprocess.Popen[bytes]":
            each = subprocess.Popen(words, cwd=folder, env=ENVIRON, **SILENTLY)
            found.senders.append(each)
            return each

        at_work = [start() for _ in range(4)]
        for number in range(kills):
            while found.arrived(0) < recipients * (number + 1) / (kills + 2):
                time.sleep(0.02)
            at_work[number % 4].kill()
            at_work[number % 4].wait()
            at_work[number % 4] = start()
        for each in at_work:
            each.wait()
        once = found.books()
        if queue:  # who is dead is known by its silence; then the jobs may be given out anew
            time.sleep(4)
            command([queue, *PARCEL_QUEUE, "retry"], folder, ENVIRON)
            time.sleep(1)
        start().wait()
        books = found.books()
    print(
        f"{kills} kills of {'Procrastinate' if queue else 'ours'}: {once.lost} never arrived and"
        f" {once.twice} came twice before what was left was tried again, {books.lost} and"
        f" {books.twice} after it; twice and not on record:"
        f" {books.twice if queue else books.denied}",
        flush=True,
    )


if __name__ == "__main__":
    main()
