"""Pieces that mails are joined from, in both parts, and how many bytes they have.

What many mails have in common is the same string in all of them, so that whatever is done to it is
done once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from newsletter.mails.views import Form

# What is said to one reader alone takes its place. Nothing that comes from outside has it.
REASON = "\x02reason\x03"


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


def columns(papers: Sequence[Shapes]) -> Mapping[Form, Column]:
    """Return papers below each other in each form that is asked for."""

    def column(form: Form) -> Column:
        sizes = [each.sizes[form] for each in papers]
        return Column([each.made[form] for each in papers], sizes, sum(sizes))

    return OnDemand(column)


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
    return sum(map(size_of, pieces))
