"""The written words decide: stop words, signs, TeX, and letters of all kinds."""

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.keywords.matching import Phrase, excluder, marks, matcher
from newsletter.keywords.spellings import spellings, unfindable
from newsletter.keywords.stemming import line
from newsletter.models import Keyword, Paper
from newsletter.prose import prose
from newsletter.sources.arxiv.query import claimer, search_query
from tests.making.papers import NOW, paper
from tests.making.shared_data import june_papers
from tests.peers.replica import record_of
from tests.peers.replica.query import parsed, repaired
from tests.peers.replica.search import Index

YES, NO = True, False

TABLE = [
    # Stop words stand at their place, at the edges too.
    ("on-policy", "An on-policy method", YES),
    ("on-policy", "On policies that last", YES),
    ("on-policy", "A policy", NO),
    ("on-policy", "Off-policy learning", NO),
    ("if-then rules", "if-then rules", YES),
    ("if-then rules", "if rules", NO),
    ("text to image", "Text-to-image models", YES),
    ("text to image", "text and image", NO),
    ("AI in education", "AI in education", YES),
    ("AI in education", "AI for education", NO),
    ("retrieval and generation", "Retrieval & generation", NO),
    ("IT systems", "its systems", NO),
    ("learning to", "Learning to rank", YES),
    ("learning to", "Learning", NO),
    # Signs that carry meaning.
    ("C++", "We use C++.", YES),
    ("C++", "C++11 and C++/CLI", YES),
    ("C++", "vitamin C", NO),
    ("C+", "C++", NO),
    ("C+", "C+++", NO),
    ("C++", "C++* and more", YES),
    ("Visual C++", "a Visual C++ project", YES),
    ("C++ code search", "C++ code & search", YES),
    ("C++ code", "C++ codes", YES),
    ("C++ code", "C code", NO),
    ("C ++", "We use C++.", YES),
    ("C ++", "We use C ++ here", YES),
    ("C ++", "vitamin C", NO),
    ("C ++", "C + 1", NO),
    ("C++", "C ++", NO),
    ("# metoo", "#metoo", YES),
    ("# metoo", "metoo", NO),
    ("#metoo", "# metoo", NO),
    ("(C#)", "in C#, too", YES),
    ("#metoo", "*#metoo", YES),
    ("#metoo", "#metoo, in C#", YES),
    ("(#metoo)", "#metoo", YES),
    ("@#metoo", "@#metoo", YES),
    ("@#metoo", "#metoo", NO),
    ("C#", "in C#, too", YES),
    ("C#", "in C, too", NO),
    ("F#", "F# and OCaml", YES),
    (".NET", "on .NET", YES),
    (".NET", "the (.NET) runtime", YES),
    (".NET", "a neural net", NO),
    ("on .NET", "on .NET", YES),
    ("on .NET", "on net", NO),
    ("C# 3.net", "C# 3 net", YES),
    (".NET", "That is the end. NET", NO),
    (".NET", "the end...NET", NO),
    (".NET", "version 3.NET", NO),
    (".NET", "lower_.NET", NO),
    ("R&D", "R&D", YES),
    ("R&D", "R & D", YES),
    ("R&D", r"R\&D", YES),
    ("R&D", "R-D curves", NO),
    ("AT&T", "at AT&T Labs", YES),
    ("R&D at AT&T", "R&D at AT&T", YES),
    ("AT&T", "at T = 0", NO),
    ("A* search", "A* search", YES),
    ("A* search", r"$A^*$ search", YES),
    ("A* search", r"A$^\star$ search", YES),
    ("A* search", "a search", NO),
    ("A*", r"$A^{\star}_\epsilon$", YES),
    ("RRT^*", "RRT* plans", YES),
    ("RRT*", "RRT^* plans", YES),
    ("RRT*", "an RRT plans", NO),
    ("C*-algebra", r"$C^*$-algebras", YES),
    ("C*-algebra", r"$C^{\ast}$-algebra", YES),
    ("C*-algebra", "a C-algebra", NO),
    ("A search", "A* search", YES),
    # Small digits.
    ("CO₂", "CO2", YES),
    ("CO₂", "CO$_2$ and more", YES),
    ("CO2", "CO₂", YES),
    ("CO$_2$", "CO₂", YES),
    ("CO₂", "Co-design", NO),
    ("CO", "CO₂", NO),
    ("H2O", r"$\mathrm{H}_2\mathrm{O}$", YES),
    ("L2 norm", "the $L^2$-norm", YES),
    # What is read, not how it was typed.
    ("SIM", r"$a \sim b$", NO),
    ("star", r"$A^\star$", NO),
    ("alpha", r"$\alpha$", NO),
    ("α", r"$\alpha$", YES),
    ("β-decay", r"$\beta$-decay", YES),
    ("beta decay", r"$\beta$-decay", NO),
    ("γ-ray burst", "γ-ray bursts", YES),
    ("gamma-ray", "γ-ray", NO),
    ("ε-greedy", r"$\varepsilon$-greedy", YES),
    ("deep learning", r"\textbf{deep} learning", YES),
    ("textbf", r"\textbf{deep} learning", NO),
    # Accents, ligatures, dashes, digits.
    ("Schrödinger", r"the Schr\"odinger equation", YES),
    ("Schrödinger", "Schrodinger", NO),
    ("Erdős", "Erdo\u030bs", YES),
    ("Poincaré", r"Poincar\'e", YES),
    ("diffusion", "di\ufb00usion", YES),
    ("fine-tuning", "\ufb01ne\u2013tuning", YES),
    ("GPT-4", "GPT\u22124", YES),
    ("GPT-4", "GPT-4o", NO),
    ("GPT 3", "GPT-3.5", NO),
    ("3D", "3-D", NO),
    ("5G", "5G", YES),
    ("ＧＰＴ", "GPT", YES),
    ("multi-agent", "multiagent", NO),
    ("matrix", "matrices", NO),
    ("don't", "we don’t", NO),
    # CJK, Cyrillic, and what is hidden.
    ("深層学習", "医用画像の深層学習", YES),
    ("深層学習", "深い層の学習", NO),
    ("нейросеть", "НЕЙРОСЕТЬ", YES),
    ("diffusion", "dif\u200efusion", YES),
    ("GPT", "GPT™ by", YES),
]


