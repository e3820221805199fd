"""Order the papers of an issue by how close they are to a reader's own. Pure; it hides nothing.

A paper is a vector of its words (see `keywords.terms`). It is close to a profile where it has rare
words in common with the own papers on the whole, and most of all with one of them; what it has in
common with the field as a whole is taken off. docs/profiles.md says what this was measured on.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import sqrt
from typing import NamedTuple

from newsletter.keywords.stemming import stems
from newsletter.keywords.terms import Commonness, passing, terms
from newsletter.models import Closeness, Order, OwnPaper, Paper, Profile

BACKGROUND = 500  # papers
CLOSEST = 5  # papers that stand first
SAME = 0.9  # the cosine from which on two papers are one

_REASONS = 3  # words
_NEAREST = 0.05  # what the nearest own paper counts beyond the mean, for each own paper there is
_NEAREST_MOST = 0.5
_CATEGORIES = 0.05
_EXACT = 9  # decimals; those beyond depend on the order in which numbers are added

_WORD = re.compile(r"[^\W_]+")
_COMPOUND = re.compile(r"[^\W_]+(?:-[^\W_]+)*")


class Places(NamedTuple):
    """For each paper of a ranking its score, which own paper is nearest, and its cosine."""

    scores: Sequence[float]
    nearest: Sequence[int]
    cosines: Sequence[float]


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
        self._usual = [_product(vector, field) for vector in self.vectors]
        self._kinds = [_unit(dict.fromkeys(each.categories, 1.0)) for each in self.papers]
        usual_kinds = _kinds(each.categories for each in behind)
        self._usual_kinds = [_product(each, usual_kinds) for each in self._kinds]
        self._index = {id_: index for index, id_ in enumerate(self.ids)}
        self._titled = {title_key(each.title): index for index, each in enumerate(self.papers)}
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for index, vector in enumerate(self.vectors):
            for word, weight in vector.items():
                self._postings[word].append((index, weight))

    def places(self, profile: Profile) -> Places:
        """Return where each paper stands to a profile, in the order of `papers`."""
        near = [self._cosines(own) for own in profile.papers] or [[0.0] * len(self.papers)]
        cosines = [max(each) for each in zip(*near, strict=True)]
        means = [sum(each) / len(near) for each in zip(*near, strict=True)]
        return Places(
            scores=self.scores(means, cosines, profile),
            nearest=[each.index(most) for *each, most in zip(*near, cosines, strict=True)],
            cosines=cosines,
        )

    def scores(
        self, means: Iterable[float], cosines: Iterable[float], profile: Profile
    ) -> list[float]:
        """Return the score of each paper, given its mean and its greatest cosine."""
        share = min(_NEAREST_MOST, _NEAREST * len(profile.papers))
        kinds = _kinds(each.categories for each in profile.papers)
        return [
            round(
                mean
                + share * (most - mean)
                - usual
                + (_CATEGORIES * (_product(kind, kinds) - usual_kind) if kinds else 0.0),
                _EXACT,
            )
            for mean, most, usual, kind, usual_kind in zip(
                means, cosines, self._usual, self._kinds, self._usual_kinds, strict=True
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
        """Order all papers, or those with the ids `among`, and say why the `closest` are.

        What is in the profile itself comes last. None where the profile has no word in common with
        any paper: there is nothing to order by. `places` are those of the profile, where known.
        """
        scores, nearest, cosines = places or self.places(profile)
        if not any(cosines):
            return None
        yours = self._yours(profile, cosines)
        some = {self._index[each] for each in (self.ids if among is None else among)}
        ranked = sorted(some - yours, key=lambda index: (-scores[index], index))
        reasons: list[Closeness] = []
        for index in ranked:
            if len(reasons) == closest or scores[index] <= 0:
                break
            reason = self._reason(index, profile.papers[nearest[index]])
            if reason.words:
                reasons.append(reason)
        return Order(
            ids=tuple(self.ids[index] for index in [*ranked, *sorted(yours & some)]),
            closest=tuple(reasons),
            yours=frozenset(self.ids[index] for index in yours),
        )

    def _cosines(self, own: OwnPaper) -> list[float]:
        """Return the cosine between an own paper and each paper."""
        found = [0.0] * len(self.papers)
        for word, weight in self.commonness.vector(own.terms).items():
            for index, other in self._postings.get(word, ()):
                found[index] += weight * other
        return found

    def _yours(self, profile: Profile, cosines: Sequence[float]) -> set[int]:
        """Return which papers are in the profile: same id, same title, or the same words."""
        same = {index for index, cosine in enumerate(cosines) if cosine >= SAME}
        ids = (self._index.get(each.id) for each in profile.papers if each.id)
        titles = (self._titled.get(title_key(each.name)) for each in profile.papers)
        return same | {index for index in (*ids, *titles) if index is not None}

    def _reason(self, index: int, own: OwnPaper) -> Closeness:
        paper, vector = self.papers[index], self.vectors[index]
        telling = {
            word: weight * vector[word]
            for word, weight in self.commonness.vector(own.terms).items()
            if word in vector and word not in passing() and self.commonness.is_telling(word)
        }
        strongest = sorted(telling, key=lambda word: (-telling[word], word))
        words = _as_written(strongest, f"{paper.title} {paper.abstract}", own.terms)
        return Closeness(id=paper.id, own=own.name, words=words)


def terms_of(paper: Paper) -> dict[str, int]:
    """Count the words of a paper: those of its title and abstract, none of its authors' names."""
    return terms(f"{paper.title} {paper.abstract}")


def title_key(title: str) -> str:
    """Return what the spellings of one title have in common; empty for one that says little."""
    return " ".join(_WORD.findall(title.lower()))


def _as_written(words: Iterable[str], text: str, shared: Collection[str]) -> tuple[str, ...]:
    """Return the first few words as the text writes them, once each, compounds whole.

    "vision" stands for "vision-language" where both words are shared; "images" says no more than
    "image".
    """
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for compound in _COMPOUND.findall(text):
        parts = compound.split("-")
        whole = len(parts) > 1 and all(part.lower() in shared for part in parts)
        for part in parts:
            spellings[part.lower()][compound if whole else part] += 1
    found: list[str] = []
    said: set[str | None] = set()
    for word in words:
        spelling = max(spellings[word].items(), key=lambda each: (each[1], each[0]))[0]
        if said.isdisjoint(meant := set(stems(spelling))):
            found.append(_in_a_sentence(spelling))
            said |= meant
        if len(found) == _REASONS:
            break
    return tuple(found)


def _in_a_sentence(word: str) -> str:
    """Return a word in lower case, but for one that has capitals within: MRI, mRNA."""
    return word if word[1:] != word[1:].lower() else word.lower()


def _kinds(papers: Iterable[Sequence[str]]) -> dict[str, float]:
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
