"""Who must not be mailed, for machines that do not have the file: its copy, and who left since."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain

from newsletter.addresses import folded
from newsletter.moments import iso
from newsletter.state.postgres.database import Asked, Database
from newsletter.subscribers.suppressions import (
    FORGOTTEN,
    Suppression,
    Suppressions,
    hashes_of,
    require_reason,
)

_FRESH = 1.0  # seconds, where no turn has said whether there is something new


class SharedSuppressions:
    """The suppressions in the ledger, with the methods of those in the file.

    What is added or removed here waits for the next run, which writes it into the file. The copy is
    read anew as soon as a turn of a sender, or one's own look once a second, shows a change.
    """

    problems: tuple[str, ...] = ()

    def __init__(self, database: Database, *, keys: Sequence[bytes] = ()) -> None:
        self._database = database
        self._keys = tuple(keys)
        self._entries: dict[str, Suppression] = {}
        self._any_forgotten = False
        self._known = 0  # numbers begin with 1
        self._looked = 0.0
        self.refresh()

    def reason_for(self, address: str) -> str | None:
        """Return why the address must not be mailed, None if it may be, as of `refresh`."""
        entry = self._entries.get(folded(address))
        if entry is None and self._any_forgotten:
            names = chain.from_iterable(hashes_of(address, key) for key in self._keys)
            entry = next((self._entries[name] for name in names if name in self._entries), None)
        return entry.reason if entry else None

    def entries(self) -> tuple[Suppression, ...]:
        """Return every suppression in force, oldest first."""
        return tuple(self._entries.values())

    def refresh(self) -> None:
        """Take in what has changed; cheap enough to ask before every mail."""
        changed = self._database.newest_suppression > self._known
        if not changed and time.monotonic() - self._looked < _FRESH:
            return
        rows = self._database.rows(
            "select id, address, reason, since, detail from suppressions where id > ? order by id",
            self._known,
        )
        for number, name, reason, since, detail in rows:
            self._known = number
            self._entries.pop(name, None)
            if reason:
                self._entries[name] = Suppression(
                    address=name, reason=reason, since=since, detail=detail
                )
                self._any_forgotten |= name.startswith(f"{FORGOTTEN}:")
        self._looked = time.monotonic()

    def add(self, address: str, *, reason: str, now: datetime, detail: str = "") -> None:
        """Suppress an address, durably; nothing is written if it is for that reason already."""
        self.add_all([address], reason=reason, now=now, detail=detail)

    def add_all(
        self, addresses: Iterable[str], *, reason: str, now: datetime, detail: str = ""
    ) -> None:
        """Suppress some addresses as `add` does each, in one transaction."""
        require_reason(reason)
        self._look_again()
        new = [
            Suppression(address=each, reason=reason, since=iso(now), detail=detail)
            for each in dict.fromkeys(map(folded, addresses))
            if self.reason_for(each) not in {reason, FORGOTTEN}
        ]
        if new:
            with self._database.transaction() as db:
                _put(db, new, filed=False)
            self._look_again()

    def remove(self, address: str, *, now: datetime, detail: str = "") -> bool:
        """Lift a suppression. Returns whether there was one."""
        self._look_again()
        names = [folded(address), *chain.from_iterable(hashes_of(address, k) for k in self._keys)]
        found = [
            Suppression(address=name, reason="", since=iso(now), detail=detail)
            for name in names
            if name in self._entries
        ]
        with self._database.transaction() as db:
            _put(db, found, filed=False)
        self._look_again()
        return bool(found)

    def reconcile(self, file: Suppressions, *, now: datetime) -> None:
        """Write what came here into the file, and take over all that is in it.

        What comes here meanwhile waits for the next time.
        """
        ((upto,),) = self._database.rows("select coalesce(max(id), 0) from suppressions")
        for name, reason, detail in self._database.rows(
            "select address, reason, detail from suppressions where not filed and id <= ?"
            " order by id",
            upto,
        ):
            if reason:
                file.add(name, reason=reason, now=now, detail=detail)
            else:
                file.remove(name, now=now, detail=detail)
        file.refresh()
        given = {folded(each.address): each for each in file.entries()}
        with self._database.transaction() as db:
            db.execute("update suppressions set filed = true where not filed and id <= ?", (upto,))
            here = dict(db.execute("select address, reason from suppressions").fetchall())
            changed = [
                Suppression(address=name, reason=each.reason, since=each.since, detail=each.detail)
                for name, each in given.items()
                if here.get(name) != each.reason
            ]
            lifted = [
                Suppression(address=name, reason="")
                for name, reason in here.items()
                if reason and name not in given
            ]
            _put(db, [*changed, *lifted], filed=True, upto=upto)
        self._look_again()

    def _look_again(self) -> None:
        self._looked = 0.0
        self.refresh()


def _put(db: Asked, entries: Sequence[Suppression], *, filed: bool, upto: int = 2**62) -> None:
    """Write entries, each under a new number, by which others see that something has changed.

    What stands under a number beyond `upto` is newer, and stays.
    """
    for each in entries:
        db.execute("delete from suppressions where address = ? and id <= ?", (each.address, upto))
        db.execute(
            "insert into suppressions (address, reason, detail, since, filed)"
            " values (?, ?, ?, ?, ?) on conflict (address) do nothing",
            (each.address, each.reason, each.detail, each.since, filed),
        )
