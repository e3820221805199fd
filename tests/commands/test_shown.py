"""Whatever is stored, and however long ago, no command says anything that a terminal obeys."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from newsletter.prose import printable
from tests.making.commands import DAY_ONE, DAY_TWO, Command

# It clears the screen, names the window, forges a line, turns the rest round, and goes on.
HOSTILE = "\x1b[2J\x1b]0;x\x07no\r\nERROR: forged\u2028so\u202eereh\x9b1mX\x7f" + "y" * 2000


@pytest.fixture
def stored(newsletter: Command, sample: Path) -> Path:
    """The sample after a day, with words that an earlier version kept as it heard them."""
    assert newsletter("run", "--now", DAY_ONE).code == 0
    with closing(sqlite3.connect(sample / "state.sqlite3")) as db, db:
        db.execute("update deliveries set reply = ?", (HOSTILE,))
        db.execute(
            "update deliveries set status = 'deferred' where id = (select min(id) from deliveries)"
        )
        title = json.dumps(HOSTILE)
        db.execute("update papers set data = json_set(data, '$.title', json(?))", (title,))
        db.execute(
            "update runs set report = json_set(report, '$.keywords[0].reason', json(?))", (title,)
        )
    with (sample / "suppressions.csv").open("a", encoding="utf-8") as file:
        file.write(f"eve@example.org,{HOSTILE.partition(chr(13))[0]},{HOSTILE[-30:]},\x1b[2J\n")
    with (sample / "subscribers.csv").open("a", encoding="utf-8") as file:
        file.write(
            f'gil@example.org,"{HOSTILE[:12]}\x1b[2J",,,,\n\x1b[2J@example.org,,\x1b[2J,,,\n'
        )
    return sample


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "--json"),
        ("status", "--issue", "1"),
        ("-v", "status", "--issue", "1"),
        ("suppressions", "list"),
        ("suppressions", "list", "--json"),
        ("subscribers", "list"),
        ("subscribers", "list", "--json"),
        ("subscribers", "check"),
        ("subscribers", "show", "ada@example.org"),
        ("subscribers", "show", "gil@example.org"),
        ("subscribers", "show", "ada@example.org", "--json"),
        ("subscribers", "export"),
        ("subscribers", "import", "subscribers.csv", "--dry-run"),
        ("check", "--offline"),
        ("papers",),
        ("papers", "--json"),
        ("keywords", "list"),
        ("state", "verify"),
        ("preview",),
        ("--log-format", "json", "run", "--now", DAY_TWO, "--json"),
        ("run", "--dry-run", "--now", DAY_TWO),
    ],
    ids=" ".join,
)
def test_old_words_are_cleaned_where_they_are_printed(
    stored: Path, newsletter: Command, command: tuple[str, ...]
) -> None:
    ended = newsletter(*command)
    for line in (ended.out + ended.err).split("\n"):
        assert printable(line)
        assert not line.lstrip(" 0123456789-:").startswith("ERROR")
    assert "Traceback" not in ended.err
    if "--json" in command:
        for line in ended.out.splitlines():
            json.loads(line)
