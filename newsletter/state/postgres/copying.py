"""Carry a ledger from one engine to the other, whole: every table, every attempt."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from newsletter.state.engines import Connection

# In an order in which what is pointed to comes first; `deliveries` comes last, by itself.
TABLES = {
    "keywords": "name, definition, since, last_good, last_sweep",
    "held": "keyword, since",
    "issues": "number, date, opened, weekly, settled",
    "digests": "issue, position, keyword, definition, source, outcome, listed, since, reason,"
    " left_out",
    "papers": "id, version, data",
    "lacking": "paper, asked",
    "announced": "keyword, paper, version, submitted, kind, excluded_by, replaces, issue, position,"
    " recorded",
    "past": "keyword, paper, version, submitted, recorded",
    "looked_up": "keyword, month, definition",
    "totals": "issue, status, deliveries",
    "readers": "address, fingerprint, covered",
    "bounces": "address, issue, kind, reply, noted, judged",
    "mails_read": "mailbox, mail, kind, noted",
    "runs": "started, finished, exit, report",
    "alerts": "trouble, told",
}
OWED = (
    "issue, after, recipient, keywords, format, status, attempts, failures, code, reply, changed,"
    " frequency, abstracts"
)

_AT_ONCE = 1000


def take(source: Connection, target: Connection) -> None:
    """Put everything that the ledger has into a blank file."""
    for table, columns in (*TABLES.items(), ("deliveries", OWED)):
        order = "parcel, id" if table == "deliveries" else "1"
        order = "id" if table == "runs" else order
        rows = source.execute(f"select {columns} from {table} order by {order}")  # noqa: S608
        places = ", ".join("?" * (columns.count(",") + 1))
        target.executemany(f"insert into {table} ({columns}) values ({places})", _rows(rows))  # noqa: S608


def _rows(answer: Any) -> Iterator[Any]:  # noqa: ANN401
    rows = iter(answer)
    while some := list(islice(rows, _AT_ONCE)):
        yield from some
