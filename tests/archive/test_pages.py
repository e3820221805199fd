"""The pages of issues, months and keywords: what they say, and which of them a run writes."""

import json
import re
import zlib
from base64 import b85decode
from pathlib import Path

import html5lib
import pytest
from msgspec.structs import replace

from newsletter.archive.folder import file_name, is_name_of_ours
from newsletter.archive.writing import write_issue
from newsletter.errors import ArchiveError
from newsletter.models import Keyword, Subscriber
from newsletter.state.state import State
from newsletter.subscribers.tokens import Tokens
from tests.making.archives import Library
from tests.making.editions import HOSTILE
from tests.making.papers import DAY, NOW, paper

MRI, GRAPHS = file_name("mri"), file_name("graph neural network")
WEEK = re.compile(r'(?:news of|</a>,) <a href="(\d+)\.html">')
FIRST = paper("2611.00001", title="The first paper on MRI")
SECOND = paper("2611.00002", title="The second paper on MRI")


def test_a_page_of_an_issue_has_every_paper_whole_and_once_in_full(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.day({"mri": (FIRST, SECOND), "graph neural network": (FIRST,)})
    page = library.text("issues/1.html")
    assert page.count(FIRST.abstract) == 2  # of two papers, each once
    assert page.count("in full above") == 1
    assert "https://arxiv.org/abs/2611.00001v1" in page
    assert f"../keywords/{MRI}.html" in page
    assert "2 papers" in page


def test_an_outage_is_told_apart_from_silence(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.day({"mri": (FIRST,)})
    assert "arXiv confirmed nothing new" in library.text("issues/1.html")


def test_an_issue_for_weekly_readers_leads_to_those_of_its_week(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.room.subscribers = [Subscriber(email="ada@example.org", frequency="weekly")]
    papers = tuple(paper(f"2611.0000{number}") for number in range(4))
    library.day({"mri": papers[:1]})  # on a Thursday
    library.day({"mri": papers[:2]}, now=NOW + DAY)
    library.day({"mri": papers[:2]}, now=NOW + 4 * DAY)
    library.day({"mri": papers[:3]}, now=NOW + 5 * DAY)
    library.day({"mri": papers[:4]}, now=NOW + 11 * DAY)
    weeks = [WEEK.findall(library.text(f"issues/{number}.html")) for number in range(1, 6)]
    assert weeks == [[], [], ["1", "2"], [], ["4"]]
    assert ">Issue 3, 23 November 2026</a>: nothing new" in library.text("index.html")


def test_a_page_leads_to_where_one_subscribes_if_that_is_anywhere(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.day({"mri": (FIRST,)})
    assert "Subscribe" not in library.text("index.html")
    library.imprint = replace(library.imprint, subscribe="https://papers.example.org/subscribe")
    library.write()
    link = '<a href="https://papers.example.org/subscribe">Subscribe</a>'
    assert all(link in library.text(each) for each in ("index.html", "issues/1.html"))


@pytest.mark.slow
def test_news_touches_its_own_pages_only(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.day({"mri": (FIRST,)})
    changed = library.day({"mri": (FIRST, SECOND)}, now=NOW + DAY)
    assert set(changed) == {
        "issues/2.html",
        "months/2026-11.html",
        f"keywords/{MRI}.html",
        "index.html",
        "README.md",
        "daily-papers.html",
        "issues/2.bib",
        "issues/2.ris",
        f"keywords/{MRI}.bib",
        f"keywords/{MRI}.ris",
        "feeds/all.atom",
        "feeds/all.json",
        f"feeds/{MRI}.atom",
        f"feeds/{MRI}.json",
        "search/2026-1-1.js",
        ".arxiv-newsletter.json",
    }
    assert library.day({"mri": (FIRST, SECOND)}, now=NOW + 2 * DAY) == []
    assert library.write(rebuild=True) == []


@pytest.mark.slow
def test_the_index_leads_to_every_page(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.day({"mri": (FIRST,)})
    library.day({"mri": (FIRST, SECOND)}, now=NOW + 20 * DAY)
    seen: set[str] = set()
    ahead = ["index.html"]
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead += linked(library.folder, name)
    assert seen == {
        str(path.relative_to(library.folder)) for path in library.folder.rglob("*.html")
    }
    assert {"issues/1.html", "issues/2.html", "months/2026-11.html", "months/2026-12.html"} <= seen


def linked(folder: Path, name: str) -> list[str]:
    """Return the pages that a page leads to; each must be there, and so must its place in it."""
    found = []
    for href in re.findall(r'href="([^"]+)"', (folder / name).read_text("utf-8")):
        if "://" not in href:
            target, _, anchor = href.partition("#")
            path = (folder / name).parent / target if target else folder / name
            text = path.read_text("utf-8")
            assert not anchor or path.suffix != ".html" or f'id="{anchor}"' in text
            if path.suffix == ".html":
                found.append(str(path.resolve().relative_to(folder.resolve())))
    return found


def test_a_page_that_somebody_elses_file_kept_away_is_written_once_it_is_gone(
    tmp_path: Path,
) -> None:
    library = Library(tmp_path)
    (library.folder / "issues").mkdir(parents=True)
    (library.folder / "issues" / "1.html").write_text("mine")
    with pytest.raises(ArchiveError, match=r"issues/1\.html"):
        library.day({"mri": (FIRST,)})
    assert "The first paper" in library.text(f"keywords/{MRI}.html")
    with pytest.raises(ArchiveError, match=r"issues/1\.html"):
        library.write()
    (library.folder / "issues" / "1.html").unlink()
    library.write()
    assert "The first paper" in library.text("issues/1.html")


@pytest.mark.slow
def test_keywords_of_any_name_have_pages_inside_the_folder(tmp_path: Path) -> None:
    names = ["../../etc", "con", "x" * 200, "MRI", "mri", "<b>&\"'", "تصوير"]
    library = Library(tmp_path, keywords=[Keyword(name=name) for name in names])
    library.day(dict.fromkeys(names, (FIRST,)))
    pages = {path.name for path in (library.folder / "keywords").iterdir()}
    endings = ("html", "bib", "ris")
    assert pages == {f"{file_name(name)}.{each}" for name in names for each in endings}
    assert len({name.lower() for name in pages}) == 3 * len(names)
    assert not (tmp_path.parent / "etc").exists()


@pytest.mark.slow
def test_hostile_papers_are_shown_as_text(tmp_path: Path) -> None:
    titles = [text for text in HOSTILE if not re.search("[\ud800-\udfff]", text)]
    papers = tuple(
        paper(f"2611.{10000 + number}", title=text, abstract=text, authors=(text or "A",))
        for number, text in enumerate(titles)
    )
    library = Library(tmp_path)
    library.day({"mri": papers})
    for path in library.folder.rglob("*.html"):
        parser = html5lib.HTMLParser(strict=False)
        page = parser.parse(path.read_text("utf-8"))
        assert parser.errors == []
        scripts = list(page.iter("{http://www.w3.org/1999/xhtml}script"))
        assert len(scripts) == (2 if path.name == "search.html" else 0)
        for link in page.iter("{http://www.w3.org/1999/xhtml}a"):
            assert not link.attrib["href"].startswith("javascript")
        assert "\u202e" not in path.read_text("utf-8")


@pytest.mark.slow
def test_the_page_of_an_issue_can_be_there_before_everything_else(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.room.told.papers = {"mri": (FIRST,)}
    library.room.run(now=NOW)
    with State.open(tmp_path / "state.sqlite3") as state:
        write_issue(state, library.folder, library.imprint, 1)
    written = {path.name for path in library.folder.rglob("*") if path.is_file()}
    assert {each for each in written if not each.startswith(".")} == {"1.html", "1.bib", "1.ris"}
    early = library.text("issues/1.html")
    assert "issues/1.html" not in library.write()
    assert library.text("issues/1.html") == early


def test_all_that_is_written_for_others_has_a_name_of_ours(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.day({"mri": (FIRST,), "graph neural network": (SECOND,)})
    written = [str(path.relative_to(library.folder)) for path in library.folder.rglob("*.*")]
    assert len(written) > 20
    assert [each for each in written if not is_name_of_ours(each)] == [
        each for each in written if each.startswith(".")
    ]


def test_what_was_left_out_of_a_keyword_is_on_no_page_of_it(tmp_path: Path) -> None:
    keyword = Keyword(name="mri", exclude=("survey",))
    library = Library(tmp_path, keywords=[keyword])
    library.day({"mri": (FIRST, paper("2611.00002", title="A survey of MRI"))})
    for path in library.folder.rglob("*"):
        if path.suffix in {".html", ".md", ".bib", ".js"}:
            assert "A survey of MRI" not in path.read_text("utf-8")
    assert "The first paper" in library.text("README.md")
    assert search_urls(library) == ["https://arxiv.org/abs/2611.00001v1"]


@pytest.mark.slow
def test_a_new_version_stands_once_among_what_is_searched_and_old_parts_stay(
    tmp_path: Path,
) -> None:
    library = Library(tmp_path, keywords=[Keyword(name="mri", replacements=True)])
    many = tuple(
        paper(f"2611.{number:05}", title=f"Paper {number} on MRI") for number in range(100)
    )
    library.day({"mri": many})
    newer = replace(many[0], version=2, updated=NOW + DAY / 2)
    changed = library.day({"mri": (*many[1:], newer)}, now=NOW + DAY)
    assert "search/2026-1-1.js" not in changed
    assert "search/2026-1-2.js" in changed
    assert search_urls(library)[-1] == "https://arxiv.org/abs/2611.00000v2"


@pytest.mark.slow
def test_a_thousand_papers_take_the_place_of_their_hundreds(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.day({"mri": tuple(paper(f"2611.{number:05}") for number in range(950))})
    parts = {f"2026-1-{number}.js" for number in range(1, 11)}
    assert {path.name for path in (library.folder / "search").iterdir()} == parts
    (library.folder / "search" / "mine.js").write_text("my own")
    library.day({"mri": tuple(paper(f"2611.{n:05}") for n in range(1010))}, now=NOW + DAY)
    left = {path.name for path in (library.folder / "search").iterdir()}
    assert left == {"2026-1.js", "2026-2-1.js", "mine.js"}
    assert 'data-parts="search/2026-2-1.js search/2026-1.js"' in library.text("search.html")


def search_urls(library: Library) -> list[str]:
    """Return the addresses in the parts of the search index, in the order of the parts."""
    found = []
    for name in reversed(re.findall(r"search/[\d-]+\.js", library.text("search.html"))):
        packed = b85decode(json.loads(library.text(name).split("archivePart(")[1][:-3])["urls"])
        size = int.from_bytes(packed[:4])
        found += zlib.decompress(packed[4 : 4 + size]).decode().split("\n")
    return found


@pytest.mark.slow
def test_no_reader_is_in_any_file(tmp_path: Path) -> None:
    people = [
        Subscriber(email="ada@example.org", name="Ada Lovelace"),
        Subscriber(email="grace.hopper@navy.example", name="Grace Hopper", frequency="weekly"),
        Subscriber(email="kurt@example.net", name="Kurt Gödel", profile="own papers.bib"),
    ]
    library = Library(tmp_path, base_url="https://papers.example.org")
    library.room.subscribers = people
    library.day({"mri": (FIRST,)})
    library.day({"mri": (FIRST, SECOND)}, now=NOW + DAY)
    mails = [path.read_bytes() for path in (tmp_path / "outbox" / "new").iterdir()]
    assert len(mails) == 4
    tokens = Tokens([b"a key"], library.imprint.id)
    secret = {"own papers", *(f"token{len(each.email)}" for each in people)}
    for each in people:
        secret |= {each.email, each.email.partition("@")[0] + "@", each.name}
        secret |= {*each.name.split()[1:], tokens.token(each.email)}
        secret.add(tokens.subscriber_id(each.email))
    for path in library.folder.rglob("*"):
        if path.is_file():
            content = path.read_text("utf-8").casefold()
            assert [each for each in secret if each.casefold() in content] == [], path
