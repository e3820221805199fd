"""What strangers send stops nothing and runs nothing: the job on the sample, against each."""

import gzip
import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from threading import Event
from time import process_time, time
from typing import Any

import pytest

from newsletter.config.loading import load
from newsletter.job.daily import heard
from newsletter.job.parts import returns, token_keys
from newsletter.job.report import Inbox, Report, as_json
from newsletter.prose import shown
from newsletter.returns.mailboxes import maildir
from newsletter.returns.meaning import Clerk
from newsletter.state.state import State
from newsletter.subscribers.suppressions import Suppressions
from tests.making.children import Ran, ran
from tests.making.inboxes import ADA, KEYS, MASTHEAD, MaildirBox, dsn, mail, token
from tests.making.second_day import DAY_ONE, DAY_TWO, prepare, run
from tests.peers.imap_server import PASSWORD, ImapServer, imap_server
from tests.peers.talker import Say, Talk, flooding, saying, talker


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample, after its first day, and an empty Maildir."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "home"))
        prepare(folder)
    return folder


def reading_imap(folder: Path, server: ImapServer, *, password: str = PASSWORD) -> None:
    """Let the job read an IMAP inbox instead of the Maildir."""
    toml = folder / "newsletter.toml"
    (folder / "password").write_text(password)
    toml.write_text(
        toml.read_text().replace(
            'kind = "maildir"\npath = "inbox"\n',
            f'kind = "imap"\nhost = "127.0.0.1"\nport = {server.port}\n'
            f'ca_file = "{server.ca_file}"\n'
            f'username = "{server.username}"\npassword_file = "password"\n',
        )
    )


@pytest.fixture(scope="session")
def ordinary(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """What the second day takes when nobody means ill."""
    folder = tmp_path_factory.mktemp("ordinary")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    MaildirBox(folder / "inbox").put(mail(to="leave@example.org", subject="hello"))
    return ran(folder, DAY_TWO)


def left_within_bounds(run: Ran, ordinary: Ran, *, seconds: float = 10) -> None:
    """Today's mails are out, and it took little more than on an ordinary day."""
    assert run.report["issue"] == ordinary.report["issue"]
    assert run.report["deliveries"] == ordinary.report["deliveries"]
    assert run.report["deliveries"]["accepted"] > 0
    within_bounds(run, ordinary, seconds=seconds)


def within_bounds(run: Ran, ordinary: Ran, *, seconds: float = 10) -> None:
    print(f"{run.cpu_seconds:.1f} s of CPU ({ordinary.cpu_seconds:.1f}), {run.megabytes:.0f} MB")
    assert run.cpu_seconds < ordinary.cpu_seconds + seconds
    assert run.megabytes < 200
    assert "Traceback" not in run.err


def owe(folder: Path) -> None:
    """Let a mail of the first day be owed still."""
    with closing(sqlite3.connect(folder / "state.sqlite3")) as db, db:
        db.execute(
            "update deliveries set status = 'deferred' where id = (select min(id) from deliveries)"
        )


def left_today(report: Report) -> None:
    """Today's mails are out, whatever else went wrong."""
    assert report.issue is not None
    assert report.deliveries.accepted > 0
    assert report.deliveries.outstanding == 0


# What an IMAP server may say, what the operator is told of it, and with which exit code.
IMAP: dict[str, tuple[str, bytes, str, int]] = {
    "Latin-1 in a refused login": (
        "AUTHENTICATE", b"{tag} NO d\xe9sol\xe9\r\n", "refused (NO)", 78,
    ),
    "capabilities that are not ASCII": (
        "CAPABILITY", b"* CAPABILITY IMAP4rev1 M\xd6VE\r\n{tag} OK\r\n", "the inbox", 69,
    ),
    "400 KB in a NO": (
        "SELECT", b"{tag} NO \x1b[2J" + 400_000 * b"x" + b"\r\n", "cannot be opened", 78,
    ),
    "2 MB in a line": ("SELECT", b"{tag} NO " + 2_000_000 * b"x" + b"\r\n", "a line of more", 69),
    "a literal of 2^63 bytes": (
        "SELECT", b"* LIST {9223372036854775808}\r\n", "9223372036854775808 bytes", 69,
    ),
    "a literal with 5,000 digits": (
        "SELECT", b"* LIST {" + 5000 * b"9" + b"}\r\n", "the inbox", 69,
    ),
    "a status that is none": ("SELECT", b"{tag} MAYBE so\r\n", "cannot be opened (so)", 78),
    "a tag that is none of ours": ("SELECT", b"XX99 OK\r\n", "the inbox", 69),
    "nothing but line ends": ("SELECT", b"\r\n\r\n\r\n", "the inbox", 69),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAP)
def test_whatever_an_imap_server_says_the_mails_leave(
    folder: Path, ordinary: Ran, name: str
) -> None:
    command, answer, words, code = IMAP[name]
    with imap_server(folder) as server:
        server.answers[command] = answer
        reading_imap(folder, server)
        run = ran(folder, DAY_TWO)
    left_within_bounds(run, ordinary)
    (told,) = run.report["troubles"]
    assert words in told
    assert run.report["exit"] == code
    assert told.isprintable()
    assert len(told) <= 300


MACHINE = b"From: MAILER-DAEMON@a.example\nTo: bounces@example.org\n"
PERSON = b"From: a@example.org\nTo: leave@example.org\n"


def nested(levels: int) -> bytes:
    return b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level)
        for level in range(levels)
    )


