"""What fits: papers into the bytes that Gmail shows, words into the columns of a text."""

from collections.abc import Sequence
from typing import Literal

COLUMNS = 72
Form = Literal["full", "brief", "left out"]


def fitted(sizes: Sequence[Sequence[tuple[int, int]]], room: int) -> list[list[Form]]:
    """Choose how each paper of each digest is shown, so that all of it fits into `room` bytes.

    `sizes` holds what each paper takes in full and in brief. Digests take turns, so that a long one
    does not starve the next. For what is shown in brief half of the room is kept, if it needs it.
    """
    forms: list[list[Form]] = [["left out"] * len(papers) for papers in sizes]
    turns = sorted(
        (place, digest) for digest, papers in enumerate(sizes) for place in range(len(papers))
    )
    half = room // 2
    in_brief = sum(brief for papers in sizes for _, brief in papers)
    for place, digest in turns:
        full, brief = sizes[digest][place]
        if full + min(in_brief - brief, half) <= room:
            forms[digest][place] = "full"
            room -= full
            in_brief -= brief
    for place, digest in turns:
        _, brief = sizes[digest][place]
        if forms[digest][place] == "left out" and brief <= room:
            forms[digest][place] = "brief"
            room -= brief
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
