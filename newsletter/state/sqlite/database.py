"""The SQLite file: create, open, check, migrate, lock, copy; it knows no papers and no people."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Any, ClassVar, Self

from newsletter.errors import CONFIG, StateError
from newsletter.files import sync_folder
from newsletter.moments import stamp
from newsletter.state.doubts import unreadable
from newsletter.state.sqlite import verify
from newsletter.state.sqlite.guarded import Guarded, cannot
from newsletter.state.sqlite.syncing import Syncing

CHECK_EVERY = 7 * 86400  # seconds

_MOVED_ID = 0x61724E4D
APPLICATION_ID = 0x61724E4C  # "arNL": tells our files from other programs' SQLite files

_MAGIC = b"SQLite format 3\x00"


def _script(name: str) -> str:
    # Not by importlib.resources, which takes longer to import than a state to open.
    return Path(__file__).with_name(name).read_text("utf-8")


class Database:
    """The open file. Methods raise StateError when it cannot be read or written.

    Each script of `migrations` brings the schema one version on, the first from 1 to 2; schema.sql
    is the newest. A file with an older schema is copied beside itself before it is changed.
    `hurry` is the age in seconds from which on a lazy commit waits for a sync that is still under
    way; from half of it on, one is begun beside the work.
    """

    migrations: ClassVar[Sequence[str]] = (_script("1-to-2.sql"),)
    hurry = 0.01

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._guarded = Guarded(path, connection)
        self._syncing = Syncing(_log_of(path))
        self._full = True  # whether commits wait for the disk
        self._checked: float | None = None  # when the whole file was looked at; None: no file

    @classmethod
    def open(cls, path: Path, *, moved: bool = False) -> Self:
        """Open a file, creating it where there is none; one that was `moved` only where that is so.

        A new file is made beside its name and renamed, so that whatever stands there and is not a
        whole state file of ours is damage and raises StateError: it is never a first run. The
        whole file is looked at, which takes a second a gigabyte, unless it is as this program left
        it when it last closed it, and was looked at in the last seven days.
        """
        try:
            if not path.exists():
                _create(path)
            with path.open("rb") as file:
                head = file.read(len(_MAGIC))
        except OSError as error:
            raise cannot(path, "cannot be opened", error) from error
        if head != _MAGIC:
            raise _damaged(path, "it is empty" if not head else "it is not an SQLite file")
        database = cls(path, sqlite3.connect(path, isolation_level=None, check_same_thread=False))
        try:
            database._check(moved=moved)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def blank(cls) -> Self:
        """Return a database with empty tables, gone when it is closed."""
        database = cls(Path(":memory:"), _temporary())
        database._connection.executescript(_schema())
        return database

    def copy_into(self, blank: "Database") -> None:
        """Put everything that is in here into a blank one."""
        with self.guarded() as db:
            db.backup(blank._connection)

    def close(self) -> None:
        """Close the file; whatever was committed stays."""
        self._syncing.close()
        self._connection.close()
        if self._checked is not None:
            _note_sound(self.path, self._checked)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def rows(self, sql: str, *values: object) -> list[Any]:
        """Return all rows that answer a question."""
        with self.guarded() as db:
            return db.execute(sql, values).fetchall()

    @property
    def reach(self) -> int:
        """How many intents to note ahead, so that the disk has them before their turn comes."""
        with self.guarded():
            age = self._syncing.age()
        if age < self.hurry:
            return 64
        return 16 if age < 25 * self.hurry else 0

    @contextmanager
    def transaction(self, *, lazy: bool = False) -> Iterator[sqlite3.Connection]:
        """Commit, durably, what is done in the context; after an error nothing was done.

        Where it is lazy it is synced beside the work, for that is what takes a commit its time: a
        kill cannot undo it, but a power cut can, until then.
        """
        with self.guarded() as db:
            age = self._syncing.age()
            if age >= self.hurry or not lazy:
                self._syncing.rest()  # two at a time are slower
            if lazy is self._full:
                db.execute(f"pragma synchronous = {'normal' if lazy else 'full'}")
                self._full = not lazy
            db.execute("begin immediate")
            try:
                yield db
            except BaseException:
                db.rollback()
                raise
            db.execute("commit")
            self._syncing.note(synced=not lazy)
            if age >= self.hurry / 2:
                self._syncing.begin()

    def begin_sync(self) -> int:
        """Have the disk take what is committed, without waiting; return what to wait for."""
        with self.guarded():
            self._syncing.begin()
            return self._syncing.committed

    def wait_for_sync(self, commit: int) -> None:
        """Wait until no power cut can undo what was committed when `begin_sync` returned this."""
        with self.guarded():
            self._syncing.wait(commit)

    def standbys(self) -> None:
        """Return that nothing follows a file."""
        return

    def sync(self) -> None:
        """Wait until no power cut can undo what was committed, lazily too."""
        with self.guarded() as db:
            db.execute("pragma wal_checkpoint")

    def guarded(self) -> Guarded:
        """Keep other threads out, and turn errors of SQLite into StateError."""
        return self._guarded

    @property
    def doubts(self) -> list[str]:
        """Nothing: it is a file."""
        return []

    def problems(
        self, *, keyword: Callable[[str], object], paper: Callable[[str], object]
    ) -> list[str]:
        """Return whatever in the file does not fit together; empty if it is sound."""
        with self.guarded() as db:
            return verify.problems(db) + unreadable(db.execute, keyword=keyword, paper=paper)

    def backup(self, target: Path) -> None:
        """Copy the whole file into `target`, which must not exist yet."""
        with self.guarded() as db:
            try:
                copy(db, target)
            except OSError as error:
                raise cannot(target, "no backup can be written there", error) from error

    def mark_moved(self, url: str) -> None:
        """Note that everything in the file is at `url` now."""
        with self.transaction() as db:
            db.execute("drop table if exists moved")
            db.execute("create table moved (url text not null) strict")
            db.execute("insert into moved values (?)", (url,))
            db.execute(f"pragma application_id = {_MOVED_ID}")

    def _check(self, *, moved: bool) -> None:
        """Make sure that this is a whole state file of ours, and make it ready."""
        self._checked = _found_sound(self.path)  # before SQLite opens it, and makes a log
        try:
            self._connection.execute("pragma busy_timeout = 5000")
            ((application,),) = self._connection.execute("pragma application_id")
            ((version,),) = self._connection.execute("pragma user_version")
            found = "ok"
            if self._checked is None:
                ((found,),) = self._connection.execute("pragma quick_check(1)")
        except sqlite3.OperationalError as error:
            raise cannot(self.path, "cannot be opened", error) from error
        except sqlite3.Error as error:
            raise _damaged(self.path, str(error)) from error
        if application == _MOVED_ID:
            ((url,),) = self._connection.execute("select url from moved")
            if not moved:
                raise StateError(
                    self.path,
                    f'was moved to {url}: set url = "{url}" in [state]. If nothing is there, the'
                    " move broke off: give `newsletter state copy` again",
                    exit_code=CONFIG,
                )
        elif application != APPLICATION_ID:
            raise _damaged(self.path, "it belongs to another program")
        newest = 1 + len(self.migrations)
        if version > newest:
            raise StateError(
                self.path,
                f"written by a newer version of this program (schema {version}, this one knows"
                f" {newest}); install that version again, or restore a backup",
            )
        if found != "ok":
            raise _damaged(self.path, str(found))
        self._checked = self._checked or time.time()
        if version < newest:
            self._migrate()
        with self.guarded() as db:
            db.execute("pragma journal_mode = wal")
            db.execute("pragma synchronous = full")
            db.execute("pragma foreign_keys = on")

    def _migrate(self) -> None:
        """Bring the schema to the newest version in one transaction, unless another run just has.

        What the file was is kept beside it, unless this fails: a full disk must not become fuller
        with every attempt.
        """
        copied = None
        with self.guarded() as db:
            db.execute("begin immediate")
            try:
                ((version,),) = db.execute("pragma user_version")
                due = self.migrations[version - 1 :]
                if due:
                    moment = stamp(datetime.now(UTC))
                    copied = _free(f"{self.path}.backup-v{version}-{moment}")
                    # A connection that may write cannot be copied from; another still can.
                    with closing(sqlite3.connect(self.path)) as reader:
                        Database(self.path, reader).backup(copied)
                for statement in chain.from_iterable(map(_statements, due)):
                    db.execute(statement)
                db.execute(f"pragma user_version = {1 + len(self.migrations)}")
                db.execute("commit")
            except BaseException:
                db.rollback()
                if copied:
                    copied.unlink(missing_ok=True)
                raise


def _free(name: str) -> Path:
    """Return a path of this name that nothing has yet: a run may have died within this second."""
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(path for path in map(Path, names) if not path.exists())


def _log_of(path: Path) -> Path:
    """Return where SQLite keeps what was last written; it would be added to whatever has `path`."""
    return path.with_name(path.name + "-wal")


def _mark_of(path: Path) -> Path:
    """Return where it is noted in which state a file was left, and when it was last found whole."""
    return path.with_name(path.name + ".checked")


def _found_sound(path: Path) -> float | None:
    """Return when a file was found whole, None where it is to be looked at again.

    That is after an unclean end, which leaves the log behind, after seven days, and wherever
    anything but this program has written to the file.
    """
    mark = _mark_of(path)
    try:
        *left, checked = mark.read_text("ascii").split()
        # As git has it: what changes within a tick of the clock shows no other time.
        settled = path.stat().st_mtime_ns < mark.stat().st_mtime_ns
        whole = settled and not _log_of(path).exists() and left == _left(path)
        recent = 0 <= time.time() - float(checked) < CHECK_EVERY
    except (OSError, ValueError):
        return None
    return float(checked) if whole and recent else None


def _note_sound(path: Path, checked: float) -> None:
    """Note how a file was left, where nobody else has it open; it costs a check where it fails.

    What no run works on, such as a backup, gets no note beside it.
    """
    lock = path.with_name(path.name + ".lock")
    with suppress(OSError):
        if lock.exists() and not _log_of(path).exists():
            _mark_of(path).write_text(" ".join([*_left(path), str(checked)]), "ascii")


def _left(path: Path) -> list[str]:
    stat = path.stat()
    return [str(each) for each in (stat.st_ino, stat.st_size, stat.st_mtime_ns)]


def _create(path: Path) -> None:
    log = _log_of(path)
    if log.exists():
        raise StateError(
            path,
            f"is not there, but {log.name} is, which belongs to it. Move that to where the state"
            " file went; if the file was lost, restore a backup and delete that",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)  # it has addresses in it
    try:
        with closing(sqlite3.connect(draft)) as db:
            db.executescript(_schema())
    except sqlite3.Error as error:
        raise cannot(path, "cannot be created", error) from error
    draft.replace(path)


def _temporary() -> sqlite3.Connection:
    # Without a name it is in memory, and from a few MB on in a file that SQLite deletes.
    return sqlite3.connect("", isolation_level=None, check_same_thread=False)


def _schema() -> str:
    version = 1 + len(Database.migrations)
    marks = f"pragma application_id = {APPLICATION_ID}; pragma user_version = {version};"
    return f"begin; {_script('schema.sql')} {marks} commit;"


def _damaged(path: Path, what: str) -> StateError:
    return StateError(
        path,
        f"is damaged ({what}). Nothing was sent and nothing was changed. Restore a backup of it,"
        f" and delete {_log_of(path).name} if that is there; only if you have none, move both away:"
        " the next run then takes a new baseline",
    )


def copy(db: sqlite3.Connection, target: Path) -> None:
    """Copy the whole file into `target`, as of one moment, although others may be writing.

    It holds addresses, so only its owner may read it. Raises FileExistsError rather than replace
    anything, OSError and sqlite3.Error.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists already; name another file")
    draft = target.with_name(f".{target.name}.new")
    draft.unlink(missing_ok=True)
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(draft)) as copied:
            db.backup(copied)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(target.parent)


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; a semicolon in a comment or a text ends none."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
