"""Open the state wherever it is kept: the one place that asks whether in a file or on a server."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import Event
from typing import TYPE_CHECKING

from newsletter.errors import InstallationError, StateError
from newsletter.state.engines import Place
from newsletter.state.sqlite import lock
from newsletter.state.state import FileState, State
from newsletter.subscribers.suppressions import KeptOff, Suppressions

if TYPE_CHECKING:
    from newsletter.state.postgres.database import Database
    from newsletter.state.postgres.lease import PoolMeter

PATIENCE = 60.0  # seconds for which whoever works waits for a server that is not there


def there_is(place: Place) -> bool:
    """Return whether anything is remembered yet. Raises StateError where that cannot be told."""
    if not place.url:
        return place.file.exists()
    with _connected(place, create=False) as database:
        return database is not None


@contextmanager
def opened(place: Place) -> Iterator[State]:
    """Open the state to look at it or to note something, making it ready where there is none."""
    if not place.url:
        with State.open(place.file) as state:
            yield state
        return
    with _connected(place) as database:
        assert database  # noqa: S101 - it is created
        with _shared(database) as state:
            yield state


@contextmanager
def remembered(place: Place) -> Iterator[State]:
    """Open the state to look at it; before the first run it is blank, and stays unmade."""
    if there_is(place):
        with opened(place) as state:
            yield state
    else:
        with State.blank() as blank:
            yield blank


@contextmanager
def alone(place: Place, *, stop: Event | None = None) -> Iterator[State]:
    """Open the state as the only run; raise LockedError where there is another.

    Senders may work beside it where there is a server.
    """
    if not place.url:
        with lock.only_run(place.file), State.open(place.file) as state:
            yield state
        return
    with _connected(place, patience=PATIENCE, stop=stop) as database:
        assert database  # noqa: S101 - it is created
        from newsletter.state.postgres.lease import only_run

        with only_run(database), _shared(database) as state:
            yield state


@contextmanager
def beside(
    place: Place,
    *,
    patience: float,
    stop: Event,
    follow: bool = False,
    at_first: float = PATIENCE,
) -> Iterator[State]:
    """Open the state to work on what is there: alone where it is a file, else beside others.

    `patience` is for how many seconds a server that is gone is waited for, `at_first` one that was
    not there to begin with. Those who `follow` leave what was deferred until it is due.
    """
    if not place.url:
        with alone(place) as state:
            yield state
        return
    with _connected(place, patience=at_first, stop=stop) as database:
        assert database  # noqa: S101 - it is created
        database.patience = patience
        with _shared(database, patient=follow) as state:
            yield state


@contextmanager
def only_reader(state: State) -> Iterator[None]:
    """Keep others from reading the inbox meanwhile; raise LockedError where one is reading it.

    Who has opened a file to run has that already.
    """
    if isinstance(state, FileState):
        yield
        return
    from newsletter.state.postgres.database import Database
    from newsletter.state.postgres.lease import only_one

    assert isinstance(state.database, Database)  # noqa: S101 - there are no others
    with only_one(state.database, "inbox"):
        yield


def shared_suppressions(state: State, *, keys: Sequence[bytes]) -> KeptOff | None:
    """Return who must not be mailed as a shared ledger has it, None where the file alone counts."""
    if isinstance(state, FileState):
        return None
    from newsletter.state.postgres.database import Database
    from newsletter.state.postgres.suppressions import SharedSuppressions

    assert isinstance(state.database, Database)  # noqa: S101 - there are no others
    return SharedSuppressions(state.database, keys=keys)


def shared_meter(state: State) -> "PoolMeter | None":
    """Return what keeps one rate for all senders of a shared ledger, None where there are none."""
    if isinstance(state, FileState):
        return None
    from newsletter.state.postgres.database import Database
    from newsletter.state.postgres.lease import PoolMeter

    assert isinstance(state.database, Database)  # noqa: S101 - there are no others
    return PoolMeter(state.database)


def reconciled(kept_off: KeptOff, file: Suppressions, *, now: datetime) -> None:
    """Let the file and a shared ledger have the same suppressions, where there are both.

    Only the job does so, since only it is sure to have the file.
    """
    if isinstance(kept_off, Suppressions):
        return
    from newsletter.state.postgres.suppressions import SharedSuppressions

    if isinstance(kept_off, SharedSuppressions):
        kept_off.reconcile(file, now=now)


def holder(place: Place) -> str:
    """Return who is the only run now, as far as can be told; empty where nobody is."""
    if not place.url:
        return lock.holder(place.file)
    with _connected(place, create=False) as database:
        if database is None:
            return ""
        from newsletter.state.postgres.lease import holder as who

        return who(database)


@contextmanager
def _shared(database: "Database", *, patient: bool = False) -> Iterator[State]:
    from newsletter.state.postgres.deliveries import Deliveries

    deliveries = Deliveries(database, patient=patient)
    try:
        yield State(database, deliveries)
    finally:
        with suppress(StateError):
            deliveries.leave()


@contextmanager
def _connected(
    place: Place, *, create: bool = True, patience: float = 0.0, stop: Event | None = None
) -> Iterator["Database | None"]:
    """Connect to the server; None without `create` where it has no ledger yet."""
    try:
        from newsletter.state.postgres.database import Database
    except ImportError as error:
        raise InstallationError(error) from error
    database = Database(place, patience=patience, stop=stop)
    try:
        yield database if database.open(create=create) else None
    finally:
        database.close()