@pytest.mark.parametrize(("phrase", "text", "found"), TABLE)
def test_the_written_words_decide(phrase: str, text: str, found: bool) -> None:
    matches = matcher(Keyword(name=phrase))
    assert matches
    assert matches(paper(title=text, abstract="-")) is found
    assert matches(paper(title="-", abstract=text)) is found
    assert bool(marks(Keyword(name=phrase), prose(text))) is found
    left_out_by = excluder(Keyword(name="nothing", exclude=(phrase,)))
    assert left_out_by(paper(title=text, abstract="-")) == (phrase if found else "")


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 60


# Where the index has other words than the reader sees, beyond the usual spellings of TeX.
UNASKED = {
    ("H2O", r"$\mathrm{H}_2\mathrm{O}$"),
    ("fine-tuning", "\ufb01ne\u2013tuning"),
    ("diffusion", "di\ufb00usion"),
    ("diffusion", "dif\u200efusion"),
    ("Erdős", "Erdo\u030bs"),
}


@pytest.mark.parametrize(("phrase", "text"), [row[:2] for row in TABLE if row[2]])
def test_what_matches_is_found_by_asking_the_index(phrase: str, text: str) -> None:
    keyword = Keyword(name=phrase)
    shown = paper(title="-", abstract=text)
    index = Index([record_of(shown, announced=NOW)])
    asked = parsed(repaired(search_query(keyword)))
    assert bool(index.matches(asked, {0})) is claimer(keyword)(shown)
    assert claimer(keyword)(shown) is ((phrase, text) not in UNASKED)


@pytest.mark.parametrize(
    ("phrase", "asked"),
    [
        ("mri", ["mri"]),
        ("GPT-4", ["GPT-4"]),
        ("CO₂", ["CO2", "CO _2", "CO 2", "CO_2", "CO₂"]),
        ("O₃", ["O3", "O _3", "O 3", "O_3"]),
        ("C*-algebra", ["C -algebra", "C ast -algebra", "C star -algebra"]),
        ("Schrödinger", ["Schrödinger", "Schr odinger", "Schr o dinger"]),
        ("Čech", ["Čech", "v C ech"]),
        ("ε-greedy", ["ε-greedy", "epsilon -greedy", "varepsilon -greedy"]),
    ],
)
def test_the_usual_spellings_of_tex_are_asked_for(phrase: str, asked: list[str]) -> None:
    assert list(spellings(phrase)) == asked


