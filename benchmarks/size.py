"""How large the state becomes, and how long a large one takes to open.

    python -m benchmarks.size [--papers 20000] [--megabytes 1000]

The same papers are announced under one keyword and under six: the difference is what a paper costs
for each keyword, the rest its own data, beside these data as plain JSON.
"""

import argparse
import sqlite3
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from msgspec.json import encode

from benchmarks.archive import BEGAN, texts
from newsletter.issues.issue import compile_issue
from newsletter.models import Announcement, Day, Keyword, News, Paper
from newsletter.state.sqlite.lock import only_run
from newsletter.state.state import State

A_DAY = 500  # papers
NAMES = (
    "graph neural network", "diffusion model", "medical imaging", "protein folding",
    "chain of thought", "reinforcement learning",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--papers", type=int, default=20_000)
    parser.add_argument("--megabytes", type=int, default=1000)
    options = parser.parse_args()
    papers = list(islice(texts(), options.papers))
    with TemporaryDirectory() as folder:
        sizes = {}
        for keywords in (1, len(NAMES)):
            path = Path(folder, f"{keywords}.sqlite3")
            fill(path, papers, NAMES[:keywords])
            sizes[keywords] = path.stat().st_size / len(papers)
        each = (sizes[len(NAMES)] - sizes[1]) / (len(NAMES) - 1)
        plain = sum(len(encode(each)) for each in papers) / len(papers)
        print(f"a paper and keyword: {each:.0f} bytes (wanted: 350 at most)")
        print(f"a paper's own data: {sizes[1] - each:.0f} bytes, {plain:.0f} as plain JSON")
        grow(path, options.megabytes)
        taken = [opening(path) for _ in range(5)]
        size = path.stat().st_size / 1e6
        print(f"opening a state of {size:,.0f} MB: {median(taken):.3f} s (wanted: 0.1)")


def fill(path: Path, papers: Sequence[Paper], names: Sequence[str]) -> None:
    with State.open(path) as state:
        for number, first in enumerate(range(0, len(papers), A_DAY), 1):
            now = BEGAN + timedelta(days=number)
            news = [
                News(
                    keyword=Keyword(name=name),
                    source="arXiv",
                    outcome="new",
                    announcements=tuple(
                        Announcement(paper=each) for each in papers[first : first + A_DAY]
                    ),
                    listed=A_DAY,
                    since=now - timedelta(days=1),
                )
                for name in names
            ]
            day = Day(now=now, news=news, windows=dict.fromkeys(names, now))
            state.publish(compile_issue(number, now.date(), news), day, [], [], weekly=False)


def grow(path: Path, megabytes: int) -> None:
    """Make the state larger by papers of the same kind, as years would, and note it as sound."""
    with sqlite3.connect(path) as db:
        rounds = 0
        while path.stat().st_size < megabytes * 1_000_000:
            rounds += 1
            db.execute(
                "insert into papers select id || '.' || ?, version, data from papers"
                " where id not like '%.%.%'",
                (rounds,),
            )
            db.commit()
    db.close()
    with only_run(path), State.open(path):  # looks at the whole file, and notes that it did
        pass


def opening(path: Path) -> float:
    began = time.perf_counter()
    with State.open(path):
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
