import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from newsletter.errors import StateError, TransportError
from newsletter.models import Keyword, Ledger, Outgoing
from newsletter.operating.status import (
    age,
    current,
    issue_lines,
    lines,
    pace_remarks,
    untold,
)
from newsletter.state.engines import Place
from newsletter.state.sqlite.lock import only_run
from newsletter.state.state import State
from tests.making.mailing import Refusing
from tests.making.newsroom import Newsroom
from tests.making.papers import DAY, NOW, paper


@pytest.fixture
def room(tmp_path: Path) -> Newsroom:
    newsroom = Newsroom(tmp_path)
    newsroom.run(now=NOW - DAY)
    return newsroom


def found(room: Newsroom, *, days: float = 1) -> dict[str, Any]:
    return current(Place(file=room.folder / "state.sqlite3"), room.keywords, now=NOW + days * DAY)


@pytest.mark.parametrize(
    ("text", "span"),
    [("90m", timedelta(minutes=90)), ("26h", timedelta(hours=26)), ("2d", 2 * DAY)],
)
def test_an_age_is_written_short(text: str, span: timedelta) -> None:
    assert age(text) == span


@pytest.mark.parametrize("text", ["", "h", "26", "26 hours", "-1h"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 90m, 26h or 2d"):
        age(text)


def test_before_the_first_run_there_is_nothing_to_tell(tmp_path: Path) -> None:
    told = current(Place(file=tmp_path / "state.sqlite3"), (), now=NOW)
    assert told["last_run"] is None
    assert lines(told) == ["no run yet; try: newsletter run --dry-run"]
    assert lines({**told, "running": "process 7 on host"}) == [
        "a run is under way: process 7 on host"
    ]
    with pytest.raises(StateError, match="there is no issue yet"):
        issue_lines(Place(file=tmp_path / "state.sqlite3"), 1, whole_addresses=False)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_first_run_owes_is_told(tmp_path: Path) -> None:
    room = Newsroom(tmp_path, transport=Killing())
    room.told.papers["mri"] = (paper(submitted=NOW),)
    with pytest.raises(KeyboardInterrupt):
        room.run()
    told = lines(found(room))
    assert told[:4] == ["no good run yet", "", "last runs:", "  none has ended"]
    assert "  issue 1, 1 mail untried" in told


class Killing:
    def send(self, outgoing: Iterator[Outgoing], ledger: Ledger) -> None:
        for _ in outgoing:
            raise KeyboardInterrupt


def test_a_keyword_says_for_how_many_runs_it_has_been_unknown(room: Newsroom) -> None:
    room.told.down = "arXiv answered 503"
    for hours in (0, 4, 8):
        room.run(now=NOW + timedelta(hours=hours))
    told = found(room)
    assert (told["keywords"][0]["runs"], told["keywords"][0]["outcome"]) == (3, "unknown")
    shown = lines(told)
    assert "  keyword  last outcome   since" in shown
    assert "  mri      unknown        2026-11-19 10:00" in shown
    assert "  mri, pet: arXiv answered 503" in shown
    assert "  2026-11-19 18:00  no issue; 2 keywords unknown; exit 69" in shown
    assert told["good_run_age"] == (2 * DAY).total_seconds()


def test_where_the_bot_has_not_run_that_is_said_once_and_of_no_keyword(room: Newsroom) -> None:
    told = found(room, days=474)
    assert told["idle"] == "no run for 475 days"
    assert not [each["remark"] for each in told["keywords"] if each["remark"]]
    assert lines(told).count("no run for 475 days") == 1
    assert found(room, days=0.5)["idle"] == ""


def test_the_status_fits_into_80_columns(tmp_path: Path) -> None:
    names = ("a" * 100, "mri", "magnetic resonance imaging of the resting state in mice and men")
    room = Newsroom(tmp_path, keywords=tuple(Keyword(name=name) for name in names))
    room.told.down = "arXiv answered 503 to five requests in a row, and then it was asked no more"
    room.run(now=NOW - DAY)
    assert [line for line in lines(found(room)) if len(line) > 80 and "a" * 79 not in line] == []


def test_what_is_outstanding_is_told_with_its_reason(room: Newsroom) -> None:
    room.told.papers["mri"] = (paper(),)
    room.transport = Refusing(TransportError("down"))
    room.run()
    assert "  issue 1, 1 mail untried" in lines(found(room))
    path = room.folder / "state.sqlite3"
    assert issue_lines(Place(file=path), 1, whole_addresses=False) == ["a***@example.org: untried"]
    assert issue_lines(Place(file=path), 1, whole_addresses=True) == ["ada@example.org: untried"]
    for issue in (2, 10**20):
        with pytest.raises(StateError, match=f"no issue {issue}; the newest is 1"):
            issue_lines(Place(file=path), issue, whole_addresses=True)


@pytest.mark.slow
def test_a_keyword_that_finds_nothing_or_next_to_everything_is_pointed_out(
    room: Newsroom,
) -> None:
    room.told.papers["mri"] = tuple(paper(f"2611.{n:05}") for n in range(2600))
    room.run(now=NOW + 13 * DAY)
    with State.open(room.folder / "state.sqlite3") as state:
        assert pace_remarks(state, room.keywords, now=NOW + 12 * DAY) == []
        (broad, quiet) = pace_remarks(state, room.keywords, now=NOW + 14 * DAY)
    assert broad == ("mri", "260 papers a day, a fifth of arXiv: narrow it by categories")
    assert quiet == ("pet", "nothing listed for 14 days: is it spelled as authors write it?")


def test_a_keyword_that_lists_nothing_is_pointed_out_once(room: Newsroom) -> None:
    room.told.papers["mri"] = (paper("2611.00001"),)
    room.run(now=NOW + 16 * DAY)
    later = NOW + 17 * DAY

    def status(*, once: bool) -> dict[str, str]:
        said = current(
            Place(file=room.folder / "state.sqlite3"), room.keywords, now=later, once=once
        )
        return {each["name"]: each["remark"] for each in said["keywords"] if each["remark"]}

    with State.open(room.folder / "state.sqlite3") as state:
        remarks = pace_remarks(state, room.keywords, now=later)
        assert untold(state, remarks, by="check", now=later) == remarks
        assert untold(state, remarks, by="check", now=later) == []
    silent = {"pet": "nothing listed for 14 days: is it spelled as authors write it?"}
    assert status(once=False) == status(once=True) == silent
    assert status(once=True) == {}
    assert status(once=False) == silent


def test_what_is_listed_and_was_announced_long_ago_is_no_silence(room: Newsroom) -> None:
    room.told.papers = {"mri": (paper("2611.00001"),), "pet": (paper("2611.00002"),)}
    room.run(now=NOW)
    room.run(now=NOW + 16 * DAY)
    with State.open(room.folder / "state.sqlite3") as state:
        assert pace_remarks(state, room.keywords, now=NOW + 17 * DAY) == []


def test_an_outage_is_no_silence(room: Newsroom) -> None:
    room.told.down = "arXiv answered 503"
    room.run(now=NOW + 16 * DAY)
    with State.open(room.folder / "state.sqlite3") as state:
        assert pace_remarks(state, room.keywords, now=NOW + 17 * DAY) == []


def test_a_run_is_told_of_while_it_lasts(room: Newsroom) -> None:
    with only_run(room.folder / "state.sqlite3"):
        assert lines(found(room))[0].startswith(f"a run is under way: process {os.getpid()} on ")
    assert found(room)["running"] == ""
