"""Look at everything a run needs, one finding a line. It touches nothing and sends nothing."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from newsletter import assembly, job, smtp
from newsletter.config import Config
from newsletter.errors import IO, UNAVAILABLE, NewsletterError
from newsletter.report import counted
from newsletter.state import State
from newsletter.status import pace_remarks

Mark = Literal["ok", "note", "FAIL"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of a check; `exit_code` is 0 unless the mark is FAIL."""

    what: str
    text: str
    mark: Mark = "ok"
    exit_code: int = 0


def findings(config: Config, *, now: datetime, offline: bool) -> Iterator[Finding]:
    """Yield what a run at `now` would meet; trouble is a finding, and nothing is raised."""
    yield from _configuration(config)
    yield from _guarded("list", _list(config))
    yield from _guarded("templates", _templates(config))
    yield from _guarded("state", _state(config, now))
    if offline:
        return
    if config.source.file is None:
        yield from _guarded("arXiv", _arxiv(config, now))
    yield from _guarded("mail server", _mail_server(config))


def _guarded(what: str, found: Iterator[Finding]) -> Iterator[Finding]:
    try:
        yield from found
    except NewsletterError as error:
        yield Finding(what=what, text=str(error), mark="FAIL", exit_code=error.exit_code)
    except OSError as error:
        yield Finding(what=what, text=str(error), mark="FAIL", exit_code=IO)


def _configuration(config: Config) -> Iterator[Finding]:
    leaving = f"by SMTP through {config.smtp.host}" if config.smtp else "into the outbox"
    keywords = counted(len(config.keywords), "keyword")
    yield Finding(what="configuration", text=f"{keywords}; mails leave {leaving}")
    yield from (Finding(what="configuration", text=each, mark="note") for each in config.warnings)


def _list(config: Config) -> Iterator[Finding]:
    with _remembered(config) as state:
        found = assembly.subscribers(config, state, accept_list=False)
    for problem in found.problems:
        yield Finding(what="list", text=problem, mark="note")
    paused = sum(each.paused for each in found.subscribers)
    text = counted(len(found.subscribers), "subscriber")
    yield Finding(what="list", text=f"{text}, {paused} of them paused" if paused else text)


def _templates(config: Config) -> Iterator[Finding]:
    assembly.renderer(config)
    yield Finding(what="templates", text=str(config.newsletter.templates or "as shipped"))


def _state(config: Config, now: datetime) -> Iterator[Finding]:
    path = config.state.file
    if not path.exists():
        yield Finding(what="state", text=f"{path}: none yet; the first run takes a baseline")
        return
    with _remembered(config) as state:
        waiting = sum(number for *_rest, number in state.waiting())
        issues = counted(state.newest_issue(), "issue")
        yield Finding(what="state", text=f"{path}: {issues}, {waiting} outstanding")
        for name, remark in pace_remarks(state, config.keywords, now=now):
            yield Finding(what="keywords", text=f"{name}: {remark}", mark="note")


def _arxiv(config: Config, now: datetime) -> Iterator[Finding]:
    arxiv = assembly.arxiv_source(config)
    rules = assembly.rules(config)
    with _remembered(config) as state:
        scopes = tuple(job.scope(each, state, rules, now=now) for each in config.keywords)
    urls = arxiv.queries(scopes, now=now)
    for url in urls:
        _log.debug("today's query: %s", url)
    found = arxiv.probe(now=now)
    newest = f"answers; its newest paper is of {found.newest:%Y-%m-%d %H:%M} UTC"
    asks = f"today's run begins with {counted(len(urls), 'request')}"
    if found.current:
        yield Finding(what="arXiv", text=f"{newest}; {asks}")
    else:
        text = f"{newest}: the last announcement is not in its index yet; {asks}"
        yield Finding(what="arXiv", text=text, mark="FAIL", exit_code=UNAVAILABLE)


def _mail_server(config: Config) -> Iterator[Finding]:
    server = assembly.mail_server(config)
    if server is None:
        text = f"none configured; mails are written to {config.outbox.directory}"
        yield Finding(what="mail server", text=text, mark="note")
        return
    found = smtp.probe(server)
    words = [f"{server} answers", found.tls_version or "without TLS"]
    if found.certificate_expires:
        words.append(f"certificate good until {found.certificate_expires:%Y-%m-%d}")
    words.append("login accepted" if found.logged_in else "no login")
    if found.size_limit:
        words.append(f"takes {found.size_limit // 1024} KB a message")
    words.append("pipelining" if found.pipelining else "no pipelining")
    yield Finding(what="mail server", text=", ".join(words))


@contextmanager
def _remembered(config: Config) -> Iterator[State]:
    path = config.state.file
    with State.open(path) if path.exists() else State.blank() as state:
        yield state
