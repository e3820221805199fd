"""Every kind of mail that we send, for the tools that judge mails as readers and filters do.

`python -m tests.making.samples FOLDER` writes each as .html, .txt and .eml, to be looked at.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from html import escape
from pathlib import Path

from msgspec.structs import replace

from newsletter.issues import diff
from newsletter.issues.issue import compile_issue, edition_for
from newsletter.issues.ranking import Ranking, terms_of
from newsletter.keywords.matching import matcher
from newsletter.keywords.terms import usual
from newsletter.mails.message import Composer
from newsletter.mails.ready.words import worded
from newsletter.mails.render import Renderer, filled
from newsletter.models import (
    Delivery,
    Edition,
    Format,
    Keyword,
    KeywordOutcome,
    Listing,
    Memory,
    News,
    OwnPaper,
    Paper,
    Rendered,
    Worded,
)
from newsletter.sources.arxiv import atom
from newsletter.subscribers.profiles.own import own_paper, profile_of
from newsletter.subscribers.profiles.texts import OwnText
from tests.making import days
from tests.making.editions import MASTHEAD, TOKEN, awkward, hostile, many, rich

SAMPLE = Path(__file__).parents[2] / "newsletter" / "preview" / "sample"
TODAY = datetime(2026, 11, 20, 10, tzinfo=UTC)  # the second day of the sample, a Friday
YESTERDAY = TODAY - timedelta(days=1)
LINK = f"{MASTHEAD.base_url}/unsubscribe/{TOKEN}"
PREFERENCES = f"{MASTHEAD.base_url}/preferences/{TOKEN}"

GRAPHS = Keyword(name="graph neural network")
PROTEINS = Keyword(name="protein folding", replacements=True)
DIFFUSION = Keyword(name="diffusion model")
QUIET = Keyword(name="quiet graph")
MIRRORS = Keyword(name="mirror")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of mail: what it says, and how it goes out."""

    edition: Edition
    format: Format = "html"
    per_keyword: bool = False
    order: Worded | None = None

    def html(self) -> str:
        """Return the HTML part as a mail program gets it."""
        return filled(self._rendered().html, escape(LINK), escape(PREFERENCES))

    def text(self) -> str:
        """Return the text part."""
        return filled(self._rendered().text, LINK, PREFERENCES)

    def message(self) -> bytes:
        """Return the message as it leaves."""
        composer = Composer(
            MASTHEAD, now=TODAY, token=lambda _address: TOKEN, per_keyword=self.per_keyword
        )
        delivery = Delivery(
            id=1,
            issue=self.edition.issue,
            after=self.edition.issue - 1,
            recipient="ada@example.net",
            keywords=tuple(digest.keyword.name for digest in self.edition.digests),
            format=self.format,
        )
        return b"".join(composer.outgoing(delivery, self._rendered()).message)

    def _rendered(self) -> Rendered:
        return _renderer().render(self.edition, order=self.order)


def kinds() -> dict[str, Kind]:
    """Return one mail of every kind, by name."""
    return {name: kind(name) for name in KINDS}


@cache
def kind(name: str) -> Kind:
    """Return the mail of one kind."""
    return _MAKING[name]()


