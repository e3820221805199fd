"""The job on one machine, senders and the inbox on others, which have the ledger and no list."""

import mailbox
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from newsletter import __version__
from newsletter.config.loading import Config, load
from newsletter.errors import LockedError, StateError
from newsletter.job import daily, parts
from newsletter.job.run import deliver, read_inbox, run
from newsletter.operating import status
from newsletter.operating.check import findings
from newsletter.operating.monitoring import sending
from newsletter.state import opening
from newsletter.subscribers.tokens import Tokens
from tests.making.tools import POSTGRES
from tests.peers.postgres import Postgres
from tests.peers.smtp_server import DROP, SmtpServer

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

DAY = datetime(2026, 11, 19, 10, tzinfo=UTC)
OWN = "Knots in protein chains: kinetic traps and the untying of topology in folding.\n"
SETTINGS = """
[bounces]
address = "bounces@example.org"
[inbox]
kind = "maildir"
path = "{inbox}"
[smtp]
host = "127.0.0.1"
port = {port}
security = "none"
connections = 2
deliver_in_run = false
pool = "relay"
"""

_numbers = count(1)


@dataclass(frozen=True)
class Machines:
    """A job with the list, and another machine with the configuration and the secrets alone."""

    job: Path
    elsewhere: Path
    inbox: Path
    environ: Mapping[str, str]
    smtp: SmtpServer

    def config(self, folder: Path, **settings: str) -> Config:
        return load(folder / "newsletter.toml", environ={**self.environ, **settings})

    def publish(self) -> None:
        run(self.config(self.job), now=DAY)

    def token(self, address: str) -> str:
        config = self.config(self.job)
        return Tokens(parts.token_keys(config), config.newsletter.id).token(address)


@pytest.fixture
def machines(server: Postgres, tmp_path: Path) -> Iterator[Machines]:
    job, elsewhere, inbox = (tmp_path / name for name in ("job", "elsewhere", "inbox"))
    with as_file(files("newsletter.preview") / "sample") as sample:
        shutil.copytree(sample, job)
    mailbox.Maildir(inbox)
    with SmtpServer() as smtp:
        with (job / "newsletter.toml").open("a", encoding="utf-8") as file:
            file.write(SETTINGS.format(inbox=inbox, port=smtp.port))
        rows = ["email,keywords,profile", "ada@example.org,*,own.txt", "bo@example.org,*,"]
        (job / "subscribers.csv").write_text("\n".join([*rows, ""]))
        (job / "own.txt").write_text(OWN)
        elsewhere.mkdir()
        shutil.copy(job / "newsletter.toml", elsewhere)
        environ = server.environ(f"machines-{next(_numbers)}")
        environ["NEWSLETTER_STATE__LEASE_SECONDS"] = "60"
        yield Machines(job, elsewhere, inbox, environ, smtp)


def send(config: Config) -> None:
    deliver(config, clock=lambda: DAY, stop=Event())


def titles(text: str) -> list[str]:
    """Return the papers of a mail in the order in which its text names them."""
    return re.findall(r"^https://arxiv\.org/abs/(\S+)", text, re.MULTILINE)


def test_a_profile_orders_an_edition_that_is_sent_where_no_profile_is(machines: Machines) -> None:
    machines.publish()
    send(machines.config(machines.elsewhere))
    sent = {each.recipient: each.data.decode() for each in machines.smtp.mails}
    alone = dict(machines.environ)
    del alone["NEWSLETTER_STATE__URL"], alone["NEWSLETTER_STATE__LEASE_SECONDS"]
    config = load(
        machines.job / "newsletter.toml",
        environ={**alone, "NEWSLETTER_SMTP__DELIVER_IN_RUN": "true"},
    )
    run(config, now=DAY)
    on_a_file = {each.recipient: each.data.decode() for each in machines.smtp.mails[2:]}

    assert sent.keys() == {"ada@example.org", "bo@example.org"}
    assert "Closest to your work" in sent["ada@example.org"]
    assert "Closest to your work" not in sent["bo@example.org"]
    for who, mail in sent.items():
        assert body(mail) == body(on_a_file[who])
    with opening.opened(machines.config(machines.job).place) as state:
        assert state.database.rows("select count(*) from orders") == [(1,)]
    run(machines.config(machines.job), now=DAY)  # nothing is owed any more
    with opening.opened(machines.config(machines.job).place) as state:
        assert state.database.rows("select count(*) from orders") == [(0,)]


