"""Kill the job wherever it may be; then compare what was owed, what is recorded, what arrived."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from threading import Event

import pytest

from tests.making.newsroom import Newsroom
from tests.making.papers import DAY, NOW
from tests.making.warm import Forked, fork
from tests.peers.smtp_server import HANG, ORDINARY, Action, SmtpServer
from tests.whole import crashing
from tests.whole.crashing import CONNECTIONS, POINTS, READERS

CHECKOUT = Path(__file__).parents[2]


class Bench:
    """A folder with its baseline behind it, and the processes that run the job there."""

    def __init__(self, folder: Path, server: SmtpServer) -> None:
        self.folder = folder
        self.server = server
        self.process: Forked | None = None
        Newsroom(folder).run(now=NOW - DAY)

    def start(self, point: str = "none") -> Forked:
        self.process = fork(
            *self._words(point),
            call=f"{crashing.__name__}:main",
            folder=CHECKOUT,
            environ=os.environ,
            stdout=sys.__stdout__,
            stderr=sys.__stderr__,
        )
        return self.process

    def start_with(self, **environ: str) -> subprocess.Popen[bytes]:
        """Start one that knows these variables when it begins."""
        return subprocess.Popen(
            [sys.executable, "-m", crashing.__name__, *self._words("none")],
            cwd=CHECKOUT,
            env=os.environ | environ,
        )

    def _words(self, point: str) -> tuple[str, str, str]:
        return str(self.folder), str(self.server.port), point

    def run(self, point: str = "none") -> int:
        return self.start(point).wait(500)

    def wait_for_mails(self, number: int) -> None:
        until = time.monotonic() + 500
        while len(self.server.mails) < number:
            assert time.monotonic() < until
            time.sleep(0.01)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    def finish(self) -> None:
        """Run until nothing is outstanding."""
        for _ in range(3):
            if self.run() == 0:
                return
        pytest.fail("three clean runs did not finish what was owed")

    def copies(self) -> dict[str, list[str]]:
        """Return the Message-IDs of what arrived, by recipient."""
        arrived: dict[str, list[str]] = {}
        for mail in self.server.mails:
            arrived.setdefault(mail.recipient, []).append(mail.message_id)
        return arrived

    def require_books_to_agree(self, *, at_most_twice: int) -> None:
        """Compare the three books: what was owed, what the state says, what the server has."""
        db = sqlite3.connect(self.folder / "state.sqlite3")
        statuses = dict(db.execute("select recipient, status from deliveries"))
        announced = Counter(db.execute("select keyword, paper from announced"))
        db.close()
        arrived = self.copies()
        assert set(statuses) == {f"r{n}@example.org" for n in range(READERS)}
        assert set(statuses.values()) == {"accepted"}
        assert set(arrived) == set(statuses)
        assert set(announced.values()) == {1}
        assert all(len(set(copies)) == 1 for copies in arrived.values())
        twice = sum(len(copies) - 1 for copies in arrived.values())
        assert twice <= at_most_twice


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with SmtpServer() as server:
        yield Bench(tmp_path, server)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_whoever_dies_loses_nobody(bench: Bench, point: str) -> None:
    assert bench.run(point) == -signal.SIGKILL
    bench.finish()
    bench.require_books_to_agree(at_most_twice=CONNECTIONS)


PHASES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "body", "dot", "QUIT")
LATER = ("MAIL", "RCPT", "DATA", "body", "dot")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "before"),
    [
        *((each, 0) for each in PHASES),
        *(pytest.param(each, 6, marks=pytest.mark.full) for each in LATER),
    ],
)
def test_a_kill_in_the_middle_of_a_dialogue_loses_nobody(
    tmp_path: Path, phase: str, before: int
) -> None:
    def actions() -> Iterator[Action]:
        yield from repeat(ORDINARY, before)
        killed.kill()
        yield HANG

    with SmtpServer(script={phase: actions()}) as server:
        killed = Bench(tmp_path, server)
        assert killed.run() == -signal.SIGKILL
        killed.finish()
        killed.require_books_to_agree(at_most_twice=CONNECTIONS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 6))]
)
def test_random_kills_lose_nobody(tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    with SmtpServer() as server:
        bench = Bench(tmp_path, server)
        kills = 0
        for _ in range(5):
            process = bench.start()
            time.sleep(random_.uniform(0.02, 0.5))
            process.kill()
            kills += process.wait() == -signal.SIGKILL
        bench.finish()
        bench.require_books_to_agree(at_most_twice=kills * CONNECTIONS)


def slowly(until: Event) -> Iterator[Action]:
    """Take a mail in a tenth of a second each, `until` that has happened."""
    while True:
        until.wait(0.1)
        yield ORDINARY


def held(after: int, until: Event) -> Iterator[Action]:
    """Take so many mails, and no more `until` that has happened."""
    yield from repeat(ORDINARY, after)
    until.wait()
    yield from repeat(ORDINARY)


@pytest.mark.slow
def test_a_terminated_run_ends_and_leaves_the_rest_for_the_next(tmp_path: Path) -> None:
    told = Event()
    with SmtpServer(script={"dot": held(5, told)}) as server:
        bench = Bench(tmp_path, server)
        process = bench.start()
        try:
            bench.wait_for_mails(5)
            process.send_signal(signal.SIGTERM)
        finally:
            told.set()
        assert process.wait() == 75
        assert len(server.mails) < READERS
        bench.finish()
        bench.require_books_to_agree(at_most_twice=0)


@pytest.mark.slow
def test_a_second_run_leaves_at_once_even_if_the_first_is_stopped(tmp_path: Path) -> None:
    tried = Event()
    with SmtpServer(script={"dot": held(1, tried)}) as server:
        bench = Bench(tmp_path, server)
        first = bench.start()
        try:
            bench.wait_for_mails(1)
            first.send_signal(signal.SIGSTOP)
            assert bench.run() == 75
        finally:
            tried.set()
            first.send_signal(signal.SIGCONT)
        assert first.wait() == 0
        bench.require_books_to_agree(at_most_twice=0)


@pytest.fixture(scope="module")
def power_cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a library that keeps, beside the files of a run, what of them was synced."""
    library = tmp_path_factory.mktemp("power_cut") / "power_cut.so"
    source = CHECKOUT / "tests/whole/power_cut.c"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-Wall", "-Werror", str(source), "-o", str(library), "-ldl"],
        check=True,
    )
    return library


@pytest.mark.compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("slow", "most"), [(False, READERS), (True, 2 * CONNECTIONS)], ids=["quick", "slow"]
)
@pytest.mark.parametrize(
    "after", [1, 12, *(pytest.param(after, marks=pytest.mark.full) for after in (3, 30))]
)
def test_a_power_cut_loses_nobody(
    tmp_path: Path, power_cut: Path, slow: bool, most: int, after: int
) -> None:
    disk, cut = tmp_path / "disk", Event()
    pace = slowly(cut) if slow else repeat(ORDINARY)
    with SmtpServer(script={"dot": pace}) as server:
        bench = Bench(tmp_path / "run", server)
        shutil.copytree(bench.folder, disk)
        run = bench.start_with(
            LD_PRELOAD=str(power_cut), POWER_CUT_OF=str(bench.folder), POWER_CUT_DISK=str(disk)
        )
        bench.wait_for_mails(after)
        run.kill()
        assert run.wait() == -signal.SIGKILL
        cut.set()
        shutil.rmtree(bench.folder)
        disk.rename(bench.folder)
        bench.finish()
        bench.require_books_to_agree(at_most_twice=most)
