"""The Daily Papers page shows what papers say, and takes none of it for markup."""

from datetime import UTC, datetime

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from newsletter.archive.daily_papers import markdown, table
from newsletter.models import Paper
from newsletter.prose import prose
from tests.making.papers import paper

XHTML = "{http://www.w3.org/1999/xhtml}"
HOSTILE = [
    "A | pipe, and `a | b` in code",
    "](javascript:alert(1)) and [x](javascript:alert(2))",
    "<script>alert(1)</script> &lt;b&gt; &amp; &#60;",
    "# heading ## and #1",
    "controls \x00\x07\x1b and \u202eoverrides\u2066",
    "ends with a backslash \\",
    "`unclosed and ``two",
    "*stars* **bold** _under_ a_b ~~gone~~ T2* $x$ 1 < 2 > 0",
    "![image](http://tracker.example/x.png)",
    "</p></details></td></table>",
    "||||",
]


def shown(*papers: Paper) -> list[list[str]]:
    """Return the cells of the table as a reader of the rendered Markdown sees them."""
    text = markdown("Daily Papers", [], [table("mri", papers, anchor="mri")])
    html = MarkdownIt("gfm-like", {"linkify": False}).enable("table").render(text)
    page = html5lib.parse(html)
    assert not list(page.iter(f"{XHTML}script"))
    assert not list(page.iter(f"{XHTML}img"))
    links = [each.attrib["href"] for each in page.iter(f"{XHTML}a")]
    assert links == [f"https://arxiv.org/abs/{each.local_id}v{each.version}" for each in papers]
    body = page.find(f".//{XHTML}tbody")
    return [["".join(cell.itertext()) for cell in row] for row in body]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_any_text_as_it_is(text: str) -> None:
    (cells,) = shown(paper(title=text, abstract=text, comment=text))
    said = prose(text)
    short = f"{said[:5]}..." if len(said) > 20 else ""
    assert cells == [said, "2026-11-18", f"Show{said}", short + said]


@pytest.mark.slow
@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1))
def test_no_text_breaks_the_table(text: str) -> None:
    (cells,) = shown(paper(title=f"x{text}x", abstract=text, comment=f"y{text}y"))
    assert cells[0] == prose(f"x{text}x")
    assert cells[3].endswith(prose(f"y{text}y"))


def test_a_keyword_shows_as_a_heading_whatever_it_is_called() -> None:
    for name in ("C#", "a ## b #", "*x*", "[x](y)"):
        text = markdown("T", [], [table(name, [], anchor="x")])
        page = html5lib.parse(MarkdownIt("gfm-like", {"linkify": False}).render(text))
        assert "".join(page.find(f".//{XHTML}h2").itertext()) == name


@pytest.mark.parametrize(
    ("comment", "cell"),
    [
        ("", ""),
        ("12 pages, 3 figures.", "12 pages, 3 figures."),
        ("12 pages, 3 figures..", "12 pa...12 pages, 3 figures.."),
    ],
)
def test_a_comment_is_folded_when_it_is_longer_than_20_characters(comment: str, cell: str) -> None:
    ((*_, found),) = shown(paper(comment=comment))
    assert found == cell


def test_the_version_and_its_day_are_those_of_the_paper_shown() -> None:
    updated = datetime(2026, 11, 19, 23, 59, tzinfo=UTC)
    (cells,) = shown(paper(version=3, updated=updated))
    assert cells[1] == "2026-11-19"


@pytest.mark.slow
def test_no_paper_makes_the_page_longer_than_its_share() -> None:
    endless = paper(title="|" * 10_000, abstract="<" * 100_000, comment="&amp;" * 10_000)
    row = table("mri", [endless], anchor="mri").rows[0]
    assert (len(row.title), len(row.abstract), len(row.comment)) == (600, 4000, 1000)
    assert all(each.endswith("…") for each in (row.title, row.abstract, row.comment))
    assert len(markdown("T", [], [table("mri", [endless] * 100, anchor="mri")])) < 3_500_000
