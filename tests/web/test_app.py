"""What holds for every page, and for what is not one."""

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.making.doors import CONFIG, LIST, House, house


@pytest.fixture
def at(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


def pages(at: House) -> list[str]:
    token = at.token("ada@example.org")
    return ["/", "/subscribe", f"/unsubscribe/{token}", f"/preferences/{token}", "/nothing"]


def test_every_page_is_closed_to_others(at: House) -> None:
    for path in pages(at):
        headers = at.browser.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Robots-Tag"] == "noindex, nofollow"
        assert headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in headers


def test_nothing_in_a_page_comes_from_elsewhere_or_is_a_script(at: House) -> None:
    for path in pages(at):
        text = at.browser.get(path).text
        assert "<script" not in text
        assert "style=" not in text
        assert "http" not in text.replace("https://www.w3.org", "")


def test_tokens_and_addresses_are_in_no_log(at: House, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for path in pages(at):
            at.browser.get(path)
            at.browser.post(path, data={"List-Unsubscribe": "One-Click"})
        at.ask_to_join("gil@example.org")
        at.letters()
    assert at.token("ada@example.org") not in caplog.text
    assert "@example.org" not in caplog.text


def test_small_files_are_there(at: House) -> None:
    for path, kind, text in (
        ("/healthz", "text/plain", "ok"),
        ("/robots.txt", "text/plain", "Disallow: /unsubscribe/"),
        ("/style.css", "text/css", ".sheet"),
        ("/favicon.ico", "image/svg+xml", "<svg"),
    ):
        with closing(at.browser.get(path)) as answer:
            assert answer.mimetype == kind
            assert text in answer.text


@pytest.mark.parametrize(
    "path", ["/nothing", "/archive/", "/archive/../newsletter.toml", "/unsubscribe/", "/own/%00"]
)
def test_what_is_not_there_is_a_plain_page(at: House, path: str) -> None:
    answer = at.browser.get(path)
    assert answer.status_code == 404
    assert "<h1>" in answer.text


def test_the_archive_is_served_and_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    (folder / "issues").mkdir(parents=True)
    (folder / "index.html").write_text("past issues")
    (folder / "issues" / "1.html").write_text("an issue")
    text = '[archive]\ndirectory = "archive"\n'
    with house(tmp_path, config=CONFIG + text) as at:
        for path, text in (("", "past issues"), ("issues/1.html", "an issue")):
            with closing(at.browser.get(f"/archive/{path}")) as answer:
                assert answer.text == text
        for path in ("../subscribers.csv", "..%2fsubscribers.csv", "%2e%2e/subscribers.csv", "%00"):
            assert at.browser.get(f"/archive/{path}").status_code == 404


def test_what_else_lies_in_the_folder_of_the_archive_is_not_served(tmp_path: Path) -> None:
    with house(tmp_path, config=f'{CONFIG}[archive]\ndirectory = "."\n') as at:
        (tmp_path / "index.html").write_text("past issues")
        (tmp_path / ".arxiv-newsletter.lock").write_text("process 1 on a host")
        others = {path.name for path in tmp_path.iterdir()} - {"index.html"}
        assert {"newsletter.toml", "subscribers.csv", "tokens.key"} <= others
        with closing(at.browser.get("/archive/")) as answer:
            assert answer.text == "past issues"
        for name in (*others, "issues/.secret", "issues/../tokens.key"):
            assert at.browser.get(f"/archive/{name}").status_code == 404


def test_a_body_of_more_than_16_kb_is_refused(at: House) -> None:
    path = f"/unsubscribe/{at.token('ada@example.org')}"
    big = {"List-Unsubscribe": "One-Click", "x": "y" * 20_000}
    assert at.browser.post(path, data=big).status_code == 413
    assert at.suppressions() == ""


PATHS = st.sampled_from(
    ["/unsubscribe/", "/preferences/", "/confirm/", "/own/", "/subscribe", "/archive/", "/"]
)
TEXTS = st.text(max_size=40)


REQUESTS = {
    "path": PATHS,
    "rest": TEXTS,
    "method": st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]),
    "fields": st.dictionaries(
        st.sampled_from(["form", "email", "keywords", "do", "name", "seen", "status"]), TEXTS
    ),
    "headers": st.dictionaries(
        st.sampled_from(["Cookie", "Host", "X-Forwarded-For", "Range", "If-None-Match", "Accept"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
    ),
}
FUZZED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.slow
@settings(FUZZED, max_examples=300)
@given(**REQUESTS)
def test_no_request_is_a_bug(at: House, **sent: Any) -> None:
    require_no_bug(at, **sent)


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.timeout(3000)
@settings(FUZZED, max_examples=10_000)
@given(**REQUESTS)
def test_none_of_ten_thousand_requests_is_a_bug(at: House, **sent: Any) -> None:
    require_no_bug(at, **sent)


def require_no_bug(
    at: House,
    path: str,
    rest: str,
    method: str,
    fields: dict[str, str],
    headers: dict[str, str],
) -> None:
    # As a server hands them on: a client would refuse to ask for some of these.
    place, _, query = f"{path}{rest}".partition("?")
    asked = {"PATH_INFO": place, "QUERY_STRING": query}
    asked |= {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()}
    environ = {name: text.encode().decode("latin-1") for name, text in asked.items()}
    answer = at.browser.open("/", method=method, data=fields, environ_overrides=environ)
    assert answer.status_code < 500
    assert "Traceback" not in answer.text
    assert at.list_text() == LIST
    assert at.suppressions() == ""
