"""Write answers as arXiv's API does since November 2025, byte for byte. Pure."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from tests.peers.replica.store import Record

_SCHEMA = "http://arxiv.org/schemas/atom"
_OPEN = f"""\
<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" xmlns:arxiv="{_SCHEMA}" \
xmlns="http://www.w3.org/2005/Atom">"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of an answer, and how the server understood the question.

    `query` is the repaired query, `rewritten` the same as the feed's link has it.
    """

    query: str
    rewritten: str
    id_list: str
    start: int
    max_results: int
    total: int
    records: Sequence[Record]
    now: datetime


def feed(page: Page) -> str:
    """Return an answer."""
    question = (
        f"search_query={page.query}&id_list={page.id_list}"
        f"&start={page.start}&max_results={page.max_results}"
    )
    digest = b64encode(hashlib.sha1(question.encode()).digest())[:-1].decode()
    link = "https://arxiv.org/api/query?" + urlencode(
        {
            "search_query": page.rewritten,
            "start": page.start,
            "max_results": page.max_results,
            "id_list": page.id_list,
        },
        safe="!$'()*,/:;?@",
    )
    lines = [
        _OPEN,
        f"  <id>https://arxiv.org/api/{digest}</id>",
        f"  <title>arXiv Query: {_text(question)}</title>",
        f"  <updated>{_time(page.now)}</updated>",
        f'  <link href="{_value(link)}" type="application/atom+xml"/>',
        f"  <opensearch:itemsPerPage>{page.max_results}</opensearch:itemsPerPage>",
        f"  <opensearch:totalResults>{page.total}</opensearch:totalResults>",
        f"  <opensearch:startIndex>{page.start}</opensearch:startIndex>",
    ]
    for record in page.records:
        lines.extend(_entry(record))
    return "\n".join([*lines, "</feed>", ""])


def error(message: str, *, now: datetime) -> str:
    """Return the feed that goes with a 4xx or 5xx status."""
    address = f"https://arxiv.org/api/errors#{message.replace(' ', '_')}"
    return f"""\
{_OPEN}
  <id>https://arxiv.org/</id>
  <title>arXiv Search Results</title>
  <updated>{_time(now)}</updated>
  <opensearch:itemsPerPage>1</opensearch:itemsPerPage>
  <opensearch:totalResults>1</opensearch:totalResults>
  <opensearch:startIndex>0</opensearch:startIndex>
  <entry>
    <id>{_text(address)}</id>
    <title>Error</title>
    <updated>{_time(now)}</updated>
    <link href="{_value(address)}" rel="alternate" type="text/html"/>
    <summary>{_text(message)}</summary>
    <author>
      <name>arXiv api core</name>
    </author>
  </entry>
</feed>
"""


def _entry(record: Record) -> Iterator[str]:
    name = record.name
    yield "  <entry>"
    yield f"    <id>http://arxiv.org/abs/{name}</id>"
    yield f"    <title>{_text(record.title)}</title>"
    yield f"    <updated>{_time(record.updated)}</updated>"
    yield f'    <link href="https://arxiv.org/abs/{name}" rel="alternate" type="text/html"/>'
    yield (
        f'    <link href="https://arxiv.org/pdf/{name}" rel="related" type="application/pdf"'
        ' title="pdf"/>'
    )
    yield f"    <summary>{_text(record.abstract)}</summary>"
    for category in record.categories:
        yield f'    <category term="{_value(category)}" scheme="{_SCHEMA}"/>'
    yield f"    <published>{_time(record.published)}</published>"
    if record.comment:
        yield f"    <arxiv:comment>{_text(record.comment)}</arxiv:comment>"
    if record.categories:
        yield f'    <arxiv:primary_category term="{_value(record.categories[0])}"/>'
    if record.journal_ref:
        yield f"    <arxiv:journal_ref>{_text(record.journal_ref)}</arxiv:journal_ref>"
    for author in record.authors:
        yield "    <author>"
        yield f"      <name>{_text(author.name)}</name>"
        for affiliation in author.affiliations:
            yield f"      <arxiv:affiliation>{_text(affiliation)}</arxiv:affiliation>"
        yield "    </author>"
    for doi in record.dois:
        yield f"    <arxiv:doi>{_text(doi)}</arxiv:doi>"
        yield f'    <link rel="related" href="https://doi.org/{_value(doi)}" title="doi"/>'
    yield "  </entry>"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: str) -> str:
    return escape(value, {"\r": "&#13;"})


def _value(value: str) -> str:
    return escape(value, {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})
