"""Load the real data beside the checkout, for tests only; a test skips where there is none."""

import gzip
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import pytest

from newsletter.models import Paper
from newsletter.sources.arxiv import identity
from tests.peers.replica import Author, Record
from tests.peers.replica.atom import Page

_BESIDE = Path(__file__).parents[2].parent / "shared" / "data"
NOT_HERE = "no recorded arXiv data here (point NEWSLETTER_SHARED_DATA at it)"
_ATOM = "{http://www.w3.org/2005/Atom}"
_ARXIV = "{http://arxiv.org/schemas/atom}"
_OPENSEARCH = "{http://a9.com/-/spec/opensearch/1.1/}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRow:
    """One row of the seed page: a paper as it was listed under a keyword.

    `date` is that of the version shown. The page has neither authors nor categories.
    """

    keyword: str
    date: date
    arxiv_id: str
    version: int
    title: str
    abstract: str
    comment: str


def shared_data(*parts: str) -> Path:
    """Return a file or folder of the shared data, or skip the test."""
    path = Path(os.environ.get("NEWSLETTER_SHARED_DATA", _BESIDE)).joinpath(*parts)
    if not path.exists():
        pytest.skip(NOT_HERE)
    return path


def seed_rows() -> tuple[SeedRow, ...]:
    """Return the rows of the seed page, in its order; a paper may occur under several keywords."""
    return _seed_rows(shared_data("seeds", "daily-papers.md"))


def seed_papers() -> dict[str, Paper]:
    """Return the papers of the seed page by arXiv id, what the page does not say filled in.

    A first version was submitted at noon of its date, the first version of any other in the middle
    of the month its id names.
    """
    return {row.arxiv_id: _seed_paper(row) for row in seed_rows()}


def june_papers() -> tuple[Paper, ...]:
    """Return 3,946 papers with a cs.AI category first submitted in June 2025, by submission.

    `version` is the newest that was known when they were collected.
    """
    return _june_papers(shared_data("arxiv", "metadata", "cs.AI_2025-06-01_2025-06-30.jsonl.gz"))


def odd_records() -> tuple[Record, ...]:
    """Return every version of 509 papers from arXiv's own test database, in raw TeX.

    Announced when submitted.
    """
    rows = _json_lines(shared_data("arxiv", "metadata", "arXiv_metadata_1041_rows.jsonl.gz"))
    first: dict[str, datetime] = {}
    for row in rows:
        created = _moment(row["created"])
        first[row["paper_id"]] = min(created, first.get(row["paper_id"], created))
    return tuple(_odd_record(row, first[row["paper_id"]]) for row in rows)


def recorded_answers() -> dict[str, bytes]:
    """Return the answers of the live API by file name; the name ends in the HTTP status."""
    folder = shared_data("arxiv", "api-atom-2026")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def recorded_page(body: bytes) -> Page:
    """Return what a recorded answer says, as the replica's own page."""
    feed = ET.fromstring(body)
    link = feed.find(f"{_ATOM}link")
    assert link is not None, "an error answer has no page"
    asked = parse_qs(urlsplit(link.attrib["href"]).query, keep_blank_values=True)
    return Page(
        query=asked["search_query"][0],
        rewritten=asked["search_query"][0],
        id_list=asked["id_list"][0],
        start=int(_said(feed, f"{_OPENSEARCH}startIndex")),
        max_results=int(_said(feed, f"{_OPENSEARCH}itemsPerPage")),
        total=int(_said(feed, f"{_OPENSEARCH}totalResults")),
        records=tuple(map(_recorded_entry, feed.iter(f"{_ATOM}entry"))),
        now=datetime.fromisoformat(_said(feed, f"{_ATOM}updated")),
    )


_SEED_ROW = re.compile(
    r"\| \*\*\[(?P<title>.*)\]\(http://arxiv\.org/abs/(?P<arxiv_id>\S+)v(?P<version>\d+)\)\*\* "
    r"\| (?P<date>\d{4}-\d\d-\d\d) "
    r"\| <details><summary>Show</summary><p>(?P<abstract>.*?)</p></details> "
    r"\| (?:<details><summary>.*?</summary><p>(?P<long>.*)</p></details>|(?P<short>.*)) \|"
)


@cache
def _seed_rows(path: Path) -> tuple[SeedRow, ...]:
    rows = []
    keyword = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            keyword = line.removeprefix("## ")
        elif line.startswith("| **["):
            match = _SEED_ROW.fullmatch(line)
            assert match, f"not a row of the seed page: {line[:80]}"
            rows.append(
                SeedRow(
                    keyword=keyword,
                    date=date.fromisoformat(match["date"]),
                    arxiv_id=match["arxiv_id"],
                    version=int(match["version"]),
                    title=match["title"],
                    abstract=match["abstract"],
                    comment=(match["long"] or match["short"] or "").strip(),
                )
            )
    return tuple(rows)


