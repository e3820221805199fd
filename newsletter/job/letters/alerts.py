"""Write to the operator about trouble that lasts. It stands beside the ledger, and never in it."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from newsletter.addresses import bare
from newsletter.errors import NewsletterError, TransportError
from newsletter.job.mailroom import Aside
from newsletter.job.report import Report
from newsletter.models import Masthead, Outgoing, Transport
from newsletter.numbers import alert_number
from newsletter.phrases import counted
from newsletter.returns.bounces import masses
from newsletter.state.runs import History
from newsletter.state.state import State

UNANSWERED_DAYS = 2

# How far back expired deliveries and masses of bounces are looked for: the mail server that let
# them expire may take no alert either, for days.
_REMEMBERED = timedelta(days=7)

_log = logging.getLogger(__name__)


class Trouble(Struct, frozen=True, kw_only=True):
    """What the operator should know; `name` stays the same for as long as the trouble lasts."""

    name: str
    text: str


def tell(
    report: Report, to: str, *, masthead: Masthead, state: State, transport: Transport
) -> None:
    """Write to `to` about every trouble that was not written about today.

    A letter that cannot leave is logged, not raised (NewsletterError), and tried again after the
    next run. Where the mail server itself could not be used, none is tried.
    """
    if any(isinstance(each, TransportError) and each.about == "server" for each in report.troubles):
        return
    try:
        _tell(report, to, masthead=masthead, state=state, transport=transport)
    except NewsletterError as error:
        _log.warning("monitoring.alert_to: no alert could be sent: %s", error)


def troubles(report: Report, state: State) -> list[Trouble]:
    """Return what a person should see to.

    Keywords that were not answered for two days, what a mail server refuses, issues of which a mass
    came back, and deliveries that expired.
    """
    now = report.run
    found = [
        Trouble(name=each.about, text=str(each))
        for each in report.troubles
        if isinstance(each, TransportError)
    ]
    for each in report.news:
        if each.outcome == "unknown":
            days = (now.date() - _last_answer(each.keyword.name, state, now).date()).days
            if days >= UNANSWERED_DAYS:
                text = f"{each.keyword.name}: unknown for {days} days ({each.reason})"
                found.append(Trouble(name=f"unknown {each.keyword.name}", text=text))
    after = _untold_since("mass", state, now)
    if of_issues := masses(state.bounces, after=after, now=now):
        found.append(Trouble(name="mass", text="; ".join(map(str, of_issues))))
    if expired := state.deliveries.expired_since(_untold_since("expired", state, now)):
        text = f"{counted(expired, 'mail')} could not leave in time and expired"
        found.append(Trouble(name="expired", text=text))
    return found


def _tell(
    report: Report, to: str, *, masthead: Masthead, state: State, transport: Transport
) -> None:
    due = [
        each for each in troubles(report, state) if not _told_today(each, state.history, report.run)
    ]
    if not due:
        return
    aside = Aside()
    transport.send(iter([_letter(due, to, masthead, now=report.run)]), aside)
    if aside.outcome().status == "accepted":
        state.history.note_told([each.name for each in due], now=report.run)
    else:
        _log.warning("monitoring.alert_to: the alert was not accepted: %s", aside.outcome().text)


def _untold_since(trouble: str, state: State, now: datetime) -> datetime:
    """Return after when the operator does not know of a trouble that is over, but not mended."""
    return max(state.history.last_told(trouble) or now - _REMEMBERED, now - _REMEMBERED)


def _last_answer(keyword: str, state: State, now: datetime) -> datetime:
    """Return when arXiv last answered; for a keyword never answered, when it was first asked."""
    if trail := state.trail(keyword):
        return trail.last_good
    asked = (
        run.started
        for run in state.history.runs(limit=100)
        if any(each["name"] == keyword for each in run.report["keywords"])
    )
    return min(asked, default=now)


def _told_today(trouble: Trouble, history: History, now: datetime) -> bool:
    # By the date, not after 24 hours: no two runs begin at the same second of the day.
    told = history.last_told(trouble.name)
    return told is not None and told.date() == now.date()


def _letter(due: Sequence[Trouble], to: str, masthead: Masthead, *, now: datetime) -> Outgoing:
    from newsletter.job.letters.letter import letter  # most days have no trouble

    lines = [f"- {each.text}" for each in due]
    return letter(
        masthead,
        to,
        number=alert_number(now.date(), to, [each.name for each in due]),
        subject=f"{masthead.title}: {counted(len(due), 'trouble')}",
        text="\n".join([*lines, "", "`newsletter status` says more.", ""]),
        now=now,
        headers={"Auto-Submitted": "auto-generated"},
        envelope_sender=bare(masthead.sender),
    )
