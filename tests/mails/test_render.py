"""What stands in a mail: layout, size, and that nobody's text can change either."""

import gc
import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html
from msgspec.structs import replace
from premailer import Premailer

from newsletter.errors import RenderError
from newsletter.mails.fitting import Card, fitted
from newsletter.mails.message import Composer
from newsletter.mails.pieces import LADDERS, UNSUBSCRIBE, Columns, Joining, Shapes, Sizes, Stretch
from newsletter.mails.printing import LIMIT
from newsletter.mails.ready.words import worded
from newsletter.mails.render import Renderer, filled
from newsletter.mails.template import Row, wrapped
from newsletter.mails.views import Form
from newsletter.models import Abstracts, Announcement, Closeness, Edition, Keyword, Order, Rendered
from tests.making.editions import (
    HOSTILE,
    MASTHEAD,
    YESTERDAY,
    delivery,
    edition,
    hostile,
    many,
    news,
    rich,
)
from tests.making.papers import NOW, paper

TEMPLATES = Path(__file__).parents[2] / "templates"
LINK = "https://papers.example.org/unsubscribe/" + "abcdefgh" * 5
PREFERENCES_LINK = LINK.replace("unsubscribe", "preferences")


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(MASTHEAD, templates=None)


def page(rendered: Rendered) -> lxml_html.HtmlElement:
    return lxml_html.document_fromstring(filled(rendered.html, escape(LINK), PREFERENCES_LINK))


def said(rendered: Rendered) -> str:
    """Return what an HTML part says, without its tags."""
    return " ".join(cast("str", page(rendered).find("body").text_content()).split())


# Size


@pytest.mark.slow
@pytest.mark.parametrize("papers", [0, 1, 30, 500])
def test_html_stays_below_the_size_at_which_gmail_cuts(renderer: Renderer, papers: int) -> None:
    rendered = renderer.render(edition(news("graph", many(papers))))
    longest = "https://papers.example.org/unsubscribe/" + "x" * 400
    assert len(filled(rendered.html, longest).encode()) <= LIMIT


def entries(rendered: Rendered) -> list[str]:
    """Return where the titles of the entries lead, whatever else is shown of each."""
    found = "//li/h3/a/@href | //li/a[@class='k']/@href"
    return [str(link) for link in page(rendered).xpath(found)]


def excerpts(rendered: Rendered) -> int:
    return len(page(rendered).xpath("//p[@class='x']"))


def left_out(rendered: Rendered) -> int:
    return sum(map(int, re.findall(r"… and (\d+) more", said(rendered))))


def test_thirty_papers_with_ordinary_abstracts_all_have_their_excerpt(renderer: Renderer) -> None:
    rendered = renderer.render(edition(news("graph", many(30))))
    assert excerpts(rendered) == 30


@pytest.mark.slow
@pytest.mark.parametrize("abstracts", ["full", "excerpt", "none"])
@pytest.mark.parametrize("keywords", [1, 8, 100])
def test_every_one_of_three_hundred_papers_has_its_line(
    renderer: Renderer, keywords: int, abstracts: Any
) -> None:
    papers = [
        replace(each, title=f"Quiet graphs and what they leave unsaid to one another, part {place}")
        for place, each in enumerate(many(300))
    ]
    digests = [news(f"keyword {place}", papers[place::keywords]) for place in range(keywords)]
    rendered = renderer.render(replace(edition(*digests), abstracts=abstracts))
    assert sorted(entries(rendered)) == sorted(each.links[0].url for each in papers)
    assert len(filled(rendered.html, escape(LINK)).encode()) <= LIMIT


@pytest.mark.slow
def test_of_more_papers_the_rest_is_counted_under_its_keyword(renderer: Renderer) -> None:
    rendered = renderer.render(edition(news("graph", many(500)), news("rare", [])))
    assert len(entries(rendered)) >= 300
    assert len(entries(rendered)) + left_out(rendered) == 500


@pytest.mark.slow
def test_text_has_every_paper_whatever_their_number(renderer: Renderer) -> None:
    papers = many(1_000)
    text = "".join(renderer.render(edition(news("graph", papers))).text)
    assert all(f"\n{each.links[0].url}\n" in text for each in papers)


@pytest.mark.slow
@pytest.mark.parametrize("abstracts", ["full", "excerpt", "none"])
def test_text_of_a_flood_stays_below_250_kb(renderer: Renderer, abstracts: Any) -> None:
    flood = replace(edition(news("graph", many(229))), abstracts=abstracts)
    assert len(filled(renderer.render(flood).text, LINK).encode()) < 250_000


