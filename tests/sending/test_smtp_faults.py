"""What becomes of every recipient when the server, the line or the login fails.

The numbers in comments are the rows of the fault matrix this covers.
"""

import base64
import re
import socket
import ssl
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from threading import Event, Timer
from typing import Literal

import pytest
import trustme
from msgspec.structs import replace

from newsletter.errors import TransportError
from newsletter.models import Outgoing
from newsletter.sending.doors import probe
from newsletter.sending.smtp import Server, SmtpTransport
from tests.making.mailing import HURRY, Books, message, messages, send, server_tls
from tests.peers.smtp_server import (
    DROP,
    HANG,
    OFFERED,
    ORDINARY,
    RESET,
    Action,
    Drip,
    Fault,
    SmtpServer,
)

PLAIN = tuple(each for each in OFFERED if each != "PIPELINING")
BIG = b"y" * 996 + b"\r\n"
BEFORE_THE_DOT = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "body"]
DIALOGUES = pytest.mark.parametrize("offers", [OFFERED, PLAIN], ids=["pipelined", "plain"])


def big_messages(count: int) -> Iterator[Outgoing]:
    """Return messages too big for the buffers of a connection: their dot leaves late."""
    text = BIG * 8_000
    return (message(number, text=text) for number in range(1, count + 1))


def everybody_once(server: SmtpServer, books: Books, count: int) -> None:
    """Check the three books against each other: plan, ledger, and what the server took."""
    assert books.having("accepted") == list(range(1, count + 1))
    assert sorted(server.recipients) == sorted(
        f"reader{number}@example.org" for number in range(1, count + 1)
    )


# 21, 22: lost before the dot


@pytest.mark.slow
@DIALOGUES
@pytest.mark.parametrize("fault", [DROP, RESET])
@pytest.mark.parametrize("phase", BEFORE_THE_DOT)
def test_a_line_lost_before_the_dot_is_tried_again(
    phase: str, fault: Fault, offers: tuple[str, ...]
) -> None:
    # The second time, so that it happens to a connection that has already worked.
    with SmtpServer(script={phase: [fault, ORDINARY, fault]}, offers=offers) as server:
        books = send(big_messages(4) if phase == "body" else messages(12), server)
    everybody_once(server, books, 4 if phase == "body" else 12)


@DIALOGUES
@pytest.mark.parametrize("fault", [DROP, RESET, pytest.param(HANG, marks=pytest.mark.slow)])
@pytest.mark.parametrize("phase", BEFORE_THE_DOT)
def test_a_server_that_never_gets_to_the_dot_leaves_everybody_outstanding(
    phase: str, fault: Fault, offers: tuple[str, ...]
) -> None:
    books = Books()
    # Where a connection is set up, the clock of the server is not looked at.
    at_the_door = fault is HANG and phase in {"greeting", "EHLO"}
    patience = replace(HURRY, connect=0.3, command=0.3) if at_the_door else HURRY
    with (
        SmtpServer(script={phase: repeat(fault)}, offers=offers) as server,
        pytest.raises(TransportError, match="3 times in a row") as raised,
    ):
        send(big_messages(9), server, books=books, patience=patience, clock=server.clock)
    assert raised.value.exit_code == 69
    assert server.mails == []
    assert set(books.states.values()) <= {"deferred"}
    # A server that keeps silent in the middle of a group is tried once more without pipelining.
    thrown_away = fault is HANG and phase in {"RCPT", "DATA"} and offers == OFFERED
    assert server.connections == 3 + thrown_away


@pytest.mark.parametrize("fault", [DROP, RESET, HANG, "554 5.3.0 no", b"\xff\x00garbage\r\n"])
def test_trouble_at_quit_changes_nothing(fault: Action) -> None:
    brisk = replace(HURRY, quit=0.1)
    with SmtpServer(script={"QUIT": repeat(fault)}) as server:
        books = send(messages(6), server, patience=brisk, messages_per_connection=2)
    everybody_once(server, books, 6)


# 20: lost after the dot


