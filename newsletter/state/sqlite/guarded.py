"""One connection for several threads, and its trouble in words; it asks and changes nothing."""

import sqlite3
from pathlib import Path
from threading import RLock

from newsletter.errors import PERMISSION, StateError, exit_code_of
from newsletter.files import is_full
from newsletter.state.sqlite.syncing import SyncError


class Guarded:
    """A context that keeps other threads out, and turns errors of SQLite into StateError.

    The thread that is in may enter again. As a generator it would be five lines; each commit
    enters five times, and a generator takes ten calls where this takes two.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._lock = RLock()

    def __enter__(self) -> sqlite3.Connection:
        self._lock.acquire()
        return self._connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._lock.release()
        if isinstance(error, (sqlite3.Error, SyncError)):
            raise cannot(self._path, "cannot be read or written", error) from error


def cannot(path: Path, what: str, error: Exception) -> StateError:
    """Return trouble with a file as the error to raise, with what to do about it."""
    code = PERMISSION if "readonly" in str(error) else exit_code_of(error)
    advice = ""
    if code == PERMISSION:
        advice = "; give this user the right to write there"
    elif "disk is full" in str(error) or is_full(path.parent):
        advice = "; make room on its disk, then try again: what was committed is safe"
    return StateError(path, f"{what}: {error}{advice}", exit_code=code)
