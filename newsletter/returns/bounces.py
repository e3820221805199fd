"""Say what a bounce means, and who is to be suppressed for it. Pure; it looks nothing up."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import Message
from email.utils import parseaddr
from typing import Literal

from flufl.bounce import all_failures

from newsletter.models import BounceKind, Mailing
from newsletter.numbers import issue_of
from newsletter.returns.parsing import blocks, field, parts, text_of, texts

ROW = 5
ROW_SPAN = timedelta(days=14)
MASS = 5
MASS_SHARE = 0.2

_MAX_TEXT = 300
_STATUS = re.compile(r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?!\.?\d)")
_CODE = re.compile(r"(?<![\d.:+-])[45]\d\d(?=[ -])")

# Enhanced status codes (RFC 3463 and its registry), the longest match counts.
_BY_STATUS: dict[str, BounceKind] = {
    "4": "soft",
    "4.7": "ours",
    "5.1": "soft",
    "5.1.1": "dead",
    "5.1.2": "dead",
    "5.1.3": "dead",
    "5.1.6": "dead",
    "5.1.7": "ours",  # 5.1.7 and 5.1.8 are about the sender's address
    "5.1.8": "ours",
    "5.1.10": "dead",
    "5.2": "soft",
    "5.2.1": "dead",
    "5.2.3": "ours",  # too long for this mailbox
    "5.3": "soft",
    "5.3.4": "ours",
    "5.4": "soft",
    "5.4.5": "ours",  # our daily limit
    "5.5": "ours",
    "5.6": "ours",
    "5.7": "ours",
}
# Of replies without one (RFC 5321 4.2.3, RFC 7504): these may be about the address, or about us.
_SILENT_CODES = {"521", "550", "551", "553", "556"}
_NOBODY_THERE = re.compile(
    r"(unknown|no such|invalid) (local )?(user|recipient|mailbox|account)\b"
    r"|\b(user|recipient|mailbox|account) (is )?(unknown|not found)"
    r"|\bno mailbox here\b",
    re.IGNORECASE,
)

# RFC 3464, and RFC 6533 for addresses in other letters.
_REPORTS = {"message/delivery-status", "message/global-delivery-status"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a mail did not reach its recipient; `issue` is 0 where the bounce does not tell."""

    kind: BounceKind
    text: str
    issue: int = 0


def classify(text: str) -> BounceKind:
    """Return what a failure is about, from an SMTP reply or whatever words came with it.

    The first enhanced status that says more than `5.0.0` decides; then the reply code; then, where
    neither tells, phrases that servers use for an address that does not exist.
    """
    for status in _STATUS.findall(text):
        first, second, _ = status.split(".")
        for known in (status, f"{first}.{second}", first):
            if known in _BY_STATUS:
                return _BY_STATUS[known]
    code = _CODE.search(text)
    if code and (code[0] == "552" or code[0].startswith("4")):
        return "soft"
    if code and code[0] not in _SILENT_CODES:
        return "ours"
    return "dead" if _NOBODY_THERE.search(text) else "unknown"


def reported(mail: Message, raw: bytes) -> Failure | Literal["passing"] | None:
    """Return what a mail reports: a failure, a passing matter such as a delay, or None for neither.

    `raw` is what `mail` was read from. Reports are those of RFC 3464; other shapes count only where
    a mail system is the sender, because anybody may quote a bounce.
    """
    report = next((part for part in parts(mail) if part.get_content_type() in _REPORTS), None)
    if report:
        return _of_report(report, raw)
    if not by_a_mail_system(mail):
        return None
    passing, failed = _recipients(mail)
    if not failed:
        return "passing" if passing else None
    said = _said(mail)
    # What the server said comes last.
    return Failure(kind=classify(said), text=said[-_MAX_TEXT:], issue=issue_of(_ascii(raw)))


def by_a_mail_system(mail: Message) -> bool:
    """Return whether a mail says that no person wrote it but the program that carries mails."""
    sender = parseaddr(str(mail.get("From", "")))[1].lower()
    return sender.startswith(("mailer-daemon", "postmaster"))


def suppresses(kind: BounceKind, history: Sequence[Mailing]) -> bool:
    """Return whether a bounce that came just now ends the mails to its address.

    A dead address is suppressed at once, one that fails for a while after ROW issues in a row over
    at least ROW_SPAN. `history` is every issue that went there, oldest first. What was refused
    because of us neither counts nor breaks the row.
    """
    if kind != "soft":
        return kind == "dead"
    told = [each for each in history if each.kind not in {"ours", "unknown"}]
    while told and told[-1].kind is None:
        told.pop()  # too young to have come back
    row: list[Mailing] = []
    while told and told[-1].kind is not None:
        row.append(told.pop())
    return len(row) >= ROW and row[0].opened - row[-1].opened >= ROW_SPAN


def is_mass(returned: int, recipients: int) -> bool:
    """Return whether so many bounces of one issue say more about us than about the people."""
    return returned >= MASS and returned > MASS_SHARE * recipients


def in_mass(returned: Collection[str], mailed: Mapping[str, int]) -> frozenset[str]:
    """Return those of the addresses an issue came back from whose bounces say more about us.

    That is all of them where they are a mass of its recipients, for whatever reasons they did not
    get it, a full mailbox too; else those at the domains where they are. `mailed` counts the
    recipients by domain.
    """
    if is_mass(len(returned), sum(mailed.values())):
        return frozenset(returned)
    at = Counter(map(domain_of, returned))
    domains = {each for each, number in at.items() if is_mass(number, mailed.get(each, 0))}
    return frozenset(each for each in returned if domain_of(each) in domains)


def without_mass(history: Sequence[Mailing], mass: Collection[int]) -> list[Mailing]:
    """Return a history in which what came back of the issues in `mass` is about us."""
    return [
        replace(each, kind="ours") if each.kind and each.issue in mass else each for each in history
    ]


def domain_of(address: str) -> str:
    """Return what follows the @."""
    return address.rpartition("@")[2]


def _of_report(report: Message, raw: bytes) -> Failure | Literal["passing"] | None:
    groups = list(blocks(report))
    actions = [field(each, "Action").lower() for each in groups]
    for block, action in zip(groups, actions, strict=True):
        # "error" is OpenSMTPD's word; delayed, delivered, relayed and expanded are no failures.
        if action.startswith(("fail", "error")):
            text = f"{field(block, 'Status')} {field(block, 'Diagnostic-Code')}"
            envelopes = " ".join(field(each, "Original-Envelope-Id") for each in groups)
            issue = issue_of(envelopes) or issue_of(_ascii(raw))
            return Failure(kind=classify(text), text=text[:_MAX_TEXT], issue=issue)
    return "passing" if any(actions) else None


def _recipients(mail: Message) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Return whom a mail did not reach yet, and whom never, in the many odd shapes of old."""
    try:
        passing, failed = all_failures(mail)
    except Exception:  # noqa: BLE001 - it promises nothing about mails that are no mails
        return frozenset(), frozenset()
    return passing, failed


def _said(mail: Message) -> str:
    """Return the words of a bounce before the mail it returns."""
    text = next(map(text_of, texts(mail)), "")
    return " ".join(re.split(r"^-{3,}.*$", text, maxsplit=1, flags=re.MULTILINE)[0].split())


def _ascii(content: bytes) -> str:
    return content.decode("ascii", "replace")