def write(folder: Path) -> None:
    """Write every kind of mail into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in kinds().items():
        (folder / f"{name}.html").write_text(made.html(), "utf-8")
        (folder / f"{name}.txt").write_text(made.text(), "utf-8")
        (folder / f"{name}.eml").write_bytes(made.message())


def _morning(*keywords: Keyword) -> Edition:
    """Return what the readers of the sample get on its second day."""
    known = {paper.id: paper.version for paper in _sample("day1.xml")}
    return _edition(*(_news(each, _sample("day2.xml"), known=known) for each in keywords))


def _personal(edition: Edition) -> Kind:
    """Return an edition as somebody gets it who works on chains that fold, and on knots in them."""
    papers = [each.paper for digest in edition.digests for each in digest.announcements]
    written = (
        ("Knots in protein chains", "Kinetic traps and the untying of knots in protein folding."),
        ("Cold proteins", "Below zero, slow protein chains keep folding, and water is cold."),
    )
    own = [own_paper(OwnText(title=title, abstract=said), str) for title, said in written]
    mine = OwnPaper(id=papers[-1].id, name=papers[-1].title, terms=terms_of(papers[-1]))
    ranking = Ranking(papers, usual(), papers)
    order = ranking.order(profile_of([*own, mine]), closest=2)
    return Kind(edition=edition, order=order and worded(order))


def _week(*keywords: Keyword) -> Edition:
    """Return a weekly edition, which is two issues in one."""
    first, second = _sample("day1.xml"), _sample("day2.xml")
    known = {paper.id: paper.version for paper in first}
    week = [_news(each, first, since=TODAY - timedelta(days=7)) for each in keywords]
    today = [_news(each, second, known=known) for each in keywords]
    issues = [compile_issue(11, YESTERDAY.date(), week), compile_issue(12, TODAY.date(), today)]
    before = (TODAY - timedelta(days=7)).date()
    return edition_for(issues, [each.name for each in keywords], weekly=True, before=before)


def _flood() -> Edition:
    """Return a day on which a keyword of very many papers shares half of them with another."""
    papers = many(229)
    shared = [
        replace(each, title=f"{each.title}, and mirrors") if place % 2 else each
        for place, each in enumerate(papers)
    ]
    return _edition(_news(QUIET, shared), _news(MIRRORS, shared))


def _silence(outcome: KeywordOutcome, *, reason: str = "") -> Edition:
    return _edition(
        *(
            News(keyword=each, source="arXiv", outcome=outcome, since=YESTERDAY, reason=reason)
            for each in (GRAPHS, PROTEINS, DIFFUSION)
        )
    )


def _news(
    keyword: Keyword,
    papers: Sequence[Paper],
    *,
    known: dict[str, int] | None = None,
    since: datetime = YESTERDAY,
) -> News:
    matches = matcher(keyword) or (lambda _paper: True)
    listing = Listing(
        keyword=keyword.name,
        source="arXiv",
        papers=tuple(filter(matches, papers)),
        complete=True,
    )
    memory = Memory(announced=known or {}, since=since, last_good=since)
    return diff.news(keyword, listing, memory, now=TODAY, baseline_days=1)


def _edition(*news: News) -> Edition:
    issue = compile_issue(12, TODAY.date(), news)
    return edition_for([issue], [each.keyword.name for each in news])


@cache
def _sample(name: str) -> tuple[Paper, ...]:
    return atom.parse((SAMPLE / name).read_bytes()).papers


@cache
def _renderer() -> Renderer:
    return Renderer(MASTHEAD, templates=None)


_MAKING: Mapping[str, Callable[[], Kind]] = {
    "combined": lambda: Kind(edition=_morning(GRAPHS, PROTEINS, DIFFUSION)),
    "per-keyword": lambda: Kind(edition=_morning(PROTEINS), per_keyword=True),
    "weekly": lambda: Kind(edition=_week(GRAPHS, PROTEINS, DIFFUSION)),
    "personal": lambda: _personal(_morning(GRAPHS, PROTEINS, DIFFUSION)),
    "text": lambda: Kind(edition=_morning(GRAPHS, PROTEINS, DIFFUSION), format="text"),
    "everything": lambda: Kind(edition=rich()),
    "quiet": lambda: Kind(edition=_silence("none")),
    "outage": lambda: Kind(
        edition=_silence("unknown", reason="arXiv answered 503 to five requests")
    ),
    "one-paper": lambda: Kind(edition=_edition(_news(QUIET, many(1)))),
    "thirty-papers": lambda: Kind(edition=_edition(_news(QUIET, many(30)))),
    "five-hundred-papers": lambda: Kind(edition=_edition(_news(QUIET, many(500)))),
    "flood": lambda: Kind(edition=_flood()),
    "ordinary": lambda: Kind(edition=days.day(10)),
    "awkward": lambda: Kind(edition=awkward()),
    "hostile": lambda: Kind(edition=hostile()),
}
KINDS = tuple(_MAKING)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
