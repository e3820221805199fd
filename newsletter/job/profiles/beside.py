"""A second process that orders for half of the readers, where there are many and another core.

It has the copies of own papers that lie beside the state, and no state: who needs more than those
is left to the first. The same values give the same orders, whichever of the two makes them. It ends
when its pipe does, however the first one ended, and the first can do without it.
"""

import gc
import logging
import multiprocessing
import os
import signal
from collections.abc import Collection, Sequence
from contextlib import suppress
from enum import Enum
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

from newsletter.errors import ProfileError
from newsletter.issues.bulk import Bulk
from newsletter.issues.ranking import Ranking
from newsletter.mails.ready.words import worded
from newsletter.models import Order, Profile, Worded
from newsletter.subscribers.profiles.kept import Copies
from newsletter.subscribers.profiles.own import file_in, meaning

MANY = 2_000  # readers: to begin takes a second or two

_PATIENCE = 5  # seconds for the process to end

_log = logging.getLogger(__name__)


class _Unread(Enum):
    UNREAD = "unread"


# Stands for the order of a reader whose own papers are not to be read here.
UNREAD: Final = _Unread.UNREAD

Found: TypeAlias = Worded | Literal[_Unread.UNREAD] | None


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Beside:
    """The second process, if it is `wanted`. Once it fails it is there no more, which is said.

    `folder` is that of the list, where files lie; `copies` is where their words are kept.
    """

    def __init__(self, folder: Path, copies: Path, *, wanted: bool) -> None:
        self._pipe: Connection | None = None
        self._ranking: Ranking | None = None
        self._asked = False
        if not wanted:
            return
        # No fork: it would have the state open, and its lock.
        context = multiprocessing.get_context("spawn")
        pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, folder, copies), daemon=True)
        try:
            self._process.start()
        except OSError as error:
            _log.warning("there is no second process to order by profiles: %r", error)
            pipe.close()
        else:
            self._pipe = pipe
        finally:
            theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def is_there(self) -> bool:
        """Whether it can be asked."""
        return self._pipe is not None

    @property
    def is_asked(self) -> bool:
        """Whether `orders` has something to wait for."""
        return self._asked

    def ask(self, ranking: Ranking, cells: Sequence[str], among: Sequence[Collection[str]]) -> None:
        """Have editions ordered for the readers with some cells, each of the papers `among`."""
        if not self._pipe:
            return
        try:
            if ranking is not self._ranking:
                self._pipe.send(ranking)
                self._ranking = ranking
            self._pipe.send((cells, among))
            self._asked = True
        except OSError as error:
            self._fail(error)

    def orders(self) -> Sequence[Found] | None:
        """Wait for what was asked, and return it in that order; None where it does not come."""
        self._asked = False
        if not self._pipe:
            return None
        try:
            found: Sequence[Found] | None = self._pipe.recv()
        except (OSError, EOFError) as error:
            self._fail(error)
            return None
        return found

    def _fail(self, error: Exception) -> None:
        _log.warning("the second process that orders by profiles is gone (%r); one goes on", error)
        self._end()

    def _end(self) -> None:
        if not self._pipe:
            return
        self._pipe.close()
        self._pipe = None
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(pipe: Connection, folder: Path, copies: Path) -> None:
    """Be the second process: answer until nobody is left to ask."""
    for number in (signal.SIGINT, signal.SIGTERM):  # it is the first that is to hear them
        signal.signal(number, signal.SIG_IGN)
    gc.set_threshold(100_000, 20, 20)  # as the first does
    kept = Copies(copies, may_change=False)
    ranking = bulk = None
    with suppress(EOFError, OSError):
        while True:
            asked = pipe.recv()
            if isinstance(asked, Ranking):
                ranking, bulk = asked, Bulk(asked)
            elif ranking and bulk:
                pipe.send(
                    _ordered(ranking, bulk, [_read(x, folder, kept) for x in asked[0]], asked[1])
                )


def _ordered(
    ranking: Ranking,
    bulk: Bulk,
    profiles: Sequence[Profile | None],
    among: Sequence[Collection[str]],
) -> list[Found] | None:
    """Return the order for each profile; None where all of them have to be tried one by one."""
    try:
        places = bulk.places([each for each in profiles if each])
        orders = [
            ranking.order(profile, among=some, places=next(places)) if profile else UNREAD
            for profile, some in zip(profiles, among, strict=True)
        ]
        return [worded(each) if isinstance(each, Order) else each for each in orders]
    except Exception:  # noqa: BLE001 - the first process meets it too, and says so
        return None


def _read(cell: str, folder: Path, copies: Copies) -> Profile | None:
    """Return what was kept of a file, None for all that is to be read by the first process."""
    try:
        means = meaning(cell)
        if not isinstance(means, Path):
            return None
        _, status = file_in(means, folder)
    except ProfileError:
        return None
    return copies.profile(means, status)
