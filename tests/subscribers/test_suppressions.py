import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.errors import SubscribersError
from newsletter.subscribers.suppressions import Suppression, Suppressions

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
KEY = b"a key that is long enough"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "suppressions.csv"


def test_a_missing_file_suppresses_nobody_and_is_not_created(file: Path) -> None:
    assert Suppressions(file).reason_for("ada@example.org") is None
    assert not file.exists()


def test_a_suppression_is_a_line_that_a_person_can_read(file: Path) -> None:
    berlin = timezone(timedelta(hours=1))
    suppressions = Suppressions(file)
    suppressions.add("ada@example.org", reason="unsubscribed", now=NOW, detail="by mail, politely")
    suppressions.add("bob@example.org", reason="bounced", now=NOW.astimezone(berlin))
    assert file.read_text() == (
        "address,reason,since,detail\n"
        'ada@example.org,unsubscribed,2026-11-21T10:00:00Z,"by mail, politely"\n'
        "bob@example.org,bounced,2026-11-21T10:00:00Z,\n"
    )
    for book in (suppressions, Suppressions(file)):
        assert book.reason_for("ADA@Example.org") == "unsubscribed"
        assert book.reason_for("bob@example.org") == "bounced"
        assert book.reason_for("carol@example.org") is None


def test_the_same_suppression_is_written_once(file: Path) -> None:
    suppressions = Suppressions(file)
    for _ in range(2):
        suppressions.add("ada@example.org", reason="unsubscribed", now=NOW)
    assert len(file.read_text().splitlines()) == 2


def test_a_suppression_is_lifted_by_another_line(file: Path) -> None:
    suppressions = Suppressions(file)
    suppressions.add("ada@example.org", reason="bounced", now=NOW)
    before = file.read_text()
    assert suppressions.remove("Ada@example.org", now=LATER)
    assert not suppressions.remove("ada@example.org", now=LATER)
    assert suppressions.reason_for("ada@example.org") is None
    assert file.read_text() == before + "ada@example.org,lifted,2026-11-22T10:00:00Z,\n"
    suppressions.add("ada@example.org", reason="unsubscribed", now=LATER)
    assert Suppressions(file).reason_for("ada@example.org") == "unsubscribed"


def test_no_reason_lifts_a_suppression_by_accident(file: Path) -> None:
    with pytest.raises(ValueError, match="takes a suppression back"):
        Suppressions(file).add("ada@example.org", reason=" Lifted", now=NOW)


