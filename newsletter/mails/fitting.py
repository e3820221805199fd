"""What fits into the bytes that Gmail shows: papers in their sections, each in several forms."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from newsletter.mails.views import Form, Heading, View
from newsletter.models import Edition

_FEW = 3  # so few papers, and each has its whole abstract

# What is said to one reader alone takes its place. Nothing that comes from outside has it.
REASON = "\x02reason\x03"

Part = Literal["html", "text"]

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


class Card(Struct, frozen=True, kw_only=True, eq=False):
    """A paper under its keyword; `item` is its line among the titles that stand first."""

    id: str
    view: View
    item: Both
    html: Shapes
    text: Shapes


class Column(NamedTuple):
    """Papers that stand below each other in one form: each a piece, and their bytes."""

    pieces: Sequence[str]
    sizes: Sequence[int]


class Section(Struct, frozen=True, kw_only=True, eq=False):
    """A digest: papers that stand there, those that stand elsewhere, and what cannot be shown.

    `head` stands above its papers; below them stands `rest` with the titles of what stands
    elsewhere, or `brief` with their number. In bytes of HTML, `above` is the head, `around` all
    but its papers, with what is brief, and `more` what the rest takes beyond that. `html` and
    `text` are its papers in each form that is asked for, `titles` their titles in either part,
    as those of one keyword of several or not.
    """

    heading: Heading
    head: Both
    cards: Sequence[Card]
    also: Sequence[Card]
    failed: Sequence[str]
    rest: Both
    brief: Both
    above: int
    around: int
    more: int
    html: Mapping[Form, Column]
    text: Mapping[Form, Column]
    titles: Mapping[tuple[Part, bool], Sequence[str]]


def columns(papers: Sequence[Shapes]) -> Mapping[Form, Column]:
    """Return papers below each other in each form that is asked for."""

    def column(form: Form) -> Column:
        return Column([each.made[form] for each in papers], [each.sizes[form] for each in papers])

    return OnDemand(column)


class Stood(NamedTuple):
    """What stands of a digest in some editions: its section, and papers by id, of which some `new`.

    None for a paper: it cannot be shown.
    """

    section: Section | None
    shown: Mapping[str, Card | None]
    new: int


class Placed(NamedTuple):
    """A paper, and in which section it stands."""

    paper: Card
    section: int


class Page(NamedTuple):
    """What stands in a mail: `papers` are those of all sections, best first.

    `reasons` are what is said of papers to one reader alone, by id; `headings` are those of the
    sections as all readers have them.
    """

    sections: Sequence[Section]
    papers: Sequence[Card]
    reasons: Mapping[str, Both]
    headings: tuple[Heading, ...]

    def standing(self) -> list[Card]:
        """Return the papers as they stand below each other."""
        return [card for each in self.sections for card in each.cards]

    def order(self) -> list[int]:
        """Return at which places the papers stand, best first."""
        place = {card: number for number, card in enumerate(self.standing())}
        return [place[card] for card in self.papers]

    def turns(self) -> list[int]:
        """Return the places in the order in which papers get a line.

        A long digest does not starve the next.
        """
        turns = [turn for each in self.sections for turn, _ in enumerate(each.cards)]
        return sorted(range(len(turns)), key=turns.__getitem__)

    def sizes(self, part: Part) -> Mapping[Form, Sequence[int]]:
        """Return the bytes of the papers, as they stand, in each form that is asked for.

        What is said of them is in it.
        """
        found = [each.html if part == "html" else each.text for each in self.sections]

        def sizes(form: Form) -> Sequence[int]:
            sizes = [*chain.from_iterable([each[form].sizes for each in found])]
            for place, card in enumerate(self.standing() if self.reasons else ()):
                if said := self.reasons.get(card.id):
                    around = getattr(card, part).around[form]
                    sizes[place] = around.size + size_of(getattr(said, part))
            return sizes

        return OnDemand(sizes)

    def pieces(self, part: Part, section: Section, forms: Sequence[Form | None]) -> Sequence[str]:
        """Return the papers of a section in some forms, with what is said of them."""
        columns = section.html if part == "html" else section.text
        if self.reasons:
            return [*self._saying(part, section.cards, forms)]
        made = {form: columns[form].pieces for form in {*forms} if form}
        if len(made) == 1 and None not in forms:
            return next(iter(made.values()))
        return [made[form][n] for n, form in enumerate(forms) if form]

    def _saying(
        self, part: Part, cards: Sequence[Card], forms: Sequence[Form | None]
    ) -> Iterator[str]:
        for card, form in zip(cards, forms, strict=True):
            if form and (said := self.reasons.get(card.id)):
                yield from getattr(card, part).around[form].saying(getattr(said, part))
            elif form:
                yield getattr(card, part).made[form]


def in_order(sections: Sequence[Section], best_first: Sequence[str]) -> list[Card]:
    """Return the papers of all sections, best first; unless that is known, as they stand."""
    papers = [card for each in sections for card in each.cards]
    if not best_first:
        return papers
    by_id = {each.id: each for each in papers}
    first = [by_id[id_] for id_ in best_first if id_ in by_id]
    if len(first) < len(papers):
        known = set(best_first)
        first += [each for each in papers if each.id not in known]
    return first


def forms_of(
    page: Page, sizes: Mapping[Form, Sequence[int]], room: int, wanted: Form
) -> tuple[list[Form | None], int]:
    """Return in which form there is room for each paper, as they stand, and how much is left."""
    taken = sum(sizes[wanted])
    if taken <= room:
        return [wanted] * len(sizes[wanted]), room - taken
    return fitted(sizes, room, wanted, best_first=page.order(), turns=page.turns)


def fitted(
    sizes: Mapping[Form, Sequence[int]],
    room: int,
    wanted: Form,
    *,
    best_first: Sequence[int],
    turns: Callable[[], Sequence[int]],
) -> tuple[list[Form | None], int]:
    """Choose how each paper is shown, so that all of it fits into `room` bytes; None: not at all.

    `sizes` are those of the papers in each form. First each gets its line, where not all do in the
    order of `turns` (places in `sizes`); what is left goes to the best for more, step by step.
    Returns how much room is left, too.
    """
    ladder = LADDERS[wanted]
    # Below a form in which there is room for all, nothing has to be made and measured.
    for start in reversed(ladder):
        now = [*sizes[start]]
        if sum(now) <= room:
            forms: list[Form | None] = [start] * len(now)
            room -= sum(now)
            break
    else:
        forms = [None] * len(now)
        for place in turns():
            if now[place] <= room:
                forms[place] = start
                room -= now[place]
    for form in ladder[ladder.index(start) + 1 :]:
        further = sizes[form]
        for place in best_first:
            more = further[place] - now[place]
            if more <= room and forms[place]:
                forms[place] = form
                room -= more
                now[place] = further[place]
    return forms, room


def all_fit(sizes: Mapping[Form, Sequence[int]], room: int, wanted: Form) -> bool:
    """Return whether there is room for all papers in one form, the wanted or a smaller one."""
    return any(sum(sizes[form]) <= room for form in reversed(LADDERS[wanted]))


def size_of(piece: str) -> int:
    """Return the bytes of a piece."""
    return len(piece) if piece.isascii() else len(piece.encode())


def bytes_of(pieces: Iterable[str]) -> int:
    """Return the bytes of some pieces."""
    return size_of("".join(pieces))


def wanted(edition: Edition, papers: int, *, smallest: bool) -> Form:
    """Return the form that papers have where there is room: as the reader chose, and how few."""
    if smallest:
        return "least"
    if edition.abstracts == "none":
        return "entry"
    return "full" if edition.abstracts == "full" or papers <= _FEW else "excerpt"
