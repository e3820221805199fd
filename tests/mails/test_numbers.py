from datetime import date

import pytest

from newsletter.numbers import alert_number, issue_of, message_id, number

DAY = date(2026, 11, 21)
ADA = "ada@example.net"


def made(issue: int, **other: object) -> str:
    given = {"list_id": "daily-papers", "day": DAY, "recipient": ADA, "keywords": ("mri",)}
    return number(issue, **(given | other))  # type: ignore[arg-type]


def test_a_number_is_the_same_for_the_same_and_another_for_any_other() -> None:
    others: list[dict[str, object]] = [
        {"list_id": "weekly-papers"},
        {"day": date(2026, 11, 22)},
        {"recipient": "bob@example.net"},
        {"keywords": ("mri", "pet")},
    ]
    numbers = [made(7), made(8), *(made(7, **other) for other in others)]
    assert len(set(numbers)) == len(numbers)
    assert made(7) == made(7)


@pytest.mark.parametrize("issue", [1, 7, 123_456_789])
@pytest.mark.parametrize("list_id", ["daily-papers", "papers-12", "papers.12"])
def test_the_issue_is_read_back_from_wherever_the_number_stands(issue: int, list_id: str) -> None:
    known = made(issue, list_id=list_id)
    name = message_id(known, list_id=list_id, domain="example.org")
    for text in (known, name, f"References: <1.2@a>\n\t{name}", f"Original-Envelope-Id: {known}"):
        assert issue_of(text) == issue


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7.0123456789abcdef012",
        "7.0123456789abcdef01234",
        "1234567890.0123456789abcdef0123",
        "x7.0123456789abcdef0123",
        message_id(alert_number(DAY, ADA, ["expired"]), list_id="papers", domain="example.org"),
    ],
)
def test_what_is_no_number_of_an_issue_names_none(text: str) -> None:
    assert issue_of(text) == 0


def test_alerts_of_a_day_are_told_apart_by_whom_they_go_to_and_what_they_say() -> None:
    assert alert_number(DAY, ADA, ["a"]) == alert_number(DAY, ADA, ["a"])
    assert len({alert_number(DAY, to, [what]) for to in "ab" for what in "xy"}) == 4
