"""The daily job on real parts, with a source that says what a test tells it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from threading import Event
from zoneinfo import ZoneInfo

from newsletter.job import asking, daily
from newsletter.job.inbox import Returns
from newsletter.job.mailroom import Mailroom, Press
from newsletter.job.report import Report
from newsletter.mails.message import Composer
from newsletter.mails.render import Renderer
from newsletter.models import (
    Fetched,
    Keyword,
    Listing,
    Masthead,
    Paper,
    Recalled,
    Scope,
    Source,
    Subscriber,
    Transport,
)
from newsletter.returns.meaning import Clerk
from newsletter.sending.outbox import Outbox
from newsletter.state.state import State
from newsletter.subscribers.people import People
from newsletter.subscribers.suppressions import Suppressions
from tests.making.papers import NOW

MASTHEAD = Masthead(
    id="daily-papers",
    title="Daily Papers",
    sender="Daily Papers <papers@example.org>",
    unsubscribe_address="leave@example.org",
)


class ToldSource:
    """A source that lists what it is told, keyword by keyword; an error is an outage."""

    def __init__(self) -> None:
        self.papers: dict[str, tuple[Paper, ...]] = {}
        self.down = ""
        self.unread: tuple[str, ...] = ()
        self.scopes: tuple[Scope, ...] = ()

    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:
        self.scopes = scopes
        return Fetched(
            listings=tuple(self._listing(each.keyword.name) for each in scopes), requests=1
        )

    def by_id(self, ids: Sequence[str], *, now: datetime) -> Recalled:
        known = (each for papers in self.papers.values() for each in papers)
        return Recalled(papers=tuple(each for each in known if each.id in ids), requests=1)

    def _listing(self, name: str) -> Listing:
        if self.down:
            return Listing(
                keyword=name, source="arXiv", papers=(), complete=False, reason=self.down
            )
        return Listing(
            keyword=name,
            source="arXiv",
            papers=self.papers.get(name, ()),
            complete=True,
            unread=self.unread,
        )


@dataclass
class Newsroom:
    """A folder with a state file, an outbox and a suppression file, and the job on top.

    Papers come from `told`, unless another source is given.
    """

    folder: Path
    keywords: Sequence[Keyword] = (Keyword(name="mri"), Keyword(name="pet"))
    subscribers: Iterable[Subscriber] | People = (Subscriber(email="ada@example.org"),)
    told: ToldSource = field(default_factory=ToldSource)
    source: Source | None = None
    transport: Transport | None = None
    per_keyword: bool = False
    judging: bool = False  # whether what servers refuse is judged
    open_state: Callable[[Path], State] = State.open
    open_renderer: Callable[[], Renderer] = lambda: Renderer(MASTHEAD, templates=None)
    on_compose: Callable[[], None] = lambda: None
    page: Callable[[int], object] = lambda _issue: None

    def run(self, *, now: datetime = NOW, stop: Event | None = None) -> Report:
        with self.open_state(self.folder / "state.sqlite3") as state:
            composer = partial(
                Composer,
                MASTHEAD,
                now=now,
                token=self._token,
                per_keyword=self.per_keyword,
            )
            suppressions = Suppressions(self.folder / "suppressions.csv")
            mailroom = Mailroom(
                state=state,
                press=Press(state.issues, self.open_renderer, composer),
                transport=self.transport or Outbox(self.folder / "outbox"),
                suppressions=suppressions,
                clock=lambda: now,
                stop=stop or Event(),
            )
            return daily.run(
                self.keywords,
                self._people(),
                before=state.readers(),
                source=self.source or self.told,
                state=state,
                mailroom=mailroom,
                rules=asking.Rules(
                    lookback_days=30,
                    baseline_days=1,
                    max_age=timedelta(hours=48),
                    per_keyword=self.per_keyword,
                    timezone=ZoneInfo("UTC"),
                ),
                now=now,
                returns=partial(self._returns, state, suppressions) if self.judging else None,
                page=self.page,
            )

    def _people(self) -> People:
        given = self.subscribers
        return given if isinstance(given, People) else People(given)

    def _returns(self, state: State, suppressions: Suppressions) -> Returns:
        return Returns(
            deliveries=state.deliveries,
            bounces=state.bounces,
            suppressions=suppressions,
            clerk=Clerk(MASTHEAD, keys=[b"a key"], addresses=state.recipients),
        )

    def _token(self, address: str) -> str:
        self.on_compose()
        return f"token{len(address)}"

    def mails(self) -> list[EmailMessage]:
        """Return what lies in the outbox, by recipient and subject."""
        found = [
            message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in (self.folder / "outbox").glob("new/*")
        ]
        return sorted(found, key=lambda mail: (mail["To"], mail["Subject"]))
