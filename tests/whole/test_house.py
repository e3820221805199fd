"""The tree and who may know whom: the linter bites, and the folders are as the map says."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import newsletter

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "newsletter"
FOLDERS = sorted({path.parent for path in PACKAGE.rglob("*.py")})
READ_WHOLE = {"tex.py", "session.py"}  # one machine each, better read in one piece
# Modules of a folder: elsewhere nine. The first is the ground floor, where no folder is to be.
MOST = {"newsletter": 10, "newsletter/sources/arxiv": 10}

LAYERS = "A folder may import those below it; the steps of the day do not know each other"
CIRCLES = "No circles anywhere"
PURE = "What decides touches neither network, disk nor clock"
LIBRARIES = "One module knows each library"
SOURCES = "Sources know nothing of each other"

# A line added to a module, and the contract that it breaks.
BREACHES = [
    ("mails/wording.py", "import newsletter.state.state", LAYERS),  # from step to step
    ("returns/bounces.py", "import newsletter.sending.smtp", LAYERS),
    ("models/papers.py", "import newsletter.state.state", LAYERS),  # upward
    ("phrases.py", "import newsletter.models", LAYERS),
    ("keywords/matching.py", "import newsletter.subscribers.listfile", LAYERS),
    ("state/state.py", "import newsletter.job.daily", LAYERS),
    ("preview/demo.py", "import newsletter.operating.status", LAYERS),
    ("config/tables.py", "def late(): import newsletter.job.daily", LAYERS),  # on demand, too
    ("attic/__init__.py", '"""A folder that has not taken its place."""', LAYERS),
    ("models/papers.py", "import newsletter.models.issues", CIRCLES),
    ("sending/replies.py", "import newsletter.sending.session", CIRCLES),
    ("issues/diff.py", "import time", PURE),
    ("mails/wording.py", "from os import path", PURE),
    ("sources/arxiv/trust.py", "import requests", PURE),
    ("sending/replies.py", "import socket", PURE),
    ("issues/diff.py", "import feedparser", LIBRARIES),
    ("sources/arxiv/trust.py", "from feedparser import parse", LIBRARIES),
    ("operating/status.py", "import jinja2", LIBRARIES),
    ("models/papers.py", "import itsdangerous", LIBRARIES),
]


def lint(checkout: Path) -> "subprocess.CompletedProcess[str]":
    """Run what `make lint` runs on imports, in that checkout."""
    program = "import sys; from importlinter.cli import lint_imports_command as run; run()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=checkout,
        env={"COLUMNS": "200"},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A scratch copy of the program and its contracts."""
    shutil.copytree(PACKAGE, tmp_path / "newsletter", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_contracts_of_imports_are_kept(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken." in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("contract", {contract: None for _, _, contract in BREACHES})
def test_an_import_that_breaks_a_contract_is_told_by_its_sentence(
    copy: Path, contract: str
) -> None:
    breaches = [(module, line) for module, line, broken in BREACHES if broken == contract]
    for module, line in breaches:
        path = copy / "newsletter" / module
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as file:
            file.write(f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout
    told = done.stdout.partition(f"\n{contract}\n---")[2]
    for module, line in breaches:
        assert words_of(module, line, contract) in told, told


def words_of(module: str, line: str, contract: str) -> str:
    """Return what is told of a breach: the import, the folder of a circle, an unknown folder."""
    name = f"newsletter.{module.removesuffix('.py').replace('/', '.')}"
    if contract == CIRCLES:
        return f"No cycles are allowed in {name.rpartition('.')[0]}."
    if imported := re.search(r"(?:import|from) (\S+)", line):
        return f"{name} -> {imported[1]} "
    return name.removesuffix(".__init__")


@pytest.mark.slow
def test_a_source_that_knows_another_is_told_by_the_sentence(copy: Path) -> None:
    pyproject = copy / "pyproject.toml"
    text = pyproject.read_text("utf-8")
    ours = 'modules = ["newsletter.sources.arxiv"]'
    assert ours in text
    pyproject.write_text(text.replace(ours, f'{ours[:-1]}, "newsletter.sources.another"]'), "utf-8")
    another = copy / "newsletter" / "sources" / "another"
    another.mkdir()
    (another / "__init__.py").write_text("from newsletter.sources.arxiv import identity\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{SOURCES} BROKEN" in done.stdout


def test_every_source_is_kept_from_knowing_the_others() -> None:
    linter = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (modules,) = (each["modules"] for each in linter["contracts"] if each["name"] == SOURCES)
    folders = [each.name for each in FOLDERS if each.parent == PACKAGE / "sources"]
    assert sorted(modules) == sorted(f"newsletter.sources.{name}" for name in folders)


def test_lint_checks_the_imports() -> None:
    recipe = (CHECKOUT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert "$(BIN)/lint-imports" in recipe


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.relative_to(CHECKOUT).as_posix())
def test_a_folder_says_what_it_is_for_and_has_room(folder: Path) -> None:
    opening = ast.parse((folder / "__init__.py").read_text("utf-8"))
    assert ast.get_docstring(opening)
    if folder.name not in {"newsletter", "models"}:  # the version; names that models hands on
        assert len(opening.body) == 1
    modules = [path for path in folder.glob("*.py") if not path.name.startswith("__")]
    assert 2 <= len(modules) <= MOST.get(folder.relative_to(CHECKOUT).as_posix(), 9)


def test_no_module_is_longer_than_can_be_read_at_once() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    long = [path.name for path, length in lengths.items() if length > 400]
    assert set(long) <= READ_WHOLE


def test_the_map_names_every_room_and_what_is_on_the_ground() -> None:
    rooms = {path.name for path in FOLDERS if path.parent == PACKAGE}
    ground = {path.stem for path in PACKAGE.glob("[!_]*.py")}
    named = set(re.findall(r"\w+", newsletter.__doc__ or ""))
    assert (rooms | ground) - named == set()


def test_no_path_is_deeper_than_three_words() -> None:
    assert all(len(path.relative_to(PACKAGE).parts) <= 3 for path in PACKAGE.rglob("*.py"))


def test_the_tests_stand_in_the_same_folders() -> None:
    tests = (CHECKOUT / "tests").glob("*/**/test_*.py")
    names = {path.relative_to(CHECKOUT / "tests").parts[0] for path in tests}
    rooms = {folder.relative_to(PACKAGE).parts[0] for folder in FOLDERS if folder != PACKAGE}
    assert names - {"whole", "fuzz"} <= rooms


@pytest.mark.slow
def test_no_test_imports_from_a_test() -> None:
    for path in (CHECKOUT / "tests").rglob("*.py"):
        if "node_modules" not in path.parts:
            tree = ast.parse(path.read_text("utf-8"))
            froms = [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
            assert not [each.module for each in froms if ".test_" in (each.module or "")], path
