"""What is looked for and what is found: keywords, papers, and what a source says of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct, field

Match = Literal["title-or-abstract", "title-and-abstract"]

IDS_A_REQUEST = 100  # papers that a source is asked for by id at a time


class Keyword(Struct, frozen=True, kw_only=True):
    """A named query that people subscribe to.

    Its phrases are looked for: `phrases`, or else its name; none at all where only `authors` are
    followed, who add papers anyway. `query` replaces the phrases by a raw arXiv query.
    `categories` narrow ("cs" takes all of cs.*); `exclude` leaves out papers that hold one of
    these; `exact` means whole words as written, without stemming.
    """

    name: str
    match: Match = "title-or-abstract"
    query: str | None = None
    categories: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    exact: bool = False
    replacements: bool = False
    phrases: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()

    @property
    def looked_for(self) -> tuple[str, ...]:
        """The phrases of which a paper holds at least one; none for a raw query."""
        if self.query is not None:
            return ()
        return (self.name,) if self.phrases is None else self.phrases


class Link(Struct, frozen=True, kw_only=True):
    """Where something of a paper can be read: "Abstract", "PDF", "HTML", "BibTeX"."""

    label: str
    url: str


class Paper(Struct, frozen=True, kw_only=True):
    """One e-print as its source lists it; texts are as the source sends them, TeX included.

    `id` is the source's scheme and the paper's name there, without a version (`arxiv:2401.01234`).
    `source` is what people call where it comes from ("arXiv"). `links` has the page people should
    land on first. `categories` has the primary category first. `submitted` is when v1 was
    submitted, `updated` when this version was; both in UTC. Neither says when the paper was
    announced.
    """

    id: str
    source: str
    links: tuple[Link, ...]
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
    def local_id(self) -> str:
        """What the source itself calls the paper: `2401.01234`, `hep-th/9901001`."""
        return self.id.partition(":")[2]


class Scope(Struct, frozen=True, kw_only=True):
    """What a source must know to answer for one keyword.

    `start` is where the window of submission times opens (it closes after `now`). `known` maps
    the ids announced before to their submission time: those inside the window must come back,
    else the answer is not to be trusted. `last_good` is when it last answered for this keyword,
    None before the baseline. `held_since` is when a listing was first held because of a surge that
    no later listing has confirmed yet.
    """

    keyword: Keyword
    start: datetime
    known: Mapping[str, datetime] = field(default_factory=dict)
    last_good: datetime | None = None
    held_since: datetime | None = None


class Listing(Struct, frozen=True, kw_only=True):
    """What a source returned for one keyword over its window.

    `source` is what people call it ("arXiv"). With replacements on, `papers` also has what was
    lately updated, whenever it was submitted. `complete` is False when the answer cannot be
    trusted; `papers` is then empty. `current` is False when the index did not yet hold the last
    announcement: what is listed can be trusted, its silence cannot. `reason` explains either in
    plain words. `due` says whether an announcement was scheduled since the keyword's last good
    answer. `held` marks an incomplete listing that waits for a later one to confirm how much is
    new. `unread` names records that may be the keyword's and could not be read.
    """

    keyword: str
    source: str
    papers: tuple[Paper, ...]
    complete: bool
    reason: str = ""
    current: bool = True
    due: bool = True
    held: bool = False
    unread: tuple[str, ...] = ()


class Fetched(Struct, frozen=True, kw_only=True):
    """One listing for each scope, in its order, and how many HTTP requests they took."""

    listings: tuple[Listing, ...]
    requests: int


class Recalled(Struct, frozen=True, kw_only=True):
    """Those of the papers asked for by id that there are, and how many HTTP requests that took.

    Where there is no answer to be trusted there are none, and `reason` says why in plain words.
    """

    papers: tuple[Paper, ...]
    requests: int
    reason: str = ""


class Source(Protocol):
    """Where papers come from."""

    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:
        """Return one listing per scope. An outage is an incomplete listing, not an exception."""
        ...

    def by_id(self, ids: Sequence[str], *, now: datetime) -> Recalled:
        """Return those of up to IDS_A_REQUEST papers that the source has, by one request.

        An outage is a reason, not an exception.
        """
        ...
