"""Show the daily job at work on the sample: two days, and a page of the mails. Sends nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from importlib.resources import as_file, files
from pathlib import Path
from shutil import copy, rmtree

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from newsletter.config import loading
from newsletter.errors import StateError
from newsletter.job import run as job
from newsletter.job.report import Report
from newsletter.preview import viewing

MARK = ".newsletter-demo"

_DAYS = (
    ("Day one", "day1", datetime(2026, 11, 19, 10, tzinfo=UTC)),
    ("Day two", "day2", datetime(2026, 11, 20, 10, tzinfo=UTC)),
)
_COPIED = ("newsletter.toml", "subscribers.csv", "day1.xml", "day2.xml")
_MADE = ("index.html", "mails", "outbox", "state.sqlite3*", "suppressions.csv")


class Mail(Struct, frozen=True, kw_only=True):
    """A mail for the page; the three are paths relative to it, `html` empty for a text mail."""

    recipient: str
    subject: str
    text: str
    html: str
    message: str


class Day(Struct, frozen=True, kw_only=True):
    """One run of the job, and the mails it wrote."""

    name: str
    report: Report
    mails: tuple[Mail, ...]


def run_demo(folder: Path, *, console: Console | None = None) -> None:
    """Run the job as of both days of the sample in `folder`, and tell what came of it.

    Starts afresh each time. Raises StateError when `folder` holds something else than a demo.
    """
    console = console or Console()
    prepare(folder)
    days = [_run(folder, *day) for day in _DAYS]
    page = folder / "index.html"
    page.write_text(viewing.page("demo.html", days=days), encoding="utf-8")
    console.print(_table(days))
    console.print(f"The mails, as a mail client has them: {folder / 'outbox'}", soft_wrap=True)
    console.print(f"A page to open in a browser:          {page}", soft_wrap=True)


def prepare(folder: Path) -> None:
    """Put the sample into `folder`, and away with what an earlier demo made there."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise StateError(folder, "is not empty and was not made by the demo; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    for path in [path for pattern in _MADE for path in folder.glob(pattern)]:
        if path.is_dir():
            rmtree(path)
        else:
            path.unlink()
    with as_file(files("newsletter.preview") / "sample") as sample:
        for name in _COPIED:
            copy(sample / name, folder / name)


def _run(folder: Path, name: str, label: str, now: datetime) -> Day:
    # Not the environment of this process, nor its secrets: the demo must not meet a mail server.
    environ = {"NEWSLETTER_SOURCE__FILE": f"{label}.xml", "NEWSLETTER_SECRETS_DIR": str(folder)}
    settings = loading.load(folder / "newsletter.toml", environ=environ)
    inbox = settings.outbox.directory / "new"
    before = set(inbox.glob("*"))
    report = job.run(settings, now=now)
    for trouble in report.troubles:
        raise trouble
    target = folder / "mails" / label
    target.mkdir(parents=True)
    mails = [_unpacked(path, target) for path in set(inbox.glob("*")) - before]
    return Day(name=name, report=report, mails=tuple(sorted(mails, key=lambda m: m.recipient)))


def _unpacked(path: Path, target: Path) -> Mail:
    """Write the parts of a mail as files of their own, named after the recipient."""
    content = path.read_bytes()
    message = message_from_bytes(content, policy=default)
    recipient = message["To"].addresses[0].addr_spec
    stem = target / recipient.partition("@")[0]
    stem.with_suffix(".eml").write_bytes(content)
    return Mail(
        recipient=recipient,
        subject=message["Subject"],
        text=_part(message, "plain", stem.with_suffix(".txt")),
        html=_part(message, "html", stem.with_suffix(".html")),
        message=_from_page(stem.with_suffix(".eml")),
    )


def _part(message: EmailMessage, kind: str, path: Path) -> str:
    body = message.get_body((kind,))
    if body is None:
        return ""
    # With a byte order mark, for a file opened from disk has no charset.
    path.write_text(body.get_content(), encoding="utf-8-sig")
    return _from_page(path)


def _from_page(path: Path) -> str:
    return "/".join(path.parts[-3:])


def _table(days: Sequence[Day]) -> Table:
    table = Table(title="The daily job on the sample", title_justify="left")
    for heading in ("Day", "Keyword", "Listed", "Announced", "Mails"):
        table.add_column(heading, justify="right" if heading in {"Listed", "Mails"} else "left")
    for day in days:
        first = [day.name, str(len(day.mails))]
        for each in day.report.news:
            replaced = sum(found.kind == "replacement" for found in each.announcements)
            words = [f"{len(each.announcements) - replaced} new"]
            words += [f"{replaced} replaced"] if replaced else []
            name, mails = first
            table.add_row(name, each.keyword.name, str(each.listed), ", ".join(words), mails)
            first = ["", ""]
        table.add_section()
    return table
