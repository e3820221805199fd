"""Small phrases that many messages need: a count with its noun, the word that was meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def counted(number: int, noun: str) -> str:
    """Return `1 paper`, `2 papers`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


_LONGEST = 100  # letters of a word that was mistyped


def did_you_mean(word: str, known: Iterable[str], *, likeness: float = 0.5) -> str:
    """Return ` (did you mean 'x'?)` for the nearest known word, or nothing if none is near."""
    if len(word) > _LONGEST:
        return ""
    names = {name.lower(): name for name in known if name}
    near = get_close_matches(word.lower(), names, n=1, cutoff=likeness)
    return f" (did you mean {names[near[0]]!r}?)" if near else ""
