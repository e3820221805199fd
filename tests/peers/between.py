"""What stands between a program and its database, hears what is said, and can stop it there.

    with Between(server.port, Moment(b"for update skip locked", answered=True)) as between:
        ...  # a client of 127.0.0.1 at between.port
        between.hold.reached.wait()  # the statement was carried out, and its client does not know

The connection that the moment came on is lost when the hold is let go; all others are left alone.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock, Thread
from typing import Self


@dataclass(frozen=True, slots=True)
class Hold:
    """A moment at which something stands still until it is let go."""

    reached: Event = field(default_factory=Event)
    go: Event = field(default_factory=Event)

    def stand(self) -> None:
        """Say that the moment has come, and wait."""
        self.reached.set()
        self.go.wait()


@dataclass(frozen=True, slots=True)
class Moment:
    """The statement with these words, the `time`th of them: before it arrives, or once answered."""

    words: bytes
    time: int = 1
    answered: bool = False


class Between:
    """A proxy in threads. Without a moment it only passes on what is said."""

    def __init__(self, port: int, moment: Moment | None = None, hold: Hold | None = None) -> None:
        self.hold = hold or Hold()
        self._to = port
        self._moment = moment
        self._heard = 0
        self._lock = Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.go.set()
        for each in (self._listener, *self._sockets):
            _end(each)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            self._sockets += [client, server]
            told = Event()  # the statement has gone on, its answer is to be held
            self._start(partial(self._questions, client, server, told))
            self._start(partial(self._answers, server, client, told))

    def _questions(self, client: socket.socket, server: socket.socket, told: Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._moment and self._comes_in(data, self._moment):
                    if not self._moment.answered:
                        self.hold.stand()
                        break
                    told.set()
                server.sendall(data)
        _end(client)
        _end(server)

    def _answers(self, server: socket.socket, client: socket.socket, told: Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if told.is_set():
                    self.hold.stand()
                    break
                client.sendall(data)
        _end(client)
        _end(server)

    def _comes_in(self, data: bytes, moment: Moment) -> bool:
        with self._lock:
            before = self._heard
            self._heard += data.count(moment.words)
            return before < moment.time <= self._heard

    def _start(self, work: Callable[[], None]) -> None:
        thread = Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
