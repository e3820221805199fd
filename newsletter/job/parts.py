"""Put the parts of the daily job together as the configuration says."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from math import inf
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from newsletter.addresses import bare, folded
from newsletter.errors import ConfigError, StateError
from newsletter.files import shared_folder
from newsletter.phrases import counted
from newsletter.subscribers.reading import SubscriberList, read
from newsletter.subscribers.token_keys import FORGETTING, forgetting_keys, key_file

# The libraries behind the parts take longer to import than a quiet day: each part imports its own.
if TYPE_CHECKING:
    from newsletter.config.loading import Config
    from newsletter.job.asking import Rules
    from newsletter.job.inbox import Returns
    from newsletter.job.mailroom import Ordering, Press
    from newsletter.job.profiles.orders import Orders
    from newsletter.job.profiles.reading import Profiles
    from newsletter.mails.message import Composer
    from newsletter.mails.render import Renderer
    from newsletter.models import Source, Subscriber, Transport
    from newsletter.returns.mailboxes import Opener
    from newsletter.sending.doors import Server
    from newsletter.sending.pace import Meter
    from newsletter.sources.arxiv.source import ArxivSource
    from newsletter.state.state import State
    from newsletter.subscribers.profiles.kept import Copies
    from newsletter.subscribers.suppressions import KeptOff, Suppressions


def returns(
    config: "Config",
    state: "State",
    suppressions: "KeptOff",
    listed: Iterable[str] | None,
    *,
    keys: Sequence[bytes],
    stop: Event,
) -> "Returns":
    """Return what hears of people who leave; a token can name who is listed or was ever mailed.

    `listed` is None where the list is another machine's.
    """
    from newsletter.job.inbox import Returns
    from newsletter.returns.meaning import Clerk
    from newsletter.state.opening import only_reader

    desk = None
    if config.inbox and listed is not None:
        from newsletter.job.letters.answers import desk_for

        desk = desk_for(config, suppressions, state.history, keys)
    return Returns(
        deliveries=state.deliveries,
        bounces=state.bounces,
        suppressions=suppressions,
        clerk=Clerk(
            config.masthead,
            keys=keys,
            addresses=lambda: chain(listed or (), state.recipients()),
            keywords=[each.name for each in config.keywords],
        ),
        opener=inbox(config, stop=stop),
        alone=partial(only_reader, state),
        stop=stop,
        desk=desk,
    )


def inbox(config: "Config", *, stop: Event) -> "Opener | None":
    """Return what opens the inbox, None where none is configured."""
    found = config.inbox
    if found is None:
        return None
    if found.host and found.kind == "imap":
        from newsletter.returns.imap import imap

        return partial(
            imap,
            found.host,
            found.port,
            username=found.username,
            password=found.password.get_secret_value() if found.password else "",
            folder=found.mailbox,
            ca_file=found.ca_file,
            stop=stop,
        )
    from newsletter.returns.mailboxes import maildir, mbox

    opened = mbox if found.kind == "mbox" else maildir
    return partial(opened, found.path or Path(), stop=stop)


def rules(config: "Config") -> "Rules":
    """Return what the operator decided about the job."""
    from newsletter.job.asking import Rules

    return Rules(
        lookback_days=config.source.lookback_days,
        baseline_days=config.source.baseline_days,
        max_age=timedelta(hours=config.smtp.max_age_hours if config.smtp else 48),
        per_keyword=config.newsletter.mode == "per-keyword",
        timezone=config.timezone,
    )


def subscribers(
    config: "Config",
    state: "State",
    suppressions: "KeptOff",
    *,
    accept_list: bool,
    now: datetime,
) -> SubscriberList:
    """Read the list; raises SubscribersError when it cannot be trusted as a whole.

    `state` has the readers of the run before; a pause that ended before `now` is none.
    """
    return read(
        config.subscribers.file,
        keywords=[each.name for each in config.keywords],
        previous=(each.address for each in state.readers()),
        kept_off=suppressions.reason_for,
        accept=accept_list,
        today=now.astimezone(config.timezone).date(),
    )


def everybody(config: "Config") -> SubscriberList:
    """Read the list, however much of it is gone."""
    return read(
        config.subscribers.file, keywords=[each.name for each in config.keywords], accept=True
    )


def press(
    config: "Config",
    state: "State",
    *,
    keys: Sequence[bytes],
    now: datetime,
    orders: "Ordering | None" = None,
) -> "Press":
    """Return what turns deliveries into messages, with tokens signed by the first of `keys`."""
    from newsletter.job.mailroom import Press

    return Press(
        state.issues,
        partial(renderer, config),
        partial(_composer, config, keys, now),
        abstracts=config.newsletter.abstracts,
        orders=orders,
    )


def _composer(config: "Config", keys: Sequence[bytes], now: datetime) -> "Composer":
    from newsletter.mails.message import Composer
    from newsletter.subscribers.tokens import Tokens

    return Composer(
        config.masthead,
        now=now,
        token=Tokens(keys, config.newsletter.id).token,
        per_keyword=config.newsletter.mode == "per-keyword",
    )


def profiles(
    config: "Config",
    state: "State",
    papers_from: "Source",
    *,
    now: datetime,
    keep: bool = True,
) -> "Profiles":
    """Return what reads readers' own papers, here and at Zotero; unless `keep`, it writes none."""
    from newsletter.exchange import Session
    from newsletter.job.profiles.reading import Profiles
    from newsletter.sources.arxiv.identity import paper_id
    from newsletter.subscribers.profiles.zotero import Zotero

    copies = profile_copies(config, keep=keep)
    keys = {name: key.get_secret_value() for name, key in config.zotero.keys.items()}
    return Profiles(
        folder=config.subscribers.file.parent,
        copies=copies,
        papers=state.papers,
        zotero=Zotero(
            session=Session(),
            url=config.zotero.url,
            keys=keys,
            copies=copies,
            paper_id=paper_id,
            now=now,
        ),
        fetch=partial(papers_from.by_id, now=now),
        paper_id=paper_id,
        now=now,
    )


