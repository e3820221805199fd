"""How many instructions some work takes: a figure that no busy machine changes. Needs valgrind.

    python -m benchmarks.instructions [--quick]

Counted by callgrind, in millions, for whole programs; what a bare Python takes is left out.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.history import sample
from benchmarks.send import SINK, sink
from benchmarks.start import COMMANDS

VALGRIND = shutil.which("valgrind") or ""
SEND = """
from benchmarks.send import ours
ours({port}, {number}, 13_000, 4)
"""
MATCH = """
from newsletter.keywords.index import Index
from newsletter.models import Keyword
from tests.making.papers import paper
index = Index([Keyword(name=f"graph {{n}}") for n in range({number})] + [Keyword(name="graphs")])
papers = [
    paper(f"2611.{{n:05}}", title=f"On graph {{n}}", abstract="graph look " * 90) for n in range(50)
]
assert all(index.of(each) for each in papers)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="only a bare Python")
    options = parser.parse_args()
    if not VALGRIND:
        parser.error("valgrind is needed: apt-get install valgrind")
    bare = counted("-c", "pass")
    if options.quick:
        print(f"a bare Python: {bare:,.0f} million instructions")
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        sample(folder)
        for command in COMMANDS:
            words = ("-m", "newsletter", *command.split())
            found = counted(*words, folder=folder) - bare
            called = command.partition(" --now")[0]
            print(f"newsletter {called}: {found:,.0f} million instructions", flush=True)
    found = counted("-c", MATCH.format(number=1000)) - bare
    print(f"match 1,000 keywords x 50 papers: {found:,.0f} million instructions", flush=True)
    if SINK:
        with sink() as port:
            none, some = (counted("-c", SEND.format(port=port, number=n)) for n in (4, 1004))
        print(f"send 1,000 mails of 13 KB, ledger on: {some - none:,.0f} million instructions")


def counted(*arguments: str, folder: Path | None = None) -> float:
    """Return how many million instructions a Python with these arguments takes."""
    environment = {
        **os.environ,
        "NEWSLETTER_SOURCE__FILE": "day2.xml",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONHASHSEED": "0",
    }
    with TemporaryDirectory() as out:
        count = [VALGRIND, "--tool=callgrind", f"--callgrind-out-file={out}/out"]
        # Once without, so that all bytecode is there, and the first run has had its news.
        for before in ([], count):
            ran = subprocess.run(
                [*before, sys.executable, *arguments],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
    found = re.search(r"Collected : (\d+)", ran.stderr)
    assert found, ran.stderr
    return int(found[1]) / 1e6


if __name__ == "__main__":
    main()
