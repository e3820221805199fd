"""One HTTP exchange that ends: within bounds of bytes and time, whatever the other side sends.

It follows no redirect, tells no password from ~/.netrc, and knows nothing of what is asked. Proxies
and certificates are taken from the environment.
"""

import io
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from threading import Event
from typing import Any, NamedTuple

import requests
from msgspec import Struct, field
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidProxyURL
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import DecodeError, HTTPError
from urllib3.util import Url, parse_url

CONNECT_SECONDS = 10.0
_GLANCE = 0.25  # seconds between looks at the clock and at `stop`
_CHUNK = 1 << 16
_HEADER_BYTES = 1 << 18


class EndlessError(Exception):
    """An answer went beyond a bound; the words continue a sentence ("arXiv's answer ...")."""


class Bounds(Struct, frozen=True, kw_only=True):
    """How long an answer may take, in all and in silence, and how many bytes it may be unpacked."""

    seconds: float
    silence: float
    size: int
    clock: Callable[[], float] = time.monotonic
    stop: Event = field(default_factory=Event)


class Answer(NamedTuple):
    """What came back; `body` is unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Session(requests.Session):
    """A session whose exchanges are bounded, that follows nothing and reads no ~/.netrc."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _nobody  # else requests looks into ~/.netrc, whose default entry fits all
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter())

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Say that there is none: requests would read the whole body of one it does not follow."""
        return None


def exchange(
    session: requests.Session,
    method: str,
    url: str,
    *,
    bounds: Bounds,
    headers: Mapping[str, str] | None = None,
    data: bytes | Mapping[str, str] | None = None,
    read_body: Callable[[int], bool] = lambda _status: True,
) -> Answer:
    """Ask once, and return the answer, whatever its status; `read_body` is asked by status.

    Raises EndlessError for what goes beyond `bounds`, and what requests and urllib3 raise;
    InvalidProxyURL, whose words are ours, for a proxy in the environment that is none.
    """
    if problem := _proxy_problem(url):
        raise InvalidProxyURL(problem)
    timeout = (min(CONNECT_SECONDS, bounds.silence), bounds.silence)
    with (
        _bounded(bounds) as line,
        session.request(
            method,
            url,
            headers={"Accept-Encoding": "gzip", **(headers or {})},
            data=data,
            timeout=timeout,
            stream=True,
            allow_redirects=False,
        ) as response,
    ):
        body = _body(response, bounds, line) if read_body(response.status_code) else b""
        return Answer(response.status_code, response.headers, body)


def _proxy_problem(url: str) -> str:
    """Return why the environment's proxy for an address cannot be one, empty if it can.

    What is wrong may be the password in it, so nothing of it is repeated.
    """
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return ""
    try:
        found = parse_url(proxy if "://" in proxy else f"http://{proxy}")
    except (ValueError, HTTPError):
        found = Url()
    known = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}
    if found.host and found.scheme in known and not (found.path or "").strip("/"):
        return ""
    return (
        f"the proxy for {url.partition(':')[0]} addresses in the environment must be written"
        " http://USER:PASSWORD@HOST:PORT; signs in a password as in %2F"
    )


class _Line:
    """What one exchange has used up of its bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.deadline = bounds.clock() + bounds.seconds
        self.left = bounds.size + _HEADER_BYTES

    def check(self) -> None:
        if self.bounds.stop.is_set():
            raise EndlessError("was not waited for: the run was told to stop")
        if self.bounds.clock() > self.deadline:
            raise EndlessError("came too slowly to wait for its end")
        if self.left < 0:
            raise EndlessError(_too_long(self.bounds.size))


_line: ContextVar[_Line | None] = ContextVar("line", default=None)


@contextmanager
def _bounded(bounds: Bounds) -> Iterator[_Line]:
    line = _Line(bounds)
    token = _line.set(line)
    try:
        yield line
    finally:
        _line.reset(token)


def _body(response: requests.Response, bounds: Bounds, line: _Line) -> bytes:
    packed = response.headers.get("Content-Encoding", "").strip().lower() in {"gzip", "x-gzip"}
    unpacking = zlib.decompressobj(31)
    body = bytearray()
    # read1, not iter_content: that blocks until a chunk is full, however slowly it drips.
    while piece := response.raw.read1(_CHUNK, decode_content=False):
        while piece:
            try:
                unpacked = unpacking.decompress(piece, _CHUNK) if packed else piece
            except zlib.error as error:
                raise DecodeError("not gzip") from error
            piece = unpacking.unconsumed_tail
            body += unpacked
            if len(body) > bounds.size:
                raise EndlessError(_too_long(bounds.size))
        line.check()
    body += unpacking.flush()
    if packed and body and not unpacking.eof:
        raise DecodeError("gzip that breaks off")
    return bytes(body)


def _too_long(size: int) -> str:
    return f"is more than {size // 1_000_000} MB" if size >= 1_000_000 else f"is over {size} bytes"


class _Bounded(io.RawIOBase):
    """The reading end of a socket, for one answer."""

    def __init__(self, sock: Any) -> None:  # noqa: ANN401 - a socket, or urllib3's idea of one
        self._sock = sock
        self._held = sock.makefile("rb", buffering=0)  # keeps the socket open until it is closed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever has a buffer
        line = _line.get()
        if line is None:
            return int(self._sock.recv_into(buffer))
        silent = time.monotonic() + line.bounds.silence
        while True:
            line.check()
            wait = silent - time.monotonic()
            if wait <= 0:
                raise TimeoutError(f"nothing came for {line.bounds.silence:g} s")
            self._sock.settimeout(min(_GLANCE, wait))
            try:
                count = int(self._sock.recv_into(buffer))
            except TimeoutError:
                continue
            line.left -= count
            return count

    def close(self) -> None:
        if not self.closed:
            self._held.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Bounded(sock))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
