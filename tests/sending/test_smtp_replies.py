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
        b"250 " + b"x" * 8187 + b"\r\n",
        b"x" * 8192,
        b"250-more\r\n" * 100,
        (b"250-" + b"x" * 8000 + b"\r\n") * 9,
        (b"250-" + b"x" * 8186 + b"\r\n") * 8 + b"250-" + b"x" * 49 + b"\r\n",
    ],
)
def test_anything_else_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        ReplyReader().feed(data)


def test_a_reply_of_64_kilobytes_is_read_to_its_end() -> None:
    lines = [8186] * 8 + [48]
    data = b"".join(b"250-" + b"x" * length + b"\r\n" for length in lines)
    (reply,) = ReplyReader().feed(data + b"250 ok\r\n")
    assert len(reply.raw) == 65_536 + len(lines) + len("ok")


def test_a_reply_is_pending_from_its_first_byte_to_its_last_line() -> None:
    reader = ReplyReader()
    seen = []
    for piece in (b"2", b"50-a\r\n", b"250 ", b"b\r\n", b"250 c\r\n"):
        reader.feed(piece)
        seen.append(reader.pending)
    assert seen == [True, True, True, False, False]


@pytest.mark.parametrize("length", [506, 507, 620, 8186])
def test_a_line_of_up_to_eight_kilobytes_is_read_and_cut_for_the_record(length: int) -> None:
    (reply,) = ReplyReader().feed(b"250 " + b"x" * length + b"\r\n")
    assert reply == Reply(250, b"x" * length)
    assert reply.text == "x" * 399 + "…"


@pytest.mark.parametrize(
    ("phase", "reply", "expected"),
    [
        ("MAIL", "250 2.1.0 ok", "done"),
        ("RCPT", "250 ok", "done"),
        ("RCPT", "251 will forward", "done"),
        ("DATA", "354 go", "done"),
        ("dot", "250 2.0.0 queued", "done"),
        ("dot", "251 queued elsewhere", "done"),
        ("dot", "200 it says", "done"),
        ("dot", "299 it says", "done"),
        ("RCPT", "450 4.2.1 mailbox busy", "temporary"),
        ("RCPT", "452 4.2.2 full", "temporary"),
        ("MAIL", "451 local error", "temporary"),
        ("dot", "455 parameters", "temporary"),
        ("RCPT", "452 4.5.3 too many recipients", "busy"),
        ("MAIL", "421 4.3.2 shutting down", "busy"),
        ("MAIL", "454 4.7.0 throttled", "busy"),
        ("MAIL", "451 4.7.1 slow down", "busy"),
        ("dot", "454 later", "busy"),
        ("MAIL", "454 later", "busy"),
        ("RCPT", "454 later", "temporary"),
        ("dot", "450 4.7.28 too much", "busy"),
        ("RCPT", "450 4.7.1 you have exceeded the hourly sending quota", "busy"),
        ("RCPT", "451 4.7.1 Try again later", "throttled"),
        ("dot", "451 4.7.1 Greylisted", "throttled"),
        ("RCPT", "450 greylisted", "temporary"),
        ("RCPT", "499 it says", "temporary"),
        ("RCPT", "599 it says", "suspect"),
        ("RCPT", "550 5.1.1 unknown", "refused"),
        ("RCPT", "553 5.1.3 bad address", "refused"),
        ("RCPT", "550 5.2.1 disabled", "refused"),
        ("RCPT", "552 5.2.2 full", "refused"),
        ("RCPT", "550 no such user", "refused"),
        ("dot", "550 5.1.1 unknown", "refused"),
        ("MAIL", "552 5.3.4 too large", "too large"),
        ("dot", "552 5.3.4 too large", "too large"),
        ("dot", "523 no", "too large"),
        ("MAIL", "555 5.5.4 RET=HDRS is not supported", "do without"),
        ("RCPT", "501 5.5.4 unknown parameter NOTIFY", "do without"),
        ("MAIL", "503 5.5.0 improper pipelining", "do without"),
        ("RCPT", "554 5.7.1 relay denied", "suspect"),
        ("RCPT", "550 5.4.5 daily limit", "suspect"),
        ("RCPT", "550 rejected", "suspect"),
        ("dot", "554 5.6.0 malformed", "suspect"),
        ("dot", "554 spam", "suspect"),
        ("DATA", "554 no", "suspect"),
        ("MAIL", "550 5.7.60 not yours to send as", "suspect"),
        ("MAIL", "530 5.7.0 log in first", "suspect"),
        ("MAIL", "550 5.1.1 user unknown", "suspect"),
    ],
)
def test_what_a_reply_means(phase: Phase, reply: str, expected: str) -> None:
    code, _, text = reply.partition(" ")
    assert meaning(phase, Reply(int(code), text.encode())) == expected


@pytest.mark.parametrize(
    ("phase", "code"),
    [("MAIL", 354), ("RCPT", 252), ("DATA", 250), ("dot", 354), ("MAIL", 251), ("dot", 300)],
)
def test_a_code_out_of_place_is_a_protocol_error(phase: Phase, code: int) -> None:
    with pytest.raises(ProtocolError):
        meaning(phase, Reply(code, b"surprise"))


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(550, b"5.7.26 unauthenticated\n5.7.26 see the page"), "SPF and DKIM"),
        (Reply(554, b"5.2.252 SendAsDenied"), "may send as"),
        (Reply(530, b"no"), "smtp.username"),
        (Reply(550, b"relay not permitted"), "smtp.host"),
        (Reply(550, b"spam"), "provider"),
        (Reply(554, b"5.2.0 SubmissionQuotaExceeded"), "goes out later"),
        (Reply(550, b"no"), "documentation"),
    ],
)
def test_advice_goes_by_the_status_then_by_the_reason(reply: Reply, told: str) -> None:
    assert told in advice(reply.refusal("dot"))


@pytest.mark.parametrize(("before", "why"), [(1_987, "nobody"), (1_988, "unclear")])
def test_what_counts_of_a_reply_are_its_first_2000_bytes(before: int, why: str) -> None:
    words = b"x" * before + b" user unknown"
    assert Reply(550, words).refusal("RCPT").why == why


def test_the_words_of_a_reply_may_be_broken_over_its_lines() -> None:
    assert Reply(550, b"no such\nuser").refusal("RCPT").why == "nobody"


def test_a_reply_without_words_is_its_code() -> None:
    assert str(Reply(250, b"")) == "250"


def test_what_is_no_reply_is_shown_by_its_beginning() -> None:
    with pytest.raises(ProtocolError) as told:
        ReplyReader().feed(b"x" * 41 + b"\r\n")
    assert str(told.value) == f"not an SMTP reply: {'x' * 40!r}"


def test_the_status_of_a_reply_is_the_enhanced_one_or_none() -> None:
    assert Reply(550, b"5.7.26 unauthenticated").status == "5.7.26"
    assert Reply(550, b"no").status == ""
