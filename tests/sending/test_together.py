"""Sessions that share a commit: who is waited for, and for how long."""

import socket
import time
from collections.abc import Collection, Iterator, Mapping

import pytest

from newsletter.models import Outcome
from newsletter.sending.pool import Together
from newsletter.sending.session import Patience, Session
from tests.making.mailing import Books, message

YES = b"250 fine\r\n250 fine\r\n354 go on\r\n"


class Slow(Books):
    """A ledger whose disk takes its time."""

    def commit(self, outcomes: Mapping[int, Outcome], intents: Collection[int]) -> frozenset[int]:
        time.sleep(0.02)
        return super().commit(outcomes, intents)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        socket.create_connection(door.getsockname()) as ours,
    ):
        theirs, _ = door.accept()
        with theirs:
            yield ours, theirs


def answered(pair: tuple[socket.socket, socket.socket], *, after: float) -> Session:
    """Return a session whose server has answered once, and has been asked again at 100 s."""
    ours, theirs = pair
    session = Session(ours, {"pipelining": ""}, Patience())
    session.advance(message(1), now=50)
    theirs.sendall(YES)
    while not session.resting:
        session.pump(50 + after)
    session.advance(message(2), now=100)
    return session


@pytest.mark.parametrize(
    ("took", "later", "waits"),
    [
        (0.001, 0.0, True),  # its answer may be here any moment
        (0.5, 0.0, False),  # it is far away
        (0.5, 0.45, False),
        (0.5, 0.47, True),  # and now its answer is on the way
        (0.5, 5.0, True),  # it is late
    ],
)
def test_one_waits_for_another_whose_turn_is_near(
    pair: tuple[socket.socket, socket.socket], took: float, later: float, waits: bool
) -> None:
    other = answered(pair, after=took)
    together = Together()
    together.commit(Slow(), {}, [1])
    assert together.left([other], 100 + later) == pytest.approx(0.02 if waits else 0)


def test_nobody_waits_longer_than_a_commit_takes(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    other = answered(pair, after=0.001)
    together = Together()
    together.commit(Slow(), {}, [1])
    assert together.left([other], 100) == pytest.approx(0.02)
    assert together.left([other], 100.015) == pytest.approx(0.005)
    assert together.left([other], 100.02) == 0


def test_nobody_waits_where_commits_take_no_time(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    other = answered(pair, after=0.001)
    together = Together()  # as if a commit had taken none
    assert together.left([other], 100) == 0
