"""A mail as headers and parts. It says what stands there, and not what it means.

Whatever anybody sends comes through here, so that what bounds the work on it belongs here, too.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes, message_from_string
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from html import unescape

# What begins a line of its own in HTML.
BLOCK = re.compile(
    r"<(?:/(?=\w))?(?:blockquote|br|div|dl|dt|dd|h[1-6]|hr|li|ol|p|pre|table|td|tr|ul)\b[^<>]*>",
    re.IGNORECASE,
)
BODY = re.compile(r"<body\b[^<>]*>", re.IGNORECASE)
_ENCODED = {"base64", "quoted-printable"}
TAG = re.compile(r"<[^<>]*>")


# What no mail needs, and what keeps a parser busy for as long as a stranger likes.
MAX_MAIL = 256 << 10
MAX_HEADERS = 64 << 10
MAX_HEADER = 8 << 10
MAX_LINE = 998  # RFC 5322 2.1.1
MAX_LINES = 20_000
MAX_PARTS = 100
MAX_NESTING = 20
MAX_TEXT = 64 << 10  # for what matches patterns

_BOUNDARY = re.compile(rb"""\bboundary[*\d]*\s*=\s*"?([^"\s;]{1,70})""", re.IGNORECASE)
_CARRIES = re.compile(rb"content-type\s*:\s*message/", re.IGNORECASE)


def bounded(content: bytes) -> bytes:
    """Return a mail without what is out of all proportion, before anything parses it.

    It ends where the parts or what they are nested in become too many. A header is known by the
    lines that continue it; text that is set in is cut like one.
    """
    kept: list[bytes] = []
    size = folded = containers = parts = 0
    boundaries: set[bytes] = set()
    heading = True
    for line in content[:MAX_MAIL].split(b"\n"):
        heading = heading and bool(line.strip())
        folded = folded + len(line) if line[:1] in {b" ", b"\t"} else len(line)
        size += len(line)
        if folded > MAX_HEADER or (heading and size > MAX_HEADERS):
            continue
        found = _BOUNDARY.findall(line)
        boundaries.update(b"--" + each for each in found)
        containers += len(found) + bool(_CARRIES.match(line))
        parts += bool(boundaries) and line.startswith(tuple(boundaries))
        if containers > MAX_NESTING or parts > MAX_PARTS or len(kept) >= MAX_LINES:
            break
        kept.append(line[:MAX_LINE])
    return b"\n".join(kept)


def parsed(content: bytes) -> Message:
    """Return a mail as a tree of parts."""
    return message_from_bytes(content)


def parts(mail: Message) -> list[Message]:
    """Return the parts of the first level: what is deeper is quoted."""
    payload = mail.get_payload()
    found = payload if isinstance(payload, list) else []
    return [part for part in found if isinstance(part, Message)]


def texts(mail: Message, *, attached: bool = False) -> Iterator[Message]:
    """Yield the parts of text, at whatever depth; those of attached mails only if wanted."""
    waiting = [mail]
    while waiting:
        part = waiting.pop()
        if part.get_content_maintype() == "text":
            yield part
        elif part is mail or attached or part.get_content_maintype() != "message":
            waiting += reversed(parts(part))


def blocks(report: Message) -> Iterator[Message]:
    """Yield the groups of fields in a report: one about the message, then one a recipient."""
    for part in embedded(report):
        yield part
        rest = part.get_payload()
        if isinstance(rest, str):  # the standard library cuts only the older type
            yield message_from_string(rest)


def embedded(part: Message) -> list[Message]:
    """Return what stands in a part as mails or headers of their own, whatever the encoding."""
    if not part.is_multipart():
        return [message_from_string(text_of(part))]
    inner = parts(part)
    if _encoding(part) not in _ENCODED:
        return inner
    # RFC 2046 5.2.1 forbids it, RFC 6533 does not, and the standard library leaves it as it is.
    text = "".join(str(each.get_payload()) for each in inner)
    whole = Message()
    whole["Content-Transfer-Encoding"] = _encoding(part)
    whole.set_payload(text)
    return [message_from_string(text_of(whole))]


def field(block: Message, name: str) -> str:
    """Return the first value of a header in one line, empty where there is none."""
    return " ".join(str(block.get(name, "")).split())


def decoded(mail: Message, name: str) -> str:
    """Return all values of a header as text, as they are where they cannot be decoded."""
    values = []
    for key, value in mail.raw_items():
        if key.lower() == name.lower():
            # Letters beyond ASCII that stand there as they are can only be UTF-8: RFC 6532.
            text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            values.append(decoded_text(text))
    return " ".join(values)


def decoded_text(text: str) -> str:
    """Return a value of a header in one line, its encoded words as text where they can be read."""
    with suppress(MessageError, LookupError, ValueError):
        text = str(make_header(decode_header(text)))
    return " ".join(text.split())


def text_of(part: Message) -> str:
    """Return what a part says, or the beginning of it, without its transfer encoding."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    payload = payload[:MAX_TEXT]
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        return payload.decode("utf-8", "replace")


def lines_of(part: Message) -> Iterator[str]:
    """Yield the lines that say something, without tags where a part is HTML."""
    text = text_of(part)
    if part.get_content_subtype() == "html":
        body = BODY.split(text, maxsplit=1)[-1]
        text = unescape(TAG.sub(" ", BLOCK.sub("\n", body)))
    return (line.strip() for line in text.splitlines() if line.strip())


def _encoding(part: Message) -> str:
    return field(part, "Content-Transfer-Encoding").lower()
