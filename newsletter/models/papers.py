"""The values that cross boundaries. Frozen, without behaviour beyond what follows from them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol

Match = Literal["title-or-abstract", "title-and-abstract"]
Kind = Literal["new", "replacement"]
Frequency = Literal["daily", "weekly"]
Format = Literal["html", "text"]
KeywordOutcome = Literal["new", "none", "not-scheduled", "baseline", "unknown"]
DeliveryStatus = Literal[
    "untried", "sending", "deferred", "unknown", "accepted", "rejected", "suppressed", "expired"
]

FINAL: frozenset[DeliveryStatus] = frozenset({"accepted", "rejected", "suppressed", "expired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyword:
    """A named query that people subscribe to.

    `query` replaces the phrase `name` by a raw arXiv query; `categories` narrow ("cs" takes all of
    cs.*), `authors` add papers; `exact` means whole words as written, without stemming.
    """

    name: str
    match: Match = "title-or-abstract"
    query: str | None = None
    categories: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    exact: bool = False
    replacements: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One e-print as arXiv lists it; texts are as arXiv sends them, TeX included.

    `arxiv_id` has no version (`2401.01234`, `hep-th/9901001`). `categories` has the primary
    category first. `submitted` is when v1 was submitted, `updated` when this version was; both in
    UTC. Neither says when the paper was announced.
    """

    arxiv_id: str
    version: int
    title: str
    abstract: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    submitted: datetime
    updated: datetime
    comment: str = ""
    journal_ref: str = ""
    doi: str = ""

    @property
    def abstract_url(self) -> str:
        """The page people should land on: built from the id, never copied from a feed."""
        return f"https://arxiv.org/abs/{self.arxiv_id}"

    @property
    def pdf_url(self) -> str:
        """The full text; always the current version."""
        return f"https://arxiv.org/pdf/{self.arxiv_id}"

    @property
    def html_url(self) -> str:
        """The HTML edition, which arXiv has for most papers since December 2023."""
        return f"https://arxiv.org/html/{self.arxiv_id}"

    @property
    def bibtex_url(self) -> str:
        """The entry for a bibliography."""
        return f"https://arxiv.org/bibtex/{self.arxiv_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Masthead:
    """Who publishes: what the headers and the foot of every mail are made from.

    `id` is stable for ever (List-Id, Message-ID). `sender` is one RFC 5322 mailbox.
    `unsubscribe_address` takes `+TOKEN` before its @; `bounce_address` too, where bounces are read.
    `base_url` is where the web part is reached, empty without one.
    """

    id: str
    title: str
    sender: str
    unsubscribe_address: str
    reply_to: str = ""
    bounce_address: str = ""
    base_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a source must know to answer for one keyword.

    `start` is where the window of submission times opens (it closes after `now`). `known` maps
    the ids announced before to their submission time: those inside the window must come back,
    else the answer is not to be trusted. `last_good` is when arXiv last answered for this keyword,
    None before the baseline. `held_since` is when a listing was first held because of a surge that
    no later listing has confirmed yet.
    """

    keyword: Keyword
    start: datetime
    known: Mapping[str, datetime] = field(default_factory=dict)
    last_good: datetime | None = None
    held_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What arXiv returned for one keyword over its window.

    With replacements on, `papers` also has what was lately updated, whenever it was submitted.
    `complete` is False when the answer cannot be trusted; `papers` is then empty. `current` is
    False when the index did not yet hold the last announcement: what is listed can be trusted, its
    silence cannot. `reason` explains either in plain words. `due` says whether an announcement was
    scheduled since the keyword's last good answer. `held` marks an incomplete listing that waits
    for a later one to confirm how much is new.
    """

    keyword: str
    papers: tuple[Paper, ...]
    complete: bool
    reason: str = ""
    current: bool = True
    due: bool = True
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One listing for each scope, in its order, and how many HTTP requests they took."""

    listings: tuple[Listing, ...]
    requests: int


class Source(Protocol):
    """Where papers come from."""

    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:
        """Return one listing per scope. An outage is an incomplete listing, not an exception."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A paper as news. `replaces` is the version announced before, for a replacement."""

    paper: Paper
    kind: Kind = "new"
    replaces: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The announcements of one keyword in one issue, newest first.

    A keyword with nothing to announce has a digest too: it says why. `listed` counts the papers
    arXiv returned for the keyword's window; `since` is the last good answer before this one, None
    at the baseline.
    """

    keyword: Keyword
    outcome: KeywordOutcome
    announcements: tuple[Announcement, ...] = ()
    listed: int = 0
    since: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One dated, numbered publication of everything new. `date` is the date people see."""

    number: int
    date: date
    digests: tuple[Digest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A row of the list file that passed every check.

    `keywords` is None for all of them. `email` is deliverable as written: local part as given,
    domain as A-labels in lower case.
    """

    email: str
    name: str = ""
    keywords: tuple[str, ...] | None = None
    frequency: Frequency = "daily"
    paused: bool = False
    format: Format = "html"
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """An issue as one subscriber gets it: their keywords, each paper once in full.

    `shown_in` maps an arXiv id to the keyword under which the paper appears in full; under its
    other keywords it is only named. Subscribers with the same keywords share one edition.
    """

    issue: int
    date: date
    digests: tuple[Digest, ...]
    shown_in: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """An edition as text, in pieces that follow one another.

    Joined, the pieces are the whole part. Most are shared by many editions (one paper's card is
    the same string object in all of them), so whatever is done to a piece can be done once.
    A piece may hold the slot `{unsubscribe}` of `render.UNSUBSCRIBE`, nothing else is personal.
    `date` is that of the issue.
    """

    date: date
    subject: str
    html: tuple[str, ...]
    text: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is owed to one recipient for one issue, frozen when the issue was opened.

    `keywords` are in the subscriber's order; in per-keyword mode there is one delivery a keyword.
    `after` is the number of the last issue whose news the recipient has had: the edition takes
    everything after it. `attempts` counts how often it was tried.
    """

    id: int
    issue: int
    after: int
    recipient: str
    keywords: tuple[str, ...]
    format: Format
    status: DeliveryStatus = "untried"
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """RFC 5321 sender and recipient; `id` is the ENVID of a delivery status notification."""

    sender: str
    recipient: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one attempt: a delivery status, and the reply that led to it.

    `code` is the SMTP reply code, 0 where no server was asked or none answered; `text` is the
    reply, or the reason in plain words.
    """

    status: DeliveryStatus
    code: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message ready to leave: CRLF line ends, not dot-stuffed, in parts to be joined.

    No part begins or ends inside a line, and parts shared by many messages are the same object in
    all of them.
    """

    delivery: int
    envelope: Envelope
    message: tuple[bytes, ...]


class Ledger(Protocol):
    """What a transport writes down while it works."""

    def commit(self, outcomes: Mapping[int, Outcome], intents: Collection[int]) -> frozenset[int]:
        """Note in one transaction what became of some deliveries and what leaves next.

        Both are keyed by `Delivery.id`; outcomes come first where one is in both. An intent is
        committed before the message's envelope is sent, so that a suppression is seen in time; at
        most one earlier message of the same connection may still await its outcome then. Returns
        those of `intents` that may leave; the others were suppressed meanwhile and are on record
        as such, or stay outstanding. A transport may call it from another thread, but never twice
        at once.
        """
        ...


class Transport(Protocol):
    """How a message leaves."""

    def send(self, outgoing: Iterator[Outgoing], ledger: Ledger) -> None:
        """Take messages until there are none, telling the ledger before and after each.

        Raises TransportError when going on is useless; what was not recorded stays outstanding.
        """
        ...
