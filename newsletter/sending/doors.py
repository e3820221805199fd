"""Opening connections beside the work: a name look-up and a greeting may take their time."""

import socket
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Lock, Thread

from newsletter.sending.session import LostError, Patience, Server, Session, connect, tls_context


class Doors:
    """Sets connections up, each in a thread of its own: smtplib and the look-up of names block.

    Can be selected for reading: readable when there are results.
    """

    def __init__(self, server: Server, patience: Patience) -> None:
        self.pending = 0
        self._server = server
        self._patience = patience
        self._context = tls_context(server)
        self._ear, self._bell = socket.socketpair()
        self._results: SimpleQueue[Session | Exception] = SimpleQueue()
        self._lock = Lock()
        self._closed = False

    def fileno(self) -> int:
        """Return what a selector waits for: readable when there are results."""
        return self._ear.fileno()

    def open(self) -> None:
        """Begin to set up one more connection."""
        self.pending += 1
        # A daemon, so that a server which never answers cannot keep the program from ending.
        thread = Thread(target=self._set_up, name="smtp", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._tell(LostError(f"no connection can be opened: {error}"))

    def results(self) -> Iterator[Session | Exception]:
        """Return what has become of those begun: a session, or the exception in its place."""
        for _ in self._ear.recv(4096):
            self.pending -= 1
            yield self._results.get()

    def close(self) -> None:
        """Close what nobody asked for any more, now and when it comes."""
        with self._lock:
            self._closed = True
            while not self._results.empty():
                _dismiss(self._results.get())
            self._ear.close()
            self._bell.close()

    def _set_up(self) -> None:
        result: Session | Exception
        try:
            result = connect(self._server, self._patience, self._context)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits for it
            result = error
        self._tell(result)

    def _tell(self, result: Session | Exception) -> None:
        with self._lock:
            if self._closed:
                _dismiss(result)
            else:
                self._results.put(result)
                self._bell.send(b".")


def _dismiss(result: Session | Exception) -> None:
    if isinstance(result, Session):
        result.abandon("the run is over")
