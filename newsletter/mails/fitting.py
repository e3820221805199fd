"""What fits: papers into the bytes that Gmail shows, words into the columns of a text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from newsletter.mails.views import Heading, View
from newsletter.models import Edition

COLUMNS = 72

_FEW = 3  # so few papers, and each has its whole abstract

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


class Both(NamedTuple):
    """A piece of both parts."""

    html: str
    text: str


class Shapes:
    """A paper as HTML or as text, in every form that was ever asked for."""

    def __init__(self, fill: Callable[[Form], str]) -> None:
        self._fill = fill
        self._made: dict[Form, str] = {}
        self._sizes: dict[Form, int] = {}

    def made(self, form: Form) -> str:
        """Return the paper in a form, the same string each time."""
        if form not in self._made:
            self._made[form] = self._fill(form)
        return self._made[form]

    def size(self, form: Form) -> int:
        """Return the bytes of a form."""
        if form not in self._sizes:
            self._sizes[form] = size_of(self.made(form))
        return self._sizes[form]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Card:
    """A paper under its keyword; `item` is its line among the titles that stand first."""

    view: View
    item: Both
    html: Shapes
    text: Shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A digest: papers that stand there, those that stand elsewhere, and what cannot be shown.

    `reasons` are what is said before a paper to this reader alone.
    """

    heading: Heading
    cards: list[tuple[str, Card]]
    also: list[tuple[str, Card]]
    failed: list[str]
    reasons: dict[str, Both] = field(default_factory=dict)


class Placed(NamedTuple):
    """Where a paper stands: in which section, and at which place there."""

    id: str
    card: Card
    section: int
    place: int


def in_order(sections: Sequence[Section], best_first: Sequence[str]) -> list[Placed]:
    """Return the papers of all sections, best first; unless that is known, as they stand."""
    order = {id_: place for place, id_ in enumerate(best_first)}
    papers = [
        Placed(id_, card, section, place)
        for section, each in enumerate(sections)
        for place, (id_, card) in enumerate(each.cards)
    ]
    return sorted(papers, key=lambda paper: order.get(paper.id, len(order)))


def joined(
    sections: Sequence[Section], papers: Sequence[Placed]
) -> tuple[list[Section], list[Placed]]:
    """Return the papers of all digests as those of one, the best first."""
    name = f"The papers of {len(sections)} keywords"
    total = len(papers)
    whole = Section(
        heading=Heading(name, "all", news=f"{total}", total=total, papers=total),
        cards=[(each.id, each.card) for each in papers],
        also=[],
        failed=[id_ for section in sections for id_ in section.failed],
        reasons={id_: said for section in sections for id_, said in section.reasons.items()},
    )
    placed = [each._replace(section=0, place=place) for place, each in enumerate(papers)]
    return [whole], placed


def turns(papers: Sequence[Placed]) -> list[int]:
    """Return the order in which papers get their line: a long digest does not starve the next."""
    return sorted(range(len(papers)), key=lambda n: (papers[n].place, papers[n].section))


def fitted(
    papers: Sequence[Shapes], room: int, wanted: Form, *, turns: Sequence[int]
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


def size_of(piece: str) -> int:
    """Return the bytes of a piece."""
    return len(piece.encode())


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


def wanted(edition: Edition, papers: int, *, smallest: bool) -> Form:
    """Return the form that papers have where there is room: as the reader chose, and how few."""
    if smallest:
        return "least"
    if edition.abstracts == "none":
        return "entry"
    return "full" if edition.abstracts == "full" or papers <= _FEW else "excerpt"


def values(paper: View, form: Form) -> dict[str, object]:
    """Return what the block `paper` shows in a form: of comment and abstract all, or a part."""
    whole, part = form == "full", form == "excerpt"
    return {
        "paper": paper,
        "comment": paper.comment if whole else paper.short_comment,
        "abstract": paper.abstract if whole else paper.excerpt if part else (),
    }


def block(form: Form) -> str:
    """Return the block of the template that shows a form."""
    return form if form in {"least", "line"} else "paper"


def place(frame: Mapping[str, object] | None) -> dict[str, object]:
    """Return where an issue is in the archive, with nothing where it is not."""
    return {name: frame[name] if frame else "" for name in ("page", "number")}
