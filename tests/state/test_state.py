import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from math import inf
from pathlib import Path

import pytest

from newsletter.errors import LockedError, StateError
from newsletter.issues.issue import compile_issue
from newsletter.models import (
    Announcement,
    Day,
    DeliveryStatus,
    Keyword,
    News,
    Outcome,
    Owed,
    Reader,
)
from newsletter.state.sqlite.database import Database
from newsletter.state.sqlite.lock import only_run
from newsletter.state.state import State
from tests.making.papers import NOW, paper

MRI = Keyword(name="mri", categories=("eess.IV",))
ACCEPTED = Outcome(status="accepted", code=250, text="queued as 1")
DAY = timedelta(days=1)
HOLD = """
import pathlib, sys
from newsletter.state.sqlite.lock import only_run
with only_run(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

PEAK = """
import pathlib, resource, sys
from newsletter.state.state import State
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
with State.open(pathlib.Path(sys.argv[1])) as state:
    before = peak()
    with state.snapshot():
        print(peak() - before)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "state.sqlite3"


def day(*arxiv_ids: str, **fields: object) -> Day:
    news = News(
        source="arXiv",
        keyword=MRI,
        outcome="new" if arxiv_ids else "none",
        announcements=tuple(Announcement(paper=paper(each)) for each in arxiv_ids),
        listed=12,
    )
    values = {"now": NOW, "news": [news], "windows": {"mri": NOW - 30 * DAY}}
    return Day(**(values | fields))  # type: ignore[arg-type]


def publish(state: State, number: int, *arxiv_ids: str, to: tuple[str, ...] = ()) -> None:
    today = day(*arxiv_ids)
    owed = [Owed(recipient=each, keywords=("mri",), format="html", after=number - 1) for each in to]
    state.publish(compile_issue(number, NOW.date(), today.news), today, owed, [], weekly=False)


@pytest.mark.parametrize(
    ("opened", "since"),
    [([30], 30), ([30, 20], 30), ([30, 90], 90), ([30, 90, 20], 90), ([30, 30], 30)],
)
def test_a_keyword_is_watched_since_the_first_window_that_opened_for_it(
    path: Path, opened: list[int], since: int
) -> None:
    with State.open(path) as state:
        for days in opened:
            state.note(day(windows={"mri": NOW - days * DAY}), [])
        assert state.memory(MRI).since == NOW - since * DAY


@pytest.mark.parametrize(
    ("seen", "since"), [([0], 0), ([0, 1], 0), ([1, 0], 0), ([0, 1, 2], 0), ([0, 0], 0)]
)
def test_a_surge_is_held_since_it_was_first_seen(path: Path, seen: list[int], since: int) -> None:
    with State.open(path) as state:
        for days in seen:
            state.note(day(now=NOW + days * DAY, news=[], held=["mri"]), [])
        assert state.held_since("mri") == NOW + since * DAY


def test_a_delivery_knows_how_its_reader_reads(path: Path) -> None:
    today = day("2611.00001")
    owed = [
        Owed(recipient="a@example.org", keywords=("mri",), format="html", after=0),
        Owed(
            recipient="b@example.org", keywords=("mri",), format="text", after=0,
            frequency="weekly", abstracts="none",
        ),
    ]  # fmt: skip
    with State.open(path) as state:
        state.publish(compile_issue(1, NOW.date(), today.news), today, owed, [], weekly=True)
        state.deliveries.take_up(now=NOW, max_age=DAY)
        (found,) = state.deliveries.pages()
    wishes = {each.recipient: (each.frequency, each.abstracts) for each in found}
    assert wishes == {"a@example.org": ("daily", None), "b@example.org": ("weekly", "none")}


def test_a_published_issue_reads_back_as_it_was(path: Path) -> None:
    hard = paper("2611.00002", title="Łódź <b>&\u202e", categories=("cs.CV",), comment="12 pages")
    news = News(
        keyword=MRI,
        source="arXiv",
        outcome="new",
        announcements=(Announcement(paper=hard),),
        since=NOW,
    )
    issue = compile_issue(1, NOW.date(), [news])
    with State.open(path) as state:
        state.publish(issue, day(news=[news]), [], [], weekly=False)
    with State.open(path) as state:
        assert state.issues(after=0, upto=1) == [issue]
        assert state.newest_issue() == 1
        assert state.news_in() == {"mri": 1}
        assert state.news_in(after=1) == {}


