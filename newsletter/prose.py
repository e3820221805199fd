"""A text as people read it: its TeX as Unicode, on one line, nothing in it unseen. Pure."""

import json
import re
from functools import lru_cache
from typing import Any

_LONG = 200  # characters

# Controls and separators become spaces; what reorders or hides its neighbours, and what is no
# character at all, goes. Patterns are compiled by the first text that needs them: every command
# imports this module, and most texts are printable.
_SPACES = r"[\x00-\x20\x7f-\x9f\u2028\u2029]+"
_BREAKS = r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+"
_UNSEEN = r"[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
# What may stand in an address, and around it: parts of it are seen as parts of one word.
_WORD = re.compile(r"[^\s<>\"(),:;\\\[\]]{1,320}")


def printable(text: str) -> bool:
    """Return whether `text` is free of control, format, bidi and line-separating characters.

    What people write here is refused where it is not; what comes from outside is made `plain`.
    """
    return text.isprintable() or all(
        # Joiners are ordinary letters' companions in Persian, Hindi and emoji.
        character.isprintable() or character in " \u00a0\u200c\u200d\u3000"
        for character in text
    )


def plain(text: str) -> str:
    """Return the text on one line, without controls that could change what stands around it."""
    if text.isprintable() and "  " not in text:  # as most are
        return text.strip(" ")
    return re.sub(_SPACES, " ", re.sub(_UNSEEN, "", text)).strip(" ")


def said(text: str, *, longest: int = 300) -> str:
    """Return what somebody else said fit to be shown: on one line, printable, not too long.

    Servers' replies, bounces, status lines and cells pass here before they are logged, printed,
    reported or written to a file: none of them clears a screen, turns a line round or forges one.
    """
    if len(text) <= longest and text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")  # as most are
    line = " ".join(plain(beginning(text, 4 * longest)).split())
    shown = line
    if not line.isprintable():
        shown = "".join(each if printable(each) else "\ufffd" for each in line)
    return shown if len(shown) <= longest else f"{beginning(shown, longest - 1)}…"


def beginning(text: str, longest: int) -> str:
    """Return no more than the first `longest` characters, and no part of an address.

    Without its @, what is left of an address could not be masked any more.
    """
    if len(text) <= longest:
        return text
    rest = _WORD.match(text, longest)
    end = rest.end() if rest else longest
    if "@" not in text[longest:end] and "%40" not in text[max(0, longest - 2) : end]:
        return text[:longest]
    start = longest
    while start and _WORD.match(text, start - 1, start):
        start -= 1
    return text[:start]


def shown(text: str) -> str:
    """Return a text of our own, in which others may be quoted, without what a terminal obeys."""
    if text.isprintable():
        return text
    return "".join(each if each == "\n" or printable(each) else "\ufffd" for each in text)


def line_shown(text: str) -> str:
    """Return `shown` on one line, whatever the text was made of; blanks stay: a table has many."""
    return text if text.isprintable() else shown(re.sub(_BREAKS, " ", text))


def json_shown(value: Any, *, indent: int | None = None) -> str:  # noqa: ANN401 - any JSON
    """Return JSON that says the same, with what a terminal obeys as escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if text.isprintable():
        return text
    return "".join(
        each if each == "\n" or printable(each) else json.dumps(each)[1:-1] for each in text
    )


def prose(text: str) -> str:
    """Return a title, name, comment or abstract as people read it: plain, its TeX as Unicode."""
    return (_long_prose if len(text) > _LONG else _short_prose)(text)


def _prose(text: str) -> str:
    if text.replace(" ", "").isalnum():  # no sign of TeX, as in most keywords and names
        return plain(text)
    from newsletter.tex import readable  # every command imports this module, and few read papers

    return plain(readable(text))


# Mails, pages, feeds and search say the same of a paper, its names most often. What is long takes
# most of the time and most of the memory.
_short_prose = lru_cache(maxsize=16_384)(_prose)
_long_prose = lru_cache(maxsize=4096)(_prose)
