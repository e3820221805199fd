"""How fast messages leave, next to Postfix's smtp-source and a plain smtplib loop.

    python -m benchmarks.send [--sessions 4 16] [--rounds 9] [--messages 4000] [--profiles]

All three send the same bytes to the same smtp-sink over as many connections, in turns, and the
medians of the rounds are compared. Ours also keeps its ledger: what is owed is read from the real
state file on disk, and an intent and an outcome are committed for every message. Delay is put on
every reply by a proxy that all go through, with the most sessions and the small messages, in
a third of the rounds, which are long enough that opening the connections counts for little.
smtplib, which is slow, has no more rounds than that either, and with delay just one. What smtp-sink
allows is shown by a client that says the same bytes and does nothing else: it makes no mails, only
looks whether it may go on, and keeps no ledger. Needs Postfix's smtp-sink and smtp-source; run it
on a machine at rest.

With `--profiles` ours is compared with itself: mails of ten and of fifty real papers to people who
share an edition, and to people who have a profile each, at once and with 20 ms for each reply. As
in a run, these are read and ranked when the issue is opened, before the first mail; each edition is
read from the ledger and joined while the mails leave. That needs the extra `fast`, and the real
papers beside the checkout.
"""

import argparse
import asyncio
import gc
import multiprocessing
import os
import selectors
import shutil
import smtplib
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from newsletter.exchange import Session
from newsletter.models import Day, Envelope, Issue, Outcome, Outgoing, Owed
from newsletter.sending.smtp import Conduct, Server, SmtpTransport
from newsletter.state.state import State
from tests.peers.ports import free_port

