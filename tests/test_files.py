"""Files are their owner's alone; locks are neither followed elsewhere nor waited for for ever."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from newsletter.errors import LockedError
from newsletter.files import is_full, lock_file, locked, private, replacing


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


@contextmanager
def no_file_may_grow() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heard)


def test_a_file_that_cannot_grow_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("as it was")
    with no_file_may_grow():
        with pytest.raises(OSError, match=r"list\.csv'"), replacing(path) as file:
            file.write(b"changed")
        with pytest.raises(OSError, match=r"list\.csv\.lock'"), locked(path):
            pass
    assert path.read_text() == "as it was"
    with locked(path, patience=0):
        pass


def test_a_disk_with_room_is_not_full_and_of_no_disk_nobody_knows(tmp_path: Path) -> None:
    assert not is_full(tmp_path)
    assert not is_full(tmp_path / "nowhere")
