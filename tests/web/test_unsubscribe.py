"""Leaving by one click, as mail programs and scanners do it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.subscribers.tokens import Tokens
from tests.making.doors import House, calls_of, house

CLICK = {"List-Unsubscribe": "One-Click"}
FORGED = "a" * 40


@pytest.fixture
def at(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_one_click_suppresses_the_owner_of_the_token(at: House, kind: str) -> None:
    path = f"/unsubscribe/{at.token('ada@example.org')}"
    answer = at.browser.post(path, data=CLICK, content_type=kind)
    assert answer.status_code == 200
    assert "ada@example.org,unsubscribed,2026-11-20T10:00:00Z" in at.suppressions()
    assert "bob@" not in at.suppressions()
    assert not answer.headers.getlist("Set-Cookie")


def test_clicking_again_changes_nothing(at: House) -> None:
    path = f"/unsubscribe/{at.token('ada@example.org')}"
    first = at.browser.post(path, data=CLICK)
    before = at.suppressions()
    assert at.browser.post(path.upper().replace("/UNSUBSCRIBE", "/unsubscribe"), data=CLICK).data
    assert at.suppressions() == before
    assert at.browser.post(path, data=CLICK).data == first.data


def test_known_unknown_and_forged_tokens_get_the_same_answers(at: House) -> None:
    tokens = [at.token("ada@example.org"), at.token("nobody@example.org"), FORGED, "x", "a" * 4000]
    assert len({at.browser.get(f"/unsubscribe/{each}").data for each in tokens}) == 1
    assert len({at.browser.post(f"/unsubscribe/{each}", data=CLICK).data for each in tokens}) == 1
    assert at.suppressions().count("\n") == 2  # the header, and Ada


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_scanners_change_nothing(at: House, method: str) -> None:
    path = f"/unsubscribe/{at.token('ada@example.org')}"
    for _ in range(2):
        at.browser.open(path, method=method)
    at.browser.post(path, data={"something": "else"})
    assert at.suppressions() == ""


def test_the_page_has_a_button_that_does_what_one_click_does(at: House) -> None:
    page = at.browser.get(f"/unsubscribe/{at.token('ada@example.org')}").text
    assert '<form method="post">' in page
    assert 'name="List-Unsubscribe" value="One-Click"' in page


def test_the_token_of_another_newsletter_is_nobodys(at: House) -> None:
    keys = at.folder.joinpath("tokens.key").read_text().split()
    other = Tokens([key.encode() for key in keys], "other").token("ada@example.org")
    assert at.browser.post(f"/unsubscribe/{other}", data=CLICK).status_code == 200
    assert at.suppressions() == ""


def test_the_tokens_of_an_older_key_are_still_good(at: House, tmp_path: Path) -> None:
    token = at.token("ada@example.org")
    key = tmp_path / "tokens.key"
    key.write_text("a-new-key-of-some-length\n" + key.read_text())
    with house(tmp_path) as again:
        again.browser.post(f"/unsubscribe/{token}", data=CLICK)
        assert "ada@example.org,unsubscribed" in again.suppressions()


def test_who_joins_while_the_door_is_open_can_leave_at_once(at: House) -> None:
    at.browser.post(f"/unsubscribe/{at.token('ada@example.org')}", data=CLICK)
    with (at.folder / "subscribers.csv").open("a") as file:
        file.write("gil@example.org,,*,daily,active,html\n")
    at.browser.post(f"/unsubscribe/{at.token('gil@example.org')}", data=CLICK)
    assert "gil@example.org,unsubscribed" in at.suppressions()


def test_a_list_that_cannot_be_read_shows_try_later(at: House) -> None:
    (at.folder / "subscribers.csv").write_bytes(b"\xff\xfe\x00")
    answer = at.browser.post(f"/unsubscribe/{at.token('gil@example.org')}", data=CLICK)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "try again later" in answer.text


def test_a_page_costs_the_same_whoever_the_token_names(at: House) -> None:
    """Nobody can make a token for an address; one that was found tells nothing by its time."""
    known = [at.token(each) for each in ("ada@example.org", "nobody@example.org")]
    assert len({calls_of(at.browser, f"/unsubscribe/{each}") for each in [*known, FORGED]}) == 1
