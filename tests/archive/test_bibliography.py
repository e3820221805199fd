"""BibTeX and RIS that other programs read, and what Zotero's connector finds in a page."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
import rispy
from bibtexparser.entrypoint import parse_string

from newsletter.archive.bibliography import bibtex, coins, ris
from newsletter.models import Paper
from newsletter.prose import prose
from tests.making.papers import paper
from tests.making.shared_data import june_papers


def entry(*papers: Paper) -> Any:
    library = parse_string(bibtex(papers))
    assert not library.failed_blocks
    (found,) = library.entries
    return found


def test_an_entry_says_what_arxivs_own_says() -> None:
    found = entry(paper("2611.00001", doi="10.1000/x_y", comment="5 pages"))
    assert found.entry_type == "misc"
    assert found.key == "quill2026-2611.00001"
    fields = {each.key: each.value for each in found.fields}
    assert fields == {
        "title": "On the quiet life of graph neural networks, part 01",
        "author": "Ada Quill and Bo Ångström",
        "year": "2026",
        "eprint": "2611.00001",
        "archivePrefix": "arXiv",
        "primaryClass": "cs.LG",
        "url": "https://arxiv.org/abs/2611.00001v1",
        "doi": "10.1000/x_y",
        "note": "5 pages",
    }


@pytest.mark.parametrize(
    ("title", "tex"),
    [
        ("F$^3$OCUS -- a_b & 50% of #1", r"F$^3$OCUS -- a\_b \& 50\% of \#1"),
        (r"Fr\'echet and {\o}", r"Fr\'echet and {\o}"),
        ("AD^2-Bench", "AD²-Bench"),
        ("Costs 5$ a day", r"Costs 5\$ a day"),
        ("Unbalanced { brace", r"Unbalanced \{ brace"),
        ("} @misc{evil, title={x}", r"\} @misc\{evil, title=\{x\}"),
        ("ends in a backslash \\", r"ends in a backslash \textbackslash{}"),
        (r"already \& escaped", r"already \& escaped"),
    ],
)
def test_a_title_is_tex_that_compiles(title: str, tex: str) -> None:
    assert f"title = {{{tex}}}," in bibtex([paper(title=title)])


def test_a_collaboration_is_not_cut_at_its_and() -> None:
    assert entry(paper(authors=("The Foo and Bar Group", "Ada Quill")))["author"] == (
        "{The Foo and Bar Group} and Ada Quill"
    )


def test_last_names_have_their_particles() -> None:
    (record,) = rispy.loads(ris([paper(authors=("Ludwig van den Berg", "Plato", "Ada Quill"))]))
    assert record["authors"] == ["van den Berg, Ludwig", "Plato", "Quill, Ada"]


def test_zotero_takes_a_paper_from_the_page() -> None:
    said = parse_qs(coins(paper(doi="10.1000/x")))
    assert said["rft_val_fmt"] == ["info:ofi/fmt:kev:mtx:dc"]
    assert said["rft.type"] == ["preprint"]
    assert said["rft.creator"] == ["Ada Quill", "Bo Ångström"]
    assert said["rft.identifier"] == ["https://arxiv.org/abs/2611.00001v1"]
    assert said["rft_id"] == ["info:doi/10.1000/x"]


@pytest.mark.slow
def test_thousands_of_real_papers_are_read_back() -> None:
    papers = june_papers()
    library = parse_string(bibtex(papers))
    assert not library.failed_blocks
    assert len(library.entries) == len(papers) == 3946
    assert len({each.key for each in library.entries}) == len(papers)
    records = rispy.loads(ris(papers))
    assert len(records) == len(papers)
    for each, read, record in zip(papers, library.entries, records, strict=True):
        assert read["author"].replace("{", "").replace("}", "").split(" and ") == list(each.authors)
        assert read["eprint"] == each.local_id
        assert read["primaryClass"] == each.categories[0]
        assert record["title"] == prose(each.title)
        assert len(record["authors"]) == len(each.authors)


def test_old_ids_make_keys_too() -> None:
    old = paper("hep-th/9901001", submitted=datetime(1999, 1, 4, tzinfo=UTC))
    assert entry(old).key == "quill1999-hep-th-9901001"
