from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from itertools import repeat
from pathlib import Path

import pytest
from msgspec.structs import replace

from newsletter.errors import SourceError, StateError, TransportError
from newsletter.job.daily import frequencies_due, told_of, weekly_served
from newsletter.job.inbox import Reading
from newsletter.job.report import Report, as_json, summary
from newsletter.models import Fetched, Issue, Keyword, Memory, Outcome, Reader, Scope, Subscriber
from newsletter.sending.smtp import Server, SmtpTransport
from newsletter.state.sqlite.database import Database
from newsletter.state.state import FileState, State
from newsletter.subscribers.suppressions import Suppressions
from tests.making.mailing import Picky, Refusing
from tests.making.newsroom import Newsroom, ToldSource
from tests.making.papers import NOW, paper
from tests.peers.smtp_server import ORDINARY, Action, SmtpServer

DAY = timedelta(days=1)
ADA = Subscriber(email="ada@example.org")
BOB = Subscriber(email="bob@example.org", keywords=("pet",))
WEEKLY = Subscriber(email="wim@example.org", frequency="weekly")


@pytest.fixture
def room(tmp_path: Path) -> Newsroom:
    """A newsroom after its baseline: nothing listed, nobody mailed."""
    newsroom = Newsroom(tmp_path)
    assert newsroom.run(now=NOW - DAY).exit_code == 0
    return newsroom


def outcomes(room: Newsroom, **at: object) -> dict[str, tuple[str, int]]:
    report = room.run(**at)  # type: ignore[arg-type]
    return {each.keyword.name: (each.outcome, len(each.announcements)) for each in report.news}


def body(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_what_is_new_is_announced_once(room: Newsroom) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)
    assert outcomes(room) == {"mri": ("new", 1), "pet": ("none", 0)}
    assert outcomes(room) == {"mri": ("none", 0), "pet": ("none", 0)}
    (mail,) = room.mails()
    assert mail["To"] == "ada@example.org"
    assert "arxiv.org/abs/2611.00001" in body(mail)
    assert "arxiv.org/pdf/2611.00001" in body(mail, "html")


def test_the_page_of_an_issue_is_there_when_its_mails_leave(room: Newsroom) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)
    happened: list[str] = []
    room.page = lambda issue: happened.append(f"page of {issue}")
    room.on_compose = lambda: happened.append("a mail")
    room.run()
    assert happened == ["page of 1", "a mail"]
    room.run()
    assert len(happened) == 2


def test_a_page_that_cannot_be_written_keeps_no_mail(room: Newsroom) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)

    def broken(_issue: int) -> None:
        raise ZeroDivisionError

    room.page = broken
    assert room.run().exit_code == 0  # it is for the archive to say what is in its way
    assert len(room.mails()) == 1


def test_a_second_run_on_the_same_day_opens_no_issue(room: Newsroom) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)
    first, second = room.run(), room.run()
    assert first.issue is not None
    assert second.issue is None
    assert second.deliveries.planned == 0
    assert (first.exit_code, second.exit_code) == (0, 0)


def test_a_state_that_cannot_be_written_ends_the_run_before_anything_is_asked(
    room: Newsroom,
) -> None:
    room.told.scopes = ()
    room.transport = Refusing(StateError(room.folder / "state.sqlite3", "the disk is full"))
    with pytest.raises(StateError, match="the disk is full"):
        room.run()
    assert room.told.scopes == ()


def test_a_run_after_missed_days_sends_one_larger_issue(room: Newsroom) -> None:
    room.told.papers["mri"] = tuple(paper(f"2611.0000{n}") for n in range(1, 6))
    report = room.run(now=NOW + 5 * DAY)
    assert report.issue is not None
    assert (report.issue.number, report.issue.papers) == (1, 5)
    assert len(room.mails()) == 1


def test_an_outage_is_unknown_changes_nothing_and_is_made_up_for(room: Newsroom) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)
    room.told.down = "arXiv answered 503"
    report = room.run()
    assert report.exit_code == 69
    assert {(each.outcome, each.reason) for each in report.news} == {
        ("unknown", "arXiv answered 503")
    }
    room.told.down = ""
    assert outcomes(room, now=NOW + DAY)["mri"] == ("new", 1)