def profile_copies(config: "Config", *, keep: bool = True) -> "Copies":
    """Return the copies of readers' own papers, which lie beside the state."""
    from newsletter.subscribers.profiles.kept import Copies

    return Copies(config.state.file.parent / "profiles", may_change=keep)


def orders(
    config: "Config", state: "State", readers: Iterable["Subscriber"], read: "Profiles"
) -> "Orders":
    """Return what orders the editions of those who gave a profile."""
    from newsletter.job.profiles.beside import MANY, cores
    from newsletter.job.profiles.orders import Orders

    cells = {
        folded(each.email): each.profile
        for each in readers
        if each.profile and (each.order or config.newsletter.order) == "relevance"
    }
    return Orders(cells, read, state.papers, many=MANY if cores() > 1 else None)


def renderer(config: "Config") -> "Renderer":
    """Return what renders editions; raises RenderError for templates that cannot be used."""
    from newsletter.mails.render import Renderer

    return Renderer(
        config.masthead,
        templates=config.newsletter.templates,
        bibtex=config.newsletter.bibtex,
        timezone=config.timezone,
        subject=config.newsletter.subject,
    )


def token_keys(config: "Config", *, create: bool = True, mailed: bool = False) -> tuple[bytes, ...]:
    """Return the keys that sign tokens: given as a secret, or kept beside the state.

    Raises StateError where they are lost: `mailed` says that they have been in use.
    """
    secret = config.state.token_key
    given = secret.get_secret_value() if secret else ""
    if config.state.url and not given:
        raise ConfigError(
            [
                (
                    "state.token_key: missing; where machines share a ledger none makes a key"
                    " of its own: set NEWSLETTER_STATE__TOKEN_KEY to the same 64 random letters on"
                    " each"
                )
            ]
        )
    return key_file(config.state.file.parent, given=given, create=create, mailed=mailed)


def has_mailed(config: "Config") -> bool:
    """Return whether an issue was opened: then keys that are missing were lost."""
    from newsletter.state.opening import opened, there_is

    if not there_is(config.place):
        return False
    with opened(config.place) as state:
        return state.newest_issue() > 0


