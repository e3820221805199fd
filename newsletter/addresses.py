"""Say what a mail address is, when two are the same, and which host this is. Asks no network."""

import ipaddress
import re
import unicodedata
from functools import lru_cache

from newsletter.prose import beginning, printable

# What nearly every local part looks like: a dot-atom of RFC 5322 without its exotic characters.
_PLAIN_LOCAL = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*", re.ASCII | re.IGNORECASE)
# What nearly every domain looks like: labels of letters, digits and single hyphens, and a TLD of
# letters, which has no place of its own in RFC 6761. About the others the library knows more.
_PLAIN_DOMAIN = re.compile(
    r"(?:(?=[a-z0-9-]{1,63}\.)[a-z0-9]+(?:-[a-z0-9]+)*\.){1,8}"
    r"(?!(?:arpa|invalid|local|localhost|onion|test)\Z)[a-z]{2,20}",
    re.ASCII,
)
HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")  # or an address in its place
# What may stand before an @, quoted or not: more than mail allows, since none of it may stay
# visible. A match begins at the first character of a run only, so that a long one is looked at
# once, and ends at its last @.
_LOCAL = r"[^\s<>\"(),:;\\\[\]@]"
_RUN = _LOCAL.replace("@", "")
_MASKED = rf"""(?:(?<!{_RUN})(['`]*+)@*+({_LOCAL}){_RUN}*|(")([^"\n@]?)[^"\n]{{0,80}}"{_RUN}*)@"""
# The same in links: unreserved characters (RFC 3986 2.3), all others behind a %, and %40 for the @.
_MASKED_IN_LINKS = r"(?<![\w.+'!*~%-])([\w.+'!*~%-])[\w.+'!*~%-]*%(?:25)*40"
_SPECIALS = frozenset('()<>[]:;@\\,."')  # RFC 5322 3.2.3: a name with one of them is quoted
_MAILBOX = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^<>",;]*?))\s*<([^<>]*)>\s*')


def address(text: str) -> str:
    """Return the one address in `text`: local part as given, domain as A-labels in lower case.

    Lists, display names, quoted local parts, address literals, control and invisible characters
    are refused, as is anything longer than 64 octets before the @ or 254 in all (RFC 5321 4.5.3).
    Raises ValueError, which quotes `text` and says what is wrong with it.
    """
    text = text.strip()
    local, _, domain = text.rpartition("@")
    plain = len(local) <= 64 and _PLAIN_LOCAL.fullmatch(local)
    try:
        found = f"{local}@{_domain(domain)}" if plain else _validated(text)
    except ValueError as e:
        reason = _more_than_one(text) or e
        raise ValueError(f"{beginning(text, 80)!r} is not an address: {reason}") from e
    if len(found.encode()) > 254:
        raise ValueError(
            f"{beginning(text, 80)!r}... is not an address: it is longer than 254 characters"
        )
    return found


def mailbox(text: str) -> str:
    """Return exactly one RFC 5322 mailbox, `Name <address>` or a bare address, tidied up.

    Raises ValueError in plain words.
    """
    match = _MAILBOX.fullmatch(text)
    if match is None and ("<" in text or text.count("@") > 1):
        raise ValueError(f"{beginning(text, 80)!r} is not one mailbox, Name <address>")
    if match is None:
        return address(text)
    quoted, plain, spec = match.groups()
    name = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
    if not printable(name):
        raise ValueError("the name has control or invisible characters")
    found = address(spec)
    if name and _SPECIALS.isdisjoint(name):
        return f"{name} <{found}>"
    from email.headerregistry import Address  # slow to import, and seldom needed

    local, _, domain = found.rpartition("@")
    return str(Address(name, local, domain))  # which knows how a name is quoted


def bare(mailbox: str) -> str:
    """Return the address inside a mailbox that was validated before."""
    return mailbox.rpartition("<")[2].rstrip(">")


def masked(text: str) -> str:
    """Return a text in which a letter at the most stands before each @, and before each %40.

    So no address that `address` accepts shows more of itself than that letter and its domain,
    whatever stands around it. Of addresses that touch, the last shows its domain.
    """
    if "%" in text:
        text = re.sub(_MASKED_IN_LINKS, r"\1***%40", text)
    if "@" not in text:
        return text
    return re.sub(
        _MASKED, lambda found: f"{found[1] or found[3] or ''}{found[2] or found[4] or ''}***@", text
    )


def domain_of(address: str) -> str:
    """Return the domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


def folded(address: str) -> str:
    """Return what two spellings of one address have in common.

    RFC 5321 lets a host tell `Ada@` from `ada@`; none that matters does, and nobody who left as
    the one wants mail as the other. A domain may be in letters of any script or in A-labels.
    """
    if address.isascii():
        return address.strip().lower()
    text = unicodedata.normalize("NFC", address.strip()).lower()
    local, _, domain = text.rpartition("@")
    if domain.isascii():
        return text
    try:
        return f"{local}@{_domain(domain)}"
    except ValueError:  # no address, but what people wrote
        return text


def host_problem(host: str) -> str:
    """Return why no host can have this name, empty if one can (RFC 1035 2.3.4)."""
    if not HOST.fullmatch(host):
        return f"{host[:80]!r} must be a host name and nothing else"
    if len(host) > 253 or not all(0 < len(each) < 64 for each in host.removesuffix(".").split(".")):
        return f"{host[:80]!r} is no host name: between two dots stand 1 to 63 characters"
    return ""


def is_loopback(host: str | None) -> bool:
    """Return whether a host is this machine by its name, without looking it up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _validated(text: str) -> str:
    from email_validator import EmailNotValidError, validate_email

    try:
        valid = validate_email(text, check_deliverability=False, strict=True, test_environment=True)
    except EmailNotValidError as e:
        raise ValueError(str(e).rstrip(".")) from e
    return f"{valid.local_part}@{valid.ascii_domain}"


def _more_than_one(text: str) -> str:
    """Return what to do about names and further addresses, where the library speaks of letters."""
    if text.count("@") > 1:
        return "write one address, and nothing else"
    return "write the address alone, without a name or brackets" if text.endswith(">") else ""


@lru_cache(maxsize=65536)
def _domain(domain: str) -> str:
    # The library takes 50 ms to import and 20 µs an address; a list of a million has few domains.
    if domain.isascii() and _PLAIN_DOMAIN.fullmatch(lowered := domain.lower()):
        return lowered
    return _validated(f"a@{domain}").removeprefix("a@")
