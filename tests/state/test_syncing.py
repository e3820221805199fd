"""Syncs beside the work: what the disk has, what is waited for, and what it says against it."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.models import Delivery, DeliveryStatus, Outcome
from newsletter.state.sqlite.ahead import Ahead
from newsletter.state.sqlite.syncing import SyncError, Syncing

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_what_is_committed_is_as_old_as_the_sync_before_it(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one")
    syncing = Syncing(tmp_path / "log")
    assert syncing.age() > 1e9
    syncing.note(synced=True)
    first = syncing.age()
    syncing.note(synced=False)
    assert syncing.age() > first
    syncing.wait(syncing.committed)
    before = syncing.age()
    syncing.wait(syncing.committed)
    assert before < syncing.age() < 1e9
    syncing.close()


def test_where_there_is_no_log_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    syncing = Syncing(tmp_path / "log")
    syncing.note(synced=False)
    syncing.wait(syncing.committed)
    assert syncing.age() < 1e9
    syncing.close()


def test_what_the_disk_does_not_take_is_said() -> None:
    syncing = Syncing(Path("/dev/null"))  # no file that can be synced
    syncing.note(synced=False)
    syncing.begin()
    with pytest.raises(SyncError, match="Invalid argument"):
        syncing.wait(syncing.committed)
    syncing.close()


class Book:
    """A book that only notes in which order it was asked for what."""

    reach = 64

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pages(
        self, *, issue: int | None, late: bool | None, hold_unknown: bool
    ) -> Iterator[list[Delivery]]:
        yield [
            Delivery(id=n, issue=1, after=0, recipient="", keywords=(), format="html")
            for n in range(200)
        ]

    def commit(
        self,
        outcomes: Mapping[int, Outcome],
        intents: Collection[int],
        *,
        now: datetime,
        never_left: Collection[int],
        coming: Collection[int],
    ) -> int:
        if intents or coming:
            self.asked.append(f"{[*intents]} and {len(coming)} more")
        return len(self.asked)

    def wait_for_sync(self, commit: int) -> None:
        self.asked.append(f"the disk has {commit}")

    def take_back(self, intents: Mapping[int, DeliveryStatus]) -> None:
        pass

    def failed_to_compose(
        self, delivery: int, reason: str, *, now: datetime, never_left: bool
    ) -> int:
        return 1


def test_what_is_noted_ahead_leaves_once_the_disk_has_it() -> None:
    book = Book()
    claim = Ahead(book, issue=None, late=None, hold_unknown=False)
    coming = iter(claim)
    for _ in range(3):
        claim.commit({}, [next(coming).id], now=NOW)
    assert book.asked == ["[0] and 64 more", "the disk has 1", "the disk has 1"]


def test_more_is_noted_while_half_of_it_is_still_to_leave() -> None:
    book = Book()
    claim = Ahead(book, issue=None, late=None, hold_unknown=False)
    for delivery in claim:
        claim.commit({}, [delivery.id], now=NOW)
    noted = [each for each in book.asked if "more" in each]
    assert noted[:2] == ["[0] and 64 more", "[] and 33 more"]
    assert book.asked.index(noted[1]) == 33
    assert all(each.startswith("[]") for each in noted[1:])
