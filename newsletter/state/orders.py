"""The order of each edition that follows a reader's own papers, frozen when the issue is opened.

Profiles lie where the job runs, and mails leave from anywhere: whoever sends one finds its order
here. It ranks nothing, and what was sent is forgotten.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby, islice

from msgspec import json

from newsletter.models import Delivery, Issue, Owed, Worded
from newsletter.state.engines import Connection, Database, json_text

_NONE: frozenset[str] = frozenset()
_AT_ONCE = 256  # editions that are read, or written, together


class OrderBook:
    """The orders of editions. Who has none gets the usual order, and is not asked about."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids = lru_cache(maxsize=8)(self._announced)
        self._has = lru_cache(maxsize=8)(self._any)
        self._ready: dict[int, Worded | None] = {}

    def note(self, db: Connection, issue: int, orders: Iterable[tuple[Owed, Worded]]) -> None:
        """Freeze the orders of an issue's editions, in the transaction that publishes it."""
        rest = iter(orders)
        while some := list(islice(rest, _AT_ONCE)):
            db.executemany(
                "insert into orders (issue, recipient, keywords, papers) values (?, ?, ?, ?)",
                [
                    (
                        issue,
                        owed.recipient,
                        _named(owed.keywords),
                        _packed(order, self._numbers(owed.after, issue)),
                    )
                    for owed, order in some
                ],
            )

    def ahead(
        self, deliveries: Iterable[Delivery], _issues: Callable[[int, int], Sequence[Issue]]
    ) -> Iterator[Delivery]:
        """Yield the deliveries; the orders of many are read at once, before their turn."""
        for issue, some in groupby(deliveries, key=lambda each: each.issue):
            if not self._has(issue):
                yield from some
                continue
            while batch := list(islice(some, _AT_ONCE)):
                self._ready = self._frozen(issue, batch)
                yield from batch

    def order(
        self, delivery: Delivery, _issues: Sequence[Issue], _among: Collection[str]
    ) -> Worded | None:
        """Return the order that was frozen for a delivery; None: the usual one."""
        if not self._has(delivery.issue):
            return None
        if delivery.id not in self._ready:  # made once more, smaller
            return self._frozen(delivery.issue, [delivery])[delivery.id]
        return self._ready[delivery.id]

    def prune(self, db: Connection) -> None:
        """Forget the orders of issues of which nothing is outstanding."""
        db.execute("delete from orders where issue not in (select issue from outstanding)")

    def _frozen(self, issue: int, batch: Sequence[Delivery]) -> dict[int, Worded | None]:
        found = {
            (recipient, keywords): papers
            for recipient, keywords, papers in self._database.rows(
                "select recipient, keywords, papers from orders where issue = ?"
                " and recipient in (select value from json_each(?, '$'))",
                issue,
                json_text([each.recipient for each in batch]),
            )
        }
        return {
            each.id: _unpacked(packed, self._ids(each.after, issue))
            if (packed := found.get((each.recipient, _named(each.keywords))))
            else None
            for each in batch
        }

    def _any(self, issue: int) -> bool:
        return bool(self._database.rows("select 1 from orders where issue = ? limit 1", issue))

    def _announced(self, after: int, upto: int) -> tuple[str, ...]:
        """Return the ids of what some issues announced, always in the same order."""
        rows = self._database.rows(
            "select distinct paper from announced where issue > ? and issue <= ?", after, upto
        )
        return tuple(sorted(paper for (paper,) in rows))

    def _numbers(self, after: int, upto: int) -> Mapping[str, int]:
        return _numbered(self._ids(after, upto))


@lru_cache(maxsize=64)
def _named(keywords: tuple[str, ...]) -> str:
    return json_text(keywords)


@lru_cache(maxsize=8)
def _numbered(ids: Sequence[str]) -> Mapping[str, int]:
    return {id_: number for number, id_ in enumerate(ids)}


def _packed(order: Worded, numbers: Mapping[str, int]) -> str:
    """Return an order as a short text: papers by their number among those announced."""
    ids, closest, yours = (
        [numbers[each] for each in some] for some in (order.ids, order.closest, sorted(order.yours))
    )
    return json_text([ids, closest, order.reasons, yours])


def _unpacked(text: str, ids: Sequence[str]) -> Worded:
    order, closest, reasons, yours = json.decode(text)
    id_of = ids.__getitem__
    return Worded(
        ids=tuple(map(id_of, order)),
        closest=tuple(map(id_of, closest)),
        reasons=tuple(reasons),
        yours=frozenset(map(id_of, yours)) if yours else _NONE,
    )