@pytest.mark.slow
def test_a_long_digest_does_not_starve_the_one_after_it(renderer: Renderer) -> None:
    last = paper("2611.99999", title="The only one here")
    rendered = renderer.render(edition(news("graph", many(500)), news("rare", [last])))
    assert last.links[0].url in entries(rendered)


@pytest.mark.slow
@pytest.mark.parametrize("keywords", [50, 100, 300])
def test_many_keywords_leave_room_for_papers(renderer: Renderer, keywords: int) -> None:
    digests = [news(f"keyword {each.id}", [each]) for each in many(keywords)]
    rendered = renderer.render(edition(*digests))
    shown = entries(rendered)
    assert len(filled(rendered.html, escape(LINK)).encode()) <= LIMIT
    assert len(shown) + left_out(rendered) == keywords == len(shown)
    # Headings give way before a paper does.
    assert len(page(rendered).findall(".//h2")) == (keywords if keywords < 300 else 1)


def test_space_goes_to_the_best(renderer: Renderer) -> None:
    papers = many(200)
    ids = tuple(each.id for each in reversed(papers))
    rendered = renderer.render(replace(edition(news("graph", papers)), best_first=ids))
    whole = page(rendered).xpath("//li[p[@class='x']]/h3/a/@href")
    best = [each.links[0].url for each in papers[-len(whole) :]]
    assert 10 < len(whole) < 150
    assert whole == best


def test_the_titles_stand_before_the_papers(renderer: Renderer) -> None:
    papers = many(10)
    for part in (said, lambda rendered: "".join(rendered.text)):
        shown = part(renderer.render(edition(news("graph", papers))))
        assert shown.index(papers[-1].title) < shown.index("They pass messages")


def test_of_very_many_papers_the_best_eight_are_named_first(renderer: Renderer) -> None:
    papers = many(60)
    rendered = renderer.render(edition(news("graph", papers[:50]), news("mirror", papers[50:])))
    titles = page(rendered).xpath("//li/a[@class='h']/@href")
    assert titles == [each.links[0].url for each in papers[:8]]
    assert "graph 50 · mirror 10" in said(rendered)


@pytest.mark.parametrize(("abstracts", "whole"), [("full", 4), ("excerpt", 0), ("none", 0)])
def test_a_reader_chooses_how_much_of_abstracts_to_see(
    renderer: Renderer, abstracts: Any, whole: int
) -> None:
    rendered = renderer.render(replace(edition(news("graph", many(4))), abstracts=abstracts))
    long = [
        each for each in page(rendered).xpath("//p[@class='x']") if len(each.text_content()) > 320
    ]
    assert len(long) == whole
    assert excerpts(rendered) == (0 if abstracts == "none" else 4)


def test_three_papers_have_their_whole_abstract(renderer: Renderer) -> None:
    papers = many(3)
    rendered = renderer.render(edition(news("graph", papers)))
    for part in (said(rendered), " ".join("".join(rendered.text).split())):
        assert part.count(papers[0].abstract.strip()) == 3


def test_the_smallest_form_of_an_edition_has_titles_only(renderer: Renderer) -> None:
    papers = many(20)
    shown = edition(news("graph", papers))
    smallest, usual = renderer.render(shown, smallest=True), renderer.render(shown)
    assert smallest.subject == usual.subject
    for part in ("html", "text"):
        small = "".join(getattr(smallest, part))
        assert len(small) < len("".join(getattr(usual, part))) * 0.6
        assert all(small.count(each.links[0].url) == 1 for each in papers)
        assert "They pass messages" not in small


def shapes(sizes: Sequence[int]) -> Shapes:
    """Return a paper of these sizes, from the smallest form to the largest."""
    return Shapes(
        lambda form, _reason: "x" * sizes[("least", "line", "excerpt", "full").index(form)]
    )


def sizes_of(papers: Sequence[Shapes]) -> Sizes:
    """Return the sizes of papers in each form."""
    return Sizes([Columns(papers)])


FORMS = {"0": "least", "1": "line", "2": "excerpt", "3": "full", "-": None}


