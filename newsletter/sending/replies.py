"""Read SMTP replies and say what they mean. Pure: it sees bytes and values, never a socket."""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from newsletter.prose import plain, said
from newsletter.refusals import Refusal, Why, refusal

Phase = Literal["MAIL", "RCPT", "DATA", "dot"]
Meaning = Literal[
    "done", "temporary", "throttled", "busy", "refused", "suspect", "too large", "do without"
]

_MAX_LINE = 8192  # Exchange Online puts whole paragraphs on one; RFC 5321 4.5.3.1.5 says 512
_MAX_LINES = 100
_MAX_REPLY = 65_536
_MAX_TEXT = 400
_MAX_WORDS = 2000
_LINE = re.compile(rb"([2-5]\d\d)([ -]|$)")
_EXPECTED = {"MAIL": {250}, "RCPT": {250, 251}, "DATA": {354}, "dot": range(200, 300)}
_MEANING: dict[Why, Meaning] = {
    "nobody": "refused",
    "full": "refused",
    "size": "too large",
    "parameter": "do without",
    "pipelining": "do without",
}

_ADVICE = {
    "4.7.28": "the provider limits how much it takes from you: lower smtp.rate_per_minute",
    "5.4.5": "the daily limit of this mailbox is used up: the rest can go out tomorrow",
    "5.7.25": "the sending address has no matching PTR record: add one, or use a relay",
    "5.7.26": "the mail is not authenticated: set up SPF and DKIM for the sender's domain",
    "5.7.27": "SPF does not pass: add the sending host to the SPF record of the sender's domain",
    "5.7.29": "the provider wants TLS from server to server: turn it on in the relay",
    "5.7.30": "DKIM does not pass: check the key that the relay signs with",
    "5.7.31": "DMARC does not pass: publish a record for the sender's domain",
    "5.7.32": "the sender's domain is aligned with neither SPF nor DKIM",
    "5.7.515": "Outlook.com wants SPF, DKIM and DMARC to pass for the sender's domain",
}
_ADVICE_FOR: dict[Why, str] = {
    "sender": "check newsletter.sender, bounces.address and what this login may send as",
    "login": "check smtp.username, the password, and whether this port wants a login",
    "relay": "this server carries no mail of yours to others: check smtp.host, port and the login",
    "blocked": "ask the provider what it has against these mails, or where they come from",
    "quota": "the provider's limit is used up: the rest goes out later; lower"
    " smtp.rate_per_minute if it happens again",
}


class ProtocolError(Exception):
    """What came has no place in SMTP; the connection is of no further use."""


class Reply(Struct, frozen=True):
    """One reply; `raw` is what its lines say after the code, joined by line feeds."""

    code: int
    raw: bytes

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()

    @property
    def text(self) -> str:
        """What the server said, printable and of a length that fits a report."""
        return said(_decoded(self.raw[: 20 * _MAX_TEXT]), longest=_MAX_TEXT)

    @property
    def status(self) -> str:
        """The enhanced status code of RFC 3463, empty where the server gives none."""
        return self.refusal("dot").status

    def refusal(self, phase: Phase, *, ours: Collection[str] = ()) -> Refusal:
        """Return what it is for, if it is a no."""
        words = "\n".join(map(plain, _decoded(self.raw[:_MAX_WORDS]).split("\n")))
        return refusal(self.code, words, at=phase, ours=ours)


class ReplyReader:
    """Cuts what arrives into replies; it never holds more than one, of bounded length."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []

    @property
    def pending(self) -> bool:
        """Whether a reply has begun and not ended."""
        return bool(self._rest or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that `data` completes. Raises ProtocolError on anything else."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) >= _MAX_LINE:
            raise ProtocolError(f"a reply line of more than {_MAX_LINE} bytes")
        replies: list[Reply] = []
        for line in lines:
            reply, more = _parsed(line.removesuffix(b"\r"))
            whole = self._whole(reply, more=more) if more or self._lines else reply
            if whole:
                replies.append(whole)
        return replies

    def _whole(self, reply: Reply, *, more: bool) -> Reply | None:
        """Return a reply of several lines once its last one has come."""
        self._lines.append(reply.raw)
        if more:
            if len(self._lines) >= _MAX_LINES:
                raise ProtocolError(f"a reply of more than {_MAX_LINES} lines")
            if sum(map(len, self._lines)) > _MAX_REPLY:
                raise ProtocolError(f"a reply of more than {_MAX_REPLY} bytes")
            return None
        reply = Reply(reply.code, b"\n".join(self._lines))
        self._lines.clear()
        return reply


# Most replies are the same few lines over and over.
@lru_cache(maxsize=256)
def _parsed(line: bytes) -> tuple[Reply, bool]:
    """Return what a reply line says, and whether more lines follow. Raises ProtocolError."""
    found = _LINE.match(line)
    if found is None or len(line) > _MAX_LINE - len("\r\n"):
        raise ProtocolError(f"not an SMTP reply: {Reply(0, line[:40]).text!r}")
    return Reply(int(found[1]), line[4:]), found[2] == b"-"


def meaning(phase: Phase, reply: Reply, *, ours: Collection[str] = ()) -> Meaning:
    """Return what a reply says about a message: it is taken, put off, refused, or suspect.

    A suspect one is refused for reasons that are not plainly the recipient's: `circuit` decides.
    A throttled one is put off, and so is everybody if it does not remain alone.
    `ours` are our own addresses. Raises ProtocolError where the code has no place in the phase
    (RFC 5321 4.3.2). To the dot any 2yz is a yes, by its first digit (4.2.1): to ask again would be
    a second copy.
    """
    match reply.code // 100:
        case 4:
            return _delay(phase, reply)
        case 5:
            return _MEANING.get(reply.refusal(phase, ours=ours).why, "suspect")
    if reply.code not in _EXPECTED[phase]:
        raise ProtocolError(f"{reply} in answer to {phase}")
    return "done"


def advice(found: Refusal) -> str:
    """Return what a person can do about a refusal that is about us."""
    otherwise = "ask the provider, or look the reply up in its documentation"
    return _ADVICE.get(found.status) or _ADVICE_FOR.get(found.why, otherwise)


def _delay(phase: Phase, reply: Reply) -> Meaning:
    """Return whom a 4yz is about: everybody, so that all wait, or in doubt the recipient.

    Before the recipient is named it cannot be theirs; afterwards it may be a grey list, which says
    451 4.7.1 (RFC 6647 2.1).
    """
    if reply.code == 421 or (reply.code == 454 and phase in {"MAIL", "dot"}):
        return "busy"
    found = reply.refusal(phase)
    if found.why == "quota":
        return "busy"
    if not found.status.startswith(("4.7.", "4.5.3")):
        return "temporary"
    return "busy" if phase == "MAIL" else "throttled"


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
