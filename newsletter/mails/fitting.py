"""What fits: papers into the bytes that Gmail shows, words into the columns of a text."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from newsletter.mails.views import Heading, View
from newsletter.models import Edition

COLUMNS = 72

_FEW = 3  # so few papers, and each has its whole abstract

# What is said to one reader alone takes its place. Nothing that comes from outside has it.
REASON = "\x02reason\x03"

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


NOTHING = Both("", "")


class OnDemand(dict[Any, Any]):
    """A dictionary that makes what it does not have yet, and keeps it."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:  # noqa: ANN401 (whatever is made)
        value = self[key] = self._make(key)
        return value


class Shapes:
    """A paper as HTML or as text, in every form that was ever asked for.

    `fill` makes a form, with what is said before the paper to one reader alone. `made` has the
    forms in which nothing is, the same string each time; `sizes` their bytes; `around` what stands
    before it and behind it where something is, and how many bytes that takes without it.
    """

    __slots__ = ("around", "made", "sizes")

    def __init__(self, fill: Callable[[Form, str], str]) -> None:
        def around(form: Form) -> Around:
            before, _, after = fill(form, REASON).partition(REASON)
            return Around(before, after, size_of(before) + size_of(after))

        self.made: Mapping[Form, str] = OnDemand(lambda form: fill(form, ""))
        self.sizes: Mapping[Form, int] = OnDemand(lambda form: size_of(self.made[form]))
        self.around: Mapping[Form, Around] = OnDemand(around)


class Around(NamedTuple):
    """A paper in two pieces; the second is empty where a template does not say why."""

    before: str
    after: str
    size: int

    def saying(self, reason: str) -> tuple[str, ...]:
        """Return the paper with what is said in it."""
        return (self.before, reason, self.after) if self.after else (self.before,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Card:
    """A paper under its keyword; `item` is its line among the titles that stand first."""

    view: View
    item: Both
    html: Shapes
    text: Shapes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Section:
    """A digest: papers that stand there, those that stand elsewhere, and what cannot be shown.

    `head` stands above its papers; below them stands `rest` with the titles of what stands
    elsewhere, or `brief` with their number.
    """

    heading: Heading
    head: Both
    cards: Sequence[tuple[str, Card]]
    also: Sequence[Card] = ()
    failed: Sequence[str] = ()
    rest: Both = NOTHING
    brief: Both = NOTHING


class Placed(NamedTuple):
    """A paper with its id, and in which section it stands."""

    paper: tuple[str, Card]
    section: int


class Page(NamedTuple):
    """What stands in a mail: `papers` are those of all sections, best first.

    `reasons` are what is said of papers to one reader alone; `headings` are those of the
    sections as all readers have them.
    """

    sections: Sequence[Section]
    papers: Sequence[tuple[str, Card]]
    reasons: Mapping[str, Both]
    headings: tuple[Heading, ...]

    def sizes(
        self, part: Literal["html", "text"], forms: Iterable[Form]
    ) -> list[Mapping[Form, int]]:
        """Return the bytes of each paper in some forms, with what is said of it."""
        if part == "html":
            found = [card.html.sizes for _, card in self.papers]
        else:
            found = [card.text.sizes for _, card in self.papers]
        if self.reasons:
            for place, (id_, card) in enumerate(self.papers):
                if id_ in self.reasons:
                    shapes = card.html if part == "html" else card.text
                    said = self.reasons[id_]
                    more = size_of(said.html if part == "html" else said.text)
                    found[place] = {form: shapes.around[form].size + more for form in forms}
        return found


class Kit(NamedTuple):
    """What stands around the papers of a section: `name` among the titles, `head`, and `rest`.

    In bytes of HTML, `above` is the head, `least` all of it, and `more` what the rest takes beyond
    that when it is whole.
    """

    name: Both
    head: Both
    rest: Both
    above: int
    least: int
    more: int


class Sheet:
    """The papers of a page, each in the form that is wanted, ready to be put in any order.

    They have numbers: `number` by id, `at` the section of each. `html` and `text` are the papers in
    pieces, `sizes` the bytes of either together, `least` those of the shortest form of all as HTML;
    `html_items` and `text_items` are their lines among the titles, and `around` keeps what stands
    around papers.
    """

    def __init__(self, page: Page, form: Form) -> None:
        self.page, self.form = page, form
        places = [(n, paper) for n, each in enumerate(page.sections) for paper in each.cards]
        self.number = {id_: number for number, (_, (id_, _)) in enumerate(places)}
        self.at = [section for section, _ in places]
        self.cards = cards = [card for _, (_, card) in places]
        self.titles = [each.view.short_title for each in cards]
        self.html: list[tuple[str, ...]] = [(each.html.made[form],) for each in cards]
        self.text: list[tuple[str, ...]] = [(each.text.made[form],) for each in cards]
        self.html_items = [each.item.html for each in cards]
        self.text_items = [each.item.text for each in cards]
        self.sizes = (
            sum(each.html.sizes[form] for each in cards),
            sum(each.text.sizes[form] for each in cards),
        )
        self.least = sum(each.html.sizes["least"] for each in cards)
        self.around: dict[tuple[int, int, bool], Kit] = {}

    def saying(
        self, reasons: Mapping[int, Both]
    ) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]], int, int]:
        """Return the papers in pieces, with reasons in some, and how many bytes more that takes."""
        html, text, more, text_more = self.html.copy(), self.text.copy(), 0, 0
        for number, said in reasons.items():
            card, form = self.cards[number], self.form
            here, there = card.html.around[form], card.text.around[form]
            html[number], text[number] = here.saying(said.html), there.saying(said.text)
            more += here.size + size_of(said.html) - card.html.sizes[form]
            text_more += there.size + size_of(said.text) - card.text.sizes[form]
        return html, text, more, text_more

    def grouped(self, order: Iterable[int], first: Collection[int]) -> list[list[int]]:
        """Return the papers of each section in an order, but for those that stand before all."""
        groups: list[list[int]] = [[] for _ in self.page.sections]
        at, moved = self.at, {*first}
        for number in order:
            if number not in moved:
                groups[at[number]].append(number)
        return groups


