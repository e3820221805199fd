"""Many mails that came back, read as one inbox, each with its verdict; it prints the figures."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.phrases import counted
from newsletter.returns.bounces import Failure, reported
from newsletter.returns.parsing import parsed
from tests.making.inboxes import MaildirBox, Office, dsn, mail, notice, offices, report, token

# What becomes of somebody: dead, soft, ours and unknown are bounces, and only dead ones suppress.
Verdict = str

# What a host was told that asked our own server for the sender.
VERIFICATION = (
    "550-Verification failed for <bounces+abc@example.org> 550-Called: 192.0.2.1"
    " 550-Sent: RCPT TO:<bounces+abc@example.org> 550-Response: 550 5.1.1 User unknown"
    " 550 Sender verify failed"
)

# Reports: the status, and what the other server said.
REPORTS: list[tuple[Verdict, str, str]] = [
    ("dead", "5.1.1", "550 5.1.1 <{to}>: Recipient address rejected: User unknown"),
    ("dead", "5.1.1", ""),
    ("dead", "5.1.2", "550 5.1.2 <{to}>: Bad destination system address"),
    ("dead", "5.1.3", "501 5.1.3 Bad recipient address syntax"),
    ("dead", "5.1.6", "551 5.1.6 recipient no longer on server"),
    ("dead", "5.1.10", "556 5.1.10 the domain has a null MX"),
    ("dead", "5.2.1", "550 5.2.1 The email account that you tried to reach is disabled."),
    ("dead", "5.0.0", "554 delivery error: dd This user doesn't have a yahoo.com account [0]"),
    ("dead", "5.0.0", "554 30 Sorry, it cannot be delivered. This mailbox is disabled (554.30)."),
    ("dead", "5.0.0", "554 No such user {to}"),
    ("dead", "5.0.0", "552 1 Requested mail action aborted, mailbox not found"),
    ("dead", "5.0.0", "550-5.1.1 The email account does not exist. 550 5.1.1 a1b2c3 - gsmtp"),
    ("dead", "5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable"),
    ("dead", "5.0.0", "550 Requested action not taken: mailbox unavailable"),
    ("dead", "5.0.0", "550 <{to}>... User not exist"),
    ("dead", "5.0.0", "550 5.4.1 <{to}>: no such mailbox"),
    ("dead", "5.7.1", "554 5.7.1 <{to}>: Recipient address rejected: user unknown"),
    ("soft", "5.2.2", "552-5.2.2 The recipient's inbox is out of storage space."),
    ("soft", "4.2.2", "452 4.2.2 <{to}>: over quota"),
    ("soft", "5.0.0", "550 mailbox is full"),
    ("soft", "5.2.0", "554 5.2.0 STOREDRV.Deliver; recipient mailbox quota exceeded"),
    ("soft", "4.4.1", "connect to mx.example.net[192.0.2.7]:25: Connection timed out"),
    ("soft", "4.4.7", "550 4.4.7 QUEUE.Expired; message expired"),
    ("soft", "5.4.4", "550 5.4.4 host not found"),
    ("soft", "4.4.2", "lost connection with mx.example.net while performing the HELO handshake"),
    ("soft", "5.1.1", "450 4.1.1 <{to}>: unverified address: User unknown"),
    (
        "soft",
        "5.2.1",
        "550-5.2.1 The user is receiving mail at a rate that 550 5.2.1 is high - gsmtp",
    ),
    ("ours", "5.7.1", "550 5.7.1 Message rejected as spam"),
    ("ours", "5.7.26", "550-5.7.26 This mail has been blocked: the sender is unauthenticated"),
    ("ours", "5.0.0", "553 5.1.3 http://www.spamhaus.org/query/bl?ip=192.0.2.222"),
    ("ours", "5.0.0", "554 Client host [192.0.2.1] blocked using zen.spamhaus.org"),
    ("ours", "5.2.1", "550 5.2.1 host 192.0.2.1 is blacklisted"),
    ("ours", "5.0.0", "521 5.2.1 : (DNSBL) https://senderscore.example"),
    ("ours", "5.0.0", "550 relay not permitted"),
    ("ours", "5.2.252", "554 5.2.252 SendAsDenied; bounces@example.org not allowed to send as"),
    ("ours", "5.2.0", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException"),
    ("ours", "5.1.90", "550 5.1.90 Your message can't be sent: you've reached your daily limit"),
    ("ours", "5.4.5", "550 5.4.5 Daily user sending limit exceeded"),
    ("ours", "5.3.4", "552 5.3.4 Message size exceeds fixed limit"),
    ("ours", "5.1.8", "550 5.1.8 <bounces@example.org>: Sender address rejected: Domain not found"),
    ("ours", "5.1.7", "550 5.1.7 Invalid sender address"),
    ("ours", "5.6.0", "554 5.6.0 Message contains invalid header"),
    ("ours", "5.0.0", VERIFICATION),
    ("ours", "5.0.0", VERIFICATION.replace("550 Sender verify failed", "550 Failed")),
    ("ours", "5.1.1", "550 5.1.1 <bounces@example.org>: user unknown"),
    ("ours", "5.0.0", "554 transaction failed"),
    ("unknown", "5.0.0", "550 #5.1.0 Address rejected."),
    ("unknown", "5.0.0", "553 sorry, that domain isn't in my list (#5.7.1)"),
    ("unknown", "5.0.0", ""),
]

SUPPLEMENTARY = [
    ("dead", "<mx.example.net #5.1.1 smtp;550-5.1.1 It does not exist. 550 5.1.1 a1b2c3 - gsmtp>"),
    ("dead", "<mx.example.net #5.0.0 smtp;550 No such user here>"),
    ("ours", "<mx.example.net #5.0.0 smtp;554 5.7.1 Client host blocked using zen.spamhaus.org>"),
]

# Words for people only.
NOTICES: list[tuple[Verdict, str]] = [
    ("dead", "SMTP error from remote mail server after RCPT TO:<{to}>:\n550 Unknown user"),
    ("dead", "Unrouteable address: no such user"),
    ("dead", "Sorry, no mailbox here by that name. (#5.1.1)"),
    ("soft", "Remote host said: 450 4.2.2 <{to}>... Mailbox Full\nIt was in the queue too long."),
    ("soft", "SMTP error after end of data: 452 4.2.2 mailbox is full"),
    ("ours", "SMTP error after RCPT TO:<{to}>:\n550 Sender verify failed"),
    ("ours", "SMTP error after MAIL FROM:<bounces@example.org>:\n550 5.1.1 no such user"),
    ("ours", "554 Message rejected as spam (after end of data)"),
    ("unknown", "retry timeout exceeded"),
]

FILES: list[tuple[Verdict, str]] = [
    ("dead", "postfix-no-such-user"),
    ("dead", "exchange-not-found"),
    ("dead", "qmail"),
    ("dead", "exim"),
    ("dead", "utf8-address"),
    ("soft", "postfix-expired"),
    ("soft", "gmail-mailbox-full"),
    ("ours", "exchange-refused"),
    ("complained", "complaint-arf"),
    ("complained", "complaint-arf-headers"),
    ("complained", "complaint-outlook"),
    ("automatic", "not-spam"),
    ("automatic", "dmarc-failure"),
    ("automatic", "postfix-delayed"),
    ("automatic", "vacation-exchange"),
    ("automatic", "vacation-german"),
    ("a person", "forwarded-attached"),
    ("a person", "german-words-only"),
]

LETTERS: list[tuple[Verdict, str, str]] = [
    ("unsubscribed", "unsubscribe {token}", ""),
    ("unsubscribed", "[EXTERNAL] ***SPAM*** unsubscribe {token}", ""),
    ("unsubscribed", "Antw: Abmelden", ""),
    ("unsubscribed", "Re: Daily Papers", "Bonjour,\n\nveuillez me désinscrire, merci"),
    ("unsubscribed", "退订", ""),
    ("unsubscribed", "配信停止", "お願いします"),
    ("a person", "Unsubscribe link is broken, but I want to stay", ""),
    ("a person", "Re: Daily Papers", "A fine selection!"),
    ("automatic", "Automatic reply: Daily Papers", "550 5.1.1 is what you get if you write to Bob"),
]


def arriving() -> Iterator[tuple[Verdict, str, bytes]]:
    """Yield every mail with its verdict and whom it is about."""
    number = 0

    def somebody() -> str:
        nonlocal number
        number += 1
        return f"r{number}@d{number}.example"

    for verdict, status, said in REPORTS:
        to = somebody()
        yield verdict, to, report(status, said.format(to=to), to=to)
    for verdict, said in SUPPLEMENTARY:
        to = somebody()
        yield verdict, to, report("5.0.0", "", to=to, X_Supplementary_Info=said)
    for verdict, text in NOTICES:
        to = somebody()
        yield verdict, to, notice(text.format(to=to), to=to)
    for verdict, name in FILES:
        to = somebody()
        yield verdict, to, dsn(name, to=to)
    for verdict, subject, text in LETTERS:
        to = somebody()
        known = token(to)
        given = subject.format(token=known)
        yield verdict, to, mail(to=f"bounces+{known}@example.org", subject=given, text=text)
    yield "refused", somebody(), mail(to=f"leave+{'a' * 40}@example.org", subject="unsubscribe")
    yield "refused", somebody(), dsn("complaint-arf", given="")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    yield from offices(tmp_path, MaildirBox(tmp_path / "inbox"))


def test_every_returned_mail_tells_by_itself_why_it_came_back() -> None:
    meant, found = {}, {}
    for verdict, to, content in arriving():
        if verdict in {"dead", "soft", "ours", "unknown"}:
            failure = reported(parsed(content), content, ours=["bounces@example.org"])
            assert isinstance(failure, Failure)
            meant[to], found[to] = verdict, failure.kind
    assert found == meant


@pytest.mark.slow
def test_every_returned_mail_gets_its_verdict(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    mails = list(arriving())
    # Many more get it than not: none of this is a mass event.
    issue = office.publish(*(to for _, to, _ in mails), *(f"x{n}@x.example" for n in range(500)))
    meant, found = {}, {}
    for verdict, to, content in mails:
        meant[to] = verdict
        office.box.put(content.replace(b"daily-papers.7.", b"daily-papers.%d." % issue))
        (kind,) = office.reading().kinds
        bounce = str(office.state.bounces.mailings(to)[-1].kind)
        found[to] = {"bounce": bounce, "unknown": "a person"}.get(kind, kind)
    assert found == meant
    reasons = {"dead": "bounced", "unsubscribed": "unsubscribed", "complained": "complained"}
    expected = {to: reasons[each] for to, each in meant.items() if each in reasons}
    assert office.suppressed() == expected
    counts = Counter(meant.values())
    told = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
    with capsys.disabled():
        print(f"\n{counted(len(mails), 'returned mail')}: {told}; {len(expected)} suppressed")
    assert len(mails) >= 60