# Mails of 1 MB that kept a run busy for half a minute to longer than a day has.
MAILS: dict[str, bytes] = {
    "ordinary lines": MACHINE + b"\n" + 20_000 * b"The following message could not be delivered\n",
    "850 nested parts": MACHINE + nested(850),
    "mails in mails": MACHINE + 30_000 * b"Content-Type: message/rfc822\n\n",
    "folded Content-Type headers": MACHINE
    + 10 * (b"Content-Type: text/plain;\n" + 10_000 * b" a*0*=b;\n")
    + b"\nhi",
    "an encoded subject": PERSON + b"Subject: " + 140_000 * b"=?a?q?x" + b"\n\nhi",
    "an encoded subject, folded": PERSON + b"Subject: x\n" + 110_000 * b" =?a?q?x\n" + b"\nhi",
    "40,000 subjects": PERSON + 40_000 * b"Subject: =?utf-8?q?x?=\n" + b"\nhi",
    "parts": MACHINE + b'Content-Type: multipart/mixed; boundary="b"\n\n' + 200_000 * b"--b\n",
    "open tags": PERSON + b"Content-Type: text/html\n\n" + 500_000 * b"<" + 100_000 * b"<br",
    "line ends": MACHINE + 1_000_000 * b"\n",
    "what looks like tokens": MACHINE + b"\n" + 25_000 * (40 * b"a" + b" "),
    "a report of 30,000 recipients": MACHINE
    + b'Content-Type: multipart/report; boundary="b"\n\n--b\n'
    + b"Content-Type: message/delivery-status\n\n"
    + 30_000 * b"Action: failed\nStatus: 5.1.1\n\n",
    "no headers": 1_000_000 * b"x",
    "nothing": b"",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MAILS)
def test_a_mail_made_to_take_long_takes_no_time_worth_speaking_of(name: str) -> None:
    clerk = Clerk(MASTHEAD, keys=KEYS, addresses=lambda: [ADA])
    began = process_time()
    clerk.meaning(MAILS[name])
    assert process_time() - began < 5


def test_what_is_said_in_a_mail_of_any_size_is_still_heard() -> None:
    clerk = Clerk(MASTHEAD, keys=KEYS, addresses=lambda: [ADA])
    wish = mail(to="leave@example.org", subject=f"unsubscribe {token()}", text=900_000 * "x")
    assert clerk.meaning(wish).address == ADA
    assert clerk.meaning(dsn("exim") + 900_000 * b"x").kind == "bounce"


