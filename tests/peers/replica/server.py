"""arXiv's query API on a free loopback port, with a clock, faults and a score."""

import re
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from types import TracebackType
from typing import Self, cast
from urllib.parse import parse_qsl, urlsplit

from tests.peers.replica import atom
from tests.peers.replica.clock import Clock
from tests.peers.replica.faults import Answer, Asked, Fault, Search
from tests.peers.replica.query import InvalidQueryError, parsed, repaired, rewritten
from tests.peers.replica.search import SORTS, Index, SortBy, in_order
from tests.peers.replica.store import Record, current

REQUEST_LINE = 8190  # bytes, Apache's default
WINDOW = 10_000  # how deep one can page, whatever the size of the pages
SPACING = 3.0  # seconds between requests: info.arxiv.org/help/api/tou


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that came in; `monotonic` is by the replica's clock.

    `parallel` says that another one was still waiting for the first byte of its answer.
    `status` is 0 where the connection broke instead.
    """

    asked: Asked
    now: datetime
    monotonic: float
    parallel: bool
    status: int


class Replica:
    """A server for the papers it is given; a context manager.

    `index_delay` passes between an announcement and the paper's appearance in the index. Papers
    with equal sort keys are shuffled by `seed`.
    """

    def __init__(
        self,
        records: Iterable[Record] = (),
        *,
        clock: Clock | None = None,
        index_delay: timedelta = timedelta(hours=2),
        seed: int = 1,
    ) -> None:
        self.clock = clock or Clock()
        self.index_delay = index_delay
        self.faults: Sequence[Fault] = ()
        self.requests: list[Request] = []
        self._seed = seed
        self._index = Index(tuple(records))
        self._failures: list[Exception] = []
        self._waiting = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.replica = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; a mistake of the replica itself is raised here, not hidden in a 500."""
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._failures:
            raise ExceptionGroup("the replica itself failed", self._failures)

    @property
    def url(self) -> str:
        """Where to ask, inside the `with`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/api/query"

    @property
    def now(self) -> datetime:
        """The time by its clock; set it to go there."""
        return self.clock.now()

    @now.setter
    def now(self, now: datetime) -> None:
        self.clock.set(now)

    @property
    def records(self) -> Sequence[Record]:
        """What there is and will be; assign to change it."""
        return self._index.records

    @records.setter
    def records(self, records: Iterable[Record]) -> None:
        self._index = Index(tuple(records))

    @property
    def violations(self) -> list[str]:
        """What arXiv would object to: requests too close, in parallel, or after a 403."""
        pairs = zip((None, *self.requests), self.requests, strict=False)
        return [problem for before, request in pairs for problem in _rude(before, request)]

    def matching(self, query: str) -> set[int]:
        """Return the positions of all records, announced or not, that answer a query."""
        return self._index.matches(parsed(repaired(query)), set(range(len(self.records))))

    def answer(self, asked: Asked) -> Answer:
        """Return what a request gets, faults included."""
        faults = [fault for fault in self.faults if fault.on(asked)]
        try:
            answer = _found(self._page(asked, faults))
        except _RefusedError as e:
            answer = _refused(e, now=self.now)
        for fault in faults:
            answer = fault.answer(answer)
        return answer

    def serve(self, asked: Asked, connection: socket.socket) -> Answer | None:
        """Answer, keeping score. None when the client left before the first byte."""
        with self._lock:
            now, monotonic = self.now, self.clock.monotonic()
            answer = self.answer(asked)
            request = Request(
                asked=asked,
                now=now,
                monotonic=monotonic,
                parallel=self._waiting > 0,
                status=0 if answer.ending == "reset" else answer.status,
            )
            self.requests.append(request)
            self._waiting += 1
        patient = self._patient(answer.delay, connection)
        with self._lock:
            self._waiting -= 1
        return answer if patient else None

    def _patient(self, seconds: float, connection: socket.socket) -> bool:
        """Wait in real time; False when the client hung up, or the replica stops."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            readable, _, _ = select.select([connection], [], [], min(left, 0.05))
            if readable or self._stopped.is_set():
                return False
        return True

    def failed(self, failure: Exception) -> None:
        """Note a mistake of the replica itself."""
        self._failures.append(failure)

    def _page(self, asked: Asked, faults: Sequence[Fault]) -> atom.Page:
        params = _checked(asked)
        text = repaired(params.get("search_query", ""))
        id_list = params.get("id_list", "")
        if not text and not id_list:
            raise _RefusedError(
                "Either a search_query or id_list must be specified for the classic API."
            )
        try:
            query = parsed(text) if text else None
            search = Search(
                query=query,
                ids=tuple(id_list.split(",")) if id_list else (),
                start=int(params.get("start", 0)),
                max_results=int(params.get("max_results", 10)),
                sort_by=cast("SortBy", params.get("sortBy", "relevance")),
                ascending=params.get("sortOrder") == "ascending",
                now=self.now,
            )
            total, records = self._results(search, faults)
        except RecursionError as e:
            raise _RefusedError("Internal Server Error", status=500) from e
        except InvalidQueryError as e:
            raise _RefusedError(f"Invalid query string: '{text}'") from e
        page = atom.Page(
            query=text,
            rewritten=rewritten(query) if query else "",
            id_list=id_list,
            start=search.start,
            max_results=search.max_results,
            total=total,
            records=records,
            now=self.now,
        )
        for fault in faults:
            page = fault.page(page)
        return page

    def _results(self, search: Search, faults: Sequence[Fault]) -> tuple[int, Sequence[Record]]:
        size = search.max_results
        if not size or 1 + round(search.start / size) > WINDOW // size:
            raise _RefusedError("Internal Server Error", status=500)
        for fault in faults:
            search = fault.search(search)
        records = self._index.records
        newest = current(records, search.now, self.index_delay)
        among = self._named(search, newest) if search.ids else set(newest.values())
        found = {at for at in among if not any(fault.hides(records[at]) for fault in faults)}
        if search.query is not None:
            found = self._index.matches(search.query, found)
        ordered = self._ordered(search, found)
        page = ordered[search.start : search.start + size]
        return len(ordered), tuple(records[at] for at in page)

    def _named(self, search: Search, newest: Mapping[str, int]) -> set[int]:
        """Return the papers of an id list: the newest version, or the one that is asked for."""
        versions = {
            record.name: at
            for at, record in enumerate(self.records)
            if record.announced + self.index_delay <= search.now
        }
        return {
            either[name] for name in search.ids for either in (versions, newest) if name in either
        }

    def _ordered(self, search: Search, found: set[int]) -> list[int]:
        records = self.records
        chance = Random(self._seed)  # the same for every page of a query, while nothing changes
        match search.sort_by:
            case "submittedDate":
                keys: Mapping[int, float] = {at: records[at].published.timestamp() for at in found}
            case "lastUpdatedDate":
                keys = {at: records[at].updated.timestamp() for at in found}
            case "relevance" if search.query is not None:
                keys = self._index.scores(search.query, found)
            case _:
                keys = dict.fromkeys(found, 0)
        return in_order(keys, ascending=search.ascending, chance=chance)


