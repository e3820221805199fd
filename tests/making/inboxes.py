"""Inboxes of every kind that mails can be put into, and people who were mailed."""

import imaplib
import mailbox
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path

from newsletter.issues.issue import compile_issue
from newsletter.job.inbox import Reading, Returns
from newsletter.job.letters.answers import Desk
from newsletter.models import Announcement, Day, Keyword, Masthead, News, Outcome, Owed, Transport
from newsletter.returns.imap import imap
from newsletter.returns.mailboxes import Opener, maildir, mbox
from newsletter.returns.meaning import Clerk
from newsletter.sending.outbox import Outbox
from newsletter.state.state import State
from newsletter.subscribers import editing
from newsletter.subscribers.joining import CONFIRM
from newsletter.subscribers.suppressions import Suppressions
from newsletter.subscribers.tokens import Notes, Tokens
from tests.making.papers import NOW, paper
from tests.peers.dovecot import PASSWORD, Dovecot

DSN = Path(__file__).parents[1] / "returns" / "dsn"
KEYS = (b"a key for the tests, long enough", b"an older one, just as long")
MASTHEAD = Masthead(
    id="daily-papers",
    title="Daily Papers",
    sender="Daily Papers <papers@example.org>",
    unsubscribe_address="leave@example.org",
    bounce_address="bounces@example.org",
)
ADA = "ada@example.net"

_LONG = timedelta(days=999)


class Box(ABC):
    """A mailbox as the mail server fills it."""

    opener: Opener

    @abstractmethod
    def put(self, *mails: bytes) -> None:
        """Let mails arrive."""

    @abstractmethod
    def mails(self, folder: str = "") -> list[bytes]:
        """Return what lies in the inbox, or in another folder, with LF as line end."""


class MaildirBox(Box):
    def __init__(self, path: Path) -> None:
        self.path = path
        self._box = mailbox.Maildir(path)
        self.opener = partial(maildir, path)

    def put(self, *mails: bytes) -> None:
        for content in mails:
            self._box.add(content)

    def mails(self, folder: str = "") -> list[bytes]:
        path = self.path / f".{folder}" if folder else self.path
        return sorted(
            file.read_bytes() for part in ("new", "cur") for file in path.glob(f"{part}/*")
        )


class MboxBox(Box):
    def __init__(self, path: Path) -> None:
        self.path = path
        self.opener = partial(mbox, path)

    def put(self, *mails: bytes) -> None:
        box = mailbox.mbox(self.path)
        for content in mails:
            box.add(content)
        box.close()

    def mails(self, folder: str = "") -> list[bytes]:
        path = self.path.with_name(folder) if folder else self.path
        box = mailbox.mbox(path)
        found = sorted(box.get_bytes(number) for number in box.iterkeys())
        box.close()
        return found


class ImapBox(Box):
    def __init__(self, server: Dovecot, username: str, *, port: int = 0) -> None:
        self.server = server
        self.username = username
        self.opener = partial(
            imap,
            "127.0.0.1",
            port or server.port,
            username=username,
            password=PASSWORD,
            ca_file=server.ca_file,
        )

    def session(self) -> imaplib.IMAP4_SSL:
        """Return a session of the owner's mail program."""
        return self.server.session(self.username)

    def put(self, *mails: bytes) -> None:
        session = self.session()
        for content in mails:
            session.append("INBOX", "", "", content)
        session.logout()

    def mails(self, folder: str = "") -> list[bytes]:
        session = self.session()
        found = []
        if session.select(f"INBOX.{folder}" if folder else "INBOX")[0] == "OK":
            _, answer = session.uid("FETCH", "1:*", "(BODY.PEEK[])")
            found = [part[1] for part in answer if isinstance(part, tuple)]
        session.logout()
        return sorted(content.replace(b"\r\n", b"\n") for content in found)


