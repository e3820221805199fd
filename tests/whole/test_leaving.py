"""People leave by mail, and the daily job hears of it: on the sample, from outbox to inbox."""

import sys
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from newsletter.commands.main import main
from newsletter.config.loading import load
from newsletter.errors import InboxError
from newsletter.job import run as job
from newsletter.subscribers import editing
from newsletter.subscribers.suppressions import Suppressions
from tests.making.inboxes import DSN, MaildirBox, mail
from tests.making.second_day import DAY_ONE, DAY_TWO, prepare, run
from tests.peers.smtp_server import SmtpServer

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample, after its first day, and an inbox."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    prepare(tmp_path)
    return tmp_path


def recipients(folder: Path) -> list[str]:
    mails = (path.read_bytes() for path in (folder / "outbox" / "new").iterdir())
    return [message_from_bytes(each)["To"] for each in mails]


def wish_to_leave(folder: Path) -> tuple[str, bytes]:
    """Return somebody, and what their mail program sends when they press the button."""
    path = min((folder / "outbox" / "new").iterdir())
    received = message_from_bytes(path.read_bytes(), policy=policy.default)
    url = urlsplit(received["List-Unsubscribe"].strip("<>"))
    subject = unquote(url.query.removeprefix("subject="))
    return received["To"], mail(to=unquote(url.path), subject=subject)


def test_who_presses_the_button_gets_no_further_mail(folder: Path) -> None:
    address, wish = wish_to_leave(folder)
    MaildirBox(folder / "inbox").put(wish)
    before = recipients(folder).count(address)
    report = run(folder, DAY_TWO)
    assert report.exit_code == 0
    assert report.deliveries.suppressed == 0
    assert report.deliveries.accepted > 0
    assert recipients(folder).count(address) == before
    suppressions = Suppressions(folder / "suppressions.csv")
    assert suppressions.reason_for(address) == "unsubscribed"


def test_who_answers_the_foot_of_a_mail_gets_what_they_kept_from_the_next_issue_on(
    folder: Path,
) -> None:
    path = min((folder / "outbox" / "new").iterdir())
    received = message_from_bytes(path.read_bytes(), policy=policy.default)
    address, body = received["To"], received.get_body(("plain",))
    assert body
    link = next(line for line in body.get_content().splitlines() if "?subject=change" in line)
    url = urlsplit(link)
    config = load(folder / "newsletter.toml", environ={})
    kept = config.keywords[0].name
    letter = mail(
        to=unquote(url.path),
        subject=unquote(url.query.removeprefix("subject=")),
        text=f"{kept}\n\nSent from my phone\n\nOn Thu, Papers wrote:\n> {kept}\n",
    )
    MaildirBox(folder / "inbox").put(letter)
    before = set((folder / "outbox" / "new").iterdir())
    report = run(folder, DAY_TWO)
    assert report.exit_code == 0
    row = editing.row_of(folder / "subscribers.csv", address)
    assert row
    assert row["keywords"] == kept
    sent = [
        message_from_bytes(each.read_bytes(), policy=policy.default)
        for each in set((folder / "outbox" / "new").iterdir()) - before
    ]
    (answer,) = [each for each in sent if each["Auto-Submitted"] == "auto-replied"]
    assert answer["To"] == address
    assert f"You get:\n\n- {kept}\n" in answer.get_content().replace("\r\n", "\n")
    assert report.deliveries.accepted == len(sent) - 1


def test_who_writes_join_is_on_the_list_when_they_have_confirmed(folder: Path) -> None:
    config = load(folder / "newsletter.toml", environ={})
    box = MaildirBox(folder / "inbox")
    door = config.masthead.unsubscribe_address
    before = set((folder / "outbox" / "new").iterdir())
    box.put(mail(to=door, subject="join"))
    assert job.read_inbox(config, now=DAY_ONE).kinds == {"joining": 1}
    (path,) = set((folder / "outbox" / "new").iterdir()) - before
    question = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert question["To"] == "ada@example.net"
    box.put(mail(to=question["Reply-To"], subject=f"Re: {question['Subject']}"))
    assert job.read_inbox(config, now=DAY_TWO).kinds == {"joined": 1}
    assert editing.row_of(folder / "subscribers.csv", "ada@example.net")


def test_a_dry_run_leaves_the_inbox_alone(folder: Path) -> None:
    box = MaildirBox(folder / "inbox")
    box.put(wish_to_leave(folder)[1])
    run(folder, DAY_TWO, dry_run=True)
    assert len(box.mails()) == 1
    assert not (folder / "suppressions.csv").exists()


def test_an_inbox_that_cannot_be_reached_is_told_and_stops_nothing(folder: Path) -> None:
    toml = folder / "newsletter.toml"
    unreachable = 'kind = "imap"\nhost = "127.0.0.1"\nport = 1\n'
    toml.write_text(toml.read_text().replace('kind = "maildir"\npath = "inbox"\n', unreachable))
    report = run(folder, DAY_TWO)
    assert report.deliveries.accepted > 0
    (trouble,) = report.troubles
    assert isinstance(trouble, InboxError)
    assert "inbox.host" in str(trouble)
    assert report.exit_code == 69


def test_a_recipient_whom_the_server_does_not_know_is_suppressed(folder: Path) -> None:
    gone = {"RCPT ada@example.org": ["550 5.1.1 no such user"]}
    with SmtpServer(script=gone) as server, (folder / "newsletter.toml").open("a") as file:
        file.write(f'[smtp]\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\n')
        file.flush()
        report = run(folder, DAY_TWO)
    assert (report.deliveries.rejected, report.exit_code) == (1, 0)
    (entry,) = Suppressions(folder / "suppressions.csv").entries()
    assert (entry.address, entry.reason) == ("ada@example.org", "bounced")
    assert entry.detail == "550 5.1.1 no such user"


def test_the_command_says_what_it_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    box = MaildirBox(folder / "inbox")
    box.put(wish_to_leave(folder)[1], (DSN / "vacation-german.eml").read_bytes())
    config = str(folder / "newsletter.toml")
    monkeypatch.setattr(sys, "argv", ["newsletter", "--config", config, "inbox"])
    for expected in ("read 2 mails: 1 unsubscribed, 1 auto-reply\n", "no new mails\n"):
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        assert capsys.readouterr().out == expected


def test_the_command_without_an_inbox_names_the_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toml = folder / "newsletter.toml"
    toml.write_text(toml.read_text().partition("[inbox]")[0])
    monkeypatch.setattr(sys, "argv", ["newsletter", "--config", str(toml), "inbox"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 78
    assert "[inbox]" in capsys.readouterr().err
