"""Read an Atom answer of arXiv's query API. Pure; the only module that knows feedparser.

feedparser takes an empty body, an HTML page and half a document for a feed without entries; here
each of them is an error, because nothing may look like a quiet day that is not one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from newsletter.models import Paper
from newsletter.prose import plain
from newsletter.sources.arxiv.identity import SOURCE, links, paper_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One answer: `title` echoes the query, `total` counts all papers found, `start` is the offset.

    `papers` are in the order of the answer, each paper once.
    """

    title: str
    total: int
    start: int
    papers: tuple[Paper, ...]


class AtomError(ValueError):
    """The bytes are no trustworthy answer; `reason` continues a sentence ("arXiv answered ...")."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse(body: bytes) -> Feed:
    """Return the papers of an answer, texts as arXiv sends them but for blanks and hidden controls.

    Raises AtomError for whatever is not a whole, well-formed answer of the query API.
    """
    feed = _well_formed(body)
    for entry in feed.entries:
        if "/api/errors" in entry.get("id", ""):
            raise AtomError(f"with an error: {_line(entry.get('summary', ''))[:200]}")
    papers = tuple(_paper(entry) for entry in feed.entries)
    if len({paper.id for paper in papers}) < len(papers):
        raise AtomError("with the same paper twice in one answer")
    return Feed(
        title=_line(feed.feed.get("title", "")),
        total=_count(feed.feed, "opensearch_totalresults"),
        start=_count(feed.feed, "opensearch_startindex"),
        papers=papers,
    )


def _well_formed(body: bytes) -> Any:  # noqa: ANN401  (feedparser has no types)
    if not body.strip():
        raise AtomError("with an empty body")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise AtomError("with bytes that are not UTF-8") from error
    # arXiv sends no DOCTYPE; an entity bomb needs one.
    if re.search(r"<!(?:doctype|entity)", text, re.IGNORECASE):
        raise AtomError("with a page, not a feed" if "<html" in text else "with a DOCTYPE")
    import feedparser  # slow to import, and only what fetches needs it

    # The bytes in a file object: a string could be taken for a URL or a path, and opened.
    feed = feedparser.parse(
        BytesIO(body),
        response_headers={"content-type": "application/atom+xml; charset=utf-8"},
        resolve_relative_uris=False,
        sanitize_html=False,
    )
    if feed.bozo:
        raise AtomError(
            "with XML that is damaged or breaks off" if "<feed" in text else f"with {_shown(text)}"
        )
    if feed.version != "atom10":
        raise AtomError(f"with no Atom feed but {_shown(text)}")
    return feed


def _shown(text: str) -> str:
    return repr(_line(text)[:60])


def _count(feed: Mapping[str, Any], name: str) -> int:
    value = str(feed.get(name, ""))
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise AtomError(f"with a feed that has no {name.replace('_', ':')}")
    return int(value)


_FIRST_YEAR, _LAST_YEAR = 1980, 2200
_ID = re.compile(
    r"https?://arxiv\.org/abs/"
    r"(?:(?P<new>\d{4}\.\d{4,5})|(?P<archive>[a-z-]+)(?:\.[A-Z]{2})?/(?P<number>\d{7}))"
    r"(?:v(?P<version>[1-9]\d{0,3}))?"
)


def _paper(entry: Any) -> Paper:  # noqa: ANN401  (a feedparser entry)
    found = _ID.fullmatch(entry.get("id", ""))
    if not found:
        raise AtomError(f"with a paper whose id is unreadable: {_shown(entry.get('id', ''))}")
    arxiv_id = found["new"] or f"{found['archive']}/{found['number']}"
    title = _line(entry.get("title", ""))
    if not title:
        raise AtomError(f"with a paper without a title: {arxiv_id}")
    primary = entry.get("arxiv_primary_category", {}).get("term", "")
    terms = [primary, *(tag.get("term") or "" for tag in entry.get("tags", []))]
    return Paper(
        id=paper_id(arxiv_id),
        source=SOURCE,
        links=links(arxiv_id),
        version=int(found["version"] or 1),
        title=title,
        abstract=_line(entry.get("summary", "")),
        authors=tuple(
            name
            for author in entry.get("authors", [])
            if any(map(str.isalnum, name := _line(author.get("name", ""))))  # two records have ":"
        ),
        categories=tuple(dict.fromkeys(name for term in terms if (name := _line(term)))),
        submitted=_time(entry, "published", arxiv_id),
        updated=_time(entry, "updated", arxiv_id),
        comment=_line(entry.get("arxiv_comment", "")),
        journal_ref=_line(entry.get("arxiv_journal_ref", "")),
        doi=_line(entry.get("arxiv_doi", "")),
    )


def _time(entry: Mapping[str, Any], name: str, arxiv_id: str) -> datetime:
    # Not get(): feedparser answers "updated" with what is in "published".
    value = str(entry[name]) if name in entry else ""
    try:
        time = datetime.fromisoformat(value)
    except ValueError as error:
        raise AtomError(f"with an unreadable {name!r} for {arxiv_id}: {_shown(value)}") from error
    if time.tzinfo is None or not _FIRST_YEAR <= time.year < _LAST_YEAR:
        raise AtomError(f"with an impossible {name!r} for {arxiv_id}: {_shown(value)}")
    return time.astimezone(UTC)


def _line(text: str | None) -> str:
    """Return a text as one line, its words parted by single blanks."""
    return " ".join(plain(text or "").split())
