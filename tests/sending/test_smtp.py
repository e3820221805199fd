"""What the SMTP transport says, when, and in which order, where nothing goes wrong."""

import time
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
import trustme
from msgspec.structs import replace

from benchmarks.send import sink
from newsletter.errors import RenderError, StateError
from newsletter.models import Outcome, Outgoing
from newsletter.sending.doors import probe
from newsletter.sending.line import Line
from newsletter.sending.smtp import Server, SmtpTransport
from tests.making.mailing import HURRY, Books, message, messages, send, server_tls, transport_to
from tests.peers.smtp_server import HANG, OFFERED, ORDINARY, SmtpServer

PLAIN = tuple(each for each in OFFERED if each != "PIPELINING")


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("offers", [OFFERED, PLAIN, ()], ids=["pipelined", "plain", "bare"])
def test_every_message_arrives_once_and_as_it_was_composed(
    connections: int, offers: tuple[str, ...]
) -> None:
    with SmtpServer(offers=offers) as server:
        books = send(messages(50), server, connections=connections)
    sent = {each.envelope.recipient: b"".join(each.message) for each in messages(50)}
    assert len(server.mails) == len(sent)
    assert {mail.recipient: mail.data for mail in server.mails} == sent
    assert books.having("accepted") == list(range(1, 51))
    assert (books.outcomes[1].code, books.outcomes[1].text) == (250, "2.0.0 taken")
    # One that is set up only when everything has left is hung up on.
    assert 1 <= len(server.verbs("QUIT")) <= server.connections <= connections


def test_mails_are_made_while_the_server_takes_its_time() -> None:
    stop, books, known = Event(), Books(), []

    def made() -> Iterator[Outgoing]:
        # One has gone, four connections have two each, a text and the next envelope; three wait.
        yield from messages(1 + 4 * 2 + 3)
        known.append(len(books.outcomes))
        stop.set()
        yield message(13)

    # After the first, whose connection is alone, no text is answered.
    with SmtpServer(script={"dot": [ORDINARY, HANG, HANG, HANG, HANG]}) as server:
        patience = replace(HURRY, dot=60, grace=0.1)
        send(made(), server, books=books, stop=stop, patience=patience, connections=4)
    assert known == [1]


def test_what_goes_wrong_with_a_mail_that_is_made_ahead_is_told_in_its_turn() -> None:
    def made() -> Iterator[Outgoing]:
        yield from messages(2)
        raise RenderError("edition.html", "broken")

    line = Line(made())
    assert [line.foresee(3) for _ in range(4)] == [True, True, False, False]
    assert not line.foresee(2)
    assert [item.delivery for _ in range(2) if (item := line.take(0))] == [1, 2]
    with pytest.raises(RenderError):
        line.take(0)


@pytest.mark.parametrize(
    "text",
    [
        b".\r\n",
        b"..\r\n",
        b".leading\r\nmiddle . dot\r\n.\r\n",
        b"first\r\n..two\r\n...three\r\nlast.\r\n",
        b"QUIT\r\n.\r\nMAIL FROM:<evil@example.org>\r\n",
        b"".join(b".%d\r\n" % line for line in range(5000)),
    ],
)
def test_dots_at_the_start_of_a_line_arrive_as_they_left(text: bytes) -> None:
    outgoing = [message(1, text=text), message(2, text=text), message(3)]
    with SmtpServer() as server:
        send(outgoing, server)
    assert [mail.data for mail in server.mails] == [b"".join(each.message) for each in outgoing]


def test_what_the_server_offers_is_used() -> None:
    [outgoing] = messages(1)
    with SmtpServer() as server:
        send([outgoing], server, ehlo_name="papers.example.org")
    size = len(b"".join(outgoing.message))
    assert server.lines[0].upper() == "EHLO PAPERS.EXAMPLE.ORG"
    assert server.lines[1:3] == [
        f"MAIL FROM:<papers@example.org> SIZE={size} RET=HDRS ENVID=i1.1",
        "RCPT TO:<reader1@example.org> NOTIFY=FAILURE ORCPT=rfc822;reader1@example.org",
    ]


def test_parameters_are_xtext() -> None:
    with SmtpServer() as server:
        send([message(1, recipient="ada+papers=x@example.org")], server)
    assert server.lines[2].endswith("ORCPT=rfc822;ada+2Bpapers+3Dx@example.org")


@pytest.mark.parametrize("encoded", [False, True])
def test_an_international_address_goes_where_smtputf8_is_offered(*, encoded: bool) -> None:
    with SmtpServer() as server:
        send([replace(message(1, recipient="dörte@example.org"), encoded=encoded)], server)
    assert server.recipients == ["dörte@example.org"]
    assert {"SMTPUTF8", "BODY=8BITMIME"} <= set(server.mails[0].parameters)


def test_with_pipelining_the_next_envelope_leaves_with_the_text_before_it() -> None:
    with SmtpServer() as server:
        books = send(messages(10), server)
    assert books.most_open == 2
    with SmtpServer(offers=PLAIN) as server:
        books = send(messages(10), server)
    assert books.most_open == 1


def test_an_intent_is_committed_before_its_envelope_leaves() -> None:
    class Watch(Books):
        def commit(
            self, outcomes: Mapping[int, Outcome], intents: Collection[int]
        ) -> frozenset[int]:
            for delivery in intents:
                assert not server.verbs(f"RCPT TO:<READER{delivery}@")
            return super().commit(outcomes, intents)

    with SmtpServer() as server:
        books = send(messages(30), server, books=Watch(), connections=2)
    assert len(books.having("accepted")) == 30


