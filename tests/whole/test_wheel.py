"""What is handed out: the same wheel every time, and it works where there is nothing else."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from mailbox import Maildir
from pathlib import Path

import pytest
import typer.main

import newsletter
from newsletter.commands.main import app

CHECKOUT = Path(__file__).parents[2]
SOURCES = ("LICENSE", "README.md", "hatch_build.py", "newsletter", "pyproject.toml", "templates")

pytestmark = pytest.mark.slow


def built(folder: Path) -> Path:
    """Return a wheel, built from a copy of the sources in `folder`."""
    checkout = folder / "checkout"
    checkout.mkdir(parents=True)
    without = shutil.ignore_patterns("__pycache__")  # where others write and rename meanwhile
    for name in SOURCES:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, checkout / name, ignore=without)
        else:
            shutil.copy(CHECKOUT / name, checkout / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", folder],
        cwd=checkout,
        env={"SOURCE_DATE_EPOCH": "1764115200"},
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def index() -> None:
    """Skip where the dependencies cannot be had."""
    asked = [sys.executable, "-m", "pip", "index", "versions", "hatchling"]
    if subprocess.run(asked, check=False, capture_output=True).returncode:
        pytest.skip("no package index in reach")


def inside(wheel: Path, ending: str) -> bytes:
    """Return the only file of a wheel whose name ends so."""
    with zipfile.ZipFile(wheel) as found:
        [name] = [each for each in found.namelist() if each.endswith(ending)]
        return found.read(name)


def metadata(wheel: Path) -> Message:
    return message_from_bytes(inside(wheel, ".dist-info/METADATA"))


def test_a_wheel_built_twice_is_the_same_byte_for_byte(wheel: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        again = built(tmp_path / "elsewhere")
    finally:
        os.umask(before)

    assert again.name == wheel.name == f"arxiv_newsletter-{newsletter.__version__}-py3-none-any.whl"
    assert again.read_bytes() == wheel.read_bytes()


def test_the_readme_of_the_index_leads_to_the_repository(wheel: Path) -> None:
    described = metadata(wheel)
    text = str(described.get_payload())
    here = (CHECKOUT / "README.md").read_text("utf-8")
    tag = f"v{newsletter.__version__}/"

    relative = re.findall(r"\]\((?!https?:|#)([^)]+)\)", here)
    assert relative
    assert re.findall(r"\]\((?!https?:|#)([^)]+)\)", text) == []
    assert {
        link.partition(tag)[2] for link in re.findall(r"\]\(([^)]+)\)", text) if tag in link
    } == {*relative}
    assert described["Description-Content-Type"] == "text/markdown"


def test_the_extras_are_those_of_the_docs(wheel: Path) -> None:
    offered = set(metadata(wheel).get_all("Provides-Extra", []))
    pages = [CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")]
    named = {
        name
        for page in pages
        for names in re.findall(r"arxiv-newsletter\[([\w,]+)\]", page.read_text("utf-8"))
        for name in names.split(",")
    }
    assert named == offered


def test_the_manual_page_has_every_command_and_option(wheel: Path) -> None:
    page = inside(wheel, "share/man/man1/newsletter.1").decode().replace(r"\-", "-")
    program = typer.main.get_command(app)
    context = program.make_context("newsletter", [], resilient_parsing=True)

    assert page.startswith(f'.TH NEWSLETTER 1 "" "newsletter {newsletter.__version__}"')
    for name, command in program.commands.items():  # type: ignore[attr-defined]
        assert re.search(rf"^\.SS {name}\b", page, re.MULTILINE)
        for parameter in [] if hasattr(command, "commands") else command.get_params(context):
            assert all(each in page for each in parameter.opts if each.startswith("-"))
    assert inside(wheel, "share/man/man1/arxiv-newsletter.1") == b".so man1/newsletter.1\n"


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("tool", ["uvx", "pipx run"])
def test_one_line_runs_the_demo_from_an_index(tool: str, wheel: Path, tmp_path: Path) -> None:
    here = ["--python", sys.executable]
    links = f"--find-links={wheel.parent}"
    words = {
        "uvx": ["uv", "tool", "run", *here, links],
        "pipx run": ["pipx", "run", *here, f"--pip-args={links}"],
    }
    rooms = {"PIPX_HOME": str(tmp_path / "pipx"), "UV_TOOL_DIR": str(tmp_path / "uv")}
    done = subprocess.run(
        [sys.executable, "-m", *words[tool], "arxiv-newsletter", "demo", "shown"],
        cwd=tmp_path,
        env=os.environ | rooms,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(Maildir(tmp_path / "shown" / "outbox", create=False)) > 0
