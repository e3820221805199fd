"""What a sound ledger has none of, in the words that both kinds understand. It changes nothing."""

from collections.abc import Callable
from typing import Any

DOUBTS = {
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
    "readers have had news of an issue that does not exist": """
        select count(*) from readers
        where covered > (select coalesce(max(number), 0) from issues)
    """,
}


def unreadable(
    rows: Callable[[str], Any],
    *,
    keyword: Callable[[str], object],
    paper: Callable[[str], object],
) -> list[str]:
    """Return what the next run would fail on: definitions and papers that cannot be read."""
    found: list[str] = []
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
