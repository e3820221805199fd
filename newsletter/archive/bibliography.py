"""Papers for a library of them: BibTeX, RIS, and what Zotero's connector reads in a page. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import quote_plus

from newsletter.archive.folder import MARK
from newsletter.models import Paper
from newsletter.prose import plain, prose
from newsletter.sources.arxiv.identity import version_url

_UNQUOTED = re.compile(r"[\w.~ -]*", re.ASCII)  # names, mostly
_PARTICLES = {
    "da",
    "de",
    "del",
    "della",
    "den",
    "der",
    "di",
    "dos",
    "du",
    "la",
    "ten",
    "van",
    "von",
}


def bibtex(papers: Sequence[Paper]) -> str:
    """Return the papers as BibTeX, in TeX as their authors wrote it, each under its own key."""
    return "\n".join([f"% {MARK}", "", *map(_entry, papers)])


def ris(papers: Sequence[Paper]) -> str:
    """Return the papers as RIS, in Unicode."""
    return "".join(f"{line}\r\n" for each in papers for line in _record(each))


def coins(paper: Paper) -> str:
    """Return what a COinS span says of a paper: an OpenURL context object (Z39.88-2004)."""
    fields = [
        ("ctx_ver", "Z39.88-2004"),
        ("rft_val_fmt", "info:ofi/fmt:kev:mtx:dc"),
        ("rft.type", "preprint"),
        ("rft.title", _title(paper)),
        *(("rft.creator", prose(author)) for author in paper.authors),
        ("rft.date", paper.updated.date().isoformat()),
        ("rft.identifier", version_url(paper)),
    ]
    if paper.doi:
        fields.append(("rft_id", f"info:doi/{plain(paper.doi)}"))
    return "&".join(f"{name}={_quoted(text)}" for name, text in fields)


def _quoted(text: str) -> str:
    return text.replace(" ", "+") if _UNQUOTED.fullmatch(text) else quote_plus(text)


def _entry(paper: Paper) -> str:
    fields = {
        "title": _title_in_tex(paper),
        "author": " and ".join(map(_author_in_tex, paper.authors)),
        "year": str(paper.submitted.year),
        "eprint": plain(paper.local_id),
        "archivePrefix": plain(paper.source),
        "primaryClass": plain(paper.categories[0]) if paper.categories else "",
        "url": version_url(paper),
        "doi": plain(paper.doi),
        "note": _tex(paper.comment),
    }
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text]
    return "\n".join([f"@misc{{{_key(paper)},", *lines, "}", ""])


def _key(paper: Paper) -> str:
    """Return a key that no other paper has: the last name for people, the id for the rest."""
    last, _ = _parted(prose(paper.authors[0]) if paper.authors else "")
    letters = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z]", "", letters)[:30] or "anonymous"
    return f"{name}{paper.submitted.year}-" + re.sub(r"[^\w.-]+", "-", paper.local_id)


def _record(paper: Paper) -> list[str]:
    fields = [
        ("TY", "UNPB"),
        ("TI", _title(paper)),
        *(("AU", ", ".join(filter(None, _parted(prose(author))))) for author in paper.authors),
        ("PY", str(paper.submitted.year)),
        ("DA", f"{paper.submitted:%Y/%m/%d}"),
        ("AB", prose(paper.abstract)),
        ("PB", plain(paper.source)),
        ("AN", plain(paper.id)),
        ("DO", plain(paper.doi)),
        ("N1", prose(paper.comment)),
        *(("KW", plain(category)) for category in paper.categories),
        ("UR", version_url(paper)),
        ("DP", MARK),
    ]
    return [f"{tag}  - {text}" for tag, text in fields if text] + ["ER  - ", ""]


def _title(paper: Paper) -> str:
    return prose(paper.title) or plain(paper.local_id)


def _title_in_tex(paper: Paper) -> str:
    return _tex(paper.title) or _tex(paper.local_id)


def _author_in_tex(author: str) -> str:
    """Return a name; braces keep BibTeX from cutting one that is not a person's."""
    text = _tex(author)
    return f"{{{text}}}" if "," in text or re.search(r"\band\b", text) else text


def _parted(name: str) -> tuple[str, str]:
    """Return the last name, with its particles, and the first names."""
    words = name.split()
    at = len(words) - 1
    while at > 1 and words[at - 1] in _PARTICLES:
        at -= 1
    return " ".join(words[max(at, 0) :]), " ".join(words[: max(at, 0)])


_FORMULA = re.compile(r"(?<!\\)(\$[^$]*(?<!\\)\$)")
_MEANS_SOMETHING = re.compile(r"[\\{}$^&%#_]")
_RESERVED = re.compile(r"(?<!\\)[&%#_]")
_SPELT = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{each: f"\\{each}" for each in "&%#_${}"},
}


def _tex(text: str) -> str:
    """Return a text of arXiv's in TeX that compiles: its own, or what it says in plain letters."""
    text = plain(text)
    if not _MEANS_SOMETHING.search(text):
        return text
    outside = _FORMULA.sub("", text)
    if _balanced(text) and "$" not in outside.replace(r"\$", "") and "^" not in outside:
        parts = _FORMULA.split(text)
        parts[::2] = [_RESERVED.sub(r"\\\g<0>", part) for part in parts[::2]]
        return "".join(parts)
    return "".join(_SPELT.get(each, each) for each in prose(text))


def _balanced(text: str) -> bool:
    """Return whether braces come in pairs, and no backslash ends the text."""
    depth = 0
    for brace in re.findall(r"[{}]", text):  # BibTeX counts escaped ones, too
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0 and not text.endswith("\\")
