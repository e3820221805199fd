"""Say what a bounce means, and who is to be suppressed for it. Pure; a book is handed to it."""

import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from email.message import Message
from email.utils import parseaddr
from functools import cache
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from newsletter.addresses import domain_of, folded
from newsletter.errors import MassError
from newsletter.models import BounceKind, Mailing
from newsletter.numbers import issue_of
from newsletter.prose import said
from newsletter.refusals import refusal
from newsletter.returns.parsing import MAX_TEXT, blocks, field, parsed, parts, text_of, texts

ROW = 5
ROW_SPAN = timedelta(days=14)
MASS = 5
MASS_SHARE = 0.2

_MAX_TEXT = 300
_LONGEST = 4000  # more than that no server says

# What a report says of one recipient is a status of its own, then what the other server said.
_REPORTED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?![\d.])(?: \([^()]{0,80}\))?\s*")
# The type of a Diagnostic-Code, or what IronPort writes: `<mx.example.net #5.1.1 smtp;550 ...>`.
_TYPE = re.compile(
    r"<?(?:[\w.-]{0,255} )?(?:#[\d.]{5,11} )?(?:smtp|x-[\w-]{1,40}|lmtp) ?; ?", re.IGNORECASE
)
# What Postfix and Exim say of the command that was refused.
_AT = re.compile(
    r"\b(?:in reply to|after) (?:the )?(MAIL|RCPT|DATA|BDAT|end of (?:DATA|message))\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?<![\d.:+-])(?<!response: )[45]\d\d(?=[ -])", re.IGNORECASE)

# Where a refusal does not say whom it is about, by its number.
_UNCLEAR: dict[str, BounceKind] = {
    "5.1": "soft",
    "5.2": "soft",
    "5.3": "soft",
    "5.4": "soft",
    "5.5": "ours",
    "5.6": "ours",
}
# Codes that, with no enhanced status, may be about the address or us (RFC 5321 4.2.3, RFC 7504).
_SILENT_CODES = {521, 550, 551, 553, 556}

# RFC 3464, and RFC 6533 for addresses in other letters.
_RECIPIENTS = ("Final-Recipient", "Original-Recipient")
_REPORTS = {"message/delivery-status", "message/global-delivery-status"}


# flufl.bounce logs a traceback for a mail that cannot be parsed, and it would end up on stderr.
logging.getLogger("flufl").addHandler(logging.NullHandler())
logging.getLogger("flufl").propagate = False

_MAIL_SYSTEMS = ("mailer-daemon", "postmaster", "mail delivery s")


class Failure(Struct, frozen=True, kw_only=True):
    """Why a mail did not reach its recipient; `issue` is 0 where the bounce does not tell."""

    kind: BounceKind
    text: str
    issue: int = 0


def classify(text: str, *, ours: Collection[str] = ()) -> BounceKind:
    """Return what a failure is about, from an SMTP reply or whatever words came with it.

    Whom the words are about is decided where the door decides it, by `refusals.refusal`; `ours`
    are our own addresses. Only for good is an address dead: what is refused for now is soft.
    """
    code, said = _reply_in(text[:_LONGEST])
    found = refusal(code, said, at=_command_in(text), ours=ours)
    for_now = code // 100 == 4 or found.status.startswith("4")
    if found.about == "us":
        return "ours"
    if found.about == "recipient":
        return "dead" if found.why == "nobody" and not for_now else "soft"
    if unclear := _UNCLEAR.get(found.status.rpartition(".")[0]):
        return unclear
    if for_now or code == 552:
        return "soft"
    return "ours" if code and code not in _SILENT_CODES else "unknown"


def reported(
    mail: Message, raw: bytes, *, ours: Collection[str] = ()
) -> Failure | Literal["passing"] | None:
    """Return what a mail reports: a failure, a passing matter such as a delay, or None for neither.

    `raw` is what `mail` was read from, `ours` are our own addresses. Reports are those of RFC 3464;
    other shapes count only where a mail system is the sender, because anybody may quote a bounce.
    """
    report = next((part for part in parts(mail) if part.get_content_type() in _REPORTS), None)
    if report:
        return _of_report(mail, report, raw, ours)
    if not by_a_mail_system(mail):
        return None
    # The patterns of flufl.bounce take time by the square of what they are given.
    passing, failed = _recipients(mail if len(raw) <= MAX_TEXT else parsed(raw[:MAX_TEXT]))
    if not failed:
        return "passing" if passing else None
    words = _said(mail)
    # What the server said comes last.
    kind = classify(words, ours=others(ours, *(each.decode("utf-8", "replace") for each in failed)))
    return Failure(
        kind=kind, text=said(words[-_MAX_TEXT:], longest=_MAX_TEXT), issue=issue_of(_ascii(raw))
    )


def by_a_mail_system(mail: Message) -> bool:
    """Return whether a mail says that no person wrote it but the program that carries mails."""
    name, sender = parseaddr(str(mail.get("From", "")))
    # Some have no address at all.
    return any(each.lower().startswith(_MAIL_SYSTEMS) for each in (sender, name))


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


class Book(Protocol):
    """Where it is written what came back, and of how many."""

    def returned(self, issue: int, *, since: datetime | None = None) -> list[str]:
        """Return the addresses that an issue came back from; with `since`, those noted then on."""
        ...

    def issues_returned(self, *, after: datetime) -> list[int]:
        """Return the issues of which something was noted after a moment; 0 for no issue."""
        ...

    def last_reply(self, issue: int) -> str:
        """Return what was said of an issue last, empty for nothing."""
        ...

    def mailed(self, issue: int) -> dict[str, int]:
        """Count the recipients of an issue by domain."""
        ...

    def reading(self) -> dict[str, int]:
        """Count those who read now by domain."""
        ...

    def mailings(self, address: str) -> list[Mailing]:
        """Return the issues that went to an address, oldest first, and what came back."""
        ...


