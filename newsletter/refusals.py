"""Whom a refusal is about: the recipient, us, or nobody can say. Pure, and the one place for it.

What a server says at the door and what a report brings back by mail are read alike. A code is a
hint: the words go first, because servers number the same thing in many ways, then the enhanced
status, where it stands where it should; only then the bare code. Whether it is for now or for good
(4yz, 5yz) is not looked at here, nor what became of others, which decides about the unclear ones.
"""

import re
from collections.abc import Collection
from typing import Literal

from msgspec import Struct

from newsletter.addresses import folded

About = Literal["recipient", "us", "unclear"]

# nobody: there is no such address, or no more.
# full: it cannot take the mail for now.
# sender: our address is refused, or may not send as it does.
# login: we have not shown who we are.
# relay: the server carries no mail of ours to that domain.
# blocked: what we send is refused, or where it comes from.
# quota: we send too much for now.
# size: this one message is too large.
# parameter, pipelining: the server offered it (DSN, PIPELINING), and refuses those who use it.
Why = Literal[
    "nobody",
    "full",
    "sender",
    "login",
    "relay",
    "blocked",
    "quota",
    "size",
    "parameter",
    "pipelining",
    "unclear",
]

_ABOUT: dict[Why, About] = {"nobody": "recipient", "full": "recipient", "unclear": "unclear"}


class Refusal(Struct, frozen=True):
    """What a refusal is for; `status` is the enhanced status it was judged by, if any."""

    why: Why
    status: str = ""

    @property
    def about(self) -> About:
        """Whom it is about."""
        return _ABOUT.get(self.why, "us")


def refusal(code: int, text: str, *, at: str = "RCPT", ours: Collection[str] = ()) -> Refusal:
    """Return what a refusal is for.

    `code` is that of the reply, 0 where none is known; `text` its lines without the code, or the
    status of a report and the words that came with it. `at` is the command it answers: MAIL, RCPT,
    DATA, or dot. `ours` are our own addresses (a tag behind a plus does not matter), without the
    recipient's: what is said beside them is not about the recipient.
    """
    said = _without_quotes(text)
    found = _STATUS.match(said.lstrip())
    status = found[1] if found else ""
    of_us, rest = _apart(said, frozenset(map(_untagged, ours)))
    words = _plain(said)
    why = (
        _in_words_about_us(words, status[2:])
        or ("blocked" if _LISTS.search(_ADDRESS.sub("", said)) else None)
        or ("sender" if _NO_GOOD.search(_plain(of_us)) else None)
        or _in_words_about_them(_plain(rest), status[2:], at)
        or _in_numbers(code, status[2:], words, named=not of_us and at != "MAIL")
    )
    return Refusal(why, status)


# The digits of an enhanced status after the first (RFC 3463 and its registry).
_BY_DETAIL: dict[str, Why] = {
    "1.1": "nobody",
    "1.2": "nobody",
    "1.3": "nobody",
    "1.6": "nobody",
    "1.7": "sender",
    "1.8": "sender",
    "1.10": "nobody",
    "1.90": "quota",  # Exchange Online: so many recipients a day
    "2.1": "nobody",
    "2.2": "full",
    "2.3": "size",
    "2.252": "sender",  # Exchange Online: may not send as
    "3.4": "size",
    "4.5": "quota",  # Google: so many a day
    "7.28": "quota",
}
_BY_CODE: dict[int, Why] = {
    503: "login",  # "AUTH first"
    521: "blocked",
    523: "size",
    530: "login",
    534: "login",
    535: "login",
    538: "login",
}

_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?=\s|$)")
# A match may only begin where no letter of an address stands before it: tried at each letter of a
# long word, it would take time by the square of its length.
_ADDRESS = re.compile(r"<?(?<![\w.+=/-])[\w.+=/-]+@[\w.-]+\w>?")
_LINK = re.compile(r"\b(https?://|www\.)\S+", re.IGNORECASE)
# A server that asks our own whether the sender exists (a call-out) quotes its answer. That is about
# the sender, though its words are those for a recipient: they are cut off.
_QUOTED = re.compile(r"\b(response|they said|remote server said)\s*:.*", re.IGNORECASE)


