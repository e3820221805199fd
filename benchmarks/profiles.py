"""Time what a profile for everybody costs: orders for a whole list, and mails beside shared ones.

    pip install 'arxiv-newsletter[fast]'
    python -m benchmarks.profiles [--readers 100000] [--papers 300] [--own 10] [--mails 2000]

Readers have files of abstracts, from which their own papers are counted once; a thousand files
serve all in turn, each read anew for each reader. First a hundredth of the readers are ordered in
plain Python, then all with numpy and scipy, a few hundred at a time, the first few of each with
reasons. Then mails are made to the last byte, from an edition that all share and in an order for
each. Time is that of the processor, so that a busy machine does not blur it. Needs the real papers
beside the checkout.
"""

import argparse
import random
import resource
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from newsletter.exchange import Session
from newsletter.issues.bulk import Bulk
from newsletter.issues.issue import edition_for
from newsletter.issues.ranking import BACKGROUND, Ranking, terms_of
from newsletter.job.profiles import Profiles
from newsletter.keywords.terms import Commonness
from newsletter.mails.message import Composer
from newsletter.mails.render import Renderer
from newsletter.mails.template import Layout
from newsletter.models import (
    Announcement,
    Delivery,
    Digest,
    Edition,
    Issue,
    Keyword,
    Masthead,
    Order,
    Outgoing,
    Paper,
    Profile,
    Recalled,
)
from newsletter.state.state import State
from newsletter.subscribers.profiles.kept import Copies
from newsletter.subscribers.profiles.zotero import Zotero
from tests.making.shared_data import june_papers

