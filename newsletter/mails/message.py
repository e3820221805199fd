"""Join an edition and a recipient into the bytes of a message. Pure: no clock, no network.

The headers of an edition and the transfer encoding of each of its pieces are made once; what is
made for each recipient is To, Message-ID, List-Unsubscribe and the unsubscribe links.
"""

import re
from binascii import b2a_qp
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime, formataddr, parseaddr
from functools import lru_cache
from hashlib import sha256
from html import escape
from itertools import chain
from urllib.parse import quote

from newsletter.mails.pieces import Joined
from newsletter.mails.render import PREFERENCES, UNSUBSCRIBE
from newsletter.models import Delivery, Envelope, Masthead, Outgoing, Rendered
from newsletter.numbers import message_id, number
from newsletter.prose import printable
from newsletter.subscribers.joining import KEEP

# In quoted-printable "=" stands before two hexadecimal digits or the end of a line, so that no
# part can hold this (RFC 2045 6.7).
_BOUNDARY = "=_edition"

_SLOTS = (UNSUBSCRIBE, PREFERENCES)
_SLOT = re.compile(f"({'|'.join(_SLOTS)})")

_MARK = "TOKEN" * 8  # in the place of a token, in what is made once

# Outlook and some browsers cut links of more than 2,000 characters.
_LONGEST_BODY = 1_700

_KEPT = 12_000_000  # bytes of pieces, to be used again
_LONG = 3_000  # characters: the head of the HTML, with its style sheet

_DOT = re.compile(rb"^\.[^\r]*", re.MULTILINE)

_ATOM = r'[^\s"(),.:;<>@\[\\\]]+'  # RFC 5322 3.2.3; any script: RFC 6532
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@([a-z0-9-]+\.)*[a-z0-9-]+")


