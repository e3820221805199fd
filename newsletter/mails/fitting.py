"""What fits: papers into the bytes that Gmail shows, words into the columns of a text."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

COLUMNS = 72

# From the title and its first author to the whole abstract; `entry` has links and no abstract.
Form = Literal["least", "line", "entry", "excerpt", "full"]

# What a paper is shown as on the way to the form that is wanted.
LADDERS: Mapping[Form, Sequence[Form]] = {
    "least": ("least",),
    "line": ("least", "line"),
    "entry": ("least", "line", "entry"),
    "excerpt": ("least", "line", "excerpt"),
    "full": ("least", "line", "excerpt", "full"),
}


class Sized(Protocol):
    """A paper, of which it is known how many bytes it takes in each form."""

    def size(self, form: Form) -> int:
        """Return the bytes of one form."""
        ...


def fitted(
    papers: Sequence[Sized], room: int, wanted: Form, *, turns: Sequence[int]
) -> list[Form | None]:
    """Choose how each paper is shown, so that all of it fits into `room` bytes; None: not at all.

    `papers` come best first. First each gets its line, where not all do in the order of `turns`
    (places in `papers`); what is left goes to the best for more, step by step.
    """
    now = [paper.size(wanted) for paper in papers]
    if sum(now) <= room:
        return [wanted] * len(papers)
    least, *further = LADDERS[wanted]
    now = [paper.size(least) for paper in papers]
    forms: list[Form | None] = [None] * len(papers)
    for place in turns:
        if now[place] <= room:
            forms[place] = least
            room -= now[place]
    for form in further:
        for place, size in enumerate([paper.size(form) for paper in papers]):
            if forms[place] and size - now[place] <= room:
                forms[place] = form
                room -= size - now[place]
                now[place] = size
    return forms


def wrapped(text: str) -> str:
    """Return the text in lines of at most 72 columns, indented as they began, "- " and all.

    Words are never broken, so neither are addresses.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if len(line) <= COLUMNS:
            lines.append(line)
            continue
        rest = line.lstrip(" ").removeprefix("- ")
        indent = line[: len(line) - len(rest)]
        first, *words = rest.split(" ")
        current = indent + first
        for word in words:
            if len(current) + 1 + len(word) > COLUMNS:
                lines.append(current)
                current = " " * len(indent) + word
            else:
                current += f" {word}"
        lines.append(current)
    return "\n".join(lines)
