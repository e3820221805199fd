"""Say what was understood of a reader's own papers, and how the newest issue is ordered by them."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from threading import Event

from newsletter.config.loading import Config
from newsletter.issues.ranking import Ranking
from newsletter.job import parts
from newsletter.keywords.terms import usual
from newsletter.mails import wording
from newsletter.models import Profile, Subscriber
from newsletter.phrases import counted
from newsletter.preview.issue import listed
from newsletter.prose import prose
from newsletter.state.opening import remembered

_WORDS = 15
_PAPERS = 20


def lines(config: Config, email: str, *, now: datetime) -> list[str]:
    """Return both, for somebody on the list.

    It reads their profile as a run would: Zotero and arXiv are asked for what is not known yet.
    Raises ProfileError where it cannot be read, ConfigError for somebody who is not on the list.
    """
    reader = listed(config, email)
    if not reader.profile:
        return [f"{reader.email} has no profile: the column `profile` of the list is empty"]
    with remembered(config.place) as state:
        source = parts.source(config, stop=Event())
        profiles = parts.profiles(config, state, source, now=now, keep=False)
        profile = profiles.profile(reader.profile)
        told = list(_understood(reader, profile))
        if (reader.order or config.newsletter.order) == "date":
            told += ["", "Their editions are ordered by date, as they or the newsletter say."]
        number = state.newest_issue()
        if not number:
            return [*told, "", "There is no issue yet to order."]
        orders = parts.orders(config, state, [reader], profiles)
        issues = state.issues(number - 1, number)
        return [*told, "", *_ordered(orders.ranking(issues), profile, number)]


def _understood(reader: Subscriber, profile: Profile) -> Iterator[str]:
    yield f"{reader.email}: {reader.profile}"
    yield f"{counted(len(profile.papers), 'paper')}"
    for note in profile.notes:
        yield f"  ({note})"
    for paper in islice(profile.papers, _PAPERS):
        yield f"  - {paper.name}"
    if len(profile.papers) > _PAPERS:
        yield f"  … and {len(profile.papers) - _PAPERS} more"
    weights: Counter[str] = Counter()
    for paper in profile.papers:
        for word, weight in usual().vector(paper.terms).items():
            weights[word] += weight  # type: ignore[assignment]
    strongest = sorted(weights, key=lambda word: (-weights[word], word))[:_WORDS]
    yield f"Strongest words: {', '.join(strongest)}"


def _ordered(ranking: Ranking, profile: Profile, number: int) -> Iterator[str]:
    """Yield the papers of an issue as they are ordered, each with its reason."""
    order = ranking.order(profile, closest=len(ranking.papers))
    if order is None:
        yield f"Issue {number} has no word in common with these: its order is the usual one."
        return
    yield f"Issue {number} of {counted(len(order.ids), 'paper')}, the closest first:"
    titles = {paper.id: prose(paper.title) for paper in ranking.papers}
    reasons = {each.id: wording.close_to(each) for each in order.closest}
    for place, id_ in enumerate(order.ids, 1):
        yield f"{place:4}. {titles[id_]} ({id_.partition(':')[2]})"
        reason = wording.YOURS if id_ in order.yours else reasons.get(id_, "")
        if reason:
            yield f"      {reason}"
