"""A run of the daily job, in a process of its own, that dies at a given point.

    python -m tests.whole.crashing FOLDER PORT POINT

POINT is a name below, or `none`. A point with a number dies when it is reached for that time.
"""

import os
import signal
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

from newsletter.errors import LockedError
from newsletter.models import Day, Fetched, Issue, Outcome, Owed, Reader, Scope, Subscriber, Worded
from newsletter.sending.smtp import Conduct, Server, SmtpTransport
from newsletter.state.runs import History
from newsletter.state.sqlite.database import Database
from newsletter.state.sqlite.deliveries import Deliveries
from newsletter.state.sqlite.lock import only_run
from newsletter.state.state import State
from tests.making.newsroom import Newsroom, ToldSource
from tests.making.papers import NOW, paper

READERS = 40
CONNECTIONS = 4
POINTS = (
    "start",
    "only_run",
    "fetching",
    "fetched",
    "publishing",
    "half-published",
    "published",
    *(f"composing {n}" for n in (1, 7, 40)),
    *(f"before-commit {n}" for n in (1, 2, 9)),
    *(f"after-commit {n}" for n in (1, 2, 9)),
    "recording-run",
)


class Fuse:
    """Kills the process, as `kill -9` does, when its point is reached for the given time."""

    def __init__(self, point: str) -> None:
        self._name, _, times = point.partition(" ")
        self._left = int(times or 1)

    def reach(self, name: str) -> None:
        if name != self._name:
            return
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


class DyingSource(ToldSource):
    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:
        self._fuse.reach("fetching")
        found = super().fetch(scopes, now=now)
        self._fuse.reach("fetched")
        return found


class DyingState(State):
    def __init__(self, database: Database, fuse: Fuse) -> None:
        super().__init__(database, DyingDeliveries(database, fuse))
        self.history = DyingHistory(database, fuse)
        self._fuse = fuse

    def publish(
        self,
        issue: Issue,
        day: Day,
        owed: Iterable[Owed],
        readers: Iterable[Reader],
        *,
        weekly: bool,
        orders: Iterable[tuple[Owed, Worded]] = (),
    ) -> None:
        self._fuse.reach("publishing")
        super().publish(issue, day, self._half(list(owed)), readers, weekly=weekly, orders=orders)
        self._fuse.reach("published")

    def _half(self, owed: list[Owed]) -> Iterator[Owed]:
        yield from owed[: len(owed) // 2]
        self._fuse.reach("half-published")
        yield from owed[len(owed) // 2 :]


class DyingDeliveries(Deliveries):
    def __init__(self, database: Database, fuse: Fuse) -> None:
        super().__init__(database)
        self._fuse = fuse

    def commit(
        self,
        outcomes: Mapping[int, Outcome],
        intents: Collection[int],
        *,
        now: datetime,
        never_left: Collection[int] = (),
        coming: Collection[int] = (),
    ) -> int:
        self._fuse.reach("before-commit")
        commit = super().commit(outcomes, intents, now=now, never_left=never_left, coming=coming)
        self._fuse.reach("after-commit")
        return commit


class DyingHistory(History):
    def __init__(self, database: Database, fuse: Fuse) -> None:
        super().__init__(database)
        self._fuse = fuse

    def record_run(self, report: Mapping[str, Any]) -> None:
        self._fuse.reach("recording-run")
        super().record_run(report)


def newsroom(folder: Path, port: int, point: str, *, stop: Event) -> Newsroom:
    """Return a newsroom that publishes two papers to `READERS` readers by SMTP."""
    fuse = Fuse(point)
    source = DyingSource(fuse)
    source.papers = {"mri": (paper("2611.00001"),), "pet": (paper("2611.00002"),)}
    server = Server(host="127.0.0.1", port=port, security="none")
    return Newsroom(
        folder,
        subscribers=[Subscriber(email=f"r{n}@example.org") for n in range(READERS)],
        source=source,
        transport=SmtpTransport(server, Conduct(connections=CONNECTIONS), stop=stop),
        open_state=lambda path: DyingState(Database.open(path), fuse),
        on_compose=lambda: fuse.reach("composing"),
    )


def main() -> int:
    folder, port, point = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    fuse = Fuse(point)
    fuse.reach("start")
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        with only_run(folder / "state.sqlite3"):
            fuse.reach("only_run")
            return newsroom(folder, port, point, stop=stop).run(now=NOW, stop=stop).exit_code
    except LockedError as error:
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
