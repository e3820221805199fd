"""The people who read: as the list has them, and as the state remembers them."""

from datetime import date
from typing import Literal

from msgspec import Struct

Frequency = Literal["daily", "weekly"]


Format = Literal["html", "text"]


# How much of an abstract is shown, where an edition has more than three papers.
Abstracts = Literal["full", "excerpt", "none"]

# What stands first in an edition: what is closest to the reader's own papers, or what is newest.
OrderBy = Literal["relevance", "date"]


class Subscriber(Struct, frozen=True, kw_only=True):
    """A row of the list file that passed every check.

    `keywords` is None for all of them, `abstracts` and `order` for what the newsletter does.
    `email` is deliverable as written: local part as given, domain as A-labels in lower case.
    `paused_until` is the day from which mails come again.
    """

    email: str
    name: str = ""
    keywords: tuple[str, ...] | None = None
    frequency: Frequency = "daily"
    paused: bool = False
    paused_until: date | None = None
    format: Format = "html"
    profile: str = ""
    abstracts: Abstracts | None = None
    order: OrderBy | None = None


class Reader(Struct, frozen=True, kw_only=True):
    """A subscriber as the state remembers them.

    `fingerprint` tells whether the row changed; `covered` is the last issue whose news they have
    had, None while paused.
    """

    address: str
    fingerprint: str
    covered: int | None


class Changes(Struct, frozen=True, kw_only=True):
    """How the list differs from the one that the last run saw."""

    added: int = 0
    removed: int = 0
    changed: int = 0
