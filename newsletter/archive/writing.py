"""Write the archive from the state: what is new in it since last time, or all of it."""

from collections.abc import Mapping, Sequence
from datetime import date, tzinfo
from hashlib import sha256
from itertools import starmap
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from newsletter import __version__
from newsletter.archive import bibliography, daily_papers, feeds, folder, issues, search
from newsletter.archive.folder import Folder, Record, file_name
from newsletter.archive.pages import page, templates
from newsletter.config.loading import Config
from newsletter.errors import ConfigError, StateError
from newsletter.models import Day, Issue, Keyword, Paper
from newsletter.phrases import counted
from newsletter.prose import plain
from newsletter.sources.arxiv import identity
from newsletter.state.opening import opened, there_is
from newsletter.state.state import State

_NEWEST = 30  # issues on the first page
_LISTED = 100  # issues on the page of a keyword
_RUNS = 60  # how far back days without an answer are looked for
_FEED_DAYS = 30
_FEED_ENTRIES = 500
_MAILS_WAIT = 2.0  # seconds for somebody else who writes the archive now


class Imprint(Struct, frozen=True, kw_only=True):
    """What the archive is called, what stands in it, and where it is reached.

    `base_url` is empty where that is not known, and `subscribe`, the page for that, where there is
    none. `timezone` is of the dates people see.
    """

    id: str
    title: str
    keywords: tuple[Keyword, ...]
    timezone: tzinfo
    max_papers: int
    base_url: str = ""
    subscribe: str = ""


def imprint(config: Config) -> Imprint:
    """Return the imprint that the configuration wants."""
    return Imprint(
        id=config.newsletter.id,
        title=config.newsletter.title,
        keywords=config.keywords,
        timezone=config.timezone,
        max_papers=config.archive.max_papers,
        base_url=config.archive.base_url or "",
        subscribe=f"{config.web.base_url}/subscribe" if config.web else "",
    )


def write_once(config: Config, output: Path | None, *, rebuild: bool) -> list[Path]:
    """Write the archive now, into `output` or where the configuration says; returns what changed.

    Raises as `destination` does, and as `write`.
    """
    target = destination(config, output)
    with opened(config.place) as state:
        written = write(
            state,
            target,
            imprint(config),
            unanswered=unanswered(state, config.keywords),
            rebuild=rebuild,
        )
    return [target / name for name in written]


def destination(config: Config, output: Path | None) -> Path:
    """Return where to write; ConfigError where nothing says so, StateError before the first run."""
    target = output or config.archive.directory
    if target is None:
        raise ConfigError(["there is no [archive] directory to write to; or name one by --output"])
    if not there_is(config.place):
        raise StateError(config.place.name, "nothing is known yet; try: newsletter run")
    return target


def unanswered(
    state: State, keywords: Sequence[Keyword], *, today: Day | None = None
) -> dict[str, date]:
    """Return the keywords of which is not known what was announced since a day, with that day.

    `today` is the day of a run that is not on record yet.
    """
    unknown: dict[str, date] = {}
    runs = state.history.runs(limit=_RUNS)
    for each in keywords:
        trail = state.trail(each.name)
        asked = [
            run.started
            for run in runs
            if (trail is None or run.started > trail.last_good)
            and any(_is_unknown(said, each.name) for said in run.report["keywords"])
        ]
        if today and any(
            news.keyword.name == each.name and news.outcome == "unknown" for news in today.news
        ):
            asked.append(today.now)
        if asked:
            unknown[each.name] = min(asked).date()
    return unknown


def _is_unknown(said: Mapping[str, str], name: str) -> bool:
    return said["name"] == name and said["outcome"] == "unknown"


def write(
    state: State,
    target: Path,
    imprint: Imprint,
    *,
    unanswered: Mapping[str, date] | None = None,
    rebuild: bool = False,
) -> list[str]:
    """Bring the archive in `target` up to date, and return the names of what changed there.

    `unanswered` has the keywords of which is not known what was announced since a day. Only what
    news touched is looked at, unless `rebuild` or the pages have changed; without news nothing is.
    Raises ArchiveError for what could not be written; the rest is, and the next call
    makes up for it.
    """
    with folder.opened(target) as opened:
        before = None if rebuild else opened.record(_pages(imprint))
        record = _record(state, imprint, unanswered or {})
        if before is None or replace(record, parts=before.parts) != before:
            writer = _Writer(opened, state, imprint, unanswered or {})
            record = replace(record, parts=writer.write(record, before))
            if not opened.problems:
                opened.settle()
                opened.note(record)
                opened.drop_others("search", record.parts)
    return opened.written


def write_issue(state: State, target: Path, imprint: Imprint, number: int) -> None:
    """Write the page of one issue and its bibliography, so that mails can lead there.

    All else is left to `write`, which makes up for what fails here, too. Raises ArchiveError.
    """
    with folder.opened(target, patience=_MAILS_WAIT) as opened:
        _Writer(opened, state, imprint, {}).write_issues(number - 1, number)


