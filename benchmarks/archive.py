"""How long the archive takes: all of it, one more issue, no news; and how large its search is.

`python -m benchmarks.archive [ISSUES] [PAPERS]` makes a state of so many issues (1,000) of so many
papers (50) from real metadata, where that is beside the checkout, else from made-up words; and one
of a quarter of the issues, to see whether memory grows. Each is written by a process of its own.
"""

import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import _pytest.outcomes
from msgspec.structs import replace

from newsletter.archive.writing import Imprint, write
from newsletter.issues.issue import compile_issue
from newsletter.models import Announcement, Day, Keyword, News, Paper
from newsletter.sources.arxiv import identity
from newsletter.state.state import State
from tests.making.papers import paper
from tests.making.shared_data import june_papers

KEYWORDS = tuple(Keyword(name=name) for name in ("one", "two", "three", "four", "five"))
BEGAN = datetime(2022, 1, 3, 10, tzinfo=UTC)


def main(issues: int = 1000, papers: int = 50) -> None:
    for number in (issues // 4, issues):
        with TemporaryDirectory() as folder:
            path, target = Path(folder) / "state.sqlite3", Path(folder) / "archive"
            fill(path, range(number), papers)
            apart(f"rebuild of {number} issues of {papers} papers", path, target)
            apart("again, nothing is new", path, target)
            fill(path, range(number, number + 1), papers)
            apart("one more issue", path, target)
            size = sum(each.stat().st_size for each in (target / "search").iterdir())
            found = (number + 1) * papers
            print(f"search index: {size / found * 10_000 / 1e6:.2f} MB for 10,000 papers")


def fill(path: Path, numbers: range, papers: int) -> None:
    stream = texts()
    with State.open(path) as state:
        for _ in range(numbers.start * papers):
            next(stream)
        for number in numbers:
            publish(state, number + 1, list(islice(stream, papers)))


def apart(what: str, path: Path, target: Path) -> None:
    """Write in a process of its own, so that what it needs is not what others needed."""
    process = get_context("spawn").Process(target=timed, args=(what, path, target))
    process.start()
    process.join()


def texts() -> Iterator[Paper]:
    try:
        known = june_papers()
    except _pytest.outcomes.Skipped:
        known = tuple(paper(f"2611.{number:05}") for number in range(1000))
    for number, each in enumerate(cycle(known)):
        name = f"{number // 90_000 + 2301:04}.{number % 90_000:05}"
        yield replace(each, id=identity.paper_id(name), links=identity.links(name), version=1)


def publish(state: State, number: int, papers: list[Paper]) -> None:
    now = BEGAN + timedelta(days=number)
    dated = [replace(each, submitted=now - timedelta(hours=9), updated=now) for each in papers]
    news = [
        News(
            keyword=keyword,
            source="arXiv",
            outcome="new",
            announcements=tuple(Announcement(paper=each) for each in dated[at :: len(KEYWORDS)]),
            listed=len(dated),
            since=now - timedelta(days=1),
        )
        for at, keyword in enumerate(KEYWORDS)
    ]
    day = Day(now=now, news=news, windows={each.name: now for each in KEYWORDS})
    state.publish(compile_issue(number, now.date(), news), day, [], [], weekly=False)


def timed(what: str, path: Path, target: Path) -> None:
    imprint = Imprint(
        id="benchmark",
        title="Benchmark",
        keywords=KEYWORDS,
        timezone=ZoneInfo("UTC"),
        max_papers=100,
    )
    with State.open(path) as state:
        before = peak()
        began, worked = time.perf_counter(), time.process_time()
        written = write(state, target, imprint)
        wall, own = time.perf_counter() - began, time.process_time() - worked
    print(
        f"{what}: {wall:.2f} s ({own:.2f} s of the processor), {len(written)} files,"
        f" peak memory {peak():.0f} MB ({before:.0f} before)"
    )


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
