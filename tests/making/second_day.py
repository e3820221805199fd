"""The sample newsletter with an empty inbox, after its first day and ready for its second."""

import mailbox
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from newsletter.config.loading import load
from newsletter.job import run as job
from newsletter.job.report import Report

DAY_ONE = datetime(2026, 11, 19, 10, tzinfo=UTC)
DAY_TWO = datetime(2026, 11, 20, 10, tzinfo=UTC)


def prepare(folder: Path) -> None:
    """Put the sample and a Maildir into a folder, and run the first day."""
    for each in (files("newsletter.preview") / "sample").iterdir():
        if each.is_file():
            (folder / each.name).write_bytes(each.read_bytes())
    toml = folder / "newsletter.toml"
    with toml.open("a") as file:
        file.write('[bounces]\naddress = "bounces@example.org"\n')
        file.write('[inbox]\nkind = "maildir"\npath = "inbox"\n')
    mailbox.Maildir(folder / "inbox")
    assert run(folder, DAY_ONE).exit_code == 0
    toml.write_text(toml.read_text().replace("day1.xml", "day2.xml"))


def run(folder: Path, now: datetime, *, dry_run: bool = False) -> Report:
    """Run the job of a folder, as of `now`."""
    return job.run(load(folder / "newsletter.toml", environ={}), now=now, dry_run=dry_run)
