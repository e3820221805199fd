"""Show how far deliveries have come: a bar on a terminal, a line every ten seconds elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

INTERVAL = 10  # seconds between lines

_log = logging.getLogger(__name__)


@contextmanager
def shown(*, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[int, int], None]]:
    """Yield a function to be told how many deliveries have ended, and of how many."""
    if not sys.stderr.isatty():
        yield _lines(clock)
        return
    from rich.console import Console
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

    columns = (
        TextColumn("mails"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), get_time=clock, transient=True) as bar:
        task = bar.add_task("mails", total=None)
        yield lambda ended, of: bar.update(task, completed=ended, total=of)


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