def _words(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


_PIPELINING = _words(r"pipelin", r"synchroni[sz]ation")
_PARAMETER = _words(
    r"\b(ret|notify|orcpt|envid|dsn)\b.*(not (supported|recogni[sz]ed|implemented)|unsupported|"
    r"unknown|unrecogni[sz]ed|invalid|parameter|option|syntax)",
    r"(unsupported|unknown|unrecogni[sz]ed|invalid|parameter|option).*"
    r"\b(ret|notify|orcpt|envid|dsn)\b",
)
_QUOTA = _words(
    r"(submission|recipient|sending|sender|send|outgoing|outbound|daily|hourly|message|mail|"
    r"rate) ?(rate ?)?(quota|limit)s?\b",
    r"submissionquota",
    r"(quota|limit)s? (for|of|on) (sending|outgoing|outbound|messages|recipients|mails)",
    r"(quota|limit|messages|mails|recipients|e-?mails) (per|an?|each) (hour|day|minute|24)",
    r"(sent|sending|submitted) too (many|much)",
    r"too many (messages|mails|e-?mails|recipients)",
    r"rate[- ]limit|ratelimit|throttl",
    r"exceed\w* .{0,40}(per|an?) (hour|day)",
)
_OF_A_MAILBOX = _words(
    r"(mailbox|inbox|user|recipient|account)('s)? .{0,20}(full|over ?quota|quota exceeded|exceeded"
    r" .{0,20}(storage|quota|space))",
    r"mailbox (size|quota|storage)",
    r"over ?quota",
    r"(storage|disk) (quota|limit|space|allocation)",
    r"insufficient (disk|storage|system storage)",
)
# The recipient gets more mail than Google allows, for now; Google says so with the status that
# others give to a closed mailbox.
_TOO_FAST = _words(r"receiving (e-?mail|mail|messages) (at a rate|too (quickly|fast))")
_SIZE = _words(
    r"(message|mail|e-?mail|content) .{0,40}(?<!queue )too (large|big|long)",
    r"too (large|big) .{0,20}(message|mail)",
    r"(message|mail|data) (file )?(size|length)",
    r"size .{0,30}(exceed|limit|maximum)",
    r"exceed\w* .{0,40}(size|length)",
)
_SENDER = _words(
    r"sender (e-?mail )?(address )?(verif|callout|call-out|callback|rejected|unknown|invalid|"
    r"denied|refused|not (allowed|authori[sz]ed|permitted|owned|accepted))",
    r"(verif|callout|call-out|callback)\w* .{0,30}\bsender",
    r"(unknown|invalid|bad|forged|spoofed) sender",
    r"sender('s)? (domain|address) .{0,40}(exist|resolv|found|valid|reject|owned)",
    r"domain of sender",
    r"send ?as ?denied|sendasdenied|send(ing)? (mail )?(as|on behalf)|as this sender",
    r"not owned by|from address .{0,30}(reject|allow|verif|match)",
    r"envelope[- ]from|mail from .{0,30}(reject|denied|not allowed)",
)
_LOGIN = _words(
    r"(authentication|authorization|smtp auth|log ?in) (is )?(required|needed|first)",
    r"must (authenticate|log ?in|issue a starttls)",
    r"not (authenticated|logged in)|authenticate first|auth first",
    r"your (e-?mail |user )?(account|mailbox|login)\b",
)
_RELAY = _words(
    r"\brelay(ing|ed)?\b",
    r"not (permitted|authori[sz]ed|allowed) to send",
    r"permissions? to send",
)
# Lists of blocked senders, and who keeps them: the name alone, even in a link, says "blocked".
_LISTS = _words(
    r"spamhaus|spamcop|barracuda(central|network)|proofpoint|\bsorbs\b|uceprotect|abusix|senderbase"
)
_BLOCKED = _words(
    r"^([\d.]+ )?(you are |access )?(blocked|banned)\b",
    r"(block|black|deny)[- ]?list",
    r"\b(dns)?[rd]bls?\b|dnsbl|barracuda",
    r"\b(ip|host|server|client|connection|sender|domain|network|message|mail|e-?mail|content)"
    r"( address)?( \S+){0,3} (is |was |has been |have been )?(blocked|banned|listed)",
    r"\breputation\b",
    r"\bspam|\bjunk\b|unsolicited|\bvirus\b|outboundspam|\bbulk mail",
    r"\b(spf|dkim|dmarc)\b|unauthenticated",
    r"\bptr\b|reverse (dns|lookup|hostname)|\brdns\b|\b(helo|ehlo)\b(?! handshake)",
    r"(policy|content) (reject|violation|reason)|for policy reasons|due to .{0,20}polic",
)
_NOBODY = _words(
    r"(unknown|no such|invalid|non-?existent|bad) (local |virtual |email )?"
    r"(user|recipient|mailbox|account|addressee|person|destination (mailbox|address))\b",
    r"\b(user|recipient|mailbox|account|addressee?|address)( \S+){0,2} (is |was )?(an? )?"
    r"(unknown|not found|not known|invalid|non-?existent)",
    r"does(n't|n’t| not) exist|nicht existiert|n'existe pas|no existe",
    r"does(n't|n’t| not) have an? .{0,60}\baccount",
    r"\bno (mailbox|user|account)( \S+)? (here|by that name|with that name)",
    r"not a (valid|known) (user|recipient|mailbox|account|address)",
    r"no longer (exists?|valid|active|in use|available|on this server|employed)",
    r"\b(account|mailbox|user|recipient|address)( \S+){0,3} (is|was|has been)( \w+){0,2} "
    r"(disabled|deactivated|suspended|closed|deleted|terminated|inactive|discontinued)",
    r"(disabled|inactive|deactivated|closed|expired) (account|mailbox|user|recipient)",
    r"\b(user|recipient|mailbox|account)( name)? not exists?\b",
    r"not listed in (the )?(domino|public|name|address|company)? ?(directory|name)",
    r"recipientnotfound|user_unknown|account_disabled",
)
_UNAVAILABLE = _words(r"mailbox (is )?unavailable")
_NO_GOOD = _words(r"verif|callout|call-out|callback", _NOBODY.pattern)
_LIMIT = _words(r"\blimit|\bquota")
_ODD_STATUS = _words(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.]\d)")