def test_nobody_else_can_read_the_addresses(path: Path) -> None:
    with State.open(path) as state:
        publish(state, 1, "2611.00001", to=("ada@example.org",))
        files = [each for each in path.parent.iterdir() if each.stat().st_size]
        assert len(files) >= 2
        assert {each.stat().st_mode & 0o777 for each in files} == {0o600}


def test_what_was_announced_is_remembered_by_keyword_and_id(path: Path) -> None:
    with State.open(path) as state:
        assert state.memory(MRI).needs_baseline
        publish(state, 1, "2611.00001")
        memory = state.memory(MRI)
        assert memory.announced == {"arxiv:2611.00001": 1}
        assert state.announced("mri", among=["arxiv:2611.00001", "arxiv:9"]) == memory.announced
        assert state.memory(MRI, among=["arxiv:2611.00002"]).announced == {}
        assert memory.last_good == NOW
        assert not memory.needs_baseline
        assert state.memory(Keyword(name="pet")).needs_baseline
        assert state.known("mri", NOW - 5 * DAY) == {"arxiv:2611.00001": paper().submitted}
        assert state.known("mri", NOW) == {}


def test_a_keyword_that_means_something_else_now_needs_a_baseline(path: Path) -> None:
    with State.open(path) as state:
        publish(state, 1, "2611.00001")
        assert state.memory(Keyword(name="mri", categories=("cs.CV",))).former == MRI
        assert state.memory(Keyword(name="mri", categories=("cs.CV",))).needs_baseline
        assert state.memory(Keyword(name="mri", categories=("eess.IV",))).former is None


def test_a_sweep_is_one_where_the_day_says_so(path: Path) -> None:
    with State.open(path) as state:
        sweeps = []
        for days, swept in enumerate([["mri"], [], ["pet"], ["mri"]]):
            state.note(day(now=NOW + days * DAY, swept=swept), [])
            trail = state.trail("mri")
            assert trail
            sweeps.append((trail.last_sweep - NOW).days)
        assert sweeps == [0, 0, 0, 3]


def test_an_unknown_outcome_changes_nothing(path: Path) -> None:
    with State.open(path) as state:
        publish(state, 1, "2611.00001")
        before = state.memory(MRI), state.trail("mri")
        state.note(
            day(news=[News(keyword=MRI, source="arXiv", outcome="unknown")], now=NOW + DAY), []
        )
        assert (state.memory(MRI), state.trail("mri")) == before


def test_a_day_is_committed_whole_or_not_at_all(path: Path) -> None:
    with State.open(path) as state:
        twice = ("ada@example.org", "ada@example.org")
        with pytest.raises(StateError):
            publish(state, 1, "2611.00001", to=twice)
        assert state.newest_issue() == 0
        assert state.memory(MRI).announced == {}


def test_what_is_owed_is_taken_up_without_a_walk_through_all_that_ever_was(path: Path) -> None:
    with State.open(path) as state:
        asked: list[str] = []
        with state.database.transaction() as db:
            db.set_trace_callback(asked.append)
        state.deliveries.take_up(now=NOW, max_age=DAY)
        db.set_trace_callback(None)
        plans = [
            (sql, step)
            for sql in asked
            if sql.startswith(("insert", "update", "delete"))
            for *_, step in db.execute(f"explain query plan {sql}")
        ]
    assert len(plans) > 5
    assert [
        sql for sql, step in plans if step.startswith("SCAN deliveries") and "INDEX" not in step
    ] == []


def test_all_who_are_owed_something_are_found_some_at_a_time(path: Path) -> None:
    recipients = tuple(f"r{n}@example.org" for n in range(5))
    with State.open(path) as state:
        publish(state, 1, "2611.00001", to=recipients)
        publish(state, 2, "2611.00002", to=recipients[1:])
        assert [*state.deliveries.awaiting(page=2)] == [*recipients, *recipients[1:]]


def test_who_was_refused_lately_comes_late(path: Path) -> None:
    refusal = Outcome(status="deferred", code=550, text="5.7.1 no")
    recipients = tuple(f"r{n}@example.org" for n in range(4))
    with State.open(path) as state:
        publish(state, 1, "2611.00001", to=recipients)
        state.deliveries.take_up(now=NOW, max_age=2 * DAY)
        first, second, *_others = [each.id for each in state.claim()]
        put_off = Outcome(status="deferred", code=450, text="later")
        state.deliveries.commit({first: refusal, second: put_off}, [], now=NOW)
        publish(state, 2, "2611.00002", to=recipients)
        state.deliveries.take_up(now=NOW, max_age=2 * DAY)
        everything = [(each.issue, each.recipient) for each in state.claim()]
        refused = [(1, "r0@example.org"), (2, "r0@example.org")]
        assert everything[-2:] == refused
        assert len(everything) == 8
        early = [(each.issue, each.recipient) for each in state.claim(late=False)]
        assert early == everything[:-2]
        today = [(each.issue, each.recipient) for each in state.claim(issue=2, late=True)]
        assert today == [each for each in everything if each[0] == 2 or each in refused]
        alone = [(each.issue, each.recipient) for each in state.claim(late=True)]
        assert alone == refused
        assert state.deliveries.tally().planned == 8


