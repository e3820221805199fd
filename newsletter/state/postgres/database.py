"""The connection to PostgreSQL: reach it, ask it, come back to it; it knows no papers and people.

Every statement names its schema, needs nothing of a session and goes by the database's clock, so
that PgBouncer may stand in between, in transaction mode too.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, RLock
from typing import Any, TypeVar, cast

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader

from newsletter.errors import CONFIG, TEMPORARY, StateError
from newsletter.state.engines import Place, Standbys
from newsletter.state.postgres import copying, verify
from newsletter.state.postgres.speech import schema_of, spoken
from newsletter.state.postgres.trust import doubts, made_ready, meaning, standbys

_GLANCE = 0.5  # seconds between tries to come back
_NEVER = 2**31  # so often is nothing asked; what is to be kept says so
_SHUT = (errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow)

T = TypeVar("T")


class Asked:
    """A transaction that speaks as the books do."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str) -> None:
        self.connection = connection
        self._schema = schema

    def execute(
        self,
        sql: str,
        values: Iterable[object] | Mapping[str, object] = (),
        /,
        *,
        kept: bool = False,
    ) -> psycopg.Cursor[Any]:
        """Carry out one statement, which the server may have `kept` since the last time."""
        given = values if isinstance(values, Mapping) else tuple(values)
        return self.connection.execute(spoken(sql, self._schema), given, prepare=kept or None)

    def executemany(self, sql: str, values: Iterable[Any], /) -> None:
        """Carry out a statement for each of the values."""
        with self.connection.cursor() as cursor:
            cursor.executemany(spoken(sql, self._schema), values)

    @contextmanager
    def copying(self, sql: str) -> Iterator[Callable[[tuple[object, ...]], None]]:
        """Hand out what writes a row of `copy ... from stdin`."""
        with (
            self.connection.cursor() as cursor,
            cursor.copy(spoken(sql, self._schema)) as copy,
        ):
            yield copy.write_row


