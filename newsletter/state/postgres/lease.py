"""What one at a time has: job and inbox, by leases, and a mail server's time, by a row."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

from msgspec import Struct

from newsletter.errors import LockedError, StateError
from newsletter.state.postgres.database import Database


@contextmanager
def only_run(database: Database) -> Iterator[None]:
    """Keep other runs out for as long as the context lasts; raise LockedError where one is there.

    What this run commits, it commits under its lease: where it was too slow to renew it, and
    another began, nothing more is written.
    """
    with only_one(database, "job") as token:
        database.leading = token
        try:
            yield
        finally:
            database.leading = None


@contextmanager
def only_one(database: Database, name: str) -> Iterator[int]:
    """Hold the lease of a name, which ends by itself after a kill; raise LockedError."""
    me = f"process {os.getpid()} on {socket.gethostname()}"
    with database.transaction() as db:
        taken = db.execute(
            "insert into leases (name, owner, token, until)"
            " values (?, ?, nextval('token'), clock_timestamp() + make_interval(secs => ?))"
            " on conflict (name) do update set owner = excluded.owner, token = excluded.token,"
            " until = excluded.until where leases.until < clock_timestamp() returning token",
            (name, me, database.place.lease_seconds),
        ).fetchone()
    if taken is None:
        raise LockedError(database.path, holder(database, name) or "it has just ended")
    token = int(taken[0])
    ended = Event()
    renewing = Thread(
        target=_renew_on, args=(database, name, token, ended), name=f"{name} lease", daemon=True
    )
    renewing.start()
    try:
        yield token
    finally:
        ended.set()
        renewing.join()
        with suppress(StateError):
            database.rows(
                "delete from leases where name = ? and token = ? returning 1", name, token
            )


def holder(database: Database, name: str = "job") -> str:
    """Return who has the lease of a name, empty where nobody has."""
    found = database.rows(
        "select owner from leases where name = ? and until > clock_timestamp()", name
    )
    return str(found[0][0]) if found else ""


class PoolMeter(Struct, frozen=True):
    """The time of a mail server, one row for all senders of a pool; see `pace.Meter`.

    Only the database's clock counts. A moment that nobody took is gone: nothing is saved up.
    """

    database: Database

    def take(self, seconds: float) -> float | None:
        """Take so much of the pool's time; return in how many seconds it begins, None unknown."""
        try:
            found = self._told(_TAKE, seconds)
        except StateError:
            return None
        return float(found[0][0])

    def rest(self, seconds: float) -> None:
        """Let nobody of the pool have the next seconds, unless the database is gone."""
        with suppress(StateError):
            self._told(_REST, seconds)

    def _told(self, sql: str, seconds: float) -> list[tuple[Any, ...]]:
        values = {"pool": self.database.place.pool, "seconds": seconds}
        return self.database.asked(lambda db: db.execute(sql, values).fetchall(), patience=0)


_TAKE = """
    insert into rates as mine (pool, next)
    values (:pool, clock_timestamp() + make_interval(secs => :seconds))
    on conflict (pool) do update
    set next = greatest(mine.next, clock_timestamp()) + make_interval(secs => :seconds)
    returning greatest(0, extract(epoch from next - clock_timestamp()) - :seconds)
"""
_REST = """
    insert into rates as mine (pool, next)
    values (:pool, clock_timestamp() + make_interval(secs => :seconds))
    on conflict (pool) do update
    set next = greatest(mine.next, clock_timestamp() + make_interval(secs => :seconds))
    returning next
"""


def _renew_on(database: Database, name: str, token: int, ended: Event) -> None:
    while not ended.wait(database.place.lease_seconds / 3):
        with suppress(StateError):
            database.asked(lambda db: database.renew(db, name, token), patience=0)
