"""How the runs ended, and what the operator was told of them; it draws no conclusions."""

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
    """The runs and alerts of a state file."""

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

    def last_told(self, trouble: str) -> datetime | None:
        """Return when the operator was last told of a trouble, None if never."""
        for (told,) in self._database.rows("select told from alerts where trouble = ?", trouble):
            return moment_of(told)
        return None

    def note_told(self, troubles: Iterable[str], *, now: datetime) -> None:
        """Note that the operator was told of some troubles."""
        with self._database.transaction() as db:
            db.executemany(
                "insert into alerts values (?, ?)"
                " on conflict (trouble) do update set told = excluded.told",
                [(each, iso(now)) for each in troubles],
            )
