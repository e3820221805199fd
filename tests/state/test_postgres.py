"""A server that is not as it should be, and others that it is shared with."""

import os
import shutil
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from msgspec.structs import replace

from newsletter.errors import LockedError, StateError
from newsletter.issues.issue import compile_issue
from newsletter.models import Announcement, Day, Keyword, News, Outcome, Owed
from newsletter.state import moving, opening
from newsletter.state.engines import Place
from newsletter.state.postgres.database import Database
from newsletter.state.postgres.lease import PoolMeter
from newsletter.state.postgres.parcels import Parcels
from newsletter.state.postgres.suppressions import SharedSuppressions
from newsletter.state.state import State
from newsletter.subscribers.suppressions import Suppressions
from tests.making.disks import fill, mounted
from tests.making.papers import NOW, paper
from tests.peers.postgres import PASSWORD, Postgres, pgbouncer, postgres

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

LEASE = 600  # seconds: none ends by itself, only where the test lets it

_numbers = count(1)


@pytest.fixture
def place(server: Postgres) -> Place:
    return server.place(f"odd-{next(_numbers)}", lease_seconds=LEASE)


def refusal(place: Place) -> StateError:
    with pytest.raises(StateError) as raised, opening.opened(place):
        pass
    assert PASSWORD not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"url": "postgresql://newsletter@no.such.host.invalid/x"}, 78, "is the host in state.url"),
        ({"password": "wrong"}, 78, "is NEWSLETTER_STATE__PASSWORD right"),
        ({"password": ""}, 78, "set NEWSLETTER_STATE__PASSWORD"),
        ({"url": "postgresql://newsletter@127.0.0.1:1/newsletter"}, 74, "refused"),
    ],
)
def test_what_cannot_be_reached_is_said_with_what_to_do(
    place: Place, change: dict[str, str], code: int, words: str
) -> None:
    error = refusal(replace(place, **change))
    assert error.exit_code == code
    assert words in str(error)


def test_a_database_that_is_not_there_is_said(server: Postgres, place: Place) -> None:
    error = refusal(replace(place, url=server.url(database="nowhere")))
    assert error.exit_code == 78
    assert "create it, or correct state.url" in str(error)


def test_a_schema_of_another_program_is_left_alone(server: Postgres, place: Place) -> None:
    server.sql(
        f'create schema "newsletter {place.newsletter}" authorization newsletter',
        f'create table "newsletter {place.newsletter}".things (id int)',
    )
    error = refusal(place)
    assert (error.exit_code, "another program" in str(error)) == (78, True)


def test_the_ledger_of_another_newsletter_is_left_alone(server: Postgres, place: Place) -> None:
    with opening.opened(place):
        pass
    server.sql(f"update \"newsletter {place.newsletter}\".about set newsletter = 'other'")
    error = refusal(place)
    assert (error.exit_code, "correct newsletter.id" in str(error)) == (78, True)


def test_a_ledger_of_a_newer_version_is_left_alone(server: Postgres, place: Place) -> None:
    with opening.opened(place):
        pass
    server.sql(f'update "newsletter {place.newsletter}".about set version = 99')
    error = refusal(place)
    assert (error.exit_code, "newer version" in str(error)) == (78, True)


def test_a_role_that_may_not_create_its_schema_is_told(server: Postgres, place: Place) -> None:
    quoted = PASSWORD.replace("'", "''")
    server.sql(f"create role reader login password '{quoted}'")
    error = refusal(replace(place, url=server.url("reader")))
    assert (error.exit_code, "grant create on database" in str(error)) == (78, True)


@pytest.mark.parametrize("commit", ["off", "local"])
def test_a_role_whose_commits_can_be_forgotten_is_refused(
    server: Postgres, place: Place, commit: str
) -> None:
    server.sql(f"alter role newsletter set synchronous_commit = {commit}")
    try:
        error = refusal(place)
    finally:
        server.sql("alter role newsletter reset synchronous_commit")
    assert error.exit_code == 78
    assert f"synchronous_commit is {commit}" in str(error)


