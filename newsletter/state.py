"""The state file: what was announced, what is owed to whom, and what became of it.

One SQLite file, one process at a time. It knows no network and decides nothing: whole days are
committed in one transaction, and everything else is a question or a note of what happened.
"""

import fcntl
import json
import os
import re
import socket
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, ClassVar, Self

from newsletter import upkeep
from newsletter.bounces import Bounce, Mailing
from newsletter.diff import Memory, News
from newsletter.digest import Owed, Reader
from newsletter.errors import IO, PERMISSION, LockedError, StateError
from newsletter.models import (
    FINAL,
    Announcement,
    Delivery,
    DeliveryStatus,
    Digest,
    Issue,
    Keyword,
    Outcome,
    Paper,
)
from newsletter.report import Report, Tally, as_json, iso

APPLICATION_ID = 0x61724E4C  # "arNL": tells our files from other programs' SQLite files
SWEEP = timedelta(days=90)

_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """When a keyword was answered: where its windows have been."""

    since: datetime
    last_good: datetime
    last_sweep: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run that ended: its exit code and its report as JSON."""

    started: datetime
    finished: datetime
    exit_code: int
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What a run learned from arXiv.

    `windows` is where each keyword's window opened; `held` names the keywords whose surge waits
    for a later answer to confirm it.
    """

    now: datetime
    news: Sequence[News]
    windows: Mapping[str, datetime]
    held: Collection[str] = ()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other runs out for as long as the context lasts, by flock(2) beside the state file.

    Raises LockedError at once, saying who holds it. The lock dies with its process.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = lock.open("a+")
    except OSError as error:
        raise _cannot(lock, "cannot be opened", error) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            raise LockedError(lock, handle.read().strip() or "it has not said who it is") from error
        handle.truncate(0)
        started = iso(datetime.now(UTC))
        handle.write(f"process {os.getpid()} on {socket.gethostname()}, since {started}\n")
        handle.flush()
        try:
            yield
        finally:
            handle.truncate(0)


def holder(path: Path) -> str:
    """Return who holds the lock of a state file, as far as can be told without asking for it.

    Asking would send away a run that begins at the same moment. Empty where nobody does.
    """
    lock = path.with_name(path.name + ".lock")
    text = lock.read_text("utf-8", errors="replace").strip() if lock.exists() else ""
    found = re.match(r"process (\d+) on (.*), since ", text)
    if found and found[2] == socket.gethostname() and not _lives(int(found[1])):
        return ""  # it was killed, and its lock died with it
    return text


