"""The state: what was announced, in which issues, and to which readers; it decides nothing.

Whole days are committed in one transaction. What is owed, what came back and how the runs ended
have a book each.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Self

from msgspec import to_builtins

from newsletter.models import (
    Announcement,
    Day,
    Digest,
    Issue,
    Keyword,
    Memory,
    News,
    Owed,
    Reader,
    Tally,
    Trail,
    Worded,
)
from newsletter.moments import iso, moment_of
from newsletter.state.account import tally_of
from newsletter.state.bounces import BounceBook
from newsletter.state.engines import Book, Claim, Connection, Database, json_text
from newsletter.state.orders import OrderBook
from newsletter.state.papers import book
from newsletter.state.papers.shelf import Shelf
from newsletter.state.runs import History
from newsletter.state.sqlite.ahead import Ahead
from newsletter.state.sqlite.database import Database as SqliteDatabase
from newsletter.state.sqlite.deliveries import Deliveries

KEPT_DELIVERIES = timedelta(days=90)
KEPT_RUNS = timedelta(days=365)


class State:
    """The open state file, and the books in it.

    Methods, and theirs, raise StateError when the file cannot be read or written.
    """

    def __init__(self, database: Database, deliveries: Book) -> None:
        self.database = database
        self.deliveries = deliveries
        self.bounces = BounceBook(database)
        self.orders = OrderBook(database)
        self.history = History(database)
        self.papers = book.PaperBook(database)
        self.shelf = Shelf(database)

    @staticmethod
    def open(path: Path) -> "FileState":
        """Open the state file, creating it where there is none; see `Database.open`."""
        return FileState.on(SqliteDatabase.open(path))

    @staticmethod
    def blank() -> "FileState":
        """Return a state that remembers nothing, as before the first run."""
        return FileState.on(SqliteDatabase.blank())

    def snapshot(self) -> "FileState":
        """Return a copy, gone when it is closed: what happens to it changes nothing on disk."""
        copy = SqliteDatabase.blank()
        self.database.copy_into(copy)
        return FileState.on(copy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.database.close()

    # What was announced

    def memory(self, keyword: Keyword, *, among: Collection[str] | None = None) -> Memory:
        """Return what was announced for a keyword so far: see `announced`."""
        announced = self.announced(keyword.name, among=among)
        for definition, since, last_good in self.database.rows(
            "select definition, since, last_good from keywords where name = ?", keyword.name
        ):
            former = book.keyword_from(definition)
            return Memory(
                announced=announced,
                since=moment_of(since),
                last_good=moment_of(last_good),
                former=former if former != keyword else None,
            )
        return Memory(announced=announced)

    def announced(self, name: str, *, among: Collection[str] | None = None) -> dict[str, int]:
        """Return the highest version announced of each paper, `among` some ids or of all ever.

        All are a million after some years; a run asks for those that a listing has.
        """
        if among is None:
            return dict(
                self.database.rows(
                    "select paper, max(version) from announced where keyword = ? group by paper",
                    name,
                )
            )
        return dict(
            self.database.rows(
                "select paper, max(version) from announced where keyword = ?"
                " and paper in (select value from json_each(?, '$')) group by paper",
                name,
                json_text([*among]),
            )
        )

    def trail(self, name: str) -> Trail | None:
        """Return where a keyword's windows have been, None before its first good answer."""
        for row in self.database.rows(
            "select since, last_good, last_sweep from keywords where name = ?", name
        ):
            since, last_good, last_sweep = map(moment_of, row)
            return Trail(since=since, last_good=last_good, last_sweep=last_sweep)
        return None

    def known(self, name: str, start: datetime) -> dict[str, datetime]:
        """Return the ids announced for a keyword and submitted from `start` on, with that time."""
        rows = self.database.rows(
            "select paper, submitted from announced where keyword = ? and submitted >= ?",
            name,
            iso(start),
        )
        return {paper: moment_of(submitted) for paper, submitted in rows}

    def held_since(self, name: str) -> datetime | None:
        """Return since when a surge of this keyword waits for confirmation."""
        for (since,) in self.database.rows("select since from held where keyword = ?", name):
            return moment_of(since)
        return None

    # A day

    def publish(
        self,
        issue: Issue,
        day: Day,
        owed: Iterable[Owed],
        readers: Iterable[Reader],
        *,
        weekly: bool,
        orders: Iterable[tuple[Owed, Worded]] = (),
    ) -> None:
        """Commit a day in one transaction: its papers are announced, its deliveries are owed.

        `readers` are all subscribers afterwards; `orders`, of some editions, are made within it.
        """
        with self.database.transaction() as db:
            db.execute(
                "insert into issues (number, date, opened, weekly) values (?, ?, ?, ?)",
                (issue.number, issue.date.isoformat(), iso(day.now), int(weekly)),
            )
            db.executemany(
                "insert into digests values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        issue.number,
                        position,
                        digest.keyword.name,
                        json_text(to_builtins(digest.keyword)),
                        digest.source,
                        digest.outcome,
                        digest.listed,
                        digest.since and iso(digest.since),
                        digest.reason,
                        json_text(digest.left_out),
                    )
                    for position, digest in enumerate(issue.digests)
                ],
            )
            _note_day(db, day, readers, issue=issue.number)
            self.orders.note(db, issue.number, orders)
            self.deliveries.owe(db, issue.number, owed, opened=day.now)

    def note(self, day: Day, readers: Iterable[Reader]) -> None:
        """Commit a day with nothing to publish: baselines, and that the source answered."""
        with self.database.transaction() as db:
            _note_day(db, day, readers, issue=None)

    def newest_issue(self, *, by: date = date.max) -> int:
        """Return the number of the newest issue of a day or before it, 0 before the first."""
        ((number,),) = self.database.rows(
            "select coalesce(max(number), 0) from issues where date <= ?", by.isoformat()
        )
        return int(number)

    def last_weekly(self) -> date | None:
        """Return the date of the last issue that weekly subscribers got, None before one."""
        for (day,) in self.database.rows(
            "select date from issues where weekly = 1 order by number desc limit 1"
        ):
            return date.fromisoformat(day)
        return None

    def first_day(self) -> date | None:
        """Return the date of the first issue, None before it."""
        ((day,),) = self.database.rows("select min(date) from issues")
        return date.fromisoformat(day) if day else None

    def announced_since(self, name: str, moment: datetime) -> int:
        """Count what issues opened from `moment` on announced for a keyword."""
        ((number,),) = self.database.rows(
            "select count(*) from announced join issues on number = issue"
            " where keyword = ? and opened >= ?",
            name,
            iso(moment),
        )
        return int(number)

    def news_in(self, *, after: int = 0) -> dict[str, int]:
        """Return, for each keyword, the last issue after one that announced something for it."""
        return dict(
            self.database.rows(
                "select keyword, max(issue) from announced where issue > ? group by keyword", after
            )
        )

    def issues(self, after: int, upto: int) -> list[Issue]:
        """Return the issues numbered after < number <= upto, oldest first, as they were opened."""
        rows = self.database.rows(
            "select number, date from issues where number > ? and number <= ? order by number",
            after,
            upto,
        )
        return [
            Issue(number=number, date=date.fromisoformat(day), digests=self._digests(number))
            for number, day in rows
        ]

    def _digests(self, issue: int) -> tuple[Digest, ...]:
        announcements: dict[str, list[Announcement]] = {}
        read = cache(book.paper_from)  # what many keywords announced is one paper, and is read once
        for keyword, kind, replaces, data in self.database.rows(
            "select keyword, kind, replaces, data from announced join papers"
            " on id = paper and papers.version = announced.version where issue = ?"
            " order by keyword, position",
            issue,
        ):
            found = Announcement(paper=read(data), kind=kind, replaces=replaces)
            announcements.setdefault(keyword, []).append(found)
        return tuple(
            Digest(
                keyword=book.keyword_from(definition),
                source=source,
                outcome=outcome,
                announcements=tuple(announcements.get(name, ())),
                listed=listed,
                since=moment_of(since) if since else None,
                reason=reason,
                left_out=json.loads(left_out),
            )
            for name, definition, source, outcome, listed, since, reason, left_out in (
                self.database.rows(
                    "select keyword, definition, source, outcome, listed, since, reason, left_out"
                    " from digests where issue = ? order by position",
                    issue,
                )
            )
        )

    # What is owed

    def claim(
        self, *, issue: int | None = None, late: bool | None = None, hold_unknown: bool = False
    ) -> Claim:
        """Claim for one delivery run what was taken up, or some of it: see `Book.claim`."""
        return self.deliveries.claim(issue=issue, late=late, hold_unknown=hold_unknown)

    def totals(self) -> Tally:
        """Count all deliveries there ever were, by status."""
        rows = self.database.rows(
            "select status, sum(number) from"
            " (select status, count(*) as number from deliveries group by status union all"
            " select status, sum(deliveries) from totals group by status) as every"
            " group by status"
        )
        return tally_of({status: int(number) for status, number in rows})

    # People

    def readers(self, *, page: int = 5_000) -> Iterator[Reader]:
        """Yield the list as the last run saw it, by address; before a new day is committed."""
        last = ""
        while rows := self.database.rows(
            "select * from readers where address > ? order by address limit ?", last, page
        ):
            yield from (Reader(address=who, fingerprint=f, covered=n) for who, f, n in rows)
            last = rows[-1][0]

    def recipients(self) -> Iterator[str]:
        """Yield every address that was on the list, then the few that were owed a mail before."""
        yield from (each.address for each in self.readers())
        few = "select recipient from deliveries except select address from readers"
        yield from (address for (address,) in self.database.rows(few))

    def forget(self, address: str, *, alias: str, now: datetime) -> int:
        """Put `alias` in the place of an address; what is outstanding is suppressed.

        Returns in how many deliveries it stood.
        """
        with self.database.transaction() as db:
            db.execute("delete from readers where lower(address) = lower(?)", (address,))
            db.execute("delete from bounces where lower(address) = lower(?)", (address,))
            db.execute("delete from orders where lower(recipient) = lower(?)", (address,))
            return self.deliveries.forget(db, address, alias=alias, now=now)

    # The whole

    def problems(self) -> list[str]:
        """Return whatever in the state does not fit together; empty if it is sound."""
        return self.database.problems(keyword=book.keyword_from, paper=book.paper_from)

    def prune(self, *, now: datetime) -> None:
        """Turn the ended deliveries of issues older than 90 days into totals; drop runs of a year.

        What was announced stays, and so does what is outstanding.
        """
        with self.database.transaction() as db:
            self.deliveries.prune(db, before=now - KEPT_DELIVERIES)
            self.orders.prune(db)
            db.execute("delete from runs where finished < ?", (iso(now - KEPT_RUNS),))


