"""An HTTP exchange ends within its bounds, whatever the other side sends."""

import gzip
import resource
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from threading import Event, Timer
from time import monotonic
from traceback import format_exception

import pytest
import requests
from requests.exceptions import InvalidProxyURL
from urllib3.exceptions import DecodeError, HTTPError

from newsletter.exchange import Bounds, EndlessError, Session, exchange
from tests.peers.http_server import web_server
from tests.peers.talker import Say, Talk, dripping, flooding, saying, talker

OK = b"HTTP/1.1 200 OK\r\n"
PATIENT = Bounds(seconds=120.0, silence=120.0, size=1_000_000)  # no busy machine is too slow for
BRIEF = Bounds(seconds=1.0, silence=120.0, size=1_000_000)
RESTLESS = Bounds(seconds=120.0, silence=0.5, size=1_000_000)


@pytest.fixture
def session() -> Iterator[Session]:
    with Session() as opened:
        yield opened


def packed(content: bytes, status: bytes = OK, *more: bytes) -> Talk:
    return _packed(lambda: gzip.compress(content, 1), status, *more)


def bomb(status: bytes = OK, *more: bytes) -> Talk:
    """Return what says 300 MB in 1.3; packing them takes a while, so it is done when it is said."""
    return _packed(_zeros, status, *more)


@cache
def _zeros() -> bytes:
    return gzip.compress(bytes(300_000_000), 1)


def _packed(packing: Callable[[], bytes], status: bytes, *more: bytes) -> Talk:
    def talk(say: Say, over: Event) -> None:
        body = packing()
        fields = [b"Content-Encoding: gzip", b"Content-Length: %d" % len(body), *more]
        saying(status, b"".join(field + b"\r\n" for field in fields), b"\r\n", body)(say, over)

    return talk


@pytest.mark.slow
@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (dripping(OK, b"X-More: to come\r\n"), "too slowly"),
        (dripping(OK + b"\r\n", b"x"), "too slowly"),
        (dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "too slowly"),
        (flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "more than 1 MB"),
        (flooding(OK + b"\r\n", b"x"), "more than 1 MB"),
        (packed(bytes(1_000_001)), "more than 1 MB"),
        (bomb(), "more than 1 MB"),
        (bomb(b"HTTP/1.1 302 Found\r\n", b"Location: /there"), "more than 1 MB"),
    ],
)
def test_an_answer_without_end_is_broken_off(session: Session, talk: Talk, words: str) -> None:
    with talker(talk) as url, pytest.raises(EndlessError, match=words):
        exchange(session, "GET", url, bounds=BRIEF if "slowly" in words else PATIENT)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000  # not 2.5 GB more


@pytest.mark.parametrize(
    ("talk", "bounds"),
    [
        (flooding(OK, b"X-More: to come\r\n"), PATIENT),
        (saying(b""), PATIENT),
        (saying(b"HTTP/1.1 \x1b[2J\r\n\r\n"), PATIENT),
        (saying(OK + b"Content-Length: 5\r\n\r\nabc"), PATIENT),
        (dripping(OK + b"Content-Length: -1\r\n", b""), RESTLESS),
    ],
)
def test_what_is_no_answer_is_an_error_of_the_library(
    session: Session, talk: Talk, bounds: Bounds
) -> None:
    with talker(talk) as url, pytest.raises((requests.RequestException, HTTPError)):
        exchange(session, "GET", url, bounds=bounds)


def test_an_answer_that_breaks_off_within_gzip_is_no_answer(session: Session) -> None:
    body = gzip.compress(b"a" * 1000)[:-9]
    talk = saying(OK + b"Content-Encoding: gzip\r\n\r\n" + body)
    with talker(talk) as url, pytest.raises(DecodeError):
        exchange(session, "GET", url, bounds=PATIENT)


def test_what_comes_whole_is_unpacked_and_told_whatever_its_status(session: Session) -> None:
    with talker(packed(b"moved", b"HTTP/1.1 302 Found\r\n", b"Location: /there")) as url:
        answer = exchange(session, "GET", url, bounds=PATIENT)
    assert (answer.status, answer.body) == (302, b"moved")
    assert answer.headers["location"] == "/there"


def test_a_body_that_nobody_wants_is_not_read(session: Session) -> None:
    with talker(flooding(OK + b"\r\n", b"x")) as url:
        answer = exchange(session, "GET", url, bounds=PATIENT, read_body=lambda _: False)
    assert answer == (200, answer.headers, b"")


def test_who_is_told_to_stop_waits_for_nothing(session: Session) -> None:
    bounds = Bounds(seconds=60, silence=60, size=10, stop=Event())
    with talker(dripping(b"", b"")) as url:
        timer = Timer(0.2, bounds.stop.set)
        timer.start()
        began = monotonic()
        with pytest.raises(EndlessError, match="told to stop"):
            exchange(session, "GET", url, bounds=bounds)
        assert monotonic() - began < 20
        timer.join()


def test_no_password_is_taken_from_netrc(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with web_server() as server:
        prepared = session.prepare_request(requests.Request("GET", server.url))
        exchange(session, "GET", server.url, bounds=PATIENT)
    assert "Authorization" not in prepared.headers
    plain = requests.Session().prepare_request(requests.Request("GET", server.url))
    assert "Authorization" in plain.headers  # the trap was set


@pytest.mark.parametrize(
    "proxy",
    [
        "http://me:s3cr/et@proxy.example:8080",
        "http://me:123/s3cret@proxy.example:8080",
        "http://me:s3cret@:port",
        "http://me:s3cret@[x",
        "http://me:s3cret@ proxy.example",
        "foo://me:s3cret@proxy.example:1080",
        "me:s3cret@proxy.example:99999999",
    ],
)
@pytest.mark.parametrize("url", ["https://arxiv.example/", "http://arxiv.example/"])
def test_a_broken_proxy_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, session: Session, proxy: str, url: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(InvalidProxyURL, match=r"the proxy for https? addresses") as caught:
        exchange(session, "GET", url, bounds=PATIENT)
    told = "".join(format_exception(caught.value))
    assert not any(part in told for part in ("s3cr", "et@", "123/"))


def test_a_proxy_that_does_not_answer_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, session: Session
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:s3cret@127.0.0.1:9")
    with pytest.raises(requests.exceptions.ProxyError) as caught:
        exchange(session, "GET", "http://arxiv.example/", bounds=PATIENT)
    assert "s3cret" not in "".join(format_exception(caught.value))
