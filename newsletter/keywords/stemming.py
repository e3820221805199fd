"""The words of a text, and their stems, as arXiv's index has them."""

import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

# Lucene's EnglishAnalyzer.ENGLISH_STOP_WORDS_SET
STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their "  # noqa: SIM905
    "then there these they this to was will with".split()
)


class Token(NamedTuple):
    """A word, and where it stands in the text."""

    word: str
    start: int
    end: int


# Lucene's StandardTokenizer (Unicode UAX #29): split at hyphen and slash, keep don't, 3.5 and a_b;
# an ideograph is a word of its own, a superscript digit is no part of any.
_SMALL_DIGITS = "¹²³¼-¾⁰⁴-⁹₀-₉"
_IDEOGRAPHS = "\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_FIRST_IDEOGRAPH = _IDEOGRAPHS[0]


def _token(character: str, *, between_letters: str, between_digits: str) -> str:
    joint = rf"(?:(?<=[^\W\d_])[{between_letters}](?=[^\W\d_])|(?<=\d)[{between_digits}](?=\d))"
    return rf"{character}+(?:{joint}{character}+)*"


def _wide_token(none_of: str) -> str:
    return _token(
        rf"(?:[^\W{none_of}]|[\u0300-\u036f])", between_letters=".:'’·", between_digits=".,;'’"
    )


# The more characters a pattern knows, the longer it takes to compile: the widest one a twentieth
# of a start. So each is made when a text needs it; most keywords are ASCII.
@functools.cache
def _ascii_token() -> re.Pattern[str]:
    return re.compile(_token(r"\w", between_letters=".:'", between_digits=".,;'"), re.ASCII)


@functools.cache
def _any_token() -> re.Pattern[str]:
    return re.compile(_wide_token(_SMALL_DIGITS))


@functools.cache
def _token_or_ideograph() -> re.Pattern[str]:
    return re.compile(rf"[{_IDEOGRAPHS}]|{_wide_token(_IDEOGRAPHS + _SMALL_DIGITS)}")


def _pattern_for(text: str) -> re.Pattern[str]:
    if text.isascii():
        return _ascii_token()
    return _any_token() if max(text) < _FIRST_IDEOGRAPH else _token_or_ideograph()


_POSSESSIVES = tuple(mark + s for mark in "'’＇" for s in "sS")


def tokens(text: str) -> Iterator[Token]:
    """Yield the words of a text with their places."""
    for match in _pattern_for(text).finditer(text):
        word = _owner(match.group())
        if word.strip("_"):
            yield Token(word, match.start(), match.start() + len(word))


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text as they are written."""
    return tuple(token.word for token in tokens(text))


def stems(text: str) -> tuple[str | None, ...]:
    """Return the stem at each position of a text, None where a stop word leaves a gap."""
    return tuple(None if is_stop_word(key) else key for key in line(text).split())


# A text is analysed once, however many keywords look at it. As one string it is small, and a
# phrase is found in it by the fastest search that there is.
@functools.lru_cache(maxsize=8192)
def line(text: str, *, exact: bool = False) -> str:
    """Return the words of a text in lower case with a blank around each: as stems unless `exact`.

    Stop words are marked, since they have no stem, and no stem is to be taken for one.
    """
    key = _lowered if exact else _key
    return f" {' '.join(filter(None, map(key, _pattern_for(text).findall(text))))} "


def is_stop_word(key: str) -> bool:
    """Tell whether a word of a `line` is one that arXiv's index leaves out."""
    return key[0] == "="


@functools.lru_cache(maxsize=65536)
def _key(word: str) -> str:
    lowered = _lowered(word)
    return f"={lowered}" if lowered in STOP_WORDS else _stem(lowered)


@functools.lru_cache(maxsize=65536)
def _lowered(word: str) -> str:
    """Return a token in lower case, without its possessive; empty if it is no word."""
    return _owner(word).lower() if word.strip("_") else ""


def _owner(word: str) -> str:
    return word[:-2] if word.endswith(_POSSESSIVES) else word


# Few words end so, and to look at an end takes less than a pattern: a run sees thousands of words.
_LATER_ENDS = ("y", "ies", "i", "is")
_LATER_RULES = re.compile(r"(.+)(bl|log)(?:y|ies|is?)")
_DOUBLED_ENDS = ("ed", "ing", "eds", "ings")
_MEASURED = re.compile(r"(?:[aeiou]|(?<=[^aeiou])y)[^aeiou]")
_DOUBLED = re.compile(r"(.*[aeiouy].*)([chjkqvwx])\2(?:ed|ing)s?")


_LONGEST = 255  # letters of a word; Lucene cuts what is longer, which no language has


def _stem(word: str) -> str:
    """Return the Porter stem as Lucene has it, which is not quite as Snowball has it.

    Lucene has two later rules (-bli becomes -ble, -logi becomes -log: radiology meets
    radiological), halves any double consonant (grokking), and leaves very short words alone;
    what is too long for a word is not looked into.
    """
    if not 3 <= len(word) <= _LONGEST:
        return word
    if word.endswith(_LATER_ENDS):
        later = _LATER_RULES.fullmatch(word)
        if later and _MEASURED.search(later[1]):
            word = later[1] + ("ble" if later[2] == "bl" else "log")
    elif word.endswith(_DOUBLED_ENDS) and (doubled := _DOUBLED.fullmatch(word)):
        word = doubled[1] + doubled[2]
    stem: str = _porter().stemWord(word)
    return stem


@functools.cache
def _porter() -> Any:  # noqa: ANN401  (PyStemmer has no types)
    import Stemmer  # only what fetches needs it

    return Stemmer.Stemmer("porter", 0)  # `_key` remembers words, too
