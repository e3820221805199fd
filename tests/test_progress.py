"""What a person sees of a run that takes long: a bar on a terminal, lines elsewhere."""

import sys
from io import StringIO

import pytest

from newsletter import progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_from_before_the_first_mail_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    times = iter([0.0, 2.0, 4.0])
    with progress.shown(clock=lambda: next(times)) as show:
        show(20, 300)
        show(300, 300)
    assert "0/?" in terminal.getvalue()
    assert "300/300" in terminal.getvalue()
    assert "75/s" in terminal.getvalue()


def test_elsewhere_there_is_a_line_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(sys, "stderr", StringIO())
    times = iter([0.0, 9.0, 10.0, 11.0])
    with progress.shown(clock=lambda: next(times)) as show:
        for ended in (90, 100, 110):
            show(ended, 300)
    assert caplog.messages == ["100 of 300 mails, 10 a second, about 20 s left"]
