"""The door beside an editor and a run: everybody writes the same files, and nothing is lost."""

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from newsletter.subscribers import editing
from tests.making.doors import KEYWORDS, House, house

PEOPLE = [f"p{number}@example.org" for number in range(50)]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[House]:
    rows = [
        "email,name,keywords,frequency,status,format",
        *(f"{each},,*,daily,," for each in PEOPLE),
    ]
    with house(tmp_path, rows="\n".join([*rows, ""])) as made:
        yield made


@pytest.mark.slow
def test_fifty_who_change_at_once_lose_nothing(at: House) -> None:
    path = at.folder / "subscribers.csv"

    def change(address: str) -> int:
        browser = at.browser.application.test_client()
        page = f"/preferences/{at.token(address)}"
        data = {
            "form": at.form(page), "do": "save", "seen": "", "name": address[:3],
            "keywords": KEYWORDS[0], "frequency": "weekly", "format": "text", "status": "active",
        }  # fmt: skip
        return browser.post(page, data=data).status_code

    def edit(number: int) -> None:
        editing.add(path, {"email": f"new{number}@example.org"}, keywords=KEYWORDS)

    with ThreadPoolExecutor(16) as pool:
        changes = pool.map(change, PEOPLE)
        list(pool.map(edit, range(40)))
        codes = set(changes)
    assert codes == {200}
    with path.open() as file:
        rows = list(csv.DictReader(file))
    found = {row["email"]: row for row in rows}
    assert len(rows) == len(found) == 90
    assert all(found[each]["frequency"] == "weekly" for each in PEOPLE)
    assert all(found[each]["name"] == each[:3] for each in PEOPLE)
