"""Feeds: readable by others, the same for ever, and honest about days that nobody knows."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import fastjsonschema
import feedparser
import pytest
from lxml import etree

from newsletter.archive.folder import MARK, file_name
from tests.making.archives import Library
from tests.making.editions import HOSTILE
from tests.making.papers import DAY, NOW, paper

MRI = file_name("mri")
FIRST = paper("2611.00001", abstract="Of <b>tags</b> & ampersands, 1 < 2.")


@pytest.mark.slow
def test_an_entry_has_the_whole_abstract_its_day_and_its_keywords(tmp_path: Path) -> None:
    library = Library(tmp_path, base_url="https://papers.example.org/archive")
    library.day({"mri": (FIRST,), "graph neural network": (FIRST,)})
    read = feedparser.parse(library.text("feeds/all.atom"))
    assert not read.bozo
    assert read.version == "atom10"
    (entry,) = read.entries
    assert entry.content[0].value == "Of &lt;b&gt;tags&lt;/b&gt; &amp; ampersands, 1 &lt; 2."
    assert entry.published == entry.updated == "2026-11-19T10:00:00+00:00"
    assert [each.term for each in entry.tags] == ["graph neural network", "mri"]
    assert [each.name for each in entry.authors] == ["Ada Quill", "Bo Ångström"]
    assert entry.link == "https://arxiv.org/abs/2611.00001v1"
    assert read.feed.links[1].href == "https://papers.example.org/archive/feeds/all.atom"
    (item,) = json.loads(library.text("feeds/all.json"))["items"]
    assert item["id"] == entry.id
    assert item["content_text"] == FIRST.abstract
    assert item["date_published"] == "2026-11-19T10:00:00Z"
    assert item["tags"] == ["graph neural network", "mri"]


def test_a_json_feed_is_one_by_the_words_of_version_1_1(tmp_path: Path) -> None:
    library = Library(tmp_path, base_url="https://papers.example.org/archive")
    library.day({"mri": (FIRST,)})
    feed = json.loads(library.text(f"feeds/{MRI}.json"))
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == f"https://papers.example.org/archive/feeds/{MRI}.json"
    assert isinstance(feed["title"], str)
    known = {"version", "title", "home_page_url", "feed_url", "description", "authors"}
    assert {key for key in feed if not key.startswith("_")} <= known | {"language", "items"}
    for item in feed["items"]:
        assert isinstance(item["id"], str)
        assert isinstance(item["content_text"], str)
        datetime.fromisoformat(item["date_published"])


@pytest.mark.slow
def test_an_outage_is_in_the_subtitle_until_it_was_made_up_for(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.day({"mri": (FIRST,)})
    quiet = library.text("feeds/all.atom")
    library.room.told.down = "arXiv answered 503"
    changed = library.day({"mri": (FIRST,)}, now=NOW + DAY)
    assert set(changed) == {
        *(f"feeds/{name}.{kind}" for kind in ("atom", "json") for name in feed_names(library)),
        ".arxiv-newsletter.json",
    }
    said = feedparser.parse(library.text("feeds/all.atom")).feed.subtitle
    assert said.startswith("Not known yet: what was announced since 2026-11-20 for mri, graph")
    assert library.day({"mri": (FIRST,)}, now=NOW + 2 * DAY) == []
    library.room.told.down = ""
    library.day({"mri": (FIRST,)}, now=NOW + 3 * DAY)
    assert library.text("feeds/all.atom") == quiet


@pytest.mark.slow
def test_entries_are_taken_over_and_say_what_they_would_say_anew(tmp_path: Path) -> None:
    library = Library(tmp_path)
    hostile = ']]> </entry></feed> <entry><!-- 0123456789abcdef --> "}\n{"id": $x_1$'
    papers = [FIRST, *(paper(f"2611.0001{at}", title=hostile, abstract=hostile) for at in range(5))]
    for day in range(1, 7):
        library.day({"mri": tuple(papers[:day])}, now=NOW + day * DAY)
    assert len(feedparser.parse(library.text("feeds/all.atom")).entries) == 6
    assert len(json.loads(library.text("feeds/all.json"))["items"]) == 6
    assert library.write(rebuild=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["atom", "json"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("tags", "\0\0\0\0"),
        lambda text: text.replace(MARK, f"{MARK} {FIRST.id}", 1) * 2,
        lambda _text: "",
    ],
)
def test_a_feed_that_was_damaged_is_whole_after_the_next_news(
    tmp_path: Path, kind: str, damage: Callable[[str], str]
) -> None:
    library = Library(tmp_path)
    library.day({"mri": (FIRST,)})
    file = library.folder / f"feeds/all.{kind}"
    file.write_text(damage(file.read_text("utf-8")), "utf-8")
    library.day({"mri": (FIRST, paper("2611.00002"))}, now=NOW + DAY)
    assert library.write(rebuild=True) == []


def feed_names(library: Library) -> list[str]:
    return ["all", *(file_name(each.name) for each in library.imprint.keywords)]


def test_opml_lists_every_feed(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.day({"mri": (FIRST,)})
    outlines = list(ET.fromstring(library.text("feeds.opml")).iter("outline"))
    addresses = [each.attrib["xmlUrl"] for each in outlines]
    assert addresses == [f"feeds/{name}.atom" for name in feed_names(library)]
    assert all((library.folder / each).is_file() for each in addresses)


@pytest.mark.slow
def test_a_feed_reaches_30_days_back_from_the_newest_issue(tmp_path: Path) -> None:
    library = Library(tmp_path)
    papers = [paper(f"2611.0000{number}") for number in range(3)]
    for number, day in enumerate((0, 31, 60)):
        library.day({"mri": tuple(papers[: number + 1])}, now=NOW + day * DAY)
    entries = feedparser.parse(library.text(f"feeds/{MRI}.atom")).entries
    assert [each.link[-7:] for each in entries] == ["00002v1", "00001v1"]


@pytest.mark.slow
def test_hostile_papers_make_sound_feeds(tmp_path: Path) -> None:
    library = Library(tmp_path)
    titles = [text for text in HOSTILE if text.isprintable()] + ["]]> &amp; \x07\x0b"]
    papers = tuple(
        paper(f"2611.{10000 + number}", title=text, abstract=text, authors=(text,))
        for number, text in enumerate(titles)
    )
    library.day({"mri": papers})
    read = feedparser.parse(library.text(f"feeds/{MRI}.atom"))
    assert not read.bozo
    assert len(read.entries) == len(titles)


@pytest.mark.slow
@pytest.mark.parametrize("base_url", ["", "https://papers.example.org/archive"])
def test_every_feed_is_what_its_standard_says(tmp_path: Path, base_url: str) -> None:
    atom, json_feed = schemas()
    library = Library(tmp_path, base_url=base_url)
    for file in feeds_of(library):  # before the first news
        check(file, atom, json_feed)
    texts = [text for text in HOSTILE if not re.search("[\ud800-\udfff]", text)]
    papers = tuple(
        paper(f"2611.{10000 + number}", title=text, abstract=text, authors=(text or "A",))
        for number, text in enumerate(texts)
    )
    library.day({"mri": papers, "graph neural network": papers[::2]})
    library.room.told.down = "arXiv answered 503"
    library.day({}, now=NOW + DAY)
    files = feeds_of(library)
    assert len(files) == 6
    for file in files:
        check(file, atom, json_feed)


def test_the_schemas_refuse_what_is_none() -> None:
    atom, json_feed = schemas()
    feed = "<feed xmlns='http://www.w3.org/2005/Atom'><title>T</title>{}</feed>"
    whole = feed.format("<id>urn:x:1</id><updated>2026-11-19T10:00:00Z</updated>")
    assert atom.validate(etree.fromstring(whole))
    for wrong in (feed.format("<id>urn:x:1</id>"), whole.replace("10:00:00Z", "10:00"), "<feed/>"):
        assert not atom.validate(etree.fromstring(wrong))
    with pytest.raises(fastjsonschema.JsonSchemaException):
        json_feed({"version": "https://jsonfeed.org/version/1.1", "title": "T"})


def schemas() -> tuple[etree.RelaxNG, Callable[[object], object]]:
    """Return what judges Atom (RFC 4287) and JSON Feed 1.1, the one of npm's jsonfeed-schema."""
    here = Path(__file__).parent
    json_feed = fastjsonschema.compile(json.loads((here / "jsonfeed-1.1.json").read_text("utf-8")))
    return etree.RelaxNG(etree.parse(here / "atom.rng")), json_feed


