"""Put the parts of the daily job together as the configuration says, and run it."""

import random
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

from newsletter import __version__, job
from newsletter.config import Config
from newsletter.deliver import Mailroom, Press
from newsletter.keyfile import key_file
from newsletter.message import Composer
from newsletter.models import Source, Transport
from newsletter.outbox import Outbox
from newsletter.render import Renderer
from newsletter.report import Report
from newsletter.state import State, locked
from newsletter.subscribers import SubscriberList, read
from newsletter.suppressions import Suppressions
from newsletter.tokens import Tokens


def run(
    config: Config,
    *,
    now: datetime,
    dry_run: bool = False,
    accept_list: bool = False,
    stop: Event | None = None,
    progress: Callable[[int, int], None] = lambda _ended, _of: None,
    warn: Callable[[str], None] = lambda _problem: None,
) -> Report:
    """Run the daily job once, as of `now`.

    A dry run works on a copy of the state and writes its mails into the outbox's `preview/`.
    `warn` is told of rows of the list that were left out. Raises NewsletterError for what stops
    the job before it begins.
    """
    path = config.state.file
    with nullcontext() if dry_run else locked(path), State.open(path) as kept:
        state = kept.snapshot() if dry_run else kept
        people = subscribers(config, state, accept_list=accept_list)
        for problem in people.problems:
            warn(problem)
        suppressions = Suppressions(config.subscribers.suppressions, keys=key_file(path.parent))
        clock = clock_from(now)
        mailroom = Mailroom(
            state=state,
            press=press(config, state, now=now),
            transport=preview_outbox(config) if dry_run else transport(config, state, clock=clock),
            suppressions=suppressions,
            clock=clock,
            stop=stop or Event(),
            progress=progress,
        )
        return job.run(
            config.keywords,
            [each for each in people.subscribers if not suppressions.reason_for(each.email)],
            source=source(config),
            state=state,
            mailroom=mailroom,
            rules=job.Rules(
                lookback_days=config.source.lookback_days,
                baseline_days=config.source.baseline_days,
                max_age=max_age(config),
                per_keyword=config.newsletter.mode == "per-keyword",
                timezone=config.timezone,
            ),
            now=now,
        )


def subscribers(config: Config, state: State | None, *, accept_list: bool) -> SubscriberList:
    """Read the list; raises SubscribersError when it cannot be trusted as a whole."""
    return read(
        config.subscribers.file,
        keywords=[each.name for each in config.keywords],
        previous_count=len(state.readers()) or None if state else None,
        accept=accept_list,
    )


def press(config: Config, state: State, *, now: datetime) -> Press:
    """Return what turns deliveries into messages."""
    tokens = Tokens(key_file(config.state.file.parent), config.newsletter.id)
    return Press(
        state,
        Renderer(config.masthead, templates=config.newsletter.templates),
        Composer(
            config.masthead,
            now=now,
            token=tokens.token,
            per_keyword=config.newsletter.mode == "per-keyword",
        ),
    )


def source(config: Config) -> Source:
    """Return where papers come from: arXiv, or a saved answer of it."""
    from newsletter.arxiv import ArxivSource, FileSource

    if config.source.file:
        return FileSource(config.source.file)
    import requests

    return ArxivSource(requests.Session(), url=config.source.url)


def transport(config: Config, state: State, *, clock: Callable[[], datetime]) -> Transport:
    """Return how messages leave: by SMTP, or into the outbox where none is configured."""
    if config.smtp is None:
        return Outbox(config.outbox.directory)
    raise NotImplementedError


def preview_outbox(config: Config) -> Outbox:
    """Return an empty outbox for a dry run."""
    folder = config.outbox.directory / "preview"
    shutil.rmtree(folder, ignore_errors=True)
    return Outbox(folder)


def clock_from(now: datetime) -> Callable[[], datetime]:
    """Return a clock that starts at `now` and goes on with the machine's monotonic one."""
    start = time.monotonic()
    return lambda: now + timedelta(seconds=time.monotonic() - start)


def max_age(config: Config) -> timedelta:
    """Return how old an issue may be before what is left of it expires."""
    return timedelta(hours=config.smtp.max_age_hours if config.smtp else 48)