@pytest.mark.parametrize(
    ("phrase", "lost"), [("mri", ""), ("CO₂", ""), ("O₃", "small digits"), ("p → q", "→")]
)
def test_what_cannot_be_asked_for_is_known(phrase: str, lost: str) -> None:
    assert unfindable(phrase) == lost


TEXTS = st.lists(
    st.sampled_from(
        [
            *(
                r"\sim",
                "$",
                r"\beta",
                "_2",
                "^*",
                "{",
                "}",
                "C++",
                "CO",
                "2",
                "on",
                "-",
                " ",
                "ﬁne",
            ),
            *(r"\"o", "policy", "A", "*", "R&D", "\u0308", "℀", "深", "'s", "_", ".", "NET", "~"),
            *("ö", "½", "ﬁne"),
        ]
    ),
    max_size=14,
).map("".join)


@pytest.mark.slow
@settings(max_examples=400)
@given(TEXTS, TEXTS, st.booleans())
def test_where_the_matcher_says_yes_something_is_marked(
    phrase: str, text: str, exact: bool
) -> None:
    keyword = Keyword(name=phrase, exact=exact)
    matches = matcher(keyword)
    assert matches
    shown = prose(text)
    spans = marks(keyword, shown)
    assert matches(paper(title=text, abstract="-", authors=())) is bool(spans)
    assert all(0 <= start < end <= len(shown) for start, end in spans)
    assert [end for _, end in spans[:-1]] <= [start for start, _ in spans[1:]]


@pytest.mark.slow
@settings(max_examples=200)
@given(TEXTS)
def test_what_a_digest_prints_can_be_a_keyword(text: str) -> None:
    shown = prose(text)
    matches = matcher(Keyword(name=shown))
    assert matches
    holds = matches(paper(title=text, abstract="-", authors=()))
    assert holds or Phrase.of(shown, exact=False) is None


@pytest.mark.slow
def test_a_month_of_papers_is_marked_wherever_it_matches() -> None:
    keywords = [Keyword(name=name) for name in ("on-policy", "C++", "CO₂", "graph", "α", "R&D")]
    each_matches = [(keyword, matcher(keyword)) for keyword in keywords]
    found = 0
    for each in june_papers():
        for keyword, matches in each_matches:
            assert matches
            if matches(each):
                found += 1
                assert is_marked(keyword, each)
    assert found > 100


def is_marked(keyword: Keyword, shown: Paper) -> bool:
    return any(marks(keyword, prose(text)) for text in (shown.title, shown.abstract))


def test_several_phrases_are_one_announcement_with_the_marks_of_all() -> None:
    keyword = Keyword(name="bursts", phrases=("gamma-ray burst", "γ-ray burst", "GRB", "ray"))
    matches = matcher(keyword)
    assert matches
    text = "GRBs, or gamma-ray bursts, or γ-ray bursts"
    assert [text[start:end] for start, end in marks(keyword, text)] == [
        *("GRBs", "gamma-ray bursts", "γ-ray bursts"),
    ]
    assert matches(paper(title="A GRB", abstract="-"))
    assert not matches(paper(title="Bursts", abstract="-"))


def test_people_alone_bring_their_papers_and_no_others() -> None:
    keyword = Keyword(name="Graph", phrases=(), authors=("Ada Quill",))
    matches = matcher(keyword)
    assert matches
    assert matches(paper(authors=("Ada Quill",)))
    assert not matches(paper(title="Graph", authors=("Bo Fir",)))
    assert marks(keyword, "Graph") == []


def test_an_exclusion_is_compared_as_the_keyword_is() -> None:
    by_stem = excluder(Keyword(name="x", exclude=("Survey", "PET")))
    assert by_stem(paper(abstract="Two surveys of pet rats")) == "Survey"
    exact = excluder(Keyword(name="x", exclude=("Survey", "PET"), exact=True))
    assert exact(paper(abstract="Two surveys of pet rats")) == ""
    assert exact(paper(title="PET", abstract="-")) == "PET"


@pytest.mark.parametrize("piece", ["a", "y", "ay", "ational", "a.", "logies"])
def test_a_word_of_twenty_thousand_letters_is_not_looked_into(piece: str) -> None:
    word = piece * (20_000 // len(piece))
    began = process_time()
    assert line(word).split() == [word.rstrip(".")]
    assert process_time() - began < 1
