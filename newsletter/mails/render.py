"""Turn an edition into the text of a mail; it knows no recipient and no header.

What editions share is made once: a paper is filled into the templates once for all the editions
that show it in the same way, and the same string stands in all of them.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, tzinfo
from functools import lru_cache
from itertools import chain
from operator import is_
from pathlib import Path

from msgspec.structs import replace

from newsletter.addresses import bare
from newsletter.errors import RenderError
from newsletter.mails import wording
from newsletter.mails.fitting import (
    Announced,
    Announcing,
    Card,
    Page,
    Stood,
    Under,
    in_order,
    wanted,
)
from newsletter.mails.pieces import LADDERS, PREFERENCES, UNSUBSCRIBE, Shapes, bytes_of
from newsletter.mails.printing import Framed, Printing
from newsletter.mails.ready.joining import Joiner
from newsletter.mails.ready.quoted import Ready, framing, slotted
from newsletter.mails.ready.sheet import ReadyFrame, Sheet
from newsletter.mails.ready.words import said
from newsletter.mails.template import Layout, Templates, wrapped
from newsletter.mails.views import Form, Named, View, block, heading, specimen, values, view
from newsletter.models import Announcement, Digest, Edition, Masthead, Paper, Rendered, Worded
from newsletter.prose import plain

_PREHEADER = 140  # characters that an inbox shows behind a subject
_BETWEEN = " · "  # titles there
_FRAMES = 4_096  # of different first titles that are kept
_PERSONAL = ("subject", "preheader", "keywords")  # what opening and closing say to few alone
_ISSUES = 7  # that an edition leads to one by one: those of a week
_MANY = 32  # keywords of an edition
_SECTIONS = 4_096  # that are kept, each of some 5 KB
_PAPERS = 20_000  # that are known by where they are in memory
_WAYS = 30_000  # in which papers are kept, each of some 10 KB
logger = logging.getLogger(__name__)


class Renderer:
    """Renders the editions of one run. Opening it takes 0.2 s, an edition next to nothing.

    `templates` is a folder whose files take the place of the shipped ones of the same name;
    `bibtex` adds a link to the BibTeX entry of each paper; `timezone` is that of the dates of
    the issues; `subject` takes the place of our subject, see `wording.subject`; about so many
    `ways` in which papers are shown are kept.
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
        ways: int = _WAYS,
    ) -> None:
        self._title = plain(masthead.title)
        self._owner = bare(masthead.reply_to or masthead.sender)
        self._issue_url, self._archive_url = masthead.issue_url, masthead.archive_url
        self._preferences = PREFERENCES if masthead.base_url or masthead.changeable else ""
        self._bibtex, self._timezone, self._subject = bibtex, timezone, subject
        opened = Templates(templates)
        self._html, self._text, self._both = opened.html, opened.text, opened.both
        self._moulds, self._printing = opened.moulds, Printing(opened)
        self._joiner = Joiner(opened, self._printing)
        # A paper has one for each choice of the keywords that announce it: of n there are 2**n.
        self._cards: dict[Paper, dict[object, Card | None]] = {}
        self._ways, self._most_ways = 0, ways
        # By where papers are in memory: to hash them whole takes longer than all else.
        self._papers: dict[int, tuple[Paper, dict[object, Card | None]]] = {}
        self._announced = Announced()
        self._kept = 0
        self._sheet = lru_cache(maxsize=8)(self._made_sheet)
        self._try_out()

    def _try_out(self) -> None:
        """Fill every block once, so that a fault is found before the day that needs the block."""
        card = self._filled("x", specimen())
        for form in LADDERS["full"]:
            for shapes in (card.html, card.text):
                _ = shapes.made[form], shapes.around[form]
        self._printing.try_out(card)

    def render(
        self, edition: Edition | Layout, *, order: Worded | None = None, smallest: bool = False
    ) -> Rendered:
        """Return the edition as HTML of at most 90 KB, and as text, in which no paper is missing.

        An edition that many have is laid out once, see `laid_out`; `order` is that of one of them.
        With `smallest` papers are titles and nothing else. A paper that cannot be shown costs one
        line. Raises RenderError for a template's fault, and when none of several papers can be
        shown: that is no paper's fault.
        """
        layout = edition if isinstance(edition, Layout) else self.laid_out(edition)
        page = self._personal(layout, order) if order else layout.page
        form = wanted(layout.edition, len(page), smallest=smallest)
        framed = self._framed(layout, [card.view.short_title for card in page.best(6)])
        titled = not smallest and len(page) > 1
        return Rendered(
            date=framed.date,
            subject=framed.subject,
            html=tuple(self._printing.html(page, form, layout.frame, framed, titled=titled)),
            text=tuple(self._printing.text(page, form, framed, titled=titled)),
        )

    def _framed(self, layout: Layout, titles: Sequence[str]) -> Framed:
        """Return what stands around the papers of an edition of which these are the best."""
        personal = {
            "subject": layout.subject(titles[0] if titles else ""),
            "preheader": wording.shortened(_BETWEEN.join(titles[1:]), _PREHEADER),
            "keywords": layout.keywords,
        }
        opening, closing = layout.opening, layout.closing
        html = (opening.html(personal), closing.html(personal))
        return Framed(
            date=layout.edition.date,
            subject=personal["subject"],
            html=html,
            text=(opening.text(personal), closing.text(personal)),
            size=bytes_of(chain(*html)),
        )

    def ready(self, layout: Layout, order: Worded) -> Ready | None:
        """Return an edition as `render` does, ready, in a fraction of the time.

        None where there is not room for all of it.
        """
        sheet, framed = self._sheet(layout)
        at = sheet.number
        numbers = [at[id_] for id_ in order.ids if id_ in at]
        if not numbers or len(numbers) < len(at):
            return None
        reasons = zip(order.closest, order.reasons, strict=True)
        return self._joiner.joined(
            sheet,
            framed(_seen([sheet.titles[number] for number in numbers[:6]])),
            numbers,
            {at[id_]: reason for id_, reason in reasons if id_ in at},
            [at[id_] for id_ in order.yours if id_ in at],
        )

    def _made_sheet(self, layout: Layout) -> tuple[Sheet, Callable[[tuple[str, ...]], ReadyFrame]]:
        """Return the papers of an edition for any order, and what frames them by their titles."""

        def framed(titles: tuple[str, ...]) -> ReadyFrame:
            made = self._framed(layout, titles)
            return ReadyFrame(
                date=made.date,
                subject=made.subject,
                html=(framing(made.html[0]), slotted(made.html[1])),
                text=(framing(made.text[0]), slotted(made.text[1])),
                size=made.size,
            )

        form = wanted(layout.edition, len(layout.page), smallest=False)
        return Sheet(layout.page, form), lru_cache(_FRAMES)(framed)

    def laid_out(self, edition: Edition) -> Layout:
        """Return what all who have an edition share. Raises RenderError."""
        edition = self._local(edition)
        stood = self._stood(edition)
        sections = [each.section for each in stood if each.section]
        new = sum([each.new for each in stood])
        counts = wording.Counts(new, sum([len(each.shown) for each in stood]) - new)
        order = in_order(sections, edition.best_first)
        page = Page(sections, order, {}, tuple([each.heading for each in sections]))
        if not len(page) and sum(len(each.failed) for each in sections) > 1:
            reason = "none of the papers can be shown; the log says why, paper by paper"
            raise RenderError("edition.html", reason)
        frame = {
            "title": self._title,
            "when": wording.when(edition),
            "number": edition.issue,
            "page": self._issue_url(edition.issue),
            "pages": self._pages(edition),
            "count": wording.count(counts),
            "sources": tuple(map(plain, dict.fromkeys([each.source for each in edition.digests]))),
            "notes": tuple(wording.notes(edition)),
            "quiet": wording.quiet(edition),
            "owner": self._owner,
            "preferences": self._preferences,
            "unsubscribe": UNSUBSCRIBE,
        }
        names = [each.keyword.name for each in edition.digests]
        opening, closing = self._moulds(("opening", "closing"), _PERSONAL, frame)
        return Layout(
            edition=edition,
            page=page,
            frame=frame,
            opening=opening,
            closing=closing,
            subject=wording.subjects(self._subject, edition, counts, newsletter=self._title),
            keywords=wording.listed(names) if names else "",
        )

    def _pages(self, edition: Edition) -> tuple[Named, ...]:
        """Return where the issues of an edition can be read; of very many, where all can."""
        numbers = edition.issues or (edition.issue,)
        if not self._archive_url:
            return ()
        if len(numbers) > _ISSUES:
            return (Named("All issues", f"{self._archive_url}/"),)
        return tuple(Named(f"Issue {each}", self._issue_url(each)) for each in numbers)

    def _local(self, edition: Edition) -> Edition:
        """Return an edition with the times that it has as they are where the newsletter is."""
        digests = tuple(map(self._local_digest, edition.digests))
        # Moments of two zones are equal.
        as_they_are = all(map(is_, digests, edition.digests))
        return edition if as_they_are else replace(edition, digests=digests)

    def _local_digest(self, digest: Digest) -> Digest:
        if not digest.since or digest.since.tzinfo is self._timezone:
            return digest
        since = digest.since.astimezone(self._timezone)
        if since.date() == digest.since.date():
            return digest  # of a time nothing else is shown
        return replace(digest, since=since)

    def _stood(self, edition: Edition) -> list[Stood]:
        """Return the digests with papers; a paper stands under one of them, others refer to it.

        What stands of a digest depends on which other keywords announce some of its papers, and on
        which of those stand already. It is made once for all the editions in which that is alike.
        """
        if self._ways > self._most_ways:
            self._cards, self._papers, self._ways = {}, {}, 0
            self._forget()  # sections have cards, too
        if self._kept + len(self._announced) > _SECTIONS:
            self._forget()
        digests = [self._announced.of(x, edition.date) for x in edition.digests if x.announcements]
        if len(digests) > _MANY:
            return self._looked_through(digests)
        # Where a keyword stands among those near to it tells the same at once, of few keywords.
        numbers = [each.kin.number for each in digests]
        orders = [tuple([n for n in numbers if each.kin.near >> n & 1]) for each in digests]
        with_orders = [*zip(digests, orders, strict=True)]
        found = [stood for each, order in with_orders if (stood := each.found.get(order))]
        if len(found) < len(digests):
            found = self._looked_through(digests)
            for (each, order), stood in zip(with_orders, found, strict=True):
                each.found[order] = stood
            self._kept += len(digests)
        return found

    def _looked_through(self, digests: Sequence[Announcing]) -> list[Stood]:
        """Return what stands of digests; papers that several of them announce make a difference."""
        matched: dict[str, tuple[int, ...]] = {}
        several: dict[str, tuple[int, ...]] = {}
        for each in digests:
            again = {id_: (*matched[id_], each.under[0]) for id_ in matched.keys() & each.alone}
            matched |= each.alone | again
            several |= again
        shown: dict[str, Card | None] = {}
        found = []
        for each in digests:
            shared = [(id_, several[id_], shown.get(id_)) for id_ in several.keys() & each.alone]
            key = frozenset(shared)
            if key not in each.stood:
                self._kept += 1
                each.stood[key] = self._made_stand(each, matched, shown)
            stood = each.stood[key]
            shown |= stood.shown
            found.append(stood)
        return found

    def _forget(self) -> None:
        self._kept = 0
        self._announced.forget()
        self._printing.joining.forget()

    def _made_stand(
        self,
        announcing: Announcing,
        matched: Mapping[str, tuple[int, ...]],
        shown: Mapping[str, Card | None],
    ) -> Stood:
        """Return what stands of a digest below others, whose papers are `shown` already."""
        digest, under = announcing.digest, announcing.under
        stands: dict[str, Card | None] = {}
        also, failed, new = [], [], 0
        for each in digest.announcements:
            id_ = each.paper.id
            if id_ not in shown:
                stands[id_] = self._card(each, digest, matched[id_], under)
                new += each.kind == "new"
                if not stands[id_]:
                    failed.append(each.paper.local_id)
            elif other := shown[id_]:
                also.append(other)
        cards = [card for card in stands.values() if card]
        if not (cards or also or failed):
            return Stood(None, stands, new)
        section = self._printing.section(heading(digest, len(stands)), cards, also, failed)
        return Stood(section, stands, new)

    def _card(
        self,
        announcement: Announcement,
        digest: Digest,
        matched: tuple[int, ...],
        under: Under,
    ) -> Card | None:
        """Return the card of a paper, None if there is no showing it.

        `matched` are the keywords that announce it, `under` the one that it stands under, and when.
        """
        paper = announcement.paper
        of = self._papers.get(id(paper))
        if of is None or of[0] is not paper:
            if len(self._papers) >= _PAPERS:
                self._papers.clear()
            cards = self._cards.setdefault(paper, {})
            of = self._papers[id(paper)] = (paper, cards)
        key = (announcement.kind, announcement.replaces, matched, under)
        if key not in of[1]:
            self._ways += 1
            of[1][key] = self._made(announcement, digest, matched, under[2])
        return of[1][key]

    def _made(
        self, announcement: Announcement, digest: Digest, matched: tuple[int, ...], day: date
    ) -> Card | None:
        keywords = [self._announced.keywords[each] for each in matched]
        try:
            seen = view(announcement, digest, day, keywords, bibtex=self._bibtex)
        except (OSError, ImportError):
            raise  # no paper's fault
        except Exception as e:  # noqa: BLE001 (one bad paper costs a line, not the mail)
            logger.warning("paper %r cannot be shown: %r", announcement.paper.id, e)
            return None
        return self._filled(announcement.paper.id, seen)

    def _filled(self, id_: str, paper: View) -> Card:
        def html(form: Form, reason: str) -> str:
            return self._html.piece(block(form), **values(paper, form, reason))

        def text(form: Form, reason: str) -> str:
            return wrapped(self._text.piece(block(form), **values(paper, form, reason)))

        item = self._both("item", paper=paper)
        return Card(id=id_, view=paper, item=item, html=Shapes(html), text=Shapes(text))

    def _personal(self, layout: Layout, order: Worded) -> Page:
        """Return the papers of an edition as one reader gets them: the closest before all."""
        where, former = layout.where, layout.page.sections
        first = [where[id_].paper for id_ in order.closest if id_ in where]
        moved = {card.id for card in first}
        cards: list[list[Card]] = [[] for _ in former]
        ids = [*dict.fromkeys((*order.ids, *where))]  # what it does not know is not hidden
        for id_ in ids:
            if (at := where.get(id_)) and id_ not in moved:
                cards[at.section].append(at.paper)
        sections = [self._printing.closest(first)] if first else []
        sections += map(self._printing.without, former, cards)
        reasons = {id_: both for id_, both in said(order).items() if id_ in where}
        index = (*(each.heading for each in sections[:1] if first), *layout.page.headings)
        return Page(sections, in_order(sections, ids), reasons, index)


def _seen(titles: Sequence[str]) -> tuple[str, ...]:
    """Return as many of the first titles as can be seen of them in an inbox."""
    left = _PREHEADER
    for number, title in enumerate(titles[1:], 1):
        if left < 0:
            return tuple(titles[:number])
        left -= len(title) + len(_BETWEEN)
    return tuple(titles)


def filled(pieces: Iterable[str], unsubscribe: str, preferences: str = "") -> str:
    """Return a whole part with links in its slots; for HTML, they are escaped already."""
    return "".join(pieces).replace(UNSUBSCRIBE, unsubscribe).replace(PREFERENCES, preferences)
