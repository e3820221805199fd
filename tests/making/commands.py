"""Commands run as a user would, in a folder of their own; the fixtures are in conftest.py."""

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

DAY_ONE, DAY_TWO = "2026-11-19T10:00:00Z", "2026-11-20T10:00:00Z"


class Ended(NamedTuple):
    """How a command ended: exit code, stdout and stderr."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


def rewrite(path: Path, old: str, new: str) -> None:
    """Replace text in a file; it must be there."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user who is denied what is root's."""
    before = os.geteuid()
    os.seteuid(before or pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(before)
