"""A second process that orders by profiles: the same orders, and it outlives nobody."""

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from newsletter.exchange import Session
from newsletter.issues.bulk import is_installed
from newsletter.job.profiles.beside import Beside
from newsletter.job.profiles.orders import Orders
from newsletter.job.profiles.reading import Profiles
from newsletter.models import Issue, Owed, Recalled, Worded
from newsletter.state.state import State
from newsletter.subscribers.profiles.kept import Copies
from newsletter.subscribers.profiles.zotero import Zotero
from tests.making.papers import NOW, digest, issue, paper

pytestmark = [
    pytest.mark.skipif(not is_installed(), reason="numpy and scipy are not installed"),
    pytest.mark.slow,
]

READERS = 600
WORDS = [f"{a}{b}" for a in ("proton", "lattice", "neuron", "galaxy", "enzyme") for b in "abcdefgh"]


def abstract(chance: Random) -> str:
    return " ".join(chance.choices(WORDS, k=30))


@pytest.fixture
def news() -> Issue:
    chance = Random(3)
    papers = [
        paper(f"2611.{n:05}", title=f"Paper {n}", abstract=abstract(chance)) for n in range(40)
    ]
    return issue(1, digest("graph", *papers[:25]), digest("mri", *papers[20:]))


@pytest.fixture
def profiles(tmp_path: Path) -> Iterator[Profiles]:
    """Return what reads the files of some readers; one has none, and another asks the state."""
    chance = Random(4)
    for n in range(7):
        text = "\n".join(abstract(chance) for _ in range(n + 1))
        (tmp_path / f"{n}.txt").write_text(text, "utf-8")
    copies = Copies(tmp_path / "profiles")
    with State.blank() as state, Session() as session:
        yield Profiles(
            folder=tmp_path,
            copies=copies,
            papers=state.papers,
            zotero=Zotero(
                session=session,
                url="http://127.0.0.1:9",
                keys={},
                copies=copies,
                paper_id=str,
                now=NOW,
            ),
            fetch=lambda _ids: Recalled(papers=(), requests=0),
            paper_id=str,
            now=NOW,
        )


def ordered(profiles: Profiles, news: Issue, *, many: int | None) -> Iterator[tuple[str, Worded]]:
    cells = {f"reader{n}@example.org": f"{n % 8}.txt" for n in range(READERS)}
    orders = Orders(cells, profiles, profiles.papers, many=many)
    plan = [
        Owed(
            recipient=each,
            keywords=("graph", "mri")[: 1 + n % 2],
            format="html",
            after=0,
        )
        for n, each in enumerate(cells)
    ]
    orders.prepare(plan)
    for owed, order in orders.of_plan(plan, 1, lambda _after, _upto: [news]):
        yield owed.recipient, order


def test_two_processes_give_the_orders_of_one(profiles: Profiles, news: Issue) -> None:
    alone = list(ordered(profiles, news, many=None))
    assert len(alone) == READERS * 7 // 8
    assert list(ordered(profiles, news, many=1)) == alone


def test_one_goes_on_where_the_second_dies(profiles: Profiles, news: Issue) -> None:
    alone = list(ordered(profiles, news, many=None))
    both = ordered(profiles, news, many=1)
    first = next(both)
    [second] = multiprocessing.active_children()
    second.kill()
    found = [first, *both]
    assert found == alone
    assert not second.is_alive()


def test_a_broken_extra_is_told_once_and_all_are_ordered(
    profiles: Profiles,
    news: Issue,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sound = list(ordered(profiles, news, many=None))
    scipy = ModuleType("scipy")
    scipy.__spec__ = find_spec("scipy")
    monkeypatch.setitem(sys.modules, "scipy", scipy)
    monkeypatch.delitem(sys.modules, "scipy.sparse", raising=False)
    caplog.clear()
    assert list(ordered(profiles, news, many=1)) == sound
    told = [each for each in caplog.messages if "installation" in each]
    assert len(told) == 1
    assert "pip install --force-reinstall 'arxiv-newsletter[fast]'" in told[0]


def test_an_error_between_leaves_no_process_behind(profiles: Profiles, news: Issue) -> None:
    both = ordered(profiles, news, many=1)
    next(both)
    both.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


START = """
import sys, time
from pathlib import Path
from newsletter.job.profiles.beside import Beside
if __name__ == "__main__":
    second = Beside(Path("."), Path("."), wanted=True)
    print("begun", flush=True)
    time.sleep(60)
"""


def test_it_ends_when_the_first_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "start.py"
    script.write_text(START)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline()
        first.kill()
        # The second has the same standard output, which ends with it.
        said, _ = first.communicate(timeout=1000)
        assert said == ""


def test_a_second_process_that_is_not_wanted_is_not_there(tmp_path: Path) -> None:
    with Beside(tmp_path, tmp_path, wanted=False) as second:
        assert not second.is_there
        assert second.orders() is None
