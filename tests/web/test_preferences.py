"""Changing what one gets by a token; what is stored is shown, and erased, by a letter alone."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.making.doors import KEYWORDS, LIST, House, house


@pytest.fixture
def at(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


def page_of(at: House, address: str = "ada@example.org") -> str:
    return f"/preferences/{at.token(address)}"


def save(at: House, seen: str | None = None, **fields: Any) -> TestResponse:
    path = page_of(at)
    shown = at.browser.get(path).text
    found = re.search(r'name="seen" value="([^"]*)"', shown)
    assert found
    data = {
        "form": at.form(path), "do": "save", "seen": found[1] if seen is None else seen,
        "name": "Ada", "keywords": [KEYWORDS[0]], "frequency": "daily", "format": "html",
        "status": "active",
    } | fields  # fmt: skip
    return at.browser.post(path, data=data)


def test_a_change_is_in_the_list_and_everything_else_stays(at: House) -> None:
    answer = save(at, keywords=list(KEYWORDS), frequency="weekly", format="text")
    assert "Saved" in answer.text
    assert "another window" not in answer.text
    assert at.list_text().splitlines()[2:4] == [
        "ada@example.org,Ada,quiet motors;slow light,weekly,active,text",
        "bob@example.org,,*,weekly,active,text",
    ]
    assert "# kept as it is" in at.list_text()


def test_what_of_each_paper_is_chosen_as_in_the_list(at: House) -> None:
    page = at.browser.get(f"/preferences/{at.token('ada@example.org')}").text
    assert "What everybody gets <small>the sentence that matched</small>" in page
    assert "What comes first" not in page  # it is for those with papers of their own
    answer = save(at, abstracts="full")
    assert 'value="full" checked' in answer.text
    assert at.list_text().splitlines()[0] == "email,name,keywords,frequency,status,format,abstracts"
    assert (
        at.list_text().splitlines()[2] == "ada@example.org,Ada,quiet motors,daily,active,html,full"
    )
    save(at, abstracts="")
    assert at.list_text().splitlines()[2] == "ada@example.org,Ada,quiet motors,daily,active,html,"


def test_who_has_a_profile_chooses_what_comes_first(at: House) -> None:
    rows = LIST.replace("format\n", "format,profile\n").replace("html\n", "html,2401.00001\n")
    (at.folder / "subscribers.csv").write_text(rows)
    page = at.browser.get(f"/preferences/{at.token('ada@example.org')}").text
    assert "As for everybody <small>what is closest to one&#39;s own papers</small>" in page
    assert "2401.00001" not in page
    answer = save(at, order="date")
    assert 'name="order" value="date" checked' in answer.text
    assert "ada@example.org,Ada,quiet motors,daily,active,html,2401.00001,date" in at.list_text()
    save(at)  # a form without the question, as somebody may have open
    assert ",2401.00001,date" in at.list_text()


def test_a_pause_ends_on_its_day(at: House) -> None:
    save(at, status="paused", paused_until="2026-12-24")
    assert "ada@example.org,Ada,quiet motors,daily,paused,html,2026-12-24" in at.list_text()
    assert 'value="2026-12-24"' in at.browser.get(page_of(at)).text


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("keywords", [], "choose at least one"),
        ("keywords", ["gone"], "unknown keyword"),
        ("frequency", "hourly", "none of"),
    ],
)
def test_what_cannot_be_changes_nothing(at: House, field: str, value: Any, problem: str) -> None:
    answer = save(at, **{field: value})
    assert answer.status_code == 422
    assert problem in answer.text
    assert at.list_text() == LIST


def test_a_date_that_is_none_stands_beside_its_field(at: House) -> None:
    answer = save(at, status="paused", paused_until="soon")
    assert answer.status_code == 422
    assert 'id="paused_until-error"' in answer.text


def test_the_later_of_two_windows_wins_and_says_what_it_replaced(at: House) -> None:
    found = re.search(r'name="seen" value="([^"]*)"', at.browser.get(page_of(at)).text)
    assert found
    save(at, frequency="weekly")
    answer = save(at, seen=found[1], keywords=[KEYWORDS[1]])
    assert "replaced what was chosen in another window" in answer.text
    assert "frequency: weekly" in answer.text
    assert "ada@example.org,Ada,slow light,daily" in at.list_text()


@pytest.mark.parametrize("token", ["a" * 40, "x", "nobody"])
def test_a_token_that_leads_nowhere_says_so(at: House, token: str) -> None:
    token = at.token("nobody@example.org") if token == "nobody" else token
    answer = at.browser.get(f"/preferences/{token}")
    assert answer.status_code == 404
    assert "No subscription here" in answer.text


def test_the_page_shows_settings_and_nothing_else(at: House) -> None:
    page = at.browser.get(page_of(at)).text
    assert "ada@example.org" not in page
    assert "a…@example.org" in page
    assert "bob@" not in page


def test_data_is_shown_by_a_link_to_the_address_alone(at: House) -> None:
    path = page_of(at)
    answer = at.browser.post(path, data={"form": at.form(path), "do": "data"})
    assert "Look into your mail" in answer.text
    link = at.link("own")
    assert "ada@example.org" not in at.browser.get(link).text
    stored = at.browser.post(link).get_json()
    assert stored["address"] == "ada@example.org"
    assert stored["row"]["keywords"] == "quiet motors"
    assert stored["suppressed"] is None
    assert stored["deliveries"] == []


def test_forgetting_takes_the_link_and_its_button(at: House) -> None:
    path = page_of(at)
    at.browser.post(path, data={"form": at.form(path), "do": "forget"})
    link = at.link("own")
    at.browser.get(link)
    assert "ada@" in at.list_text()
    assert "You are forgotten" in at.browser.post(link).text
    assert "ada@" not in at.list_text()
    assert "forgotten:" in at.suppressions()
    assert at.browser.get(path).status_code == 404


def test_a_forged_wish_about_ones_data_is_nobodys(at: House) -> None:
    for note in ("x", at.door.confirmations.written(["data", "ada@example.org"], now=at.clock())):
        assert at.browser.post(f"/own/{note}").status_code == 404
