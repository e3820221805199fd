"""Turn an edition into the text of a mail; it knows no recipient and no header.

What editions share is made once: a paper is filled into the templates once for all the editions
that show it in the same way, and the same string stands in all of them.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from itertools import accumulate, chain
from pathlib import Path
from typing import NamedTuple

from newsletter.errors import RenderError
from newsletter.mails import wording
from newsletter.mails.fitting import fitted, wrapped
from newsletter.mails.template import Blocks
from newsletter.mails.views import Heading, View, heading, matched, view
from newsletter.models import Announcement, Digest, Edition, Keyword, Masthead, Rendered
from newsletter.prose import plain

# Text that comes from outside loses its control characters, so that nobody can forge the slot.
UNSUBSCRIBE = "\x02unsubscribe\x03"

# Gmail cuts a mail at about 102 KB of HTML, and what goes is the foot with the unsubscribe link.
LIMIT = 90_000

_LINKS = 1_000  # bytes of the limit that are kept for the two unsubscribe links
logger = logging.getLogger(__name__)


class Renderer:
    """Renders the editions of one run. Opening it takes 0.2 s, an edition next to nothing.

    `templates` is a folder whose files take the place of the shipped ones of the same name;
    `bibtex` adds a link to the BibTeX entry of each paper; `timezone` is that of the dates of
    the issues.
    Raises RenderError with file and line where a template cannot be used.
    """

    def __init__(
        self,
        masthead: Masthead,
        *,
        templates: Path | None,
        bibtex: bool = False,
        timezone: tzinfo = UTC,
    ) -> None:
        folders = [folder for folder in (templates, _shipped()) if folder]
        self._title = plain(masthead.title)
        self._bibtex = bibtex
        self._timezone = timezone
        self._html = Blocks("edition.html", folders)
        self._text = Blocks("edition.txt", folders)
        self._headings: dict[Heading, _Both] = {}
        self._cards: dict[object, _Card | None] = {}

    def render(self, edition: Edition) -> Rendered:
        """Return the edition as HTML of at most 90 KB, and as text that is always complete.

        A paper that cannot be shown costs one line. Raises RenderError for a template's fault, and
        when none of several papers can be shown: that is no paper's fault.
        """
        edition = replace(edition, digests=tuple(map(self._local, edition.digests)))
        subject = wording.subject(self._title, edition)
        headings = [heading(digest, edition) for digest in edition.digests]
        frame = {
            "title": self._title,
            "subject": subject,
            "date": f"{edition.date:%A}, {edition.date.day} {edition.date:%B %Y}",
            "number": edition.issue,
            "count": wording.count(edition),
            "contents": headings,
            "sources": list(dict.fromkeys(plain(d.source) for d in edition.digests)),
            "unsubscribe": UNSUBSCRIBE,
        }
        opening, closing = self._both("opening", **frame), self._both("closing", **frame)
        keywords = matched(edition)
        sections = [
            self._section(digest, each, edition, keywords)
            for digest, each in zip(edition.digests, headings, strict=True)
            if digest.announcements
        ]
        if len(keywords) > 1 and not any(section.cards for section in sections):
            reason = (
                f"none of {len(keywords)} papers can be shown; the log says why, paper by paper"
            )
            raise RenderError("edition.html", reason)
        return Rendered(
            date=edition.date,
            subject=subject,
            html=(
                opening.html,
                *self._fitted(sections, LIMIT - _LINKS - _size(opening.html) - _size(closing.html)),
                closing.html,
            ),
            text=(opening.text, *chain.from_iterable(map(_text, sections)), closing.text),
        )

    def _local(self, digest: Digest) -> Digest:
        return replace(digest, since=digest.since and digest.since.astimezone(self._timezone))

    def _section(
        self,
        digest: Digest,
        heading: "Heading",
        edition: Edition,
        matched: Mapping[str, Sequence[Keyword]],
    ) -> "_Section":
        cards: list[_Card] = []
        failed: list[str] = []
        for each in digest.announcements:
            card = self._card(each, digest, edition, matched[each.paper.id])
            if card:
                cards.append(card)
            else:
                failed.append(each.paper.local_id)
        return _Section(
            heading=self._headed(heading),
            cards=cards,
            foot=[self._both("failed", failed=wording.not_shown(failed))] if failed else [],
        )

    def _headed(self, heading: "Heading") -> "_Both":
        if heading not in self._headings:
            self._headings[heading] = self._both("digest", digest=heading)
        return self._headings[heading]

    def _card(
        self,
        announcement: Announcement,
        digest: Digest,
        edition: Edition,
        keywords: Sequence[Keyword],
    ) -> "_Card | None":
        """Return the card of a paper in a digest, None if there is no showing it."""
        paper = announcement.paper
        shown = edition.shown_in[paper.id]
        here = shown == digest.keyword.name
        key = (announcement, tuple(keywords), shown, here, digest.since, edition.date)
        if key not in self._cards:
            try:
                seen = view(announcement, digest, edition, keywords, bibtex=self._bibtex)
            except OSError:
                raise  # no paper's fault
            except Exception as e:  # noqa: BLE001 (one bad paper costs a line, not the mail)
                logger.warning("paper %r cannot be shown: %r", paper.id, e)
                self._cards[key] = None
            else:
                self._cards[key] = self._filled(seen, here=here)
        return self._cards[key]

    def _filled(self, view: "View", *, here: bool) -> "_Card":
        whole = self._both("paper" if here else "also", paper=view)
        brief = self._html.piece("brief", paper=view) if here else whole.html
        return _Card(
            full=whole.html,
            brief=brief,
            text=whole.text,
            sizes=(_size(whole.html), _size(brief)),
        )

    def _fitted(self, sections: Sequence["_Section"], room: int) -> Iterator[str]:
        """Yield the HTML of the digests, in `room` bytes.

        Headings get half of it; the papers of the digests that are left without one are counted.
        """
        more = _size(self._html.piece("more", count=99_999))
        room -= more
        fixed = [
            more + sum(_size(piece.html) for piece in (section.heading, *section.foot))
            for section in sections
        ]
        kept = sum(taken <= room // 2 for taken in accumulate(fixed))
        room -= sum(fixed[:kept])
        forms = fitted(
            [[card.sizes for card in section.cards] for section in sections[:kept]], room
        )
        for section, chosen in zip(sections[:kept], forms, strict=True):
            yield section.heading.html
            for card, form in zip(section.cards, chosen, strict=True):
                if form != "left out":
                    yield card.full if form == "full" else card.brief
            if left_out := chosen.count("left out"):
                yield self._html.piece("more", count=left_out)
            yield from (piece.html for piece in section.foot)
        if left_out := sum(len(section.cards) for section in sections[kept:]):
            yield self._html.piece("more", count=left_out)

    def _both(self, block: str, **values: object) -> "_Both":
        html, text = self._html.piece(block, **values), self._text.piece(block, **values)
        return _Both(html, wrapped(text))


def filled(pieces: Iterable[str], link: str) -> str:
    """Return a whole part with `link` in its slots; for HTML, `link` is escaped already."""
    return "".join(pieces).replace(UNSUBSCRIBE, link)


class _Both(NamedTuple):
    html: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """A paper in a digest: as HTML in full and in brief, with their sizes in bytes, and as text."""

    full: str
    brief: str
    text: str
    sizes: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A digest, filled in; `foot` is the line for papers that cannot be shown, if any."""

    heading: _Both
    cards: list[_Card]
    foot: list[_Both]


def _text(section: _Section) -> Iterator[str]:
    yield section.heading.text
    yield from (card.text for card in section.cards)
    yield from (piece.text for piece in section.foot)


def _size(piece: str) -> int:
    return len(piece.encode())


def _shipped() -> Path:
    """Return the folder of our templates: inside an installed package, or in a checkout."""
    here = Path(__file__).parents[1]
    return here / "templates" if (here / "templates").is_dir() else here.parent / "templates"