def feeds_of(library: Library) -> list[Path]:
    return sorted((library.folder / "feeds").glob("*"))


def check(file: Path, atom: etree.RelaxNG, json_feed: Callable[[object], object]) -> None:
    if file.suffix == ".json":
        json_feed(json.loads(file.read_text("utf-8")))
        return
    atom.assertValid(etree.parse(file))


@pytest.mark.slow
@pytest.mark.timeout(3000)  # minutes on a machine at rest
@pytest.mark.parametrize("days", [56, pytest.param(365, marks=pytest.mark.full)])
def test_in_a_year_no_id_changes_and_no_entry_comes_twice(tmp_path: Path, days: int) -> None:
    library = Library(tmp_path)
    start = datetime(2026, 11, 19, 10, tzinfo=UTC)
    ids: dict[str, tuple[str, str]] = {}
    shown: set[str] = set()
    gone: set[str] = set()
    known = [paper(submitted=start - 90 * DAY)]
    for day in range(days):
        now = start + timedelta(days=day)
        known = [each for each in known if now - each.submitted < 25 * DAY]
        known.append(paper(f"{now:%y%m}.{day:05}", submitted=now - DAY, updated=now - DAY))
        if day % 7 == 3:
            library.room.told.down = "arXiv answered 503"
        library.day({"mri": tuple(known), "graph neural network": tuple(known[::2])}, now=now)
        library.room.told.down = ""
        entries = feedparser.parse(library.text("feeds/all.atom")).entries
        present = [each.id for each in entries]
        assert len(set(present)) == len(present)
        assert gone.isdisjoint(present)
        for each in entries:
            said = (each.id, each.published)
            assert ids.setdefault(each.link, said) == said
        gone |= shown - set(present)
        shown |= set(present)
    assert len(ids) == days