@pytest.mark.parametrize(
    ("papers", "room", "forms"),
    [
        ("", 100, ""),
        ("aa", 20, "33"),
        ("aa", 19, "32"),
        ("aa", 12, "22"),
        ("aa", 11, "21"),
        ("aa", 6, "11"),
        ("aa", 5, "10"),
        ("aa", 4, "00"),
        ("aa", 3, "1-"),
        ("aa", 1, "--"),
        ("ba", 14, "13"),
        ("aa", -5, "--"),
    ],
)
def test_papers_are_fitted(papers: str, room: int, forms: str) -> None:
    kinds = {"a": shapes((2, 3, 6, 10)), "b": shapes((2, 3, 60, 99))}
    sizes = sizes_of([kinds[each] for each in papers])
    places = range(len(papers))
    found, _ = fitted(sizes, room, "full", best_first=places, turns=lambda: places)
    assert found == [FORMS[each] for each in forms]


def test_who_gets_a_line_goes_by_turns() -> None:
    sizes = sizes_of([shapes((2, 3, 6, 10))] * 3)
    assert fitted(sizes, 4, "full", best_first=[1, 0, 2], turns=lambda: [2, 0, 1]) == (
        ["least", None, "least"],
        0,
    )


def one_by_one(
    papers: Sequence[Shapes], room: int, *, best_first: Sequence[int], turns: Sequence[int]
) -> tuple[list[Form | None], int]:
    """Fit papers as `fitted` does, each by itself."""
    sizes = {form: [each.sizes[form] for each in papers] for form in LADDERS["full"]}
    ladder = LADDERS["full"]
    start = next((form for form in ladder[::-1] if sum(sizes[form]) <= room), None)
    forms: list[Form | None] = [start] * len(turns)
    for place in () if start else turns:
        if sizes["least"][place] <= room - sum(sizes[f][n] for n, f in enumerate(forms) if f):
            forms[place] = "least"
    for form in ladder[ladder.index(start or "least") + 1 :]:
        for place in best_first:
            wider = [form if place == n else f for n, f in enumerate(forms)]
            if forms[place] and sum(sizes[f][n] for n, f in enumerate(wider) if f) <= room:
                forms = wider
    return forms, room - sum(sizes[f][n] for n, f in enumerate(forms) if f)


@given(
    st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), max_size=7),
    st.integers(-5, 800),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150)
def test_papers_are_fitted_as_if_each_were_looked_at(
    each: Any, room: int, chance: random.Random
) -> None:
    papers = [shapes(sorted(one) if chance.random() < 0.8 else one) for one in each]
    best, turns = (chance.sample(range(len(each)), len(each)) for _ in range(2))
    cut = chance.randint(0, len(each))
    sizes = Sizes([Columns(papers[:cut]), Columns(papers[cut:])])
    found = fitted(sizes, room, "full", best_first=best, turns=lambda: turns)
    assert found == one_by_one(papers, room, best_first=best, turns=turns)


def test_papers_keep_the_order_of_their_digest(renderer: Renderer) -> None:
    papers = many(60)
    rendered = renderer.render(edition(news("graph", papers)))
    assert entries(rendered) == [each.links[0].url for each in papers]


# Sharing


def test_the_same_paper_is_the_same_string_in_every_edition(renderer: Renderer) -> None:
    papers = many(6)
    one = renderer.render(edition(news("graph", papers)))
    other = renderer.render(edition(news("graph", papers[1:]), news("unrelated")))
    for part in ("html", "text"):
        shared = {id(piece) for piece in getattr(one, part)}
        shared &= {id(piece) for piece in getattr(other, part)}
        assert len(shared) >= 10  # five titles, five entries


def test_an_edition_is_the_same_whichever_were_rendered_before_it() -> None:
    chance = random.Random(5)
    papers = [*many(50), replace(paper("2611.90000"), links=())]
    digests = [news(f"keyword {n}", chance.sample(papers, n * 4)) for n in range(6)]
    digests.append(news("replaced", [Announcement(paper=papers[0], kind="replacement")]))
    renderer = Renderer(MASTHEAD, templates=None, ways=60)
    for _ in range(12):
        chosen = chance.sample(digests, chance.randint(1, len(digests)))
        shown = edition(*[replace(each, since=chance.choice([YESTERDAY, None])) for each in chosen])
        once = renderer.render(shown)
        alone = Renderer(MASTHEAD, templates=None).render(shown)
        for part in ("subject", "html", "text"):
            assert "".join(getattr(once, part)) == "".join(getattr(alone, part))


def test_a_paper_is_not_kept_for_every_choice_of_keywords_that_announce_it() -> None:
    def cards() -> int:
        gc.collect()
        return sum(isinstance(each, Card) for each in gc.get_objects())

    papers, before = many(6), cards()
    renderer = Renderer(MASTHEAD, templates=None, ways=20)
    for some in combinations([news(f"keyword {n}", papers) for n in range(6)], 2):
        renderer.render(edition(*some))
    assert 0 < cards() - before <= 20 + len(papers)


