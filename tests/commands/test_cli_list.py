import json
import os
from pathlib import Path

import pytest

from newsletter.state.state import State
from tests.making.commands import DAY_ONE, DAY_TWO, Command, rewrite
from tests.making.warm import fork

pytestmark = pytest.mark.usefixtures("sample")


def names(newsletter: Command, *filters: str) -> list[str]:
    found = json.loads(newsletter("subscribers", "list", "--json", *filters).out)
    return [each["email"].partition("@")[0] for each in found]


@pytest.mark.slow
def test_the_list_can_be_filtered(newsletter: Command) -> None:
    assert len(names(newsletter)) == 6
    assert names(newsletter, "--status", "paused") == ["erin"]
    assert names(newsletter, "--keyword", "protein folding") == ["ada", "chiara", "erin", "felix"]
    newsletter("suppressions", "add", "ada@example.org", "--reason", "bounced")
    assert names(newsletter, "--bounced") == ["ada"]
    assert "suppressed: bounced" in newsletter("subscribers", "list").out


@pytest.mark.parametrize("wrong", [("--keyword", "protein foldin"), ("--status", "pausd")])
def test_a_filter_that_knows_nobody_is_a_mistake(
    newsletter: Command, wrong: tuple[str, str]
) -> None:
    ended = newsletter("subscribers", "list", *wrong)
    assert (ended.code, ended.out) == (2, "")
    assert wrong[1] in ended.err


def test_a_lint_names_row_and_column(newsletter: Command, sample: Path) -> None:
    assert newsletter("subscribers", "check").code == 0
    with (sample / "subscribers.csv").open("a") as file:
        file.write("gil@example.org,,protein foldin,,,\n")
    ended = newsletter("subscribers", "check")
    assert ended.code == 65
    assert (
        "subscribers.csv:8: keywords: unknown keyword 'protein foldin'"
        " (did you mean 'protein folding'?)" in ended.out
    )


@pytest.mark.slow
def test_adding_and_removing_leaves_the_rest_byte_for_byte(
    newsletter: Command, sample: Path
) -> None:
    before = (sample / "subscribers.csv").read_bytes()
    ended = newsletter(
        "subscribers", "add", "gil@example.org", "--keywords", "diffusion model",
        "--frequency", "weekly",
    )  # fmt: skip
    assert ended.code == 0
    assert (sample / "subscribers.csv").read_bytes() == (
        before + b"gil@example.org,,diffusion model,weekly,,\n"
    )
    assert newsletter("subscribers", "add", "GIL@example.org").code == 65
    assert newsletter("subscribers", "remove", "gil@example.org", "--yes").code == 0
    assert (sample / "subscribers.csv").read_bytes() == before
    assert newsletter("subscribers", "remove", "gil@example.org", "--yes").code == 65


def test_an_import_says_what_it_does_before_it_does_it(newsletter: Command, sample: Path) -> None:
    (sample / "more.csv").write_text(
        "email,keywords\nada@example.org,diffusion model\ngil@example.org,*\nnobody,*\n"
    )
    before = (sample / "subscribers.csv").read_bytes()
    dry = newsletter("subscribers", "import", "more.csv", "--dry-run")
    assert "would be 1 added, 1 changed, 0 unchanged, 1 skipped" in dry.out
    assert "more.csv:4: email" in dry.out
    assert (sample / "subscribers.csv").read_bytes() == before
    newsletter("subscribers", "import", "more.csv")
    assert "gil" in names(newsletter)


@pytest.mark.slow
def test_the_answers_of_a_form_are_imported_by_their_headers(
    newsletter: Command, sample: Path
) -> None:
    (sample / "form.csv").write_text(
        "Timestamp,Email Address,Which topics?\n1,gil@example.org,diffusion model\n2,nobody,\n"
    )
    given = ("subscribers", "import", "form.csv", "--column")
    ended = newsletter(*given, "keywords=Which topics?")
    assert "1 added, 0 changed, 0 unchanged, 1 skipped" in ended.out
    shown = newsletter("subscribers", "show", "gil@example.org").out
    assert "keywords: diffusion model" in shown
    assert newsletter(*given, "keywords").code == 2
    assert newsletter(*given, "colour=Which topics?").code == 2
    assert newsletter(*given, "keywords=Which colour?").code == 65


def test_a_suppression_without_a_reason_is_of_somebody_who_left(newsletter: Command) -> None:
    assert newsletter("suppressions", "add", "ada@example.org").code == 0
    assert "ada@example.org: unsubscribed" in newsletter("suppressions", "list").out


