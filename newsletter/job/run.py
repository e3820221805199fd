"""Run the daily job, or read the inbox or deliver alone, as the configuration says."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from math import inf
from threading import Event
from typing import TYPE_CHECKING

from msgspec.structs import replace

from newsletter.config.loading import Config
from newsletter.errors import (
    CONFIG,
    ArchiveError,
    ConfigError,
    InboxError,
    NewsletterError,
    StoppedError,
)
from newsletter.job import asking, daily
from newsletter.job.mailroom import Mailroom
from newsletter.job.parts import (
    everybody,
    has_mailed,
    kept_off,
    orders,
    press,
    profiles,
    returns,
    rules,
    source,
    subscribers,
    token_keys,
    transport,
)
from newsletter.job.report import Report
from newsletter.models import Day, Transport
from newsletter.sending.outbox import Outbox
from newsletter.state.engines import Place
from newsletter.state.opening import (
    PATIENCE,
    alone,
    beside,
    reconciled,
    remembered,
    shared_meter,
    shared_suppressions,
)
from newsletter.state.state import State

if TYPE_CHECKING:  # mails take time to import, and most have no inbox
    from newsletter.job.inbox import Reading

_REST = 30.0  # seconds after the mail server could not be used
# Signs the mails of a dry run before the first run: nobody gets them, and no key is made for them.
_NO_KEY = (b"no key: this mail was never sent",)

_log = logging.getLogger(__name__)


def run(
    config: Config,
    *,
    now: datetime,
    dry_run: bool = False,
    accept_list: bool = False,
    stop: Event | None = None,
    progress: Callable[[int, int], None] = lambda _ended, _of: None,
    patience_seconds: float = inf,
    waiting: Callable[[str, float], None] = lambda _what, _seconds: None,
    warn: Callable[[str], None] = lambda _problem: None,
) -> Report:
    """Run the daily job once, as of `now`.

    A dry run works on a copy of the state and writes its mails into the outbox's `preview/`.
    `waiting` is told what is waited for, and for how many seconds; where arXiv does not answer at
    all it is tried for `patience_seconds`. `warn` is told of rows of the list that were left out.
    Raises NewsletterError for what stops the job before it begins.
    """
    stop = stop or Event()
    with _opened(config.place, dry_run=dry_run, stop=stop) as state:
        keys = token_keys(config, create=not dry_run, mailed=state.newest_issue() > 0) or _NO_KEY
        file = kept_off(config, keys=keys)
        suppressions = shared_suppressions(state, keys=keys) or file
        reconciled(suppressions, file, now=now)
        phases = daily.Phases(clock := clock_from(now))
        people = subscribers(config, state, suppressions, accept_list=accept_list, now=now)
        phases.ended("reading the list")
        for problem in (*people.problems, *suppressions.problems):
            warn(problem)
        papers_from = source(config, stop=stop, patience_seconds=patience_seconds, told=waiting)
        # Most lists have no profiles, and it takes time to import what reads them.
        profiled = any(True for _ in people.subscribers.with_profiles())
        keep = not dry_run
        read = profiles(config, state, papers_from, now=now, keep=keep) if profiled else None
        mailroom = Mailroom(
            state=state,
            press=press(config, state, keys=keys, now=now, orders=state.orders),
            transport=preview_outbox(config)
            if dry_run
            else _post(config, state, now=now, stop=stop),
            suppressions=suppressions,
            clock=clock,
            hold_unknown=config.smtp is not None and config.smtp.unknown == "hold",
            stop=stop,
            progress=progress,
        )
        listed = (email for _, email in people.subscribers.emails())
        try:
            report = daily.run(
                config.keywords,
                people.subscribers,
                before=state.readers(),
                source=papers_from,
                state=state,
                mailroom=mailroom,
                rules=rules(config),
                now=now,
                orders=orders(config, state, people.subscribers.with_profiles(), read)
                if read
                else None,
                deliver=dry_run or config.smtp is None or config.smtp.deliver_in_run,
                returns=None
                if dry_run
                else partial(returns, config, state, suppressions, listed, keys=keys, stop=stop),
                inbox=config.inbox is not None,
                archive=(lambda _day: None) if dry_run else partial(archived, config, state),
                page=(lambda _issue: None) if dry_run else partial(paged, config, state),
            )
        except StoppedError as error:
            return Report(
                run=now,
                finished=mailroom.clock(),
                deliveries=state.deliveries.tally(),
                troubles=(error,),
            )
        operator = config.monitoring.alert_to
        if operator and not dry_run:
            from newsletter.job.letters import alerts  # reads bounces, and most alert nobody

            untold = daily.spared(
                "the alert to monitoring.alert_to",
                alerts.tell,
                report,
                operator,
                masthead=config.masthead,
                state=state,
                transport=mailroom.transport,
            )
            report = replace(report, troubles=report.troubles + untold)
        reconciled(suppressions, file, now=now)
        later = 0 if dry_run else asking.complete_papers(papers_from, state, now=now)
        later += read.requests if read else 0
        return replace(report, requests=report.requests + later)


def read_inbox(config: Config, *, now: datetime, stop: Event | None = None) -> "Reading":
    """Read what came back and what readers ask for by mail now, and answer them.

    Where a ledger is shared a run may be under way, and the list elsewhere. Raises ConfigError
    where no inbox is configured.
    """
    if config.inbox is None:
        raise ConfigError(
            ["there is no [inbox] to read; say there where bounces and unsubscribe mails arrive"]
        )
    stop = stop or Event()
    with beside(config.place, patience=PATIENCE, stop=stop) as state:
        keys = token_keys(config, mailed=state.newest_issue() > 0)
        suppressions = shared_suppressions(state, keys=keys) or kept_off(config, keys=keys)
        there = not config.list_is_elsewhere
        listed = [email for _, email in everybody(config).subscribers.emails()] if there else None
        office = returns(config, state, suppressions, listed, keys=keys, stop=stop)
        reading = office.read(now=now, seconds=daily.INBOX_SECONDS)
        post = partial(_post, config, state, now=now, stop=stop)
        for trouble in daily.spared("answers", office.answer, post, now=now):
            told = InboxError(str(trouble), exit_code=trouble.exit_code)
            reading = replace(reading, trouble=reading.trouble or told)
        return reading


def deliver(
    config: Config,
    *,
    clock: Callable[[], datetime],
    stop: Event,
    follow: bool = False,
    at_first: float = PATIENCE,
    progress: Callable[[int, int], None] = lambda _ended, _of: None,
) -> Report:
    """Send what is owed once, or until `stop` is set; the report tells what became of it.

    Whoever follows rides out a database and a mail server that are gone; the report's exit code is
    0 then unless something is in doubt. A database that is not there `at_first` is waited for so
    many seconds. Raises NewsletterError for what stops it before it begins.
    """
    if follow and not config.state.url:
        problem = (
            "deliver --follow works beside others, and they would need state.url, a ledger in"
            " PostgreSQL; with a file, `newsletter run` delivers"
        )
        raise ConfigError([problem])
    began = clock()
    # A shared ledger's key is given, and is looked at before a database that may be away.
    keys = token_keys(config, mailed=not config.state.url and has_mailed(config))
    patience = inf if follow else PATIENCE
    with beside(
        config.place, patience=patience, stop=stop, follow=follow, at_first=at_first
    ) as state:
        suppressions = shared_suppressions(state, keys=keys) or kept_off(config, keys=keys)
        max_age = rules(config).max_age

        def once() -> tuple[NewsletterError, ...]:
            now = clock()
            state.deliveries.take_up(now=now, max_age=max_age)
            room = Mailroom(
                state=state,
                press=press(config, state, keys=keys, now=now, orders=state.orders),
                transport=_post(config, state, now=now, stop=stop),
                suppressions=suppressions,
                clock=clock,
                hold_unknown=config.smtp is not None and config.smtp.unknown == "hold",
                stop=stop,
                progress=progress,
            )
            return daily.tried(room.deliver)

        troubles = once()
        while follow and not stop.wait(_REST if troubles else config.place.look):
            for each in troubles:
                _log.error("%s", each)
                if each.exit_code == CONFIG:  # nobody but a person can help
                    raise each
            troubles = once()
        return Report(
            run=began,
            finished=clock(),
            deliveries=state.deliveries.own() if follow else state.deliveries.tally(),
            troubles=() if follow else troubles,
        )


def archived(config: Config, state: State, day: Day) -> None:
    """Bring the archive up to date, where there is one. Raises ArchiveError, or ImportError."""
    directory = config.archive.directory
    if directory is None:
        return
    try:
        from newsletter.archive import writing  # 0.1 s, for those who have one

        unanswered = writing.unanswered(state, config.keywords, today=day)
        writing.write(state, directory, writing.imprint(config), unanswered=unanswered)
    except (ArchiveError, ImportError):
        raise
    except Exception as error:
        # A bug in a page must not hide what became of the mails.
        _log.debug("it happened here:", exc_info=error)
        raise ArchiveError([f"{directory}: the archive cannot be written: {error!r}"]) from error


def paged(config: Config, state: State, issue: int) -> None:
    """Write the page of an issue, where there is an archive. Raises whatever is in the way."""
    directory = config.archive.directory
    if directory is not None:
        from newsletter.archive import writing

        writing.write_issue(state, directory, writing.imprint(config), issue)


def preview_outbox(config: Config) -> Outbox:
    """Return an empty outbox for a dry run."""
    folder = config.outbox.directory / "preview"
    shutil.rmtree(folder, ignore_errors=True)
    return Outbox(folder)


def clock_from(now: datetime) -> Callable[[], datetime]:
    """Return a clock that starts at `now` and goes on with the machine's monotonic one."""
    start = time.monotonic()
    return lambda: now + timedelta(seconds=time.monotonic() - start)


def _post(config: Config, state: State, *, now: datetime, stop: Event) -> Transport:
    """Return how mails leave; what was accepted in the last minute counts against the rate."""
    lately = 0
    if config.smtp is not None and config.smtp.rate_per_minute:  # else nobody asks, and it is slow
        lately = state.deliveries.accepted_since(now - timedelta(minutes=1), upto=now)
    return transport(config, accepted_lately=lately, stop=stop, meter=shared_meter(state))


@contextmanager
def _opened(place: Place, *, dry_run: bool, stop: Event) -> Iterator[State]:
    """Open the state; a dry run gets a copy, and makes no file before the first run."""
    if not dry_run:
        with alone(place, stop=stop) as state:
            yield state
    else:
        with remembered(place) as state, state.snapshot() as copy:
            yield copy
