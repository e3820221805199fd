"""A reader's own papers, by which their edition is ordered, and where a paper stands to them."""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct


class OwnPaper(Struct, frozen=True, kw_only=True):
    """A paper of a profile: what it is called, and its words, counted.

    `name` is its title, or the first words of an abstract without one. `id` is that of a paper,
    empty where none is known; `categories` are arXiv's, and often not known either.
    """

    name: str
    terms: Mapping[str, int]
    id: str = ""
    categories: tuple[str, ...] = ()


class Profile(Struct, frozen=True, kw_only=True):
    """The own papers of one reader, each once; `notes` says what else there is to know of them."""

    papers: tuple[OwnPaper, ...]
    notes: tuple[str, ...] = ()


class Closeness(NamedTuple):
    """Why a paper is close to a profile.

    `own` is what the nearest own paper is called; `words` are the strongest that both have, as the
    paper writes them, none where they have no telling word in common.
    """

    id: str
    own: str
    words: tuple[str, ...]


class Order(NamedTuple):
    """Papers by closeness to a profile, by id, closest first; `yours` are in the profile itself.

    `closest` are the few that stand first in an edition, each with its reason.
    """

    ids: tuple[str, ...]
    closest: tuple[Closeness, ...] = ()
    yours: frozenset[str] = frozenset()


class Worded(NamedTuple):
    """An order in the words of a mail, as it is frozen: `reasons` are why the `closest` are close.

    Each is plain text, in lines.
    """

    ids: tuple[str, ...]
    closest: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    yours: frozenset[str] = frozenset()