class FileState(State):
    """The state in an SQLite file."""

    database: SqliteDatabase
    deliveries: Deliveries

    @classmethod
    def on(cls, database: SqliteDatabase) -> Self:
        """Return the state in an open file."""
        return cls(database, Deliveries(database))

    def claim(
        self, *, issue: int | None = None, late: bool | None = None, hold_unknown: bool = False
    ) -> Ahead:
        """Claim what was taken up, or some of it, and note intents ahead: see `Ahead`."""
        return self.deliveries.claim(issue=issue, late=late, hold_unknown=hold_unknown)


def _note_day(db: Connection, day: Day, readers: Iterable[Reader], *, issue: int | None) -> None:
    known = [each for each in day.news if each.outcome != "unknown"]
    book.keep_known(db, known)
    for each in known:
        _note_answer(db, each, day, issue=issue)
    db.executemany(
        "insert into held values (?, ?)"
        " on conflict (keyword) do update set since = excluded.since"
        " where excluded.since < held.since",
        [(name, iso(day.now)) for name in day.held],
    )
    db.execute("delete from readers")
    db.executemany(
        "insert into readers values (?, ?, ?)",
        ((each.address, each.fingerprint, each.covered) for each in readers),
    )


def _note_answer(db: Connection, news: News, day: Day, *, issue: int | None) -> None:
    name = news.keyword.name
    db.execute(
        "insert into keywords values (:name, :definition, :start, :now, :now)"
        " on conflict (name) do update set definition = :definition,"
        " since = case when keywords.since < :start then keywords.since else :start end,"
        " last_good = :now,"
        # A clock that was put back must not wait for what it wrote when it was ahead.
        " last_sweep = case when :swept or keywords.last_sweep > :now then :now"
        " else keywords.last_sweep end",
        {
            "name": name,
            "definition": json_text(to_builtins(news.keyword)),
            "start": iso(day.windows[name]),
            "now": iso(day.now),
            "swept": name in day.swept,
        },
    )
    db.execute("delete from held where keyword = ?", (name,))
    book.note_announced(db, news, day, issue=issue)
