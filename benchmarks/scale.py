"""Does the job grow in proportion? The real job, by SMTP, for ever more recipients.

    python -m benchmarks.scale [--recipients 100000] [--keywords 3] [--papers 30] [--mails N]

Each step runs in a process of its own against Postfix's smtp-sink, ledger on. A reader has one to
three of the keywords. Printed are seconds of the processor for reading the list, for publishing
(deciding who is owed what) and for the whole, what a recipient costs next to the first step, and
the peak of memory. With `--mails` the run is stopped when so many have left, so that a
million recipients need not be waited for: what they take without their mails is seen all the same,
and a recipient costs a share of the publishing.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event
from time import process_time

from benchmarks.send import SINK, sink
from newsletter.models import Keyword, Ledger, Outgoing, Paper, Transport
from newsletter.sending.smtp import Server, SmtpTransport
from newsletter.subscribers.reading import read
from tests.making.newsroom import Newsroom
from tests.making.papers import NOW, paper

STEPS = (100, 10, 1)  # parts of all recipients


@dataclass
class Watched:
    """A transport that notes what went before its first mail, and stops after so many."""

    inner: Transport
    stop: Event
    mails: int
    published: float = 0.0

    def send(self, outgoing: Iterator[Outgoing], ledger: Ledger) -> None:
        """Hand the mails on, as far as they are to leave."""
        self.inner.send(self._some(outgoing), ledger)

    def _some(self, outgoing: Iterator[Outgoing]) -> Iterator[Outgoing]:
        for number, each in enumerate(outgoing, 1):
            self.published = self.published or process_time()
            yield each
            if number == self.mails:
                self.stop.set()
                return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--keywords", type=int, default=3)
    parser.add_argument("--papers", type=int, default=30)
    parser.add_argument("--mails", type=int, default=0, help="stop when so many have left")
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.port:
        measure(options)
        return
    if not SINK:
        parser.error("smtp-sink is needed: apt-get install postfix")
    titles = ("recipients", "list read", "published", "in all", "a recipient", "peak")
    print("{:>10} {:>10} {:>10} {:>8} {:>12} {:>7}".format(*titles))
    first = 0.0
    with sink() as port:
        for share in STEPS:
            recipients = options.recipients // share
            step = [sys.executable, "-m", "benchmarks.scale", "--port", str(port)]
            for name in ("keywords", "papers", "mails"):
                step += [f"--{name}", str(getattr(options, name))]
            done = subprocess.run(
                [*step, "--recipients", str(recipients)], check=True, capture_output=True, text=True
            )
            listed, published, seconds, peak = map(float, done.stdout.split())
            each = (published if options.mails else seconds) / recipients
            first = first or each
            ratio = each / first
            print(
                f"{recipients:>10} {listed:>8.1f} s {published:>8.1f} s {seconds:>6.1f} s"
                f" {ratio:>10.2f} x {peak:>4.0f} MB",
                flush=True,
            )


def measure(options: argparse.Namespace) -> None:
    """Print seconds of the processor: the list, to the first mail, in all; and the peak in MB."""
    names = [f"keyword {number}" for number in range(options.keywords)]
    stop = Event()
    server = SmtpTransport(Server(host="127.0.0.1", port=options.port, security="none"))
    transport = Watched(server, stop, options.mails)
    with tempfile.TemporaryDirectory() as folder:
        list_ = Path(folder, "subscribers.csv")
        write(list_, names, options.recipients)
        began = process_time()
        people = read(list_, keywords=names).subscribers
        reading = process_time() - began
        room = Newsroom(
            Path(folder),
            keywords=[Keyword(name=name) for name in names],
            subscribers=people,
            transport=transport,
        )
        room.run(now=NOW - timedelta(days=1))
        room.told.papers = papers_of(names, options.papers)
        transport.published, began = 0.0, process_time()
        deliveries = room.run(stop=stop).deliveries
        seconds = process_time() - began
    if deliveries.accepted < (options.mails or options.recipients):
        raise SystemExit(f"only {deliveries.accepted} of {options.recipients} were accepted")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(reading, transport.published - began, seconds, peak)


def write(path: Path, names: Sequence[str], readers: int) -> None:
    """Write a list whose readers of the same keywords, one to three, stand apart."""
    chance = random.Random(7)
    choices = ["; ".join(chance.sample(names, chance.randint(1, 3))) for _ in range(7 * len(names))]
    with path.open("w", encoding="utf-8") as file:
        file.write("email,keywords\n")
        for each in range(readers):
            file.write(f"reader{each}@example.org,{choices[each % len(choices)]}\n")


def papers_of(names: Sequence[str], number: int) -> dict[str, tuple[Paper, ...]]:
    """Return 10 papers for each keyword, with abstracts of ordinary length."""
    abstract = "We look at graphs until they look back, and report what they say. " * 20
    papers = [paper(f"2611.{each:05}", abstract=abstract) for each in range(number)]
    return {
        name: tuple(papers[(10 * place + each) % number] for each in range(10))
        for place, name in enumerate(names)
    }


if __name__ == "__main__":
    main()
