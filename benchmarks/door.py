"""Whether the door answers while a send is under way, and whether the send is slower for it.

    python -m benchmarks.door [--recipients 20000] [--rounds 3] [--a-minute 2000]

`newsletter run` mails everybody through smtp-sink, in turns alone and beside `newsletter serve`,
which meanwhile gets so many one-click POSTs a minute, each for somebody else. They come at their
times whether or not those before were answered, and their latency counts from then. Needs Postfix's
smtp-sink; run it on a machine at rest.
"""

import argparse
import http.client
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from threading import Event, Thread

from benchmarks.send import SINK, sink
from newsletter.subscribers.token_keys import key_file
from newsletter.subscribers.tokens import Tokens
from tests.peers.ports import free_port

CHECKOUT = Path(__file__).parents[1]
CLICK = "List-Unsubscribe=One-Click"
NOW = "2026-11-19T10:00:00Z"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--a-minute", type=int, default=2000)
    options = parser.parse_args()
    if not SINK:
        parser.error("smtp-sink is needed: apt-get install postfix")
    alone, beside = Sends(), Sends()
    clicks = Clicks(a_minute=options.a_minute)
    with sink() as smtp:
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as folder:
                set_up(Path(folder), smtp, options.recipients)
                alone.add(Path(folder))
            with tempfile.TemporaryDirectory() as folder:
                door = set_up(Path(folder), smtp, options.recipients)
                with serving(Path(folder), door), clicks.going_on(Path(folder), door):
                    beside.add(Path(folder))
                clicks.count_obeyed(Path(folder))
    print(f"{options.recipients} mails, medians of {options.rounds}:")
    print(f"  alone            {alone}")
    print(f"  beside the door  {beside}")
    print(f"  ratio            {beside.wall / alone.wall:.2f} of the time")
    print(clicks)


@dataclass
class Sends:
    """How long runs took: by the clock, and of the processor."""

    walls: list[float] = field(default_factory=list)
    owns: list[float] = field(default_factory=list)

    def add(self, folder: Path) -> None:
        """Run once more."""
        began, worked = time.perf_counter(), spent()
        command = [sys.executable, "-m", "newsletter", "run", "--now", NOW]
        done = subprocess.run(command, cwd=folder, env=environ(), capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"the run failed: {done.stderr.decode()[-500:]}")
        self.walls.append(time.perf_counter() - began)
        self.owns.append(spent() - worked)

    @property
    def wall(self) -> float:
        """The median by the clock."""
        return statistics.median(self.walls)

    def __str__(self) -> str:
        return f"{self.wall:.2f} s, {statistics.median(self.owns):.2f} s of the processor"


@dataclass
class Clicks:
    """POSTs at fixed times, and what came of them."""

    a_minute: int
    latencies: list[float] = field(default_factory=list)
    sent: int = 0
    refused: int = 0
    obeyed: int = 0

    @contextmanager
    def going_on(self, folder: Path, port: int) -> Iterator[None]:
        """Click on and on."""
        over = Event()
        thread = Thread(target=self._go, args=(folder, port, over))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _go(self, folder: Path, port: int, over: Event) -> None:
        tokens = Tokens(key_file(folder), "sample-papers")
        began, number = time.perf_counter(), 0
        with ThreadPoolExecutor(64) as pool:
            while not over.is_set():
                due = began + number * 60 / self.a_minute
                time.sleep(max(0.0, due - time.perf_counter()))
                pool.submit(self._click, port, tokens.token(leaver(number)), due)
                number += 1
        self.sent += number

    def _click(self, port: int, token: str, due: float) -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            line.request("POST", f"/unsubscribe/{token}", CLICK, kind)
            self.refused += line.getresponse().status != 200
        except OSError:
            self.refused += 1
        finally:
            line.close()
        self.latencies.append(time.perf_counter() - due)

    def count_obeyed(self, folder: Path) -> None:
        """Count who is kept off now."""
        text = (folder / "suppressions.csv").read_text("utf-8")
        self.obeyed += text.count(",unsubscribed,")

    def __str__(self) -> str:
        ordered = sorted(self.latencies)
        middle, most = (ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99))
        return (
            f"{self.sent} POSTs, {self.a_minute} a minute: {self.obeyed} obeyed, {self.refused}"
            f" refused; median {middle:.0f} ms, 99 of 100 within {most:.0f} ms,"
            f" slowest {ordered[-1] * 1000:.0f} ms"
        )


def set_up(folder: Path, smtp: int, recipients: int) -> int:
    """Write a newsletter into a folder, and return a port for its door."""
    for each in (files("newsletter.preview") / "sample").iterdir():
        if each.is_file():
            (folder / each.name).write_bytes(each.read_bytes())
    door = free_port()
    with (folder / "newsletter.toml").open("a", encoding="utf-8") as config:
        config.write(f'\n[web]\nbase_url = "http://127.0.0.1:{door}"\n')
        config.write(f'[smtp]\nhost = "127.0.0.1"\nport = {smtp}\nsecurity = "none"\n')
        config.write("messages_per_connection = 1000\n")
    rows = ["email,keywords,status"]
    rows += [f"reader{number}@example.org,*,active" for number in range(recipients)]
    # Who leaves is paused, so that every run has the same mails to send.
    rows += [f"{leaver(number)},*,paused" for number in range(recipients)]
    (folder / "subscribers.csv").write_text("\n".join([*rows, ""]), "utf-8")
    return door


def leaver(number: int) -> str:
    return f"leaver{number}@example.org"


@contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "newsletter", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=folder, env=environ(), stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until and not is_open(port):
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


def is_open(port: int) -> bool:
    """Return whether the door answers: it listens before it has read the list."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        line.request("GET", "/healthz")
        return line.getresponse().status == 200
    except OSError:
        return False
    finally:
        line.close()


def environ() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}


def spent() -> float:
    """Return the processor's seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
