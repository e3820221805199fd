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


def usual_place(announcement: Announcement, keyword: Keyword) -> Place:
    """Return where a paper stands in an edition in which this keyword alone announces it.

    What is new comes before what was replaced; then counts how many keywords announce it, whether
    one of them is in its title, and how new it is.
    """
    paper = announcement.paper
    replaced = announcement.kind == "replacement"
    moment = paper.updated if replaced else paper.submitted
    titled = _is_in_title(keyword, paper.title)
    return (replaced, -1, not titled, -moment.timestamp(), paper.id)


def _with(place: Place, other: Place) -> Place:
    """Return where a paper stands that more keywords announce than one."""
    replaced, number, untitled, moment, id_ = place
    return (replaced, number + other[1], untitled and other[2], moment, id_)


class _Alone(NamedTuple):
    """All that issues announce of a keyword, and its papers' places by id if no other has them."""

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
            places = {each.paper.id: usual_place(each, digest.keyword) for each in announced}
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
    several: set[str] = set()
    for each in found:
        again = each.places.keys() & places.keys()
        both = {id_: _with(places[id_], each.places[id_]) for id_ in again}
        places |= each.places
        places |= both
        several |= again
    digests = [
        x.digest if several.isdisjoint(x.places) else _ordered(x.digest, places) for x in found
    ]
    shown_in: dict[str, str] = {}
    for each in reversed(found):
        shown_in |= dict.fromkeys(each.places, each.digest.keyword.name)
    first, last = covered.issues[0], covered.issues[-1]
    return Edition(
        issue=last.number,
        date=last.date,
        digests=tuple(digests),
        shown_in=shown_in,
        best_first=tuple(sorted(places, key=places.__getitem__)),
        issues=tuple(each.number for each in covered.issues),
        first=min(before + _DAY if before else last.date, first.date) if weekly else None,
        abstracts=abstracts,
    )


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
