"""A person at a browser: Chromium, told step by step what to do (tests/mails/browser/act.mjs)."""

import atexit
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_SCRIPTS = Path(__file__).parents[1] / "mails" / "browser"
ACT = _SCRIPTS / "act.mjs"
LOOK = _SCRIPTS / "look.mjs"


def look(*pages: Path | str) -> dict[str, Any]:
    """Return what tests/mails/browser/look.mjs sees: phone and desktop, by day and by night."""
    browser = _browser()
    assert browser.stdin
    assert browser.stdout
    seen = {}
    for page in map(str, pages):
        browser.stdin.write(f"{page}\n")
        browser.stdin.flush()
        seen[page] = json.loads(browser.stdout.readline())
    return seen


@cache
def _browser() -> "subprocess.Popen[str]":
    """Start one browser for all that this process looks at: to start it costs as much as a look."""
    browser = subprocess.Popen(
        ["node", LOOK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(browser.communicate)
    return browser


class Person:
    """Does one thing after another; each returns what the page says then."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def does(self, **deeds: Any) -> str:
        """Do some deeds in order and return the text of the page."""
        return str(self._answer(deeds)["text"])

    def violations(self) -> list[str]:
        """Return what axe finds wrong with the page."""
        return list(self._answer({"axe": True})["violations"])

    def _answer(self, deeds: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(deeds) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer


@contextmanager
def person() -> Iterator[Person]:
    """Sit down at a browser at phone width."""
    with subprocess.Popen(
        ["node", ACT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Person(process)
        finally:
            process.kill()
