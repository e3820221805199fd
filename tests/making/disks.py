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
    yield folder
    subprocess.run(["umount", folder], check=True)
