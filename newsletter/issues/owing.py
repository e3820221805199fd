"""Who is owed an issue, and how the list has changed. Pure."""

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256

from msgspec import Struct

from newsletter.models import Changes, Frequency, Owed, Reader, Subscriber
from newsletter.subscribers.people import Choices, People, choices_of

_NEW, _PAUSED = -2, -1
_CHOICES = 10_000  # that are remembered: people choose alike


class Past(Struct, frozen=True, kw_only=True):
    """What the readers of before say of who is on the list now.

    `covered` has, by place, the last issue whose news somebody has had, below 0 who was not there,
    or paused: a list of a million must not be held a second time to look that up. `marks` has the
    fingerprints as numbers, by place, too. `changes` tells how the list differs from theirs.
    """

    covered: Sequence[int]
    marks: Sequence[int]
    changes: Changes

    def after(self, place: int, number: int) -> int:
        """Return after which issue the news begin that somebody has not had, as of issue `number`.

        Who joins or comes back from a pause has had everything before it.
        """
        covered = self.covered[place]
        return number - 1 if covered < 0 else covered

    def behind(self, number: int) -> int:
        """Return the least that `after` has for anybody."""
        return min((each for each in self.covered if each >= 0), default=number - 1)


def past_of(people: People, before: Iterable[Reader]) -> Past:
    """Return what the readers of before, one after the other, say of these people."""
    covered = array("q", [_NEW]) * people.places
    marks = array("Q", [0]) * people.places
    for place, each in people.items():
        marks[place] = int(fingerprint(each), 16)
    there = removed = changed = 0
    for reader in before:
        found = people.place_of(reader.address)
        if found is None:
            removed += 1
            continue
        there += covered[found] == _NEW
        covered[found] = _PAUSED if reader.covered is None else reader.covered
        changed += _written(marks[found]) != reader.fingerprint
    changes = Changes(added=len(people) - there, removed=removed, changed=changed)
    return Past(covered=covered, marks=marks, changes=changes)


def readers_after(
    number: int, people: People, past: Past, *, served: Collection[Frequency]
) -> Iterator[Reader]:
    """Yield the readers once those of the `served` frequencies have had issue `number`."""
    for place, each in people.items():
        yield Reader(
            address=each.email,
            fingerprint=_written(past.marks[place]),
            covered=None
            if each.paused
            else number
            if each.frequency in served
            else past.after(place, number),
        )


def owed(
    number: int,
    people: People,
    *,
    keywords: Sequence[str],
    news_in: Mapping[str, int],
    past: Past,
    served: Collection[Frequency],
    per_keyword: bool,
) -> Iterator[Owed]:
    """Decide who is owed issue `number`, and from which issue on, one after the other.

    `news_in` maps each keyword to the last issue that announced something for it. Nobody is owed a
    mail without news.
    """
    everything = tuple(keywords)

    @lru_cache(maxsize=_CHOICES)
    def mails(chosen: tuple[str, ...] | None, after: int) -> list[tuple[str, ...]]:
        wanted = everything if chosen is None else chosen
        groups = [(name,) for name in wanted] if per_keyword else [wanted]
        return [each for each in groups if any(news_in.get(name, 0) > after for name in each)]

    for place, each in people.items():
        if each.paused or each.frequency not in served:
            continue
        after = past.after(place, number)
        for group in mails(each.keywords, after):
            yield Owed(
                recipient=each.email,
                keywords=group,
                format=each.format,
                after=after,
                frequency=each.frequency,
                abstracts=each.abstracts,
            )


def fingerprint(subscriber: Subscriber) -> str:
    """Return 16 hexadecimal digits that change when anything about a subscriber does."""
    choices = _as_text(choices_of(subscriber))
    own = f"{subscriber.email}\0{subscriber.name}\0{subscriber.profile}\0{choices}"
    return sha256(own.encode()).hexdigest()[:16]


def _written(mark: int) -> str:
    return f"{mark:016x}"


@lru_cache(maxsize=_CHOICES)
def _as_text(choices: Choices) -> str:
    return repr(choices)