@DIALOGUES
@pytest.mark.parametrize("fault", [DROP, RESET, HANG, b"gibberish\r\n", b"354 more?\r\n"])
def test_a_line_lost_after_the_dot_is_unknown_and_the_others_go_on(
    fault: Action, offers: tuple[str, ...]
) -> None:
    with SmtpServer(script={"dot": [ORDINARY, ORDINARY, fault]}, offers=offers) as server:
        books = send(messages(8), server, clock=server.clock)
    assert books.having("unknown") == [3]
    assert books.having("accepted") == [1, 2, 4, 5, 6, 7, 8]
    assert books.outcomes[3].code == 0
    assert sorted(server.recipients) == sorted(
        f"reader{number}@example.org" for number in range(1, 9)
    )


def test_a_server_that_hangs_up_after_every_dot_is_left_after_a_few() -> None:
    books = Books()
    with (
        SmtpServer(script={"dot": repeat(DROP)}) as server,
        pytest.raises(TransportError, match="3 times in a row") as raised,
    ):
        send(messages(100), server, books=books, connections=4)
    assert raised.value.exit_code == 69
    assert len(books.having("unknown")) == len(server.mails) == 3
    assert not books.having("sending")


# 23: 421


@DIALOGUES
@pytest.mark.parametrize("phase", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"])
def test_after_a_421_everybody_is_served_by_a_new_connection(
    phase: str, offers: tuple[str, ...]
) -> None:
    busy = "421 4.3.2 too busy"
    script: dict[str, list[Action]] = {phase: [busy, ORDINARY, ORDINARY, busy]}
    with SmtpServer(script=script, offers=offers) as server:
        books = send(messages(12), server, messages_per_connection=3)
    everybody_once(server, books, 12)


@pytest.mark.slow
def test_a_421_halves_the_connections() -> None:
    first = repeat(ORDINARY, 8)
    with SmtpServer(script={"MAIL": chain[Action](first, ["421 4.3.2 too many"])}) as server:
        books = send(messages(200), server, connections=4, messages_per_connection=10)
    everybody_once(server, books, 200)
    assert server.open == 0


def test_a_server_that_stays_busy_is_left_for_a_later_run() -> None:
    books = Books()
    brisk = replace(HURRY, backoff=0.001)
    with (
        SmtpServer(script={"MAIL": repeat("421 4.3.2 too busy")}) as server,
        pytest.raises(TransportError, match=r"421 4\.3\.2 too busy") as raised,
    ):
        send(messages(20), server, books=books, patience=brisk)
    assert raised.value.exit_code == 75
    assert set(books.states.values()) == {"deferred"}


# 24, 25: replies about one recipient


@DIALOGUES
@pytest.mark.parametrize("phase", ["RCPT", "dot", "MAIL", "DATA"])
def test_a_temporary_refusal_is_tried_again_and_delays_nobody_else(
    phase: str, offers: tuple[str, ...]
) -> None:
    script: dict[str, list[Action]] = {phase: [ORDINARY, "450 4.2.1 come back"]}
    with SmtpServer(script=script, offers=offers) as server:
        books = send(messages(10), server)
    everybody_once(server, books, 10)
    assert books.history[2] == ["sending", "deferred", "sending", "accepted"]


@DIALOGUES
def test_attempts_are_bounded_and_the_rest_is_left_for_a_later_run(offers: tuple[str, ...]) -> None:
    script = {"RCPT reader2@example.org": repeat("450 4.2.1 come back")}
    with SmtpServer(script=script, offers=offers) as server:
        books = send(messages(5), server, attempts=3)
    assert len(server.verbs("RCPT TO:<READER2@")) == 3
    assert books.having("accepted") == [1, 3, 4, 5]
    assert books.outcomes[2].status == "deferred"
    assert (books.outcomes[2].code, books.outcomes[2].text) == (450, "4.2.1 come back")


@DIALOGUES
@pytest.mark.parametrize("eager", [False, True], ids=["refuses DATA", "354 to nobody"])
@pytest.mark.parametrize(
    "reply", ["550 5.1.1 no such user", "550 No such user here", "552 5.2.2 over quota"]
)
def test_a_dead_address_is_rejected_and_nobody_else(
    reply: str, eager: bool, offers: tuple[str, ...]
) -> None:
    script = {f"RCPT reader{number}@example.org": [reply] for number in (1, 4, 5, 8)}
    with SmtpServer(script=script, offers=offers, eager=eager) as server:
        books = send(messages(8), server)
    assert books.having("rejected") == [1, 4, 5, 8]
    assert books.having("accepted") == [2, 3, 6, 7]
    assert sorted(server.recipients) == [f"reader{number}@example.org" for number in (2, 3, 6, 7)]
    assert f"{books.outcomes[4].code} {books.outcomes[4].text}" == reply


def test_a_recipient_accepted_after_the_sender_was_refused_gets_no_empty_mail() -> None:
    script: dict[str, list[Action]] = {
        "MAIL": [b"450 4.3.0 later\r\n250 2.1.5 yes\r\n354 go on\r\n"],
    }
    with SmtpServer(script=script) as server:
        books = send(messages(2), server)
    everybody_once(server, books, 2)


# 26: refusals that are about us; test_refusals has the policy


@DIALOGUES
@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "dot"])
def test_refusals_by_policy_stop_the_run_after_twenty_and_reject_nobody(
    phase: str, offers: tuple[str, ...]
) -> None:
    books = Books()
    reply = "550 5.7.26 This mail has been blocked because the sender is unauthenticated"
    with (
        SmtpServer(script={phase: repeat(reply)}, offers=offers) as server,
        pytest.raises(TransportError, match=r"5\.7\.26.*SPF and DKIM") as raised,
    ):
        send(messages(100), server, books=books, connections=4)
    assert raised.value.exit_code == 78
    assert server.mails == []
    assert server.most_open == 1
    assert set(books.states.values()) == {"deferred"}
    assert 20 <= len(books.states) <= 21


