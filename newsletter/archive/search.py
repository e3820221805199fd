"""The index of the search page, in parts: it is looked through in the browser. Pure.

A part holds titles, authors and addresses, and of the abstracts the words, each with the papers
that have it. What stands in more than a twentieth of the abstracts of a part tells nothing and is
left out: with it, ten thousand papers would not fit into two megabytes.
"""

import json
import re
import unicodedata
import zlib
from base64 import b85encode
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from os.path import commonprefix

from newsletter.archive.folder import MARK
from newsletter.archive.pages import shipped
from newsletter.models import Paper
from newsletter.prose import plain, prose
from newsletter.sources.arxiv.identity import version_url

SIZE = 1000  # papers in a part
PIECE = 100  # papers in a part of those that do not fill one yet: the last is written anew

_COMMON = 20
_SHARED = 25  # letters, so that their number is a letter
_ACCENTS = re.compile("[\u0300-\u036f]")
_WORD = re.compile(r"[^\W_]+")


def shares(year: str, count: int) -> dict[str, slice]:
    """Return the parts that so many papers of a year are in, by the names of their files.

    What is full is never written again: a thousand that are complete take the place of their
    hundreds under a name of their own, so that nobody sees a paper twice meanwhile.
    """
    full = count - count % SIZE
    found = {
        f"search/{year}-{first // SIZE + 1}.js": slice(first, first + SIZE)
        for first in range(0, full, SIZE)
    }
    for number, first in enumerate(range(full, count, PIECE), 1):
        name = f"search/{year}-{full // SIZE + 1}-{number}.js"
        found[name] = slice(first, min(first + PIECE, count))
    return found


def year(name: str) -> str:
    """Return the year of a part, by the name of its file."""
    return name.removeprefix("search/").partition("-")[0]


def place(name: str) -> list[int]:
    """Return where a part stands among the others: later ones have newer papers."""
    return [int(each) for each in re.findall(r"\d+", name)]


def part(known: Sequence[tuple[Paper, int | None]]) -> str:
    """Return a part as a script, which a page can load from a folder, too.

    Each paper comes with the issue that announced it, None where none did. Of a paper that is there
    in several versions, in whatever parts, the page shows the last.
    """
    papers = [each for each, _ in known]
    titles = [prose(each.title) or plain(each.local_id) for each in papers]
    postings = _postings([prose(each.abstract) for each in papers], titles)
    made = {
        "titles": _packed("\n".join(titles).encode()),
        "authors": _packed("\n".join(", ".join(map(prose, e.authors)) for e in papers).encode()),
        "urls": _packed("\n".join(map(version_url, papers)).encode()),
        "issues": _packed("\n".join(str(issue or "") for _, issue in known).encode()),
        "words": _packed("\n".join(_shortened(postings)).encode()),
        "postings": _packed(b"".join(map(_gaps, postings.values()))),
    }
    return f"/* {MARK} */ archivePart({json.dumps(made)});\n"


def scripts() -> list[str]:
    """Return what looks through the parts: MiniSearch, and what reads them into it."""
    return [" ".join(shipped(name).split()) for name in ("minisearch.min.js", "search.js")]


def words(text: str) -> list[str]:
    """Return the words of a text as search.js has them: without accents, plurals and case."""
    return [_stem(word) for word in _bare(text)]


def _bare(text: str) -> list[str]:
    if not text.isascii():
        text = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return _WORD.findall(text.lower())


@lru_cache(maxsize=65_536)  # a part has half a million words, and they are always the same
def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == "s" != word[-2] else word


def _postings(abstracts: Sequence[str], titles: Sequence[str]) -> dict[str, list[int]]:
    """Return the telling words of the abstracts, with the papers whose titles lack them."""
    found: dict[str, list[int]] = {}
    for number, (abstract, title) in enumerate(zip(abstracts, titles, strict=True)):
        for word in set(map(_stem, _bare(abstract))).difference(words(title)):
            if word in found:
                found[word].append(number)
            else:
                found[word] = [number]
    most = max(len(abstracts) // _COMMON, 20)
    return {
        word: papers
        for word, papers in sorted(found.items())
        if len(papers) <= most and len(word) > 1
    }


def _shortened(sorted_words: Iterable[str]) -> Iterator[str]:
    """Yield each word without what it shares with the one before, after a letter: how much it is.

    Words of a part are alike. Only ASCII is shared: elsewhere the browser counts otherwise.
    """
    before = ""
    for word in sorted_words:
        shared = commonprefix([before, word])[:_SHARED]  # noqa: RUF071 - these are no paths
        kept = len(shared) if shared.isascii() else 0
        yield f"{chr(ord('a') + kept)}{word[kept:]}"
        before = word


def _gaps(numbers: Iterable[int]) -> bytes:
    """Return how many numbers there are, and how far each is from the one before."""
    listed = list(numbers)
    before = [-1, *listed]
    return b"".join(
        map(_number, [len(listed), *(b - a - 1 for a, b in zip(before, listed, strict=False))])
    )


def _number(value: int) -> bytes:
    """Return a number seven bits a byte, the lowest first; the last byte is below 128."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _packed(content: bytes) -> str:
    """Return some bytes compressed, as text without quotes: four bytes of length, then they."""
    squeezed = zlib.compress(content)
    return b85encode(len(squeezed).to_bytes(4) + squeezed, pad=True).decode()
