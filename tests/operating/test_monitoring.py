"""What the operator's monitoring hears of a run, and when the operator gets a mail."""

import re
import socket
from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from newsletter.config.tables import Monitoring
from newsletter.errors import TransportError
from newsletter.job.letters import alerts
from newsletter.job.report import Report, as_json
from newsletter.models import Outcome, Subscriber
from newsletter.operating.metrics import exposition
from newsletter.operating.monitoring import Patience, Watch
from newsletter.operating.status import current, lines
from newsletter.sending.outbox import Outbox
from newsletter.state.engines import Place
from newsletter.state.state import State
from tests.making.commands import DAY_ONE, DAY_TWO, Command, rewrite
from tests.making.mailing import Picky, Refusing
from tests.making.newsroom import MASTHEAD, Newsroom
from tests.making.papers import DAY, NOW, paper
from tests.peers.http_server import web_server

SECRET = "5f0c1e52-secret-check"


def monitored(folder: Path, **settings: object) -> None:
    """Add a [monitoring] table to the sample's configuration."""
    lines = [f'{key} = "{value}"' for key, value in settings.items()]
    with (folder / "newsletter.toml").open("a") as file:
        file.write("\n".join(["\n[monitoring]", *lines, ""]))


def report(**changes: Any) -> dict[str, Any]:
    return {
        "run": "2026-11-20T10:00:00Z",
        "finished": "2026-11-20T10:01:30Z",
        "exit": 0,
        "keywords": [
            {"name": 'say "ah"\\', "outcome": "new", "announced": 4, "listed": 61, "reason": ""}
        ],
        "issue": None,
        "deliveries": {
            "planned": 3, "accepted": 1, "deferred": 1, "rejected": 1, "unknown": 0,
            "suppressed": 0, "expired": 0, "outstanding": 1,
        },
        "requests": 2,
        **changes,
    }  # fmt: skip


def unlucky(**changes: Any) -> dict[str, Any]:
    return report(exit=69, finished="2026-11-21T10:00:01Z", run="2026-11-21T10:00:00Z", **changes)


def values(text: str) -> dict[str, float]:
    """Read metrics as Prometheus does; every name must have been described."""
    described = set(re.findall(r"^# TYPE (\w+) gauge$", text, re.MULTILINE))
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert name.partition("{")[0] in described
            found[name] = float(value)
    assert described == {name.partition("{")[0] for name in found}
    return found


def test_metrics_tell_outcomes_deliveries_and_times() -> None:
    found = values(exposition(report()))
    assert found["newsletter_last_run_duration_seconds"] == 90
    assert found["newsletter_last_success_timestamp_seconds"] == 1795168890
    assert found[r'newsletter_keyword_outcome{keyword="say \"ah\"\\",outcome="new"}'] == 1
    assert found[r'newsletter_keyword_outcome{keyword="say \"ah\"\\",outcome="unknown"}'] == 0
    assert found['newsletter_deliveries{status="rejected"}'] == 1
    assert found["newsletter_deliveries_outstanding"] == 1
    assert found["newsletter_source_requests"] == 2


def test_the_last_success_outlives_failures() -> None:
    good = exposition(report())
    first = exposition(unlucky(), previous=good)
    second = values(exposition(unlucky(), previous=first))
    assert second["newsletter_last_success_timestamp_seconds"] == 1795168890
    assert second["newsletter_last_run_exit_code"] == 69


def test_a_run_that_did_not_begin_says_nothing_of_keywords_and_deliveries() -> None:
    found = values(exposition(unlucky(keywords=[])))
    assert set(found) == {
        "newsletter_last_run_timestamp_seconds",
        "newsletter_last_run_duration_seconds",
        "newsletter_last_run_exit_code",
    }


@pytest.mark.slow
def test_a_run_pings_its_start_and_its_exit_status_with_report_and_log(
    newsletter: Command, sample: Path
) -> None:
    with (sample / "subscribers.csv").open("a") as file:
        file.write("grace@example.org linus@example.org,,,,,\n")
    with web_server() as server:
        monitored(sample, ping_url=f"{server.url}/ping/{SECRET}?rid=1")
        assert newsletter("-v", "run", "--now", DAY_ONE).code == 0
    (start, end) = server.asked
    assert start == ("POST", f"/ping/{SECRET}/start?rid=1", "")
    assert end[:2] == ("POST", f"/ping/{SECRET}/0?rid=1")
    assert '"accepted": 4' in end[2]
    assert "g***@example.org" in end[2]
    assert "grace@" not in end[2]


