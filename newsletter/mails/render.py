"""Turn an edition into the text of a mail; it knows no recipient and no header.

What editions share is made once: a paper is filled into the templates once for all the editions
that show it in the same way, and the same string stands in all of them.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from functools import cache
from hashlib import sha256
from itertools import accumulate, chain
from pathlib import Path
from re import compile as pattern
from typing import Literal, NamedTuple

from newsletter.errors import RenderError
from newsletter.keywords.matching import marks
from newsletter.mails import wording
from newsletter.mails.template import Blocks
from newsletter.models import Announcement, Digest, Edition, Keyword, Masthead, Rendered

# Text that comes from outside loses its control characters, so that nobody can forge the slot.
UNSUBSCRIBE = "\x02unsubscribe\x03"

# Gmail cuts a mail at about 102 KB of HTML, and what goes is the foot with the unsubscribe link.
LIMIT = 90_000
COLUMNS = 72

_LINKS = 1_000  # bytes of the limit that are kept for the two unsubscribe links
_ARXIV_ID = pattern(r"(\d{4})\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7}")

Form = Literal["full", "brief", "left out"]

logger = logging.getLogger(__name__)


class Renderer:
    """Renders the editions of one run. Opening it takes 0.2 s, an edition next to nothing.

    `templates` is a folder whose files take the place of the shipped ones of the same name;
    `bibtex` adds a link to arXiv's BibTeX entry of each paper; `timezone` is that of the dates of
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
        self._title = wording.plain(masthead.title)
        self._bibtex = bibtex
        self._timezone = timezone
        self._html = Blocks("edition.html", folders)
        self._text = Blocks("edition.txt", folders)
        self._headings: dict[_Heading, _Both] = {}
        self._cards: dict[object, _Card | None] = {}

    def render(self, edition: Edition) -> Rendered:
        """Return the edition as HTML of at most 90 KB, and as text that is always complete.

        A paper that cannot be shown costs one line. Raises RenderError for a template's fault, and
        when none of several papers can be shown: that is no paper's fault.
        """
        edition = replace(edition, digests=tuple(map(self._local, edition.digests)))
        subject = wording.subject(self._title, edition)
        headings = [_heading(digest, edition) for digest in edition.digests]
        frame = {
            "title": self._title,
            "subject": subject,
            "date": f"{edition.date:%A}, {edition.date.day} {edition.date:%B %Y}",
            "number": edition.issue,
            "count": wording.count(edition),
            "contents": headings,
            "unsubscribe": UNSUBSCRIBE,
        }
        opening, closing = self._both("opening", **frame), self._both("closing", **frame)
        matched = _matched(edition)
        sections = [
            self._section(digest, heading, edition, matched)
            for digest, heading in zip(edition.digests, headings, strict=True)
            if digest.announcements
        ]
        if len(matched) > 1 and not any(section.cards for section in sections):
            reason = f"none of {len(matched)} papers can be shown; the log says why, paper by paper"
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
        heading: "_Heading",
        edition: Edition,
        matched: Mapping[str, Sequence[Keyword]],
    ) -> "_Section":
        cards: list[_Card] = []
        failed: list[str] = []
        for each in digest.announcements:
            arxiv_id = each.paper.arxiv_id
            card = self._card(each, digest, edition, matched[arxiv_id])
            if card:
                cards.append(card)
            else:
                failed.append(arxiv_id)
        return _Section(
            heading=self._headed(heading),
            cards=cards,
            foot=[self._both("failed", failed=wording.not_shown(failed))] if failed else [],
        )

    def _headed(self, heading: "_Heading") -> "_Both":
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
        shown = edition.shown_in[paper.arxiv_id]
        here = shown == digest.keyword.name
        key = (announcement, tuple(keywords), shown, here, digest.since, edition.date)
        if key not in self._cards:
            try:
                view = _view(announcement, digest, edition, keywords, bibtex=self._bibtex)
            except OSError:
                raise  # no paper's fault
            except Exception as e:  # noqa: BLE001 (one bad paper costs a line, not the mail)
                logger.warning("paper %r cannot be shown: %r", paper.arxiv_id, e)
                self._cards[key] = None
            else:
                self._cards[key] = self._filled(view, here=here)
        return self._cards[key]

    def _filled(self, view: "_View", *, here: bool) -> "_Card":
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


def fitted(sizes: Sequence[Sequence[tuple[int, int]]], room: int) -> list[list[Form]]:
    """Choose how each paper of each digest is shown, so that all of it fits into `room` bytes.

    `sizes` holds what each paper takes in full and in brief. Digests take turns, so that a long one
    does not starve the next. For what is shown in brief half of the room is kept, if it needs it.
    """
    forms: list[list[Form]] = [["left out"] * len(papers) for papers in sizes]
    turns = sorted(
        (place, digest) for digest, papers in enumerate(sizes) for place in range(len(papers))
    )
    half = room // 2
    in_brief = sum(brief for papers in sizes for _, brief in papers)
    for place, digest in turns:
        full, brief = sizes[digest][place]
        if full + min(in_brief - brief, half) <= room:
            forms[digest][place] = "full"
            room -= full
            in_brief -= brief
    for place, digest in turns:
        _, brief = sizes[digest][place]
        if forms[digest][place] == "left out" and brief <= room:
            forms[digest][place] = "brief"
            room -= brief
    return forms