def test_deliveries_end_in_one_status_and_the_tally_adds_up(path: Path) -> None:
    recipients = tuple(f"r{n}@example.org" for n in range(6))
    with State.open(path) as state:
        publish(state, 1, "2611.00001", to=recipients)
        state.deliveries.take_up(now=NOW, max_age=2 * DAY)
        ids = [each.id for each in state.claim()]
        state.deliveries.commit({}, ids[:5], now=NOW)
        statuses: list[DeliveryStatus] = ["accepted", "rejected", "deferred", "unknown"]
        outcomes = {id_: Outcome(status=status) for id_, status in zip(ids, statuses, strict=False)}
        state.deliveries.commit(outcomes, [], now=NOW)
        tally = state.deliveries.tally()
        assert (tally.accepted, tally.rejected, tally.deferred, tally.unknown) == (1, 1, 1, 1)
        assert (tally.outstanding, tally.planned) == (4, 6)
        assert {each.id for each in state.claim()} == set(ids[2:])
        assert ids[3] not in {each.id for each in state.claim(hold_unknown=True)}


def test_what_was_under_way_when_a_run_ended_is_unknown_in_the_next(path: Path) -> None:
    with State.open(path) as state:
        publish(state, 1, "2611.00001", to=("ada@example.org",))
        state.deliveries.take_up(now=NOW, max_age=2 * DAY)
        (delivery,) = state.claim()
        state.deliveries.commit({}, [delivery.id], now=NOW)
    with State.open(path) as state:
        state.deliveries.take_up(now=NOW, max_age=2 * DAY)
        (again,) = state.claim()
        assert (again.status, again.attempts, again.id) == ("unknown", 1, delivery.id)


