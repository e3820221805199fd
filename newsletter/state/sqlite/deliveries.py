"""What is owed to whom, and what became of it; who is owed what was decided before."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from newsletter.models import Delivery, DeliveryStatus, Outcome, Owed, Tally
from newsletter.moments import iso
from newsletter.state.account import Account, delivery_from, row_of, tally_of
from newsletter.state.engines import Sender
from newsletter.state.sqlite.ahead import Ahead
from newsletter.state.sqlite.database import Database


class Deliveries(Account):
    """The deliveries of a state file; what is taken up is forgotten when the file is closed.

    Who was refused lately comes late: the last answer to them was a 5yz, or one of the answers was
    that is on record. So a few who refuse never stand between the others and their mail.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._database = database
        with database.guarded() as db:
            for table in _WORKED:
                db.execute(table)

    def take_up(self, *, now: datetime, max_age: timedelta) -> None:
        """Begin to work on everything that is outstanding; the tally counts it from here on.

        The order is that of the issues, and within one those that share an edition follow each
        other; who was refused lately comes after all of them.

        What was under way when an earlier run ended becomes `unknown`; what belongs to an issue
        older than `max_age` expires.
        """
        with self._database.transaction() as db:
            db.execute(
                "update issues set settled = 1"
                " where not settled and number not in (select issue from outstanding)"
            )
            db.execute("delete from refused")
            db.execute(
                "insert into refused select distinct recipient from deliveries"
                " where code >= 500 and status in ('deferred', 'rejected')"
            )
            db.execute(
                "delete from worked where delivery in (select id from outstanding"
                " where recipient in (select recipient from refused))"
            )
            db.execute(
                "insert or ignore into worked (delivery, late)"
                " select id, recipient in (select recipient from refused) as late"
                " from outstanding"
                " order by late, issue, after, keywords, frequency, abstracts, format, id"
            )
            db.execute(
                "update deliveries set status = 'unknown', changed = ?,"
                " reply = 'the run ended before the server answered'"
                " where id in (select id from outstanding where status = 'sending')",
                (iso(now),),
            )
            db.execute(
                "update deliveries set status = 'expired', changed = ? where id in ("
                "select id from outstanding join issues on number = issue where opened < ?)",
                (iso(now), iso(now - max_age)),
            )

    def awaiting(self, *, page: int = 5_000) -> Iterator[str]:
        """Yield everybody who is owed something, once for each issue."""
        for (issue,) in self._database.rows("select number from issues where not settled"):
            last = ""
            while rows := self._database.rows(
                "select distinct recipient from outstanding where issue = ? and recipient > ?"
                " order by recipient limit ?",
                issue,
                last,
                page,
            ):
                yield from (address for (address,) in rows)
                last = rows[-1][0]

    def claim(
        self, *, issue: int | None = None, late: bool | None = None, hold_unknown: bool = False
    ) -> Ahead:
        """Claim for one delivery run what was taken up, or what `pages` says of it."""
        return Ahead(self, issue=issue, late=late, hold_unknown=hold_unknown)

    def withdraw(self, recipients: Iterable[str], reason: str, *, now: datetime) -> None:
        """Suppress what is owed to some recipients, but for what is under way."""
        with self._database.transaction() as db:
            db.executemany(
                "update deliveries set status = 'suppressed', changed = ?, reply = ?"
                " where id in (select id from outstanding where recipient = ?"
                " and status <> 'sending')",
                [(iso(now), reason, each) for each in recipients],
            )

    def pages(
        self, *, issue: int | None = None, late: bool | None = None, hold_unknown: bool = False
    ) -> Iterator[list[Delivery]]:
        """Yield what was taken up and is still owed, some at a time, each delivery once.

        With `issue` what belongs to it. Without the `late` ones if that is False; with all of them
        beside what belongs to the issue, which may be none, if it is True.
        Those that share an edition follow each other; outcomes may be committed meanwhile.
        """
        position = 0
        while rows := self._database.rows(
            "select position, id, issue, after, recipient, keywords, format, frequency, abstracts,"
            " status, attempts"
            " from worked cross join outstanding on id = delivery"
            " where position > ? and case when ? then late or issue = ?"
            " else not (late and ?) and issue = coalesce(?, issue) end"
            " and not (? and status = 'unknown') order by position limit 500",
            position,
            late is True,
            issue,
            late is False,
            issue,
            hold_unknown,
        ):
            yield [delivery_from(row[1:]) for row in rows]
            position = rows[-1][0]

    @property
    def reach(self) -> int:
        """How many intents to note ahead at the pace of the last ones."""
        return self._database.reach

    def commit(
        self,
        outcomes: Mapping[int, Outcome],
        intents: Collection[int],
        *,
        now: datetime,
        never_left: Collection[int] = (),
        coming: Collection[int] = (),
    ) -> int:
        """Note outcomes, and what is about to leave now and next, in one transaction.

        `never_left` has what was noted as an intent before and was not tried: its outcome is that
        of no attempt. When this returns no kill can undo it. A power cut cannot undo an intent
        either; one that is only `coming` it can until `wait_for_sync` of what this returns. Where
        there is none to leave now, it may undo the outcomes until the next sync, which is under
        way unless the last one is less than half of `Database.hurry` ago.
        """
        changed = iso(now)
        with self._database.transaction(lazy=not intents) as db:
            if outcomes:
                db.executemany(
                    "update deliveries set status = ?, attempts = attempts - ?, code = ?,"
                    " reply = ?, changed = ? where id = ?",
                    [
                        (one.status, int(id_ in never_left), one.code, one.text, changed, id_)
                        for id_, one in outcomes.items()
                    ],
                )
            if intents or coming:
                db.executemany(
                    "update deliveries set status = 'sending', attempts = attempts + 1, changed = ?"
                    " where id = ?",
                    [(changed, delivery) for delivery in (*intents, *coming)],
                )
        return self._database.begin_sync() if coming else 0

    def wait_for_sync(self, commit: int) -> None:
        """Wait until no power cut can undo what came with a commit."""
        self._database.wait_for_sync(commit)

    def take_back(self, intents: Mapping[int, DeliveryStatus]) -> None:
        """Give those that never left the status they had before; sync what was committed lazily."""
        with self._database.transaction() as db:
            db.executemany(
                "update deliveries set status = ?, attempts = attempts - 1 where id = ?",
                [(status, delivery) for delivery, status in intents.items()],
            )
        self._database.sync()

    def failed_to_compose(
        self, delivery: int, reason: str, *, now: datetime, never_left: bool = False
    ) -> int:
        """Count that a message could not be composed; return how often that happened."""
        with self._database.transaction() as db:
            ((failures,),) = db.execute(
                "update deliveries set failures = failures + 1, status = 'deferred',"
                " attempts = attempts - ?, reply = ?, changed = ? where id = ? returning failures",
                (never_left, reason, iso(now), delivery),
            ).fetchall()
        return int(failures)

    def senders(self) -> list[Sender]:
        """Return nobody: a run alone delivers, and no other is there to be seen."""
        return []

    def by_pool(self) -> dict[str, int]:
        """Count what is outstanding: nobody leases anything here."""
        return {"": sum(number for *_rest, number in self.waiting())}

    def expected(self) -> int:
        """Return how many deliveries there are to work on."""
        return self.tally().outstanding

    def own(self) -> Tally:
        """Count what this process has worked on: nobody else has."""
        return self.tally()

    def tally(self) -> Tally:
        """Count by status the deliveries that were taken up since the file was opened."""
        rows = self._database.rows(
            "select status, count(*) from worked join deliveries on id = delivery group by status"
        )
        return tally_of(dict(rows))

    def rejections(self) -> list[tuple[str, int, str]]:
        """Return what servers refused since the file was opened as (address, issue, reply)."""
        return self._database.rows(
            "select recipient, issue, code || ' ' || reply from worked"
            " join deliveries on id = delivery where status = 'rejected' and code >= 500"
        )

    def accepted_since(self, moment: datetime, *, upto: datetime) -> int:
        """Count what servers accepted in a span, for a rate that holds across runs."""
        ((number,),) = self._database.rows(
            "select count(*) from deliveries where status = 'accepted' and changed between ? and ?",
            iso(moment),
            iso(upto),
        )
        return int(number)

    def of_issue(self, issue: int) -> list[tuple[str, DeliveryStatus, int, str]]:
        """Return the deliveries of an issue as (recipient, status, attempts, reply)."""
        return self._database.rows(
            "select recipient, status, attempts, reply from deliveries where issue = ?"
            " order by recipient, keywords",
            issue,
        )

    def to_address(self, address: str, *, limit: int = 10) -> list[tuple[int, str, str, str]]:
        """Return the last deliveries to an address as (issue, date, status, reply)."""
        return self._database.rows(
            "select issue, date, status, reply from deliveries join issues on number = issue"
            " where lower(recipient) = lower(?) order by id desc limit ?",
            address,
            limit,
        )

    def owe(
        self, db: sqlite3.Connection, issue: int, owed: Iterable[Owed], *, opened: datetime
    ) -> None:
        """Note what an issue owes, in the transaction that publishes it."""
        changed = iso(opened)
        db.executemany(
            "insert into deliveries"
            " (issue, after, recipient, keywords, format, frequency, abstracts, changed)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            ((issue, *row_of(each), changed) for each in owed),
        )

    def forget(self, db: sqlite3.Connection, address: str, *, alias: str, now: datetime) -> int:
        """Put `alias` in the place of an address; what is outstanding is suppressed."""
        db.execute(
            "update deliveries set status = 'suppressed', changed = ?"
            " where id in (select id from outstanding where lower(recipient) = lower(?))",
            (iso(now), address),
        )
        return db.execute(
            "update deliveries set recipient = ?, reply = '' where lower(recipient) = lower(?)",
            (alias, address),
        ).rowcount

    def prune(self, db: sqlite3.Connection, *, before: datetime) -> None:
        """Turn the ended deliveries of issues opened before into totals."""
        db.execute(
            "insert into totals select issue, status, count(*) from ended"
            " where issue in (select number from issues where opened < ?)"
            " group by issue, status"
            " on conflict do update set deliveries = deliveries + excluded.deliveries",
            (iso(before),),
        )
        db.execute(
            "delete from deliveries where id in (select id from ended"
            " where issue in (select number from issues where opened < ?))",
            (iso(before),),
        )


# What this process works on, in the order of sending; dies with the connection.
_WORKED = (
    """
create temp table if not exists worked (
    position integer primary key,
    delivery integer not null unique,
    late integer not null
)
""",
    "create temp table if not exists refused (recipient text primary key) without rowid",
)