def test_what_many_mails_have_is_one_piece_from_the_second_on() -> None:
    joining = Joining(10)
    often, twice = Stretch(("a\n", "", "b\n"), joining), Stretch(("c\n",) * 4, joining)
    assert [*often.pieces()] == ["a\n", "", "b\n"]
    assert [*often.pieces()] == [*often.pieces()] == ["a\nb\n"]
    assert [len(twice.pieces()) for _ in range(3)] == [4, 4, 4]  # there is no room for that
    assert often.size() == 4
    joining.forget()
    late = Stretch(("c\n",) * 4, joining)
    assert [len(late.pieces()) for _ in range(3)] == [4, 1, 1]


def test_pieces_that_end_within_a_line_stay_apart() -> None:
    cut = Stretch(("a", "b\n"), Joining(10))
    assert [len(cut.pieces()) for _ in range(3)] == [2, 2, 2]


@pytest.mark.parametrize(
    "fill",
    [
        lambda row: "".join(f"<i>{each}</i>\n" for each in row),
        lambda row: f"<p>{' · '.join(f'{each} {each[0]}' for each in row)}</p>",
        lambda row: ", ".join(row[:-1]) + (" and " if len(row) > 1 else "") + row[-1],
        lambda row: " ".join(f"{place}. {each}" for place, each in enumerate(row)),
        lambda row: f"{len(row)}: {', '.join(row)}",
        lambda _row: "always the same",
    ],
)
def test_a_row_is_in_pieces_only_where_a_template_allows_it(fill: Any) -> None:
    pieces = Row(fill, ("a1", "b2"))
    for number in range(1, 5):
        row = [f"{place}-th thing{place}" for place in range(number)]
        assert "".join(pieces(row)) == fill(row)
        assert "".join(pieces(row[::-1])) == fill(row[::-1])


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
    assert "also in mirror" in said(rendered)
    assert "Also here: Graphs and mirrors" in said(rendered)
    assert "Also here: Graphs and mirrors\n" in text


@pytest.mark.slow
def test_cross_references_give_way_to_papers(renderer: Renderer) -> None:
    papers = many(250)
    rendered = renderer.render(edition(news("graph", papers), news("mirror", papers[:90])))
    assert "Also here: 90 papers of other keywords." in said(rendered)
    assert len(entries(rendered)) == 250


def test_what_is_not_as_usual_stands_before_the_papers_and_what_is_quiet_after_them(
    renderer: Renderer,
) -> None:
    rendered = renderer.render(rich())
    why_not = "slow mail: no trustworthy answer today: arXiv answered 503 to five requests"
    for part in (said(rendered), " ".join("".join(rendered.text).split())):
        assert part.index(why_not) < part.index("Federated learning of")
        assert part.index("Nothing new for carrier pigeons.") > part.rindex("An old one")
    names = [each.text.strip() for each in page(rendered).findall(".//h2")]
    assert names == ["graph neural network", "federated learning"]


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
    assert "Covers" not in said(rendered)
    assert "Late · submitted 4 Feb" in said(rendered)


# HTML


@pytest.mark.slow
def test_html_begins_with_a_doctype_and_has_no_parse_errors(renderer: Renderer) -> None:
    for each in (rich(), hostile(), edition(news("graph", many(500))), edition()):
        source = filled(renderer.render(each).html, escape(LINK), PREFERENCES_LINK)
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
    assert all(each.get("dir") == "auto" for each in root.xpath("//h1|//h2|//li"))


def test_html_fetches_nothing_and_hides_nothing(renderer: Renderer) -> None:
    for each in (rich(), hostile()):
        source = filled(renderer.render(each).html, escape(LINK), PREFERENCES_LINK)
        root = lxml_html.document_fromstring(source)
        assert not root.xpath("//img|//link|//script|//iframe|//object|//form|//svg")
        assert not re.search(
            r"url\(|@import|display:\s*none|visibility|font-size:\s*[01]px", source
        )
        assert source.count("max-height") == 1  # what an inbox shows behind the subject
        links = set(root.xpath("//@href"))
        assert {link.split("/", 3)[2] if "//" in link else link for link in links} == {
            "arxiv.org",
            "papers.example.org",
            "example.org" if each == rich() else "example.net",
        }


