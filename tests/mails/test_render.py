"""What stands in a mail: layout, size, and that nobody's text can change either."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html
from premailer import Premailer

from newsletter.errors import RenderError
from newsletter.mails.fitting import fitted, wrapped
from newsletter.mails.render import LIMIT, UNSUBSCRIBE, Renderer, filled
from newsletter.models import Announcement, Edition, Keyword, Rendered
from tests.making.editions import HOSTILE, MASTHEAD, edition, hostile, many, news, rich
from tests.making.papers import paper

TEMPLATES = Path(__file__).parents[2] / "templates"
LINK = "https://papers.example.org/unsubscribe/" + "abcdefgh" * 5


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(MASTHEAD, templates=None)


def page(rendered: Rendered) -> lxml_html.HtmlElement:
    return lxml_html.document_fromstring(filled(rendered.html, escape(LINK)))


def said(rendered: Rendered) -> str:
    """Return what an HTML part says, without its tags."""
    return " ".join(cast("str", page(rendered).find("body").text_content()).split())


# Size


@pytest.mark.parametrize("papers", [0, 1, 30, 500])
def test_html_stays_below_the_size_at_which_gmail_cuts(renderer: Renderer, papers: int) -> None:
    rendered = renderer.render(edition(news("graph", many(papers))))
    longest = "https://papers.example.org/unsubscribe/" + "x" * 400
    assert len(filled(rendered.html, longest).encode()) <= LIMIT


def test_thirty_papers_with_ordinary_abstracts_are_nearly_all_shown_in_full(
    renderer: Renderer,
) -> None:
    rendered = renderer.render(edition(news("graph", many(30))))
    assert len(page(rendered).findall(".//h3")) >= 25


def test_of_many_papers_some_are_shown_in_full_more_by_title_and_the_rest_counted(
    renderer: Renderer,
) -> None:
    rendered = renderer.render(edition(news("graph", many(500))))
    full = len(page(rendered).findall(".//h3"))
    brief = len(page(rendered).xpath("//p[@class='brief']")) - 1
    left_out = re.search(r"… and (\d+) more", said(rendered))
    assert left_out
    assert min(full, brief) > 10
    assert full + brief + int(left_out[1]) == 500


def test_text_has_every_paper_whatever_their_number(renderer: Renderer) -> None:
    papers = many(500)
    text = "".join(renderer.render(edition(news("graph", papers))).text)
    assert all(f"\n{each.links[0].url}\n{each.links[1].url}\n" in text for each in papers)


def test_a_long_digest_does_not_starve_the_one_after_it(renderer: Renderer) -> None:
    last = paper("2611.99999", title="The only one here")
    rendered = renderer.render(edition(news("graph", many(500)), news("rare", [last])))
    headings = [each.text_content() for each in page(rendered).findall(".//h3")]
    assert "The only one here" in headings


@pytest.mark.parametrize("keywords", [50, 100, 300])
def test_many_keywords_leave_room_for_papers(renderer: Renderer, keywords: int) -> None:
    digests = [news(f"keyword {each.local_id}", [each]) for each in many(keywords)]
    rendered = renderer.render(edition(*digests))
    root = page(rendered)
    shown = root.xpath("//h3/a/@href | //p[@class='brief']/a/@href")
    left_out = map(int, re.findall(r"… and (\d+) more", said(rendered)))
    assert len(filled(rendered.html, escape(LINK)).encode()) <= LIMIT
    assert len(shown) >= 20
    assert len(shown) + sum(left_out) == keywords
    assert len(root.findall(".//h2")) == len(shown)


@pytest.mark.parametrize(
    ("sizes", "room", "forms"),
    [
        ([], 100, []),
        ([[]], 100, [[]]),
        ([[(10, 2), (10, 2)]], 20, [["full", "full"]]),
        ([[(10, 2), (10, 2)]], 19, [["full", "brief"]]),
        ([[(10, 2), (10, 2)]], 4, [["brief", "brief"]]),
        ([[(10, 2), (10, 2)]], 3, [["brief", "left out"]]),
        ([[(10, 2), (10, 2)], [(10, 2)]], 22, [["full", "brief"], ["full"]]),
        ([[(99, 2), (10, 2)]], 20, [["brief", "full"]]),
        ([[(10, 2)] * 12], 20, [["full"] + ["brief"] * 5 + ["left out"] * 6]),
        ([[(10, 2)]], -5, [["left out"]]),
    ],
)
def test_papers_are_fitted(sizes: Any, room: int, forms: Any) -> None:
    assert fitted(sizes, room) == forms


@given(
    st.lists(
        st.lists(st.tuples(st.integers(50, 500), st.integers(5, 50)), max_size=20), max_size=4
    ),
    st.integers(0, 5_000),
)
def test_whatever_is_fitted_takes_no_more_than_the_room(sizes: Any, room: int) -> None:
    taken = {"full": 0, "brief": 1}
    forms = fitted(sizes, room)
    assert room >= sum(
        size[taken[form]]
        for papers, chosen in zip(sizes, forms, strict=True)
        for size, form in zip(papers, chosen, strict=True)
        if form in taken
    )


def test_papers_keep_the_order_of_their_digest(renderer: Renderer) -> None:
    papers = many(60)
    root = page(renderer.render(edition(news("graph", papers))))
    shown = root.xpath("//h3/a/@href | //p[@class='brief']/a/@href")
    assert shown == [each.links[0].url for each in papers]


# Sharing


def test_the_same_paper_is_the_same_string_in_every_edition(renderer: Renderer) -> None:
    papers = many(3)
    one = renderer.render(edition(news("graph", papers)))
    other = renderer.render(edition(news("graph", papers[1:]), news("unrelated")))
    shared = {id(piece) for piece in one.html} & {id(piece) for piece in other.html}
    assert len(shared) == 2
    assert {id(piece) for piece in one.text} & {id(piece) for piece in other.text}


def test_the_same_edition_always_renders_the_same() -> None:
    first, second = (Renderer(MASTHEAD, templates=None).render(rich()) for _ in range(2))
    assert first == second


def test_a_paper_is_shown_once_in_full_and_named_under_its_other_keywords(
    renderer: Renderer,
) -> None:
    both = paper("2611.00001", title="Graphs and mirrors", abstract="Once upon a time.")
    rendered = renderer.render(edition(news("graph", [both]), news("mirror", [both])))
    text = "".join(rendered.text)
    assert said(rendered).count("Once upon a time.") == text.count("Once upon a time.") == 1
    assert "also in: mirror" in said(rendered)
    assert "Graphs and mirrors · in full under graph" in said(rendered)
    assert "Graphs and mirrors\nIn full under graph\n" in text


def test_a_keyword_without_news_says_why_in_the_contents_and_has_no_section(
    renderer: Renderer,
) -> None:
    rendered = renderer.render(rich())
    why_not = "slow mail: no trustworthy answer today: arXiv answered 503 to five requests"
    assert why_not in said(rendered)
    assert why_not in " ".join("".join(rendered.text).split())
    assert page(rendered).xpath("//li/b[@class='label']/text()") == ["slow mail"]
    headings = [each.text for each in page(rendered).findall(".//h2")]
    assert headings == ["graph neural network", "federated learning"]


@pytest.mark.parametrize(
    ("zone", "since"),
    [
        ("Pacific/Auckland", datetime(2026, 11, 17, 22, tzinfo=UTC)),  # 11:00 on the 18th
        ("America/Los_Angeles", datetime(2026, 11, 19, 2, tzinfo=UTC)),  # 18:00 on the 18th
    ],
)
def test_days_are_those_of_the_readers_time_zone(zone: str, since: datetime) -> None:
    renderer = Renderer(MASTHEAD, templates=None, timezone=ZoneInfo(zone))
    late = paper("2602.00003", submitted=datetime(2026, 2, 4, 8, tzinfo=UTC))
    rendered = renderer.render(edition(news("graph", [late], since=since)))
    assert f"61 listed since yesterday, 1 new; complete {late.title}" in said(rendered)
    assert "announced today" in said(rendered)


# HTML


def test_html_begins_with_a_doctype_and_has_no_parse_errors(renderer: Renderer) -> None:
    for each in (rich(), hostile(), edition(news("graph", many(500))), edition()):
        source = filled(renderer.render(each).html, escape(LINK))
        parser = html5lib.HTMLParser(strict=True)
        parser.parse(source)
        assert source.startswith("<!DOCTYPE html>")
        assert parser.tree.document is not None
        assert parser.compatMode == "no quirks"


def test_headings_go_down_one_level_at_a_time(renderer: Renderer) -> None:
    levels = [
        int(each.tag[1]) for each in page(renderer.render(rich())).xpath("//h1|//h2|//h3|//h4")
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_html_says_its_language_and_leaves_the_direction_of_titles_to_them(
    renderer: Renderer,
) -> None:
    root = page(renderer.render(rich()))
    assert (root.get("lang"), root.get("dir")) == ("en", "ltr")
    assert all(each.get("dir") == "auto" for each in root.xpath("//h3|//p[@class='abstract']"))


def test_html_fetches_nothing_and_hides_nothing(renderer: Renderer) -> None:
    for each in (rich(), hostile()):
        source = filled(renderer.render(each).html, escape(LINK))
        root = lxml_html.document_fromstring(source)
        assert not root.xpath("//img|//link|//script|//iframe|//object|//form|//svg")
        assert not re.search(
            r"url\(|@import|display:\s*none|visibility|font-size:\s*[01]px", source
        )
        links = set(root.xpath("//@href"))
        assert {link.split("/", 3)[2] if "//" in link else link[0] for link in links} == {
            "arxiv.org",
            "papers.example.org",
            "#",
        }


def test_links_to_digests_arrive(renderer: Renderer) -> None:
    root = page(renderer.render(rich()))
    anchors = root.xpath("//@id")
    assert len(anchors) == len(set(anchors)) == 2
    assert {link[1:] for link in root.xpath("//@href") if link[0] == "#"} == set(anchors)


def test_links_of_the_same_name_can_be_told_apart_by_ear(renderer: Renderer) -> None:
    root = page(renderer.render(rich()))
    labels = root.xpath("//p[@class='links']/a/@aria-label")
    assert len(labels) == len(set(labels)) == len(root.xpath("//p[@class='links']/a"))


def test_papers_have_a_link_to_html_only_since_arxiv_makes_it(renderer: Renderer) -> None:
    papers = [paper(arxiv_id) for arxiv_id in ("2311.00001", "2312.00001", "hep-th/9901001")]
    links = page(renderer.render(edition(news("graph", papers)))).xpath("//@href")
    assert [link for link in links if "/html/" in link] == ["https://arxiv.org/html/2312.00001"]


def test_the_unsubscribe_link_stands_at_the_top_and_at_the_bottom(renderer: Renderer) -> None:
    rendered = renderer.render(rich())
    for part in (rendered.html, rendered.text):
        assert part[0].count(UNSUBSCRIBE) == part[-1].count(UNSUBSCRIBE) == 1
        assert "".join(part).count(UNSUBSCRIBE) == 2


def test_the_matched_words_are_marked_in_both_parts(renderer: Renderer) -> None:
    found = paper(title="A Graph", abstract="Graphs beyond graphs.")
    rendered = renderer.render(edition(news("graph", [found])))
    marked = page(rendered).xpath("//b[starts-with(@class, 'hit')]/text()")
    assert marked == ["Graph", "Graphs", "graphs"]
    assert "*Graphs* beyond *graphs*." in "".join(rendered.text)


def test_arxiv_is_thanked(renderer: Renderer) -> None:
    rendered = renderer.render(edition(news("graph")))
    thanks = "Thank you to arXiv for use of its open access interoperability."
    assert thanks in said(rendered)
    assert thanks in "".join(rendered.text)


def test_matches_of_several_keywords_that_overlap_are_marked_as_one(renderer: Renderer) -> None:
    nested = paper(title="On graph neural networks for proteins", abstract="")
    names = ("graph", "graph neural network", "neural network for protein")
    rendered = renderer.render(edition(*(news(name, [nested]) for name in names)))
    marked = page(rendered).xpath("//b[starts-with(@class, 'hit')]/text()")
    assert marked == ["graph neural networks for proteins"]
    assert "On *graph neural networks for proteins*\n" in "".join(rendered.text)


# Styles: the defects of premailer that would matter to us


def test_media_queries_keep_their_weight(renderer: Renderer) -> None:
    (kept,) = page(renderer.render(rich())).xpath("//head/style/text()")
    for rule in ("@media (prefers-color-scheme: dark)", "@media (max-width: 480px)", "[data-ogsc]"):
        assert rule in kept
    assert kept.count("!important") > 25


def test_every_element_with_a_class_carries_its_style(renderer: Renderer) -> None:
    root = page(renderer.render(rich()))
    assert root.xpath("//body//*[@class]")
    assert not root.xpath("//body//*[@class][not(@style)]")


def test_styles_leave_no_attributes_that_html_does_not_know(renderer: Renderer) -> None:
    root = page(renderer.render(rich()))
    assert not root.xpath("//@valign|//@align|//@width|//@height|//@bgcolor")


def test_writing_styles_into_the_template_equals_writing_them_into_the_mail() -> None:
    inlined, untouched = Renderer(MASTHEAD, templates=None), Renderer(MASTHEAD, templates=None)
    untouched._html._compiled = untouched._html._written
    per_mail = Premailer(
        strip_important=False,
        disable_validation=True,
        disable_basic_attributes=["align", "valign", "width", "height", "bgcolor"],
    ).transform(filled(untouched.render(rich()).html, escape(LINK)), pretty_print=False)
    per_template = filled(inlined.render(rich()).html, escape(LINK))
    assert _normal(per_template) == _normal(per_mail)


def _normal(source: str) -> bytes:
    root = lxml_html.document_fromstring(source)
    for each in root.iter():
        each.text, each.tail = (each.text or "").strip(), (each.tail or "").strip()
    return cast("bytes", lxml_html.tostring(root))


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_colour_stands_out_from_its_background() -> None:
    light, rest = (TEMPLATES / "edition.html").read_text("utf-8").split("</style>", 1)
    dark = rest.split("prefers-color-scheme: dark", 1)[1].split("</style>", 1)[0]
    for styles, page_colour in ((light, "#fffefb"), (dark, "#181b1e")):
        for rule in re.findall(r"\{[^{}]*\}", styles):
            text = re.search(r"(?<![-\w])color: (#\w{6})", rule)
            if text:
                behind = re.search(r"background-color: (#\w{6})", rule)
                background = behind[1] if behind else page_colour
                dim, bright = sorted(map(_luminance, (text[1], background)))
                assert (bright + 0.05) / (dim + 0.05) >= 4.5, rule


def test_outlook_gets_a_table_that_keeps_the_column_narrow(renderer: Renderer) -> None:
    source = "".join(renderer.render(rich()).html)
    assert '<!--[if mso]><table role="presentation" width="640" ' in source
    assert "<!--[if mso]></td></tr></table><![endif]-->" in source
    assert "<!--[if mso]><style>" in source


# Text


def test_lines_have_72_columns_unless_one_word_has_more(renderer: Renderer) -> None:
    for each in (rich(), edition(news("graph", many(30)))):
        lines = "".join(renderer.render(each).text).split("\n")
        assert not [line for line in lines if len(line) > 72]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ""),
        ("short\n\nlines stay\n", "short\n\nlines stay\n"),
        ("a" * 40 + " " + "b" * 40, "a" * 40 + "\n" + "b" * 40),
        ("  " + "a" * 40 + " " + "b" * 40, "  " + "a" * 40 + "\n  " + "b" * 40),
        ("- " + "a" * 40 + " " + "b" * 40, "- " + "a" * 40 + "\n  " + "b" * 40),
        ("--- " + "a" * 40 + " " + "b" * 40, "--- " + "a" * 40 + "\n" + "b" * 40),
        ("-" * 80 + " a" * 40, "-" * 80 + "\n" + " ".join("a" * 36) + "\na a a a"),
        (
            "see https://example.org/" + "a" * 80 + " now",
            "see\nhttps://example.org/" + "a" * 80 + "\nnow",
        ),
    ],
)
def test_lines_are_wrapped_between_words(text: str, lines: str) -> None:
    assert wrapped(text) == lines


@given(st.text(alphabet="ab é/\n", max_size=400))
def test_wrapping_loses_no_word(text: str) -> None:
    assert wrapped(text).split() == text.split()


def test_the_text_part_loses_nothing_that_the_html_says(renderer: Renderer) -> None:
    rendered = renderer.render(rich())
    in_text = set("".join(rendered.text).replace("*", "").split())
    assert set(said(rendered).split()) - in_text <= {"Abstract", "PDF", "HTML", "in", "Unsubscribe"}


# Bad input


def test_a_hostile_title_becomes_text_and_nothing_else(renderer: Renderer) -> None:
    rendered = renderer.render(hostile())
    for part in (filled(rendered.html, escape(LINK)), filled(rendered.text, LINK)):
        part.encode()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202a-\u202e\u2066-\u2069]", part)
        assert part.count(LINK) == 2
    source = "".join(rendered.html)
    assert "<script" not in source
    assert 'href="javascript' not in source
    assert source.count("</body>") == source.count("</title>") == 1
    assert "{{ 7 * 7 }}" in source


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_keyword_or_masthead_adds_nothing_to_the_subject(text: str) -> None:
    rendered = Renderer(replace(MASTHEAD, title=text), templates=None).render(
        edition(news(Keyword(name=text or " "), [paper()]))
    )
    assert rendered.subject.isprintable()
    assert len(rendered.subject) < 200


def test_four_hundred_authors_take_one_line(renderer: Renderer) -> None:
    assert "Author No. 9 and 390 more" in said(renderer.render(hostile()))


@pytest.mark.parametrize(
    "broken",
    [
        paper("../../etc/passwd"),
        paper("2611.00009\r\nBcc: x@example.net"),
        paper("2611.00009", title=cast("str", None)),
        paper("2611.00009", submitted=cast("Any", "yesterday")),
    ],
)
def test_a_paper_that_cannot_be_shown_costs_one_line(renderer: Renderer, broken: Any) -> None:
    rendered = renderer.render(edition(news("graph", [paper(), broken])))
    line = f"1 paper could not be shown: {' '.join(broken.local_id.split())}"
    assert line in said(rendered)
    assert line in "".join(rendered.text)
    assert "On the quiet life" in said(rendered)


def test_when_no_paper_can_be_shown_the_fault_is_not_theirs(renderer: Renderer) -> None:
    broken = [paper(f"2611.0000{place}", title=cast("str", None)) for place in range(3)]
    with pytest.raises(RenderError, match="none of 3 papers"):
        renderer.render(edition(news("graph", broken)))


# Templates of one's own


def _override(folder: Path, name: str, change: Callable[[str], str]) -> None:
    (folder / name).write_text(change((TEMPLATES / name).read_text("utf-8")), "utf-8")


def test_a_template_in_the_configured_folder_takes_the_place_of_ours(tmp_path: Path) -> None:
    _override(tmp_path, "edition.txt", lambda source: source.replace("issue {{", "our No. {{"))
    rendered = Renderer(MASTHEAD, templates=tmp_path).render(edition())
    assert "our No. 12" in "".join(rendered.text)
    assert "issue 12" in said(rendered)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "edition.html",
            "{% endfor %}\n</ul>",
            "{% endfro %}\n</ul>",
            r"edition.html:\d+: .*endfro",
        ),
        ("edition.txt", "{{ paper.url }}", "{{ paper.uri }}", r"edition.txt:\d+: .*uri"),
        ("edition.html", "{{ digest.name }}", "{{ digset.name }}", r"edition.html:\d+: .*digset"),
        ("edition.html", "{% block brief %}", "{% block breif %}", r"edition.html: .*'brief'"),
        ("edition.html", "<!DOCTYPE html>", "<!doctype html>", r"edition.html:1: no <!DOCTYPE"),
        ("edition.html", '<p class="day">', "<p {% if 1 %}id='a'{% endif %}>", r"html:\d+: .*tag"),
        ("edition.html", ".page {", "@import 'x'; .page {", r"edition.html:\d+: @import"),
        ("edition.html", ".day {", ".day:first-child {", r"edition.html:\d+: .*counts"),
        ("edition.html", ".day {", ".name + .day {", r"edition.html:\d+: .*neighbours"),
        ("edition.html", ".day {", ".day { color red; ", r"edition.html: .*color red"),
    ],
)
def test_an_error_in_a_template_names_file_and_line(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    _override(tmp_path, name, lambda source: source.replace(old, new))
    with pytest.raises(RenderError, match=message):
        Renderer(MASTHEAD, templates=tmp_path).render(rich())


def test_a_template_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "edition.txt").write_bytes(b"caf\xe9")
    with pytest.raises(RenderError, match=r"edition\.txt: it is not UTF-8"):
        Renderer(MASTHEAD, templates=tmp_path)


@pytest.mark.parametrize("name", ["edition.html", "edition.txt"])
def test_the_line_of_an_error_is_that_of_the_file(tmp_path: Path, name: str) -> None:
    _override(tmp_path, name, lambda source: source.replace("{{ link.url }}", "{{ x.y }}"))
    source = (tmp_path / name).read_text("utf-8")
    line = source[: source.index("{{ x.y }}")].count("\n") + 1
    with pytest.raises(RenderError, match=f"{name}:{line}: 'x' is undefined"):
        Renderer(MASTHEAD, templates=tmp_path).render(rich())


def test_a_template_cannot_reach_beyond_what_it_is_given(tmp_path: Path) -> None:
    escape_hatch = "{{ ''.__class__.__mro__ }}"
    _override(tmp_path, "edition.txt", lambda source: source.replace("{{ count }}", escape_hatch))
    with pytest.raises(RenderError, match="unsafe"):
        Renderer(MASTHEAD, templates=tmp_path).render(rich())


def test_styles_are_read_without_a_word_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    Renderer(MASTHEAD, templates=None).render(rich())
    assert capfd.readouterr() == ("", "")


def test_an_edition_without_digests_is_a_mail_all_the_same(renderer: Renderer) -> None:
    empty = Edition(issue=1, date=rich().date, digests=(), shown_in={})
    assert renderer.render(empty).subject == "Daily Papers: nothing new, 19 Nov 2026"


def test_a_new_version_says_what_it_replaces(renderer: Renderer) -> None:
    revised = Announcement(paper=paper(version=3), kind="replacement", replaces=1)
    rendered = renderer.render(edition(news("graph", [revised])))
    assert "Replaced: v3, replaces v1 · submitted 18 Nov, updated 18 Nov" in said(rendered)
    assert rendered.subject == "Daily Papers: graph, 1 replaced, 19 Nov 2026"


def test_bibtex_is_linked_when_it_is_wanted(renderer: Renderer) -> None:
    shown = edition(news("graph", [paper("2611.00007")]))
    wanted = Renderer(MASTHEAD, templates=None, bibtex=True).render(shown)
    for part in (wanted.html, wanted.text):
        assert "https://arxiv.org/bibtex/2611.00007" in "".join(part)
    assert "bibtex" not in "".join(renderer.render(shown).html)
