"""Issues and what they are made of, and what the state knows of a day."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Literal, TypeAlias

from msgspec import Struct, field
from msgspec.structs import fields

from newsletter.models.papers import Keyword, Paper
from newsletter.models.people import Abstracts

Kind = Literal["new", "replacement"]

_Date: TypeAlias = date  # in a class with a field of that name


KeywordOutcome = Literal["new", "none", "not-scheduled", "baseline", "unknown"]


class Masthead(Struct, frozen=True, kw_only=True):
    """Who publishes: what the headers and the foot of every mail are made from.

    `id` is stable for ever (List-Id, Message-ID). `sender` is one RFC 5322 mailbox.
    `unsubscribe_address` takes `+TOKEN` before its @; `bounce_address` too, where bounces are read.
    `base_url` is where the web part is reached, `archive_url` where the archive is served; both
    are empty without one. `changeable` names the keywords that readers may choose by mail; it is
    empty where nobody reads what they write.
    """

    id: str
    title: str
    sender: str
    unsubscribe_address: str
    reply_to: str = ""
    bounce_address: str = ""
    base_url: str = ""
    archive_url: str = ""
    changeable: tuple[str, ...] = ()

    def issue_url(self, number: int) -> str:
        """Return where an issue can be read in a browser, empty without an archive."""
        return f"{self.archive_url}/issues/{number}.html" if self.archive_url else ""


class Announcement(Struct, frozen=True, kw_only=True):
    """A paper as news. `replaces` is the version announced before, for a replacement."""

    paper: Paper
    kind: Kind = "new"
    replaces: int | None = None


class LeftOut(Struct, frozen=True, kw_only=True):
    """A paper that is no news, by the text of the exclusion that it holds."""

    paper: Paper
    by: str


class Digest(Struct, frozen=True, kw_only=True):
    """The announcements of one keyword in one issue, newest first.

    A keyword with nothing to announce has a digest too: it says why. `source` is what people call
    where it was looked for; `listed` counts the papers returned for the keyword's window; `since`
    is the last good answer before this one, None at the baseline. `left_out` counts what would have
    been news but for an exclusion, by the exclusion's text.
    """

    keyword: Keyword
    source: str
    outcome: KeywordOutcome
    announcements: tuple[Announcement, ...] = ()
    listed: int = 0
    since: datetime | None = None
    reason: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)


class Issue(Struct, frozen=True, kw_only=True):
    """One dated, numbered publication of everything new. `date` is the date people see."""

    number: int
    date: date
    digests: tuple[Digest, ...]


class Edition(Struct, frozen=True, kw_only=True):
    """An issue as one subscriber gets it: their keywords, each paper once in full.

    `shown_in` maps the id of a paper to the keyword under which it appears in full; under its other
    keywords it is only named. `best_first` has the ids in the order in which they get space.
    `issues` are the numbers of those that it covers; `first` is the first day that a weekly edition
    covers, None for a daily one; `abstracts` says how much is shown of each. Subscribers with the
    same keywords and wishes share one edition.
    """

    issue: int
    date: date
    digests: tuple[Digest, ...]
    shown_in: Mapping[str, str]
    best_first: tuple[str, ...] = ()
    issues: tuple[int, ...] = ()
    first: _Date | None = None
    abstracts: Abstracts = "excerpt"


class Memory(Struct, frozen=True, kw_only=True):
    """What the state remembers about one keyword.

    `announced` maps the id of each paper ever announced, recorded by a baseline or left out to its
    highest version. `since` is where the first window opened, `last_good` when it was last
    answered; both are None for a keyword never answered before. `former` is what the keyword meant
    at its last good answer, None when it means the same now.
    """

    announced: Mapping[str, int]
    since: datetime | None = None
    last_good: datetime | None = None
    former: Keyword | None = None

    @property
    def needs_baseline(self) -> bool:
        """Whether the next good answer is a starting point rather than a day's news."""
        return self.last_good is None or self.former is not None


class News(Digest, frozen=True, kw_only=True):
    """What one listing means for one keyword: its digest, and what is to be remembered beside it.

    `recorded` are papers that become known without being announced: a baseline's older papers.
    `excluded` are those that would be news but for an exclusion; they become known, too.
    `unread` names records that may be news and could not be read.
    """

    recorded: tuple[Paper, ...] = ()
    excluded: tuple[LeftOut, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest:
        """What an issue says of it."""
        return Digest(**{each.name: getattr(self, each.name) for each in fields(Digest)})


class Trail(Struct, frozen=True, kw_only=True):
    """When a keyword was answered: where its windows have been."""

    since: datetime
    last_good: datetime
    last_sweep: datetime


class Day(Struct, frozen=True, kw_only=True):
    """What a run learned from its source.

    `windows` is where each keyword's window opened; `swept` names the keywords whose window was a
    sweep, `held` those whose surge waits for a later answer to confirm it.
    """

    now: datetime
    news: Sequence[News]
    windows: Mapping[str, datetime]
    swept: Collection[str] = ()
    held: Collection[str] = ()
