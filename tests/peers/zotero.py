"""A replica of Zotero's web API on loopback: libraries, keys, versions, pages, and its bad days.

It answers as version 3 does: www.zotero.org/support/dev/web_api/v3/basics.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Zotero:
    """`libraries` are lists of items by path (`users/1`), oldest first; `version` is of them all.

    `keys` name the libraries that each key opens; `public` ones need none. The next answers are
    what `instead` holds: (status, headers), before anything is looked up. `back_off` is asked for
    with every answer.
    """

    port: int
    libraries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    keys: dict[str, set[str]] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)
    version: int = 7
    instead: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    back_off: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        self.asked.append(path)
        extra = {"Backoff": str(self.back_off)} if self.back_off else {}
        if self.instead:
            status, more = self.instead.pop(0)
            return status, extra | more, b"not today"
        if headers.get("Zotero-API-Version") != "3":
            return 400, extra, b"which version?"
        parts = urlsplit(path)
        library = parts.path.strip("/").removesuffix("/items/top")
        owner = "/".join(library.split("/")[:2])
        opened = self.keys.get(headers.get("Zotero-API-Key", ""), set()) | self.public
        if owner not in opened:
            return 403, extra, b"Forbidden"
        if library not in self.libraries:
            return 404, extra, b"Not found"
        extra["Last-Modified-Version"] = str(self.version)
        if headers.get("If-Modified-Since-Version") == str(self.version):
            return 304, extra, b""
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        items = self.libraries[library]
        if query.get("sort") == "dateAdded" and query.get("direction") == "desc":
            items = items[::-1]
        start, limit = int(query.get("start", 0)), min(int(query.get("limit", 25)), 100)
        extra["Total-Results"] = str(len(items))
        found = [
            {"key": f"K{n}", "version": self.version, "data": each}
            for n, each in enumerate(items[start : start + limit])
        ]
        return 200, extra | {"Content-Type": "application/json"}, json.dumps(found).encode()


def item(number: int, **fields: str) -> dict[str, Any]:
    """Return a plausible journal article."""
    plausible = {
        "itemType": "journalArticle",
        "title": f"Widgets of kind{number} considered",
        "abstractNote": f"We measure widget{number} and gadget{number} in depth{number}.",
        "date": "2025-03-04",
        "url": f"https://example.org/{number}",
    }
    return plausible | fields


@contextmanager
def zotero() -> Iterator[Zotero]:
    """Run the replica as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = told.answer(self.path, dict(self.headers.items()))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        told = Zotero(server.server_address[1])
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
