"""What fits into the bytes that Gmail shows: papers in their sections, each in several forms."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from newsletter.mails.pieces import (
    LADDERS,
    Both,
    Columns,
    Joining,
    OnDemand,
    Shapes,
    Sizes,
    Stretch,
    size_of,
)
from newsletter.mails.views import Form, Heading, View
from newsletter.models import Digest, Edition, Keyword

_FEW = 3  # so few papers, and each has its whole abstract

Part = Literal["html", "text"]


class Card(Struct, frozen=True, kw_only=True, eq=False):
    """A paper under its keyword; `item` is its line among the titles that stand first."""

    id: str
    view: View
    item: Both
    html: Shapes
    text: Shapes


# In which form papers are shown: all in one, or each in its own; None: not at all.
Forms: TypeAlias = Form | Sequence[Form | None]


class Section:
    """A digest: papers that stand there, those that stand elsewhere, and what cannot be shown.

    Above its papers stands a head, of `heads` the small one or not; below them stands `rest` with
    the titles of what stands elsewhere, or `brief` with their number. In bytes of HTML, `above` is
    the head, `around` all but its papers, with what is brief, and `more` what the rest takes beyond
    that. `html` and `text` are its papers in each form that is asked for, `titles` their titles in
    either part, as those of one keyword of several or not. `whole_html` and `whole_text` are all of
    it with its papers in one form; in HTML with a small head or not, and with the rest or in brief.
    """

    def __init__(
        self,
        heading: Heading,
        cards: Sequence[Card],
        also: Sequence[Card],
        failed: Sequence[str],
        *,
        heads: Mapping[bool, Both],
        brackets: Mapping[bool, tuple[str, str]],
        rest: Both,
        brief: Both,
        group: Callable[[Part, bool], Sequence[str]],
        joining: Joining,
    ) -> None:
        """Put it together; `group` makes the titles, `brackets` are around papers, small or not."""
        self.heading, self.cards, self.also, self.failed = heading, cards, also, failed
        self.ids = [each.id for each in cards]
        self.heads, self.head, self.rest, self.brief = heads, heads[False], rest, brief
        self.above, below = size_of(self.head.html), size_of(brief.html)
        self.around = self.above + below
        if cards:
            self.around += 2 * size_of(brackets[False][0])
        self.more = size_of(rest.html) - below
        html = self.html = Columns([card.html for card in cards])
        text = self.text = Columns([card.text for card in cards])

        def titles(wanted: tuple[Part, bool]) -> Stretch:
            return Stretch(group(*wanted) if cards else (), joining)

        def whole_html(wanted: tuple[Form, bool, bool]) -> Stretch:
            form, small, whole = wanted
            begin, end = brackets[small] if cards else ("", "")
            below = rest.html if whole else brief.html
            return Stretch((heads[small].html, begin, *html[form].pieces, end, below), joining)

        def whole_text(form: Form) -> Stretch:
            return Stretch((self.head.text, *text[form].pieces, rest.text), joining)

        self.titles: Mapping[tuple[Part, bool], Stretch] = OnDemand(titles)
        self.whole_html: Mapping[tuple[Form, bool, bool], Stretch] = OnDemand(whole_html)
        self.whole_text: Mapping[Form, Stretch] = OnDemand(whole_text)

    @property
    def around_small(self) -> int:
        """The bytes of HTML of all but its papers where its head is small."""
        return self.around - self.above + size_of(self.heads[True].html)


class Stood(NamedTuple):
    """What stands of a digest in some editions: its section, and papers by id, of which some `new`.

    None for a paper: it cannot be shown.
    """

    section: Section | None
    shown: Mapping[str, Card | None]
    new: int


# The number of a keyword, when its digest begins, and the day of the edition.
Under: TypeAlias = tuple[int, datetime | None, date]


class Kin:
    """Digests of one keyword that announce the same papers, in whatever order.

    `near` has the bits of those that share papers with them, by their numbers, and their own.
    """

    __slots__ = ("near", "number")

    def __init__(self, number: int) -> None:
        self.number, self.near = number, 1 << number


class Announcing:
    """A digest that stands `under` a keyword on a day, and what stands of it in which editions.

    `alone` are its papers by id, as if no other keyword announced them. What makes a difference is,
    for each that another does, all that do and the card that stands already: `stood` goes by that.
    All of it follows from the order of those near to its `kin`. `found` goes by that order: it is
    known sooner.
    """

    def __init__(self, digest: Digest, under: Under, kin: Kin) -> None:
        self.digest, self.under, self.kin = digest, under, kin
        self.alone = dict.fromkeys([each.paper.id for each in digest.announcements], under[:1])
        self.stood: dict[frozenset[object], Stood] = {}
        self.found: dict[tuple[int, ...], Stood] = {}


class Announced:
    """The digests that editions have, and which of them share papers.

    `keywords` are all those under which papers stood, by their numbers.
    """

    def __init__(self) -> None:
        self.keywords: list[Keyword] = []
        self._numbers: dict[Keyword, int] = {}
        self.forget()

    def __len__(self) -> int:
        """Return how many digests are known."""
        return len(self._known)

    def forget(self) -> None:
        """Begin anew with digests, of which some are kept no longer."""
        self._known: dict[object, Announcing] = {}
        self._at: dict[int, Announcing] = {}  # by where its digest is in memory
        self._kin: dict[object, Kin] = {}
        self._numbered: list[Kin] = []
        self._under: dict[str, int] = {}  # bits of those that announce a paper

    def of(self, digest: Digest, day: date) -> Announcing:
        """Return a digest, prepared for the editions of a day that have it.

        It is known by where its announcements are in memory, where they are kept for that: to hash
        them takes longer than all else.
        """
        if (known := self._at.get(id(digest))) and known.digest is digest and known.under[2] == day:
            return known
        told = tuple(map(id, digest.announcements))
        left_out = tuple(digest.left_out.items()) if digest.left_out else ()
        key = (id(digest.keyword), digest.since, day, told, left_out)
        if known := self._known.get(key):
            return known
        number = self._numbers.setdefault(digest.keyword, len(self.keywords))
        if number == len(self.keywords):
            self.keywords.append(digest.keyword)
        under = (number, digest.since, day)  # `is_late` looks at the days, and nothing else does
        kin = self._kin_of(digest, (*under, frozenset(told)))
        self._at[id(digest)] = self._known[key] = added = Announcing(digest, under, kin)
        return added

    def _kin_of(self, digest: Digest, key: object) -> Kin:
        """Return the kin of a digest; of the first of them, have those near to it know."""
        if known := self._kin.get(key):
            return known
        self._kin[key] = added = Kin(len(self._numbered))
        self._numbered.append(added)
        bit = added.near
        for id_ in {each.paper.id for each in digest.announcements}:
            added.near |= self._under.get(id_, 0)
            self._under[id_] = self._under.get(id_, 0) | bit
        rest = added.near ^ bit
        while rest:
            last = rest.bit_length() - 1
            self._numbered[last].near |= bit
            rest ^= 1 << last
        return added


class Placed(NamedTuple):
    """A paper, and in which section it stands."""

    paper: Card
    section: int


class Page:
    """What stands in a mail: sections, and at which places their papers stand, best first.

    Places are counted through all sections. `reasons` are what is said of papers to one reader
    alone, by id; `headings` are those of the sections as all readers have them.
    """

    def __init__(
        self,
        sections: Sequence[Section],
        order: Sequence[int],
        reasons: Mapping[str, Both],
        headings: tuple[Heading, ...],
    ) -> None:
        self.sections, self.order = sections, order
        self.reasons, self.headings = reasons, headings

    def __len__(self) -> int:
        """Return the number of papers."""
        return len(self.order)

    @cached_property
    def standing(self) -> Sequence[Card]:
        """The papers as they stand below each other."""
        return [*chain.from_iterable([each.cards for each in self.sections])]

    def best(self, number: int | None = None) -> list[Card]:
        """Return so many papers, best first; all, if no number is given."""
        return list(map(self.standing.__getitem__, self.order[:number]))

    def of(self, sections: Sequence[Section]) -> "Page":
        """Return the page with some of its sections, or all papers in another one."""
        order = in_order(sections, [each.id for each in self.best()])
        return Page(sections, order, self.reasons, self.headings)

    def turns(self) -> list[int]:
        """Return the places in the order in which papers get a line.

        A long digest does not starve the next.
        """
        turns = [turn for each in self.sections for turn, _ in enumerate(each.cards)]
        return sorted(range(len(turns)), key=turns.__getitem__)

    def sizes(self, part: Part) -> Sizes:
        """Return the bytes of the papers as they stand, with what is said of them."""

        def adapted(form: Form, sizes: list[int]) -> list[int]:
            for place, card in enumerate(self.standing):
                if said := self.reasons.get(card.id):
                    around = getattr(card, part).around[form]
                    sizes[place] = around.size + size_of(getattr(said, part))
            return sizes

        columns = [each.html if part == "html" else each.text for each in self.sections]
        return Sizes(columns, adapted if self.reasons else None)

    def pieces(self, part: Part, section: Section, forms: Forms) -> Sequence[str]:
        """Return the papers of a section in some forms, with what is said of them."""
        columns = section.html if part == "html" else section.text
        each = [forms] * len(section.cards) if isinstance(forms, str) else forms
        if self.reasons:
            return [*self._saying(part, section.cards, each)]
        made = {form: columns[form].pieces for form in {*each} if form}
        return [made[form][n] for n, form in enumerate(each) if form]

    def _saying(
        self, part: Part, cards: Sequence[Card], forms: Sequence[Form | None]
    ) -> Iterator[str]:
        for card, form in zip(cards, forms, strict=True):
            if form and (said := self.reasons.get(card.id)):
                yield from getattr(card, part).around[form].saying(getattr(said, part))
            elif form:
                yield getattr(card, part).made[form]


def in_order(sections: Sequence[Section], best_first: Sequence[str]) -> Sequence[int]:
    """Return at which places papers stand, best first; unless that is known, as they stand."""
    places = range(sum([len(each.ids) for each in sections]))
    if not best_first:
        return places
    ids = [*chain.from_iterable([each.ids for each in sections])]
    by_id = dict(zip(ids, places, strict=True))
    first = [by_id[id_] for id_ in best_first if id_ in by_id]
    if len(first) < len(places):
        known = set(best_first)
        first += [place for place in places if ids[place] not in known]
    return first


def forms_of(page: Page, sizes: Sizes, room: int, wanted: Form) -> tuple[list[Forms], int]:
    """Return in which form there is room for the papers of each section, and how much is left."""
    if sizes.all(wanted) <= room:
        return [wanted] * len(page.sections), room - sizes.all(wanted)
    forms, room = fitted(sizes, room, wanted, best_first=page.order, turns=page.turns)
    found: list[Forms] = []
    start = 0
    for each in page.sections:
        here = forms[start : start + len(each.cards)]
        one = here[0] if here else wanted
        found.append(one if one and here.count(one) == len(here) else here)
        start += len(here)
    return found, room


def fitted(
    sizes: Sizes,
    room: int,
    wanted: Form,
    *,
    best_first: Sequence[int],
    turns: Callable[[], Sequence[int]],
) -> tuple[list[Form | None], int]:
    """Choose how each paper is shown, so that all of it fits into `room` bytes; None: not at all.

    First each gets its line, where not all do in the order of `turns` (places of papers); what is
    left goes to the best for more, step by step. Returns how much room is left, too.
    """
    ladder = LADDERS[wanted]
    # Below a form in which there is room for all, nothing has to be made and measured.
    start = sizes.fit(room, wanted)
    forms: list[Form | None] = [start] * len(best_first)
    if start:
        room -= sizes.all(start)
    else:
        start, least = ladder[0], sizes.each(ladder[0])
        for place in turns():
            if least[place] <= room:
                forms[place] = start
                room -= least[place]
    now: Form | None = start
    for form in ladder[ladder.index(start) + 1 :]:
        if now and None not in forms:
            more = sizes.step(now, form)
        else:
            each = {form: sizes.each(form) for form in {*forms} if form}
            further = sizes.each(form)
            more = [further[n] - each[form][n] if form else 0 for n, form in enumerate(forms)]
        fewest = min(more, default=0)
        for place in best_first:
            if room < fewest:  # there is none for any of those that are left
                break
            if forms[place] and more[place] <= room:
                forms[place] = form
                room -= more[place]
        now = form if forms.count(form) == len(forms) else None
    return forms, room


def wanted(edition: Edition, papers: int, *, smallest: bool) -> Form:
    """Return the form that papers have where there is room: as the reader chose, and how few."""
    if smallest:
        return "least"
    if edition.abstracts == "none":
        return "entry"
    return "full" if edition.abstracts == "full" or papers <= _FEW else "excerpt"
