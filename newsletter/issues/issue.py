"""Compile an issue from the day's news, and an edition from issues. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from hashlib import sha256
from itertools import chain

from newsletter.addresses import folded
from newsletter.models import (
    Announcement,
    Changes,
    Digest,
    Edition,
    Frequency,
    Issue,
    News,
    Owed,
    Reader,
    Subscriber,
)


def changes(subscribers: Iterable[Subscriber], before: Mapping[str, Reader]) -> Changes:
    """Count who joined, who left, and whose row says something else.

    `before` has the readers by folded address, here and below.
    """
    now = {folded(each.email): fingerprint(each) for each in subscribers}
    return Changes(
        added=len(now.keys() - before.keys()),
        removed=len(before.keys() - now.keys()),
        changed=sum(
            before[address].fingerprint != fingerprint_
            for address, fingerprint_ in now.items()
            if address in before
        ),
    )


def compile_issue(number: int, day: date, news: Iterable[News]) -> Issue:
    """Turn the day's news into an issue; keywords without announcements say why."""
    digests = tuple(
        Digest(
            keyword=each.keyword,
            outcome=each.outcome,
            announcements=each.announcements,
            listed=each.listed,
            since=each.since,
            reason=each.reason,
        )
        for each in news
    )
    return Issue(number=number, date=day, digests=digests)


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
            shown_in.setdefault(announcement.paper.arxiv_id, digest.keyword.name)
    last = issues[-1]
    return Edition(issue=last.number, date=last.date, digests=digests, shown_in=shown_in)


def readers_after(
    number: int,
    subscribers: Iterable[Subscriber],
    before: Mapping[str, Reader],
    *,
    served: Collection[Frequency],
) -> list[Reader]:
    """Return the readers once those of the `served` frequencies have had issue `number`.

    Who joins or comes back from a pause has had everything before it.
    """
    return [
        Reader(
            address=each.email,
            fingerprint=fingerprint(each),
            covered=None
            if each.paused
            else number
            if each.frequency in served
            else _covered(each, before, number),
        )
        for each in subscribers
    ]


def owed(
    number: int,
    subscribers: Iterable[Subscriber],
    *,
    keywords: Sequence[str],
    news_in: Mapping[str, int],
    before: Mapping[str, Reader],
    served: Collection[Frequency],
    per_keyword: bool,
) -> list[Owed]:
    """Decide who is owed issue `number`, and from which issue on.

    `news_in` maps each keyword to the last issue that announced something for it, `before` holds
    the readers of the issue before. Nobody is owed a mail without news.
    """
    plan = []
    for each in subscribers:
        if each.paused or each.frequency not in served:
            continue
        after = _covered(each, before, number)
        wanted = tuple(keywords) if each.keywords is None else each.keywords
        groups = [(name,) for name in wanted] if per_keyword else [wanted]
        plan += [
            Owed(recipient=each.email, keywords=group, format=each.format, after=after)
            for group in groups
            if any(news_in.get(name, 0) > after for name in group)
        ]
    return plan


def fingerprint(subscriber: Subscriber) -> str:
    """Return a short text that changes when anything about a subscriber does."""
    return sha256(repr(subscriber).encode()).hexdigest()[:16]


def _covered(subscriber: Subscriber, before: Mapping[str, Reader], number: int) -> int:
    known = before.get(folded(subscriber.email))
    return number - 1 if known is None or known.covered is None else known.covered


def _merged(digests: list[Digest]) -> Digest:
    """Join one keyword's digests of several issues, oldest first, into one."""
    if len(digests) == 1:
        return digests[0]
    latest: dict[str, Announcement] = {}
    for announcement in chain.from_iterable(each.announcements for each in reversed(digests)):
        later = latest.setdefault(announcement.paper.arxiv_id, announcement)
        latest[announcement.paper.arxiv_id] = replace(announcement, paper=later.paper)
    newest = digests[-1]
    return replace(
        newest,
        outcome="new" if latest and newest.outcome != "unknown" else newest.outcome,
        announcements=tuple(latest.values()),
        since=digests[0].since,
    )
