"""One run at a time: the lock beside the state file."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from newsletter.errors import LockedError
from newsletter.files import lock_file
from newsletter.moments import iso
from newsletter.state.sqlite.guarded import cannot


@contextmanager
def only_run(path: Path) -> Iterator[None]:
    """Keep other runs out for as long as the context lasts, by flock(2) beside the state file.

    Raises LockedError at once, saying who holds it. The lock dies with its process.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.fdopen(lock_file(lock), "r+")
    except OSError as error:
        raise cannot(lock, "cannot be opened", error) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            raise LockedError(lock, handle.read().strip() or "it has not said who it is") from error
        started = iso(datetime.now(UTC))
        holder = f"process {os.getpid()} on {os.uname().nodename}, since {started}\n"
        try:
            handle.truncate(0)
            os.pwrite(handle.fileno(), holder.encode(), 0)
        except OSError as error:
            raise cannot(lock, "cannot be written", error) from error
        try:
            yield
        finally:
            handle.truncate(0)


def holder(path: Path) -> str:
    """Return who holds the lock of a state file, as far as can be told without asking for it.

    Asking would send away a run that begins at the same moment. Empty where nobody does.
    """
    lock = path.with_name(path.name + ".lock")
    text = lock.read_text("utf-8", errors="replace").strip() if lock.exists() else ""
    found = re.match(r"process (\d+) on (.*), since ", text)
    if found and found[2] == os.uname().nodename and not _lives(int(found[1])):
        return ""  # it was killed, and its lock died with it
    return text


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it is somebody else's
    return True
