"""Archives written by the daily job and the real writer, from papers that a test names."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from newsletter.archive.writing import Imprint, unanswered, write
from newsletter.models import Keyword, Paper
from newsletter.state.state import State
from tests.making.newsroom import MASTHEAD, Newsroom
from tests.making.papers import DAY, NOW

KEYWORDS = (Keyword(name="mri"), Keyword(name="graph neural network"))


def imprint(keywords: Sequence[Keyword] = KEYWORDS, *, base_url: str = "") -> Imprint:
    """Return the imprint of the newsletter of the tests."""
    return Imprint(
        id=MASTHEAD.id,
        title=MASTHEAD.title,
        keywords=tuple(keywords),
        timezone=ZoneInfo("UTC"),
        max_papers=100,
        base_url=base_url,
    )


class Library:
    """A newsroom in a folder, and the archive of what it announced in `archive/`."""

    def __init__(
        self, folder: Path, *, keywords: Sequence[Keyword] = KEYWORDS, base_url: str = ""
    ) -> None:
        self.room = Newsroom(folder, keywords=keywords)
        self.imprint = imprint(keywords, base_url=base_url)
        self.folder = folder / "archive"
        self.begin()

    def begin(self) -> None:
        """Take a baseline without papers, the day before the first day of the tests."""
        self.room.run(now=NOW - DAY)

    def day(self, papers: dict[str, tuple[Paper, ...]], *, now: datetime = NOW) -> list[str]:
        """List papers by keyword, run the job, and return what changed in the archive."""
        self.room.told.papers = papers
        self.room.run(now=now)
        return self.write()

    def write(self, *, rebuild: bool = False) -> list[str]:
        """Write the archive, and return what changed in it."""
        with State.open(self.room.folder / "state.sqlite3") as state:
            unknown = unanswered(state, self.imprint.keywords)
            return write(state, self.folder, self.imprint, unanswered=unknown, rebuild=rebuild)

    def text(self, name: str) -> str:
        """Return what stands in a file of the archive."""
        return (self.folder / name).read_text("utf-8")
