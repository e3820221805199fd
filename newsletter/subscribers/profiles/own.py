"""Make a profile of what a reader's column `profile` says. It asks nobody over the network.

The column holds a path relative to the list, arXiv ids, or a Zotero library.
"""

import codecs
import os
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from newsletter.errors import ProfileError
from newsletter.keywords.terms import terms
from newsletter.models import OwnPaper, Profile
from newsletter.prose import beginning
from newsletter.subscribers.profiles.alike import without_copies
from newsletter.subscribers.profiles.texts import OwnText, Texts, arxiv_id, read_texts

MOST = 2000  # papers of a profile
MAX_BYTES = 16_000_000

_ZOTERO = re.compile(r"zotero:(user|group)/(\d{1,12})(?:/([A-Za-z0-9]{8}))?", re.IGNORECASE)
_NOT_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class Library(Struct, frozen=True):
    """A Zotero library, or one collection of it."""

    kind: str
    number: str
    collection: str = ""

    @property
    def path(self) -> str:
        """Its place under the address of the API."""
        within = f"/collections/{self.collection}" if self.collection else ""
        return f"{self.kind}s/{self.number}{within}"

    def __str__(self) -> str:
        return "/".join(filter(None, (self.kind, self.number, self.collection)))


def meaning(cell: str) -> Path | tuple[str, ...] | Library:
    """Return what a column means: a file, arXiv ids, or a Zotero library.

    Raises ProfileError for what begins like one of them and is none.
    """
    if library := _ZOTERO.fullmatch(cell.strip()):
        return Library(library[1].lower(), library[2], (library[3] or "").upper())
    if cell.strip().lower().startswith("zotero:"):
        raise ProfileError(
            f"{beginning(cell, 80)!r} is no Zotero library; write zotero:user/NUMBER or"
            " zotero:group/NUMBER, with /COLLECTION behind it for a collection's key of 8"
            " characters"
        )
    parts = [each.strip() for each in cell.split(";") if each.strip()]
    ids = [arxiv_id(each) for each in parts]
    if parts and all(ids):
        return tuple(dict.fromkeys(ids))
    if any(ids):
        strange = next(part for part, id_ in zip(parts, ids, strict=True) if not id_)
        raise ProfileError(
            f"{beginning(strange, 80)!r} is no arXiv id, and there are others beside it"
        )
    return Path(cell.strip())


def problem(cell: str, folder: Path) -> str:
    """Return what is wrong with a column, as far as can be told here; empty if it is sound."""
    try:
        means = meaning(cell)
        if isinstance(means, Path):
            texts = file_texts(means, folder)
            if texts.papers:
                _with_words(own_paper(each, str) for each in newest(texts.papers)[0])
    except ProfileError as error:
        return str(error)
    return ""


def file_texts(path: Path, folder: Path) -> Texts:
    """Return what a file says that lies in `folder`, or below it. Raises ProfileError."""
    return texts_in(*file_in(path, folder), shown=shown_as(path))


def file_in(path: Path, folder: Path) -> tuple[Path, os.stat_result]:
    """Return where a file really is that lies in `folder`, or below it. Raises ProfileError."""
    shown = shown_as(path)
    out = f"{shown} leads out of the folder of the list; keep it there"
    try:
        found = (folder / path).resolve(strict=True)
        status = found.stat()
    except FileNotFoundError as error:
        if not (folder / path).resolve().is_relative_to(folder.resolve()):
            raise ProfileError(out) from error  # it is nobody's to know what exists there
        ids = "; arXiv ids are written 2401.01234; 2402.00001" if ";" in shown else ""
        raise ProfileError(f"there is no file {shown} in the folder of the list{ids}") from error
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a name too long
        raise ProfileError(f"{shown} cannot be read: {_reason(error)}") from error
    if not found.is_relative_to(folder.resolve()):
        raise ProfileError(out)
    if not stat.S_ISREG(status.st_mode):
        folder_too = " but a folder; name one in it" if stat.S_ISDIR(status.st_mode) else ""
        raise ProfileError(f"{shown} is no file{folder_too}")
    return found, status


def texts_in(found: Path, status: os.stat_result, *, shown: str) -> Texts:
    """Return what a file says. Raises ProfileError."""
    if status.st_size > MAX_BYTES:
        raise ProfileError(f"{shown} has more than {MAX_BYTES // 1_000_000} MB; give less of it")
    try:
        with found.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"{shown} cannot be read: {_reason(error)}") from error
    texts = read_texts(_decoded(content, shown))
    if not texts.papers and not texts.arxiv_ids:
        raise ProfileError(f"{shown} has no papers in it" + "".join(f"; {x}" for x in texts.notes))
    return texts


def shown_as(path: Path) -> str:
    """Return a path as it is named where something is wrong with it."""
    return beginning(str(path), 200)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", "") or str(error)


def own_paper(text: OwnText, paper_id: Callable[[str], str]) -> OwnPaper:
    """Return a paper with its words counted; `paper_id` names one of arXiv as the state does."""
    return OwnPaper(
        id=paper_id(text.arxiv_id) if text.arxiv_id else "",
        name=text.name,
        terms=terms(f"{text.title} {text.abstract}"),
    )


def newest(texts: Iterable[OwnText]) -> tuple[list[OwnText], list[str]]:
    """Return as many papers as count, the newest as far as known, and a note on the others."""
    found = list(texts)
    if len(found) <= MOST:
        return found, []
    found.sort(key=lambda each: -each.year)
    return found[:MOST], [f"{len(found):,} papers: the newest {MOST:,} count"]


def profile_of(papers: Iterable[OwnPaper], notes: Iterable[str] = ()) -> Profile:
    """Return a profile in which each paper counts once: by its id, its title or its words.

    Raises ProfileError where there is no word in any.
    """
    given = _with_words(papers)
    kept = without_copies(_named_once(given))
    copies = len(given) - len(kept)
    said = [f"near-copies that count once: {copies}"] if copies else []
    return Profile(papers=tuple(kept), notes=(*notes, *said))


def _with_words(papers: Iterable[OwnPaper]) -> list[OwnPaper]:
    given = [each for each in papers if each.terms]
    if not given:
        raise ProfileError("there are no words in it that could be compared")
    return given


def _named_once(papers: Iterable[OwnPaper]) -> list[OwnPaper]:
    seen: set[str] = set()
    kept = []
    for each in papers:
        keys = {each.id, " ".join(re.findall(r"[^\W_]+", each.name.lower()))} - {""}
        if seen.isdisjoint(keys):
            kept.append(each)
        seen |= keys
    return kept


def _decoded(content: bytes, shown: str) -> str:
    """Return a file as text: UTF-8, UTF-16 with its mark, or the Latin letters of old files."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _NOT_TEXT.search(text):
            return text
    raise ProfileError(f"{shown} is not text; save it as UTF-8, or export BibTeX or RIS")
