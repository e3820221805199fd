"""The state file over the years: copies, newer schemas, doubts, and what is only counted later."""

import os
import sqlite3
import stat
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest

from newsletter.errors import StateError
from newsletter.operating.status import issue_lines
from newsletter.state.engines import Place
from newsletter.state.sqlite.database import Database
from newsletter.state.sqlite.lock import only_run
from newsletter.state.state import FileState, State
from tests.making.commands import DAY_ONE, DAY_TWO, Command
from tests.making.newsroom import Newsroom
from tests.making.papers import DAY, NOW, paper


@pytest.fixture
def room(tmp_path: Path) -> Newsroom:
    """A newsroom with one issue out."""
    newsroom = Newsroom(tmp_path)
    newsroom.run(now=NOW - DAY)
    newsroom.told.papers["mri"] = (paper("2611.00001"), paper("2611.00002"))
    assert newsroom.run(now=NOW).deliveries.accepted == 1
    return newsroom


def path(room: Newsroom) -> Path:
    return room.folder / "state.sqlite3"


class NextDatabase(Database):
    """The file of a later version of the program: a column more, and a table less."""

    migrations = (
        *Database.migrations,
        "alter table issues add column mood text not null default 'fair'; drop table held;",
    )


class BrokenDatabase(Database):
    migrations = (*Database.migrations, "create table fine (x int); create table issues (y int);")


def columns(state_file: Path, table: str) -> list[str]:
    db = sqlite3.connect(state_file)
    found = [row[1] for row in db.execute(f"pragma table_info({table})")]
    db.close()
    return found


def test_an_older_schema_is_copied_and_then_brought_up_to_date(room: Newsroom) -> None:
    with FileState.on(NextDatabase.open(path(room))) as state:
        assert state.newest_issue() == 1
    assert "mood" in columns(path(room), "issues")
    (backup,) = room.folder.glob("state.sqlite3.backup-v2-*")
    assert "mood" not in columns(backup, "issues")
    with State.open(backup) as before:
        assert before.problems() == []
    with NextDatabase.open(path(room)):
        pass
    assert len(list(room.folder.glob("*.backup-*"))) == 1


def test_an_older_program_refuses_what_a_newer_one_has_changed(room: Newsroom) -> None:
    NextDatabase.open(path(room)).close()
    with pytest.raises(StateError, match=r"schema 3, this one knows 2\); install that version"):
        State.open(path(room))


def test_a_migration_happens_whole_or_not_at_all(room: Newsroom) -> None:
    with pytest.raises(StateError, match="table issues already exists"):
        BrokenDatabase.open(path(room))
    assert columns(path(room), "fine") == []
    with State.open(path(room)) as state:
        assert state.problems() == []


def test_a_backup_is_whole_private_and_replaces_nothing(room: Newsroom) -> None:
    target = room.folder / "copy.sqlite3"
    with State.open(path(room)) as state:
        state.database.backup(target)
        with pytest.raises(StateError, match="exists already; name another file"):
            state.database.backup(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with State.open(target) as copy:
        assert copy.problems() == []
        assert copy.news_in() == {"mri": 1}
    assert not list(room.folder.glob(".copy*"))


def test_a_backup_can_be_made_while_a_run_is_writing(room: Newsroom) -> None:
    with State.open(path(room)) as running, State.open(path(room)) as other:
        running.deliveries.take_up(now=NOW, max_age=DAY)
        with running.database.transaction() as db:
            db.execute("delete from readers")
            other.database.backup(room.folder / "copy.sqlite3")
    with State.open(room.folder / "copy.sqlite3") as copy:
        assert copy.readers()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("delete from papers", "2 announcements have lost their paper"),
        (
            "delete from papers",
            "2 recorded papers have neither data nor a place among those to be fetched",
        ),
        (
            "insert into lacking (paper) select paper from announced",
            "2 papers to be fetched are there, or were never recorded",
        ),
        (
            "update papers set data = json_set(data, '$.id', 'arxiv:2611.00009')",
            "2 papers stand under another id or version than their own",
        ),
        (
            "update announced set recorded = '2026-11-20T10:00:00Z'",
            "2 announcements were recorded at another time than their issue was opened",
        ),
        (
            "update announced set position = 7 where position = 1",
            "1 digests do not count their announcements from 0 without a gap",
        ),
        (
            "insert into issues values (5, '2026-11-20', '2026-11-20T10:00:00Z', 0, 0)",
            "3 issues are missing between the first and the last",
        ),
        ("delete from digests", "2 announcements are in no digest of their issue"),
        (
            "update deliveries set after = 1",
            "1 deliveries take their news from later issues than their own",
        ),
        (
            "update readers set covered = 9",
            "1 readers have had news of an issue that does not exist",
        ),
        (
            "update runs set report = json_set(report, '$.deliveries.planned', 9)",
            "2 runs report other totals than the sum of their deliveries",
        ),
        ("update deliveries set issue = 9", "deliveries: row 1 points to a row of issues"),
    ],
)
def test_what_does_not_fit_together_is_named(room: Newsroom, damage: str, problem: str) -> None:
    with State.open(path(room)) as state:
        assert state.problems() == []
    db = sqlite3.connect(path(room))
    db.execute(damage)
    db.commit()
    db.close()
    with State.open(path(room)) as state:
        assert any(each.startswith(problem) for each in state.problems()), state.problems()


