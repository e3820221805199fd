"""What a run did, as values: for the exit code, the report as JSON, and one line for people."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from msgspec import Struct, field

from newsletter.addresses import masked
from newsletter.errors import TEMPORARY, UNAVAILABLE, NewsletterError, most_serious
from newsletter.models import Changes, News, Tally
from newsletter.moments import iso
from newsletter.phrases import counted
from newsletter.prose import said


class PublishedIssue(Struct, frozen=True, kw_only=True):
    """The issue a run opened; `papers` counts each paper once."""

    number: int
    date: date
    papers: int


class Inbox(Struct, frozen=True, kw_only=True):
    """How many mails a run read, put aside for a person and left in the inbox, these by reason."""

    read: int = 0
    put_aside: Mapping[str, int] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)


class Report(Struct, frozen=True, kw_only=True):
    """What a run did. `troubles` did not keep it from ending.

    What is outstanding is somebody else's to send where it was `handed_over`.
    """

    run: datetime
    finished: datetime
    news: tuple[News, ...] = ()
    issue: PublishedIssue | None = None
    deliveries: Tally = field(default_factory=Tally)
    requests: int = 0
    list_changes: Changes = field(default_factory=Changes)
    handed_over: bool = False
    inbox: Inbox = field(default_factory=Inbox)
    troubles: tuple[NewsletterError, ...] = ()

    @property
    def exit_code(self) -> int:
        """Return 0 when nothing is outstanding or expired, and every keyword answered in full."""
        left = 0 if self.handed_over else self.deliveries.outstanding
        unanswered = any(each.outcome == "unknown" or each.unread for each in self.news)
        return most_serious(
            [
                *(each.exit_code for each in self.troubles),
                UNAVAILABLE if unanswered else 0,
                TEMPORARY if left or self.deliveries.expired else 0,
            ]
        )


def as_json(report: Report) -> dict[str, Any]:
    """Return the run report in the documented shape, ready for json.dumps.

    `troubles` says what went wrong and did not keep the run from ending, addresses masked; it is
    left out where nothing did.
    A keyword has `left_out`, papers by exclusion, only where an exclusion took some. `inbox` counts
    the mails that were read, those put aside for a person and those left there, by reason; it is
    left out where there were none.
    """
    tally = report.deliveries
    inbox = report.inbox
    return {
        "run": iso(report.run),
        "finished": iso(report.finished),
        "exit": report.exit_code,
        "keywords": [
            {
                "name": each.keyword.name,
                "outcome": each.outcome,
                "announced": len(each.announcements),
                "listed": each.listed,
                "reason": each.reason,
            }
            | ({"left_out": dict(each.left_out)} if each.left_out else {})
            for each in report.news
        ],
        "issue": report.issue
        and {
            "number": report.issue.number,
            "date": report.issue.date.isoformat(),
            "papers": report.issue.papers,
        },
        "deliveries": deliveries_json(tally),
        "requests": report.requests,
        **(
            {
                "inbox": {
                    "read": inbox.read,
                    "put_aside": dict(inbox.put_aside),
                    "left": dict(inbox.left),
                }
            }
            if inbox != Inbox()
            else {}
        ),
        **(
            {"troubles": [masked(said(str(each))) for each in report.troubles]}
            if report.troubles
            else {}
        ),
    }


def deliveries_json(tally: Tally) -> dict[str, int]:
    """Return how many deliveries there are by status, under the documented names."""
    return {
        "planned": tally.planned,
        "accepted": tally.accepted,
        "deferred": tally.deferred,
        "rejected": tally.rejected,
        "unknown": tally.unknown,
        "suppressed": tally.suppressed,
        "expired": tally.expired,
        "outstanding": tally.outstanding,
    }


def summary(report: Mapping[str, Any]) -> str:
    """Return the JSON report as one line for people."""
    deliveries = report["deliveries"]
    if report["keywords"]:
        parts = [_issue_words(report["issue"]), *_keyword_words(report["keywords"])]
        parts.append(_delivery_words(deliveries))
    else:  # what is new and what is owed was not found out, or not all of it
        parts = ["broken off", *([_delivery_words(deliveries)] if deliveries["planned"] else [])]
    parts += _inbox_words(report.get("inbox", {}))
    return "; ".join(parts) + f"; exit {report['exit']}"


def mails_summary(report: Mapping[str, Any]) -> str:
    """Return what became of the mails of the JSON report as one line for people."""
    return _delivery_words(report["deliveries"])


def brief(report: Mapping[str, Any]) -> str:
    """Return the JSON report in a few words, for a list of runs."""
    mails, keywords = report["deliveries"], report["keywords"]
    words = [_issue_words(report["issue"]) if keywords else "broken off"]
    if mails["planned"]:
        words.append(f"{mails['accepted']} of {counted(mails['planned'], 'mail')} accepted")
    if unknown := sum(each["outcome"] == "unknown" for each in keywords):
        words.append(f"{counted(unknown, 'keyword')} unknown")
    return "; ".join([*words, f"exit {report['exit']}"])


def list_summary(report: Report) -> str:
    """Return what changed on the list as one line for people."""
    list_ = report.list_changes
    mails = counted(report.deliveries.planned, "mail")
    return f"+{list_.added}, −{list_.removed}, {list_.changed} changed; {mails} today"


def _issue_words(issue: Mapping[str, Any] | None) -> str:
    if issue is None:
        return "no issue"
    return f"issue {issue['number']} with {counted(issue['papers'], 'paper')}"


def _keyword_words(keywords: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what became of the keywords; those without news that share an outcome in one."""
    names: dict[tuple[str, str], list[str]] = {}
    for each in keywords:
        apart = each["name"] if each["announced"] else ""
        names.setdefault((_outcome_words(each), apart), []).append(each["name"])
    return [f"{', '.join(shared)}: {words}" for (words, _), shared in names.items()]


def _outcome_words(keyword: Mapping[str, Any]) -> str:
    words: Sequence[str] = [keyword["outcome"]]
    if keyword["announced"]:
        words = [f"{keyword['announced']} announced"]
        if keyword["outcome"] == "baseline":
            words = [*words, "baseline"]
    words = [
        *words,
        *(f"{n} left out by {text}" for text, n in keyword.get("left_out", {}).items()),
    ]
    return ", ".join(words) + (f" ({keyword['reason']})" if keyword["reason"] else "")


def _inbox_words(inbox: Mapping[str, Any]) -> list[str]:
    """Return how many mails wait for a person or for the next run, and why."""
    named = {"put aside": inbox.get("put_aside"), "left in the inbox": inbox.get("left")}
    return [
        f"{counted(sum(why.values()), 'mail')} {what}"
        f" ({', '.join(f'{number} {reason}' for reason, number in why.items())})"
        for what, why in named.items()
        if why
    ]


def _delivery_words(deliveries: Mapping[str, int]) -> str:
    if not deliveries["planned"]:
        return "no mail was owed"
    shown = ("accepted", "rejected", "suppressed", "expired", "outstanding")
    words = [f"{deliveries[status]} {status}" for status in shown if deliveries[status]]
    return f"{counted(deliveries['planned'], 'mail')} owed: {', '.join(words)}"