@pytest.mark.parametrize(
    "line",
    [
        "ada@example.org",
        "ada@example.org,",
        "ada@example.org,unsubscribed,2026",
        "  ADA@example.org , unsubscribed",
        '"ada@example.org","unsubscribed"',
        "ada@example.org;unsubscribed;2026-01-01;",
        "ada@example.org\tunsubscribed",
        'bob@example.org,"open quote\nada@example.org,unsubscribed',
        "# why\n\n,,,\nada@example.org,unsubscribed",
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\ufeffaddress;reason;since;detail\r\n"])
def test_what_a_person_or_a_spreadsheet_writes_counts(
    file: Path, start: str, line: str, end: str
) -> None:
    file.write_text(f"{start}{line}{end}", newline="")
    suppressions = Suppressions(file)
    assert suppressions.reason_for("ada@example.org")
    assert suppressions.problems == ()


def test_domains_in_other_letters_are_the_domains_of_the_list(file: Path) -> None:
    file.write_text("ada@Bücher.example,unsubscribed\njürgen@example.org,bounced\n")
    suppressions = Suppressions(file)
    assert suppressions.reason_for("ada@xn--bcher-kva.example") == "unsubscribed"
    assert suppressions.reason_for("Jürgen@example.org") == "bounced"


def test_an_address_is_found_as_people_write_it(file: Path) -> None:
    suppressions = Suppressions(file, keys=[KEY])
    for address in ("ada@xn--bcher-kva.example", "bob@xn--bcher-kva.example"):
        suppressions.add(address, reason="bounced", now=NOW)
    assert suppressions.reason_for("ada@Bücher.example") == "bounced"
    assert suppressions.remove("ada@bücher.example", now=NOW)
    assert suppressions.forget("bob@bücher.example", now=NOW) == 1
    assert suppressions.reason_for("ada@xn--bcher-kva.example") is None
    assert suppressions.reason_for("bob@xn--bcher-kva.example") == "forgotten"


def test_a_line_cut_short_hides_no_other(file: Path) -> None:
    file.write_text("address,reason,since,detail\nada@example.org,uns")
    suppressions = Suppressions(file)
    suppressions.add("bob@example.org", reason="bounced", now=NOW)
    assert file.read_text() == (
        "address,reason,since,detail\nada@example.org,uns\n"
        "bob@example.org,bounced,2026-11-21T10:00:00Z,\n"
    )
    assert suppressions.reason_for("ada@example.org")
    assert suppressions.reason_for("bob@example.org") == "bounced"


@pytest.mark.parametrize(
    "given",
    [
        "ada",
        "Ada <ada@example.org>",
        "mailto:ada@example.org",
        "ada@example.org bob@example.org",
        "ada@example.org\u200b",
    ],
)
def test_a_line_that_keeps_nobody_off_is_named(file: Path, given: str) -> None:
    file.write_text(f"address,reason\n{given},unsubscribed\n")
    (problem,) = Suppressions(file).problems
    assert problem.startswith(f"suppressions.csv:2: address: {given!r} is not an address: ")


def test_nobody_is_mailed_while_the_file_cannot_be_read(file: Path) -> None:
    file.write_bytes("ada@example.org,jürgen\n".encode("latin-1"))
    with pytest.raises(SubscribersError, match=r"suppressions\.csv: not UTF-8"):
        Suppressions(file)


def test_a_file_that_cannot_be_read_any_more_frees_nobody(file: Path) -> None:
    suppressions = Suppressions(file)
    suppressions.add("ada@example.org", reason="bounced", now=NOW)
    file.write_bytes("zoë@example.org,bounced\n".encode("latin-1"))
    for _ in range(2):
        with pytest.raises(SubscribersError):
            suppressions.refresh()
        assert suppressions.reason_for("ada@example.org") == "bounced"


def test_what_another_process_appends_is_seen_on_refresh(file: Path) -> None:
    job, web = Suppressions(file), Suppressions(file)
    web.add("ada@example.org", reason="unsubscribed", now=NOW)
    assert job.reason_for("ada@example.org") is None
    job.refresh()
    assert job.reason_for("ada@example.org") == "unsubscribed"


def test_control_characters_do_not_forge_lines(file: Path) -> None:
    suppressions = Suppressions(file)
    suppressions.add(
        "ada@example.org",
        reason="bounced",
        now=NOW,
        detail="550\r\nbob@example.org,",
    )
    assert len(file.read_text().splitlines()) == 2
    assert suppressions.reason_for("bob@example.org") is None
    assert suppressions.entries() == (
        Suppression(
            address="ada@example.org",
            reason="bounced",
            since="2026-11-21T10:00:00Z",
            detail="550 bob@example.org,",
        ),
    )


def test_the_forgotten_are_kept_off_without_being_named(file: Path) -> None:
    suppressions = Suppressions(file, keys=[KEY])
    for name in ("ada", "bob"):
        suppressions.add(
            f"{name}@example.org",
            reason="bounced",
            now=NOW,
            detail="550",
        )
    suppressions.add("Ada@example.org", reason="unsubscribed", now=NOW)
    assert suppressions.forget("ADA@example.org", now=LATER) == 2
    assert "ada" not in file.read_text().lower()
    for book in (suppressions, Suppressions(file, keys=[b"a newer key", KEY])):
        assert book.reason_for("ada@example.org") == "forgotten"
        assert book.reason_for("bob@example.org") == "bounced"
    assert Suppressions(file, keys=[b"another key"]).reason_for("ada@example.org") is None
    assert suppressions.remove("ada@example.org", now=LATER)
    assert suppressions.reason_for("ada@example.org") is None


def test_the_forgotten_are_not_named_again(file: Path) -> None:
    suppressions = Suppressions(file, keys=[KEY])
    suppressions.forget("ada@example.org", now=NOW)
    suppressions.add("ada@example.org", reason="bounced", now=LATER)
    assert "ada" not in file.read_text()


def test_a_new_file_is_for_its_owner_only(file: Path) -> None:
    Suppressions(file).add("ada@example.org", reason="bounced", now=NOW)
    assert file.stat().st_mode & 0o777 == 0o600


def test_forgetting_somebody_unknown_keeps_them_off_too(file: Path) -> None:
    suppressions = Suppressions(file, keys=[KEY])
    assert suppressions.forget("ada@example.org", now=NOW) == 0
    assert suppressions.reason_for("ada@example.org") == "forgotten"


def test_forgetting_needs_a_key(file: Path) -> None:
    with pytest.raises(ValueError, match="key"):
        Suppressions(file).forget("ada@example.org", now=NOW)


@pytest.mark.slow
@given(st.binary())
def test_random_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "random.csv"
    file.write_bytes(content)
    try:
        suppressions = Suppressions(file)
    except SubscribersError:
        return
    suppressions.add("ada@example.org", reason="bounced", now=NOW)
    assert Suppressions(file).reason_for("ada@example.org") == "bounced"


@pytest.mark.slow
@given(st.emails(), st.text(), st.text())
@example("#ada@example.org", "", "")
def test_whatever_is_added_is_found_again(
    tmp_path_factory: pytest.TempPathFactory, email: str, reason: str, detail: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "added.csv"
    file.unlink(missing_ok=True)
    Suppressions(file).add(email, reason=f"x{reason}", now=NOW, detail=detail)
    assert Suppressions(file).reason_for(email.upper())


def test_what_a_stranger_says_of_a_bounce_is_one_plain_line_and_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "suppressions.csv"
    kept_off = Suppressions(path)
    kept_off.add(
        "+ada@example.org",
        reason="bounced",
        now=NOW,
        detail="=cmd\x1b[2J\r\nforged,\u202ex",
    )
    (_, line) = path.read_text().splitlines()
    assert line.isprintable()
    assert line.startswith("'+ada@example.org,bounced,")
    assert ",'=cmd" in line.replace('"', "")
    assert Suppressions(path).reason_for("+ada@example.org") == "bounced"


LINES = st.sampled_from(
    [
        "ada@example.org,bounced\n",
        "bob@example.org\n",
        "ada@example.org,lifted\n",
        "bob@\n",
        "# x\n",
        "eve@example.org,unsub",
        "cribed\r\n",
        "\ufeff",
        "\n",
        "forgotten:ab,forgotten\n",
    ]
)


@pytest.mark.slow
@given(steps=st.lists(st.tuples(st.booleans(), st.lists(LINES)), max_size=6))
def test_a_file_that_grew_is_understood_like_one_that_was_read_anew(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, list[str]]]
) -> None:
    file = tmp_path_factory.mktemp("grown") / "suppressions.csv"
    kept, text = Suppressions(file), ""
    for number, (anew, lines) in enumerate(steps):
        text = "".join(lines) if anew else text + "".join(lines)
        file.write_text(text, "utf-8", newline="")
        os.utime(file, ns=(0, number))  # as the clock would have it, were this not so fast
        kept.refresh()
        fresh = Suppressions(file)
        assert kept.entries() == fresh.entries()
        assert kept.problems == fresh.problems
