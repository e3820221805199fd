"""Kill the sender, or the database, at each moment of a delivery's life; nobody is lost.

The judge must not be blind: where the ledger forgets, it must say so.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.peers.postgres import Postgres, postgres
from tests.whole.blinding import confirm_too_early, forget_intents
from tests.whole.fleet import Books
from tests.whole.standing import CONNECTIONS, POINTS, RECIPIENTS, Stand, stands

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

# After a kill there, what had arrived was not noted yet.
IN_FLIGHT = {
    "the server has a part of the text",  # and the rest is on its way
    "the server has taken the mail",
    "an outcome is to be noted",
}


@pytest.fixture
def own() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


def worked_off(found: Mapping[str, Stand]) -> None:
    """Wait until nothing is owed to anybody any more."""
    for stand in found.values():
        stand.fleet.wait()


def senders_killed(found: Mapping[str, Stand]) -> None:
    """Kill the senders where they stand, and let others finish."""
    for stand in found.values():
        stand.processes[0].kill()
        stand.processes[0].join()
        stand.hold.go.set()
    finishers = [stand.send(follow=False) for stand in found.values()]
    for each in finishers:
        each.join()
        assert each.exitcode == 0


def database_killed(server: Postgres, found: Mapping[str, Stand]) -> None:
    """Kill the database where the senders stand, bring it back, and let them go on."""
    server.kill()
    for stand in found.values():
        stand.hold.go.set()
    server.start()
    worked_off(found)
    for stand in found.values():
        stand.processes[0].terminate()
        stand.processes[0].join()
        assert stand.processes[0].exitcode == 0


def judged(books: Books) -> list[str]:
    """Return what the ledger has got wrong."""
    found = {
        "lost": books.lost,
        "denied": books.denied,
        "of another Message-ID": books.unlike,
        "not accepted": sum(status != "accepted" for status, _ in books.owed.values()),
        "too many": max(0, books.twice - CONNECTIONS),
        "gainsaid by the senders": len(books.gainsaid),
        "not owed": len(books.arrived.keys() - books.owed.keys()),
        "missing": RECIPIENTS - len(books.owed),
    }
    return [f"{number} {what}" for what, number in found.items() if number]


# One half of the points in `make test`, the other for the database; all for both in full size.
FULL = pytest.param(1, 0, marks=pytest.mark.full)


@pytest.mark.parametrize(("one_in", "at"), [(2, 1), FULL])
def test_a_sender_killed_anywhere_loses_nobody(
    tmp_path: Path, server: Postgres, one_in: int, at: int
) -> None:
    points = [*POINTS][at::one_in]
    with stands(tmp_path, server, points) as found:
        senders_killed(found)
        books = {name: stand.books() for name, stand in found.items()}
    assert {name: wrong for name, each in books.items() if (wrong := judged(each))} == {}
    assert {name for name, each in books.items() if each.twice} >= IN_FLIGHT & {*points}


@pytest.mark.parametrize(("one_in", "at"), [(2, 0), FULL])
def test_a_database_killed_anywhere_loses_nobody_and_nothing_arrives_twice(
    tmp_path: Path, own: Postgres, one_in: int, at: int
) -> None:
    with stands(tmp_path, own, [*POINTS][at::one_in]) as found:
        database_killed(own, found)
        books = {name: stand.books() for name, stand in found.items()}
    assert {name: wrong for name, each in books.items() if (wrong := judged(each))} == {}
    assert {name: each.twice for name, each in books.items() if each.twice} == {}


def test_a_ledger_without_intents_is_found_out(tmp_path: Path, server: Postgres) -> None:
    points = ["the server has taken the mail", "an outcome is to be noted"]
    with stands(tmp_path, server, points, prepare=forget_intents) as found:
        senders_killed(found)
        books = [stand.books() for stand in found.values()]
    for each in books:
        assert each.denied
        assert each.gainsaid  # by the senders: the same attempt was granted to two


@pytest.mark.full
def test_a_ledger_that_forgets_what_it_confirmed_is_found_out(tmp_path: Path) -> None:
    points = ["the server has taken the mail"]
    with (
        postgres(autovacuum="off") as own,
        stands(tmp_path, own, points, prepare=confirm_too_early) as found,
    ):
        database_killed(own, found)
        (books,) = [stand.books() for stand in found.values()]
    assert books.denied
