"""What every page of the door needs, put together once; and the few things that it does."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from threading import Event, Lock

from msgspec import Struct

from newsletter.config.loading import Config
from newsletter.errors import NewsletterError, StateError
from newsletter.job import parts
from newsletter.state.opening import opened, shared_suppressions, there_is
from newsletter.subscribers import joining
from newsletter.subscribers.listfile import stamp_at
from newsletter.subscribers.suppressions import KeptOff
from newsletter.subscribers.tokens import BadToken, Notes, Tokens, keyed_id
from newsletter.web.limits import Limit
from newsletter.web.post import Post

FORM_LASTS = timedelta(hours=12)
LATELY = timedelta(days=30)

LETTERS_AN_HOUR = 20

_HOUR = 3600.0
_FRESH = 600.0  # seconds for which counts are shown as they are

_log = logging.getLogger(__name__)


class Limits(Struct, frozen=True, kw_only=True):
    """How many letters may leave in an hour: to an address, for a client, and in all."""

    to_address: Limit
    for_client: Limit
    in_all: Limit

    def allow_client(self, client: str) -> bool:
        """Count one more request of a client that would send a letter."""
        return self.for_client.allows(client) and self.in_all.allows()


class Door:
    """The newsletter as its readers reach it: who they are, what they get, how they leave.

    Its methods may be called from many threads. They raise SubscribersError where a file cannot
    be trusted, and OSError where it cannot be written.
    """

    def __init__(self, config: Config, *, clock: Callable[[], datetime]) -> None:
        keys = parts.token_keys(config, mailed=parts.has_mailed(config))
        list_id = config.newsletter.id
        self.config = config
        self.clock = clock
        self.keywords = [each.name for each in config.keywords]
        self.tokens = Tokens(keys, list_id)
        self.confirmations = Notes(keys, list_id, joining.CONFIRM)
        self.own_requests = Notes(keys, list_id, "own data")
        self.forms = Notes(keys, list_id, "form")
        self.post = Post(partial(parts.transport, config, accepted_lately=0, stop=Event()))
        self.limits = Limits(
            to_address=Limit(3, _HOUR, time.monotonic),
            for_client=Limit(10, _HOUR, time.monotonic),
            in_all=Limit(LETTERS_AN_HOUR, _HOUR, time.monotonic),
        )
        self._owners = Owners(self.tokens, keys=keys, stamp=self._stamp, read=self._addresses)
        self._suppressions = parts.kept_off(config, keys=keys)
        self._leavers = Leavers(self._let_go)
        self._keys = keys
        self._lock = Lock()
        self._counting = Lock()  # takes as long as the state's disk
        self._lately: Mapping[str, int] = {}
        self._counted_at = -_FRESH

    @property
    def base_url(self) -> str:
        """Where the door is reached from outside."""
        return self.config.web.base_url if self.config.web else ""

    @property
    def root(self) -> str:
        """The path under which it is reached, `/papers` or nothing."""
        path = self.base_url.partition("://")[2].partition("/")[2]
        return f"/{path}" if path else ""

    @property
    def has_no_list(self) -> bool:
        """Whether readers can only leave here, since the list is another machine's."""
        return self.config.list_is_elsewhere

    def owner(self, token: str) -> str | None:
        """Return whose a token is, None where it is nobody's."""
        return self._owners.of(token)

    def get_ready(self) -> None:
        """Learn whose tokens are whose, so that the first who knock need not wait for it."""
        try:
            self.owner(self.tokens.token(""))
        except (NewsletterError, OSError) as error:
            _log.error("the list cannot be read, and pages will say so: %s", error)

    def leave(self, token: str) -> None:
        """Suppress the owner of a token, durably; nothing happens where there is none."""
        address = self.owner(token)
        if address:
            self._leavers.add(address)

    def _let_go(self, addresses: Sequence[str]) -> None:
        with self._kept_off() as suppressions:
            suppressions.add_all(
                addresses, reason=joining.LEFT, now=self.clock(), detail="one click"
            )

    def may_join(self, email: str, *, asked: datetime) -> bool:
        """Return whether an address may come by a wish of `asked`."""
        with self._kept_off() as suppressions:
            return joining.may_join(suppressions, email, asked=asked)

    def is_kept_off(self, email: str) -> bool:
        """Return whether an address must not be mailed, for whatever reason."""
        with self._kept_off() as suppressions:
            return suppressions.reason_for(email) is not None

    def join(self, cells: Mapping[str, str], *, asked: datetime) -> bool:
        """Put a confirmed wish into the list; False where the address must stay away."""
        with self._kept_off() as suppressions:
            return bool(
                joining.joined(
                    self.config.subscribers.file,
                    cells,
                    suppressions,
                    keywords=self.keywords,
                    asked=asked,
                    now=self.clock(),
                )
            )

    def lately(self) -> Mapping[str, int]:
        """Return what each keyword brought in 30 days; empty where the state does not know."""
        with self._counting:
            if time.monotonic() - self._counted_at >= _FRESH:
                self._lately = self._counts()
                self._counted_at = time.monotonic()
            return self._lately

    def close(self, *, patience: float) -> None:
        """Send the letters that wait, for at most so many seconds."""
        self.post.close(patience=patience)

    @contextmanager
    def _kept_off(self) -> Iterator[KeptOff]:
        """Hand out who must not be mailed, as it is now; one thread at a time."""
        with self._lock:
            if not self.config.place.url:
                self._suppressions.refresh()
                yield self._suppressions
                return
            with opened(self.config.place) as state:
                yield shared_suppressions(state, keys=self._keys) or self._suppressions

    def _counts(self) -> dict[str, int]:
        since = self.clock() - LATELY
        try:
            if not there_is(self.config.place):
                return {}
            with opened(self.config.place) as state:
                return {name: state.announced_since(name, since) for name in self.keywords}
        except StateError as error:
            _log.warning("what keywords brought is not known: %s", error)
            return {}

    def _stamp(self) -> object:
        """Return what changes when somebody may have come: the list, or elsewhere an issue."""
        return (stamp_at(self.config.subscribers.file), self.has_no_list and self._newest())

    def _newest(self) -> int:
        with opened(self.config.place) as state:
            return state.newest_issue()

    def _addresses(self) -> Iterator[str]:
        if there_is(self.config.place):
            with opened(self.config.place) as state:
                yield from state.recipients()
        if self.has_no_list:
            return  # whoever has a token was mailed
        for _, email in parts.everybody(self.config).subscribers.emails():
            yield email


