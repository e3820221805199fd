"""Whatever a server says, an exchange ends, with an answer or an error that is expected."""

from collections import Counter
from collections.abc import Iterator

import pytest
import requests
from hypothesis import given
from urllib3.exceptions import HTTPError

from newsletter.errors import InboxError
from newsletter.exchange import Bounds, EndlessError, Session, exchange
from newsletter.prose import printable
from newsletter.returns.imap import imap
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

    with talker(talk) as url, Session() as session:
        bounds = Bounds(seconds=5, silence=5, size=10_000)
        try:
            answer = exchange(session, "GET", url, bounds=bounds)
        except (requests.RequestException, HTTPError, EndlessError, ValueError) as error:
            figures[f"http {type(error).__name__}"] += 1
            return
    figures["http answered"] += 1
    assert len(answer.body) <= 10_000


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
            patience=0.5,
            seconds=1.0,
        ) as opened:
            opened.read(opened.keys())
    except InboxError as error:
        words, became = str(error), f"imap {error.exit_code}"
    else:
        words, became = "", "imap read"
    figures[became] += 1
    assert printable(words)
