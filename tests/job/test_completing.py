"""A state that was migrated lacks the data of old papers; the next runs fetch them, politely."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
import requests

from newsletter.exchange import Session
from newsletter.job.asking import complete_papers
from newsletter.models import Paper
from newsletter.sources.arxiv.client import Manners
from newsletter.sources.arxiv.identity import paper_id
from newsletter.sources.arxiv.source import ArxivSource
from newsletter.state.papers.book import paper_from
from newsletter.state.state import State
from tests.making.papers import DAY, NOW, paper
from tests.peers.replica import Clock, Replica, faults, record_of

OLD = [
    paper(f"2610.{n:05}", submitted=NOW - 20 * DAY, updated=NOW - 20 * DAY) for n in range(1, 251)
]


class Bench:
    """A replica of arXiv, and a state that knows some papers by their ids alone."""

    def __init__(self, replica: Replica, session: requests.Session, folder: Path) -> None:
        clock = replica.clock
        manners = Manners(folder=folder, sleep=clock.sleep, clock=clock.monotonic, random=Random(1))
        self.replica = replica
        self.source = ArxivSource(session, url=replica.url, manners=manners)
        self.state = State.blank()

    def lack(self, *ids: str) -> None:
        with self.state.database.transaction() as db:
            db.executemany("insert into lacking (paper) values (?)", [(each,) for each in ids])

    def run(self) -> int:
        """Return how many requests the end of a run took."""
        before = len(self.replica.requests)
        complete_papers(self.source, self.state, now=NOW)
        return len(self.replica.requests) - before

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


def test_a_paper_that_is_never_found_is_asked_for_ten_times(bench: Bench) -> None:
    bench.lack(OLD[0].id, paper_id("2610.99999"))
    assert [bench.run() for _ in range(12)] == [1] * 10 + [0] * 2
    assert bench.kept() == {OLD[0].id}


def test_an_outage_is_no_trouble_and_the_next_run_goes_on(bench: Bench) -> None:
    bench.lack(*ids(OLD[:150]))
    bench.replica.faults = (faults.UNAVAILABLE,)
    assert bench.run() == 1
    bench.replica.faults = ()
    bench.replica.clock.sleep(24 * 3600)
    assert bench.run() == 2
    assert len(bench.kept()) == 150


def test_nothing_is_asked_where_nothing_is_lacking(bench: Bench) -> None:
    assert bench.run() == 0
