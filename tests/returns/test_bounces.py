import re
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.models import BounceKind, Mailing
from newsletter.returns.bounces import (
    Failure,
    by_a_mail_system,
    classify,
    in_mass,
    reported,
    suppresses,
    without_mass,
)
from tests.making.papers import DAY, NOW

DSN = Path(__file__).parent / "dsn"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        # What servers say while delivering
        ("550 5.1.1 <ada@example.net>: Recipient address rejected", "dead"),
        ("550 5.1.2 bad destination system", "dead"),
        ("553 5.1.3 bad syntax of the mailbox", "dead"),
        ("550 5.1.6 mailbox has moved", "dead"),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound", "dead"),
        ("550 5.2.1 this account is disabled", "dead"),
        ("552 5.2.2 over quota", "soft"),
        ("552 Requested mail action aborted: exceeded storage allocation", "soft"),
        ("451 4.3.0 try again later", "soft"),
        ("450 mailbox busy", "soft"),
        ("421 closing", "soft"),
        ("552 aborted", "soft"),
        ("552 5.0.0 aborted", "soft"),
        ("553 aborted", "unknown"),
        ("450 4.2.1 no such user", "soft"),
        ("499 no", "soft"),
        ("399 no", "unknown"),
        ("550 5.4.4 host not found", "soft"),
        ("550 5.1.8 bad sender's system address", "ours"),
        ("552 5.2.3 message too long for this mailbox", "ours"),
        ("552 5.3.4 message too big", "ours"),
        ("550 5.4.5 daily sending limit exceeded", "ours"),
        ("554 5.5.1 invalid command", "ours"),
        ("554 5.6.0 bad content", "ours"),
        ("550 5.7.1 blocked, user unknown to us", "ours"),
        ("550 5.7.26 not authenticated", "ours"),
        ("421 4.7.28 unusual rate", "ours"),
        ("554 no thanks", "ours"),
        ("500 syntax error", "ours"),
        # Replies that do not tell
        ("550 mailbox unavailable", "dead"),
        ("550 mailbox unavailable (in reply to end of DATA command)", "unknown"),
        ("550 mailbox unavailable (in reply to rcpt to command)", "dead"),
        ("550 blocked by a list", "ours"),
        ("550 no such user here", "dead"),
        ("550 Unknown user", "dead"),
        ("551 user not local", "unknown"),
        ("553 no mailbox here by that name", "dead"),
        # What reports say
        ("5.1.1 smtp; 550 5.1.1 ... User unknown", "dead"),
        ("5.0.0 smtp; 550 5.7.1 spam", "ours"),
        ("5.0.0 smtp; 550-5.1.1 The account does not exist", "dead"),
        ("4.1.1 User unknown", "soft"),
        ("5.0.0 4.4.1 no answer", "soft"),
        ("5.0.0 smtp; 4.4.1 no answer", "soft"),
        ("5.0.0 smtp; 550-4.4.1 no answer", "soft"),
        ("4.0.0 smtp; 5.0.0 no answer", "soft"),
        ("5.4.1 smtp; 550 5.0.0 refused", "soft"),
        ("5.1.10 smtp; 554 5.5.1 refused", "ours"),
        ("5.0.0", "unknown"),
        ("", "unknown"),
        # What only looks like a status or a code
        ("connect to 5.1.1.7 from 192.5.1.1 failed", "unknown"),
        ("delivered 450 other mails, port :550 ", "soft"),
        ("-" * 4000 + "550 5.1.1 no such user", "unknown"),  # no server says so much
    ],
)
def test_a_failure_is_about_the_address_its_mailbox_or_us(text: str, kind: BounceKind) -> None:
    assert classify(text) == kind


