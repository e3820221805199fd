"""Read SMTP replies and say what they mean. Pure: it sees bytes and values, never a socket."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Phase = Literal["MAIL", "RCPT", "DATA", "dot"]
Meaning = Literal["done", "temporary", "busy", "refused", "policy", "sender"]

_MAX_LINE = 512  # RFC 5321 4.5.3.1.5
_MAX_LINES = 100
_MAX_TEXT = 400
_LINE = re.compile(rb"([2-5]\d\d)([ -]|$)")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
_EXPECTED = {"MAIL": {250}, "RCPT": {250, 251}, "DATA": {354}, "dot": range(200, 300)}

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


class ProtocolError(Exception):
    """What came has no place in SMTP; the connection is of no further use."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; `raw` is what its lines say after the code, joined by line feeds."""

    code: int
    raw: bytes

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()

    @property
    def text(self) -> str:
        """What the server said, printable and of a length that fits a report."""
        said = self.raw[: 4 * _MAX_TEXT].decode("utf-8", "replace")
        if not said.isprintable():
            said = "".join(c if c.isprintable() else " " for c in said)
        return said.strip()[:_MAX_TEXT]

    @property
    def status(self) -> str:
        """The enhanced status code of RFC 3463, empty where the server gives none."""
        found = _STATUS.match(self.text)
        return found.group() if found else ""


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
        return [reply for line in lines if (reply := self._reply(line.removesuffix(b"\r")))]

    def _reply(self, line: bytes) -> Reply | None:
        reply, more = _parsed(line)
        if not (more or self._lines):
            return reply
        self._lines.append(reply.raw)
        if more:
            if len(self._lines) >= _MAX_LINES:
                raise ProtocolError(f"a reply of more than {_MAX_LINES} lines")
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


def meaning(phase: Phase, reply: Reply) -> Meaning:
    """Return what a reply says: about the recipient, or about us (busy, policy, sender).

    Raises ProtocolError where the code has no place in the phase (RFC 5321 4.3.2). To the dot any
    2yz is a yes, by its first digit (4.2.1): to ask again would be a second copy.
    """
    match reply.code // 100:
        case 4:
            slow_down = reply.code in {421, 454} or reply.status.startswith(("4.7.", "4.5.3"))
            return "busy" if slow_down else "temporary"
        case 5:
            return _refusal(phase, reply.status)
    if reply.code not in _EXPECTED[phase]:
        raise ProtocolError(f"{reply} in answer to {phase}")
    return "done"


def advice(reply: Reply) -> str:
    """Return what a person can do about a refusal that is about us."""
    return _ADVICE.get(reply.status, "ask the provider, or look the reply up in its documentation")


def _refusal(phase: Phase, status: str) -> Meaning:
    if status == "5.3.4":  # larger than the server takes
        return "refused"
    if phase == "MAIL":
        return "sender"
    if status.startswith(("5.1.", "5.2.")):  # the address, the mailbox
        return "refused"
    about_us = phase != "RCPT" or status.startswith(("5.3.", "5.4.5", "5.5.", "5.6.", "5.7."))
    return "policy" if about_us else "refused"