def one_in(share: int, names: Iterable[str]) -> list[Any]:
    """Return the names, of which `make test` takes one in so many."""
    rest = pytest.mark.full
    return [pytest.param(name, marks=rest if at % share else ()) for at, name in enumerate(names)]


# All of them at once are in the inbox of the next test, and each is judged in the one above.
@pytest.mark.slow
@pytest.mark.parametrize("name", one_in(5, MAILS))
def test_mails_leave_whatever_came_back(folder: Path, ordinary: Ran, name: str) -> None:
    box = MaildirBox(folder / "inbox")
    box.put(MAILS[name])
    run = ran(folder, DAY_TWO)
    left_within_bounds(run, ordinary)
    assert run.report.get("troubles", []) == []
    put_aside = len(box.mails("newsletter-unknown"))
    assert put_aside + len(box.mails("newsletter-done")) == 1
    assert "inbox: read 1 mail: " in run.err
    assert ("moved to newsletter-unknown" in run.err) == bool(put_aside)
    assert sum(run.report["inbox"]["put_aside"].values()) == put_aside
    assert run.report["inbox"] | {"put_aside": {}} == {"read": 1, "put_aside": {}, "left": {}}


@pytest.mark.slow
def test_mails_leave_although_the_inbox_is_full_of_what_takes_long(
    folder: Path, ordinary: Ran
) -> None:
    box = MaildirBox(folder / "inbox")
    box.put(*MAILS.values())
    os.mkfifo(folder / "inbox" / "new" / "0.pipe")
    (folder / "inbox" / "new" / "1.folder").mkdir()
    (folder / "inbox" / "cur" / "2.link").symlink_to("/dev/zero")
    run = ran(folder, DAY_TWO)
    left_within_bounds(run, ordinary)
    assert run.report.get("troubles", []) == []
    put_aside = len(box.mails("newsletter-unknown"))
    assert put_aside + len(box.mails("newsletter-done")) == len(MAILS)
    assert run.report["inbox"]["read"] == len(MAILS)
    assert sum(run.report["inbox"]["put_aside"].values()) == put_aside


@pytest.mark.slow
def test_an_mbox_mail_of_300_mb_is_looked_at_when_the_mails_have_left_and_costs_little(
    folder: Path, ordinary: Ran
) -> None:
    toml = folder / "newsletter.toml"
    settings = toml.read_text().replace('kind = "maildir"', 'kind = "mbox"')
    toml.write_text(settings.replace('path = "inbox"', 'path = "inbox.mbox"'))
    with (folder / "inbox.mbox").open("wb") as file:
        file.write(b"From x Thu Nov 19 10:00:00 2026\n" + MACHINE + b"\n")
        for _ in range(300):
            file.write(10_000 * (99 * b"x" + b"\n"))
        file.write(b"\nFrom x Thu Nov 19 10:00:00 2026\n" + PERSON + b"Subject: hello\n\nhi\n")
    began = time()
    run = ran(folder, DAY_TWO)
    left_within_bounds(run, ordinary)
    assert run.report.get("troubles", []) == []
    assert run.report["inbox"] == {
        "read": 2,
        "put_aside": {"not understood": 1, "without a valid token": 1},
        "left": {},
    }
    unknown = (folder / "newsletter-unknown").stat()
    assert unknown.st_size > 300_000_000
    # It is too large for the moment that the inbox has before (tests/returns/test_mboxes.py).
    mails = [each.stat().st_mtime for each in (folder / "outbox" / "new").iterdir()]
    today = [each for each in mails if each >= began - 1]  # their times are coarser than the clock
    assert len(today) >= run.report["deliveries"]["accepted"]
    assert max(today) <= unknown.st_mtime