@dataclass
class Office:
    """People who were mailed, and the box that what comes back arrives in."""

    folder: Path
    state: State
    box: Box
    masthead: Masthead = MASTHEAD
    number: int = 0
    keywords: Sequence[str] = ()  # that readers may choose by mail

    @property
    def list_file(self) -> Path:
        return self.folder / "subscribers.csv"

    def publish(self, *recipients: str, opened: datetime = NOW, refused: str = "") -> int:
        """Publish an issue to some people; each is accepted, or refused with this reply."""
        self.number += 1
        mri = Keyword(name="mri")
        found = (Announcement(paper=paper(f"2611.{self.number:05}")),)
        news = News(keyword=mri, source="arXiv", outcome="new", announcements=found)
        self.state.publish(
            compile_issue(self.number, opened.date(), [news]),
            Day(now=opened, news=[news], windows={"mri": opened}),
            [
                Owed(recipient=each, keywords=("mri",), format="html", after=self.number - 1)
                for each in recipients
            ],
            [],
            weekly=False,
        )
        self.state.deliveries.take_up(now=opened, max_age=_LONG)
        outcome = Outcome(status="accepted", code=250)
        if refused:
            outcome = Outcome(status="rejected", code=int(refused[:3]), text=refused[4:])
        with self.state.claim() as claim:
            ids = [each.id for each in claim]
            claim.commit(dict.fromkeys(ids, outcome), [], now=opened)
        return self.number

    def returns(self) -> Returns:
        """Return what a run has to hear of what comes back."""
        return Returns(
            deliveries=self.state.deliveries,
            bounces=self.state.bounces,
            suppressions=self.suppressions,
            clerk=self.clerk(),
            opener=self.box.opener,
            desk=self.desk() if self.keywords else None,
        )

    def clerk(self) -> Clerk:
        return Clerk(
            self.masthead, keys=KEYS, addresses=self.state.recipients, keywords=self.keywords
        )

    def desk(self) -> Desk:
        return Desk(
            path=self.list_file,
            keywords=self.keywords,
            suppressions=self.suppressions,
            history=self.state.history,
            masthead=self.masthead,
            tokens=Tokens(KEYS, self.masthead.id),
            notes=Notes(KEYS, self.masthead.id, CONFIRM),
        )

    def heard(self, *, now: datetime = NOW, transport: Transport | None = None) -> Reading:
        """Read the inbox, then answer: into the outbox, if no other transport is given."""
        returns = self.returns()
        reading = returns.read(now=now)
        returns.answer(lambda: transport or Outbox(self.folder / "outbox"), now=now)
        return reading

    def answers(self) -> list[EmailMessage]:
        """Return what lies in the outbox, by recipient."""
        found = [
            message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in (self.folder / "outbox").glob("new/*")
        ]
        return sorted(found, key=lambda each: str(each["To"]))

    def chosen(self, email: str = ADA) -> str | None:
        """Return the keywords of somebody as the list has them, None for who is not on it."""
        row = editing.row_of(self.list_file, email)
        return None if row is None else row["keywords"]

    def read(self, *, now: datetime = NOW) -> str:
        """Read the inbox and return what a person is told."""
        return self.reading(now=now).summary()

    def reading(self, *, now: datetime = NOW) -> Reading:
        return self.returns().read(now=now)

    @property
    def suppressions(self) -> Suppressions:
        return Suppressions(self.folder / "suppressions.csv")

    def suppressed(self) -> dict[str, str]:
        return {each.address: each.reason for each in self.suppressions.entries()}


def token(address: str = ADA, *, keys: tuple[bytes, ...] = KEYS, list_id: str = "") -> str:
    return Tokens(keys, list_id or MASTHEAD.id).token(address)


def dsn(name: str, *, to: str = ADA, issue: int = 7, given: str | None = None) -> bytes:
    """Return a bounce of an issue to somebody, with their token or the one that is given."""
    text = (DSN / f"{name}.eml").read_text("utf-8")
    text = text.replace("@TOKEN@", token(to) if given is None else given)
    text = text.replace("daily-papers.7.", f"daily-papers.{issue}.")
    text = text.replace("Original-Envelope-Id: 7.", f"Original-Envelope-Id: {issue}.")
    # One of its own for each, as mail systems do.
    text = text.replace("Message-Id: <", f"Message-Id: <{issue}.{to}.")
    text = text.replace("Message-ID: <", f"Message-ID: <{issue}.{to}.")
    return text.replace(f"<{issue}.{to}.daily-papers", "<daily-papers").encode()


def report(
    status: str,
    diagnostic: str,
    *,
    to: str = ADA,
    issue: int = 7,
    action: str = "failed",
    **more: str,
) -> bytes:
    """Return a report as RFC 3464 has it; `more` are more fields about the recipient."""
    fields = {"Final-Recipient": f"rfc822; {to}", "Action": action, "Status": status}
    if diagnostic:
        fields["Diagnostic-Code"] = f"smtp; {diagnostic}"
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = [
        "Return-Path: <>",
        "From: MAILER-DAEMON@relay.example.org (Mail Delivery System)",
        f"To: bounces+{token(to)}@example.org",
        "Subject: Undelivered Mail Returned to Sender",
        f"Message-ID: <{issue}.{to}@relay.example.org>",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="r"',
        "",
        "--r",
        "Content-Type: text/plain",
        "",
        "Your message could not be delivered.",
        "",
        "--r",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; relay.example.org",
        f"Original-Envelope-Id: {issue}.0123456789abcdef0123",
        "",
        *(f"{name}: {value}" for name, value in fields.items() if value),
        "",
        "--r--",
        "",
    ]
    return "\n".join(lines).encode()


def notice(
    text: str, *, to: str = ADA, issue: int = 7, sender: str = "MAILER-DAEMON@a.example"
) -> bytes:
    """Return what mail systems without RFC 3464 write, in the shape of Exim's."""
    words = "\n".join(f"    {line}" for line in text.splitlines())
    return f"""Return-Path: <>
From: Mail Delivery System <{sender}>
To: bounces+{token(to)}@example.org
X-Failed-Recipients: {to}
Subject: Mail delivery failed: returning message to sender
Message-ID: <{issue}.{to}@a.example>

A message that you sent could not be delivered to one of its recipients.
This is a permanent error. The following address failed:

  {to}
{words}

------ This is a copy of the message, including all the headers. ------

To: {to}
Message-ID: <daily-papers.{issue}.0123456789abcdef0123@example.org>
""".encode()


def mail(*, to: str, subject: str = "", text: str = "", **fields: str) -> bytes:
    """Return a mail that a person wrote; `fields` are more headers."""
    lines = [
        "From: Ada <ada@example.net>",
        f"To: {to}",
        f"Subject: {subject}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items()),
        "",
        text,
        "",
    ]
    return "\n".join(lines).encode()


def offices(folder: Path, box: Box) -> Iterator[Office]:
    """Yield an office whose seventh issue has just gone to Ada and some others."""
    with State.open(folder / "state.sqlite3") as state:
        office = Office(folder, state, box)
        for _ in range(6):
            office.publish()
        office.publish(ADA, *(f"r{number}@example.net" for number in range(20)))
        yield office