def kept_off(
    config: "Config", *, keys: Sequence[bytes], forgetting: bool = False, doubted: bool = True
) -> "Suppressions":
    """Return who must not be mailed; with `forgetting`, ready to forget people.

    Raises StateError, where it is `doubted`, for the lost key of people who were forgotten: they
    could not be told from others.
    """
    from newsletter.subscribers.suppressions import Suppressions

    folder, path = config.state.file.parent, config.subscribers.suppressions
    found = Suppressions(path, keys=(*forgetting_keys(folder), *keys))
    if doubted and (lost := found.of_unknown_keys()):
        raise StateError(
            folder / FORGETTING,
            f"the key of {counted(lost, 'line')} in {path.name} is missing: restore the file from a"
            " backup. Without it people who were forgotten would be mailed again. To go on all"
            f" the same, delete the lines of {path.name} that begin with `forgotten:`",
        )
    if forgetting:
        return Suppressions(path, keys=(*forgetting_keys(folder, create=True), *keys))
    return found


def source(
    config: "Config",
    *,
    stop: Event,
    patience_seconds: float = inf,
    told: Callable[[str, float], None] = lambda _what, _seconds: None,
) -> "Source":
    """Return where papers come from: arXiv, or a saved answer of it.

    `patience_seconds` is for how long it is tried where nothing answers at all; `told` hears what
    is waited for, and for how long.
    """
    if config.source.file:
        from newsletter.sources.arxiv.saved import FileSource

        return FileSource(config.source.file)
    from newsletter.sources.interruptible import Interruptible

    arxiv = arxiv_source(
        config,
        attempts=config.source.attempts,
        patience_seconds=patience_seconds,
        told=told,
    )
    return Interruptible(arxiv, stop)


def arxiv_source(
    config: "Config",
    *,
    attempts: int,
    patience_seconds: float = inf,
    told: Callable[[str, float], None] = lambda _what, _seconds: None,
) -> "ArxivSource":
    """Return arXiv's query API, asked with the manners that the configuration wants."""
    from newsletter.exchange import Session
    from newsletter.sources.arxiv.client import Manners
    from newsletter.sources.arxiv.source import ArxivSource

    contact = config.source.contact or f"mailto:{bare(config.newsletter.sender)}"
    manners = Manners(
        folder=shared_folder(config.state.file.parent),
        contact=contact,
        interval_seconds=config.source.interval_seconds,
        timeout_seconds=config.source.timeout_seconds,
        attempts=attempts,
        patience_seconds=patience_seconds,
        told=told,
    )
    return ArxivSource(Session(), url=config.source.url, manners=manners)


def transport(
    config: "Config", *, accepted_lately: int, stop: Event, meter: "Meter | None" = None
) -> "Transport":
    """Return how messages leave: by SMTP, or into the outbox where no server is configured.

    `accepted_lately` is what the last minute's runs took of the rate, where there is one; `meter`
    keeps it for all senders.
    """
    server, smtp = mail_server(config), config.smtp
    if server is None or smtp is None:
        from newsletter.sending.outbox import Outbox

        return Outbox(config.outbox.directory)
    from newsletter.sending.smtp import Conduct, SmtpTransport

    conduct = Conduct(
        connections=smtp.connections,
        rate_per_minute=smtp.rate_per_minute,
        messages_per_connection=smtp.messages_per_connection,
        attempts=smtp.attempts,
    )
    credit = max(0.0, smtp.rate_per_minute - accepted_lately)
    return SmtpTransport(server, conduct, stop=stop, credit=credit, meter=meter)


def mail_server(config: "Config") -> "Server | None":
    """Return the server that takes the mails, None where none is configured."""
    smtp = config.smtp
    if smtp is None:
        return None
    if smtp.username and not smtp.password:
        raise ConfigError(
            ["smtp: there is a username but no password; set NEWSLETTER_SMTP__PASSWORD"]
        )
    from newsletter.sending.doors import Server

    return Server(
        host=smtp.host,
        port=smtp.port,
        security=smtp.security,
        username=smtp.username,
        password=smtp.password.get_secret_value() if smtp.password else "",
        ehlo_name=smtp.ehlo_name or "",
        ca_file=smtp.ca_file,
        without=frozenset(name for name in ("dsn", "pipelining") if getattr(smtp, name) == "off"),
    )
