"""Files are their owner's alone; locks are neither followed elsewhere nor waited for for ever."""

import os
from pathlib import Path

import pytest

from newsletter.errors import LockedError
from newsletter.files import lock_file, locked, private


def test_a_lock_is_waited_for_no_longer_than_that_and_says_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    with (
        locked(path),
        pytest.raises(LockedError, match=rf"process {os.getpid()} on .*0\.1 s"),
        locked(path, patience=0.1),
    ):
        pass
    with locked(path, patience=0.1):
        pass
    assert (tmp_path / ".list.csv.lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_that_is_a_link_is_not_followed_and_nothing_is_written_over(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    (tmp_path / ".list.csv.lock").symlink_to(precious)
    (tmp_path / "hard.lock").hardlink_to(precious)
    with pytest.raises(OSError, match="symbolic"), locked(tmp_path / "list.csv"):
        pass
    with pytest.raises(OSError, match="no lock"):
        lock_file(tmp_path / "hard.lock")
    assert precious.read_text() == "keep me"


def test_a_private_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with open(tmp_path / "mail", "wb", opener=private) as file:
            file.write(b"To: ada@example.org")
    finally:
        os.umask(before)
    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o600