class Owners:
    """Finds the address that a token names. `read` is asked for all when `stamp` has changed.

    A token that is nobody's is forged, another newsletter's, or of somebody who was forgotten.
    """

    def __init__(
        self,
        tokens: Tokens,
        *,
        keys: Sequence[bytes],
        stamp: Callable[[], object],
        read: Callable[[], Iterable[str]],
    ) -> None:
        self._tokens = tokens
        self._keys = keys
        self._stamp = stamp
        self._read = read
        self._lock = Lock()
        self._stamped: object = None
        self._by_id: dict[str, str] = {}

    def of(self, token: str) -> str | None:
        """Return the address, None where nobody is named. Raises what `read` raises."""
        try:
            named = self._tokens.reads(token)
        except BadToken:
            return None
        if address := self._by_id.get(named.id):
            return address  # while the list is read for others, too
        with self._lock:
            address = self._by_id.get(named.id)
            if address is None and (stamp := self._stamp()) != self._stamped:
                self._by_id = {
                    keyed_id(each, key=key): each for each in self._read() for key in self._keys
                }
                self._stamped = stamp
                address = self._by_id.get(named.id)
        return address


class Leavers:
    """Writes down who leaves: all who come while one write is under way go with the next.

    Thousands who leave at once would else wait for a sync of the disk each, one after the other.
    """

    def __init__(self, write: Callable[[Sequence[str]], None]) -> None:
        self._write = write
        self._lock = Lock()
        self.waiting: deque[tuple[str, Future[None]]] = deque()

    def add(self, address: str) -> None:
        """Return when the address is written down. Raises what `write` raises."""
        written: Future[None] = Future()
        self.waiting.append((address, written))
        with self._lock:
            if not written.done():
                self._write_down()
        written.result()

    def _write_down(self) -> None:
        waiting = []
        with suppress(IndexError):
            while True:
                waiting.append(self.waiting.popleft())
        try:
            self._write([address for address, _ in waiting])
        except Exception as error:  # noqa: BLE001 - each who waits raises it
            for _, written in waiting:
                written.set_exception(error)
        else:
            for _, written in waiting:
                written.set_result(None)
