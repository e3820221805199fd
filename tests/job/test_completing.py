"""A state that was migrated lacks the data of old papers; the next runs fetch them, politely."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Event

import pytest
import requests

from newsletter.exchange import Session
from newsletter.job.asking import complete_papers
from newsletter.models import Paper, Source
from newsletter.sources.arxiv.client import Manners
from newsletter.sources.arxiv.identity import paper_id
from newsletter.sources.arxiv.saved import FileSource
from newsletter.sources.arxiv.source import ArxivSource
from newsletter.sources.interruptible import Interruptible
from newsletter.state.papers.book import paper_from
from newsletter.state.state import State
from tests.making import second_day
from tests.making.commands import rewrite
from tests.making.papers import DAY, NOW, paper
from tests.peers.replica import Clock, Replica, faults, record_of

OLD = [
    paper(f"2610.{n:05}", submitted=NOW - 20 * DAY, updated=NOW - 20 * DAY) for n in range(1, 251)
]

UNDATED = faults.body_changed(
    "a record without a date",
    lambda body: re.sub(rb"<published>.*?</published>", b"", body, count=1),
)


class Bench:
    """A replica of arXiv, and a state that knows some papers by their ids alone."""

    def __init__(self, replica: Replica, session: requests.Session, folder: Path) -> None:
        clock = replica.clock
        manners = Manners(folder=folder, sleep=clock.sleep, clock=clock.monotonic, random=Random(1))
        self.replica = replica
        self.source: Source = ArxivSource(session, url=replica.url, manners=manners)
        self.state = State.blank()

    def lack(self, *ids: str) -> None:
        with self.state.database.transaction() as db:
            db.executemany("insert into lacking (paper) values (?)", [(each,) for each in ids])

    def run(self) -> int:
        """Return how many requests the end of a run took."""
        before = len(self.replica.requests)
        requests = complete_papers(self.source, self.state, now=NOW)
        assert requests == len(self.replica.requests) - before
        return requests

    def kept(self) -> set[str]:
        return {each for (each,) in self.state.database.rows("select id from papers")}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    records = [record_of(each) for each in OLD]
    with (
        Replica(records, clock=Clock(NOW), index_delay=timedelta()) as replica,
        Session() as session,
    ):
        yield Bench(replica, session, tmp_path)


def ids(papers: list[Paper]) -> list[str]:
    return [each.id for each in papers]


@pytest.mark.slow
def test_it_takes_at_most_two_requests_a_run_and_ends(bench: Bench) -> None:
    bench.lack(*ids(OLD))
    assert [bench.run() for _ in range(4)] == [2, 1, 0, 0]
    assert bench.kept() == set(ids(OLD))
    assert bench.replica.violations == []
    assert bench.state.problems() == []


def test_what_is_kept_is_the_paper_as_the_source_has_it(bench: Bench) -> None:
    bench.lack(OLD[0].id)
    bench.run()
    ((data,),) = bench.state.database.rows("select data from papers")
    assert paper_from(data) == OLD[0]


@pytest.mark.slow
def test_a_paper_that_is_never_found_is_asked_for_ten_times(bench: Bench) -> None:
    bench.lack(OLD[0].id, paper_id("2610.99999"))
    assert [bench.run() for _ in range(12)] == [1] * 10 + [0] * 2
    assert bench.kept() == {OLD[0].id}


@pytest.mark.slow
def test_an_outage_is_no_trouble_and_the_next_run_goes_on(bench: Bench) -> None:
    bench.lack(*ids(OLD[:150]))
    bench.replica.faults = (faults.UNAVAILABLE,)
    assert bench.run() == 1
    bench.replica.faults = ()
    bench.replica.clock.sleep(24 * 3600)
    assert bench.run() == 2
    assert len(bench.kept()) == 150


@pytest.mark.slow
def test_a_record_that_cannot_be_read_costs_no_further_request(bench: Bench) -> None:
    bench.lack(*ids(OLD))
    bench.replica.faults = (UNDATED,)
    assert bench.run() == 2
    assert len(bench.kept()) == 198


def test_what_a_file_and_a_source_that_is_stopped_do_is_in_nobodys_way(bench: Bench) -> None:
    bench.lack(OLD[0].id)
    bench.source = FileSource(Path("nothing.xml"))
    assert bench.run() == 0
    stop = Event()
    stop.set()
    bench.source = Interruptible(bench.source, stop)
    assert bench.run() == 0
    assert bench.state.papers.without_data(1) == [OLD[0].id]


@pytest.mark.slow
def test_a_run_ends_with_it_and_counts_what_it_took_but_no_dry_run(tmp_path: Path) -> None:
    second_day.prepare(tmp_path)
    asked = paper("2611.90001", title="Of nothing that anybody reads")
    with State.open(tmp_path / "state.sqlite3") as state, state.database.transaction() as db:
        db.execute("insert into lacking (paper) values (?)", [asked.id])
    toml = tmp_path / "newsletter.toml"
    with Replica([record_of(asked)], clock=Clock(NOW), index_delay=timedelta()) as replica:
        rewrite(toml, 'file = "day2.xml"', f'url = "{replica.url}"\ninterval_seconds = 0')
        for dry in (True, False):
            replica.requests.clear()
            report = second_day.run(tmp_path, second_day.DAY_TWO, dry_run=dry)
            assert report.requests == len(replica.requests)
            by_id = [each.asked.params.get("id_list") for each in replica.requests]
            assert ("2611.90001" in by_id) is not dry
    with State.open(tmp_path / "state.sqlite3") as state:
        assert state.papers.without_data(1) == []
        assert list(state.papers.by_id([asked.id])) == [asked.id]


def test_nothing_is_asked_where_nothing_is_lacking(bench: Bench) -> None:
    assert bench.run() == 0
