"""The changelog tells of this version, in the form that people and programs know."""

import re
from datetime import date
from pathlib import Path

from newsletter import __version__

CHANGELOG = (Path(__file__).parents[2] / "CHANGELOG.md").read_text("utf-8")
GROUPS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_newest_version_is_this_one_and_each_has_its_day() -> None:
    versions = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    read = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\S+)", each) for each in versions]

    assert all(read)
    told = [(each[1], date.fromisoformat(each[2])) for each in read if each]
    assert told[0][0] == __version__
    assert [day for _, day in told] == sorted((day for _, day in told), reverse=True)
    for version, _ in told:
        assert re.search(rf"^\[{re.escape(version)}\]: https://", CHANGELOG, re.MULTILINE)


def test_changes_stand_in_the_groups_of_keep_a_changelog() -> None:
    groups = re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)
    sections = re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]

    assert set(groups) <= GROUPS
    for section in sections:
        named = re.findall(r"^### (.+)$", section, re.MULTILINE)
        assert len(named) == len(set(named)) > 0
