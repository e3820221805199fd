"""Hold everybody on the list in little room. It reads no file, and decides nothing.

The clear way would be a tuple of Subscribers, and a dict of them by address where somebody is
looked for: 430 bytes each, which is more than all the rest of a run needs for a million. Here the
address is kept once, what many have chosen alike is one tuple for all of them, and a Subscriber is
made when it is asked for, in two microseconds: 180 bytes each, and those of the name.
"""

from collections.abc import Collection, Iterable, Iterator
from copy import copy
from datetime import date
from typing import Self

from newsletter.addresses import folded
from newsletter.models import Abstracts, Format, Frequency, OrderBy, Subscriber

Choices = tuple[
    tuple[str, ...] | None, Frequency, bool, date | None, Format, Abstracts | None, OrderBy | None
]
_SHARED = 50_000  # choices: where everybody has their own, looking for the same is in vain


class People:
    """Subscribers in the order of the list, each address once, with a place that stays theirs.

    Who reads the list takes them in; nobody changes it after that.
    """

    def __init__(self, subscribers: Iterable[Subscriber] = ()) -> None:
        self._places: dict[str, int] = {}  # by folded address
        self._emails: list[str] = []  # where it is written so, the same string
        self._names: list[str] = []
        self._profiles: dict[int, str] = {}
        self._choices: list[Choices] = []
        self._shared: dict[Choices, Choices] = {}
        self._left_out: frozenset[int] = frozenset()
        for each in subscribers:
            self.take_in(each)

    def take_in(self, subscriber: Subscriber) -> int | None:
        """Add somebody; return the place of who has this address already, and stays."""
        email, key = subscriber.email, folded(subscriber.email)
        key = email if key == email else key
        place = len(self._emails)
        there = self._places.setdefault(key, place)
        if there != place:
            return there
        self._emails.append(email)
        self._names.append(subscriber.name)
        self._choices.append(self._chosen(subscriber))
        if subscriber.profile:
            self._profiles[place] = subscriber.profile
        return None

    def change_choices(self, place: int, subscriber: Subscriber) -> None:
        """Let somebody have chosen what `subscriber` says; address, name and profile stay."""
        self._choices[place] = self._chosen(subscriber)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, People) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._emails) - len(self._left_out)

    def __iter__(self) -> Iterator[Subscriber]:
        return (subscriber for _, subscriber in self.items())

    def __getitem__(self, place: int) -> Subscriber:
        keywords, frequency, paused, until, format_, abstracts, order = self._choices[place]
        return Subscriber(
            email=self._emails[place],
            name=self._names[place],
            keywords=keywords,
            frequency=frequency,
            paused=paused,
            paused_until=until,
            format=format_,
            profile=self._profiles.get(place, ""),
            abstracts=abstracts,
            order=order,
        )

    @property
    def places(self) -> int:
        """How many places there are, also of those who were left out."""
        return len(self._emails)

    def items(self) -> Iterator[tuple[int, Subscriber]]:
        """Yield places and subscribers."""
        return ((place, self[place]) for place, _ in self.emails())

    def emails(self) -> Iterator[tuple[int, str]]:
        """Yield places and addresses, which takes a tenth of the time of `items`."""
        every = enumerate(self._emails)
        left_out = self._left_out
        return (each for each in every if each[0] not in left_out) if left_out else iter(every)

    def with_profiles(self) -> Iterator[Subscriber]:
        """Yield those who gave papers of their own."""
        return (self[place] for place in self._profiles if place not in self._left_out)

    def place_of(self, address: str) -> int | None:
        """Return the place of an address, however it is spelled; None: it is not on the list."""
        place = self._places.get(folded(address))
        return None if place in self._left_out else place

    def without(self, places: Collection[int]) -> Self:
        """Return the same people but for some."""
        fewer = copy(self)
        fewer._left_out = self._left_out.union(places)
        return fewer

    def _chosen(self, subscriber: Subscriber) -> Choices:
        choices = choices_of(subscriber)
        if len(self._shared) >= _SHARED:
            self._shared.clear()
        return self._shared.setdefault(choices, choices)


def choices_of(subscriber: Subscriber) -> Choices:
    """Return what somebody has chosen, in which many are alike."""
    return (
        subscriber.keywords,
        subscriber.frequency,
        subscriber.paused,
        subscriber.paused_until,
        subscriber.format,
        subscriber.abstracts,
        subscriber.order,
    )
