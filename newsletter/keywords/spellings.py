r"""How else a phrase may stand in an index of TeX: `CO$_2$`, `$\beta$-decay`, `Schr\"odinger`.

Pure. People read CO₂; arXiv's index has the words of the source, CO and _2. A spelling may find
too much: which papers a keyword means is decided on what people read.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator

from newsletter.keywords.reading import as_read, is_sign
from newsletter.keywords.stemming import line, words

_DIGITS = re.compile(r"(?<=[^\W\d_])\d+")
_PARTS = re.compile(r"[A-Z][a-z]?|\d+|.")
_ELEMENTS = frozenset(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "  # noqa: SIM905
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy "
    "Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am".split()
)

# Authors write signs that no keyboard has in three ways, and keep to one of them within a phrase.
# Each tuple below has a sign's spelling in each of the three.
_STYLES = (0, 1, 2)
_SMALL_DIGITS = (r" _\g<0> ", r" \g<0> ", r"_\g<0>")  # CO$_2$, CO$_{2}$, $CO_2$
_SMALL = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_STAR = re.compile(r"(?<=[A-Z])\*")
_STARS = (" ast ", " star ", "*")
_VARIANTS = frozenset({"epsilon", "theta", "phi", "rho", "sigma", "pi", "kappa"})
_LETTERS = {"ø": "o", "ł": "l", "đ": "dj", "ı": "i", "ȷ": "j", "ß": "ss", "æ": "ae", "œ": "oe"}
# Accents by their combining character; a name that is a letter is a word of its own: \v{C}.
_ACCENTS = dict.fromkeys("\u0301\u0300\u0308\u0302\u0303\u0304\u0307", "") | dict(
    zip("\u030b\u0327\u0328\u030c\u0306\u030a\u0323\u0331", "Hckvurdb", strict=True)
)


@functools.lru_cache(maxsize=4096)
def spellings(phrase: str) -> tuple[str, ...]:
    """Return what to ask an index of TeX for, lest something be missed: first the phrase itself.

    Each is words that can stand between quotes, and each has other words in the index.
    """
    read = as_read(phrase)
    written = [read, *_in_tex(read)]
    if _is_known_without_digits(read):
        written.append(_with_small_digits(read))
    once: dict[str, str] = {}
    written = list(dict.fromkeys(map(indexable, written)))
    if len(written) == 1:  # like nearly every phrase: without stems, which are slow to import
        return tuple(written) if words(written[0]) else ()
    for each in written:
        once.setdefault(line(each), each)
    return tuple(each for known, each in once.items() if known.strip())


def indexable(text: str) -> str:
    """Return the words of a text with nothing that arXiv's query parser would act on.

    Accents are composed, as in arXiv's texts: to its index a decomposed ö is another letter.
    """
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(c if _is_indexable(c) else " " for c in composed).split())


def unfindable(phrase: str) -> str:
    """Return what of a phrase may be written so that the index does not find it; empty if nothing.

    It has no small digits and no signs, but the words in which TeX writes them.
    """
    read = as_read(phrase)
    found = [character for character in read if is_sign(character) and not character.isascii()]
    if _formulas(read) and not _is_known_without_digits(read):
        found += ["small digits"]
    return ", ".join(dict.fromkeys(found))


def _in_tex(read: str) -> Iterator[str]:
    for style in _STYLES:
        words = _STAR.sub(_STARS[style], _DIGITS.sub(_SMALL_DIGITS[style], read))
        yield "".join(_in_style(character, style) for character in words)


def _in_style(character: str, style: int) -> str:
    if character.isascii():
        return character
    if character.lower() in _LETTERS:
        return f" {_LETTERS[character.lower()]} "
    name = unicodedata.name(character, "")
    if re.fullmatch("GREEK (SMALL|CAPITAL) LETTER [A-Z]+", name):
        letter = name.rpartition(" ")[2].lower().replace("lamda", "lambda")
        return f" {'var' if style == 1 and letter in _VARIANTS else ''}{letter} "
    base, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) != 1 or marks[0] not in _ACCENTS:
        return character
    accent = _ACCENTS[marks[0]]
    return f" {accent} {base} " if accent or style == 1 else f" {base}"


def _is_known_without_digits(read: str) -> bool:
    """Tell whether a phrase says enough where small digits are no words: CO₂ does, O₃ does not."""
    if not _formulas(read):
        return False
    words = line(_with_small_digits(read)).split()
    return len(words) > 1 or len(words[0]) > 1


def _with_small_digits(read: str) -> str:
    for formula in _formulas(read):
        read = read.replace(formula, _DIGITS.sub(lambda d: d[0].translate(_SMALL), formula))
    return read


def _formulas(read: str) -> list[str]:
    """Return the words that are chemical formulas with a number in them."""
    return [
        word
        for word in re.findall(r"\w+", read)
        if _DIGITS.search(word)
        and all(part.isdigit() or part in _ELEMENTS for part in _PARTS.findall(word))
    ]


def _is_indexable(character: str) -> bool:
    return character in "-'’.,/_" or unicodedata.category(character)[0] in "LMN"
