"""The tests on a machine that has Python and nothing else."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.making.tools import TOOLS, not_tried

CHECKOUT = Path(__file__).parents[2]
# Also what another process is about to rename: it is gone before it can be copied.
UNCOMMITTED = shutil.ignore_patterns(".*", "build", "demo", "node_modules", "*.pyc.*")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what pytest prints in a fresh checkout with no program on the PATH.

    Only tests with the marker of a tool are run: no others can start one, as the last test shows.
    """
    checkout = tmp_path_factory.mktemp("bare") / "checkout"
    shutil.copytree(CHECKOUT, checkout, ignore=UNCOMMITTED)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", " or ".join(TOOLS)]
    nothing = dict.fromkeys(("PATH", "CHROMIUM", "POSTGRESQL"), str(checkout / "nothing"))
    done = subprocess.run(
        command, cwd=checkout, env=nothing, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_nothing_fails_for_want_of_a_tool(bare: str) -> None:
    closing = bare.splitlines()[-1]
    assert re.search(r" \d+ skipped, \d+ deselected", closing), closing
    assert "passed" not in closing


@pytest.mark.slow
def test_one_line_says_what_was_not_tried_and_how_to_get_it(bare: str) -> None:
    [line] = re.findall(r"^Not tried: \d+ tests\. .*", bare, re.MULTILINE)
    for tool in TOOLS.values():
        assert f"no {tool.name} here ({tool.get})" in line


def test_a_reason_is_said_once_with_its_number_of_tests() -> None:
    assert not_tried({"no git here": 2, "no Dovecot here": 11}) == (
        "Not tried: 13 tests. no Dovecot here: 11; no git here: 2"
    )
    assert not_tried({"no git here": 1}) == "Not tried: 1 test. no git here: 1"
    assert not_tried({}) == ""


def test_no_test_starts_a_program_without_the_marker_of_its_tool() -> None:
    with pytest.raises(AssertionError, match="true may not be here: mark the test"):
        subprocess.run(["true"], check=True)
    subprocess.run([sys.executable, "-c", ""], check=True)