def test_an_export_goes_to_stdout_and_is_safe_in_a_spreadsheet(
    newsletter: Command, sample: Path
) -> None:
    rewrite(sample / "subscribers.csv", "Ada Okonkwo", "=1+1")
    ended = newsletter("subscribers", "export")
    assert ended.out.splitlines()[0] == "email,name,keywords,frequency,status,format"
    assert "'=1+1" in ended.out


@pytest.mark.slow
def test_a_suppressed_person_is_not_mailed_though_on_the_list(newsletter: Command) -> None:
    newsletter("suppressions", "add", "ada@example.org", "--reason", "complained")
    report = json.loads(newsletter("run", "--json", "--now", DAY_ONE).out)
    assert report["deliveries"]["planned"] == 3
    assert "ada@example.org: complained" in newsletter("suppressions", "list").out
    assert newsletter("suppressions", "remove", "ada@example.org", "--yes").code == 0
    assert newsletter("suppressions", "remove", "ada@example.org", "--yes").code == 65


@pytest.mark.slow
def test_show_gives_a_program_all_that_is_stored(newsletter: Command) -> None:
    newsletter("run", "--now", "2026-11-19T10:00:00Z")
    newsletter("suppressions", "add", "ada@example.org", "--reason", "complained")
    ended = newsletter("subscribers", "show", "ADA@example.org", "--json")
    found = json.loads(ended.out)

    assert ended.code == 0
    assert found["row"]["name"] == "Ada Okonkwo"
    assert found["suppressed"]["reason"] == "complained"
    assert [each["status"] for each in found["deliveries"]] == ["accepted"]
    assert found["came_back"] == []
    stranger = newsletter("subscribers", "show", "nobody@example.org", "--json")
    assert stranger.code == 65
    assert json.loads(stranger.out)["row"] is None


@pytest.mark.slow
def test_show_tells_the_row_and_the_last_deliveries(newsletter: Command) -> None:
    newsletter("run", "--now", DAY_ONE)
    shown = newsletter("subscribers", "show", "ADA@example.org").out
    assert "name: Ada Okonkwo" in shown
    assert "suppressed: no" in shown
    assert "issue 1 of 2026-11-19: accepted" in shown


@pytest.mark.slow
def test_a_forgotten_person_is_gone_and_stays_off(newsletter: Command, sample: Path) -> None:
    newsletter("run", "--now", DAY_ONE)
    ended = newsletter("subscribers", "forget", "ada@example.org", "--yes")
    assert ended.code == 0
    assert "1 row" in ended.out
    for path in sample.rglob("*"):
        if path.is_file() and path.name != "state.sqlite3":
            assert b"ada@example.org" not in path.read_bytes(), path
    with State.open(sample / "state.sqlite3") as state:
        assert state.deliveries.to_address("ada@example.org") == []
    assert "forgotten" in newsletter("subscribers", "add", "ada@example.org").out
    rewrite(sample / "newsletter.toml", "day1.xml", "day2.xml")
    report = json.loads(newsletter("run", "--json", "--now", DAY_TWO).out)
    assert report["deliveries"]["planned"] == 3
    ended = newsletter("subscribers", "forget", "chiara@example.org", "--yes")
    assert "the address in 2 deliveries\n" in ended.out


