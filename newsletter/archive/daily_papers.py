"""The Daily Papers page: a table of papers for each keyword, as Markdown and as HTML. Pure."""

import re
from collections.abc import Sequence
from datetime import date
from urllib.parse import quote

from msgspec import Struct

from newsletter.archive.folder import MARK
from newsletter.models import Paper
from newsletter.prose import plain, prose
from newsletter.sources.arxiv.identity import version_url

_FOLDED = 20  # characters of a comment from which on it is folded
_BEGINNING = 5
# arXiv takes abstracts of 1,920 characters; what is much longer would only make the page so.
_LONGEST = {"title": 600, "abstract": 4000, "comment": 1000}


class Row(Struct, frozen=True, kw_only=True):
    """A paper as the page shows it; `short` is the beginning of a comment that is folded."""

    title: str
    url: str
    date: str
    abstract: str
    comment: str
    short: str


class Table(Struct, frozen=True, kw_only=True):
    """The papers of a keyword, newest first."""

    name: str
    anchor: str
    rows: tuple[Row, ...]


def table(keyword: str, papers: Sequence[Paper], *, anchor: str) -> Table:
    """Return the table of a keyword."""
    return Table(name=plain(keyword), anchor=anchor, rows=tuple(map(_row, papers)))


def about(*, most: int, updated: date) -> list[str]:
    """Return what stands below the title, a paragraph each."""
    return [
        "New papers from arXiv on the keywords below, collected every day.",
        f"Under each keyword stand its newest papers, at most {most}.",
        f"Last update: {updated}",
    ]


def markdown(title: str, paragraphs: Sequence[str], tables: Sequence[Table]) -> str:
    """Return the page as GitHub and GitLab render it: tables are an extension of Markdown there."""
    lines = [f"# {_escaped(plain(title))}", f"<!-- {MARK} -->"]
    for each in paragraphs:
        lines += ["", each]
    for found in tables:
        lines += ["", f"## {_escaped(found.name)}", ""]
        if found.rows:
            lines += ["| **Title** | **Date** | **Abstract** | **Comment** |"]
            lines += ["| --- | --- | --- | --- |"]
            lines += map(_markdown_row, found.rows)
        else:
            lines += ["No papers yet."]
    return "\n".join([*lines, ""])


def _row(paper: Paper) -> Row:
    comment = _cut("comment", prose(paper.comment))
    return Row(
        title=_cut("title", prose(paper.title)) or paper.local_id,
        url=version_url(paper),
        date=paper.updated.date().isoformat(),
        abstract=_cut("abstract", prose(paper.abstract)),
        comment=comment,
        short=f"{comment[:_BEGINNING]}..." if len(comment) > _FOLDED else "",
    )


def _cut(what: str, text: str) -> str:
    return text if len(text) <= _LONGEST[what] else f"{text[: _LONGEST[what] - 1]}…"


def _markdown_row(row: Row) -> str:
    url = quote(row.url, safe=":/?#@!$&'*+,;=%-._~")
    abstract = f"<details><summary>Show</summary><p>{_escaped(row.abstract)}</p></details>"
    comment = _escaped(row.comment)
    if row.short:
        comment = f"<details><summary>{_escaped(row.short)}</summary><p>{comment}</p></details>"
    return f"| **[{_escaped(row.title)}]({url})** | {row.date} | {abstract} | {comment} |"


# A `_` between letters and an `&` that begins no entity mean themselves.
_SPECIAL = re.compile(r"[\\`*\[\]|~#<>$]|_(?:(?!\w)|(?<!\w_))|&(?=#?\w+;)")
_AS_ENTITY = frozenset("<>$&")


def _escaped(text: str) -> str:
    """Return plain text as Markdown that shows it, in a heading, a link or a table."""
    return _SPECIAL.sub(_spelt, text)


def _spelt(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};" if found[0] in _AS_ENTITY else f"\\{found[0]}"
