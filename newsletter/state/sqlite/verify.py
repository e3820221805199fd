"""Doubt the state file: what in it does not fit together. It changes nothing."""

import sqlite3

from newsletter.state.doubts import DOUBTS


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


# What a whole file has none of.
_DOUBTS = DOUBTS | {
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
    "runs report other totals than the sum of their deliveries": """
        select count(*) from (select json_extract(report, '$.deliveries') as d from runs)
        where json_extract(d, '$.planned') <>
            json_extract(d, '$.accepted') + json_extract(d, '$.rejected')
            + json_extract(d, '$.suppressed') + json_extract(d, '$.expired')
            + json_extract(d, '$.outstanding')
    """,
}
