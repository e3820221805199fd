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
    "orders": "issue, recipient, keywords, papers",
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
_PARCEL = 1000


def take(source: Connection, target: Connection) -> None:
    """Put everything that the ledger has into a blank file."""
    for table, columns in (*TABLES.items(), ("deliveries", OWED)):
        order = "parcel, id" if table == "deliveries" else "1"
        order = "id" if table == "runs" else order
        rows = source.execute(f"select {columns} from {table} order by {order}")  # noqa: S608
        places = ", ".join("?" * (columns.count(",") + 1))
        target.executemany(f"insert into {table} ({columns}) values ({places})", _rows(rows))  # noqa: S608


def filled(target: Connection) -> str:
    """Return what a ledger has already, empty where nothing is in it."""
    for table in ("issues", "keywords", "runs", "deliveries"):
        ((number,),) = target.execute(f"select count(*) from {table}").fetchall()  # noqa: S608
        if number:
            return f"{number} {table}"
    return ""


def give(source: Connection, target: Any) -> dict[str, int]:  # noqa: ANN401 - of PostgreSQL
    """Put everything that a file has into an empty ledger; return the number of rows by table.

    What was under way stays in doubt: it is unknown, with its attempts.
    """
    counts = {}
    for table, columns in TABLES.items():
        order = "id" if table == "runs" else "1"
        rows = source.execute(f"select {columns} from {table} order by {order}")  # noqa: S608
        counts[table] = 0
        with target.copying(f"copy {table} ({columns}) from stdin") as write:
            for row in _rows(rows):
                write(row)
                counts[table] += 1
    rows = source.execute(
        f"select {OWED} from deliveries"  # noqa: S608
        " order by issue, after, keywords, frequency, abstracts, format, id"
    )
    parcel = size = issue = 0
    parcels: list[tuple[int, int, int]] = []
    with target.copying(f"copy deliveries (parcel, {OWED}) from stdin") as write:
        for row in _rows(rows):
            if row[0] != issue or size == _PARCEL:
                if parcel:
                    parcels.append((parcel, issue, size))
                parcel, issue, size = parcel + 1, row[0], 0
            size += 1
            write((parcel, *row))
    if parcel:
        parcels.append((parcel, issue, size))
    with target.copying("copy parcels (id, issue, size, late) from stdin") as write:
        for number, of, has in parcels:
            write((number, of, has, False))
    target.execute(
        "update deliveries set status = 'unknown',"
        " reply = 'the run ended before the server answered' where status = 'sending'"
    )
    target.execute(
        "update parcels set refused = found.refused, done = not found.owed from ("
        "select parcel, bool_or(code >= 500 and status in ('deferred', 'rejected')) as refused,"
        " bool_or(status in ('untried', 'deferred', 'unknown')) as owed"
        " from deliveries group by parcel) as found where parcels.id = parcel"
    )
    counts["deliveries"] = sum(has for _, _, has in parcels)
    return counts


def differing(source: Connection, target: Connection) -> str:
    """Return where two ledgers do not have as many rows or attempts; empty if nowhere."""
    questions = {table: f"select count(*) from {table}" for table in TABLES}  # noqa: S608
    questions |= {
        "deliveries": "select count(*) from deliveries",
        "attempts": "select coalesce(sum(attempts), 0) from deliveries",
        "what is owed": "select count(*) from outstanding",
        "what was accepted": "select count(*) from deliveries where status = 'accepted'",
    }
    for what, question in questions.items():
        ((here,),), ((there,),) = (
            source.execute(question).fetchall(),
            target.execute(question).fetchall(),
        )
        if here != there:
            return f"{what}: {here} here, {there} there"
    return ""


def _rows(answer: Any) -> Iterator[Any]:  # noqa: ANN401
    rows = iter(answer)
    while some := list(islice(rows, _AT_ONCE)):
        yield from some
