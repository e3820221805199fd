"""`newsletter demo`, and the sample that it runs on."""

import csv
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from importlib.resources import files
from io import StringIO
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from newsletter.errors import IO, StateError
from newsletter.models import Paper
from newsletter.preview.demo import run_demo
from newsletter.sources.arxiv.atom import parse
from newsletter.tex import readable
from tests.making.shared_data import shared_data

pytestmark = pytest.mark.slow

SAMPLE = files("newsletter.preview") / "sample"
KEYWORDS = ("graph neural network", "protein folding", "diffusion model")

# arXiv's atom.py writes the children of an entry in this order.
ENTRY = re.compile(
    r"id title updated link link summary (category )+published (comment )?primary_category "
    r"(journal_ref )?(author )+(doi )*(link )*"
)


def answer(day: str) -> dict[str, Paper]:
    return {paper.local_id: paper for paper in parse(SAMPLE.joinpath(day).read_bytes()).papers}


def shapes(body: bytes) -> Iterator[str]:
    """Yield the names of the children of each entry, each followed by a blank."""
    for entry in ET.fromstring(body).iter("{http://www.w3.org/2005/Atom}entry"):
        yield "".join(child.tag.rpartition("}")[2] + " " for child in entry)


def ids_in(text: str) -> set[str]:
    return set(re.findall(r"arxiv\.org/abs/(\d{4}\.\d{5})", text))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder after a demo, and what the demo printed."""
    folder = tmp_path_factory.mktemp("demo") / "made" / "here"
    console = Console(file=StringIO(), width=100)
    run_demo(folder, console=console)
    assert isinstance(console.file, StringIO)
    return folder, console.file.getvalue()


@pytest.mark.parametrize("day", ["day1.xml", "day2.xml"])
def test_the_sample_has_the_format_of_arxiv(day: str) -> None:
    body = SAMPLE.joinpath(day).read_bytes()

    assert all(ENTRY.fullmatch(shape) for shape in shapes(body))
    assert parse(body).total == len(parse(body).papers)


def test_so_do_answers_recorded_from_arxiv() -> None:
    answers = [
        path.read_bytes() for path in shared_data("arxiv", "api-atom-2026").glob("*.200.xml")
    ]
    found = [shape for body in answers for shape in shapes(body)]

    assert len(found) > 100
    assert all(ENTRY.fullmatch(shape) for shape in found)


def test_day_two_has_all_of_day_one_two_new_versions_and_new_papers() -> None:
    first, second = answer("day1.xml"), answer("day2.xml")
    revised = {each for each in first if second[each].version > first[each].version}

    assert first.keys() < second.keys()
    assert len(second) - len(first) == 12
    assert len(revised) == 2
    assert any("withdrawn" in second[each].comment for each in revised)
    assert all(first[each] == second[each] for each in first.keys() - revised)


def test_arxiv_ids_follow_the_announcements_and_not_the_submissions() -> None:
    first, second = answer("day1.xml"), answer("day2.xml")
    announced_later = [second[each] for each in second.keys() - first.keys()]
    held = min(announced_later, key=lambda paper: paper.submitted)

    assert max(first) < min(paper.local_id for paper in announced_later)
    assert held.submitted < max(paper.submitted for paper in first.values())


def test_the_sample_shows_what_real_papers_are_like() -> None:
    papers = list(answer("day2.xml").values())
    texts = [paper.title + paper.abstract for paper in papers]

    assert max(len(paper.authors) for paper in papers) == 25
    assert any(not name.isascii() for paper in papers for name in paper.authors)
    assert {bool(paper.journal_ref) for paper in papers} == {True, False}
    assert {bool(paper.comment) for paper in papers} == {True, False}
    for tex in ("$", r"\emph{", r"\url{", r"\"o", "<", "``"):
        assert any(tex in text for text in texts)
    assert not any("\\" in readable(paper.title) for paper in papers)
    assert all(80 <= len(paper.abstract.split()) <= 200 for paper in papers)


def test_the_demo_tells_what_each_day_brought(demo: tuple[Path, str]) -> None:
    folder, printed = demo
    rows = [re.split(r" *│ *", line)[1:-1] for line in printed.splitlines() if "│" in line]

    assert rows == [
        ["Day one", KEYWORDS[0], "8", "5 new", "4"],
        ["", KEYWORDS[1], "5", "3 new", ""],
        ["", KEYWORDS[2], "6", "4 new", ""],
        ["Day two", KEYWORDS[0], "13", "5 new", "4"],
        ["", KEYWORDS[1], "9", "4 new, 2 replaced", ""],
        ["", KEYWORDS[2], "11", "5 new", ""],
    ]
    assert str(folder / "index.html") in printed
    assert str(folder / "outbox") in printed


def test_nobody_gets_a_paper_twice_unless_it_has_a_new_version(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    first = {path.stem: ids_in(path.read_text()) for path in folder.glob("mails/day1/*.txt")}
    second = {path.stem: ids_in(path.read_text()) for path in folder.glob("mails/day2/*.txt")}

    assert {who: len(first[who] & second[who]) for who in first} == {
        "ada": 2,
        "bjarni": 0,
        "chiara": 2,
        "dmitri": 0,
    }
    assert all(first.values())
    assert all(second.values())


def test_mails_go_to_who_is_active_and_daily_and_nobody_else(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    people = csv.DictReader(SAMPLE.joinpath("subscribers.csv").read_text("utf-8").splitlines())
    due = [
        row["email"] for row in people if (row["status"], row["frequency"]) == ("active", "daily")
    ]
    mails = [
        message_from_bytes(path.read_bytes(), policy=default)
        for path in folder.glob("outbox/new/*")
    ]

    assert sorted(mail["To"].addresses[0].addr_spec for mail in mails) == sorted(2 * due)


def test_every_link_of_the_page_leads_to_a_part_of_a_mail(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    page = (folder / "index.html").read_text("utf-8")
    targets = {unquote(target) for target in re.findall(r'(?:href|src)="([^"]+)"', page)}
    made = {str(path.relative_to(folder)) for path in folder.glob("mails/*/*")}

    assert targets == made
    assert all((folder / target).stat().st_size > 1000 for target in targets)


def test_a_second_demo_starts_afresh_and_leaves_other_files_alone(tmp_path: Path) -> None:
    run_demo(tmp_path / "demo", console=Console(quiet=True))
    (tmp_path / "demo" / "notes.txt").write_text("mine")
    before = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())

    console = Console(file=StringIO(), width=100)
    run_demo(tmp_path / "demo", console=console)

    assert isinstance(console.file, StringIO)
    assert console.file.getvalue().count("5 new") == 3
    assert (tmp_path / "demo" / "notes.txt").read_text() == "mine"
    assert len(sorted(path.name for path in tmp_path.rglob("*") if path.is_file())) == len(before)


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("my home page")

    with pytest.raises(StateError, match="not made by the demo; name another folder") as caught:
        run_demo(tmp_path, console=Console(quiet=True))

    assert caught.value.exit_code == IO
    assert [path.read_text() for path in tmp_path.iterdir()] == ["my home page"]


def test_the_demo_meets_no_mail_server_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "smtp__host").write_text("mail.example.org")
    monkeypatch.setenv("NEWSLETTER_SECRETS_DIR", str(tmp_path / "secrets"))
    monkeypatch.setenv("NEWSLETTER_SMTP__HOST", "mail.example.org")
    monkeypatch.setenv("NEWSLETTER_CONFIG", "elsewhere.toml")

    run_demo(tmp_path / "demo", console=Console(quiet=True))

    assert len(list(tmp_path.glob("demo/outbox/new/*"))) == 8
