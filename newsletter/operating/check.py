"""Look at everything a run needs, one finding a line.

It touches nothing that a run goes by: what it says once only is noted in the state.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Literal

import requests
from msgspec import Struct
from urllib3.exceptions import HTTPError

from newsletter.addresses import bare
from newsletter.config.loading import Config
from newsletter.errors import PERMISSION, TEMPORARY, UNAVAILABLE, NewsletterError, exit_code_of
from newsletter.exchange import Bounds, EndlessError, Session, exchange
from newsletter.job import asking, parts
from newsletter.keywords.matching import is_initials_only, namesakes
from newsletter.models import Keyword
from newsletter.operating import trial_mail
from newsletter.operating.ledger import lag
from newsletter.operating.looks import read_as, tried, unfound
from newsletter.operating.sender_dns import Lookup, LookupFailedError, judgements
from newsletter.operating.status import no_run_for, pace_remarks, untold
from newsletter.phrases import counted
from newsletter.sending import doors
from newsletter.sources.arxiv.identity import SOURCE
from newsletter.state.opening import remembered, there_is
from newsletter.state.state import State
from newsletter.subscribers.suppressions import Suppressions
from newsletter.subscribers.tokens import LENGTH as TOKEN_LENGTH

FREE_MB = 100
WEB_TIMEOUT = 10
INBOX_SECONDS = 60.0
_SHOWN = 3  # people of one name
_MONTH_DAYS = 30

Mark = Literal["ok", "note", "FAIL"]

_log = logging.getLogger(__name__)


class Finding(Struct, frozen=True, kw_only=True):
    """One line of a check; `exit_code` is 0 unless the mark is FAIL."""

    what: str
    text: str
    mark: Mark = "ok"
    exit_code: int = 0


def findings(config: Config, *, now: datetime, offline: bool) -> Iterator[Finding]:
    """Yield what a run at `now` would meet; trouble is a finding, and nothing is raised."""
    yield from _configuration(config)
    yield from _guarded("list", _list(config, now))
    yield from _guarded("templates", _templates(config, now))
    yield from _guarded("disk", _disk(config))
    yield from _guarded("state", _state(config, now))
    if offline:
        return
    if config.source.file is None:
        yield from _guarded(SOURCE, _arxiv(config, now))
    yield from _guarded("keywords", _exclusions(config, now))
    yield from _guarded("mail server", _mail_server(config))
    yield from _guarded("inbox", _inbox(config))
    yield from _web(config)


def sender_findings(config: Config, *, lookup: Lookup, selector: str) -> Iterator[Finding]:
    """Yield what the DNS says of the sender's domain, with advice; only its silence is a failure.

    `selector` names the DKIM key, which nothing else does.
    """
    sender = bare(config.newsletter.sender)
    envelope = config.bounces.address if config.bounces else sender
    domains = [address.rpartition("@")[2] for address in (sender, envelope)]
    try:
        for each in judgements(
            domains[0], envelope_domain=domains[1], selector=selector, lookup=lookup
        ):
            yield Finding(what=each.record, text=each.text, mark="ok" if each.good else "note")
    except LookupFailedError as error:
        yield Finding(what="DNS", text=str(error), mark="FAIL", exit_code=UNAVAILABLE)


def trial_findings(config: Config, recipient: str, *, now: datetime) -> Iterator[Finding]:
    """Send a test digest to one address, and yield what became of it."""
    yield from _guarded("test digest", _trial(config, recipient, now))


def _guarded(what: str, found: Iterator[Finding]) -> Iterator[Finding]:
    try:
        yield from found
    except NewsletterError as error:
        yield Finding(what=what, text=str(error), mark="FAIL", exit_code=error.exit_code)
    except OSError as error:
        yield Finding(what=what, text=str(error), mark="FAIL", exit_code=exit_code_of(error))


def _configuration(config: Config) -> Iterator[Finding]:
    leaving = f"by SMTP through {config.smtp.host}" if config.smtp else "into the outbox"
    keywords = counted(len(config.keywords), "keyword")
    yield Finding(what="configuration", text=f"{keywords}; mails leave {leaving}")
    yield from (Finding(what="configuration", text=each, mark="note") for each in config.warnings)
    for keyword in config.keywords:
        for text in keyword.looked_for:
            for doubt in filter(None, (read_as(text), unfound(text))):
                yield Finding(what="keywords", text=f"{keyword.name}: {doubt}", mark="note")
        for doubt in filter(None, map(read_as, keyword.exclude)):
            yield Finding(what="keywords", text=f"{keyword.name}: exclude: {doubt}", mark="note")
        for author in filter(is_initials_only, keyword.authors):
            text = f"{author!r} has no first name: others of that name are followed, too"
            yield Finding(what="keywords", text=f"{keyword.name}: {text}", mark="note")


def _list(config: Config, now: datetime) -> Iterator[Finding]:
    suppressions = Suppressions(config.subscribers.suppressions)
    with remembered(config.place) as state:
        found = parts.subscribers(config, state, suppressions, accept_list=False, now=now)
    for problem in (*found.problems, *suppressions.problems):
        yield Finding(what="list", text=problem, mark="note")
    paused = sum(each.paused for each in found.subscribers)
    text = counted(len(found.subscribers), "subscriber")
    yield Finding(what="list", text=f"{text}, {paused} of them paused" if paused else text)


def _templates(config: Config, now: datetime) -> Iterator[Finding]:
    parts.renderer(config).render(trial_mail.edition(now))
    yield Finding(what="templates", text=str(config.newsletter.templates or "as shipped"))


def _disk(config: Config) -> Iterator[Finding]:
    folder = next(each for each in config.state.file.absolute().parents if each.exists())
    if not os.access(folder, os.W_OK):
        text = f"{folder}: this user may not write there, or it is mounted read-only"
        yield Finding(what="disk", text=text, mark="FAIL", exit_code=PERMISSION)
    yield _room(folder, shutil.disk_usage(folder).free)


def _room(folder: Path, free: int) -> Finding:
    megabytes = free // 1_000_000
    if megabytes < FREE_MB:
        text = f"{folder}: only {megabytes} MB are free; make room before the state cannot grow"
        return Finding(what="disk", text=text, mark="note")
    return Finding(what="disk", text=f"{folder}: {megabytes} MB free")


def _state(config: Config, now: datetime) -> Iterator[Finding]:
    path = config.place.name
    keys = parts.token_keys(config, create=False)
    parts.kept_off(config, keys=keys)
    if not there_is(config.place):
        yield Finding(what="state", text=f"{path}: none yet; the first run takes a baseline")
        return
    with remembered(config.place) as state:
        waiting = sum(number for *_rest, number in state.deliveries.waiting())
        issues = counted(state.newest_issue(), "issue")
        parts.token_keys(config, create=False, mailed=state.newest_issue() > 0)
        text = f"{path}: {issues}, {waiting} outstanding"
        if config.place.url:
            alive = counted(len(state.deliveries.senders()), "sender")
            text += f"; {alive} at work, {lag(state.database.standbys())}"
        yield Finding(what="state", text=text)
        yield from (Finding(what="state", text=x, mark="note") for x in state.database.doubts)
        if idle := no_run_for(state, now=now):
            yield Finding(what="runs", text=idle, mark="note")
            return
        remarks = pace_remarks(state, config.keywords, now=now)
        for name, remark in untold(state, remarks, by="check", now=now):
            yield Finding(what="keywords", text=f"{name}: {remark}", mark="note")
        yield from _namesakes(state, config.keywords)


def _namesakes(state: State, keywords: Sequence[Keyword]) -> Iterator[Finding]:
    """Yield the followed names that the state has seen as several people."""
    followed = [(each.name, author) for each in keywords for author in each.authors]
    seen = state.papers.authors() if followed else []
    for keyword, author in followed:
        people = namesakes(author, seen)
        if len(people) > 1:
            shown = ", ".join(people[:_SHOWN]) + (", ..." if len(people) > _SHOWN else "")
            text = f"{keyword}: {author!r} may be {len(people)} people: {shown}"
            yield Finding(what="keywords", text=text, mark="note")


def _arxiv(config: Config, now: datetime) -> Iterator[Finding]:
    arxiv = parts.arxiv_source(config, attempts=1)  # whoever checks is waiting
    rules = parts.rules(config)
    with remembered(config.place) as state:
        scopes = tuple(
            asking.scope(each, state.memory(each, among=()), state, rules, now=now)
            for each in config.keywords
        )
    urls = arxiv.queries(scopes, now=now)
    for url in urls:
        _log.debug("today's query: %s", url)
    found = arxiv.probe(now=now)
    newest = f"answers; its newest paper is of {found.newest:%Y-%m-%d %H:%M} UTC"
    asks = f"today's run begins with {counted(len(urls), 'request')}"
    if found.current:
        yield Finding(what=SOURCE, text=f"{newest}; {asks}")
    else:
        text = f"{newest}: the last announcement is not in its index yet; {asks}"
        yield Finding(what=SOURCE, text=text, mark="FAIL", exit_code=UNAVAILABLE)


def _exclusions(config: Config, now: datetime) -> Iterator[Finding]:
    """Yield the keywords whose exclusions leave nothing, of those that no run has asked for yet."""
    with remembered(config.place) as state:
        fresh = [
            each
            for each in config.keywords
            if each.exclude
            and (state.trail(each.name) is None or state.memory(each, among=()).former is not None)
        ]
    for keyword in fresh:
        found = tried(config, keyword, days=_MONTH_DAYS, now=now)
        taken = {text: each["papers"] for text, each in found["excluded"].items() if each["papers"]}
        if taken and not found["papers"]:
            most = max(taken, key=lambda text: taken[text])
            text = (
                f"{keyword.name}: its exclusions leave out everything that it found in"
                f" {_MONTH_DAYS} days, {most!r} {counted(taken[most], 'paper')}; remove it from"
                " 'exclude', or look with `newsletter keywords try`"
            )
            yield Finding(what="keywords", text=text, mark="note")


def _mail_server(config: Config) -> Iterator[Finding]:
    server = parts.mail_server(config)
    if server is None:
        text = f"none configured; mails are written to {config.outbox.directory}"
        yield Finding(what="mail server", text=text, mark="note")
        return
    found = doors.probe(server)
    words = [f"{server} answers", found.tls_version or "without TLS"]
    if found.certificate_expires:
        words.append(f"certificate good until {found.certificate_expires:%Y-%m-%d}")
    words.append("login accepted" if found.logged_in else "no login")
    if found.size_limit:
        words.append(f"takes {found.size_limit // 1024} KB a message")
    words.append("pipelining" if found.pipelining else "no pipelining")
    yield Finding(what="mail server", text=", ".join(words))


def _inbox(config: Config) -> Iterator[Finding]:
    opener = parts.inbox(config, stop=Event())
    if opener is None:
        text = "none configured; bounces and wishes to leave are read by nobody"
        yield Finding(what="inbox", text=text, mark="note")
        return
    with opener(seconds=INBOX_SECONDS) as mailbox:
        mails = counted(len(mailbox.keys()), "mail")
    yield Finding(what="inbox", text=f"{mails} waiting")


def _web(config: Config) -> Iterator[Finding]:
    """Ask, as a mail program would, for somebody who is nobody to leave (RFC 8058)."""
    if config.web is None:
        return
    base = config.web.base_url
    url = f"{base}/unsubscribe/{'a' * TOKEN_LENGTH}"
    try:
        with Session() as session:
            status = exchange(
                session,
                "POST",
                url,
                bounds=Bounds(seconds=WEB_TIMEOUT, silence=WEB_TIMEOUT, size=0),
                data={"List-Unsubscribe": "One-Click"},
                read_body=lambda _status: False,
            ).status
    except (requests.RequestException, HTTPError, EndlessError) as error:
        text = f"{base} does not answer ({type(error).__name__}): is `newsletter serve` up?"
        yield Finding(what="web", text=text, mark="FAIL", exit_code=UNAVAILABLE)
        return
    if status == 200:
        yield Finding(what="web", text=f"leaving with one click works through {base}")
    else:
        text = f"one click does not work: {base}/unsubscribe/TOKEN answers {status} to a POST"
        hint = "; is `newsletter serve` up behind it, and is the POST passed on as it is?"
        yield Finding(what="web", text=text + hint, mark="FAIL", exit_code=UNAVAILABLE)


def _trial(config: Config, recipient: str, now: datetime) -> Iterator[Finding]:
    found = trial_mail.send(config, recipient, now=now)
    if found.status == "accepted":
        text = f"accepted for {recipient}: {found.text}"
        yield Finding(what="test digest", text=text)
    else:
        text = f"{found.status} for {recipient}: {found.code} {found.text}"
        yield Finding(what="test digest", text=text, mark="FAIL", exit_code=TEMPORARY)
