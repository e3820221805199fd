"""Where the titles stand, on days of real papers (of invented ones, where there are none).

    python -m benchmarks.first_screen [--quick] [FOLDER]

Needs Chromium and the node packages of tests/mails/browser. With a FOLDER the mails stay there.
`--quick` has days of few papers, to see that it works.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from newsletter.mails.render import Renderer, filled
from newsletter.models import Edition, Paper, Rendered
from tests.making import days
from tests.making.editions import MASTHEAD, TOKEN
from tests.making.shared_data import june_papers
from tests.making.tools import TOOLS

BROWSER = Path(__file__).parents[1] / "tests" / "mails" / "browser"
LINKS = tuple(f"{MASTHEAD.base_url}/{page}/{TOKEN}" for page in ("unsubscribe", "preferences"))
ORDINARY = ("chain of thought", "tool use", "code generation", "knowledge graph", "protein design")
FLOOD = (
    "large language model", "reinforcement learning", "benchmark", "agent", "multimodal",
    "safety", "chain of thought", "code generation",
)  # fmt: skip


def main() -> None:
    if missing := TOOLS["browser"].missing:
        print(missing, file=sys.stderr)
        sys.exit(2)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    options = parser.parse_args()
    folder = Path(options.folder or mkdtemp(prefix="first-screen-"))
    folder.mkdir(parents=True, exist_ok=True)
    renderer = Renderer(MASTHEAD, templates=None)
    few = {"ordinary": days.day(10), "flood": days.day(11), "300": days.day(12)}
    shown = few if options.quick else editions()
    mails = {name: renderer.render(edition) for name, edition in shown.items()}
    files = {name: folder / f"{name}.html" for name in mails}
    for name, file in files.items():
        file.write_text(html(mails[name]), "utf-8")
        file.with_suffix(".txt").write_text(filled(mails[name].text, *LINKS), "utf-8")
    command: list[str | Path] = ["node", BROWSER / "measure.mjs", *files.values()]
    measured = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    for figure, value, goal in figures(mails, {n: measured[str(f)] for n, f in files.items()}):
        print(f"{figure:<58} {value:>14}   {goal}")


def editions() -> dict[str, Edition]:
    """Return an ordinary day, a flood and a day of three hundred."""
    try:
        papers = june_papers()
    except BaseException as error:  # noqa: BLE001 (pytest's way to say that there are none)
        print(f"invented papers: {error}")
        return {"ordinary": days.day(10), "flood": days.day(229), "300": days.day(300)}
    first = [each for each in papers if each.submitted.date() == date(2025, 6, 4)]
    later = [each for each in papers if each.submitted.date() >= date(2025, 6, 2)]
    return {
        "ordinary": days.of(matching(first, ORDINARY, 10), ORDINARY),
        "flood": days.of(matching(later, FLOOD, 229), FLOOD),
        "300": days.of(matching(later, FLOOD, 300), FLOOD),
    }


def matching(papers: Sequence[Paper], keywords: Sequence[str], number: int) -> list[Paper]:
    """Return the first papers that belong to one of the keywords."""
    ids = set(days.of(papers, keywords).shown_in)
    return [each for each in papers if each.id in ids][:number]


def html(mail: Rendered) -> str:
    return filled(mail.html, *map(escape, LINKS))


def figures(
    mails: Mapping[str, Rendered], measured: Mapping[str, Any]
) -> list[tuple[str, str, str]]:
    """Return what is measured, how much it is, and how much it is to be."""
    phone, desktop = (measured["ordinary"][view] for view in ("phone", "desktop"))
    flood = measured["flood"]["phone"]
    tenth = [phone["screens"][place] for place in (4, 9, -1)]
    return [
        (
            "titles on the first screen, phone and desktop",
            f"{phone['first']} and {desktop['first']}",
            "at least 4 and 6",
        ),
        (
            "phone screens to the 5th, 10th and last title",
            ", ".join(f"{each:.1f}" for each in tenth),
            "at most 1.3, 4 and 4",
        ),
        (
            "links too low for a finger, ordinary day and flood",
            f"{len(phone['small'])} and {len(flood['small'])}",
            "none",
        ),
        ("flood of 229: papers with a line in the HTML", str(lines(mails["flood"])), "229"),
        ("flood of 229: titles on the first phone screen", str(flood["first"]), ""),
        (
            "flood of 229: phone screens to the last title",
            f"{flood['screens'][-1]:.1f}",
            "at most 30",
        ),
        ("flood of 229: untrue cross-references", str(untrue(mails["flood"])), "0"),
        ("300 papers: with a line in the HTML", str(lines(mails["300"])), "300"),
        *((f"bytes of HTML and of text, {name}", sizes(mail), "") for name, mail in mails.items()),
    ]


def lines(mail: Rendered) -> int:
    return len(set(re.findall(r'href="(https://arxiv\.org/abs/[^"]+)"', html(mail))))


def untrue(mail: Rendered) -> int:
    """Count references to papers that have no entry in the mail."""
    page = html(mail)
    entries = set(re.findall(r'<li class="[ei]"[^>]*>(?:<h3[^>]*>)?<a [^>]*href="([^"]+)"', page))
    named = re.findall(r">Also here: (.*?)</p>", page)
    return sum(url not in entries for also in named for url in re.findall(r'href="([^"]+)"', also))


def sizes(mail: Rendered) -> str:
    return f"{len(html(mail).encode()):,} {len(filled(mail.text, *LINKS).encode()):,}"


if __name__ == "__main__":
    main()
