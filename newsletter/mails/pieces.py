"""Pieces that mails are joined from, in both parts, and how many bytes they have.

What many mails have in common is the same string in all of them, so that whatever is done to it is
done once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import sub
from typing import Any, NamedTuple

from newsletter.mails.views import Form

# Slots. Text that comes from outside loses its control characters, so that nobody can forge one.
UNSUBSCRIBE = "\x02unsubscribe\x03"
PREFERENCES = "\x02preferences\x03"
REASON = "\x02reason\x03"  # what is said to one reader alone


# What a paper is shown as on the way to the form that is wanted.
LADDERS: Mapping[Form, Sequence[Form]] = {
    "least": ("least",),
    "line": ("least", "line"),
    "entry": ("least", "line", "entry"),
    "excerpt": ("least", "line", "excerpt"),
    "full": ("least", "line", "excerpt", "full"),
}


class Both(NamedTuple):
    """A piece of both parts."""

    html: str
    text: str


NOTHING = Both("", "")


class OnDemand(dict[Any, Any]):
    """A dictionary that makes what it does not have yet, and keeps it."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:  # noqa: ANN401 (whatever is made)
        value = self[key] = self._make(key)
        return value


class Around(NamedTuple):
    """A paper in two pieces; the second is empty where a template does not say why."""

    before: str
    after: str
    size: int

    def saying(self, reason: str) -> tuple[str, ...]:
        """Return the paper with what is said in it."""
        return (self.before, reason, self.after) if self.after else (self.before,)


class Shapes:
    """A paper as HTML or as text, in every form that was ever asked for.

    `fill` makes a form, with what is said before the paper to one reader alone. `made` has the
    forms in which nothing is, the same string each time; `sizes` their bytes; `around` what stands
    before it and behind it where something is, and how many bytes that takes without it.
    """

    __slots__ = ("around", "made", "sizes")

    def __init__(self, fill: Callable[[Form, str], str]) -> None:
        def around(form: Form) -> Around:
            before, _, after = fill(form, REASON).partition(REASON)
            return Around(before, after, size_of(before) + size_of(after))

        self.made: Mapping[Form, str] = OnDemand(lambda form: fill(form, ""))
        self.sizes: Mapping[Form, int] = OnDemand(lambda form: size_of(self.made[form]))
        self.around: Mapping[Form, Around] = OnDemand(around)


class Column(NamedTuple):
    """Papers that stand below each other in one form: each a piece, its bytes, and those of all."""

    pieces: Sequence[str]
    sizes: Sequence[int]
    size: int


class Columns(OnDemand):
    """Papers below each other in each form that is asked for.

    `steps` are the bytes that each takes more in one form than in another.
    """

    def __init__(self, papers: Sequence[Shapes]) -> None:
        def column(form: Form) -> Column:
            sizes = [each.sizes[form] for each in papers]
            return Column([each.made[form] for each in papers], sizes, sum(sizes))

        def step(forms: tuple[Form, Form]) -> Sequence[int]:
            before, after = forms
            return list(map(sub, self[after].sizes, self[before].sizes))

        super().__init__(column)
        self.steps: Mapping[tuple[Form, Form], Sequence[int]] = OnDemand(step)


class Sizes:
    """The bytes of papers below each other, in each form that is asked for.

    They are those of some `columns`; `adapted` puts into them what is said of papers, if anything.
    """

    def __init__(
        self,
        columns: Sequence[Columns],
        adapted: Callable[[Form, list[int]], list[int]] | None = None,
    ) -> None:
        self._columns, self._adapted = columns, adapted
        self._all: dict[Form, int] = {}

    def each(self, form: Form) -> list[int]:
        """Return the bytes of each paper."""
        sizes = [*chain.from_iterable([each[form].sizes for each in self._columns])]
        return self._adapted(form, sizes) if self._adapted else sizes

    def all(self, form: Form) -> int:
        """Return the bytes of all papers."""
        if form not in self._all:
            sizes = [each[form].size for each in self._columns]
            self._all[form] = sum(self.each(form) if self._adapted else sizes)
        return self._all[form]

    def step(self, before: Form, after: Form) -> list[int]:
        """Return how many bytes more each paper takes in one form than in another."""
        if self._adapted:
            return list(map(sub, self.each(after), self.each(before)))
        return [*chain.from_iterable([each.steps[before, after] for each in self._columns])]

    def fit(self, room: int, wanted: Form) -> Form | None:
        """Return in which form there is room for all, the wanted or a smaller one, if in any."""
        for form in reversed(LADDERS[wanted]):
            if self.all(form) <= room:
                return form
        return None


class Joined(str):
    """Pieces in one; what is made of each of them, one after the other, is made of it."""

    __slots__ = ("pieces",)
    pieces: Sequence[str]


class Joining:
    """Joins pieces, as long as all that was joined takes no more than so many bytes."""

    def __init__(self, room: int) -> None:
        self._room = self._left = room

    def joined(self, pieces: Sequence[str]) -> Sequence[str]:
        """Return pieces in one, where each ends with its line: a message has a break behind it."""
        whole = Joined("".join(pieces))
        if len(whole) > self._left or not all(each.endswith("\n") for each in pieces if each):
            return pieces
        self._left -= len(whole)
        whole.pieces = pieces
        return (whole,)

    def forget(self) -> None:
        """Begin anew: nobody has what was joined."""
        self._left = self._room


class Stretch:
    """Pieces that follow each other in many mails: from the second on, one piece.

    In one mail alone they are not worth to be joined, and in more to be looked at one by one.
    """

    __slots__ = ("_joining", "_pieces", "_size", "_times")

    def __init__(self, pieces: Sequence[str], joining: Joining) -> None:
        self._pieces, self._joining, self._times = pieces, joining, 0
        self._size = -1

    def pieces(self) -> Sequence[str]:
        """Return the pieces, for a mail."""
        self._times += 1
        if self._times == 2:
            self._pieces = self._joining.joined(self._pieces)
        return self._pieces

    def size(self) -> int:
        """Return their bytes."""
        if self._size < 0:
            self._size = bytes_of(self._pieces)
        return self._size


def size_of(piece: str) -> int:
    """Return the bytes of a piece."""
    return len(piece) if piece.isascii() else len(piece.encode())


def bytes_of(pieces: Iterable[str]) -> int:
    """Return the bytes of some pieces."""
    return sum([len(each) if each.isascii() else len(each.encode()) for each in pieces])
