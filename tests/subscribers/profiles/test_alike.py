"""Which papers of a profile are nearly the same, found for all at once as one by one."""

import random

import pytest

from newsletter.keywords.terms import SAME, terms, usual
from newsletter.models import OwnPaper
from newsletter.subscribers.profiles.alike import without_copies

WORDS = [word for word in sorted(usual().having) if terms(word)][::40]


def alike(number: int, *, words: int, changed: int, chance: random.Random) -> list[OwnPaper]:
    """Return papers of so many words that differ in some of them."""
    base, papers = chance.choices(WORDS, k=words), []
    for n in range(number):
        text = list(base)
        for _ in range(changed):
            text[chance.randrange(words)] = chance.choice(WORDS)
        papers.append(OwnPaper(id="", name=f"paper {n}", terms=terms(" ".join(text))))
    return papers


def one_by_one(papers: list[OwnPaper]) -> list[OwnPaper]:
    """Compare each with all that are kept before it."""
    kept: list[tuple[OwnPaper, dict[str, float]]] = []
    for each in papers:
        vector = usual().vector(each.terms)
        for _, other in kept:
            few = 3 * len(vector.keys() & other.keys()) < min(len(vector), len(other))
            if not few and sum(w * other.get(word, 0.0) for word, w in vector.items()) >= SAME:
                break
        else:
            kept.append((each, vector))
    return [each for each, _ in kept]


@pytest.mark.parametrize("changed", [0, 1, 2, 4, 40])
@pytest.mark.parametrize("words", [1, 9, 30])
def test_copies_are_those_that_are_found_one_by_one(words: int, changed: int) -> None:
    chance = random.Random(100 * words + changed)
    papers = alike(300, words=words, changed=changed, chance=chance)
    papers += [OwnPaper(id="", name="loud", terms={WORDS[0]: 10**6, WORDS[n]: 1}) for n in (1, 2)]
    assert without_copies(papers) == one_by_one(papers)