def test_a_failing_run_pings_its_exit_status_and_why(newsletter: Command, sample: Path) -> None:
    (sample / "subscribers.csv").unlink()
    with web_server() as server:
        monitored(sample, ping_url=server.url)
        assert newsletter("run", "--now", DAY_ONE).code == 65
    assert [path for _, path, _ in server.asked] == ["/start", "/65"]
    assert "subscribers.csv: no such file" in server.asked[1][2]


@pytest.mark.slow
def test_a_dry_run_tells_nobody(newsletter: Command, sample: Path) -> None:
    with web_server() as server:
        monitored(sample, ping_url=server.url, metrics_file="metrics.prom")
        assert newsletter("run", "--dry-run", "--now", DAY_ONE).code == 0
    assert server.asked == []
    assert not (sample / "metrics.prom").exists()


@pytest.mark.slow
@pytest.mark.parametrize("status", [404, 500])
def test_a_ping_that_is_refused_is_a_warning_and_no_more(
    newsletter: Command, sample: Path, status: int
) -> None:
    with web_server(status=status) as server:
        monitored(sample, ping_url=f"{server.url}/{SECRET}")
        ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 0
    assert f"was not told (it answered {status})" in ended.err
    assert ended.err.splitlines()[-1].endswith("exit 0")
    assert SECRET not in ended.err


def test_a_ping_that_is_never_answered_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = Monitoring(ping_url=f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}")
        watch = Watch(Patience(seconds=60, silence=0.2))
        watch.begin(told, Place(file=Path("none")), stop=Event())
        watch.end(report())
    assert caplog.text.count("was not told (ReadTimeout)") == 2
    assert SECRET not in caplog.text


def test_an_answer_that_drips_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    def drip() -> None:
        client, _ = dripping.accept()
        with client, suppress(OSError):
            client.sendall(b"HTTP/1.1 200 OK\r\n")
            while not over.wait(0.1):
                client.sendall(b"X-More: to come\r\n")

    over = Event()
    with socket.create_server(("127.0.0.1", 0)) as dripping:
        thread = Thread(target=drip)
        thread.start()
        told = Monitoring(ping_url=f"http://127.0.0.1:{dripping.getsockname()[1]}/{SECRET}")
        Watch(Patience(seconds=0.5)).begin(told, Place(file=Path("none")), stop=Event())
        over.set()
        thread.join()
    assert "was not told (no answer in 0.5 s)" in caplog.text


@pytest.mark.slow
def test_an_address_that_nobody_can_have_is_a_warning_and_no_more(
    newsletter: Command, sample: Path
) -> None:
    monitored(sample, ping_url=f"https://{64 * 'a'}.example.org/{SECRET}")
    ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 0
    assert "was not told" in ended.err
    assert SECRET not in ended.err


@pytest.mark.slow
def test_a_run_writes_its_metrics_also_when_it_fails(newsletter: Command, sample: Path) -> None:
    monitored(sample, metrics_file="metrics.prom")
    newsletter("run", "--now", DAY_ONE)
    good = values((sample / "metrics.prom").read_text())
    assert good['newsletter_deliveries{status="accepted"}'] == 4
    (sample / "state.sqlite3").write_bytes(b"")
    newsletter("run", "--now", DAY_TWO)
    bad = values((sample / "metrics.prom").read_text())
    assert bad["newsletter_last_run_exit_code"] == 74
    name = "newsletter_last_success_timestamp_seconds"
    assert bad[name] == good[name]


@pytest.mark.slow
def test_metrics_that_cannot_be_written_are_a_warning(newsletter: Command, sample: Path) -> None:
    monitored(sample, metrics_file="nowhere/metrics.prom")
    ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 0
    assert "monitoring.metrics_file" in ended.err


# Alerts


@pytest.fixture
def room(tmp_path: Path) -> Newsroom:
    newsroom = Newsroom(tmp_path)
    newsroom.run(now=NOW - DAY)
    return newsroom


def alert(room: Newsroom, told: Report, transport: Any = None) -> list[EmailMessage]:
    """Return the alerts so far, after the one this report may lead to."""
    outbox = Outbox(room.folder / "alerts")
    with State.open(room.folder / "state.sqlite3") as state:
        alerts.tell(
            told,
            "owner@example.org",
            masthead=MASTHEAD,
            state=state,
            transport=transport or outbox,
        )
    return [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in sorted(outbox.directory.glob("new/*"))
    ]


