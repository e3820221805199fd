"""The plain words of a paper, counted, and what each is worth: by these papers are compared. Pure.

No stems, no phrases, no meaning: a word is itself, and telling where few papers have it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from math import log, sqrt

SAME = 0.9  # the cosine of two papers' words from which on they are taken for one

# Words that say nothing of what a paper is about.
_STOP_WORDS = frozenset(
    "a about above across after again against all along already also although always "  # noqa: SIM905
    "am among an and another any are around as at be because been before behind being "
    "below between beyond both but by can cannot could did do does doing done down "
    "due during each either else especially etc even ever every few for from further "
    "had has have having he hence her here hers him his how however i if in into is "
    "it its itself just less let like many may me might more moreover most much must "
    "my near neither never no nor not now of off often on once one only onto or other "
    "others our ours out over own per perhaps rather same several shall she should "
    "since so some still such than that the their theirs them themselves then there "
    "thereby therefore these they this those though through throughout thus to "
    "together too toward towards two under until up upon us use used using very via "
    "was we well were what when where whereas whether which while who whom whose why "
    "will with within without would yet you your".split()
)
_COMMAND = re.compile(r"\\[A-Za-z]+")  # of TeX: \textbf is no word
_WORD = re.compile(r"[^\W_]{2,}")


def terms(text: str) -> dict[str, int]:
    """Count the words of a text in lower case: two characters at least, not all of them digits."""
    if "\\" in text:
        text = _COMMAND.sub(" ", text)
    words = Counter(_WORD.findall(text.lower()))
    return {
        word: count
        for word, count in words.items()
        if word not in _STOP_WORDS and not word.isdecimal()
    }


class Commonness:
    """How many of so many `papers` have each word: `having`, by word."""

    def __init__(self, papers: int, having: Mapping[str, int]) -> None:
        self.papers = papers
        self.having = having
        self._unknown = log(1 + papers) + 1
        self._worth = {word: self._unknown - log(1 + number) for word, number in having.items()}

    @classmethod
    def among(cls, papers: Iterable[Iterable[str]]) -> "Commonness":
        """Count in how many papers each word is, given the words of each paper."""
        having: Counter[str] = Counter()
        total = 0
        for words in papers:
            having.update(set(words))  # a mapping would be added up
            total += 1
        return cls(total, having)

    def weight(self, word: str) -> float:
        """Return what a word is worth: `ln((1 + papers) / (1 + having it)) + 1`."""
        return self._worth.get(word, self._unknown)

    def vector(self, counted: Mapping[str, int]) -> dict[str, float]:
        """Return words with their weights, `1 + ln count` times their worth, of length 1."""
        worth, unknown = self._worth, self._unknown
        weights = {
            word: worth.get(word, unknown) * (1 + log(count) if count > 1 else 1)
            for word, count in counted.items()
        }
        length = sqrt(sum(weight * weight for weight in weights.values()))
        return {word: weight / length for word, weight in weights.items()}

    def is_telling(self, word: str, *, share: float = 0.05) -> bool:
        """Return whether at most this share of the papers has a word."""
        return self.having.get(word, 0) <= share * self.papers


@cache
def usual() -> Commonness:
    """Return how common words are among papers in general: a table of counts that is shipped."""
    papers, rows = _shipped()
    return Commonness(papers, {word: having for having, _, words in rows for word in words})


@cache
def passing() -> frozenset[str]:
    """Return words that papers say in passing: hardly ever twice, so that they tell no subject."""
    _, rows = _shipped()
    return frozenset(word for _, passing, words in rows if passing for word in words)


def _shipped() -> tuple[int, list[tuple[int, bool, list[str]]]]:
    text = files("newsletter.keywords").joinpath("usual.txt").read_text("utf-8")
    papers, *lines = (line for line in text.splitlines() if not line.startswith("#"))
    rows = [line.removeprefix("~").split(" ") for line in lines]
    return int(papers), [
        (int(having), line.startswith("~"), words)
        for line, (having, *words) in zip(lines, rows, strict=True)
    ]
