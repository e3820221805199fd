"""keywords.py: what arXiv is asked, and what it would decide."""

import re
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.keywords.matching import called, marks, matcher
from newsletter.keywords.stemming import is_stop_word, line, stems, tokens, words
from newsletter.models import Keyword
from newsletter.sources.arxiv.query import asked, claimer, problems, search_query
from tests.making.papers import paper
from tests.making.shared_data import june_papers, seed_papers, seed_rows
from tests.peers.replica import english

SEED_KEYWORDS = (
    Keyword(name="magnetic resonance imaging"),
    Keyword(name="mri", match="title-and-abstract"),
    Keyword(name="medical imaging"),
)


@pytest.mark.parametrize(
    ("keyword", "query"),
    [
        (Keyword(name="mri"), '(ti:"mri" OR abs:"mri")'),
        (Keyword(name="mri", match="title-and-abstract"), '(ti:"mri" AND abs:"mri")'),
        (Keyword(name='a "b" (c): d*\n\x07e'), '(ti:"a b c d e" OR abs:"a b c d e")'),
        (Keyword(name="foo_bar"), '(ti:"foo_bar" OR abs:"foo_bar")'),
        (Keyword(name="multi-agent"), '(ti:"multi-agent" OR abs:"multi-agent")'),
        (
            Keyword(name="$x$ ψ-function"),
            (
                '((ti:"x ψ-function" OR ti:"x psi -function")'
                ' OR (abs:"x ψ-function" OR abs:"x psi -function"))'
            ),
        ),
        (
            Keyword(name="x", phrases=("MRI", "PET"), match="title-and-abstract"),
            '((ti:"MRI" OR ti:"PET") AND (abs:"MRI" OR abs:"PET"))',
        ),
        (Keyword(name="x", phrases=(), authors=("Ada Quill",)), 'au:"Ada Quill"'),
        (
            Keyword(name="x", phrases=(), authors=("Ada Quill", "Bo Fir"), categories=("cs.CV",)),
            '((au:"Ada Quill" OR au:"Bo Fir") AND cat:cs.CV)',
        ),
        (Keyword(name="mri", exclude=("survey",)), '(ti:"mri" OR abs:"mri")'),
        (Keyword(name="x", query='ti:"a b" AND\n abs:c'), '(ti:"a b" AND abs:c)'),
        (Keyword(name="x", query="abs:c", authors=("Bo Fir",)), '((abs:c) OR au:"Bo Fir")'),
        (
            Keyword(name="mri", categories=("cs.CV",)),
            '((ti:"mri" OR abs:"mri") AND cat:cs.CV)',
        ),
        (
            Keyword(name="mri", categories=("cs.CV", "eess", "math.*")),
            (
                '((ti:"mri" OR abs:"mri")'
                " AND (cat:cs.CV OR cat:eess OR cat:eess.* OR cat:math OR cat:math.*))"
            ),
        ),
        (
            Keyword(name="mri", authors=("Ada Quill", "Ångström, Bo"), categories=("cs.CV",)),
            '(((ti:"mri" OR abs:"mri") OR au:"Ada Quill" OR au:"Bo Ångström") AND cat:cs.CV)',
        ),
        (Keyword(name="x", phrases=(), authors=("Quill, Ada, Jr.",)), 'au:"Ada, Jr. Quill"'),
    ],
)
def test_a_query_is_quoted_and_parenthesised(keyword: Keyword, query: str) -> None:
    assert search_query(keyword) == query


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.text(max_size=10_000), st.text(max_size=50), st.text(max_size=20))
def test_no_keyword_breaks_out_of_its_quotes(name: str, author: str, category: str) -> None:
    keyword = Keyword(name=name, authors=(author,))
    query = search_query(keyword)
    assert query.count('"') == 4 * len(asked(keyword)) + 2
    assert query.isprintable()
    outside = "".join(query.split('"')[::2])
    assert outside.count("(") == outside.count(")") <= 4
    assert re.fullmatch("(ti|abs|au|:|[()]| OR )*", outside)
    problems(Keyword(name=name, query=author, categories=(category,)))
    assert isinstance(marks(keyword, author), list)


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("imaging", "Images of the heart", True),
        ("robot", "Advances in robotics", True),
        ("generalization", "A general theory", True),
        ("radiology", "A radiological report", True),
        ("pathology", "Pathological cases", True),
        ("biology", "A biological model", False),
        ("possible", "This is possibly true", True),
        ("grok", "We look at grokking", True),
        ("chain of thought", "Chain-of-thought prompting", True),
        ("chain of thought", "A chain in a thought", False),
        ("chain of thought", "chain-thought", False),
        ("state of the art", "state and no other art", False),
        ("state of the art", "state beyond mere art", False),
        ("the art of", "The arts of", True),
        ("the art of", "Arts", False),
        ("multi agent", "multi-agent/multi-task", True),
        ("multi-agent", "agents, multi", False),
        ("GPT 3.5", "GPT-3.5 answers", True),
        ("GPT 3", "GPT-3.5 answers", False),
        ("don't care", "we don't care", True),
        ("don care", "we don't care", False),
        ("Parkinson disease", "Parkinson's disease", True),
        ("Parkinson disease", "Parkinson’s diseases", True),
        ("Schrodinger", "Schrödinger", False),
        ("Schro\u0308dinger", "Schrödinger", True),
        ("Dune: part two", "Dune part two", True),
        ("Dune:part two", "Dune part two", True),
        ("R", "a fit of R² = 0.9", False),
        ("R2", "a fit of R² = 0.9", True),
        ("深層学習", "医用画像の深層学習について", True),
        ("image", "the end of imaging.We begin", False),
    ],
)
def test_matching_is_a_phrase_search_over_stems(phrase: str, text: str, found: bool) -> None:
    matches = matcher(Keyword(name=phrase))
    assert matches is not None
    assert matches(paper(title=text, abstract="-")) is found
    assert matches(paper(title="-", abstract=text)) is found


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("SAM", "We use SAM here", True),
        ("SAM", "Sam uses it", False),
        ("segmentation", "Segmentation", True),
        ("segmentation", "segmented", False),
        ("the art of war", "On The Art of War", True),
        ("the art of war", "art and war", False),
        ("PyTorch", "pytorch", False),
        ("deep PyTorch", "deep pytorch", False),
        ("Adam", "adam", True),
        ("Schro\u0308dinger", "Schrödinger", True),
    ],
)
def test_exact_means_the_words_as_written(phrase: str, text: str, found: bool) -> None:
    keyword = Keyword(name=phrase, exact=True)
    matches = matcher(keyword)
    assert matches is not None
    assert matches(paper(title=text, abstract="-")) is found
    assert bool(marks(keyword, text)) is found


