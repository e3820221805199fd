"""Several senders on one ledger, killed, stopped, and left without their database."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.postgres import Postgres, pgbouncer, postgres
from tests.whole.fleet import chaos, fleet

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.mark.parametrize(
    ("seed", "kinds", "recipients", "times"),
    [
        (8, "ks", 1200, 3),  # one is stopped, then two are killed
        pytest.param(13, "d", 600, 1, marks=pytest.mark.full),
        pytest.param(14, "ksd", 30_000, 14, marks=pytest.mark.full),
        pytest.param(15, "kd", 30_000, 14, marks=pytest.mark.full),
    ],
)
def test_nobody_is_lost_and_no_copy_denied(
    tmp_path: Path, own: Postgres, seed: int, kinds: str, recipients: int, times: int
) -> None:
    with fleet(tmp_path, own, f"chaos-{seed}") as found:
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


@pytest.mark.full
def test_what_a_dead_sender_had_is_taken_over_after_its_lease_and_not_before(
    tmp_path: Path, own: Postgres
) -> None:
    with fleet(tmp_path, own, "heirs") as found:
        parcels = f'"newsletter {found.name}".parcels'
        found.publish(1, 2000)
        found.sink(seconds=0.1)
        heir, victim = found.send(), found.send()
        while own.sql(f"select count(distinct owner) from {parcels} where owner <> ''") != "2":
            time.sleep(0.1)
        time.sleep(found.lease + 1)  # so long the heir must have been there
        victim.kill()
        mine = f"from {parcels} where owner like '% {victim.pid}' and not done"
        one = "clock_timestamp()), id, extract(epoch from until"  # it can have several
        killed = own.sql(f"select extract(epoch from {one}) {mine} order by id limit 1")
        then, parcel, until = killed.split("|")
        taken = (
            f"select extract(epoch from clock_timestamp()) from {parcels} where id = {parcel}"
            f" and (owner like '% {heir.pid}' or done)"
        )
        while not (when := own.sql(taken)):
            time.sleep(0.05)
        found.wait()
        found.end()
        books = found.books()
    print(f"taken over {float(when) - float(then):.1f} s after the kill, lease {found.lease} s")
    assert float(when) >= float(until)
    assert (books.lost, books.denied, books.unlike, books.gainsaid) == (0, 0, 0, [])


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