def body(mail: str) -> str:
    """Return a mail without what one hand makes otherwise than another."""
    text = mail.partition("\r\n\r\n")[2]
    boundary = re.search(r'boundary="?([^"\r\n;]+)', mail)
    return text.replace(boundary[1], "") if boundary else text


def test_the_inbox_is_read_elsewhere_while_a_run_is_under_way(machines: Machines) -> None:
    machines.publish()
    elsewhere = machines.config(machines.elsewhere)
    box = mailbox.Maildir(machines.inbox)
    token = machines.token("ada@example.org")
    box.add(wish(f"leave+{token}@example.org", "unsubscribe"))
    box.add(wish("leave@example.org", "join"))
    with opening.alone(machines.config(machines.job).place):
        reading = read_inbox(elsewhere, now=DAY)

    assert (reading.kinds["unsubscribed"], reading.trouble) == (1, None)
    assert len(box) == 1  # joining needs the list: it waits for the run
    send(elsewhere)
    assert [each.recipient for each in machines.smtp.mails] == ["bo@example.org"]
    run(machines.config(machines.job), now=DAY)
    assert len(box) == 0
    assert "ada@example.org,unsubscribed" in (machines.job / "suppressions.csv").read_text()


def wish(to: str, subject: str) -> str:
    return f"From: ada@example.org\nTo: {to}\nSubject: {subject}\nMessage-ID: <1@x>\n\n{subject}\n"


def test_one_at_a_time_reads_the_inbox_and_no_run_minds(machines: Machines) -> None:
    config = machines.config(machines.elsewhere)
    with opening.opened(config.place) as state, opening.only_reader(state):
        with pytest.raises(LockedError, match="process"):
            read_inbox(config, now=DAY)
        with opening.opened(config.place) as other:
            keys = parts.token_keys(config)
            kept_off = opening.shared_suppressions(other, keys=keys)
            assert kept_off
            returns = parts.returns(config, other, kept_off, None, keys=keys, stop=Event())
            assert daily.heard(returns, now=DAY, seconds=5) == ((), (), False)


def test_a_sender_that_never_finds_its_database_gives_up(machines: Machines) -> None:
    config = machines.config(
        machines.elsewhere, NEWSLETTER_STATE__URL="postgresql://newsletter@127.0.0.1:1/newsletter"
    )
    for follow in (False, True):
        began = time.monotonic()
        with pytest.raises(StateError, match="refused") as ended:
            deliver(config, clock=lambda: DAY, stop=Event(), follow=follow, at_first=0.6)
        assert ended.value.exit_code == 74
        assert time.monotonic() - began >= 0.6