def untold(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a command whose words reach nobody, and return how it ended and what it said of that."""
    with Path("/dev/full").open("w") as full:
        ended = fork(*arguments, folder=folder, environ=os.environ, stdout=full)
        _, told = ended.communicate()
    return ended.wait(), told


@pytest.mark.slow
def test_a_person_is_forgotten_though_nobody_can_be_told(newsletter: Command, sample: Path) -> None:
    newsletter("run", "--now", DAY_ONE)
    code, told = untold(sample, "subscribers", "forget", "ada@example.org", "--yes")
    assert (code, "No space left on device" in told) == (74, True)
    assert "ada@example.org" not in (sample / "subscribers.csv").read_text()
    outbox = [path.read_bytes() for path in (sample / "outbox").glob("new/*")]
    assert outbox
    assert not any(b"ada@example.org" in mail for mail in outbox)
    with State.open(sample / "state.sqlite3") as state:
        assert state.deliveries.to_address("ada@example.org") == []
    assert "forgotten" in newsletter("subscribers", "add", "ada@example.org").out


@pytest.mark.slow
def test_a_preview_is_whole_though_nobody_can_be_told(newsletter: Command, sample: Path) -> None:
    newsletter("run", "--now", DAY_ONE)
    assert untold(sample, "preview")[0] == 74
    found = {path.name for path in (sample / "preview").iterdir()}
    assert found == {"index.html", "issue-1.eml", "issue-1.html", "issue-1.txt"}


@pytest.mark.slow
def test_a_person_is_forgotten_however_their_address_is_spelled(
    newsletter: Command, sample: Path
) -> None:
    rewrite(sample / "subscribers.csv", "ada@example.org", "Änne@Bücher.example")
    newsletter("run", "--now", DAY_ONE)
    ended = newsletter("subscribers", "forget", "änne@bücher.example", "--yes")
    assert "state.sqlite3: the address in 1 delivery\n" in ended.out
    assert "outbox: 1 mail\n" in ended.out
    newsletter("subscribers", "add", "änne@bücher.example")
    assert "suppressed: forgotten" in newsletter("subscribers", "list").out


@pytest.mark.slow
def test_a_forgotten_person_is_gone_from_a_dry_run_too(newsletter: Command, sample: Path) -> None:
    newsletter("run", "--dry-run", "--now", DAY_ONE)
    assert "outbox: 1 mail\n" in newsletter("subscribers", "forget", "ada@example.org", "--yes").out
    for path in (sample / "outbox").rglob("*.newsletter"):
        assert b"ada@example.org" not in path.read_bytes(), path


def test_nothing_is_destroyed_without_a_yes(newsletter: Command, sample: Path) -> None:
    before = (sample / "subscribers.csv").read_bytes()
    assert newsletter("subscribers", "forget", "ada@example.org").code == 1
    assert (sample / "subscribers.csv").read_bytes() == before


@pytest.mark.slow
def test_who_only_looks_makes_no_key(newsletter: Command, sample: Path) -> None:
    newsletter("subscribers", "list")
    newsletter("subscribers", "show", "ada@example.org")
    newsletter("suppressions", "list")
    newsletter("check", "--offline")
    assert not (sample / "tokens.key").exists()


@pytest.mark.slow
def test_who_was_forgotten_stays_so_when_other_keys_are_lost(
    newsletter: Command, sample: Path
) -> None:
    newsletter("run", "--now", DAY_ONE)
    assert newsletter("subscribers", "forget", "ada@example.org", "--yes").code == 0
    assert (sample / "forgotten.key").stat().st_mode & 0o777 == 0o600
    newsletter("subscribers", "add", "ada@example.org")
    (sample / "tokens.key").write_text("another key, of many letters\n")
    assert "suppressed: forgotten" in newsletter("subscribers", "show", "ada@example.org").out
    assert newsletter("run", "--now", DAY_TWO).code == 0
    mails = [path.read_text() for path in (sample / "outbox" / "new").iterdir()]
    assert not any("To: ada@example.org" in each for each in mails)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("run", "--now", DAY_TWO),
        ("inbox",),
        ("check", "--offline"),
        ("subscribers", "forget", "chiara@example.org", "--yes"),
        ("suppressions", "add", "chiara@example.org"),
        ("suppressions", "remove", "chiara@example.org", "--yes"),
        ("serve",),
    ],
    ids=" ".join,
)
def test_nothing_goes_on_without_the_key_of_who_was_forgotten(
    newsletter: Command, sample: Path, command: tuple[str, ...]
) -> None:
    with (sample / "newsletter.toml").open("a") as file:
        file.write(
            '[bounces]\naddress = "bounces@example.org"\n[web]\nbase_url = "http://127.0.0.1"\n'
        )
        file.write('[inbox]\nkind = "mbox"\npath = "inbox"\n')
    newsletter("run", "--now", DAY_ONE)
    newsletter("subscribers", "forget", "ada@example.org", "--yes")
    before = (sample / "suppressions.csv").read_bytes()
    (sample / "forgotten.key").unlink()
    ended = newsletter(*command)
    assert ended.code == 74
    assert (
        "forgotten.key: the key of 1 line in suppressions.csv is missing" in ended.out + ended.err
    )
    assert not (sample / "forgotten.key").exists()
    assert (sample / "suppressions.csv").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("run", "--now", DAY_TWO),
        ("deliver", "--now", DAY_TWO),
        ("check", "--offline"),
        ("preview",),
        ("subscribers", "forget", "chiara@example.org", "--yes"),
        ("serve",),
    ],
    ids=" ".join,
)
def test_a_lost_key_of_tokens_is_not_replaced(
    newsletter: Command, sample: Path, command: tuple[str, ...]
) -> None:
    with (sample / "newsletter.toml").open("a") as file:
        file.write('[web]\nbase_url = "http://127.0.0.1"\n')
    newsletter("run", "--now", DAY_ONE)
    (sample / "tokens.key").unlink()
    ended = newsletter(*command)
    assert ended.code == 74
    assert "tokens.key: is missing, although mails have left with its tokens" in (
        ended.out + ended.err
    )
    assert not (sample / "tokens.key").exists()


def test_an_import_from_nowhere_is_a_misuse(newsletter: Command) -> None:
    ended = newsletter("subscribers", "import", "nowhere.csv")
    assert ended.code == 2
    assert "nowhere.csv" in ended.err
