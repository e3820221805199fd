"""What became of deliveries, asked in the words that both ledgers understand."""

from datetime import datetime

from newsletter.models import DeliveryStatus
from newsletter.moments import iso
from newsletter.state.engines import Database


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