LINE = b"Some line of a digest, as long as quoted-printable allows it to be, no lon=\r\n"
CHUNK = 65_536
PARTS = 8  # shared by all messages, like the cards of papers
SINK = shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin") or ""
SOURCE = shutil.which("smtp-source", path=f"{os.environ['PATH']}:/usr/sbin") or ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--messages", type=int, default=4000, help="a round; fewer with delay")
    parser.add_argument("--profiles", action="store_true", help="what a profile for all costs")
    options = parser.parse_args()
    gc.set_threshold(100_000, 20, 20)  # as the program does
    if not (SINK and SOURCE):
        parser.error("smtp-sink and smtp-source are needed: apt-get install postfix")
    if options.profiles:
        with_profiles(options.sessions[-1], options.rounds, options.messages)
        return
    print(f"messages per second, medians of {options.rounds} rounds, a third of them with delay")
    print("sessions delay   size     ours  smtp-source  smtplib     bare   ratios")
    conditions = [(0, sessions) for sessions in options.sessions]
    conditions += [(delay, options.sessions[-1]) for delay in (20, 50)]
    with sink() as port:
        for delay, sessions in conditions:
            with delayed(port, delay / 1000) as entrance:
                for size in (13_000,) if delay else (13_000, 60_000):
                    # With delay, each session is busy with ours for some six seconds.
                    count = min(options.messages, 6000 // delay * sessions if delay else 10**9)
                    ours, source, plain, most = measure(
                        entrance,
                        count=count,
                        size=size,
                        sessions=sessions,
                        rounds=max(1, options.rounds // 3) if delay else options.rounds,
                        plain_rounds=1 if delay else max(1, options.rounds // 3),
                    )
                    print(
                        f"{sessions:>8} {delay:>2} ms {size // 1000:>3} KB {ours:>8.0f}"
                        f" {source:>12.0f} {plain:>8.0f} {most:>8.0f}   {ours / source:.2f} x"
                        f" smtp-source (bare {most / source:.2f}), {ours / plain:.2f} x smtplib",
                        flush=True,
                    )


def with_profiles(sessions: int, rounds: int, messages: int) -> None:
    """Print what is lost where everybody has a profile."""
    from benchmarks.profiles import Everybody

    print(f"messages per second with {sessions} sessions, medians of {rounds} rounds")
    print("papers delay  an edition for all  a profile for each   ratio")
    for papers in (10, 50):
        with (
            sink() as port,
            TemporaryDirectory() as name,
            State.blank() as state,
            Session() as session,
        ):
            everybody = Everybody(Path(name), state, session, papers=papers, most=messages)
            print(f"{papers:>6}: ranked and frozen before, {everybody.opened:.2f} ms of CPU each")
            for delay in (0, 20):
                count = min(messages, 1500 // delay * sessions if delay else 10**9)
                rates: list[list[float]] = [[], []]
                with delayed(port, delay / 1000) as entrance:
                    for _ in range(rounds):
                        for made, found in zip(
                            (everybody.alike, everybody.each), rates, strict=True
                        ):
                            found.append(count / sent(entrance, count, sessions, made))
                alike, own = map(statistics.median, rates)
                print(
                    f"{papers:>6} {delay:>2} ms {alike:>19.0f} {own:>19.0f}   {own / alike:.2f}",
                    flush=True,
                )


def measure(
    port: int, *, count: int, size: int, sessions: int, rounds: int, plain_rounds: int
) -> list[float]:
    """Return the median rate of each contender, in messages a second."""
    contenders = (ours, smtp_source, smtplib_loop, bare)
    rates: list[list[float]] = [[] for _ in contenders]
    for round_ in range(rounds):
        for contender, found in zip(contenders, rates, strict=True):
            if contender is not smtplib_loop or round_ < plain_rounds:
                found.append(count / contender(port, count, size, sessions))
    return [statistics.median(each) for each in rates]


def ours(port: int, count: int, size: int, sessions: int) -> float:
    return sent(port, count, sessions, lambda numbers: messages(numbers, size))


def sent(
    port: int,
    count: int,
    sessions: int,
    made: Callable[[Iterable[int]], Iterator[Outgoing]],
) -> float:
    """Return the seconds that it takes us to send so many messages."""
    server = Server(host="127.0.0.1", port=port, security="none")
    conduct = Conduct(connections=sessions, messages_per_connection=count)
    with TemporaryDirectory() as folder:
        state = State.open(Path(folder) / "state.sqlite3")
        with state:
            ledger = Ledger(state, count)
            started = time.perf_counter()
            SmtpTransport(server, conduct).send(made(ledger.numbers()), ledger)
            seconds = time.perf_counter() - started
            if ledger.accepted != count:
                raise SystemExit(f"only {ledger.accepted} of {count} messages were accepted")
    return seconds


def smtp_source(port: int, count: int, size: int, sessions: int) -> float:
    [sample] = messages([1], size)
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(sample.message).replace(b"\r\n", b"\n"))
        file.flush()
        command = [SOURCE, "-4", "-d", "-s", str(sessions), "-m", str(count), "-F", file.name]
        started = time.perf_counter()
        subprocess.run([*command, f"127.0.0.1:{port}"], check=True)
        return time.perf_counter() - started


def smtplib_loop(port: int, count: int, size: int, sessions: int) -> float:
    """Time one connection a thread, each message ready as bytes."""

    def send(batch: list[Outgoing]) -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost") as client:
            for each in batch:
                envelope = each.envelope
                client.sendmail(envelope.sender, envelope.recipient, b"".join(each.message))

    ready = list(messages(range(1, count + 1), size))
    batches = [ready[first::sessions] for first in range(sessions)]
    started = time.perf_counter()
    with ThreadPoolExecutor(sessions) as pool:
        list(pool.map(send, batches))
    return time.perf_counter() - started


def bare(port: int, count: int, size: int, sessions: int) -> float:
    """Time the same bytes, ready as they are, on as many connections: what the sink allows."""
    [sample] = messages([1], size)
    text = b"".join(sample.message) + b".\r\n"
    envelope = b"MAIL FROM:<papers@example.org>\r\nRCPT TO:<reader@example.org>\r\nDATA\r\n"
    started = time.perf_counter()
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        for _ in range(sessions):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 200_000)
            sock.recv(CHUNK)
            sock.sendall(b"EHLO bare.example.org\r\n")
            sock.recv(CHUNK)
            sock.sendall(envelope)
            selector.register(sock, selectors.EVENT_READ, sock)
        left, last = count, set[socket.socket]()
        while selector.get_map():
            for key, _ in selector.select():
                sock = key.data
                if b"354" in sock.recv(CHUNK):
                    left -= 1
                    if left < sessions:
                        last.add(sock)
                    sock.sendall(text if sock in last else text + envelope)
                elif sock in last:
                    selector.unregister(sock)
    return time.perf_counter() - started


def messages(numbers: Iterable[int], size: int) -> Iterator[Outgoing]:
    shared = [LINE * (size // len(LINE) // PARTS) for _ in range(PARTS)]
    for number in numbers:
        recipient = f"reader{number}@example.org"
        head = f"Message-ID: <{number}@example.org>\r\nTo: {recipient}\r\n\r\n".encode()
        yield Outgoing(
            delivery=number,
            envelope=Envelope(sender="papers@example.org", recipient=recipient, id=f"i1.{number}"),
            message=(head, *shared),
            encoded=True,  # as those of editions are
        )


class Ledger:
    """The state file, with as many deliveries outstanding as there are messages."""

    def __init__(self, state: State, count: int) -> None:
        self.accepted = 0
        self._now = datetime.now(UTC)
        owed = (
            Owed(recipient=f"reader{number}@example.org", keywords=("mri",), format="html", after=0)
            for number in range(1, count + 1)
        )
        issue = Issue(number=1, date=self._now.date(), digests=())
        day = Day(now=self._now, news=(), windows={})
        state.publish(issue, day, owed, [], weekly=False)
        state.deliveries.take_up(now=self._now, max_age=timedelta(days=1))
        self._claim = state.claim()

    def numbers(self) -> Iterator[int]:
        """Yield the number of each delivery that is owed, in the order of the state file."""
        return (each.id for each in self._claim)

    def holds(self, _delivery: int) -> bool:
        """Return True: nobody else has it."""
        return True

    def commit(self, outcomes: Mapping[int, Outcome], intents: Collection[int]) -> frozenset[int]:
        """Note it durably, as a run does."""
        granted = self._claim.commit(outcomes, intents, now=self._now)
        self.accepted += sum(each.status == "accepted" for each in outcomes.values())
        return granted


@contextmanager
def sink() -> Iterator[int]:
    """Run smtp-sink, which takes everything and keeps nothing."""
    port = free_port()
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    process = subprocess.Popen([SINK, *user, f"127.0.0.1:{port}", "512"])
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def delayed(port: int, seconds: float) -> Iterator[int]:
    """Put `seconds` on every reply, through a proxy in a process of its own."""
    if not seconds:
        yield port
        return
    entrance = free_port()
    process = multiprocessing.Process(target=lambda: asyncio.run(proxy(entrance, port, seconds)))
    process.start()
    try:
        wait_for(entrance)
        yield entrance
    finally:
        process.terminate()
        process.join()


async def proxy(entrance: int, port: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()

    async def serve(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        replies, server = await asyncio.open_connection("127.0.0.1", port)

        async def forward() -> None:
            with suppress(ConnectionError):
                while data := await client.read(262_144):
                    server.write(data)
            server.close()

        task = asyncio.create_task(forward())
        with suppress(ConnectionError):
            while data := await replies.read(65536):
                loop.call_later(seconds, back.write, data)
        loop.call_later(seconds, back.close)
        await task

    listener = await asyncio.start_server(serve, "127.0.0.1", entrance, backlog=512)
    await listener.serve_forever()


def wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on port {port}")


if __name__ == "__main__":
    main()
