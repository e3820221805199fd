"""What the state asks of the database that keeps it. There are two: `sqlite` and `postgres`.

The questions of the books are written in what both understand: `?` and `:name` for values, texts
of JSON, and `json_each(value, '$.path')`.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, Self

from msgspec import Struct

from newsletter.models import Delivery, DeliveryStatus, Outcome, Owed, Tally

_ROLE = re.compile(r"//[^/@]*@")


class Place(Struct, frozen=True, kw_only=True):
    """Where the state is: in a file, or on a server where there is a `url`.

    One database holds the ledgers of many newsletters, told apart by their ids. `status` shows the
    senders of one `pool` together.

    What passes between the death of a sender and the takeover of what it had adds up to
    `lease_seconds`, which its lease may still have, and one `look` of whoever has nothing to do.
    Nothing is added on a busy machine: whoever looks may be late by three looks before its
    `silence` makes it a newcomer, who has to wait for a lease of its own.
    """

    file: Path
    url: str = ""
    password: str = ""
    newsletter: str = ""
    lease_seconds: float = 60.0
    pool: str = "default"

    def __repr__(self) -> str:
        return f"Place({self.name})"  # without the password

    @property
    def name(self) -> Path | str:
        """What people know it by; without the role, so that it does not look like an address."""
        return _ROLE.sub("//", self.url) or self.file

    @property
    def renewal(self) -> float:
        """How many seconds are between two renewals of a lease, and two signs of a sender."""
        return min(self.lease_seconds / 5, 5.0)

    @property
    def silence(self) -> float:
        """After how many seconds without an answer one knows too little to take anything over.

        A lease outlasts it, and the renewals before and after it: who was cut off along with us,
        and is back, has renewed its own before we may see that it has ended.
        """
        return max(2.0, self.lease_seconds * 3 / 5)

    @property
    def look(self) -> float:
        """How many seconds are between two looks for something to do."""
        return min(2.0, self.silence / 4)


class Sender(Struct, frozen=True, kw_only=True):
    """Who delivers: host and process, which parcels it has, how long ago it renewed the lease.

    `version` is that of the program: while it is replaced there are two.

    `per_minute` is how many mails a server took from it lately, `accepted` how many since it began
    `age` seconds ago.
    """

    name: str
    version: str
    pool: str
    parcels: tuple[int, ...]
    lease_age: float
    per_minute: float
    accepted: int
    age: float


class Standbys(Struct, frozen=True, kw_only=True):
    """Copies of a ledger that follow it, and how far the last is behind; None where not known."""

    count: int
    bytes: int | None = None
    seconds: float | None = None


class Answer(Protocol):
    """What a statement brought."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        ...

    def fetchone(self) -> Any:  # noqa: ANN401 - a row, or None
        """Return the next row."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows."""
        ...


class Connection(Protocol):
    """An open transaction."""

    def execute(self, sql: str, values: Any = (), /) -> Answer:  # noqa: ANN401
        """Carry out one statement."""
        ...

    def executemany(self, sql: str, values: Iterable[Any], /) -> object:
        """Carry out a statement for each of the values."""
        ...


class Database(Protocol):
    """An open database. Methods raise StateError when it cannot be read or written."""

    @property
    def path(self) -> Path | str:
        """Where it is, as people know it."""
        ...

    def rows(self, sql: str, *values: object) -> list[Any]:
        """Return all rows that answer a question."""
        ...

    def transaction(self, *, lazy: bool = False) -> AbstractContextManager[Connection]:
        """Commit, durably unless `lazy`, what is done in the context; after an error nothing."""
        ...

    @property
    def doubts(self) -> list[str]:
        """What of the place where it is should not be left so."""
        ...

    def standbys(self) -> Standbys | None:
        """Return what follows this database elsewhere; None for a file, which nothing does."""
        ...

    def problems(
        self, *, keyword: Callable[[str], object], paper: Callable[[str], object]
    ) -> list[str]:
        """Return whatever does not fit together, or cannot be read by these; empty if sound."""
        ...

    def copy_into(self, blank: Any, /) -> None:  # noqa: ANN401 - one of SQLite
        """Put everything that is in here into a blank database of SQLite."""
        ...

    def close(self) -> None:
        """Close it; whatever was committed stays."""
        ...