class Database:
    """The open connection. Methods raise StateError when the ledger cannot be asked.

    One that is gone is waited for: questions are asked again for up to `patience` seconds, until
    `stop` is set. A transaction that was under way is not: nobody knows what came of it.
    `connected_at` is since when the server has answered without a gap, on the monotonic clock: who
    has just come back knows too little to take over from others. The connection itself says little:
    one to PgBouncer outlives the server, and an idle one a network that was cut. `leading` is the
    token of the lease on the daily job, where this process has it. A ledger that was `restored` may
    be on another server than before. `doubts` says what should not be left so.
    """

    def __init__(
        self,
        place: Place,
        *,
        patience: float = 0.0,
        stop: Event | None = None,
        restored: bool = False,
    ) -> None:
        self.place = place
        self._restored = restored
        self.path = place.name
        self.patience = patience
        self.connected_at = 0.0
        self.heard_at = 0.0  # when it last answered
        self._started: object = None  # since when the server runs, by its own clock
        self.leading: int | None = None
        self.doubts: list[str] = []
        self.newest_suppression = 0  # as the last turn of a sender saw it
        self.stop = stop or Event()
        self._schema = schema_of(place.newsletter)
        self._lock = RLock()
        self._connection: psycopg.Connection[Any] | None = None

    def open(self, *, create: bool = True) -> bool:
        """Reach the ledger and bring its schema up to date; return whether there is one.

        Without `create` an empty database stays so. Raises StateError: 78 for what a person must
        set right, 75 where there are too many connections, 74 for the rest.
        """
        return self.asked(
            lambda db: made_ready(db.connection, self.place, create=create, restored=self._restored)
        )

    def close(self) -> None:
        """Close the connection; whatever was committed stays."""
        with self._lock:
            if self._connection:
                self._connection.close()
                self._connection = None

    def rows(self, sql: str, *values: object) -> list[Any]:
        """Return all rows that answer a question; asked again where the connection was lost."""
        return self.asked(lambda db: db.execute(sql, values).fetchall())

    def asked(self, action: Callable[[Asked], T], *, patience: float | None = None) -> T:
        """Do what may be repeated until the database has answered."""
        until = time.monotonic() + (self.patience if patience is None else patience)
        while True:
            try:
                with self._guarded() as connection:
                    answer = action(Asked(connection, self._schema))
                    self._hear()
                    return answer
            except GoneError as error:
                hopeless = error.told.exit_code == CONFIG or time.monotonic() >= until
                if hopeless or self.stop.wait(_GLANCE):
                    raise error.told from error

    def present(self) -> tuple[object, object]:
        """Return the server's time, and since when it runs: another than before is a new one."""
        ((now, started),) = self.rows("select clock_timestamp(), pg_postmaster_start_time()")
        if started != self._started:
            self.connected_at = time.monotonic()
            self._started = started
        return now, started

    def _hear(self) -> None:
        """Note that the server has answered; after too long a silence one is a newcomer again."""
        now = time.monotonic()
        if now - self.heard_at > self.place.silence:
            self.connected_at = now
        self.heard_at = now

    @contextmanager
    def transaction(self, *, lazy: bool = False) -> Iterator[Asked]:  # noqa: ARG002
        """Commit, durably, what is done in the context; after an error nothing was done.

        Whoever leads the daily job does so under its lease: once that is lost, nothing is done.
        """
        self.rows("select 1")  # comes back first, where the connection was lost meanwhile
        try:
            with self._guarded() as connection, connection.transaction():
                db = Asked(connection, self._schema)
                self.lead(db)
                yield db
                self.lead(db)  # a long transaction may have outlasted it; others wait for us
        except GoneError as error:
            raise error.told from error

    def standbys(self) -> Standbys:
        """Return what follows this server, and how far behind."""
        return self.asked(lambda db: standbys(db.connection))

    def problems(
        self, *, keyword: Callable[[str], object], paper: Callable[[str], object]
    ) -> list[str]:
        """Return whatever in the ledger does not fit together; empty if it is sound."""
        return verify.problems(self.rows, keyword=keyword, paper=paper)

    def copy_into(self, blank: Any, /) -> None:  # noqa: ANN401
        """Put everything into a blank database of SQLite, for dry runs."""
        with self.transaction() as source, blank.transaction() as target:
            copying.take(source, target)

    @contextmanager
    def _guarded(self) -> Iterator[psycopg.Connection[Any]]:
        """Keep other threads out; turn errors of psycopg into StateError, or GoneError."""
        with self._lock:
            connection = None
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = self._connected()
                connection = self._connection
                yield connection
            except psycopg.Error as error:
                reason, code = meaning(error)
                told = StateError(self.path, reason, exit_code=code)
                if connection is None or connection.closed or isinstance(error, _SHUT):
                    self.close()
                    raise GoneError(told) from error
                raise told from error

    def _connected(self) -> psycopg.Connection[Any]:
        given = cast("dict[str, Any]", conninfo_to_dict(self.place.url))
        if self.place.password:
            given["password"] = self.place.password
        connection: psycopg.Connection[Any] = psycopg.connect(
            **{"connect_timeout": 10, **given},
            autocommit=True,
            application_name="newsletter",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=20_000,
        )
        try:
            connection.adapters.register_loader("json", TextLoader)
            self.doubts = doubts(connection, self.place)
            # PgBouncer before 1.21 keeps no statements. Who stands in between shows its own number.
            ((process,),) = connection.execute("select pg_backend_pid()")
            direct = process == connection.info.backend_pid
            connection.prepare_threshold = _NEVER if direct else None
        except BaseException:
            connection.close()
            raise
        self.connected_at = self.heard_at = time.monotonic()
        return connection

    def lead(self, db: Asked) -> None:
        """Renew the lease on the daily job where it is ours; raise StateError once it is lost."""
        if self.leading is not None and not self.renew(db, "job", self.leading):
            raise StateError(
                self.path,
                "this run took so long that it lost its lease to be the only one; run again",
                exit_code=TEMPORARY,
            )

    def renew(self, db: Asked, name: str, token: int) -> bool:
        """Renew a lease; return whether it is still that of the token."""
        found = db.execute(
            "update leases set until = clock_timestamp() + make_interval(secs => ?)"
            " where name = ? and token = ? returning 1",
            (self.place.lease_seconds, name, token),
        ).fetchone()
        return found is not None


class GoneError(Exception):
    """The database is gone for now; `told` is what to raise where it does not come back."""

    def __init__(self, told: StateError) -> None:
        super().__init__(str(told))
        self.told = told