def test_a_single_subscriber_is_not_rejected_for_our_own_faults_either() -> None:
    books = Books()
    with (
        SmtpServer(script={"dot": repeat("550 5.7.1 looks like spam")}) as server,
        pytest.raises(TransportError, match="looks like spam") as raised,
    ):
        send(messages(1), server, books=books)
    assert raised.value.exit_code == 78
    assert books.having("deferred") == [1]


def test_a_used_up_daily_limit_is_a_matter_of_time() -> None:
    limited = repeat("550 5.4.5 Daily sending limit exceeded")
    books = Books()
    with (
        SmtpServer(script={"dot": chain[Action](repeat(ORDINARY, 10), limited)}) as server,
        pytest.raises(TransportError, match="tomorrow") as raised,
    ):
        send(messages(100), server, books=books)
    assert raised.value.exit_code == 75
    assert len(books.having("accepted")) == 10
    assert not books.having("rejected")
    assert len(books.states) < 40


def test_a_policy_refusal_among_many_acceptances_is_that_recipient_s_own() -> None:
    script = {"RCPT reader7@example.org": ["550 5.7.1 members only"]}
    with SmtpServer(script=script) as server:
        books = send(messages(30), server)
    assert books.having("rejected") == [7]
    assert books.history[7] == ["sending", "deferred", "rejected"]


@DIALOGUES
def test_a_refused_sender_is_named(offers: tuple[str, ...]) -> None:
    books = Books()
    script = {"MAIL": repeat("553 5.7.1 not owned by this login")}
    with (
        SmtpServer(script=script, offers=offers) as server,
        pytest.raises(TransportError, match=r"papers@example\.org.*not owned") as raised,
    ):
        send(messages(50), server, books=books, connections=4)
    assert raised.value.exit_code == 78
    assert not books.having("rejected")


# 27 to 29: limits


@DIALOGUES
def test_throttling_is_met_by_slowing_down(offers: tuple[str, ...]) -> None:
    brisk = replace(HURRY, backoff=0.05)
    with SmtpServer(per_second=100, offers=offers) as server:
        books = send(messages(140), server, connections=4, patience=brisk)
    everybody_once(server, books, 140)


def many_gone() -> dict[str, list[str]]:
    return {f"RCPT reader{number}@example.org": ["550 5.1.1 gone"] for number in range(2, 40)}


# A refused recipient is one error, but two where DATA has left together with RCPT.
@pytest.mark.parametrize(
    ("offers", "connections"), [(OFFERED, 5), (PLAIN, 3)], ids=["pipelined", "plain"]
)
def test_a_connection_is_renewed_before_it_has_made_too_many_errors(
    offers: tuple[str, ...], connections: int
) -> None:
    with SmtpServer(script=many_gone(), error_limit=20, offers=offers) as server:
        books = send(messages(40), server)
    assert books.having("rejected") == list(range(2, 40))
    assert books.having("accepted") == [1, 40]
    assert server.connections == connections
    assert server.most_errors < 20


