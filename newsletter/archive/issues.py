"""What the pages of issues, months and keywords say: values ready to be shown. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from msgspec import Struct

from newsletter.archive.bibliography import coins
from newsletter.archive.folder import file_name
from newsletter.mails import wording
from newsletter.models import Announcement, Digest, Issue, Link, Paper
from newsletter.phrases import counted
from newsletter.prose import plain, prose
from newsletter.sources.arxiv.identity import version_url


class Place(NamedTuple):
    """The issue a paper was in, and where its page is from where one stands."""

    number: int
    page: str


class Line(Struct, frozen=True, kw_only=True):
    """An issue in a list of them."""

    number: int
    date: str
    count: str


class Card(Struct, frozen=True, kw_only=True):
    """A paper as a page shows it. `issue` is None where the page is that of its issue."""

    anchor: str
    url: str
    title: str
    label: str
    meta: str
    authors: str
    comment: str
    abstract: str
    links: tuple[Link, ...]
    coins: str
    issue: Place | None = None


class Section(Struct, frozen=True, kw_only=True):
    """A digest; `also` has papers that stand in full under an earlier keyword of the page."""

    name: str
    page: str
    anchor: str
    news: str
    papers: tuple[Card, ...]
    also: tuple[Card, ...]


def sections(issue: Issue) -> list[Section]:
    """Return the digests of an issue, each paper once in full."""
    cards: dict[str, Card] = {}
    found = []
    for digest in issue.digests:
        papers, also = [], []
        for each in digest.announcements:
            if each.paper.id in cards:
                also.append(cards[each.paper.id])
            else:
                late = wording.is_late(each.paper, digest, issue.date)
                cards[each.paper.id] = announced(each, late=late)
                papers.append(cards[each.paper.id])
        name = file_name(digest.keyword.name)
        found.append(
            Section(
                name=plain(digest.keyword.name),
                page=name,
                anchor=name,
                news=_news(digest),
                papers=tuple(papers),
                also=tuple(also),
            )
        )
    return found


def papers_of(issue: Issue) -> list[Paper]:
    """Return the papers of an issue, each once."""
    found = (each.paper for digest in issue.digests for each in digest.announcements)
    return list({each.id: each for each in found}.values())


def announced(announcement: Announcement, *, late: bool) -> Card:
    """Return a paper as its issue announced it."""
    return _card(announcement.paper, wording.label(announcement, late=late), issue=None)


def known(papers: Sequence[Paper], places: Mapping[tuple[str, int], int]) -> list[Card]:
    """Return papers of a keyword; `places` has the issues of those that were announced."""
    return [
        _card(each, "", issue=Place(number, f"../issues/{number}.html#{anchor(each)}"))
        if (number := places.get((each.id, each.version)))
        else _card(each, "", issue=None)
        for each in papers
    ]


def lines(issues: Iterable[tuple[int, date, int]]) -> list[Line]:
    """Return issues, given as number, date and papers, as they stand in a list."""
    return [
        Line(number=number, date=day_words(day), count=count_words(papers))
        for number, day, papers in issues
    ]


def count_words(papers: int) -> str:
    """Return "2 papers"; an issue without any is there for weekly readers."""
    return counted(papers, "paper") if papers else "nothing new"


def anchor(paper: Paper) -> str:
    """Return where a paper stands in the page of its issue."""
    return "p-" + re.sub(r"[^\w.-]+", "-", paper.local_id)


def day_words(day: date) -> str:
    """Return "20 November 2026"."""
    return f"{day.day} {day:%B %Y}"


def _card(paper: Paper, label: str, *, issue: Place | None) -> Card:
    days = [f"submitted {day_words(paper.submitted.date())}"]
    if paper.version > 1:
        days.append(f"v{paper.version} of {day_words(paper.updated.date())}")
    words = [*days, ", ".join(map(plain, paper.categories)), plain(paper.local_id)]
    return Card(
        anchor=anchor(paper),
        url=version_url(paper),
        title=prose(paper.title) or plain(paper.local_id),
        label=label,
        meta=" · ".join(filter(None, words)),
        authors=", ".join(map(prose, paper.authors)),
        comment=prose(paper.comment),
        abstract=prose(paper.abstract),
        links=paper.links,
        coins=coins(paper),
        issue=issue,
    )


def _news(digest: Digest) -> str:
    """Return how much there is; silence is confirmed, or it is not known what there was."""
    reason = plain(digest.reason)
    found = wording.news(digest)
    if digest.outcome == "unknown":
        said = f"no trustworthy answer that day: {reason or 'no reason was noted'}"
        return f"{found}; {said}" if found else said.capitalize()
    if digest.outcome == "baseline":
        return f"{found or 'Nothing new'}; first digest, older papers count as known"
    if digest.outcome == "not-scheduled":
        return "No announcement was due"
    return found or f"{plain(digest.source)} confirmed nothing new"
