"""Doubt the ledger: what in it does not fit together. It changes nothing."""

from collections.abc import Callable
from typing import Any

from newsletter.state.doubts import DOUBTS, unreadable


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
    return found + unreadable(rows, keyword=keyword, paper=paper)


_DOUBTS = DOUBTS | {
    "deliveries are in no parcel of their issue": """
        select count(*) from deliveries left join parcels
        on parcels.id = parcel and parcels.issue = deliveries.issue where parcels.id is null
    """,
    "parcels are done although something in them is owed": """
        select count(distinct parcel) from deliveries join parcels on parcels.id = parcel
        where done and status in ('untried', 'sending', 'deferred', 'unknown')
    """,
}
