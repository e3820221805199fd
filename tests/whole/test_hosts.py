"""Senders on machines of their own, with networks that are cut, slow and lossy: `make hosts`.

A machine is a network namespace with a cable to the database and another to the mail server.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.peers.hosts import Host
from tests.peers.postgres import Postgres, postgres
from tests.whole.fleet import Fleet, fleet

pytestmark = [pytest.mark.hosts, pytest.mark.slow, pytest.mark.postgres, pytest.mark.ip]


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    with ExitStack() as stack:
        found = []
        for number in (1, 2):
            try:
                found.append(stack.enter_context(Host(number).up()))
            except subprocess.CalledProcessError:
                pytest.skip("no network namespaces may be made here (be root)")
        yield found


@pytest.fixture
def own() -> Iterator[Postgres]:
    with postgres(listen_addresses="*") as server:
        with (server.folder / "data" / "pg_hba.conf").open("a") as file:
            file.write("host all all 10.77.0.0/16 scram-sha-256\n")
        server.sql("select pg_reload_conf()", database="postgres")
        yield server


@pytest.fixture
def found(tmp_path: Path, own: Postgres, hosts: list[Host]) -> Iterator[Fleet]:
    """Return a fleet of a sender on each host, each with a sink of its own, at work."""
    with fleet(tmp_path, own, "hosts") as made:
        made.publish(1, 1500)
        for _ in hosts:
            made.sink(seconds=0.15, host="0.0.0.0")
        for host, hours in zip(hosts, (1, -1), strict=True):
            made.send(host=host, hours=hours)  # only the database's clock counts
        began = time.monotonic()
        while not all(map(made.arrived, range(len(hosts)))):
            assert time.monotonic() - began < 60, (tmp_path / "log-0").read_text()
            time.sleep(0.1)
        yield made


def require_all(found: Fleet) -> None:
    found.wait()
    codes = found.end()
    books = found.books()
    print(f"twice {books.twice}, codes {codes}")
    assert {status for status, _ in books.owed.values()} == {"accepted"}
    assert (books.lost, books.denied, books.unlike, books.gainsaid) == (0, 0, 0, [])
    assert books.twice <= found.connections * len(found.senders)
    assert set(codes) <= {0}


def test_who_is_cut_off_from_the_database_sends_nothing_after_its_deadline(
    found: Fleet, hosts: list[Host]
) -> None:
    hosts[0].cut()
    time.sleep(found.lease + 1)
    at_deadline = found.arrived(0)
    others = found.arrived(1)
    time.sleep(found.lease)
    assert found.arrived(0) == at_deadline
    assert found.arrived(1) > others
    hosts[0].heal()
    require_all(found)


def test_when_all_are_cut_off_from_the_database_nobody_is_lost(
    found: Fleet, hosts: list[Host]
) -> None:
    for host in hosts:
        host.cut()
    time.sleep(found.lease + 1)
    before = [found.arrived(0), found.arrived(1)]
    time.sleep(found.lease)
    assert [found.arrived(0), found.arrived(1)] == before
    for host in hosts:
        host.heal()
    require_all(found)


def test_a_slow_and_lossy_network_only_takes_its_time(found: Fleet, hosts: list[Host]) -> None:
    try:
        hosts[0].slow(milliseconds=100, loss=10)
    except subprocess.CalledProcessError:
        pytest.skip("the kernel has no netem")
    require_all(found)
