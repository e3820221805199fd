"""Time what a profile for everybody costs: orders for a whole list, and mails beside shared ones.

    pip install 'arxiv-newsletter[fast]'
    python -m benchmarks.profiles [--readers 100000] [--papers 300] [--own 10] [--mails 2000]

Readers have files of abstracts, from which their own papers are counted once; a thousand files
serve all in turn, each read anew for each reader. First a hundredth of the readers are ordered in
plain Python, then a tenth with numpy and scipy, a few hundred at a time, the first five of each
with reasons; then all, as a run does it when it opens an issue: by two processes where there are
two cores. Then mails are made to the last byte, from an edition that all share and in an order for
each. Time is that of the processor, so that a busy machine does not blur it. Needs the real papers
beside the checkout.
"""

import argparse
import gc
import random
import resource
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import fields

from newsletter.exchange import Session
from newsletter.issues.bulk import Bulk
from newsletter.issues.issue import edition_for
from newsletter.issues.ranking import BACKGROUND, Ranking, terms_of
from newsletter.job.mailroom import Press
from newsletter.job.profiles.beside import cores
from newsletter.job.profiles.orders import Orders
from newsletter.job.profiles.reading import Profiles
from newsletter.keywords.terms import Commonness
from newsletter.mails.message import Composer
from newsletter.mails.ready.words import worded
from newsletter.mails.render import Renderer
from newsletter.mails.template import Layout
from newsletter.models import (
    Announcement,
    Day,
    Delivery,
    Digest,
    Edition,
    Issue,
    Keyword,
    Masthead,
    News,
    Outgoing,
    Owed,
    Paper,
    Profile,
    Recalled,
    Worded,
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
    gc.set_threshold(100_000, 20, 20)  # as the program does
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
        some = options.readers // 10
        told("numpy, scipy, alone", some, lambda n: all_of(at_once(ranking, bulk, profiles(n))))
        whole_list(state, readers, cells, seen, news, count=options.readers)
        mails(news, lambda n: at_once(ranking, bulk, profiles(n)), options.mails)


def whole_list(
    state: State,
    readers: Profiles,
    cells: Sequence[str],
    seen: Sequence[Paper],
    news: Sequence[Paper],
    *,
    count: int,
) -> None:
    """Order an issue for a whole list, as a run does, and say what it took of both processes."""
    known = digests_of(seen)
    day = Day(
        now=NOW,
        news=[News(**dict(vars_of(each))) for each in known],
        windows=dict.fromkeys(KEYWORDS, NOW),
    )
    state.publish(Issue(number=1, date=NOW.date(), digests=known), day, [], [], weekly=False)
    issue = Issue(number=2, date=NOW.date(), digests=digests_of(news))
    plan = [
        Owed(recipient=recipient(each), keywords=KEYWORDS, format="html", after=1)
        for each in range(count)
    ]
    columns = dict(zip(map(recipient, range(count)), cycle(cells), strict=False))
    many = 1 if cores() > 1 else None
    began, first = time.perf_counter(), time.process_time()
    orders = Orders(columns, readers, state.papers, many=many)
    ordered = sum(1 for _ in orders.of_plan(plan, 2, lambda _after, _upto: [issue]))
    seconds, first = time.perf_counter() - began, time.process_time() - first
    second = resource.getrusage(resource.RUSAGE_CHILDREN)
    peaks = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, second.ru_maxrss]
    print(
        f"the whole list: {ordered:,} of {count:,} in {seconds:.0f} s; of a processor {first:.1f} s"
        f" here and {second.ru_utime + second.ru_stime:.1f} s in the second process,"
        f" peaks {peaks[0] / 1024:.0f} and {peaks[1] / 1024:.0f} MB",
        flush=True,
    )


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


def at_once(ranking: Ranking, bulk: Bulk, profiles: Iterator[Profile]) -> Iterator[Worded]:
    while batch := list(islice(profiles, AT_A_TIME)):
        for profile, places in zip(batch, bulk.places(batch), strict=True):
            if order := ranking.order(profile, places=places):
                yield worded(order)


def all_of(orders: Iterable[Worded]) -> None:
    for _ in orders:
        pass


