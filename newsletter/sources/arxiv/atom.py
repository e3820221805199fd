"""Read an Atom answer of arXiv's query API. Pure; the only module that knows feedparser.

feedparser takes an empty body, an HTML page and half a document for a feed without entries; here
each of them is an error, because nothing may look like a quiet day that is not one. It also takes
longer than a day has for some answers of a few MB, so it sees only what was measured before.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import unescape
from io import BytesIO
from typing import Any, NamedTuple
from xml.parsers import expat

from msgspec import Struct

from newsletter.models import Paper
from newsletter.prose import plain
from newsletter.sources.arxiv.identity import SOURCE, links, paper_id

MAX_BYTES = 20_000_000  # what is larger is no answer of arXiv's
# What an answer may have of each thing, far above what arXiv sends: a page of a thousand papers has
# some 3 MB of texts, and the largest collaborations sign with five thousand names.
_PROLOG, _HEAD, _TAG = 1_000, 16_000, 1 << 16  # bytes before <feed, before the records, in a tag
_RECORD = 3_000_000  # bytes
_RECORDS, _ELEMENTS, _PAGE_LETTERS = 2_000, 400_000, 8_000_000
_NAMES, _OTHERS = 36_000, 100  # elements of a record: about its authors, and all else
_DEPTH, _ATTRIBUTES, _NAMESPACES = 20, 20, 2_000
_LETTERS = 20_000  # in a field of a record, or an attribute
_FOREIGN_LETTERS = 300  # of a record, in elements that arXiv does not use


class Unread(NamedTuple):
    """A record that could not be read: its arXiv id, or else its place, why, and what is legible.

    Of `legible` only the texts, names and categories mean anything; None where there are none.
    """

    name: str
    why: str
    legible: Paper | None = None


class Feed(Struct, frozen=True, kw_only=True):
    """One answer: `title` echoes the query, `total` counts all papers found, `start` is the offset.

    `papers` are in the order of the answer, each paper once; `unread` are the records that could
    not be read, which `size` counts too.
    """

    title: str
    total: int
    start: int
    papers: tuple[Paper, ...]
    unread: tuple[Unread, ...] = ()

    @property
    def size(self) -> int:
        """How many records the answer has."""
        return len(self.papers) + len(self.unread)


class AtomError(ValueError):
    """The bytes are no trustworthy answer; `reason` continues a sentence ("arXiv answered ...")."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse(body: bytes) -> Feed:
    """Return the papers of an answer, texts as arXiv sends them but for blanks and hidden controls.

    What is wrong with a record costs that record, be it its XML. Raises AtomError for whatever else
    is not a whole, well-formed answer of the query API, and where most records are unreadable.
    """
    unread: list[Unread] = []
    try:
        feed = _well_formed(body)
    except DamageError as damage:
        damage.unread = _illegible(body, damage.reason)
        sound, unread = _salvaged(body, damage)
        feed = _well_formed(sound)
    for entry in feed.entries:
        if "/api/errors" in entry.get("id", ""):
            raise AtomError(f"with an error: {_line(entry.get('summary', ''))[:200]}")
    papers = []
    for place, entry in enumerate(feed.entries, start=1):
        try:
            papers.append(_paper(entry))
        except AtomError as error:
            found = _ID.fullmatch(entry.get("id", ""))
            name = _arxiv_id(found) if found else _at(place)
            unread.append(Unread(name, error.reason, _legible_entry(entry)))
    if len(unread) > max(1, len(papers)):
        raise AtomError(unread[0].why)
    if len({paper.id for paper in papers}) < len(papers):
        raise AtomError("with the same paper twice in one answer")
    return Feed(
        title=_line(feed.feed.get("title", "")),
        total=_count(feed.feed, "opensearch_totalresults"),
        start=_count(feed.feed, "opensearch_startindex"),
        papers=tuple(papers),
        unread=tuple(unread),
    )


class DamageError(AtomError):
    """The XML of a feed is damaged, perhaps in one record only, which `unread` is if it is alone.

    A page with fewer records may do without the damage.
    """

    unread: Unread | None = None


_MAX_LEGIBLE = 20_000  # characters
_ENTRY = re.compile(rb"<entry[\s>].*?(?=<entry[\s>]|\Z)", re.DOTALL)


