"""Print how many papers × keywords a second are decided, now and at an earlier commit.

Run from the checkout: `python -m benchmarks.match [--before COMMIT]`. Each figure is the best of
five programs that begin with nothing in memory, as a day does, by their own time on the processor;
those of before and now take turns.
"""

import io
import os
import subprocess
import sys
import tarfile
import time
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve()
ROUNDS = 5
KEYWORDS = """
graph neural network; diffusion model; mri; chain of thought; large language model; GPT-4;
reinforcement learning; retrieval-augmented generation; medical imaging; robot manipulation;
knowledge graph; protein folding; multi-agent; federated learning; speech recognition; transformer;
magnetic resonance imaging; video generation; continual learning; state of the art
"""


def decided(number: int) -> float:
    """Return how many papers × keywords a second the `newsletter` that is imported decides."""
    from newsletter.keywords.matching import matcher
    from newsletter.models import Keyword
    from tests.making.shared_data import june_papers

    papers = june_papers()
    names = [each.strip() for each in KEYWORDS.split(";")][:number]
    matches = [each for name in names if (each := matcher(Keyword(name=name)))]
    began = time.process_time()
    found = sum(belongs(paper) for paper in papers for belongs in matches)
    taken = time.process_time() - began
    assert found
    return len(papers) * number / taken


def measured(tree: Path, number: int) -> float:
    ran = subprocess.run(
        [sys.executable, HERE, "--decide", str(number)],
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
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--before", metavar="COMMIT", help="measure this one, too")
    parser.add_argument("--decide", type=int, help="used by itself: measure once, for N keywords")
    asked = parser.parse_args()
    if asked.decide:
        print(decided(asked.decide))
        return
    with TemporaryDirectory() as folder:
        trees = {"now": HERE.parents[1]}
        if asked.before:
            archive = ["git", "-C", HERE.parents[1], "archive", asked.before]
            made = subprocess.run(
                [*archive, "newsletter", "tests"], capture_output=True, check=True
            )
            with tarfile.open(fileobj=io.BytesIO(made.stdout)) as files:
                files.extractall(folder, filter="data")
            trees = {"before": Path(folder)} | trees
        for number in (1, 20):
            best = dict.fromkeys(trees, 0.0)
            for _ in range(ROUNDS):
                for name, tree in trees.items():
                    best[name] = max(best[name], measured(tree, number))
            figures = ", ".join(f"{name} {figure:,.0f}" for name, figure in best.items())
            ratio = f": {best['now'] / best['before']:.2f} times" if asked.before else ""
            print(f"{number} keyword{'s' if number > 1 else ''}: {figures} a second{ratio}")


if __name__ == "__main__":
    main()
