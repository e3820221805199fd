"""The letters of the door, sent by a thread: no answer tells by its time whether one went."""

import logging
from collections.abc import Callable
from contextlib import suppress
from queue import Full, Queue
from threading import Thread

from newsletter.errors import NewsletterError
from newsletter.job.mailroom import Aside
from newsletter.models import Outgoing, Transport

_WAITING = 100

_log = logging.getLogger(__name__)


class Post:
    """Sends one letter after another. `work` makes a letter, or None where none is to go."""

    def __init__(self, transport: Callable[[], Transport]) -> None:
        self._transport = transport
        self._queue: Queue[Callable[[], Outgoing | None] | None] = Queue(maxsize=_WAITING)
        self._thread = Thread(target=self._run, name="post", daemon=True)
        self._thread.start()

    def hand_in(self, work: Callable[[], Outgoing | None]) -> bool:
        """Let a letter be made and sent, and return at once whether there was room for it."""
        try:
            self._queue.put_nowait(work)
        except Full:
            _log.error("too many letters wait to be sent; this one was not taken")
            return False
        return True

    def close(self, *, patience: float) -> None:
        """Send what waits, for at most so many seconds, and end."""
        with suppress(Full):
            self._queue.put(None, timeout=patience)
        self._thread.join(patience)

    def wait(self) -> None:
        """Wait until everything that was handed in has been dealt with."""
        self._queue.join()

    def _run(self) -> None:
        while True:
            work = self._queue.get()
            try:
                if work is None:
                    return
                self._send(work)
            except (NewsletterError, OSError) as error:
                _log.error("a letter could not be sent: %s", error)
            except Exception:  # noqa: BLE001 - one letter must not end the post
                _log.exception("a letter could not be made")
            finally:
                self._queue.task_done()

    def _send(self, work: Callable[[], Outgoing | None]) -> None:
        letter = work()
        if letter is None:
            return
        aside = Aside()
        self._transport().send(iter([letter]), aside)
        if aside.outcome().status != "accepted":
            _log.error("a letter was not accepted: %s", aside.outcome().text)
