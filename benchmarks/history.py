"""How much more of the processor a quiet run takes after years: small and long histories in turn.

    python -m benchmarks.history [--papers 1000000] [--rounds 5]

A run is the whole program, started anew on the sample with its papers in a file. Medians of user
and system time; the machine may be busy, since both histories are measured alternately.
"""

import argparse
import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from newsletter.preview.demo import run_demo

NOW = "2026-11-20T11:00:00Z"
SMALL = 1_000
NEWSLETTER = ("-m", "newsletter")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--papers", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        sizes = (SMALL, options.papers)
        folders = {size: Path(folder, str(size)) for size in sizes}
        for size, each in folders.items():
            sample(each)
            remember(each / "state.sqlite3", size)
            seconds(each, *NEWSLETTER, "run", "--now", NOW)  # the first looks at the whole file
            seconds(each, *NEWSLETTER, "run", "--now", NOW)
        for command in (["run", "--now", NOW], ["status"]):
            taken: dict[int, list[float]] = {size: [] for size in sizes}
            for _ in range(options.rounds):
                for size, each in folders.items():
                    taken[size].append(seconds(each, *NEWSLETTER, *command))
            few, many = (median(taken[size]) for size in sizes)
            print(
                f"{command[0]}: {few:.2f} s after {SMALL:,} papers,"
                f" {many:.2f} s after {options.papers:,}: x{many / few:.2f}"
            )


def sample(folder: Path) -> None:
    """Make the sample with its two runs, and say nothing of it."""
    with redirect_stdout(StringIO()):
        run_demo(folder)


def remember(state_file: Path, papers: int) -> None:
    """Write a history of papers, spread over ten years, for the first keyword of the sample."""
    with sqlite3.connect(state_file) as db:
        db.execute(
            "with recursive number(n) as (select 1 union all select n + 1 from number where n < ?)"
            " insert into announced (keyword, paper, version, submitted, kind, recorded)"
            " select 'protein folding', 'arxiv:old.' || n, 1,"
            " strftime('%Y-%m-%dT%H:%M:%SZ', '2016-01-01', (n * 3650.0 / ?) || ' days'),"
            " 'baseline', '2026-11-19T10:00:00Z' from number",
            (papers, papers),
        )
    db.close()


def seconds(folder: Path, *arguments: str) -> float:
    """Return what a Python with these arguments took of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "NEWSLETTER_SOURCE__FILE": "day2.xml", "PYTHONDONTWRITEBYTECODE": ""},
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
