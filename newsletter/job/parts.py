"""Put the parts of the daily job together as the configuration says, and run it."""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event, Thread

import requests

from newsletter.addresses import bare
from newsletter.config.loading import Config
from newsletter.errors import ConfigError, StoppedError
from newsletter.job import alerts, daily
from newsletter.job.inbox import Clerk, Reading, Returns
from newsletter.job.mailroom import Mailroom, Press
from newsletter.job.report import Report
from newsletter.mails.message import Composer
from newsletter.mails.render import Renderer
from newsletter.models import Fetched, Scope, Source, Transport
from newsletter.returns.mailboxes import Opener, imap, maildir, mbox
from newsletter.sending.outbox import Outbox
from newsletter.sending.smtp import Server, SmtpTransport
from newsletter.sources.arxiv.client import Manners
from newsletter.sources.arxiv.source import ArxivSource, FileSource
from newsletter.state.database import locked
from newsletter.state.deliveries import Deliveries
from newsletter.state.state import State
from newsletter.subscribers.reading import SubscriberList, read
from newsletter.subscribers.suppressions import Suppressions
from newsletter.subscribers.token_keys import key_file
from newsletter.subscribers.tokens import Tokens

_GLANCE = 0.1  # seconds between looks at `stop`


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
    stop = stop or Event()
    with nullcontext() if dry_run else locked(path), _opened(path, dry_run=dry_run) as state:
        suppressions = Suppressions(config.subscribers.suppressions, keys=token_keys(config))
        people = subscribers(config, state, suppressions, accept_list=accept_list)
        for problem in (*people.problems, *suppressions.problems):
            warn(problem)
        mailroom = Mailroom(
            deliveries=state.deliveries,
            press=press(config, state, now=now),
            transport=preview_outbox(config)
            if dry_run
            else transport(config, state.deliveries, stop=stop, now=now),
            suppressions=suppressions,
            clock=clock_from(now),
            hold_unknown=config.smtp is not None and config.smtp.unknown == "hold",
            stop=stop,
            progress=progress,
        )
        listed = (each.email for each in people.subscribers)
        try:
            report = daily.run(
                config.keywords,
                people.subscribers,
                source=source(config, stop=stop),
                state=state,
                mailroom=mailroom,
                rules=rules(config),
                now=now,
                returns=None if dry_run else returns(config, state, suppressions, listed),
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
            alerts.tell(
                report,
                operator,
                masthead=config.masthead,
                state=state,
                transport=mailroom.transport,
            )
        return report


def read_inbox(config: Config, *, now: datetime) -> Reading:
    """Read bounces and unsubscribe mails now; raises ConfigError where no inbox is configured."""
    if config.inbox is None:
        raise ConfigError(
            ["there is no [inbox] to read; say there where bounces and unsubscribe mails arrive"]
        )
    path = config.state.file
    with locked(path), State.open(path) as state:
        suppressions = Suppressions(config.subscribers.suppressions, keys=token_keys(config))
        listed = (each.email for each in everybody(config).subscribers)
        return returns(config, state, suppressions, listed).read(now=now)


def returns(
    config: Config, state: State, suppressions: Suppressions, listed: Iterable[str]
) -> Returns:
    """Return what hears of people who leave; a token can name who is listed or was ever mailed."""
    return Returns(
        deliveries=state.deliveries,
        bounces=state.bounces,
        suppressions=suppressions,
        clerk=Clerk(
            config.masthead,
            keys=token_keys(config),
            addresses=lambda: [*listed, *state.recipients()],
        ),
        opener=inbox(config),
    )


def inbox(config: Config) -> Opener | None:
    """Return what opens the inbox, None where none is configured."""
    found = config.inbox
    if found is None:
        return None
    if found.host and found.kind == "imap":
        return partial(
            imap,
            found.host,
            found.port,
            username=found.username,
            password=found.password.get_secret_value() if found.password else "",
            folder=found.mailbox,
            ca_file=found.ca_file,
        )
    return partial(mbox if found.kind == "mbox" else maildir, found.path or Path())


def rules(config: Config) -> daily.Rules:
    """Return what the operator decided about the job."""
    return daily.Rules(
        lookback_days=config.source.lookback_days,
        baseline_days=config.source.baseline_days,
        max_age=timedelta(hours=config.smtp.max_age_hours if config.smtp else 48),
        per_keyword=config.newsletter.mode == "per-keyword",
        timezone=config.timezone,
    )


def subscribers(
    config: Config, state: State | None, suppressions: Suppressions, *, accept_list: bool
) -> SubscriberList:
    """Read the list; raises SubscribersError when it cannot be trusted as a whole."""
    return read(
        config.subscribers.file,
        keywords=[each.name for each in config.keywords],
        previous=state.readers() if state else (),
        kept_off=suppressions.reason_for,
        accept=accept_list,
    )


def everybody(config: Config) -> SubscriberList:
    """Read the list, however much of it is gone."""
    return read(
        config.subscribers.file, keywords=[each.name for each in config.keywords], accept=True
    )


def press(config: Config, state: State, *, now: datetime) -> Press:
    """Return what turns deliveries into messages."""
    tokens = Tokens(token_keys(config), config.newsletter.id)
    return Press(
        state,
        renderer(config),
        Composer(
            config.masthead,
            now=now,
            token=tokens.token,
            per_keyword=config.newsletter.mode == "per-keyword",
        ),
    )


def renderer(config: Config) -> Renderer:
    """Return what renders editions; raises RenderError for templates that cannot be used."""
    return Renderer(
        config.masthead,
        templates=config.newsletter.templates,
        bibtex=config.newsletter.bibtex,
        timezone=config.timezone,
    )


def token_keys(config: Config, *, create: bool = True) -> tuple[bytes, ...]:
    """Return the keys that sign tokens: given as a secret, or kept beside the state."""
    secret = config.state.token_key
    given = secret.get_secret_value() if secret else ""
    return key_file(config.state.file.parent, given=given, create=create)


def source(config: Config, *, stop: Event) -> Source:
    """Return where papers come from: arXiv, or a saved answer of it."""
    if config.source.file:
        return FileSource(config.source.file)
    return Interruptible(arxiv_source(config, attempts=config.source.attempts), stop)


class Interruptible:
    """A source that is waited for until `stop` is set; from then on it raises StoppedError."""

    def __init__(self, source: Source, stop: Event) -> None:
        self._source = source
        self._stop = stop

    def fetch(self, scopes: tuple[Scope, ...], *, now: datetime) -> Fetched:
        """Fetch in a thread, since nothing but the end of the program ends a read that blocks."""
        answer: futures.Future[Fetched] = futures.Future()

        def fetch() -> None:
            try:
                answer.set_result(self._source.fetch(scopes, now=now))
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                answer.set_exception(error)

        try:
            Thread(target=fetch, name="source", daemon=True).start()
        except RuntimeError:  # there can be no more threads
            fetch()
        while not (self._stop.is_set() or answer.done()):
            futures.wait([answer], timeout=_GLANCE)
        if self._stop.is_set():
            raise StoppedError
        return answer.result()


def arxiv_source(config: Config, *, attempts: int) -> ArxivSource:
    """Return arXiv's query API, asked with the manners that the configuration wants."""
    contact = config.source.contact or f"mailto:{bare(config.newsletter.sender)}"
    manners = Manners(
        folder=_shared_folder(config.state.file.parent),
        contact=contact,
        interval_seconds=config.source.interval_seconds,
        timeout_seconds=config.source.timeout_seconds,
        attempts=attempts,
    )
    return ArxivSource(requests.Session(), url=config.source.url, manners=manners)


def transport(config: Config, deliveries: Deliveries, *, stop: Event, now: datetime) -> Transport:
    """Return how messages leave: by SMTP, or into the outbox where no server is configured."""
    server = mail_server(config)
    if server is None:
        return Outbox(config.outbox.directory)
    credit = 0.0
    if server.rate_per_minute:
        # What the last minute's runs took of the rate is not there to be used again.
        recent = deliveries.accepted_since(now - timedelta(minutes=1), upto=now)
        credit = max(0.0, server.rate_per_minute - recent)
    return SmtpTransport(server, stop=stop, credit=credit)


def mail_server(config: Config) -> Server | None:
    """Return the server that takes the mails, None where none is configured."""
    smtp = config.smtp
    if smtp is None:
        return None
    if smtp.username and not smtp.password:
        raise ConfigError(
            ["smtp: there is a username but no password; set NEWSLETTER_SMTP__PASSWORD"]
        )
    return Server(
        host=smtp.host,
        port=smtp.port,
        security=smtp.security,
        username=smtp.username,
        password=smtp.password.get_secret_value() if smtp.password else "",
        ehlo_name=smtp.ehlo_name or "",
        ca_file=smtp.ca_file,
        connections=smtp.connections,
        rate_per_minute=smtp.rate_per_minute,
        messages_per_connection=smtp.messages_per_connection,
        attempts=smtp.attempts,
    )


def preview_outbox(config: Config) -> Outbox:
    """Return an empty outbox for a dry run."""
    folder = config.outbox.directory / "preview"
    shutil.rmtree(folder, ignore_errors=True)
    return Outbox(folder)


def clock_from(now: datetime) -> Callable[[], datetime]:
    """Return a clock that starts at `now` and goes on with the machine's monotonic one."""
    start = time.monotonic()
    return lambda: now + timedelta(seconds=time.monotonic() - start)


@contextmanager
def _opened(path: Path, *, dry_run: bool) -> Iterator[State]:
    """Open the state; a dry run gets a copy, and makes no file before the first run."""
    if not dry_run:
        with State.open(path) as state:
            yield state
    elif path.exists():
        with State.open(path) as state, state.snapshot() as copy:
            yield copy
    else:
        with State.blank() as blank:
            yield blank


def _shared_folder(fallback: Path) -> Path:
    """Return a folder that all runs of this user on this machine share; arXiv counts them as one.

    Where there is no home to write to, as in a container, it is the state's own.
    """
    try:
        state_home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        folder = Path(state_home) / "arxiv-newsletter"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return fallback
    return folder if os.access(folder, os.W_OK) else fallback
