"""What others say is shown on one line, and nothing in it is obeyed."""

import json

import pytest

from newsletter.prose import beginning, json_shown, line_shown, plain, said, shown


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
        (300 * "x", 300 * "x"),
        (301 * "x", 299 * "x" + "…"),
        (900 * "x", 299 * "x" + "…"),
        (300 * "ü", 300 * "ü"),
        (301 * "ü", 299 * "ü" + "…"),
        ("  with   blanks  ", "with blanks"),
        ("", ""),
    ],
)
def test_what_others_say_is_one_printable_line(given: str, expected: str) -> None:
    assert said(given) == expected


def test_a_text_of_ours_keeps_its_lines_and_loses_what_a_terminal_obeys() -> None:
    assert shown("one\ntwo \x1b[2J\rthree") == "one\ntwo \ufffd[2J\ufffdthree"


def test_a_line_of_ours_keeps_its_blanks_and_no_breaks() -> None:
    assert line_shown("one  two\r\nthree\tfour \x1b[2J") == "one  two three four  [2J"


def test_a_plain_text_has_no_blanks_around_it_and_single_ones_within() -> None:
    assert [plain(text) for text in (" a ", "a  b", "a\nb ", "ü  ü")] == ["a", "a b", "a b", "ü ü"]


def test_json_says_the_same_and_has_nothing_that_a_terminal_obeys() -> None:
    value = {"name": "Schr\u00f6dinger", "title": "\x1b[2J \u202eturned", "lines": "one\ntwo"}
    for indent in (None, 2):
        text = json_shown(value, indent=indent)
        assert json.loads(text) == value
        assert "Schrödinger" in text
        assert text.replace("\n", "").isprintable()
        assert ("\n" in text) is bool(indent)
    assert json_shown({"a": "ü"}) == '{"a": "ü"}'


@pytest.mark.parametrize(
    ("text", "longest", "kept"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcdef"),
        ("hello ada@example.org", 5, "hello"),
        ("say ada@example.org", 6, "say "),
        ("say ada@example.org", 18, "say ada@example.or"),
        ("say ada%40example.org", 6, "say "),
        ("say ada%40example.org", 8, "say "),
        ("say ada%40example.org", 9, "say "),
        ("ada@example.org", 2, ""),
    ],
)
def test_a_text_is_not_cut_within_what_stands_before_an_at(
    text: str, longest: int, kept: str
) -> None:
    assert beginning(text, longest) == kept
