"""What people who run newsletters have met at the door, as the smallest input each."""

import logging
from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from newsletter.errors import TransportError
from newsletter.models import Outgoing
from tests.making.mailing import Books, message, messages, send
from tests.peers.smtp_server import OFFERED, ORDINARY, Action, SmtpServer

PLAIN = tuple(each for each in OFFERED if each != "PIPELINING")


def spread(number: int, *, domains: int) -> Iterator[Outgoing]:
    """Return messages to readers at several domains, in turns."""
    return (
        message(each, recipient=f"reader{each}@host{each % domains}.example")
        for each in range(1, number + 1)
    )


def refused(outgoing: Iterator[Outgoing], server: SmtpServer, books: Books) -> TransportError:
    with pytest.raises(TransportError) as raised:
        send(outgoing, server, books=books)
    return raised.value


def test_a_relay_that_carries_nothing_rejects_nobody_and_the_next_run_serves_everybody() -> None:
    books = Books()
    with SmtpServer(script={"RCPT": repeat("550 relay not permitted")}) as server:
        error = refused(spread(12, domains=4), server, books)
    assert (error.exit_code, books.having("deferred")) == (78, list(range(1, 13)))
    with SmtpServer() as server:
        send(spread(12, domains=4), server, books=books)
    assert books.having("accepted") == list(range(1, 13))


def test_a_quota_that_is_used_up_on_the_way_puts_the_rest_off() -> None:
    books = Books()
    over = repeat("554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException")
    with SmtpServer(script={"dot": chain[Action](repeat(ORDINARY, 25), over)}) as server:
        error = refused(spread(40, domains=4), server, books)
    assert error.exit_code == 75
    assert len(books.having("accepted")) == 25
    assert len(books.having("deferred")) == 15


@pytest.mark.parametrize("first", [1, 29, 58])
def test_three_who_refuse_cost_the_others_nothing(first: int) -> None:
    three = range(first, first + 3)
    script = {f"RCPT reader{each}@host{each % 4}.example": repeat("550 5.7.1 no") for each in three}
    with SmtpServer(script=script) as server:
        books = send(spread(60, domains=4), server)
    assert len(books.having("accepted")) == 57
    assert books.having("rejected") == list(three)
    assert len(server.verbs("RCPT")) == 60


def test_readers_at_other_domains_are_asked_before_more_of_one_that_refuses() -> None:
    refusing = [message(each, recipient=f"r{each}@big.example") for each in range(1, 31)]
    others = [message(each, recipient=f"r{each}@host.example") for each in range(31, 71)]
    script = {f"RCPT r{each}@big.example": ["550 5.7.1 no"] for each in range(1, 31)}
    with SmtpServer(script=script) as server:
        books = send([*refusing, *others], server)
    assert len(books.having("accepted")) == 40
    assert len(books.having("rejected")) == 30
    first = [line.partition(":<")[2].partition(">")[0] for line in server.verbs("RCPT")[:4]]
    assert "r31@host.example" in first


@pytest.mark.slow
@pytest.mark.parametrize("offers", [OFFERED, PLAIN], ids=["pipelined", "plain"])
@pytest.mark.parametrize("first", [1, 100, 191])
@pytest.mark.parametrize("reply", ["450 4.2.0 later", "451 4.7.1 Try again later"])
def test_a_grey_list_delays_those_on_it_and_nobody_else(
    reply: str, first: int, offers: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    script = {f"RCPT reader{each}@example.org": [reply] * 2 for each in range(first, first + 10)}
    with SmtpServer(script=script, offers=offers) as server:
        books = send(messages(200), server)
    assert len(books.having("accepted")) == 200
    assert len(server.verbs("RCPT")) == 220
    assert "waiting" not in caplog.text


@pytest.mark.slow
def test_a_grey_list_costs_no_more_than_a_mailbox_that_is_busy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    figures = {}
    for reply in ("450 4.2.0 later", "451 4.7.1 Try again later"):
        caplog.clear()
        script = {f"RCPT reader{each}@example.org": [reply] for each in range(1, 11)}
        with SmtpServer(script=script) as server:
            books = send(messages(200), server, connections=4)
        assert len(books.having("accepted")) == 200
        tried = len(server.verbs("RCPT"))
        figures[reply] = (tried, server.connections, caplog.text.count("waiting"))
        print(f"\n10 of 200 {reply!r}: %d RCPT, %d connections, %d waits" % figures[reply])
    for mails, connections, waits in figures.values():
        # A connection is renewed for the errors on it, whatever their number.
        assert (mails, waits) == (210, 0)
        assert connections <= 4 * 1.5


def test_everybody_waits_for_a_server_that_puts_everybody_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    script: dict[str, Iterator[Action]] = {"RCPT": iter(["451 4.7.1 Try again later"] * 25)}
    with SmtpServer(script=script) as server:
        books = send(messages(60), server, attempts=1)
    assert books.having("accepted") == list(range(26, 61))
    assert caplog.text.count("waiting") == 6  # from the twentieth on


@pytest.mark.parametrize("length", [500, 620, 8000])
@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "dot"])
def test_a_long_reply_is_a_reply(phase: str, length: int) -> None:
    code = "354" if phase == "DATA" else "250"
    with SmtpServer(script={phase: [f"{code} {'x' * length}"]}) as server:
        books = send(messages(3), server)
    assert server.recipients == [f"reader{each}@example.org" for each in (1, 2, 3)]
    assert books.having("accepted") == [1, 2, 3]
    assert len(books.outcomes[1].text) <= 400


def test_who_is_judged_is_named_and_the_reason_with_them(caplog: pytest.LogCaptureFixture) -> None:
    with SmtpServer(script={"RCPT reader2@example.org": ["550 5.7.1 members only"]}) as server:
        send(messages(30), server)
    assert "reader2@example.org" in caplog.text
    assert "members only" in caplog.text


def test_a_server_that_hangs_up_after_each_refusal_is_not_down() -> None:
    books = Books()
    rude = b"550 5.7.1 no\r\n421 bye\r\n"
    script = {f"RCPT reader{each}@host{each % 4}.example": [rude] for each in (1, 2)}
    with SmtpServer(script=script) as server:
        send(spread(60, domains=4), server, books=books)
    assert len(books.having("accepted")) == 58
    assert books.having("rejected") == [1, 2]
