"""The door on a machine that has the ledger and no list."""

import shutil
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from newsletter.config.loading import load
from newsletter.job.run import run
from newsletter.web.app import application
from newsletter.web.door import Door
from tests.peers.postgres import Postgres

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
DAY = datetime(2026, 11, 19, 10, tzinfo=UTC)


def test_who_was_mailed_leaves_where_the_list_is_not_and_the_next_run_files_it(
    server: Postgres, tmp_path: Path
) -> None:
    job, elsewhere = tmp_path / "job", tmp_path / "door"
    with as_file(files("newsletter.preview") / "sample") as sample:
        shutil.copytree(sample, job)
    with (job / "newsletter.toml").open("a", encoding="utf-8") as settings:
        settings.write('\n[web]\nbase_url = "https://papers.example.org"\n')
    elsewhere.mkdir()
    shutil.copy(job / "newsletter.toml", elsewhere)
    environ = server.environ("door-elsewhere")
    door = Door(load(elsewhere / "newsletter.toml", environ=environ), clock=lambda: DAY)
    browser = application(door).test_client()
    path = f"/unsubscribe/{door.tokens.token('ada@example.org')}"
    before = browser.post(path, data=ONE_CLICK)  # nobody was mailed yet

    run(load(job / "newsletter.toml", environ=environ), now=DAY)
    left = browser.post(path, data=ONE_CLICK)
    assert not (job / "suppressions.csv").exists()
    run(load(job / "newsletter.toml", environ=environ), now=DAY.replace(day=20))
    door.close(patience=60)

    assert (before.status_code, left.status_code) == (200, 200)
    assert "ada@example.org,unsubscribed" in (job / "suppressions.csv").read_text("utf-8")
    for page in ("/subscribe", f"/preferences/{door.tokens.token('bob@example.org')}"):
        answer = browser.get(page)
        assert (answer.status_code, "kept elsewhere" in answer.text) == (503, True)
    assert "/subscribe" not in browser.get("/").text
