"""The door on a real socket: it ends when told, and drops who is slow or says too much."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest
import requests

from newsletter.config.loading import load
from newsletter.errors import ConfigError
from newsletter.subscribers.token_keys import key_file
from newsletter.subscribers.tokens import Tokens
from newsletter.web.serving import serve
from tests.making.doors import CONFIG, LIST, Clock
from tests.making.warm import Forked, fork
from tests.peers.ports import free_port

CLICK = {"List-Unsubscribe": "One-Click"}
PATH = {"PATH": os.environ["PATH"]}


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, Forked]]:
    port = free_port()
    (folder / "newsletter.toml").write_text(CONFIG)
    if not (folder / "subscribers.csv").exists():
        (folder / "subscribers.csv").write_text(LIST)
    process = fork("serve", "--port", str(port), folder=folder, environ=PATH)
    try:
        while process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield port, process
    finally:
        process.kill()
        process.communicate()


def token(folder: Path, address: str) -> str:
    return Tokens(key_file(folder), "papers").token(address)


@pytest.mark.slow
def test_sigterm_ends_it_with_0(tmp_path: Path) -> None:
    with serving(tmp_path) as (port, process):
        assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=200).text == "ok\n"
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=200)
        assert process.returncode == 0
        assert "the door is open" in log


@pytest.mark.slow
def test_without_web_it_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_text(CONFIG.partition("[web]")[0])
    done = fork("serve", folder=tmp_path, environ=PATH)
    _, told = done.communicate()
    assert done.returncode == 78
    assert "write [web] with base_url" in told


def test_without_what_asks_the_ledger_nobody_is_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else people who leave would be told that they have."""
    (tmp_path / "newsletter.toml").write_text(CONFIG)
    (tmp_path / "subscribers.csv").write_text(LIST)
    url = {"NEWSLETTER_STATE__URL": "postgresql://ada@127.0.0.1/papers"}
    config = load(
        tmp_path / "newsletter.toml", environ=url | {"NEWSLETTER_STATE__TOKEN_KEY": "k" * 64}
    )
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "newsletter.state.postgres.database", raising=False)
    with pytest.raises(ConfigError, match="psycopg is missing; install it") as missing:
        serve(config, host="127.0.0.1", port=free_port(), clock=Clock(), stop=Event())
    assert missing.value.exit_code == 78


@pytest.mark.slow
def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with serving(tmp_path) as (port, _):
        done = fork("serve", "--port", str(port), folder=tmp_path, environ=PATH)
        _, told = done.communicate()
    assert done.returncode == 74
    assert f"127.0.0.1:{port} cannot be listened on" in told


@pytest.mark.slow
def test_too_much_is_refused_and_the_door_stays_open(tmp_path: Path) -> None:
    too_much = [
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n"
        + b"a" * 99_000,
        b"\x16\x03\x01 no http\r\n\r\n",
    ]
    with serving(tmp_path) as (port, _):
        for sent in too_much:
            with socket.create_connection(("127.0.0.1", port), timeout=200) as line:
                with suppress(OSError):
                    line.sendall(sent)
                with suppress(OSError):
                    assert b" 200 " not in line.recv(100)
            assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=200).text == "ok\n"


@pytest.mark.slow
def test_many_leave_at_once_and_all_are_heard(tmp_path: Path) -> None:
    people = [f"p{number}@example.org" for number in range(300)]
    (tmp_path / "subscribers.csv").write_text("\n".join(["email", *people, ""]))

    with serving(tmp_path) as (port, _), ThreadPoolExecutor(20) as pool:

        def leave(address: str) -> int:
            url = f"http://127.0.0.1:{port}/unsubscribe/{token(tmp_path, address)}"
            return requests.post(url, data=CLICK, timeout=200).status_code

        assert set(pool.map(leave, people)) == {200}
    left = (tmp_path / "suppressions.csv").read_text()
    assert sum(f"{each},unsubscribed," in left for each in people) == len(people)


@contextmanager
def hurried(folder: Path) -> Iterator[int]:
    """Serve with a patience of two seconds."""
    (folder / "newsletter.toml").write_text(CONFIG)
    (folder / "subscribers.csv").write_text(LIST)
    port = free_port()
    config, stop = load(folder / "newsletter.toml", environ={}), Event()
    more = {"host": "127.0.0.1", "port": port, "clock": Clock(), "stop": stop, "patience": 2}
    thread = Thread(target=serve, args=(config,), kwargs=more)
    thread.start()
    try:
        while thread.is_alive():
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield port
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
def test_who_drips_or_says_nothing_is_dropped(tmp_path: Path) -> None:
    begun = [
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n",
        b"",
    ]
    with hurried(tmp_path) as port, ExitStack() as stack:
        lines = {}
        for said in begun:
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            line.settimeout(0.2)
            line.sendall(said)
            lines[said] = line
        while lines:
            lines = {
                said: line for said, line in lines.items() if not is_dropped(line, drip=bool(said))
            }


def is_dropped(line: socket.socket, *, drip: bool) -> bool:
    try:
        if drip:
            line.sendall(b"X")
        return line.recv(10) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
