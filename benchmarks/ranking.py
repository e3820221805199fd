"""How good is a reader's order, next to what others use? On a month of papers, by their authors.

    pip install scikit-learn
    python -m benchmarks.ranking [--quick]

Each batch of arXiv (its cut-off is at 14:00 Eastern, weekends go to Monday) is ordered for whoever
has papers in it: the profile is their papers in earlier batches, two at least, and the better the
order, the higher stand those in this one. Authors count who have three papers and a surname that
at most ten names carry; nothing sees the names of authors but this choice. Co-authors who look for
the same papers weigh one together. The state is what it would be: the papers of the month up to
then. Needs the real papers beside the checkout; `--quick` leaves the SVM out.
"""

import argparse
import math
import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from newsletter.issues.ranking import BACKGROUND, Ranking, terms_of
from newsletter.keywords.terms import Commonness
from newsletter.models import OwnPaper, Paper, Profile
from tests.making.shared_data import june_papers

EASTERN = ZoneInfo("America/New_York")
MEASURES = ("MRR", "recall@10", "recall@20", "nDCG")
RESAMPLES = 2000

Scorer = Callable[[Sequence[Paper]], Sequence[float]]
"""Told the profile, it returns a score for each candidate."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The papers of a day, and all that came before, oldest first."""

    papers: Sequence[Paper]
    before: Sequence[Paper]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Somebody who wrote `profile` looks through a batch in which `targets` are theirs."""

    batch: int
    profile: Sequence[Paper]
    targets: frozenset[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave the SVM out")
    parser.add_argument("--papers", type=int, help="only the first of the month")
    options = parser.parse_args()
    batches = list(in_batches(june_papers()[: options.papers]))
    wishes = list(all_wishes(batches))
    sets = len({(each.batch, each.targets) for each in wishes})
    print(f"{len(wishes)} profiles, {sets} sets of papers to find, {len(batches)} batches")
    contenders: dict[str, Callable[[Batch], Scorer]] = {
        "random": by_chance,
        "date": by_date,
        "TF-IDF cosine": tf_idf,
        "BM25": bm25,
    }
    if not options.quick:
        contenders["TF-IDF + SVM"] = svm
    results = {name: measured(each, batches, wishes) for name, each in contenders.items()}
    own = measured(ours, batches, wishes)
    print(f"{'':14}" + "".join(f"{name:>24}" for name in MEASURES))
    for name, found in [*results.items(), ("ours", own)]:
        shown = [f"{mean:.3f} ({low:.3f}-{high:.3f})" for mean, low, high in intervals(found)]
        print(f"{name:14}" + "".join(f"{each:>24}" for each in shown))
    print("ours beyond each, and the 95 % interval of the difference")
    for name, found in results.items():
        gains = [
            tuple(a - b for a, b in zip(mine, theirs, strict=True))
            for mine, theirs in zip(own, found, strict=True)
        ]
        shown = [f"{mean:+.3f} ({low:+.3f}-{high:+.3f})" for mean, low, high in intervals(gains)]
        print(f"{name:14}" + "".join(f"{each:>24}" for each in shown))


def in_batches(papers: Sequence[Paper]) -> Iterator[Batch]:
    found = sorted(papers, key=lambda each: (batch_of(each), each.submitted, each.id))
    done = 0
    for _, batch in groupby(found, key=batch_of):
        size = len(list(batch))
        yield Batch(papers=found[done : done + size], before=found[:done])
        done += size


def batch_of(paper: Paper) -> date:
    submitted = paper.submitted.astimezone(EASTERN)
    day = submitted.date() + timedelta(days=submitted.time() >= time(14))
    return day + timedelta(days=max(0, 7 - day.weekday()) % 7 if day.weekday() >= 5 else 0)


def all_wishes(batches: Sequence[Batch]) -> Iterator[Wish]:
    everything = [*batches[-1].before, *batches[-1].papers]
    written = Counter(name for each in everything for name in set(each.authors))
    carrying: dict[str, set[str]] = defaultdict(set)
    for name in written:
        carrying[surname(name)].add(name)
    for author in sorted(written):
        if written[author] < 3 or len(carrying[surname(author)]) > 10:
            continue
        for number, batch in enumerate(batches):
            profile = [each for each in batch.before if author in each.authors]
            targets = frozenset(each.id for each in batch.papers if author in each.authors)
            if len(profile) >= 2 and targets:
                yield Wish(batch=number, profile=profile, targets=targets)


def surname(name: str) -> str:
    return name.rsplit(maxsplit=1)[-1].lower()


def measured(
    contender: Callable[[Batch], Scorer], batches: Sequence[Batch], wishes: Sequence[Wish]
) -> list[tuple[float, ...]]:
    """Return the four measures for each set of targets."""
    found: dict[tuple[int, frozenset[str]], list[tuple[float, ...]]] = defaultdict(list)
    for number, group in groupby(sorted(wishes, key=lambda each: each.batch), lambda w: w.batch):
        batch = batches[number]
        scorer = contender(batch)
        for wish in group:
            scores = scorer(wish.profile)
            ranked = sorted(zip(scores, batch.papers, strict=True), key=lambda e: (-e[0], e[1].id))
            ids = [paper.id for _, paper in ranked]
            found[number, wish.targets].append(figures(ids, wish.targets))
    return [
        tuple(map(statistics.fmean, zip(*found[key], strict=True)))
        for key in sorted(found, key=lambda each: (each[0], sorted(each[1])))
    ]


def figures(ids: Sequence[str], targets: frozenset[str]) -> tuple[float, ...]:
    places = [place for place, id_ in enumerate(ids, 1) if id_ in targets]
    gain = sum(1 / math.log2(place + 1) for place in places)
    most = sum(1 / math.log2(place + 1) for place in range(1, len(targets) + 1))
    within = (sum(place <= limit for place in places) / len(targets) for limit in (10, 20))
    return (1 / places[0], *within, gain / most)


def intervals(found: Sequence[tuple[float, ...]]) -> list[tuple[float, float, float]]:
    """Return the mean of each measure with a 95 % interval, by resampling the sets of targets."""
    chance = random.Random(1)
    means = [
        tuple(map(statistics.fmean, zip(*chance.choices(found, k=len(found)), strict=True)))
        for _ in range(RESAMPLES)
    ]
    shown = []
    for index in range(len(MEASURES)):
        column = sorted(each[index] for each in means)
        mean = statistics.fmean(each[index] for each in found)
        shown.append((mean, column[RESAMPLES // 40], column[-RESAMPLES // 40]))
    return shown


def ours(batch: Batch) -> Scorer:
    seen = [*batch.before, *batch.papers]
    ranking = Ranking(
        batch.papers, Commonness.among(terms_of(each) for each in seen), seen[-BACKGROUND:]
    )
    ranked = [ranking.ids.index(each.id) for each in batch.papers]

    def scores(profile: Sequence[Paper]) -> Sequence[float]:
        own = tuple(
            OwnPaper(id=each.id, name=each.title, terms=terms_of(each), categories=each.categories)
            for each in profile
        )
        found = ranking.places(Profile(papers=own)).scores
        return [found[index] for index in ranked]

    return scores


def by_chance(batch: Batch) -> Scorer:
    chance = random.Random(len(batch.before))
    return lambda _: [chance.random() for _ in batch.papers]


def by_date(batch: Batch) -> Scorer:
    return lambda _: [each.submitted.timestamp() for each in batch.papers]


def tf_idf(batch: Batch) -> Scorer:
    """Return the cosine to the mean of the profile, by counts as they are."""
    common = Commonness.among(terms_of(each) for each in [*batch.before, *batch.papers])

    def vector(paper: Paper) -> Mapping[str, float]:
        weights = {word: n * common.weight(word) for word, n in terms_of(paper).items()}
        length = math.hypot(*weights.values())
        return {word: weight / length for word, weight in weights.items()}

    vectors = [vector(each) for each in batch.papers]

    def scores(profile: Sequence[Paper]) -> Sequence[float]:
        own: dict[str, float] = defaultdict(float)
        for each in profile:
            for word, weight in vector(each).items():
                own[word] += weight
        return [sum(weight * own[word] for word, weight in each.items()) for each in vectors]

    return scores


def bm25(batch: Batch) -> Scorer:
    """Return Okapi BM25 with the usual constants, asked for every word of the profile once."""
    k1, b = 1.5, 0.75
    seen = [terms_of(each) for each in [*batch.before, *batch.papers]]
    having = Counter(word for each in seen for word in each)
    mean = statistics.fmean(sum(each.values()) for each in seen)
    worth = {word: math.log(1 + (len(seen) - n + 0.5) / (n + 0.5)) for word, n in having.items()}
    weights = []
    for each in seen[len(batch.before) :]:
        norm = k1 * (1 - b + b * sum(each.values()) / mean)
        weights.append({word: worth[word] * n * (k1 + 1) / (n + norm) for word, n in each.items()})

    def scores(profile: Sequence[Paper]) -> Sequence[float]:
        asked = {word for each in profile for word in terms_of(each)}
        return [sum(each[word] for word in each.keys() & asked) for each in weights]

    return scores


def svm(batch: Batch) -> Scorer:
    """Return what arxiv-sanity-lite does, with its settings: all others are counterexamples."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise SystemExit("scikit-learn is needed: pip install scikit-learn, or --quick") from error
    seen = [*batch.before, *batch.papers]
    index = {each.id: number for number, each in enumerate(seen)}
    vectors = TfidfVectorizer(
        strip_accents="unicode",
        stop_words="english",
        token_pattern=r"(?u)\b[a-zA-Z_][a-zA-Z0-9_]+\b",
        ngram_range=(1, 2),
        max_features=20_000,
        sublinear_tf=True,
        max_df=0.1,
        min_df=5,
    ).fit_transform([f"{each.title} {each.abstract}" for each in seen])

    def scores(profile: Sequence[Paper]) -> Sequence[float]:
        theirs = [0] * len(seen)
        for each in profile:
            theirs[index[each.id]] = 1
        model = LinearSVC(class_weight="balanced", C=0.01, max_iter=10_000, tol=1e-6)
        found = model.fit(vectors, theirs).decision_function(vectors[len(batch.before) :])
        return [float(each) for each in found]

    return scores


if __name__ == "__main__":
    main()