class State:
    """The open state file. Methods raise StateError when the file cannot be read or written.

    Each script of `migrations` brings the schema one version on, the first from 1 to 2; schema.sql
    is the newest. A file with an older schema is copied beside itself before it is changed.
    """

    migrations: ClassVar[Sequence[str]] = ()

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._lock = RLock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the state file, creating it where there is none.

        A new file is made beside its name and renamed, so that whatever stands there and is not a
        whole state file of ours is damage and raises StateError: it is never a first run.
        """
        try:
            if not path.exists():
                _create(path)
            with path.open("rb") as file:
                head = file.read(len(_MAGIC))
        except OSError as error:
            raise _cannot(path, "cannot be opened", error) from error
        if head != _MAGIC:
            raise _damaged(path, "it is empty" if not head else "it is not an SQLite file")
        state = cls(path, sqlite3.connect(path, isolation_level=None, check_same_thread=False))
        try:
            state._check()
        except BaseException:
            state.close()
            raise
        return state

    @classmethod
    def blank(cls) -> Self:
        """Return a state in memory that remembers nothing, as before the first run."""
        state = cls(Path(":memory:"), _in_memory())
        state._db.executescript(_schema())
        state._db.execute(_WORKED)
        return state

    def snapshot(self) -> "State":
        """Return a copy in memory: what happens to it changes nothing on disk."""
        copy = _in_memory()
        with self._guarded():
            self._db.backup(copy)
            copy.execute(_WORKED)
        return State(Path(":memory:"), copy)

    def close(self) -> None:
        """Close the file; whatever was committed stays."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # What was announced

    def memory(self, keyword: Keyword) -> Memory:
        """Return what was announced for a keyword so far."""
        announced = dict(
            self._rows(
                "select arxiv_id, max(version) from announced where keyword = ? group by arxiv_id",
                keyword.name,
            )
        )
        for definition, since, last_good in self._rows(
            "select definition, since, last_good from keywords where name = ?", keyword.name
        ):
            return Memory(
                announced=announced,
                since=_moment(since),
                last_good=_moment(last_good),
                redefined=definition != _json(asdict(keyword)),
            )
        return Memory(announced=announced)

    def trail(self, name: str) -> Trail | None:
        """Return where a keyword's windows have been, None before its first good answer."""
        for row in self._rows(
            "select since, last_good, last_sweep from keywords where name = ?", name
        ):
            since, last_good, last_sweep = map(_moment, row)
            return Trail(since=since, last_good=last_good, last_sweep=last_sweep)
        return None

    def known(self, name: str, start: datetime) -> dict[str, datetime]:
        """Return the ids announced for a keyword and submitted from `start` on, with that time."""
        rows = self._rows(
            "select arxiv_id, submitted from announced where keyword = ? and submitted >= ?",
            name,
            iso(start),
        )
        return {arxiv_id: _moment(submitted) for arxiv_id, submitted in rows}

    def held_since(self, name: str) -> datetime | None:
        """Return since when a surge of this keyword waits for confirmation."""
        for (since,) in self._rows("select since from held where keyword = ?", name):
            return _moment(since)
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
    ) -> None:
        """Commit a day in one transaction: its papers are announced, its deliveries are owed.

        `readers` are all subscribers, as they are once this issue is out.
        """
        opened = iso(day.now)
        with self._transaction() as db:
            db.execute(
                "insert into issues (number, date, opened, weekly) values (?, ?, ?, ?)",
                (issue.number, issue.date.isoformat(), opened, int(weekly)),
            )
            db.executemany(
                "insert into digests values (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        issue.number,
                        position,
                        digest.keyword.name,
                        _json(asdict(digest.keyword)),
                        digest.outcome,
                        digest.listed,
                        digest.since and iso(digest.since),
                        digest.reason,
                    )
                    for position, digest in enumerate(issue.digests)
                ],
            )
            _note_day(db, day, readers, issue=issue.number)
            db.executemany(
                "insert into deliveries (issue, after, recipient, keywords, format, changed)"
                " values (?, ?, ?, ?, ?, ?)",
                (
                    (
                        issue.number,
                        each.after,
                        each.recipient,
                        _json(each.keywords),
                        each.format,
                        opened,
                    )
                    for each in owed
                ),
            )

    def note(self, day: Day, readers: Iterable[Reader]) -> None:
        """Commit a day with nothing to publish: baselines, and that arXiv answered."""
        with self._transaction() as db:
            _note_day(db, day, readers, issue=None)

    def newest_issue(self) -> int:
        """Return the number of the newest issue, 0 before the first."""
        ((number,),) = self._rows("select coalesce(max(number), 0) from issues")
        return int(number)

    def last_weekly(self) -> date | None:
        """Return the date of the last issue that weekly subscribers got.

        Before the first one it is the day before the first issue, None where there is no issue.
        """
        ((day,),) = self._rows(
            "select coalesce((select date from issues where weekly order by number desc limit 1),"
            " (select date(min(date), '-1 day') from issues))"
        )
        return date.fromisoformat(day) if day else None

    def announced_since(self, name: str, moment: datetime) -> int:
        """Count what issues opened from `moment` on announced for a keyword."""
        ((number,),) = self._rows(
            "select count(*) from announced join issues on number = issue"
            " where keyword = ? and opened >= ?",
            name,
            iso(moment),
        )
        return int(number)

    def deliveries_of(self, issue: int) -> list[tuple[str, DeliveryStatus, int, str]]:
        """Return the deliveries of an issue as (recipient, status, attempts, reply)."""
        return self._rows(
            "select recipient, status, attempts, reply from deliveries where issue = ?"
            " order by recipient, keywords",
            issue,
        )

    def news_in(self) -> dict[str, int]:
        """Return, for each keyword, the last issue that announced something for it."""
        return dict(
            self._rows(
                "select keyword, max(issue) from announced where issue is not null group by keyword"
            )
        )

    def issues(self, *, after: int, upto: int) -> list[Issue]:
        """Return the issues numbered after < number <= upto, oldest first, as they were opened."""
        rows = self._rows(
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
        for keyword, kind, replaces, data in self._rows(
            "select keyword, kind, replaces, data from announced join papers"
            " using (arxiv_id, version) where issue = ? order by keyword, position",
            issue,
        ):
            found = Announcement(paper=_paper(data), kind=kind, replaces=replaces)
            announcements.setdefault(keyword, []).append(found)
        return tuple(
            Digest(
                keyword=_keyword(definition),
                outcome=outcome,
                announcements=tuple(announcements.get(name, ())),
                listed=listed,
                since=_moment(since) if since else None,
                reason=reason,
            )
            for name, definition, outcome, listed, since, reason in self._rows(
                "select keyword, definition, outcome, listed, since, reason from digests"
                " where issue = ? order by position",
                issue,
            )
        )

    # Readers

    def readers(self) -> dict[str, Reader]:
        """Return the list as the last run saw it, by address."""
        return {
            address: Reader(address=address, fingerprint=fingerprint, covered=covered)
            for address, fingerprint, covered in self._rows("select * from readers")
        }

    # Deliveries

    def take_up(self, *, now: datetime, max_age: timedelta) -> None:
        """Begin to work on everything that is outstanding; the tally counts it from here on.

        What was under way when an earlier run ended becomes `unknown`; what belongs to an issue
        older than `max_age` expires.
        """
        with self._transaction() as db:
            db.execute(
                "insert or ignore into worked (delivery) select id from outstanding"
                " order by issue, after, keywords, format, id"
            )
            db.execute(
                "update deliveries set status = 'unknown', changed = ?,"
                " reply = 'the run ended before the server answered' where status = 'sending'",
                (iso(now),),
            )
            db.execute(
                "update deliveries set status = 'expired', changed = ? where id in ("
                "select id from outstanding join issues on number = issue where opened < ?)",
                (iso(now), iso(now - max_age)),
            )

    def awaiting(self) -> list[str]:
        """Return everybody who is owed something."""
        return [address for (address,) in self._rows("select distinct recipient from outstanding")]

    def withdraw(self, recipients: Iterable[str], reason: str, *, now: datetime) -> None:
        """Suppress what is owed to some recipients."""
        with self._transaction() as db:
            db.executemany(
                "update deliveries set status = 'suppressed', changed = ?, reply = ?"
                " where id in (select id from outstanding where recipient = ?)",
                [(iso(now), reason, each) for each in recipients],
            )

    def outstanding(
        self, *, issue: int | None = None, hold_unknown: bool = False
    ) -> Iterator[Delivery]:
        """Yield what was taken up and is still owed, those that share an edition together.

        Each is yielded once; outcomes may be committed meanwhile.
        """
        position = 0
        while True:
            rows = self._rows(
                "select position, id, issue, after, recipient, keywords, format, status, attempts"
                " from worked join outstanding on id = delivery"
                " where position > ? and issue = coalesce(?, issue)"
                " and not (? and status = 'unknown') order by position limit 500",
                position,
                issue,
                hold_unknown,
            )
            if not rows:
                return
            yield from (_delivery(row[1:]) for row in rows)
            position = rows[-1][0]

    def commit(
        self, outcomes: Mapping[int, Outcome], intents: Collection[int], *, now: datetime
    ) -> None:
        """Note outcomes, and what is about to leave, in one durable transaction."""
        changed = iso(now)
        with self._transaction() as db:
            db.executemany(
                "update deliveries set status = ?, code = ?, reply = ?, changed = ? where id = ?",
                [
                    (each.status, each.code, each.text, changed, delivery)
                    for delivery, each in outcomes.items()
                ],
            )
            db.executemany(
                "update deliveries set status = 'sending', attempts = attempts + 1, changed = ?"
                " where id = ?",
                [(changed, delivery) for delivery in intents],
            )

    def failed_to_compose(self, delivery: int, reason: str, *, now: datetime) -> int:
        """Count that a message could not be composed; return how often that happened."""
        with self._transaction() as db:
            ((failures,),) = db.execute(
                "update deliveries set failures = failures + 1, status = 'deferred', reply = ?,"
                " changed = ? where id = ? returning failures",
                (reason, iso(now), delivery),
            ).fetchall()
        return int(failures)

    def tally(self) -> Tally:
        """Count by status the deliveries that were taken up since the file was opened."""
        counts: dict[str, int] = dict(
            self._rows(
                "select status, count(*) from worked join deliveries on id = delivery"
                " group by status"
            )
        )
        outstanding = sum(number for status, number in counts.items() if status not in FINAL)
        return Tally(
            **{status: counts.get(status, 0) for status in (*FINAL, "deferred", "unknown")},
            outstanding=outstanding,
        )

    def accepted_since(self, moment: datetime, *, upto: datetime) -> int:
        """Count what servers accepted in a span, for a rate that holds across runs."""
        ((number,),) = self._rows(
            "select count(*) from deliveries where status = 'accepted' and changed between ? and ?",
            iso(moment),
            iso(upto),
        )
        return int(number)

    def deliveries_to(self, address: str, *, limit: int = 10) -> list[tuple[int, str, str, str]]:
        """Return the last deliveries to an address as (issue, date, status, reply)."""
        return self._rows(
            "select issue, date, status, reply from deliveries join issues on number = issue"
            " where lower(recipient) = lower(?) order by id desc limit ?",
            address,
            limit,
        )

    def forget(self, address: str, *, alias: str, now: datetime) -> int:
        """Put `alias` in the place of an address; what is outstanding is suppressed.

        Returns in how many deliveries it stood.
        """
        with self._transaction() as db:
            db.execute("delete from readers where lower(address) = lower(?)", (address,))
            db.execute("delete from bounces where lower(address) = lower(?)", (address,))
            db.execute(
                "update deliveries set status = 'suppressed', changed = ?"
                " where id in (select id from outstanding where lower(recipient) = lower(?))",
                (iso(now), address),
            )
            changed = db.execute(
                "update deliveries set recipient = ?, reply = '' where lower(recipient) = lower(?)",
                (alias, address),
            )
        return changed.rowcount

    def waiting(self) -> list[tuple[int, DeliveryStatus, str, int]]:
        """Return what is outstanding as (issue, status, last reply, how many)."""
        return self._rows(
            "select issue, status, reply, count(*) from outstanding"
            " group by issue, status, reply order by issue, status, reply"
        )

    # Bounces

    def recipients(self) -> list[str]:
        """Return every address that is on the list or has ever been owed a mail."""
        rows = self._rows("select address from readers union select recipient from deliveries")
        return [address for (address,) in rows]

    def mails_read(self, mailbox: str, mails: Sequence[str]) -> dict[str, str]:
        """Return what those of `mails` that were read before were taken for."""
        return dict(
            self._rows(
                "select mail, kind from mails_read where mailbox = ?"
                " and mail in (select value from json_each(?))",
                mailbox,
                _json(mails),
            )
        )

    def note_mails(
        self, mailbox: str, kinds: Mapping[str, str], bounces: Iterable[Bounce], *, now: datetime
    ) -> None:
        """Note in one transaction that mails were read, and the bounces among them."""
        with self._transaction() as db:
            db.executemany(
                "insert into mails_read values (?, ?, ?, ?)",
                [(mailbox, mail, kind, iso(now)) for mail, kind in kinds.items()],
            )
            _note_bounces(db, bounces, now)

    def note_bounces(self, bounces: Iterable[Bounce], *, now: datetime) -> None:
        """Note bounces; those of an issue that did not go to the address belong to its last one."""
        with self._transaction() as db:
            _note_bounces(db, bounces, now)

    def rejections(self) -> list[tuple[str, int, str]]:
        """Return what servers refused since the file was opened as (address, issue, reply)."""
        return self._rows(
            "select recipient, issue, code || ' ' || reply from worked"
            " join deliveries on id = delivery where status = 'rejected' and code >= 500"
        )

    def unjudged(self) -> list[Bounce]:
        """Return the bounces that have not been decided about, oldest issue first."""
        return [
            Bounce(address=address, issue=issue, kind=kind, text=reply)
            for address, issue, kind, reply in self._rows(
                "select address, issue, kind, reply from bounces where not judged"
                " order by issue, address"
            )
        ]

    def note_judged(self, bounces: Iterable[Bounce]) -> None:
        """Note that bounces have been decided about."""
        with self._transaction() as db:
            db.executemany(
                "update bounces set judged = 1 where address = ? and issue = ?",
                [(each.address, each.issue) for each in bounces],
            )

    def hard_bounces(self, issue: int) -> list[str]:
        """Return the addresses that an issue came back from for good, or was refused for."""
        rows = self._rows(
            "select address from bounces where issue = ? and kind <> 'soft' order by address", issue
        )
        return [address for (address,) in rows]

    def mailed(self, issue: int) -> int:
        """Count the recipients whose mails of an issue have left."""
        ((number,),) = self._rows(
            "select count(distinct recipient) from mailed where issue = ?", issue
        )
        return int(number)

    def mailings(self, address: str) -> list[Mailing]:
        """Return the issues that went to an address, oldest first, and what came back."""
        return [
            Mailing(opened=_moment(opened), kind=kind)
            for opened, kind in self._rows(
                "select opened, kind from issues left join bounces on issue = number"
                " and address = ? where exists (select 1 from mailed"
                " where mailed.issue = number and recipient = ?) order by number",
                address,
                address,
            )
        ]

    # Runs

    def record_run(self, report: Report) -> None:
        """Note that a run ended, with its report."""
        with self._transaction() as db:
            db.execute(
                "insert into runs (started, finished, exit, report) values (?, ?, ?, ?)",
                (
                    iso(report.run),
                    iso(report.finished),
                    report.exit_code,
                    _json(as_json(report)),
                ),
            )

    def runs(self, *, limit: int, exit_code: int | None = None) -> list[PastRun]:
        """Return the last runs, or the last that ended with `exit_code`, newest first."""
        return [
            PastRun(
                started=_moment(started),
                finished=_moment(finished),
                exit_code=code,
                report=json.loads(report),
            )
            for started, finished, code, report in self._rows(
                "select started, finished, exit, report from runs where exit = coalesce(?, exit)"
                " order by id desc limit ?",
                exit_code,
                limit,
            )
        ]

    def expired_since(self, moment: datetime) -> int:
        """Count the deliveries that expired after `moment`."""
        ((number,),) = self._rows(
            "select count(*) from deliveries where status = 'expired' and changed > ?", iso(moment)
        )
        return int(number)

    def last_told(self, trouble: str) -> datetime | None:
        """Return when the operator was last told of a trouble, None if never."""
        for (told,) in self._rows("select told from alerts where trouble = ?", trouble):
            return _moment(told)
        return None

    def note_told(self, troubles: Iterable[str], *, now: datetime) -> None:
        """Note that the operator was told of some troubles."""
        with self._transaction() as db:
            db.executemany(
                "insert into alerts values (?, ?) on conflict do update set told = excluded.told",
                [(each, iso(now)) for each in troubles],
            )

    # The file

    def backup(self, target: Path) -> None:
        """Copy the whole file into `target`, which must not exist yet."""
        with self._guarded():
            try:
                upkeep.copy(self._db, target)
            except OSError as error:
                raise _cannot(target, "no backup can be written there", error) from error

    def problems(self) -> list[str]:
        """Return whatever in the file does not fit together; empty if it is sound."""
        with self._guarded():
            return upkeep.problems(self._db)

    def prune(self, *, now: datetime) -> None:
        """Turn the ended deliveries of issues older than 90 days into totals; drop old runs."""
        with self._transaction() as db:
            upkeep.prune(db, now)

    def totals(self, issue: int) -> dict[DeliveryStatus, int]:
        """Return how many deliveries of an issue were turned into totals, by status."""
        return dict(self._rows("select status, deliveries from totals where issue = ?", issue))

    def _check(self) -> None:
        """Make sure that this is a whole state file of ours, and make it ready."""
        try:
            self._db.execute("pragma busy_timeout = 5000")
            ((application,),) = self._db.execute("pragma application_id")
            ((version,),) = self._db.execute("pragma user_version")
            ((found,),) = self._db.execute("pragma quick_check(1)")
        except sqlite3.OperationalError as error:
            raise _cannot(self.path, "cannot be opened", error) from error
        except sqlite3.Error as error:
            raise _damaged(self.path, str(error)) from error
        if application != APPLICATION_ID:
            raise _damaged(self.path, "it belongs to another program")
        newest = 1 + len(self.migrations)
        if version > newest:
            raise StateError(
                self.path,
                f"written by a newer version of this program (schema {version}, this one knows"
                f" {newest}); install that version again, or restore a backup",
            )
        if found != "ok":
            raise _damaged(self.path, str(found))
        if version < newest:
            moment = datetime.now(UTC)
            self.backup(self.path.with_name(f"{self.path.name}.backup-v{version}-{stamp(moment)}"))
        with self._guarded():
            if version < newest:
                upkeep.migrate(self._db, self.migrations, version=version)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            # A short log is overwritten, not extended, which is what takes a commit its time.
            self._db.execute("pragma wal_autocheckpoint = 100")
            self._db.execute("pragma foreign_keys = on")
            self._db.execute(_WORKED)

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with self._guarded():
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guarded():
            self._db.execute("begin immediate")
            try:
                yield self._db
            except BaseException:
                self._db.rollback()
                raise
            self._db.execute("commit")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise _cannot(self.path, "cannot be read or written", error) from error


# What this process works on, in the order of sending; dies with the connection.
_WORKED = """
create temp table worked (position integer primary key, delivery integer not null unique)
"""


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it is somebody else's
    return True


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(draft)) as db:
            db.executescript(_schema())
    except sqlite3.Error as error:
        raise _cannot(path, "cannot be created", error) from error
    draft.replace(path)


