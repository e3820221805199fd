"""Refusals over the real wire, through the whole job: kinds of refusal, whom they hit, and where.

For each of them: nobody is rejected or suppressed for our own faults, the others are served, the
exit code is right, and after a healthy run nobody is lost. The matrix prints its totals, `-s` a
line for each cell.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, repeat
from pathlib import Path

import pytest

from newsletter.job.report import Report
from newsletter.models import Subscriber
from newsletter.sending.replies import Phase
from tests.making.mailing import transport_to
from tests.making.newsroom import Newsroom
from tests.making.papers import NOW, paper
from tests.peers.smtp_server import ORDINARY, Action, SmtpServer

READERS = 60
DOMAINS = 6
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

# Refusals that say they are about us, or do not say; the exit code where nobody passes.
SUSPECT: list[tuple[Phase, str, int]] = [
    ("MAIL", "530 5.7.0 Authentication required", 78),
    ("MAIL", "553 5.1.8 sender's domain does not exist", 78),
    ("MAIL", "550 5.4.5 Daily sending limit exceeded", 75),
    ("MAIL", "550 5.7.60 Client does not have permissions to send as this sender", 78),
    ("RCPT", "550 relay not permitted", 78),
    ("RCPT", "530 Must issue a STARTTLS command first", 78),
    ("RCPT", "503 AUTH first", 78),
    ("RCPT", "521 no", 78),
    ("RCPT", "550 5.1.7 sender address rejected", 78),
    ("RCPT", "550 Verification failed for <papers@example.org>", 78),
    ("RCPT", "550-Called: 192.0.2.1\r\n550-Response: 550 5.1.1 User unknown\r\n550 no", 78),
    ("RCPT", "550 5.1.90 you have reached your daily limit", 75),
    ("RCPT", "553 sorry, not in my list (#5.7.1)", 78),
    ("RCPT", "554 5.7.1: refused", 78),
    ("RCPT", "550-no\r\n550 5.7.1 really", 78),
    ("DATA", "554 5.7.1 blocked using zen.spamhaus.org", 78),
    ("DATA", "550 rejected", 78),
    ("dot", "554 5.2.252 SendAsDenied", 78),
    ("dot", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceeded", 75),
    ("dot", "550 5.7.26 unauthenticated", 78),
    ("dot", "554 transaction failed", 78),
    ("dot", "550 5.2.3 recipient limit", 75),
]
# What is never rejected, however few are refused so.
NEVER_THEIRS = {"530", "503"}
HITS = {
    "one": ("first", 1),
    "one of the last": ("last", 1),
    "few first": ("first", 3),
    "few spread": ("spread", 3),
    "few last": ("last", 3),
    "many first": ("first", 15),
    "many spread": ("spread", 20),
    "many last": ("last", 15),
    "all": ("first", READERS),
}


@dataclass(frozen=True)
class Cell:
    """One row of the matrix."""

    phase: Phase
    reply: str
    hit: str
    exit_code: int  # where nobody passes

    @property
    def places(self) -> list[int]:
        place, number = HITS[self.hit]
        if place == "spread":
            return list(range(1, READERS, READERS // number))[:number]
        return list(range(number) if place == "first" else range(READERS - number, READERS))

    @property
    def may_be_theirs(self) -> bool:
        return self.phase != "MAIL" and self.exit_code != 75 and self.reply[:3] not in NEVER_THEIRS

    @property
    def rejected(self) -> int:
        return len(self.places) if len(self.places) <= 3 and self.may_be_theirs else 0

    @property
    def ends_with(self) -> int:
        if self.hit == "all":
            return self.exit_code
        return 0 if self.rejected else 75

    def script(self, readers: list[str]) -> dict[str, Iterator[Action]]:
        def one_by_one() -> Iterator[Action]:
            places = set(self.places)
            for number in count():
                yield self.reply if number in places else ORDINARY

        def always() -> Iterator[Action]:
            while True:
                yield self.reply

        if self.phase == "MAIL":
            return {"MAIL": one_by_one()}
        return {f"{self.phase} {readers[each]}": always() for each in self.places}


@dataclass(frozen=True)
class Figures:
    """What became of everybody: in the bad run, in the healthy one after it, and a day later."""

    bad: Report
    healthy: Report
    next_day: Report
    suppressed: int
    lost: int


def tried(cell: Cell, folder: Path) -> Figures:
    readers = [f"reader{number:02}@host{number % DOMAINS}.example" for number in range(READERS)]
    room = Newsroom(folder, subscribers=[Subscriber(email=each) for each in readers], judging=True)
    room.run(now=NOW - DAY)
    room.told.papers["mri"] = (paper("2611.00001"),)
    with SmtpServer(script=cell.script(readers)) as server:
        room.transport = transport_to(server, connections=2)
        bad = room.run()
    with SmtpServer() as healthy_server:
        room.transport = transport_to(healthy_server, connections=2)
        healthy = room.run(now=NOW + HOUR)
        served = {*server.recipients, *healthy_server.recipients}
        assert len(served) == len(server.recipients) + len(healthy_server.recipients)
        room.told.papers["mri"] = (paper("2611.00001"), paper("2611.00002"))
        next_day = room.run(now=NOW + DAY)
    suppressions = folder / "suppressions.csv"
    return Figures(
        bad=bad,
        healthy=healthy,
        next_day=next_day,
        suppressed=suppressions.read_text().count("\n") - 1 if suppressions.exists() else 0,
        lost=len(set(readers) - served) - bad.deliveries.rejected,
    )


def check(cell: Cell, found: Figures) -> None:
    bad = found.bad.deliveries
    served = 0 if cell.hit == "all" else READERS - len(cell.places)
    assert (bad.accepted, bad.rejected, bad.suppressed) == (served, cell.rejected, 0), cell
    assert found.bad.exit_code == cell.ends_with, cell
    assert (found.healthy.exit_code, found.lost, found.suppressed) == (0, 0, 0), cell
    assert found.healthy.deliveries.accepted == READERS - served - cell.rejected, cell
    assert found.next_day.deliveries.accepted == READERS, cell


MATRIX = [
    Cell(phase, reply, hit, exit_code)
    for number, (phase, reply, exit_code) in enumerate(SUSPECT)
    for place, hit in enumerate(HITS)
    if hit == "all" or (number + place) % 2 == 0
]


@pytest.mark.slow
@pytest.mark.parametrize("one_in", [7, pytest.param(1, marks=pytest.mark.full)])
def test_nobody_pays_for_our_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one_in: int
) -> None:
    cells = MATRIX[::one_in]
    totals = dict.fromkeys(("accepted", "rejected", "outstanding", "suppressed", "lost"), 0)
    print(f"\n{'at':4} {'refusal':42} {'whom':15} accepted rejected put off exit lost")
    for number, cell in enumerate(cells):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = tried(cell, folder)
        bad = found.bad.deliveries
        print(
            f"{cell.phase:4} {' '.join(cell.reply.split())[:42]:42} {cell.hit:15} {bad.accepted:8}"
            f" {bad.rejected:8} {bad.outstanding:7} {found.bad.exit_code:4} {found.lost:4}"
        )
        check(cell, found)
        for name in ("accepted", "rejected", "outstanding"):
            totals[name] += getattr(bad, name)
        totals["suppressed"] += found.suppressed
        totals["lost"] += found.lost
    with capsys.disabled():
        print(f"\n{len(cells)} refusals of {READERS} readers each: {totals}")
    assert len(MATRIX) >= 60
    assert totals["suppressed"] == totals["lost"] == 0


@pytest.mark.slow
def test_leftovers_alone_never_end_a_run_before_its_news_leaves(tmp_path: Path) -> None:
    ada, *others = [Subscriber(email=f"{name}@{name}.example") for name in ("ada", "bob", "cy")]
    room = Newsroom(tmp_path, subscribers=[ada], judging=True)
    room.run(now=NOW - DAY)
    room.told.papers["mri"] = (paper("2611.00001"),)
    with SmtpServer(script={f"RCPT {ada.email}": repeat("550 5.7.1 no")}) as server:
        room.transport = transport_to(server)
        assert room.run().exit_code == 78  # nobody else was there to be asked
        room.subscribers = [ada, *others]
        room.told.papers["mri"] = (paper("2611.00001"), paper("2611.00002"))
        report = room.run(now=NOW + DAY)
    assert [line.split(" ")[1].split("@")[0] for line in server.verbs("RCPT")] == [
        "TO:<ada", "TO:<bob", "TO:<cy", "TO:<ada", "TO:<ada"
    ]  # fmt: skip
    assert (report.deliveries.accepted, report.deliveries.rejected) == (2, 2)
    assert (report.exit_code, report.troubles) == (0, ())


@pytest.mark.slow
def test_who_was_judged_is_asked_last_the_next_day(tmp_path: Path) -> None:
    readers = [Subscriber(email=f"r{number}@host{number}.example") for number in range(5)]
    room = Newsroom(tmp_path, subscribers=readers, judging=True)
    room.run(now=NOW - DAY)
    room.told.papers["mri"] = (paper("2611.00001"),)
    with SmtpServer(script={f"RCPT {readers[0].email}": ["550 5.7.1 no"]}) as server:
        room.transport = transport_to(server)
        assert room.run().deliveries.rejected == 1
        room.told.papers["mri"] = (paper("2611.00001"), paper("2611.00002"))
        assert room.run(now=NOW + DAY).deliveries.accepted == 5
    assert server.recipients[4:] == [each.email for each in (*readers[1:], readers[0])]


@pytest.mark.slow
def test_an_issue_too_large_for_the_server_goes_out_as_titles(tmp_path: Path) -> None:
    room = Newsroom(tmp_path)
    room.run(now=NOW - DAY)
    room.told.papers["mri"] = tuple(paper(f"2611.{number:05}") for number in range(1, 30))
    with SmtpServer() as server:
        room.transport = transport_to(server)
        assert room.run().deliveries.accepted == 1
    (whole,) = server.mails
    room = Newsroom(tmp_path / "again")
    room.folder.mkdir()
    room.run(now=NOW - DAY)
    room.told.papers["mri"] = tuple(paper(f"2611.{number:05}") for number in range(1, 30))
    limit = len(whole.data) * 3 // 4
    with SmtpServer(offers=("PIPELINING", f"SIZE {limit}")) as server:
        room.transport = transport_to(server)
        report = room.run()
    assert (report.exit_code, report.deliveries.accepted) == (0, 1)
    (titles,) = server.mails
    assert len(titles.data) <= limit
    assert titles.message_id == whole.message_id
    with SmtpServer(offers=("PIPELINING", "SIZE 900")) as server:
        room.transport = transport_to(server)
        room.told.papers["mri"] += (paper("2612.00001"),)
        report = room.run(now=NOW + DAY)
    assert (report.exit_code, report.deliveries.outstanding) == (78, 1)
    assert "takes 900" in str(report.troubles[0])


@pytest.mark.parametrize(
    ("reply", "hit"),
    [
        ("550 5.1.1 <x>: User unknown", "few first"),
        pytest.param("550 No such user here", "one", marks=pytest.mark.slow),
        pytest.param("554 this account has been disabled", "few last", marks=pytest.mark.slow),
    ],
)
def test_who_is_gone_is_rejected_and_suppressed_and_nobody_else(
    reply: str, hit: str, tmp_path: Path
) -> None:
    cell = Cell("RCPT", reply, hit, 0)
    found = tried(cell, tmp_path)
    assert found.bad.exit_code == 0
    assert found.bad.deliveries.rejected == found.suppressed == len(cell.places)
    assert found.next_day.deliveries.accepted == READERS - len(cell.places)


@pytest.mark.parametrize(
    ("reply", "hit"),
    [
        ("451 4.7.1 Try again later", "few first"),
        pytest.param("451 4.7.1 Try again later", "many spread", marks=pytest.mark.slow),
        pytest.param("450 4.2.0 later", "few last", marks=pytest.mark.slow),
        pytest.param("451 4.7.1 Greylisted", "one", marks=pytest.mark.slow),
    ],
)
def test_who_is_put_off_delays_nobody_else(reply: str, hit: str, tmp_path: Path) -> None:
    cell = Cell("RCPT", reply, hit, 75)
    found = tried(cell, tmp_path)
    assert found.bad.exit_code == 75
    assert found.bad.deliveries.accepted == READERS - len(cell.places)
    assert (found.lost, found.suppressed) == (0, 0)