# Words about us count before all numbers. The first pattern that is found decides.
_OF_US: tuple[tuple[re.Pattern[str], Why], ...] = (
    (_PIPELINING, "pipelining"),
    (_PARAMETER, "parameter"),
    (_SENDER, "sender"),
    (_QUOTA, "quota"),
    (_SIZE, "size"),
    (_LOGIN, "login"),
    (_RELAY, "relay"),
    (_BLOCKED, "blocked"),
)


def _in_words_about_us(words: str, detail: str) -> Why | None:
    for pattern, why in _OF_US:
        if pattern.search(words) and not (why == "quota" and _of_a_mailbox(words, detail)):
            return why
    return None


def _in_words_about_them(words: str, detail: str, at: str) -> Why | None:
    if at == "MAIL":  # nobody was named yet
        return None
    if _TOO_FAST.search(words):
        return "full"
    unmarked = detail == "5.0" or not (detail or _ODD_STATUS.search(words))
    unavailable = at == "RCPT" and unmarked and _UNAVAILABLE.search(words)
    if unavailable or (_NOBODY.search(words) and detail != "2.2"):
        return "nobody"
    return "full" if detail not in _BY_DETAIL and _OF_A_MAILBOX.search(words) else None


def _in_numbers(code: int, detail: str, words: str, *, named: bool) -> Why:
    """Return what the status says, else the code; `named` is whether it can mean the recipient."""
    why = _BY_DETAIL.get(detail)
    if why == "nobody" and not named:
        return "sender"
    if detail == "2.3" and _LIMIT.search(words):
        return "quota"
    return why or ("blocked" if detail.startswith("7.") else _BY_CODE.get(code, "unclear"))


def _of_a_mailbox(words: str, detail: str) -> bool:
    return detail == "2.2" or bool(_OF_A_MAILBOX.search(words))


def _without_quotes(text: str) -> str:
    return "\n".join(_QUOTED.sub("", line) for line in text.split("\n"))


def _apart(said: str, ours: frozenset[str]) -> tuple[str, str]:
    """Return the lines that speak of an address of ours and no other, and the rest."""
    of_us: list[str] = []
    rest: list[str] = []
    for line in said.split("\n"):
        named = {_untagged(each.strip("<>")) for each in _ADDRESS.findall(line)}
        (of_us if named and named <= ours else rest).append(line)
    return "\n".join(of_us), "\n".join(rest)


def _plain(said: str) -> str:
    """Return words on one line, without what people and machines are called."""
    return " ".join(_ADDRESS.sub("", _LINK.sub("", said)).split())


def _untagged(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return folded(f"{local.partition('+')[0]}@{domain}")
