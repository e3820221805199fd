"""Order the papers of an issue by how close they are to a reader's own. Pure; it hides nothing.

A paper is a vector of its words (see `keywords.terms`). It is close to a profile where it has rare
words in common with the own papers on the whole, and most of all with one of them; what it has in
common with the field as a whole is taken off. docs/profiles.md says what this was measured on.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from math import log, sqrt
from typing import NamedTuple

from newsletter.keywords.stemming import stems
from newsletter.keywords.terms import SAME, Commonness, passing, terms
from newsletter.keywords.withdrawal import is_withdrawn
from newsletter.models import Closeness, Order, OwnPaper, Paper, Profile

BACKGROUND = 500  # papers
CLOSEST = 5  # papers that stand first

_REASONS = 3  # words
_NEAREST = 0.05  # what the nearest own paper counts beyond the mean, for each own paper there is
_NEAREST_MOST = 0.5
CATEGORIES = 0.05
EXACT = 9  # decimals; those beyond depend on the order in which numbers are added

_WORD = re.compile(r"[^\W_]+")
_COMPOUND = re.compile(r"[^\W_]+(?:-[^\W_]+)*")


class Places(NamedTuple):
    """The papers of a ranking as they stand to a profile, by their number in it.

    `ranked` has them closest first, `scores` and `nearest` the score of each and which own paper is
    nearest; `same` are in the profile by their words; `related` is false where no word is shared.
    """

    ranked: Sequence[int]
    scores: Sequence[float]
    nearest: Sequence[int]
    same: Collection[int]
    related: bool


class Ranking:
    """The papers of an issue, ready to be ordered by any number of profiles.

    `commonness` counts the papers that the state has seen, these included; `background` are the
    newest of those. The same values always give the same order.
    """

    def __init__(
        self, papers: Iterable[Paper], commonness: Commonness, background: Iterable[Paper]
    ) -> None:
        # By id, so that a stable sort leaves ties in that order.
        unique = {each.id: each for each in papers}
        self.ids = sorted(unique)
        self.papers = [unique[each] for each in self.ids]
        self.commonness = commonness
        self.vectors = [commonness.vector(terms_of(each)) for each in self.papers]
        behind = list(background)
        field = _mean([commonness.vector(terms_of(each)) for each in behind])
        self.usual = [_product(vector, field) for vector in self.vectors]
        self.kinds = [_unit(dict.fromkeys(each.categories, 1.0)) for each in self.papers]
        usual_kinds = kinds_of(each.categories for each in behind)
        self.usual_kinds = [_product(each, usual_kinds) for each in self.kinds]
        self._index = {id_: index for index, id_ in enumerate(self.ids)}
        self._titled = {title_key(each.title): index for index, each in enumerate(self.papers)}
        self._withdrawn = {index for index, each in enumerate(self.papers) if is_withdrawn(each)}
        self._tellings: dict[int, _Telling] = {}
        self._last: tuple[Collection[str], frozenset[int]] | None = None
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for index, vector in enumerate(self.vectors):
            for word, weight in vector.items():
                self._postings[word].append((index, weight))

    def places(self, profile: Profile) -> Places:
        """Return where each paper stands to a profile, in the order of `papers`."""
        near = [self._cosines(own) for own in profile.papers] or [[0.0] * len(self.papers)]
        cosines = [max(each) for each in zip(*near, strict=True)]
        means = [sum(each) / len(near) for each in zip(*near, strict=True)]
        scores = self._scores(means, cosines, profile)
        return Places(
            ranked=sorted(range(len(scores)), key=lambda index: -scores[index]),
            scores=scores,
            nearest=[each.index(most) for *each, most in zip(*near, cosines, strict=True)],
            same=[index for index, cosine in enumerate(cosines) if cosine >= SAME],
            related=any(cosines),
        )

    def _scores(
        self, means: Iterable[float], cosines: Iterable[float], profile: Profile
    ) -> list[float]:
        """Return the score of each paper, given its mean and its greatest cosine."""
        share = emphasis(len(profile.papers))
        kinds = kinds_of(each.categories for each in profile.papers)
        return [
            round(
                mean
                + share * (most - mean)
                - usual
                + (CATEGORIES * (_product(kind, kinds) - usual_kind) if kinds else 0.0),
                EXACT,
            )
            for mean, most, usual, kind, usual_kind in zip(
                means, cosines, self.usual, self.kinds, self.usual_kinds, strict=True
            )
        ]

    def order(
        self,
        profile: Profile,
        *,
        among: Collection[str] | None = None,
        closest: int = CLOSEST,
        places: Places | None = None,
    ) -> Order | None:
        """Order all papers, or those with the ids `among`, and say why the first few are close.

        What is in the profile itself comes last; what was withdrawn is recommended to nobody. None
        where the profile has no word in common with any paper: there is nothing to order by.
        `places` are those of the profile, where known.
        """
        places = places or self.places(profile)
        if not places.related:
            return None
        yours = self._yours(profile, places.same)
        some = self._those(self.ids if among is None else among)
        ids, scores = self.ids, places.scores
        ranked = [index for index in places.ranked if index in some and index not in yours]
        reasons: list[Closeness] = []
        for index in ranked:
            if len(reasons) == closest or scores[index] <= 0:
                break
            if index in self._withdrawn:
                continue
            if reason := self._reason(index, profile.papers[places.nearest[index]]):
                reasons.append(reason)
        return Order(
            ids=tuple([ids[index] for index in [*ranked, *sorted(yours & some)]]),
            closest=tuple(reasons),
            yours=frozenset(ids[index] for index in yours),
        )

    def _those(self, ids: Collection[str]) -> frozenset[int]:
        """Return the numbers of some papers; many readers in a row have the same ones."""
        if self._last is None or self._last[0] is not ids:
            self._last = (ids, frozenset([self._index[each] for each in ids]))
        return self._last[1]

    def _cosines(self, own: OwnPaper) -> list[float]:
        """Return the cosine between an own paper and each paper."""
        found = [0.0] * len(self.papers)
        for word, weight in self.commonness.vector(own.terms).items():
            for index, other in self._postings.get(word, ()):
                found[index] += weight * other
        return found

    def _yours(self, profile: Profile, same: Iterable[int]) -> set[int]:
        """Return which papers are in the profile: same id, same title, or the same words."""
        ids = (self._index.get(each.id) for each in profile.papers if each.id)
        titles = (self._titled.get(title_key(each.name)) for each in profile.papers)
        return {*same} | {index for index in (*ids, *titles) if index is not None}

    def _reason(self, index: int, own: OwnPaper) -> Closeness | None:
        """Return why a paper is close to an own one; None where no word tells."""
        weights, spellings = self._telling(index)
        counts = own.terms
        shared = [
            (-weights[word] * (1 + log(count) if (count := counts[word]) > 1 else 1), word)
            for word in weights.keys() & counts.keys()
        ]
        if not shared:
            return None
        words = _as_written((word for _, word in sorted(shared)), spellings, counts)
        return Closeness(id=self.ids[index], own=own.name, words=words)

    def _telling(self, index: int) -> "_Telling":
        """Return the words of a paper that can be a reason, and how it writes all of them."""
        if index not in self._tellings:
            weights = {
                word: weight * self.commonness.weight(word)
                for word, weight in self.vectors[index].items()
                if word not in passing() and self.commonness.is_telling(word)
            }
            self._tellings[index] = _Telling(weights, _spellings(self.papers[index]))
        return self._tellings[index]


class _Telling(NamedTuple):
    """What each word counts in a reason, and in which compounds the paper has it, how often."""

    weights: Mapping[str, float]
    spellings: Mapping[str, Mapping[str, int]]


def _spellings(paper: Paper) -> dict[str, Counter[str]]:
    """Return how a paper writes each word: by itself, or in a compound."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for compound in _COMPOUND.findall(f"{paper.title} {paper.abstract}"):
        for part in compound.split("-"):
            found[part.lower()][compound] += 1
    return found