@DIALOGUES
@pytest.mark.parametrize("eager", [False, True], ids=["careful", "eager"])
@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "dot"])
def test_whatever_is_put_off_counts_as_an_error(
    phase: str, eager: bool, offers: tuple[str, ...]
) -> None:
    script = {phase: repeat("451 4.3.0 later")}
    with SmtpServer(script=script, error_limit=20, offers=offers, eager=eager) as server:
        books = send(messages(40), server, attempts=1)
    assert books.having("deferred") == list(range(1, 41))
    assert 0 < server.most_errors < 20


@pytest.mark.slow
@DIALOGUES
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 10])
def test_a_server_that_bears_fewer_errors_is_just_called_again(
    limit: int, offers: tuple[str, ...]
) -> None:
    with SmtpServer(script=many_gone(), error_limit=limit, offers=offers) as server:
        books = send(messages(40), server, attempts=2)
    assert books.having("rejected") == list(range(2, 40))
    assert books.having("accepted") == [1, 40]


@DIALOGUES
def test_a_421_in_answer_to_a_reset_is_a_busy_server_not_one_that_is_down(
    offers: tuple[str, ...],
) -> None:
    script = {"RCPT": ["550 5.1.1 gone"] * 4, "RSET": ["421 4.7.0 too many errors"] * 4}
    with SmtpServer(script=script, offers=offers) as server:
        books = send(messages(6), server)
    assert books.having("rejected") == [1, 2, 3, 4]
    assert books.having("accepted") == [5, 6]


@DIALOGUES
@pytest.mark.parametrize("allowed", [1, 2, 10])
def test_a_server_that_closes_after_so_many_messages_is_just_called_again(
    allowed: int, offers: tuple[str, ...]
) -> None:
    with SmtpServer(close_after=allowed, offers=offers) as server:
        books = send(messages(30), server, connections=2)
    everybody_once(server, books, 30)


# 30 to 32: slow, endless, garbage


def test_replies_that_trickle_do_not_hold_up_the_run() -> None:
    script: dict[str, list[Action]] = {"MAIL": [Drip(b"250 2.1.0 " + b"o" * 100, 1)]}
    with SmtpServer(script=script) as server:
        started = time.monotonic()
        books = send(messages(3), server, clock=server.clock)
    assert time.monotonic() - started < 50
    everybody_once(server, books, 3)


@pytest.mark.slow
def test_a_server_that_does_not_read_runs_into_the_time_out_of_the_text() -> None:
    with SmtpServer(script={"body": [HANG]}) as server:
        books = send(big_messages(2), server, clock=server.clock)
    everybody_once(server, books, 2)


ENDLESS = [
    b"250 " + b"x" * 1_000_000,
    b"250-more\r\n" * 100_000,
    bytes(range(256)) * 400 + b"\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"999 what\r\n",
    b"250 ok\r\n" * 1000,
]


@pytest.mark.parametrize(
    "garbage", ENDLESS, ids=["line", "lines", "binary", "http", "code", "many"]
)
@pytest.mark.parametrize("phase", ["greeting", "EHLO", "MAIL", "RCPT", "DATA"])
def test_garbage_is_not_swallowed_but_hung_up_on(phase: str, garbage: bytes) -> None:
    with SmtpServer(script={phase: [garbage]}) as server:
        books = send(messages(5), server)
    everybody_once(server, books, 5)


@pytest.mark.parametrize("code", [252, 299, 354])
def test_a_code_that_has_no_place_ends_the_connection_not_the_run(code: int) -> None:
    with SmtpServer(script={"RCPT": [f"{code} surprise"]}) as server:
        books = send(messages(3), server)
    everybody_once(server, books, 3)
    assert server.connections == 2


@pytest.mark.slow
@pytest.mark.parametrize("reply", ["550 5.1.1 nobody", "452 4.3.1 disk full"])
def test_a_reply_in_the_middle_of_the_text_counts_as_one(reply: str) -> None:
    with SmtpServer(script={"body": [reply]}) as server:
        books = send(big_messages(2), server)
    assert books.states[1] == ("rejected" if reply.startswith("5") else "accepted")
    assert books.states[2] == "accepted"


