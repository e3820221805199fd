"""Editions per second, from values to message bytes, against an inliner called for every mail.

    python -m benchmarks.render [--papers 100] [--subscribers 1000] [--rounds 5]

Every edition holds all the papers, under keywords in an order of its own; a fifth of the papers
have two. The rivals, premailer and css-inline (where it is installed), are given a finished mail
whose styles are not yet inlined, and only inline it. Time is that of the processor, and all are
measured in turns, so that a busy machine does not blur it; medians.
"""

import argparse
import gc
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from importlib import import_module
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
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--papers", type=int, default=100)
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    papers = [paper(number) for number in range(arguments.papers)]
    mails = {
        "as we mail it": uninlined(as_mailed(papers)),
        "with every paper in full": uninlined(in_full(papers)),
    }
    rivals = inliners()
    choices = {number: editions(papers, number) for number in (1, 30, arguments.subscribers)}
    theirs: dict[tuple[str, str], list[float]] = {}
    our_own: dict[int, list[float]] = {number: [] for number in choices}
    for _ in range(arguments.rounds):
        for name, mail in mails.items():
            for rival, inline in rivals.items():
                theirs.setdefault((rival, name), []).append(seconds(inline, mail))
        for number, different in choices.items():
            our_own[number].append(ours(different, arguments.subscribers))
    for (rival, name), taken in theirs.items():
        print(f"{rival} per mail, {name}: {1000 * median(taken):.1f} ms a mail")
    for number, taken in our_own.items():
        each = median(taken)
        print(
            f"{number} different editions for {arguments.subscribers} subscribers: "
            f"{1000 * each:.2f} ms a mail, {1 / each:.0f} a second"
        )
        for rival in rivals:
            ratios = [f"x{median(theirs[rival, name]) / each:.0f} {name}" for name in mails]
            print(f"    against {rival}: {', '.join(ratios)}")


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


def inliners() -> dict[str, Callable[[str], object]]:
    """Return what inlines a mail, by name; css-inline is no dependency of ours."""
    found = {"premailer": Premailer(disable_validation=True, strip_important=False).transform}
    with suppress(ModuleNotFoundError):
        found["css-inline"] = import_module("css_inline").CSSInliner().inline
    return found


def seconds(inline: Callable[[str], object], mail: str, *, samples: int = 3) -> float:
    """Return the seconds that an inliner takes for a mail, its caches warm."""
    inline(mail)
    start = time.process_time()
    for _ in range(samples):
        inline(mail)
    return (time.process_time() - start) / samples


def uninlined(mail: str) -> str:
    """Return a mail of ours with its style sheet in its head, and no styles in its elements."""
    mail = re.sub(r""" style=("[^"]*"|'[^']*')""", "", mail)
    sheet = re.search(r"<style>.*?</style>", TEMPLATE.read_text("utf-8"), re.DOTALL)
    assert sheet
    return mail.replace("<style>", f'{sheet[0]}<style data-premailer="ignore">', 1)


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
    news = {name: digest_of(papers, name) for name in KEYWORDS}
    return [edition_of(news, order) for order in sorted(orders)]


def digest_of(papers: Sequence[Paper], name: str) -> Digest:
    """Return what an issue has of a keyword."""
    return Digest(
        keyword=Keyword(name=name),
        source=identity.SOURCE,
        outcome="new",
        announcements=tuple(Announcement(paper=each) for each in papers if name in each.comment),
        listed=100,
        since=NOW,
    )


def edition_of(news: Mapping[str, Digest], order: Sequence[str]) -> Edition:
    """Return an edition of an issue: as in a run, all have its announcements in common."""
    digests = tuple(news[name] for name in order)
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
