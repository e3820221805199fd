"""Joining: nobody gets onto the list but by the link in a letter to their own address."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from newsletter.web.door import Limits
from newsletter.web.limits import Limit
from tests.making.doors import BASE, KEYWORDS, LIST, House, calls_of, house


@pytest.fixture
def at(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


@pytest.mark.slow
def test_only_the_button_behind_the_link_adds_the_row(at: House) -> None:
    answer = at.ask_to_join("gil@example.org", name="Gil", frequency="weekly", format="text")
    assert answer.status_code == 200
    assert at.list_text() == LIST
    path = at.link("confirm")
    for _ in range(2):  # scanners
        assert at.browser.get(path).status_code == 200
        at.browser.head(path)
    assert at.list_text() == LIST
    joined = at.browser.post(path, data={"confirm": "yes"})
    assert "You are subscribed" in joined.text
    assert at.list_text() == LIST + "gil@example.org,Gil,quiet motors,weekly,,text\n"


def test_the_letter_is_an_answer_that_nothing_answers(at: House) -> None:
    at.ask_to_join("gil@example.org")
    (letter,) = at.letters()
    assert letter["To"] == "gil@example.org"
    assert letter["Auto-Submitted"] == "auto-replied"
    assert letter["Return-Path"] in {None, "<>"}
    assert letter["Message-ID"].startswith("<papers.answer.")


def test_pressing_twice_adds_one_row(at: House) -> None:
    at.ask_to_join("gil@example.org")
    path = at.link("confirm")
    for _ in range(2):
        at.browser.post(path, data={"confirm": "yes"})
    assert at.list_text().count("gil@") == 1


def test_every_address_gets_the_same_answer(at: House) -> None:
    (at.folder / "suppressions.csv").write_text(
        "eve@example.org,bounced\nkit@example.org,complained\n"
    )
    addresses = ["ada@example.org", "gil@example.org", "eve@example.org", "kit@example.org"]
    answers = {at.ask_to_join(each).data for each in addresses}
    assert len(answers) == 1
    sent = {letter["To"]: letter["Subject"] for letter in at.letters()}
    assert sent == {
        "ada@example.org": "You are subscribed to Daily Papers",
        "gil@example.org": "Please confirm: Daily Papers",
    }


@pytest.mark.slow
def test_the_same_is_done_for_every_address_before_the_answer(at: House) -> None:
    """Whether somebody is on the list is not told by time either: letters are made afterwards."""
    (at.folder / "suppressions.csv").write_text("eve@example.org,bounced\n")
    generous = {name: Limit(100, 1, lambda: 0.0) for name in ("to_address", "for_client", "in_all")}
    at.door.limits = Limits(**generous)
    work = {
        each: calls_of(
            at.browser,
            "/subscribe",
            method="POST",
            data={"form": form, "email": each, "keywords": "*"},
        )
        for form in [at.form("/subscribe")]
        for each in ("ada@example.org", "gil@example.org", "eve@example.org")
    }
    assert len(set(work.values())) == 1, work


def test_who_left_may_come_back_and_who_bounced_may_not(at: House) -> None:
    (at.folder / "suppressions.csv").write_text(
        "ada@example.org,unsubscribed,2026-11-01T10:00:00Z\nbob@example.org,bounced\n"
    )
    at.ask_to_join("ada@example.org", keywords=[KEYWORDS[1]])
    at.ask_to_join("bob@example.org")
    assert [letter["To"] for letter in at.letters()] == ["ada@example.org"]
    at.browser.post(at.link("confirm"), data={"confirm": "yes"})
    assert "ada@example.org,lifted" in at.suppressions()
    assert "ada@example.org,Ada,slow light,daily,,html" in at.list_text()
    assert at.list_text().count("ada@") == 1


def test_a_link_from_before_somebody_left_does_not_bring_them_back(at: House) -> None:
    at.ask_to_join("gil@example.org")
    path = at.link("confirm")
    at.browser.post(path, data={"confirm": "yes"})
    at.clock.forward(minutes=5)
    click = {"List-Unsubscribe": "One-Click"}
    at.browser.post(f"/unsubscribe/{at.token('gil@example.org')}", data=click)
    assert at.browser.post(path, data={"confirm": "yes"}).status_code == 404
    assert "lifted" not in at.suppressions()


def test_a_link_is_good_for_two_days(at: House) -> None:
    at.ask_to_join("gil@example.org")
    path = at.link("confirm")
    at.clock.forward(days=2, minutes=10)
    assert at.browser.get(path).status_code == 404
    assert at.browser.post(path, data={"confirm": "yes"}).status_code == 404
    assert at.list_text() == LIST


_AS = {"email": "address"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("email", "", "missing"),
        ("email", "gil", "email-error"),
        ("email", "Gil <gil@example.org>", "email-error"),
        ("email", "gil@example.org, ada@example.org", "email-error"),
        ("email", "gil@example.org\r\nBcc: ada@example.org", "email-error"),
        ("keywords", [], "choose at least one"),
        ("keywords", ["no such keyword"], "unknown keyword"),
        ("frequency", "hourly", "frequency-error"),
        ("format", "pdf", "format-error"),
        ("name", "x" * 201, "longer than 200"),
    ],
)
def test_an_error_stands_beside_its_field_and_what_was_typed_stays(
    at: House, field: str, value: Any, problem: str
) -> None:
    answer = at.ask_to_join(**({"address": "gil@example.org"} | {_AS.get(field, field): value}))
    assert answer.status_code == 422
    assert problem in answer.text
    assert f'id="{field}-error"' in answer.text
    assert at.letters() == []


def test_a_name_with_html_in_it_is_only_a_name(at: House) -> None:
    answer = at.ask_to_join("x", name="<script>alert(1)</script>\r\nX: y")
    assert "<script>" not in answer.text
    at.ask_to_join("gil@example.org", name="<b>Gil</b>\r\nX: y")
    at.browser.post(at.link("confirm"), data={"confirm": "yes"})
    assert "gil@example.org,<b>Gil</b> X: y,quiet motors" in at.list_text()


def test_a_form_that_we_did_not_hand_out_is_refused(at: House) -> None:
    data = {"email": "gil@example.org", "keywords": "*"}
    assert at.browser.post("/subscribe", data=data).status_code == 400
    other = at.form(f"/preferences/{at.token('ada@example.org')}")
    assert at.browser.post("/subscribe", data=data | {"form": other}).status_code == 400
    assert at.letters() == []


@pytest.mark.slow
def test_letters_are_few_for_an_address_and_for_all(at: House) -> None:
    for _ in range(5):
        assert at.ask_to_join("gil@example.org").status_code == 200
        at.clock.forward(seconds=1)
    assert len(at.letters()) == 3
    codes = [at.ask_to_join(f"p{number}@example.org").status_code for number in range(12)]
    assert codes.count(429) == 7  # ten for a client
    assert len(at.letters()) == 8


def test_keywords_say_what_they_brought(at: House) -> None:
    page = at.browser.get("/subscribe").text
    assert all(name in page for name in KEYWORDS)
    assert "in 30 days" not in page  # there was no run yet


def test_the_links_in_letters_lead_to_the_door_from_outside(at: House) -> None:
    at.ask_to_join("ada@example.org")
    text = at.letters()[0].get_content()
    assert f"{BASE}/preferences/{at.token('ada@example.org')}" in text