def terms_of(paper: Paper) -> dict[str, int]:
    """Count the words of a paper: those of its title and abstract, none of its authors' names."""
    return terms(f"{paper.title} {paper.abstract}")


def emphasis(own: int) -> float:
    """Return what the nearest of so many own papers counts beyond their mean."""
    return min(_NEAREST_MOST, _NEAREST * own)


def title_key(title: str) -> str:
    """Return what the spellings of one title have in common; empty for one that says little."""
    return " ".join(_WORD.findall(title.lower()))


def _as_written(
    words: Iterable[str], spellings: Mapping[str, Mapping[str, int]], shared: Collection[str]
) -> tuple[str, ...]:
    """Return the first few words as a paper writes them, once each, compounds whole.

    "vision" stands for "vision-language" where both words are shared; "images" says no more than
    "image".
    """
    found: list[str] = []
    said: set[str | None] = set()
    for word in words:
        # Where TeX hides how a word is spelled, it stands for itself.
        spelling, meant = _spelled(word, spellings.get(word) or {word: 1}, shared)
        if said.isdisjoint(meant):
            found.append(spelling)
            said |= meant
            if len(found) == _REASONS:
                break
    return tuple(found)


def _spelled(
    word: str, compounds: Mapping[str, int], shared: Collection[str]
) -> tuple[str, frozenset[str | None]]:
    """Return a word as a paper has it most often, and its stems."""
    if len(compounds) == 1 and (alone := next(iter(compounds))).lower() == word:
        return _in_a_sentence(alone)
    counts: Counter[str] = Counter()
    for compound, count in compounds.items():
        parts = compound.split("-")
        whole = all(part.lower() in shared for part in parts)
        # Compared part by part: a letter's lower case may be longer, so places cannot be compared.
        counts[compound if whole else next(x for x in parts if x.lower() == word)] += count
    return _in_a_sentence(max(counts.items(), key=lambda each: (each[1], each[0]))[0])


@lru_cache(maxsize=65536)
def _in_a_sentence(word: str) -> tuple[str, frozenset[str | None]]:
    """Return a word in lower case, but for one with capitals within (MRI, mRNA), and its stems."""
    within = word[1:] != word[1:].lower()
    return word if within else word.lower(), frozenset(stems(word))


def kinds_of(papers: Iterable[Sequence[str]]) -> dict[str, float]:
    """Return the direction in which papers lie by their categories; empty where none has any."""
    vectors = [_unit(dict.fromkeys(each, 1.0)) for each in papers if each]
    return _unit(_mean(vectors))


def _mean(vectors: Sequence[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for vector in vectors:
        for word, weight in vector.items():
            total[word] += weight
    return {word: weight / len(vectors) for word, weight in total.items()}


def _unit(vector: Mapping[str, float]) -> dict[str, float]:
    length = sqrt(sum(weight * weight for weight in vector.values()))
    return {word: weight / length for word, weight in vector.items()}


def _product(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    return sum(weight * other[word] for word, weight in one.items() if word in other)
