"""The papers of a page, ready to be put in any order; it knows no template and no reader."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from newsletter.mails.fitting import Page
from newsletter.mails.pieces import NOTHING, Both, OnDemand, bytes_of, size_of
from newsletter.mails.ready.quoted import READY, Quoted
from newsletter.mails.ready.words import YOURS
from newsletter.mails.views import Form


class Kit(NamedTuple):
    """What stands around so many papers of a section: pieces of a sheet, by their numbers.

    `begin` and `end` are those before and behind them. In bytes of HTML, `above` is its head,
    `least` all but the papers, `more` what is below them beyond that when it is whole, and `titles`
    what stands around their titles, `text_titles` the same of the text.
    """

    begin: int
    end: int
    above: int
    least: int
    more: int
    titles: int
    text_titles: int


class Frames(NamedTuple):
    """What stands around so many papers of each section, and how much room that leaves.

    `seams` are the numbers of what stands before the papers of the first section, between those of
    two, and behind the last. Where there are too many papers for all their titles, `best` is what
    stands in HTML before those of the best ones, and behind them.
    """

    seams: Sequence[int]
    best: tuple[Sequence[bytes], Sequence[bytes]] | None
    titles_room: int
    room: int
    text_room: int

    def have_room(self, opening: int, best: int, more: int, text_more: int) -> bool:
        """Return whether all papers fit in as they are wanted.

        In bytes, `opening` is what stands around everything in HTML, `best` the titles of the best
        papers, `more` what is said of papers, `text_more` the same of the text.
        """
        return (
            opening + 4 * best <= self.titles_room  # a quarter of what there is
            and opening + best + more <= self.room
            and text_more <= self.text_room
        )


class ReadyFrame(NamedTuple):
    """What stands around the papers of an edition in both parts, of the HTML `size` bytes."""

    date: date
    subject: str
    html: tuple[Quoted, Quoted]
    text: tuple[Quoted, Quoted]
    size: int


class Told(NamedTuple):
    """A paper of which something is said, and how many bytes more it takes without that.

    `pieces` are three: before it, in its place, and behind it.
    """

    pieces: tuple[int, int, int]
    more: int
    text_more: int


class Sheet:
    """The papers of a page, each in the form that is wanted, ready to be put in any order.

    `number` has their numbers by id, `at` the section of each. By these, `html` and `text` have the
    papers, `html_items` and `text_items` their lines among the titles, all in quoted-printable;
    behind the papers stands what is around them, as `kits` and `frames` know. In bytes of HTML all
    papers take `size`, `least` in their shortest form, their titles `items`, which all together are
    `titled`; `text_size` and `text_titled` are of the text. `told` are papers of which something is
    said to one reader, `yours` those that are the reader's own; `tells` is whether the templates
    have a place for that in both parts.
    """

    def __init__(self, page: Page, form: Form) -> None:
        self.page = page
        places = [(n, paper) for n, each in enumerate(page.sections) for paper in each.cards]
        self.number = {card.id: number for number, (_, card) in enumerate(places)}
        self.at = [section for section, _ in places]
        cards = [card for _, card in places]
        self.titles = [each.view.short_title for each in cards]
        self.html: list[bytes] = []
        self.text: list[bytes] = []
        self.html_items: list[bytes] = []
        self.text_items: list[bytes] = []
        for each in cards:
            self.add(Both(each.html.made[form], each.text.made[form]), each.item)
        self.size = sum(each.html.sizes[form] for each in cards)
        self.least = sum(each.html.sizes["least"] for each in cards)
        self.items = [size_of(each.item.html) for each in cards]
        self.titled, self.text_titled = sum(self.items), bytes_of(each.item.text for each in cards)
        self.text_size = sum(each.text.sizes[form] for each in cards)
        self.kits: dict[tuple[int, int, bool], Kit] = {}
        self.frames: dict[tuple[int, ...], Frames | None] = {}
        self.seams: Mapping[tuple[int, int], int] = OnDemand(lambda pair: self._sewn(*pair))
        self.tells = all(x.around[form].after for each in cards for x in (each.html, each.text))
        blank, label = self.add(NOTHING), self.add(YOURS)

        def told(number: int, said: int, size: int, text_size: int) -> Told:
            html, text = cards[number].html, cards[number].text
            around, text_around = html.around[form], text.around[form]
            before = self.add(Both(around.before, text_around.before))
            after = self.add(Both(around.after, text_around.after))
            return Told(
                pieces=(before, said, after),
                more=around.size + size - html.sizes[form],
                text_more=text_around.size + text_size - text.sizes[form],
            )

        sizes = (size_of(YOURS.html), size_of(YOURS.text))
        self.told: Mapping[int, Told] = OnDemand(lambda number: told(number, blank, 0, 0))
        self.yours: Mapping[int, Told] = OnDemand(lambda number: told(number, label, *sizes))

    def add(self, piece: Both, title: Both = NOTHING) -> int:
        """Add what stands among the papers and among their titles, and return its number."""
        self.html.append(READY[piece.html])
        self.text.append(READY[piece.text])
        self.html_items.append(READY[title.html])
        self.text_items.append(READY[title.text])
        return len(self.html) - 1

    def _sewn(self, end: int, begin: int) -> int:
        """Add two that stand behind each other as one, and return its number."""
        for each in (self.html, self.text, self.html_items, self.text_items):
            each.append(each[end] + each[begin])
        return len(self.html) - 1

    def grouped(self, order: Iterable[int], first: Collection[int]) -> list[list[int]]:
        """Return the papers of each section in an order, but for those that stand before all."""
        groups, at, moved = [list[int]() for _ in self.page.sections], self.at, {*first}
        for number in order:
            if number not in moved:
                groups[at[number]].append(number)
        return groups
