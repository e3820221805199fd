"""What one delivery run has leased of all that is owed; others lease the rest beside it.

A parcel is leased for some seconds, and the lease renewed while it is worked on. The lease only
says who should try: what is exact is the number of the attempt, which one sender is granted once.
After a kill the next holder finds what was under way, calls it unknown, and tries it again.

What keeps people from being mailed twice, or not at all:
- only what was granted leaves, and it is durable then;
- right before the final dot the lease must still run, with a margin;
- where the database is gone, outcomes are kept and nothing new is granted until it is back;
- an outcome counts as long as nobody else was granted a later attempt;
- nothing is taken over before the database has answered one for a whole lease: else a restart of
  it, or a network that was cut, would make everybody's mail in flight unknown.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from math import inf
from threading import Event, Thread
from typing import Any, Self

from msgspec import Struct, field

from newsletter.errors import StateError
from newsletter.models import FINAL, Delivery, Outcome
from newsletter.moments import iso
from newsletter.state.postgres.database import Asked, Database
from newsletter.state.postgres.speech import array, texts

RETRY_SECONDS = 300.0  # until what a server deferred is due again for those who follow
PAUSE_SECONDS = 5.0  # until the rest is: it failed here, or nobody knows

_log = logging.getLogger(__name__)

_GRACE = 10.0  # seconds that a stopped sender waits for the database to take its outcomes


class _Parcel(Struct):
    """A leased parcel: until when, on the monotonic clock, and what in it is not final."""

    deadline: float
    open: set[int] = field(default_factory=set)


class Parcels:
    """A claim on parcels, one after the other, given back when the context ends.

    `me` is who leases, `seen` says that it is still there, `noted` hears of outcomes. `read` makes
    a delivery of a row; what an issue opened before `expires` owes expires. What
    others have leased and do not renew beyond `horizon` is waited for.
    """

    def __init__(
        self,
        database: Database,
        *,
        me: str,
        seen: Callable[[], None],
        read: Callable[[Sequence[Any]], Delivery],
        issue: int | None,
        late: bool | None,
        hold_unknown: bool,
        patient: bool,
        expires: str,
        horizon: Callable[[], object],
        noted: Callable[[int, Iterable[Outcome]], None],
    ) -> None:
        self._database = database
        self._read = read
        self._wanted = {"issue": issue, "late": late, "patient": patient}
        self._late = late
        self._issue = issue
        self._hold_unknown = hold_unknown
        self._expires = expires
        self._horizon = horizon
        self._noted = noted
        self._lease = database.place.lease_seconds
        self._margin = max(0.5, self._lease / 10)
        self._token = 0
        self._me = me
        self._seen = seen
        self._parcels: dict[int, _Parcel] = {}
        self._worked: set[int] = set()
        self._where: dict[int, int] = {}  # the parcel of a delivery
        self._attempts: dict[int, int] = {}
        self._ended = Event()
        self._renewing = Thread(target=self._renew_on, name="leases", daemon=True)

    def __enter__(self) -> Self:
        self._seen()
        ((self._token,),) = self._database.rows("select nextval('token')")
        self._renewing.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.fall_silent()
        with suppress(StateError):  # who is gone loses its leases by and by
            self._release(list(self._parcels))

    def __iter__(self) -> Iterator[Delivery]:
        """Lease a parcel after the other, and yield what is owed in it."""
        while (parcel := self._next()) is not None:
            yield from self._found_in(parcel)

    def commit(
        self, outcomes: Mapping[int, Outcome], intents: Collection[int], *, now: datetime
    ) -> frozenset[int]:
        """Note outcomes, and what is about to leave, in one statement and one commit.

        Where the database is gone this waits for it: what has arrived must be known before more
        may leave.
        """
        if outcomes.keys() & set(intents):  # a row is changed but once in a statement
            self.commit(outcomes, (), now=now)
            outcomes = {}
        if not (outcomes or intents):
            return frozenset()
        if logged := _log.isEnabledFor(logging.DEBUG):
            _log.debug("heard of %s", {each: outcomes[each].status for each in outcomes})
        told = outcomes.values()
        wanted = (
            *self._attempts_of(outcomes),
            array(each.status for each in told),
            array(each.code for each in told),
            texts(each.text for each in told),
            *self._attempts_of(intents),
            self._token,
            iso(now),
        )

        def turn(db: Asked) -> list[int]:
            if self._lapsed():  # the database was gone, or this process stood
                self._renew(db)
            found: list[int] = db.execute(_TURN, wanted, kept=True).fetchall()[0][0]
            return found

        self._database.newest_suppression, *granted = self._insist(turn)
        for delivery in granted:
            self._attempts[delivery] += 1
        if logged:
            _log.debug("may send %s", {each: self._attempts[each] for each in granted})
        self._noted(self._token, told)
        self._close(id_ for id_, each in outcomes.items() if each.status in FINAL)
        return frozenset(granted)

    def _attempts_of(self, deliveries: Collection[int]) -> tuple[str, str, str]:
        """Return the parcels of some deliveries, themselves, and how often they were tried."""
        return (
            array(map(self._where.__getitem__, deliveries)),
            array(deliveries),
            array(map(self._attempts.__getitem__, deliveries)),
        )

    def holds(self, delivery: int) -> bool:
        """Return whether the lease still runs, with a margin for what comes before the dot."""
        parcel = self._parcels.get(self._where[delivery])
        return parcel is not None and time.monotonic() < parcel.deadline - self._margin

    def failed_to_compose(self, delivery: int, reason: str, *, now: datetime) -> int:
        """Count that a message could not be composed; return how often that happened."""
        found = self._database.rows(
            "update deliveries set failures = failures + 1, status = 'deferred', reply = ?,"
            " changed = ? where parcel = ? and id = ? and attempts = ? returning failures",
            reason.replace("\0", ""),
            iso(now),
            self._where[delivery],
            delivery,
            self._attempts[delivery],
        )
        return int(found[0][0]) if found else 0

    @property
    def pause(self) -> float | None:
        """In how many seconds to look whether a parcel that somebody has left may be taken over."""
        wanted = {**self._condition(), "horizon": self._horizon()}
        ((seconds,),) = self._database.asked(lambda db: db.execute(_LEFT, wanted).fetchall())
        if seconds is None:
            return None
        # No longer than `look`: by then there may be another issue, or a parcel was given back; and
        # who asks nothing for too long counts as newly connected (`Database.connected_at`).
        return max(0.1, min(max(float(seconds), self._strange_for()), self._database.place.look))

    def fall_silent(self) -> None:
        """Renew no lease any more: they end by themselves, as after a kill."""
        self._ended.set()
        self._renewing.join()

    # Leases

    def _condition(self) -> dict[str, object]:
        return {
            **self._wanted,
            "worked": list(self._worked),
            "lease": self._lease,
            "me": self._me,
            "token": self._token,
        }

    def _strange_for(self) -> float:
        """Return for how many seconds nothing may be taken over yet."""
        return self._database.connected_at + self._lease - time.monotonic()

    def _next(self) -> int | None:
        if self._database.stop.is_set():
            return None
        began = time.monotonic()
        now, started = self._database.present()

        def lease(db: Asked) -> Any:  # noqa: ANN401
            nonlocal began
            began = time.monotonic()
            known = {"now": now, "started": started, "silence": self._database.place.silence}
            known["may_take_over"] = self._strange_for() <= 0
            return db.execute(_LEASE, self._condition() | known).fetchone()

        row = self._database.asked(lease)
        if row is None:
            return None
        (parcel,) = row
        self._parcels[parcel] = _Parcel(deadline=began + self._lease)
        self._worked.add(parcel)
        return int(parcel)

    def _found_in(self, parcel: int) -> list[Delivery]:
        """Return what is owed in a leased parcel; what its last holder left is unknown now."""
        rows = self._database.asked(
            lambda db: (
                db.execute(
                    _SWEEP,
                    {"parcel": parcel, "token": self._token, "expires": self._expires},
                )
                and db.execute(
                    _FOUND,
                    {"parcel": parcel, "late": self._late, "issue": self._issue},
                ).fetchall()
            )
        )
        found = [self._read(row) for row in rows]
        if self._hold_unknown:
            found = [each for each in found if each.status != "unknown"]
        for each in found:
            self._where[each.id] = parcel
            self._attempts[each.id] = each.attempts
        self._parcels[parcel].open = {each.id for each in found}
        if not found:
            self._release([parcel])
        return found

    def _close(self, deliveries: Iterator[int]) -> None:
        """Give back the parcels in which nothing is left to do."""
        done = set()
        for delivery in deliveries:
            parcel = self._parcels.get(self._where[delivery])
            if parcel:
                parcel.open.discard(delivery)
                if not parcel.open:
                    done.add(self._where[delivery])
        if done:
            self._release(list(done))

    def _release(self, parcels: Sequence[int]) -> None:
        if not parcels:
            return
        self._insist(
            lambda db: db.execute(
                _RELEASE,
                {
                    "parcels": list(parcels),
                    "token": self._token,
                    "retry": RETRY_SECONDS,
                    "pause": PAUSE_SECONDS,
                },
            )
        )
        for each in parcels:
            self._parcels.pop(each, None)

    def _renew_on(self) -> None:
        """Be seen, and renew the leases while they are worked on, for as long as they are ours."""
        while not self._ended.wait(self._database.place.renewal):
            with suppress(StateError):
                self._seen()
                if self._parcels:
                    self._database.asked(self._renew, patience=0)

    def _lapsed(self) -> bool:
        now = time.monotonic()
        return any(each.deadline <= now for each in self._parcels.values())

    def _renew(self, db: Asked) -> None:
        """Renew the leases, also one that has ended where nobody has taken the parcel since."""
        began = time.monotonic()
        for (parcel,) in db.execute(_RENEW, {"token": self._token, "lease": self._lease}):
            if held := self._parcels.get(parcel):  # it may be given back meanwhile
                held.deadline = began + self._lease

    def _insist(self, action: Callable[[Asked], Any]) -> Any:  # noqa: ANN401
        """Do what may be repeated until the database is back; after a stop, for a moment more."""
        until = inf
        while True:
            try:
                return self._database.asked(action)
            except StateError:
                if self._database.patience < inf:
                    raise
                if self._database.stop.is_set():
                    until = min(until, time.monotonic() + _GRACE)
                if time.monotonic() >= until:
                    raise
                time.sleep(0.2)


_OPEN = """
    not done and not held and id <> all(cast(:worked as bigint[]))
    and (not :patient or due <= clock_timestamp())
    and case when cast(:late as boolean) is null then
            cast(:issue as integer) is null or issue = :issue
        when :late then late or refused or issue = cast(:issue as integer)
        else not late end
