"""What became of deliveries, asked in the words that both ledgers understand."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from newsletter.models import FINAL, Delivery, DeliveryStatus, Owed, Tally
from newsletter.moments import iso
from newsletter.state.engines import Database, json_text


class Account:
    """What the deliveries of a ledger come to; how they are worked off is each ledger's own."""

    def __init__(self, database: Database) -> None:
        self._asked = database

    def expired_since(self, moment: datetime) -> int:
        """Count the deliveries that expired after `moment`."""
        ((number,),) = self._asked.rows(
            "select count(*) from deliveries where status = 'expired' and changed > ?", iso(moment)
        )
        return int(number)

    def waiting(self) -> list[tuple[int, DeliveryStatus, str, int]]:
        """Return what is outstanding as (issue, status, last reply, how many)."""
        return self._asked.rows(
            "select issue, status, reply, count(*) from outstanding"
            " group by issue, status, reply order by issue, status, reply"
        )

    def totals(self, issue: int) -> dict[DeliveryStatus, int]:
        """Return how many deliveries of an issue were turned into totals, by status."""
        return dict(
            self._asked.rows("select status, deliveries from totals where issue = ?", issue)
        )


def tally_of(counts: Mapping[str, int]) -> Tally:
    """Return how many deliveries there are, counted by status, as a run tells it."""
    return Tally(
        **{status: counts.get(status, 0) for status in (*FINAL, "deferred", "unknown")},
        outstanding=sum(number for status, number in counts.items() if status not in FINAL),
    )


def row_of(owed: Owed) -> tuple[int, str, str, str, str, str]:
    """Return after, recipient, keywords, format, frequency and abstracts of what is owed."""
    keywords, abstracts = _text(owed.keywords), owed.abstracts or ""
    return owed.after, owed.recipient, keywords, owed.format, owed.frequency, abstracts


def delivery_from(row: Sequence[Any]) -> Delivery:
    """Return what a row is that has a delivery's columns in their order, but for what came of it.

    They are id and issue, those of `row_of`, status and attempts.
    """
    id_, issue, after, recipient, keywords, format_, frequency, abstracts, status, attempts = row
    return Delivery(
        id=id_,
        issue=issue,
        after=after,
        recipient=recipient,
        keywords=_names(keywords),
        format=format_,
        frequency=frequency,
        abstracts=abstracts or None,
        status=status,
        attempts=attempts,
    )


@lru_cache(maxsize=10_000)  # people choose alike
def _text(keywords: tuple[str, ...]) -> str:
    return json_text(keywords)


@lru_cache(maxsize=64)  # those with the same keywords come one after the other
def _names(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
