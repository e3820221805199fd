"""What a signal means to a command that works for long: end in order, then at once."""

import signal
from threading import Event
from typing import Any

from newsletter.commands.options import log


def stop_on_signals() -> Event:
    """Return an event that the first SIGTERM or SIGINT sets; the second ends the process."""
    stop = Event()

    def ask(number: int, _frame: Any) -> None:  # noqa: ANN401
        stop.set()
        signal.signal(number, signal.SIG_DFL)
        log.warning("stopping after what is in flight; once more ends at once")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop
