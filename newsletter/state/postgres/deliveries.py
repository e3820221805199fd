"""What is owed to whom, and what became of it, where many senders work it off in parcels."""

import os
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from newsletter import __version__
from newsletter.models import FINAL, DeliveryStatus, Outcome, Owed, Tally
from newsletter.moments import iso
from newsletter.state.account import Account, delivery_from, row_of, tally_of
from newsletter.state.engines import Sender
from newsletter.state.postgres.database import Asked, Database
from newsletter.state.postgres.parcels import Parcels

PARCEL = 1000  # deliveries

_RECENT = 10  # issues whose refusals are looked at


class Deliveries(Account):
    """The deliveries of a ledger.

    `parcel` is how many make one. Who was refused lately is in parcels of their own, which come
    last. With `patient` what was deferred waits until it is due; else it is tried at once, once a
    claim.
    """

    def __init__(self, database: Database, *, patient: bool = False, parcel: int = PARCEL) -> None:
        super().__init__(database)
        self._database = database
        self._parcel = parcel
        self._patient = patient
        self._seen: set[int] = set()  # the parcels that were open since this was opened
        self._before: Counter[str] = Counter()  # what in them had ended when they were first seen
        self._first_looked: object = None
        self.name = f"{socket.gethostname()} {os.getpid()}"
        self._tokens: set[int] = set()  # of claims that something was granted to
        self._seen_with: tuple[int, float] | None = None  # how much it had done, and when
        self._per_minute = 0.0
        self._ended: Counter[str] = Counter()  # what this process has brought to an end
        self._expires = ""  # issues opened before this are too old

    def owe(self, db: Asked, issue: int, owed: Iterable[Owed], *, opened: datetime) -> None:
        """Note what an issue owes, in parcels, in the transaction that publishes it.

        The database sorts: those that share an edition come together, whoever was refused last.
        """
        db.execute(
            "create temporary table owing (after int, recipient text, keywords text, format text,"
            " frequency text, abstracts text, late boolean) on commit drop"
        )
        with db.copying(
            "copy owing (after, recipient, keywords, format, frequency, abstracts) from stdin"
        ) as write:
            for each in owed:
                write(row_of(each))
        db.execute(
            "update owing set late = true where recipient in (select recipient from deliveries"
            " join parcels on parcels.id = parcel where refused and code >= 500"
            " and status in ('deferred', 'rejected'))"
        )
        ((prompt, late, first),) = db.execute(
            "select count(*) filter (where late is null), count(*) filter (where late),"
            " (select coalesce(max(id), 0) + 1 from parcels) from owing"
        ).fetchall()
        parcels, late_parcels = -(-prompt // self._parcel), -(-late // self._parcel)
        db.execute(
            "insert into parcels (id, issue, late, size) select number, :issue,"
            " number >= :first_late, case when number = :last then :left"
            " when number = :first_late - 1 then :prompt_left else :parcel end"
            " from generate_series(cast(:first as bigint), :last) as number",
            {
                "issue": issue,
                "first": first,
                "first_late": first + parcels,
                "last": first + parcels + late_parcels - 1,
                "left": (late or prompt) - ((late_parcels or parcels) - 1) * self._parcel,
                "prompt_left": prompt - (parcels - 1) * self._parcel,
                "parcel": self._parcel,
            },
        )
        db.execute(
            "insert into deliveries (parcel, issue, after, recipient, keywords, format, frequency,"
            " abstracts, changed) select :first + case when late then :parcels else 0 end"
            " + (row_number() over (partition by late order by after, keywords, frequency,"
            " abstracts, format, recipient) - 1) / :parcel as place, :issue, after, recipient,"
            " keywords, format, frequency, abstracts, :opened from owing"
            " order by late nulls first, after, keywords, frequency, abstracts, format, recipient",
            {
                "first": first,
                "parcels": parcels,
                "parcel": self._parcel,
                "issue": issue,
                "opened": iso(opened),
            },
        )

    def take_up(self, *, now: datetime, max_age: timedelta) -> None:
        """Begin to work on everything that is outstanding; the tally counts it from here on.

        What was under way when a sender ended becomes `unknown`, and what is too old expires, when
        somebody leases its parcel.
        """
        self._expires = iso(now - max_age)
        self._database.rows(
            "with settled as (update issues set settled = 1 where settled = 0 and not exists"
            " (select 1 from parcels where parcels.issue = number and not done) returning 1)"
            " select count(*) from settled"
        )
        found = self._database.rows("select id from parcels where not done")
        new = [parcel for (parcel,) in found if parcel not in self._seen]
        if new:
            self._before.update(self._counts(new, ended=True))
            self._seen.update(new)

    def awaiting(self) -> Iterator[str]:
        """Yield everybody who is owed something, once for each parcel."""
        for (parcel,) in self._database.rows("select id from parcels where not done"):
            rows = self._database.rows(
                "select distinct recipient from deliveries where parcel = ?"
                " and status in ('untried', 'sending', 'deferred', 'unknown')",
                parcel,
            )
            yield from (address for (address,) in rows)

    def claim(
        self, *, issue: int | None = None, late: bool | None = None, hold_unknown: bool = False
    ) -> Parcels:
        """Claim parcels for one delivery run: see `Book.claim`."""
        return Parcels(
            self._database,
            me=self.name,
            seen=self.be_seen,
            read=delivery_from,
            issue=issue,
            late=late,
            hold_unknown=hold_unknown,
            patient=self._patient,
            expires=self._expires,
            horizon=self._horizon,
            noted=self._note,
        )

    def withdraw(self, recipients: Iterable[str], reason: str, *, now: datetime) -> None:
        """Suppress what is owed to some recipients, but for what is under way."""
        gone = list(recipients)
        if not gone:
            return
        with self._database.transaction() as db:
            db.execute(
                "update deliveries set status = 'suppressed', changed = ?, reply = ?"
                " where recipient = any(?) and status in ('untried', 'deferred', 'unknown')",
                (iso(now), reason, gone),
            )

    def senders(self) -> list[Sender]:
        """Return who works on deliveries, or did within the last lease, by name."""
        lease = self._database.place.lease_seconds
        return [
            Sender(
                name=name,
                version=version,
                pool=pool,
                parcels=tuple(parcels),
                lease_age=max(0.0, lease - float(left)) if parcels else 0.0,
                per_minute=float(pace),
                accepted=accepted,
                age=float(age),
            )
            for name, version, pool, parcels, left, pace, accepted, age in self._database.rows(
                "select name, version, pool, coalesce(array_agg(id order by id) filter"
                " (where id is not null), '{}'), extract(epoch from min(until)"
                " - clock_timestamp()), per_minute, accepted,"
                " extract(epoch from clock_timestamp() - began)"
                " from senders left join parcels on owner = name and until > clock_timestamp()"
                " where seen > clock_timestamp() - make_interval(secs => ?)"
                " group by senders.name order by name",
                lease,
            )
        ]

    def be_seen(self) -> None:
        """Note that this process is at work, how much it has done, and how fast."""
        now, accepted = time.monotonic(), self._ended["accepted"]
        before, then = self._seen_with or (accepted, now)
        if now - then >= 1 or not self._seen_with:
            self._per_minute = 60 * (accepted - before) / max(1.0, now - then)
            self._seen_with = (accepted, now)
        self._database.rows(
            "insert into senders (name, version, pool, began, seen, accepted, per_minute)"
            " values (?, ?, ?, clock_timestamp(), clock_timestamp(), ?, ?)"
            " on conflict (name) do update set seen = excluded.seen, accepted = excluded.accepted,"
            " per_minute = excluded.per_minute, pool = excluded.pool, version = excluded.version"
            " returning 1",
            self.name,
            __version__,
            self._database.place.pool,
            accepted,
            self._per_minute,
        )

    def leave(self) -> None:
        """Be no sender any more, after an end in order; who was killed is forgotten by and by."""
        if self._seen_with:
            self._database.rows("delete from senders where name = ? returning 1", self.name)

    def by_pool(self) -> dict[str, int]:
        """Count what is outstanding by the pool of who has leased it, under "" what nobody has."""
        return dict(
            self._database.rows(
                "select coalesce(pool, ''), cast(sum(number) as bigint) from"
                " (select parcel, count(*) as number"
                " from outstanding group by parcel) as found join parcels on parcels.id = parcel"
                " left join senders on name = owner and until > clock_timestamp()"
                " where not held group by 1"
            )
        )

    def expected(self) -> int:
        """Return about how many deliveries there are to work on, by what parcels began with."""
        ((number,),) = self._database.rows(
            "select coalesce(sum(size), 0) from parcels where not done and not held"
        )
        return int(number)

    def own(self) -> Tally:
        """Count what this process has sent; what nobody knows of it is outstanding."""
        ((doubtful,),) = self._database.rows(
            "select count(*) from outstanding where status in ('sending', 'unknown')"
            " and token = any(?)",
            list(self._tokens),
        )
        return Tally(
            **{status: self._ended[status] for status in FINAL},
            unknown=doubtful,
            outstanding=doubtful,
        )

    def tally(self) -> Tally:
        """Count by status the deliveries that were taken up, whoever has worked on them."""
        counts = self._counts(list(self._seen))
        counts.subtract(self._before)
        return tally_of(counts)

    def rejections(self) -> list[tuple[str, int, str]]:
        """Return what servers refused of the last issues as (address, issue, reply)."""
        return self._database.rows(
            "select recipient, issue, code || ' ' || reply from deliveries where parcel in"
            " (select id from parcels where refused"
            " and issue > (select coalesce(max(number), 0) from issues) - ?)"
            " and status = 'rejected' and code >= 500",
            _RECENT,
        )

    def accepted_since(self, moment: datetime, *, upto: datetime) -> int:
        """Return 0: what may leave in a minute all senders know from the ledger's own rate."""
        del moment, upto
        return 0

    def of_issue(self, issue: int) -> list[tuple[str, DeliveryStatus, int, str]]:
        """Return the deliveries of an issue as (recipient, status, attempts, reply)."""
        return self._database.rows(
            "select recipient, status, attempts, reply from deliveries"
            " where parcel in (select id from parcels where issue = ?)"
            " order by recipient, keywords",
            issue,
        )

    def to_address(self, address: str, *, limit: int = 10) -> list[tuple[int, str, str, str]]:
        """Return the last deliveries to an address as (issue, date, status, reply)."""
        return self._database.rows(
            "select issue, date, status, reply from deliveries join issues on number = issue"
            " where lower(recipient) = lower(?) order by parcel desc, id desc limit ?",
            address,
            limit,
        )

    def forget(self, db: Asked, address: str, *, alias: str, now: datetime) -> int:
        """Put `alias` in the place of an address; what is outstanding is suppressed."""
        db.execute(
            "update deliveries set status = 'suppressed', changed = ? where"
            " lower(recipient) = lower(?) and status in ('untried', 'deferred', 'unknown')",
            (iso(now), address),
        )
        return db.execute(
            "update deliveries set recipient = ?, reply = '' where lower(recipient) = lower(?)",
            (alias, address),
        ).rowcount

    def prune(self, db: Asked, *, before: datetime) -> None:
        """Turn the ended deliveries of issues opened before into totals."""
        db.execute(
            "with old as (delete from deliveries where parcel in (select parcels.id from parcels"
            " join issues on number = parcels.issue where opened < ?)"
            " and status in ('accepted', 'rejected', 'suppressed', 'expired')"
            " returning issue, status)"
            " insert into totals select issue, status, count(*) from old group by issue, status"
            " on conflict (issue, status)"
            " do update set deliveries = totals.deliveries + excluded.deliveries",
            (iso(before),),
        )

    def _horizon(self) -> object:
        """Return until when leases run that nobody has renewed since this was first asked."""
        if self._first_looked is None:
            ((self._first_looked,),) = self._database.rows(
                "select clock_timestamp() + make_interval(secs => ?)",
                self._database.place.lease_seconds,
            )
        return self._first_looked

    def _note(self, token: int, outcomes: Iterable[Outcome]) -> None:
        """Remember what this process has done."""
        self._tokens.add(token)
        self._ended.update(each.status for each in outcomes if each.status in FINAL)

    def _counts(self, parcels: Sequence[int], *, ended: bool = False) -> Counter[str]:
        return Counter(
            dict(
                self._database.rows(
                    "select status, count(*) from deliveries where parcel = any(?)"
                    " and (not ? or status in ('accepted', 'rejected', 'suppressed', 'expired'))"
                    " group by status",
                    list(parcels),
                    ended,
                )
            )
        )