def test_title_and_abstract_wants_both() -> None:
    both = matcher(Keyword(name="mri", match="title-and-abstract"))
    assert both is not None
    assert both(paper(title="MRI", abstract="Of MRI."))
    assert not both(paper(title="MRI", abstract="Of CT."))


@pytest.mark.parametrize(
    ("categories", "papers", "found"),
    [
        ("cs.CV", ("cs.CV",), True),
        ("cs.CL math", ("math.CO",), True),
        ("cs", ("math.CO", "cs.CV"), True),
        ("cs.*", ("cs.CV",), True),
        ("cs.cv", ("cs.CV",), True),
        ("cs.CV", ("cs.CL",), False),
        ("math", ("math-ph",), False),
        ("astro-ph", ("astro-ph",), True),
        ("astro-ph", ("astro-ph.GA",), True),
    ],
)
def test_a_category_may_be_a_whole_archive(
    categories: str, papers: tuple[str, ...], found: bool
) -> None:
    matches = matcher(Keyword(name="graph", categories=tuple(categories.split())))
    assert matches is not None
    assert matches(paper(categories=papers)) is found


@pytest.mark.parametrize(
    ("wanted", "name", "claimed", "found"),
    [
        ("Kuang Gong", "Kuang Gong", True, True),
        ("Gong, Kuang", "Kuang Gong", True, True),
        ("Kuang Gong", "K. Gong", True, True),
        ("K. Gong", "Kuang Gong", True, True),
        ("Kuang Gong", "Kai Gong", True, False),
        ("Kuang Gong", "Kuang Li", False, False),
        ("Thomas LaToza", "Thomas D. LaToza", True, True),
        ("Thomas D. LaToza", "Thomas LaToza", True, False),
        ("Ada Mary Quill", "Mary Quill", True, False),
        ("Bo Angstrom", "Bo Ångström", True, True),
        ("Soren Lysgard", "Søren Lysgård", True, True),
        ("Lukasz Dordevic", "ŁUKASZ ĐORĐEVIĆ", True, True),
        ("Ayse Yilmaz", "Ayşe Yılmaz", True, True),
        ("Kaer Coeur", "Kær Cœur", True, True),
        ("?", "Kuang Gong", False, False),
    ],
)
def test_authors_are_found_by_name_and_claimed_by_surname(
    wanted: str, name: str, claimed: bool, found: bool
) -> None:
    keyword = Keyword(name="nothing of this", authors=(wanted,))
    theirs = paper(authors=("Ada Quill", name))
    matches = matcher(keyword)
    assert matches is not None
    assert matches(theirs) is found
    assert claimer(keyword)(theirs) is claimed


