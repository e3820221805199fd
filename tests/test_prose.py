"""What others say is shown on one line, and nothing in it is obeyed."""

import pytest

from newsletter.prose import said, shown


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("550 no such user", "550 no such user"),
        ("550\x1b[2Jno such user", "550 [2Jno such user"),
        ("200 OK\r\nerror: forged", "200 OK error: forged"),
        ("turned \u202eround", "turned round"),
        ("a\u2028b\x85c", "a b c"),
        ("half a pair \ud800", "half a pair"),
        ("private \ue000 and unassigned \U000e0fff", "private \ufffd and unassigned \ufffd"),
        ("سلام\u200cخوب", "سلام\u200cخوب"),
        (900 * "x", 299 * "x" + "…"),
        ("", ""),
    ],
)
def test_what_others_say_is_one_printable_line(given: str, expected: str) -> None:
    assert said(given) == expected


def test_a_text_of_ours_keeps_its_lines_and_loses_what_a_terminal_obeys() -> None:
    assert shown("one\ntwo \x1b[2J\rthree") == "one\ntwo \ufffd[2J\ufffdthree"