def test_old_deliveries_become_totals_and_nothing_is_announced_again(room: Newsroom) -> None:
    later = NOW + timedelta(days=91)
    room.told.papers["mri"] = (paper("2611.00001"), paper("2611.00002"), paper("2702.00003"))
    assert room.run(now=later).deliveries.accepted == 1
    with State.open(path(room)) as state:
        assert state.deliveries.of_issue(1) == []
        assert state.deliveries.totals(1) == {"accepted": 1}
        assert len(state.deliveries.of_issue(2)) == 1
        assert state.problems() == []
    assert issue_lines(Place(file=path(room)), 1, whole_addresses=True) == [
        "1 mail accepted, long ago"
    ]
    assert [len(mail["Subject"]) > 0 for mail in room.mails()] == [True, True]
    assert room.run(now=later + DAY).issue is None


def test_the_deliveries_of_the_last_90_days_stay_as_they_are(room: Newsroom) -> None:
    room.run(now=NOW + timedelta(days=89))
    with State.open(path(room)) as state:
        assert len(state.deliveries.of_issue(1)) == 1
        assert state.deliveries.totals(1) == {}


def test_runs_are_kept_for_a_year(room: Newsroom) -> None:
    room.run(now=NOW + timedelta(days=364))
    with State.open(path(room)) as state:
        assert len(state.history.runs(limit=9)) == 3
    room.run(now=NOW + timedelta(days=366))
    with State.open(path(room)) as state:
        assert len(state.history.runs(limit=9)) == 2


@pytest.mark.slow
def test_ten_thousand_deliveries_are_pruned_into_totals(tmp_path: Path) -> None:
    room = Newsroom(tmp_path)
    room.run(now=NOW - DAY)
    db = sqlite3.connect(path(room))
    db.execute("insert into issues values (1, '2026-11-19', '2026-11-19T10:00:00Z', 0, 0)")
    db.executemany(
        "insert into deliveries (issue, after, recipient, keywords, format, status, changed)"
        " values (1, 0, ?, '[]', 'html', 'accepted', '2026-11-19T10:00:00Z')",
        [(f"r{n}@example.org",) for n in range(10_000)],
    )
    db.commit()
    db.close()
    with State.open(path(room)) as state:
        state.prune(now=NOW + timedelta(days=91))
        assert state.deliveries.totals(1) == {"accepted": 10_000}


@pytest.mark.slow
def test_the_state_is_backed_up_and_verified_from_the_command_line(
    newsletter: Command, sample: Path
) -> None:
    assert newsletter("state", "verify").code == 74
    newsletter("run", "--now", DAY_ONE)
    wrote = newsletter("state", "backup")
    assert wrote.code == 0
    (backup,) = sample.glob("state.sqlite3.backup-2*")
    assert backup.name in wrote.out
    newsletter("run", "--now", DAY_TWO)
    assert newsletter("state", "backup", "state.sqlite3").code == 74
    assert newsletter("state", "verify").out == "state.sqlite3: sound, with issues up to 1\n"
    assert newsletter("state", "verify", str(backup)).code == 0
    db = sqlite3.connect(sample / "state.sqlite3")
    db.execute("delete from digests")
    db.commit()
    db.close()
    ended = newsletter("state", "verify")
    assert ended.code == 74
    assert "in no digest" in ended.out


def test_a_file_that_was_left_whole_is_looked_at_once_a_week(room: Newsroom) -> None:
    state_file, mark = path(room), room.folder / "state.sqlite3.checked"
    with only_run(state_file):
        for _ in range(2):  # what was written a moment ago may be written once more unseen
            State.open(state_file).database.close()
            sleep(0.05)
    left = state_file.stat()
    content = bytearray(state_file.read_bytes())
    page = int.from_bytes(content[16:18], "big")
    content[page : 3 * page] = b"\xff" * (2 * page)
    state_file.write_bytes(content)
    with pytest.raises(StateError, match="is damaged"):
        State.open(state_file)
    noted = mark.read_text()
    os.utime(state_file, ns=(left.st_atime_ns, left.st_mtime_ns))
    State.open(state_file).database.close()  # a disk that rots shows no time
    *stamp, checked = noted.split()
    mark.write_text(" ".join([*stamp, str(float(checked) - 7 * 86400)]))
    with pytest.raises(StateError, match="is damaged"):
        State.open(state_file)


@pytest.mark.parametrize("noted", ["", "1 2", "a b c d"])
def test_a_note_that_cannot_be_read_costs_a_look(room: Newsroom, noted: str) -> None:
    (room.folder / "state.sqlite3.checked").write_text(noted)
    path(room).write_bytes(path(room).read_bytes()[:-4096])
    with pytest.raises(StateError, match="is damaged"):
        State.open(path(room))
