"""Judge what the DNS says about a domain that sends mail: SPF, DKIM, DMARC. Changes nothing there.

RFC 7208, RFC 6376, RFC 7489. Each record gets one line, with advice where there is something to do.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import dns.exception
import dns.resolver
from msgspec import Struct

# All TXT records at a name, none if the name does not exist.
Lookup = Callable[[str], Sequence[str]]

TIMEOUT = 10.0

# The mechanisms of SPF that cost a further look-up; receivers stop after ten (RFC 7208 4.6.4).
_COSTLY = re.compile(r"[+?~-]?(include:|a\b|mx\b|ptr\b|exists:)|redirect=", re.IGNORECASE)
_SHORT_KEY = 250  # characters of base64; an RSA key of 1024 bits has 216, one of 2048 bits 392


class Judgement(Struct, frozen=True, kw_only=True):
    """One line about one kind of record; `good` when there is nothing to do."""

    record: str
    text: str
    good: bool


class LookupFailedError(Exception):
    """The DNS gave no answer at all, which says nothing about the records."""


def txt_lookup(
    nameservers: Sequence[str] = (), *, port: int = 53, timeout: float = TIMEOUT
) -> Lookup:
    """Return a lookup by the machine's own name servers, or by those given.

    It raises LookupFailedError where none of them answers within `timeout` seconds.
    """

    def lookup(name: str) -> Sequence[str]:
        try:
            answer = resolver.resolve(name, "TXT", lifetime=timeout)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except dns.exception.DNSException as error:
            raise LookupFailedError(f"{name}: no answer from the DNS ({error})") from error
        return [b"".join(each.strings).decode("ascii", "replace") for each in answer]

    resolver = dns.resolver.Resolver(configure=not nameservers)
    if nameservers:
        resolver.nameservers, resolver.port = list(nameservers), port
    return lookup


def judgements(
    domain: str, *, envelope_domain: str, selector: str, lookup: Lookup
) -> Iterator[Judgement]:
    """Yield a line each for SPF, DKIM and DMARC.

    `domain` is that of From, `envelope_domain` that of the envelope sender, which SPF is about.
    Without a `selector` the DKIM key cannot be found: no record names it. Raises LookupFailedError.
    """
    yield _spf(envelope_domain, lookup(envelope_domain))
    yield _dkim(domain, selector, lookup)
    yield _dmarc(domain, envelope_domain, lookup)


def _spf(domain: str, texts: Sequence[str]) -> Judgement:
    records = [text for text in texts if re.match(r"v=spf1( |$)", text, re.IGNORECASE)]
    if not records:
        return _bad("SPF", f"{domain} has none; publish 'v=spf1 include:YOUR-PROVIDER ~all' there")
    if len(records) > 1:
        return _bad("SPF", f"{domain} has {len(records)} records, so none counts; join them")
    terms = records[0].lower().split()
    if sum(bool(_COSTLY.match(term)) for term in terms) > 10:
        return _bad("SPF", f"{domain} asks for more than ten look-ups; receivers stop there")
    if not {"-all", "~all"} & set(terms) and not any(t.startswith("redirect=") for t in terms):
        return _bad("SPF", f"{domain} lets anybody send ({records[0]}); end it with ~all or -all")
    return _good("SPF", f"{domain}: {records[0]}; make sure that your mail server is in it")


def _dkim(domain: str, selector: str, lookup: Lookup) -> Judgement:
    if not selector:
        text = "its selector cannot be guessed; give --dkim-selector, which is the s= in the"
        return _bad("DKIM", f"{text} DKIM-Signature of any mail that your server has sent")
    name = f"{selector}._domainkey.{domain}"
    tags = next((tags for text in lookup(name) if "p" in (tags := _tags(text))), None)
    if tags is None:
        return _bad("DKIM", f"{name} has no key; publish the one that your mail server signs with")
    if not tags["p"]:
        return _bad("DKIM", f"{name} is revoked (p= is empty); sign with another selector")
    if tags.get("k", "rsa") == "rsa" and len(tags["p"]) < _SHORT_KEY:
        return _bad("DKIM", f"{name} has a key of 1024 bits or fewer; make one of 2048")
    if "y" in tags.get("t", "").split(":"):
        return _bad("DKIM", f"{name} is in test mode (t=y), so nobody relies on it; drop the flag")
    return _good("DKIM", f"{name} has a key")


def _dmarc(domain: str, envelope_domain: str, lookup: Lookup) -> Judgement:
    for place in _upwards(domain):
        records = [text for text in lookup(f"_dmarc.{place}") if text.startswith("v=DMARC1")]
        if len(records) > 1:
            return _bad("DMARC", f"_dmarc.{place} has {len(records)}, so none counts; keep one")
        if records:
            return _policy(place, domain, envelope_domain, _tags(records[0]))
    advice = f"publish 'v=DMARC1; p=none; rua=mailto:you@{domain}'; Gmail and Yahoo ask for one"
    return _bad("DMARC", f"_dmarc.{domain} does not exist; {advice}")


def _policy(place: str, domain: str, envelope_domain: str, tags: dict[str, str]) -> Judgement:
    policy = tags.get("sp", tags.get("p", "")) if place != domain else tags.get("p", "")
    if policy.lower() not in {"none", "quarantine", "reject"}:
        return _bad("DMARC", f"_dmarc.{place} has no policy; add p=none to begin with")
    if "rua" not in tags:
        text = f"_dmarc.{place} says p={policy}, but nobody hears of failures; add rua=mailto:you@"
        return _bad("DMARC", f"{text}{domain}")
    relaxed = tags.get("aspf", "r").lower() != "s" and place in _upwards(envelope_domain)
    if envelope_domain != domain and not relaxed:
        text = f"SPF of {envelope_domain} does not count for {domain}, so everything hangs on DKIM"
        return _good("DMARC", f"_dmarc.{place} says p={policy}; {text}")
    return _good("DMARC", f"_dmarc.{place} says p={policy}")


def _upwards(domain: str) -> list[str]:
    """Return a domain and those above it, without the top-level one."""
    labels = domain.split(".")
    return [".".join(labels[place:]) for place in range(max(1, len(labels) - 1))]


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {key.strip().lower(): "".join(value.split()) for key, found, value in pairs if found}


def _good(record: str, text: str) -> Judgement:
    return Judgement(record=record, text=text, good=True)


def _bad(record: str, text: str) -> Judgement:
    return Judgement(record=record, text=text, good=False)
