"""Put papers into the two parts of a mail: what is always there, then as much as there is room for.

It is told what stands where, and in which order; it decides how much is shown of each.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import accumulate, chain
from typing import NamedTuple, TypeAlias

from newsletter.mails import wording
from newsletter.mails.fitting import Card, Forms, Page, Part, Section, forms_of
from newsletter.mails.pieces import Both, Joining, OnDemand, bytes_of, size_of
from newsletter.mails.template import Row, Templates
from newsletter.mails.views import Form, Heading, Named
from newsletter.phrases import counted

# Gmail cuts a mail at about 102 KB of HTML, and what goes is the foot with the unsubscribe link.
LIMIT = 90_000
TEXT_LIMIT = 240_000

LINKS = 3_000  # bytes of the limit that are kept for the personal links
HEADS = 6_000  # bytes: where the headings take more, they are set smaller
TITLES = 40  # so many papers, and their titles stand before them all
BEST = 8  # of more papers the first of all keywords
_AROUND = 1_500  # bytes around the papers of all keywords together
_NUMBER = 5  # digits at most of the papers that a mail leaves out
_JOINED = 16_000_000  # bytes of sections that are kept in one piece
_COUNT = 250  # bytes for the line that counts what a digest left out


# That differ in all that is shown of them, from the first character to the last.
_HEADINGS = (Heading("a1", "a1", "a1", 11, 11), Heading("b2", "b2", "b2", 22, 22))

# Pieces before something, and behind it.
Frame: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]


class Framed(NamedTuple):
    """What stands around the papers of an edition in both parts; of the HTML, how many bytes."""

    date: date
    subject: str
    html: Frame
    text: Frame
    size: int


class _Fit(NamedTuple):
    """What there is room for: sections, and in which form the papers of each; what is left of it.

    With `small` headings are set smaller; `dropped` are sections for which there is none.
    """

    sections: Sequence[Section]
    forms: Sequence[Forms]
    room: int
    small: bool
    dropped: Sequence[Section]


class Printing:
    """Prints mails with some templates; a paper is the same string in all of them."""

    def __init__(self, templates: Templates) -> None:
        self._html = templates.html
        self._shared, self._fixed = templates.shared, templates.fixed
        self._brackets = {
            small: (self._fixed(name), self._fixed(f"{name}_end"))
            for small, name in ((False, "papers"), (True, "small_papers"))
        }
        self._around_titles = self._shared("papers"), self._shared("papers_end")
        self.joining = Joining(_JOINED)
        self.index = Row(lambda index: templates.html.piece("index", index=index), _HEADINGS)

    def try_out(self, card: Card) -> None:
        """Fill every block that is not a paper's. Raises RenderError where one cannot be used."""
        head = Heading("x", "x", news="x", total=1, papers=1)
        frame: dict[str, object] = {"number": 1, "page": "x", "pages": (Named("x", "x"),) * 2}
        for small in (False, True):
            self._shared("digest", digest=head, small=small)
            self._rest([card], ["x"], named=small, left_out=1, frame=frame)
        self._group("x", [card], "html")
        self._more([], frame)

    def section(
        self,
        heading: Heading,
        cards: Sequence[Card],
        also: Sequence[Card] = (),
        failed: Sequence[str] = (),
    ) -> Section:
        """Return a section with all that stands around its papers."""

        def head(small: bool) -> Both:  # noqa: FBT001 (what is made on demand has no names)
            return self._shared("digest", digest=heading, small=small)

        def group(part: Part, several: bool) -> Sequence[str]:  # noqa: FBT001
            return self._group(heading.name if several else "", cards, part)

        return Section(
            heading,
            cards,
            also,
            failed,
            heads=OnDemand(head),
            brackets=self._brackets,
            rest=self._rest(also, failed, named=True),
            brief=self._rest(also, failed),
            group=group,
            joining=self.joining,
        )

    def html(
        self,
        page: Page,
        form: Form,
        frame: Mapping[str, object],
        framed: Framed,
        *,
        titled: bool,
    ) -> list[str]:
        """Return the HTML that is `framed` by something: titles, then as many papers as fit.

        `form` is how each paper is shown where there is room for that; `frame` says where the
        others are. Of what there is no room for, the digests count it.
        """
        opening, closing = framed.html
        room = LIMIT - LINKS - framed.size
        small = sum([each.above for each in page.sections]) > HEADS
        contents, taken = self._contents(page, room // 4, titled=titled, small=small)
        fit = self._fit(page, form, frame, room - taken, small=small)
        room = fit.room
        pieces = [*opening, *contents]
        for section, forms in zip(fit.sections, fit.forms, strict=True):
            if isinstance(forms, str) and not page.reasons:
                whole = section.more <= room
                room -= section.more if whole else 0
                pieces += section.whole_html[forms, fit.small, whole].pieces()
                continue
            pieces.append(section.heads[fit.small].html)
            left_out = 0 if isinstance(forms, str) else forms.count(None)
            if left_out < len(section.cards):
                begin, end = self._brackets[fit.small]
                pieces += (begin, *page.pieces("html", section, forms), end)
            brief, rest, more = section.brief.html, section.rest.html, section.more
            if left_out:
                brief, rest = (
                    self._rest(
                        section.also, section.failed, named=named, left_out=left_out, frame=frame
                    ).html
                    for named in (False, True)
                )
                more = size_of(rest) - size_of(brief)
            pieces.append(rest if more <= room else brief)
            room -= more if more <= room else 0
        if fit.dropped:
            pieces.append(self._more(fit.dropped, frame))
        return [*pieces, *closing]

    def text(self, page: Page, form: Form, framed: Framed, *, titled: bool) -> list[str]:
        """Return the text: no paper is missing, but of very many each says less."""
        opening, closing = framed.text
        contents, taken = self._titles(page.sections, "text") if titled else ([], 0)
        found, _ = forms_of(page, page.sizes("text"), TEXT_LIMIT - taken, form)
        pieces = [*opening, *contents]
        for section, forms in zip(page.sections, found, strict=True):
            if isinstance(forms, str) and not page.reasons:
                pieces += section.whole_text[forms].pieces()
                continue
            each = forms if isinstance(forms, str) else [form or "least" for form in forms]
            pieces.append(section.head.text)
            pieces += page.pieces("text", section, each)
            pieces.append(section.rest.text)
        return [*pieces, *closing]

    def closest(self, papers: Sequence[Card]) -> Section:
        """Return the section of what stands before all others."""
        said = counted(len(papers), "paper")
        head = Heading(wording.CLOSEST, "closest", said, len(papers), len(papers))
        return self.section(head, papers)

    def without(self, section: Section, left: Sequence[Card]) -> Section:
        """Return a section whose other papers stand before all sections."""
        head, less = section.heading, len(section.cards) - len(left)
        if less:
            head = head._replace(news=wording.above(head.news, less))
        return self.section(head, left, section.also, section.failed)

    def _contents(
        self, page: Page, room: int, *, titled: bool, small: bool
    ) -> tuple[Sequence[str], int]:
        """Return what stands before all papers: their titles, or the best and the keywords.

        Behind it comes how many bytes it has.
        """
        few = len(page) <= TITLES
        contents: Sequence[str] = ()
        taken = 0
        if titled and few:
            contents, taken = self._titles(page.sections, "html")
        elif titled:
            contents = self._group(f"The best {BEST}", page.best(BEST), "html")
            taken = bytes_of(contents)
        if taken > room:
            contents, taken = (), 0
        if len(page.sections) > 1 and not (few or small):
            index = self.index(page.headings)
            contents, taken = (*contents, *index), taken + bytes_of(index)
        return contents, taken

    def _titles(self, sections: Sequence[Section], part: Part) -> tuple[list[str], int]:
        """Return the titles of all papers under their keywords, and their bytes."""
        several = len(sections) > 1
        shown = [each.titles[part, several] for each in sections]
        pieces = [*chain.from_iterable([each.pieces() for each in shown])]
        return pieces, sum([each.size() for each in shown])

    def _group(self, name: str, cards: Sequence[Card], part: Part) -> list[str]:
        """Return the titles of some papers under a name."""
        group, (begin, end) = self._shared("group", name=name), self._around_titles
        if part == "html":
            return [group.html, begin.html, *[card.item.html for card in cards], end.html]
        return [group.text, begin.text, *[card.item.text for card in cards], end.text]

    def _fit(
        self, page: Page, form: Form, frame: Mapping[str, object], room: int, *, small: bool
    ) -> _Fit:
        """Choose what there is room for.

        Headings get half of it, and are set smaller or left out before a paper is.
        """
        sizes = page.sizes("html")
        fixed = [each.around_small if small else each.around for each in page.sections]
        if not sizes.fit(room - sum(fixed), form) and sizes.fit(room - _AROUND, form):
            page = page.of([self._joined(page)])
            sizes = page.sizes("html")
            fixed, small = [_AROUND], False
        kept = sum([taken <= room // 2 for taken in accumulate(fixed)])
        dropped = page.sections[kept:]
        room -= sum(fixed[:kept])
        whole = sizes.fit(room, form)
        if dropped:
            page = page.of(page.sections[:kept])
            sizes = page.sizes("html")
        if dropped or not whole:
            room -= kept * (_COUNT + size_of(str(frame["pages"])))
            room -= size_of(self._more(dropped, frame)) + _NUMBER
        forms, room = forms_of(page, sizes, room, form)
        return _Fit(page.sections, forms, room, small, dropped)

    def _joined(self, page: Page) -> Section:
        """Return the papers of all digests as those of one, the best first."""
        total = len(page)
        name = f"The papers of {len(page.sections)} keywords"
        head = Heading(name, "all", news=f"{total}", total=total, papers=total)
        failed = [each for section in page.sections for each in section.failed]
        return self.section(head, page.best(), failed=failed)

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
            **_place(frame if left_out else None),
            failed=wording.not_shown(failed) if failed else "",
        )

    def _more(self, dropped: Sequence[Section], frame: Mapping[str, object]) -> str:
        """Return the line that counts the papers of keywords for which there was no room."""
        number = sum(len(each.cards) for each in dropped)
        names = [each.heading.name for each in dropped]
        return self._html.piece("more", more=wording.more(number, names), **_place(frame))


def _place(frame: Mapping[str, object] | None) -> dict[str, object]:
    """Return where issues are in the archive, with nothing where they are not."""
    if not frame:
        return {"page": "", "number": "", "pages": ()}
    return {name: frame[name] for name in ("page", "number", "pages")}