def test_any_of_several_authors_is_enough_and_is_named_as_the_paper_has_it() -> None:
    keyword = Keyword(name="nothing of this", authors=("Kuang Gong", "Ada Quill"))
    theirs = paper(authors=("Bo Else", "A. Quill"))
    matches = matcher(keyword)
    assert matches is not None
    assert matches(theirs)
    assert called(keyword, theirs) == "A. Quill"
    assert called(keyword, paper(authors=("Bo Else",))) == ""


def test_a_raw_query_is_left_to_arxiv() -> None:
    raw = Keyword(name="x", query="ti:graph")
    assert matcher(raw) is None
    assert marks(raw, "graph") == []
    assert claimer(raw)(paper())


@pytest.mark.parametrize(
    ("phrase", "text", "claimed"),
    [
        ("chain of thought", "A chain in thoughts", True),
        ("chain of thought", "A chain thought", False),
        ("learning to", "Learning", True),
        ("the learning", "Learning", True),
    ],
)
def test_any_word_may_be_what_arxiv_found_for_a_stop_word(
    phrase: str, text: str, claimed: bool
) -> None:
    assert claimer(Keyword(name=phrase))(paper(title=text, abstract="-")) is claimed


def test_what_the_index_has_no_word_of_claims_nothing() -> None:
    assert not claimer(Keyword(name="of the"))(paper(abstract="Of the graphs."))


@pytest.mark.parametrize(
    ("phrase", "text", "marked"),
    [
        ("image", "Images, and imaging.", ["Images", "imaging"]),
        ("magnetic resonance", "Magnetic-resonance", ["Magnetic-resonance"]),
        ("state of the art", "the state of the art.", ["state of the art"]),
        ("very very", "very very very good", ["very very very"]),
        ("graph", "no such thing", []),
        ("very very", "very very good, very very very", ["very very", "very very very"]),
        ("image", "image, images, imaging", ["image", "images", "imaging"]),
        ("!!", "graph!!", []),
        ("C++", "C, C++.", ["C++"]),
        ("Visual C++", "in Visual C++.", ["Visual C++"]),
        ("C ++", "C ++, C++ and C++ ++", ["C ++", "C++", "C++"]),
        ("# metoo", "#metoo, # metoo and # #metoo", ["#metoo", "# metoo", "#metoo"]),
        ("metoo", "#metoo", ["metoo"]),
        ("A*", "A* and A^⋆_ϵ", ["A*", "A^⋆"]),
        ("c", "℅ Ada Quill", ["℅"]),  # to be compared, it is c/o
        ("image", "ﬁne images of C₂, images", ["images", "images"]),
        ("深", "深深", ["深", "深"]),
        ("ﬁne arts", "The ﬁne art", ["ﬁne art"]),
    ],
)
def test_marks_are_the_words_that_matched(phrase: str, text: str, marked: list[str]) -> None:
    spans = marks(Keyword(name=phrase), text)
    assert [text[start:end] for start, end in spans] == marked


