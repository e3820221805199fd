"""Pieces of a mail in quoted-printable (RFC 2045 6.7), each made once. Pure.

What stands in a slot is personal, and not known here.
"""

import re
from binascii import b2a_qp
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from newsletter.mails.pieces import PREFERENCES, UNSUBSCRIBE, Joined

_SLOTS = (UNSUBSCRIBE, PREFERENCES)
_SLOT = re.compile(f"({'|'.join(_SLOTS)})")

_KEPT = 12_000_000  # bytes of pieces, to be used again
_LONG = 3_000  # characters: the head of the HTML, with its style sheet

_DOT = re.compile(rb"^\.[^\r]*", re.MULTILINE)


class Quoted(NamedTuple):
    """Parts of whole lines each, with nothing in the `places` of slots; which slot is where."""

    parts: Sequence[bytes]
    places: Sequence[tuple[int, int]]


class Ready(NamedTuple):
    """An edition that one reader alone has, ready but for what is in its slots, see `Rendered`."""

    date: date
    subject: str
    html: Quoted
    text: Quoted


# Deliveries come sorted by edition, so that few are at work at a time.
@lru_cache(maxsize=16)
def together(pieces: tuple[str, ...]) -> Quoted:
    """Return pieces that many mails have.

    What has no slot is one part as far as the last piece, where the links are.
    """
    try:
        front = b"".join(map(READY.__getitem__, pieces[:-1]))
    except KeyError:  # a template of somebody's own has a slot elsewhere
        return slotted(pieces)
    parts, places = slotted(pieces[-1:])
    if not front:
        return Quoted(parts, places)
    return Quoted((front, *parts), tuple([(n + 1, slot) for n, slot in places]))


@lru_cache(maxsize=64)
def slotted(pieces: tuple[str, ...]) -> Quoted:
    """Return pieces apart, with nothing in the places of slots."""
    parts = tuple(chain.from_iterable(map(_cut, pieces)))
    slots = iter(chain.from_iterable(_SLOT.findall(piece) for piece in pieces if "\x02" in piece))
    places = tuple((n, _SLOTS.index(next(slots))) for n, part in enumerate(parts) if not part)
    return Quoted(parts, places)


class _Ready(dict[str, bytes]):
    """Pieces without a slot in quoted-printable; what nobody needs any more is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._former: dict[str, bytes] = {}
        self._size = 0

    def __missing__(self, piece: str) -> bytes:
        if "\x02" in piece:
            raise KeyError(piece)
        if self._size > _KEPT:
            self._former, self._size = dict(self), 0
            self.clear()
        found = self._former.get(piece)
        if found is None:
            parts = piece.pieces if isinstance(piece, Joined) else ()
            found = b"".join(map(self.__getitem__, parts)) if parts else _by_line(piece)
        self._size += len(found)
        self[piece] = found
        return found


READY = _Ready()


def framing(pieces: tuple[str, ...]) -> Quoted:
    """Return pieces apart that stand around others in many mails."""
    try:
        return Quoted(quoted_each(pieces), ())
    except KeyError:
        return slotted(pieces)


def quoted_each(pieces: Iterable[str]) -> Sequence[bytes]:
    """Return pieces each by itself. Raises KeyError for one with a slot."""
    return tuple(map(READY.__getitem__, pieces))


@lru_cache(maxsize=1024)
def _cut(piece: str) -> tuple[bytes, ...]:
    """Return a piece in quoted-printable; nothing stands in the place of a slot."""
    if "\x02" not in piece:
        return (_by_line(piece),) if piece else ()
    parts = _SLOT.split(piece)
    return tuple(b"" if part in _SLOTS else _by_line(part) for part in parts if part)


def _by_line(text: str) -> bytes:
    """Return the text in quoted-printable; of a long one most lines are in other mails, too."""
    if len(text) < _LONG:
        return quoted(text)
    *lines, last = text.split("\n")
    return b"".join([*map(_line, lines), quoted(last)])


@lru_cache(maxsize=1024)
def _line(text: str) -> bytes:
    return quoted(f"{text}\n")


def quoted(text: str) -> bytes:
    """Return the text in quoted-printable, in whole lines: a soft break ends what is no line.

    No line begins with a dot, which SMTP would double (RFC 5321 4.5.2).
    """
    if len(text) < 76 and text.isascii() and text.isalnum():  # as the token of each recipient
        return f"{text}=\r\n".encode()
    encoded = b2a_qp(text.encode()).replace(b"\n", b"\r\n")
    if text and not text.endswith("\n"):
        if len(encoded) - (encoded.rfind(b"\n") + 1) == 76:  # no room for another "="
            encoded = encoded[:-1] + b"=\r\n" + encoded[-1:]
        encoded += b"=\r\n"
    return _dotless(encoded)


def quoted_at_once(texts: Sequence[str]) -> list[bytes]:
    """Return texts without slots as `quoted` does, by one call."""
    encoded = b2a_qp("\x02\n".join([*texts, ""]).encode()).replace(b"\n", b"\r\n")
    *parts, _ = encoded.split(b"=02\r\n")
    whole = [x if x.endswith(b"\n") or not x else x + b"=\r\n" for x in parts]
    return [*map(_dotless, whole)] if b"\n." in encoded or encoded[:1] == b"." else whole


def _dotless(encoded: bytes) -> bytes:
    """Return the text without a line that begins with a dot."""
    return _DOT.sub(_without_dot, encoded) if b"\n." in encoded or encoded[:1] == b"." else encoded


def _without_dot(found: re.Match[bytes]) -> bytes:
    """Return a line that began with dots, as several where it is too long for more characters."""
    line, before = found[0], b""
    while line.startswith(b"."):
        line = line[1:]
        before += b"=2E" if len(line) <= 73 else b"=2E=\r\n"
        if len(line) <= 73:
            break
    return before + line
