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

from benchmarks.send import SINK, sink

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
    bare = counted("pass")
    if options.quick:
        print(f"a bare Python: {bare:,.0f} million instructions")
        return
    start = "import sys; sys.argv = ['newsletter', '--help']\n"
    start += "from newsletter.__main__ import main; main()"
    work = {
        "newsletter --help": start,
        "match 1,000 keywords x 50 papers": MATCH.format(number=1000),
    }
    for name, code in work.items():
        print(f"{name}: {counted(code) - bare:,.0f} million instructions", flush=True)
    if SINK:
        with sink() as port:
            none, some = (counted(SEND.format(port=port, number=n)) for n in (4, 1004))
        print(f"send 1,000 mails of 13 KB, ledger on: {some - none:,.0f} million instructions")


def counted(code: str) -> float:
    """Return how many million instructions a Python takes for some code."""
    with TemporaryDirectory() as folder:
        command = [
            VALGRIND, "--tool=callgrind", f"--callgrind-out-file={folder}/out",
            sys.executable, "-c", code,
        ]  # fmt: skip
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONHASHSEED": "0",
        }
        # Once without, so that all bytecode is there.
        subprocess.run(
            [sys.executable, "-c", code], env=environment, check=True, capture_output=True
        )
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", ran.stderr)
    assert found, ran.stderr
    return int(found[1]) / 1e6


if __name__ == "__main__":
    main()
