"""Order what readers get by their own papers.

Whatever is wrong with a profile costs its reader the order, and nobody the digest.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby, islice

from newsletter.addresses import folded
from newsletter.errors import InstallationError, NewsletterError, ProfileError
from newsletter.issues.bulk import Bulk, is_installed
from newsletter.issues.ranking import BACKGROUND, Places, Ranking, terms_of
from newsletter.job.profiles.beside import UNREAD, Beside
from newsletter.job.profiles.reading import Profiles
from newsletter.keywords.terms import Commonness, usual
from newsletter.mails.ready.words import worded
from newsletter.models import Delivery, Issue, Owed, Paper, Profile, Worded
from newsletter.state.papers.book import PaperBook

_ENOUGH = 200  # papers: with fewer of its own the state leaves it to the table that ships
_COUNTED = 20_000  # papers of which the words are counted
_RANKINGS = 8  # readers of different frequencies and pauses get different issues
_AT_ONCE = 256  # readers whose profiles are in memory, where many are ranked at once

_log = logging.getLogger(__name__)


class Orders:
    """The order of each reader's edition, for those who have a profile and want it.

    `cells` are by folded address. Where so `many` are due, a second process takes half of them.
    """

    def __init__(
        self,
        cells: Mapping[str, str],
        profiles: Profiles,
        papers: PaperBook,
        *,
        many: int | None = None,
    ) -> None:
        self._many = many
        self._cells = cells
        self._profiles = profiles
        self._papers = papers
        self._corpus = lru_cache(maxsize=1)(self._counted)
        self._bulk = lru_cache(maxsize=1)(Bulk)
        self._rankings: dict[tuple[int, ...], Ranking] = {}
        self._ready: dict[int, tuple[Ranking, Profile, Places]] = {}
        self._learned = False
        self._told: set[str] = set()

    def ahead(
        self, deliveries: Iterable[Delivery], issues: Callable[[int, int], Sequence[Issue]]
    ) -> Iterator[Delivery]:
        """Yield the deliveries; where much can be ranked at once, it is before their turn."""
        if not (self._cells and self._in_bulk()):
            yield from deliveries
            return
        rest = iter(deliveries)
        while batch := list(islice(rest, _AT_ONCE)):
            with self._spared("%d profiles could not be ranked at once: %r", len(batch)):
                self._rank(batch, issues)
            yield from batch

    def prepare(self, plan: Iterable[Owed]) -> None:
        """Ask elsewhere for what the profiles of those who are owed an edition lack here."""
        due = [
            (each.recipient, cell)
            for each in plan
            if (cell := self._cells.get(folded(each.recipient)))
        ]
        self._learn(cell for _, cell in due)
        for recipient, cell in due:
            if self._profiles.may_ask_for(cell):
                self._profile(recipient, cell)

    def of_plan(
        self,
        plan: Iterable[Owed],
        number: int,
        issues: Callable[[int, int], Sequence[Issue]],
    ) -> Iterator[tuple[Owed, Worded]]:
        """Yield the order of each edition of an issue that has one of its own, in words."""
        due = [each for each in plan if folded(each.recipient) in self._cells]
        due.sort(key=lambda each: (each.after, each.keywords))
        issues = lru_cache(maxsize=1)(issues)

        @lru_cache(maxsize=1)
        def among(after: int, keywords: Collection[str]) -> Collection[str]:
            return {
                found.paper.id
                for issue in issues(after, number)
                for digest in issue.digests
                if digest.keyword.name in keywords
                for found in digest.announcements
            }

        def of(batch: Sequence[Owed]) -> list[Worded | None]:
            deliveries = [
                Delivery(
                    id=place,
                    issue=number,
                    after=each.after,
                    recipient=each.recipient,
                    keywords=each.keywords,
                    format=each.format,
                )
                for place, each in enumerate(batch)
            ]
            return [
                self.order(each, issues(each.after, number), among(each.after, each.keywords))
                for each in self.ahead(deliveries, issues)
            ]

        with self._beside(len(due)) as second:
            for after, some in groupby(due, key=lambda each: each.after):
                rest = iter(list(some))
                while batch := list(islice(rest, _AT_ONCE)):
                    chosen = [among(after, each.keywords) for each in batch]
                    # The second one's turn comes first, so that the order is that of one alone.
                    following: list[Owed] = []
                    if second.is_there and self._ask(second, batch, chosen, issues(after, number)):
                        following = list(islice(rest, _AT_ONCE))
                    orders = of(following)
                    found = second.orders() if second.is_asked else None
                    if found is None:
                        found = [UNREAD] * len(batch)
                    left = iter(of([x for x, it in zip(batch, found, strict=True) if it is UNREAD]))
                    orders = [*(next(left) if it is UNREAD else it for it in found), *orders]
                    for each, order in zip([*batch, *following], orders, strict=True):
                        if order:
                            yield each, order

    def _in_bulk(self) -> bool:
        """Return whether much can be ranked at once; where that is broken, it is said once."""
        try:
            return is_installed()
        except ImportError as error:
            self._tell(error)
            return False

    @contextmanager
    def _spared(self, told: str, *about: object) -> Iterator[None]:
        """Let no digest wait for its order: what is in its way is told, and then passed over."""
        try:
            yield
        except NewsletterError:
            raise
        except ImportError as error:
            self._tell(error)
        except Exception as error:  # noqa: BLE001
            _log.warning(told, *about, error)

    def _tell(self, error: ImportError) -> None:
        """Say once what is wrong with the installation: it is no reader's fault."""
        told = str(InstallationError(error))
        if told not in self._told:
            _log.warning("editions are not ordered by profiles as they could be: %s", told)
            self._told.add(told)

    def _beside(self, due: int) -> Beside:
        """Return the second process where that pays, or one that is not there."""
        wanted = self._many is not None and due >= self._many and self._in_bulk()
        return Beside(self._profiles.folder, self._profiles.copies.folder, wanted=wanted)

    def _ask(
        self,
        second: Beside,
        batch: Sequence[Owed],
        among: Sequence[Collection[str]],
        issues: Sequence[Issue],
    ) -> bool:
        """Have the second process order some editions; return whether it does."""
        cells = [self._cells[folded(each.recipient)] for each in batch]
        with self._spared("a second process could not be asked for orders: %r"):
            second.ask(self.ranking(issues), cells, among)
        return second.is_asked

    def order(
        self, delivery: Delivery, issues: Sequence[Issue], among: Collection[str]
    ) -> Worded | None:
        """Return the order of the papers `among` those of some issues; None: the usual one."""
        cell = self._cells and self._cells.get(folded(delivery.recipient))
        if not cell:
            return None
        ready = self._ready.pop(delivery.id, None)
        with self._spared("%s: profile: %r; the order is the usual one", delivery.recipient):
            if ready:
                ranking, profile, places = ready
                order = ranking.order(profile, among=among, places=places)
                return order and worded(order)
            if read := self._profile(delivery.recipient, cell):
                order = self.ranking(issues).order(read, among=among)
                return order and worded(order)
        return None

    def ranking(self, issues: Sequence[Issue]) -> Ranking:
        """Return the papers of some issues, ready to be ordered, made once for each choice."""
        numbers = tuple(each.number for each in issues)
        if numbers not in self._rankings:
            papers = [
                found.paper
                for issue in issues
                for digest in issue.digests
                for found in digest.announcements
            ]
            if len(self._rankings) >= _RANKINGS:
                self._rankings.clear()
            self._rankings[numbers] = Ranking(papers, *self._corpus(max(numbers)))
        return self._rankings[numbers]

    def _rank(
        self, batch: Sequence[Delivery], issues: Callable[[int, int], Sequence[Issue]]
    ) -> None:
        """Rank for a batch of readers at once."""
        for (after, issue), some in groupby(batch, key=lambda each: (each.after, each.issue)):
            found = [
                (each, profile)
                for each in some
                if (cell := self._cells.get(folded(each.recipient)))
                and (profile := self._profile(each.recipient, cell))
            ]
            if found:
                ranking = self.ranking(issues(after, issue))
                places = self._bulk(ranking).places([profile for _, profile in found])
                for (each, profile), place in zip(found, places, strict=True):
                    self._ready[each.id] = (ranking, profile, place)

    def _profile(self, recipient: str, cell: str) -> Profile | None:
        """Return somebody's profile; None where it cannot be read, which is said once."""
        self._learn(self._cells.values())
        if recipient in self._told:
            return None
        try:
            return self._profiles.profile(cell)
        except ProfileError as error:
            _log.warning("%s: profile: %s; the order is the usual one", recipient, error)
            self._told.add(recipient)
            return None

    def _learn(self, cells: Iterable[str]) -> None:
        if not self._learned:
            self._learned = True
            self._profiles.learn(cells)

    def _counted(self, _newest: int) -> tuple[Commonness, Sequence[Paper]]:
        """Count the words of what the state has seen."""
        seen = self._papers.last_seen(_COUNTED)
        if len(seen) < _ENOUGH:
            return usual(), seen
        return Commonness.among(terms_of(each) for each in seen), seen[:BACKGROUND]
