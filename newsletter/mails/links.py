"""Find the addresses that stand in a text, to the last character. Pure: nothing is fetched."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from newsletter.models import Link

# Where a link is called "Code".
CODE_HOSTS = frozenset(
    {"github.com", "gitlab.com", "codeberg.org", "huggingface.co", "bitbucket.org"}
)

_PAGE_HOSTS = (".github.io", ".gitlab.io", ".codeberg.page", "sites.google.com")
_PAGE_WORDS = re.compile(r"\b(?:project|website|web ?page|home ?page)\b[^.;]{0,30}$", re.IGNORECASE)

_ADDRESS = re.compile(r"https?://[^\s<>\"“”„«»{}|\\^`…]+", re.IGNORECASE)
_NEXT = re.compile(r"[,;](?=https?://)", re.IGNORECASE)
_BRACKETS = {")": "(", "]": "["}
_HOST = re.compile(r"[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)+")

_BRACED = re.compile(r"\\(?:url|href|nolinkurl)\s*\{[^{}]*\}")
_BROKEN = re.compile(
    r"(?P<address>https?://(?P<host>[\w.-]+)/(?P<path>[\w.~/-]*))"
    r"(?P<blank>\s+)(?P<rest>[\w.~-]+(?:/[\w.~-]+)*/?)",
    re.IGNORECASE,
)


class Found(NamedTuple):
    """An address in a text, and where it stands."""

    url: str
    start: int
    end: int


def addresses(text: str) -> Iterator[Found]:
    """Yield the http and https addresses in a text; punctuation after one is no part of it."""
    if "://" not in text:  # as in most; a pattern without regard to case looks at each letter
        return
    for match in _ADDRESS.finditer(text):
        start = match.start()
        for piece in _NEXT.split(match[0]):
            url = _trimmed(piece)
            if _is_sound(url):
                yield Found(url, start, start + len(url))
            start += len(piece) + 1


def offers(texts: Iterable[str]) -> list[Link]:
    """Return the first repository and the first project page that are named in some texts."""
    first: dict[str, str] = {}
    for text in texts:
        for found in addresses(text):
            label = _label(found.url, text[: found.start])
            if label:
                first.setdefault(label, found.url)
    return [Link(label=label, url=first[label]) for label in ("Code", "Project") if label in first]


def mended(text: str) -> str:
    r"""Return the text with its addresses in one piece, where they were broken over two lines.

    What stands in `\url{}` is one address. Elsewhere only what could not end there is joined: a
    hyphen, or a host of repositories without the name of one.
    """
    if "://" not in text and "\\" not in text:
        return text
    return _BROKEN.sub(_joined, _BRACED.sub(lambda m: "".join(m[0].split()), text))


def _joined(broken: re.Match[str]) -> str:
    whole, rest = broken["address"] + broken["rest"], broken["rest"]
    if broken["path"].endswith("-"):
        return whole
    names = [name for name in broken["path"].split("/") if name]
    if _bare(broken["host"]) not in CODE_HOSTS or len(names) > 1:
        return broken[0]
    if not broken["address"].endswith("/"):
        split = "\n" in broken["blank"] and "/" in rest
        return whole if split else broken[0]
    after = broken.string[broken.end() : broken.end() + 1]
    ends = rest.endswith(".") or not after or after in ",;:)]}!?"
    return whole if ends or re.search(r"[\d_/-]|\w\.\w|[a-z][A-Z]", rest) else broken[0]


def _trimmed(url: str) -> str:
    while url:
        last = url[-1]
        opening = _BRACKETS.get(last)
        unopened = opening and url.count(last) > url.count(opening)
        if last not in ".,;:!?'’*" and not unopened:
            return url
        url = url[:-1]
    return url


def _is_sound(url: str) -> bool:
    """Tell whether an address has a host, and does not pass one off as another (user@host)."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        parts.port  # noqa: B018 (raises ValueError for one that is no number)
    except ValueError:
        return False
    return "@" not in parts.netloc and bool(_HOST.fullmatch(host))


def _label(url: str, before: str) -> str:
    parts = urlsplit(url)
    host = _bare(parts.hostname or "")
    if host in CODE_HOSTS:
        return "Code" if parts.path.strip("/") else ""
    if host.endswith(_PAGE_HOSTS) or _PAGE_WORDS.search(before[-80:]):
        return "Project"
    return ""


def _bare(host: str) -> str:
    return host.lower().removeprefix("www.")
