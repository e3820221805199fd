"""Put papers into the two parts of a mail: what is always there, then as much as there is room for.

It is told what stands where, and in which order; it decides how much is shown of each.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain
from typing import NamedTuple, TypeAlias

from newsletter.mails import wording
from newsletter.mails.fitting import (
    LADDERS,
    Both,
    Card,
    Form,
    Kit,
    Page,
    Section,
    Sheet,
    bytes_of,
    forms_of,
    place,
    size_of,
)
from newsletter.mails.template import Templates
from newsletter.mails.views import Heading, Named
from newsletter.phrases import counted

# Gmail cuts a mail at about 102 KB of HTML, and what goes is the foot with the unsubscribe link.
LIMIT = 90_000
TEXT_LIMIT = 240_000

_LINKS = 3_000  # bytes of the limit that are kept for the personal links
_HEADS = 6_000  # bytes: where the headings take more, they are set smaller
_TITLES = 40  # so many papers, and their titles stand before them all
_BEST = 8  # of more papers the first of all keywords
_AROUND = 1_500  # bytes around the papers of all keywords together
_NUMBER = 5  # digits at most of the papers that a mail leaves out
_COUNT = 250  # bytes for the line that counts what a digest left out


# Pieces before something, and behind it.
Frame: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]


class _Fit(NamedTuple):
    """What there is room for: sections, and in which form each paper; how much room is left.

    With `small` headings are set smaller; `dropped` are sections for which there is none.
    """

    sections: Sequence[Section]
    forms: Mapping[str, Form | None]
    room: int
    small: bool
    dropped: Sequence[Section]


class Printing:
    """Prints mails with some templates; a paper is the same string in all of them."""

    def __init__(self, templates: Templates) -> None:
        self._html = templates.html
        self._shared, self._fixed = templates.shared, templates.fixed
        self._listing = templates.listing

    def try_out(self, card: Card) -> None:
        """Fill every block that is not a paper's. Raises RenderError where one cannot be used."""
        head = Heading("x", "x", news="x", total=1, papers=1)
        frame: dict[str, object] = {"number": 1, "page": "x", "pages": (Named("x", "x"),) * 2}
        for small in (False, True):
            self._shared("digest", digest=head, small=small)
            self._rest([card], ["x"], named=small, left_out=1, frame=frame)
        self.titles([Section(heading=head, head=card.item, cards=[("x", card)])] * 2)
        self._html.piece("index", index=[head, head])
        self._fixed("small_papers")
        self._fixed("small_papers_end")
        self._more([], frame)

    def section(
        self,
        heading: Heading,
        cards: Sequence[tuple[str, Card]],
        also: Sequence[Card] = (),
        failed: Sequence[str] = (),
    ) -> Section:
        """Return a section with all that stands around its papers."""
        return Section(
            heading=heading,
            head=self._shared("digest", digest=heading, small=False),
            cards=cards,
            also=also,
            failed=failed,
            rest=self._rest(also, failed, named=True),
            brief=self._rest(also, failed),
        )

    def titles(self, sections: Sequence[Section]) -> list[Both]:
        """Return the titles of all papers under their keywords."""
        several = len(sections) > 1
        found: list[Both] = []
        for section in sections:
            if section.cards:
                name = section.heading.name if several else ""
                found.append(self._shared("group", name=name))
                found += self._items(card for _, card in section.cards)
        return found

    def html(
        self,
        page: Page,
        form: Form,
        frame: Mapping[str, object],
        around: Frame,
        titles: Sequence[Both],
    ) -> Iterator[str]:
        """Yield the HTML `around` which something stands: titles, then as many papers as fit.

        `form` is how each paper is shown where there is room for that; `frame` says where the
        others are. Of what there is no room for, the digests count it.
        """
        opening, closing = around
        room = LIMIT - _LINKS - bytes_of((*opening, *closing))
        small = sum([size_of(each.head.html) for each in page.sections]) > _HEADS
        contents = self._contents(page, titles, room // 4, small=small)
        room -= sum(map(size_of, contents))
        fit = self._fit(page, form, frame, room, small=small)
        room = fit.room
        yield from opening
        yield from contents
        for section in fit.sections:
            yield self._head(section, small=fit.small).html
            shown = [(id_, card, it) for id_, card in section.cards if (it := fit.forms[id_])]
            if shown:
                yield from self._listed(shown, page.reasons, small=fit.small)
            brief, whole = section.brief.html, section.rest.html
            if left_out := len(section.cards) - len(shown):
                brief, whole = (
                    self._rest(
                        section.also, section.failed, named=named, left_out=left_out, frame=frame
                    ).html
                    for named in (False, True)
                )
            more = size_of(whole) - size_of(brief)
            yield whole if more <= room else brief
            room -= more if more <= room else 0
        if fit.dropped:
            yield self._more(fit.dropped, frame)
        yield from closing

    def text(
        self,
        page: Page,
        form: Form,
        around: Frame,
        titles: Sequence[Both],
    ) -> list[str]:
        """Return the text: no paper is missing, but of very many each says less."""
        opening, closing = around
        contents = [each.text for each in titles]
        room = TEXT_LIMIT - sum(map(size_of, contents))
        forms = forms_of(page.sections, page.papers, page.sizes("text", LADDERS[form]), room, form)
        pieces = [*opening, *contents]
        for section in page.sections:
            pieces.append(section.head.text)
            for id_, card in section.cards:
                shown = forms[id_] or "least"
                if id_ in page.reasons:
                    pieces += card.text.around[shown].saying(page.reasons[id_].text)
                else:
                    pieces.append(card.text.made[shown])
            pieces.append(section.rest.text)
        return [*pieces, *closing]

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
        html, text = around
        several = len(sheet.page.sections) + bool(first) > 1
        shown = self._shown(sheet, order, first, several=several)
        html_room = LIMIT - _LINKS - bytes_of(chain(*html))
        as_html, as_text = self._listed_titles(sheet, order, shown)
        titles = bytes_of(as_html)
        if several and len(order) > _TITLES:
            head = (self.closest(sheet.page.papers[: len(first)]).heading,) if first else ()
            as_html.append(self._listing("index", index=(*head, *sheet.page.headings)))
        contents = bytes_of(as_html)
        papers, texts, more, text_more = sheet.saying(reasons)
        fixed = sum([kit.least for kit, _ in shown])
        rests = sum([kit.more for kit, _ in shown])
        room = html_room - contents
        if (
            titles > html_room // 4
            or fixed > room // 2
            or fixed + max(sheet.least, sheet.sizes[0] + more + rests) > room
            or sum([kit.above for kit, _ in shown]) > _HEADS
            or sheet.sizes[1] + text_more > TEXT_LIMIT - bytes_of(as_text)
        ):
            return None
        begin, end = self._fixed("papers"), self._fixed("papers_end")
        for kit, group in shown:
            as_html.append(kit.head.html)
            as_text.append(kit.head.text)
            if group:
                as_html += [begin, *chain.from_iterable([papers[n] for n in group]), end]
                as_text += chain.from_iterable([texts[n] for n in group])
            as_html.append(kit.rest.html)
            as_text.append(kit.rest.text)
        return (*html[0], *as_html, *html[1]), (*text[0], *as_text, *text[1])

    def _shown(
        self, sheet: Sheet, order: Sequence[int], first: Sequence[int], *, several: bool
    ) -> list[tuple[Kit, Sequence[int]]]:
        """Return the sections of an order: what stands around their papers, and these."""
        shown: list[tuple[Kit, Sequence[int]]] = []
        if first:
            shown.append((self._kit(sheet, -1, len(first), several=several), first))
        for number, group in enumerate(sheet.grouped(order, first)):
            shown.append((self._kit(sheet, number, len(group), several=several), group))
        return shown

    def _kit(self, sheet: Sheet, number: int, papers: int, *, several: bool) -> Kit:
        """Return what stands around so many papers of a section, or of the closest for -1."""
        key = (number, papers, several)
        if key not in sheet.around:
            if number < 0:
                section = self.closest(sheet.page.papers[:papers])
            else:
                whole = sheet.page.sections[number]
                section = self.without(whole, whole.cards[:papers])
            sheet.around[key] = Kit(
                name=self._shared("group", name=section.heading.name if several else ""),
                head=section.head,
                rest=section.rest,
                above=size_of(section.head.html),
                least=self._around(section, small=False),
                more=max(0, size_of(section.rest.html) - size_of(section.brief.html)),
            )
        return sheet.around[key]

    def _listed_titles(
        self, sheet: Sheet, order: Sequence[int], shown: Sequence[tuple[Kit, Sequence[int]]]
    ) -> tuple[list[str], list[str]]:
        """Return the titles of all papers, in the HTML of many those of the best."""
        html: list[str] = []
        text: list[str] = []
        if len(order) < 2:
            return html, text
        begin, end = self._shared("papers"), self._shared("papers_end")
        items, text_items = sheet.html_items, sheet.text_items
        few = len(order) <= _TITLES
        for kit, group in shown:
            if group:
                text += [kit.name.text, begin.text, *[text_items[n] for n in group], end.text]
                if few:
                    html += [kit.name.html, begin.html, *[items[n] for n in group], end.html]
        if not few:
            name = self._shared("group", name=f"The best {_BEST}")
            html = [name.html, begin.html, *[items[n] for n in order[:_BEST]], end.html]
        return html, text

    def closest(self, papers: Sequence[tuple[str, Card]]) -> Section:
        """Return the section of what stands before all others."""
        said = counted(len(papers), "paper")
        head = Heading(wording.CLOSEST, "closest", said, len(papers), len(papers))
        return self.section(head, papers)

    def without(self, section: Section, left: Sequence[tuple[str, Card]]) -> Section:
        """Return a section whose other papers stand before all sections."""
        less = len(section.cards) - len(left)
        if not less:
            return replace(section, cards=left)
        head = section.heading._replace(news=wording.above(section.heading.news, less))
        return self.section(head, left, section.also, section.failed)

    def _contents(self, page: Page, titles: Sequence[Both], room: int, *, small: bool) -> list[str]:
        """Return what stands before all papers: their titles, or the best and the keywords."""
        few = len(page.papers) <= _TITLES
        contents = [each.html for each in titles]
        if titles and not few:
            contents = [each.html for each in self._best(page.papers[:_BEST])]
        if sum(map(size_of, contents)) > room:
            contents = []
        if len(page.sections) > 1 and not (few or small):
            contents.append(self._listing("index", index=page.headings))
        return contents

    def _fit(
        self, page: Page, form: Form, frame: Mapping[str, object], room: int, *, small: bool
    ) -> _Fit:
        """Choose what there is room for.

        Headings get half of it, and are set smaller or left out before a paper is.
        """
        sections, papers = page.sections, page.papers
        sizes = page.sizes("html", LADDERS[form])
        least = sum([each["least"] for each in sizes])
        fixed = [self._around(each, small=small) for each in sections]
        if least + sum(fixed) > room >= least + _AROUND:
            sections = [self._joined(page)]
            fixed, small = [_AROUND], False
        kept = sum(taken <= room // 2 for taken in accumulate(fixed))
        dropped = sections[kept:]
        room -= sum(fixed[:kept])
        if dropped:
            left = {id_ for each in sections[:kept] for id_, _ in each.cards}
            pairs = zip(papers, sizes, strict=True)
            sizes = [size for (id_, _), size in pairs if id_ in left]
            papers = [each for each in papers if each[0] in left]
        if dropped or least > room:
            room -= kept * (_COUNT + size_of(str(frame["pages"])))
            room -= size_of(self._more(dropped, frame)) + _NUMBER
        forms = forms_of(sections, papers, sizes, room, form)
        taken = zip(sizes, forms.values(), strict=True)
        room -= sum([size[form] for size, form in taken if form])
        return _Fit(sections[:kept], forms, room, small, dropped)

    def _joined(self, page: Page) -> Section:
        """Return the papers of all digests as those of one, the best first."""
        total = len(page.papers)
        name = f"The papers of {len(page.sections)} keywords"
        head = Heading(name, "all", news=f"{total}", total=total, papers=total)
        failed = [id_ for section in page.sections for id_ in section.failed]
        return self.section(head, page.papers, failed=failed)

    def _listed(
        self,
        shown: Iterable[tuple[str, Card, Form]],
        reasons: Mapping[str, Both],
        *,
        small: bool,
    ) -> Iterator[str]:
        """Yield papers as a list."""
        yield self._fixed("small_papers" if small else "papers")
        for id_, card, form in shown:
            if id_ in reasons:
                yield from card.html.around[form].saying(reasons[id_].html)
            else:
                yield card.html.made[form]
        yield self._fixed("small_papers_end" if small else "papers_end")

    def _best(self, papers: Sequence[tuple[str, Card]]) -> list[Both]:
        """Return the titles of the papers that come first among very many."""
        group = self._shared("group", name=f"The best {len(papers)}")
        return [group, *self._items(card for _, card in papers)]

    def _items(self, cards: Iterable[Card]) -> list[Both]:
        items = [card.item for card in cards]
        return [self._shared("papers"), *items, self._shared("papers_end")]

    def _around(self, section: Section, *, small: bool) -> int:
        """Return the bytes that a digest takes without its papers."""
        head = self._head(section, small=small)
        brackets = 2 * size_of(self._fixed("papers")) if section.cards else 0
        return size_of(head.html) + size_of(section.brief.html) + brackets

    def _head(self, section: Section, *, small: bool) -> Both:
        if small:
            return self._shared("digest", digest=section.heading, small=True)
        return section.head

    def _rest(
        self,
        also: Sequence[Card],
        failed: Sequence[str],
        *,
        named: bool = False,
        left_out: int = 0,
        frame: Mapping[str, object] | None = None,
    ) -> Both:
        """Return what stands below the papers of a digest; `named` are those of other keywords.

        `frame` says where the papers are that were left out.
        """
        return self._shared(
            "rest",
            also=tuple([card.view for card in also]) if named else (),
            here_too=wording.here_too(len(also)) if also and not named else "",
            more=wording.more(left_out) if left_out else "",
            **place(frame if left_out else None),
            failed=wording.not_shown(failed) if failed else "",
        )

    def _more(self, dropped: Sequence[Section], frame: Mapping[str, object]) -> str:
        """Return the line that counts the papers of keywords for which there was no room."""
        number = sum(len(each.cards) for each in dropped)
        names = [each.heading.name for each in dropped]
        return self._html.piece("more", more=wording.more(number, names), **place(frame))
