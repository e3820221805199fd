"""Time how long it takes to order the papers of a day for everybody, by a profile each.

    pip install 'arxiv-newsletter[fast]'
    python -m benchmarks.profiles [--readers 100000] [--papers 300] [--own 10]

Files of abstracts are read as a run reads them, and the five closest papers of each reader get
their reasons. First a hundredth of the readers in plain Python, then all with numpy and scipy, a
few hundred at a time. Needs the real papers beside the checkout.
"""

import argparse
import random
import resource
import time
from collections.abc import Callable, Iterator
from itertools import islice

from newsletter.issues.bulk import Bulk
from newsletter.issues.ranking import BACKGROUND, Ranking, terms_of
from newsletter.keywords.terms import Commonness
from newsletter.models import Profile
from newsletter.subscribers.profiles.own import own_paper, profile_of
from newsletter.subscribers.profiles.texts import read_texts
from tests.making.shared_data import june_papers

AT_A_TIME = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--readers", type=int, default=100_000)
    parser.add_argument("--papers", type=int, default=300)
    parser.add_argument("--own", type=int, default=10)
    options = parser.parse_args()
    seen = june_papers()
    began = time.perf_counter()
    ranking = Ranking(
        seen[-options.papers :],
        Commonness.among(terms_of(each) for each in seen),
        seen[-BACKGROUND:],
    )
    print(f"the state's {len(seen):,} papers are counted: {time.perf_counter() - began:.1f} s")
    texts = [each.abstract for each in seen]

    def profiles(count: int) -> Iterator[Profile]:
        chance = random.Random(1)
        for _ in range(count):
            lines = "\n".join(chance.sample(texts, options.own))
            yield profile_of(own_paper(each, str) for each in read_texts(lines).papers)

    told("plain Python", options.readers // 100, lambda n: plain(ranking, profiles(n)))
    bulk = Bulk(ranking)
    told("numpy, scipy", options.readers, lambda n: at_once(ranking, bulk, profiles(n)))


def plain(ranking: Ranking, profiles: Iterator[Profile]) -> None:
    for profile in profiles:
        ranking.order(profile)


def at_once(ranking: Ranking, bulk: Bulk, profiles: Iterator[Profile]) -> None:
    while batch := list(islice(profiles, AT_A_TIME)):
        for profile, places in zip(batch, bulk.places(batch), strict=True):
            ranking.order(profile, places=places)


def told(name: str, readers: int, order: Callable[[int], None]) -> None:
    began = time.perf_counter()
    order(readers)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}: {readers:,} readers in {seconds:.1f} s, {1e3 * seconds / readers:.2f} ms each,"
        f" peak {peak:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
