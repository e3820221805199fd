"""What every test may ask for."""

import gc
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from newsletter.commands.main import main
from tests.making.commands import Command, Ended
from tests.making.disks import mounted
from tests.making.tools import TOOLS, not_tried
from tests.peers.postgres import Postgres, pgbouncer, postgres

# A busy machine is no defect; pytest's own time-out ends what hangs.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

GOLDEN = Path(__file__).parent / "mails" / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="write what the program makes today into tests/mails/golden, to be read as a diff",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Next to nothing of thousands of tests is garbage, and each look goes through all of it.
    gc.set_threshold(100_000, 20, 20)
    for marker, tool in TOOLS.items():
        config.addinivalue_line("markers", f"{marker}: needs {tool.name}")
    sys.addaudithook(_only_what_is_marked)


def pytest_xdist_auto_num_workers() -> int:
    """Return three workers for two cores: a third of the time some test waits for something."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (3 * (cores or 1) + 1) // 2


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, tool in TOOLS.items():
        if item.get_closest_marker(marker) and (missing := tool.missing):
            pytest.skip(missing)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _running.append(item)
    try:
        return (yield)
    finally:
        _running.pop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.getreports("skipped")
    reasons = Counter(str(each.longrepr[-1]).removeprefix("Skipped: ") for each in skipped)
    if reasons:
        terminalreporter.write_line(not_tried(reasons))


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """Return a PostgreSQL that all tests of this process share; those that end it start their own.

    A newsletter of a name of its own has a ledger of its own there.
    """
    with postgres() as running:
        yield running


@pytest.fixture(scope="session")
def bouncer(server: Postgres) -> Iterator[int]:
    """Return the port of a PgBouncer in transaction mode before that server."""
    with pgbouncer(server) as port:
        yield port


_running: list[pytest.Item] = []
_STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"}
# setpriv takes rights from root where it is there; elsewhere its tests are skipped.
_UNMARKED = {sys.executable, "setpriv"}


def _only_what_is_marked(event: str, arguments: tuple[Any, ...]) -> None:
    """Let no test start a program that a bare machine may lack, but under its marker."""
    if event not in _STARTS or not _running or arguments[0] in _UNMARKED:
        return
    if not any(map(_running[-1].get_closest_marker, TOOLS)):
        program = os.fsdecode(arguments[0])
        raise AssertionError(f"{program} may not be here: mark the test (tests/making/tools.py)")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; what asks for it is marked `mount`."""
    yield from mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "tmpfs")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file of that name, or rewrite the file."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            path.write_text(text, "utf-8", newline="\n")
        assert text == path.read_text("utf-8")

    return compare


@pytest.fixture
def newsletter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Run a command in an empty folder and return how it ended."""
    logger = logging.getLogger("newsletter")
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", StringIO())
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["newsletter", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return Ended(int(ended.value.code or 0), shown.out, shown.err)

    yield run
    logger.handlers.clear()
    logger.propagate = True
    for number, handler in signals.items():
        signal.signal(number, handler)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Put the sample configuration, list and answers into the folder of the test."""
    for each in (files("newsletter.preview") / "sample").iterdir():
        if each.is_file():
            (tmp_path / each.name).write_bytes(each.read_bytes())
    return tmp_path
