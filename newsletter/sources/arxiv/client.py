"""Fetch one page of arXiv politely: spaced, one at a time on the whole machine, capped, patient.

It knows HTTP and what arXiv asks of programs (info.arxiv.org/help/api/tou), and nothing of papers.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import inf
from pathlib import Path
from random import Random
from typing import Any, TextIO, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from msgspec import Struct, field
from urllib3.exceptions import DecodeError, HTTPError, ProtocolError, ReadTimeoutError

from newsletter import __version__
from newsletter.addresses import is_loopback
from newsletter.errors import SourceError
from newsletter.exchange import CONNECT_SECONDS, Answer, Bounds, EndlessError, exchange
from newsletter.files import lock_file, wait_for
from newsletter.prose import said
from newsletter.sources.arxiv.atom import MAX_BYTES, AtomError, parse

SPACING = 3.0
LOCK_NAME = "arxiv.lock"

_BACK_OFF = (10.0, 30.0, 90.0, 300.0)
_LONGEST_WAIT = 600.0
_TURN_SECONDS = 1800.0  # more than one exchange of another run can take
_LONGEST_COOL_DOWN = timedelta(days=1)
_AFTER_REFUSAL = timedelta(hours=1)
_BODY_TIMEOUTS = 5
_REDIRECTS = 5
_ARXIV = ("arxiv.org", "export.arxiv.org")
_REDIRECTED = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({406, 408, 429})

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class RefusedError(SourceError):
    """arXiv denies us (403); to go on asking "will be interpreted as an attack"."""


class QueryError(SourceError):
    """arXiv does not understand the question (400); asking again cannot help."""


class Manners(Struct, frozen=True, kw_only=True):
    """How to behave towards arXiv.

    `contact` goes into the User-Agent. `interval_seconds` lies between an answer and the next
    request, and is never below 3 for arXiv's own hosts. `timeout_seconds` is the longest silence
    within an answer. `attempts` is how often in a row a run tries before it gives up, and
    `patience_seconds` how long it goes on where nothing answers at all. `folder` holds the lock and
    the cool-down that all runs on the machine share. `told` hears what is done or waited for, and
    for how many seconds; no words mean that nothing is any more.
    """

    folder: Path
    contact: str = ""
    interval_seconds: float = SPACING
    timeout_seconds: float = 60.0
    attempts: int = 5
    patience_seconds: float = inf
    told: Callable[[str, float], None] = lambda _what, _seconds: None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    random: Random = field(default_factory=Random)


class Client:
    """The requests of one run, which began at `now`. `requests` counts them."""

    def __init__(
        self, session: requests.Session, *, url: str, manners: Manners, now: datetime
    ) -> None:
        self.requests = 0
        self._session = session
        self._hosts = {*_ARXIV, urlsplit(url).hostname}
        self._manners = manners
        self._began = now, manners.clock()
        self._failures = 0
        self._refusal: SourceError | None = None

    def ask(self, address: Callable[[int], str], read: Callable[[int, bytes], _T]) -> _T:
        """Return what `read` makes of the answer; both are told which try it is, from 0.

        Another URL for each try leaves a bad answer behind that arXiv's cache may hold. `read`
        raises AtomError to have it tried again. Raises SourceError when it is no use; once a run
        has used up its tries in a row, every further question is tried only once. After a 403, or
        when patience with a silent network has run out, nothing is asked any more.
        """
        if self._refusal:
            raise self._refusal
        attempt = 0
        while True:
            url = address(attempt)
            try:
                return self._answer(url, attempt, read)
            except _PassingError as error:
                attempt += 1
                wait = self._patience(error)
                if wait is None:
                    times = f" ({attempt} tries)" if attempt > 1 else ""
                    reason = SourceError(url, f"{error}{times}")
                    if error.unreached and self._manners.patience_seconds < inf:
                        self._refusal = reason
                    raise reason from error
                _log.warning("%s; trying again in %.0f s", error, wait)
                _log.debug("the question was %s", url)
                self._manners.told(f"waiting for arXiv: {error}", wait)
                self._manners.sleep(wait)

    def _answer(self, url: str, attempt: int, read: Callable[[int, bytes], _T]) -> _T:
        body = self._body(url)
        try:
            answer = read(attempt, body)
        except AtomError as error:
            raise _PassingError(f"arXiv answered 200 but {error.reason}") from error
        self._failures = 0
        return answer

    def _patience(self, error: "_PassingError") -> float | None:
        """Return how long to wait before the next try, None when there is to be none."""
        self._failures += 1
        least = _BACK_OFF[min(self._failures, len(_BACK_OFF)) - 1]
        # 0 is what a broken cache in front of arXiv sends, and no permission to hammer.
        wait = max(error.retry_after, least) * self._manners.random.uniform(1.0, 1.1)
        if error.status == 429 or error.retry_after:
            self._cool_down(timedelta(seconds=wait))
        no_use = self._failures >= self._manners.attempts or wait > _LONGEST_WAIT
        if error.unreached:
            spent = self._manners.clock() - self._began[1]
            no_use |= spent + wait + CONNECT_SECONDS > self._manners.patience_seconds
        return None if no_use else wait

    def _body(self, url: str) -> bytes:
        """Return the body of a 200 answer, following redirects within the allowed hosts."""
        asked = url
        for _ in range(1 + _REDIRECTS):
            self._require_allowed(asked, url)
            answer = self._asked(asked)
            if answer.status not in _REDIRECTED:
                self._require_ok(answer, url)
                return answer.body
            try:
                asked = urljoin(asked, answer.headers.get("Location", ""))
                urlsplit(asked)
            except ValueError as error:
                raise _PassingError(_in_plain_words(error, self._manners)) from error
        raise SourceError(url, f"arXiv redirects more than {_REDIRECTS} times")

    def _require_allowed(self, asked: str, url: str) -> None:
        parts = urlsplit(asked)
        what = "arXiv redirects to" if asked != url else "[source] url is at"
        if parts.hostname not in self._hosts:
            raise SourceError(url, f"{what} a host that is not allowed: {parts.hostname}")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
            raise SourceError(url, f"{what} {parts.scheme}://{parts.hostname}; https is required")

    def _require_ok(self, answer: Answer, url: str) -> None:
        status = answer.status
        if status == 200:
            return
        if status == 400:
            raise QueryError(url, f"arXiv does not understand the query ({_error_in(answer.body)})")
        if status == 403:
            self._cool_down(_AFTER_REFUSAL)
            self._refusal = RefusedError(
                url,
                "arXiv answered 403: it refuses us; see that [source] contact is right, and wait an"
                " hour before asking again",
            )
            raise self._refusal
        if status in _PASSING or status >= 500:
            retry_after = _seconds(answer.headers.get("Retry-After", ""), self._now())
            raise _PassingError(
                f"arXiv answered {_named(status)}", status=status, retry_after=retry_after
            )
        raise SourceError(url, f"arXiv answered {_named(status)}; is [source] url right?")

    def _asked(self, url: str) -> Answer:
        """Make one request when it is our turn on this machine."""
        with self._turn_file() as file:
            self._await_turn(file, url)
            self._note_asked(file)
            self.requests += 1
            self._manners.told("asking arXiv", 0.0)
            try:
                return self._get(url)
            except EndlessError as error:
                raise _PassingError(f"arXiv's answer {error}") from error
            except (requests.RequestException, HTTPError, ValueError) as error:
                raise _PassingError(
                    _in_plain_words(error, self._manners), unreached=_is_unreached(error)
                ) from error
            finally:
                self._note_asked(file)

    def _get(self, url: str) -> Answer:
        manners = self._manners
        bounds = Bounds(
            seconds=_BODY_TIMEOUTS * manners.timeout_seconds,
            silence=manners.timeout_seconds,
            size=MAX_BYTES,
            clock=manners.clock,
        )
        return exchange(
            self._session,
            "GET",
            url,
            bounds=bounds,
            headers=_headers(manners.contact),
            # A refusal that breaks off must not look like an answer to ask for again.
            read_body=lambda status: status != 403,
        )

    def _await_turn(self, file: TextIO, url: str) -> None:
        diary = _diary(file)
        cooling = timedelta()
        if until := diary.get("cool_until"):
            cooling = datetime.fromisoformat(until) - self._now()
        if timedelta(seconds=_LONGEST_WAIT) < cooling <= _LONGEST_COOL_DOWN:
            raise SourceError(url, f"arXiv asked to be left alone until {until}; not asked before")
        spacing = self._spacing(url)
        since = self._manners.clock() - diary.get("asked", -spacing)
        # A time in the future was written before the clock jumped, or the machine restarted.
        wait = min(spacing, spacing - since)
        if timedelta() < cooling <= _LONGEST_COOL_DOWN:
            wait = max(wait, cooling.total_seconds())
        if wait > 0:
            self._manners.sleep(wait)

    def _note_asked(self, file: TextIO) -> None:
        _write(file, _diary(file) | {"asked": self._manners.clock()})

    def _spacing(self, url: str) -> float:
        interval = self._manners.interval_seconds
        return max(SPACING, interval) if urlsplit(url).hostname in _ARXIV else interval

    def _cool_down(self, wait: timedelta) -> None:
        with self._turn_file() as file:
            until = self._now() + min(wait, _LONGEST_COOL_DOWN)
            _write(file, _diary(file) | {"cool_until": until.isoformat()})

    @contextmanager
    def _turn_file(self) -> Iterator[TextIO]:
        """Hold the lock of all runs on this machine; the file notes when arXiv was last asked."""
        folder = self._manners.folder
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / LOCK_NAME
        with os.fdopen(lock_file(lock), "r+", encoding="utf-8") as file:
            wait_for(file.fileno(), lock, patience=_TURN_SECONDS)
            yield file

    def _now(self) -> datetime:
        now, clock = self._began
        return now.astimezone(UTC) + timedelta(seconds=self._manners.clock() - clock)


class _PassingError(Exception):
    """What may be better in a while; `retry_after` is what arXiv asked for, in seconds.

    `unreached` says that nothing answered at all: no name, no route, refused.
    """

    def __init__(
        self, reason: str, *, status: int = 0, retry_after: float = 0.0, unreached: bool = False
    ) -> None:
        super().__init__(reason)
        self.unreached = unreached
        self.status = status
        self.retry_after = retry_after


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _headers(contact: str) -> dict[str, str]:
    about = "".join(c for c in contact if " " < c < "\x7f")
    return {
        # arXiv throttles generic programs, and wants to know whom to write to.
        "User-Agent": f"arxiv-newsletter/{__version__}" + (f" (+{about})" if about else ""),
        "Accept": "application/atom+xml, application/xml;q=0.9, */*;q=0.1",
    }


def _diary(file: TextIO) -> dict[str, Any]:
    """Return what the shared file says; one cut off by a crash says nothing."""
    file.seek(0)
    try:
        diary = json.load(file)
    except ValueError:
        return {}
    return diary if isinstance(diary, dict) else {}


def _write(file: TextIO, diary: dict[str, Any]) -> None:
    file.seek(0)
    file.truncate()
    json.dump(diary | {"by": f"process {os.getpid()}"}, file)
    file.flush()


def _seconds(retry_after: str, now: datetime) -> float:
    """Return a Retry-After header in seconds, 0 for none (RFC 9110, 10.2.3: a number or a date)."""
    if (number := retry_after.strip()).isdecimal():
        return min(float(number), _LONGEST_COOL_DOWN.total_seconds())
    try:
        moment = parsedate_to_datetime(retry_after).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return max(0.0, (moment - now).total_seconds())


def _error_in(body: bytes) -> str:
    try:
        parse(body)
    except AtomError as error:
        return error.reason.removeprefix("with an error: ")
    return "it does not say why"


def _in_plain_words(error: Exception, manners: Manners) -> str:
    match error:
        case requests.Timeout() | ReadTimeoutError():
            return f"arXiv did not answer within {manners.timeout_seconds:g} s"
        case requests.exceptions.SSLError():
            return f"arXiv's TLS certificate is not to be trusted ({_root(error)})"
        case ProtocolError():
            return "arXiv's answer broke off"
        case DecodeError():
            return "arXiv's answer could not be decompressed"
        case _:
            return f"arXiv cannot be reached ({_root(error)})"


def _is_unreached(error: Exception) -> bool:
    return isinstance(error, requests.ConnectionError | requests.ConnectTimeout) and not isinstance(
        error, requests.exceptions.SSLError
    )


def _root(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return said(str(error)) or type(error).__name__
