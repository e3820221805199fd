"""The papers of a page, ready to be put in any order; it knows no template and no reader."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from newsletter.mails.fitting import Card, Page
from newsletter.mails.pieces import Around, Both, OnDemand, bytes_of, size_of
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


class Sheet:
    """The papers of a page, each in the form that is wanted, ready to be put in any order.

    `number` has their numbers by id, `at` the section of each. By these, `html` and `text` have the
    papers, `html_items` and `text_items` their lines among the titles; behind the papers stands
    what is around them, as `kits` know. In bytes of HTML all papers take `size`, `least`
    in their shortest form, their titles `titled`; `text_size` and `text_titled` are of the text.
    """

    def __init__(self, page: Page, form: Form) -> None:
        self.page = page
        places = [(n, paper) for n, each in enumerate(page.sections) for paper in each.cards]
        self.number = {card.id: number for number, (_, card) in enumerate(places)}
        self.at = [section for section, _ in places]
        cards = [card for _, card in places]
        self.titles = [each.view.short_title for each in cards]
        self.html = [each.html.made[form] for each in cards]
        self.text = [each.text.made[form] for each in cards]
        self.html_items = [each.item.html for each in cards]
        self.text_items = [each.item.text for each in cards]
        self.size = sum(each.html.sizes[form] for each in cards)
        self.least = sum(each.html.sizes["least"] for each in cards)
        self.titled, self.text_titled = bytes_of(self.html_items), bytes_of(self.text_items)
        self.text_size = sum(each.text.sizes[form] for each in cards)
        self.kits: dict[tuple[int, int, bool], Kit] = {}
        self._said: Mapping[int, _Said] = OnDemand(lambda number: _said(cards[number], form))

    def add(self, around: Both, titles: Both) -> int:
        """Add what stands around papers and around their titles, and return its number."""
        self.html.append(around.html)
        self.text.append(around.text)
        self.html_items.append(titles.html)
        self.text_items.append(titles.text)
        return len(self.html) - 1

    def grouped(self, order: Iterable[int], first: Collection[int]) -> list[list[int]]:
        """Return the papers of each section in an order, but for those that stand before all."""
        groups, at, moved = [list[int]() for _ in self.page.sections], self.at, {*first}
        for number in order:
            if number not in moved:
                groups[at[number]].append(number)
        return groups

    def saying(
        self, order: Sequence[int], reasons: Mapping[int, Both]
    ) -> tuple[list[str], list[str], int, int]:
        """Return pieces of both parts, with reasons in some, and the bytes that these add."""
        html = list(map(self.html.__getitem__, order))
        text = list(map(self.text.__getitem__, order))
        more = text_more = 0
        for place in sorted(map(order.index, reasons), reverse=True):  # the last first: they grow
            here, said = self._said[order[place]], reasons[order[place]]
            html[place : place + 1] = here.html.saying(said.html)
            text[place : place + 1] = here.text.saying(said.text)
            more += here.more + size_of(said.html)
            text_more += here.text_more + size_of(said.text)
        return html, text, more, text_more


class _Said(NamedTuple):
    """A paper with something said in it, and how many bytes more it takes without that."""

    html: Around
    text: Around
    more: int
    text_more: int


def _said(card: Card, form: Form) -> _Said:
    html, text = card.html.around[form], card.text.around[form]
    more, text_more = html.size - card.html.sizes[form], text.size - card.text.sizes[form]
    return _Said(html, text, more, text_more)
