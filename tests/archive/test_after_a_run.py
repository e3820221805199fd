"""The archive after a run: it is there, it is whole, and its trouble is not that of the mails."""

from pathlib import Path

import pytest

from tests.making.commands import DAY_ONE, DAY_TWO, Command, rewrite
from tests.making.disks import fill, mounted

ARCHIVE = '\n[archive]\ndirectory = "archive"\n'


@pytest.fixture
def job(sample: Path) -> Path:
    """The folder of the sample, with an archive in its settings."""
    with (sample / "newsletter.toml").open("a") as file:
        file.write(ARCHIVE)
    return sample


@pytest.mark.slow
def test_a_run_writes_the_archive(job: Path, newsletter: Command) -> None:
    assert newsletter("run", "--now", DAY_ONE).code == 0
    assert "Last update: 2026-11-19" in (job / "archive" / "README.md").read_text("utf-8")
    assert "<table>" in (job / "archive" / "daily-papers.html").read_text("utf-8")


@pytest.mark.slow
def test_a_dry_run_writes_none(job: Path, newsletter: Command) -> None:
    newsletter("run", "--dry-run", "--now", DAY_ONE)
    assert not (job / "archive").exists()


@pytest.mark.slow
def test_a_run_without_news_touches_no_file(job: Path, newsletter: Command) -> None:
    newsletter("run", "--now", DAY_ONE)
    before = files(job / "archive")
    newsletter("run", "--now", DAY_TWO)
    assert files(job / "archive") == before


@pytest.mark.slow
def test_the_mails_leave_although_the_archive_cannot_be_written(
    job: Path, newsletter: Command
) -> None:
    (job / "archive").write_text("a file, not a folder")
    ended = newsletter("run", "--now", DAY_ONE, "--json")
    assert ended.code == 74
    assert "archive: the archive cannot be written: File exists" in ended.err
    assert list((job / "outbox" / "new").iterdir())


@pytest.mark.slow
@pytest.mark.mount
@pytest.mark.parametrize("free", [0, 4096, 20_000, 60_000])
def test_a_full_disk_costs_the_archive_and_no_mail(
    job: Path, newsletter: Command, small_disk: Path, free: int
) -> None:
    rewrite(job / "newsletter.toml", '"archive"', f'"{small_disk}/archive"')
    fill(small_disk, but=free)
    ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 74
    assert "the archive cannot be written: No space left on device" in ended.err
    assert "Traceback" not in ended.err
    assert len(list((job / "outbox" / "new").iterdir())) == 4
    (small_disk / "filler").unlink()
    assert newsletter("run", "--now", DAY_TWO).code == 0
    assert newsletter("archive", "--output", "whole").code == 0
    assert contents(small_disk / "archive") == contents(job / "whole")


@pytest.mark.slow
@pytest.mark.mount
def test_a_folder_that_may_only_be_read_costs_the_archive_and_no_mail(
    job: Path, newsletter: Command, tmp_path: Path
) -> None:
    rewrite(job / "newsletter.toml", '"archive"', f'"{tmp_path}/read-only/archive"')
    for _ in mounted(tmp_path / "read-only", "-t", "tmpfs", "-o", "ro", "tmpfs"):
        ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 74
    assert "the archive cannot be written: Read-only file system" in ended.err
    assert len(list((job / "outbox" / "new").iterdir())) == 4


@pytest.mark.slow
def test_somebody_elses_page_is_left_alone_and_the_run_names_it(
    job: Path, newsletter: Command
) -> None:
    (job / "archive").mkdir()
    (job / "archive" / "README.md").write_text("my project")
    ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 74
    assert "README.md: something stands there" in ended.err
    assert (job / "archive" / "README.md").read_text() == "my project"
    assert (job / "archive" / "daily-papers.html").exists()


@pytest.mark.slow
def test_the_command_writes_where_it_is_told(sample: Path, newsletter: Command) -> None:
    newsletter("run", "--now", DAY_ONE)
    ended = newsletter("archive", "--output", "elsewhere")
    assert ended.code == 0, ended.err
    assert "wrote elsewhere/README.md" in ended.out
    assert newsletter("archive").code == 78


def test_nothing_is_written_before_the_first_run(job: Path, newsletter: Command) -> None:
    assert newsletter("archive").code == 74
    assert not (job / "archive").exists()


def contents(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (_, content) in files(folder).items()}


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"  # says who writes, or wrote last
    }
