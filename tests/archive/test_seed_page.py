"""The Daily Papers page on the papers of a real one: what a bot of the field showed that day."""

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import html5lib
import pytest

from newsletter.prose import prose
from tests.making.commands import Command
from tests.making.shared_data import SeedRow, seed_papers, seed_rows
from tests.peers.replica import Clock, Replica, record_of

PAGE = datetime(2025, 4, 4, 12, tzinfo=UTC)
SETTINGS = """
[newsletter]
id = "daily-papers"
title = "Daily Papers"
sender = "papers@example.org"
[[keywords]]
name = "magnetic resonance imaging"
replacements = true
[[keywords]]
name = "mri"
match = "title-and-abstract"
replacements = true
[[keywords]]
name = "medical imaging"
replacements = true
[source]
url = "{url}"
interval_seconds = 0
[archive]
directory = "archive"
"""
XHTML = "{http://www.w3.org/1999/xhtml}"

# What a row says: id, version, date, title, comment.
Shown = tuple[str, int, str, str, str]


@pytest.fixture
def archive(tmp_path: Path, newsletter: Command) -> Path:
    """Run the daily job once on the day of the page, and return its archive."""
    papers = seed_papers()
    records = [record_of(each, announced=each.submitted) for each in papers.values()]
    (tmp_path / "subscribers.csv").write_text("email\nada@example.org\n")
    with Replica(records, clock=Clock(PAGE), index_delay=timedelta(hours=2)) as replica:
        (tmp_path / "newsletter.toml").write_text(SETTINGS.format(url=replica.url))
        ended = newsletter("run", "--now", "2025-04-04T12:00:00Z")
        assert ended.code == 0, ended.err
    return tmp_path / "archive"


@pytest.mark.slow
def test_the_pages_hold_every_row_of_the_seed_and_beyond_them_only_older_ones(
    archive: Path,
) -> None:
    expected = defaultdict(list)
    for row in seed_rows():
        expected[row.keyword].append(shown_of(row))
    assert sum(map(len, expected.values())) == 258
    for page in (html_rows(archive), markdown_rows(archive)):
        assert page.keys() == expected.keys()
        for keyword, rows in page.items():
            dates = [each[2] for each in rows]
            assert dates == sorted(dates, reverse=True)
            assert len(rows) <= 100
            beyond = set(rows) - set(expected[keyword])
            assert set(expected[keyword]) <= set(rows)
            oldest = min(each[2] for each in expected[keyword])
            assert all(each[2] <= oldest for each in beyond), beyond


@pytest.mark.slow
def test_the_last_update_is_the_day_of_the_run_in_both(archive: Path) -> None:
    assert "Last update: 2025-04-04" in (archive / "README.md").read_text("utf-8")
    assert "Last update: 2025-04-04" in (archive / "daily-papers.html").read_text("utf-8")


def shown_of(row: SeedRow) -> Shown:
    title, comment = prose(row.title), prose(row.comment)
    return row.arxiv_id, row.version, row.date.isoformat(), title, comment


def html_rows(archive: Path) -> dict[str, list[Shown]]:
    page = html5lib.parse((archive / "daily-papers.html").read_text("utf-8"))
    headings = ["".join(each.itertext()) for each in page.iter(f"{XHTML}h2")]
    found = {}
    for heading, table in zip(headings, page.iter(f"{XHTML}table"), strict=True):
        rows = []
        for row in table.find(f"{XHTML}tbody"):
            title, date, _abstract, comment = row
            link = title.find(f".//{XHTML}a")
            arxiv_id, version = named(link.attrib["href"])
            whole = comment.find(f".//{XHTML}p")
            text = "".join((comment if whole is None else whole).itertext())
            rows.append((arxiv_id, version, date.text, "".join(link.itertext()), text))
        found[heading] = rows
    return found


def markdown_rows(archive: Path) -> dict[str, list[Shown]]:
    """Read rows as plainly as can be; what Markdown means by them is tried elsewhere."""
    found: dict[str, list[Shown]] = {}
    for line in (archive / "README.md").read_text("utf-8").splitlines():
        if line.startswith("## "):
            rows = found.setdefault(line.removeprefix("## "), [])
        if line.startswith("| **["):
            title, date, _abstract, comment = re.split(r"(?<!\\) \| ", line[2:-2])
            text, url = re.fullmatch(r"\*\*\[(.*)\]\((\S+)\)\*\*", title).groups()  # type: ignore[union-attr]
            folded = re.fullmatch(r"<details>.*<p>(.*)</p></details>", comment)
            said = folded[1] if folded else comment
            rows.append((*named(url), date, bare(text), bare(said)))
    return found


def named(url: str) -> tuple[str, int]:
    arxiv_id, version = re.fullmatch(r"https://arxiv\.org/abs/(.+)v(\d+)", url).groups()  # type: ignore[union-attr]
    return arxiv_id, int(version)


def bare(text: str) -> str:
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)
    return re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), text)
