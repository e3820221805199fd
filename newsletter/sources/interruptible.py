"""A source that is waited for no longer than until the run is told to stop."""

from collections.abc import Callable, Sequence
from concurrent import futures
from datetime import datetime
from functools import partial
from threading import Event, Thread
from typing import TypeVar

from newsletter.errors import StoppedError
from newsletter.models import Fetched, Recalled, Scope, Source

_T = TypeVar("_T")
_GLANCE = 0.1  # seconds between looks at `stop`


class Interruptible:
    """A source that is waited for until `stop` is set; from then on it raises StoppedError."""

    def __init__(self, source: Source, stop: Event) -> None:
        self._source = source
        self._stop = stop

    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:
        """Fetch, as the source does."""
        return self._awaited(partial(self._source.fetch, scopes, now=now))

    def by_id(self, ids: Sequence[str], *, now: datetime) -> Recalled:
        """Return some papers, as the source does."""
        return self._awaited(partial(self._source.by_id, ids, now=now))

    def _awaited(self, ask: Callable[[], _T]) -> _T:
        """Ask in a thread, since nothing but the end of the program ends a read that blocks."""
        answer: futures.Future[_T] = futures.Future()

        def answered() -> None:
            try:
                answer.set_result(ask())
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                answer.set_exception(error)

        try:
            Thread(target=answered, name="source", daemon=True).start()
        except RuntimeError:  # there can be no more threads
            answered()
        while not (self._stop.is_set() or answer.done()):
            futures.wait([answer], timeout=_GLANCE)
        if self._stop.is_set():
            raise StoppedError
        return answer.result()
