"""Print how much TeX real titles and abstracts hold, how much is left, and what reading costs.

Run from the checkout: `python benchmarks/tex_coverage.py [--left]`; `--left` shows what is left.
"""

import gzip
import json
import os
import re
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from newsletter import tex
from newsletter.tex import readable

SHARED = Path(__file__).parents[1].parent / "shared"
DATA = Path(os.environ.get("NEWSLETTER_SHARED_DATA", SHARED / "data"))

KNOWN = frozenset(tex._FORMS) | frozenset(tex._symbols())
TEX = re.compile(r"\\[^\s\d]|\$[^$]+\$|[_^]\{|``|\w--\w")
# What a reader would see of TeX; the names of authors' own macros are nobody's to know.
RAW = re.compile(
    r"\\[^A-Za-z\s]|[_^]\{|\$[^$\d\s][^$]*\$|[A-Za-z0-9)\]]\^[A-Za-z0-9]{1,2}\b|``|\w\{\W?\}|\w''"
)
# Arguments that are not shown as they stand: colours, codes, names that arXiv cut in two.
NOT_SHOWN = re.compile(r"\\c\{opyright\}|\\k\{appa\}|\\unicode\{\w+\}|\\(?:text)?color\{\w+\}")
LINK = re.compile(r"\\href\{(?P<url>[^{}]*)\}\{(?P<text>(?:[^{}]|\{[^{}]*\})*)\}")
MACRO = re.compile(r"\\([A-Za-z]+)")


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


def shows_tex(shown: str) -> bool:
    """Tell whether TeX is left that is not an author's own macro."""
    known = any(each[1] in KNOWN for each in MACRO.finditer(shown))
    return known or RAW.search(shown) is not None


def is_damaged(text: str, shown: str) -> bool:
    """Tell whether a letter or digit was lost that is not part of a macro's name."""
    text = NOT_SHOWN.sub("", text)
    kept, seen = (letters(MACRO.sub("", each)) for each in (LINK.sub(_link, text), shown))
    rest = iter(seen)
    return not all(letter in rest for letter in kept)


def _link(link: re.Match[str]) -> str:
    text = re.sub(r"\\\w+|[{}]", "", link["text"])
    return link["url"] if text in link["url"] else f"{text} {link['url']}"


def letters(text: str) -> str:
    """Return the letters and digits of a text, however they are raised or accented."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text)))


def main() -> None:
    print(f"{'':14}{'texts':>7}{'with TeX':>10}{'show TeX':>10}{'%':>7}{'damaged':>9}{'ms':>8}")
    for name, found in texts().items():
        began = time.process_time()
        shown = [readable(text) for text in found]
        spent = 1000 * (time.process_time() - began)
        pairs = list(zip(found, shown, strict=True))
        tex = sum(bool(TEX.search(text)) for text in found)
        left = [after for _, after in pairs if shows_tex(after)]
        damaged = [pair for pair in pairs if pair[0] != pair[1] and is_damaged(*pair)]
        share = 100 * len(left) / len(found)
        row = f"{len(found):7}{tex:10}{len(left):10}{share:7.2f}{len(damaged):9}{spent:8.0f}"
        print(f"{name:14}{row}")
        if "--left" in sys.argv:
            for text in left:
                for match in re.finditer(r".{0,50}[\\$^{`'].{0,50}", text):
                    print("    left   ", match[0])
            for before, after in damaged:
                print("    damaged", before, "\n         ->", after)


if __name__ == "__main__":
    main()