def test_what_was_owed_goes_out_although_arxiv_is_down(room: Newsroom) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)
    room.transport = Refusing(TransportError("the server is down", exit_code=69))
    assert room.run().deliveries.outstanding == 1
    room.transport = None
    room.told.down = "arXiv answered 503"
    report = room.run(now=NOW + timedelta(hours=3))
    assert (report.deliveries.accepted, report.exit_code) == (1, 69)
    assert len(room.mails()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (ValueError("could not convert string to float: '\\x1f120'"), 69),
        (RecursionError("maximum recursion depth exceeded"), 69),
        (MemoryError(), 69),
        (ModuleNotFoundError("No module named 'Stemmer'", name="Stemmer"), 78),
        (SourceError("https://export.arxiv.org/api/query", "arXiv answered 503"), 69),
        (OSError(28, "No space left on device"), 74),
        (PermissionError(13, "Permission denied"), 77),
    ],
)
def test_whatever_a_source_raises_is_an_outage_with_a_reason(
    room: Newsroom, raised: Exception, code: int
) -> None:
    class Broken(ToldSource):
        def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:
            raise raised

    room.told.papers["mri"] = (paper("2611.00001"),)
    room.transport = Refusing(TransportError("the server is down", exit_code=69))
    room.run()
    room.transport, room.source = None, Broken()
    report = room.run(now=NOW + timedelta(hours=3))
    assert report.deliveries.accepted == 1
    assert report.exit_code == code
    assert {each.outcome for each in report.news} == {"unknown"}
    assert all(str(raised) in each.reason for each in report.news)
    assert any(str(raised) in each for each in as_json(report)["troubles"])
    room.source = None
    assert outcomes(room, now=NOW + DAY)["pet"] == ("none", 0)


def test_a_keyword_added_later_floods_nobody(room: Newsroom) -> None:
    room.keywords = [*room.keywords, Keyword(name="ct")]
    room.told.papers["ct"] = tuple(
        paper(f"2610.0000{n}", submitted=NOW - 9 * DAY) for n in range(1, 9)
    )
    assert outcomes(room)["ct"] == ("baseline", 0)
    assert room.mails() == []


def test_a_redefined_keyword_records_all_that_a_later_sweep_could_reach(room: Newsroom) -> None:
    room.keywords = [Keyword(name="mri", authors=("Ada Quill",))]
    room.run()
    (scope,) = room.told.scopes
    assert scope.start == NOW - 91 * DAY


@pytest.mark.slow
def test_what_an_exclusion_leaves_out_is_counted_and_never_announced(room: Newsroom) -> None:
    room.keywords = (Keyword(name="mri"),)
    room.run()
    room.keywords = (Keyword(name="mri", exclude=("survey",)),)
    room.run(now=NOW + DAY)  # it means something else now: a baseline
    survey, plain = paper("2611.00001", title="A survey of MRI"), paper("2611.00002", title="MRI")
    room.told.papers = {"mri": (survey, plain)}
    report = room.run(now=NOW + 2 * DAY)
    (mail,) = room.mails()
    assert "1 new, 1 left out by survey" in body(mail)
    assert "A survey of MRI" not in body(mail)
    assert as_json(report)["keywords"][0]["left_out"] == {"survey": 1}
    with State.open(room.folder / "state.sqlite3") as state:
        assert state.papers.left_out("mri") == {"survey": 1}
        assert state.problems() == []
        assert state.issues(after=0, upto=1)[0].digests[0].left_out == {"survey": 1}
    room.keywords = (Keyword(name="mri"),)
    assert outcomes(room, now=NOW + 3 * DAY) == {"mri": ("baseline", 0)}
    assert outcomes(room, now=NOW + 4 * DAY) == {"mri": ("none", 0)}