def _in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def _schema() -> str:
    tables = resources.files("newsletter").joinpath("schema.sql").read_text("utf-8")
    version = 1 + len(State.migrations)
    marks = f"pragma application_id = {APPLICATION_ID}; pragma user_version = {version};"
    return f"begin; {tables} {marks} commit;"


def _note_day(
    db: sqlite3.Connection, day: Day, readers: Iterable[Reader], *, issue: int | None
) -> None:
    for each in day.news:
        if each.outcome != "unknown":
            _note_answer(db, each, day.windows[each.keyword.name], issue=issue, now=day.now)
    db.executemany(
        "insert into held values (?, ?)"
        " on conflict do update set since = min(since, excluded.since)",
        [(name, iso(day.now)) for name in day.held],
    )
    db.execute("delete from readers")
    db.executemany(
        "insert into readers values (?, ?, ?)",
        ((each.address, each.fingerprint, each.covered) for each in readers),
    )


def _note_answer(
    db: sqlite3.Connection, news: News, start: datetime, *, issue: int | None, now: datetime
) -> None:
    name = news.keyword.name
    db.execute(
        "insert into keywords values (:name, :definition, :start, :now, :now)"
        " on conflict (name) do update set definition = :definition,"
        " since = min(since, :start), last_good = :now,"
        # A clock that was put back must not wait for what it wrote when it was ahead.
        " last_sweep = iif(:swept, :now, min(last_sweep, :now))",
        {
            "name": name,
            "definition": _json(asdict(news.keyword)),
            "start": iso(start),
            "now": iso(now),
            "swept": start <= now - SWEEP,
        },
    )
    db.execute("delete from held where keyword = ?", (name,))
    db.executemany(
        "insert or ignore into announced (keyword, arxiv_id, version, submitted, kind)"
        " values (?, ?, ?, ?, 'baseline')",
        [(name, p.arxiv_id, p.version, iso(p.submitted)) for p in news.recorded],
    )
    for position, announcement in enumerate(news.announcements):
        paper = announcement.paper
        key = (paper.arxiv_id, paper.version)
        db.execute("insert or ignore into papers values (?, ?, ?)", (*key, _paper_json(paper)))
        db.execute(
            "insert into announced values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                name,
                *key,
                iso(paper.submitted),
                announcement.kind,
                announcement.replaces,
                issue,
                position,
            ),
        )


