"""Look at everything a run needs, one finding a line. Touches nothing, and sends nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from newsletter import assembly
from newsletter.config import Config
from newsletter.errors import NewsletterError
from newsletter.render import Renderer
from newsletter.report import counted
from newsletter.state import State

Mark = Literal["ok  ", "note", "FAIL"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of a check; `exit_code` is 0 unless the mark is FAIL."""

    what: str
    text: str
    mark: Mark = "ok  "
    exit_code: int = 0


def findings(config: Config, *, now: datetime, offline: bool) -> Iterator[Finding]:
    """Yield what a run would meet, worst news included: nothing is raised."""
    yield Finding(what="configuration", text=_configured(config))
    yield from (Finding(what="configuration", text=each, mark="note") for each in config.warnings)
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("list", lambda: _list(config)),
        ("templates", lambda: _templates(config)),
        ("state", lambda: _state(config)),
    ]
    if not offline:
        checks += []
    for what, look in checks:
        try:
            yield from look()
        except NewsletterError as error:
            yield Finding(what=what, text=str(error), mark="FAIL", exit_code=error.exit_code)


def _configured(config: Config) -> str:
    leaving = f"by SMTP through {config.smtp.host}" if config.smtp else "into the outbox"
    return f"{counted(len(config.keywords), 'keyword')}; mails leave {leaving}"


def _list(config: Config) -> Iterator[Finding]:
    path = config.state.file
    if path.exists():
        with State.open(path) as state:
            found = assembly.subscribers(config, state, accept_list=False)
    else:
        found = assembly.subscribers(config, None, accept_list=False)
    for problem in found.problems:
        yield Finding(what="list", text=problem, mark="note")
    paused = sum(each.paused for each in found.subscribers)
    text = counted(len(found.subscribers), "subscriber")
    yield Finding(what="list", text=f"{text}, {paused} of them paused" if paused else text)


def _templates(config: Config) -> Iterator[Finding]:
    Renderer(config.masthead, templates=config.newsletter.templates)
    yield Finding(what="templates", text=str(config.newsletter.templates or "as shipped"))


def _state(config: Config) -> Iterator[Finding]:
    path = config.state.file
    if not path.exists():
        yield Finding(what="state", text=f"{path}: none yet; the first run takes a baseline")
        return
    with State.open(path) as state:
        waiting = sum(number for *_rest, number in state.waiting())
        text = f"{path}: {counted(state.newest_issue(), 'issue')}, {waiting} outstanding"
        yield Finding(what="state", text=text)