def _salvaged(body: bytes, damage: DamageError) -> tuple[bytes, list[Unread]]:
    """Return an answer without the records that are damaged, and those; each is tried by itself.

    An answer that breaks off is no answer: nobody knows what it would have said.
    """
    first, end = body.find(b"<entry"), body.rfind(b"</feed>")
    if first < 0 or end < first or body[end:].strip() != b"</feed>":
        raise damage
    head, sound, unread = body[:first], [], []
    if first > _HEAD or body.count(b"<entry", first, end) > 2 * _RECORDS:
        raise damage
    for place, found in enumerate(_ENTRY.finditer(body, first, end), start=1):
        if found.end() - found.start() > _RECORD:
            unread.append(Unread(_at(place), f"with more than {_RECORD:,} bytes in a record"))
            continue
        record, its_end, _ = found[0].rpartition(b"</entry>")
        try:
            alone = head + (record + its_end or found[0]) + b"</feed>"
            _measure(alone, alone.decode(errors="replace"))
            sound.append(record + its_end)
        except DamageError as error:
            raw = found[0].decode(errors="replace")
            named = _ID.search(raw)
            name = _arxiv_id(named) if named else _at(place)
            unread.append(Unread(name, error.reason, _legible(raw)))
    return head + b"".join(sound) + b"</feed>", unread


def _illegible(body: bytes, why: str) -> Unread | None:
    """Return the one record that a damaged answer has; None where it has more, or no id."""
    raw = body[max(0, body.find(b"<entry")) :].decode(errors="replace")
    names = {_arxiv_id(each) for each in _ID.finditer(raw)}
    return Unread(names.pop(), why, _legible(raw)) if len(names) == 1 else None


def _legible(raw: str) -> Paper | None:
    """Return what can be read of a record's XML, or of its beginning, whatever is wrong with it."""
    raw = raw[:_MAX_LEGIBLE]
    text = _line(unescape(re.sub(r"<[^<>]*>", " ", raw)))
    authors = re.findall(r"<name>([^<]*)</name>", raw)
    return _fragment(text, map(unescape, authors), re.findall(r'\bterm="([^"]*)"', raw))


def _legible_entry(entry: Any) -> Paper | None:  # noqa: ANN401  (a feedparser entry)
    text = _line(f"{entry.get('title', '')} {entry.get('summary', '')}")
    authors = [each.get("name", "") for each in entry.get("authors", [])]
    return _fragment(text, authors, [each.get("term", "") for each in entry.get("tags", [])])


def _fragment(text: str, authors: Iterable[str], categories: Iterable[str]) -> Paper | None:
    if not text:
        return None
    return Paper(
        id="",
        source=SOURCE,
        links=(),
        version=0,
        title=text,
        abstract=text,
        authors=tuple(filter(None, map(_line, authors))),
        categories=tuple(filter(None, map(_line, categories))),
        submitted=_NEVER,
        updated=_NEVER,
    )


def _at(place: int) -> str:
    return f"record {place} of the page"


def _well_formed(body: bytes) -> Any:  # noqa: ANN401  (feedparser has no types)
    if not body.strip():
        raise AtomError("with an empty body")
    text = body.decode(errors="replace")
    # arXiv sends no DOCTYPE; an entity bomb needs one.
    if re.search(r"<!(?:doctype|entity)", text, re.IGNORECASE):
        raise AtomError("with a page, not a feed" if "<html" in text else "with a DOCTYPE")
    _measure(body, text)
    import feedparser  # slow to import, and only what fetches needs it

    # The bytes in a file object: a string could be taken for a URL or a path, and opened.
    feed = feedparser.parse(
        BytesIO(body),
        response_headers={"content-type": "application/atom+xml; charset=utf-8"},
        resolve_relative_uris=False,
        sanitize_html=False,
    )
    if feed.bozo:
        raise DamageError("with XML that is damaged or breaks off")
    if feed.version != "atom10":
        raise AtomError(f"with no Atom feed but {_shown(text)}")
    return feed


def _measure(body: bytes, text: str) -> None:
    """Raise DamageError for an answer that is no UTF-8, no XML, or out of all proportion."""
    if "\ufffd" in text:
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise DamageError("with bytes that are not UTF-8") from error
    if body.find(b"<feed") > _PROLOG:
        raise DamageError(f"with more than {_PROLOG:,} bytes before its feed")
    try:
        _Measure().take(body)
    except expat.ExpatError as error:
        if "<feed" in text:
            raise DamageError("with XML that is damaged or breaks off") from error
        raise AtomError(f"with {_shown(text)}") from error