class Everybody:
    """The mails of a day of so many papers, to people who share an edition or have a profile each.

    As in a run, own papers are counted in a folder already, and ranked and frozen in the ledger
    when the issue is opened: `opened` says how many milliseconds of a processor that took each.
    Then each mail is made from what the ledger has.
    """

    def __init__(
        self, folder: Path, state: State, session: Session, *, papers: int, most: int
    ) -> None:
        seen = june_papers()[-1500:]
        ranking = Ranking(seen[-papers:], Commonness.among(map(terms_of, seen)), seen[-BACKGROUND:])
        readers = reading(folder, state, session)
        cells = files(folder, [each.abstract for each in seen], own=10, count=min(most, FILES))
        for cell in cells:
            readers.profile(cell)
        profiles = map(readers.profile, islice(cycle(cells), most))
        digests = digests_of(seen[-papers:])
        owed = [
            Owed(recipient=recipient(each), keywords=KEYWORDS, format="html", after=0)
            for each in range(1, most + 1)
        ]
        day = Day(
            now=NOW,
            news=[News(**dict(vars_of(each))) for each in digests],
            windows=dict.fromkeys((each.keyword.name for each in digests), NOW),
        )
        issue = Issue(number=1, date=NOW.date(), digests=digests)
        began = time.process_time()
        orders = zip(owed, at_once(ranking, Bulk(ranking), profiles), strict=True)
        state.publish(issue, day, owed, [], weekly=False, orders=orders)
        self.opened = 1e3 * (time.process_time() - began) / most
        composer = Composer(MASTHEAD, now=NOW, token=lambda address: address[:40])
        renderer = Renderer(MASTHEAD, templates=None)
        self._shared, self._own = (
            Press(state.issues, lambda: renderer, lambda: composer, orders=orders)
            for orders in (None, state.orders)
        )

    def alike(self, numbers: Iterable[int]) -> Iterator[Outgoing]:
        """Yield mails to people who share an edition."""
        return map(self._shared.outgoing, map(delivery, numbers))

    def each(self, numbers: Iterable[int]) -> Iterator[Outgoing]:
        """Yield mails to people of whom each has a profile."""
        return map(self._own.outgoing, self._own.ahead(map(delivery, numbers)))


def mails(papers: Sequence[Paper], orders: Callable[[int], Iterator[Worded]], count: int) -> None:
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
    renderer: Renderer, composer: Composer, layout: Layout, orders: Sequence[Worded], count: int
) -> None:
    for number in range(count):
        order = orders[number]
        ready = renderer.ready(layout, order) or renderer.render(layout, order=order)
        composer.outgoing(delivery(number), ready)


def within(order: Worded, ids: Collection[str]) -> Worded:
    """Return an order of those papers alone."""
    reasons = zip(order.closest, order.reasons, strict=True)
    said = [each for each in reasons if each[0] in ids]
    return order._replace(
        ids=tuple(each for each in order.ids if each in ids),
        closest=tuple(id_ for id_, _ in said),
        reasons=tuple(reason for _, reason in said),
        yours=order.yours & set(ids),
    )


def edition(papers: Sequence[Paper]) -> Edition:
    """Return the edition that has all keywords."""
    issue = Issue(number=1, date=NOW.date(), digests=digests_of(papers))
    return edition_for([issue], KEYWORDS)


def digests_of(papers: Sequence[Paper]) -> tuple[Digest, ...]:
    """Return digests that have each paper under the first keyword that is in it."""
    under: dict[str, list[Announcement]] = {name: [] for name in KEYWORDS}
    for paper in papers:
        said = f"{paper.title} {paper.abstract}".lower()
        name = next((each for each in KEYWORDS if each in said), KEYWORDS[-1])
        under[name].append(Announcement(paper=paper))
    return tuple(
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


def vars_of(digest: Digest) -> Iterator[tuple[str, Any]]:
    return ((each.name, getattr(digest, each.name)) for each in fields(digest))


def recipient(number: int) -> str:
    return f"reader{number}@example.org"


def delivery(number: int) -> Delivery:
    return Delivery(
        id=number,
        issue=1,
        after=0,
        recipient=recipient(number),
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
