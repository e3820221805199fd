"""The job on a real page of papers: what a bot of the field showed on 2025-04-04."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from newsletter.exchange import Session
from newsletter.models import Keyword
from newsletter.sources.arxiv.client import Manners
from newsletter.sources.arxiv.source import ArxivSource
from tests.making.newsroom import Newsroom
from tests.making.shared_data import seed_papers, seed_rows
from tests.peers.replica import Clock, Replica, record_of

KEYWORDS = (
    Keyword(name="magnetic resonance imaging"),
    Keyword(name="mri", match="title-and-abstract"),
    Keyword(name="medical imaging"),
)
BASELINE = datetime(2025, 3, 31, 10, tzinfo=UTC)
PAGE = datetime(2025, 4, 4, 10, tzinfo=UTC)


@pytest.mark.slow
def test_the_job_announces_the_rows_that_fall_into_its_window(tmp_path: Path) -> None:
    papers = seed_papers()
    delay = timedelta(hours=2)
    due = {
        (row.keyword, row.arxiv_id)
        for row in seed_rows()
        if BASELINE - delay < papers[row.arxiv_id].submitted <= PAGE - delay
    }
    records = [record_of(each, announced=each.submitted) for each in papers.values()]
    with Replica(records, clock=Clock(BASELINE), index_delay=delay) as replica:
        room = Newsroom(tmp_path, keywords=KEYWORDS, source=arxiv(tmp_path, replica))
        room.run(now=BASELINE)
        before = len(replica.requests)
        replica.now = PAGE
        report = room.run(now=PAGE)
        announced = {
            (each.keyword.name, found.paper.local_id)
            for each in report.news
            for found in each.announcements
        }
        assert len(replica.requests) - before == 1
        assert replica.violations == []
    assert {each.outcome for each in report.news} == {"new"}
    assert due <= announced
    # What goes beyond the page is older than its oldest row: the page was cut at 100.
    oldest = {name: min(r.date for r in seed_rows() if r.keyword == name) for name, _ in due}
    beyond = announced - due
    assert all(papers[arxiv_id].updated.date() <= oldest[name] for name, arxiv_id in beyond)
    assert len(due) > 20


def arxiv(folder: Path, replica: Replica) -> ArxivSource:
    manners = Manners(
        folder=folder,
        sleep=replica.clock.sleep,
        clock=replica.clock.monotonic,
        random=Random(1),
    )
    return ArxivSource(Session(), url=replica.url, manners=manners)
