"""How the runs ended, and when something was last said to somebody; it draws no conclusions."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from newsletter.moments import iso, moment_of
from newsletter.state.engines import Database, json_text


class PastRun(Struct, frozen=True, kw_only=True):
    """A run that ended: its exit code and its report as JSON."""

    started: datetime
    finished: datetime
    exit_code: int
    report: Mapping[str, Any]


class History:
    """The runs of a state, and its notes of what was said, so that nothing is said too often.

    A note is known by a name that whoever speaks gives it: a trouble that the operator was told of,
    or a reader by a keyed hash, who was answered.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_run(self, report: Mapping[str, Any]) -> None:
        """Note that a run ended, with its report as JSON."""
        with self._database.transaction() as db:
            db.execute(
                "insert into runs (started, finished, exit, report) values (?, ?, ?, ?)",
                (report["run"], report["finished"], report["exit"], json_text(report)),
            )

    def runs(self, *, limit: int, exit_code: int | None = None) -> list[PastRun]:
        """Return the last runs, or the last that ended with `exit_code`, newest first."""
        return [
            PastRun(
                started=moment_of(started),
                finished=moment_of(finished),
                exit_code=code,
                report=json.loads(report),
            )
            for started, finished, code, report in self._database.rows(
                "select started, finished, exit, report from runs where exit = coalesce(?, exit)"
                " order by id desc limit ?",
                exit_code,
                limit,
            )
        ]

    def last_told(self, name: str) -> datetime | None:
        """Return when something was last said, None if never."""
        for (told,) in self._database.rows("select told from alerts where trouble = ?", name):
            return moment_of(told)
        return None

    def note_told(self, names: Iterable[str], *, now: datetime) -> None:
        """Note that some things were said now."""
        with self._database.transaction() as db:
            db.executemany(
                "insert into alerts values (?, ?)"
                " on conflict (trouble) do update set told = excluded.told",
                [(each, iso(now)) for each in names],
            )
