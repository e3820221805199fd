"""Whatever a server says, an exchange ends, with an answer or an error that is expected."""

import socket
from collections import Counter
from collections.abc import Iterator

import pytest
import requests
from hypothesis import given
from urllib3.exceptions import HTTPError

from newsletter.errors import InboxError, TransportError
from newsletter.exchange import Bounds, EndlessError, exchange
from newsletter.exchange import Session as WebSession
from newsletter.models import Envelope, Outgoing
from newsletter.prose import printable
from newsletter.returns.imap import imap
from newsletter.sending.doors import Server, probe
from newsletter.sending.session import Patience, Session
from tests.fuzz.trying import fuzzing, inputs
from tests.peers.imap_server import ImapServer, imap_server
from tests.peers.talker import Say, talker

# What the peer makes of a client that was led astray is no matter here.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def figures() -> Iterator[Counter[str]]:
    counted: Counter[str] = Counter()
    yield counted
    print("\n" + "\n".join(f"fuzz {what}: {number}" for what, number in sorted(counted.items())))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImapServer]:
    with imap_server(tmp_path_factory.mktemp("imap")) as running:
        yield running


@fuzzing(share=0.5)
@given(content=inputs("http"))
def test_an_http_exchange_ends(figures: Counter[str], content: bytes) -> None:
    def talk(say: Say, _over: object) -> None:
        say(content)

    with talker(talk) as url, WebSession() as session:
        bounds = Bounds(seconds=5, silence=5, size=10_000)
        try:
            answer = exchange(session, "GET", url, bounds=bounds)
        except (requests.RequestException, HTTPError, EndlessError, ValueError) as error:
            figures[f"http {type(error).__name__}"] += 1
            return
    figures["http answered"] += 1
    assert len(answer.body) <= 10_000


@fuzzing(share=0.5)
@given(content=inputs("smtp"))
def test_a_mail_to_a_server_that_says_anything_has_one_end(
    figures: Counter[str], content: bytes
) -> None:
    envelope = Envelope(sender="a@example.org", recipient="b@example.org", id="one")
    mail = Outgoing(delivery=1, envelope=envelope, message=(b"x\r\n",))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with theirs:
        session = Session(ours, {"pipelining": "", "dsn": ""}, Patience())
        session.advance(mail, now=0)
        theirs.sendall(content)
        theirs.shutdown(socket.SHUT_WR)
        ends = []
        for now in range(1000):
            ends += session.pump(float(now))
            if session.lost:
                ends += session.pump(float(now))
                break
            if session.resting and session.due:
                session.advance(None, now=float(now))
        session.abandon("done")
        ends += session.pump(1000)
    (end,) = ends
    figures[f"smtp mail {end.meaning}"] += 1
    assert end.outgoing is mail
    assert end.meaning != "done" or b"250" in content
    assert end.reply is None or (printable(end.reply.text) and len(end.reply.text) <= 1000)


@fuzzing(share=0.3)
@given(content=inputs("smtp"))
def test_a_login_where_anything_is_said_ends(figures: Counter[str], content: bytes) -> None:
    def talk(say: Say, _over: object) -> None:
        say(content)

    with talker(talk, greets=True) as url:
        server = Server(
            host="127.0.0.1",
            port=int(url.rpartition(":")[2]),
            security="none",
            username="papers",
            password="hunter2",
        )
        try:
            probe(server, patience=Patience(connect=5, command=5))
        except TransportError as error:
            words, became = str(error), f"smtp login {error.exit_code}"
        else:
            words, became = "", "smtp login done"
    figures[became] += 1
    assert printable(words)
    assert "hunter2" not in words


@fuzzing(share=0.3)
@given(content=inputs("imap"))
def test_an_imap_dialogue_ends(figures: Counter[str], server: ImapServer, content: bytes) -> None:
    server.answers = {"SELECT": content}
    try:
        with imap(
            "127.0.0.1",
            server.port,
            username=server.username,
            password=server.password,
            ca_file=server.ca_file,
            patience=5.0,
            seconds=10.0,
            clock=server.clock,
        ) as opened:
            opened.read(opened.keys())
    except InboxError as error:
        words, became = str(error), f"imap {error.exit_code}"
    else:
        words, became = "", "imap read"
    figures[became] += 1
    assert printable(words)
