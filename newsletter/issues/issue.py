"""Compile an issue from the day's news, and an edition from issues. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from itertools import chain

from newsletter.models import (
    Announcement,
    Digest,
    Edition,
    Issue,
    News,
)


def compile_issue(number: int, day: date, news: Iterable[News]) -> Issue:
    """Turn the day's news into an issue; keywords without announcements say why."""
    return Issue(number=number, date=day, digests=tuple(each.digest for each in news))


def edition_for(issues: Sequence[Issue], keywords: Sequence[str]) -> Edition:
    """Return the edition that covers `issues` (oldest first, at least one) for these keywords.

    A paper appears in full under the first of the keywords that announced it. Keywords the issues
    do not know are left out.
    """
    digests = tuple(
        _merged(found)
        for name in keywords
        if (
            found := [
                each for issue in issues for each in issue.digests if each.keyword.name == name
            ]
        )
    )
    shown_in: dict[str, str] = {}
    for digest in digests:
        for announcement in digest.announcements:
            shown_in.setdefault(announcement.paper.id, digest.keyword.name)
    last = issues[-1]
    return Edition(issue=last.number, date=last.date, digests=digests, shown_in=shown_in)


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