def test_two_days_without_an_answer_are_written_about_until_there_is_one(room: Newsroom) -> None:
    room.told.down = "arXiv answered 503"
    assert alert(room, room.run(now=NOW)) == []
    (mail,) = alert(room, room.run(now=NOW + DAY - timedelta(seconds=3)))
    assert mail["To"] == "owner@example.org"
    assert mail["Subject"] == "Daily Papers: 2 troubles"
    assert "- mri: unknown for 2 days (arXiv answered 503)" in mail.get_content()
    assert len(alert(room, room.run(now=NOW + 2 * DAY))) == 2
    room.told.down = ""
    assert len(alert(room, room.run(now=NOW + 3 * DAY))) == 2


@pytest.mark.slow
def test_a_trouble_is_written_about_once_a_day(room: Newsroom) -> None:
    room.told.down = "arXiv answered 503"
    taking = Picky({})
    for hours in (24, 28, 37, 48, 52):
        alert(room, room.run(now=NOW + timedelta(hours=hours)), taking)
    assert len(taking.seen) == 2


def test_a_keyword_that_was_never_answered_is_written_about_too(tmp_path: Path) -> None:
    room = Newsroom(tmp_path)
    room.told.down = "arXiv answered 503"
    assert alert(room, room.run(now=NOW)) == []
    assert alert(room, room.run(now=NOW + DAY)) == []
    assert len(alert(room, room.run(now=NOW + 2 * DAY))) == 1


def test_expired_mails_are_written_about_once_the_server_takes_mails_again(
    room: Newsroom,
) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)
    down = Refusing(TransportError("down"))
    room.transport = down
    room.run(now=NOW)
    room.told.papers["mri"] = (paper("2611.00002"), paper("2611.00001"))
    expired = room.run(now=NOW + 3 * DAY)
    assert expired.deliveries.expired == 1
    assert alert(room, expired, down) == []
    room.transport = None
    (mail,) = alert(room, room.run(now=NOW + 4 * DAY))
    assert "- 1 mail could not leave in time and expired" in mail.get_content()
    assert len(alert(room, room.run(now=NOW + 5 * DAY))) == 1


def test_a_mass_of_refusals_is_in_the_report_the_alert_and_the_status(tmp_path: Path) -> None:
    people = [Subscriber(email=f"r{number}@big.example") for number in range(5)]
    room = Newsroom(tmp_path, subscribers=people, judging=True)
    room.run(now=NOW - DAY)
    room.told.papers["mri"] = (paper("2611.00001"),)
    refused = Outcome(status="rejected", code=550, text="5.1.1 no such user")
    room.transport = Picky({each.email: refused for each in people})
    report = room.run(now=NOW)
    assert report.exit_code == 0
    (told,) = as_json(report)["troubles"]
    assert "issue 1 came back from 5 of 5 recipients" in told
    (mail,) = alert(room, report)
    assert "issue 1 came back from 5 of 5 recipients" in mail.get_content().replace("\n", " ")
    place = Place(file=tmp_path / "state.sqlite3")
    status = "\n".join(lines(current(place, room.keywords, now=NOW)))
    assert "the last run said:" in status
    assert "issue 1 came back from 5 of 5 recipients" in status.replace("\n    ", " ")
    quiet = room.run(now=NOW + DAY)
    assert "troubles" not in as_json(quiet)
    assert len(alert(room, quiet)) == 1


def test_an_alert_is_no_delivery(room: Newsroom) -> None:
    room.told.down = "arXiv answered 503"
    room.run(now=NOW)
    alert(room, room.run(now=NOW + 2 * DAY))
    with State.open(room.folder / "state.sqlite3") as state:
        assert list(state.recipients()) == ["ada@example.org"]
        assert state.deliveries.waiting() == []
        assert state.problems() == []


@pytest.mark.parametrize(
    "transport",
    [
        Refusing(TransportError("the server is down")),
        Picky({"owner@example.org": Outcome(status="rejected", code=550, text="no such user")}),
    ],
)
def test_an_alert_that_is_not_taken_is_a_warning_and_goes_again(
    room: Newsroom, transport: Any, caplog: pytest.LogCaptureFixture
) -> None:
    room.told.down = "arXiv answered 503"
    report = room.run(now=NOW + 2 * DAY)
    alert(room, report, transport)
    assert "monitoring.alert_to" in caplog.text
    assert len(alert(room, report)) == 1


@pytest.mark.slow
def test_a_run_sends_the_alert_through_its_own_transport(newsletter: Command, sample: Path) -> None:
    monitored(sample, alert_to="owner@example.org")
    newsletter("run", "--now", DAY_ONE)
    rewrite(sample / "newsletter.toml", "day1.xml", "gone.xml")
    assert newsletter("run", "--now", "2026-11-21T10:00:00Z").code == 69
    (mail,) = (sample / "outbox" / "new").glob("*.alert.*")
    assert b"unknown for 2 days" in mail.read_bytes()