def test_a_server_that_does_not_sync_is_refused(place: Place) -> None:
    with postgres(fsync="off") as server:
        error = refusal(replace(place, url=server.url()))
    assert (error.exit_code, "fsync" in str(error)) == (78, True)


def test_too_many_connections_are_waited_for_and_then_said(server: Postgres, place: Place) -> None:
    with opening.opened(place):
        server.sql("alter role newsletter connection limit 1")
        try:
            error = refusal(place)
        finally:
            server.sql("alter role newsletter connection limit -1")
    assert (error.exit_code, "run fewer senders" in str(error)) == (75, True)


@pytest.fixture
def small_disk(server: Postgres) -> Iterator[Path]:
    yield from mounted(server.folder / "small", "-t", "tmpfs", "-o", "size=24m", "tmpfs")


@pytest.mark.mount
def test_an_issue_that_does_not_fit_on_the_disk_is_not_there_until_it_does(
    server: Postgres, place: Place, small_disk: Path
) -> None:
    folder = small_disk / "tablespace"
    folder.mkdir()
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server.sql(f"create tablespace small location '{folder}'")
    server.sql("create database tight owner newsletter tablespace small")
    try:
        with opening.opened(replace(place, url=server.url(database="tight"))) as state:
            fill(small_disk)
            with pytest.raises(StateError, match="make room") as full:
                publish(state, 20_000)
            assert full.value.exit_code == 74
            assert state.newest_issue() == 0
            (small_disk / "filler").unlink()
            publish(state, 1000)
            assert state.totals().outstanding == 1000
    finally:
        server.sql("drop database tight with (force)")
        server.sql("drop tablespace small")


def publish(state: State, recipients: int) -> None:
    """Open the first issue, which so many are owed."""
    owed = (
        Owed(recipient=f"r{number}@example.org", keywords=("mri",), format="html", after=0)
        for number in range(recipients)
    )
    day = Day(now=NOW, news=[], windows={})
    state.publish(compile_issue(1, NOW.date(), []), day, owed, [], weekly=False)


def test_who_waits_for_the_lease_of_another_looks_for_the_next_issue_meanwhile(
    place: Place,
) -> None:
    with opening.opened(place) as one, opening.opened(place) as two:
        publish(one, 3)
        for each in (one, two):
            each.deliveries.take_up(now=NOW, max_age=timedelta(days=2))
        with one.claim() as first, two.claim() as second:
            assert next(iter(first)).issue == 1
            assert list(second) == []
            assert second.pause
            assert second.pause <= 2


def test_an_old_server_is_refused(place: Place) -> None:
    with old_server() as port:
        error = refusal(replace(place, url=f"postgresql://newsletter@127.0.0.1:{port}/newsletter"))
    assert error.exit_code == 78
    assert "PostgreSQL 12.9; 13 or newer" in str(error)


def test_a_dump_restored_on_another_server_is_noticed(server: Postgres, place: Place) -> None:
    with opening.opened(place):
        pass
    server.sql(f"update \"newsletter {place.newsletter}\".about set cluster = '1'")
    error = refusal(place)
    assert (error.exit_code, "newsletter state restored" in str(error)) == (74, True)


@pytest.mark.parametrize(
    "rounds", [20, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.full])]
)
def test_of_two_runs_at_once_one_opens_the_issue(place: Place, rounds: int) -> None:
    def run(name: str) -> None:
        start.wait()
        with suppress(LockedError), opening.alone(place) as state:
            if state.newest_issue() < number:
                today = Day(now=NOW, news=[news], windows={"mri": NOW})
                issue = compile_issue(number, NOW.date(), today.news)
                state.publish(issue, today, [], [], weekly=False)
                opened.append(name)

    for number in range(1, rounds + 1):
        opened: list[str] = []
        news = News(
            source="arXiv",
            keyword=Keyword(name="mri"),
            outcome="new",
            announcements=(Announcement(paper=paper(f"2611.{number:05}")),),
            listed=1,
        )
        start = threading.Barrier(2)
        runs = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
        for each in runs:
            each.start()
        for each in runs:
            each.join()
        assert len(opened) == 1
    with opening.opened(place) as state:
        assert state.newest_issue() == rounds
        assert len(state.announced("mri")) == rounds
        assert state.problems() == []


