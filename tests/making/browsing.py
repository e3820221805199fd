"""What looks at pages: a browser, a validator, and a person who is told step by step what to do."""

import atexit
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.making.tools import VALIDATOR

_SCRIPTS = Path(__file__).parents[1] / "mails" / "browser"
ACT = _SCRIPTS / "act.mjs"
LOOK = _SCRIPTS / "look.mjs"


def look(*pages: Path | str) -> dict[str, Any]:
    """Return what tests/mails/browser/look.mjs sees: phone and desktop, by day and by night."""
    return {str(page): _seen(str(page)) for page in pages}


def asked_for(page: Path | str) -> list[str]:
    """Return what a page asks for, by day and by night; it is not looked at otherwise."""
    return list(_seen(f"asks {page}")["requests"])


def _seen(line: str) -> Any:
    browser = _browser()
    assert browser.stdin
    assert browser.stdout
    browser.stdin.write(f"{line}\n")
    browser.stdin.flush()
    return json.loads(browser.stdout.readline())


def remarks(*pages: Path) -> list[dict[str, Any]]:
    """Return what the Nu Html Checker remarks on pages."""
    # It lives too briefly for thorough compilation to pay.
    command: list[str | Path] = ["java", "-Xss8m", "-XX:TieredStopAtLevel=1", "-jar", VALIDATOR]
    command += ["--format", "json", "--stdout", "--exit-zero-always", *pages]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=1000)
    return list(json.loads(done.stdout)["messages"])


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
