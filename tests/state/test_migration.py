"""A state file of the version before becomes one of this version, whatever happens meanwhile.

schema-1.db was made by the last program that had schema 1: by its demo, two days of it.
"""

import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.models import Link
from newsletter.state.state import State
from tests.state import dying_migration

OLD = Path(__file__).with_name("schema-1.db")
DAY_ONE = datetime(2026, 11, 19, 10, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD, tmp_path / "state.sqlite3"))


def rows(path: Path, question: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(path)
    found = db.execute(question).fetchall()
    db.close()
    return found


def whole(path: Path) -> tuple[str, ...]:
    """Return all that a file says, with its version."""
    db = sqlite3.connect(path)
    found = (str(db.execute("pragma user_version").fetchone()), *db.iterdump())
    db.close()
    return found


def tables(state: State) -> dict[str, str]:
    """Return how each table, view and index is made, without comments and blanks."""
    return {
        name: "".join(line.partition("--")[0] for line in sql.splitlines())
        .replace(" ", "")
        .replace('"', "")
        .lower()
        for name, sql in state.database.rows("select name, coalesce(sql, '') from sqlite_schema")
    }


def test_what_is_migrated_has_the_tables_of_a_new_file(path: Path) -> None:
    with State.open(path) as migrated, State.blank() as new:
        assert tables(migrated) == tables(new)
        assert migrated.problems() == []
    assert rows(path, "pragma user_version") == [(2,)]


def test_the_copy_beside_the_file_is_what_it_was(path: Path) -> None:
    before = whole(path)
    State.open(path).database.close()
    (copy,) = path.parent.glob("state.sqlite3.backup-v1-*")
    assert whole(copy) == before


def test_papers_get_an_identity_and_keep_all_else(path: Path) -> None:
    old = {row[0] for row in rows(path, "select arxiv_id from papers")}
    assert old
    with State.open(path) as state:
        (first, second) = state.issues(after=0, upto=2)
        found = {
            each.paper.local_id: each.paper
            for issue in (first, second)
            for digest in issue.digests
            for each in digest.announcements
        }
        assert {digest.source for digest in first.digests} == {"arXiv"}
    assert old == found.keys()
    for arxiv_id, paper in found.items():
        assert paper.id == f"arxiv:{arxiv_id}"
        assert paper.source == "arXiv"
        assert paper.links == (
            Link(label="Abstract", url=f"https://arxiv.org/abs/{arxiv_id}"),
            Link(label="PDF", url=f"https://arxiv.org/pdf/{arxiv_id}"),
            Link(label="HTML", url=f"https://arxiv.org/html/{arxiv_id}"),
            Link(label="BibTeX", url=f"https://arxiv.org/bibtex/{arxiv_id}"),
        )
        assert paper.title
        assert paper.authors


@pytest.mark.parametrize("arxiv_id", ["2311.00001", "hep-th/9901001", "9912/0000001"])
def test_papers_of_before_there_was_html_get_no_link_to_it(path: Path, arxiv_id: str) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute("insert into papers select ?, 1, data from papers limit 1", (arxiv_id,))
    db.close()
    State.open(path).database.close()
    ((labels,),) = rows(
        path,
        "select group_concat(json_extract(value, '$.label')) from papers as paper,"
        f" json_each(data, '$.links') where paper.id = 'arxiv:{arxiv_id}'",
    )
    assert labels == "Abstract,PDF,BibTeX"


def test_each_row_knows_the_day_it_was_recorded(path: Path) -> None:
    State.open(path).database.close()
    days = rows(path, "select distinct issue, substr(recorded, 1, 10) from announced order by 1")
    assert days == [(None, "2026-11-19"), (1, "2026-11-19"), (2, "2026-11-20")]


def test_where_no_report_is_left_a_baseline_is_dated_by_its_window(path: Path) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute("delete from runs")
    db.close()
    State.open(path).database.close()
    days = rows(path, "select distinct recorded from announced where issue is null")
    assert days == [("2026-11-19T10:00:00Z",)]


def test_papers_of_a_baseline_lack_their_data(path: Path) -> None:
    known = {f"arxiv:{each}" for (each,) in rows(path, "select arxiv_id from papers")}
    recorded = {f"arxiv:{each}" for (each,) in rows(path, "select arxiv_id from announced")}
    with State.open(path) as state:
        assert set(state.papers.without_data(100)) == recorded - known
        assert len(state.papers.without_data(2)) == 2


@pytest.mark.slow
def test_two_programs_that_migrate_at_once_migrate_once(path: Path) -> None:
    opening = f"State.open(Path({str(path)!r})).database.close()"
    program = f"from pathlib import Path; from newsletter.state.state import State; {opening}"
    both = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [each.wait(200) for each in both] == [0, 0]
    with State.open(path) as state:
        assert state.problems() == []


# What is cut off


@pytest.fixture
def migrated(tmp_path: Path) -> tuple[str, ...]:
    """What the file says when nothing comes in between."""
    path = Path(shutil.copy(OLD, tmp_path / "undisturbed.sqlite3"))
    State.open(path).database.close()
    return whole(path)


def cut_off(folder: Path, how: str) -> list[tuple[str, Path]]:
    """Migrate a copy for each point at which it can be cut off; return how each ended, and it."""
    told = subprocess.run(
        [sys.executable, "-m", dying_migration.__name__, str(OLD), str(folder), how],
        check=True,
        capture_output=True,
        text=True,
        timeout=1000,
    )
    lines = [line.split("\t") for line in told.stdout.splitlines()]
    return [(ended, Path(path)) for ended, path in lines]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "full"])
def test_a_migration_that_is_cut_off_leaves_the_old_file_whole_or_the_new_one(
    tmp_path: Path, migrated: tuple[str, ...], how: str
) -> None:
    old, versions = whole(OLD), []
    cases = cut_off(tmp_path, how)
    for _ended, path in cases:
        found = whole(path)
        assert found in (old, migrated)
        versions.append(found == migrated)
        with State.open(path) as state:
            assert state.problems() == []
        assert whole(path) == migrated
        assert all(whole(each) == old for each in path.parent.glob(f"{path.name}.backup-*"))
    assert [ended for ended, _path in cases][-1] == "done"
    assert versions == sorted(versions)
    assert versions.count(False) >= {"killed": 20, "full": 5}[how]


@pytest.mark.slow
def test_a_full_disk_is_named_and_not_filled_with_copies(tmp_path: Path) -> None:
    for ended, path in cut_off(tmp_path, "full"):
        copies = list(path.parent.glob(f"{path.name}.backup-*"))
        assert len(copies) == (ended == "done")
        assert ended == "done" or "cannot" in ended or "can be written" in ended
