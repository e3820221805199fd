"""A source that is waited for no longer than until the run is told to stop."""

from concurrent import futures
from datetime import datetime
from threading import Event, Thread

from newsletter.errors import StoppedError
from newsletter.models import Fetched, Scope, Source

_GLANCE = 0.1  # seconds between looks at `stop`


class Interruptible:
    """A source that is waited for until `stop` is set; from then on it raises StoppedError."""

    def __init__(self, source: Source, stop: Event) -> None:
        self._source = source
        self._stop = stop

    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:
        """Fetch in a thread, since nothing but the end of the program ends a read that blocks."""
        answer: futures.Future[Fetched] = futures.Future()

        def fetch() -> None:
            try:
                answer.set_result(self._source.fetch(scopes, now=now))
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                answer.set_exception(error)

        try:
            Thread(target=fetch, name="source", daemon=True).start()
        except RuntimeError:  # there can be no more threads
            fetch()
        while not (self._stop.is_set() or answer.done()):
            futures.wait([answer], timeout=_GLANCE)
        if self._stop.is_set():
            raise StoppedError
        return answer.result()
