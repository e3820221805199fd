"""What the templates see of a paper and of a keyword: values that are ready to be shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import chain
from re import compile as pattern
from typing import NamedTuple

from newsletter.keywords.matching import marks
from newsletter.mails import wording
from newsletter.models import Announcement, Digest, Edition, Keyword, Link
from newsletter.prose import plain, prose

_ADDRESS = pattern(r"https://(?!\S*/\.\.?/)[!-~]+")


class Run(NamedTuple):
    """A stretch of text, and whether it is why the paper matched."""

    text: str
    hit: bool


class Name(NamedTuple):
    """A keyword, and the anchor at which its digest begins."""

    name: str
    anchor: str


class Heading(NamedTuple):
    """A digest as its heading and its line in the contents show it.

    `news` is empty without any; `missing` where there was no answer to be trusted.
    """

    name: str
    anchor: str
    news: str
    coverage: str
    missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A paper as the templates see it."""

    id: str
    url: str
    links: list[Link]
    title: list[Run]
    plain_title: str
    short_title: str
    label: str
    when: str
    categories: str
    authors: str
    comment: str
    why: str
    shown: Name
    also: list[Name]
    abstract: list[Run]


def view(
    announcement: Announcement,
    digest: Digest,
    edition: Edition,
    keywords: Sequence[Keyword],
    *,
    bibtex: bool,
) -> View:
    """Prepare a paper for the templates. Raises ValueError if it has no address."""
    paper = announcement.paper
    if not paper.links or not all(_ADDRESS.fullmatch(link.url) for link in paper.links):
        raise ValueError(f"its addresses are none: {paper.links}")
    shown = edition.shown_in[paper.id]
    name = plain(paper.local_id)
    title = prose(paper.title) or f"{plain(paper.source)}:{name}"
    abstract = prose(paper.abstract)
    in_title = {each.name: marks(each, title) for each in keywords}
    in_abstract = {each.name: marks(each, abstract) for each in keywords}
    found = {"title": in_title[digest.keyword.name], "abstract": in_abstract[digest.keyword.name]}
    places = [place for place, spans in found.items() if spans]
    late = wording.is_late(paper, digest, edition.date)
    return View(
        id=name,
        url=paper.links[0].url,
        links=[link for link in paper.links if bibtex or link.label != "BibTeX"],
        title=_runs(title, in_title.values()),
        plain_title=title,
        short_title=wording.shortened(title, 60),
        label=wording.label(announcement, late=late),
        when=wording.when(announcement, digest, edition.date),
        categories=", ".join(map(plain, paper.categories)),
        authors=wording.authors(paper.authors),
        comment=prose(paper.comment),
        why=wording.why(paper, digest.keyword, places),
        shown=name_of(shown),
        also=[name_of(each.name) for each in keywords if each.name != shown],
        abstract=_runs(abstract, in_abstract.values()),
    )


def _runs(text: str, spans: Iterable[list[tuple[int, int]]]) -> list[Run]:
    """Cut a text where what matched begins or ends; matches that meet are one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(chain.from_iterable(spans)):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    runs: list[Run] = []
    done = 0
    for start, end in merged:
        runs += [Run(text[done:start], hit=False), Run(text[start:end], hit=True)]
        done = end
    runs.append(Run(text[done:], hit=False))
    return [run for run in runs if run.text]


def heading(digest: Digest, edition: Edition) -> Heading:
    """Return what stands above the papers of a keyword."""
    return Heading(
        *name_of(digest.keyword.name),
        news=wording.news(digest),
        coverage=wording.coverage(digest, edition.date),
        missing=digest.outcome == "unknown",
    )


@cache
def name_of(name: str) -> Name:
    """Return a keyword as it is shown, and the anchor of its section."""
    name = plain(name)
    return Name(name, f"k{sha256(name.encode()).hexdigest()[:8]}")


def matched(edition: Edition) -> dict[str, list[Keyword]]:
    """Map each paper of an edition to the keywords it is announced for."""
    found: dict[str, list[Keyword]] = {}
    for digest in edition.digests:
        for announcement in digest.announcements:
            found.setdefault(announcement.paper.id, []).append(digest.keyword)
    return found
