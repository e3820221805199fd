"""Run every benchmark, and write what they print into RESULTS.md.

    python -m benchmarks.everything [--quick] [--only NAME ...] [--output benchmarks/RESULTS.md]

`make bench` does it. A benchmark is a program of this folder that prints a table; where a tool or
data that it needs is missing, it is left out, and the page says so. The page is written after each,
and names those that were not run. What they are compared with is installed from the package index
into a folder of its own, build/peers, never into the project.
`--quick` is small, to see that all of them work; its figures mean nothing, and go nowhere but to
the terminal.
"""

import argparse
import os
import platform
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
PEERS = ("css-inline==0.24.0", "premailer==3.10.0", "rss2email==3.14", "scikit-learn==1.9.1")
LIMIT = 400  # seconds that one may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A benchmark: its program with arguments, those of a small run, and what is to be reached."""

    title: str
    full: str
    quick: str
    wanted: str = ""

    @property
    def name(self) -> str:
        """The module."""
        return self.full.partition(" ")[0]


CASES = (
    Case(
        title="Starting",
        full="start --rounds 9",
        quick="start --rounds 1",
        wanted="`--help` 0.15, `status` 0.2, `subscribers list` 0.25, a run with nothing to do"
        " 0.4 s of the processor",
    ),
    Case(
        title="Sending",
        full="send --sessions 4 16 --rounds 9 --messages 3000",
        quick="send --sessions 2 --rounds 1 --messages 4",
        wanted="1.1 of smtp-source without delay, 3.5 at 20 and 50 ms a reply",
    ),
    Case(
        title="Rendering",
        full="render --subscribers 1000",
        quick="render --papers 8 --subscribers 20",
        wanted="1,000 different editions 10 times as fast as with css-inline called for each mail,"
        " 100 times as fast as with premailer; the whole mail is like for like, inlining alone a"
        " part of it",
    ),
    Case(
        title="Matching",
        full="match",
        quick="match --quick",
        wanted="10,000 keywords in at most 3 times the time of 100",
    ),
    Case(
        title="A quiet run after years",
        full="history --rounds 5",
        quick="history --papers 2000 --rounds 1",
        wanted="at most twice the processor for a million papers announced",
    ),
    Case(
        title="The state",
        full="size",
        quick="size --papers 600 --megabytes 5",
        wanted="at most 350 bytes a paper and keyword beside its data; 1 GB opens in 0.1 s",
    ),
    Case(
        title="Long lists",
        full="lists",
        quick="lists --rows 1000",
        wanted="a million rows read in 20 s of the processor and 300 MB; a row changed in 5 s",
    ),
    Case(
        title="Many recipients",
        full="scale --recipients 1000000 --keywords 1000 --papers 300 --mails 500",
        quick="scale --recipients 200",
        wanted="published in 60 s of the processor, time in proportion, at most 400 MB",
    ),
    Case(
        title="Several senders",
        full="senders",
        quick="senders --recipients 20 --senders 1 --far",
        wanted="4 senders at 20 ms 3.5 times one; 110 µs a delivery for the ledger with 16"
        " connections",
    ),
    Case(
        title="Senders that die",
        full="dying --recipients 800 --kills 4",
        quick="dying --takeovers 1 --kills 0",
        wanted="others go on within the lease and 5 s; nobody lost, nothing twice that is not on"
        " record",
    ),
    Case(
        title="From a feed to mails", full="feeds --rounds 3", quick="feeds --papers 5 --rounds 1"
    ),
    Case(title="The archive", full="archive 300 50", quick="archive 2 5"),
    Case(
        title="Order by profiles: how good",
        full="ranking --papers 2000",
        quick="ranking --quick --papers 900",
        wanted="to lead what others use",
    ),
    Case(
        title="Order by profiles: how fast",
        full="profiles --readers 10000",
        quick="profiles --readers 100 --seen 300 --papers 60 --files 10 --mails 10",
    ),
    Case(
        title="Order by profiles: how mails leave",
        full="send --profiles --rounds 5 --messages 2000",
        quick="send --profiles --sessions 2 --rounds 1 --messages 4",
        wanted="at least 0.85 of the rate without profiles",
    ),
    Case(title="The first screen", full="first_screen", quick="first_screen --quick"),
    Case(title="Growth", full="growth", quick="growth --quick --plots build/plots"),
    Case(
        title="Instructions",
        full="instructions",
        quick="instructions --quick",
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these modules")
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS.md")
    options = parser.parse_args()
    python = sys.executable if options.quick else with_peers()
    parts, failed = [], []
    missing = [case.title for case in CASES]
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        arguments = (case.quick if options.quick else case.full).split()
        print(f"== {case.title}: python -m benchmarks.{' '.join(arguments)}", flush=True)
        began = time.monotonic()
        sound, printed = run(python, arguments)
        print(printed, flush=True)
        if not sound:
            failed.append(case.name)
        taken = time.monotonic() - began
        parts.append(section(case, " ".join(arguments), printed, taken, plotted=sound))
        missing.remove(case.title)
        if not options.quick:
            options.output.write_text("\n".join(page(parts, missing)), "utf-8")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def run(python: str, arguments: list[str]) -> tuple[bool, str]:
    """Return whether a benchmark went as it should, and what it printed or why it could not run."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    try:
        ran = subprocess.run(
            [python, "-m", f"benchmarks.{arguments[0]}", *arguments[1:]],
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired as error:
        said = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        return False, f"{said}not finished after {LIMIT} s"
    if ran.returncode == 0:
        return True, ran.stdout.rstrip()
    *_, last = ran.stderr.strip().splitlines() or [""]
    if reason := lacking(ran.returncode, last):
        return True, f"{ran.stdout}not run here: {reason}"
    return False, f"{ran.stdout}failed with {ran.returncode}: {last}"


def lacking(code: int, last: str) -> str:
    """Return what a benchmark lacked, by how it ended; empty if it failed for another reason."""
    kind, _, said = last.partition(": ")
    # Data are loaded as by the tests, and a program that is not here cannot be started.
    missing = code == 2 or kind.rpartition(".")[2] == "Skipped" or "No such file" in said
    return (said or last).removeprefix("error: ") if missing else ""


def section(
    case: Case, command: str, printed: str, seconds: float, *, plotted: bool = False
) -> str:
    """Return what the page says of one benchmark."""
    wanted = f"Wanted: {case.wanted}.\n\n" if case.wanted else ""
    plots = (
        "".join(
            f"\n![Time by {name}](plots/{name}.svg)\n"
            for name in ("subscribers", "keywords", "papers", "history")
        )
        if case.name == "growth" and plotted
        else ""
    )
    return (
        f"## {case.title}\n\n{wanted}`python -m benchmarks.{command}` ({seconds:.0f} s)\n\n"
        f"```text\n{printed}\n```\n{plots}"
    )


def page(parts: Iterable[str], missing: Sequence[str]) -> Iterator[str]:
    """Yield the page: the machine, the figures, what is missing, and what people noted."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    yield "# What was measured\n"
    yield (
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores"
        f" ({_processor()}), {platform.system()} {platform.release()}, Python"
        f" {platform.python_version()}; load at the end {load}. Peers:"
        f" {', '.join(PEERS)}, smtp-source and smtp-sink of Postfix. What is compared was measured"
        " in turns, so ratios mean something on a busy machine too; seconds do not.\n"
    )
    yield from parts
    if missing:
        yield f"Not run for this page: {', '.join(missing).lower()}.\n"
    yield (HERE / "NOTES.md").read_text("utf-8").rstrip()
    yield ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def with_peers(name: str = "peers", peers: Sequence[str] = PEERS) -> str:
    """Return a Python that has the peers beside everything this one has; make it if need be."""
    folder = ROOT / "build" / name
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists() or ready.read_text("utf-8") != " ".join(peers):
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peers],
            check=True,
        )
        # All of them, where this one has peers itself: what a .pth leads to is searched for none.
        here = [each for each in sys.path if Path(each).name == "site-packages"]
        there = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
        (there / "project.pth").write_text("\n".join([*here, ""]), "utf-8")
        ready.write_text(" ".join(peers), "utf-8")
    return str(python)


if __name__ == "__main__":
    main()
