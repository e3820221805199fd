"""Join an edition and a recipient into the bytes of a message. Pure: no clock, no network.

The headers of an edition and the transfer encoding of each of its pieces are made once; what is
made for each recipient is To, Message-ID, List-Unsubscribe and the unsubscribe links.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime, formataddr, parseaddr
from hashlib import sha256
from html import escape
from urllib.parse import quote

from newsletter.mails.ready.quoted import Quoted, Ready, quoted, together
from newsletter.models import Delivery, Envelope, Masthead, Outgoing, Rendered
from newsletter.numbers import message_id, number
from newsletter.prose import printable
from newsletter.subscribers.joining import KEEP

# In quoted-printable "=" stands before two hexadecimal digits or the end of a line, so that no
# part can hold this (RFC 2045 6.7).
_BOUNDARY = "=_edition"

_MARK = "TOKEN" * 8  # in the place of a token, in what is made once

# Outlook and some browsers cut links of more than 2,000 characters.
_LONGEST_BODY = 1_700

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
        self._leaving = self._leaving_of(_MARK).split(_MARK)
        # People read the text with the link in it, so the prepared letter is for HTML alone.
        self._in_text = [_around(each.partition("&body=")[0]) for each in links]
        self._in_html = [_around(escape(each)) for each in links]
        self._headers: dict[tuple[object, ...], bytes] = {}

    def outgoing(self, delivery: Delivery, edition: Rendered | Ready) -> Outgoing:
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
            day=edition.date,
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
                self._shared(delivery, edition.subject),
                *self._body(delivery, edition, token),
            ),
            encoded=True,
        )

    def _personal(self, recipient: str, message: str, token: str) -> bytes:
        name = message_id(message, list_id=self._masthead.id, domain=self._domain)
        leaving = token.join(self._leaving)
        return f"To: {recipient}\r\nMessage-ID: {name}\r\n{leaving}".encode()

    def _leaving_of(self, token: str) -> str:
        """Return the headers by which programs leave the list."""
        mailto = self._mailto(token)
        if not self._masthead.base_url:
            return f"List-Unsubscribe: <{mailto}>\r\n"
        # The promise of one click needs an address to post to, never only a mailto: RFC 8058.
        return (
            f"List-Unsubscribe: <{self._unsubscribe_link(token)}>,\r\n"
            f" <{mailto}>\r\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        )

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

    def _body(self, delivery: Delivery, edition: Rendered | Ready, token: str) -> list[bytes]:
        encoded = quoted(token)
        body = _filled(edition.text, [encoded.join(around) for around in self._in_text])
        if delivery.format == "html":
            body.append(_BETWEEN)
            body += _filled(edition.html, [encoded.join(around) for around in self._in_html])
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


def _filled(part: tuple[str, ...] | Quoted, slots: Sequence[bytes]) -> list[bytes]:
    """Return a part in quoted-printable with links in its slots."""
    parts, places = part if isinstance(part, Quoted) else together(part)
    whole = [*parts]
    for place, slot in places:
        whole[place] = slots[slot]
    return whole


def _around(link: str) -> list[bytes]:
    """Encode what stands around the token of a link, which stays in one piece.

    People and machines search mails for it.
    """
    return [quoted(part) for part in link.split(_MARK)]
