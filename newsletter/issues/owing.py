"""Who is owed an issue, and how the list has changed. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

from newsletter.addresses import folded
from newsletter.models import Changes, Frequency, Owed, Reader, Subscriber


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


def readers_after(
    number: int,
    subscribers: Iterable[Subscriber],
    before: Mapping[str, Reader],
    *,
    served: Collection[Frequency],
) -> Iterator[Reader]:
    """Yield the readers once those of the `served` frequencies have had issue `number`.

    Who joins or comes back from a pause has had everything before it.
    """
    for each in subscribers:
        yield Reader(
            address=each.email,
            fingerprint=fingerprint(each),
            covered=None
            if each.paused
            else number
            if each.frequency in served
            else _covered(each, before, number),
        )


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
    everything = tuple(keywords)
    for each in subscribers:
        if each.paused or each.frequency not in served:
            continue
        after = _covered(each, before, number)
        wanted = everything if each.keywords is None else each.keywords
        groups = [(name,) for name in wanted] if per_keyword else [wanted]
        plan += [
            Owed(
                recipient=each.email,
                keywords=group,
                format=each.format,
                after=after,
                frequency=each.frequency,
                abstracts=each.abstracts,
            )
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
