"""Days of invented papers whose titles, names and abstracts are as long as real ones."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random

from newsletter.issues.issue import compile_issue, edition_for
from newsletter.keywords.matching import matcher
from newsletter.models import Announcement, Edition, Keyword, News, Paper
from tests.making.papers import NOW, SOURCE, paper

KEYWORDS = (
    "chain of thought", "tool use", "code generation", "knowledge graph", "reinforcement learning",
    "benchmark", "multimodal", "safety",
)  # fmt: skip

_WORDS = (
    "Learning Temporal Abstractions via Variational Homomorphisms Robust Efficient Towards Large"
    " Language Models Reasoning Evaluation Framework Adaptive Neural Retrieval Structured Planning"
    " Uncertainty Alignment Sparse Attention Generative Policies Distributed Agents Memory"
)
_SMALL = ("of", "for", "in", "with", "and", "by", "from", "at", "on", "to")
_SYLLABLES = "ka ren mo li tan vu ser ode bra nik sal qui ne fer dho an"


def day(number: int, keywords: Sequence[str] = KEYWORDS) -> Edition:
    """Return a day of so many papers; of a flood a third has two or three keywords."""
    chance = Random(number)
    papers = [_paper(place, chance, keywords) for place in range(number)]
    return of(papers, keywords)


def of(papers: Sequence[Paper], keywords: Sequence[str]) -> Edition:
    """Return the edition of a day on which these papers are new."""
    news = []
    for keyword in map(_keyword, keywords):
        belongs = matcher(keyword) or (lambda _paper: True)
        found = tuple(Announcement(paper=each) for each in papers if belongs(each))
        news.append(
            News(
                keyword=keyword,
                source=SOURCE,
                outcome="new" if found else "none",
                announcements=found,
                since=NOW - timedelta(days=1),
            )
        )
    return edition_for([compile_issue(1, NOW.date(), news)], keywords)


def _keyword(name: str) -> Keyword:
    return Keyword(name=name)


def _paper(place: int, chance: Random, keywords: Sequence[str]) -> Paper:
    own = chance.sample(keywords, chance.choice((1, 1, 1, 1, 2, 3)))
    title = _words(chance, chance.choice((4, 6, 7, 8, 9, 10, 12)))
    sentence = _words(chance, 18).lower().capitalize()
    abstract = [f"{sentence}." for _ in range(chance.choice((6, 8, 9)))]
    abstract.insert(chance.randrange(4), f"This rests on {' and '.join(own)} alone.")
    return paper(
        f"2611.{place:05}",
        title=title,
        abstract=" ".join(abstract),
        authors=tuple(_name(chance) for _ in range(chance.choice((1, 2, 4, 5, 7, 12)))),
        comment=chance.choice(("", "", "12 pages, 5 figures", "Accepted at a workshop of 2026")),
        submitted=NOW - timedelta(hours=20, minutes=place),
    )


def _words(chance: Random, number: int) -> str:
    """Return so many words, every third a small one, as people write."""
    words = chance.choices(_WORDS.split(), k=number)
    words[2::3] = chance.choices(_SMALL, k=len(words[2::3]))
    return " ".join(words)


def _name(chance: Random) -> str:
    return " ".join("".join(chance.choices(_SYLLABLES.split(), k=k)).capitalize() for k in (2, 3))