def wrapped(text: str) -> str:
    """Return the text in lines of at most 72 columns, indented as they began, "- " and all.

    Words are never broken, so neither are addresses.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if len(line) <= COLUMNS:
            lines.append(line)
            continue
        rest = line.lstrip(" ").removeprefix("- ")
        indent = line[: len(line) - len(rest)]
        first, *words = rest.split(" ")
        current = indent + first
        for word in words:
            if len(current) + 1 + len(word) > COLUMNS:
                lines.append(current)
                current = " " * len(indent) + word
            else:
                current += f" {word}"
        lines.append(current)
    return "\n".join(lines)


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


class _Run(NamedTuple):
    """A stretch of text, and whether it is why the paper matched."""

    text: str
    hit: bool


class _Name(NamedTuple):
    """A keyword, and the anchor at which its digest begins."""

    name: str
    anchor: str


class _Heading(NamedTuple):
    """A digest as its heading and its line in the contents show it.

    `news` is empty without any; `missing` where arXiv gave no answer to be trusted.
    """

    name: str
    anchor: str
    news: str
    coverage: str
    missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """A paper as the templates see it."""

    arxiv_id: str
    url: str
    pdf: str
    html: str
    bibtex: str
    title: list[_Run]
    plain_title: str
    short_title: str
    label: str
    when: str
    categories: str
    authors: str
    comment: str
    why: str
    shown: _Name
    also: list[_Name]
    abstract: list[_Run]


def _view(
    announcement: Announcement,
    digest: Digest,
    edition: Edition,
    keywords: Sequence[Keyword],
    *,
    bibtex: bool,
) -> _View:
    """Prepare a paper for the templates. Raises ValueError if its id is none."""
    paper = announcement.paper
    known = _ARXIV_ID.fullmatch(paper.arxiv_id)
    if not known:
        raise ValueError(f"{paper.arxiv_id!r} is no arXiv id")
    shown = edition.shown_in[paper.arxiv_id]
    title = wording.prose(paper.title) or f"arXiv:{paper.arxiv_id}"
    abstract = wording.prose(paper.abstract)
    in_title = {each.name: marks(each, title) for each in keywords}
    in_abstract = {each.name: marks(each, abstract) for each in keywords}
    found = {"title": in_title[digest.keyword.name], "abstract": in_abstract[digest.keyword.name]}
    places = [place for place, spans in found.items() if spans]
    late = wording.is_late(paper, digest, edition.date)
    return _View(
        arxiv_id=paper.arxiv_id,
        url=paper.abstract_url,
        pdf=paper.pdf_url,
        # arXiv makes HTML of what was submitted since December 2023.
        html=paper.html_url if known[1] and known[1] >= "2312" else "",
        bibtex=paper.bibtex_url if bibtex else "",
        title=_runs(title, in_title.values()),
        plain_title=title,
        short_title=wording.shortened(title, 60),
        label=wording.label(announcement, late=late),
        when=wording.when(announcement, digest, edition.date),
        categories=", ".join(map(wording.plain, paper.categories)),
        authors=wording.authors(paper.authors),
        comment=wording.prose(paper.comment),
        why=wording.why(paper, digest.keyword, places),
        shown=_name(shown),
        also=[_name(each.name) for each in keywords if each.name != shown],
        abstract=_runs(abstract, in_abstract.values()),
    )


def _runs(text: str, spans: Iterable[list[tuple[int, int]]]) -> list[_Run]:
    """Cut a text where what matched begins or ends; matches that meet are one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(chain.from_iterable(spans)):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    runs: list[_Run] = []
    done = 0
    for start, end in merged:
        runs += [_Run(text[done:start], hit=False), _Run(text[start:end], hit=True)]
        done = end
    runs.append(_Run(text[done:], hit=False))
    return [run for run in runs if run.text]


def _heading(digest: Digest, edition: Edition) -> _Heading:
    return _Heading(
        *_name(digest.keyword.name),
        news=wording.news(digest),
        coverage=wording.coverage(digest, edition.date),
        missing=digest.outcome == "unknown",
    )


@cache
def _name(name: str) -> _Name:
    name = wording.plain(name)
    return _Name(name, f"k{sha256(name.encode()).hexdigest()[:8]}")


def _matched(edition: Edition) -> dict[str, list[Keyword]]:
    """Map each paper of an edition to the keywords it is announced for."""
    matched: dict[str, list[Keyword]] = {}
    for digest in edition.digests:
        for announcement in digest.announcements:
            matched.setdefault(announcement.paper.arxiv_id, []).append(digest.keyword)
    return matched


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
