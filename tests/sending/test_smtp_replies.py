"""Replies, cut from bytes and put into words."""

import pytest

from newsletter.sending.replies import Phase, ProtocolError, Reply, ReplyReader, advice, meaning


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        (b"250 ok\r\n", [Reply(250, b"ok")]),
        (b"250\r\n", [Reply(250, b"")]),
        (b"250 bare\n", [Reply(250, b"bare")]),
        (b"250-one\r\n250 two\r\n", [Reply(250, b"one\ntwo")]),
        (b"250 a\r\n354 b\r\n421", [Reply(250, b"a"), Reply(354, b"b")]),
    ],
)
def test_replies_come_out_however_they_arrive(data: bytes, replies: list[Reply]) -> None:
    assert ReplyReader().feed(data) == replies
    trickle = ReplyReader()
    assert [reply for byte in data for reply in trickle.feed(bytes([byte]))] == replies


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b"25 short\r\n",
        b"150 no such class\r\n",
        b"250_odd\r\n",
        b"250 " + b"x" * 509 + b"\r\n",
        b"x" * 512,
        b"250-more\r\n" * 100,
    ],
)
def test_anything_else_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        ReplyReader().feed(data)


def test_the_longest_line_that_the_standard_allows_is_read() -> None:
    assert ReplyReader().feed(b"250 " + b"x" * 506 + b"\r\n") == [Reply(250, b"x" * 506)]


@pytest.mark.parametrize(
    ("phase", "reply", "expected"),
    [
        ("MAIL", "250 2.1.0 ok", "done"),
        ("RCPT", "251 will forward", "done"),
        ("DATA", "354 go", "done"),
        ("dot", "250 2.0.0 queued", "done"),
        ("dot", "251 queued elsewhere", "done"),
        ("RCPT", "450 4.2.1 mailbox busy", "temporary"),
        ("RCPT", "452 4.2.2 full", "temporary"),
        ("MAIL", "451 local error", "temporary"),
        ("dot", "455 parameters", "temporary"),
        ("RCPT", "452 4.5.3 too many recipients", "busy"),
        ("MAIL", "421 4.3.2 shutting down", "busy"),
        ("MAIL", "454 4.7.0 throttled", "busy"),
        ("dot", "450 4.7.28 too much", "busy"),
        ("RCPT", "550 5.1.1 unknown", "refused"),
        ("RCPT", "553 5.1.3 bad address", "refused"),
        ("RCPT", "550 5.2.1 disabled", "refused"),
        ("RCPT", "552 5.2.2 full", "refused"),
        ("RCPT", "550 no such user", "refused"),
        ("dot", "550 5.1.1 unknown", "refused"),
        ("MAIL", "552 5.3.4 too large", "refused"),
        ("dot", "552 5.3.4 too large", "refused"),
        ("RCPT", "554 5.7.1 relay denied", "policy"),
        ("RCPT", "550 5.4.5 daily limit", "policy"),
        ("dot", "554 5.6.0 malformed", "policy"),
        ("dot", "554 spam", "policy"),
        ("DATA", "554 no", "policy"),
        ("MAIL", "550 5.7.60 not yours to send as", "sender"),
        ("MAIL", "530 5.7.0 log in first", "sender"),
    ],
)
def test_what_a_reply_means(phase: Phase, reply: str, expected: str) -> None:
    code, _, text = reply.partition(" ")
    assert meaning(phase, Reply(int(code), text.encode())) == expected


@pytest.mark.parametrize(
    ("phase", "code"), [("MAIL", 354), ("RCPT", 252), ("DATA", 250), ("dot", 354), ("MAIL", 251)]
)
def test_a_code_out_of_place_is_a_protocol_error(phase: Phase, code: int) -> None:
    with pytest.raises(ProtocolError):
        meaning(phase, Reply(code, b"surprise"))


def test_advice_goes_by_the_enhanced_status() -> None:
    assert "SPF and DKIM" in advice(Reply(550, b"5.7.26 unauthenticated\n5.7.26 see the page"))
    assert "provider" in advice(Reply(550, b"blocked"))
