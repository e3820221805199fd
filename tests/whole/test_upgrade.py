"""Two versions of the program on one issue, and a ledger that is migrated under its senders."""

import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from subprocess import Popen

import pytest

from newsletter import __version__
from newsletter.state.postgres.database import Database
from tests.making.warm import Forked
from tests.peers.postgres import Postgres
from tests.whole.fleet import CHECKOUT, Fleet, fleet

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

NEXT = "99.0.0"
RECIPIENTS = 60
_numbers = count(1)
ADDED = """
alter table deliveries add column lane words;
alter table parcels add column lane words not null default 'all';
create table lanes (name words primary key);
"""


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A checkout of the next version, which knows the same schema."""
    copy = tmp_path / "newer"
    for folder in ("newsletter", "templates"):
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / folder, copy / folder, ignore=without)
    change(copy / "newsletter" / "__init__.py", f'"{__version__}"', f'"{NEXT}"')
    return copy


@pytest.fixture
def found(tmp_path: Path, server: Postgres) -> Iterator[Fleet]:
    with fleet(tmp_path, server, f"upgrade-{next(_numbers)}") as found:
        found.connections, found.parcel = 1, 8
        found.lease = 60  # nobody dies, and nothing is to be taken over
        found.sink(seconds=0.2)
        yield found


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def wait_until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.1)


def begun(found: Fleet, *programs: Path) -> list[Forked | Popen[bytes]]:
    """Let two senders begin on one issue; return them when each has heard of a mail."""
    senders = [found.send(program=each) for each in programs]
    database = Database(found.place)
    database.open()
    wait_until(lambda: database.rows("select count(*) from senders") == [(2,)])
    database.close()
    found.publish(1, RECIPIENTS)
    wait_until(lambda: all("'accepted'" in each for each in logs(found)))
    return senders


def logs(found: Fleet) -> list[str]:
    return [(found.folder / f"log-{each}").read_text("utf-8") for each in range(2)]


def require_once_each(found: Fleet) -> None:
    books = found.books()
    assert len(books.owed) == RECIPIENTS
    assert {status for status, _ in books.owed.values()} == {"accepted"}
    assert {attempts for _, attempts in books.owed.values()} == {1}
    assert (books.lost, books.twice, books.gainsaid) == (0, 0, [])


def test_an_old_and_a_new_version_work_on_one_issue(found: Fleet, newer: Path) -> None:
    old, new = begun(found, CHECKOUT, newer)
    for program in (CHECKOUT, newer):
        status = found.say("status", "--json", program=program)
        shown = {each["name"].split()[-1]: each for each in json.loads(status.stdout)["senders"]}
        assert shown[str(old.pid)]["version"] == __version__
        assert shown[str(new.pid)]["version"] == NEXT
    found.wait()
    assert found.end() == [0, 0]
    require_once_each(found)


def test_senders_at_work_go_on_while_what_is_added_to_their_ledger(
    found: Fleet, newer: Path
) -> None:
    folder = newer / "newsletter" / "state" / "postgres"
    (folder / "2.sql").write_text(ADDED)
    change(folder / "trust.py", '("1.sql",)', '("1.sql", "2.sql")')
    old = begun(found, CHECKOUT, CHECKOUT)
    found.sinks[0].send_signal(signal.SIGSTOP)  # so that mails are in flight meanwhile
    migrated = found.say("state", "migrate", program=newer)
    assert (migrated.returncode, migrated.stderr) == (0, "")

    late = found.say("deliver")
    assert late.returncode == 78
    assert "newer version of this program (schema 2, this one knows 1)" in late.stderr

    found.sinks[0].send_signal(signal.SIGCONT)
    new = found.send(program=newer)
    found.wait()
    assert [each.poll() for each in (*old, new)] == [None, None, None]
    assert found.end() == [0, 0, 0]
    require_once_each(found)
