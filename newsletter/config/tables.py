"""Say what newsletter.toml may hold: its tables, their keys, types, limits. Pure but for one look.

Messages never quote what could be a secret.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from msgspec import Meta, field
from msgspec.structs import force_setattr

from newsletter.addresses import HOST, address, bare, host_problem, is_loopback, mailbox
from newsletter.config.checking import Secret, Table
from newsletter.config.ledgers import LedgerAddress
from newsletter.models import Abstracts, Keyword
from newsletter.phrases import did_you_mean
from newsletter.prose import printable
from newsletter.sources.arxiv import query
from newsletter.subscribers.tokens import LENGTH as TOKEN_LENGTH

# `+`, a token, and no more than 64 octets before the @ (RFC 5321 4.5.3.1.1).
TOKEN_ROOM = 64 - 1 - TOKEN_LENGTH

_PORTS = {"tls": 465, "starttls": 587, "none": 25}


def has_room(address: str) -> bool:
    """Return whether a token fits behind the local part of an address."""
    return address.index("@") <= TOKEN_ROOM


def _beside(name: str) -> Any:  # noqa: ANN401 - a default, as the file would say it
    return field(default=name)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _existing_folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError(f"there is no folder {path}")
    return path


def _line_of_text(text: str) -> str:
    if not printable(text):
        raise ValueError("has control or invisible characters")
    return text


def _title(text: str) -> str:
    if not text.strip() or len(text) > 100:
        raise ValueError("must have 1 to 100 characters")
    return _line_of_text(text.strip())


def _subject(text: str) -> str:
    from newsletter.mails.wording import SUBJECT_FIELDS, unknown_fields

    if unknown := unknown_fields(text):
        known = ", ".join(f"{{{name}}}" for name in SUBJECT_FIELDS)
        raise ValueError(f"{{{unknown[0][:40]}}} is none of {known}")
    return text


def _own_address(text: str) -> str:
    found = address(text)
    if not found.isascii():
        raise ValueError(f"{found!r}: few mail servers take other letters than a to z before the @")
    return found


def _own_mailbox(text: str) -> str:
    found = mailbox(text)
    _own_address(bare(found))
    return found


def _tagged_address(text: str) -> str:
    found = _own_address(text)
    if not has_room(found):
        raise ValueError(f"{found!r} is longer than {TOKEN_ROOM} before the @")
    return found


def _web_address(url: str) -> str:
    # The value is not quoted: some services hide a secret in it.
    if not re.fullmatch(r"https?://\S+", url) or not printable(url):
        raise ValueError("must be a web address, https://...")
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("must be a web address with a host, https://host/...")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must begin with https://; plain http is for loopback addresses only")
    return url


def _base_address(url: str) -> str:
    # It goes into headers, and paths are joined to it.
    if not url.isascii() or {"?", "#", "<", ">", ","} & set(url):
        raise ValueError("must be ASCII without any of ? # < > ,")
    return url.rstrip("/")


def _host_name(host: str) -> str:
    if problem := host_problem(host):
        raise ValueError(problem)
    return host


def _host_to_be_tried(host: str) -> str:
    if not HOST.fullmatch(host):
        raise ValueError(f"{host[:80]!r} must be a host name and nothing else")
    return host


def _proxy(text: str) -> str:
    try:
        return text if text == "*" else str(ip_address(text))
    except ValueError as error:
        raise ValueError("must be an IP address, or '*'") from error


def _list_id(text: str) -> str:
    # It becomes a label of List-Id (RFC 2919) and part of Message-ID.
    if not re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", text) or len(text) > 63:
        raise ValueError("must be lower-case letters, digits, '-' and '.', at most 63")
    return text


def _contact(text: str) -> str:
    if not re.fullmatch(r"[!-'*-~]{0,200}", text):
        raise ValueError("must be like 'mailto:owner@example.org', without blanks or brackets")
    return text


def _known_zone(name: str) -> str:
    if name == "UTC":
        return name
    from zoneinfo import available_timezones

    if not _is_place(name) and name not in available_timezones():
        hint = did_you_mean(name, available_timezones())
        raise ValueError(f"{name[:80]!r} is no time zone{hint}")
    return name


def _is_place(name: str) -> bool:
    """Return whether this is Region/Place, which is told without looking at all there are.

    There are other files beside those of the regions, which are no zones people live in.
    """
    from zoneinfo import ZoneInfo

    if not re.fullmatch(r"(?!posix|right)[A-Za-z]+(/[A-Za-z_+-]+){1,2}", name):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return False
    return True


def _sound(keyword: Keyword) -> Keyword:
    problems = query.problems(keyword)
    if keyword.name.strip() in {"", "*"} or not printable(keyword.name):
        problems = ["name: must be words on one line; '*' means all keywords in the list"]
    if problems:
        raise ValueError("\n".join(problems))
    return keyword


ListId = Annotated[str, _list_id]
Contact = Annotated[str, _contact]
SoundKeyword = Annotated[Keyword, _sound]
ExistingFolder = Annotated[Path, _existing_folder]
ExistingFile = Annotated[Path, _existing]
Line = Annotated[str, Meta(max_length=200), _line_of_text]
SubjectTemplate = Annotated[Line, _subject]
Title = Annotated[str, _title]
Host = Annotated[str, _host_name]
# A name that cannot be one is an error when the inbox is opened, not here: mails leave all the
# same.
InboxHost = Annotated[str, _host_to_be_tried]
WebAddress = Annotated[str, _web_address]
BaseAddress = Annotated[WebAddress, _base_address]
OwnAddress = Annotated[str, _own_address]
OwnMailbox = Annotated[str, _own_mailbox]
TaggedAddress = Annotated[str, _tagged_address]
Port = Annotated[int, Meta(ge=1, le=65535)]


class Newsletter(Table, frozen=True, kw_only=True):
    """Who publishes, and how it looks to readers."""

    id: ListId
    title: Title
    sender: OwnMailbox
    reply_to: OwnMailbox | None = None
    unsubscribe_address: OwnAddress | None = None
    timezone: Annotated[str, _known_zone] = "UTC"
    mode: Literal["combined", "per-keyword"] = "combined"
    abstracts: Abstracts = "excerpt"
    subject: SubjectTemplate = ""
    order: Literal["relevance", "date"] = "relevance"
    templates: ExistingFolder | None = None
    bibtex: bool = False


class Source(Table, frozen=True, kw_only=True):
    """Where papers come from."""

    url: WebAddress = "https://export.arxiv.org/api/query"
    contact: Contact = ""
    lookback_days: Annotated[int, Meta(ge=1, le=365)] = 30
    interval_seconds: Annotated[float, Meta(ge=0, le=600)] = 3
    timeout_seconds: Annotated[float, Meta(gt=0, le=600)] = 60
    attempts: Annotated[int, Meta(ge=1, le=20)] = 5
    file: Path | None = None
    baseline_days: Annotated[float, Meta(ge=0, le=90)] = 1

    @classmethod
    def disagreements(cls, found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what would press arXiv: it asks for 3 s between requests."""
        # info.arxiv.org/help/api/tou
        host = urlsplit(found.get("url", "")).hostname or ""
        if found.get("interval_seconds", 3) < 3 and f".{host}".endswith(".arxiv.org"):
            yield "interval_seconds", "must be at least 3 seconds, as arXiv asks"