def _seed_paper(row: SeedRow) -> Paper:
    updated = datetime.combine(row.date, time(12), tzinfo=UTC)
    month = datetime(2000 + int(row.arxiv_id[:2]), int(row.arxiv_id[2:4]), 15, 12, tzinfo=UTC)
    return Paper(
        id=identity.paper_id(row.arxiv_id),
        source=identity.SOURCE,
        links=identity.links(row.arxiv_id),
        version=row.version,
        title=row.title,
        abstract=row.abstract,
        authors=("A. Author",),
        categories=("eess.IV",),
        submitted=updated if row.version == 1 else min(month, updated),
        updated=updated,
        comment=row.comment,
    )


def _json_lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@cache
def _june_papers(path: Path) -> tuple[Paper, ...]:
    return tuple(sorted(map(_june_paper, _json_lines(path)), key=lambda paper: paper.submitted))


def _june_paper(row: dict[str, Any]) -> Paper:
    arxiv_id, _, version = row["arxiv_id"].rpartition("v")
    return Paper(
        id=identity.paper_id(arxiv_id),
        source=identity.SOURCE,
        links=identity.links(arxiv_id),
        version=int(version),
        title=_one_line(row["title"]),
        abstract=_one_line(row["abstract"]),
        authors=tuple(row["authors"]),
        categories=tuple(dict.fromkeys([row["primary_category"], *row["categories"]])),
        submitted=_moment(row["published_date"].removesuffix(" UTC")),
        updated=_moment(row["updated_date"].removesuffix(" UTC")),
        comment=row["comment"] or "",
    )


def _odd_record(row: dict[str, Any], published: datetime) -> Record:
    text = {
        name: _one_line(_unescaped(value)) for name, value in row.items() if isinstance(value, str)
    }
    return Record(
        arxiv_id=row["paper_id"],
        version=row["version"],
        title=text["title"],
        abstract=text["abstract"],
        authors=tuple(Author(name=name) for name in _names(text["authors"])),
        categories=tuple(text["abs_categories"].split()),
        published=published,
        updated=_moment(row["created"]),
        announced=_moment(row["created"]),
        comment=text.get("comments", ""),
        journal_ref=text.get("journal_ref", ""),
        dois=tuple(text.get("doi", "").split()),
        report_number=text.get("report_num", ""),
    )


def _unescaped(value: str) -> str:
    """The table was dumped from SQL: a backslash escapes the character after it."""
    return re.sub(r"\\(.)", r"\1", value)


def _names(authors: str) -> list[str]:
    while (shorter := re.sub(r"\s*\([^()]*\)", "", authors)) != authors:
        authors = shorter
    return [name for name in re.split(r",?\s+and\s+|,\s*", authors) if name]


def _recorded_entry(entry: ET.Element) -> Record:
    name = _said(entry, f"{_ATOM}id").removeprefix("http://arxiv.org/abs/")
    arxiv_id, _, version = name.rpartition("v")
    updated = datetime.fromisoformat(_said(entry, f"{_ATOM}updated"))
    return Record(
        arxiv_id=arxiv_id,
        version=int(version),
        title=_said(entry, f"{_ATOM}title"),
        abstract=_said(entry, f"{_ATOM}summary"),
        authors=tuple(map(_recorded_author, entry.iter(f"{_ATOM}author"))),
        categories=tuple(each.attrib["term"] for each in entry.iter(f"{_ATOM}category")),
        published=datetime.fromisoformat(_said(entry, f"{_ATOM}published")),
        updated=updated,
        announced=updated,
        comment=entry.findtext(f"{_ARXIV}comment", ""),
        journal_ref=entry.findtext(f"{_ARXIV}journal_ref", ""),
        dois=tuple(_texts(entry.iter(f"{_ARXIV}doi"))),
    )


def _recorded_author(author: ET.Element) -> Author:
    affiliations = tuple(_texts(author.iter(f"{_ARXIV}affiliation")))
    return Author(name=_said(author, f"{_ATOM}name"), affiliations=affiliations)


def _texts(elements: Iterable[ET.Element]) -> Iterator[str]:
    return (element.text or "" for element in elements)


def _said(element: ET.Element, name: str) -> str:
    text = element.findtext(name)
    assert text is not None, f"no {name} in {element.tag}"
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