def statuses(path: Path) -> list[tuple[str, int]]:
    """Return the status and the attempts of all deliveries, as another process sees them."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute("select status, attempts from deliveries order by id").fetchall()


def test_intents_in_a_hurry_are_noted_ahead_and_taken_back(path: Path) -> None:
    with State.open(path) as state:
        state.database.hurry = inf
        publish(state, 1, "2611.00001", to=tuple(f"r{n}@example.org" for n in range(90)))
        state.deliveries.take_up(now=NOW, max_age=DAY)
        claim = state.claim()
        coming = iter(claim)
        first = next(coming).id
        claim.commit({}, [first], now=NOW)
        noted = statuses(path).count(("sending", 1))
        assert 10 < noted < 80
        second = next(coming).id
        claim.commit({first: ACCEPTED}, [second], now=NOW)
        third = next(coming).id
        claim.commit({second: ACCEPTED}, [third], now=NOW)
        claim.failed_to_compose(next(coming).id, "broken", now=NOW)
        assert statuses(path).count(("sending", 1)) == noted - 3
        claim.release()
        found = statuses(path)
        assert found[:3] == [("accepted", 1), ("accepted", 1), ("sending", 1)]
        assert found[3][0] == "deferred"
        assert set(found[4:]) == {("untried", 0)}


def test_what_has_left_is_not_noted_ahead_while_only_others_are_tried_again(path: Path) -> None:
    with State.open(path) as state:
        state.database.hurry = inf
        publish(state, 1, "2611.00001", to=tuple(f"r{n}@example.org" for n in range(9)))
        state.deliveries.take_up(now=NOW, max_age=DAY)
        claim = state.claim()
        coming = iter(claim)
        first, second = next(coming).id, next(coming).id
        claim.commit({}, [first, second], now=NOW)
        later = {first: Outcome(status="deferred", code=450), second: ACCEPTED}
        claim.commit(later, [], now=NOW)
        claim.commit({}, [first], now=NOW)
        claim.commit({first: ACCEPTED}, [], now=NOW)
        claim.release()
        assert statuses(path)[:2] == [("accepted", 2), ("accepted", 1)]
        assert set(statuses(path)[2:]) == {("untried", 0)}


def test_what_was_noted_ahead_and_never_left_was_not_attempted(path: Path) -> None:
    with State.open(path) as state:
        state.database.hurry = inf
        publish(state, 1, "2611.00001", to=tuple(f"r{n}@example.org" for n in range(5)))
        state.deliveries.take_up(now=NOW, max_age=DAY)
        claim = state.claim()
        first, second, third, *_ = claim
        claim.commit({}, [first.id], now=NOW)
        claim.commit({second.id: Outcome(status="suppressed")}, [], now=NOW)
        claim.failed_to_compose(third.id, "broken", now=NOW)
        assert statuses(path)[:3] == [("sending", 1), ("suppressed", 0), ("deferred", 0)]
        claim.commit({}, [first.id], now=NOW)
        claim.release()
        assert statuses(path)[2] == ("deferred", 0)


@pytest.mark.parametrize(("hurry", "hold_unknown"), [(0, False), (inf, True)])
def test_nothing_is_noted_ahead_without_hurry_or_where_it_would_be_held(
    path: Path, hurry: float, hold_unknown: bool
) -> None:
    with State.open(path) as state:
        state.database.hurry = hurry
        publish(state, 1, "2611.00001", to=tuple(f"r{n}@example.org" for n in range(9)))
        state.deliveries.take_up(now=NOW, max_age=DAY)
        claim = state.claim(hold_unknown=hold_unknown)
        for delivery in claim:
            claim.commit({}, [delivery.id], now=NOW)
            assert statuses(path).count(("sending", 1)) == 1
            claim.commit({delivery.id: ACCEPTED}, [], now=NOW)


def test_fewer_are_noted_ahead_where_intents_follow_each_other_slowly(path: Path) -> None:
    with State.open(path) as state:
        publish(state, 1, "2611.00001", to=tuple(f"r{n}@example.org" for n in range(90)))
        state.deliveries.take_up(now=NOW, max_age=DAY)
        claim = state.claim()
        first, second, *_ = claim
        state.database.hurry = 0
        claim.commit({}, [first.id], now=NOW)
        state.database.hurry = 0.5
        time.sleep(0.5)
        claim.commit({first.id: ACCEPTED}, [second.id], now=NOW)
        assert statuses(path).count(("sending", 1)) == 1 + 16


def test_after_the_last_mail_the_disk_has_every_outcome(path: Path) -> None:
    with State.open(path) as state:
        state.database.hurry = inf
        publish(state, 1, "2611.00001", to=("ada@example.org",))
        state.deliveries.take_up(now=NOW, max_age=DAY)
        claim = state.claim()
        (delivery,) = claim
        claim.commit({}, [delivery.id], now=NOW)
        claim.commit({delivery.id: ACCEPTED}, [], now=NOW)
        claim.release()
        # The log is synced before it is carried over; else a power cut leaves nothing of it.
        without_log = path.with_name("without-log.sqlite3")
        without_log.write_bytes(path.read_bytes())
    assert statuses(without_log) == [("accepted", 1)]


def test_what_is_too_old_expires_and_is_counted(path: Path) -> None:
    with State.open(path) as state:
        publish(state, 1, "2611.00001", to=("ada@example.org",))
        state.deliveries.take_up(now=NOW + 3 * DAY, max_age=2 * DAY)
        assert list(state.claim()) == []
        assert state.deliveries.tally().expired == 1


@pytest.mark.slow
def test_outstanding_deliveries_can_be_worked_on_while_they_are_read(path: Path) -> None:
    with State.open(path) as state:
        publish(state, 1, "2611.00001", to=tuple(f"r{n}@example.org" for n in range(1203)))
        state.deliveries.take_up(now=NOW, max_age=DAY)
        seen = []
        for delivery in state.claim(issue=1):
            state.deliveries.commit({delivery.id: ACCEPTED}, [], now=NOW)
            seen.append(delivery.recipient)
        assert len(set(seen)) == len(seen) == 1203
        assert state.deliveries.accepted_since(NOW, upto=NOW) == 1203


def test_a_snapshot_can_be_changed_without_a_trace(path: Path) -> None:
    with State.open(path) as state:
        publish(state, 1, "2611.00001")
        with state.snapshot() as copy:
            publish(copy, 2, "2611.00002", to=("ada@example.org",))
            copy.deliveries.take_up(now=NOW, max_age=DAY)
            assert copy.deliveries.tally().outstanding == 1
        assert state.newest_issue() == 1


@pytest.mark.slow
def test_a_snapshot_of_a_large_state_takes_little_memory(path: Path) -> None:
    with State.open(path) as state:
        everybody = tuple(f"{'r' * 1000}{number}@example.org" for number in range(20_000))
        publish(state, 1, "2611.00001", to=everybody)
    assert path.stat().st_size > 40e6
    done = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, check=True)
    assert int(done.stdout) < 10  # MB


def test_the_list_is_remembered_as_the_last_run_saw_it(path: Path) -> None:
    ada = Reader(address="ada@example.org", fingerprint="f", covered=None)
    with State.open(path) as state:
        state.note(day(), [Reader(address="gone@example.org", fingerprint="x", covered=1)])
        state.note(day(), [ada])
        assert list(state.readers()) == [ada]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "it is empty"),
        (b"keyword,arxiv_id\n", "not an SQLite file"),
        (b"SQLite format 3\x00" + b"\xff" * 500, "damaged"),
    ],
)
def test_a_damaged_file_is_never_a_first_run(path: Path, content: bytes, what: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StateError, match=what) as caught:
        State.open(path)
    assert caught.value.exit_code == 74
    assert path.read_bytes() == content


def test_a_truncated_file_is_damage(path: Path) -> None:
    with State.open(path) as state:
        publish(state, 1, *(f"2611.{n:05}" for n in range(200)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StateError, match="damaged"):
        State.open(path)


def test_a_log_that_was_left_behind_is_not_taken_for_that_of_a_new_file(path: Path) -> None:
    with State.open(path) as state:
        publish(state, 1, "2611.00001")
        log = path.with_name("state.sqlite3-wal").read_bytes()
    path.with_name("state.sqlite3-wal").write_bytes(log)
    aside = path.rename(path.with_name("aside.sqlite3"))
    with pytest.raises(StateError, match=r"Move that .*, restore a backup and delete that"):
        State.open(path)
    assert not path.exists()
    path.with_name("state.sqlite3-wal").rename(path.with_name("aside.sqlite3-wal"))
    with State.open(path) as state:
        assert state.newest_issue() == 0
    with State.open(aside) as state:
        assert state.newest_issue() == 1


def test_a_file_of_another_program_or_of_a_newer_version_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as foreign:
        foreign.execute("create table t (a)")
    with pytest.raises(StateError, match="another program"):
        State.open(path)
    foreign.close()
    path.unlink()
    Database.open(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute("pragma user_version = 99")
    newer.close()
    with pytest.raises(StateError, match="newer version"):
        State.open(path)


def test_the_file_is_strict_and_write_ahead_logged(path: Path) -> None:
    Database.open(path).close()
    db = sqlite3.connect(path)
    tables = db.execute(
        "select name, strict from pragma_table_list where schema = 'main' and type = 'table'"
        " and name not like 'sqlite_%'"
    ).fetchall()
    assert len(tables) > 5
    assert all(strict for _name, strict in tables)
    assert db.execute("pragma journal_mode").fetchone() == ("wal",)
    assert db.execute("pragma user_version").fetchone() == (2,)
    db.close()


@pytest.mark.slow
def test_a_second_run_is_kept_out_and_told_who_holds_the_state(path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLD,
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    holder.stdout.readline()
    with pytest.raises(LockedError, match=f"process {holder.pid}") as caught, only_run(path):
        pass
    assert caught.value.exit_code == 75
    holder.kill()
    holder.communicate()
    with only_run(path):
        pass


def test_the_papers_seen_last_are_the_newest_each_in_its_highest_version() -> None:
    with State.blank() as state:
        old = paper("2611.00001", submitted=NOW - 9 * DAY)
        new, newer = paper("2611.00002"), paper("2611.00002", version=2, title="Second thoughts")
        same = paper("2611.00003")
        for number, found in enumerate(([old, new], [newer, same]), 1):
            news = News(
                keyword=MRI,
                source="arXiv",
                outcome="new",
                announcements=tuple(Announcement(paper=each) for each in found),
            )
            opened = NOW + number * DAY
            a_day = Day(now=opened, news=[news], windows={"mri": NOW})
            state.publish(compile_issue(number, opened.date(), [news]), a_day, [], [], weekly=False)
        assert state.papers.last_seen(10) == [newer, same, old]
        assert state.papers.last_seen(1) == [newer]
        assert state.papers.by_id([new.id, "arxiv:2611.99999"]) == {new.id: newer}
