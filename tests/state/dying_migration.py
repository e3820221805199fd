"""Migrate copies of a state file, each cut off at another point, in processes of their own.

    python -m tests.state.dying_migration FILE FOLDER killed|full

`killed` dies before each statement, as `kill -9` does, and now and then within one; on a `full`
disk a file can grow no further. A line each: how it ended, a tab, and the copy.
"""

import os
import resource
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from newsletter.errors import StateError
from newsletter.state.state import State

_WITHIN = 2_000  # steps of SQLite's machine between two chances to die
_MORE_ROOM = 16_384


class Dying(sqlite3.Connection):
    """Kills the process when it has got so far; 0 is never."""

    left = 0

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.set_progress_handler(reached, _WITHIN)

    def execute(self, *args: Any) -> sqlite3.Cursor:
        reached()
        return super().execute(*args)


def reached() -> int:
    Dying.left -= 1
    if not Dying.left:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0


def killed(point: int) -> None:
    Dying.left = point + 1
    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **named: connect(*args, factory=Dying, **named)  # type: ignore[assignment]


def full(point: int) -> None:
    room = (point + 1) * _MORE_ROOM
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))


def cut_off(file: Path, folder: Path, how: str) -> Iterator[tuple[str, Path]]:
    """Yield how each attempt ended, until one is done."""
    for point in count():
        path = Path(shutil.copy(file, folder / f"{how}-{point}.sqlite3"))
        told, tell = os.pipe()
        child = os.fork()
        if not child:
            {"killed": killed, "full": full}[how](point)
            os.write(tell, migrated(path).encode())
            os._exit(0)
        os.close(tell)
        with os.fdopen(told, encoding="utf-8") as said:
            ended = said.read()
        os.waitpid(child, 0)
        yield ended or "killed", path
        if ended == "done":
            return


def migrated(path: Path) -> str:
    try:
        State.open(path).database.close()
    except StateError as error:
        return " ".join(str(error).split())
    return "done"


if __name__ == "__main__":
    for ended, path in cut_off(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]):
        print(ended, path, sep="\t")
