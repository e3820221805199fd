"""What goes wrong around a run, and that the next one makes up for it: no mail lost or doubled."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from itertools import chain
from pathlib import Path
from threading import Event
from typing import IO

import pytest

from newsletter.errors import RenderError, TransportError
from newsletter.mails.render import Renderer
from newsletter.models import Fetched, Scope, Subscriber
from newsletter.state.state import State
from newsletter.subscribers.suppressions import Suppressions
from tests.making.commands import DAY_ONE, DAY_TWO, Command, rewrite
from tests.making.disks import fill, mounted
from tests.making.mailing import Refusing
from tests.making.newsroom import Newsroom, ToldSource
from tests.making.papers import DAY, NOW, paper
from tests.making.warm import Forked, fork
from tests.peers.http_server import web_server
from tests.peers.smtp_server import ORDINARY, Action, SmtpServer

pytestmark = pytest.mark.slow

ADA, BOB = Subscriber(email="ada@example.org"), Subscriber(email="bob@example.org")


@pytest.fixture
def room(tmp_path: Path) -> Newsroom:
    newsroom = Newsroom(tmp_path, subscribers=[ADA, BOB])
    newsroom.run(now=NOW - DAY)
    return newsroom


def use(folder: Path, *changes: tuple[str, str]) -> None:
    for old, new in changes:
        rewrite(folder / "newsletter.toml", old, new)


def statuses(state: Path) -> dict[str, str]:
    """Return what became of everybody's delivery of the newest issue."""
    with State.open(state) as opened:
        assert opened.problems() == []
        return {to: status for to, status, *_ in opened.deliveries.of_issue(opened.newest_issue())}


# Row 37: a full disk


@pytest.mark.mount
def test_a_full_disk_at_the_outbox_stops_the_run_and_the_next_one_finishes(
    newsletter: Command, sample: Path, small_disk: Path
) -> None:
    use(sample, ('directory = "outbox"', f'directory = "{small_disk}/outbox"'))
    fill(small_disk)
    ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 74
    assert "make room" in ended.err
    assert "Traceback" not in ended.err
    assert "accepted" not in statuses(sample / "state.sqlite3").values()
    (small_disk / "filler").unlink()
    assert newsletter("run", "--now", DAY_ONE).code == 0
    assert len(list((small_disk / "outbox" / "new").iterdir())) == 4
    assert set(statuses(sample / "state.sqlite3").values()) == {"accepted"}


@pytest.mark.mount
@pytest.mark.parametrize("free", [*range(0, 40_000, 4096), 80_000, 160_000])
def test_a_full_disk_at_the_state_stops_the_sending_wherever_it_strikes(
    newsletter: Command, sample: Path, small_disk: Path, free: int
) -> None:
    use(sample, ('file = "state.sqlite3"', f'file = "{small_disk}/state.sqlite3"'))
    newsletter("run", "--now", DAY_ONE)
    use(sample, ("day1.xml", "day2.xml"))
    fill(small_disk, but=free)
    with SmtpServer() as server:
        smtp = f'[smtp]\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\n'
        with (sample / "newsletter.toml").open("a") as file:
            file.write(f"{smtp}connections = 1\n")
        ended = newsletter("run", "--now", DAY_TWO)
        assert ended.code in {0, 74}, ended
        assert "Traceback" not in ended.err
        (small_disk / "filler").unlink()
        noted = list(statuses(small_disk / "state.sqlite3").values())
        assert len(server.mails) <= noted.count("accepted") + 1
        assert newsletter("run", "--now", DAY_TWO).code == 0
        after = statuses(small_disk / "state.sqlite3")
        assert set(after.values()) == {"accepted"}
        assert set(server.recipients) == set(after)
        assert len(server.mails) <= len(after) + 1
        assert len({mail.message_id for mail in server.mails}) == len(after)


@pytest.mark.mount
def test_a_full_disk_at_the_metrics_is_a_warning(
    newsletter: Command, sample: Path, small_disk: Path
) -> None:
    metrics = small_disk / "metrics.prom"
    metrics.write_text("newsletter_last_success_timestamp_seconds 1\n")
    with (sample / "newsletter.toml").open("a") as file:
        file.write(f'\n[monitoring]\nmetrics_file = "{metrics}"\n')
    fill(small_disk)
    ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 0
    assert "monitoring.metrics_file" in ended.err
    assert metrics.read_text() == "newsletter_last_success_timestamp_seconds 1\n"


