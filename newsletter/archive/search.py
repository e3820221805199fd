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
from collections.abc import Iterable, Mapping, Sequence

from newsletter.archive.folder import MARK
from newsletter.archive.pages import shipped
from newsletter.models import Paper
from newsletter.prose import plain, prose
from newsletter.sources.arxiv.identity import version_url

SIZE = 1000  # papers in a part, at most: the last one of a year is written anew with every issue

_COMMON = 20


def part(papers: Sequence[Paper], issues: Mapping[str, int]) -> str:
    """Return a part as a script, which a page can load from a folder, too.

    `issues` has the issues of those that were announced, by id.
    """
    titles = [prose(each.title) or plain(each.local_id) for each in papers]
    postings = _postings([prose(each.abstract) for each in papers], titles)
    made = {
        "titles": _packed("\n".join(titles).encode()),
        "authors": _packed("\n".join(", ".join(map(prose, e.authors)) for e in papers).encode()),
        "urls": _packed("\n".join(map(version_url, papers)).encode()),
        "issues": _packed("\n".join(str(issues.get(e.id, "")) for e in papers).encode()),
        "words": _packed("\n".join(postings).encode()),
        "postings": _packed(b"".join(map(_gaps, postings.values()))),
    }
    return f"/* {MARK} */ archivePart({json.dumps(made)});\n"


def scripts() -> list[str]:
    """Return what looks through the parts: MiniSearch, and what reads them into it."""
    return [" ".join(shipped(name).split()) for name in ("minisearch.min.js", "search.js")]


def words(text: str) -> list[str]:
    """Return the words of a text as search.js has them: without accents, plurals and case."""
    letters = unicodedata.normalize("NFKD", text)
    bare = re.sub("[\u0300-\u036f]", "", letters).lower()
    return [_stem(word) for word in re.findall(r"[^\W_]+", bare)]


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == "s" != word[-2] else word


def _postings(abstracts: Sequence[str], titles: Sequence[str]) -> dict[str, list[int]]:
    """Return the telling words of the abstracts, with the papers whose titles lack them."""
    found: dict[str, list[int]] = {}
    for number, (abstract, title) in enumerate(zip(abstracts, titles, strict=True)):
        for word in set(words(abstract)).difference(words(title)):
            if len(word) > 1:
                found.setdefault(word, []).append(number)
    most = max(len(abstracts) // _COMMON, 20)
    return {word: papers for word, papers in sorted(found.items()) if len(papers) <= most}


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
