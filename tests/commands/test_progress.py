"""What a person sees of a run that takes long: a bar on a terminal, lines elsewhere."""

import logging
import re
import sys
from io import StringIO

import pytest

from newsletter.commands.working import progress
from newsletter.operating.logs import configure


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def _terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_a_terminal_gets_a_bar_from_before_the_first_mail_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = _terminal(monkeypatch)
    with progress.shown() as show:
        show.waiting("", 0)
        show.mails(20, 300)
        show.mails(300, 300)
    assert "0/?" in terminal.getvalue()
    assert "0/s" in terminal.getvalue()
    assert "300/300" in terminal.getvalue()


def test_a_terminal_is_told_what_is_waited_for_and_until_when(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = _terminal(monkeypatch)
    with progress.shown() as show:
        show.waiting("asking arXiv", 0)
        show.waiting("waiting for arXiv: arXiv answered 503", 30)
        seen = terminal.getvalue()
        assert "asking arXiv" in seen
        assert re.search(r"arXiv answered 503; trying again at \d\d:\d\d:\d\d", seen)
        assert "mails" not in seen


def test_what_the_log_says_stands_on_lines_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _terminal(monkeypatch)
    logger = logging.getLogger("newsletter")
    before = (logger.handlers, logger.level, logger.propagate)
    configure("text", verbose=False)
    try:
        with progress.shown() as show:
            show.waiting("waiting for arXiv", 30)
            logger.warning("arXiv answered 503")
    finally:
        logger.handlers, logger.level, logger.propagate = before
    seen = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", terminal.getvalue()).replace("\r", "\n")
    assert "warning: arXiv answered 503" in seen.splitlines()


def test_elsewhere_there_is_a_line_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(sys, "stderr", StringIO())
    times = iter([60.0, 69.0, 70.0, 71.0, 200.0, 210.0])
    with progress.shown(clock=lambda: next(times)) as show:
        for ended in (10, 100, 110, 120):
            show.mails(ended, 300)
        for ended in (5, 25):  # the next issue
            show.mails(ended, 45)
    assert caplog.messages == [
        "110 of 300 mails, 10 a second, about 19 s left",
        "25 of 45 mails, 2 a second, about 10 s left",
    ]
