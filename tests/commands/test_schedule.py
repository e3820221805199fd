"""`newsletter schedule`: when the job is due, on a clock that the tests move."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from newsletter.commands.working.schedule import SLICE, following, keep
from newsletter.preview.demo import prepare

BERLIN = ZoneInfo("Europe/Berlin")
LONDON = ZoneInfo("Europe/London")
MONDAY = datetime(2026, 11, 23, 9, 58, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Machine:
    """A clock that only waiting and working move; it can be put to sleep."""

    def __init__(self, now: datetime, *, until: datetime, naps: Iterable[timedelta] = ()) -> None:
        self.now = now
        self.until = until
        self.naps = list(naps)
        self.waits: list[float] = []
        self.runs: list[datetime] = []

    def clock(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds) + (self.naps.pop() if self.naps else timedelta())
        return self.now > self.until

    def keep(self, at: str, *, work: timedelta = timedelta(minutes=3)) -> list[datetime]:
        def job(now: datetime) -> None:
            self.runs.append(now)
            self.now += work

        keep(at, job, timezone=ZoneInfo("UTC"), clock=self.clock, wait=self.wait)
        return self.runs


@pytest.mark.parametrize(
    ("at", "timezone", "moment", "expected"),
    [
        ("0 10 * * *", BERLIN, "2026-11-23 08:59", "2026-11-23 09:00"),
        ("0 10 * * *", BERLIN, "2026-11-23 09:00", "2026-11-24 09:00"),
        ("0 10 * * *", BERLIN, "2026-07-01 00:00", "2026-07-01 08:00"),
        ("30 8,18 * * MON-FRI", LONDON, "2026-11-20 18:30", "2026-11-23 08:30"),
        # 02:30 does not exist on the last Sunday of March, and comes twice on that of October.
        ("30 2 * * *", BERLIN, "2026-03-29 00:00", "2026-03-29 01:00"),
        ("30 2 * * *", BERLIN, "2026-10-25 00:30", "2026-10-26 01:30"),
    ],
)
def test_times_are_those_of_the_time_zone(
    at: str, timezone: ZoneInfo, moment: str, expected: str
) -> None:
    assert following(at, utc(moment), timezone) == utc(expected)


@pytest.mark.parametrize("at", ["", "10:00", "0 25 * * *", "0 10 * *", "0 0 30 2 *", "@daily"])
def test_what_is_no_time_is_named_with_an_example(at: str) -> None:
    with pytest.raises(ValueError, match=r"write one like '0 10 \* \* \*'"):
        following(at, MONDAY, BERLIN)


def test_the_job_runs_once_a_day_and_is_told_the_time() -> None:
    machine = Machine(MONDAY, until=MONDAY + timedelta(days=3))

    runs = machine.keep("0 10 * * *")

    assert runs == [utc(f"2026-11-{day} 10:00") for day in (23, 24, 25)]
    assert max(machine.waits) == SLICE


def test_a_machine_that_slept_through_several_days_catches_up_once() -> None:
    until = MONDAY + timedelta(days=4)
    machine = Machine(MONDAY, until=until, naps=[timedelta(days=3, hours=1)])

    runs = machine.keep("0 10 * * *")

    assert [run.date().day for run in runs] == [26]
    assert runs[0] - (MONDAY + timedelta(days=3, hours=1)) <= timedelta(seconds=SLICE)


def test_times_that_pass_during_a_job_are_left_out() -> None:
    machine = Machine(MONDAY, until=MONDAY + timedelta(minutes=31))

    runs = machine.keep("*/10 * * * *", work=timedelta(minutes=14))

    assert [run.strftime("%H:%M") for run in runs] == ["10:00", "10:20"]


def test_a_clock_that_is_put_back_does_not_run_the_job_early_or_twice() -> None:
    until = MONDAY + timedelta(days=1)
    machine = Machine(MONDAY, until=until, naps=[timedelta(hours=-3)])

    assert machine.keep("0 10 * * *") == [utc("2026-11-23 10:00")]


def test_it_stops_at_once_when_told() -> None:
    machine = Machine(MONDAY, until=MONDAY)

    assert machine.keep("0 10 * * *") == []
    assert len(machine.waits) == 1


@pytest.mark.slow
def test_the_command_runs_the_job_at_its_times_until_it_is_asked_to_end(tmp_path: Path) -> None:
    prepare(tmp_path)
    every_second = [sys.executable, "-m", "newsletter", "schedule", "--at", "* * * * * *"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}

    with subprocess.Popen(
        every_second, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        first = next(process.stderr)
        reports = list(islice((line for line in process.stderr if "; exit " in line), 2))
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()

    assert first.startswith("the first run is due at ")
    assert all(report.endswith("exit 0\n") for report in reports)
    assert "stopping" in rest
    assert process.returncode == 0


@pytest.mark.slow
def test_the_command_says_what_is_wrong_with_a_time(tmp_path: Path) -> None:
    prepare(tmp_path)
    wrong = [sys.executable, "-m", "newsletter", "schedule", "--at", "10:00"]

    done = subprocess.run(wrong, cwd=tmp_path, check=False, capture_output=True, text=True)

    assert done.returncode == 2
    assert "no cron expression" in done.stderr
