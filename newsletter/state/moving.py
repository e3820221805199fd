"""Move a state from its file to a server, and look after what is there. It delivers nothing."""

from collections.abc import Mapping
from pathlib import Path

from newsletter.errors import CONFIG, StateError
from newsletter.state.engines import Place
from newsletter.state.sqlite import lock
from newsletter.state.sqlite.database import Database as File


def move(file: Path, place: Place) -> Mapping[str, int]:
    """Copy the state file to the server that `place` names, and mark it as moved.

    Returns how many rows each table has there. It is one transaction, into a ledger that is empty,
    which is made where there is none; before it is committed the rows are counted on both sides.
    The file runs no more from then on: a run says where it went. Raises LockedError while a run is
    under way, StateError for all else; then nothing was moved.
    """
    from newsletter.state.postgres import copying
    from newsletter.state.postgres.database import Database

    with lock.only_run(file), File.open(file, moved=True) as source:
        database = Database(place)
        try:
            database.open()
            with database.transaction() as there:
                if filled := copying.filled(there):
                    raise StateError(
                        place.name,
                        f"has a ledger of this newsletter already ({filled}); nothing was copied",
                        exit_code=CONFIG,
                    )
                with source.guarded() as here:
                    counts = copying.give(here, there)
                    if differing := copying.differing(here, there):
                        raise StateError(place.name, f"the copy is not whole: {differing}")
                # Before the commit: there is never a moment at which both could be worked on. If
                # that fails, the same command can be given again.
                source.mark_moved(place.url)
        finally:
            database.close()
    return counts


def migrated(place: Place) -> int:
    """Bring a ledger up to date, making it where there is none; return its version."""
    from newsletter.state.postgres.database import Database
    from newsletter.state.postgres.trust import MIGRATIONS

    database = Database(place)
    try:
        database.open()
    finally:
        database.close()
    return len(MIGRATIONS)


def hold(place: Place) -> int:
    """Hold back everything that a restored ledger says is owed; return how many deliveries.

    A backup has forgotten who was mailed since it was made, and cannot tell who was not. The ledger
    belongs to the server that it is on from then on.
    """
    from newsletter.state.postgres.database import Database
    from newsletter.state.postgres.trust import cluster_of

    database = Database(place, restored=True)
    try:
        database.open(create=False)
        with database.transaction() as db:
            db.execute("update about set cluster = ?", (cluster_of(db.connection),))
            db.execute("update parcels set held = true, until = null where not done")
            return db.execute(
                "update deliveries set status = 'unknown',"
                " reply = 'a backup was restored: it may have been mailed' where parcel in"
                " (select id from parcels where held and not done)"
                " and status in ('untried', 'sending', 'deferred', 'unknown')"
            ).rowcount
    finally:
        database.close()


def release(place: Place) -> int:
    """Let everything go out that was held; return how many deliveries."""
    from newsletter.state.postgres.database import Database

    database = Database(place)
    try:
        database.open(create=False)
        with database.transaction() as db:
            ((number,),) = db.execute(
                "select count(*) from outstanding where parcel in"
                " (select id from parcels where held)"
            ).fetchall()
            db.execute("update parcels set held = false where held")
            return int(number)
    finally:
        database.close()
