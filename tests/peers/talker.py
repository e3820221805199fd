"""A server on loopback that says what it is told to whoever connects."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

Say = Callable[[bytes], None]
# What is said once a request has come, with a way to say it and an event that is set at the end.
Talk = Callable[[Say, Event], None]


@contextmanager
def talker(talk: Talk, *, greets: bool = False) -> Iterator[str]:
    """Serve for as long as the context lasts; yields the URL. One who `greets` speaks first."""
    over = Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                Thread(target=answer, args=(client,), daemon=True).start()

    def answer(client: socket.socket) -> None:
        with client, suppress(OSError):
            if not greets:
                client.recv(1 << 16)
            talk(client.sendall, over)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def dripping(start: bytes, drop: bytes) -> Talk:
    """Return what begins with `start` and goes on with `drop` every 50 ms, without end."""

    def talk(say: Say, over: Event) -> None:
        say(start)
        while not over.wait(0.05):
            say(drop)

    return talk


def flooding(start: bytes, flood: bytes) -> Talk:
    """Return what begins with `start` and goes on with `flood` as fast as it is taken."""

    def talk(say: Say, over: Event) -> None:
        say(start)
        while not over.is_set():
            say(flood * 1000)

    return talk


def saying(*pieces: bytes) -> Talk:
    """Return what says something and hangs up."""

    def talk(say: Say, _over: Event) -> None:
        for piece in pieces:
            say(piece)

    return talk
