"""Compile an issue from the day's news, and an edition from issues. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import chain

from msgspec.structs import replace

from newsletter.keywords.matching import marks
from newsletter.models import (
    Abstracts,
    Announcement,
    Digest,
    Edition,
    Issue,
    Keyword,
    News,
)
from newsletter.prose import prose

_DAY = timedelta(days=1)

# Where a paper stands among others: the lowest comes first.
Place = tuple[float | str, ...]


def compile_issue(number: int, day: date, news: Iterable[News]) -> Issue:
    """Turn the day's news into an issue; keywords without announcements say why."""
    return Issue(number=number, date=day, digests=tuple(each.digest for each in news))


def usual_place(announcement: Announcement, keywords: Sequence[Keyword]) -> Place:
    """Return where a paper stands by itself: `keywords` are those of the edition that announce it.

    What is new comes before what was replaced; then counts how many keywords it has, whether one
    of them is in its title, and how new it is.
    """
    paper = announcement.paper
    replaced = announcement.kind == "replacement"
    moment = paper.updated if replaced else paper.submitted
    titled = any(_is_in_title(each, paper.title) for each in keywords)
    return (replaced, -len(keywords), not titled, -moment.timestamp(), paper.id)


def edition_for(
    issues: Sequence[Issue],
    keywords: Sequence[str],
    *,
    weekly: bool = False,
    before: date | None = None,
    abstracts: Abstracts = "excerpt",
) -> Edition:
    """Return the edition that covers `issues` (oldest first, at least one) for these keywords.

    A paper appears in full under the first of the keywords that announced it; under each the best
    come first, as `usual_place` says. Keywords the issues do not know are left out. A weekly
    edition covers the days after `before`, which is when the issue before these was opened; where
    there is none, all since the first of these.
    """
    # Looked through once: some follow all of ten thousand keywords.
    found: dict[str, list[Digest]] = {name: [] for name in keywords}
    for each in chain.from_iterable(issue.digests for issue in issues):
        if each.keyword.name in found:
            found[each.keyword.name].append(each)
    digests = tuple(_merged(found[name]) for name in keywords if found[name])
    places = _places(digests)
    best_first = sorted(places, key=places.__getitem__)
    rank = {id_: n for n, id_ in enumerate(best_first)}  # numbers are quicker to compare
    shown_in: dict[str, str] = {}
    for digest in digests:
        for announcement in digest.announcements:
            shown_in.setdefault(announcement.paper.id, digest.keyword.name)
    last = issues[-1]
    return Edition(
        issue=last.number,
        date=last.date,
        digests=tuple([_ordered(each, rank) for each in digests]),
        shown_in=shown_in,
        best_first=tuple(best_first),
        issues=tuple(each.number for each in issues),
        first=min(before + _DAY if before else last.date, issues[0].date) if weekly else None,
        abstracts=abstracts,
    )


def _places(digests: Sequence[Digest]) -> dict[str, Place]:
    """Map each paper of some digests to its place among all of them."""
    keywords: dict[str, list[Keyword]] = {}
    announced: dict[str, Announcement] = {}
    for digest in digests:
        for each in digest.announcements:
            keywords.setdefault(each.paper.id, []).append(digest.keyword)
            announced.setdefault(each.paper.id, each)
    return {id_: usual_place(announced[id_], matched) for id_, matched in keywords.items()}


def _ordered(digest: Digest, rank: Mapping[str, int]) -> Digest:
    best_first = sorted(digest.announcements, key=lambda each: rank[each.paper.id])
    return replace(digest, announcements=tuple(best_first))


# The readers of a day have the same papers and keywords over and over.
@lru_cache(maxsize=65536)
def _is_in_title(keyword: Keyword, title: str) -> bool:
    # A paper that cannot be shown must not keep the others from being placed.
    return bool(title) and bool(marks(keyword, prose(title)))


def _merged(digests: list[Digest]) -> Digest:
    """Join one keyword's digests of several issues, oldest first, into one."""
    if len(digests) == 1:
        return digests[0]
    latest: dict[str, Announcement] = {}
    for announcement in chain.from_iterable(each.announcements for each in reversed(digests)):
        later = latest.setdefault(announcement.paper.id, announcement)
        latest[announcement.paper.id] = replace(announcement, paper=later.paper)
    newest = digests[-1]
    return replace(
        newest,
        outcome="new" if latest and newest.outcome != "unknown" else newest.outcome,
        announcements=tuple(latest.values()),
        since=digests[0].since,
        left_out=sum((Counter(each.left_out) for each in digests), Counter()),
    )
