"""What a command does not import: a start takes as long as its libraries, however busy we are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from newsletter.commands.main import app
from newsletter.commands.options import asked_for
from tests.making.commands import DAY_ONE, DAY_TWO, Command

READING_AND_WRITING = {"jinja2", "premailer", "lxml", "feedparser", "flufl", "pylatexenc"}
ASKING = {"requests", "dns", "smtplib", "imaplib"}
HEAVY = {"numpy", "scipy", "flask", "rich", "Stemmer", "itsdangerous", "pydantic"}
HEAVY |= {"asyncio", "email.message", "email.headerregistry", "ssl", "urllib.request"}


def imported(folder: Path, *arguments: str) -> set[str]:
    """Return the names of all modules that a command has imported when it ends."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from newsletter.commands.main import main\n"
        "main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stderr.splitlines()[-1].split())


@pytest.mark.slow
@pytest.mark.parametrize("command", ["--help", "--version"])
def test_saying_what_there_is_reads_no_configuration(tmp_path: Path, command: str) -> None:
    found = imported(tmp_path, command)
    ours = {"newsletter.models", "newsletter.config", "newsletter.tex", "newsletter.job"}
    ours |= {"newsletter.addresses"}
    assert "newsletter.commands.main" in found
    assert not found & (
        READING_AND_WRITING | ASKING | HEAVY | ours | {"msgspec", "sqlite3", "zoneinfo"}
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("subscribers", "list"), ("status",), ("config", "show"), ("keywords", "list")]
)
def test_looking_loads_nothing_that_asks_or_writes(
    sample: Path, newsletter: Command, command: tuple[str, ...]
) -> None:
    newsletter("run", "--now", DAY_ONE)
    found = imported(sample, *command)
    assert "newsletter.config.loading" in found
    assert not found & (READING_AND_WRITING | ASKING | HEAVY)
    assert not found & {"newsletter.mails.render", "newsletter.mails.wording", "newsletter.tex"}


@pytest.mark.slow
def test_a_day_without_news_and_without_an_inbox_makes_no_mails(
    sample: Path, newsletter: Command
) -> None:
    for _ in range(2):  # the first has news
        newsletter("run", "--now", DAY_ONE)
    found = imported(sample, "run", "--now", DAY_ONE)
    assert "newsletter.job.daily" in found
    assert not found & (ASKING | {"jinja2", "premailer", "lxml", "flufl", "zoneinfo"})
    assert not found & {"newsletter.mails.render", "newsletter.job.inbox", "newsletter.refusals"}


@pytest.mark.slow
@pytest.mark.usefixtures("sample")
def test_a_run_says_how_long_each_phase_took_where_it_is_asked(newsletter: Command) -> None:
    quiet = newsletter("run", "--now", DAY_ONE)
    said = newsletter("-v", "run", "--now", DAY_TWO).err
    phases = ["reading the list", "sending what was owed", "the inbox", "comparing the list"]
    phases += ["asking for papers"]
    phases += ["publishing", "sending", "what came back, and the archive"]
    assert re.findall(r"^(?:debug: )?(.+): \d+\.\d\d s$", said, re.MULTILINE) == phases
    assert "reading the list" not in quiet.err


def names(program: typer.Typer) -> set[str]:
    group = typer.main.get_group(program)
    assert group.name == "newsletter"
    return set(group.commands)


def test_a_program_for_one_command_is_that_of_all() -> None:
    everything = names(app)
    for words in (["--config", "x.toml", "status"], ["status", "--json"], ["subscribers", "list"]):
        assert names(asked_for(app, words)) == set(words) & everything
    for words in ([], ["statsu"], ["status", "--help"], ["-h", "run"]):
        assert names(asked_for(app, words)) == everything
