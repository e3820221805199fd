"""Tell whoever watches how a run goes, by pings and a file of metrics. It never stops a run."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from time import monotonic
from typing import Any, NamedTuple, ParamSpec
from urllib.parse import urlsplit, urlunsplit

from newsletter.addresses import masked
from newsletter.config.tables import Monitoring
from newsletter.errors import StateError
from newsletter.files import replacing
from newsletter.operating.metrics import exposition, with_ledger
from newsletter.prose import json_shown
from newsletter.state.engines import Place

MAX_BODY = 50_000  # bytes; healthchecks.io keeps 100 kB
TAIL = 100  # lines of the log
_GLANCE = 0.1  # seconds between looks at `stop`

_P = ParamSpec("_P")
_log = logging.getLogger(__name__)


class Patience(NamedTuple):
    """For how many seconds somebody who is told of a run may answer, and nothing may come."""

    seconds: float = 10  # looking up the name, redirections, an answer that drips
    silence: float = 5  # to connect, and then to answer


PATIENCE = Patience()


class Watch:
    """Watches one run from `begin` to `end`; what `begin` was not told of is not watched."""

    def __init__(self, patience: Patience = PATIENCE) -> None:
        self._patience = patience
        self._told = Monitoring()
        self._place: Place | None = None
        self._tail = _Tail()

    def begin(self, told: Monitoring, place: Place, *, stop: Event) -> None:
        """Say that the run begins, and keep what it logs from now on.

        Once `stop` is set nobody waits to be heard. `place` is where its state is.
        """
        self._told, self._place = told, place
        if told.ping_url:
            logging.getLogger("newsletter").addHandler(self._tail)
            _unharmed("ping_url", _ping, told.ping_url, "start", stop, self._patience)

    def end(self, report: Mapping[str, Any]) -> None:
        """Say how the run ended, by its exit status, its report as JSON and the end of its log."""
        path = self._told.metrics_file
        if path and self._place:
            _unharmed("metrics_file", _of_run, path, report, self._place)
        if self._told.ping_url:
            logging.getLogger("newsletter").removeHandler(self._tail)
            text = "\n".join([json_shown(report), "", *self._tail.lines])
            # It is told of a run that was stopped, too.
            step, stop = str(report["exit"]), Event()
            url, body = self._told.ping_url, masked(text)
            _unharmed("ping_url", _ping, url, step, stop, self._patience, body)


class _Tail(logging.Handler):
    """Keeps the last lines of the log, whatever the format of the log itself is."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[str] = deque(maxlen=TAIL)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname.lower()}: {self.format(record)}")


def _unharmed(key: str, action: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Do what a run can do without: whatever happens in it is a warning."""
    try:
        action(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - it never stops a run
        # The words of the error may have the address in them, which is a secret.
        _log.warning(
            "monitoring.%s: failed (%s); the run is not affected", key, type(error).__name__
        )


def _ping(url: str, step: str, stop: Event, patience: Patience, body: str = "") -> None:
    """Call the address of a step: https://healthchecks.io/docs/http_api."""
    parts = urlsplit(url)
    address = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{step}"))
    content = body.encode(errors="replace")[:MAX_BODY]
    troubles: Queue[str] = Queue()
    Thread(target=lambda: troubles.put(_trouble(address, content, patience)), daemon=True).start()
    # Waited for in a thread, because the time-out of the exchange does not bound the look-up of the
    # host's name.
    trouble = f"no answer in {patience.seconds:g} s"
    until = monotonic() + patience.seconds
    while monotonic() < until:
        with suppress(Empty):
            trouble = troubles.get(timeout=_GLANCE)
            break
        if stop.is_set():
            trouble = "the run was told to stop"
            break
    if trouble:
        _log.warning(
            "monitoring.ping_url: %s was not told (%s); the run is not affected. Is the address"
            " right, and is the service up?",
            parts.hostname,
            trouble,
        )


def _trouble(address: str, content: bytes, patience: Patience) -> str:
    """Call an address, and return what went wrong, empty for nothing."""
    from newsletter.exchange import Bounds, EndlessError, Session, exchange

    try:
        with Session() as session:
            status = exchange(
                session,
                "POST",
                address,
                bounds=Bounds(seconds=patience.seconds, silence=patience.silence, size=0),
                data=content,
                read_body=lambda _status: False,
            ).status
    except EndlessError:
        return f"no answer in {patience.seconds:g} s"
    except Exception as error:  # noqa: BLE001 - requests lets errors of its own parts through
        return type(error).__name__  # its words have the address in them, which is a secret
    return "" if 200 <= status < 300 else f"it answered {status}"


@contextmanager
def sending(path: Path | None, place: Place, *, seconds: float = 15.0) -> Iterator[None]:
    """Write, every few seconds, what a shared ledger says while somebody sends.

    What else stands in the file stays, so that it can be that of the run, too.
    """
    if path is None or not place.url:
        yield
        return
    ended = Event()

    def write() -> None:
        while _of_ledger(path, place) and not ended.wait(seconds):  # what fails is said once
            pass

    writing = Thread(target=_unharmed, args=("metrics_file", write), name="metrics", daemon=True)
    writing.start()
    try:
        yield
    finally:
        ended.set()
        writing.join(PATIENCE.seconds)


def _of_run(path: Path, report: Mapping[str, Any], place: Place) -> None:
    ledger = _looked_at(place) if place.url else None
    _write(path, lambda previous: exposition(report, previous=previous, ledger=ledger))


def _of_ledger(path: Path, place: Place) -> bool:
    ledger = _looked_at(place)
    return _write(path, lambda previous: with_ledger(previous, ledger))


def _looked_at(place: Place) -> Mapping[str, Any] | None:
    """Return what a shared ledger says, None where it does not answer."""
    from newsletter.operating.ledger import at_work
    from newsletter.state.opening import opened

    try:
        with opened(place) as state:
            return at_work(state, running=False, now=datetime.now(UTC))
    except StateError:
        return None


def _write(path: Path, metrics: Callable[[str], str]) -> bool:
    """Write metrics, made from what was there before; return whether they are there now."""
    try:
        previous = path.read_text("utf-8", errors="replace") if path.exists() else ""
        with replacing(path) as file:
            file.write(metrics(previous).encode())
    except OSError as error:
        _log.warning(
            "monitoring.metrics_file: %s cannot be written (%s); the run is not affected. Make"
            " room, or give this user the right to write there",
            path,
            error.strerror,
        )
        return False
    return True
