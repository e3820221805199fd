"""Many keywords at once give the answers of each matcher by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.keywords.index import Index
from newsletter.keywords.matching import matcher
from newsletter.models import Keyword, Paper
from tests.making.papers import paper
from tests.making.shared_data import june_papers

WORDS = (
    "graph",
    "graphs",
    "neural",
    "networks",
    "network",
    "the",
    "of",
    "on-policy",
    "off",
    "policy",
    "C++",
    "C",
    "CO2",
    "CO$_2$",
    "imaging",
    "images",
    "R&D",
    "GPT-4",
    "MRI",
    "mri",
    "Lovelace",
    "a",
    "to",
    "state-of-the-art",
    ":art",
    "don't",
    "3.5",
    "ﬁne",
    "fine",
    "図",
    "#tag",
    ".NET",
)
NAMES = ("Ada Lovelace", "A. Lovelace", "Lovelace, Ada", "Ada M. Quill", "Quill Lovelace", "Ø. Å")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
keywords = st.builds(
    Keyword,
    name=texts,
    phrases=st.none() | st.lists(texts, max_size=2).map(tuple),
    exact=st.booleans(),
    match=st.sampled_from(["title-or-abstract", "title-and-abstract"]),
    authors=st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    categories=st.lists(st.sampled_from(["cs.CV", "cs", "math.*"]), max_size=1).map(tuple),
    query=st.none() | st.just("cat:cs.CV"),
)
papers = st.builds(
    lambda title, abstract, authors, category: paper(
        title=title, abstract=abstract, authors=authors, categories=(category,)
    ),
    title=st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join),
    abstract=st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
    authors=st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    category=st.sampled_from(["cs.CV", "cs.LG", "math.CO"]),
)


def one_by_one(keywords: list[Keyword], paper: Paper) -> list[Keyword]:
    return [each for each in keywords if (belongs := matcher(each)) and belongs(paper)]


@pytest.mark.slow
@given(st.lists(keywords, max_size=8), papers)
def test_an_index_answers_as_each_matcher_does(asked: list[Keyword], paper: Paper) -> None:
    assert Index(asked).of(paper) == one_by_one(asked, paper)


def test_keywords_come_in_the_order_in_which_they_were_given() -> None:
    asked = [Keyword(name=name) for name in ("networks", "graph", "graph networks")]
    assert Index(asked).of(paper(title="Graph networks", abstract="Nothing.")) == asked


@pytest.mark.slow
@pytest.mark.parametrize("one_in", [8, pytest.param(1, marks=pytest.mark.full)])
def test_a_month_of_papers_is_divided_as_by_the_matchers(one_in: int) -> None:
    month = june_papers()
    titles = [" ".join(each.title.split()[at : at + 2]) for each in month[:60] for at in (0, 2)]
    named = [Keyword(name=title, exact=not n % 3) for n, title in enumerate(titles) if title]
    asked = [
        *named,
        *(Keyword(name=name, phrases=(), authors=(name,)) for name in month[0].authors),
        Keyword(name="learning", match="title-and-abstract", categories=("cs.LG",)),
        Keyword(name="state of the art", exact=True),
    ]
    index, matchers = Index(asked), [matcher(each) for each in asked]
    for each in month[::one_in]:
        wanted = [word for word, own in zip(asked, matchers, strict=True) if own and own(each)]
        assert index.of(each) == wanted