AT_A_TIME = 256
FILES = 1000
KEYWORDS = ("language model", "diffusion", "reinforcement", "graph", "agent", "vision", "learning")
NOW = datetime(2025, 6, 30, 10, tzinfo=UTC)
MASTHEAD = Masthead(
    id="benchmark",
    title="Benchmark",
    sender="Benchmark <papers@example.org>",
    unsubscribe_address="leave@example.org",
    base_url="https://papers.example.org",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--readers", type=int, default=100_000)
    parser.add_argument("--papers", type=int, default=300)
    parser.add_argument("--own", type=int, default=10)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--seen", type=int, default=4000)
    parser.add_argument("--files", type=int, default=FILES)
    options = parser.parse_args()
    seen = june_papers()[-options.seen :]
    news = seen[-options.papers :]
    began = time.process_time()
    ranking = Ranking(news, Commonness.among(terms_of(each) for each in seen), seen[-BACKGROUND:])
    print(f"the state's {len(seen):,} papers are counted: {time.process_time() - began:.1f} s")
    with TemporaryDirectory() as folder, State.blank() as state, Session() as session:
        abstracts = [each.abstract for each in seen]
        cells = files(Path(folder), abstracts, own=options.own, count=options.files)
        readers = reading(Path(folder), state, session)

        def profiles(count: int) -> Iterator[Profile]:
            return map(readers.profile, islice(cycle(cells), count))

        told("their files are read for the first time", options.files, lambda n: list(profiles(n)))
        told("plain Python", options.readers // 100, lambda n: plain(ranking, profiles(n)))
        bulk = Bulk(ranking)
        told("numpy, scipy", options.readers, lambda n: all_of(at_once(ranking, bulk, profiles(n))))
        mails(news, lambda n: at_once(ranking, bulk, profiles(n)), options.mails)


def files(folder: Path, abstracts: list[str], *, own: int, count: int = FILES) -> list[str]:
    """Write files of own abstracts, and return their names."""
    chance = random.Random(1)
    names = [f"{number}.txt" for number in range(count)]
    for name in names:
        (folder / name).write_text("\n".join(chance.sample(abstracts, own)), "utf-8")
    return names


def reading(folder: Path, state: State, session: Session) -> Profiles:
    """Return what reads the files of a folder, as a run does."""
    copies = Copies(folder / "profiles")
    zotero = Zotero(
        session=session, url="http://127.0.0.1:9", keys={}, copies=copies, paper_id=str, now=NOW
    )
    return Profiles(
        folder=folder,
        copies=copies,
        papers=state.papers,
        zotero=zotero,
        fetch=lambda _ids: Recalled(papers=(), requests=0),
        paper_id=str,
        now=NOW,
    )


def plain(ranking: Ranking, profiles: Iterable[Profile]) -> None:
    for profile in profiles:
        ranking.order(profile)


def at_once(ranking: Ranking, bulk: Bulk, profiles: Iterator[Profile]) -> Iterator[Order]:
    while batch := list(islice(profiles, AT_A_TIME)):
        for profile, places in zip(batch, bulk.places(batch), strict=True):
            if order := ranking.order(profile, places=places):
                yield order


def all_of(orders: Iterable[Order]) -> None:
    for _ in orders:
        pass


class Everybody:
    """The mails of a day of so many papers, to people who share an edition or have a profile each.

    Own papers are kept as counted words in a folder already; they are read, ranked, and the mail
    joined, for each reader anew.
    """

    def __init__(self, folder: Path, state: State, session: Session, papers: int) -> None:
        seen = june_papers()
        common = Commonness.among(terms_of(each) for each in seen)
        self._ranking = Ranking(seen[-papers:], common, seen[-BACKGROUND:])
        self._bulk = Bulk(self._ranking)
        self._cells = files(folder, [each.abstract for each in seen], own=10)
        self._readers = reading(folder, state, session)
        for cell in self._cells:
            self._readers.profile(cell)
        self._renderer = Renderer(MASTHEAD, templates=None)
        self._composer = Composer(MASTHEAD, now=NOW, token=lambda address: address[:40])
        self._layout = self._renderer.laid_out(edition(seen[-papers:]))

    def alike(self, numbers: Iterable[int]) -> Iterator[Outgoing]:
        """Yield mails to people who share an edition."""
        rendered = self._renderer.render(self._layout)
        return (self._composer.outgoing(delivery(each), rendered) for each in numbers)

    def each(self, numbers: Iterable[int]) -> Iterator[Outgoing]:
        """Yield mails to people of whom each has a profile."""
        rest, cells = iter(numbers), cycle(self._cells)
        profiles = map(self._readers.profile, cells)
        while batch := list(islice(rest, AT_A_TIME)):
            some = list(islice(profiles, len(batch)))
            for number, profile, places in zip(batch, some, self._bulk.places(some), strict=True):
                order = self._ranking.order(profile, among=self._layout.where, places=places)
                rendered = self._renderer.render(self._layout, order=order)
                yield self._composer.outgoing(delivery(number), rendered)


def mails(papers: Sequence[Paper], orders: Callable[[int], Iterator[Order]], count: int) -> None:
    """Time mails from a shared edition, and in orders that are known, of a few sizes of days."""
    renderer = Renderer(MASTHEAD, templates=None)
    composer = Composer(MASTHEAD, now=NOW, token=lambda address: address[:40].ljust(40, "x"))
    ready = list(orders(count))
    for number in (10, 50, len(papers)):
        layout = renderer.laid_out(edition(papers[:number]))
        some = [within(order, layout.where) for order in ready]
        shared = partial(one_for_all, renderer, composer, layout)
        personal = partial(one_for_each, renderer, composer, layout, some)
        shared(1)
        personal(1)
        told(f"mails of {number} papers, one edition for all", len(some), shared)
        told(f"mails of {number} papers, an order for each", len(some), personal)


def one_for_all(renderer: Renderer, composer: Composer, layout: Layout, count: int) -> None:
    rendered = renderer.render(layout)
    for number in range(count):
        composer.outgoing(delivery(number), rendered)


def one_for_each(
    renderer: Renderer, composer: Composer, layout: Layout, orders: Sequence[Order], count: int
) -> None:
    for number in range(count):
        composer.outgoing(delivery(number), renderer.render(layout, order=orders[number]))


def within(order: Order, ids: Collection[str]) -> Order:
    """Return an order of those papers alone."""
    closest = [each for each in (*order.closest, *order.further) if each.id in ids]
    return replace(
        order,
        ids=tuple(each for each in order.ids if each in ids),
        closest=tuple(closest[:5]),
        further=tuple(closest[5:]),
        yours=order.yours & set(ids),
    )


def edition(papers: Sequence[Paper]) -> Edition:
    """Return an edition that has each paper under the first keyword that is in it."""
    under: dict[str, list[Announcement]] = {name: [] for name in KEYWORDS}
    for paper in papers:
        said = f"{paper.title} {paper.abstract}".lower()
        name = next((each for each in KEYWORDS if each in said), KEYWORDS[-1])
        under[name].append(Announcement(paper=paper))
    digests = tuple(
        Digest(
            keyword=Keyword(name=name),
            source=papers[0].source,
            outcome="new",
            announcements=tuple(found),
            since=NOW,
        )
        for name, found in under.items()
        if found
    )
    return edition_for([Issue(number=1, date=NOW.date(), digests=digests)], KEYWORDS)


def delivery(number: int) -> Delivery:
    return Delivery(
        id=number,
        issue=1,
        after=0,
        recipient=f"reader{number}@example.org",
        keywords=KEYWORDS,
        format="html",
    )


def told(name: str, readers: int, work: Callable[[int], object]) -> None:
    began = time.process_time()
    work(readers)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}: {readers:,} in {seconds:.1f} s of a processor,"
        f" {1e3 * seconds / max(1, readers):.2f} ms each, peak {peak:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
