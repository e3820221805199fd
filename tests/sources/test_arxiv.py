"""arxiv.py, inquiry.py, polite.py and trust.py, against a replica of arXiv and its faults."""

import gzip
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import combinations
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any, ClassVar

import pytest
import requests
from msgspec.structs import replace as redefined

from newsletter import __version__
from newsletter.errors import SourceError
from newsletter.exchange import Session
from newsletter.keywords.stemming import line
from newsletter.models import Fetched, Keyword, Listing, Paper, Scope
from newsletter.sources.arxiv.client import Client, Manners
from newsletter.sources.arxiv.saved import FileSource
from newsletter.sources.arxiv.source import ArxivSource
from newsletter.sources.window import is_sweep, window_start
from tests.making.papers import NOW, paper
from tests.peers.replica import Clock, Fault, Record, Replica, faults, record_of

GRAPH = Keyword(name="graph neural network")
QUIET = Keyword(name="quiet life")
RAW = Keyword(name="raw", query='ti:"slow fish"')
DAY = timedelta(days=1)
YESTERDAY = NOW - DAY


def submitted(days_ago: float, number: int = 1, **fields: object) -> Paper:
    """Return a paper on graphs, submitted so long before NOW."""
    moment = NOW - timedelta(days=days_ago)
    fields = {"title": f"Graph neural networks, part {number}", "abstract": "On nodes."} | fields
    return paper(f"2611.{number:05}", submitted=moment, updated=moment, **fields)


OLD = [submitted(2 + number % 20, 100 + number) for number in range(40)]
# What shows that the index is up to date: submitted shortly before the last cut-off.
FRESH = submitted(0.7, 900, title="Something else", categories=("cs.LG",))
KNOWN = {each.id: each.submitted for each in OLD}


def listed(*papers: Paper, delay: timedelta = timedelta()) -> list[Record]:
    return [record_of(each, announced=each.submitted + delay) for each in papers]