_ATOM, _ARXIV = "http://www.w3.org/2005/Atom ", "http://arxiv.org/schemas/atom "
_ABOUT_AUTHORS = {_ATOM + "author", _ATOM + "name", _ARXIV + "affiliation"}
_TEXTS = {
    *(_ATOM + each for each in ("id", "title", "summary", "published", "updated", "name")),
    *(_ARXIV + each for each in ("comment", "journal_ref", "doi", "affiliation")),
}


class _Measure:
    """What was counted of an answer so far."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.counts: Counter[str] = Counter()
        self.of_record: Counter[str] = Counter()
        self.field = 0

    def take(self, body: bytes) -> None:
        parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        parser.buffer_text = True  # a call for some 8,000 letters, not for each line
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.letters
        parser.CommentHandler = self.aside
        parser.ProcessingInstructionHandler = self.aside
        parser.StartNamespaceDeclHandler = self.namespace
        for at in range(0, len(body), _TAG):
            parser.Parse(body[at : at + _TAG], False)  # noqa: FBT003  (as expat has it)
            # What lies between the parser's place and the end of its input is one unfinished tag.
            self._bound(at - parser.CurrentByteIndex, 2 * _TAG, "bytes in a tag")
        parser.Parse(b"", True)  # noqa: FBT003

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.path.append(name)
        if name == _ATOM + "entry":
            self.of_record.clear()
            self._count("records", _RECORDS)
        if len(self.path) <= 3:  # a part of the feed, or of a record
            self.field = 0
        self._count("elements and comments", _ELEMENTS)
        self._bound(len(self.path), _DEPTH, "elements in each other")
        self._bound(len(attributes), _ATTRIBUTES, "attributes in an element")
        if name in _ABOUT_AUTHORS:
            self._count_here("elements for the authors of a paper", _NAMES)
        else:
            self._count("elements that name no author", _OTHERS * _RECORDS // 4)
            self._count_here("elements in a record, categories among them", _OTHERS)
        for each in attributes.values():
            self._bound(len(each), _LETTERS, "letters in an attribute")

    def end(self, _name: str) -> None:
        self.path.pop()

    def aside(self, *_said: str) -> None:
        self._count("elements and comments", _ELEMENTS)

    def namespace(self, *_names: str) -> None:
        self._count("namespaces", _NAMESPACES)

    def letters(self, text: str) -> None:
        self.field += len(text)
        self._bound(self.field, _LETTERS, "letters in a field")
        if self.path[-1] not in _ABOUT_AUTHORS:
            self._count("letters", _PAGE_LETTERS, len(text))
        if self.path[-1] not in _TEXTS and (foreign := text.strip()):
            self._count_here(
                "letters that arXiv has no element for", _FOREIGN_LETTERS, len(foreign)
            )

    def _count(self, what: str, most: int, by: int = 1) -> None:
        self.counts[what] += by
        self._bound(self.counts[what], most, what)

    def _count_here(self, what: str, most: int, by: int = 1) -> None:
        self.of_record[what] += by
        self._bound(self.of_record[what], most, what)

    @staticmethod
    def _bound(count: int, most: int, what: str) -> None:
        if count > most:
            raise DamageError(f"with more than {most:,} {what}")


def _shown(text: str) -> str:
    return repr(_line(text)[:60])


def _count(feed: Mapping[str, Any], name: str) -> int:
    value = str(feed.get(name, ""))
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise AtomError(f"with a feed that has no {name.replace('_', ':')}")
    return int(value)


_FIRST_YEAR, _LAST_YEAR = 1980, 2200
_NEVER = datetime(1980, 1, 1, tzinfo=UTC)
_ID = re.compile(
    r"https?://arxiv\.org/abs/"
    r"(?:(?P<new>\d{4}\.\d{4,5})|(?P<archive>[a-z-]+)(?:\.[A-Z]{2})?/(?P<number>\d{7}))"
    r"(?:v(?P<version>[1-9]\d{0,3}))?"
)


def _arxiv_id(found: re.Match[str]) -> str:
    return found["new"] or f"{found['archive']}/{found['number']}"


def _paper(entry: Any) -> Paper:  # noqa: ANN401  (a feedparser entry)
    found = _ID.fullmatch(entry.get("id", ""))
    if not found:
        raise AtomError(f"with a paper whose id is unreadable: {_shown(entry.get('id', ''))}")
    arxiv_id = _arxiv_id(found)
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