class Claim(Protocol):
    """What one delivery run may send of all that is owed, given back when the context ends.

    That is the question that each database answers in its own way.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def __iter__(self) -> Iterator[Delivery]:
        """Yield what is claimed, those that share an edition together, each once.

        Outcomes may be committed meanwhile.
        """
        ...

    def commit(
        self, outcomes: Mapping[int, Outcome], intents: Collection[int], *, now: datetime
    ) -> frozenset[int]:
        """Note outcomes, and what is about to leave; return those of `intents` that are granted.

        When this returns no kill can undo it.
        """
        ...

    def holds(self, delivery: int) -> bool:
        """Return whether what was granted still may leave: asked right before the final dot."""
        ...

    def failed_to_compose(self, delivery: int, reason: str, *, now: datetime) -> int:
        """Count that a message could not be composed; return how often that happened."""
        ...

    @property
    def pause(self) -> float | None:
        """In how many seconds there may be more to claim in this run; None where there is none."""
        ...


class Book(Protocol):
    """What is owed to whom, and what became of it."""

    def owe(self, db: Any, issue: int, owed: Iterable[Owed], *, opened: datetime) -> None:  # noqa: ANN401
        """Note what an issue owes, in the transaction that publishes it."""
        ...

    def take_up(self, *, now: datetime, max_age: timedelta) -> None:
        """Begin to work on everything that is outstanding; the tally counts it from here on."""
        ...

    def claim(
        self, *, issue: int | None = None, late: bool | None = None, hold_unknown: bool = False
    ) -> Claim:
        """Claim for one delivery run what was taken up.

        With `issue` what belongs to it. Without those that were refused lately if `late` is False;
        with all of them beside what belongs to the issue, which may be none, if it is True. What
        `hold_unknown` holds back is not claimed.
        """
        ...

    def awaiting(self) -> Iterator[str]:
        """Yield everybody who is owed something, of a million some at a time, perhaps twice."""
        ...

    def withdraw(self, recipients: Iterable[str], reason: str, *, now: datetime) -> None:
        """Suppress what is owed to some recipients, but for what is under way."""
        ...

    def senders(self) -> list["Sender"]:
        """Return who works on deliveries beside others, or did within the last lease."""
        ...

    def by_pool(self) -> dict[str, int]:
        """Count what is outstanding by the pool of who has leased it, under "" what nobody has.

        What is held until a person says so is left out.
        """
        ...

    def expected(self) -> int:
        """Return about how many deliveries there are to work on; it costs little to ask."""
        ...

    def own(self) -> Tally:
        """Count what this process has sent; what nobody knows of it is outstanding."""
        ...

    def tally(self) -> Tally:
        """Count by status the deliveries that were taken up since the state was opened."""
        ...

    def rejections(self) -> list[tuple[str, int, str]]:
        """Return what servers refused lately as (address, issue, reply)."""
        ...

    def accepted_since(self, moment: datetime, *, upto: datetime) -> int:
        """Count what servers accepted in a span, for a rate that holds across runs."""
        ...

    def expired_since(self, moment: datetime) -> int:
        """Count the deliveries that expired after `moment`."""
        ...

    def waiting(self) -> list[tuple[int, DeliveryStatus, str, int]]:
        """Return what is outstanding as (issue, status, last reply, how many)."""
        ...

    def of_issue(self, issue: int) -> list[tuple[str, DeliveryStatus, int, str]]:
        """Return the deliveries of an issue as (recipient, status, attempts, reply)."""
        ...

    def to_address(self, address: str, *, limit: int = 10) -> list[tuple[int, str, str, str]]:
        """Return the last deliveries to an address as (issue, date, status, reply)."""
        ...

    def totals(self, issue: int) -> dict[DeliveryStatus, int]:
        """Return how many deliveries of an issue were turned into totals, by status."""
        ...

    def forget(self, db: Any, address: str, *, alias: str, now: datetime) -> int:  # noqa: ANN401
        """Put `alias` in the place of an address, in a transaction; return in how many."""
        ...

    def prune(self, db: Any, *, before: datetime) -> None:  # noqa: ANN401
        """Turn the ended deliveries of issues opened before into totals, in a transaction."""
        ...


def json_text(value: object) -> str:
    """Return a value as JSON, as it stands in a column."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