def test_a_record_that_cannot_be_read_is_said_and_the_others_are_announced(
    room: Newsroom,
) -> None:
    room.told.papers = {"mri": (paper(),)}
    room.told.unread = ("2611.00002",)
    report = room.run()
    assert report.exit_code == 69
    said = {each.keyword.name: (each.outcome, each.reason) for each in report.news}
    words = "1 record could not be read: 2611.00002; the next run tries again"
    assert said == {"mri": ("new", words), "pet": ("none", words)}
    (mail,) = room.mails()
    assert "1 record could not be read: 2611.00002" in " ".join(body(mail).split())
    room.told.unread = ()
    assert room.run(now=NOW + DAY).exit_code == 0


def test_everyone_gets_their_keywords_only(room: Newsroom) -> None:
    room.subscribers = [ADA, BOB, Subscriber(email="eve@example.org", paused=True)]
    room.told.papers = {"mri": (paper("2611.00001"),), "pet": (paper("2611.00002"),)}
    room.run()
    ada, bob = room.mails()
    assert (ada["To"], bob["To"]) == ("ada@example.org", "bob@example.org")
    assert "2611.00001" in body(ada)
    assert "2611.00001" not in body(bob)


def test_an_issue_is_read_once_for_all_its_editions(room: Newsroom) -> None:
    class Counting(FileState):
        def issues(self, after: int, upto: int) -> list[Issue]:
            read.append((after, upto))
            return super().issues(after, upto)

    read: list[tuple[int, int]] = []
    room.open_state = lambda path: Counting.on(Database.open(path))
    room.told.papers = {"mri": (paper("2611.00001"),), "pet": (paper("2611.00002"),)}
    choices = [("mri",), ("pet",), ("mri", "pet"), ("pet", "mri")]
    room.subscribers = [
        Subscriber(email=f"r{number}@example.org", keywords=keywords)
        for number, keywords in enumerate(choices)
    ]
    assert room.run().deliveries.accepted == 4
    assert read == [(0, 1)]


def test_a_paper_of_two_keywords_is_in_full_once_and_named_in_the_other(room: Newsroom) -> None:
    shared = paper("2611.00001", abstract="A sentence that stands only in the abstract.")
    room.told.papers = {"mri": (shared,), "pet": (shared,)}
    report = room.run()
    assert report.issue is not None
    assert report.issue.papers == 1
    (mail,) = room.mails()
    assert body(mail).count("stands only in the abstract") == 1
    assert body(mail).count(shared.title) == 2


def test_text_format_is_one_plain_part(room: Newsroom) -> None:
    room.subscribers = [Subscriber(email="ada@example.org", format="text")]
    room.told.papers["mri"] = (paper("2611.00001"),)
    room.run()
    (mail,) = room.mails()
    assert mail.get_content_type() == "text/plain"


def test_html_format_has_the_text_first(room: Newsroom) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)
    room.run()
    (mail,) = room.mails()
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.slow
def test_weekly_subscribers_get_the_week_on_the_next_run_after_monday(room: Newsroom) -> None:
    room.subscribers = [ADA, WEEKLY]
    room.told.papers["mri"] = (paper("2611.00001"),)
    assert room.run(now=NOW).deliveries.accepted == 1  # Thursday
    room.told.papers["mri"] = (paper("2611.00002"), paper("2611.00001"))
    assert room.run(now=NOW + DAY).deliveries.accepted == 1
    report = room.run(now=NOW + 5 * DAY)  # Tuesday, and nothing new
    assert report.issue is not None
    assert report.issue.papers == 2
    (weekly,) = [mail for mail in room.mails() if mail["To"] == WEEKLY.email]
    assert "2611.00001" in body(weekly)
    assert "2611.00002" in body(weekly)
    assert room.run(now=NOW + 6 * DAY).issue is None