def test_what_a_server_says_is_shortened_and_made_printable() -> None:
    with SmtpServer(
        script={"RCPT": [b"550 5.1.1 \x1b[31mno\x07 " + b"x" * 480 + b"\r\n"]}
    ) as server:
        books = send(messages(2), server)
    text = books.outcomes[1].text
    assert text.isprintable()
    assert text.startswith("5.1.1 [31mno")
    assert len(text) <= 400


# 33: TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def old_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = server_tls(authority)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.slow
@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("fault", ["expired", "self-signed", "wrong host", "TLS 1.1"])
def test_tls_that_is_not_to_be_trusted_ends_the_run_before_the_login(
    fault: str, security: str, authority: trustme.CA, ca_file: Path
) -> None:
    context = {
        "expired": lambda: server_tls(authority, until=datetime(2020, 1, 1, tzinfo=UTC)),
        "self-signed": lambda: server_tls(trustme.CA()),
        "wrong host": lambda: server_tls(authority, name="mail.example.org"),
        "TLS 1.1": lambda: old_tls(authority),
    }[fault]()
    with (
        SmtpServer(tls=context, implicit_tls=security == "tls", login=("u", "secret")) as server,
        pytest.raises(TransportError) as raised,
    ):
        send(
            messages(3),
            server,
            security=security,
            username="u",
            password="secret",
            ca_file=ca_file,
        )
    assert raised.value.exit_code == 69
    assert "secret" not in str(raised.value)
    assert not server.verbs("AUTH")
    assert not server.verbs("MAIL")
    assert server.connections == 1


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ({"STARTTLS": repeat("454 4.7.0 no TLS today")}, "no TLS today"),
        ({"STARTTLS": repeat("502 5.5.1 what?")}, "what?"),
        ({"STARTTLS": repeat(b"220 go\r\n250 injected\r\n")}, "more than one reply"),
        ({"handshake": repeat(HANG)}, "timed out"),
        ({"STARTTLS": repeat(DROP)}, "hung up"),
        ({"STARTTLS": repeat(RESET)}, "reset"),
    ],
    ids=["454", "502", "injected", "hanging", "drop", "reset"],
)
def test_without_tls_nothing_is_said(
    script: dict[str, Iterator[Action]], told: str, authority: trustme.CA, ca_file: Path
) -> None:
    # Only who is left hanging is in a hurry: a busy machine may take its time to say no.
    seconds = 0.3 if "handshake" in script else HURRY.connect
    brisk = replace(HURRY, connect=seconds, command=seconds, backoff=0.001)
    with (
        SmtpServer(script=script, tls=server_tls(authority), login=("u", "secret")) as server,
        pytest.raises(TransportError, match=re.escape(told)) as raised,
    ):
        send(
            messages(3),
            server,
            patience=brisk,
            security="starttls",
            username="u",
            password="secret",
            ca_file=ca_file,
        )
    assert raised.value.exit_code == (75 if told == "no TLS today" else 69)
    assert {line.split()[0].upper() for line in server.lines} <= {"EHLO", "STARTTLS", "QUIT"}


def test_starttls_that_is_not_offered_is_no_reason_to_do_without() -> None:
    with SmtpServer() as server, pytest.raises(TransportError, match="STARTTLS") as raised:
        send(messages(3), server, security="starttls", username="u", password="secret")
    assert raised.value.exit_code == 69
    assert [line.split()[0].upper() for line in server.lines] == ["EHLO"]


def test_a_password_is_never_sent_without_tls() -> None:
    with SmtpServer(login=("u", "secret")) as server, pytest.raises(TransportError) as raised:
        send(messages(3), server, username="u", password="secret")
    assert raised.value.exit_code == 78
    assert not server.verbs("AUTH")


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("not a certificate")
    with SmtpServer() as server, pytest.raises(TransportError, match=r"ca\.pem") as raised:
        send(messages(1), server, security="starttls", ca_file=path)
    assert raised.value.exit_code == 78


# 34: the login


