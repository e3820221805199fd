"""Care for the state file: copy it, bring its schema up to date, doubt it, drop what is old.

It works on an open connection, and knows nothing of mails.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from newsletter.files import sync_folder
from newsletter.moments import iso

KEPT_DELIVERIES = timedelta(days=90)
KEPT_RUNS = timedelta(days=365)


def copy(db: sqlite3.Connection, target: Path) -> None:
    """Copy the whole file into `target`, as of one moment, although others may be writing.

    It holds addresses, so only its owner may read it. Raises FileExistsError rather than replace
    anything, OSError and sqlite3.Error.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists already; name another file")
    draft = target.with_name(f".{target.name}.new")
    draft.unlink(missing_ok=True)
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(draft)) as copied:
            db.backup(copied)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(target.parent)


def migrate(db: sqlite3.Connection, scripts: Sequence[str], *, version: int) -> None:
    """Bring the schema from `version` to the newest in one transaction.

    The first of `scripts` makes version 1 into 2. Raises sqlite3.Error, and then nothing changed.
    """
    due = " ".join(scripts[version - 1 :])
    try:
        db.executescript(
            f"begin immediate; {due}; pragma user_version = {1 + len(scripts)}; commit;"
        )
    finally:
        db.rollback()


def problems(db: sqlite3.Connection) -> list[str]:
    """Return whatever in the file does not fit together, in plain words; empty if it is sound."""
    found = [text for (text,) in db.execute("pragma integrity_check") if text != "ok"]
    found += [
        f"{table}: row {row} points to a row of {parent} that is not there"
        for table, row, parent, _ in db.execute("pragma foreign_key_check")
    ]
    for doubt, question in _DOUBTS.items():
        ((number,),) = db.execute(question)
        if number:
            found.append(f"{number} {doubt}")
    return found


def prune(db: sqlite3.Connection, now: datetime) -> None:
    """Count the ended deliveries of issues older than 90 days, and drop them; runs after a year.

    What was announced stays, and so does what is outstanding.
    """
    before = iso(now - KEPT_DELIVERIES)
    db.execute(
        "insert into totals select issue, status, count(*) from ended"
        " where issue in (select number from issues where opened < ?) group by issue, status"
        " on conflict do update set deliveries = deliveries + excluded.deliveries",
        (before,),
    )
    db.execute(
        "delete from deliveries where id in (select id from ended"
        " where issue in (select number from issues where opened < ?))",
        (before,),
    )
    db.execute("delete from runs where finished < ?", (iso(now - KEPT_RUNS),))


# What a whole file has none of.
_DOUBTS = {
    "issues are missing between the first and the last": """
        select coalesce(max(number) - count(*), 0) from issues
    """,
    "announcements have lost their paper": """
        select count(*) from announced left join papers using (arxiv_id, version)
        where issue is not null and data is null
    """,
    "digests do not count their announcements from 0 without a gap": """
        select count(*) from (
            select 1 from announced where issue is not null group by issue, keyword
            having min(position) <> 0 or max(position) <> count(*) - 1)
    """,
    "announcements are in no digest of their issue": """
        select count(*) from announced left join digests using (issue, keyword)
        where issue is not null and digests.position is null
    """,
    "deliveries take their news from later issues than their own": """
        select count(*) from deliveries where after >= issue
    """,
    "readers have had news of an issue that does not exist": """
        select count(*) from readers
        where covered > (select coalesce(max(number), 0) from issues)
    """,
    "runs report other totals than the sum of their deliveries": """
        select count(*) from (select json_extract(report, '$.deliveries') as d from runs)
        where json_extract(d, '$.planned') <>
            json_extract(d, '$.accepted') + json_extract(d, '$.rejected')
            + json_extract(d, '$.suppressed') + json_extract(d, '$.expired')
            + json_extract(d, '$.outstanding')
    """,
}