def test_the_readers_of_before_and_each_memory_are_read_once(room: Newsroom) -> None:
    class Counting(FileState):
        def readers(self, *, page: int = 5_000) -> Iterator[Reader]:
            read.append("readers")
            return super().readers(page=page)

        def memory(self, keyword: Keyword, *, among: Collection[str] | None = None) -> Memory:
            read.append(keyword.name)
            return super().memory(keyword, among=among)

    read: list[str] = []
    room.open_state = lambda path: Counting.on(Database.open(path))
    room.told.papers = {"mri": (paper("2611.00001"),)}
    assert room.run().deliveries.accepted == 1
    assert read == ["readers", "mri", "pet"]


@pytest.mark.parametrize(
    ("last_weekly", "first_day", "upto"),
    [(None, None, None), (None, 9, 8), (16, 9, 16), (9, 9, 9)],
)
def test_weekly_subscribers_have_had_what_was_before_the_first_issue(
    last_weekly: int | None, first_day: int | None, upto: int | None
) -> None:
    november = {n: date(2026, 11, n) for n in (8, 9, 16)} | {None: None}
    assert weekly_served(november[last_weekly], november[first_day]) == november[upto]


@pytest.mark.parametrize(
    ("today", "last_weekly", "due"),
    [
        (15, 8, True),  # Sunday: the Monday of this week was the 9th
        (15, 9, False),
        (16, 9, True),
        (16, 15, True),  # Monday: theirs was on the day before
        (16, 16, False),
        (17, 16, False),  # Tuesday: theirs was on Monday
        (22, 16, False),
        (22, 15, True),
        (23, 16, True),
        (23, 22, True),
        (16, 17, True),  # written while the clock was ahead: as if theirs had been yesterday
        (18, 19, False),
        (16, None, True),
        (18, None, False),
    ],
)
def test_weekly_subscribers_are_served_when_a_monday_has_passed(
    today: int, last_weekly: int | None, due: bool
) -> None:
    november = {day: date(2026, 11, day) for day in range(1, 31)}
    served = frequencies_due(november[today], november[last_weekly] if last_weekly else None)
    assert served == (("daily", "weekly") if due else ("daily",))


def test_an_address_spelled_anew_loses_a_weekly_subscriber_no_day(room: Newsroom) -> None:
    room.subscribers = [WEEKLY]
    room.told.papers["mri"] = (paper("2611.00001"),)
    room.run(now=NOW)  # Thursday
    room.subscribers = [replace(WEEKLY, email="Wim@example.org")]
    report = room.run(now=NOW + 5 * DAY)
    assert report.deliveries.accepted == 1
    assert (report.list_changes.added, report.list_changes.changed) == (0, 1)


def test_per_keyword_mode_sends_one_mail_for_each_keyword(room: Newsroom) -> None:
    room.per_keyword = True
    room.told.papers = {"mri": (paper("2611.00001"),), "pet": (paper("2611.00002"),)}
    assert room.run().deliveries.accepted == 2
    assert len({mail["Message-ID"] for mail in room.mails()}) == 2


def test_somebody_suppressed_after_the_issue_was_opened_is_not_mailed(room: Newsroom) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)
    room.transport = Refusing(TransportError("the server is down"))
    room.run()
    suppressions = Suppressions(room.folder / "suppressions.csv")
    suppressions.add(ADA.email, reason="unsubscribed", now=NOW)
    room.transport = None
    report = room.run(now=NOW + timedelta(hours=1))
    assert (report.deliveries.suppressed, report.exit_code) == (1, 0)
    assert room.mails() == []


def test_suppressions_that_turn_unreadable_stop_the_mails_but_lose_no_outcome(
    room: Newsroom,
) -> None:
    suppressions = room.folder / "suppressions.csv"

    def spoil() -> Iterator[Action]:
        yield from repeat(ORDINARY, 5)
        suppressions.write_bytes("zoë@example.org,unsubscribed\n".encode("latin-1"))
        yield from repeat(ORDINARY)

    room.told.papers["mri"] = (paper("2611.00001"),)
    room.subscribers = [Subscriber(email=f"r{n}@example.org") for n in range(20)]
    with SmtpServer(script={"dot": spoil()}) as server:
        to = Server(host="127.0.0.1", port=server.port, security="none")
        room.transport = SmtpTransport(to)
        report = room.run()
        assert report.exit_code == 65
        assert 6 <= report.deliveries.accepted == len(server.mails) < 20
        assert report.deliveries.unknown == 0
        suppressions.unlink()
        assert room.run().exit_code == 0
    assert len(server.mails) == len(set(server.recipients)) == 20


