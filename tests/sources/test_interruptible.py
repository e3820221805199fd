"""A source is waited for no longer than until the run is told to stop."""

from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event

import pytest

from newsletter.errors import StoppedError
from newsletter.models import Fetched, Keyword, Recalled, Scope, Source
from newsletter.sources.interruptible import Interruptible
from tests.making.newsroom import ToldSource
from tests.making.papers import NOW, paper

SCOPES = (Scope(keyword=Keyword(name="mri"), start=NOW, known={}, last_good=None),)
PAPER = paper("2611.00001")
ASKED: dict[str, Callable[[Source], object]] = {
    "fetch": lambda source: source.fetch(SCOPES, now=NOW).listings[0].papers,
    "by id": lambda source: source.by_id([PAPER.id], now=NOW).papers,
}


class Silent:
    """A source that answers when it is allowed to, and says that it was asked."""

    def __init__(self) -> None:
        self.was_asked, self.may_answer = Event(), Event()

    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:
        raise self._error()

    def by_id(self, ids: Sequence[str], *, now: datetime) -> Recalled:
        raise self._error()

    def _error(self) -> OSError:
        self.was_asked.set()
        self.may_answer.wait(60)
        return OSError("no answer")


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_it_answers_as_the_source_does(ask: Callable[[Source], object]) -> None:
    told = ToldSource()
    told.papers = {"mri": (PAPER,)}
    assert ask(Interruptible(told, Event())) == (PAPER,)


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_what_the_source_raises_is_raised(ask: Callable[[Source], object]) -> None:
    silent = Silent()
    silent.may_answer.set()
    with pytest.raises(OSError, match="no answer"):
        ask(Interruptible(silent, Event()))


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_silent_source_is_left_when_the_run_is_told_to_stop(
    ask: Callable[[Source], object],
) -> None:
    silent, stop = Silent(), Event()
    source = Interruptible(silent, stop)
    stop.set()
    with pytest.raises(StoppedError):
        ask(source)
    silent.may_answer.set()
