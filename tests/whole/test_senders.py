"""Several senders on one ledger, killed, stopped, and left without their database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.postgres import Postgres, pgbouncer, postgres
from tests.whole.fleet import chaos, fleet

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def own() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.mark.parametrize(
    ("seed", "kinds", "recipients", "times"),
    [
        (11, "k", 1200, 3),
        (12, "s", 600, 1),
        (13, "d", 600, 1),
        pytest.param(14, "ksd", 30_000, 14, marks=pytest.mark.full),
        pytest.param(15, "kd", 30_000, 14, marks=pytest.mark.full),
    ],
)
def test_nobody_is_lost_and_no_copy_denied(
    tmp_path: Path, own: Postgres, seed: int, kinds: str, recipients: int, times: int
) -> None:
    with fleet(tmp_path, own, "chaos") as found:
        found.publish(1, recipients)
        for _ in range(3):
            found.sink(seconds=0.002)
        done = chaos(found, seed, kinds=kinds, times=times)
        found.wait()
        codes = found.end()
        books = found.books()
        print(f"seed {seed}: {dict(done)}, twice {books.twice}, codes {codes}")
    assert len(books.owed) == recipients
    assert {status for status, _ in books.owed.values()} == {"accepted"}
    assert (books.lost, books.denied, books.unlike, books.gainsaid) == (0, 0, 0, [])
    assert books.twice <= found.connections * (done["k"] + done["s"])
    assert set(codes) <= {0}


@pytest.mark.pgbouncer
def test_a_pgbouncer_in_between_changes_nothing(tmp_path: Path, own: Postgres) -> None:
    with pgbouncer(own) as port, fleet(tmp_path, own, "bounced") as found:
        found.through = port
        found.publish(1, 400)
        found.sink(seconds=0.005)
        chaos(found, 17, kinds="d", times=1, senders=2)
        found.wait()
        codes = found.end()
        books = found.books()
    assert {status for status, _ in books.owed.values()} == {"accepted"}
    assert (books.lost, books.twice, books.gainsaid) == (0, 0, [])
    assert set(codes) <= {0}
