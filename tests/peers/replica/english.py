"""How arXiv's index reads English: tokens, stop words, Porter stems. Pure.

Written from Lucene's documentation and Porter's paper (Program 14(3), 1980) and independent of
`newsletter.keywords`, so that each can be held against the other.
"""

import re
from collections.abc import Callable
from functools import lru_cache

STOP_WORDS = frozenset(  # Lucene's
    [
        *("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is"),
        *("it", "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there"),
        *("these", "they", "this", "to", "was", "will", "with"),
    ]
)

# Unicode's word boundaries (UAX #29) as far as they matter here: letters keep an inner . : ' with
# letters, digits an inner . , ; ' with digits, and every ideograph stands alone.
_IDEOGRAPH = "\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff"
_WORD = rf"(?:(?![{_IDEOGRAPH}])[\w\u0300-\u036f\u200d])+"
_INNER = r"(?:(?<=[^\W\d_])[.:'’·](?=[^\W\d_])|(?<=\d)[.,;'’](?=\d))"
_TOKEN = re.compile(rf"[{_IDEOGRAPH}]|{_WORD}(?:{_INNER}{_WORD})*")


def tokens(text: str) -> list[str]:
    """Return the words of a text as the standard tokenizer cuts them, case kept."""
    return [token for token in _TOKEN.findall(text) if token.strip("_")]


def standard(text: str) -> list[str | None]:
    """Return the words of a text by position in lower case, neither stemmed nor left out."""
    return [token.lower() for token in tokens(text)]


def english(text: str) -> list[str | None]:
    """Return the stems of a text by position; a stop word leaves a gap, None."""
    return [_term(token) for token in tokens(text)]


@lru_cache(maxsize=200_000)
def _term(token: str) -> str | None:
    for possessive in ("'s", "'S", "’s", "’S", "\uff07s", "\uff07S"):
        token = token.removesuffix(possessive)
    word = token.lower()
    return None if word in STOP_WORDS else porter(word)


def porter(word: str) -> str:
    """Return the stem of a lower-case word by Porter's algorithm, as Lucene has it.

    Lucene leaves words of one or two letters alone and follows the two later rules that Porter
    published on his page: step 2 maps -bli to -ble (for -abli to -able) and -logi to -log.
    """
    if len(word) <= 2:
        return word
    for step in (_plurals, _past, _final_y, _double_suffixes, _icate, _ance, _final_e):
        word = step(word)
    return word


def _plurals(word: str) -> str:
    """Step 1a."""
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past(word: str) -> str:
    """Step 1b: -eed, -ed, -ing, and what they leave behind."""
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        stem = word.removesuffix(suffix)
        if stem != word and _has_vowel(stem):
            return _mended(stem)
    return word


def _mended(stem: str) -> str:
    if stem.endswith(("at", "bl", "iz")):
        return stem + "e"
    if _doubled(stem) and stem[-1] not in "lsz":
        return stem[:-1]
    return stem + "e" if _measure(stem) == 1 and _short(stem) else stem


def _final_y(word: str) -> str:
    """Step 1c."""
    return word[:-1] + "i" if word.endswith("y") and _has_vowel(word[:-1]) else word


_STEP_2 = (
    "ational:ate tional:tion enci:ence anci:ance izer:ize bli:ble alli:al entli:ent eli:e "
    "ousli:ous ization:ize ation:ate ator:ate alism:al iveness:ive fulness:ful ousness:ous "
    "aliti:al iviti:ive biliti:ble logi:log"
)
_STEP_3 = "icate:ic ative: alize:al iciti:ic ical:ic ful: ness:"
_STEP_4 = "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize"  # m > 1


def _rewriting(rules: str) -> Callable[[str], str]:
    """Return a step that rewrites the longest suffix that fits, where a stem with m > 0 is left."""
    pairs = [rule.split(":") for rule in rules.split()]
    pairs.sort(key=lambda pair: -len(pair[0]))

    def step(word: str) -> str:
        for suffix, replacement in pairs:
            if word.endswith(suffix):
                stem = word.removesuffix(suffix)
                return stem + replacement if _measure(stem) > 0 else word
        return word

    return step


_double_suffixes = _rewriting(_STEP_2)
_icate = _rewriting(_STEP_3)


def _ance(word: str) -> str:
    """Step 4: drop a suffix where a stem with m > 1 is left; -ion only after s or t."""
    for suffix in sorted(_STEP_4.split(), key=len, reverse=True):
        if word.endswith(suffix):
            stem = word.removesuffix(suffix)
            if suffix == "ion" and not stem.endswith(("s", "t")):
                return word
            return stem if _measure(stem) > 1 else word
    return word


def _final_e(word: str) -> str:
    """Step 5: a last e, and one of two last l."""
    if word.endswith("e"):
        stem = word[:-1]
        m = _measure(stem)
        if m > 1 or (m == 1 and not _short(stem)):
            word = stem
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word


def _shape(word: str) -> str:
    """Return the word as v and c; y is a vowel after a consonant."""
    shape = ""
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and shape.endswith("c"))
        shape += "v" if vowel else "c"
    return shape


def _measure(stem: str) -> int:
    return _shape(stem).count("vc")


def _has_vowel(stem: str) -> bool:
    return "v" in _shape(stem)


def _doubled(stem: str) -> bool:
    return len(stem) > 1 and stem[-1] == stem[-2] and _shape(stem)[-1] == "c"


def _short(stem: str) -> bool:
    """Consonant, vowel, consonant other than w, x, y."""
    return _shape(stem).endswith("cvc") and stem[-1] not in "wxy"
