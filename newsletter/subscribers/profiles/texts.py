"""Read a file of own papers: abstracts one a line, BibTeX, RIS, or arXiv ids. Pure.

What it cannot read of a file it leaves out, and says so.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from newsletter.phrases import counted
from newsletter.prose import plain, prose

_NAME = 60  # characters of an abstract by which it is called

_ID = r"(?:\d{4}\.\d{4,5}|[A-Za-z-]+(?:\.[A-Za-z]{2})?/\d{7})"
_ARXIV_ID = re.compile(rf"(?:arxiv:\s*)?({_ID})(?:v\d+)?", re.IGNORECASE)
_ARXIV_LINK = re.compile(rf"arxiv(?:\.org/(?:abs|pdf)/|[.:]\s*)({_ID})", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")

_BIBTEX = re.compile(r"^[ \t]*@[ \t]*(\w+)[ \t]*[{(]", re.MULTILINE)
_NO_PAPERS = frozenset({"comment", "preamble", "string"})
_FIELD = re.compile(r"[\s,]*([\w:.-]+)\s*=\s*")
_JOINT = re.compile(r"\s*#\s*")
_MARK = re.compile(r"(?<!\\)[{}\"]")
_NO_BRACES = str.maketrans("", "", "{}")
_WORD = re.compile(r"[^\s,#{}()\"]+")
_RIS = re.compile(r"^([A-Z][A-Z0-9])  ?- ?(.*)$")


class OwnText(Struct, frozen=True, kw_only=True):
    """An own paper as somebody wrote it down; `arxiv_id` has no version, `year` is 0 if unknown."""

    title: str = ""
    abstract: str = ""
    arxiv_id: str = ""
    year: int = 0

    @property
    def name(self) -> str:
        """What the paper is called: its title, or the first words of its abstract."""
        return prose(self.title) or _first_words(prose(self.abstract[: 4 * _NAME]))


class Texts(Struct, frozen=True, kw_only=True):
    """What somebody gave as theirs: papers, ids of papers at arXiv, and what else is to be said."""

    papers: tuple[OwnText, ...] = ()
    arxiv_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_texts(content: str) -> Texts:
    """Return what a file says, whichever of the kinds it is: its content tells."""
    if _BIBTEX.search(content):
        return _read("BibTeX", _bibtex(content))
    lines = [line.strip() for line in content.splitlines()]
    if any(line.startswith(("TY  -", "TY -")) for line in lines):
        return _read("RIS", _ris(lines))
    said = [line for line in lines if line and not line.startswith("#")]
    ids = [arxiv_id(line) for line in said]
    if said and all(ids):
        return Texts(arxiv_ids=tuple(dict.fromkeys(ids)))
    abstracts = (re.sub(r"^abstract\s*[:.]\s*", "", line, flags=re.IGNORECASE) for line in said)
    return Texts(papers=tuple(OwnText(abstract=each) for each in abstracts if each))


def arxiv_id(text: str) -> str:
    """Return the arXiv id that a text is, without its version; empty if it is none."""
    found = _ARXIV_ID.fullmatch(text.strip())
    return found[1] if found else ""


def arxiv_id_in(*texts: str) -> str:
    """Return the first arXiv id that stands in an address or a mark like `arXiv:2401.01234`."""
    return next((found[1] for each in texts if (found := _ARXIV_LINK.search(each))), "")


def year_in(text: str) -> int:
    """Return the first year that stands in a text, 0 if there is none."""
    found = _YEAR.search(text)
    return int(found[0]) if found else 0


def _first_words(text: str) -> str:
    if len(text) <= _NAME:
        return text
    whole = text[:_NAME].rpartition(" ")[0] if " " in text[:_NAME] else text[:_NAME]
    return whole.rstrip(" ,;:.(") + "…"


def _read(kind: str, entries: Iterable[Mapping[str, str] | None]) -> Texts:
    """Return the papers of a bibliography; an entry is None where nobody can tell its end."""
    papers = []
    left_out = 0
    for entry in entries:
        paper = _own_text(entry or {})
        if paper.title or paper.abstract:
            papers.append(paper)
        else:
            left_out += 1
    notes = []
    if bare := sum(not each.abstract for each in papers):
        whose = f"{counted(bare, 'paper')} of {len(papers)}"
        notes.append(f"{whose} without an abstract: the title serves")
    if left_out:
        notes.append(f"{kind}: left out what has no title or no end: {left_out}")
    return Texts(papers=tuple(papers), notes=tuple(notes))


def _own_text(entry: Mapping[str, str]) -> OwnText:
    def first(*keys: str) -> str:
        return next((entry[key] for key in keys if entry.get(key)), "")

    where = (first(key) for key in ("url", "UR", "doi", "DO", "note", "journal", "N1"))
    return OwnText(
        title=first("title", "TI", "T1", "CT"),
        abstract=first("abstract", "AB", "N2"),
        arxiv_id=arxiv_id(first("eprint")) or arxiv_id_in(*where),
        year=year_in(first("year", "date", "PY", "Y1", "DA")),
    )


def _bibtex(content: str) -> Iterator[Mapping[str, str] | None]:
    """Yield the fields of each entry, keys in lower case, braces and TeX made readable."""
    macros: dict[str, str] = {}
    starts = list(_BIBTEX.finditer(content))
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        kind = start[1].lower()
        body = content[start.end() : following.start() if following else len(content)]
        if kind == "string":
            macros |= _fields(body, macros) or {}
        elif kind not in _NO_PAPERS:
            _, comma, rest = body.partition(",")
            yield _fields(rest, macros) if comma else None


def _fields(body: str, macros: Mapping[str, str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    place = 0
    while name := _FIELD.match(body, place):
        read = _value(body, name.end(), macros)
        if read is None:
            return found or None
        value, place = read
        found.setdefault(name[1].lower(), prose(value).translate(_NO_BRACES))
    return found


def _value(body: str, place: int, macros: Mapping[str, str]) -> tuple[str, int] | None:
    """Return the value that begins at a place, pieces joined by #, and where it ends."""
    value = ""
    while True:
        mark = body[place : place + 1]
        if mark in {"{", '"'} and mark:
            end = _closing(body, place)
            if end is None:
                return None
            value += body[place + 1 : end]
            place = end + 1
        elif word := _WORD.match(body, place):
            value += macros.get(word[0].lower(), word[0])
            place = word.end()
        else:
            return None
        joint = _JOINT.match(body, place)
        if not joint:
            return value, place
        place = joint.end()


def _closing(body: str, place: int) -> int | None:
    """Return where what opens at a place is closed; braces nest, quotation marks do not."""
    depth = 0
    for mark in _MARK.finditer(body, place + 1):
        if mark[0] == "{":
            depth += 1
        elif depth == 0 and (mark[0] == '"') == (body[place] == '"'):
            return mark.start()
        elif mark[0] == "}":
            depth -= 1
    return None


def _ris(lines: Iterable[str]) -> Iterator[Mapping[str, str]]:
    """Yield the fields of each record, the first of each tag; lines without a tag go on."""
    entry: dict[str, str] | None = None
    tag = ""
    for line in lines:
        if not (field := _RIS.match(line)):
            if entry is not None and tag and line:
                entry[tag] += f" {line}"
        elif field[1] == "TY":
            if entry is not None:
                yield entry
            entry, tag = {}, ""
        elif field[1] == "ER":
            if entry is not None:
                yield entry
            entry, tag = None, ""
        elif entry is not None:
            tag = "" if field[1] in entry else field[1]
            entry.setdefault(field[1], plain(field[2]))
    if entry is not None:
        yield entry
