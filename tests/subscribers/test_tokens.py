from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import StateError
from newsletter.subscribers.token_keys import key_file
from newsletter.subscribers.tokens import BadToken, Notes, Tokens
from tests.making.papers import NOW

OLD, NEW = b"an old key, long enough", b"a new key, long enough"


def tokens(*keys: bytes, list_id: str = "daily-papers") -> Tokens:
    return Tokens(keys or (NEW,), list_id)


@pytest.mark.slow
@given(st.emails())
def test_a_token_names_its_subscriber_and_fits_a_local_part_in_any_case(email: str) -> None:
    token = tokens().token(email)
    assert len(f"bounces+{token}") <= 64
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyz234567")
    for arrived in (token, token.upper(), token.title()):
        assert tokens().reads(arrived).names(email)


def test_a_token_names_nobody_else() -> None:
    ref = tokens().reads(tokens().token("ada@example.org"))
    assert ref.names("Ada@Example.ORG")
    assert not ref.names("bob@example.org")
    assert ref.id == tokens().subscriber_id("ada@example.org")


def test_the_address_cannot_be_read_from_a_token_or_its_reading() -> None:
    token = tokens().token("ada@example.org")
    assert "ada" not in repr(tokens().reads(token))
    assert NEW.decode() not in repr(tokens().reads(token))


@pytest.mark.slow
@given(st.integers(0, 39), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_token_with_one_other_character_is_refused(position: int, character: str) -> None:
    token = tokens().token("ada@example.org")
    forged = token[:position] + character + token[position + 1 :]
    if forged != token:
        with pytest.raises(BadToken):
            tokens().reads(forged)


@pytest.mark.slow
@given(st.text() | st.text(alphabet="abcdefgh234567", min_size=40, max_size=40))
def test_whatever_else_arrives_is_refused(text: str) -> None:
    with pytest.raises(BadToken):
        tokens().reads(text)


def test_a_token_is_read_in_whatever_case_it_arrives() -> None:
    token = tokens().token("ada@example.org")
    assert len(token) == 40
    assert token == token.lower()
    for arrived in (token, token.upper(), token.title()):
        assert tokens().reads(arrived).names("ada@example.org")


@pytest.mark.parametrize("position", [0, 18, 19, 20, 39])
def test_a_token_with_another_letter_is_refused(position: int) -> None:
    token = tokens().token("ada@example.org")
    other = "a" if token[position] != "a" else "b"
    with pytest.raises(BadToken, match="not ours"):
        tokens().reads(token[:position] + other + token[position + 1 :])


@pytest.mark.parametrize("text", ["0" * 40, "ü" * 40, "=" * 40])
def test_what_is_no_token_at_all_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadToken, match="only the letters a to z"):
        tokens().reads(text)


@pytest.mark.parametrize("kept", [0, 1, 39])
def test_a_truncated_token_is_refused(kept: int) -> None:
    with pytest.raises(BadToken, match="40 characters"):
        tokens().reads(tokens().token("ada@example.org")[:kept])


def test_a_token_of_another_list_is_refused() -> None:
    with pytest.raises(BadToken, match="not ours"):
        tokens().reads(tokens(list_id="other").token("ada@example.org"))


def test_tokens_survive_a_new_key_on_top_until_the_old_one_goes() -> None:
    token = tokens(OLD).token("ada@example.org")
    assert tokens(NEW, OLD).reads(token).names("ada@example.org")
    assert tokens(NEW, OLD).token("ada@example.org") == tokens(NEW).token("ada@example.org")
    with pytest.raises(BadToken):
        tokens(NEW).reads(token)


def test_tokens_without_a_key_are_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        Tokens((), "daily-papers")


LASTS = timedelta(days=2)


@pytest.mark.parametrize(
    ("after", "good"),
    [
        (timedelta(0), True),
        (-timedelta(minutes=5), True),  # by another clock
        (-timedelta(minutes=5, seconds=1), False),
        (LASTS, True),
        (LASTS + timedelta(seconds=1), False),
    ],
)
def test_a_note_is_good_for_a_while(after: timedelta, good: bool) -> None:
    notes = Notes((NEW,), "daily-papers", "join")
    written = notes.written({"email": "ada@example.org"}, now=NOW)
    assert notes.is_ours(written)
    if good:
        read = notes.read(written, now=NOW + after, lasts=LASTS)
        assert read == ({"email": "ada@example.org"}, NOW)
    else:
        with pytest.raises(BadToken, match="too old"):
            notes.read(written, now=NOW + after, lasts=LASTS)


def test_a_note_is_signed_with_the_first_key_and_read_with_any() -> None:
    old, both, new = (Notes(keys, "x", "join") for keys in ((OLD,), (NEW, OLD), (NEW,)))
    assert both.is_ours(old.written(1, now=NOW))
    assert new.is_ours(both.written(1, now=NOW))
    assert not old.is_ours(both.written(1, now=NOW))


@pytest.mark.parametrize("other", [("y", "join"), ("x", "leave")])
def test_a_note_for_another_list_or_purpose_is_not_ours(other: tuple[str, str]) -> None:
    notes, written = Notes((NEW,), "x", "join"), Notes((NEW,), *other).written(1, now=NOW)
    assert not notes.is_ours(written)
    with pytest.raises(BadToken, match="not ours"):
        notes.read(written, now=NOW, lasts=LASTS)


def test_notes_without_a_key_are_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        Notes((), "x", "join")


def test_the_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = key_file(tmp_path)
    path = tmp_path / "tokens.key"
    assert key_file(tmp_path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"a newer key on top of it\n" + path.read_bytes())
    assert key_file(tmp_path) == (b"a newer key on top of it", *first)


def test_a_given_key_takes_the_place_of_the_file(tmp_path: Path) -> None:
    given_keys = f"{NEW.decode()}\n{OLD.decode()}"
    assert key_file(tmp_path, given=given_keys) == (NEW, OLD)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"\n\n", b"short\n", b"\xff\xfe\n"])
def test_a_damaged_key_file_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokens.key"
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"tokens\.key"):
        key_file(tmp_path)
    assert path.read_bytes() == content
