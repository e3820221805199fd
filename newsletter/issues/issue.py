"""Compile an issue from the day's news, and an edition from issues. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, TypeAlias

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

# Where a paper stands among others: the lowest comes first. See `usual_place`.
Place: TypeAlias = tuple[bool, int, bool, float, str]


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


class _Alone(NamedTuple):
    """All that issues announce of a keyword, and where its papers stand if no other has them."""

    digest: Digest
    places: dict[str, Place]


class Covered:
    """Issues that editions cover, oldest first, at least one: what these share is made once."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        self.issues = issues
        self._found: dict[str, list[Digest]] = {}
        for each in chain.from_iterable(issue.digests for issue in issues):
            self._found.setdefault(each.keyword.name, []).append(each)
        self._alone: dict[str, _Alone] = {}

    def announced(self, keywords: Sequence[str]) -> list[_Alone]:
        """Return what is announced of keywords, but for those that the issues do not know."""
        return [self._of(name) for name in keywords if name in self._found]

    def _of(self, keyword: str) -> _Alone:
        if keyword not in self._alone:
            digest = _merged(self._found[keyword])
            announced = digest.announcements
            places = {each.paper.id: usual_place(each, [digest.keyword]) for each in announced}
            self._alone[keyword] = _Alone(_ordered(digest, places), places)
        return self._alone[keyword]


def edition_for(
    issues: Sequence[Issue] | Covered,
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
    covered = issues if isinstance(issues, Covered) else Covered(issues)
    found = covered.announced(keywords)
    places: dict[str, Place] = {}
    shared: set[str] = set()
    shown_in: dict[str, str] = {}
    for each in found:
        again = each.places.keys() & places.keys()
        shared |= again
        both = {id_: _with(places[id_], each.places[id_]) for id_ in again}
        places = each.places | places | both
        shown_in = dict.fromkeys(each.places, each.digest.keyword.name) | shown_in
    first, last = covered.issues[0], covered.issues[-1]
    return Edition(
        issue=last.number,
        date=last.date,
        digests=tuple(
            [
                each.digest if shared.isdisjoint(each.places) else _ordered(each.digest, places)
                for each in found
            ]
        ),
        shown_in=shown_in,
        best_first=tuple(sorted(places, key=places.__getitem__)),
        issues=tuple(each.number for each in covered.issues),
        first=min(before + _DAY if before else last.date, first.date) if weekly else None,
        abstracts=abstracts,
    )


def _with(place: Place, other: Place) -> Place:
    """Return the place of a paper that one more keyword announces."""
    replaced, number, untitled, moment, id_ = place
    return (replaced, number - 1, untitled and other[2], moment, id_)


def _ordered(digest: Digest, places: Mapping[str, Place]) -> Digest:
    best_first = sorted(digest.announcements, key=lambda each: places[each.paper.id])
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