def test_two_newsletters_in_one_database_know_nothing_of_each_other(place: Place) -> None:
    other = replace(place, newsletter=f"{place.newsletter}.other")
    with opening.opened(place) as state, opening.opened(other) as beside:
        state.history.note_told(["disk"], now=NOW)
        assert beside.history.last_told("disk") is None


def test_a_question_is_asked_again_when_the_server_is_back(tmp_path: Path) -> None:
    with postgres() as own:
        place = own.place("papers")
        database = Database(place, patience=inf)
        database.open()
        began = database.connected_at
        own.kill()
        coming_back = threading.Timer(1.0, own.start)
        coming_back.start()
        assert database.rows("select 1") == [(1,)]
        assert database.connected_at > began
        with database.transaction() as db:
            db.execute("insert into alerts values ('disk', 'now')")
        database.close()
        coming_back.join()


def test_a_lease_on_the_job_ends_by_itself_and_what_it_did_not_commit_is_nothing(
    place: Place,
) -> None:
    with opening.alone(place) as first:
        assert isinstance(first.database, Database)
        token = first.database.leading
        with opening.opened(place) as beside:
            beside.database.rows(
                "update leases set until = clock_timestamp() - make_interval(secs => 1)"
                " where token = ? returning 1",
                token,
            )
        with opening.alone(place) as second:
            second.history.note_told(["mine"], now=NOW)
            with pytest.raises(StateError, match="lost its lease"):
                first.history.note_told(["disk"], now=NOW)
            assert second.history.last_told("disk") is None


def test_who_leaves_elsewhere_is_heard_by_all_and_written_into_the_file(
    place: Place, tmp_path: Path
) -> None:
    file = Suppressions(tmp_path / "suppressions.csv", keys=[b"k" * 32])
    file.add("old@example.org", reason="bounced", now=NOW)
    with opening.opened(place) as job, opening.opened(place) as door:
        assert isinstance(job.database, Database)
        assert isinstance(door.database, Database)
        here = SharedSuppressions(job.database, keys=[b"k" * 32])
        there = SharedSuppressions(door.database, keys=[b"k" * 32])
        here.reconcile(file, now=NOW)
        there.add("Ada@Example.org", reason="unsubscribed", now=NOW, detail="one click")
        time.sleep(1.1)
        here.refresh()
        assert here.reason_for("ada@example.org") == "unsubscribed"
        assert here.reason_for("old@example.org") == "bounced"
        here.reconcile(file, now=NOW)
        assert file.reason_for("ada@example.org") == "unsubscribed"
        file.remove("old@example.org", now=NOW)
        file.forget("ada@example.org", now=NOW)
        here.reconcile(file, now=NOW)
        assert here.reason_for("old@example.org") is None
        assert here.reason_for("ada@example.org") == "forgotten"
        there.add("ada@example.org", reason="unsubscribed", now=NOW)
        assert "ada@" not in (tmp_path / "suppressions.csv").read_text()


