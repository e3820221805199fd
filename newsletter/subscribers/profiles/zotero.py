"""Ask Zotero for somebody's library, politely, and keep a copy of its words. It only reads.

The web API, version 3: www.zotero.org/support/dev/web_api/v3/basics. A library is asked for at
most once a day, and answers with one line where nothing has changed. Where Zotero is down the copy
serves; whoever has none keeps the usual order.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import requests
from msgspec import Struct, field
from urllib3.exceptions import HTTPError

from newsletter import __version__
from newsletter.errors import ProfileError
from newsletter.exchange import Bounds, EndlessError, exchange
from newsletter.models import OwnPaper
from newsletter.moments import iso, moment_of
from newsletter.subscribers.profiles.kept import Copies, papers_of, rows_of
from newsletter.subscribers.profiles.own import MOST, Library, own_paper
from newsletter.subscribers.profiles.texts import OwnText, arxiv_id_in, year_in

_PAGE = 100  # items, the most that Zotero gives
_MAX_BYTES = 20_000_000
_TIMEOUT = 30.0
_ATTEMPTS = 3
_PATIENCE = 120.0  # seconds that a run waits for Zotero in all
_NO_PAPERS = frozenset({"attachment", "note", "annotation"})

_log = logging.getLogger(__name__)


class Held(Struct, frozen=True, kw_only=True):
    """What is known of a library: as of which version and day, its size, and its papers."""

    version: int
    asked: datetime
    total: int
    papers: tuple[OwnPaper, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to know of it."""
        if self.total <= MOST:
            return ()
        return (f"a library of {self.total:,} items: the newest {MOST:,} count",)


