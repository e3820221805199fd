"""Editions per second, from values to message bytes, against premailer called for every mail.

    python -m benchmarks.render [--papers 100] [--subscribers 1000]

Every edition holds all the papers, under keywords in an order of its own; a fifth of the papers
have two. The rival is given a finished mail whose styles are not yet inlined, and only inlines it.
Time is that of the processor, so that a busy machine does not blur it.
"""

import argparse
import gc
import random
import re
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from statistics import median

from premailer import Premailer

from newsletter.mails.message import Composer
from newsletter.mails.render import Renderer, filled
from newsletter.models import Announcement, Delivery, Digest, Edition, Keyword, Masthead, Paper
from newsletter.sources.arxiv import identity

NOW = datetime(2026, 11, 19, 10, tzinfo=UTC)
KEYWORDS = ("federated", "graph", "imaging", "attention", "optics", "folding", "planning")
MASTHEAD = Masthead(
    id="benchmark",
    title="Benchmark",
    sender="Benchmark <papers@example.org>",
    unsubscribe_address="leave@example.org",
    base_url="https://papers.example.org",
)
LINK = "https://papers.example.org/unsubscribe/token"
TEMPLATE = Path(__file__).parents[1] / "templates" / "edition.html"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--papers", type=int, default=100)
    parser.add_argument("--subscribers", type=int, default=1000)
    arguments = parser.parse_args()

    papers = [paper(number) for number in range(arguments.papers)]
    rivals = {
        "as we mail it": premailer_per_mail(as_mailed(papers)),
        "with every paper in full": premailer_per_mail(in_full(papers)),
    }
    for name, seconds in rivals.items():
        print(f"premailer per mail, {name}: {1000 * seconds:.1f} ms a mail")
    for different in (1, 30, arguments.subscribers):
        seconds = ours(editions(papers, different), arguments.subscribers)
        ratios = " and ".join(f"x{rival / seconds:.0f}" for rival in rivals.values())
        print(
            f"{different} different editions for {arguments.subscribers} subscribers: "
            f"{1000 * seconds:.2f} ms a mail, {1 / seconds:.0f} a second, {ratios}"
        )


def ours(different: Sequence[Edition], subscribers: int) -> float:
    """Return seconds a message, everything included: templates, papers, headers, bytes."""
    gc.collect()
    gc.freeze()  # a run makes its editions one after the other, and never has them all
    start = time.process_time()
    renderer = Renderer(MASTHEAD, templates=None)
    composer = Composer(MASTHEAD, now=NOW, token=lambda address: address[:40].ljust(40, "x"))
    for number in range(subscribers):
        place = number * len(different) // subscribers
        if place != (number - 1) * len(different) // subscribers:
            rendered = renderer.render(different[place])
        delivery = Delivery(
            id=number,
            issue=1,
            after=0,
            recipient=f"subscriber{number}@example.net",
            keywords=KEYWORDS,
            format="html",
        )
        outgoing = composer.outgoing(delivery, rendered)
        b"".join(outgoing.message)
    return (time.process_time() - start) / subscribers


def premailer_per_mail(mail: str, *, samples: int = 7) -> float:
    """Return the seconds that premailer alone takes for a mail, its caches warm."""
    mail = re.sub(r""" style=("[^"]*"|'[^']*')""", "", mail)
    sheet = re.search(r"<style>.*?</style>", TEMPLATE.read_text("utf-8"), re.DOTALL)
    assert sheet
    mail = mail.replace("<style>", f'{sheet[0]}<style data-premailer="ignore">', 1)
    inliner = Premailer(disable_validation=True, strip_important=False)
    inliner.transform(mail)
    times = []
    for _ in range(samples):
        start = time.process_time()
        inliner.transform(mail)
        times.append(time.process_time() - start)
    return median(times)


def as_mailed(papers: Sequence[Paper]) -> str:
    """Return a mail as we send it: as many papers in full as fit, the others by title."""
    return filled(Renderer(MASTHEAD, templates=None).render(editions(papers, 1)[0]).html, LINK)


def in_full(papers: Sequence[Paper]) -> str:
    """Return a mail that shows every paper in full, however long it gets."""
    renderer = Renderer(MASTHEAD, templates=None)
    opening, *_, closing = renderer.render(editions(papers, 1)[0]).html
    few = (papers[start : start + 10] for start in range(0, len(papers), 10))
    digests = (renderer.render(editions(each, 1)[0]).html[1:-1] for each in few)
    return filled((opening, *chain.from_iterable(digests), closing), LINK)


def editions(papers: Sequence[Paper], different: int) -> list[Edition]:
    """Return editions that hold all the papers, their keywords in different orders."""
    chance = random.Random(7)
    orders: set[tuple[str, ...]] = {KEYWORDS}
    while len(orders) < different:
        orders.add(tuple(chance.sample(KEYWORDS, len(KEYWORDS))))
    return [edition_of(papers, order) for order in sorted(orders)]


def edition_of(papers: Sequence[Paper], order: Sequence[str]) -> Edition:
    digests = tuple(
        Digest(
            keyword=Keyword(name=name),
            source=identity.SOURCE,
            outcome="new",
            announcements=tuple(
                Announcement(paper=each) for each in papers if name in each.comment
            ),
            listed=100,
            since=NOW,
        )
        for name in order
    )
    shown_in: dict[str, str] = {}
    for digest in digests:
        for announcement in digest.announcements:
            shown_in.setdefault(announcement.paper.id, digest.keyword.name)
    return Edition(issue=1, date=date(2026, 11, 19), digests=digests, shown_in=shown_in)


def paper(number: int) -> Paper:
    one, other = KEYWORDS[number % len(KEYWORDS)], KEYWORDS[(number + 1) % len(KEYWORDS)]
    topics = f"{one} {other}" if number % 5 == 0 else one
    sentence = "They look at the sample that was at hand, and report at length what they found. "
    arxiv_id = f"2611.{number:05}"
    return Paper(
        id=identity.paper_id(arxiv_id),
        source=identity.SOURCE,
        links=identity.links(arxiv_id),
        version=1,
        title=f"On {topics}, part {number}",
        abstract=f"We study {topics}. {sentence * 15}",
        authors=("Ada Quill", "Bo Ångström", "Cy Quill"),
        categories=("cs.LG", "stat.ML"),
        submitted=NOW,
        updated=NOW,
        comment=topics,
    )


if __name__ == "__main__":
    main()
