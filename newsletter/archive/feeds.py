"""Feeds of what was announced: Atom (RFC 4287), JSON Feed 1.1, and a list of them in OPML. Pure.

An entry is a version of a paper; its id is made of the newsletter's and the paper's, and never
changes. It bears the seal of what it was made of, by which the next feed takes it over as it
stands: of hundreds of entries a day adds a few. Of the archive it alone knows feedgenerator.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from html import escape
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree as ET

from feedgenerator import Atom1Feed
from msgspec import Struct

from newsletter.archive.folder import MARK
from newsletter.models import Paper
from newsletter.moments import iso
from newsletter.prose import plain, prose
from newsletter.sources.arxiv.identity import version_url


class News(NamedTuple):
    """A version of a paper as news: when it was announced, and for which keywords."""

    paper: str
    version: int
    announced: datetime
    keywords: tuple[str, ...]


class Entry(NamedTuple):
    """An entry as the two kinds of feed have it."""

    atom: str
    json: str


class Feed(Struct, frozen=True, kw_only=True):
    """What a feed says. `name` is of its files; `page` is the page it belongs to.

    `base_url` is empty where it is not known where the archive is served. `entries` has the newest
    first; `updated` is when it was last added to.
    """

    newsletter: str
    name: str
    title: str
    page: str
    base_url: str
    subtitle: str
    updated: datetime
    entries: Sequence[Entry]

    def url(self, name: str) -> str:
        """Return the address of a file of the archive, as a feed may have it."""
        return f"{self.base_url}/{name}" if self.base_url else f"../{name}"

    @property
    def id(self) -> str:
        """What the feed is known by."""
        return _urn(self.newsletter, f"feed/{self.name}")


def subtitle(unanswered: Mapping[str, date]) -> str:
    """Return what a feed has to say of days that nobody knows yet, by keyword."""
    if not unanswered:
        return "New papers, by the day on which they were announced."
    days = set(unanswered.values())
    names = ", ".join(plain(name) for name in unanswered)
    since = " and ".join(sorted(day.isoformat() for day in days))
    return f"Not known yet: what was announced since {since} for {names}. It will be made up for."


def seal(news: News, pages: str) -> str:
    """Return a text that changes when the entry would; `pages` does when all would."""
    return sha256(f"{pages} {news}".encode()).hexdigest()[:16]


def sealed(atom: str, json: str) -> dict[str, Entry]:
    """Return the entries that stand whole in both kinds of a feed, by their seals."""
    items = {seal: item for item, seal in _items(json)}
    return {
        seal: Entry(entry, items[seal])
        for entry, seal in _entries(atom)
        if seal in items and "\0" not in entry + items[seal]  # which a power cut may leave
    }


def entries(newsletter: str, made_of: Iterable[tuple[str, News, Paper]]) -> dict[str, Entry]:
    """Return the entries of some news, each given with its seal, by their seals."""
    made, items = (
        _Atom(title="", link="", description="", updated=datetime.min.replace(tzinfo=UTC)),
        {},
    )
    for mark, news, paper in made_of:
        name = _urn(newsletter, f"{paper.id}v{paper.version}")
        title = prose(paper.title) or plain(paper.local_id)
        abstract = prose(paper.abstract)
        authors = [prose(each) for each in paper.authors]
        keywords = [plain(each) for each in news.keywords]
        made.add_item(
            title=title,
            link=version_url(paper),
            description=None,
            unique_id=name,
            pubdate=news.announced,
            content=escape(abstract),
            categories=keywords,
            authors=authors,
            seal=mark,
        )
        item = {
            "id": name,
            "url": version_url(paper),
            "title": title,
            "content_text": abstract,
            "date_published": iso(news.announced),
            "authors": [{"name": each} for each in authors],
            "tags": keywords,
            "_seal": {"made_of": mark},
        }
        items[mark] = json.dumps(item, ensure_ascii=False)
    return {mark: Entry(entry, items[mark]) for entry, mark in _entries(made.text())}


def atom(feed: Feed) -> str:
    """Return the feed as Atom."""
    made = _Atom(
        title=feed.title,
        link=feed.url(feed.page),
        description=feed.subtitle,
        author_name=feed.title,
        feed_url=feed.url(f"feeds/{feed.name}.atom") if feed.base_url else None,
        feed_guid=feed.id,
        language="en",
        updated=feed.updated,
    )
    return "".join([made.text(), *(each.atom for each in feed.entries), f"{_END}\n"])


def json_feed(feed: Feed) -> str:
    """Return the feed as JSON Feed 1.1, an item a line."""
    addresses = {
        "home_page_url": feed.url(feed.page),
        "feed_url": feed.url(f"feeds/{feed.name}.json"),
    }
    made = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        **(addresses if feed.base_url else {}),
        "description": feed.subtitle,
        "language": "en",
        "authors": [{"name": feed.title}],
        "_generator": {"name": MARK},
    }
    head = json.dumps(made, ensure_ascii=False).removesuffix("}")
    items = ",\n".join(each.json for each in feed.entries)
    return f'{head}, "items": [\n{items}\n]}}\n'


def opml(title: str, feeds: Mapping[str, str], *, base_url: str) -> str:
    """Return a list of feeds, titles by name, as readers of feeds import it (OPML 2.0)."""
    root = ET.Element("opml", version="2.0")
    ET.SubElement(ET.SubElement(root, "head"), "title").text = title
    body = ET.SubElement(root, "body")
    for name, text in feeds.items():
        file = f"feeds/{name}.atom"
        address = f"{base_url}/{file}" if base_url else file
        ET.SubElement(body, "outline", type="rss", text=text, title=text, xmlUrl=address)
    ET.indent(root)
    return f"{ET.tostring(root, 'unicode', xml_declaration=True)}\n<!-- {MARK} -->\n"


class _Atom(Atom1Feed):  # type: ignore[misc]  # it has no types
    """Atom with every author of an entry, and a date that does not depend on the clock."""

    def latest_post_date(self) -> datetime:
        """Return when the feed was last added to."""
        return self.feed["updated"]  # type: ignore[no-any-return]

    def add_root_elements(self, handler: Any) -> None:  # noqa: ANN401
        """Say what made it, too."""
        super().add_root_elements(handler)
        handler.addQuickElement("generator", MARK)

    def add_item_elements(self, handler: Any, item: dict[str, Any]) -> None:  # noqa: ANN401
        """Seal the entry, and name each author."""
        handler.ignorableWhitespace(f"<!-- {item['seal']} -->")  # it writes what it is given
        super().add_item_elements(handler, item)
        for name in item["authors"]:
            handler.startElement("author", {})
            handler.addQuickElement("name", name)
            handler.endElement("author")

    def text(self) -> str:
        """Return the feed without its end, so that entries can follow."""
        return str(self.writeString("utf-8")).removesuffix(_END)


# In both, texts are escaped: none looks like the end of its entry.
_ENTRY = re.compile(r"<entry><!-- (\w{16}) -->")
_END = "</feed>"


def _entries(atom: str) -> Iterator[tuple[str, str]]:
    """Yield each whole entry of a feed, and its seal."""
    for part in atom.split("</entry>")[:-1]:
        if found := _ENTRY.search(part):
            yield f"{part[found.start() :]}</entry>", found[1]


_ITEM = re.compile(r'"_seal": \{"made_of": "(\w{16})"\}\}\Z')


def _items(json: str) -> Iterator[tuple[str, str]]:
    for line in json.split("\n"):
        item = line.removesuffix(",")
        if item.startswith('{"id": ') and (found := _ITEM.search(item, len(item) - 50)):
            yield item, found[1]


def _urn(newsletter: str, name: str) -> str:
    return uuid5(NAMESPACE_URL, f"{newsletter}/{name}").urn
