"""How long papers take to be matched: by an index for many keywords, by each matcher for a few.

    python -m benchmarks.match [--quick]

Seconds are those of the processor, in programs that begin with nothing in memory, as a day does:
medians of rounds in which 100 and 10,000 keywords take turns, making the index included. The
keywords are pairs of words that stand beside each other in titles, so each has papers.
"""

import os
import statistics
import subprocess
import sys
import time
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.models import Paper

HERE = Path(__file__).resolve()


def divided(number: int, papers: int, *, indexed: bool) -> float:
    """Return the seconds that an index, or one matcher after the other, takes for all papers."""
    from newsletter.keywords.index import Index
    from newsletter.keywords.matching import matcher
    from newsletter.models import Keyword

    month = _papers()
    looked_at = month[-papers:]
    names: dict[str, None] = {}
    for paper in (looked_at[0], *month):  # so that one at least is found, in made-up words too
        words = paper.title.replace(";", " ").split()
        names |= dict.fromkeys(f"{one} {other}" for one, other in pairwise(words))
    keywords = [Keyword(name=name) for name in list(names)[:number]]
    began = time.process_time()
    if indexed:
        index = Index(keywords)
        found = sum(len(index.of(paper)) for paper in looked_at)
    else:
        matches = [each for keyword in keywords if (each := matcher(keyword))]
        found = sum(belongs(paper) for paper in looked_at for belongs in matches)
    taken = time.process_time() - began
    assert found
    return taken


def _papers() -> Sequence["Paper"]:
    """Return a month of papers, or made-up ones where there is no recorded data."""
    from _pytest.outcomes import Skipped

    from tests.making.papers import paper
    from tests.making.shared_data import june_papers

    try:
        return june_papers()
    except Skipped:
        chance = Random(1)
        words = [
            f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "ral", "ting")
        ]
        return [
            paper(
                f"2611.{number:05}",
                title=" ".join(chance.choices(words, k=9)),
                abstract=" ".join(chance.choices(words, k=170)),
            )
            for number in range(4000)
        ]


def index_figures(*, quick: bool) -> None:
    """Print what 100 and 10,000 keywords take by an index, and what matchers would."""
    few, many, papers, rounds = (10, 100, 30, 1) if quick else (100, 10_000, 1500, 5)
    taken: dict[int, list[float]] = {few: [], many: []}
    for _ in range(rounds):
        for number, found in taken.items():
            found.append(measured(HERE.parents[1], "--index", number, papers))
    small, large = (statistics.median(taken[number]) for number in (few, many))
    print(f"index, {few:,} keywords x {papers:,} papers: {small:.2f} s")
    print(f"index, {many:,} keywords x {papers:,} papers: {large:.2f} s: x{large / small:.2f}")
    loop = measured(HERE.parents[1], "--loop", many, papers // 10)
    print(
        f"a loop over {many:,} matchers, {papers // 10:,} papers: {loop:.2f} s, so for all"
        f" {10 * loop:.1f} s: x{10 * loop / large:.0f} of the index"
    )


def measured(tree: Path, what: str, *numbers: int) -> float:
    ran = subprocess.run(
        [sys.executable, HERE, what, *map(str, numbers)],
        env=os.environ | {"PYTHONPATH": str(tree), "NEWSLETTER_SHARED_DATA": str(_data())},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ran.stdout)


def _data() -> Path:
    beside = HERE.parents[2] / "shared" / "data"
    return Path(os.environ.get("NEWSLETTER_SHARED_DATA", beside))


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    parser.add_argument("--index", type=int, nargs=2, help=SUPPRESS)
    parser.add_argument("--loop", type=int, nargs=2, help=SUPPRESS)
    asked = parser.parse_args()
    if asked.index:
        print(divided(*asked.index, indexed=True))
    elif asked.loop:
        print(divided(*asked.loop, indexed=False))
    else:
        index_figures(quick=asked.quick)


if __name__ == "__main__":
    main()