def test_status_check_and_metrics_say_who_sends_and_when_it_is_done(
    machines: Machines, server: Postgres, tmp_path: Path
) -> None:
    rows = ["email", *(f"r{number}@example.org" for number in range(400))]
    (machines.job / "subscribers.csv").write_text("\n".join([*rows, ""]))
    machines.publish()
    slow = {"NEWSLETTER_SMTP__RATE_PER_MINUTE": "120", "NEWSLETTER_SMTP__POOL": "slow"}
    config = machines.config(machines.elsewhere, **slow)
    before = seen(config)
    assert (before["pace"], before["done_at"], before["pools"]) == (0, None, [])
    assert before["unleased"] == 400
    stop = Event()
    sender = Thread(
        target=deliver, args=(config,), kwargs={"clock": lambda: DAY, "stop": stop, "follow": True}
    )
    sender.start()
    try:
        with standby(server, tmp_path / "standby"):
            found = until(config, lambda each: each["senders"] and each["senders"][0]["per_minute"])
            checked = [each.text for each in findings(config, now=DAY, offline=True)]
            path = tmp_path / "metrics.prom"
            path.write_text("newsletter_last_run_exit_code 0\n")
            with sending(path, config.place):
                pass
    finally:
        stop.set()
        sender.join()

    (sender_seen,) = found["senders"]
    assert sender_seen["parcels"] == (1,)
    assert 0 <= sender_seen["lease_age"] < 60
    assert 0 < sender_seen["per_minute"] < 1200
    (pool,) = found["pools"]
    assert (pool["pool"], pool["senders"], found["unleased"]) == ("slow", 1, 0)
    assert 0 < pool["outstanding"] < 400
    assert found["done_at"] > "2026-11-19T10:00:00Z"
    assert found["standbys"]["count"] == 1
    assert any("1 sender at work, 1 standby, " in each for each in checked)
    shown = "\n".join(status.lines(found))
    assert "parcel 1, renewed" in shown
    assert re.search(rf"\d+ accepted in \d+ min, by {re.escape(__version__)}$", shown, re.MULTILINE)
    assert re.search(r"pool slow: 1 sender, \d+ outstanding, \d+ mails a minute", shown)
    assert re.search(r"at \d+ mails a minute all are out at 2026-11-\d\dT\d\d:", shown)
    metrics = path.read_text()
    assert metrics.startswith("newsletter_last_run_exit_code 0\n")
    for line in ('senders{pool="slow"} 1', "up 1", "standbys 1", "unleased 0"):
        assert f"\nnewsletter_ledger_{line}\n" in metrics
    after = seen(config)
    assert after["senders"] == []  # who ends in order is gone at once
    assert after["deliveries"]["accepted"] + after["deliveries"]["outstanding"] == 400


@pytest.mark.parametrize("ledger", ["shared", "file"])
def test_status_lists_what_became_of_each_mail_and_what_went_twice(
    machines: Machines, ledger: str
) -> None:
    place = machines.job
    environ = dict(machines.environ)
    if ledger == "file":
        del environ["NEWSLETTER_STATE__URL"], environ["NEWSLETTER_STATE__LEASE_SECONDS"]
    with SmtpServer(script={"dot": ["451 4.3.0 try again", DROP]}) as smtp:
        environ |= {"NEWSLETTER_SMTP__PORT": str(smtp.port), "NEWSLETTER_SMTP__ATTEMPTS": "1"}
        environ |= {"NEWSLETTER_SMTP__CONNECTIONS": "1", "NEWSLETTER_SMTP__DELIVER_IN_RUN": "true"}
        config = load(place / "newsletter.toml", environ=environ)
        run(config, now=DAY)
        before = status.issue_lines(config.place, 1, whole_addresses=True)
        run(config, now=DAY + timedelta(hours=1))
        after = status.issue_lines(config.place, 1, whole_addresses=False)
    assert sorted(before) == [
        "ada@example.org: deferred (4.3.0 try again)",
        "bo@example.org: unknown (the server hung up, where we awaited the reply to the final dot)",
    ]
    assert sorted(after) == [
        "a***@example.org: accepted, 2 attempts (2.0.0 taken)",
        "b***@example.org: accepted, 2 attempts (2.0.0 taken)",
    ]
    with pytest.raises(StateError, match="has no issue 2; the newest is 1"):
        status.issue_lines(config.place, 2, whole_addresses=False)


def seen(config: Config) -> dict[str, Any]:
    return status.current(config.place, config.keywords, now=DAY)


def until(config: Config, is_so: Any) -> dict[str, Any]:
    """Return the first status that is as it should be."""
    while not is_so(found := seen(config)):
        time.sleep(0.1)
    return found


@contextmanager
def standby(server: Postgres, folder: Path) -> Iterator[None]:
    """Follow the server's log, as a standby does."""
    folder.mkdir()
    command: list[str | Path] = [POSTGRES / "pg_receivewal", "-D", folder, "-h", server.folder]
    command += ["-p", str(server.port), "-U", "owner", "--no-loop"]
    process = subprocess.Popen(command)
    try:
        while server.sql("select count(*) from pg_stat_replication") != "1":
            assert process.poll() is None
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()
