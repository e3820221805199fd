import logging
import mailbox
import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from time import process_time

import pytest
from msgspec.structs import replace

from newsletter.errors import InboxError
from newsletter.job.inbox import Reading
from newsletter.models import Day, Reader
from newsletter.returns.mailboxes import maildir
from newsletter.returns.meaning import Clerk
from newsletter.subscribers.suppressions import Suppressions
from tests.making.inboxes import (
    ADA,
    KEYS,
    MASTHEAD,
    Box,
    MaildirBox,
    MboxBox,
    Office,
    dsn,
    mail,
    offices,
    report,
    token,
)
from tests.making.papers import DAY, NOW

FORGED = "a" * 40
WEEK = 7 * DAY
GOLDEN = sorted((Path(__file__).parents[1] / "mails" / "golden").glob("*.eml"))
GOLDEN_TOKEN = "abcdefgh" * 5


@pytest.fixture(params=[MaildirBox, MboxBox])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Box:
    made: Box = request.param(tmp_path / "inbox")
    return made


@pytest.fixture
def office(tmp_path: Path, box: Box) -> Iterator[Office]:
    yield from offices(tmp_path, box)


@pytest.fixture
def simple(tmp_path: Path) -> Iterator[Office]:
    """An office with a Maildir, where the kind of inbox does not matter."""
    yield from offices(tmp_path, MaildirBox(tmp_path / "inbox"))


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What a person is told, whatever was done to the log before."""
    logger = logging.getLogger("newsletter")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_what_arrived_is_read_acted_upon_and_moved(office: Office) -> None:
    request = mail(to=f"leave+{token('r1@example.net')}@example.org", subject="unsubscribe")
    bounce = dsn("postfix-no-such-user")
    vacation, stranger = dsn("vacation-exchange"), mail(to="papers@example.org", subject="Hello")
    forged = dsn("qmail", given=FORGED)
    office.box.put(request, bounce, vacation, stranger, forged)
    assert office.read() == (
        "read 5 mails: 1 unsubscribed, 1 bounce (1 suppressed), 1 auto-reply,"
        " 1 refused for want of a valid token, 1 not understood (moved to newsletter-unknown)"
    )
    assert office.suppressed() == {"r1@example.net": "unsubscribed", ADA: "bounced"}
    assert office.box.mails() == []
    assert office.box.mails("newsletter-done") == sorted([request, bounce, vacation])
    assert office.box.mails("newsletter-unknown") == sorted([stranger, forged])
    assert office.read() == "no new mails"


def test_a_mail_that_could_not_be_moved_counts_once(office: Office) -> None:
    office.box.put(dsn("postfix-no-such-user"))
    office.box.put(mail(to="papers@example.org", subject="Hello"))
    returns = office.returns()
    with office.box.opener(seconds=60) as opened:
        keys = opened.keys()
        kinds = {each.key: returns.clerk.meaning(each.content).kind for each in opened.read(keys)}
        office.state.bounces.note_mails(opened.name, kinds, [], now=NOW)
    assert office.read() == "no new mails"
    assert office.suppressed() == {}
    assert office.box.mails() == []
    assert len(office.box.mails("newsletter-done")) == 1
    assert len(office.box.mails("newsletter-unknown")) == 1


def test_mails_whose_message_id_is_empty_all_count(office: Office) -> None:
    people = (ADA, "r1@example.net")
    for each in people:
        to = f"leave+{token(each)}@example.org"
        office.box.put(mail(to=to, Message_ID="", MIME_Version="1.0"))
    assert office.read().startswith("read 2 mails: 2 unsubscribed")
    assert set(office.suppressed()) == set(people)


@pytest.mark.slow
def test_many_mails_are_read_in_batches(office: Office) -> None:
    office.box.put(*(mail(to="papers@example.org", Message_ID=f"<{n}@a>") for n in range(120)))
    assert office.reading().kinds == {"unknown": 120}
    assert len(office.box.mails("newsletter-unknown")) == 120


# Who wants to leave


@pytest.mark.parametrize("subject", ["unsubscribe {}", "UNSUBSCRIBE {}", "Re: Unsubscribe {}"])
@pytest.mark.parametrize("to", ["leave@example.org", "bounces@example.org", "papers@example.org"])
def test_the_subject_that_mail_programs_fill_in_is_enough(
    simple: Office, subject: str, to: str
) -> None:
    simple.box.put(mail(to=to, subject=subject.format(token())))
    assert simple.read().startswith("read 1 mail: 1 unsubscribed")
    assert simple.suppressed() == {ADA: "unsubscribed"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "subject", "text"),
    [
        ("leave+{}@example.org", "", ""),
        ("LEAVE+{}@EXAMPLE.ORG", "", ""),
        ('"Leave" <leave+{}@example.org>', "bye", "thanks for all the papers"),
        ("leave+{}@example.org", "=?utf-8?b?A?= =?x-unknown?q?=FF?=", ""),
        ("leave@example.org", "", "{}"),
        ("leave@example.org", "", "please take me off\n\n> mailto:leave+{}@example.org\n"),
        ("bounces+{}@example.org", "unsubscribe", ""),
        ("bounces+{}@example.org", "Please unsubscribe me", ""),
        ("bounces+{}@example.org", "=?utf-8?q?unsubscribe?=", ""),
        ("papers@example.org", "Re: Daily Papers", "\nUnsubscribe\n\n> leave+{}@example.org"),
        ("papers@example.org", "", "unsubscribe {}"),
    ],
)
@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_a_token_beside_the_wish_is_enough(
    simple: Office, to: str, subject: str, text: str, spelled: type[str]
) -> None:
    given = spelled(token())
    simple.box.put(mail(to=to.format(given), subject=subject, text=text.format(given)))
    assert simple.suppressed() == {}
    simple.read()
    assert simple.suppressed() == {ADA: "unsubscribed"}


@pytest.mark.slow
@pytest.mark.parametrize("front", ["[EXTERNAL] ", "***SPAM*** ", "SV: ", "Antw: ", "WG: ", "RV: "])
@pytest.mark.parametrize(
    "subject", ["unsubscribe {}", "Re: [list] please unsubscribe ({})", "{} 退订"]
)
def test_the_word_and_a_token_in_the_subject_are_enough_whatever_stands_in_front(
    simple: Office, front: str, subject: str
) -> None:
    subject = f"=?utf-8?b?{b64encode((front + subject.format(token())).encode()).decode()}?="
    simple.box.put(mail(to="papers@example.org", subject=subject, text="Gesendet von unterwegs"))
    simple.read()
    assert simple.suppressed() == {ADA: "unsubscribed"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "wish", ["Abmelden", "Désabonner", "Darme de baja", "Disiscrizione", "Cancelar inscrição"]
)
@pytest.mark.parametrize("where", ["subject", "text", "after a greeting"])
def test_a_wish_in_other_languages_is_understood(simple: Office, wish: str, where: str) -> None:
    content = EmailMessage()
    content["To"] = f"bounces+{token()}@example.org"
    content["Subject"] = wish if where == "subject" else "Re: Daily Papers"
    text = {"text": f"{wish}\n\n> 3 papers", "after a greeting": f"Hello,\n\n{wish}.\n\nAda"}
    content.set_content(text.get(where, ""), charset="iso-8859-1")
    simple.box.put(content.as_bytes())
    simple.read()
    assert simple.suppressed() == {ADA: "unsubscribed"}


@pytest.mark.parametrize("to", ["leave+{}@example.org", "bounces+{}@example.org"])
@pytest.mark.parametrize("where", ["subject", "text"])
def test_who_wants_to_stay_stays_and_a_person_reads_it(simple: Office, to: str, where: str) -> None:
    said = {where: "Unsubscribe link is broken, but I want to stay"}
    simple.box.put(mail(to=to.format(token()), **said))
    assert simple.reading().kinds == {"unknown": 1}
    assert simple.suppressed() == {}
    assert len(simple.box.mails("newsletter-unknown")) == 1


QUOTED = f'<blockquote>3 papers <a href="mailto:leave+{token()}@example.org">Leave</a>'


@pytest.mark.parametrize(
    "text",
    [
        f"<div>unsubscribe</div>{QUOTED}",
        f"<p>&nbsp;<b>Please unsubscribe</b> me{QUOTED}",
        f"<head><style>\np {{margin: 0}}\n</style></head>\n<BODY dir=ltr>unsubscribe{QUOTED}",
    ],
)
@pytest.mark.parametrize("plain", [None, "", "unsubscribe\n\n> 3 papers"])
def test_an_answer_in_html_is_enough(simple: Office, text: str, plain: str | None) -> None:
    content = EmailMessage()
    content["To"] = "papers@example.org"
    content["Subject"] = "Re: Daily Papers"
    if plain is None:
        content.set_content(text, subtype="html")
    else:
        content.set_content(plain)
        content.add_alternative(text, subtype="html")
    simple.box.put(content.as_bytes())
    simple.read()
    assert simple.suppressed() == {ADA: "unsubscribed"}


@pytest.mark.parametrize(
    "content",
    [
        mail(to="papers@example.org", subject="Re: Daily Papers", text=f"Nice!\n> {token()}"),
        mail(
            to="papers@example.org",
            subject="Re: Daily Papers",
            text=f"Nice!\n\nUnsubscribe: mailto:leave+{token()}@example.org",
        ),
        mail(
            to="papers@example.org",
            subject="Re: Daily Papers",
            text=f"<title>unsubscribe</title><body>Nice!{QUOTED}",
            Content_Type="text/html",
        ),
        mail(to=f"bounces+{token()}@example.org", subject="Re: Daily Papers", text="Back soon"),
        mail(to=f"leave+{token()}@example.org", Auto_Submitted="auto-replied"),
        mail(
            to="leave@example.org", subject=f"unsubscribe {token()}", Auto_Submitted="auto-replied"
        ),
    ],
)
def test_an_answer_to_a_mail_is_no_wish_to_leave(simple: Office, content: bytes) -> None:
    simple.box.put(content)
    simple.read()
    assert simple.suppressed() == {}


@pytest.mark.parametrize(
    "given",
    [
        FORGED,
        token()[:-1],
        token() + "a",
        token()[:-1] + ("a" if token()[-1] != "a" else "b"),
        token(list_id="another-list"),
        token(keys=(b"a key that is not ours at all",)),
        token("nobody@example.net"),
        "",
    ],
    ids=["forged", "short", "long", "changed", "list", "key", "nobody", "none"],
)
def test_a_token_that_is_not_ours_is_refused_and_kept(simple: Office, given: str) -> None:
    simple.box.put(mail(to=f"leave+{given}@example.org", subject=f"unsubscribe {given}"))
    assert simple.reading().kinds == {"refused": 1}
    assert simple.suppressed() == {}
    assert len(simple.box.mails("newsletter-unknown")) == 1


def test_a_token_of_an_older_key_still_counts(simple: Office) -> None:
    simple.box.put(mail(to=f"leave+{token(keys=KEYS[1:])}@example.org"))
    simple.read()
    assert simple.suppressed() == {ADA: "unsubscribed"}


def test_a_leaver_who_bounced_before_has_left(simple: Office) -> None:
    simple.suppressions.add(ADA, reason="bounced", now=NOW)
    simple.box.put(mail(to=f"leave+{token()}@example.org"))
    simple.box.put(dsn("postfix-no-such-user"))
    simple.read()
    assert simple.suppressed() == {ADA: "unsubscribed"}


def test_without_an_address_of_its_own_the_wish_must_be_said(simple: Office) -> None:
    simple.masthead = replace(MASTHEAD, unsubscribe_address=MASTHEAD.bounce_address)
    simple.box.put(mail(to=f"bounces+{token()}@example.org", subject="Bin im Urlaub"))
    assert simple.reading().kinds == {"unknown": 1}
    simple.box.put(mail(to=f"bounces+{token()}@example.org", subject=f"unsubscribe {token()}"))
    assert simple.reading().kinds == {"unsubscribed": 1}


# Who complains


COMPLAINTS = ["complaint-arf", "complaint-arf-headers", "complaint-outlook"]


@pytest.mark.parametrize("name", COMPLAINTS)
def test_who_complains_is_mailed_no_more(simple: Office, name: str) -> None:
    content = dsn(name)
    simple.box.put(content)
    assert simple.read() == "read 1 mail: 1 complained"
    assert simple.suppressed() == {ADA: "complained"}
    assert simple.box.mails("newsletter-done") == [content]


@pytest.mark.parametrize("name", COMPLAINTS)
@pytest.mark.parametrize("given", ["", FORGED, token(list_id="another-list")])
def test_a_forged_complaint_is_kept_and_changes_nothing(
    simple: Office, name: str, given: str
) -> None:
    simple.box.put(dsn(name, given=given))
    assert simple.reading().kinds == {"refused": 1}
    assert simple.suppressed() == {}


def test_what_a_reader_wrote_under_a_mail_is_no_token_of_the_complaint(simple: Office) -> None:
    eve = f"Written below: {token('r1@example.net')}".encode()
    simple.box.put(dsn("complaint-arf", given="").replace(b"(the text of the mail)", eve))
    assert simple.reading().kinds == {"refused": 1}


@pytest.mark.parametrize("name", ["not-spam", "dmarc-failure"])
def test_feedback_that_is_no_complaint_suppresses_nobody(simple: Office, name: str) -> None:
    simple.box.put(dsn(name))
    assert simple.reading().kinds == {"automatic": 1}
    assert simple.suppressed() == {}


def test_who_sends_our_mail_on_complains_of_nothing(simple: Office) -> None:
    forward = dsn("forwarded-attached")
    simple.box.put(forward, forward.replace(b"Look what I found. Can you add my paper, too?", b""))
    report = dsn("complaint-arf").replace(b"Message-ID", b"X-Was")
    front = b"From: bob@example.net\nContent-Type: multipart/mixed; boundary=y\n\n--y\n"
    simple.box.put(front + b"Content-Type: message/rfc822\n\n" + report + b"\n--y--\n")
    assert simple.reading().kinds == {"unknown": 3}
    assert simple.suppressed() == {}


@pytest.mark.parametrize("golden", GOLDEN)
@pytest.mark.parametrize("below", ["", "Sent from my phone"])
def test_a_mail_of_ours_that_comes_back_as_a_reply_is_no_wish(
    simple: Office, golden: Path, below: str
) -> None:
    sent = message_from_bytes(golden.read_bytes())
    content = EmailMessage()
    content["To"] = "papers@example.org"
    content["Subject"] = f"Re: {' '.join(str(sent['Subject']).split())}"
    for part in sent.walk():
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            text = payload.decode().replace(GOLDEN_TOKEN, token()) + below
            if part.get_content_subtype() == "plain":
                content.set_content(text)
            else:
                content.add_alternative(text, subtype="html")
    simple.box.put(content.as_bytes())
    assert simple.reading().kinds == {"unknown": 1}


# What came back


@pytest.mark.parametrize(
    ("name", "suppressed"),
    [
        ("postfix-no-such-user", True),
        ("exchange-not-found", True),
        ("qmail", True),
        ("exim", True),
        ("utf8-address", True),
        ("postfix-expired", False),
        ("gmail-mailbox-full", False),
        ("exchange-refused", False),
    ],
)
def test_a_bounce_suppresses_the_dead_and_nobody_else(
    simple: Office, name: str, suppressed: bool
) -> None:
    simple.box.put(dsn(name))
    reading = simple.reading()
    assert (reading.kinds, reading.suppressed) == ({"bounce": 1}, int(suppressed))
    assert simple.suppressed() == ({ADA: "bounced"} if suppressed else {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["postfix-no-such-user", "exchange-not-found", "gmail-mailbox-full", "qmail", "exim"],
)
@pytest.mark.parametrize("given", ["", FORGED, token(list_id="another-list")])
def test_a_forged_bounce_changes_nothing(simple: Office, name: str, given: str) -> None:
    simple.box.put(dsn(name, given=given))
    assert simple.reading().kinds == {"refused": 1}
    assert simple.suppressed() == {}
    assert simple.state.bounces.mailings(ADA)[-1].kind is None


def test_a_host_that_drops_what_follows_the_plus_is_understood_by_what_it_returns(
    simple: Office,
) -> None:
    bounce = dsn("postfix-no-such-user").replace(f"bounces+{token()}@".encode(), b"bounces@")
    simple.box.put(bounce)
    simple.read()
    assert simple.suppressed() == {ADA: "bounced"}


@pytest.mark.parametrize("name", ["vacation-exchange", "vacation-german", "postfix-delayed"])
def test_what_answers_by_itself_is_ignored(simple: Office, name: str) -> None:
    simple.box.put(dsn(name))
    assert simple.read() == "read 1 mail: 1 auto-reply"
    assert simple.suppressed() == {}


@pytest.mark.parametrize(
    "field",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated (rejected)"},
        {"Precedence": "auto_reply"},
        {"Precedence": "Bulk"},
        {"X_Auto_Response_Suppress": "OOF"},
        {"X_Autoreply": "yes"},
        {"Content_Type": "multipart/report; report-type=disposition-notification; boundary=x"},
        {"Subject": "Out of office: back on Monday"},
        {"Subject": "=?iso-8859-1?q?R=E9ponse_automatique_=3A_absent?="},
    ],
)
def test_the_marks_of_automatic_mail_are_known(simple: Office, field: dict[str, str]) -> None:
    content = mail(to=f"bounces+{token()}@example.org", **field)
    simple.box.put(content.replace(b"Subject: \n", b"") if "Subject" in field else content)
    assert simple.reading().kinds == {"automatic": 1}


def test_a_header_in_an_impossible_charset_keeps_nobody_from_leaving(simple: Office) -> None:
    wish = mail(to=f"leave+{token()}@example.org", subject="charset")
    simple.box.put(wish.replace(b"charset", b"=?\x80?q?x?="))
    assert simple.reading().kinds == {"unsubscribed": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b"\xff\xfe\x00" * 100,
        b"Subject: =?utf-8?b?!!!?= =?nonsense?q?x?=\nFrom: \xe4\xf6\xfc\n\n\xff",
        dsn("postfix-no-such-user").replace(b"Action: failed", b"\nnothing of use"),
        b"Content-Type: multipart/mixed; boundary=\n\n",
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000)
        ),
        b"Content-Type: text/plain; charset=x-unknown\nContent-Transfer-Encoding: base64\n\n=A=",
    ],
)
def test_what_cannot_be_parsed_is_kept_and_moved(simple: Office, content: bytes) -> None:
    simple.box.put(content)
    simple.box.put(dsn("german-words-only"))
    assert simple.reading().kinds == {"unknown": 2}
    assert content in simple.box.mails("newsletter-unknown")


def test_no_mail_is_put_aside_because_a_library_is_missing(
    simple: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    simple.box.put(dsn("german-words-only"), dsn("postfix-no-such-user"))
    with monkeypatch.context() as broken:
        broken.setitem(sys.modules, "flufl.bounce", None)
        with pytest.raises(ImportError):
            simple.reading()
    assert len(simple.box.mails()) == 2
    reading = simple.reading()
    assert (reading.kinds.total(), reading.begun) == (2, 0)


@pytest.mark.parametrize(
    "content",
    [
        mail(to="papers@example.org", text="<" * 150_000, Content_Type="text/html"),
        mail(to=",leave+" * 22_000),
    ],
)
def test_a_poisonous_mail_takes_no_longer_than_others(simple: Office, content: bytes) -> None:
    simple.box.put(content)
    started = process_time()
    assert simple.read().startswith("read 1 mail: 1 not understood")
    assert process_time() - started < 5


def test_a_full_mailbox_is_suppressed_after_five_issues_in_a_row_over_two_weeks(
    simple: Office,
) -> None:
    for week in range(1, 6):
        issue = simple.publish(ADA, opened=NOW + week * WEEK)
        simple.box.put(dsn("gmail-mailbox-full", issue=issue))
        assert simple.suppressed() == {}
        simple.read(now=NOW + week * WEEK)
    assert simple.suppressed() == {ADA: "bounced"}


def test_several_bounces_of_one_issue_count_once(simple: Office) -> None:
    for number in range(9):
        content = dsn("gmail-mailbox-full").replace(b"0f1e2d", b"%d" % number)
        simple.box.put(content)
    assert simple.reading().kinds == {"bounce": 9}
    assert [each.kind for each in simple.state.bounces.mailings(ADA)] == ["soft"]


def test_an_address_that_is_full_and_then_dead_is_dead(simple: Office) -> None:
    simple.box.put(dsn("gmail-mailbox-full"))
    simple.read()
    assert simple.suppressed() == {}
    simple.box.put(dsn("postfix-no-such-user"))
    simple.read()
    assert simple.suppressed() == {ADA: "bounced"}


def strangers_bounce(simple: Office, number: int, *, now: datetime = NOW) -> Reading:
    """Let mails to people whom the state never mailed come back, of an issue it does not have."""
    listed = [f"listed{each}@d{each}.example" for each in range(number)]
    simple.box.put(*(dsn("qmail", to=each, issue=99) for each in listed))
    clerk = Clerk(MASTHEAD, keys=KEYS, addresses=lambda: listed)
    return replace(simple.returns(), clerk=clerk).read(now=now)


def test_who_is_on_the_list_is_known_to_a_state_that_never_mailed_them(simple: Office) -> None:
    reading = strangers_bounce(simple, 4)
    assert reading.suppressed == 4
    assert reading.masses == ()


def test_a_mass_of_bounces_that_name_no_issue_on_record_suppresses_nobody(simple: Office) -> None:
    reading = strangers_bounce(simple, 6)
    assert reading.suppressed == 0
    (told,) = map(str, reading.masses)
    assert "mails that name no issue came back from 6 people, where 0 read" in told


def test_those_who_read_now_tell_whether_bounces_without_an_issue_are_a_mass(
    simple: Office,
) -> None:
    simple.state.note(
        Day(now=NOW, news=[], windows={}),
        [Reader(address=f"r{n}@d{n}.example", fingerprint="", covered=1) for n in range(30)],
    )
    assert strangers_bounce(simple, 6).suppressed == 6
    # The seventh of thirty is one too many, unless the others came back long ago.
    assert strangers_bounce(simple, 7, now=NOW + 15 * DAY).suppressed == 1


def test_a_mass_without_an_issue_takes_back_who_was_suppressed_for_it(simple: Office) -> None:
    assert strangers_bounce(simple, 4).suppressed == 4
    assert strangers_bounce(simple, 6, now=NOW + DAY).suppressed == 0
    assert simple.suppressed() == {}


def test_a_bounce_that_names_no_issue_or_a_wrong_one_is_of_the_last(simple: Office) -> None:
    simple.box.put(dsn("gmail-mailbox-full", issue=3))
    simple.read()
    assert [each.kind for each in simple.state.bounces.mailings(ADA)] == ["soft"]


def test_a_mass_event_suppresses_nobody_and_is_told(simple: Office) -> None:
    people = [f"r{number}@example.net" for number in range(20)]
    for address in people[:3]:
        simple.box.put(dsn("postfix-no-such-user", to=address))
    simple.read()
    assert len(simple.suppressed()) == 3
    for address in people[3:6]:
        simple.box.put(dsn("postfix-no-such-user", to=address))
    reading = simple.reading(now=NOW + 15 * DAY)
    assert reading.suppressed == 0
    assert simple.suppressed() == {}
    (mass,) = map(str, reading.masses)
    assert "issue 7 came back from 6 of 21 recipients" in mass
    assert "550 5.1.1" in mass
    assert simple.reading(now=NOW + 16 * DAY).masses == ()
    later = simple.publish(*people, opened=NOW + 16 * DAY)
    simple.box.put(dsn("postfix-no-such-user", to=people[0], issue=later))
    simple.read(now=NOW + 16 * DAY)
    assert simple.suppressed() == {people[0]: "bounced"}


@pytest.mark.slow
@pytest.mark.parametrize("status", ["4.4.1", "4.4.7", "5.4.4", "4.2.2"])
def test_a_list_that_nobody_can_reach_for_weeks_loses_nobody(simple: Office, status: str) -> None:
    people = [f"r{number}@d{number}.example" for number in range(20)]
    for week in range(6):
        now = NOW + week * WEEK
        issue = simple.publish(*people, opened=now)
        # Not all on one day: the last is judged when most of the others have been.
        for some in (people[:4], people[4:]):
            bounces = (dsn("postfix-expired", to=each, issue=issue) for each in some)
            simple.box.put(*(each.replace(b"4.4.1", status.encode()) for each in bounces))
            reading = simple.reading(now=now)
            assert reading.suppressed == 0
    assert simple.suppressed() == {}
    (mass,) = map(str, reading.masses)
    assert f"issue {issue} came back from 20 of 20 recipients" in mass


def test_the_readers_of_one_provider_are_not_suppressed_together(simple: Office) -> None:
    theirs = [f"r{n}@{domain}.example" for domain in ("small", "big") for n in range(6)]
    others = [f"r{number}@d{number}.example" for number in range(80)]
    issue = simple.publish(*theirs, *others)
    for each in [*theirs[:11], *others[:4]]:
        simple.box.put(dsn("postfix-no-such-user", to=each, issue=issue))
    reading = simple.reading()
    assert simple.suppressed() == dict.fromkeys(others[:4], "bounced")
    (mass,) = map(str, reading.masses)
    assert f"issue {issue} came back from 5 of 6 at big.example, 6 of 6 at small.example:" in mass


def test_hosts_that_could_not_verify_the_sender_cost_a_list_of_four_nobody(
    simple: Office,
) -> None:
    people = [f"r{number}@d{number}.example" for number in range(4)]
    said = "550-Verification failed for <{}> 550-Response: 550 5.1.1 user unknown 550 Failed"
    for reply in ("550 Verification failed for <bounces@example.org> no such user", ""):
        issue = simple.publish(*people, refused=reply)
        for each in () if reply else people:
            sender = f"bounces+{token(each)}@example.org"
            simple.box.put(report("5.1.1", said.format(sender), to=each, issue=issue))
        simple.read()
        kinds = [simple.state.bounces.mailings(each)[-1].kind for each in people]
        assert kinds == ["ours"] * 4
    assert simple.suppressed() == {}


def test_what_a_provider_refuses_at_the_door_suppresses_none_of_its_readers(
    simple: Office,
) -> None:
    simple.publish(*(f"r{n}@big.example" for n in range(5)), refused="550 5.1.1 no such user")
    assert simple.returns().judge(now=NOW) == 0
    simple.publish(*(f"r{n}@big.example" for n in range(4)), refused="550 5.1.1 no such user")
    assert simple.returns().judge(now=NOW) == 4


def test_who_died_later_stays_suppressed_when_an_older_issue_turns_out_a_mass(
    simple: Office,
) -> None:
    people = [f"r{number}@example.net" for number in range(20)]
    later = simple.publish(*people, *(f"r{n}@d{n}.example" for n in range(80)), opened=NOW + DAY)
    simple.box.put(dsn("postfix-no-such-user", to=people[0], issue=later))
    simple.read(now=NOW + DAY)
    simple.box.put(*(dsn("postfix-no-such-user", to=each) for each in people[:6]))
    simple.read(now=NOW + DAY)
    assert simple.suppressed() == {people[0]: "bounced"}


def test_mail_that_is_refused_because_of_us_is_told(
    simple: Office, told: pytest.LogCaptureFixture
) -> None:
    simple.box.put(dsn("exchange-refused"))
    simple.read()
    assert "1 mail refused because of us" in told.text
    assert "5.7.133" in told.text


def test_who_was_judged_at_the_door_is_not_said_to_be_refused_because_of_us(
    simple: Office, told: pytest.LogCaptureFixture
) -> None:
    simple.publish("eve@example.net", refused="550 5.7.1 blocked")
    simple.read()
    assert "because of us" not in told.text
    simple.box.put(dsn("exchange-refused"))
    simple.read()
    assert "1 mail refused because of us" in told.text


@pytest.mark.parametrize(
    ("reply", "suppressed"),
    [
        ("550 5.1.1 no such user", True),
        ("550 5.7.1 blocked", False),
        ("552 5.2.2 full", False),
        ("554 no", False),
    ],
)
def test_what_servers_refuse_while_delivering_feeds_the_same_policy(
    simple: Office, reply: str, suppressed: bool
) -> None:
    simple.publish("eve@example.net", refused=reply)
    returns = simple.returns()
    assert returns.judge(now=NOW) == int(suppressed)
    assert simple.suppressed() == ({"eve@example.net": "bounced"} if suppressed else {})
    assert returns.judge(now=NOW) == 0


def test_a_person_whom_the_operator_takes_back_is_not_suppressed_for_the_old_bounce(
    simple: Office,
) -> None:
    simple.publish("eve@example.net", refused="550 5.1.1 no such user")
    simple.box.put(dsn("postfix-no-such-user"))
    simple.read()
    for address in ("eve@example.net", ADA):
        assert simple.suppressions.remove(address, now=NOW)
    simple.read(now=NOW + timedelta(hours=1))
    assert simple.suppressed() == {}


def test_who_is_forgotten_leaves_no_bounce_behind(simple: Office) -> None:
    simple.box.put(dsn("postfix-no-such-user"))
    simple.read()
    assert simple.state.bounces.returned(7) == [ADA]
    simple.state.forget(ADA, alias="forgotten-1", now=NOW)
    assert simple.state.bounces.returned(7) == []


# Boxes


def test_a_maildir_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InboxError, match=r"inbox\.path") as caught, maildir(tmp_path):
        pass
    assert caught.value.exit_code == 78


def test_flags_that_a_mail_program_adds_do_not_make_another_mail(tmp_path: Path) -> None:
    box = MaildirBox(tmp_path / "inbox")
    box.put(b"Subject: one\n\n")
    with box.opener(seconds=60) as opened:
        (before,) = opened.keys()
    (path,) = (tmp_path / "inbox" / "new").iterdir()
    path.rename(tmp_path / "inbox" / "cur" / f"{path.name}:2,S")
    with box.opener(seconds=60) as opened:
        assert opened.keys() == [before]
        opened.move([before], "newsletter-done")
    assert len(box.mails("newsletter-done")) == 1


def test_a_mail_that_a_mail_program_has_just_renamed_is_left_for_the_next_time(
    tmp_path: Path,
) -> None:
    path = tmp_path / "inbox"
    MaildirBox(path).put(b"A: b\n\n1\n", b"A: b\n\n2\n")
    with maildir(path) as inbox:
        keys = inbox.keys()
        (path / "cur" / keys[0]).symlink_to("is gone when it is opened")
        (path / "new" / keys[0]).unlink()
        assert [mail.key for mail in inbox.read(keys)] == keys[1:]


def test_an_mbox_before_its_first_mail_is_empty(tmp_path: Path) -> None:
    with MboxBox(tmp_path / "inbox").opener(seconds=60) as opened:
        assert opened.keys() == []
    assert not (tmp_path / "inbox").exists()


def test_an_mbox_that_another_program_holds_is_left_alone(tmp_path: Path) -> None:
    box = MboxBox(tmp_path / "inbox")
    box.put(b"Subject: one\n\n")
    holder = mailbox.mbox(tmp_path / "inbox")
    holder.lock()
    with pytest.raises(InboxError, match="lock") as caught, box.opener(seconds=60):
        pass
    holder.close()
    assert caught.value.exit_code == 74


def test_an_mbox_keeps_what_is_not_moved_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "inbox"
    first = b"From ada Thu Nov 19 10:00:00 2026\nSubject: one\n\n>From here\n\xff\n\n"
    second = b"From bob Thu Nov 19 10:00:01 2026\nSubject: two\n\nbye\n\n"
    path.write_bytes(first + second)
    with MboxBox(path).opener(seconds=60) as opened:
        opened.move(opened.keys()[1:], "newsletter-done")
    assert path.read_bytes() == first
    assert (tmp_path / "newsletter-done").read_bytes() == second


def test_a_suppression_file_that_cannot_be_written_leaves_the_mail_where_it_is(
    simple: Office,
) -> None:
    simple.box.put(mail(to=f"leave+{token()}@example.org"))
    returns = replace(simple.returns(), suppressions=Suppressions(simple.folder / "no" / "file"))
    with pytest.raises(InboxError) as caught:
        returns.read(now=NOW)
    assert caught.value.exit_code == 74
    assert len(simple.box.mails()) == 1
    assert simple.reading().kinds == {"unsubscribed": 1}
