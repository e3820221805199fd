"""Turn an edition into the text of a mail; it knows no recipient and no header.

What editions share is made once: a paper is filled into the templates once for all the editions
that show it in the same way, and the same string stands in all of them.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from itertools import accumulate
from pathlib import Path

from newsletter.addresses import bare
from newsletter.errors import RenderError
from newsletter.mails import wording
from newsletter.mails.fitting import (
    LADDERS,
    Both,
    Card,
    Form,
    Placed,
    Section,
    Shapes,
    block,
    fitted,
    in_order,
    joined,
    place,
    size_of,
    turns,
    values,
    wanted,
    wrapped,
)
from newsletter.mails.template import Templates
from newsletter.mails.views import Heading, View, heading, matched, specimen, view
from newsletter.models import Announcement, Digest, Edition, Keyword, Masthead, Rendered
from newsletter.phrases import counted
from newsletter.prose import plain

# Text that comes from outside loses its control characters, so that nobody can forge the slot.
UNSUBSCRIBE = "\x02unsubscribe\x03"
PREFERENCES = "\x02preferences\x03"

# Gmail cuts a mail at about 102 KB of HTML, and what goes is the foot with the unsubscribe link.
LIMIT = 90_000
TEXT_LIMIT = 240_000

_LINKS = 3_000  # bytes of the limit that are kept for the personal links
_HEADS = 6_000  # bytes: where the headings take more, they are set smaller
_TITLES = 40  # so many papers, and their titles stand before them all
_BEST = 8  # of more papers the first of all keywords
_AROUND = 1_500  # bytes around the papers of all keywords together
_COUNT = 250  # bytes for the line that counts what a digest left out
_PREHEADER = 140  # characters that an inbox shows behind a subject
logger = logging.getLogger(__name__)


class Renderer:
    """Renders the editions of one run. Opening it takes 0.2 s, an edition next to nothing.

    `templates` is a folder whose files take the place of the shipped ones of the same name;
    `bibtex` adds a link to the BibTeX entry of each paper; `timezone` is that of the dates of
    the issues; `subject` takes the place of our subject, see `wording.subject`.
    Raises RenderError with file and line where a template cannot be used.
    """

    def __init__(
        self,
        masthead: Masthead,
        *,
        templates: Path | None,
        bibtex: bool = False,
        timezone: tzinfo = UTC,
        subject: str = "",
    ) -> None:
        self._title = plain(masthead.title)
        self._owner = bare(masthead.reply_to or masthead.sender)
        self._issue_url = masthead.issue_url
        self._preferences = PREFERENCES if masthead.base_url or masthead.changeable else ""
        self._bibtex, self._timezone, self._subject = bibtex, timezone, subject
        opened = Templates(templates)
        self._html, self._text = opened.html, opened.text
        self._shared, self._fixed, self._both = opened.shared, opened.fixed, opened.both
        self._cards: dict[object, Card | None] = {}
        self._try_out()

    def _try_out(self) -> None:
        """Fill every block once, so that a fault is found before the day that needs the block."""
        card, head = self._filled(specimen()), Heading("x", "x", news="x", total=1, papers=1)
        section = Section(heading=head, cards=[("x", card)], also=[("x", card)], failed=["x"])
        for form in LADDERS["full"]:
            card.html.made(form)
            card.text.made(form)
        for small in (False, True):
            self._head(section, small=small)
            self._rest(section, named=small, left_out=1, frame={"number": 1, "page": "x"})
        tuple(self._titles([section, section]))
        self._html.piece("index", index=[head, head])
        self._shared("reason", reason="x")
        self._html.piece("small_papers")
        self._html.piece("small_papers_end")
        self._more(1, [], frame={"number": 1, "page": "x"})

    def render(self, edition: Edition, *, smallest: bool = False) -> Rendered:
        """Return the edition as HTML of at most 90 KB, and as text, in which no paper is missing.

        With `smallest` papers are titles and nothing else. A paper that cannot be shown costs one
        line. Raises RenderError for a template's fault, and when none of several papers can be
        shown: that is no paper's fault.
        """
        edition = replace(edition, digests=tuple(map(self._local, edition.digests)))
        sections = self._sections(edition)
        papers = in_order(sections, edition.best_first)
        if not papers and sum(len(each.failed) for each in sections) > 1:
            reason = "none of the papers can be shown; the log says why, paper by paper"
            raise RenderError("edition.html", reason)
        titles = [each.card.view.short_title for each in papers]
        form = wanted(edition, len(papers), smallest=smallest)
        names = [each.keyword.name for each in edition.digests]
        subject = wording.subject(
            self._subject, edition, newsletter=self._title, best=titles[0] if titles else ""
        )
        frame = {
            "title": self._title,
            "subject": subject,
            "preheader": wording.shortened(" · ".join(titles[1:6]), _PREHEADER),
            "when": wording.when(edition),
            "number": edition.issue,
            "page": self._issue_url(edition.issue),
            "count": wording.count(edition),
            "sources": list(dict.fromkeys(plain(each.source) for each in edition.digests)),
            "notes": wording.notes(edition),
            "quiet": wording.quiet(edition),
            "keywords": wording.listed(names) if names else "",
            "owner": self._owner,
            "preferences": self._preferences,
            "unsubscribe": UNSUBSCRIBE,
        }
        titled = not smallest and len(papers) > 1
        return Rendered(
            date=edition.date,
            subject=subject,
            html=tuple(self._as_html(sections, papers, form, frame, titled=titled)),
            text=tuple(self._as_text(sections, papers, form, frame, titled=titled)),
        )

    def _local(self, digest: Digest) -> Digest:
        return replace(digest, since=digest.since and digest.since.astimezone(self._timezone))

    def _sections(self, edition: Edition) -> list[Section]:
        """Return the digests with papers; a paper stands under one of them, others refer to it."""
        keywords = matched(edition)
        shown: dict[str, Card | None] = {}
        sections = []
        closest = self._closest(edition)
        for digest in edition.digests:
            name = digest.keyword.name
            section = Section(heading=heading(digest, edition), cards=[], also=[], failed=[])
            for each in digest.announcements:
                id_ = each.paper.id
                own = edition.shown_in[id_] == name
                if own and id_ not in shown:
                    shown[id_] = self._card(each, digest, edition, keywords[id_])
                card = shown.get(id_)
                if card and own and id_ in closest.reasons:
                    closest.cards.append((id_, card))
                    section.also.append((id_, card))
                elif card:
                    (section.cards if own else section.also).append((id_, card))
                    if own and id_ in edition.yours:
                        section.reasons[id_] = self._shared("reason", reason=wording.YOURS)
                elif own:
                    section.failed.append(each.paper.local_id)
            if section.cards or section.also or section.failed:
                sections.append(section)
        if not closest.cards:
            return sections
        place = {each.id: number for number, each in enumerate(edition.closest)}
        closest.cards.sort(key=lambda each: place[each[0]])
        return [closest, *sections]

    def _closest(self, edition: Edition) -> Section:
        """Return the section of what is closest to a reader's own papers, still without cards."""
        number = len(edition.closest)
        said = counted(number, "paper")
        return Section(
            heading=Heading(wording.CLOSEST, "closest", news=said, total=number, papers=number),
            cards=[],
            also=[],
            failed=[],
            reasons={
                each.id: self._both("reason", reason=wording.close_to(each))
                for each in edition.closest
            },
        )

    def _card(
        self,
        announcement: Announcement,
        digest: Digest,
        edition: Edition,
        keywords: Sequence[Keyword],
    ) -> Card | None:
        """Return the card of a paper, None if there is no showing it."""
        # `is_late` looks at the days, and nothing else does.
        days = (digest.since, edition.date)
        key = (announcement, tuple(keywords), digest.keyword.name, days)
        if key not in self._cards:
            try:
                seen = view(announcement, digest, edition.date, keywords, bibtex=self._bibtex)
            except OSError:
                raise  # no paper's fault
            except Exception as e:  # noqa: BLE001 (one bad paper costs a line, not the mail)
                logger.warning("paper %r cannot be shown: %r", announcement.paper.id, e)
                self._cards[key] = None
            else:
                self._cards[key] = self._filled(seen)
        return self._cards[key]

    def _filled(self, paper: View) -> Card:
        return Card(
            view=paper,
            item=self._both("item", paper=paper),
            html=Shapes(lambda form: self._html.piece(block(form), **values(paper, form))),
            text=Shapes(lambda form: wrapped(self._text.piece(block(form), **values(paper, form)))),
        )

    def _as_html(
        self,
        sections: Sequence[Section],
        papers: Sequence[Placed],
        form: Form,
        frame: dict[str, object],
        *,
        titled: bool,
    ) -> Iterator[str]:
        """Yield the HTML: what is always there, then papers as there is room for them.

        Headings get half of it, and are set smaller or left out before a paper is. Of what there is
        still no room for, the digests count it.
        """
        few = len(papers) <= _TITLES
        titles = self._titles(sections) if few else self._best(papers[:_BEST])
        contents = [each.html for each in titles] if titled else []
        opening = self._html.piece("opening", **frame)
        closing = self._html.piece("closing", **frame)
        room = LIMIT - _LINKS - size_of(opening) - size_of(closing)
        if sum(map(size_of, contents)) > room // 4:
            contents = []
        small = sum(size_of(self._head(each).html) for each in sections) > _HEADS
        if len(sections) > 1 and not (few or small):
            index = [each.heading for each in sections]
            contents.append(self._html.piece("index", index=index))
        room -= sum(map(size_of, contents))

        least = sum(each.card.html.size("least") for each in papers)
        fixed = [self._around(each, small=small) for each in sections]
        if least + sum(fixed) > room >= least + _AROUND:
            sections, papers = joined(sections, papers)
            fixed = [_AROUND + sum(size_of(each.html) for each in sections[0].reasons.values())]
            small = False
        kept = sum(taken <= room // 2 for taken in accumulate(fixed))
        dropped = [each.heading.name for each in sections[kept:]]
        room -= sum(fixed[:kept])
        papers = [each for each in papers if each.section < kept]
        if dropped or least > room:
            room -= kept * (_COUNT + size_of(str(frame["page"])))
            room -= size_of(self._more(99_999, dropped, frame=frame))

        shapes = [each.card.html for each in papers]
        chosen = fitted(shapes, room, form, turns=turns(papers))
        room -= sum(shape.size(form) for shape, form in zip(shapes, chosen, strict=True) if form)
        forms = {each.id: form for each, form in zip(papers, chosen, strict=True)}

        begin, end = ("small_papers", "small_papers_end") if small else ("papers", "papers_end")
        yield opening
        yield from contents
        for section in sections[:kept]:
            yield self._head(section, small=small).html
            if section.cards:
                yield from self._listed(section, forms, begin, end)
            left_out = sum(not forms[id_] for id_, _ in section.cards)
            brief = self._rest(section, left_out=left_out, frame=frame).html
            whole = self._rest(section, left_out=left_out, named=True, frame=frame).html
            if size_of(whole) - size_of(brief) <= room:
                room -= size_of(whole) - size_of(brief)
                yield whole
            else:
                yield brief
        if dropped:
            number = sum(len(each.cards) for each in sections[kept:])
            yield self._more(number, dropped, frame=frame)
        yield closing

    def _as_text(
        self,
        sections: Sequence[Section],
        papers: Sequence[Placed],
        form: Form,
        frame: dict[str, object],
        *,
        titled: bool,
    ) -> Iterator[str]:
        """Yield the text: no paper is missing, but of very many each says less."""
        contents = [each.text for each in self._titles(sections)] if titled else []
        shapes = [each.card.text for each in papers]
        room = TEXT_LIMIT - sum(map(size_of, contents))
        chosen = fitted(shapes, room, form, turns=turns(papers))
        forms = {each.id: form or "least" for each, form in zip(papers, chosen, strict=True)}
        yield wrapped(self._text.piece("opening", **frame))
        yield from contents
        for section in sections:
            yield self._head(section).text
            for id_, card in section.cards:
                if id_ in section.reasons:
                    yield section.reasons[id_].text
                yield card.text.made(forms[id_])
            yield self._rest(section, named=True).text
        yield wrapped(self._text.piece("closing", **frame))

    def _listed(
        self, section: Section, forms: Mapping[str, Form | None], begin: str, end: str
    ) -> Iterator[str]:
        """Yield the papers of a section as a list, which what is said to one reader interrupts."""
        before, after = self._fixed(begin), self._fixed(end)
        is_open = False
        for id_, card in section.cards:
            form = forms[id_]
            if not form:
                continue
            said = section.reasons.get(id_)
            if is_open and said:
                yield after
                is_open = False
            if said:
                yield said.html
            if not is_open:
                yield before
                is_open = True
            yield card.html.made(form)
        if is_open:
            yield after

    def _titles(self, sections: Sequence[Section]) -> Iterator[Both]:
        """Yield the titles of all papers under their keywords."""
        for section in sections:
            if section.cards:
                yield self._shared("group", name=section.heading.name if len(sections) > 1 else "")
                yield from self._items(card for _, card in section.cards)

    def _best(self, papers: Sequence[Placed]) -> Iterator[Both]:
        """Yield the titles of the papers that come first among very many."""
        yield self._shared("group", name=f"The best {len(papers)}")
        yield from self._items(each.card for each in papers)

    def _items(self, cards: Iterable[Card]) -> Iterator[Both]:
        yield self._shared("papers")
        yield from (card.item for card in cards)
        yield self._shared("papers_end")

    def _around(self, section: Section, *, small: bool) -> int:
        """Return the bytes that a digest takes without its papers."""
        brackets = 2 * size_of(self._fixed("papers"))
        head, rest = self._head(section, small=small), self._rest(section)
        said = sum(size_of(each.html) + brackets for each in section.reasons.values())
        return size_of(head.html) + size_of(rest.html) + (brackets if section.cards else 0) + said

    def _head(self, section: Section, *, small: bool = False) -> Both:
        return self._shared("digest", digest=section.heading, small=small)

    def _rest(
        self,
        section: Section,
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
            also=tuple(card.view for _, card in section.also) if named else (),
            here_too=wording.here_too(len(section.also)) if section.also and not named else "",
            more=wording.more(left_out) if left_out else "",
            **place(frame if left_out else None),
            failed=wording.not_shown(section.failed) if section.failed else "",
        )

    def _more(self, number: int, names: Sequence[str], *, frame: Mapping[str, object]) -> str:
        return self._html.piece("more", more=wording.more(number, names), **place(frame))


def filled(pieces: Iterable[str], unsubscribe: str, preferences: str = "") -> str:
    """Return a whole part with links in its slots; for HTML, they are escaped already."""
    return "".join(pieces).replace(UNSUBSCRIBE, unsubscribe).replace(PREFERENCES, preferences)
