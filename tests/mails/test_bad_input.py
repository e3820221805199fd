"""What nobody would send and somebody will: too many, too long, too strange. Nothing is lost."""

import re
from html import escape
from typing import Any

import pytest
from lxml import html as lxml_html
from msgspec.structs import replace

from newsletter.mails.printing import LIMIT
from newsletter.mails.render import Renderer, filled
from newsletter.models import Edition, Rendered
from tests.making.editions import MASTHEAD, awkward, edition, many, news
from tests.making.papers import paper

LINK = f"{MASTHEAD.base_url}/unsubscribe/{'abcdefgh' * 5}"


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(MASTHEAD, templates=None)


def page(rendered: Rendered) -> lxml_html.HtmlElement:
    source = filled(rendered.html, escape(LINK), escape(LINK))
    assert len(source.encode()) <= LIMIT
    return lxml_html.document_fromstring(source)


def accounted(rendered: Rendered) -> int:
    """Return how many papers have an entry or are counted."""
    root = page(rendered)
    entries = root.xpath("//li/h3/a | //li/a[@class='k']")
    counted = re.findall(r"… and (\d+) more", root.text_content())
    return len(entries) + sum(map(int, counted))


@pytest.mark.slow
@pytest.mark.parametrize("abstracts", ["full", "excerpt", "none"])
def test_five_hundred_papers_under_a_hundred_keywords_are_all_accounted_for(
    renderer: Renderer, abstracts: Any
) -> None:
    papers = many(500)
    digests = [news(f"keyword {place}", papers[place::100]) for place in range(100)]
    flood = replace(edition(*digests), abstracts=abstracts)
    rendered = renderer.render(flood)
    assert accounted(rendered) == 500
    text = "".join(rendered.text)
    assert all(f"\n{each.links[0].url}\n" in text for each in papers)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 60])
@pytest.mark.parametrize(
    "fields",
    [
        {"title": "A title of very many words " * 75},
        {"title": "T" * 2_000},
        {"abstract": "A sentence about graphs. " * 4_000},
        {"abstract": "graph " + "w" * 100_000},
        {"abstract": "w" * 5_000},
        {"abstract": ""},
        {"abstract": "graph: https://example.org/" + "a" * 1_000 + " is where it is."},
        {"comment": "https://github.com/ada/" + "a" * 1_000},
        {"comment": "comment " * 500},
        {"authors": ("A" * 1_000, "B" * 1_000)},
        {"authors": tuple(f"Author No. {place}" for place in range(3_000))},
        {"title": "تصوير الرنين graph المغناطيسي", "abstract": "שלום graph עולם. " * 50},
        {"title": "Z̸̡̛̹a̷͓͆l̵̰̈́g̶̣̈́o̸͕͝ " * 40, "abstract": "ﷺ𒐫𰻞🏳️‍🌈 graph " * 300},
    ],
)
def test_nothing_is_lost_but_counted_and_the_mail_stays_small(
    renderer: Renderer, fields: dict[str, Any], number: int
) -> None:
    strange = [paper(f"2611.{place:05}", **fields) for place in range(0, number, 2)] + [
        paper(f"2611.{place:05}") for place in range(1, number, 2)
    ]
    for abstracts in ("full", "excerpt"):
        shown = replace(edition(news("graph", strange)), abstracts=abstracts)
        assert accounted(renderer.render(shown)) == number


def test_an_address_is_never_cut(renderer: Renderer) -> None:
    url = "https://example.org/" + "a" * 1_000
    four = [paper(f"2611.0000{n}", abstract=f"A graph at {url} is seen.") for n in range(4)]
    for each in (edition(news("graph", four)), edition(news("graph", four[:1]))):
        links = set(page(renderer.render(each)).xpath("//p[@class='x']//a/@href"))
        assert links <= {url}


def test_an_edition_of_everything_awkward_is_a_mail(renderer: Renderer) -> None:
    shown: Edition = awkward()
    assert accounted(renderer.render(shown)) == len(shown.shown_in)
