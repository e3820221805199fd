"""One reader from the first visit to the last, at a real browser, with a real mailbox."""

import email
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.policy import default
from html import unescape
from importlib.resources import files
from pathlib import Path

import pytest
import requests

from tests.making.browsing import person
from tests.making.warm import fork
from tests.peers.ports import free_port

READER = "gil@example.org"


class Newsroom:
    """The sample newsletter in a folder, with a door on a port; its outbox is the mailbox."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.base = f"http://127.0.0.1:{port}"
        self.environ = {
            "PATH": os.environ["PATH"],
            "XDG_STATE_HOME": str(folder / "home"),
        }
        for each in (files("newsletter.preview") / "sample").iterdir():
            (folder / each.name).write_bytes(each.read_bytes())
        with (folder / "newsletter.toml").open("a") as config:
            config.write(f'\n[web]\nbase_url = "{self.base}"\n')
            config.write(f'[archive]\ndirectory = "archive"\nbase_url = "{self.base}/archive"\n')

    def run(self, now: str, feed: str) -> None:
        environ = self.environ | {"NEWSLETTER_SOURCE__FILE": str(self.folder / feed)}
        assert fork("run", "--now", now, folder=self.folder, environ=environ).wait() == 0

    @contextmanager
    def open(self) -> Iterator[None]:
        door = fork("serve", "--port", str(self.port), folder=self.folder, environ=self.environ)
        try:
            while door.poll() is None:
                with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                    break
                time.sleep(0.1)
            yield
        finally:
            door.terminate()
            door.wait()

    def rows(self) -> list[str]:
        return (self.folder / "subscribers.csv").read_text().splitlines()

    def mails(self) -> list[EmailMessage]:
        """Return the mails to the reader, oldest first, waiting for one if there is none yet."""
        paths = sorted((self.folder / "outbox/new").glob("*"), key=lambda p: p.stat().st_mtime_ns)
        found = [email.message_from_bytes(path.read_bytes(), policy=default) for path in paths]
        return [each for each in found if isinstance(each, EmailMessage) and each["To"] == READER]

    def letter(self, after: int) -> EmailMessage:
        while len(self.mails()) <= after:
            time.sleep(0.1)
        return self.mails()[-1]

    def link(self, mail: EmailMessage, part: str) -> str:
        body = mail.get_body(("plain",))
        assert body
        found = re.search(rf"{self.base}/{part}/\S+", body.get_content())
        assert found, body.get_content()
        return found[0]


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    made = Newsroom(tmp_path, free_port())
    with made.open():
        yield made


@pytest.mark.browser
@pytest.mark.slow
def test_a_reader_joins_reads_changes_leaves_and_comes_back(newsroom: Newsroom) -> None:
    with person() as gil:
        # Joins.
        gil.does(goto=f"{newsroom.base}/subscribe")
        assert gil.violations() == []
        said = gil.does(fill=["#email", "gil@"], press="Send me the link")
        assert "choose at least one" in said
        assert gil.violations() == []
        gil.does(fill=["#email", READER], check='[value="protein folding"]')
        assert "on its way" in gil.does(press="Send me the link")
        letter = newsroom.letter(0)
        gil.does(goto=newsroom.link(letter, "confirm"))
        assert READER not in newsroom.folder.joinpath("subscribers.csv").read_text()
        assert "You are subscribed" in gil.does(press="Subscribe")
        assert READER in newsroom.folder.joinpath("subscribers.csv").read_text()

        # Gets the next digest, and reads it in the browser.
        newsroom.run("2026-11-18T10:00:00Z", "day1.xml")
        digest = newsroom.mails()[-1]
        assert digest["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        page = digest.get_body(("html",))
        assert page
        shown = newsroom.folder / "digest.html"
        shown.write_text(page.get_content(), "utf-8")
        text = gil.does(goto=shown.as_uri())
        assert "protein folding" in text
        assert "diffusion model" not in text

        # Opens the issue from the mail, and searches the archive.
        issue = re.findall(rf"{newsroom.base}/archive/issues/\d+\.html", page.get_content())[0]
        assert f"<{issue}>" == digest["Archived-At"]
        text = gil.does(goto=issue)
        assert "protein folding" in text
        titles = re.findall(r"<h3[^>]*><a [^>]+>([^<]+)</a>", requests.get(issue, timeout=200).text)
        assert gil.violations() == []
        assert "Search" in gil.does(follow="Search")
        found = gil.does(ready=True, fill=["#words", unescape(titles[0])])
        assert unescape(titles[0]) in found
        assert gil.violations() == []

        # Changes what comes.
        leave = re.findall(r"<(http[^>]+)>", digest["List-Unsubscribe"])[0]
        gil.does(goto=leave.replace("/unsubscribe/", "/preferences/"))
        assert gil.violations() == []
        gil.does(check='[value="diffusion model"]', uncheck='[value="protein folding"]')
        assert "Saved" in gil.does(press="Save")
        newsroom.run("2026-11-19T10:00:00Z", "day2.xml")
        row = next(x for x in newsroom.rows() if x.startswith(READER))
        assert row.split(",")[2] == "diffusion model"
        assert len(newsroom.mails()) == 3

        # Leaves by the button, comes back, and leaves as a mail program does it.
        gil.does(goto=leave)
        assert gil.violations() == []
        assert "You have left" in gil.does(press="Leave")
        assert f"{READER},unsubscribed" in newsroom.folder.joinpath("suppressions.csv").read_text()
        gil.does(follow="Come back")
        gil.does(fill=["#email", READER], check='[value="diffusion model"]')
        gil.does(press="Send me the link")
        gil.does(goto=newsroom.link(newsroom.letter(3), "confirm"))
        assert "You are subscribed" in gil.does(press="Subscribe")
        assert f"{READER},lifted" in newsroom.folder.joinpath("suppressions.csv").read_text()
    click = requests.post(leave, data={"List-Unsubscribe": "One-Click"}, timeout=200)
    assert click.status_code == 200
    left = newsroom.folder.joinpath("suppressions.csv").read_text().splitlines()
    assert left[-1].startswith(f"{READER},unsubscribed")
    assert len([x for x in newsroom.rows() if x.startswith(READER)]) == 1
