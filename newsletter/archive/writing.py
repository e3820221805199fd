"""Write the archive from the state: what is new in it since last time, or all of it."""

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from newsletter.archive import daily_papers, folder
from newsletter.archive.folder import Folder, file_name
from newsletter.archive.pages import page
from newsletter.config.loading import Config
from newsletter.errors import ConfigError, StateError
from newsletter.models import Keyword
from newsletter.sources.arxiv import identity
from newsletter.state.state import State


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


def write_once(config: Config, output: Path | None) -> list[Path]:
    """Write the archive now, into `output` or where the configuration says; returns what changed.

    Raises ConfigError where neither says where, StateError before the first run.
    """
    target = output or config.archive.directory
    if target is None:
        raise ConfigError(["there is no [archive] directory to write to; or name one by --output"])
    if not config.state.file.exists():
        raise StateError(config.state.file, "nothing is known yet; try: newsletter run")
    with State.open(config.state.file) as state:
        return [target / name for name in write(state, target, imprint(config))]


def write(state: State, target: Path, imprint: Imprint) -> list[str]:
    """Bring the archive in `target` up to date, and return the names of what changed there.

    Without news nothing does. Raises ArchiveError for what could not be written; the rest is.
    """
    with folder.opened(target) as opened:
        _write_daily_papers(opened, state, imprint)
    return opened.written


def _write_daily_papers(target: Folder, state: State, imprint: Imprint) -> None:
    updated = state.papers.last_recorded()
    if updated is None:
        return
    about = daily_papers.about(
        most=imprint.max_papers, updated=updated.astimezone(imprint.timezone).date()
    )
    tables = [
        daily_papers.table(
            each.name,
            state.papers.newest(each.name, imprint.max_papers),
            anchor=file_name(each.name),
        )
        for each in imprint.keywords
    ]
    target.put("README.md", daily_papers.markdown(imprint.title, about, tables))
    target.put(
        "daily-papers.html",
        page(
            "daily-papers.html",
            title=imprint.title,
            about=about,
            tables=tables,
            sources=" and ".join(state.papers.sources() or [identity.SOURCE]),
        ),
    )
