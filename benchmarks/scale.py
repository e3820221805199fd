"""Does the job grow in proportion? The real job, by SMTP, for ever more recipients.

    python -m benchmarks.scale [--recipients 100000]

Each step runs in a process of its own against Postfix's smtp-sink, ledger on: 30 papers, three
keywords in seven combinations. Printed are seconds, what a recipient costs next to the first step,
and the peak of memory.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from itertools import combinations
from pathlib import Path

from benchmarks.send import SINK, sink
from newsletter.models import Keyword, Paper, Subscriber
from newsletter.sending.smtp import Server, SmtpTransport
from tests.making.newsroom import Newsroom
from tests.making.papers import NOW, paper

NAMES = ("mri", "pet", "ct")
CHOICES = [each for size in (1, 2, 3) for each in combinations(NAMES, size)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.port:
        measure(options.recipients, options.port)
        return
    if not SINK:
        parser.error("smtp-sink is needed: apt-get install postfix")
    print(f"{'recipients':>10} {'seconds':>8} {'a recipient':>12} {'peak':>7}")
    first = 0.0
    with sink() as port:
        for share in (20, 4, 1):
            recipients = options.recipients // share
            step = [sys.executable, "-m", "benchmarks.scale", "--port", str(port)]
            done = subprocess.run(
                [*step, "--recipients", str(recipients)], check=True, capture_output=True, text=True
            )
            seconds, peak = map(float, done.stdout.split())
            first = first or seconds / recipients
            ratio = seconds / recipients / first
            print(f"{recipients:>10} {seconds:>8.1f} {ratio:>10.2f} x {peak:>4.0f} MB", flush=True)


def measure(recipients: int, port: int) -> None:
    """Print the seconds of a run that mails so many recipients, and the peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        room = Newsroom(
            Path(folder),
            keywords=[Keyword(name=name) for name in NAMES],
            subscribers=[
                Subscriber(email=f"reader{n}@example.org", keywords=CHOICES[n % len(CHOICES)])
                for n in range(recipients)
            ],
            transport=SmtpTransport(Server(host="127.0.0.1", port=port, security="none")),
        )
        room.run(now=NOW - timedelta(days=1))
        room.told.papers = {name: papers(first) for first, name in enumerate(NAMES)}
        began = time.perf_counter()
        accepted = room.run().deliveries.accepted
        seconds = time.perf_counter() - began
    if accepted != recipients:
        raise SystemExit(f"only {accepted} of {recipients} were accepted")
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def papers(first: int) -> tuple[Paper, ...]:
    """Return 10 papers with abstracts of ordinary length."""
    abstract = "We look at graphs until they look back, and report what they say. " * 20
    return tuple(paper(f"2611.{10 * first + n:05}", abstract=abstract) for n in range(10))


if __name__ == "__main__":
    main()
