"""What README and docs/ say is so: its commands run, its settings load, its links lead somewhere.

A block marked `sh` is run from the folder of a demo; of a `bash` block, which changes a machine,
the newsletter's own command lines are only read.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from mailbox import Maildir
from pathlib import Path

import pytest
from rich.console import Console

from newsletter import errors
from newsletter.config import loading
from newsletter.preview.demo import run_demo
from tests.making.commandline import parse, variables
from tests.making.warm import shim

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
NEEDED = {
    "newsletter": '[newsletter]\nid = "a"\ntitle = "A"\nsender = "a@example.org"\n',
    "keywords": '[[keywords]]\nname = "protein folding"\n',
}
ALONE = {"--help", "--version", "--install-completion"}  # options that end the program
OURS = re.compile(r"^(?:sudo -u newsletter )?newsletter (.+)$", re.MULTILINE)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> Iterator[str]:
    text = page.read_text("utf-8")
    yield from re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    run_demo(folder, console=Console(quiet=True))
    Maildir(folder / "returned")
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the PATH: the program's own name, without the second that each start costs."""
    return shim(tmp_path_factory.mktemp("program"))


@pytest.mark.bash
@pytest.mark.slow
@each_page
def test_the_commands_of_a_page_work_one_after_the_other(
    page: Path, demo_folder: Path, program: Path
) -> None:
    environ = {
        "PATH": f"{program}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NEWSLETTER_SOURCE__FILE": str(demo_folder / "day2.xml"),
        "NEWSLETTER_INBOX__KIND": "maildir",
        "NEWSLETTER_INBOX__PATH": str(demo_folder / "returned"),
    }
    for block in blocks(page, "sh"):
        done = subprocess.run(
            ["bash", "-e", "-c", block],
            cwd=demo_folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"


@each_page
def test_commands_that_change_a_machine_are_spelt_right(page: Path) -> None:
    for block in blocks(page, "bash"):
        for words in OURS.findall(block):
            assert parse(words.split())


@each_page
def test_cron_needs_no_path_to_find_the_program(page: Path) -> None:
    jobs = re.findall(r"^ *0 10 \* \* \*  cd \S+ && (.+)$", page.read_text("utf-8"), re.MULTILINE)
    for program, *words in map(str.split, jobs):
        assert Path(program).is_absolute()
        assert parse(words) == "run"


@each_page
def test_commands_and_variables_within_the_text_exist(page: Path) -> None:
    text = page.read_text("utf-8")

    for words in re.findall(r"`newsletter ([^`]+)`", text):
        assert words in ALONE or parse(words.split())
    assert set(re.findall(r"NEWSLETTER_[A-Z_]+", text)) <= variables()


@each_page
def test_every_example_of_settings_loads(page: Path, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    for block in blocks(page, "toml"):
        rest = [text for table, text in NEEDED.items() if f"[{table}]" not in block]
        path = tmp_path / "newsletter.toml"
        path.write_text("\n".join([*rest, block]), "utf-8")
        found = loading.load(
            path,
            environ={
                "NEWSLETTER_SMTP__PASSWORD": "secret" if "[smtp]" in block else "",
                "NEWSLETTER_INBOX__PASSWORD": "secret" if "[inbox]" in block else "",
                "NEWSLETTER_SECRETS_DIR": str(tmp_path),
            },
        )
        assert not found.warnings


@each_page
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text("utf-8")

    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (page.parent / target).exists()
    for path in re.findall(r"\bdeploy/[\w./-]+\w", text):
        assert (CHECKOUT / path).exists()


def test_troubleshooting_knows_every_exit_code() -> None:
    page = CHECKOUT / "docs" / "troubleshooting.md"
    explained = re.findall(r"^\| (\d+) \|", page.read_text("utf-8"), re.MULTILINE)
    codes = {value for name, value in vars(errors).items() if name.isupper() and type(value) is int}

    assert {int(code) for code in explained} == codes
