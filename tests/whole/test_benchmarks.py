import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_benchmark_of_long_histories_runs_and_prints_a_line_a_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.history", "--papers", "2000", "--rounds", "1"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    *_, run, status = ran.stdout.splitlines()
    assert run.startswith("run: ")
    assert status.startswith("status: ")