def program(
    folder: Path, *arguments: str, stdout: IO[str] | None = None, stderr: IO[str] | None = None
) -> Forked:
    """Run the program in a process of its own."""
    return fork(*arguments, folder=folder, environ=at_home(folder), stdout=stdout, stderr=stderr)


def bound(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program as somebody to whom files can be forbidden, and return how it ended."""
    return subprocess.run(
        [*PREFIX, sys.executable, "-m", "newsletter", *arguments],
        cwd=folder,
        env=at_home(folder),
        capture_output=True,
        text=True,
        check=False,
    )


def at_home(folder: Path) -> dict[str, str]:
    return os.environ | {"XDG_STATE_HOME": str(folder / "home")}


PREFIX: tuple[str, ...] = ()
# Root without the right to pass by permissions: then files can be forbidden to it, too.
DROPPED = "-dac_override,-dac_read_search"
if os.geteuid() == 0 and shutil.which("setpriv"):
    PREFIX = ("setpriv", f"--inh-caps={DROPPED}", f"--bounding-set={DROPPED}")

bound_by_permissions = pytest.mark.skipif(
    os.geteuid() == 0 and not PREFIX, reason="root may write everywhere, and there is no setpriv"
)


def test_a_full_disk_at_the_log_costs_no_mail(sample: Path) -> None:
    with Path("/dev/full").open("w") as full:
        run = program(sample, "run", "--now", DAY_ONE, stderr=full)
        run.communicate()
    assert set(statuses(sample / "state.sqlite3").values()) == {"accepted"}
    with Path("/dev/full").open("w") as full:
        run = program(sample, "run", "--json", "--now", DAY_ONE, stdout=full)
        _, told = run.communicate()
    assert run.returncode == 74
    assert "No space left on device" in told


# Row 38: where nothing may be written


@bound_by_permissions
@pytest.mark.parametrize(
    ("forbidden", "mode"),
    [(".", 0o555), ("state.sqlite3", 0o444), ("state.sqlite3", 0o000), ("newsletter.toml", 0)],
)
def test_what_may_not_be_written_or_read_ends_the_run_before_any_network(
    newsletter: Command, sample: Path, forbidden: str, mode: int
) -> None:
    newsletter("run", "--now", DAY_ONE)
    with SmtpServer() as server, web_server(status=500) as arxiv:
        use(sample, ('file = "day1.xml"', f'url = "{arxiv.url}"\nattempts = 1'))
        with (sample / "newsletter.toml").open("a") as file:
            file.write(f'\n[smtp]\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\n')
        (sample / forbidden).chmod(mode)
        run = bound(sample, "run", "--now", DAY_TWO)
        (sample / forbidden).chmod(0o755)
        assert run.returncode == 77, run.stderr
        assert "Traceback" not in run.stderr
        assert (server.connections, arxiv.asked) == (0, [])


@bound_by_permissions
def test_an_outbox_that_may_not_be_written_leaves_everything_outstanding(
    newsletter: Command, sample: Path
) -> None:
    (sample / "outbox").mkdir(mode=0o555)
    run = bound(sample, "run", "--now", DAY_ONE)
    (sample / "outbox").chmod(0o755)
    assert run.returncode == 77
    assert "give this user the right to write there" in run.stderr
    assert newsletter("run", "--now", DAY_ONE).code == 0
    assert len(list((sample / "outbox" / "new").iterdir())) == 4


@pytest.mark.mount
def test_a_read_only_volume_ends_the_run_at_once(
    newsletter: Command, sample: Path, small_disk: Path
) -> None:
    use(sample, ('file = "state.sqlite3"', f'file = "{small_disk}/state.sqlite3"'))
    newsletter("run", "--now", DAY_ONE)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    ended = newsletter("run", "--now", DAY_TWO)
    assert ended.code == 74
    assert "Read-only file system" in ended.err
    assert len(list((sample / "outbox" / "new").iterdir())) == 4
    assert newsletter("check", "--offline").code == 77


def test_a_missing_folder_for_the_state_is_made(newsletter: Command, sample: Path) -> None:
    use(sample, ('file = "state.sqlite3"', 'file = "far/away/state.sqlite3"'))
    assert newsletter("run", "--now", DAY_ONE).code == 0
    assert (sample / "far" / "away" / "state.sqlite3").exists()


# Row 39: a damaged state


def newer(state: bytes) -> bytes:
    return state[:60] + (99).to_bytes(4, "big") + state[64:]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut after its first page": lambda state: state[:4096],
    "cut in half": lambda state: state[: len(state) // 2],
    "random bytes": lambda state: random.Random(0).randbytes(len(state)),
    "random bytes in the middle": lambda state: (
        state[:8192] + random.Random(0).randbytes(8192) + state[16384:]
    ),
    "50 MB of nothing": lambda _: bytes(50_000_000),
    "JSON": lambda _: b'{"announced": []}',
    "newer": newer,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_is_refused_named_and_left_alone(
    newsletter: Command, sample: Path, damage: str
) -> None:
    newsletter("run", "--now", DAY_ONE)
    state = sample / "state.sqlite3"
    sound = state.read_bytes()
    damaged = DAMAGE[damage](sound)
    state.write_bytes(damaged)
    use(sample, ("day1.xml", "day2.xml"))
    ended = newsletter("run", "--now", DAY_TWO)
    assert ended.code == 74, ended
    assert "state.sqlite3" in ended.err
    assert "restore a backup" in ended.err.lower()
    assert "Traceback" not in ended.err
    assert state.read_bytes() == damaged
    assert len(list((sample / "outbox" / "new").iterdir())) == 4
    state.write_bytes(sound)
    assert newsletter("run", "--now", DAY_TWO).code == 0


# Row 40: a journal whose end is torn


@pytest.mark.parametrize("tail", [b"\0" * 5000, random.Random(1).randbytes(4120), b"x"])
def test_what_was_committed_survives_a_torn_journal(room: Newsroom, tail: bytes) -> None:
    frozen(room)
    state, torn = room.folder / "state.sqlite3", room.folder / "torn"
    torn.mkdir()
    with State.open(state) as opened:
        opened.deliveries.take_up(now=NOW, max_age=DAY)
        for delivery in list(opened.claim()):
            opened.deliveries.commit({}, [delivery.id], now=NOW)
        # As a power cut leaves it: the journal is beside the file, and something is behind it.
        for suffix in ("", "-wal"):
            shutil.copy(f"{state}{suffix}", torn)
    with (torn / "state.sqlite3-wal").open("ab") as file:
        file.write(tail)
    assert set(statuses(torn / "state.sqlite3").values()) == {"sending"}
    room.folder = torn
    assert room.run(now=NOW + timedelta(hours=1)).deliveries.accepted == 2


# Row 41: the list in every shape


HEADER = "email,name,keywords,frequency,status,format\n"
TWO = HEADER + "ada@example.org,Ada,*,daily,active,html\nbob@example.org,Bob,*,daily,active,text\n"

LISTS: dict[str, tuple[bytes, int, int]] = {
    "byte order mark": (TWO.encode("utf-8-sig"), 0, 2),
    "UTF-16": (TWO.encode("utf-16"), 0, 2),
    "Latin-1": (TWO.replace("Bob", "Bjørn").encode("latin-1"), 65, 0),
    "semicolons": (TWO.replace(",", ";").encode(), 0, 2),
    "tabs": (TWO.replace(",", "\t").encode(), 0, 2),
    "CRLF": (TWO.replace("\n", "\r\n").encode(), 0, 2),
    "CR": (TWO.replace("\n", "\r").encode(), 0, 2),
    "NUL": (TWO.replace("Bob", "B\0b").encode(), 0, 2),  # the name is cleaned, and that is said
    "open quote": (TWO.replace("Ada", '"Ada').encode(), 0, 1),
    "1 MB in a cell": (TWO.replace("Bob", "B" * 1_000_000).encode(), 0, 1),
    "no email column": (TWO.replace("email", "adress").encode(), 65, 0),
    "a column twice": (TWO.replace("name", "email").encode(), 65, 0),
    "header only": (HEADER.encode(), 65, 0),
    "empty": (b"", 65, 0),
    "two addresses in a cell": (
        TWO.replace("bob@example.org", "bob@example.org cy@example.org").encode(), 0, 1
    ),
    "bidi characters": (TWO.replace("bob@", "\u202ebob@").encode(), 0, 1),
}  # fmt: skip


@pytest.mark.parametrize("shape", LISTS)
def test_a_list_of_any_shape_is_read_or_refused_as_a_whole(
    newsletter: Command, sample: Path, shape: str
) -> None:
    content, code, mails = LISTS[shape]
    (sample / "subscribers.csv").write_bytes(content)
    ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == code, ended
    outbox = sample / "outbox" / "new"
    assert len(list(outbox.iterdir()) if outbox.exists() else []) == mails
    if mails < 2:
        assert "subscribers.csv" in ended.err
    assert "Traceback" not in ended.err


def test_a_list_that_lost_half_its_rows_is_trusted_only_when_told(
    newsletter: Command, sample: Path
) -> None:
    rows = [f"r{n}@example.org,,*,daily,active,text\n" for n in range(40)]
    (sample / "subscribers.csv").write_text(HEADER + "".join(rows))
    newsletter("run", "--now", DAY_ONE)
    (sample / "subscribers.csv").write_text(HEADER + "".join(rows[:15]))
    use(sample, ("day1.xml", "day2.xml"))
    assert newsletter("run", "--now", DAY_TWO).code == 65
    assert newsletter("run", "--accept-list", "--now", DAY_TWO).code == 0
    assert len(list((sample / "outbox" / "new").iterdir())) == 55


def test_a_list_that_lost_half_its_rows_is_not_trusted_for_those_who_left_before(
    newsletter: Command, sample: Path
) -> None:
    rows = [f"r{n}@example.org,,*,daily,active,text\n" for n in range(40)]
    (sample / "subscribers.csv").write_text(HEADER + "".join(rows))
    left = "".join(f"r{n}@example.org\n" for n in range(8, 20))
    (sample / "suppressions.csv").write_text(left)
    assert newsletter("run", "--now", DAY_ONE).code == 0
    (sample / "subscribers.csv").write_text(HEADER + "".join(rows[:20]))
    assert newsletter("run", "--now", DAY_TWO).code == 65


# Row 42: the list between freezing and sending


def frozen(room: Newsroom) -> None:
    """Open an issue that cannot be delivered."""
    room.told.papers["mri"] = (paper("2611.00001"),)
    room.transport = Refusing(TransportError("down"))
    room.run()
    room.transport = None


@pytest.mark.parametrize(
    "without",
    [[ADA], [ADA, Subscriber(email="bob@example.org", paused=True)]],
    ids=["removed", "paused"],
)
def test_who_leaves_the_list_before_the_mail_left_is_not_mailed(
    room: Newsroom, without: list[Subscriber]
) -> None:
    frozen(room)
    room.subscribers = without
    report = room.run(now=NOW + timedelta(hours=1))
    tally = report.deliveries
    assert (tally.accepted, tally.suppressed, report.exit_code) == (1, 1, 0)
    assert [mail["To"] for mail in room.mails()] == ["ada@example.org"]


@pytest.mark.parametrize(("before", "after"), [("bob@", "Bob@"), ("Bob@", "bob@")])
def test_who_is_only_spelled_otherwise_is_still_on_the_list(
    room: Newsroom, before: str, after: str
) -> None:
    room.subscribers = [ADA, Subscriber(email=f"{before}example.org")]
    frozen(room)
    room.subscribers = [ADA, Subscriber(email=f"{after}example.org")]
    assert room.run(now=NOW + timedelta(hours=1)).deliveries.accepted == 2


def test_who_is_suppressed_between_two_resumes_is_not_mailed(room: Newsroom) -> None:
    frozen(room)
    room.transport = Refusing(TransportError("still down"))
    room.run(now=NOW + timedelta(hours=1))
    room.transport = None
    suppressions = Suppressions(room.folder / "suppressions.csv")
    suppressions.add("BOB@example.org", reason="unsubscribed", now=NOW)
    assert room.run(now=NOW + timedelta(hours=2)).deliveries.suppressed == 1
    assert [mail["To"] for mail in room.mails()] == ["ada@example.org"]


def test_who_joins_after_the_issue_was_opened_waits_for_the_next(room: Newsroom) -> None:
    frozen(room)
    room.subscribers = [ADA, BOB, Subscriber(email="cy@example.org")]
    assert room.run(now=NOW + timedelta(hours=1)).deliveries.accepted == 2
    room.told.papers["mri"] = (paper("2611.00002"), paper("2611.00001"))
    assert room.run(now=NOW + DAY).deliveries.accepted == 3
    (first,) = [mail for mail in room.mails() if mail["To"] == "cy@example.org"]
    assert "2611.00001" not in first.get_body(("plain",)).get_content()  # type: ignore[union-attr]


# Row 43: clocks that jump


def announce(room: Newsroom, number: int) -> None:
    """Let arXiv list one more paper."""
    papers = room.told.papers.get("mri", ())
    room.told.papers["mri"] = (paper(f"2611.{number:05}"), *papers)


def new_mails(room: Newsroom, now: datetime) -> list[EmailMessage]:
    """Return what a run wrote."""
    before = {mail["Message-ID"] for mail in room.mails()}
    room.run(now=now)
    return [mail for mail in room.mails() if mail["Message-ID"] not in before]


@pytest.mark.parametrize("jump", [-DAY, -400 * DAY, 365 * DAY])
def test_a_clock_that_jumps_and_comes_back_mails_nothing_twice_and_skips_nothing(
    room: Newsroom, jump: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    weekly = Subscriber(email="wes@example.org", frequency="weekly")
    room.subscribers = [ADA, weekly]
    announce(room, 1)
    room.run(now=NOW)
    assert {each["To"] for each in new_mails(room, NOW + jump)} <= {weekly.email}
    announce(room, 2)
    assert room.run(now=NOW + jump + timedelta(hours=1)).deliveries.accepted >= 1
    for day in range(1, 13):
        announce(room, 2 + day)
        report = room.run(now=NOW + day * DAY)
        assert report.exit_code == 0
        assert report.issue is not None
    mails = room.mails()
    assert len({mail["Message-ID"] for mail in mails}) == len(mails)
    for reader, fewest in ((ADA, 14), (weekly, 2)):
        theirs = [mail for mail in mails if mail["To"] == reader.email]
        assert len(theirs) >= fewest
        texts = [str(mail.get_body(("plain",))) for mail in theirs]
        for number in range(1, 12 if reader is weekly else 15):
            assert sum(f"/abs/2611.{number:05}" in text for text in texts) == 1, number
    dates = {parsedate_to_datetime(mail["Date"]) for mail in mails}
    assert dates <= {
        NOW + jump,
        NOW + jump + timedelta(hours=1),
        *(NOW + day * DAY for day in range(13)),
    }
    assert "if the clock is wrong, set it" in caplog.text
    with State.open(room.folder / "state.sqlite3") as state:
        trail = state.trail("mri")
        assert trail is not None
        assert trail.last_good == NOW + 12 * DAY
        assert trail.last_sweep <= NOW + 12 * DAY
        assert state.problems() == []


def test_a_clock_that_was_never_set_is_waited_for(newsletter: Command, sample: Path) -> None:
    ended = newsletter("run", "--now", "1970-01-01T00:02:00Z")
    assert ended.code == 75
    assert "the clock says 1970-01-01" in ended.err
    assert not (sample / "outbox").exists()
    assert newsletter("run", "--now", DAY_ONE).code == 0
    newsletter("run", "--now", "1970-01-02T00:02:00Z")
    use(sample, ("day1.xml", "day2.xml"))
    assert newsletter("run", "--now", DAY_TWO).code == 0


def test_a_change_of_summer_time_costs_no_issue(newsletter: Command, sample: Path) -> None:
    use(sample, ('timezone = "UTC"', 'timezone = "America/New_York"'))
    for now in ("2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-11-02T05:30:00Z"):
        assert newsletter("run", "--now", now).code == 0
    # Four readers on the first day; on Monday the one who reads weekly.
    assert len(list((sample / "outbox" / "new").iterdir())) == 5


def test_an_unset_time_zone_of_the_machine_does_not_matter(
    sample: Path, monkeypatch: pytest.MonkeyPatch, newsletter: Command
) -> None:
    monkeypatch.setenv("TZ", "Nowhere/At_all")
    time.tzset()
    try:
        assert newsletter("run", "--now", DAY_ONE).code == 0
        mail = next((sample / "outbox" / "new").iterdir()).read_bytes()
        assert b"Date: Thu, 19 Nov 2026 10:00:00 +0000" in mail
    finally:
        monkeypatch.undo()
        time.tzset()


# Rows 44 and 45: two runs at once


def held(until: Event) -> Iterator[Action]:
    while until.wait(100):
        yield ORDINARY


def all_but_one(runs: Sequence[Forked]) -> None:
    """Wait until one of them alone is left."""
    while sum(run.poll() is None for run in runs) > 1:
        time.sleep(0.01)


def by_smtp(folder: Path, server: SmtpServer) -> None:
    with (folder / "newsletter.toml").open("a") as file:
        file.write(
            f'\n[smtp]\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\n'
            "connections = 1\n"
        )


def test_two_runs_at_once_are_one_run(sample: Path) -> None:
    others_left = Event()
    with SmtpServer(script={"dot": held(others_left)}) as server:
        by_smtp(sample, server)
        runs = [program(sample, "run", "--now", DAY_ONE) for _ in range(3)]
        all_but_one(runs)
        others_left.set()
        told = [run.communicate()[1] for run in runs]
        assert sorted(run.wait() for run in runs) == [0, 75, 75], told
        assert len(server.recipients) == len(set(server.recipients)) == 4


def test_two_runs_at_once_finish_what_a_killed_one_left_only_once(sample: Path) -> None:
    others_left = Event()
    with SmtpServer(script={"dot": chain([ORDINARY], held(others_left))}) as server:
        by_smtp(sample, server)
        killed = program(sample, "run", "--now", DAY_ONE)
        while not server.mails:
            time.sleep(0.01)
        killed.kill()
        killed.communicate()
        runs = [program(sample, "run", "--now", DAY_ONE) for _ in range(2)]
        all_but_one(runs)
        others_left.set()
        told = [run.communicate()[1] for run in runs]
        assert sorted(run.wait() for run in runs) == [0, 75], told
        assert len({mail.message_id for mail in server.mails}) == 4
        assert len(server.mails) <= 5


@pytest.fixture
def second_container(sample: Path, tmp_path: Path) -> Iterator[Path]:
    """The same volume, mounted in another place."""
    yield from mounted(tmp_path / "volume", "--bind", str(sample))


@pytest.mark.mount
def test_two_containers_on_one_volume_are_one_run(sample: Path, second_container: Path) -> None:
    others_left = Event()
    with SmtpServer(script={"dot": held(others_left)}) as server:
        by_smtp(sample, server)
        runs = [program(each, "run", "--now", DAY_ONE) for each in (sample, second_container)]
        all_but_one(runs)
        others_left.set()
        told = [run.communicate()[1] for run in runs]
        assert sorted(run.wait() for run in runs) == [0, 75], told
        assert len(server.recipients) == len(set(server.recipients)) == 4


def test_the_status_tells_of_a_run_that_hangs_and_since_when(
    newsletter: Command, sample: Path
) -> None:
    began, looked = datetime.now(UTC), Event()
    with SmtpServer(script={"dot": chain([ORDINARY], held(looked))}) as server:
        by_smtp(sample, server)
        run = program(sample, "run", "--now", DAY_ONE)
        while not server.mails:
            time.sleep(0.01)
        pid = lock_holder(sample)
        os.kill(pid, signal.SIGSTOP)
        try:
            assert newsletter("run", "--now", DAY_ONE).code == 75
            told = newsletter("status").out
            assert f"a run is under way: process {pid} on " in told
            days = {f"since {day:%Y-%m-%d}" for day in (began, datetime.now(UTC))}
            assert any(each in told for each in days)
        finally:
            looked.set()
            os.kill(pid, signal.SIGCONT)
        run.communicate()
    assert "under way" not in newsletter("status").out


def test_the_status_after_a_kill_tells_what_is_outstanding(
    newsletter: Command, sample: Path
) -> None:
    killed = Event()
    with SmtpServer(script={"dot": chain([ORDINARY], held(killed))}) as server:
        by_smtp(sample, server)
        run = program(sample, "run", "--now", DAY_ONE)
        while not server.mails:
            time.sleep(0.01)
        run.kill()
        run.communicate()
        killed.set()
    told = newsletter("status").out
    assert "under way" not in told
    assert "none has ended" in told
    told += newsletter("status", "--issue", "1").out
    assert "unknown" in told
    assert "sending" not in told


def lock_holder(folder: Path) -> int:
    return int((folder / "state.sqlite3.lock").read_text().split()[1])


# Row 46: a machine that has run out of something

LIMITED = """
import resource, sys
from newsletter.commands.main import main
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
sys.argv = ["newsletter", "run", "--now", "{now}"]
main()
"""


def limited(folder: Path, limit: int, *, now: str) -> subprocess.CompletedProcess[str]:
    """Run the job with that many file descriptors."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED.format(limit=limit, now=now)],
        cwd=folder,
        env=at_home(folder),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("limit", [4, 5, 6, 7, 8, 10])
def test_running_out_of_file_descriptors_ends_cleanly(
    newsletter: Command, sample: Path, limit: int
) -> None:
    newsletter("run", "--now", DAY_ONE)
    use(sample, ("day1.xml", "day2.xml"))
    run = limited(sample, limit, now=DAY_TWO)
    assert run.returncode in {0, 74}, run.stderr
    assert "Traceback" not in run.stderr
    if run.returncode:
        assert "Too many open files" in run.stderr or "unable to open" in run.stderr, run.stderr
    assert newsletter("run", "--now", DAY_TWO).code == 0
    assert set(statuses(sample / "state.sqlite3").values()) == {"accepted"}
    sent = [path.name for path in (sample / "outbox" / "new").iterdir()]
    assert len(sent) == 4 + len(statuses(sample / "state.sqlite3"))


@pytest.mark.parametrize("limit", [9, 11, 14])
def test_running_out_of_file_descriptors_among_connections_ends_cleanly(
    newsletter: Command, sample: Path, limit: int
) -> None:
    with SmtpServer() as server:
        by_smtp(sample, server)
        run = limited(sample, limit, now=DAY_ONE)
        assert run.returncode in {0, 69, 74}, run.stderr
        assert "Traceback" not in run.stderr
        assert newsletter("run", "--now", DAY_ONE).code == 0
        assert sorted(server.recipients) == sorted(statuses(sample / "state.sqlite3"))


WITHOUT_THREADS = """
import sys, threading
from newsletter.commands.main import main
threading.stack_size(2 ** 46)
sys.argv = ["newsletter", "run", "--now", "{now}"]
main()
"""


def test_running_out_of_threads_ends_cleanly(newsletter: Command, sample: Path) -> None:
    with SmtpServer() as server:
        by_smtp(sample, server)
        run = subprocess.run(
            [sys.executable, "-c", WITHOUT_THREADS.format(now=DAY_ONE)],
            cwd=sample,
            env=at_home(sample),
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 69, run.stderr
        assert "Traceback" not in run.stderr
        assert "can't start new thread" in run.stderr
        assert newsletter("run", "--now", DAY_ONE).code == 0
        assert sorted(server.recipients) == sorted(statuses(sample / "state.sqlite3"))


SHIPPED = Path(__file__).parents[2] / "templates"
GREEDY = {
    "memory": "{{ 'x' * 10 ** 15 }}",
    "recursion": "{% macro down(n) %}{{ down(n + 1) }}{% endmacro %}{{ down(0) }}",
}


@pytest.mark.parametrize("greed", GREEDY)
def test_a_template_that_eats_everything_is_named_and_what_is_owed_stays_owed(
    newsletter: Command, sample: Path, greed: str
) -> None:
    templates = sample / "mine"
    templates.mkdir()
    text = (SHIPPED / "edition.txt").read_text("utf-8")
    block = text.index("%}", text.index("{% block opening")) + 2
    (templates / "edition.txt").write_text(text[:block] + GREEDY[greed] + text[block:], "utf-8")
    use(sample, ("[outbox]", "[outbox]\n"), ('timezone = "UTC"', 'templates = "mine"'))
    ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 70
    assert "edition.txt" in ended.err
    assert "Traceback" not in ended.err
    assert set(statuses(sample / "state.sqlite3").values()) == {"untried"}
    use(sample, ('templates = "mine"', 'timezone = "UTC"'))
    assert newsletter("run", "--now", DAY_ONE).code == 0
    assert set(statuses(sample / "state.sqlite3").values()) == {"accepted"}


# Row 47: poison


def test_a_recipient_that_cannot_be_put_into_a_message_is_given_up_after_three_runs(
    room: Newsroom,
) -> None:
    poison = Subscriber(email="poi son@example.org")
    room.subscribers = [ADA, poison, BOB]
    announce(room, 1)
    tallies = [room.run(now=NOW + timedelta(hours=n)).deliveries for n in range(4)]
    assert [(each.accepted, each.deferred, each.rejected) for each in tallies] == [
        (2, 1, 0),
        (0, 1, 0),
        (0, 0, 1),
        (0, 0, 0),
    ]
    announce(room, 2)
    assert room.run(now=NOW + DAY).deliveries.accepted == 2


@pytest.mark.parametrize(
    "error",
    [
        RenderError("edition.html", "it cannot be read"),
        OSError(24, "Too many open files"),
        ModuleNotFoundError("No module named 'premailer'", name="premailer"),
    ],
    ids=["templates", "machine", "library"],
)
def test_nobody_is_given_up_where_it_is_the_machine_that_cannot_compose(
    room: Newsroom, error: Exception
) -> None:
    def broken() -> Renderer:
        raise error

    announce(room, 1)
    stop = Event()
    stop.set()
    assert room.run(stop=stop).deliveries.outstanding == 2
    room.open_renderer, sound = broken, room.open_renderer
    for hour in range(1, 6):
        with suppress(OSError):
            assert room.run(now=NOW + timedelta(hours=hour)).deliveries.outstanding == 2
    room.open_renderer = sound
    assert room.run(now=NOW + timedelta(hours=7)).deliveries.accepted == 2


def test_a_library_that_is_missing_is_told_once_and_costs_nobody_a_mail(
    room: Newsroom, caplog: pytest.LogCaptureFixture
) -> None:
    def compose() -> None:
        raise ModuleNotFoundError("No module named 'itsdangerous'", name="itsdangerous")

    announce(room, 1)
    room.on_compose = compose
    for hour in range(1, 6):
        report = room.run(now=NOW + timedelta(hours=hour))
        (told,) = report.troubles
        assert "itsdangerous" in str(told)
        assert "pip install --force-reinstall arxiv-newsletter" in str(told)
        assert (report.exit_code, report.deliveries.outstanding) == (78, 2)
    assert caplog.text == ""
    room.on_compose = lambda: None
    assert room.run(now=NOW + timedelta(hours=7)).deliveries.accepted == 2


def test_a_paper_that_cannot_be_shown_costs_a_line_and_no_mail(
    room: Newsroom, caplog: pytest.LogCaptureFixture
) -> None:
    room.told.papers["mri"] = (paper("2611.00001", title=None), paper("2611.00002"))
    assert room.run().deliveries.accepted == 2
    assert "paper 'arxiv:2611.00001' cannot be shown" in caplog.text
    text = str(room.mails()[0].get_body(("plain",)))
    assert "2611.00001" in text
    assert "/abs/2611.00002" in text


def test_a_source_with_a_bug_is_an_outage_and_leaves_the_state_as_it_was(tmp_path: Path) -> None:
    room = Newsroom(tmp_path, subscribers=[ADA], source=Buggy())
    report = room.run(now=NOW - DAY)
    assert report.exit_code == 69
    assert {each.outcome for each in report.news} == {"unknown"}
    assert "ZeroDivisionError" in str(report.troubles[0])
    room.source = None
    assert room.run(now=NOW - DAY).exit_code == 0
    announce(room, 1)
    assert room.run().deliveries.accepted == 1


class Buggy(ToldSource):
    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:
        raise ZeroDivisionError
