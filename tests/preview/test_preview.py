"""The preview of the newest issue: what a reader gets, looked at before it is sent."""

from pathlib import Path

import pytest

from tests.making.commands import DAY_ONE, DAY_TWO, Command, rewrite


@pytest.mark.slow
def test_a_weekly_reader_is_shown_the_week(newsletter: Command, sample: Path) -> None:
    newsletter("run", "--now", DAY_ONE)
    rewrite(sample / "newsletter.toml", "day1.xml", "day2.xml")
    newsletter("run", "--now", DAY_TWO)
    subjects = {}
    for reader in ("felix@example.org", "bjarni@example.org"):
        ended = newsletter("preview", "--subscriber", reader, "--output", "seen")
        assert ended.code == 0, ended
        text = (sample / "seen" / "issue-2.txt").read_text("utf-8")
        subjects[reader] = text.splitlines()[1]
    assert subjects["felix@example.org"].endswith(" · Week of 19–20 November 2026")
    assert subjects["bjarni@example.org"].endswith(" · Fri 20 November 2026")


@pytest.mark.slow
def test_a_reader_who_wants_no_abstracts_is_shown_none(newsletter: Command, sample: Path) -> None:
    rewrite(sample / "subscribers.csv", "status,format\n", "status,format,abstracts\n")
    newsletter("run", "--now", DAY_ONE)
    sizes = []
    for wish in ("none", "full"):
        people = (sample / "subscribers.csv").read_text("utf-8").splitlines()
        people[1] = f"ada@example.org,Ada,*,daily,active,html,{wish}"
        (sample / "subscribers.csv").write_text("\n".join(people), "utf-8")
        newsletter("preview", "--subscriber", "ada@example.org", "--output", "seen")
        sizes.append((sample / "seen" / "issue-1.txt").stat().st_size)
    assert sizes[0] * 2 < sizes[1]
