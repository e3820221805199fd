"""The replica of arXiv's API is held against recorded answers and against what is known of it."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from xml.etree import ElementTree as ET

import feedparser
import pytest
import requests
import Stemmer

from newsletter.models import Paper
from tests.making.shared_data import (
    june_papers,
    odd_records,
    recorded_answers,
    recorded_page,
    seed_papers,
    seed_rows,
)
from tests.peers.replica import Author, Clock, Record, Replica, announcing, atom, faults, record_of
from tests.peers.replica.english import english, porter, tokens
from tests.peers.replica.query import InvalidQueryError, parsed, repaired, rewritten

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


def record(
    arxiv_id: str = "2603.00001",
    title: str = "On nothing in particular",
    abstract: str = "We say little.",
    *,
    submitted: datetime = MONDAY,
    categories: tuple[str, ...] = ("cs.CV",),
    authors: tuple[str, ...] = ("Ada Example",),
    comment: str = "",
) -> Record:
    return Record(
        arxiv_id=arxiv_id,
        version=1,
        title=title,
        abstract=abstract,
        authors=tuple(Author(name=name) for name in authors),
        categories=categories,
        published=submitted,
        updated=submitted,
        announced=submitted + timedelta(hours=12),
        comment=comment,
    )


SHELF = (
    record("2603.00001", "Radiological images of robots", comment="Accepted at ABCD 2026"),
    record("2603.00002", "A chain of thought", submitted=MONDAY + timedelta(hours=1)),
    record("2603.00003", "Chain the thought", abstract="Multi-step agents think."),
    record("2603.00004", "Thought in a chain", categories=("cs.RO", "eess.IV")),
    record("2603.00005", "GPT-3.5's cost", authors=("José Del Maestro", "B. Other")),
    record("2603.00006", "The rest", abstract="Imaging of knees; medical, mostly."),
)


@pytest.fixture
def replica() -> Iterator[Replica]:
    with Replica(SHELF, clock=Clock(MONDAY + timedelta(days=7))) as replica:
        yield replica


def ask(replica: Replica, query: str = "", **params: str | int) -> requests.Response:
    asked = params | ({"search_query": query} if query else {})
    return requests.get(replica.url, params=asked, timeout=120)


def ids(response: requests.Response) -> list[str]:
    assert response.status_code == 200, response.text
    found = re.findall(r"<id>http://arxiv.org/abs/(.*)v\d+</id>", response.text)
    return [name.removeprefix("2603.0000") for name in found]


# Format


def test_recorded_answers_are_written_byte_for_byte() -> None:
    for name, body in recorded_answers().items():
        if name.endswith(".200.xml"):
            assert atom.feed(recorded_page(body)).encode() == body, name


def test_recorded_questions_by_id_are_answered_byte_for_byte() -> None:
    answers = {name: body for name, body in recorded_answers().items() if name.startswith("id_")}
    assert len(answers) == 9
    known = [record for body in answers.values() for record in _all(body)]
    with Replica({record.name: record for record in known}.values()) as replica:
        for name, body in answers.items():
            replica.now = datetime.fromisoformat(ET.fromstring(body)[2].text or "")
            id_list = re.sub(r"^id_|_s0_m100_.*$", "", name)
            id_list = re.sub(r"^(astro-ph|quant-ph)_", r"\1/", id_list).replace("_", ",")
            response = ask(replica, id_list=id_list, max_results=100)
            assert response.content == body, name
            assert str(response.status_code) == name.split(".")[-2]


def _all(body: bytes) -> tuple[Record, ...]:
    return () if b"errors#" in body else tuple(recorded_page(body).records)


def test_feedparser_reads_a_whole_answer(replica: Replica) -> None:
    feed = feedparser.parse(ask(replica, "au:maestro").content)
    assert not feed.bozo
    assert feed.version == "atom10"
    assert feed.feed.opensearch_totalresults == "1"
    assert [author.name for author in feed.entries[0].authors] == ["José Del Maestro", "B. Other"]


@pytest.mark.slow
def test_odd_papers_survive_the_feed() -> None:
    page = recorded_page(recorded_answers()["q_testing_s0_m100_cfe7536492ca.200.xml"])
    records = odd_records()
    again = recorded_page(atom.feed(replace(page, records=records)).encode())
    assert [each.title for each in again.records] == [each.title for each in records]
    assert len(again.records) == 1041


# Language


@pytest.mark.parametrize(
    ("query", "understood", "meant"),
    [
        ("graph neural", "all:graph OR all:neural", None),
        ('"graph neural"', 'all:"graph neural"', None),
        ("ti:a AND ti:b OR ti:c", "ti:a AND ti:b OR ti:c", "ti:a AND (ti:b OR ti:c)"),
        ("NOT ti:x AND cat:c", "ANDNOT ti:x AND cat:c", "ANDNOT (ti:x AND cat:c)"),
        ("ti:a AND NOT ti:b", "ti:a ANDNOT ti:b", None),
        ("ti:a AND OR ti:b", "ti:a OR ti:b", None),
        ("ti:a and ti:b", "ti:a OR all:and OR ti:b", "ti:a OR (all:and OR ti:b)"),
        ("ti:(a b)", "(ti:a OR ti:b)", "ti:a OR ti:b"),
        ("ti:(a AND (b c))", "(ti:a AND (ti:b OR ti:c) )", "ti:a AND (ti:b OR ti:c)"),
        ("((ti:a))", "( (ti:a) )", "ti:a"),
        ("title:a", "ti:a", None),
        ("ti:a ti: ti:b", "ti:a OR OR ti:b", "invalid"),
        ('ti:"half quoted', "ti:half OR all:quoted", None),
        ("ti:a\r\nti:b", "ti:a OR ti:b", None),
        ("au:del_maestro AND ti:x", 'au:"del maestro" AND ti:x', None),
        ("ti:x AND au:del_maestro", "ti:x AND au:del_maestro", None),
        ("ORCA AND ANDROID", "all:ORCA AND all:ANDROID", None),
        ("submittedDate:[2025 TO 202502]", 'submittedDate:"202501010000 TO 202502282359"', None),
        (
            "lastUpdatedDate:[20250101 TO 202501021300]",
            'submittedDate:"202501010000 TO 202501021300"',
            None,
        ),
        ("submittedDate:2007*", "submittedDate:2007*", "invalid"),
        ("(ti:a", "(ti:a", "invalid"),
        ("ti:a)", "ti:a)", "invalid"),
        ("()", "( )", "invalid"),
        ("ti:", "", "invalid"),
    ],
)
def test_queries_are_repaired_and_then_read(query: str, understood: str, meant: str | None) -> None:
    assert repaired(query) == understood
    if meant == "invalid":
        with pytest.raises(InvalidQueryError):
            parsed(understood)
    else:
        assert rewritten(parsed(understood)) == (meant or understood)


@pytest.mark.parametrize(
    ("text", "stems"),
    [
        ("Imaging images, image", ["imag", "imag", "imag"]),
        ("robotics/robots", ["robot", "robot"]),
        ("generalization university", ["gener", "univers"]),
        ("The state of the art", [None, "state", None, None, "art"]),
        ("radiology radiological", ["radiolog", "radiolog"]),
        ("possible possibly", ["possibl", "possibl"]),
        ("don't GPT-4.5 model's", ["don't", "gpt", "4.5", "model"]),
        ("foo_bar _ U.S. 1,000", ["foo_bar", "u.", "1,000"]),
        ("Schrödinger us 画像", ["schrödinger", "us", "画", "像"]),
    ],
)
def test_english_is_read_as_the_index_reads_it(text: str, stems: list[str | None]) -> None:
    assert english(text) == stems


@pytest.mark.slow
def test_stems_agree_with_snowball_but_for_the_two_later_rules() -> None:
    snowball = Stemmer.Stemmer("porter")
    words = {word.lower() for paper in june_papers()[:1000] for word in tokens(paper.abstract)}
    differing = {
        word for word in words if len(word) > 2 and porter(word) != snowball.stemWord(word)
    }
    assert len(words) > 10_000
    assert {word for word in differing if not re.search(r"bl[iy]|log[iy]", word)} <= {"grokking"}


# Search


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('ti:"robotic image"', ""),
        ('ti:"image of robotics"', "1"),
        ('ti:"images robots"', ""),
        ('ti:"radiology imaging"', "1"),
        ('ti:"chain of thought"', "23"),
        ('ti:"chain thought"', ""),
        ("ti:chain-thought", "234"),
        ("ti:thou*", "234"),
        ('abs:"multi-step agent"', "3"),
        ('abs:"medical imaging"', ""),
        ('ti:"gpt 3.5"', "5"),
        ('ti:"the"', "36"),
        ("ti:the", ""),
        ("cat:cs.ro", "4"),
        ("cat:cs.*", "123456"),
        ("cat:eess.IV AND cat:cs.RO", "4"),
        ("cat:cs", ""),
        ('au:"del maestro"', "5"),
        ("au:jose", "5"),
        ("co:accepted", "1"),
        ("co:accept", ""),
        ("id:2603.0000*", "123456"),
        ("id:2603.00002v1", "2"),
        ("all:robotics", "14"),
        ("all:multi-step", "3"),
        ("all:2603", "123456"),
        ("cat:cs.CV ANDNOT ti:chain", "156"),
        ("ANDNOT ti:chain", "156"),
        ("submittedDate:[202603021201 TO 202603021300]", "2"),
        ("submittedDate:[20260302 TO 20260302] AND ti:rest", "6"),
    ],
)
def test_queries_find(replica: Replica, query: str, found: str) -> None:
    assert sorted(ids(ask(replica, query))) == list(found)


def test_an_id_list_stands_alone_or_filters_a_query(replica: Replica) -> None:
    some = "2603.00001,2603.00002,2603.09999"
    assert sorted(ids(ask(replica, id_list=some))) == ["1", "2"]
    assert ids(ask(replica, "ti:chain", id_list=some)) == ["2"]


def test_a_form_is_answered_like_a_query_string(replica: Replica) -> None:
    posted = requests.post(replica.url, data={"search_query": "ti:chain"}, timeout=120)
    assert posted.content == ask(replica, "ti:chain").content


def test_pages_are_sorted_and_fit_together(replica: Replica) -> None:
    pages = [
        ask(replica, "cat:cs.*", start=start, max_results=4, sortBy="submittedDate")
        for start in (0, 4)
    ]
    assert [len(ids(page)) for page in pages] == [4, 2]
    assert ids(pages[0])[0] == "2"
    assert sorted(ids(pages[0]) + ids(pages[1])) == list("123456")
    assert "<opensearch:itemsPerPage>4</opensearch:itemsPerPage>" in pages[1].text
    assert "<opensearch:totalResults>6</opensearch:totalResults>" in pages[1].text


def test_papers_of_one_second_come_in_no_particular_order() -> None:
    orders = set()
    for seed in range(5):
        with Replica(SHELF, clock=Clock(MONDAY + timedelta(days=7)), seed=seed) as replica:
            orders.add(tuple(ids(ask(replica, "cat:cs.CV", sortBy="submittedDate"))))
    assert len(orders) > 1
    assert {order[0] for order in orders} == {"2"}


@pytest.mark.parametrize(
    ("params", "status", "message"),
    [
        ({}, 400, "Either a search_query or id_list must be specified for the classic API."),
        ({"search_query": "ti:a AND"}, 400, "Invalid query string: 'ti:a AND'"),
        ({"id_list": "2603.00001,abc"}, 400, "incorrect id format for abc"),
        ({"search_query": "a", "start": "x"}, 400, "start must be an integer"),
        ({"search_query": "a", "start": "-1"}, 400, "start must be non-negative"),
        ({"search_query": "a", "max_results": ""}, 400, "max_results must be an integer"),
        ({"search_query": "a", "sortBy": "age"}, 400, "sortBy must be in: relevance, "),
        ({"search_query": "a", "sortOrder": "up"}, 400, "sortOrder must be in: "),
        ({"search_query": "a", "max_results": "0"}, 500, "Internal Server Error"),
        ({"search_query": "a", "start": "9500", "max_results": "1000"}, 500, "Internal Server"),
        ({"search_query": "a" * 9000}, 414, "Request-URI Too Long"),
    ],
)
def test_bad_questions_are_refused(
    replica: Replica, params: dict[str, str], status: int, message: str
) -> None:
    response = requests.get(replica.url, params=params, timeout=120)
    assert response.status_code == status
    feed = feedparser.parse(response.content)
    assert feed.entries[0].title == "Error"
    assert feed.entries[0].summary.startswith(message)


# Time


def test_a_paper_appears_some_time_after_it_was_announced(replica: Replica) -> None:
    replica.now = MONDAY + timedelta(hours=13, minutes=59)
    assert ids(ask(replica, "cat:cs.CV")) == []
    replica.now = MONDAY + timedelta(hours=14)
    assert "2" not in ids(ask(replica, "cat:cs.CV"))
    assert "1" in ids(ask(replica, "cat:cs.CV"))


def test_a_new_version_replaces_the_one_before_but_keeps_its_date(replica: Replica) -> None:
    later = MONDAY + timedelta(days=9)
    second = replace(
        SHELF[0], version=2, title="Withdrawn", updated=later, announced=later, comment="Withdrawn"
    )
    replica.records = (*SHELF, second)
    assert "2603.00001v1" in ask(replica, "ti:robot").text
    replica.now = later + timedelta(hours=2)
    assert ids(ask(replica, "ti:robot")) == []
    response = ask(replica, "ti:withdrawn AND submittedDate:[20260302 TO 20260302]")
    assert "<published>2026-03-02T12:00:00Z</published>" in response.text
    assert "<updated>2026-03-11T12:00:00Z</updated>" in response.text
    assert "2603.00001v1" in ask(replica, id_list="2603.00001v1").text
    newest = ask(replica, "cat:cs.CV", sortBy="lastUpdatedDate", max_results=1)
    assert "2603.00001v2" in newest.text


@pytest.mark.parametrize(
    ("submitted", "announced"),
    [
        ("2026-03-02T18:59", "2026-03-03T01:00"),  # Monday before 14:00 Eastern: Monday evening
        ("2026-03-02T19:00", "2026-03-04T01:00"),
        ("2026-03-05T19:00", "2026-03-09T00:00"),  # from Thursday's cut-off: Sunday, now in summer
        ("2026-03-06T19:00", "2026-03-10T00:00"),  # from Friday's: Monday
        ("2026-03-08T12:00", "2026-03-10T00:00"),
        ("2025-06-18T19:00", "2025-06-23T00:00"),  # Thursday was Juneteenth
    ],
)
def test_announcements_follow_the_schedule(submitted: str, announced: str) -> None:
    moment = datetime.fromisoformat(submitted).replace(tzinfo=UTC)
    assert announcing.mailing(moment) == datetime.fromisoformat(announced).replace(tzinfo=UTC)


@pytest.mark.slow
def test_ids_tell_how_long_papers_were_held() -> None:
    papers = june_papers()
    announced = announcing.announced(papers)
    by_id = [announced[arxiv_id] for arxiv_id in sorted(announced)]
    assert by_id == sorted(by_id)
    for days, measured in {1: 24.7, 2: 56.7, 3: 73.9, 4: 87.5, 7: 93, 14: 98.7, 30: 99.5}.items():
        seen = [
            _next_run(announced[paper.local_id]) - paper.submitted <= timedelta(days=days)
            for paper in papers
        ]
        assert 100 * sum(seen) / len(seen) == pytest.approx(measured, abs=5), f"{days} days"


def _next_run(announced: datetime) -> datetime:
    """Return the next 10:00 UTC, when the index has the paper."""
    return announced.replace(hour=10) + timedelta(days=announced.hour >= 10)


# Faults


SYMPTOMS = {
    faults.NOTHING: (200, rb"totalResults>0<"),
    faults.EMPTY_PAGE: (200, rb"totalResults>6<(?!.*<entry>)"),
    faults.SHORT_PAGE: (200, rb"totalResults>6<(?=(.*?<entry>){5})(?!(.*?<entry>){6})"),
    faults.DUPLICATE_IDS: (200, rb"(abs/2603\.0000\dv1)</id>.*\1</id>"),
    faults.EMPTY_BODY: (200, rb"^$"),
    faults.RATE_EXCEEDED: (429, rb"^Rate exceeded\.$"),
    faults.RATE_EXCEEDED_LATER: (429, rb"^Rate exceeded\.$"),
    faults.RATE_EXCEEDED_200: (200, rb"^Rate exceeded\.$"),
    faults.UNAVAILABLE: (503, rb"<html>"),
    faults.DENIED: (403, rb"<html>"),
    faults.DENIED_TO_STRANGERS: (403, rb"<html>"),
    faults.NOT_ACCEPTABLE: (406, rb"."),
    faults.HTML_PAGE: (200, rb"<html>"),
    faults.CUT_OFF: (200, rb"(?<!</feed>\n)$"),
    faults.LINKS_BARE: (200, rb'<link href="https://arxiv.org/pdf/2603.00001v1"/>'),
    faults.IDS_MISSING: (200, rb"<entry>\s*<title>"),
    faults.LATIN_1: (200, rb"\xe9"),
    faults.CONTROL_CHARACTERS: (200, rb"\x00"),
    faults.BOMB: (200, rb"<!ENTITY a9"),
    faults.LINE_BREAKS: (200, rb"&#13;\nBcc:"),
    faults.RIGHT_TO_LEFT: (200, "\u202e".encode()),
    faults.MARKUP: (200, rb"&lt;script&gt;"),
    faults.NO_AUTHORS: (200, rb"^(?!.*<author>)"),
    faults.NO_CATEGORIES: (200, rb"^(?!.*<category)"),
    faults.EMPTY_TITLES: (200, rb"<title></title>"),
    faults.NEXT_VERSION: (200, rb"2603\.00001v2"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", SYMPTOMS, ids=lambda fault: fault.name)
def test_faults_show_and_go(replica: Replica, fault: faults.Fault) -> None:
    good = ask(replica, "cat:cs.*").content
    replica.faults = [fault]
    response = ask(replica, "cat:cs.*")
    status, symptom = SYMPTOMS[fault]
    assert response.status_code == status
    assert re.search(symptom, response.content, re.DOTALL)
    replica.faults = []
    assert ask(replica, "cat:cs.*").content == good


def test_refusals_say_when_to_come_back(replica: Replica) -> None:
    replica.faults = [faults.RATE_EXCEEDED]
    assert "Retry-After" not in ask(replica, "ti:a").headers
    replica.faults = [faults.RATE_EXCEEDED_LATER]
    assert ask(replica, "ti:a").headers["Retry-After"] == "20"
    replica.faults = [faults.UNAVAILABLE]
    assert ask(replica, "ti:a").headers["Retry-After"] == "0"


def test_a_stale_index_lacks_the_newest_day(replica: Replica) -> None:
    replica.now = MONDAY + timedelta(days=1)
    replica.faults = [faults.STALE]
    assert ids(ask(replica, "cat:cs.*")) == []


def test_an_id_range_can_be_missing(replica: Replica) -> None:
    replica.faults = [faults.missing("2603.00004", "2603.99999")]
    assert sorted(ids(ask(replica, "cat:cs.*"))) == ["1", "2", "3"]


def test_a_date_filter_can_be_ignored(replica: Replica) -> None:
    replica.faults = [faults.FILTER_IGNORED]
    query = "ti:chain AND submittedDate:[20200101 TO 20200102]"
    assert sorted(ids(ask(replica, query))) == ["2", "3", "4"]


def test_a_sort_can_be_ignored(replica: Replica) -> None:
    replica.faults = [faults.SORT_IGNORED]
    assert ids(ask(replica, "cat:cs.CV", sortBy="submittedDate"))[0] != "2"


@pytest.mark.parametrize(
    ("fault", "count", "total"),
    [(faults.SECOND_PAGE_EMPTY, 0, 6), (faults.TOTAL_CHANGES, 2, 13)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_second_pages_go_wrong_after_a_good_first(
    replica: Replica, fault: faults.Fault, count: int, total: int
) -> None:
    replica.faults = [fault]
    assert len(ids(ask(replica, "cat:cs.*", max_results=4))) == 4
    second = ask(replica, "cat:cs.*", start=4, max_results=4)
    assert len(ids(second)) == count
    assert f"totalResults>{total}<" in second.text


def test_pages_can_overlap(replica: Replica) -> None:
    replica.faults = [faults.OVERLAPPING_PAGES]
    pages = [ask(replica, "cat:cs.*", start=start, max_results=3) for start in (0, 3)]
    assert ids(pages[0])[-1] == ids(pages[1])[0]
    assert "<opensearch:startIndex>3<" in pages[1].text


def test_a_cached_fault_stays_with_its_url(replica: Replica) -> None:
    replica.faults = [faults.cached(faults.EMPTY_BODY)]
    answers = [ask(replica, "ti:chain", max_results=size).content for size in (100, 100, 99, 100)]
    assert [bool(answer) for answer in answers] == [False, False, True, False]


def test_a_fault_can_pass(replica: Replica) -> None:
    replica.faults = [faults.first(2, faults.RATE_EXCEEDED)]
    assert [ask(replica, "ti:chain").status_code for _ in range(3)] == [429, 429, 200]


def test_faults_combine(replica: Replica) -> None:
    replica.faults = [faults.SHORT_PAGE, faults.LINKS_BARE, faults.CUT_OFF]
    body = ask(replica, "cat:cs.*").content
    assert b'rel="related"' not in body
    assert b"</feed>" not in body


@pytest.mark.parametrize("fault", [faults.RESET, faults.TRUNCATED], ids=lambda fault: fault.name)
def test_connections_break(replica: Replica, fault: faults.Fault) -> None:
    replica.faults = [fault]
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        ask(replica, "ti:chain")
    replica.faults = []
    assert ask(replica, "ti:chain").ok


def test_a_client_that_gives_up_on_a_slow_answer_is_not_held_for_two(replica: Replica) -> None:
    replica.faults = [faults.slow(30)]
    with pytest.raises(requests.ReadTimeout):
        requests.get(replica.url, params={"search_query": "ti:chain"}, timeout=0.1)
    replica.faults = []
    _wait_for(lambda: bool(replica.requests) and not replica._waiting)  # it sees that we left
    replica.clock.sleep(3)
    assert ask(replica, "ti:chain").ok
    assert replica.violations == []


@pytest.mark.slow
def test_a_huge_body_is_streamed_and_may_be_left_early(replica: Replica) -> None:
    replica.faults = [faults.HUGE]
    with requests.get(
        replica.url, params={"search_query": "ti:chain"}, stream=True, timeout=120
    ) as response:
        pieces = response.iter_content(1_000_000)
        assert sum(len(next(pieces)) for _ in range(20)) > 10_000_000
    with requests.get(replica.url, params={"search_query": "a"}, stream=True, timeout=120) as whole:
        assert sum(map(len, whole.iter_content(1_000_000))) > 100_000_000


def test_ten_thousand_authors_fit(replica: Replica) -> None:
    replica.faults = [faults.MANY_AUTHORS]
    assert ask(replica, "id:2603.00001").content.count(b"<author>") == 10_000


def test_a_redirect_names_its_target(replica: Replica) -> None:
    replica.faults = [faults.redirected("http://example.org/api/query")]
    response = requests.get(replica.url, allow_redirects=False, timeout=120)
    assert (response.status_code, response.headers["Location"]) == (
        307,
        "http://example.org/api/query",
    )


@pytest.mark.slow
@pytest.mark.parametrize("one_in", [5, pytest.param(1, marks=pytest.mark.full)])
def test_every_pair_of_quick_faults_is_served(replica: Replica, one_in: int) -> None:
    for number, one in enumerate(faults.QUICK):
        for other in faults.QUICK[number % one_in :: one_in]:
            replica.faults = [one, other]
            replica.answer(
                faults.Asked(
                    method="GET",
                    url="/api/query?search_query=cat:cs.*&start=2",
                    params={"search_query": "cat:cs.*", "start": "2"},
                    user_agent="",
                )
            )


# Score


def test_requests_are_judged_by_the_clock(replica: Replica) -> None:
    ask(replica, "ti:a")
    replica.clock.sleep(3)
    ask(replica, "ti:b")
    assert replica.violations == []
    replica.clock.sleep(2.9)
    ask(replica, "ti:c")
    assert [problem.partition(": ")[2] for problem in replica.violations] == [
        "2.900 s after the request before"
    ]
    assert [request.status for request in replica.requests] == [200, 200, 200]
    assert "python-requests" in replica.requests[0].asked.user_agent


def test_two_connections_at_once_are_noted(replica: Replica) -> None:
    replica.faults = [faults.first(1, faults.slow(5))]
    host, port = "127.0.0.1", int(replica.url.split(":")[2].split("/")[0])
    with socket.create_connection((host, port)) as first:
        first.sendall(b"GET /api/query?search_query=a HTTP/1.1\r\nHost: x\r\n\r\n")
        _wait_for(lambda: len(replica.requests) == 1)
        replica.clock.sleep(10)
        ask(replica, "ti:b")
    assert len(replica.violations) == 1
    assert "while another" in replica.violations[0]


def _wait_for(condition: Callable[[], bool]) -> None:
    waited = threading.Event()
    while not condition():
        waited.wait(0.01)


def test_asking_on_after_a_403_is_noted(replica: Replica) -> None:
    replica.faults = [faults.DENIED]
    ask(replica, "ti:a")
    replica.clock.sleep(60)
    ask(replica, "ti:a")
    assert [problem.partition(": ")[2] for problem in replica.violations] == [
        "asked on after a 403"
    ]


def test_a_mistake_of_the_replica_is_not_hidden() -> None:
    def mistaken(answer: faults.Answer) -> faults.Answer:
        raise ZeroDivisionError

    replica = Replica()
    replica.faults = [faults.Fault(name="mistaken", answer=mistaken)]
    replica.__enter__()
    with pytest.raises(requests.ConnectionError):
        ask(replica, "ti:a")
    with pytest.raises(ExceptionGroup, match="the replica itself failed"):
        replica.__exit__(None, None, None)


# Data


@pytest.mark.slow
def test_the_seed_page_is_what_its_keywords_find() -> None:
    rows = seed_rows()
    assert (len(rows), len(seed_papers())) == (258, 227)
    assert all(row.title and row.abstract for row in rows)
    assert max(row.date for row in rows) == date(2025, 4, 3)
    records = [_announced_at_once(paper) for paper in seed_papers().values()]
    with Replica(records, clock=Clock(datetime(2025, 4, 4, 10, tzinfo=UTC))) as replica:
        for keyword in dict.fromkeys(row.keyword for row in rows):
            operator = "AND" if keyword == "mri" else "OR"
            response = ask(replica, f'ti:"{keyword}" {operator} abs:"{keyword}"', max_results=1000)
            listed = {row.arxiv_id for row in rows if row.keyword == keyword}
            assert listed <= set(ids(response)), keyword


def _announced_at_once(paper: Paper) -> Record:
    return replace(record_of(paper), announced=paper.submitted)


@cache
def _june() -> tuple[Record, ...]:
    return tuple(announcing.history(june_papers()))


@pytest.mark.slow
def test_a_month_of_papers_has_every_first_version() -> None:
    first = [record for record in _june() if record.version == 1]
    assert len(first) == 3946
    assert all(record.announced >= record.published for record in _june())
