"""Show how far deliveries have come: a bar on a terminal, a line every ten seconds elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("mails"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, began = bar.add_task("mails", total=None, rate=0), clock()
        yield lambda ended, of: bar.update(
            task, completed=ended, total=of, rate=ended / (clock() - began)
        )


def _lines(clock: Callable[[], float]) -> Callable[[int, int], None]:
    began = last = clock()

    def show(ended: int, of: int) -> None:
        nonlocal last
        now = clock()
        if now - last < INTERVAL:
            return
        last = now
        rate = ended / (now - began)
        left = (of - ended) / rate
        _log.info("%d of %d mails, %.0f a second, about %.0f s left", ended, of, rate, left)

    return show