def in_order(sections: Sequence[Section], best_first: Sequence[str]) -> list[tuple[str, Card]]:
    """Return the papers of all sections, best first; unless that is known, as they stand."""
    papers = {paper[0]: paper for each in sections for paper in each.cards}
    if not best_first:
        return list(papers.values())
    first = [papers[id_] for id_ in best_first if id_ in papers]
    if len(first) < len(papers):
        known = set(best_first)
        first += [each for id_, each in papers.items() if id_ not in known]
    return first


def turns(sections: Sequence[Section], papers: Sequence[tuple[str, Card]]) -> list[int]:
    """Return the order in which papers get their line: a long digest does not starve the next."""
    at = {
        id_: (place, number)
        for number, each in enumerate(sections)
        for place, (id_, _) in enumerate(each.cards)
    }
    return sorted(range(len(papers)), key=lambda n: at[papers[n][0]])


def fitted(
    sizes: Sequence[Mapping[Form, int]], room: int, wanted: Form, *, turns: Sequence[int]
) -> list[Form | None]:
    """Choose how each paper is shown, so that all of it fits into `room` bytes; None: not at all.

    `sizes` are those of the papers, best first. First each gets its line, where not all do in the
    order of `turns` (places in `sizes`); what is left goes to the best for more, step by step.
    """
    if sum([each[wanted] for each in sizes]) <= room:
        return [wanted] * len(sizes)
    least, *further = LADDERS[wanted]
    now = [each[least] for each in sizes]
    forms: list[Form | None] = [None] * len(sizes)
    if sum(now) <= room:
        forms = [least] * len(sizes)
        room -= sum(now)
    else:
        for place in turns:
            if now[place] <= room:
                forms[place] = least
                room -= now[place]
    for form in further:
        for place, each in enumerate(sizes):
            size = each[form]
            if size - now[place] <= room and forms[place]:
                forms[place] = form
                room -= size - now[place]
                now[place] = size
    return forms


def forms_of(
    sections: Sequence[Section],
    papers: Sequence[tuple[str, Card]],
    sizes: Sequence[Mapping[Form, int]],
    room: int,
    form: Form,
) -> dict[str, Form | None]:
    """Return in which form there is room for each paper."""
    least = sum([each["least"] for each in sizes])
    in_turn = turns(sections, papers) if least > room else ()
    chosen = fitted(sizes, room, form, turns=in_turn)
    return dict(zip([id_ for id_, _ in papers], chosen, strict=True))


def size_of(piece: str) -> int:
    """Return the bytes of a piece."""
    return len(piece) if piece.isascii() else len(piece.encode())


def bytes_of(pieces: Iterable[str]) -> int:
    """Return the bytes of some pieces."""
    return size_of("".join(pieces))


def wrapped(text: str) -> str:
    """Return the text in lines of at most 72 columns, indented as they began, "- " and all.

    Words are never broken, so neither are addresses.
    """
    if len(text) <= COLUMNS:
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        if len(line) <= COLUMNS:
            lines.append(line)
            continue
        rest = line.lstrip(" ").removeprefix("- ")
        indent = line[: len(line) - len(rest)]
        width = COLUMNS - len(indent)
        while len(rest) > width:
            cut = rest.rfind(" ", 0, width + 1)
            if cut < 0 and (cut := rest.find(" ", width)) < 0:
                break
            lines.append(indent + rest[:cut])
            indent, rest = " " * len(indent), rest[cut + 1 :]
        lines.append(indent + rest)
    return "\n".join(lines)


def wanted(edition: Edition, papers: int, *, smallest: bool) -> Form:
    """Return the form that papers have where there is room: as the reader chose, and how few."""
    if smallest:
        return "least"
    if edition.abstracts == "none":
        return "entry"
    return "full" if edition.abstracts == "full" or papers <= _FEW else "excerpt"


def values(paper: View, form: Form, reason: str) -> dict[str, object]:
    """Return what the block `paper` shows in a form: of comment and abstract all, or a part.

    `reason` is why the paper is close to what the reader wrote.
    """
    whole, part = form == "full", form == "excerpt"
    return {
        "paper": paper,
        "reason": reason,
        "comment": paper.comment if whole else paper.short_comment,
        "abstract": paper.abstract if whole else paper.excerpt if part else (),
    }


def block(form: Form) -> str:
    """Return the block of the template that shows a form."""
    return form if form in {"least", "line"} else "paper"


def place(frame: Mapping[str, object] | None) -> dict[str, object]:
    """Return where issues are in the archive, with nothing where they are not."""
    if not frame:
        return {"page": "", "number": "", "pages": ()}
    return {name: frame[name] for name in ("page", "number", "pages")}
