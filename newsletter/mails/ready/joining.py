"""Join an edition in an order of its own as `Printing` prints it, if there is room for all of it.

It adds up what is known and joins what is made, in a fraction of the time.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from operator import itemgetter

from newsletter.mails.pieces import NOTHING, Both, bytes_of, size_of
from newsletter.mails.printing import (
    BEST,
    HEADS,
    LIMIT,
    LINKS,
    TEXT_LIMIT,
    TITLES,
    Printing,
)
from newsletter.mails.ready.quoted import Quoted, Ready, quoted_at_once, quoted_each
from newsletter.mails.ready.sheet import Frames, Kit, ReadyFrame, Sheet
from newsletter.mails.template import Templates, escaped


class Joiner:
    """Joins what some templates made."""

    def __init__(self, templates: Templates, printing: Printing) -> None:
        self._shared, self._fixed = templates.shared, templates.fixed
        self._printing = printing

    def joined(
        self,
        sheet: Sheet,
        framed: ReadyFrame,
        order: Sequence[int],
        closest: Mapping[int, str],
        yours: Collection[int],
    ) -> Ready | None:
        """Return the papers of a sheet in an order, None where there is no room for all of it.

        `closest` are those that stand before all sections, each with what is said of it; of `yours`
        it is said that they are the reader's own.
        """
        groups = sheet.grouped(order, closest)
        frames = self._frames(sheet, (len(closest), *map(len, groups)))
        if not (frames and sheet.tells):
            return None
        if closest:
            groups.insert(0, [*closest])
        shown = [frames.seams[0]]
        for group, seam in zip(groups, frames.seams[1:], strict=True):
            shown += group
            shown.append(seam)
        titled = itemgetter(*shown)
        told = [sheet.told[number] for number in closest]
        shown[1 : 1 + len(told)] = chain.from_iterable([each.pieces for each in told])
        if yours:
            own = {number: sheet.yours[number] for number in yours if number not in closest}
            shown = [*chain.from_iterable([own[n].pieces if n in own else (n,) for n in shown])]
            told += own.values()
        texts = [*closest.values()]
        said = _escaped(texts)
        text_more = size_of("".join(texts))
        more = text_more if said is texts else bytes_of(said)
        for each in told:
            more += each.more
            text_more += each.text_more
        best = order[:BEST] if frames.best else ()
        taken = sum([sheet.items[number] for number in best])
        if not frames.have_room(framed.size, taken, more, text_more):
            return None
        pieces = itemgetter(*shown)
        html, text = [*pieces(sheet.html)], [*pieces(sheet.text)]
        reasons = slice(2, 1 + 3 * len(texts), 3)
        text[reasons] = html[reasons] = quoted_at_once(texts)
        if said is not texts:
            html[reasons] = quoted_at_once(said)
        titles: Sequence[bytes] = ()
        text_titles: Sequence[bytes] = ()
        if len(order) > 1:
            titles, text_titles = titled(sheet.html_items), titled(sheet.text_items)
        if frames.best:
            before, behind = frames.best
            titles = (*before, *[sheet.html_items[number] for number in best], *behind)
        return Ready(
            date=framed.date,
            subject=framed.subject,
            html=_within(framed.html, titles, html),
            text=_within(framed.text, text_titles, text),
        )

    def _frames(self, sheet: Sheet, papers: tuple[int, ...]) -> Frames | None:
        """Return what stands around so many papers, the closest and those of each section.

        None where there is no room for it whatever is said.
        """
        if papers not in sheet.frames:
            sheet.frames[papers] = self._made_frames(sheet, *papers)
        return sheet.frames[papers]

    def _made_frames(self, sheet: Sheet, closest: int, *papers: int) -> Frames | None:
        several = len(papers) + bool(closest) > 1
        kits = [self._kit(sheet, n, each, several=several) for n, each in enumerate(papers)]
        if closest:
            kits.insert(0, self._kit(sheet, -1, closest, several=several))
        _, _, above, fixed, rests, titles, text_titles = map(sum, zip(*kits, strict=True))
        number = closest + sum(papers)
        best = None
        if number > 1:
            titles, text_titles = titles + sheet.titled, text_titles + sheet.text_titled
        else:
            titles = text_titles = 0
        contents = titles
        if number > TITLES:
            best = self._around_best(sheet, closest, several=several)
            titles = bytes_of((*best[0], best[1][0]))
            contents = bytes_of(chain(*best))
        if above > HEADS:
            return None
        begins, ends = [each.begin for each in kits], [each.end for each in kits]
        inner = [sheet.seams[pair] for pair in zip(ends[:-1], begins[1:], strict=True)]
        room = LIMIT - LINKS - contents
        return Frames(
            seams=[begins[0], *inner, ends[-1]],
            best=best and (quoted_each(best[0]), quoted_each(best[1])),
            titles_room=LIMIT - LINKS - 4 * titles,
            room=room - fixed - max(fixed, sheet.least, sheet.size + rests),
            text_room=TEXT_LIMIT - text_titles - sheet.text_size,
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

    def _around_best(
        self, sheet: Sheet, closest: int, *, several: bool
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what stands before the titles of the best papers, and behind them."""
        name = self._shared("group", name=f"The best {BEST}").html
        before, behind = (name, self._shared("papers").html), (self._shared("papers_end").html,)
        if not several:
            return before, behind
        head = (self._printing.closest(sheet.page.best(closest)).heading,) if closest else ()
        return before, (*behind, *self._printing.index((*head, *sheet.page.headings)))


def _within(
    frame: tuple[Quoted, Quoted], titles: Sequence[bytes], papers: Sequence[bytes]
) -> Quoted:
    opening, closing = frame
    parts = (*opening.parts, *titles, *papers, *closing.parts)
    behind = len(parts) - len(closing.parts)
    return Quoted(
        parts, [*opening.places, *[(behind + place, slot) for place, slot in closing.places]]
    )


def _escaped(texts: Sequence[str]) -> Sequence[str]:
    """Return texts as they stand in HTML: most are the same."""
    whole = "".join(texts)
    return texts if escaped(whole) == whole else [*map(escaped, texts)]