@dataclass
class World:
    """An arXiv, and a bot that asks it."""

    replica: Replica
    folder: Path
    session: requests.Session
    manners: dict[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> ArxivSource:
        clock = self.replica.clock
        manners = Manners(
            folder=self.folder,
            contact="mailto:owner@example.org",
            sleep=clock.sleep,
            clock=clock.monotonic,
            random=Random(1),
            **self.manners,
        )
        return ArxivSource(self.session, url=self.replica.url, manners=manners)

    def fetch(self, *scopes: Scope, now: datetime = NOW) -> Fetched:
        return self.source.fetch(scopes, now=now)

    def listing(self, asked: Scope) -> Listing:
        (found,) = self.fetch(asked).listings
        return found

    def breaks(self, *broken: Fault) -> None:
        self.replica.faults = broken

    @property
    def paths(self) -> list[str]:
        return [request.asked.url for request in self.replica.requests]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = Clock(NOW)
    records = listed(*OLD, FRESH)
    with (
        Replica(records, clock=clock, index_delay=timedelta()) as replica,
        Session() as session,
    ):
        yield World(replica=replica, folder=tmp_path / "shared", session=session)


def scope(keyword: Keyword = GRAPH, **fields: Any) -> Scope:
    usual: dict[str, Any] = {"start": NOW - 30 * DAY, "known": KNOWN, "last_good": YESTERDAY}
    return Scope(keyword=keyword, **(usual | fields))


def new_in(listing: Listing) -> set[str]:
    return {each.id for each in listing.papers} - KNOWN.keys()


# A day


def test_a_new_paper_is_listed_with_those_known(world: World) -> None:
    new = submitted(1.2, 1)
    world.replica.records = listed(*OLD, FRESH, new)
    found = world.fetch(scope())
    (listing,) = found.listings
    assert listing.complete
    assert listing.current
    assert new_in(listing) == {new.id}
    assert len(listing.papers) == 41
    assert found.requests == len(world.replica.requests) == 1


@pytest.mark.slow
def test_papers_come_newest_first_and_as_arxiv_has_them(world: World) -> None:
    papers = world.listing(scope()).papers
    assert list(papers) == sorted(OLD, key=lambda p: (p.submitted, p.id), reverse=True)


def test_ten_keywords_cost_one_request(world: World) -> None:
    keywords = [Keyword(name=f"graph number {number}") for number in range(9)]
    fresh = submitted(0.7, 8)
    world.replica.records = listed(*OLD, fresh)
    found = world.fetch(scope(), *(scope(each, known={}) for each in keywords))
    assert [each.keyword for each in found.listings] == [each.name for each in (GRAPH, *keywords)]
    assert found.requests == 1


def test_papers_go_to_the_keywords_they_match(world: World) -> None:
    both = submitted(1, 1, title="The quiet life of graph neural networks")
    quiet = submitted(1, 2, title="A quiet life")
    world.replica.records = listed(*OLD, FRESH, both, quiet)
    graph, other = world.fetch(scope(), scope(QUIET, known={})).listings
    assert new_in(graph) == {both.id}
    assert new_in(other) == {both.id, quiet.id}


def test_a_raw_query_is_asked_on_its_own(world: World) -> None:
    fish = submitted(1, 3, title="Slow fishes")
    world.replica.records = listed(*OLD, FRESH, fish)
    _, raw = world.fetch(scope(), scope(RAW, known={})).listings
    assert [each.id for each in raw.papers] == [fish.id]
    assert len(world.paths) == 2


def test_exact_and_authors_are_decided_here_without_more_requests(world: World) -> None:
    exact = Keyword(name="graph neural network", exact=True)
    authors = Keyword(name="no such phrase", authors=("Ada Quill",), categories=("stat.ML",))
    theirs = submitted(1, 4, authors=("A. Quill",))
    others = submitted(1, 5, title="Graph neural network", authors=("Bo Ångström",))
    world.replica.records = listed(theirs, others, FRESH)
    fetched = world.fetch(scope(exact, known={}), scope(authors, known={}))
    first, second = fetched.listings
    assert [each.id for each in first.papers] == [others.id]
    assert theirs.id in {each.id for each in second.papers}
    assert others.id not in {each.id for each in second.papers}
    assert fetched.requests == 1


def test_many_keywords_are_split_by_the_length_of_the_url(world: World) -> None:
    keywords = [Keyword(name=f"graph with a long name number {number}") for number in range(60)]
    urls = world.source.queries(tuple(scope(each) for each in keywords), now=NOW)
    assert len(urls) == 3
    assert max(len(url) for url in urls) <= 3500
    assert world.paths == []


def test_windows_that_open_far_apart_are_asked_for_apart(world: World) -> None:
    scopes = (scope(), scope(QUIET, start=NOW - 90 * DAY), scope(Keyword(name="x y")))
    assert len(world.source.queries(scopes, now=NOW)) == 2


def test_papers_from_before_the_window_are_not_listed(world: World) -> None:
    listing = world.listing(scope(start=NOW - 10.5 * DAY))
    assert min(each.submitted for each in listing.papers) >= NOW - 10.5 * DAY


@pytest.mark.slow
def test_pages_are_joined(world: World) -> None:
    many = [submitted(1 + number / 200, 1000 + number) for number in range(2010)]
    world.replica.records = listed(*many, FRESH)
    found = world.fetch(scope(known={}, last_good=None))
    assert len(found.listings[0].papers) == 2010
    assert found.requests == 3
    world.breaks(faults.TOTAL_CHANGES)
    assert "pages contradict each other" in world.listing(scope()).reason
    world.breaks(faults.OVERLAPPING_PAGES)
    assert not world.listing(scope()).complete


@pytest.mark.full
@pytest.mark.slow
def test_a_window_with_more_than_arxiv_gives_out_is_halved(world: World) -> None:
    many = [submitted(1 + number / 500, 1000 + number) for number in range(10_500)]
    world.replica.records = listed(*many, FRESH)
    assert len(world.listing(scope(known={}, last_good=None)).papers) == 10_500


# One bad record


def spoilt(name: str, change: Callable[[bytes], bytes]) -> Fault:
    """Return a fault that changes the entry of the paper NEW alone."""

    def damaged(body: bytes) -> bytes:
        entries = re.split(rb"(?=<entry>)", body)
        return b"".join(change(each) if b"2611.00001v" in each else each for each in entries)

    return faults.body_changed(name, damaged)


NEW = submitted(1.2, 1)
SPOILT = (
    spoilt("control character", lambda entry: entry.replace(b"<title>", b"<title>\x0b")),
    spoilt("empty title", lambda entry: re.sub(rb"<title>.*</title>", b"<title></title>", entry)),
    spoilt("end tag missing", lambda entry: entry.replace(b"</entry>", b"")),
    spoilt("id unreadable", lambda entry: re.sub(rb"<id>.*</id>", b"<id>?</id>", entry)),
)


@pytest.mark.slow
@pytest.mark.parametrize("fault", SPOILT, ids=lambda fault: fault.name)
def test_a_bad_record_costs_that_record_and_the_others_are_listed(
    world: World, fault: Fault
) -> None:
    other = submitted(1.1, 2)
    world.replica.records = listed(*OLD, FRESH, NEW, other)
    world.breaks(fault)
    found = world.fetch(scope(), scope(QUIET, known={}))
    listing, quiet = found.listings
    assert listing.complete
    assert quiet.complete
    assert new_in(listing) == {other.id}
    (name,) = listing.unread
    # By what can be read of it, it is none of theirs, unless nothing tells whose it is.
    assert quiet.unread == ((name,) if fault.name == "empty title" else ())
    assert name.startswith("record ") if fault.name == "id unreadable" else name == NEW.local_id
    assert found.requests <= 4  # the page and the silence, each asked for once more
    world.breaks()
    healed = world.listing(scope(known=KNOWN | {other.id: other.submitted}))
    assert healed.unread == ()
    assert NEW.id in new_in(healed)


@pytest.mark.slow
def test_a_record_that_is_spoilt_in_the_cache_only_costs_nothing(world: World) -> None:
    world.replica.records = listed(*OLD, FRESH, NEW)
    world.breaks(faults.cached(SPOILT[0]))
    found = world.fetch(scope())
    assert found.listings[0].unread == ()
    assert new_in(found.listings[0]) == {NEW.id}
    assert found.requests == 2


@pytest.mark.slow
def test_what_nothing_can_be_read_of_may_be_anybodys(world: World) -> None:
    world.replica.records = listed(*OLD, FRESH, NEW)
    world.breaks(spoilt("wiped", lambda entry: b"<entry>\x0b</entry>\n"))
    for listing in world.fetch(scope(), scope(QUIET, known={})).listings:
        assert listing.complete
        assert [each.split()[0] for each in listing.unread] == ["record"]


def breaks_off_at(record: Paper) -> Fault:
    """Return a fault by which every answer ends in the middle of a paper's abstract."""

    def cut(body: bytes) -> bytes:
        here = body.find(f"{record.local_id}v".encode())
        return body if here < 0 else body[: body.index(b"<summary>", here) + 12]

    return faults.body_changed("breaks off at a record", cut)


@pytest.mark.slow
@pytest.mark.parametrize("others", [0, 1, 5, 60, 250])
def test_a_page_that_breaks_off_at_a_record_is_asked_for_in_smaller_ones(
    world: World, others: int
) -> None:
    more = [submitted(1.5 + number / 200, 1000 + number) for number in range(others)]
    world.replica.records = listed(*OLD, FRESH, NEW, *more)
    world.breaks(breaks_off_at(NEW))
    found = world.fetch(scope(known={}, last_good=None))
    (listing,) = found.listings
    assert listing.complete
    assert listing.unread == (NEW.local_id,)
    assert len(listing.papers) == len(OLD) + others
    assert found.requests <= 2 + 24
    world.breaks()
    assert NEW.id in {each.id for each in world.listing(scope(known={}, last_good=None)).papers}


@pytest.mark.slow
def test_pages_had_in_smaller_ones_keep_their_order(world: World) -> None:
    more = [submitted(1.5 + number / 200, 1000 + number) for number in range(60)]
    world.replica.records = listed(*OLD, FRESH, *more)
    world.breaks(breaks_off_at(more[30]))
    feed = world.source.newest(GRAPH, NOW - 30 * DAY, now=NOW)
    dates = [each.submitted for each in feed.papers]
    assert dates == sorted(dates, reverse=True)
    assert (len(dates), feed.size) == (feed.total - 1, feed.total)


@pytest.mark.slow
def test_two_records_at_which_answers_break_off_are_both_named(world: World) -> None:
    more = [submitted(1.5 + number / 200, 1000 + number) for number in range(60)]
    world.replica.records = listed(*OLD, FRESH, *more)
    world.breaks(breaks_off_at(more[10]), breaks_off_at(more[11]))
    (listing,) = world.fetch(scope(known={}, last_good=None)).listings
    assert set(listing.unread) == {more[10].local_id, more[11].local_id}


def test_answers_that_all_break_off_are_an_outage_and_soon_known_for_one(world: World) -> None:
    world.replica.records = listed(*OLD, FRESH, NEW)
    world.breaks(faults.body_changed("cut", lambda body: body[: len(body) // 3]))
    found = world.fetch(scope())
    assert not found.listings[0].complete
    assert "damaged or breaks off" in found.listings[0].reason
    assert found.requests <= 5 + 4 + 1


def test_a_known_paper_that_cannot_be_read_is_not_taken_for_lost(world: World) -> None:
    world.replica.records = listed(*OLD[:2], NEW, FRESH)
    world.breaks(SPOILT[0])
    known = {each.id: each.submitted for each in (*OLD[:2], NEW)}
    listing = world.listing(scope(known=known))
    assert listing.complete
    assert listing.unread == (NEW.local_id,)


@pytest.mark.slow
def test_new_versions_that_cannot_be_read_are_named_too(world: World) -> None:
    world.replica.records = listed(*OLD, FRESH, NEW)
    world.breaks(SPOILT[0])
    listing = world.listing(scope(redefined(GRAPH, replacements=True)))
    assert listing.complete
    assert listing.unread == (NEW.local_id,)


# Silence


@pytest.mark.slow
@pytest.mark.parametrize("count", [1000, pytest.param(8500, marks=pytest.mark.full)])
def test_many_papers_are_analysed_once_for_all_keywords(world: World, count: int) -> None:
    many = [submitted(2 + number % 25, number) for number in range(10_000, 10_000 + count)]
    world.replica.records = listed(*many, FRESH)
    line.cache_clear()
    unknown = [
        scope(known={}, last_good=None),
        scope(Keyword(name="part"), known={}, last_good=None),
    ]
    assert [len(each.papers) for each in world.fetch(*unknown).listings] == [count, count]
    assert line.cache_info().misses < 2 * count + 500  # a title and an abstract each


def test_silence_is_believed_when_a_fresh_paper_came_back(world: World) -> None:
    fresh = submitted(0.7, 7, title="A quiet life")
    world.replica.records = listed(*OLD, fresh)
    scopes = scope(), scope(QUIET, known={fresh.id: fresh.submitted})
    found = world.fetch(*scopes)
    assert all(each.complete and each.current and each.due for each in found.listings)
    assert found.requests == 1


@pytest.mark.slow
def test_silence_without_a_fresh_paper_is_checked(world: World) -> None:
    found = world.fetch(scope())
    assert found.listings[0].current
    asked = ["cat%3Acs.LG" in path for path in world.paths]
    assert asked == [False, True, False]


@pytest.mark.slow
def test_a_paper_indexed_while_we_asked_is_not_called_silence(world: World) -> None:
    new = submitted(1.2, 1)
    world.replica.records = listed(*OLD, FRESH, new)
    world.breaks(faults.first(1, faults.missing(new.local_id, new.local_id)))
    assert new_in(world.listing(scope())) == {new.id}


@pytest.mark.slow
def test_a_stale_index_is_not_silence(world: World) -> None:
    world.replica.records = listed(*OLD, redefined(FRESH, submitted=NOW - 2 * DAY))
    found = world.fetch(scope())
    (listing,) = found.listings
    assert listing.complete
    assert not listing.current
    assert "has not been updated since 17 November" in listing.reason


def test_without_an_announcement_nothing_more_is_asked(world: World) -> None:
    saturday = datetime(2026, 11, 21, 10, tzinfo=UTC)
    world.replica.now = saturday
    found = world.fetch(scope(last_good=saturday - DAY), now=saturday)
    assert not found.listings[0].due
    assert found.requests == 1


def test_a_baseline_without_papers_needs_a_living_index(world: World) -> None:
    nothing = scope(QUIET, known={}, last_good=None)
    assert world.listing(nothing).complete
    world.breaks(faults.NOTHING)
    broken = world.listing(nothing)
    assert not broken.complete
    assert "not certain that arXiv has nothing new" in broken.reason


# Trust


@pytest.mark.slow
@pytest.mark.parametrize("fault", faults.QUICK, ids=lambda fault: fault.name)
def test_no_fault_passes_for_a_quiet_day(world: World, fault: Fault) -> None:
    new = submitted(1.2, 1)
    world.replica.records = listed(*OLD, FRESH, new)
    world.breaks(fault)
    listing = world.listing(scope())
    if listing.complete:
        assert new.id in new_in(listing) or not listing.current
    else:
        assert listing.papers == ()
        assert listing.reason
    assert world.replica.violations == []
    assert all(each.title.isprintable() for each in listing.papers)


@pytest.mark.slow
@pytest.mark.parametrize("fault", faults.QUICK, ids=lambda fault: fault.name)
def test_a_bad_answer_in_arxivs_cache_is_left_behind(world: World, fault: Fault) -> None:
    if fault == faults.DENIED:
        return  # nothing is asked after it
    new = submitted(1.2, 1)
    world.replica.records = listed(*OLD, FRESH, new)
    world.breaks(faults.cached(fault))
    assert new.id in new_in(world.listing(scope()))


@pytest.mark.slow
@pytest.mark.parametrize("size", [30, pytest.param(150, marks=pytest.mark.full)])
def test_no_pair_of_faults_passes_for_a_quiet_day(world: World, size: int) -> None:
    new = submitted(1.2, 1)
    world.replica.records = listed(*OLD, FRESH, new)
    world.manners = {"attempts": 2}
    pairs = list(combinations(faults.QUICK, 2))
    for day, pair in enumerate(Random(3).sample(pairs, size)):
        world.folder = world.folder.with_name(f"day {day}")
        world.replica.now = NOW
        world.breaks(*pair)
        listing = world.listing(scope())
        names = [fault.name for fault in pair]
        if listing.complete and listing.current:
            assert new.id in new_in(listing), names
        else:
            assert listing.reason, names


@pytest.mark.slow
def test_papers_from_outside_the_window_spoil_the_answer(world: World) -> None:
    world.replica.records = listed(*OLD, FRESH, submitted(400, 50))
    world.breaks(faults.FILTER_IGNORED)
    listing = world.listing(scope())
    assert not listing.complete
    assert "arXiv ignored the dates: 1 of 41 papers" in listing.reason


@pytest.mark.slow
def test_an_answer_to_another_question_is_not_believed(world: World) -> None:
    world.breaks(
        faults.body_changed("another echo", lambda body: body.replace(b"neural", b"rural"))
    )
    assert "to another question: neural was not asked" in world.listing(scope()).reason


def test_papers_that_hold_no_keyword_are_not_believed_in_bulk(world: World) -> None:
    strangers = faults.altered(
        "other titles", lambda record: replace(record, title="Something else altogether")
    )
    world.breaks(strangers)
    assert "papers hold none of the keywords" in world.listing(scope()).reason


@pytest.mark.slow
def test_a_paper_that_no_keyword_claims_is_asked_back_and_not_dropped(world: World) -> None:
    odd = submitted(1.2, 1)
    world.replica.records = listed(*OLD, FRESH, odd)

    def changed(record: Record) -> Record:
        return replace(record, title="?") if record.arxiv_id == odd.local_id else record

    world.breaks(faults.altered("a title that only arXiv can match", changed))
    alone = world.listing(scope())
    graph, quiet = world.fetch(scope(), scope(QUIET, known={})).listings
    assert new_in(alone) == new_in(graph) == {odd.id}
    assert quiet.papers == ()
    assert sum("id_list=2611.00001" in path for path in world.paths) == 2


@pytest.mark.slow
def test_known_papers_that_stay_away_make_the_answer_doubtful(world: World) -> None:
    hidden = sorted(each.local_id for each in OLD)[:3]
    world.breaks(faults.missing(hidden[0], hidden[-1]))
    listing = world.listing(scope())
    assert not listing.complete
    assert "3 of the papers known for this keyword did not come back" in listing.reason


@pytest.mark.slow
def test_a_keyword_that_was_changed_is_not_an_outage(world: World) -> None:
    narrower = redefined(GRAPH, categories=("stat.ML", "cs.CV"))
    moved = [redefined(each, categories=("cs.LG",)) for each in OLD[:20]]
    world.replica.records = listed(*moved, *OLD[20:], FRESH)
    assert world.listing(scope(narrower)).complete
    raw = Keyword(name=GRAPH.name, query='ti:"graph neural network" AND cat:stat.ML')
    assert world.listing(scope(raw)).complete


@pytest.mark.slow
def test_a_surge_is_held_until_the_next_day_confirms_it(world: World) -> None:
    many = [submitted(1.5, 1000 + number) for number in range(60)]
    world.replica.records = listed(*OLD, FRESH, *many)
    held = world.listing(scope())
    assert held.held
    assert not held.complete
    assert "60 papers are new at once" in held.reason
    assert world.listing(scope(held_since=NOW - timedelta(hours=2))).held
    assert len(new_in(world.listing(scope(held_since=YESTERDAY)))) == 60
    assert world.listing(scope(known={}, last_good=None)).complete
    assert world.listing(scope(last_good=NOW - 10 * DAY)).complete


@pytest.mark.slow
def test_a_query_that_arxiv_refuses_stops_only_its_keyword(world: World) -> None:
    bad = Keyword(name="bad", query="ti:(")
    good, refused = world.fetch(scope(), scope(bad, known={})).listings
    assert good.complete
    assert not refused.complete
    assert "'bad'" in refused.reason


def test_after_a_403_nothing_is_asked(world: World) -> None:
    world.breaks(faults.DENIED)
    found = world.fetch(scope(), scope(RAW, known={}))
    assert found.requests == 1
    assert all("403" in each.reason for each in found.listings)
    again = world.fetch(scope())
    assert again.requests == 0
    assert "left alone" in again.listings[0].reason


# Replacements


@pytest.mark.slow
@pytest.mark.parametrize("days_ago", [400, 40 * 365], ids=["last year", "dated before arXiv began"])
def test_new_versions_of_old_papers_are_found_when_wanted(world: World, days_ago: float) -> None:
    old = submitted(days_ago, 50)
    revised = redefined(old, version=3, updated=NOW - 2 * DAY)
    world.replica.records = [*listed(*OLD, FRESH, old), record_of(revised)]
    assert old.id not in new_in(world.listing(scope()))
    wants = scope(redefined(GRAPH, replacements=True))
    assert revised in world.listing(wants).papers
    assert sum("lastUpdatedDate" in path for path in world.paths) == 1


@pytest.mark.slow
def test_a_lost_sort_order_is_told_and_costs_no_new_paper(world: World) -> None:
    new = submitted(1.2, 1)
    world.replica.records = listed(*OLD, FRESH, new)
    world.breaks(faults.SORT_IGNORED)
    listing = world.listing(scope(redefined(GRAPH, replacements=True)))
    assert listing.complete
    assert not listing.current
    assert new_in(listing) == {new.id}
    assert "new versions could not be looked for: arXiv ignored the sort order" in listing.reason


@pytest.mark.slow
@pytest.mark.parametrize("fault", [faults.NOTHING, faults.missing("2611.00100", "2611.00110")])
def test_papers_listed_just_before_must_be_among_the_new_versions(
    world: World, fault: Fault
) -> None:
    world.breaks(replace(fault, on=lambda asked: "lastUpdatedDate" in asked.url))
    listing = world.listing(scope(redefined(GRAPH, replacements=True)))
    assert listing.complete
    assert not listing.current
    assert "papers listed just before did not come back, such as 2611.001" in listing.reason


def test_a_baseline_without_the_new_versions_is_no_answer(world: World) -> None:
    world.breaks(replace(faults.UNAVAILABLE, on=lambda asked: "lastUpdatedDate" in asked.url))
    wants = scope(redefined(GRAPH, replacements=True), known={}, last_good=None)
    listing = world.listing(wants)
    assert not listing.complete
    assert "new versions could not be looked for" in listing.reason


# Manners


@pytest.mark.slow
def test_requests_are_spaced_and_signed(world: World) -> None:
    world.fetch(scope(), scope(RAW, known={}))
    world.fetch(scope(QUIET, known={}))
    assert world.replica.violations == []
    agents = {request.asked.user_agent for request in world.replica.requests}
    assert agents == {f"arxiv-newsletter/{__version__} (+mailto:owner@example.org)"}


def test_waits_grow_and_follow_retry_after(world: World) -> None:
    world.breaks(faults.rate_exceeded(retry_after="200"))
    listing = world.listing(scope())
    assert "429 Too Many Requests (5 tries)" in listing.reason
    assert 200 * 3 + 300 <= world.replica.clock.slept <= 1.1 * (200 * 3 + 300)


@pytest.mark.slow
def test_retry_after_0_counts_as_absent_and_a_date_is_understood(world: World) -> None:
    world.breaks(faults.first(1, faults.UNAVAILABLE))
    assert world.listing(scope()).complete
    assert 10 <= world.replica.clock.slept <= 20
    before = world.replica.clock.slept
    at = world.replica.now + timedelta(seconds=100)
    world.breaks(faults.first(1, faults.rate_exceeded(retry_after=f"{at:%a, %d %b %Y %T GMT}")))
    assert world.fetch(scope(), now=world.replica.now).listings[0].complete
    assert 95 <= world.replica.clock.slept - before <= 125


@pytest.mark.parametrize("header", ["9" * 20, "9" * 400, "Fri, 31 Dec 9999 23:59:59 -0100"])
def test_an_impossible_retry_after_is_no_obstacle(world: World, header: str) -> None:
    world.breaks(faults.rate_exceeded(retry_after=header))
    assert "429 Too Many Requests" in world.listing(scope()).reason


@pytest.mark.slow
def test_a_cool_down_outlives_the_run(world: World) -> None:
    world.breaks(faults.rate_exceeded(retry_after="3000"))
    assert world.fetch(scope()).requests == 1
    world.breaks()
    early = world.fetch(scope(), now=world.replica.now + timedelta(minutes=1))
    assert early.requests == 0
    assert "left alone until 2026-11-19T10:5" in early.listings[0].reason
    assert world.fetch(scope(), now=NOW + timedelta(minutes=60)).listings[0].complete


@pytest.mark.slow
def test_a_cool_down_from_another_time_is_ignored(world: World) -> None:
    world.breaks(faults.DENIED)
    world.fetch(scope(), now=NOW + 400 * DAY)
    world.breaks()
    assert world.listing(scope()).complete


@pytest.mark.slow
def test_a_damaged_shared_file_is_no_obstacle(world: World) -> None:
    world.folder.mkdir()
    for content in ("", "{", "[1]", '{"asked": 1e12}'):
        (world.folder / "arxiv.lock").write_text(content)
        assert world.listing(scope()).complete


def test_an_outage_is_tried_five_times_then_once_for_each_other_question(world: World) -> None:
    world.breaks(faults.EMPTY_BODY)
    found = world.fetch(scope(), scope(RAW, known={}))
    assert found.requests == 6
    assert found.listings[0].reason == "arXiv answered 200 but with an empty body (5 tries)"


@pytest.mark.slow
def test_arxivs_own_hosts_are_never_asked_faster_than_every_3_seconds(world: World) -> None:
    world.manners = {"interval_seconds": 0.0}
    world.fetch(scope(), scope(RAW, known={}))
    assert len(world.replica.violations) > 0  # loopback: as told
    clock = Clock()
    manners = Manners(
        folder=world.folder, interval_seconds=0, sleep=clock.sleep, clock=clock.monotonic
    )
    client = Client(world.session, url="https://arxiv.org/api/query", manners=manners, now=NOW)
    assert client._spacing("https://arxiv.org/api/query") == 3.0


def test_a_probe_says_how_fresh_the_index_is(world: World) -> None:
    probe = world.source.probe(now=NOW)
    assert probe.current
    assert probe.newest == FRESH.submitted
    world.breaks(faults.DENIED)
    with pytest.raises(SourceError, match="403"):
        world.source.probe(now=NOW)


# Other servers


class _Scripted(BaseHTTPRequestHandler):
    script: ClassVar[Mapping[str, tuple[int, Mapping[str, str], bytes]]]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        status, headers, body = self.script[path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def scripted() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Scripted)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    _Scripted.asked = []
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://localhost:9/api", "a host that is not allowed: localhost"),
        ("https://arxiv.example/api", "a host that is not allowed: arxiv.example"),
        ("http://arxiv.org/api/query", "http://arxiv.org; https is required"),
        ("file:///etc/passwd", "a host that is not allowed"),
        ("/round", "redirects more than 5 times"),
        ("https://[arxiv", "arXiv cannot be reached (Invalid IPv6 URL)"),
    ],
)
def test_redirects_stay_within_the_allowed_hosts(
    scripted: ThreadingHTTPServer, tmp_path: Path, location: str, reason: str
) -> None:
    _Scripted.script = {
        "/api": (307, {"Location": location}, b""),
        "/round": (302, {"Location": "/round"}, b""),
    }
    assert reason in _reason(_at(scripted, tmp_path))


def test_http_is_refused_outside_loopback(tmp_path: Path) -> None:
    assert "https is required" in _reason(_source("http://export.arxiv.org/api/query", tmp_path))


def test_404_is_not_tried_again(scripted: ThreadingHTTPServer, tmp_path: Path) -> None:
    _Scripted.script = {"/api": (404, {}, b"")}
    assert "404 Not Found; is [source] url right?" in _reason(_at(scripted, tmp_path))
    assert _Scripted.asked == ["/api"]


@pytest.mark.slow
def test_a_zip_bomb_is_cut_off(scripted: ThreadingHTTPServer, tmp_path: Path) -> None:
    bomb = gzip.compress(b" " * 30_000_000)
    _Scripted.script = {"/api": (200, {"Content-Encoding": "gzip"}, bomb)}
    assert "more than 20 MB" in _reason(_at(scripted, tmp_path))


def test_an_unreachable_host_is_said_so(tmp_path: Path) -> None:
    assert "cannot be reached" in _reason(_source("http://127.0.0.1:9/api", tmp_path))


def test_who_waits_at_a_terminal_is_not_kept_for_more_than_a_minute(tmp_path: Path) -> None:
    clock, told = Clock(NOW), []
    manners = Manners(
        folder=tmp_path,
        sleep=clock.sleep,
        clock=clock.monotonic,
        patience_seconds=60,
        told=lambda what, seconds: told.append((what, seconds)),
    )
    source = ArxivSource(requests.Session(), url="http://127.0.0.1:9/api", manners=manners)
    began = clock.monotonic()
    scopes = tuple(scope(Keyword(name=name, query=f"ti:{name}")) for name in "abcdefghij")
    fetched = source.fetch(scopes, now=NOW)
    assert clock.monotonic() - began <= 60
    assert len({each.reason for each in fetched.listings}) == 1
    assert fetched.requests == 3
    assert told[0] == ("asking arXiv", 0)
    assert told[1][0].startswith("waiting for arXiv: arXiv cannot be reached")
    assert 10 <= told[1][1] <= 11
    assert told[-1] == ("", 0)


def _at(server: ThreadingHTTPServer, folder: Path) -> ArxivSource:
    return _source(f"http://127.0.0.1:{server.server_address[1]}/api", folder)


def _source(url: str, folder: Path) -> ArxivSource:
    clock = Clock(NOW)
    manners = Manners(folder=folder, sleep=clock.sleep, clock=clock.monotonic)
    return ArxivSource(Session(), url=url, manners=manners)


def _reason(source: ArxivSource) -> str:
    (listing,) = source.fetch((scope(),), now=NOW).listings
    assert not listing.complete
    return listing.reason


# Files and windows


def test_a_saved_answer_is_taken_as_it_is(world: World, tmp_path: Path) -> None:
    saved = tmp_path / "feed.xml"
    url = world.source.queries((scope(),), now=NOW)[0]
    saved.write_bytes(world.session.get(url).content)
    graph, quiet, raw = (
        FileSource(saved).fetch((scope(), scope(QUIET), scope(RAW)), now=NOW + 900 * DAY).listings
    )
    assert {each.id for each in graph.papers} == KNOWN.keys()
    assert quiet.complete
    assert quiet.papers == ()
    assert "only arXiv can answer a raw query" in raw.reason


def test_papers_are_found_in_a_saved_answer_by_their_ids(world: World, tmp_path: Path) -> None:
    saved = tmp_path / "feed.xml"
    saved.write_bytes(world.session.get(world.source.queries((scope(),), now=NOW)[0]).content)
    found = FileSource(saved).by_id([OLD[3].id, "arxiv:2611.99999", OLD[1].id], now=NOW)
    assert {each.id for each in found.papers} == {OLD[3].id, OLD[1].id}
    assert (found.requests, found.reason) == (0, "")


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), (b"", "empty body"), (b"<html/>", "no Atom")]
)
def test_an_unreadable_file_is_no_quiet_day(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / "feed.xml").write_bytes(content)
    source = FileSource(tmp_path / "feed.xml")
    (listing,) = source.fetch((scope(),), now=NOW).listings
    assert not listing.complete
    assert reason in listing.reason
    found = source.by_id([OLD[0].id], now=NOW)
    assert (found.papers, found.reason) == ((), listing.reason)


@pytest.mark.parametrize(
    ("last_good", "last_sweep", "baseline", "days"),
    [
        (None, None, None, 90),  # the baseline
        (1, 3, 200, 31),
        (1, 7, 200, 91),  # a week after the last sweep
        (12, 13, 400, 102),  # after an outage
        (1, 3, 20, 20),  # never before the baseline
        (-2, 3, 200, 30),  # the clock went back
    ],
)
def test_windows_overlap_and_grow_after_failed_days(
    last_good: float | None, last_sweep: float | None, baseline: float | None, days: float
) -> None:
    start = window_start(
        now=NOW,
        last_good=_ago(last_good),
        last_sweep=_ago(last_sweep),
        baseline_start=_ago(baseline),
        lookback_days=30,
    )
    assert (NOW - start) / DAY == days


@pytest.mark.parametrize(("days", "sweep"), [(31, False), (89.9, False), (90, True), (102, True)])
def test_a_window_of_ninety_days_is_a_sweep(days: float, sweep: bool) -> None:
    assert is_sweep(NOW - days * DAY, now=NOW) is sweep


def _ago(days: float | None) -> datetime | None:
    return None if days is None else NOW - days * DAY