def test_a_refused_recipient_stops_nobody_and_stays_on_record(room: Newsroom) -> None:
    room.subscribers = [ADA, BOB]
    room.told.papers["pet"] = (paper("2611.00001"),)
    room.transport = Picky({ADA.email: Outcome(status="rejected", code=550, text="no such user")})
    tally = room.run().deliveries
    assert (tally.accepted, tally.rejected, tally.planned, tally.outstanding) == (1, 1, 2, 0)
    with State.open(room.folder / "state.sqlite3") as state:
        state.deliveries.take_up(now=NOW, max_age=DAY)
        assert list(state.claim()) == []


def test_what_is_deferred_goes_out_with_the_next_run_and_the_same_message_id(
    room: Newsroom,
) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)
    picky = Picky({ADA.email: Outcome(status="unknown", text="line lost after the dot")})
    room.transport = picky
    first = room.run()
    assert (first.deliveries.unknown, first.deliveries.outstanding, first.exit_code) == (1, 1, 75)
    room.transport = None
    assert room.run(now=NOW + timedelta(hours=1)).deliveries.accepted == 1
    (mail,) = room.mails()
    assert mail["Message-ID"].encode() in picky.seen[0]


def test_after_a_backup_was_restored_the_next_mail_is_another_message(room: Newsroom) -> None:
    state = room.folder / "state.sqlite3"
    backup = state.read_bytes()
    room.told.papers["mri"] = (paper("2611.00001"),)
    room.run()
    state.write_bytes(backup)
    room.told.papers["mri"] = (paper("2611.00001"), paper("2611.00002"))
    report = room.run(now=NOW + DAY)
    assert report.issue is not None
    assert report.issue.number == 1
    first, second = room.mails()
    assert first["Message-ID"] != second["Message-ID"]  # else many a server drops the second


def test_a_report_says_how_many_mails_were_put_aside_or_left_in_the_inbox_and_why() -> None:
    early = Reading(kinds=Counter({"bounce": 2, "unknown": 1}), suppressed=1, left=7, undone=1)
    late = Reading(
        kinds=Counter({"unknown": 1, "refused": 1}),
        suppressed=0,
        begun=1,
        undone=1,
        unreadable=("12",),
    )
    report = Report(run=NOW, finished=NOW, inbox=told_of([early, late]))
    assert as_json(report)["inbox"] == {
        "read": 5,
        "put_aside": {
            "not understood": 2,
            "without a valid token": 1,
            "was being read when a run ended": 1,
        },
        "left": {"cannot be read": 1, "cannot be done now": 1},
    }
    assert summary(as_json(report)) == (
        "broken off; 4 mails put aside (2 not understood, 1 without a valid token, 1 was being read"
        " when a run ended); 2 mails left in the inbox (1 cannot be read, 1 cannot be done now);"
        " exit 0"
    )


@pytest.mark.parametrize("readings", [[], [Reading(kinds=Counter(), suppressed=0)]])
def test_a_report_says_nothing_of_an_inbox_in_which_nothing_was(readings: list[Reading]) -> None:
    assert "inbox" not in as_json(Report(run=NOW, finished=NOW, inbox=told_of(readings)))


def test_an_edition_that_is_too_old_expires(room: Newsroom) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)
    room.transport = Refusing(TransportError("the server is down"))
    room.run()
    room.transport = None
    report = room.run(now=NOW + 3 * DAY)
    assert (report.deliveries.expired, report.deliveries.outstanding) == (1, 0)
    assert report.exit_code == 75
    assert "1 expired" in summary(as_json(report))
    assert room.mails() == []
    assert room.run(now=NOW + 4 * DAY).exit_code == 0
