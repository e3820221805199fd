"""How time grows with subscribers, keywords, papers and history, as a table and as plots.

    python -m benchmarks.growth [--quick] [--plots benchmarks/plots]

Each step is measured in a process of its own, in seconds of the processor. Subscribers: a run that
mails them into smtp-sink. Keywords: matching 1,000 papers. Papers: a whole run from a saved feed
for one reader. History: a run with nothing to do, over papers announced in ten years.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks import feeds, history
from benchmarks.plot import svg
from benchmarks.send import SINK, sink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STEPS = {
    "subscribers": (1_000, 10_000, 100_000),
    "keywords": (10, 100, 1_000, 10_000),
    "papers": (10, 100, 300, 1_000),
    "history": (1_000, 10_000, 100_000, 1_000_000),
}
QUICK = {
    "subscribers": (20,),
    "keywords": (10,),
    "papers": (5,),
    "history": (100,),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--plots", type=Path, default=Path(__file__).parent / "plots")
    options = parser.parse_args()
    if not SINK:
        parser.error("smtp-sink is needed: apt-get install postfix")
    options.plots.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, sink() as port:
        measures: Mapping[str, Callable[[int], float]] = {
            "subscribers": lambda number: mailed(number, port),
            "keywords": lambda number: matched(number, 50 if options.quick else 1_000),
            "papers": lambda number: published(number, port, Path(folder, f"papers-{number}")),
            "history": lambda number: remembered(
                number, Path(folder, f"history-{number}"), rounds=1 if options.quick else 3
            ),
        }
        for name, measure in measures.items():
            steps = (QUICK if options.quick else STEPS)[name]
            points = {number: measure(number) for number in steps}
            print(
                f"{name}: " + ", ".join(f"{n:,}: {s:.2f} s" for n, s in points.items()), flush=True
            )
            (options.plots / f"{name}.svg").write_text(svg(points, f"seconds by {name}"), "utf-8")


def mailed(recipients: int, port: int) -> float:
    step = ["benchmarks.scale", "--port", str(port), "--recipients", str(recipients)]
    return float(printed(*step).split()[2])


def matched(keywords: int, papers: int) -> float:
    return float(printed("benchmarks.match", "--index", str(keywords), str(papers)))


def published(papers: int, port: int, folder: Path) -> float:
    folder.mkdir()
    return feeds.ours(folder, feeds.feed_of(papers), port)


def remembered(papers: int, folder: Path, *, rounds: int) -> float:
    quiet = (*history.NEWSLETTER, "run", "--now", history.NOW)
    history.sample(folder)
    history.remember(folder / "state.sqlite3", papers)
    for _ in range(2):  # the first looks at the whole file
        history.seconds(folder, *quiet)
    return min(history.seconds(folder, *quiet) for _ in range(rounds))


def printed(*arguments: str) -> str:
    step = [sys.executable, "-m", *arguments]
    return subprocess.run(step, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
