"""Care for the state file: copy it, bring its schema up to date, doubt it, drop what is old.

It works on an open connection, and knows nothing of mails.
"""

import sqlite3
from collections.abc import Callable


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


def unreadable(
    db: sqlite3.Connection,
    *,
    keyword: Callable[[str], object],
    paper: Callable[[str], object],
) -> list[str]:
    """Return what the next run would fail on: definitions and papers that cannot be read."""
    found = []
    for what, read, question in (
        ("keyword", keyword, "select name, definition from keywords"),
        ("digest of", keyword, "select keyword, definition from digests"),
        ("paper", paper, "select id, data from papers"),
    ):
        for name, text in db.execute(question):
            try:
                read(text)
            except Exception as error:  # noqa: BLE001 - whatever a damaged text leads to
                found.append(f"{what} {name}: cannot be read ({type(error).__name__}: {error})")
    return found


# What a whole file has none of.
_DOUBTS = {
    "issues are missing between the first and the last": """
        select coalesce(max(number) - count(*), 0) from issues
    """,
    "announcements have lost their paper": """
        select count(*) from announced
        left join papers on id = paper and papers.version = announced.version
        where issue is not null and data is null
    """,
    "recorded papers have neither data nor a place among those to be fetched": """
        select count(distinct paper) from announced
        where paper not in (select id from papers) and paper not in (select paper from lacking)
    """,
    "papers to be fetched are there, or were never recorded": """
        select count(*) from lacking
        where paper in (select id from papers) or paper not in (select paper from announced)
    """,
    "papers stand under another id or version than their own": """
        select count(*) from papers
        where json_extract(data, '$.id') is not id or json_extract(data, '$.version') is not version
    """,
    "announcements were recorded at another time than their issue was opened": """
        select count(*) from announced join issues on number = issue where recorded <> opened
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
