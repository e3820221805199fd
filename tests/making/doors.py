"""A newsletter with a door: its files, its pages as a browser asks for them, its letters."""

import email
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from types import FrameType
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from newsletter.config.loading import load
from newsletter.web.app import application
from newsletter.web.door import Door

BASE = "http://127.0.0.1:8080"
KEYWORDS = ("quiet motors", "slow light")
LIST = (
    "email,name,keywords,frequency,status,format\n"
    "# kept as it is\n"
    "ada@example.org,Ada,quiet motors,daily,active,html\n"
    "bob@example.org,,*,weekly,active,text\n"
)
CONFIG = f"""
[newsletter]
id = "papers"
title = "Daily Papers"
sender = "Daily Papers <papers@example.org>"
[[keywords]]
name = "{KEYWORDS[0]}"
[[keywords]]
name = "{KEYWORDS[1]}"
[web]
base_url = "{BASE}"
"""


@dataclass
class Clock:
    """A clock that goes only when told."""

    now: datetime = datetime(2026, 11, 20, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class House:
    """A folder with a newsletter in it, and its door."""

    folder: Path
    door: Door
    browser: FlaskClient
    clock: Clock
    _known: list[Path] = field(default_factory=list)  # the letters, oldest first

    def list_text(self) -> str:
        return (self.folder / "subscribers.csv").read_text("utf-8")

    def suppressions(self) -> str:
        path = self.folder / "suppressions.csv"
        return path.read_text("utf-8") if path.exists() else ""

    def letters(self) -> list[EmailMessage]:
        """Return what was sent so far, oldest first."""
        self.door.post.wait()
        folder = self.folder / "outbox" / "new"
        new = {*folder.glob("*")} - {*self._known}
        # Their times are coarse: what follows quickly on another may bear the same.
        self._known += sorted(new, key=lambda path: path.stat().st_mtime_ns)
        contents = [path.read_bytes() for path in self._known]
        found = [email.message_from_bytes(each, policy=default) for each in contents]
        return [mail for mail in found if isinstance(mail, EmailMessage)]

    def token(self, address: str) -> str:
        return self.door.tokens.token(address)

    def form(self, path: str) -> str:
        """Return the proof that a form of a page carries."""
        found = re.search(r'name="form" value="([^"]+)"', self.browser.get(path).text)
        assert found
        return found[1]

    def ask_to_join(self, address: str, **fields: Any) -> TestResponse:
        data: Mapping[str, object] = {
            "form": self.form("/subscribe"), "email": address, "keywords": [KEYWORDS[0]],
            "frequency": "daily", "format": "html",
        } | fields  # fmt: skip
        return self.browser.post("/subscribe", data=data)

    def link(self, part: str) -> str:
        """Return the path of the last letter's link to a part of the door."""
        text = self.letters()[-1].get_content()
        found = re.search(rf"{re.escape(BASE)}(/{part}/\S+)", text)
        assert found, text
        return found[1]


@contextmanager
def house(folder: Path, *, config: str = CONFIG, rows: str = LIST) -> Iterator[House]:
    """Open the door of a newsletter in a folder."""
    (folder / "newsletter.toml").write_text(config, "utf-8")
    (folder / "subscribers.csv").write_text(rows, "utf-8")
    clock = Clock()
    door = Door(load(folder / "newsletter.toml", environ={}), clock=clock)
    try:
        yield House(folder, door, application(door).test_client(), clock)
    finally:
        door.close(patience=10)


def calls_of(browser: FlaskClient, path: str, **sent: Any) -> int:
    """Return how many functions are called for an answer: its time, on any machine.

    The least of a few times counts: what is kept for the next time is there then, and nothing is
    cleared away meanwhile.
    """
    calls = [0]

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        calls[-1] += event in {"call", "c_call"}

    for _ in range(4):
        calls.append(0)
        sys.setprofile(count)
        try:
            browser.open(path, **sent)
        finally:
            sys.setprofile(None)
    return min(calls[1:])
