"""Play weeks of arXiv to a bot, day by day with faults and an outage, and judge what it said."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import cycle

from newsletter.models import KeywordOutcome
from tests.peers.replica import Fault, Replica
from tests.peers.replica.store import current

SWEEP = timedelta(days=7)  # by then a paper must be found, however long it was held


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the bot said about one keyword in one run, and the arXiv ids it announced as new."""

    keyword: str
    outcome: KeywordOutcome
    announced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a replay went. Papers are named `keyword: arXiv id`.

    `owed` appeared in the index after the first run and at least a week before the last, `missed`
    were never announced, `twice` more than once, `strays` do not match. `false` says on which day
    a keyword was said to have no news while the index held some.
    """

    runs: int
    owed: int
    missed: tuple[str, ...]
    twice: tuple[str, ...]
    strays: tuple[str, ...]
    false: tuple[str, ...]
    unknown: int
    requests: int
    violations: tuple[str, ...]

    @property
    def recall(self) -> float:
        """The share of what was owed that was announced."""
        return 1 - len(self.missed) / self.owed if self.owed else 1.0

    def __str__(self) -> str:
        return (
            f"{self.runs} runs: recall {self.recall:.4f} of {self.owed}, {len(self.twice)} twice, "
            f"{len(self.strays)} strays, {len(self.false)} false 'nothing new', "
            f"{self.unknown} times unknown, {self.requests} requests, "
            f"{len(self.violations)} rate violations"
        )


def every_other_day(
    days: Sequence[date], faults: Iterable[Sequence[Fault]]
) -> dict[date, Sequence[Fault]]:
    """Return what is wrong on every second day from the third on; nothing is on the last."""
    return dict(zip(days[2:-1:2], cycle(faults), strict=False))


def replayed(
    run_bot: Callable[[datetime], Sequence[Said]],
    replica: Replica,
    *,
    runs: Sequence[datetime],
    keywords: Mapping[str, str],
    faults: Mapping[date, Sequence[Fault]],
    outage: Iterable[date] = (),
) -> Verdict:
    """Run the bot at each time, except on the days of its own outage, and judge it.

    `keywords` maps each keyword to the arXiv query that says which papers it is about. The first
    run is the baseline: what it announces is never owed, but counts as announced.
    """
    down = frozenset(outage)
    times = [now for now in runs if now.date() not in down]
    matching = {keyword: replica.matching(query) for keyword, query in keywords.items()}
    baseline = {keyword: _listed(replica, times[0], found) for keyword, found in matching.items()}
    announced: Counter[tuple[str, str]] = Counter()
    false: list[str] = []
    unknown = 0
    for now in times:
        replica.now = now
        replica.faults = faults.get(now.date(), ())
        for said in run_bot(now):
            announced.update((said.keyword, arxiv_id) for arxiv_id in said.announced)
            unknown += said.outcome == "unknown"
            news = _listed(replica, now, matching[said.keyword]) - baseline[said.keyword]
            unsaid = {arxiv_id for arxiv_id in news if (said.keyword, arxiv_id) not in announced}
            if said.outcome in {"none", "not-scheduled"} and unsaid:
                false.append(f"{now:%F} {said.keyword}: {len(unsaid)} were there to be found")
    replica.faults = ()
    owed = {
        (keyword, name)
        for keyword, found in matching.items()
        for name in _listed(replica, times[-1] - SWEEP, found) - baseline[keyword]
    }
    known = {
        (keyword, replica.records[at].arxiv_id)
        for keyword, found in matching.items()
        for at in found
    }
    return Verdict(
        runs=len(times),
        owed=len(owed),
        missed=_named(owed - announced.keys()),
        twice=_named(pair for pair, count in announced.items() if count > 1),
        strays=_named(announced.keys() - known),
        false=tuple(false),
        unknown=unknown,
        requests=len(replica.requests),
        violations=tuple(replica.violations),
    )


def _listed(replica: Replica, now: datetime, matching: set[int]) -> set[str]:
    """Return the matching papers that the index held, and did not hide, at a time."""
    return {
        arxiv_id
        for arxiv_id, at in current(replica.records, now, replica.index_delay).items()
        if at in matching and not any(fault.hides(replica.records[at]) for fault in replica.faults)
    }


def _named(pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(sorted(f"{keyword}: {arxiv_id}" for keyword, arxiv_id in pairs))