def test_who_is_suppressed_meanwhile_is_not_even_named_to_the_server() -> None:
    with SmtpServer() as server:
        books = send(messages(5), server, books=Books(suppressed={1, 3, 5}))
    assert server.recipients == ["reader2@example.org", "reader4@example.org"]
    assert len(server.verbs("RCPT")) == 2
    assert books.having("suppressed") == [1, 3, 5]


def test_a_connection_is_renewed_after_its_share_of_messages() -> None:
    with SmtpServer() as server:
        send(messages(10), server, messages_per_connection=3)
    assert len(server.mails) == 10
    assert server.connections == 4
    assert server.most_open == 1


def test_no_more_connections_are_open_than_allowed() -> None:
    with SmtpServer() as server:
        send(messages(60), server, connections=3, messages_per_connection=5)
    assert len(server.mails) == 60
    assert server.most_open <= 3


def test_without_messages_the_server_is_left_alone() -> None:
    with SmtpServer() as server:
        send([], server)
    assert server.connections == 0


def test_the_rate_holds_and_starts_with_what_credit_is_left() -> None:
    with SmtpServer() as server:
        transport = transport_to(server, connections=2, rate_per_minute=1200, credit=0)
        started = time.monotonic()
        transport.send(messages(8), Books())
    assert server.mails[0].at - started >= 0.05
    assert server.mails[-1].at - started >= 8 * 0.05


def test_stop_finishes_what_is_in_flight_and_takes_nothing_more() -> None:
    stop = Event()

    def until_the_fifth() -> Iterator[Outgoing]:
        for each in messages(50):
            if each.delivery == 5:
                stop.set()
            yield each

    with SmtpServer() as server:
        books = send(until_the_fifth(), server, stop=stop)
    assert len(server.mails) == len(books.having("accepted")) <= 5
    assert set(books.states.values()) == {"accepted"}


def test_an_error_while_composing_comes_out_after_what_is_in_flight() -> None:
    def broken() -> Iterator[Outgoing]:
        yield from messages(3)
        raise RenderError("digest.html", "a bracket is missing")

    books = Books()
    with SmtpServer() as server, pytest.raises(RenderError, match="bracket"):
        send(broken(), server, books=books)
    assert books.having("accepted") == [1, 2, 3]


def test_a_ledger_that_cannot_write_stops_everything_before_the_dot() -> None:
    class Full(Books):
        def commit(
            self, outcomes: Mapping[int, Outcome], intents: Collection[int]
        ) -> frozenset[int]:
            if 4 in intents:
                raise StateError(Path("state.sqlite3"), "the disk is full")
            return super().commit(outcomes, intents)

    with SmtpServer() as server, pytest.raises(StateError, match="full"):
        send(messages(50), server, books=Full())
    assert "reader4@example.org" not in server.recipients
    assert not server.verbs("RCPT TO:<READER4")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_login_under_tls(
    security: str, mechanism: str, authority: trustme.CA, ca_file: Path
) -> None:
    with SmtpServer(
        tls=server_tls(authority),
        implicit_tls=security == "tls",
        login=("papers@example.org", "größer als 8"),
        mechanisms=f"X-ODD {mechanism}",
    ) as server:
        books = send(
            messages(20),
            server,
            security=security,
            connections=2,
            username="papers@example.org",
            password="größer als 8",
            ca_file=ca_file,
        )
    assert len(books.having("accepted")) == len(server.mails) == 20
    assert 1 <= len(server.verbs("AUTH")) <= server.connections


def test_a_large_message_goes_through_tls_in_pieces(authority: trustme.CA, ca_file: Path) -> None:
    outgoing = [
        message(number, text=b"x" * 76 + b"\r\n" + b"." * 900_000 + b"\r\n") for number in (1, 2, 3)
    ]
    with SmtpServer(tls=server_tls(authority)) as server:
        send(outgoing, server, security="starttls", ca_file=ca_file)
    assert [mail.data for mail in server.mails] == [b"".join(each.message) for each in outgoing]


def test_probe_tells_what_the_server_is_like_and_mails_nothing(
    authority: trustme.CA, ca_file: Path
) -> None:
    with SmtpServer(tls=server_tls(authority), login=("papers", "secret")) as server:
        found = probe(
            Server(
                host="127.0.0.1",
                port=server.port,
                username="papers",
                password="secret",
                ca_file=ca_file,
            ),
            patience=HURRY,
        )
        until = time.monotonic() + 200
        while server.open and time.monotonic() < until:
            time.sleep(0.01)
    assert found.tls_version in {"TLSv1.2", "TLSv1.3"}
    assert found.certificate_expires is not None
    assert found.certificate_expires > datetime.now(UTC) + timedelta(days=1)
    assert (found.logged_in, found.pipelining, found.size_limit) == (True, True, 10_240_000)
    assert not server.verbs("MAIL")
    assert server.lines[-1] == "QUIT"


def test_a_password_stays_out_of_the_representation() -> None:
    assert "secret" not in repr(Server(host="mail.example.org", port=465, password="secret"))


@pytest.mark.slow
@pytest.mark.smtpsink
def test_postfix_takes_everything() -> None:
    with sink() as port:
        books = Books()
        server = Server(host="127.0.0.1", port=port, security="none")
        SmtpTransport(server).send(messages(2000), books)
    assert len(books.having("accepted")) == 2000


def test_what_is_no_longer_ours_is_dropped_before_its_final_dot() -> None:
    class Late(Books):
        def holds(self, delivery: int) -> bool:
            return delivery != 2

    with SmtpServer() as server:
        books = send(messages(3), server, books=Late(), attempts=1)
    assert sorted(server.recipients) == ["reader1@example.org", "reader3@example.org"]
    assert books.having("accepted") == [1, 3]
    assert books.having("deferred") == [2]
    assert "nobody else sends it" in books.outcomes[2].text