@pytest.mark.parametrize(
    ("name", "kind", "issue", "words"),
    [
        ("postfix-no-such-user", "dead", 7, "5.1.1 smtp; 550 5.1.1 <ada@example.net>: Rec"),
        ("postfix-expired", "soft", 7, "4.4.1 X-Postfix; connect to"),
        ("exchange-not-found", "dead", 7, "5.1.10 smtp;550 5.1.10 RESOLVER"),
        ("exchange-refused", "ours", 7, "5.7.133"),
        ("gmail-mailbox-full", "soft", 7, "5.2.2 smtp; 552-5.2.2"),
        ("qmail", "dead", 7, "no mailbox here by that name. (#5.1.1)"),
        ("exim", "dead", 7, "550 Unknown user"),
        ("utf8-address", "dead", 7, "5.1.1"),
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_bounces_of_all_mail_systems_say_why_and_of_which_issue(
    name: str, kind: BounceKind, issue: int, words: str, line_end: bytes
) -> None:
    raw = (DSN / f"{name}.eml").read_bytes().replace(b"\n", line_end) + "Grüße".encode()
    found = reported(message_from_bytes(raw), raw)
    assert isinstance(found, Failure)
    assert (found.kind, found.issue) == (kind, issue)
    assert words in found.text
    assert "copy of" not in found.text


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("postfix-delayed", "passing"),
        ("german-words-only", None),
        ("vacation-exchange", None),
        ("vacation-german", None),
    ],
)
def test_what_is_no_failure_is_none(name: str, found: str | None) -> None:
    raw = (DSN / f"{name}.eml").read_bytes()
    assert reported(message_from_bytes(raw), raw) == found


@pytest.mark.parametrize("action", ["Failed", "error"])
def test_a_failed_action_counts_however_it_is_written(action: str) -> None:
    raw = (DSN / "postfix-no-such-user.eml").read_bytes()
    raw = raw.replace(b"Action: failed", f"Action: {action}".encode())
    assert isinstance(reported(message_from_bytes(raw), raw), Failure)


@pytest.mark.parametrize(
    ("status", "diagnostic", "kind"),
    [
        ("5.0.0", "", "dead"),  # by the words for people
        ("5.0.0 (undefined)", "", "dead"),
        ("", "", "dead"),
        ("5.4.4", "", "soft"),
        ("5.0.0", "Diagnostic-Code: smtp; 554 5.7.1 blocked", "ours"),
        ("5.4.4", "Diagnostic-Code: smtp; 554 blocked", "ours"),
    ],
)
def test_what_a_report_says_to_machines_goes_before_its_words_for_people(
    status: str, diagnostic: str, kind: BounceKind
) -> None:
    raw = (DSN / "postfix-no-such-user.eml").read_bytes()
    raw = raw.replace(b"Status: 5.1.1", f"Status: {status}".encode())
    raw = re.sub(rb"Diagnostic-Code: .*\n .*", diagnostic.encode(), raw)
    found = reported(message_from_bytes(raw), raw)
    assert isinstance(found, Failure)
    assert found.kind == kind


def test_the_envelope_of_a_report_tells_the_issue_before_what_is_returned_does() -> None:
    raw = (DSN / "postfix-no-such-user.eml").read_bytes()
    raw = raw.replace(b"Original-Envelope-Id: 7.", b"Original-Envelope-Id: 8.")
    raw = raw.replace(b"This is a MIME", b"It was 9.0123456789abcdef0123.\n\nThis is a MIME")
    found = reported(message_from_bytes(raw), raw)
    assert isinstance(found, Failure)
    assert found.issue == 8


@pytest.mark.parametrize("name", ["postfix-no-such-user", "qmail", "exim"])
def test_who_sends_and_reads_is_nobody_of_ours_where_their_own_mail_comes_back(name: str) -> None:
    raw = (DSN / f"{name}.eml").read_bytes()
    for each in (b"Final-Recipient: rfc822; ", b"Original-Recipient: rfc822;"):
        raw = raw.replace(each + b"ada@example.net", each + b"<ada@example.net>")
    found = reported(message_from_bytes(raw), raw, ours=["papers@example.org", "Ada@example.net"])
    assert isinstance(found, Failure)
    assert found.kind == "dead"


def test_a_warning_in_words_alone_is_a_passing_matter() -> None:
    raw = (
        b"From: Mail Delivery System <Mailer-Daemon@mail.example.net>\n\n"
        b"The address to which the message has not yet been delivered is:\n\n"
        b"  ada@example.net\n\n"
        b"No action is required on your part.\n"
    )
    assert reported(message_from_bytes(raw), raw) == "passing"


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", "delayed"])
def test_only_a_failed_action_counts(action: str) -> None:
    raw = (DSN / "postfix-no-such-user.eml").read_bytes()
    raw = raw.replace(b"Action: failed", f"Action: {action}".encode())
    assert reported(message_from_bytes(raw), raw) == "passing"


def test_a_report_without_any_action_is_not_understood() -> None:
    raw = (DSN / "postfix-no-such-user.eml").read_bytes().replace(b"Action: failed", b"Fate: bad")
    mail = message_from_bytes(raw)
    assert reported(mail, raw) is None
    assert by_a_mail_system(mail)


