"""What every test may ask for."""

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from io import StringIO
from pathlib import Path

import hypothesis
import pytest

from newsletter.commands.main import main
from tests.making.commands import Command, Ended

# A busy machine is no defect; pytest's own time-out ends what hangs.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

GOLDEN = Path(__file__).parent / "mails" / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="write what the program makes today into tests/mails/golden, to be read as a diff",
    )


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