"""

# The last condition: a statement that hung in a broken network, and reaches the database when it is
# whole again, takes over no lease of somebody else's.
_LEASE = f"""
    update parcels set owner = :me, token = :token,
        until = clock_timestamp() + make_interval(secs => :lease)
    where id = (select id from parcels where {_OPEN}
        and (until is null or (until < clock_timestamp() and :may_take_over
            and pg_postmaster_start_time() = :started
            and clock_timestamp() < cast(:now as timestamptz) + make_interval(secs => :silence)))
        order by late, id limit 1 for update skip locked)
    returning id
"""  # noqa: S608 - no value is in it

# What others have leased and not renewed since this run first looked: it may have been left.
_LEFT = f"""
    select extract(epoch from min(until) - clock_timestamp()) from parcels
    where {_OPEN} and until <= :horizon
"""  # noqa: S608 - no value is in it

_RENEW = """
    update parcels set until = clock_timestamp() + make_interval(secs => :lease)
    where token = :token and not done and until is not null returning id
"""

_SWEEP = """
    update deliveries set status = case
            when issue in (select number from issues where opened < :expires) then 'expired'
            else 'unknown' end,
        reply = case when status = 'sending'
            then 'the sender ended before the server answered' else reply end
    where parcel = :parcel and ((status = 'sending' and token <> :token)
        or (status in ('untried', 'deferred', 'unknown')
            and issue in (select number from issues where opened < :expires)))
"""

_FOUND = """
    select deliveries.id, deliveries.issue, after, recipient, keywords, format, frequency,
        abstracts, status, attempts
    from deliveries join parcels on parcels.id = parcel
    where parcel = :parcel and status in ('untried', 'deferred', 'unknown')
        and case when cast(:late as boolean) is null then true
            when :late then late or parcels.issue = cast(:issue as integer) or code >= 500
            else code < 500 end
    order by code >= 500, deliveries.id
"""

_RELEASE = """
    update parcels set until = null, owner = '',
        done = not found.owed, refused = found.refused,
        due = case when not found.owed or found.untried then due
            else clock_timestamp()
                + make_interval(secs => case when found.ours then :pause else :retry end) end
    from (select parcel, coalesce(bool_or(status = 'untried'), false) as untried,
            coalesce(bool_or(status in ('sending', 'unknown', 'deferred') and code < 400), false)
                as ours, coalesce(bool_or(
                status in ('untried', 'sending', 'deferred', 'unknown')), false) as owed,
            coalesce(bool_or(code >= 500 and status in ('deferred', 'rejected')), false) as refused
        from deliveries where parcel = any(:parcels) group by parcel) as found
    where parcels.id = found.parcel and token = :token
"""

_TURN = "select turn(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
