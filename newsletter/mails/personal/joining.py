"""Join an edition in an order of its own as `Printing` prints it, if there is room for all of it.

It adds up what is known and joins what is made, in a third of the time.
"""

from collections.abc import Mapping, Sequence

from newsletter.mails.personal.sheet import Kit, Sheet
from newsletter.mails.pieces import NOTHING, Both, bytes_of, size_of
from newsletter.mails.printing import (
    BEST,
    HEADS,
    LIMIT,
    LINKS,
    TEXT_LIMIT,
    TITLES,
    Frame,
    Printing,
)
from newsletter.mails.template import Templates


class Joiner:
    """Joins what some templates made."""

    def __init__(self, templates: Templates, printing: Printing) -> None:
        self._shared, self._fixed = templates.shared, templates.fixed
        self._listing, self._printing = templates.listing, printing

    def ready(
        self,
        sheet: Sheet,
        order: Sequence[int],
        first: Sequence[int],
        reasons: Mapping[int, Both],
        around: tuple[Frame, Frame],
    ) -> Frame | None:
        """Return HTML and text of the papers of a sheet in an order, as `html` and `text` do.

        It adds up what is known and joins what is made; None where there is no room for all that
        is wanted. `first` are those that stand before all sections, `reasons` are by number;
        `around` is what stands around HTML and text.
        """
        (html_open, html_close), (text_open, text_close) = around
        groups = sheet.grouped(order, first)
        several = len(groups) + bool(first) > 1
        kits = [self._kit(sheet, n, len(each), several=several) for n, each in enumerate(groups)]
        if first:
            kits.insert(0, self._kit(sheet, -1, len(first), several=several))
            groups.insert(0, [*first])
        shown: list[int] = []
        for kit, group in zip(kits, groups, strict=True):
            shown += (kit.begin, *group, kit.end)
        _, _, above, fixed, rests, around_titles, around_texts = map(sum, zip(*kits, strict=True))
        as_html, as_text, titles, text_titles = [], [], 0, 0
        if len(order) > 1:
            as_html = list(map(sheet.html_items.__getitem__, shown))
            as_text = list(map(sheet.text_items.__getitem__, shown))
            titles, text_titles = sheet.titled + around_titles, sheet.text_titled + around_texts
        contents = titles
        if len(order) > TITLES:
            as_html, titles, contents = self._best_titles(sheet, order, len(first), several=several)
        papers, texts, more, text_more = sheet.saying(shown, reasons)
        html_room = LIMIT - LINKS - bytes_of((*html_open, *html_close))
        room = html_room - contents
        if (
            titles > html_room // 4
            or fixed > room // 2
            or fixed + max(sheet.least, sheet.size + more + rests) > room
            or above > HEADS
            or sheet.text_size + text_more > TEXT_LIMIT - text_titles
        ):
            return None
        return (
            (*html_open, *as_html, *papers, *html_close),
            (*text_open, *as_text, *texts, *text_close),
        )

    def _kit(self, sheet: Sheet, number: int, papers: int, *, several: bool) -> Kit:
        """Return what stands around so many papers of a section, or of the closest for -1."""
        key = (number, papers, several)
        if key not in sheet.kits:
            sheet.kits[key] = self._made(sheet, number, papers, several=several)
        return sheet.kits[key]

    def _made(self, sheet: Sheet, number: int, papers: int, *, several: bool) -> Kit:
        if number < 0:
            section = self._printing.closest(sheet.page.best(papers))
        else:
            whole = sheet.page.sections[number]
            section = self._printing.without(whole, whole.cards[:papers])
        head, rest = section.head, section.rest
        name = begin = end = NOTHING
        if papers:
            name = self._shared("group", name=section.heading.name if several else "")
            begin, end = self._shared("papers"), self._shared("papers_end")
            head = Both(head.html + self._fixed("papers"), head.text)
            rest = Both(self._fixed("papers_end") + rest.html, rest.text)
        return Kit(
            begin=sheet.add(head, Both(name.html + begin.html, name.text + begin.text)),
            end=sheet.add(rest, end),
            above=section.above,
            least=section.around,
            more=max(0, section.more),
            titles=size_of(name.html + begin.html + end.html),
            text_titles=size_of(name.text + begin.text + end.text),
        )

    def _best_titles(
        self, sheet: Sheet, order: Sequence[int], first: int, *, several: bool
    ) -> tuple[list[str], int, int]:
        """Return the titles of the best papers, their bytes, and the bytes of all before papers."""
        name = self._shared("group", name=f"The best {BEST}").html
        begin, end = self._shared("papers").html, self._shared("papers_end").html
        titles = [name, begin, *[sheet.html_items[n] for n in order[:BEST]], end]
        size = contents = bytes_of(titles)
        if several:
            head = (self._printing.closest(sheet.page.best(first)).heading,) if first else ()
            titles.append(self._listing("index", index=(*head, *sheet.page.headings)))
            contents += size_of(titles[-1])
        return titles, size, contents