def test_links_to_digests_arrive(renderer: Renderer) -> None:
    papers = many(60)
    root = page(renderer.render(edition(news("graph", papers[:40]), news("mirror", papers[40:]))))
    anchors = root.xpath("//@id")
    assert len(anchors) == len(set(anchors)) == 2
    assert {link[1:] for link in root.xpath("//@href") if link[0] == "#"} == set(anchors)


def test_no_two_links_of_a_paper_lead_to_the_same_place(renderer: Renderer) -> None:
    coded = paper(comment="Code: https://github.com/ada/quiet.git.", abstract="See there.")
    for entry in page(renderer.render(edition(news("graph", [coded, *many(3)])))).xpath("//li[h3]"):
        links = [a.get("href") for a in entry.xpath(".//a") if a.text_content() != a.get("href")]
        assert len(links) == len(set(links))


def test_addresses_are_links_and_the_repository_stands_beside_the_pdf(renderer: Renderer) -> None:
    coded = paper(
        comment="Project page: https://ada.example/quiet.",
        abstract=r"Code at \url{https://github.com/ada/quiet.git}. More (https://b.example/~x_y).",
    )
    rendered = renderer.render(edition(news("graph", [coded])))
    links = {a.text_content(): a.get("href") for a in page(rendered).xpath("//li//a")}
    assert links["Code"] == "https://github.com/ada/quiet.git"
    assert links["Project"] == "https://ada.example/quiet"
    assert links["https://b.example/~x_y"] == "https://b.example/~x_y"
    assert "Code: https://github.com/ada/quiet.git\n" in "".join(rendered.text)


def test_links_of_the_same_name_can_be_told_apart_by_ear(renderer: Renderer) -> None:
    root = page(renderer.render(rich()))
    named = [a for a in root.xpath("//li//p/a") if a.text_content() != a.get("href")]
    labels = [a.get("aria-label") for a in named]
    assert len(labels) == len(set(labels))
    assert all(a.get("aria-label").startswith(f"{a.text_content()}: ") for a in named)


def test_papers_have_a_link_to_html_only_since_arxiv_makes_it(renderer: Renderer) -> None:
    papers = [paper(arxiv_id) for arxiv_id in ("2311.00001", "2312.00001", "hep-th/9901001")]
    links = page(renderer.render(edition(news("graph", papers)))).xpath("//@href")
    assert [link for link in links if "/html/" in link] == ["https://arxiv.org/html/2312.00001"]


def test_one_unsubscribe_link_stands_at_the_bottom(renderer: Renderer) -> None:
    rendered = renderer.render(rich())
    for part in (rendered.html, rendered.text):
        assert part[-1].count(UNSUBSCRIBE) == "".join(part).count(UNSUBSCRIBE) == 1


def test_the_foot_says_why_the_mail_came_and_how_to_change_that(renderer: Renderer) -> None:
    shown = edition(news("graph", [paper()]), news("mirror"))
    rendered = renderer.render(shown)
    why = "You get this because you follow graph and mirror."
    for part in (said(rendered), " ".join("".join(rendered.text).split())):
        assert f"{why} Change what you get" in part
    assert PREFERENCES_LINK in page(rendered).xpath("//a/@href")
    without_web = replace(MASTHEAD, base_url="")
    rendered = Renderer(without_web, templates=None).render(shown)
    for part in (said(rendered), " ".join("".join(rendered.text).split())):
        assert f"{why} To change that, write to owner@example.org." in part


def test_an_inbox_shows_the_next_titles_behind_the_subject(renderer: Renderer) -> None:
    papers = many(3)
    rendered = renderer.render(edition(news("graph", papers)))
    assert rendered.subject == f"graph, 3 new: {papers[0].title}"
    (first,) = page(rendered).xpath("//div[@class='pre']")
    assert first.text == f"{papers[1].title} · {papers[2].title}"
    assert first.get("aria-hidden") == "true"


def test_a_subject_of_ones_own(renderer: Renderer) -> None:
    own = Renderer(MASTHEAD, templates=None, subject="[{newsletter}] {title}")
    assert own.render(edition(news("graph", [paper()]))).subject == (
        f"[Daily Papers] {paper().title}"
    )


def test_a_paper_that_is_here_for_its_author_says_so(renderer: Renderer) -> None:
    keyword = Keyword(name="carrier pigeon", authors=("A. Quill",))
    rendered = renderer.render(edition(news(keyword, [paper()])))
    assert "Ada Quill, Bo Ångström · here for Ada Quill" in said(rendered)
    named = paper(title="On a carrier pigeon")
    assert "here for" not in said(renderer.render(edition(news(keyword, [named]))))


