"""File systems of their own, mounted for a test."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """Mount something at a new folder until the test is over; skip it where that is forbidden."""
    folder.mkdir()
    command = ["mount", *options, str(folder)]
    if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("nothing may be mounted here (be root, outside of a container)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(disk: Path, *, but: int = 0) -> None:
    """Fill a file system up, but for some bytes."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - but))
