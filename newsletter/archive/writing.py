"""Write the archive from the state: what is new in it since last time, or all of it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from datetime import date
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from newsletter import __version__
from newsletter.archive import daily_papers, folder, issues
from newsletter.archive.folder import MARK, Folder, file_name
from newsletter.archive.pages import page, templates
from newsletter.config.loading import Config
from newsletter.errors import ConfigError, StateError
from newsletter.models import Issue, Keyword
from newsletter.phrases import counted
from newsletter.prose import plain
from newsletter.sources.arxiv import identity
from newsletter.state.state import State

_RECORD = ".arxiv-newsletter.json"
_NEWEST = 30  # issues on the first page
_LISTED = 100  # issues on the page of a keyword


@dataclass(frozen=True, slots=True, kw_only=True)
class Imprint:
    """What the archive is called, what stands in it, and where it is reached.

    `base_url` is empty where that is not known. `timezone` is of the dates people see.
    """

    id: str
    title: str
    keywords: tuple[Keyword, ...]
    timezone: ZoneInfo
    max_papers: int
    base_url: str = ""


def imprint(config: Config) -> Imprint:
    """Return the imprint that the configuration wants."""
    return Imprint(
        id=config.newsletter.id,
        title=config.newsletter.title,
        keywords=config.keywords,
        timezone=config.timezone,
        max_papers=config.archive.max_papers,
        base_url=config.archive.base_url or "",
    )


def write_once(config: Config, output: Path | None, *, rebuild: bool) -> list[Path]:
    """Write the archive now, into `output` or where the configuration says; returns what changed.

    Raises ConfigError where neither says where, StateError before the first run.
    """
    target = output or config.archive.directory
    if target is None:
        raise ConfigError(["there is no [archive] directory to write to; or name one by --output"])
    if not config.state.file.exists():
        raise StateError(config.state.file, "nothing is known yet; try: newsletter run")
    with State.open(config.state.file) as state:
        return [target / name for name in write(state, target, imprint(config), rebuild=rebuild)]


def write(state: State, target: Path, imprint: Imprint, *, rebuild: bool = False) -> list[str]:
    """Bring the archive in `target` up to date, and return the names of what changed there.

    Only what news touched is looked at, unless `rebuild` or the pages have changed. Without news
    nothing is. Raises ArchiveError for what could not be written; the rest is, and the next call
    makes up for it.
    """
    with folder.opened(target) as opened:
        before = None if rebuild else _Record.of(opened, imprint)
        record = _Record(
            pages=_pages(imprint), mark=state.papers.mark(), issue=state.newest_issue()
        )
        if before != record:
            _Writer(opened, state, imprint).write(after=before.issue if before else 0)
            if not opened.problems:
                opened.settle()
                opened.put(_RECORD, record.text())
    return opened.written


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What the folder is up to date with: it is written last, so that a kill is made up for."""

    pages: str
    mark: str
    issue: int

    @classmethod
    def of(cls, target: Folder, imprint: Imprint) -> "_Record | None":
        """Return what the last call wrote, None where all is to be written."""
        try:
            fields = json.loads((target.path / _RECORD).read_bytes())
            found = cls(**{each.name: fields[each.name] for each in dataclass_fields(cls)})
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
        return found if found.pages == _pages(imprint) else None

    def text(self) -> str:
        """Return the record as it stands in its file."""
        return json.dumps({"written by": MARK} | asdict(self)) + "\n"


def _pages(imprint: Imprint) -> str:
    """Return a text that changes when the same papers would make other pages."""
    return sha256(f"{imprint} {templates()} {__version__}".encode()).hexdigest()[:16]


class _Writer:
    """Writes pages of one state into one folder: leaves first, then what leads to them."""

    def __init__(self, target: Folder, state: State, imprint: Imprint) -> None:
        self._target = target
        self._state = state
        self._imprint = imprint
        self._sources = " and ".join(state.papers.sources() or [identity.SOURCE])

    def write(self, *, after: int) -> None:
        """Write the pages of the issues after one, and what every piece of news touches."""
        newest = self._state.newest_issue()
        months = set()
        for number in range(after + 1, newest + 1):
            for issue in self._state.issues(number - 1, number):
                self._write_issue(issue)
                months.add(f"{issue.date:%Y-%m}")
        for month in sorted(months):
            self._write_month(month)
        names = list(dict.fromkeys([e.name for e in self._imprint.keywords]))
        names += [name for name in self._state.papers.keywords() if name not in names]
        for name in names:
            self._write_keyword(name)
        self._write_index(names)
        self._write_daily_papers()

    def _write_issue(self, issue: Issue) -> None:
        day = issues.day_words(issue.date)
        self._put(
            f"issues/{issue.number}.html",
            title=f"{plain(self._imprint.title)}, {day}",
            date=day,
            number=issue.number,
            month=f"{issue.date:%Y-%m}",
            count=counted(len(issues.papers_of(issue)), "paper"),
            sections=issues.sections(issue),
        )

    def _write_month(self, month: str) -> None:
        name = _month_words(month)
        self._put(
            f"months/{month}.html",
            title=f"{plain(self._imprint.title)}, {name}",
            month=name,
            issues=issues.lines(self._state.papers.contents(month=month)),
        )

    def _write_keyword(self, name: str) -> None:
        book = self._state.papers
        papers = book.newest(name, self._imprint.max_papers)
        self._put(
            f"keywords/{file_name(name)}.html",
            title=f"{plain(self._imprint.title)}: {plain(name)}",
            name=plain(name),
            anchor=file_name(name),
            most=self._imprint.max_papers,
            papers=issues.known(papers, book.announced_in(name, papers)),
            issues=issues.lines(book.contents(keyword=name, limit=_LISTED)),
        )

    def _write_index(self, names: Sequence[str]) -> None:
        book = self._state.papers
        self._put(
            "index.html",
            title=f"{plain(self._imprint.title)}, past issues",
            issues=issues.lines(book.contents(limit=_NEWEST)),
            months=[
                {"month": month, "name": _month_words(month), "count": counted(number, "issue")}
                for month, number in book.months()
            ],
            keywords=[{"page": file_name(name), "name": plain(name)} for name in names],
        )

    def _write_daily_papers(self) -> None:
        book, imprint = self._state.papers, self._imprint
        updated = book.last_recorded()
        if updated is None:
            return
        about = daily_papers.about(
            most=imprint.max_papers, updated=updated.astimezone(imprint.timezone).date()
        )
        tables = [
            daily_papers.table(
                each.name, book.newest(each.name, imprint.max_papers), anchor=file_name(each.name)
            )
            for each in imprint.keywords
        ]
        self._target.put("README.md", daily_papers.markdown(imprint.title, about, tables))
        self._put("daily-papers.html", title=plain(imprint.title), about=about, tables=tables)

    def _put(self, file: str, /, **values: object) -> None:
        """Fill the template that is called like the folder of a page, or like the page."""
        room, _, _ = file.rpartition("/")
        template = f"{room.removesuffix('s')}.html" if room else file
        shared = {
            "root": "../" if room else "",
            "newsletter": plain(self._imprint.title),
            "sources": self._sources,
        }
        self._target.put(file, page(template, values | shared))


def _month_words(month: str) -> str:
    return f"{date.fromisoformat(f'{month}-01'):%B %Y}"