def test_papers_are_a_list(renderer: Renderer) -> None:
    root = page(renderer.render(edition(news("graph", many(5)))))
    assert [len(each.findall("li")) for each in root.xpath("//ul")] == [5, 5]


def test_the_matched_words_are_marked_in_both_parts(renderer: Renderer) -> None:
    found = paper(title="A Graph", abstract="Graphs beyond graphs.")
    rendered = renderer.render(edition(news("graph", [found])))
    marked = page(rendered).xpath("//b[@class='y' or @class='z']/text()")
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
    marked = page(rendered).xpath("//b[@class='y' or @class='z']/text()")
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


@pytest.mark.slow
def test_writing_styles_into_the_template_equals_writing_them_into_the_mail(
    tmp_path: Path,
) -> None:
    # What has a folder of its own is opened by itself.
    inlined, untouched = (Renderer(MASTHEAD, templates=own) for own in (None, tmp_path))
    untouched._html._compiled = untouched._html._written
    links = (escape(LINK), PREFERENCES_LINK)
    per_mail = Premailer(
        strip_important=False,
        disable_validation=True,
        disable_basic_attributes=["align", "valign", "width", "height", "bgcolor"],
    ).transform(filled(untouched.render(rich()).html, *links), pretty_print=False)
    per_template = filled(inlined.render(rich()).html, *links)
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


@pytest.mark.slow
@given(st.text(alphabet="ab é/\n", max_size=400))
def test_wrapping_loses_no_word(text: str) -> None:
    assert wrapped(text).split() == text.split()


def test_the_text_part_loses_nothing_that_the_html_says(renderer: Renderer) -> None:
    rendered = renderer.render(rich())
    in_text = "".join(rendered.text).replace("*", "").split()
    words = {word.strip(":….") for word in said(rendered).split()}
    assert words - {word.strip(":.") for word in in_text} <= {"PDF", "HTML"}


# Bad input


def test_a_hostile_title_becomes_text_and_nothing_else(renderer: Renderer) -> None:
    rendered = renderer.render(hostile())
    for part in (filled(rendered.html, escape(LINK)), filled(rendered.text, LINK)):
        part.encode()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202a-\u202e\u2066-\u2069]", part)
        assert part.count(LINK) == 1
    source = "".join(rendered.html)
    assert "<script" not in source
    assert 'href="javascript' not in source
    assert source.count("</body>") == source.count("</title>") == 1
    assert "{{ 7 * 7 }}" in source


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_keyword_or_masthead_adds_nothing_to_the_subject(text: str) -> None:
    rendered = Renderer(replace(MASTHEAD, title=text), templates=None).render(
        edition(news(Keyword(name=text or " "), [paper()]))
    )
    assert rendered.subject.isprintable()
    assert len(rendered.subject) < 200


def test_four_hundred_authors_take_one_line(renderer: Renderer) -> None:
    authors = "Author No. 0, Author No. 1, Author No. 2 et al., Author No. 399"
    assert authors in said(renderer.render(hostile()))


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
    with pytest.raises(RenderError, match="none of the papers"):
        renderer.render(edition(news("graph", broken)))


# Templates of one's own


def _override(folder: Path, name: str, change: Callable[[str], str]) -> None:
    (folder / name).write_text(change((TEMPLATES / name).read_text("utf-8")), "utf-8")


@pytest.mark.slow
def test_a_template_in_the_configured_folder_takes_the_place_of_ours(tmp_path: Path) -> None:
    _override(tmp_path, "edition.txt", lambda source: source.replace("Issue {{", "our No. {{"))
    rendered = Renderer(MASTHEAD, templates=tmp_path).render(edition())
    assert "our No. 12" in "".join(rendered.text)
    assert "Issue 12" in said(rendered)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "edition.html",
            "{% endfor %}\n{% endblock %}",
            "{% endfro %}\n{% endblock %}",
            r"edition.html:\d+: .*endfro",
        ),
        ("edition.txt", "{{ paper.url }}", "{{ paper.uri }}", r"edition.txt:\d+: .*uri"),
        ("edition.html", "{{ digest.name }}", "{{ digset.name }}", r"edition.html:\d+: .*digset"),
        ("edition.html", "{% block least %}", "{% block leats %}", r"edition.html: .*'least'"),
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


@pytest.mark.slow
def test_a_template_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "edition.txt").write_bytes(b"caf\xe9")
    with pytest.raises(RenderError, match=r"edition\.txt: it is not UTF-8"):
        Renderer(MASTHEAD, templates=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["edition.html", "edition.txt"])