def _record(state: State, imprint: Imprint, unanswered: Mapping[str, date]) -> Record:
    """Return the record of a folder that is up to date, but for the parts of its index."""
    return Record(
        pages=_pages(imprint),
        mark=feeds.subtitle(unanswered),
        issue=state.newest_issue(),
        keywords={
            name: f"{state.shelf.mark_of(name)} {unanswered.get(name, '')}"
            for name in _names(state, imprint)
        },
        years=state.shelf.years(),
        parts={},
    )


def _pages(imprint: Imprint) -> str:
    """Return a text that changes when the same papers would make other pages."""
    return sha256(f"{imprint} {templates()} {__version__}".encode()).hexdigest()[:16]


def _names(state: State, imprint: Imprint) -> list[str]:
    """Return the keywords that have a page: those of the configuration first."""
    configured = [each.name for each in imprint.keywords]
    return [*configured, *(name for name in state.shelf.keywords() if name not in configured)]


class _Writer:
    """Writes pages of one state into one folder: leaves first, then what leads to them."""

    def __init__(
        self, target: Folder, state: State, imprint: Imprint, unanswered: Mapping[str, date]
    ) -> None:
        self._target = target
        self._state = state
        self._shelf = state.shelf
        self._imprint = imprint
        self._unanswered = unanswered
        self._sources = " and ".join(self._shelf.sources() or [identity.SOURCE])
        self._names = _names(state, imprint)
        self._known: dict[str, list[Paper]] = {}

    def write(self, record: Record, before: Record | None) -> dict[str, str]:
        """Write what is not as it was `before`, and return the parts of the search index."""
        # A state from a backup may have fewer issues than the folder.
        after = before.issue if before and before.issue <= record.issue else 0
        for month in sorted(self.write_issues(after, record.issue)):
            self._write_month(month)
        changed = _beyond(record.keywords, before.keywords if before else {})
        for name in changed:
            self._write_keyword(name)
        years = _beyond(record.years, before.years if before else {})
        parts = self._write_search(years, before.parts if before else {})
        self._write_feeds(changed, anew=before is None)
        if changed:
            self._write_daily_papers()
        self._write_index()
        return parts

    def write_issues(self, after: int, upto: int) -> set[str]:
        """Write the pages of some issues, one at a time, and return the months they are of."""
        months = set()
        for number in range(after + 1, upto + 1):
            for issue in self._state.issues(number - 1, number):
                self._write_issue(issue)
                months.add(f"{issue.date:%Y-%m}")
        return months

    def _write_issue(self, issue: Issue) -> None:
        day, papers = issues.day_words(issue.date), issues.papers_of(issue)
        self._write_bibliography(f"issues/{issue.number}", papers)
        self._put(
            f"issues/{issue.number}.html",
            title=f"{plain(self._imprint.title)}, {day}",
            date=day,
            number=issue.number,
            month=f"{issue.date:%Y-%m}",
            count=issues.count_words(len(papers)),
            week=self._shelf.week_of(issue.number),
            sections=issues.sections(issue),
        )

    def _write_month(self, month: str) -> None:
        name = _month_words(month)
        self._put(
            f"months/{month}.html",
            title=f"{plain(self._imprint.title)}, {name}",
            month=name,
            issues=issues.lines(self._shelf.contents(month=month)),
        )

    def _write_keyword(self, name: str) -> None:
        papers, file = self._newest(name), file_name(name)
        self._write_bibliography(f"keywords/{file}", papers)
        self._put(
            f"keywords/{file}.html",
            title=f"{plain(self._imprint.title)}: {plain(name)}",
            feed=file,
            name=plain(name),
            file=file,
            most=self._imprint.max_papers,
            papers=issues.known(papers, self._shelf.announced_in(name, papers)),
            issues=issues.lines(self._shelf.contents(keyword=name, limit=_LISTED)),
        )

    def _write_bibliography(self, name: str, papers: Sequence[Paper]) -> None:
        if papers:
            self._target.put(f"{name}.bib", bibliography.bibtex(papers))
            self._target.put(f"{name}.ris", bibliography.ris(papers))

    def _write_search(self, years: Sequence[str], before: Mapping[str, str]) -> dict[str, str]:
        """Write the parts of some years that have other papers than before; return all there are.

        The page that names them all comes last.
        """
        found = {name: papers for name, papers in before.items() if search.year(name) not in years}
        for year in years:
            papers = self._shelf.of_year(year)
            for name, share in search.shares(year, len(papers)).items():
                found[name] = sha256(repr(papers[share]).encode()).hexdigest()[:16]
                if before.get(name) != found[name]:
                    self._target.put(name, search.part(self._shelf.shown(papers[share])))
        self._put(
            "search.html",
            title=f"{plain(self._imprint.title)}, search",
            parts=" ".join(sorted(found, key=search.place, reverse=True)),
            scripts=search.scripts(),
        )
        return found

    def _write_feeds(self, changed: Sequence[str], *, anew: bool) -> None:
        """Write the feeds of what changed, with the entries that stand there unless `anew`."""
        of_all: dict[str, feeds.Entry] = {}
        for name in [None, *changed]:
            files = [f"feeds/{_feed_name(name)}.{kind}" for kind in ("atom", "json")]
            known = {} if anew else feeds.sealed(*map(self._target.text, files))
            made, entries = self._feed(name, of_all | known)
            of_all = of_all or entries
            for file, text in zip(files, (feeds.atom(made), feeds.json_feed(made)), strict=True):
                self._target.put(file, text)
        listed = {_feed_name(name): self._feed_title(name) for name in [None, *self._names]}
        opml = feeds.opml(self._imprint.title, listed, base_url=self._imprint.base_url)
        self._target.put("feeds.opml", opml)

    def _feed(
        self, keyword: str | None, known: Mapping[str, feeds.Entry]
    ) -> tuple[feeds.Feed, dict[str, feeds.Entry]]:
        """Return the feed of a keyword, or of all, and its entries by their seals."""
        pages = f"{_pages(self._imprint)} {self._imprint.id}"
        recent = starmap(
            feeds.News,
            self._shelf.recent(keyword=keyword, days=_FEED_DAYS, limit=_FEED_ENTRIES),
        )
        news = {feeds.seal(each, pages): each for each in recent}
        fresh = [seal for seal in news if seal not in known]
        papers = self._shelf.shown((news[seal].paper, news[seal].version) for seal in fresh)
        made = feeds.entries(
            self._imprint.id,
            ((seal, news[seal], paper) for seal, (paper, _) in zip(fresh, papers, strict=True)),
        )
        entries = {seal: made.get(seal) or known[seal] for seal in news}
        unknown = {name: day for name, day in self._unanswered.items() if keyword in {None, name}}
        updated = max((each.announced for each in news.values()), default=None)
        file = _feed_name(keyword)
        feed = feeds.Feed(
            newsletter=self._imprint.id,
            name=file,
            title=self._feed_title(keyword),
            page=f"keywords/{file}.html" if keyword else "index.html",
            base_url=self._imprint.base_url,
            subtitle=feeds.subtitle(unknown),
            updated=updated or self._shelf.began() or identity.BEGAN,
            entries=tuple(entries.values()),
        )
        return feed, entries

    def _feed_title(self, keyword: str | None) -> str:
        title = plain(self._imprint.title)
        return f"{title}: {plain(keyword)}" if keyword else title

    def _write_daily_papers(self) -> None:
        imprint, updated = self._imprint, self._shelf.last_recorded()
        if updated is None:
            return
        about = daily_papers.about(
            most=imprint.max_papers, updated=updated.astimezone(imprint.timezone).date()
        )
        tables = [
            daily_papers.table(each.name, self._newest(each.name), anchor=file_name(each.name))
            for each in imprint.keywords
        ]
        self._target.put("README.md", daily_papers.markdown(imprint.title, about, tables))
        self._put("daily-papers.html", title=plain(imprint.title), about=about, tables=tables)

    def _write_index(self) -> None:
        self._put(
            "index.html",
            title=f"{plain(self._imprint.title)}, past issues",
            issues=issues.lines(self._shelf.contents(limit=_NEWEST)),
            months=[
                {"month": month, "name": _month_words(month), "count": counted(number, "issue")}
                for month, number in self._shelf.months()
            ],
            keywords=[{"file": file_name(name), "name": plain(name)} for name in self._names],
        )

    def _newest(self, keyword: str) -> list[Paper]:
        if keyword not in self._known:
            self._known[keyword] = self._shelf.newest(keyword, self._imprint.max_papers)
        return self._known[keyword]

    def _put(
        self, page_name: str, /, *, feed: str = "all", scripts: Sequence[str] = (), **values: object
    ) -> None:
        """Fill the template that is called like the folder of a page, or like the page."""
        room, _, _ = page_name.rpartition("/")
        template = f"{room.removesuffix('s')}.html" if room else page_name
        shared = {
            "root": "../" if room else "",
            "newsletter": plain(self._imprint.title),
            "feed": feed,
            "sources": self._sources,
            "subscribe": self._imprint.subscribe,
        }
        self._target.put(page_name, page(template, values | shared, scripts=scripts))


def _beyond(marks: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    return [name for name, mark in marks.items() if before.get(name) != mark]


def _feed_name(keyword: str | None) -> str:
    return file_name(keyword) if keyword else "all"


def _month_words(month: str) -> str:
    return f"{date.fromisoformat(f'{month}-01'):%B %Y}"