class Composer:
    """Composes the messages of one run.

    `now` becomes the Date, `token` names a subscriber by address. With `per_keyword` every keyword
    is a list of its own (RFC 2919).
    """

    def __init__(
        self,
        masthead: Masthead,
        *,
        now: datetime,
        token: Callable[[str], str],
        per_keyword: bool = False,
    ) -> None:
        self._masthead = masthead
        self._date = format_datetime(now.astimezone(UTC))
        self._token = token
        self._per_keyword = per_keyword
        self._name, self._sender = parseaddr(masthead.sender)
        self._domain = self._sender.rpartition("@")[2]
        self._prepared = _prepared(masthead.changeable)
        links = (self._unsubscribe_link(_MARK), self._preferences_link(_MARK))
        # People read the text with the link in it, so the prepared letter is for HTML alone.
        self._in_text = [_around(each.partition("&body=")[0]) for each in links]
        self._in_html = [_around(escape(each)) for each in links]
        self._headers: dict[tuple[object, ...], bytes] = {}

    def outgoing(self, delivery: Delivery, rendered: Rendered) -> Outgoing:
        """Return the message that is due to one recipient.

        A recipient with a non-ASCII local part needs SMTPUTF8 (RFC 6531), and so does the message:
        the To line is then UTF-8. Raises ValueError for an address that could not stand in a header
        as it is.
        """
        recipient = _checked(delivery.recipient)
        token = self._token(recipient)
        message = number(
            delivery.issue,
            list_id=self._masthead.id,
            day=rendered.date,
            recipient=recipient,
            keywords=delivery.keywords,
        )
        bounce = self._masthead.bounce_address
        return Outgoing(
            delivery=delivery.id,
            envelope=Envelope(
                sender=tagged(bounce, token) if bounce else self._sender,
                recipient=recipient,
                id=message,
            ),
            message=(
                self._personal(recipient, message, token),
                self._shared(delivery, rendered.subject),
                *self._body(delivery, rendered, token),
            ),
            encoded=True,
        )

    def _personal(self, recipient: str, message: str, token: str) -> bytes:
        mailto = self._mailto(token)
        name = message_id(message, list_id=self._masthead.id, domain=self._domain)
        lines = [f"To: {recipient}", f"Message-ID: {name}"]
        if self._masthead.base_url:
            # The promise of one click needs an address to post to, never only a mailto: RFC 8058.
            lines += [
                f"List-Unsubscribe: <{self._unsubscribe_link(token)}>,",
                f" <{mailto}>",
                "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            ]
        else:
            lines.append(f"List-Unsubscribe: <{mailto}>")
        return _crlf(lines)

    def _shared(self, delivery: Delivery, subject: str) -> bytes:
        """Return the headers that all recipients of an edition have in common."""
        listed = delivery.keywords[0] if self._per_keyword else ""
        key = (delivery.issue, listed, delivery.format, subject)
        if key not in self._headers:
            self._headers[key] = self._header(delivery, listed, subject)
        return self._headers[key]

    def _header(self, delivery: Delivery, keyword: str, subject: str) -> bytes:
        masthead = self._masthead
        lines = [
            f"Date: {self._date}",
            f"From: {_mailbox(self._name, self._sender)}",
            f"Subject: {_unstructured(subject, 'Subject')}",
        ]
        if masthead.reply_to:
            name, address = parseaddr(masthead.reply_to)
            lines += [f"Reply-To: {_mailbox(name, address)}", f"List-Owner: <mailto:{address}>"]
        if page := masthead.issue_url(delivery.issue):
            lines += [f"List-Archive: <{masthead.archive_url}/>", f"Archived-At: <{page}>"]
        label = f"{_label(keyword)}." if keyword else ""
        campaign = _label(keyword) if keyword else "combined"
        lines += [
            f"List-Id: <{label}{masthead.id}.{self._domain}>",
            "List-Post: NO",
            "Auto-Submitted: auto-generated",
            "Precedence: bulk",
            "X-Auto-Response-Suppress: OOF, AutoReply",
            f"Feedback-ID: {campaign}:{delivery.issue}:{masthead.id}:{self._domain}",
            "MIME-Version: 1.0",
        ]
        if delivery.format == "text":
            return _crlf([*lines, *_PLAIN, ""])
        return _crlf(
            [
                *lines,
                f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"',
                "",
                f"--{_BOUNDARY}",
                *_PLAIN,
                "",
            ]
        )

    def _body(self, delivery: Delivery, rendered: Rendered, token: str) -> list[bytes]:
        encoded = _quoted(token)
        own = _quoted_at_once(rendered.own) if rendered.own else {}
        body = _joined(rendered.text, [encoded.join(around) for around in self._in_text], own)
        if delivery.format == "html":
            body.append(_BETWEEN)
            body += _joined(rendered.html, [encoded.join(around) for around in self._in_html], own)
            body.append(_END)
        return body

    def _unsubscribe_link(self, token: str) -> str:
        base = self._masthead.base_url
        return f"{base.rstrip('/')}/unsubscribe/{token}" if base else self._mailto(token)

    def _preferences_link(self, token: str) -> str:
        base = self._masthead.base_url
        if base:
            return f"{base.rstrip('/')}/preferences/{token}"
        if not self._masthead.changeable:
            return ""
        return f"{self._mailbox_of(token)}?subject={quote(change_subject(token))}{self._prepared}"

    def _mailto(self, token: str) -> str:
        return f"{self._mailbox_of(token)}?subject=unsubscribe%20{token}"

    def _mailbox_of(self, token: str) -> str:
        address = quote(tagged(self._masthead.unsubscribe_address, token), safe="@+")
        return f"mailto:{address}"


def change_subject(token: str) -> str:
    """Return the subject of a mail that changes what somebody gets."""
    return f"change {token}"


def _prepared(keywords: Sequence[str]) -> str:
    """Return the body of a letter that names all keywords, for a link; empty where it is too long.

    RFC 6068: lines end with CR LF.
    """
    body = quote("\r\n".join([KEEP, *keywords, ""]), safe="")
    return f"&body={body}" if keywords and len(body) <= _LONGEST_BODY else ""


def _crlf(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


_PLAIN = (
    'Content-Type: text/plain; charset="utf-8"',
    "Content-Transfer-Encoding: quoted-printable",
)
_HTML = (
    'Content-Type: text/html; charset="utf-8"',
    "Content-Transfer-Encoding: quoted-printable",
)
_BETWEEN = _crlf(["", f"--{_BOUNDARY}", *_HTML, ""])
_END = _crlf(["", f"--{_BOUNDARY}--"])


def _checked(address: str) -> str:
    """Return the address if it is nothing but one. Letters of any script may stand before the @."""
    local = address.rpartition("@")[0]
    sound = printable(address) and _ADDRESS.fullmatch(address)
    if not sound or len(local.encode()) > 64 or len(address.encode()) > 254:
        raise ValueError(f"{address!r} cannot be put into a header; correct it in the list file")
    return address


def tagged(address: str, token: str) -> str:
    """Return an address with a token in it."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{token}@{domain}"


def _mailbox(name: str, address: str) -> str:
    if name.isascii():
        return formataddr((name, address))
    return f"{_unstructured(name, 'From')}\r\n <{address}>"


def _unstructured(text: str, header: str) -> str:
    """Return a header value, in encoded words where it is not ASCII or could be taken for one."""
    charset = "us-ascii" if text.isascii() and "=?" not in text else "utf-8"
    folded = Header(text, charset, maxlinelen=75, header_name=header)
    return folded.encode(linesep="\r\n")


def _label(keyword: str) -> str:
    """Return a domain label that is stable and a keyword's own."""
    label = re.sub(r"[^a-z0-9]+", "-", keyword.lower()).strip("-")[:40].strip("-")
    if label.replace("-", " ") == keyword:
        return label
    return f"{label or 'keyword'}-{_digest(keyword)[:8]}"


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()


def _joined(
    pieces: tuple[str, ...], slots: Sequence[bytes], own: Mapping[str, bytes]
) -> list[bytes]:
    """Return pieces in quoted-printable, whole lines each; in the last are the links."""
    front, rest = pieces[:-1], pieces[-1:]
    try:
        found = _apart(front, own) if own else _whole(front)
    except KeyError:  # a template of somebody's own has a slot elsewhere
        found, rest = (), pieces
    parts, places = _slotted(rest)
    whole = [*found, *parts]
    for place, slot in places:
        whole[len(found) + place] = slots[slot]
    return whole


# Deliveries come sorted by edition, so that few are at work at a time.
@lru_cache(maxsize=16)
def _whole(pieces: tuple[str, ...]) -> Sequence[bytes]:
    """Return pieces that many mails have in quoted-printable, as one."""
    whole = b"".join(map(_READY.__getitem__, pieces))
    return (whole,) if whole else ()


def _apart(pieces: tuple[str, ...], own: Mapping[str, bytes]) -> Sequence[bytes]:
    """Return pieces of one mail in quoted-printable; its `own`, ready, are kept no longer."""
    _READY.update(own)
    try:
        return [*map(_READY.__getitem__, pieces)]
    finally:
        for piece in own:
            _READY.pop(piece, None)


@lru_cache(maxsize=64)
def _slotted(pieces: tuple[str, ...]) -> tuple[tuple[bytes, ...], tuple[tuple[int, int], ...]]:
    """Return pieces in quoted-printable, with nothing in the places of slots; which is where."""
    parts = tuple(chain.from_iterable(map(_cut, pieces)))
    slots = iter(chain.from_iterable(_SLOT.findall(piece) for piece in pieces if "\x02" in piece))
    return parts, tuple((n, _SLOTS.index(next(slots))) for n, part in enumerate(parts) if not part)


class _Ready(dict[str, bytes]):
    """Pieces without a slot in quoted-printable; what nobody needs any more is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._former: dict[str, bytes] = {}
        self._size = 0

    def __missing__(self, piece: str) -> bytes:
        if "\x02" in piece:
            raise KeyError(piece)
        if self._size > _KEPT:
            self._former, self._size = dict(self), 0
            self.clear()
        found = self._former.get(piece)
        if found is None:
            parts = piece.pieces if isinstance(piece, Joined) else ()
            found = b"".join(map(self.__getitem__, parts)) if parts else _by_line(piece)
        self._size += len(found)
        self[piece] = found
        return found


_READY = _Ready()


@lru_cache(maxsize=1024)
def _cut(piece: str) -> tuple[bytes, ...]:
    """Return a piece in quoted-printable; nothing stands in the place of a slot."""
    if "\x02" not in piece:
        return (_by_line(piece),) if piece else ()
    parts = _SLOT.split(piece)
    return tuple(b"" if part in _SLOTS else _by_line(part) for part in parts if part)


def _by_line(text: str) -> bytes:
    """Return the text in quoted-printable; of a long one most lines are in other mails, too."""
    if len(text) < _LONG:
        return _quoted(text)
    *lines, last = text.split("\n")
    return b"".join([*map(_line, lines), _quoted(last)])


@lru_cache(maxsize=1024)
def _line(text: str) -> bytes:
    return _quoted(f"{text}\n")


def _around(link: str) -> list[bytes]:
    """Encode what stands around the token of a link, which stays in one piece.

    People and machines search mails for it.
    """
    return [_quoted(part) for part in link.split(_MARK)]


def _quoted(text: str) -> bytes:
    """Return the text in quoted-printable, in whole lines: a soft break ends what is no line.

    No line begins with a dot, which SMTP would double (RFC 5321 4.5.2).
    """
    encoded = b2a_qp(text.encode()).replace(b"\n", b"\r\n")
    if text and not text.endswith("\n"):
        if len(encoded) - (encoded.rfind(b"\n") + 1) == 76:  # no room for another "="
            encoded = encoded[:-1] + b"=\r\n" + encoded[-1:]
        encoded += b"=\r\n"
    return _DOT.sub(_without_dot, encoded) if b"\n." in encoded or encoded[:1] == b"." else encoded


def _quoted_at_once(texts: Sequence[str]) -> dict[str, bytes]:
    """Return texts as `_quoted` does, by one call; those with a slot are left out."""
    whole = "\x02\n".join([*texts, ""])
    if whole.count("\x02") > len(texts):
        return _quoted_at_once([each for each in texts if "\x02" not in each])
    encoded = b2a_qp(whole.encode()).replace(b"\n", b"\r\n")
    if b"\n." in encoded or encoded[:1] == b".":
        encoded = _DOT.sub(_without_dot, encoded)
    *parts, _ = encoded.split(b"=02\r\n")
    lines = [x if x.endswith(b"\n") or not x else x + b"=\r\n" for x in parts]
    return dict(zip(texts, lines, strict=True))


def _without_dot(found: re.Match[bytes]) -> bytes:
    """Return a line that began with dots, as several where it is too long for more characters."""
    line, before = found[0], b""
    while line.startswith(b"."):
        line = line[1:]
        before += b"=2E" if len(line) <= 73 else b"=2E=\r\n"
        if len(line) <= 73:
            break
    return before + line
