"""Feeds of what was announced: Atom (RFC 4287), JSON Feed 1.1, and a list of them in OPML. Pure.

An entry is a version of a paper; its id is made of the newsletter's and the paper's, and never
changes. Of the archive it alone knows feedgenerator.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree as ET

from feedgenerator import Atom1Feed

from newsletter.archive.folder import MARK
from newsletter.models import Paper
from newsletter.moments import iso
from newsletter.prose import plain, prose
from newsletter.sources.arxiv.identity import version_url


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A version of a paper as news: when it was announced, and for which keywords."""

    paper: Paper
    announced: datetime
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What a feed says. `name` is of its files; `page` is the page it belongs to.

    `base_url` is empty where it is not known where the archive is served. `news` has the newest
    first; `updated` is when it was last added to.
    """

    newsletter: str
    name: str
    title: str
    page: str
    base_url: str
    subtitle: str
    updated: datetime
    news: Sequence[News]

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
    for each in feed.news:
        made.add_item(
            title=_title(each.paper),
            link=version_url(each.paper),
            description=None,
            unique_id=_entry_id(feed, each),
            pubdate=each.announced,
            content=escape(prose(each.paper.abstract)),
            categories=[plain(name) for name in each.keywords],
            authors=[prose(author) for author in each.paper.authors],
        )
    return str(made.writeString("utf-8")) + "\n"


def json_feed(feed: Feed) -> str:
    """Return the feed as JSON Feed 1.1."""
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
        "items": [_item(feed, each) for each in feed.news],
    }
    return json.dumps(made, ensure_ascii=False) + "\n"


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
        """Name each author."""
        super().add_item_elements(handler, item)
        for name in item["authors"]:
            handler.startElement("author", {})
            handler.addQuickElement("name", name)
            handler.endElement("author")


def _item(feed: Feed, news: News) -> dict[str, object]:
    return {
        "id": _entry_id(feed, news),
        "url": version_url(news.paper),
        "title": _title(news.paper),
        "content_text": prose(news.paper.abstract),
        "date_published": iso(news.announced),
        "authors": [{"name": prose(author)} for author in news.paper.authors],
        "tags": [plain(name) for name in news.keywords],
    }


def _title(paper: Paper) -> str:
    return prose(paper.title) or plain(paper.local_id)


def _entry_id(feed: Feed, news: News) -> str:
    return _urn(feed.newsletter, f"{news.paper.id}v{news.paper.version}")


def _urn(newsletter: str, name: str) -> str:
    return uuid5(NAMESPACE_URL, f"{newsletter}/{name}").urn
