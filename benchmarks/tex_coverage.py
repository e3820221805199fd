"""Print how much TeX real titles and abstracts hold, how much is left, and what reading costs.

Run from the checkout: `python benchmarks/tex_coverage.py [--left]`; `--left` shows what is left.
"""

import gzip
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from newsletter.tex import readable

SHARED = Path(__file__).parents[1].parent / "shared"
DATA = Path(os.environ.get("NEWSLETTER_SHARED_DATA", SHARED / "data"))

TEX = re.compile(r"\\[^\s\d]|\$[^$]+\$|[_^]\{|``|\w--\w")
BACKSLASH = re.compile(r"\\")


def texts() -> dict[str, list[str]]:
    """Return titles and abstracts by where they come from, and comments where there are any."""
    return {
        "seed page": [text for paper in set(_seed_papers()) for text in paper],
        "cs.AI 2025-06": [
            row[field] or ""
            for row in _rows("cs.AI_2025-06-01_2025-06-30.jsonl.gz")
            for field in ("title", "abstract", "comment")
        ],
        "1,041 rows": [
            _undumped(row[field] or "")
            for row in _rows("arXiv_metadata_1041_rows.jsonl.gz")
            for field in ("title", "abstract", "comments")
        ],
    }


def _seed_papers() -> Iterator[tuple[str, str, str]]:
    row = re.compile(
        r"^\| \*\*\[(?P<title>.*?)\]\([^)]*\)\*\* \| [\d-]+ \| "
        r"<details><summary>Show</summary><p>(?P<abstract>.*?)</p></details> "
        r"\| (?P<comment>.*?) \|$",
        re.MULTILINE,
    )
    page = (DATA / "seeds" / "daily-papers.md").read_text(encoding="utf-8")
    for match in row.finditer(page):
        comment = re.sub(r"<summary>.*?</summary>|<[^>]*>", "", match["comment"])
        yield match["title"], match["abstract"], comment


def _rows(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA / "arxiv" / "metadata" / name, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _undumped(text: str) -> str:
    """Undo the escapes of a database dump: backslashes and quotes are escaped in these rows."""
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), text)


def main() -> None:
    print(f"{'':14}{'texts':>7}{'with TeX':>10}{'a backslash left':>18}{'odd $ left':>12}{'ms':>8}")
    for name, found in texts().items():
        began = time.process_time()
        shown = [readable(text) for text in found]
        spent = 1000 * (time.process_time() - began)
        left = [text for text in shown if BACKSLASH.search(text)]
        odd = [text for text in shown if text.count("$") % 2]
        tex = sum(bool(TEX.search(text)) for text in found)
        print(f"{name:14}{len(found):7}{tex:10}{len(left):18}{len(odd):12}{spent:8.0f}")
        if "--left" in sys.argv:
            for text in left + odd:
                for match in re.finditer(r".{0,50}[\\$].{0,50}", text):
                    print("   ", match[0])


if __name__ == "__main__":
    main()
