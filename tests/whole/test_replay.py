"""Whole weeks of arXiv against the daily job; first, whether the judge can tell good from bad."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
import requests

from newsletter.models import Keyword
from newsletter.sources.arxiv.client import Manners
from newsletter.sources.arxiv.source import ArxivSource
from tests.making.newsroom import Newsroom
from tests.making.shared_data import june_papers
from tests.peers.replica import Author, Record, Replica, announcing, faults
from tests.peers.replica.faults import Fault
from tests.whole.replay import Said, Verdict, every_other_day, replayed

DAY = timedelta(days=1)
START = datetime(2025, 6, 3, 10, tzinfo=UTC)
OUTAGE = [date(2025, 6, day) for day in range(16, 21)]
KEYWORDS = (
    "chain of thought",
    "federated learning",
    "graph neural network",
    "knowledge distillation",
    "magnetic resonance imaging",
    "medical imaging",
    "protein folding",
    "retrieval-augmented generation",
    "robot manipulation",
    "time series forecasting",
)
# What tends to pass within a day: arXiv's own troubles, and those of the way to it.
PASSING = (
    [faults.STALE],
    [faults.NOTHING],
    [faults.first(2, faults.RATE_EXCEEDED_LATER)],
    [faults.cached(faults.EMPTY_BODY)],
    [faults.FILTER_IGNORED, faults.SORT_IGNORED, faults.LINKS_BARE],
    [faults.missing("2506.11000", "2506.99999")],
    [faults.UNAVAILABLE],
    [faults.RESET],
    [faults.SHORT_PAGE],
    [faults.missing("2506.19000", "2506.99999")],
    [faults.RATE_EXCEEDED_200],
    [faults.first(3, faults.CUT_OFF)],
    [faults.cached(faults.NOTHING)],
    [faults.HTML_PAGE],
    [faults.EMPTY_PAGE],
    [faults.DENIED],
    [faults.MARKUP, faults.RIGHT_TO_LEFT],
)


def runs(days: int) -> list[datetime]:
    return [START + n * DAY for n in range(days)]


def everyday(number: int) -> Record:
    """A paper that no keyword is about: what keeps the index moving when the data ends."""
    submitted = datetime(2025, 5, 20, 9, tzinfo=UTC) + number * timedelta(hours=7)
    return Record(
        arxiv_id=f"{submitted:%y%m}.9{number:04}",
        version=1,
        title="Something else entirely",
        abstract="It is not what anybody was looking for.",
        authors=(Author(name="Ada Example"),),
        categories=("cs.LG",),
        published=submitted,
        updated=submitted,
        announced=announcing.mailing(submitted),
    )


def about(number: int) -> Record:
    return replace(everyday(number), title="Knots")


# The judge, with bots that are simple enough to see through


class Bot:
    """Ask for the papers of the last days, say which are new, and believe every answer."""

    def __init__(self, replica: Replica, days: int) -> None:
        self._replica = replica
        self._days = days
        self._seen: set[str] = set()

    def __call__(self, now: datetime) -> Sequence[Said]:
        since = f"{now - self._days * DAY:%Y%m%d}"
        query = f"ti:knots AND submittedDate:[{since} TO {now:%Y%m%d}]"
        asked = {"search_query": query, "max_results": "100"}
        text = requests.get(self._replica.url, params=asked, timeout=120).text
        found = {part.split("v")[0] for part in text.split("<id>http://arxiv.org/abs/")[1:]}
        new, self._seen = found - self._seen, self._seen | found
        return [Said(keyword="knots", outcome="new" if new else "none", announced=tuple(new))]


def judged(bot: Callable[[Replica], Bot], *, wrong: Sequence[Fault] = ()) -> Verdict:
    records = [about(n) if n % 5 == 0 else everyday(n) for n in range(100)]
    held = replace(records[45], announced=records[45].announced + 7 * DAY)
    records[45] = held
    with Replica(records) as replica:
        return replayed(
            bot(replica),
            replica,
            runs=runs(21),
            keywords={"knots": "ti:knots"},
            faults={date(2025, 6, 11): wrong},
        )


@pytest.mark.slow
def test_a_bot_that_looks_back_far_enough_is_found_without_fault() -> None:
    verdict = judged(lambda replica: Bot(replica, 30))
    assert (verdict.recall, verdict.twice, verdict.strays, verdict.false) == (1, (), (), ())
    assert verdict.owed >= 5
    assert verdict.requests == verdict.runs == 21
    assert verdict.violations == ()


@pytest.mark.slow
def test_a_bot_that_looks_back_two_days_is_found_to_miss_papers() -> None:
    verdict = judged(lambda replica: Bot(replica, 2))
    assert verdict.recall < 1
    assert f"knots: {about(45).arxiv_id}" in verdict.missed


@pytest.mark.slow
def test_a_bot_that_believes_an_empty_answer_is_found_to_say_what_is_false() -> None:
    assert judged(lambda replica: Bot(replica, 30), wrong=[faults.NOTHING]).false == (
        "2025-06-11 knots: 1 were there to be found",
    )


@pytest.mark.slow
def test_a_bot_that_forgets_is_found_to_announce_twice() -> None:
    class Forgetful(Bot):
        def __call__(self, now: datetime) -> Sequence[Said]:
            self._seen.clear()
            return super().__call__(now)

    assert len(judged(lambda replica: Forgetful(replica, 30)).twice) > 1


def test_faults_come_every_other_day_and_leave_the_ends_alone() -> None:
    days = [START.date() + n * DAY for n in range(8)]
    planned = every_other_day(days, [[faults.NOTHING], [faults.RESET, faults.STALE]])
    assert [days.index(day) for day in planned] == [2, 4, 6]
    assert [len(each) for each in planned.values()] == [1, 2, 1]


# The daily job


def the_job(
    folder: Path, replica: Replica, session: requests.Session, *, keywords: Sequence[str]
) -> Callable[[datetime], Sequence[Said]]:
    manners = Manners(
        folder=folder,
        sleep=replica.clock.sleep,
        clock=replica.clock.monotonic,
        random=Random(1),
        timeout_seconds=120,  # no fault here keeps silent, and a busy machine is slow
    )
    room = Newsroom(
        folder,
        keywords=[Keyword(name=name) for name in keywords],
        subscribers=(),
        source=ArxivSource(session, url=replica.url, manners=manners),
    )

    def run(now: datetime) -> Sequence[Said]:
        return [
            Said(
                keyword=each.keyword.name,
                outcome=each.outcome,
                announced=tuple(found.paper.local_id for found in each.announcements),
            )
            for each in room.run(now=now).news
        ]

    return run


@pytest.mark.slow
@pytest.mark.timeout(3000)  # minutes on a machine at rest
@pytest.mark.parametrize(
    ("days", "wrong", "owed"),
    [
        pytest.param(21, PASSING, 150, id="three weeks, one of them an outage"),
        pytest.param(37, PASSING, 400, id="June, and a week to catch up", marks=pytest.mark.full),
        pytest.param(
            84,
            [[fault] for fault in faults.QUICK],
            400,
            id="the summer, with every fault",
            marks=pytest.mark.full,
        ),
    ],
)
def test_the_job_misses_nothing_and_claims_nothing_false(
    tmp_path: Path,
    days: int,
    wrong: Sequence[Sequence[Fault]],
    owed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = [*announcing.history(june_papers()), *map(everyday, range(380))]
    with Replica(records) as replica, requests.Session() as session:
        verdict = replayed(
            the_job(tmp_path, replica, session, keywords=KEYWORDS),
            replica,
            runs=runs(days),
            keywords={name: f'ti:"{name}" OR abs:"{name}"' for name in KEYWORDS},
            faults=every_other_day([now.date() for now in runs(days)], wrong),
            outage=OUTAGE,
        )
    with capsys.disabled():
        print(f"\n{verdict}")
    assert_blameless(verdict)
    assert verdict.owed > owed


@pytest.mark.slow
@pytest.mark.timeout(3000)  # minutes on a machine at rest
@pytest.mark.parametrize("one_in", [25, pytest.param(1, marks=pytest.mark.full)])
def test_no_pair_of_faults_makes_the_job_miss_repeat_or_claim_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one_in: int
) -> None:
    every = [pair for pair in combinations(faults.QUICK, 2) if pair[1] not in faults.INSTEAD]
    pairs = every[::one_in]
    days = runs(2 * len(pairs) + 10)
    records = [about(n) if n % 5 == 0 else everyday(n) for n in range(4 * len(days))]
    with Replica(records) as replica, requests.Session() as session:
        verdict = replayed(
            the_job(tmp_path, replica, session, keywords=["knots"]),
            replica,
            runs=days,
            keywords={"knots": 'ti:"knots" OR abs:"knots"'},
            faults=every_other_day([now.date() for now in days], pairs),
        )
    with capsys.disabled():
        print(f"\n{verdict}")
    assert_blameless(verdict)


def assert_blameless(verdict: Verdict) -> None:
    assert verdict.missed == ()
    assert verdict.twice == ()
    assert verdict.strays == ()
    assert verdict.false == ()
    assert verdict.violations == ()