FEED = (
    b"<?xml version='1.0'?>"
    b'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">'
    b"<title>q</title><opensearch:totalResults>1</opensearch:totalResults>"
    b"<opensearch:startIndex>0</opensearch:startIndex>"
)
MANY = 1_500_000
OK = b"HTTP/1.1 200 OK\r\n"


def attributes(say: Say, over: Event) -> None:
    many = b" ".join(b"a%d=''" % n for n in range(MANY))
    saying(OK + b"\r\n", FEED, b"<x ", many, b"/></feed>")(say, over)


def redirect(say: Say, over: Event) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Encoding: gzip\r\n\r\n"
    saying(head, gzip.compress(bytes(200_000_000), 1))(say, over)


# What stands where arXiv should, and what is told of it.
ANSWERS: dict[str, tuple[Talk, str]] = {
    "line ends before a feed": (saying(OK + b"\r\n", b"\n" * MANY, FEED), "before its feed"),
    "elements": (saying(OK + b"\r\n", FEED, b"<x/>" * MANY, b"</feed>"), "elements"),
    "records in each other": (saying(OK + b"\r\n", FEED, b"<entry>" * MANY), "in each other"),
    "attributes": (attributes, "in a tag"),
    "categories": (
        saying(
            OK + b"\r\n", FEED, 9 * (b"<entry>" + b"<category term='c'/>" * 90_000 + b"</entry>"),
            b"</feed>",
        ),
        "categories among them",
    ),
    "a record of 18 MB": (
        saying(
            OK + b"\r\n", FEED, b"<entry></entry>" * 2, b"<entry>",
            b"<category term='c'/>" * 900_000, b"</entry></feed>",
        ),
        "bytes in a record",
    ),
    "a redirect that unpacks without end": (redirect, "more than 20 MB"),
    "headers without end": (flooding(OK, b"X: y\r\n"), "arXiv"),
    "continue without end": (flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "arXiv"),
    "a body without end": (flooding(OK + b"\r\n", 1000 * b"x"), "more than 20 MB"),
    "an odd Retry-After": (
        saying(b"HTTP/1.1 503 No\r\nRetry-After: \x1f120\r\nContent-Length: 0\r\n\r\n"), "503",
    ),
    "a status line that draws": (
        saying(b"HTTP/1.1 500 \x1b[2J\xe9 forged\r\nContent-Length: 0\r\n\r\n"), "500",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", one_in(2, ANSWERS))
def test_what_is_owed_leaves_whatever_stands_where_arxiv_should(
    folder: Path, ordinary: Ran, name: str
) -> None:
    talk, words = ANSWERS[name]
    owe(folder)
    with talker(talk) as url:
        toml = folder / "newsletter.toml"
        toml.write_text(
            toml.read_text().replace(
                'file = "day2.xml"',
                f'url = "{url}"\nattempts = 1\ninterval_seconds = 0\ntimeout_seconds = 30',
            )
        )
        run = ran(folder, DAY_TWO)
    within_bounds(run, ordinary)
    assert run.report["deliveries"]["accepted"] == 1
    assert run.report["exit"] == 69
    for each in run.report["keywords"]:
        assert each["outcome"] == "unknown"
        assert words in each["reason"]
        assert each["reason"].isprintable()
        assert len(each["reason"]) <= 500


LISTS: dict[str, tuple[str, str]] = {
    "a cell of a megabyte": (f"{'x' * 1_000_000}@example.org\n", "email"),
    "keywords of 10 KB": (
        "".join(f"b{n}@example.org,,protein folding; {'k' * 9_900}{n}\n" for n in range(2)),
        "unknown keyword",
    ),
    "keywords by the thousand": (
        f"b@example.org,,protein folding; {'; '.join(f'p{n}' for n in range(1500))}\n",
        "more that are unknown",
    ),
    "a screen that is cleared": ("\x1b[2J\x9b1m@example.org\n", "email"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTS)
def test_a_row_of_the_list_costs_itself(folder: Path, ordinary: Ran, name: str) -> None:
    rows, words = LISTS[name]
    with (folder / "subscribers.csv").open("a") as file:
        file.write(rows)
    run = ran(folder, DAY_TWO)
    within_bounds(run, ordinary)
    assert run.report["issue"] == ordinary.report["issue"]
    assert run.report["deliveries"]["accepted"] >= ordinary.report["deliveries"]["accepted"]
    assert run.report["deliveries"]["outstanding"] == 0
    assert any(words in line and len(line) < 400 for line in run.err.splitlines())
    assert shown(run.err) == run.err


@pytest.mark.slow
def test_a_mail_that_ended_a_run_is_put_aside_by_the_next(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = MaildirBox(folder / "inbox")
    box.put(mail(to="leave@example.org", subject="hello"))
    with (
        maildir(folder / "inbox", seconds=60) as opened,
        State.open(folder / "state.sqlite3") as st,
    ):
        (key,) = opened.keys()
        st.bounces.note_begun(opened.name, key, now=DAY_ONE)
    report = run(folder, DAY_TWO)
    left_today(report)
    assert report.inbox == Inbox(put_aside={"was being read when a run ended": 1})
    assert len(box.mails("newsletter-unknown")) == 1
    assert "was being read when a run ended" in caplog.text


@pytest.mark.slow
def test_what_there_was_no_time_for_is_named_and_read_by_the_next(folder: Path) -> None:
    box = MaildirBox(folder / "inbox")
    box.put(*(mail(to="leave@example.org", subject=f"hello {each}") for each in range(9)))
    config = load(folder / "newsletter.toml", environ={})
    with State.open(folder / "state.sqlite3") as state:
        keys = token_keys(config)
        suppressions = Suppressions(folder / "suppressions.csv", keys=keys)
        office = returns(config, state, suppressions, [], keys=keys, stop=Event())
        (reading,), troubles, more = heard(office, now=DAY_TWO, seconds=0.0)
    assert more
    assert reading.stayed() == {"no time": 9}
    assert "9 mails more than there was time for" in str(troubles[0])
    left_today(run(folder, DAY_TWO))
    assert box.mails() == []


@pytest.mark.slow
def test_letters_in_a_password_that_the_server_cannot_take_are_told(folder: Path) -> None:
    with imap_server(folder) as server:
        server.capabilities = "IMAP4rev1 MOVE"
        reading_imap(folder, server, password="café au lait")
        report = run(folder, DAY_TWO)
    left_today(report)
    assert report.exit_code == 78
    (told,) = as_json(report)["troubles"]
    assert "plain letters" in told
    assert "au lait" not in told


@pytest.mark.slow
def test_a_refused_login_is_told_by_its_code_alone(folder: Path) -> None:
    refusal = f"{{tag}} NO [AUTHENTICATIONFAILED] {PASSWORD} is not the password\r\n".encode()
    with imap_server(folder) as server:
        server.answers["AUTHENTICATE"] = refusal
        reading_imap(folder, server)
        report = run(folder, DAY_TWO)
    left_today(report)
    (told,) = as_json(report)["troubles"]
    assert "refused (AUTHENTICATIONFAILED)" in told
    assert PASSWORD not in told


@pytest.mark.slow
def test_a_mail_that_nobody_asked_for_is_none(folder: Path) -> None:
    letters = {uid: mail(to="leave@example.org", subject=f"hello {uid}") for uid in (1, 2, 3)}
    with imap_server(folder) as server:
        for each in ("UID MOVE", "UID COPY", "UID STORE", "UID EXPUNGE"):
            server.answers[each] = b"{tag} OK done\r\n"  # they stay where they are
        server.inbox.update({1: letters[1], 2: letters[2]})
        reading_imap(folder, server)
        left_today(run(folder, DAY_TWO))
        server.inbox.update(letters)
        server.unasked = [1, 2, 3]
        report = run(folder, DAY_TWO.replace(hour=12))
    assert report.troubles == ()