def test_a_bounce_that_somebody_quotes_or_attaches_is_none_of_theirs() -> None:
    quoted = (DSN / "qmail.eml").read_bytes().replace(b"MAILER-DAEMON@", b"bob@")
    assert reported(message_from_bytes(quoted), quoted) is None
    report = (DSN / "postfix-no-such-user.eml").read_bytes()
    attached = (
        b'From: bob@example.net\nContent-Type: multipart/mixed; boundary="x"\n\n'
        b"--x\nContent-Type: message/rfc822\n\n" + report + b"\n--x--\n"
    )
    assert reported(message_from_bytes(attached), attached) is None


@pytest.mark.slow
@given(st.data())
def test_mutilated_bounces_are_read_or_not_but_never_in_the_way(data: st.DataObject) -> None:
    raw = (DSN / data.draw(st.sampled_from(sorted(p.name for p in DSN.iterdir())))).read_bytes()
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, len(raw)))
    raw = raw[:start] + data.draw(st.binary(max_size=20)) + raw[end:]
    found = reported(message_from_bytes(raw), raw)
    assert found in {None, "passing"} or isinstance(found, Failure)


def history(kinds: str, *, apart: timedelta) -> Iterator[Mailing]:
    names: dict[str, BounceKind | None] = {
        "d": "dead", "s": "soft", "o": "ours", "u": "unknown", "-": None
    }  # fmt: skip
    for number, letter in enumerate(kinds):
        yield Mailing(issue=number, opened=NOW + number * apart, kind=names[letter])


@pytest.mark.parametrize(
    ("kind", "mailings", "apart", "expected"),
    [
        ("dead", "d", DAY, True),
        ("dead", "---d", DAY, True),
        ("dead", "", DAY, True),  # a state that does not know the address any more
        ("ours", "ooooooooo", 7 * DAY, False),
        ("unknown", "uuuuuuuuu", 7 * DAY, False),
        ("soft", "s", 30 * DAY, False),
        ("soft", "ssss", 30 * DAY, False),
        ("soft", "sssss", 7 * DAY, True),
        ("soft", "sssss", 3.5 * DAY, True),
        ("soft", "sssss", 3 * DAY, False),
        ("soft", "s" * 14, DAY, False),
        ("soft", "s" * 15, DAY, True),
        ("soft", "sss-ss", 7 * DAY, False),
        ("soft", "-s-sssss", 7 * DAY, True),
        ("soft", "sssss--", 7 * DAY, True),  # the last two may yet come back
        ("soft", "ssosus", 7 * DAY, False),
        ("soft", "ssosuss", 7 * DAY, True),
        ("soft", "", DAY, False),
    ],
)
def test_the_dead_are_suppressed_at_once_and_the_full_after_five_in_a_row_over_two_weeks(
    kind: BounceKind, mailings: str, apart: timedelta, expected: bool
) -> None:
    assert suppresses(kind, list(history(mailings, apart=apart))) is expected


@pytest.mark.parametrize(
    ("returned", "recipients", "expected"),
    [
        (4, 4, False),
        (5, 5, True),
        (5, 24, True),
        (5, 25, False),
        (200, 999, True),
        (99, 999, False),
    ],
)
def test_a_mass_event_is_more_than_a_fifth_of_an_issue_and_a_handful(
    returned: int, recipients: int, expected: bool
) -> None:
    people = [f"r{number}@{number}.example" for number in range(returned)]
    mailed = {f"{number}.example": 1 for number in range(recipients)}
    assert in_mass(people, mailed) == frozenset(people if expected else ())


@pytest.mark.parametrize(
    ("returned", "at_domain", "expected"),
    [(4, 4, False), (5, 5, True), (5, 24, True), (5, 25, False), (150, 700, True)],
)
def test_or_more_than_a_fifth_of_those_at_one_mail_domain(
    returned: int, at_domain: int, expected: bool
) -> None:
    people = [f"r{number}@big.example" for number in range(returned)]
    mailed = {"big.example": at_domain, "other.example": 10_000}
    assert in_mass([*people, "eve@other.example"], mailed) == frozenset(people if expected else ())


def test_what_came_back_in_a_mass_neither_counts_nor_breaks_a_row() -> None:
    mailings = list(history("sssss-d", apart=7 * DAY))
    kept = without_mass(mailings, {1, 5, 6})
    assert [each.kind for each in kept] == ["soft", "ours", "soft", "soft", "soft", None, "ours"]
    assert not suppresses("soft", kept)
