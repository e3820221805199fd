"""A Maildir of any size is read in steps that grow with it, whatever lies beside the mails."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.returns.mailboxes import maildir

_seen: list[Counter[str]] = []


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if _seen and event in {"os.scandir", "os.listdir", "open"} and "maildir" in str(arguments[0]):
        _seen[-1][event] += 1


sys.addaudithook(_count)


@pytest.fixture
def counted() -> Iterator[Counter[str]]:
    """How often folders are listed and files opened."""
    _seen.append(Counter())
    yield _seen[-1]
    _seen.clear()


@pytest.mark.slow
def test_a_mail_is_opened_once_and_the_folder_listed_once(
    tmp_path: Path, counted: Counter[str]
) -> None:
    folder = tmp_path / "maildir"
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    number = 5_000
    for each in range(number):
        (folder / "new" / f"{each:04}.mail").touch()
    os.mkfifo(folder / "new" / "pipe")
    (folder / "new" / "folder").mkdir()
    (folder / "cur" / "link").symlink_to("/dev/zero")
    counted.clear()
    read = 0
    with maildir(folder) as opened:
        keys = opened.keys()
        for at in range(0, len(keys), 50):
            batch = keys[at : at + 50]
            read += len(opened.read(batch))
            opened.move(batch, "newsletter-done")
    assert read == number
    assert counted["open"] <= number + 2 * number // 50  # and a mark for each time mails are moved
    assert counted["os.scandir"] + counted["os.listdir"] <= 2
    assert sorted(each.name for each in (folder / "new").iterdir()) == ["folder", "pipe"]
