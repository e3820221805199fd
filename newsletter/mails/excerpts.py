"""Choose what to show of an abstract: the sentence that matched, and the one after it. Pure."""

import re
from collections.abc import Sequence

LONGEST = 320  # characters

_END = re.compile(r"[.!?][\"”’')\]]*\s+(?=[\"“‘'(\[]*[^\W_])")
# What has a full stop and ends no sentence; a letter alone is an initial.
_GOES_ON = re.compile(
    r"(?:^|[\s(\[])(?:[^\W\d_]|e\.g|i\.e|cf|vs|al|etc|resp|approx|ca|fig|figs|eq|eqs|sec|ref|refs"
    r"|no|dr|prof|st|w\.r\.t|a\.k\.a|viz)\.[\"”’')\]]*\s+$",
    re.IGNORECASE,
)


def excerpt(text: str, at: int = 0) -> tuple[int, int]:
    """Return where the excerpt of a text begins and ends: at most 320 characters around `at`.

    It is the sentence there and the next, where both fit; else that sentence; else as many words of
    it as fit.
    """
    sentences = _sentences(text)
    place = next(i for i, (_, end) in enumerate(sentences) if at < end or end == len(text))
    start, end = sentences[place]
    if end - start > LONGEST:
        return _words(text, start, end, at)
    if place + 1 < len(sentences) and sentences[place + 1][1] - start <= LONGEST:
        end = sentences[place + 1][1]
    return start, end


def _sentences(text: str) -> Sequence[tuple[int, int]]:
    """Return where the sentences of a text begin and end, without the blanks between them."""
    sentences: list[tuple[int, int]] = []
    start = 0
    for match in _END.finditer(text):
        following = text[match.end() : match.end() + 2].lstrip("\"“‘'([")
        if following[:1].islower() or _GOES_ON.search(text[max(0, match.end() - 12) : match.end()]):
            continue
        sentences.append((start, match.end() - (len(match[0]) - len(match[0].rstrip()))))
        start = match.end()
    return [*sentences, (start, len(text))]


def _words(text: str, start: int, end: int, at: int) -> tuple[int, int]:
    """Return whole words of a sentence that is too long, with room on both sides of `at`."""
    if at - start > LONGEST * 2 // 3:
        start = _word_start(text, at - LONGEST // 3, at)
    last = min(end, start + LONGEST - 2)  # an ellipsis may stand at either side
    if last < end:
        cut = text.rfind(" ", start, last + 1)
        last = cut if cut > max(start, at) else last
    return start, last


def _word_start(text: str, at: int, latest: int) -> int:
    blank = text.find(" ", at, latest)
    return blank + 1 if blank >= 0 else at
