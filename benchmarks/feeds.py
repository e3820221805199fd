"""From a saved feed to mails, next to rss2email: the same papers, one reader, the same smtp-sink.

    python -m benchmarks.feeds [--papers 300] [--rounds 5]

Medians of the seconds of the processor of whole programs, in turns. rss2email mails each paper by
itself, as it does unless told otherwise, or all in one digest; ours renders one digest, and keeps
its ledger. Needs Postfix's smtp-sink; where rss2email is not beside this Python, ours is alone.
"""

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread
from xml.sax.saxutils import escape

from benchmarks.send import SINK, sink

R2E = Path(sys.executable).with_name("r2e")
ENTRY = """<entry><id>http://arxiv.org/abs/2611.{n:05}v1</id>
<published>2026-11-19T0{h}:00:00Z</published><updated>2026-11-19T0{h}:00:00Z</updated>
<title>On the quiet life of graph neural networks, part {n}</title>
<summary>{abstract}</summary><author><name>Ada Quill</name></author>
<link href="http://arxiv.org/abs/2611.{n:05}v1" rel="alternate" type="text/html"/>
<category term="cs.LG" scheme="http://arxiv.org/schemas/atom"/></entry>"""
ABSTRACT = "We look at graph neural networks until they look back, and report what they say. " * 14
CONFIG = """[newsletter]
id = "papers"
title = "Papers"
sender = "papers@example.org"
[source]
file = "feed.xml"
[smtp]
host = "127.0.0.1"
port = {port}
security = "none"
[[keywords]]
name = "graph neural network"
"""
R2E_CONFIG = """[DEFAULT]
from = papers@example.org
to = ada@example.org
email-protocol = smtp
smtp-server = 127.0.0.1:{port}
smtp-auth = False
smtp-ssl = False
digest = {digest}
verbose = error
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--papers", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if not SINK:
        parser.error("smtp-sink is needed: apt-get install postfix")
    with TemporaryDirectory() as name, sink() as port:
        folder = Path(name)
        feed = feed_of(options.papers)
        with serving(feed) as url:
            contenders: dict[str, Callable[[Path], float]] = {
                "ours": lambda folder: ours(folder, feed, port),
                "rss2email, a mail each": lambda folder: rss2email(folder, url, port, digest=False),
                "rss2email, one digest": lambda folder: rss2email(folder, url, port, digest=True),
            }
            if not R2E.exists():
                print(f"rss2email is left out: there is no {R2E}")
                contenders = {"ours": contenders["ours"]}
            taken: dict[str, list[float]] = {name: [] for name in contenders}
            for round_ in range(options.rounds):
                for number, (contender, run) in enumerate(contenders.items()):
                    room = folder / f"{round_}-{number}"
                    room.mkdir()
                    taken[contender].append(run(room))
    own = median(taken["ours"])
    print(f"{options.papers} papers, one reader, median of {options.rounds}")
    for name, found in taken.items():
        print(f"{name:<24} {median(found):>6.2f} s   x{median(found) / own:.2f} of ours")


def ours(folder: Path, feed: bytes, port: int) -> float:
    (folder / "newsletter.toml").write_text(CONFIG.format(port=port), "utf-8")
    (folder / "subscribers.csv").write_text("email,keywords\nada@example.org,*\n", "utf-8")
    (folder / "feed.xml").write_bytes(feed_of(0))
    command = [sys.executable, "-m", "newsletter", "run", "--now"]
    seconds([*command, "2026-11-18T10:00:00Z"], folder)  # the baseline
    (folder / "feed.xml").write_bytes(feed)
    return seconds([*command, "2026-11-19T10:00:00Z"], folder)


def rss2email(folder: Path, url: str, port: int, *, digest: bool) -> float:
    config, data = folder / "rss2email.cfg", folder / "rss2email.json"
    config.write_text(R2E_CONFIG.format(port=port, digest=digest), "utf-8")
    command = [str(R2E), "-c", str(config), "-d", str(data)]
    subprocess.run([*command, "add", "papers", url], cwd=folder, check=True, capture_output=True)
    return seconds([*command, "run"], folder)


def seconds(command: list[str], folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def feed_of(papers: int) -> bytes:
    entries = "".join(
        ENTRY.format(n=n, h=n % 10, abstract=escape(ABSTRACT)) for n in range(1, papers + 1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom"'
        ' xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">'
        "<title>arXiv Query</title><id>http://arxiv.org/api/x</id>"
        f"<updated>2026-11-19T09:30:00Z</updated>"
        f"<opensearch:totalResults>{papers}</opensearch:totalResults>"
        "<opensearch:startIndex>0</opensearch:startIndex>"
        f"<opensearch:itemsPerPage>{papers}</opensearch:itemsPerPage>{entries}</feed>"
    ).encode()


@contextmanager
def serving(feed: bytes) -> Iterator[str]:
    """Serve a feed on the loopback."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/atom+xml")
            self.send_header("Content-Length", str(len(feed)))
            self.end_headers()
            self.wfile.write(feed)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/feed.xml"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    main()
