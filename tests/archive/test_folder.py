"""What stands in the archive's folder is whole, ours, and safely named; the rest is left alone."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.archive.folder import MARK, Folder, file_name, opened
from newsletter.errors import ArchiveError
from tests.making.commands import unprivileged

PAGE = f"{MARK}: a page\n"


def test_a_file_is_written_once_and_touched_only_when_it_says_something_else(
    tmp_path: Path,
) -> None:
    for text, written in ((PAGE, ["a/b.html"]), (PAGE, []), (PAGE + "more", ["a/b.html"])):
        with opened(tmp_path) as folder:
            folder.put("a/b.html", text)
        assert folder.written == written
        assert (tmp_path / "a" / "b.html").read_text() == text


def test_somebody_elses_files_stay_as_they_are_and_are_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine, too")
    (tmp_path / "index.html").mkdir()
    with pytest.raises(ArchiveError) as error:
        put_pages(tmp_path, "README.md", "index.html", "page.html")
    assert len(error.value.problems) == 2
    for name, problem in zip(("README.md", "index.html"), error.value.problems, strict=True):
        assert problem.startswith(f"{tmp_path / name}: something stands there")
    assert error.value.exit_code == 74
    assert (tmp_path / "README.md").read_text() == "mine"
    assert (tmp_path / "notes.txt").read_text() == "mine, too"
    assert (tmp_path / "page.html").read_text() == PAGE


def test_what_a_killed_run_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.put("page.html", PAGE)
        (tmp_path / ".arxiv-newsletter.new" / "7").write_text("ha")
        del folder  # as after a kill: nothing more is done
    with opened(tmp_path) as folder:
        folder.put("page.html", PAGE)
    assert [path.name for path in tmp_path.iterdir() if path.name[0] != "."] == ["page.html"]
    assert not (tmp_path / ".arxiv-newsletter.new").exists()


def test_a_folder_that_may_not_be_written_is_a_matter_of_the_archive(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with unprivileged(), pytest.raises(ArchiveError) as error, opened(tmp_path / "archive"):
        pass
    assert error.value.exit_code == 74
    assert str(tmp_path) in str(error.value)


def put_pages(target: Path, *names: str) -> None:
    with opened(target) as folder:
        for name in names:
            folder.put(name, PAGE)


@pytest.mark.parametrize(
    ("keyword", "beginning"),
    [
        ("magnetic resonance imaging", "magnetic-resonance-imaging"),
        ("../../etc", "etc"),
        ("con", "con"),
        ("C#", "c"),
        ("Schrödinger", "schrodinger"),
        ("شبكة", "keyword"),
        ("x" * 200, "x" * 40),
        ("a.b/c\\d:e", "a-b-c-d-e"),
    ],
)
def test_a_file_name_begins_with_what_is_safe_of_the_keyword(keyword: str, beginning: str) -> None:
    assert re.fullmatch(rf"{beginning}-[0-9a-f]{{8}}", file_name(keyword))


def test_keywords_that_differ_in_case_alone_have_files_of_their_own() -> None:
    assert file_name("MRI").lower() != file_name("mri").lower()


@pytest.mark.slow
@given(st.text(min_size=1))
def test_every_file_name_is_safe_on_every_system(keyword: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{8}", file_name(keyword))