def log_in(server: SmtpServer, ca_file: Path, *, books: Books | None = None) -> Books:
    return send(
        messages(20),
        server,
        books=books,
        security="starttls",
        username="papers",
        password="s3cr3t-horse",
        ca_file=ca_file,
        connections=4,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "login", "mechanisms"),
    [
        ({}, ("papers", "another"), "PLAIN LOGIN"),
        ({}, ("papers", "another"), "LOGIN"),
        ({"AUTH": repeat("534 5.7.9 app password needed")}, ("papers", ""), "PLAIN"),
        ({"AUTH": repeat("432 4.7.12 change it first")}, ("papers", ""), "PLAIN"),
        ({"AUTH": repeat("535 5.7.8 s3cr3t-horse is wrong")}, ("papers", ""), "PLAIN"),
        ({}, ("papers", ""), "XOAUTH2 GSSAPI"),
        ({}, None, ""),
    ],
)
def test_a_login_that_fails_is_not_tried_twice(
    script: dict[str, Iterator[Action]],
    login: tuple[str, str] | None,
    mechanisms: str,
    authority: trustme.CA,
    ca_file: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    books = Books()
    with (
        SmtpServer(
            script=script, login=login, mechanisms=mechanisms, tls=server_tls(authority)
        ) as server,
        pytest.raises(TransportError) as raised,
    ):
        log_in(server, ca_file, books=books)
    assert raised.value.exit_code == 78
    assert server.connections == 1
    assert len(server.verbs("AUTH")) <= 1
    assert books.states == {}
    told = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert "s3cr3t-horse" not in told
    assert base64.b64encode(b"\0papers\0s3cr3t-horse").decode() not in told


@pytest.mark.slow
@pytest.mark.parametrize("mechanisms", ["PLAIN", "LOGIN", "PLAIN LOGIN"])
@pytest.mark.parametrize("initial_response", ["taken", "ignored", "refused"])
def test_a_login_goes_with_or_without_an_initial_response(
    initial_response: Literal["taken", "ignored", "refused"],
    mechanisms: str,
    authority: trustme.CA,
    ca_file: Path,
) -> None:
    with SmtpServer(
        login=("papers", "s3cr3t-horse"),
        mechanisms=mechanisms,
        initial_response=initial_response,
        tls=server_tls(authority),
    ) as server:
        books = log_in(server, ca_file)
    everybody_once(server, books, 20)
    first = "PLAIN" if "PLAIN" in mechanisms else "LOGIN"
    assert all(line.startswith(f"AUTH {first}") for line in server.verbs("AUTH"))
    assert set(server.secrets) <= {("Username:", "papers"), ("Password:", "s3cr3t-horse")}


@pytest.mark.slow
@pytest.mark.parametrize("initial_response", ["taken", "ignored", "refused"])
@pytest.mark.parametrize(
    "prompts",
    [
        ("Username:", "Password:"),
        ("User Name\0", "Password\0"),
        ("Benutzer?", "Kennwort?"),
        ("", ""),
    ],
)
def test_a_prompt_for_the_name_never_gets_the_password(
    prompts: tuple[str, str],
    initial_response: Literal["taken", "ignored", "refused"],
    authority: trustme.CA,
    ca_file: Path,
) -> None:
    with SmtpServer(
        login=("papers", "s3cr3t-horse"),
        mechanisms="LOGIN",
        initial_response=initial_response,
        prompts=prompts,
        tls=server_tls(authority),
    ) as server:
        books = log_in(server, ca_file)
    everybody_once(server, books, 20)
    if prompts[0]:
        assert (prompts[0], "s3cr3t-horse") not in server.secrets


@pytest.mark.slow
@pytest.mark.parametrize("fault", [DROP, RESET, "454 4.7.0 try again"])
def test_a_login_that_is_put_off_is_tried_again(
    fault: Action, authority: trustme.CA, ca_file: Path
) -> None:
    with SmtpServer(
        script={"AUTH": [fault]}, login=("papers", "s3cr3t-horse"), tls=server_tls(authority)
    ) as server:
        books = log_in(server, ca_file)
    everybody_once(server, books, 20)


# 35: nobody there


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port on which nobody listens, and that nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_refused_port_accepts_nobody(nobody: int) -> None:
    books = Books()
    transport = SmtpTransport(
        Server(host="127.0.0.1", port=nobody, security="none"), patience=HURRY
    )
    with pytest.raises(TransportError, match="refused") as raised:
        transport.send(messages(5), books)
    assert raised.value.exit_code == 69
    assert books.states == {}


def test_a_host_that_cannot_be_looked_up_is_a_matter_of_the_configuration() -> None:
    transport = SmtpTransport(Server(host=f"{'x' * 64}.example.org", port=587), patience=HURRY)
    with pytest.raises(TransportError, match=r"smtp\.host") as raised:
        transport.send(messages(1), Books())
    assert raised.value.exit_code == 78


@pytest.mark.parametrize("name", ["machine", f"{'x' * 64}.example.org"])
def test_a_machine_without_a_usable_name_introduces_itself_by_its_address(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: name)
    with SmtpServer() as server:
        send(messages(1), server)
    assert server.lines[0].upper() == "EHLO [127.0.0.1]"


def test_a_machine_whose_name_cannot_be_looked_up_introduces_itself_by_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: f"{'x' * 64}.example.org")
    with SmtpServer() as server:
        send(messages(1), server)
    assert server.lines[0].upper() == "EHLO [127.0.0.1]"