class ListFiles(Table, frozen=True, kw_only=True):
    """Whom to mail, and whom not."""

    file: Path = _beside("subscribers.csv")
    suppressions: Path = _beside("suppressions.csv")


class StateFile(Table, frozen=True, kw_only=True):
    """What must be remembered from run to run: in a file, or with a `url` in PostgreSQL.

    `token_key` takes the place of the key file beside the state: lines of keys, the first signs.
    """

    file: Path = _beside("state.sqlite3")
    url: LedgerAddress = ""
    password: Secret | None = None
    password_file: Path | None = None
    lease_seconds: Annotated[float, Meta(ge=5, le=600)] = 60
    token_key: Secret | None = None


class Login(Table, frozen=True, kw_only=True):
    """What opens a mail server's door."""

    username: Line = ""
    password: Secret | None = None
    password_file: Path | None = None


class Smtp(Login, frozen=True, kw_only=True):
    """The mail server that takes the mails."""

    host: Host
    allow_plaintext: bool = False
    security: Literal["tls", "starttls", "none"] = "starttls"
    port: Port = 0  # the usual one for the security
    connections: Annotated[int, Meta(ge=1, le=100)] = 4
    rate_per_minute: Annotated[int, Meta(ge=0)] = 0
    messages_per_connection: Annotated[int, Meta(ge=1)] = 100
    ehlo_name: Host | None = None
    ca_file: ExistingFile | None = None
    attempts: Annotated[int, Meta(ge=1, le=20)] = 3
    max_age_hours: Annotated[float, Meta(gt=0, le=24 * 30)] = 48
    unknown: Literal["resend", "hold"] = "resend"
    dsn: Literal["auto", "off"] = "auto"
    pipelining: Literal["auto", "off"] = "auto"
    pool: Title = "default"
    deliver_in_run: bool = True

    def __post_init__(self) -> None:
        """Take the usual port where none is given."""
        force_setattr(self, "port", self.port or _PORTS[self.security])

    @classmethod
    def disagreements(cls, found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what would let others read along."""
        host = found.get("host", "localhost")
        in_the_clear = found.get("security") == "none" and not found.get("allow_plaintext")
        if in_the_clear and not is_loopback(host):
            reason = f"'none' lets everybody on the way to {host} read along; write 'starttls' or "
            yield "security", f"{reason}'tls', or allow_plaintext = true if you must"


class Outbox(Table, frozen=True, kw_only=True):
    """Where mails are written when there is no mail server."""

    directory: Path = _beside("outbox")


class Bounces(Table, frozen=True, kw_only=True):
    """Where undeliverable mail goes."""

    address: TaggedAddress


class Inbox(Login, frozen=True, kw_only=True):
    """Where bounces and unsubscribe mails are read."""

    kind: Literal["imap", "maildir", "mbox"]
    host: InboxHost | None = None
    port: Port = 993
    mailbox: Line = "INBOX"
    ca_file: ExistingFile | None = None
    path: Path | None = None

    @classmethod
    def disagreements(cls, found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what this kind of inbox needs."""
        kind = found.get("kind")
        needed = "host" if kind == "imap" else "path"
        if kind and found.get(needed) is None:
            yield needed, f"missing; kind = {kind!r} needs it"


class Web(Table, frozen=True, kw_only=True):
    """Where the web part is reached from outside.

    `proxy` is the address of whom it believes which client asks; `*` believes everybody.
    """

    base_url: BaseAddress
    proxy: Annotated[str, _proxy] = "127.0.0.1"


class Archive(Table, frozen=True, kw_only=True):
    """Past issues as files; none are written without a directory.

    `base_url` is where they are served.
    """

    directory: Path | None = None
    base_url: BaseAddress | None = None
    max_papers: Annotated[int, Meta(ge=1)] = 100


class Zotero(Table, frozen=True, kw_only=True):
    """Where readers' libraries are read. `keys` are by the names of their secrets.

    Any other key of the table is one of those, if it looks like one: `zotero__475425`.
    """

    url: WebAddress = "https://api.zotero.org"
    keys: dict[str, Secret] = field(default_factory=dict)

    @classmethod
    def gathered(cls, given: Mapping[str, object]) -> Mapping[str, object]:
        """Return the table with its keys where they belong."""
        known = {name: value for name, value in given.items() if name in cls.__struct_fields__}
        others = {name: value for name, value in given.items() if name not in known}
        for name, value in others.items():
            if not re.fullmatch(r"[A-Za-z0-9]{8,64}", str(value)):
                # The value is not quoted: it may be a key, with a blank.
                raise ValueError(f"{name}: unknown key, and what it says is no key of Zotero")
        keys = known.get("keys", {})
        return known | ({"keys": keys | others} if others and isinstance(keys, dict) else {})


class Monitoring(Table, frozen=True, kw_only=True):
    """Who is told how a run went."""

    ping_url: WebAddress | None = None
    metrics_file: Path | None = None
    alert_to: OwnAddress | None = None