def _note_bounces(db: sqlite3.Connection, bounces: Iterable[Bounce], now: datetime) -> None:
    for each in bounces:
        found = db.execute(
            "select number from issues"
            " where exists (select 1 from mailed where issue = number and recipient = ?)"
            " order by number = ? desc, number desc limit 1",
            (each.address, each.issue),
        ).fetchone()
        db.execute(
            "insert into bounces (address, issue, kind, reply, noted) values (?, ?, ?, ?, ?)"
            " on conflict do update set kind = excluded.kind, reply = excluded.reply, judged = 0"
            " where excluded.kind = 'dead' and kind <> 'dead'",
            (each.address, *(found or (0,)), each.kind, each.text, iso(now)),
        )


def _delivery(row: Sequence[Any]) -> Delivery:
    id_, issue, after, recipient, keywords, format_, status, attempts = row
    return Delivery(
        id=id_,
        issue=issue,
        after=after,
        recipient=recipient,
        keywords=tuple(json.loads(keywords)),
        format=format_,
        status=status,
        attempts=attempts,
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _keyword(text: str) -> Keyword:
    fields = json.loads(text)
    return Keyword(**fields | {name: tuple(fields[name]) for name in ("categories", "authors")})


def _paper_json(paper: Paper) -> str:
    return _json(asdict(paper) | {"submitted": iso(paper.submitted), "updated": iso(paper.updated)})


def _paper(text: str) -> Paper:
    fields = json.loads(text)
    lists = {name: tuple(fields[name]) for name in ("authors", "categories")}
    times = {name: _moment(fields[name]) for name in ("submitted", "updated")}
    return Paper(**fields | lists | times)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def stamp(moment: datetime) -> str:
    """Return a moment in UTC as it stands in file names."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _damaged(path: Path, what: str) -> StateError:
    return StateError(
        path,
        f"is damaged ({what}). Nothing was sent and nothing was changed. Restore a backup of it;"
        " only if you have none, move it away: the next run then takes a new baseline",
    )


def _cannot(path: Path, what: str, error: Exception) -> StateError:
    denied = isinstance(error, PermissionError) or "readonly" in str(error)
    return StateError(
        path,
        f"{what}: {error}" + ("; give this user the right to write there" if denied else ""),
        exit_code=PERMISSION if denied else IO,
    )