def test_a_name_that_does_not_exist_is_unreachable() -> None:
    transport = SmtpTransport(
        Server(host="mail.invalid", port=587), patience=replace(HURRY, backoff=0.001)
    )
    with pytest.raises(TransportError, match=r"mail\.invalid:587") as raised:
        transport.send(messages(1), Books())
    assert raised.value.exit_code == 69


def test_the_other_address_family_is_tried() -> None:
    with SmtpServer() as server:  # listens on 127.0.0.1 alone; localhost is ::1 too
        books = send(messages(2), server, host="localhost")
    everybody_once(server, books, 2)


def test_probe_says_what_stands_in_the_way(nobody: int) -> None:
    with pytest.raises(TransportError, match="refused") as raised:
        probe(Server(host="127.0.0.1", port=nobody))
    assert raised.value.exit_code == 69


# 36: what the server does not offer


def test_a_server_that_knows_no_ehlo_is_greeted_the_old_way() -> None:
    with SmtpServer(script={"EHLO": repeat("502 5.5.1 what?")}, offers=()) as server:
        books = send(messages(5), server)
    everybody_once(server, books, 5)
    assert server.verbs("HELO")


@DIALOGUES
@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        ("MAIL", "555 5.5.4 Unsupported option: RET=HDRS"),
        ("MAIL", "501 5.5.4 Syntax error in parameters"),
        ("MAIL", "504 5.5.4 not implemented"),
        ("RCPT", "501 5.5.4 NOTIFY not recognized"),
        ("RCPT", "555 what?"),
    ],
)
def test_notifications_that_are_offered_and_refused_are_done_without(
    phase: str, reply: str, offers: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    # Whoever asks for them is refused; who does not is served.
    with SmtpServer(offers=offers, refuses_dsn={phase: reply}) as server:
        books = send(messages(20), server, connections=3, messages_per_connection=4)
    everybody_once(server, books, 20)
    assert len([line for line in server.verbs(phase) if "RET=" in line or "NOTIFY=" in line]) <= 2
    assert caplog.text.count('smtp.dsn = "off"') == 1


@pytest.mark.parametrize(
    "reply", ["503 5.5.0 Improper use of SMTP command pipelining", "554 SMTP synchronization error"]
)
@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA"])
def test_pipelining_that_is_offered_and_refused_is_done_without(
    phase: str, reply: str, caplog: pytest.LogCaptureFixture
) -> None:
    with SmtpServer(script={phase: [ORDINARY, reply]}) as server:
        books = send(messages(20), server, connections=3, messages_per_connection=4)
    everybody_once(server, books, 20)
    assert caplog.text.count('smtp.pipelining = "off"') == 1
    assert books.having("deferred") == []


def test_a_pipeline_that_is_thrown_away_is_waited_for_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with SmtpServer(discards=True) as server:
        books = send(messages(20), server, clock=server.clock, messages_per_connection=4)
    assert server.connections == 6
    everybody_once(server, books, 20)
    assert caplog.text.count('smtp.pipelining = "off"') == 1


def test_what_is_off_is_never_used() -> None:
    with SmtpServer() as server:
        books = send(messages(10), server, without=frozenset({"dsn", "pipelining"}))
    everybody_once(server, books, 10)
    assert books.most_open == 1
    assert not [line for line in server.lines if "RET=" in line or "NOTIFY=" in line]


LARGE = message(2, text=b"z" * 70_000 + b"\r\n")


@pytest.mark.parametrize(
    ("offers", "script"),
    [
        (("PIPELINING", "SIZE 50000"), {}),
        (("PIPELINING", "SIZE"), {"MAIL": [ORDINARY, "552 5.3.4 too big"]}),
        (("PIPELINING",), {"dot": [ORDINARY, "523 too big"]}),
    ],
    ids=["announced", "at MAIL", "at the dot"],
)
def test_a_message_larger_than_the_server_takes_goes_in_its_smallest_form(
    offers: tuple[str, ...], script: dict[str, list[Action]]
) -> None:
    large = replace(LARGE, smallest=lambda: message(2))
    with SmtpServer(offers=offers, script=script) as server:
        books = send([message(1), large, message(3)], server)
    assert books.having("accepted") == [1, 2, 3]
    assert max(len(mail.data) for mail in server.mails) < 1000


@pytest.mark.parametrize(
    ("offers", "script", "limit"),
    [
        (("PIPELINING", "SIZE 50000"), {}, "takes 50000"),
        (
            ("PIPELINING", "SIZE"),
            {"MAIL": [ORDINARY, "552 5.3.4 too big", "552 5.3.4 too big"]},
            "names no limit",
        ),
        (
            ("PIPELINING",),
            {"dot": [ORDINARY, "523 too big", ORDINARY, "523 too big"]},
            "names no limit",
        ),
    ],
    ids=["announced", "at MAIL", "at the dot"],
)
def test_one_that_is_too_large_even_so_is_put_off_and_both_sizes_are_named(
    offers: tuple[str, ...], script: dict[str, list[Action]], limit: str
) -> None:
    smaller = message(2, text=b"z" * 60_000 + b"\r\n")
    outgoing = [message(1), replace(LARGE, smallest=lambda: smaller), message(3)]
    books = Books()
    with (
        SmtpServer(offers=offers, script=script) as server,
        pytest.raises(TransportError, match=f"{smaller.size} bytes.*{limit}") as raised,
    ):
        send(outgoing, server, books=books)
    assert raised.value.exit_code == 78
    assert books.having("accepted") == [1, 3]
    assert books.states[2] == "deferred"


@pytest.mark.parametrize(
    ("recipient", "reason"),
    [
        ("dörte@example.org", "SMTPUTF8"),
        ("a b@example.org", "no SMTP command can carry"),
        ("a@example.org> NOTIFY=NEVER", "no SMTP command can carry"),
        ("a@example.org\r\nRCPT TO:<eve@example.org", "no SMTP command can carry"),
    ],
)
def test_an_address_that_cannot_be_written_is_rejected_with_the_reason(
    recipient: str, reason: str
) -> None:
    with SmtpServer(offers=PLAIN[:3]) as server:
        books = send([message(1), message(2, recipient=recipient), message(3)], server)
    assert books.having("accepted") == [1, 3]
    assert books.states[2] == "rejected"
    assert reason in books.outcomes[2].text
    assert len(server.verbs("RCPT")) == 2


def test_eight_bit_text_is_rejected_where_it_cannot_pass() -> None:
    with SmtpServer(offers=("PIPELINING",)) as server:
        books = send([message(1, text="ä\r\n".encode()), message(2)], server)
    assert books.states == {1: "rejected", 2: "accepted"}
    assert "8BITMIME" in books.outcomes[1].text


# 18: told to stop


def test_stop_gives_up_on_a_server_that_does_not_answer() -> None:
    stop = Event()
    books = Books()
    patient = replace(HURRY, dot=100, grace=0.3)

    def dots() -> Iterator[Action]:
        yield ORDINARY
        Timer(0.3, stop.set).start()
        yield HANG

    with SmtpServer(script={"dot": dots()}) as server:
        started = time.monotonic()
        send(messages(10), server, books=books, stop=stop, patience=patient)
    assert time.monotonic() - started < 50
    assert books.states == {1: "accepted", 2: "unknown", 3: "deferred"}


def test_stop_does_not_wait_for_a_connection_that_hangs() -> None:
    stop = Event()
    with SmtpServer(script={"greeting": repeat(HANG)}) as server:
        Timer(0.1, stop.set).start()
        started = time.monotonic()
        books = send(messages(10), server, stop=stop, patience=replace(HURRY, connect=100))
    assert time.monotonic() - started < 50
    assert books.states == {}