@contextmanager
def old_server() -> Iterator[int]:
    """Answer as PostgreSQL 12 does, up to the first question."""
    listener = socket.create_server(("127.0.0.1", 0))

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                while True:
                    head = sock.recv(8)
                    if len(head) < 8:
                        break
                    length, code = struct.unpack("!ii", head)
                    sock.recv(length - 8)
                    if code in {80877103, 80877104}:  # SSLRequest, GSSENCRequest
                        sock.sendall(b"N")
                        continue
                    sock.sendall(
                        message(b"R", struct.pack("!i", 0))
                        + message(b"S", b"server_version\x0012.9\x00")
                        + message(b"S", b"client_encoding\x00UTF8\x00")
                        + message(b"K", struct.pack("!ii", 1, 1))
                        + message(b"Z", b"I")
                    )
                    sock.recv(1024)
                    break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_a_state_file_moves_in_the_middle_of_an_issue(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite3"
    owed = [
        Owed(recipient=f"r{number}@example.org", keywords=("mri",), format="html", after=0)
        for number in range(2500)
    ]
    news = News(
        source="arXiv",
        keyword=Keyword(name="mri"),
        outcome="new",
        announcements=(Announcement(paper=paper("2611.00001")),),
        listed=1,
    )
    day = Day(now=NOW, news=[news], windows={"mri": NOW})
    with State.open(file) as state:
        state.publish(compile_issue(1, NOW.date(), day.news), day, owed, [], weekly=False)
        state.deliveries.take_up(now=NOW, max_age=timedelta(days=2))
        with state.claim(hold_unknown=True) as claim:
            ids = [each.id for each in claim]
            claim.commit({}, ids[:3], now=NOW)
            claim.commit({ids[0]: Outcome(status="accepted", code=250)}, [], now=NOW)
            claim.commit({ids[1]: Outcome(status="rejected", code=550)}, [], now=NOW)
    counts = moving.move(file, place)
    assert (counts["deliveries"], counts["issues"], counts["papers"]) == (2500, 1, 1)
    with pytest.raises(StateError, match="was moved to postgresql") as raised:
        State.open(file)
    assert raised.value.exit_code == 78
    with pytest.raises(StateError, match="has a ledger of this newsletter already"):
        moving.move(file, place)
    with opening.opened(place) as state:
        state.deliveries.take_up(now=NOW, max_age=timedelta(days=2))
        tally = state.deliveries.tally()
        assert (tally.planned, tally.unknown) == (2498, 1)
        with state.claim() as claim:
            found = {each.id: each for each in claim}
        assert len(found) == 2498
        assert sum(each.attempts for each in found.values()) == 1
        assert state.problems() == []


def test_what_a_restored_ledger_owes_waits_for_a_person(server: Postgres, place: Place) -> None:
    news = News(source="arXiv", keyword=Keyword(name="mri"), outcome="none", listed=1)
    day = Day(now=NOW, news=[news], windows={"mri": NOW})
    owed = [Owed(recipient="a@example.org", keywords=("mri",), format="html", after=0)]
    with opening.opened(place) as state:
        state.publish(compile_issue(1, NOW.date(), day.news), day, owed, [], weekly=False)
    server.sql(f"update \"newsletter {place.newsletter}\".about set cluster = '1'")
    assert moving.hold(place) == 1
    with opening.opened(place) as state:
        with state.claim() as claim:
            assert list(claim) == []
        ((_, status, _, reply),) = state.deliveries.of_issue(1)
        assert (status, "backup" in reply) == ("unknown", True)
    assert moving.release(place) == 1
    with opening.opened(place) as state, state.claim() as claim:
        assert [each.recipient for each in claim] == ["a@example.org"]


def test_senders_of_a_pool_take_turns_in_the_time_of_their_mail_server(place: Place) -> None:
    with opening.opened(place) as one, opening.opened(place) as two:
        meters = [opening.shared_meter(each) for each in (one, two)]
        began = time.monotonic()
        waits = [meter.take(100) for _ in range(3) for meter in meters if meter]
        elapsed = time.monotonic() - began

    assert waits[0] == 0
    for turn, wait in enumerate(waits):
        assert wait is not None
        assert 100 * turn - elapsed <= wait <= 100 * turn


def test_when_one_sender_is_told_to_rest_all_of_its_pool_do_and_no_other(place: Place) -> None:
    other = replace(place, pool="another relay")
    with (
        opening.opened(place) as one,
        opening.opened(place) as two,
        opening.opened(other) as elsewhere,
    ):
        here, there, away = (opening.shared_meter(each) for each in (one, two, elsewhere))
        assert here
        assert there
        assert away
        here.rest(100)
        there.rest(100)  # at the same time: the server wants no more of it for that
        there.rest(1)  # a short one takes nothing off a long one
        wait = there.take(0)

        assert wait is not None
        assert 50 < wait <= 100
        assert away.take(0) == 0


def test_nothing_may_leave_while_nobody_can_tell(place: Place) -> None:
    gone = Database(replace(place, url="postgresql://newsletter@127.0.0.1:1/newsletter"))

    assert PoolMeter(gone).take(1) is None
    PoolMeter(gone).rest(1)


@pytest.mark.pgbouncer
def test_a_statement_is_kept_by_the_server_alone_never_behind_a_pgbouncer(
    server: Postgres, place: Place
) -> None:
    kept = "select count(*) from pg_prepared_statements"
    with pgbouncer(server) as port:
        for through, number in ((0, 1), (port, 0)):
            with opening.opened(replace(place, url=server.url(through=through))) as state:
                assert isinstance(state.database, Database)
                for _ in range(3):
                    state.database.asked(lambda db: db.execute("select 1", kept=True))
                assert state.database.rows(kept) == [(number,)]


@pytest.mark.pgbouncer
def test_who_kept_its_connection_takes_nothing_over_from_a_server_that_was_away() -> None:
    with postgres() as own, pgbouncer(own) as port:
        place = replace(own.place("away", lease_seconds=LEASE), url=own.url(through=port))
        with opening.opened(place) as idle, opening.opened(place) as busy:
            news = News(source="arXiv", keyword=Keyword(name="mri"), outcome="none", listed=1)
            day = Day(now=NOW, news=[news], windows={"mri": NOW})
            owed = [Owed(recipient="a@example.org", keywords=("mri",), format="html", after=0)]
            idle.publish(compile_issue(1, NOW.date(), day.news), day, owed, [], weekly=False)
            with busy.claim() as claim:
                (delivery,) = claim
                assert claim.commit({}, [delivery.id], now=NOW)
                assert isinstance(idle.database, Database)
                idle.database.present()
                idle.database.connected_at -= LEASE  # it has been there for long
                with idle.claim() as nothing:
                    assert list(nothing) == []
                assert isinstance(claim, Parcels)
                claim.fall_silent()  # as where the server is away
                own.kill()
                own.start()
                for each in (idle, busy):
                    assert isinstance(each.database, Database)
                    each.database.patience = inf
                busy.database.rows("update parcels set until = clock_timestamp() returning 1")
                with idle.claim() as nothing:
                    assert list(nothing) == []  # although that lease has ended
                claim.commit({delivery.id: Outcome(status="accepted", code=250)}, [], now=NOW)
            assert [each[1:3] for each in idle.deliveries.of_issue(1)] == [("accepted", 1)]


@pytest.mark.mount
@pytest.mark.slow
def test_a_full_disk_under_the_database_is_said_and_costs_nobody_a_mail() -> None:
    news = News(source="arXiv", keyword=Keyword(name="mri"), outcome="none", listed=1)
    day = Day(now=NOW, news=[news], windows={"mri": NOW})

    def publish(state: State, number: int, recipients: int) -> None:
        owed = (
            Owed(recipient=f"r{each}@example.org", keywords=("mri",), format="html", after=0)
            for each in range(recipients)
        )
        issue = compile_issue(number, NOW.date() + timedelta(number), day.news)
        state.publish(issue, day, owed, [], weekly=False)

    with TemporaryDirectory(prefix="newsletter-disk-") as folder:
        Path(folder).chmod(0o755)  # the server is not root, whom pytest's own folders are for
        options = ("-t", "tmpfs", "-o", "size=96m,mode=777", "tmpfs")
        with contextmanager(mounted)(Path(folder) / "disk", *options) as disk:
            print(filled_up(disk, publish))


def filled_up(disk: Path, publish: Callable[[State, int, int], None]) -> StateError:
    """Fill the disk under a database while an issue is opened, and make room again."""
    with postgres(disk, autovacuum="off", max_wal_size="32MB") as own:
        place = own.place("full")
        with opening.opened(place) as state:
            publish(state, 1, 100)
            fill(disk, but=1_000_000)
            with pytest.raises(StateError) as raised:
                publish(state, 2, 100_000)
            assert raised.value.exit_code == 74
            (disk / "filler").unlink()
            try:
                own.wait()
            except RuntimeError:
                own.start()  # without room for its log it has ended itself
            assert isinstance(state.database, Database)
            state.database.patience = inf
            assert state.newest_issue() == 1
            publish(state, 2, 1000)
            assert len(set(state.deliveries.awaiting())) == 1000
            assert state.problems() == []
    return raised.value
