"""What a long list takes: to be read and checked, with bad rows, and to be changed by one row.

    python -m benchmarks.lists [--rows 1000000]

Each in a process of its own: seconds of the processor, and the peak of memory.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from newsletter.errors import SubscribersError
from newsletter.subscribers import editing
from newsletter.subscribers.reading import read

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("mri", "pet", "ct")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        measure(options.case[0], Path(options.case[1]))
        return
    with TemporaryDirectory() as folder:
        good, bad = Path(folder, "good.csv"), Path(folder, "bad.csv")
        write(good, options.rows, bad_every=0)
        write(bad, options.rows, bad_every=100)
        print(f"{options.rows:,} rows, {good.stat().st_size / 1e6:.0f} MB")
        for case, path in (
            ("read and check", good),
            ("read, one row in a hundred bad", bad),
            ("add one row", good),
            ("remove that row", good),
        ):
            step = [sys.executable, "-m", "benchmarks.lists", "--case", case, str(path)]
            done = subprocess.run(step, check=True, capture_output=True, text=True)
            print(done.stdout.rstrip(), flush=True)


def measure(case: str, path: Path) -> None:
    """Print what one case takes, and the peak memory of this process."""
    work: dict[str, Callable[[], object]] = {
        "read and check": lambda: told(path),
        "read, one row in a hundred bad": lambda: told(path),
        "add one row": lambda: editing.add(path, {"email": "new@example.org"}, keywords=NAMES),
        "remove that row": lambda: editing.remove(path, "new@example.org"),
    }
    began = time.process_time()
    found = work[case]()
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told_of = f"; {found}" if isinstance(found, str) else ""
    print(f"{case}: {seconds:.1f} s, {peak:.0f} MB{told_of}")


def told(path: Path) -> str:
    """Read a list as a run does, and return in a few words what was found."""
    try:
        found = read(path, keywords=NAMES)
    except SubscribersError as error:
        return f"refused with {len(error.problems)} lines, the last: {error.problems[-1]}"
    last = f", the last problem: {found.problems[-1]}" if found.problems else ""
    return f"{len(found.subscribers):,} subscribers, {len(found.problems):,} lines{last}"


def write(path: Path, rows: int, *, bad_every: int) -> None:
    choices = ("mri", "mri; pet", "*", "ct", "pet; ct")
    with path.open("w", encoding="utf-8") as file:
        file.write("email,name,keywords,frequency,status,format\n")
        for number in range(rows):
            at = "" if bad_every and number % bad_every == 1 else "@"
            keywords = choices[number % 5]
            file.write(
                f"reader{number}{at}example.org,Reader {number},{keywords},daily,active,html\n"
            )


if __name__ == "__main__":
    main()