class Masses:
    """Whose mails came back together with many others', as of `now`; looked up once an issue."""

    def __init__(self, bounces: Book, *, now: datetime) -> None:
        self._bounces = bounces
        self._now = now
        self.mailed = cache(self._mailed)
        self.of = cache(self._of)

    def history(self, address: str) -> list[Mailing]:
        """Return the issues that went to an address; what came back in a mass is about us."""
        history = self._bounces.mailings(address)
        mass = {each.issue for each in history if each.kind and address in self.of(each.issue)}
        return without_mass(history, mass)

    def words(self, issue: int) -> str:
        """Return what came back of how many mails, all or those at some domains."""
        mailed = self.mailed(issue)
        number, total = len(self.of(issue)), sum(mailed.values())
        if issue == 0:
            return f"mails that name no issue came back from {number} people, where {total} read"
        if is_mass(number, total):
            return f"issue {issue} came back from {number} of {total} recipients"
        at = sorted(Counter(map(domain_of, self.of(issue))).items())
        told = ", ".join(f"{number} of {mailed[domain]} at {domain}" for domain, number in at)
        return f"issue {issue} came back from {told}"

    def _mailed(self, issue: int) -> dict[str, int]:
        return self._bounces.mailed(issue) if issue else self._bounces.reading()

    def _of(self, issue: int) -> frozenset[str]:
        # Nobody knows how many were mailed of what names no issue on record: it is compared with
        # those who read now, for as long as a row of failures takes to suppress.
        since = None if issue else self._now - ROW_SPAN
        return in_mass(self._bounces.returned(issue, since=since), self.mailed(issue))


def masses(bounces: Book, *, after: datetime, now: datetime) -> list[MassError]:
    """Return the issues of which a mass came back, some of it noted after a moment."""
    found = Masses(bounces, now=now)
    return [
        MassError(
            f"{found.words(issue)}: that is about us, and nobody of them is suppressed for it; one"
            f" of the refusals says: {bounces.last_reply(issue)}"
        )
        for issue in bounces.issues_returned(after=after)
        if found.of(issue)
    ]


def others(ours: Iterable[str], *recipients: str) -> frozenset[str]:
    """Return our addresses without those of recipients: who sends may read, too."""
    names = {folded(each.strip(" <>")) for each in recipients}
    return frozenset(each for each in ours if folded(each) not in names)


def _reply_in(text: str) -> tuple[int, str]:
    """Return the reply code in a failure, 0 for none, and its lines behind the status that counts.

    That is the first one that says more than `5.0.0`: the server's own, else the report's.
    """
    reported = _REPORTED.match(text)
    words = _TYPE.sub("", text[reported.end() :] if reported else text, count=1)
    code = _CODE.search(words)
    if code:
        # A report has the lines of a reply on one, each with its code.
        words = re.sub(rf"(?<!:)\s+{code[0]}[ -]", "\n", words[code.end() + 1 :])
    own = _REPORTED.match(words)
    found = [each[1] for each in (own, reported) if each]
    status = next((each for each in found if each[1:] != ".0.0" or each[0] == "4"), "")
    return int(code[0]) if code else 0, f"{status} {words[own.end() :] if own else words}"


def _command_in(text: str) -> str:
    """Return the command that a failure answers, as far as it says: MAIL, RCPT, DATA or dot."""
    found = _AT.search(text)
    command = found[1].upper() if found else "RCPT"
    return command if command in {"MAIL", "RCPT", "DATA"} else "dot"


def _of_report(
    mail: Message, report: Message, raw: bytes, ours: Collection[str]
) -> Failure | Literal["passing"] | None:
    groups = list(blocks(report))
    actions = [field(each, "Action").lower() for each in groups]
    for block, action in zip(groups, actions, strict=True):
        # "error" is OpenSMTPD's word; delayed, delivered, relayed and expanded are no failures.
        if action.startswith(("fail", "error")):
            status = field(block, "Status")
            words = field(block, "Diagnostic-Code") or field(block, "X-Supplementary-Info")
            if not words and status.partition(" ")[0][1:] in {"", ".0.0"}:
                words = _said(mail)  # the fields for machines say nothing: what people read must do
            text = f"{status} {words}"
            envelopes = " ".join(field(each, "Original-Envelope-Id") for each in groups)
            issue = issue_of(envelopes) or issue_of(_ascii(raw))
            recipients = (field(block, name).rpartition(";")[2] for name in _RECIPIENTS)
            kind = classify(text, ours=others(ours, *recipients))
            return Failure(kind=kind, text=said(text, longest=_MAX_TEXT), issue=issue)
    return "passing" if any(actions) else None


def _recipients(mail: Message) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Return whom a mail did not reach yet, and whom never, in the many odd shapes of old."""
    from flufl.bounce import all_failures  # slow to import, and on most days nothing came back

    try:
        passing, failed = all_failures(mail)
    except ImportError:
        raise  # no mail's fault
    except Exception:  # noqa: BLE001 - it promises nothing about mails that are no mails
        return frozenset(), frozenset()
    return passing, failed


def _said(mail: Message) -> str:
    """Return the words of a bounce before the mail it returns."""
    text = next(map(text_of, texts(mail)), "")
    return " ".join(re.split(r"^-{3,}.*$", text, maxsplit=1, flags=re.MULTILINE)[0].split())


def _ascii(content: bytes) -> str:
    return content.decode("ascii", "replace")
