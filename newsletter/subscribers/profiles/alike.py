"""Tell which papers of a profile have nearly the words of another. Pure.

In a profile of 2,000 papers there are two million pairs, and where somebody writes about one thing
all of them have much in common: to multiply each pair took minutes.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from struct import unpack

from newsletter.keywords.terms import SAME, usual
from newsletter.models import OwnPaper

_LANES = 128  # papers whose weights are beside each other in one number
_BITS = 32  # of a lane
_SCALE = 1 << 13  # what a weight of 1 is there; a product of millions of words fits into the bits


def without_copies(papers: Sequence[OwnPaper]) -> list[OwnPaper]:
    """Leave out what has nearly the words of one before."""
    common = usual()
    kept: list[OwnPaper] = []
    shelves: list[_Shelf] = []
    for each in papers:
        vector = common.vector(each.terms)
        weights = _whole(vector)
        near = (
            kept[n * _LANES + lane]
            for n, shelf in enumerate(shelves)
            for lane in shelf.near(weights)
        )
        if any(_is_copy(vector, common.vector(other.terms)) for other in near):
            continue
        lane = len(kept) % _LANES
        if lane == 0:
            shelves.append(_Shelf())
        shelves[-1].put(lane, weights)
        kept.append(each)
    return kept


class _Shelf:
    """Some papers, of which each word's weights stand in the lanes of one whole number.

    To multiply and add such numbers is to do it for all papers at once. Weights are rounded up, so
    that no product is less than it should be.
    """

    def __init__(self) -> None:
        self._lanes: dict[str, int] = {}

    def put(self, lane: int, weights: Mapping[str, int]) -> None:
        """Put a paper into a lane that is empty."""
        lanes, shift = self._lanes, _BITS * lane
        for word, weight in weights.items():
            lanes[word] = lanes.get(word, 0) | weight << shift

    def near(self, weights: Mapping[str, int]) -> Iterator[int]:
        """Yield the lanes of all papers that may be copies, and of few others."""
        lanes = self._lanes
        total = sum([weights[word] * lanes[word] for word in weights.keys() & lanes.keys()])
        products = unpack(f"<{_LANES}I", total.to_bytes(_LANES * _BITS // 8, "little"))
        least = int(SAME * _SCALE**2)
        return (lane for lane, product in enumerate(products) if product >= least)


def _whole(vector: Mapping[str, float]) -> dict[str, int]:
    return {word: ceil(weight * _SCALE) for word, weight in vector.items()}


def _is_copy(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    # What has little in common but a few words, said often, is no copy.
    if 3 * len(one.keys() & other.keys()) < min(len(one), len(other)):
        return False
    return sum(weight * other.get(word, 0.0) for word, weight in one.items()) >= SAME
