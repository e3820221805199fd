"""A text as it is compared: as people read it, with one spelling for each letter and sign. Pure."""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from newsletter.prose import prose

# Kept as they are, because NFKC would make other words of them: ½ would be 1⁄2, and GPT™ be GPTTM.
_KEPT = re.compile(r"<fraction>|<(?:super|compat)> (?:0020|0054 004D|0053 004D)")
_ALIKE = str.maketrans({"−": "-", "∗": "*", "⋆": "*"})
_CLUSTER = re.compile(r"[\x00-\x7f]+(?![\u0300-\u036f])|.[\u0300-\u036f]*", re.DOTALL)
_SIGNS = frozenset("#&*@%")


@functools.lru_cache(maxsize=8192)
def as_read(text: str) -> str:
    """Return a title or abstract as it is compared: `CO$_2$` and CO₂ are CO2, and ﬁ is fi."""
    return folded(prose(text))


def folded(text: str) -> str:
    """Return a text in Unicode's compatible form (NFKC), which reads the same.

    Minus and star signs are the ASCII ones. See `places` for where its characters were.
    """
    return text if text.isascii() else "".join(piece for _, piece in _pieces(text))


def places(text: str) -> Sequence[int]:
    """Return where each character of the folded text was in the text; at last, its length."""
    if text.isascii():
        return range(len(text) + 1)
    found: list[int] = []
    for cluster, piece in _pieces(text):
        start, end = cluster.span()
        found += range(start, end) if end - start == len(piece) else [start] * len(piece)
    return [*found, len(text)]


def signs(gap: str) -> str:
    """Return the signs with a meaning between two words: `&` of R&D, the dot of `on .NET`."""
    found = "".join(filter(is_sign, gap))
    return f"{found}." if len(gap) > 1 and _is_leading_dot(gap, len(gap)) else found


def signs_before(text: str, start: int, *, apart: bool = False) -> str:
    """Return the signs that touch the word at `start` from the left: `#` of #metoo.

    With `apart` those before a blank, where none touch it.
    """
    if apart and text[max(0, start - 1) : start] == " ":
        start -= 1
    if _is_leading_dot(text, start):
        return "."
    first = start
    while first and _is_attached(text[first - 1]):
        first -= 1
    return text[first:start].replace("^", "")


def signs_after(text: str, end: int, *, apart: bool = False) -> str:
    """Return the signs that touch the word that ends at `end` from the right: `++` of C++.

    With `apart` those behind a blank, where none touch it.
    """
    if apart and text[end : end + 1] == " ":
        end += 1
    last = end
    while last < len(text) and _is_attached(text[last]):
        last += 1
    return text[end:last].replace("^", "")


def _is_leading_dot(text: str, start: int) -> bool:
    before = text[max(0, start - 2) : start]
    return before[-1:] == "." and not (before[:-1].isalnum() or before[:-1] in {".", "_"})


def _is_attached(character: str) -> bool:
    return is_sign(character) or character == "^"  # as in A^*


@functools.lru_cache(maxsize=4096)
def is_sign(character: str) -> bool:
    """Tell a sign that carries meaning from what separates words: hyphens, slashes, stops."""
    return character in _SIGNS or unicodedata.category(character) in {"Sm", "Sc", "So"}


def _pieces(text: str) -> Iterator[tuple[re.Match[str], str]]:
    for cluster in _CLUSTER.finditer(text):
        piece = cluster.group()
        yield cluster, piece if piece.isascii() else _folded(piece)


@functools.lru_cache(maxsize=4096)
def _folded(cluster: str) -> str:
    if _KEPT.match(unicodedata.decomposition(cluster[0])):
        return cluster
    return unicodedata.normalize("NFKC", cluster).translate(_ALIKE)