def test_the_line_of_an_error_is_that_of_the_file(tmp_path: Path, name: str) -> None:
    _override(tmp_path, name, lambda source: source.replace("{{ link.url }}", "{{ x.y }}"))
    source = (tmp_path / name).read_text("utf-8")
    line = source[: source.index("{{ x.y }}")].count("\n") + 1
    with pytest.raises(RenderError, match=f"{name}:{line}: 'x' is undefined"):
        Renderer(MASTHEAD, templates=tmp_path).render(rich())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "hatch"),
    [
        ("{{ count }}", "{{ ''.__class__.__mro__ }}"),
        ("{{ paper.url }}", "{{ paper.__class__ }}"),
        ("{{ paper.url }}", "{{ paper.title[0]._fields }}"),
        ("{{ digest.name }}", "{{ digest._replace }}"),
    ],
)
def test_a_template_cannot_reach_beyond_what_it_is_given(
    tmp_path: Path, where: str, hatch: str
) -> None:
    _override(tmp_path, "edition.txt", lambda source: source.replace(where, hatch))
    with pytest.raises(RenderError, match="unsafe"):
        Renderer(MASTHEAD, templates=tmp_path).render(rich())


def test_styles_are_read_without_a_word_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    Renderer(MASTHEAD, templates=None).render(rich())
    assert capfd.readouterr() == ("", "")


def test_an_edition_without_digests_is_a_mail_all_the_same(renderer: Renderer) -> None:
    empty = Edition(issue=1, date=rich().date, digests=(), shown_in={})
    assert renderer.render(empty).subject == "Nothing new, 19 Nov 2026"


def test_a_new_version_says_what_it_replaces(renderer: Renderer) -> None:
    revised = Announcement(paper=paper(version=3), kind="replacement", replaces=1)
    rendered = renderer.render(edition(news("graph", [revised])))
    assert "Replaced: v3, replaces v1 · submitted 18 Nov, updated 18 Nov" in said(rendered)
    assert rendered.subject == f"graph, 1 replaced: {paper().title}"


def test_bibtex_is_linked_when_it_is_wanted(renderer: Renderer) -> None:
    shown = edition(news("graph", [paper("2611.00007")]))
    wanted = Renderer(MASTHEAD, templates=None, bibtex=True).render(shown)
    for part in (wanted.html, wanted.text):
        assert "https://arxiv.org/bibtex/2611.00007" in "".join(part)
    assert "bibtex" not in "".join(renderer.render(shown).html)


# What is said to one reader alone


def closeness(number: int, id_: str) -> Closeness:
    own = f"Own <paper> {number}" if number else "A paper of mine, “Méd3DVLM”, of many words"
    return Closeness(id=id_, own=own, words=("PET", "graph"))


def personal(
    renderer: Renderer, papers: int, *, closest: int, yours: int = 0
) -> tuple[Rendered, list[str]]:
    """Return an edition in reversed order: its last papers are closest, its first the reader's.

    Behind it come the ids of its papers in that order.
    """
    found = edition(news("graph", many(papers)), news("mri", many(papers)[:2]))
    ids = list(found.shown_in)[::-1]
    reasons = [closeness(number, id_) for number, id_ in enumerate(ids)]
    order = Order(
        ids=tuple(ids),
        closest=tuple(reasons[:closest]),
        yours=frozenset(ids[len(ids) - yours :]),
    )
    return renderer.render(found, order=worded(order)), [each.partition(":")[2] for each in ids]


def test_what_is_closest_stands_first_once_and_says_why(renderer: Renderer) -> None:
    rendered, ids = personal(renderer, 8, closest=3)
    text = filled(rendered.text, LINK, PREFERENCES_LINK)
    headings = [each.text_content() for each in page(rendered).findall(".//h2")]
    assert headings[:2] == ["Closest to your work 3 papers", "graph 8 new, 3 of them above"]
    shown = entries(rendered)
    assert len(shown) == len(set(shown)) == 8
    assert [link.rpartition("/")[2] for link in shown] == ids
    reasons = [each.text_content() for each in page(rendered).xpath("//li/p[@class='r']")]
    assert [" ".join(each.split()) for each in reasons] == [
        f"Close to your “{own}”: PET, graph"
        for own in ("A paper of mine, “Méd3DVLM”, of many words", "Own <paper> 1", "Own <paper> 2")
    ]
    assert all(reason in " ".join(text.split()) for reason in reasons)


