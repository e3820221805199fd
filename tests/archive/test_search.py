"""The search: small enough, and it finds papers in a real browser, with and without a server."""

import json
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest

from newsletter.archive import search
from newsletter.archive.pages import page, shipped
from newsletter.prose import prose
from tests.making.archives import Library
from tests.making.papers import paper
from tests.making.shared_data import june_papers

LOOK = Path(__file__).parent / "search.mjs"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Graph Networks", ["graph", "network"]),
        ("Schrödinger's gas", ["schrodinger", "s", "gas"]),
        ("loss-aware F³OCUS", ["loss", "aware", "f3ocu"]),
        ("", []),
    ],
)
def test_words_have_neither_case_nor_accents_nor_plurals(text: str, words: list[str]) -> None:
    assert search.words(text) == words


def test_minisearch_comes_with_its_licence() -> None:
    text = shipped("minisearch.min.js")
    assert "Permission is hereby granted, free of charge" in text
    assert "Copyright 2022 Luca Ongaro" in text


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (0, []),
        (1, ["2025-1-1"]),
        (100, ["2025-1-1"]),
        (101, ["2025-1-1", "2025-1-2"]),
        (1000, ["2025-1"]),
        (2250, ["2025-1", "2025-2", "2025-3-1", "2025-3-2", "2025-3-3"]),
    ],
)
def test_what_is_full_stays_and_what_grows_is_small(count: int, names: list[str]) -> None:
    shares = search.shares("2025", count)
    assert list(shares) == [f"search/{name}.js" for name in names]
    papers = list(range(count))
    assert [each for share in shares.values() for each in papers[share]] == papers
    assert list(shares) == sorted(shares, key=search.place)
    assert {search.year(name) for name in shares} <= {"2025"}


@pytest.mark.slow
def test_ten_thousand_papers_take_two_megabytes() -> None:
    papers = june_papers()
    parts = [papers[each] for each in search.shares("2025", 3000).values()]
    size = sum(len(search.part([(each, None) for each in part]).encode()) for part in parts)
    assert size / sum(map(len, parts)) * 10_000 <= 1_950_000  # the goal is two millions


@pytest.mark.browser
@pytest.mark.slow
def test_a_hundred_known_titles_are_found_from_a_folder(tmp_path: Path) -> None:
    papers = june_papers()[:2000]
    put_search(tmp_path, papers)
    titles = [prose(each.title) for each in Random(16).sample(papers, 100)]
    seen = asked(f"file://{tmp_path}/search.html", titles, tmp_path)
    assert seen["errors"] == []
    assert [each["first"] for each in seen["answers"]] == titles


@pytest.mark.browser
@pytest.mark.slow
def test_an_author_and_a_word_of_an_abstract_are_found_and_nothing_is_taken_for_markup(
    tmp_path: Path,
) -> None:
    library = Library(tmp_path)
    first = paper(
        "2611.00001", title="<img src=x onerror=alert(1)> | first", abstract="quokkas quorum 𐌰𐌱 𐌰𐌲"
    )
    second = paper("2611.00002", title="The second", authors=("Zoë Müller-Lüdenscheidt",))
    library.day({"mri": (first, second)})
    asking = ["quokka", "Zoe Muller", "zebra", "quorum", "𐌰𐌲"]
    seen = asked(f"file://{library.folder}/search.html", asking, tmp_path)
    assert seen["errors"] == []
    found = [each["first"] for each in seen["answers"]]
    assert found == [first.title, second.title, "", first.title, first.title]


def put_search(folder: Path, papers: Any) -> None:
    """Write the search page and its parts as the archive has them."""
    (folder / "search").mkdir()
    names = []
    for name, share in search.shares("2025", len(papers)).items():
        names.append(name)
        text = search.part([(each, None) for each in papers[share]])
        (folder / name).write_text(text, "utf-8")
    values = {
        "title": "Search",
        "newsletter": "Daily Papers",
        "root": "",
        "feed": "all",
        "sources": "arXiv",
        "subscribe": "",
        "parts": " ".join(names),
    }
    text = page("search.html", values, scripts=search.scripts())
    (folder / "search.html").write_text(text, "utf-8")


def asked(address: str, titles: list[str], folder: Path) -> dict[str, Any]:
    """Return what tests/archive/search.mjs sees."""
    (folder / "titles.json").write_text(json.dumps(titles), "utf-8")
    command = ["node", str(LOOK), address, str(folder / "titles.json")]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=1000)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
