"""What came back: the mails that were read, and the bounces among them; it judges none of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from newsletter.models import Bounce, Mailing
from newsletter.moments import iso, moment_of
from newsletter.state.engines import Connection, Database, json_text


class BounceBook:
    """The bounces of a state file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mails_read(self, mailbox: str, mails: Sequence[str]) -> dict[str, str]:
        """Return what those of `mails` that were read before were taken for."""
        return dict(
            self._database.rows(
                "select mail, kind from mails_read where mailbox = ?"
                " and mail in (select value from json_each(?, '$'))",
                mailbox,
                json_text(mails),
            )
        )

    def note_mails(
        self, mailbox: str, kinds: Mapping[str, str], bounces: Iterable[Bounce], *, now: datetime
    ) -> None:
        """Note in one transaction that mails were read, and the bounces among them."""
        with self._database.transaction() as db:
            db.executemany(
                "insert into mails_read values (?, ?, ?, ?)"
                " on conflict (mailbox, mail)"
                " do update set kind = excluded.kind, noted = excluded.noted",
                [(mailbox, mail, kind, iso(now)) for mail, kind in kinds.items()],
            )
            _note_bounces(db, bounces, now)

    def note_begun(self, mailbox: str, mail: str, *, now: datetime) -> None:
        """Note that a mail is about to be read: one that ends the run is known by the next."""
        with self._database.transaction(lazy=True) as db:
            db.execute(
                "insert into mails_read values (?, ?, 'begun', ?) on conflict do nothing",
                (mailbox, mail, iso(now)),
            )

    def note_left(self, mailbox: str, mail: str) -> None:
        """Note that a mail was read, but not acted on: the next reading begins it anew."""
        with self._database.transaction() as db:
            db.execute(
                "delete from mails_read where mailbox = ? and mail = ? and kind = 'begun'",
                (mailbox, mail),
            )

    def note(self, bounces: Iterable[Bounce], *, now: datetime) -> None:
        """Note bounces; those of an issue that did not go to the address belong to its last one."""
        with self._database.transaction() as db:
            _note_bounces(db, bounces, now)

    def of_address(self, address: str) -> list[dict[str, str | int]]:
        """Return what came back from an address, by issue."""
        return [
            {"issue": issue, "kind": kind, "reply": reply, "noted": noted}
            for issue, kind, reply, noted in self._database.rows(
                "select issue, kind, reply, noted from bounces where lower(address) = lower(?)"
                " order by issue",
                address,
            )
        ]

    def unjudged(self) -> list[Bounce]:
        """Return the bounces that have not been decided about, oldest issue first."""
        return [
            Bounce(address=address, issue=issue, kind=kind, text=reply)
            for address, issue, kind, reply in self._database.rows(
                "select address, issue, kind, reply from bounces where judged = 0"
                " order by issue, address"
            )
        ]

    def note_judged(self, bounces: Iterable[Bounce]) -> None:
        """Note that bounces have been decided about."""
        with self._database.transaction() as db:
            db.executemany(
                "update bounces set judged = 1 where address = ? and issue = ?",
                [(each.address, each.issue) for each in bounces],
            )

    def returned(self, issue: int, *, since: datetime | None = None) -> list[str]:
        """Return the addresses that an issue came back from, or was refused for, in any way.

        With `since` those of whom that was noted then or later.
        """
        rows = self._database.rows(
            "select address from bounces where issue = ? and noted >= ? order by address",
            issue,
            iso(since) if since else "",
        )
        return [address for (address,) in rows]

    def issues_returned(self, *, after: datetime) -> list[int]:
        """Return the issues of which something was noted after a moment; 0 for no issue."""
        rows = self._database.rows(
            "select distinct issue from bounces where noted > ? order by issue", iso(after)
        )
        return [issue for (issue,) in rows]

    def last_reply(self, issue: int) -> str:
        """Return what was said of an issue last, empty for nothing."""
        rows = self._database.rows(
            "select reply from bounces where issue = ? order by noted desc, address limit 1", issue
        )
        return next((reply for (reply,) in rows), "")

    def reading(self) -> dict[str, int]:
        """Count those who were reading when the last run ended, by what follows the @."""
        return dict(
            self._database.rows(
                "select substr(address, instr(address, '@') + 1) as domain, count(*)"
                " from readers where covered is not null group by domain"
            )
        )

    def mailed(self, issue: int) -> dict[str, int]:
        """Count the recipients whose mails of an issue have left, by what follows the @."""
        return dict(
            self._database.rows(
                "select substr(recipient, instr(recipient, '@') + 1) as domain,"
                " count(distinct recipient) from mailed where issue = ? group by domain",
                issue,
            )
        )

    def mailings(self, address: str) -> list[Mailing]:
        """Return the issues that went to an address, oldest first, and what came back."""
        return [
            Mailing(issue=issue, opened=moment_of(opened), kind=kind)
            for issue, opened, kind in self._database.rows(
                "select number, opened, kind from issues left join bounces on issue = number"
                " and address = ? where exists (select 1 from mailed"
                " where mailed.issue = number and recipient = ?) order by number",
                address,
                address,
            )
        ]


def _note_bounces(db: Connection, bounces: Iterable[Bounce], now: datetime) -> None:
    for each in bounces:
        found = db.execute(
            "select number from issues"
            " where exists (select 1 from mailed where issue = number and recipient = ?)"
            " order by number = ? desc, number desc limit 1",
            (each.address, each.issue),
        ).fetchone()
        db.execute(
            "insert into bounces (address, issue, kind, reply, noted) values (?, ?, ?, ?, ?)"
            " on conflict (address, issue) do update"
            " set kind = excluded.kind, reply = excluded.reply, judged = 0"
            " where excluded.kind = 'dead' and bounces.kind <> 'dead'",
            (each.address, *(found or (0,)), each.kind, each.text, iso(now)),
        )
