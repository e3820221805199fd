"""What strangers send stops nothing and runs nothing: the job on the sample, against each."""

import mailbox
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest

from newsletter.config.loading import load
from newsletter.job import run as job
from newsletter.job.report import Report, as_json
from tests.making.inboxes import mail
from tests.peers.imap_server import PASSWORD, ImapServer, imap_server

DAY_ONE = datetime(2026, 11, 19, 10, tzinfo=UTC)
DAY_TWO = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample, after its first day, and an empty Maildir."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    for each in (files("newsletter.preview") / "sample").iterdir():
        if each.is_file():
            (tmp_path / each.name).write_bytes(each.read_bytes())
    with (tmp_path / "newsletter.toml").open("a") as file:
        file.write('[bounces]\naddress = "bounces@example.org"\n')
        file.write('[inbox]\nkind = "maildir"\npath = "inbox"\n')
    mailbox.Maildir(tmp_path / "inbox")
    assert run(tmp_path, DAY_ONE).exit_code == 0
    toml = tmp_path / "newsletter.toml"
    toml.write_text(toml.read_text().replace("day1.xml", "day2.xml"))
    return tmp_path


def run(folder: Path, now: datetime) -> Report:
    return job.run(load(folder / "newsletter.toml", environ={}), now=now)


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


@pytest.mark.parametrize("name", IMAP)
def test_whatever_an_imap_server_says_the_mails_leave(folder: Path, name: str) -> None:
    command, answer, words, code = IMAP[name]
    with imap_server(folder) as server:
        server.answers[command] = answer
        reading_imap(folder, server)
        report = run(folder, DAY_TWO)
    left_today(report)
    (told,) = as_json(report)["troubles"]
    assert words in told
    assert report.exit_code == code
    assert told.isprintable()
    assert len(told) <= 300


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
