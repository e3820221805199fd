"""Looking up the past: politely, resumably, and without a change to what is announced."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random

import pytest
import requests
from msgspec.structs import replace

from newsletter.archive.past import fill
from newsletter.archive.writing import write
from newsletter.errors import SourceError
from newsletter.models import Keyword, Paper
from newsletter.sources.arxiv.client import Manners
from newsletter.sources.arxiv.source import ArxivSource
from newsletter.state.state import State
from tests.making.archives import imprint
from tests.making.newsroom import Newsroom
from tests.making.papers import paper
from tests.peers.replica import Clock, Replica, record_of

NOW = datetime(2026, 11, 19, 10, tzinfo=UTC)
KEYWORDS = (Keyword(name="graph neural network", replacements=True),)
SINCE = date(2026, 5, 10)


def dated(day: datetime, number: int) -> Paper:
    return paper(f"{day:%y%m}.{number:05}", submitted=day, updated=day)


# A paper every ten days for a year, the last of them today's news.
PAPERS = [dated(NOW - timedelta(days=10 * n, hours=5), n) for n in range(36)]


@pytest.fixture
def room(tmp_path: Path) -> Newsroom:
    return Newsroom(tmp_path, keywords=KEYWORDS)


def source(folder: Path, replica: Replica) -> ArxivSource:
    manners = Manners(
        folder=folder,
        attempts=2,
        sleep=replica.clock.sleep,
        clock=replica.clock.monotonic,
        random=Random(1),
    )
    return ArxivSource(requests.Session(), url=replica.url, manners=manners)


def served() -> Replica:
    records = [record_of(each, announced=each.submitted) for each in PAPERS]
    return Replica(records, clock=Clock(NOW), index_delay=timedelta(hours=2))


def opened(room: Newsroom) -> State:
    return State.open(room.folder / "state.sqlite3")


@pytest.mark.slow
def test_the_past_is_looked_up_month_by_month_and_shown(room: Newsroom, tmp_path: Path) -> None:
    with served() as replica:
        room.source = source(tmp_path, replica)
        room.run(now=NOW)
        with opened(room) as state:
            lines = list(fill(room.source, state, KEYWORDS, since=SINCE, now=NOW))
            found = {each.id for each in state.shelf.newest(KEYWORDS[0].name, 100)}
            write(state, tmp_path / "archive", imprint(KEYWORDS))
        assert replica.violations == []
    may = datetime(2026, 5, 1, tzinfo=UTC)
    assert found == {each.id for each in PAPERS if each.submitted >= may}
    assert lines[-1] == "graph neural network, 2026-05: 3 papers"
    assert f"{PAPERS[15].local_id}v1" in (tmp_path / "archive" / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_what_was_broken_off_goes_on_where_it_was(room: Newsroom, tmp_path: Path) -> None:
    with served() as replica:
        room.source = source(tmp_path, replica)
        room.run(now=NOW)
        with opened(room) as state:
            first = list(islice(fill(room.source, state, KEYWORDS, since=SINCE, now=NOW), 3))
        with opened(room) as state:
            second = list(fill(room.source, state, KEYWORDS, since=SINCE, now=NOW))
            before = len(replica.requests)
            again = list(fill(room.source, state, KEYWORDS, since=SINCE, now=NOW))
    # The month in which the runs began to look has no end yet: it is asked for each time.
    assert set(first) & set(second) == {first[0]}
    assert again == [first[0]]
    assert len(replica.requests) - before == 1


@pytest.mark.slow
def test_what_a_run_announces_is_the_same_with_the_past_and_without(tmp_path: Path) -> None:
    announced = []
    for name, looked_up in (("with", True), ("without", False)):
        (tmp_path / name).mkdir()
        room = Newsroom(tmp_path / name, keywords=KEYWORDS)
        with served() as replica:
            room.source = source(tmp_path / name, replica)
            room.run(now=NOW)
            if looked_up:
                with opened(room) as state:
                    list(fill(room.source, state, KEYWORDS, since=SINCE, now=NOW))
            # An old paper is revised, and a new one comes.
            later = NOW + timedelta(days=1)
            revised = replace(PAPERS[15], version=2, updated=later - timedelta(hours=5))
            fresh = dated(later - timedelta(hours=4), 77)
            news = [record_of(each, announced=each.updated) for each in (revised, fresh)]
            replica.records = [*replica.records, *news]
            replica.now = later
            report = room.run(now=later)
            announced.append([each.announcements for each in report.news])
    assert announced[0] == announced[1]
    assert len(announced[0][0]) == 2


class Failing:
    """A source of the past that answers once, and then no more."""

    def __init__(self) -> None:
        self.asked = 0

    def past(
        self, keyword: Keyword, first: datetime, last: datetime, *, now: datetime
    ) -> tuple[Paper, ...]:
        self.asked += 1
        if self.asked > 2:
            raise SourceError("http://127.0.0.1", "arXiv answered 503")
        return tuple(each for each in PAPERS if first <= each.submitted < last)


def test_an_outage_ends_it_and_keeps_what_there_is(room: Newsroom) -> None:
    room.run(now=NOW)
    with opened(room) as state:
        with pytest.raises(SourceError, match="503"):
            list(fill(Failing(), state, KEYWORDS, since=SINCE, now=NOW))
        assert state.papers.looked_up(KEYWORDS[0]) == {"2026-07"}
        assert len(state.shelf.newest(KEYWORDS[0].name, 100)) > 2