class _RefusedError(Exception):
    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


_ARXIV_ID = re.compile(r"(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Za-z-]{2,})?/\d{7})(?:v\d+)?")
_ATOM = {"Content-Type": "application/atom+xml; charset=utf-8"}


def _checked(asked: Asked) -> Mapping[str, str]:
    """Return the parameters. Raises _RefusedError in arXiv's words."""
    if asked.method == "GET" and len(asked.url) > REQUEST_LINE:
        raise _RefusedError("Request-URI Too Long", status=414)
    if urlsplit(asked.url).path != "/api/query":
        raise _RefusedError("Not Found", status=404)
    params = asked.params
    for arxiv_id in params["id_list"].split(",") if params.get("id_list") else ():
        if not _ARXIV_ID.fullmatch(arxiv_id):
            raise _RefusedError(f"incorrect id format for {arxiv_id}")
    for name in ("max_results", "start"):
        number = params.get(name, "0").strip()
        if not re.fullmatch(r"[+-]?\d+", number):
            raise _RefusedError(f"{name} must be an integer")
        if int(number) < 0:
            raise _RefusedError(f"{name} must be non-negative")
    if params.get("sortBy", "relevance") not in SORTS:
        raise _RefusedError(f"sortBy must be in: {', '.join(SORTS)}")
    if params.get("sortOrder", "ascending") not in {"ascending", "descending"}:
        raise _RefusedError("sortOrder must be in: ascending, descending")
    return params


def _found(page: atom.Page) -> Answer:
    return Answer(status=200, body=[atom.feed(page).encode()], headers=_ATOM)


def _refused(refusal: _RefusedError, *, now: datetime) -> Answer:
    body = atom.error(str(refusal), now=now).encode()
    return Answer(status=refusal.status, body=[body], headers=_ATOM)


def _rude(before: Request | None, request: Request) -> Iterable[str]:
    if request.parallel:
        yield f"{request.asked.url}: asked while another request was waiting"
    if before is None:
        return
    apart = request.monotonic - before.monotonic
    if apart < SPACING - 1e-3:
        yield f"{request.asked.url}: {apart:.3f} s after the request before"
    if before.status == 403 and apart < 3600:
        yield f"{request.asked.url}: asked on after a 403"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    replica: Replica

    def handle_error(self, request: object, client_address: object) -> None:
        failure = sys.exc_info()[1]
        if isinstance(failure, Exception) and not isinstance(failure, ConnectionError):
            self.replica.failed(failure)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._serve(self.path, urlsplit(self.path).query)

    def do_POST(self) -> None:
        # a form whatever its Content-Type says, as on the real server
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._serve(f"{self.path}?{form}", form)

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _serve(self, url: str, form: str) -> None:
        asked = Asked(
            method=self.command,
            url=url,
            params=dict(parse_qsl(form, keep_blank_values=True)),
            user_agent=self.headers.get("User-Agent", ""),
        )
        answer = self.server.replica.serve(asked, self.connection)
        if answer is None:
            self.close_connection = True
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        if answer.ending == "reset":
            self._reset()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.ending == "whole":
            body = b"".join(answer.body)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._send_chunks(answer)

    def _send_chunks(self, answer: Answer) -> None:
        for piece in answer.body:
            self.wfile.write(f"{len(piece):x}\r\n".encode())
            if answer.ending == "truncated":
                self.wfile.write(piece[: len(piece) // 2])
                self.close_connection = True
                return
            self.wfile.write(piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        """Close so that the client sees a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
