"""Show what a run waits for, and how far deliveries have come: a bar on a terminal, else lines."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

from msgspec import Struct

INTERVAL = 10  # seconds between lines

_log = logging.getLogger(__name__)


class Shown(Struct, frozen=True, kw_only=True):
    """Whom to tell: `mails` how many deliveries have ended, and of how many; `waiting` what for.

    `waiting` is also told for how many seconds; the log says it where there is no terminal.
    """

    mails: Callable[[int, int], None]
    waiting: Callable[[str, float], None] = lambda _what, _seconds: None


@contextmanager
def shown(
    *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
) -> Iterator[Shown]:
    """Yield whom to tell while a run is under way."""
    if not sys.stderr.isatty():
        yield Shown(mails=_lines(clock))
        return
    from rich.console import Console, RenderableType
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:.0f}/s")

    class Bar(Progress):
        words = ""

        def get_renderables(self) -> Iterator[RenderableType]:
            if self.words:
                yield Text(self.words)
            elif self.tasks:
                yield self.make_tasks_table(self.tasks)

    columns = (
        TextColumn("mails"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), get_time=clock, transient=True) as bar:

        def mails(ended: int, of: int | None) -> None:
            bar.words = ""
            task = bar.task_ids[0] if bar.task_ids else bar.add_task("mails", total=None)
            bar.update(task, completed=ended, total=of)

        def waiting(what: str, seconds: float) -> None:
            if not what:
                mails(0, None)
                return
            bar.words = f"{what}; trying again at {_time(wall() + seconds)}" if seconds else what
            bar.refresh()

        yield Shown(mails=mails, waiting=waiting)


def _time(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _lines(clock: Callable[[], float]) -> Callable[[int, int], None]:
    began = last = 0.0
    first, before = 0, inf

    def show(ended: int, of: int) -> None:
        nonlocal began, last, first, before
        now = clock()
        if ended < before:  # only now does it send
            began = last = now
            first = ended
        before = ended
        if now - last < INTERVAL:
            return
        last = now
        rate = (ended - first) / (now - began)
        left = (of - ended) / rate
        _log.info("%d of %d mails, %.0f a second, about %.0f s left", ended, of, rate, left)

    return show