@pytest.mark.parametrize(
    ("keyword", "said"),
    [
        (Keyword(name="graph neural network", categories=("cs", "math.CO", "astro-ph.GA")), []),
        (Keyword(name="graph", categories=("physics.optics", "cond-mat.soft")), []),
        (Keyword(name="graph", categories=("cond-mat.other", "physics.med-ph")), []),
        (Keyword(name="x", query='(ti:"a b" OR abs:c) ANDNOT cat:cs.*'), []),
        (Keyword(name="x", query="ti:(a OR b) AND submittedDate:[2020 TO 2021]"), []),
        (Keyword(name="!!"), ["name: '!!' has no word"]),
        (Keyword(name="of the"), ["ignores every word"]),
        (Keyword(name="if:then"), ["ignores every word"]),
        (Keyword(name="imag*"), ["not understood"]),
        (Keyword(name="a;graph"), ["separates keywords"]),
        (Keyword(name="graph " * 100), ["600 characters"]),
        (Keyword(name="g" * 200), []),
        (Keyword(name="g" * 201), ["name: 201 characters; a phrase has at most 200"]),
        (Keyword(name="g" * 200, phrases=("graph",)), []),
        (Keyword(name="g" * 201, phrases=("graph",)), ["name: 201 characters; at most 200"]),
        (Keyword(name="graph", exclude=("g" * 200,)), []),
        (Keyword(name="graph", exclude=("g" * 201,)), [f"exclude: {'g' * 200!r} is no phrase"]),
        (Keyword(name="graph", exclude=tuple(map(str, range(100)))), []),
        (Keyword(name="graph", exclude=tuple(map(str, range(101)))), ["101 texts"]),
        (Keyword(name="x", query="ti:" + "a" * 997), []),
        (Keyword(name="x", query="ti:" + "a" * 998), ["query: 1001 characters; at most 1000"]),
        (Keyword(name="graph", categories=("CV",)), ["'CV' is no arXiv category"]),
        (Keyword(name="graph", categories=("cs.123",)), ["write one like 'cs.CV'"]),
        (Keyword(name="graph", categories=("cs.NL",)), ["nearest are cs.CL (Computation"]),
        (Keyword(name="graph", categories=("CV",)), ["nearest are cs.CV (Computer Vision"]),
        (Keyword(name="C++"), []),
        (Keyword(name="A* search"), []),
        (Keyword(name="C*-algebra"), []),
        (Keyword(name="A*"), ["ignores every word"]),
        (Keyword(name="why?"), ["'?' is not understood"]),
        (Keyword(name="People", phrases=()), ["nothing is looked for"]),
        (Keyword(name="People", phrases=(), authors=("Ada Quill",)), []),
        (Keyword(name="graph", phrases=("",)), ["phrases: '' has no word"]),
        (Keyword(name="graph", phrases=("if then",)), ["phrases: arXiv ignores every word"]),
        (Keyword(name="graph", exclude=("",)), ["exclude: '' is no phrase"]),
        (Keyword(name="graph", exclude=("the",)), ["stands in nearly every paper"]),
        (Keyword(name="graph", exclude=("if-then",)), []),
        (Keyword(name="graph", exclude=("Graphs",)), ["stands in the phrase 'graph' itself"]),
        (Keyword(name="graphs", exclude=("Graph",), exact=True), []),
        (
            Keyword(name="x", phrases=("graph", "survey of graphs"), exclude=("survey",)),
            ["stands in the phrase 'survey of graphs' itself"],
        ),
        (Keyword(name="graph", exclude=tuple(map(str, range(1000)))), ["1000 texts; at most 100"]),
        (Keyword(name="x", query="ti:a", phrases=("b",)), ["remove 'exact', 'match' and"]),
        (Keyword(name="x", query="ti:a", exclude=("b",)), []),
        (Keyword(name="graph", authors=("?",)), ["no name in it"]),
        (Keyword(name="x", authors=tuple(f"Ada{n} Quill{n}" for n in range(300))), ["in a URL"]),
        (Keyword(name="x", authors=tuple(f"Ada{n} Quill{n}" for n in range(200))), []),
        (Keyword(name="x;", authors=tuple(f"Ada{n} Quill{n}" for n in range(300))), ["separates"]),
        (Keyword(name="x", query='ti:"a'), ["quotation mark"]),
        (Keyword(name="x", query="(ti:a"), ["'(' is not closed"]),
        (Keyword(name="x", query="ti:a) AND (abs:b"), ["')' has no '('"]),
        (Keyword(name="x", query="()"), ["is empty"]),
        (
            Keyword(name="x", query="abstract:b"),
            ["'abstract:' is no field; there are abs, all, au"],
        ),
        (Keyword(name="x", query='"not a field: b" AND ti:"a: b"'), []),
        (Keyword(name="x", query="ti:a AND abs:b AND abs:c"), []),
        (Keyword(name="x", query="ti:a AND abs:b OR abs:c"), ["AND and OR side by side"]),
        (Keyword(name="x", query="ti:a abs:b"), ["nothing joins 'abs:b'"]),
        (Keyword(name="x", query="au:del_maestro AND ti:a"), ['write au:"del maestro"']),
        (Keyword(name="x", query='au:"del_maestro" AND au:quill AND ti:foo_bar'), []),
        (Keyword(name="x", query="ANDNOT ti:a"), []),
        (Keyword(name="x", query="ti:a AND (ANDNOT ti: b)"), []),
        (Keyword(name="x", query="ti:a AND"), ["nothing follows 'AND'"]),
        (Keyword(name="x", query="OR ti:a"), ["nothing stands before 'OR'"]),
        (Keyword(name="x", query="(OR ti:a)"), ["nothing stands before 'OR'"]),
        (
            Keyword(name="x", query="ti:a AND ANDNOT abs:b"),
            ["nothing follows 'AND'", "side by side"],
        ),
        (Keyword(name="x", query="ti:a AND (abs:b OR )"), ["nothing follows 'OR'"]),
        (Keyword(name="x", query="ti:a AND ()"), ["nothing follows '('"]),
        (Keyword(name="x", query="ti: AND abs:b"), ["nothing follows 'ti:'"]),
        (Keyword(name="x", query="ti:"), ["nothing follows 'ti:'"]),
        (Keyword(name="x", query="ti:a ANDNOT abs:b ANDNOT abs:c"), ["ANDNOT side by side"]),
        (Keyword(name="x", query="ti:a", exact=True), ["remove 'exact'"]),
        (Keyword(name="x", query="ti:a", match="title-and-abstract"), ["remove 'exact'"]),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(keyword: Keyword, said: list[str]) -> None:
    found = problems(keyword)
    assert len(found) == len(said)
    for problem, part in zip(found, said, strict=True):
        assert part in problem


def test_a_request_may_be_as_long_as_a_url() -> None:
    without = len(quote_plus(search_query(Keyword(name="x", authors=("A",))))) - 1
    longest = "A" * (7500 - without)
    assert problems(Keyword(name="x", authors=(longest,))) == []
    (problem,) = problems(Keyword(name="x", authors=(longest + "A",)))
    assert problem.startswith("7501 bytes in a URL, where 7500 are allowed")


@pytest.mark.parametrize("word", ["or", "not", "NOT", "Andnot"])
def test_what_only_looks_like_an_operator_is_pointed_out(word: str) -> None:
    found = problems(Keyword(name="x", query=f"ti:a {word} ti:b"))
    assert f"query: {word!r} is no operator; write AND, OR or ANDNOT" in found


@pytest.mark.slow
@pytest.mark.parametrize("keyword", SEED_KEYWORDS, ids=lambda keyword: keyword.name)
def test_the_seed_page_is_attributed_as_arxiv_did(keyword: Keyword) -> None:
    rows = seed_rows()
    page = {row.arxiv_id: row.date for row in rows if row.keyword == keyword.name}
    matches = matcher(keyword)
    assert matches is not None
    found = {arxiv_id for arxiv_id, each in seed_papers().items() if matches(each)}
    assert page
    assert page.keys() <= found
    # The page was cut at its newest hundred papers, so older ones may be found beyond it.
    dates = {row.arxiv_id: row.date for row in rows}
    assert not {each for each in found - page.keys() if dates[each] > min(page.values())}


def test_the_seed_page_has_258_rows_of_227_papers() -> None:
    assert (len(seed_rows()), len(seed_papers())) == (258, 227)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The graphs of Radiology's imaging", (None, "graph", None, "radiolog", "imag")),
        ("ads", ("ad",)),
        ("us", ("us",)),
        ("snake_case __ _", ("snake_cas",)),
        ("b" * 254 + "s", ("b" * 254,)),
        ("b" * 255 + "s", ("b" * 255 + "s",)),  # longer than a word
    ],
)
def test_the_stems_of_a_text_leave_gaps_for_stop_words(
    text: str, found: tuple[str | None, ...]
) -> None:
    assert stems(text) == found
    assert [is_stop_word(key) for key in line(text).split()] == [each is None for each in found]


def test_words_are_as_they_are_written_and_where_they_stand() -> None:
    text = "The model's __ C++ of 3.5"
    assert words(text) == ("The", "model", "C", "of", "3.5")
    assert [text[each.start : each.end] for each in tokens(text)] == list(words(text))


@settings(max_examples=50, deadline=None)
@given(st.text(st.sampled_from("ab3_ .:;,'’·-²½é\u0301ßЖ\u3040"), max_size=20))
def test_words_are_the_same_beside_an_ideograph(text: str) -> None:
    assert [*words(text), "画"] == list(words(f"{text} 画"))


@pytest.mark.slow
@pytest.mark.parametrize("one_in", [4, pytest.param(1, marks=pytest.mark.full)])
def test_a_month_of_papers_is_analysed_as_by_the_replica(one_in: int) -> None:
    for each in june_papers()[::one_in]:
        for text in (each.title, each.abstract):
            assert list(stems(text)) == english.english(text)


def test_a_paper_is_analysed_once_for_all_keywords() -> None:
    line.cache_clear()
    shown = paper()
    for number in range(20):
        matches = matcher(Keyword(name=f"keyword {number}"))
        assert matches is not None
        matches(shown)
    assert line.cache_info().misses == 20 + 2