def test_own_papers_are_labelled(renderer: Renderer) -> None:
    rendered, _ = personal(renderer, 8, closest=0, yours=2)
    assert said(rendered).count("Your paper") == 2
    assert filled(rendered.text, LINK, PREFERENCES_LINK).count("Your paper") == 2
    assert "Closest to your work" not in said(rendered)


@pytest.mark.parametrize("papers", [1, 5, 30, 500])
def test_what_is_personal_is_within_the_limit_too(renderer: Renderer, papers: int) -> None:
    rendered, _ = personal(renderer, papers, closest=5, yours=1)
    assert len(filled(rendered.html, LINK, PREFERENCES_LINK).encode()) <= LIMIT
    assert not page(rendered).xpath("//ul[not(li)]")


@pytest.mark.parametrize("papers", [1, 2, 8, 40, 41, 90])
@pytest.mark.parametrize("abstracts", ["excerpt", "full", "none"])
def test_what_is_joined_from_ready_pieces_is_what_is_printed(
    papers: int, abstracts: Abstracts
) -> None:
    chance = random.Random(papers)
    renderer = Renderer(MASTHEAD, templates=None)
    composer = Composer(MASTHEAD, now=NOW, token=lambda _address: 40 * "x")
    due = delivery()
    all_ = many(papers)
    layout = renderer.laid_out(
        replace(
            edition(
                news("graph", all_[: papers // 2]),
                news("mri", all_[papers // 3 :]),
                news("rare"),
            ),
            abstracts=abstracts,
        )
    )
    ready = 0
    for closest, yours in [(0, 0), (0, 1), (1, 0), (3, 1), (5, 2), (papers, 0)]:
        ids = chance.sample(list(layout.where), papers)
        reasons = [closeness(number, id_) for number, id_ in enumerate(ids)]
        order = Order(
            ids=tuple(ids),
            closest=tuple(reasons[:closest]),
            yours=frozenset(ids[len(ids) - yours :]) if yours else frozenset(),
        )
        if found := renderer.ready(layout, worded(order)):
            ready += 1
            printed = renderer.render(layout, order=worded(order))
            assert b"".join(composer.outgoing(due, found).message) == b"".join(
                composer.outgoing(due, printed).message
            )
    assert ready == 6 if papers <= 8 or (papers <= 41 and abstracts != "full") else ready <= 6


@pytest.mark.slow
def test_a_template_need_not_say_why_a_paper_is_close(tmp_path: Path) -> None:
    shipped = (TEMPLATES / "edition.txt").read_text("utf-8")
    (tmp_path / "edition.txt").write_text(shipped.replace("{{ reason }}", ""), "utf-8")
    renderer = Renderer(MASTHEAD, templates=tmp_path)
    layout = renderer.laid_out(edition(news("graph", many(4))))
    id_ = next(iter(layout.where))
    order = worded(Order(ids=tuple(layout.where), closest=(closeness(1, id_),)))
    assert renderer.ready(layout, order) is None
    rendered = renderer.render(layout, order=order)
    assert "Close to your" in said(rendered)
    assert "Close to your" not in "".join(rendered.text)


def test_a_paper_that_an_order_does_not_know_is_not_hidden(renderer: Renderer) -> None:
    found = edition(news("graph", many(4)))
    known = list(found.shown_in)[1:]
    order = Order(ids=tuple(known), closest=(closeness(1, known[0]),))
    rendered = renderer.render(found, order=worded(order))
    assert len(entries(rendered)) == 4


def test_the_papers_themselves_are_the_same_strings_for_all_readers(renderer: Renderer) -> None:
    one, _ = personal(renderer, 30, closest=5)
    other, _ = personal(renderer, 30, closest=2, yours=3)
    shared = {id(piece) for piece in one.html} & {id(piece) for piece in other.html}
    assert sum(len(piece) for piece in other.html if id(piece) in shared) > 0.5 * sum(
        map(len, other.html)
    )


@pytest.mark.slow
def test_a_template_may_do_with_a_subject_what_it_likes(tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "templates" / "edition.html").read_text("utf-8")
    own = shipped.replace("<title>{{ subject }}", "<title>{{ subject|upper|truncate(12, true) }}")
    (tmp_path / "edition.html").write_text(own, "utf-8")
    renderer = Renderer(MASTHEAD, templates=tmp_path)
    for title in ("A <b> & a long title of many words", "Short"):
        rendered = renderer.render(edition(news("graph", [paper(title=title)])))
        [shown] = page(rendered).xpath("//title/text()")
        assert shown == rendered.subject.upper()[:9] + "..."
