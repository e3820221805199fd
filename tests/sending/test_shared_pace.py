"""One pace for several senders: what each may do, by a meter that counts in its own time."""

import time

import pytest

from newsletter.sending.pace import SharedPace
from tests.making.mailing import Books, messages, transport_to
from tests.making.meters import Row
from tests.peers.smtp_server import SmtpServer


def sent(pace: SharedPace, row: Row) -> int:
    """Send whatever may leave now."""
    number = 0
    while not pace.wait(row.now):
        pace.spend()
        number += 1
    return number


@pytest.mark.parametrize("per_minute", [6, 60, 420, 6000])
def test_together_they_send_no_more_than_one_may(per_minute: float) -> None:
    row = Row()
    paces = [SharedPace(per_minute, row, 0) for _ in range(3)]
    leaving = 0
    for _ in range(20 * 60):
        leaving += sum(sent(pace, row) for pace in paces)
        row.told += 0.05

    allowed = per_minute * row.now / 60
    slices = 3 * max(1, per_minute / 60 * 0.2)
    assert allowed - slices - 1 <= leaving <= allowed + slices


def test_without_a_rate_only_a_rest_is_kept() -> None:
    row = Row()
    pace = SharedPace(0, row, 0)
    assert pace.wait(0) == 0
    row.rest(30)  # another sender was told to

    row.told = 1.0
    assert pace.wait(row.now) == 29
    row.told = 30.0
    assert pace.wait(row.now) == 0


@pytest.mark.parametrize("per_minute", [0, 60])
def test_while_the_meter_is_gone_nothing_leaves(per_minute: float) -> None:
    row = Row(is_there=False)
    pace = SharedPace(per_minute, row, 0)
    assert pace.wait(0) > 0
    assert pace.wait(1.0) > 0

    row.is_there, row.told = True, 2.0
    assert pace.wait(2.0) == 0


def test_a_sender_that_is_told_to_rest_tells_the_others() -> None:
    row = Row()
    mine, theirs = (SharedPace(60, row, 0) for _ in range(2))
    mine.rest(10)

    assert theirs.wait(0) == 10


def test_a_server_that_is_busy_is_left_alone_by_all_and_everybody_is_served() -> None:
    row, books = Row(time.monotonic), Books()
    with SmtpServer(script={"MAIL": ["421 4.3.2 too busy"]}) as server:
        began = time.monotonic()
        transport_to(server, meter=row).send(messages(3), books)

    assert len(server.mails) == len(books.having("accepted")) == 3
    assert row.next > began