class Zotero(Struct, kw_only=True):
    """The questions of one run, which began at `now`, to the API at `url`.

    `keys` are by the name of their secret: a library's own is named by its number, any other is
    tried for every library. `copies` are those of earlier days; `paper_id` names a paper of arXiv.
    `requests` counts the questions.
    """

    session: requests.Session
    url: str
    keys: Mapping[str, str]
    copies: Copies
    paper_id: Callable[[str], str]
    now: datetime
    sleep: Callable[[float], None] = time.sleep
    requests: int = 0
    _found: dict[Library, Held] = field(default_factory=dict)
    _waited: float = 0.0
    _back_off: float = 0.0
    _down: str = ""

    def library(self, library: Library) -> Held:
        """Return what is in a library, from a copy made today or else from Zotero.

        Raises ProfileError where Zotero refuses, or does not answer and there is no copy.
        """
        path = self.copies.of_library(library)
        held = self._found.get(library) or _held(self.copies.read(path))
        if held and held.asked.date() == self.now.date():
            return held
        try:
            found = self._asked(library, held)
        except _DownError as error:
            if held is None:
                raise ProfileError(
                    f"zotero:{library}: {error}, and there is no copy yet"
                ) from error
            _log.warning("zotero:%s: %s; the copy of %s serves", library, error, iso(held.asked))
            return held
        self.copies.write(path, _known(found))
        if not self.copies.may_change:
            self._found[library] = found
        return found

    def _asked(self, library: Library, held: Held | None) -> Held:
        named = [each for each in self.keys if each == library.number]
        refused = "it is not public, and there is no secret zotero__NAME with a key for it"
        for name in named or sorted(self.keys) or [""]:
            try:
                return self._fetched(library, held, key=self.keys.get(name, ""))
            except _RefusedError:
                if name:
                    refused = (
                        f"the key zotero__{name} does not open it; make one that may read it at"
                        " https://www.zotero.org/settings/keys"
                    )
        raise ProfileError(f"zotero:{library}: Zotero refuses: {refused}")

    def _fetched(self, library: Library, held: Held | None, *, key: str) -> Held:
        papers: list[OwnPaper] = []
        version, start, total = 0, 0, 1
        while start < min(total, MOST):
            answer = self._page(library, start, key=key, known=held if start == 0 else None)
            if answer.status == 304 and held:
                return Held(
                    version=held.version, asked=self.now, total=held.total, papers=held.papers
                )
            items = answer.items()
            papers += self._papers(items)
            # A library that is changed meanwhile has another version tomorrow, and is read again.
            version = version or answer.number("Last-Modified-Version")
            total = answer.number("Total-Results")
            start += len(items)
            if not items:
                break
        return Held(version=version, asked=self.now, total=total, papers=tuple(papers[:MOST]))

    def _papers(self, items: Iterable[Any]) -> Iterator[OwnPaper]:
        for item in items:
            data = item.get("data", {}) if isinstance(item, dict) else {}
            if not data or data.get("itemType") in _NO_PAPERS:
                continue
            said = {name: str(text) for name, text in data.items() if isinstance(text, str)}
            where = (said.get(name, "") for name in ("archiveID", "url", "extra", "DOI"))
            text = OwnText(
                title=said.get("title", ""),
                abstract=said.get("abstractNote", ""),
                arxiv_id=arxiv_id_in(*where),
                year=year_in(said.get("date", "")),
            )
            yield own_paper(text, self.paper_id)

    def _page(self, library: Library, start: int, *, key: str, known: Held | None) -> "_Answer":
        """Ask for items, the newest first; in vain at most three times."""
        query = urlencode(
            {
                "format": "json",
                "limit": _PAGE,
                "start": start,
                "sort": "dateAdded",
                "direction": "desc",
            }
        )
        headers = {
            "Zotero-API-Version": "3",
            "User-Agent": f"arxiv-newsletter/{__version__}",
            **({"Zotero-API-Key": key} if key else {}),
            **({"If-Modified-Since-Version": str(known.version)} if known else {}),
        }
        url = f"{self.url.rstrip('/')}/{library.path}/items/top?{query}"
        for attempt in range(_ATTEMPTS):
            answer = self._answer(url, headers)
            status = answer.status
            if status in {200, 304}:
                return answer
            if status == 403:
                raise _RefusedError
            if status == 404:
                raise ProfileError(f"zotero:{library}: Zotero knows no such library or collection")
            if status != 429 and status < 500:
                break
            self._back_off = max(self._back_off, answer.number("Retry-After"), 2.0**attempt)
        raise _DownError(f"Zotero answered {status}")

    def _answer(self, url: str, headers: Mapping[str, str]) -> "_Answer":
        if self._down:
            raise _DownError(self._down)
        self._wait()
        self.requests += 1
        try:
            answer = self._get(url, headers)
        except (requests.RequestException, HTTPError, OSError, EndlessError) as error:
            # Asked no more in this run: a digest must not wait for a hundred libraries in turn.
            self._down = f"Zotero cannot be reached ({type(error).__name__})"
            raise _DownError(self._down) from error
        self._back_off = answer.number("Backoff")
        return answer

    def _get(self, url: str, headers: Mapping[str, str]) -> "_Answer":
        bounds = Bounds(seconds=_PATIENCE, silence=_TIMEOUT, size=_MAX_BYTES)
        # Redirects are not followed (`exchange` follows none): the key would go there, too.
        answer = exchange(self.session, "GET", url, bounds=bounds, headers=headers)
        return _Answer(answer.status, answer.headers, answer.body)

    def _wait(self) -> None:
        seconds, self._back_off = self._back_off, 0.0
        if self._waited + seconds > _PATIENCE:
            self._down = f"Zotero asks to be left alone for {seconds:.0f} s"
            raise _DownError(self._down)
        if seconds:
            self._waited += seconds
            self.sleep(seconds)


class _DownError(Exception):
    """Zotero is of no use for now."""


class _RefusedError(Exception):
    """The key, or none, does not open the library."""


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def number(self, header: str) -> int:
        """Return a header that is a number; 0 where it is none."""
        text = self.headers.get(header, "").strip()
        return int(text) if text.isdecimal() else 0

    def items(self) -> list[Any]:
        """Return the items of an answer."""
        try:
            items = json.loads(self.body)
        except ValueError as error:
            raise _DownError("Zotero's answer is not JSON") from error
        if not isinstance(items, list):
            raise _DownError("Zotero's answer is no list of items")
        return items


def _held(known: Any) -> Held | None:  # noqa: ANN401 (JSON)
    """Return what a copy says of a library; a damaged one is none."""
    try:
        return Held(
            version=known["version"],
            asked=moment_of(known["asked"]),
            total=known["total"],
            papers=papers_of(known["papers"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _known(held: Held) -> dict[str, Any]:
    return {
        "version": held.version,
        "asked": iso(held.asked),
        "total": held.total,
        "papers": rows_of(held.papers),
    }
