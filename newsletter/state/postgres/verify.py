"""Doubt the ledger: what in it does not fit together. It changes nothing."""

from collections.abc import Callable
from typing import Any


def problems(
    rows: Callable[..., list[Any]],
    *,
    keyword: Callable[[str], object],
    paper: Callable[[str], object],
) -> list[str]:
    """Return whatever does not fit together, in plain words; empty if it is sound."""
    found = []
    for doubt, question in _DOUBTS.items():
        ((number,),) = rows(question)
        if number:
            found.append(f"{number} {doubt}")
    for what, read, question in (
        ("keyword", keyword, "select name, definition from keywords"),
        ("digest of", keyword, "select keyword, definition from digests"),
        ("paper", paper, "select id, data from papers"),
    ):
        for name, text in rows(question):
            try:
                read(text)
            except Exception as error:  # noqa: BLE001 - whatever a damaged text leads to
                found.append(f"{what} {name}: cannot be read ({type(error).__name__}: {error})")
    return found


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
    "announcements are in no digest of their issue": """
        select count(*) from announced left join digests using (issue, keyword)
        where issue is not null and digests.position is null
    """,
    "deliveries take their news from later issues than their own": """
        select count(*) from deliveries where after >= issue
    """,
    "deliveries are in no parcel of their issue": """
        select count(*) from deliveries left join parcels
        on parcels.id = parcel and parcels.issue = deliveries.issue where parcels.id is null
    """,
    "parcels are done although something in them is owed": """
        select count(distinct parcel) from deliveries join parcels on parcels.id = parcel
        where done and status in ('untried', 'sending', 'deferred', 'unknown')
    """,
    "readers have had news of an issue that does not exist": """
        select count(*) from readers
        where covered > (select coalesce(max(number), 0) from issues)
    """,
}
