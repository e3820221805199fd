"""Read newsletter.toml, the environment and secret files into one Config, and name every problem.

It creates nothing and asks nobody. The value of a secret is in no message.
"""

import re
import stat
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, get_args

from msgspec import Struct, field, to_builtins
from msgspec.structs import asdict, replace

from newsletter.addresses import bare
from newsletter.config import tables
from newsletter.config.checking import (
    MUST_BE_A_LIST,
    MUST_BE_A_TABLE,
    WrongError,
    checked,
    placed,
)
from newsletter.errors import ConfigError
from newsletter.models import Masthead
from newsletter.phrases import did_you_mean
from newsletter.state.engines import Place
from newsletter.subscribers.reading import name_key

PREFIX = "NEWSLETTER_"
FILE = "newsletter.toml"
SECRETS_FOLDER = "/run/secrets"


class File(Struct, frozen=True, kw_only=True):
    """What newsletter.toml may hold."""

    newsletter: tables.Newsletter
    keywords: tuple[tables.SoundKeyword, ...] = ()
    source: tables.Source = field(default_factory=tables.Source)
    subscribers: tables.ListFiles = field(default_factory=tables.ListFiles)
    state: tables.StateFile = field(default_factory=tables.StateFile)
    smtp: tables.Smtp | None = None
    outbox: tables.Outbox = field(default_factory=tables.Outbox)
    bounces: tables.Bounces | None = None
    inbox: tables.Inbox | None = None
    web: tables.Web | None = None
    archive: tables.Archive = field(default_factory=tables.Archive)
    zotero: tables.Zotero = field(default_factory=tables.Zotero)
    monitoring: tables.Monitoring = field(default_factory=tables.Monitoring)


class Config(File, frozen=True, kw_only=True):
    """The whole configuration: valid, with every path absolute or relative to where we are.

    `warnings` are what works, but should not be left so. `origins` say where each value comes from
    that is no default, by table and key: file and line, or name; the keywords are the tables
    `keywords.1`, `keywords.2` and so on.
    """

    warnings: tuple[str, ...]
    origins: Mapping[tuple[str, str], str]

    def plain(self) -> dict[str, Any]:
        """Return the tables as plain values, their secrets masked."""
        names = File.__struct_fields__
        return {name: to_builtins(getattr(self, name), enc_hook=str) for name in names}

    @property
    def timezone(self) -> tzinfo:
        """The time zone of the date people see."""
        if self.newsletter.timezone == "UTC":
            return UTC
        from zoneinfo import ZoneInfo  # slow to import

        return ZoneInfo(self.newsletter.timezone)

    @property
    def place(self) -> Place:
        """Where the state is."""
        given = self.state.password
        return Place(
            file=self.state.file,
            url=self.state.url,
            password=given.get_secret_value() if given else "",
            newsletter=self.newsletter.id,
            lease_seconds=self.state.lease_seconds,
            pool=self.smtp.pool if self.smtp else "default",
        )

    @property
    def list_is_elsewhere(self) -> bool:
        """Whether the list is another machine's, as it may be where a ledger is shared."""
        return bool(self.state.url) and not self.subscribers.file.exists()

    @property
    def masthead(self) -> Masthead:
        """What the headers and the foot of every mail are made from."""
        bounces = self.bounces.address if self.bounces else ""
        return Masthead(
            id=self.newsletter.id,
            title=self.newsletter.title,
            sender=self.newsletter.sender,
            unsubscribe_address=(
                self.newsletter.unsubscribe_address or bounces or bare(self.newsletter.sender)
            ),
            reply_to=self.newsletter.reply_to or "",
            bounce_address=bounces,
            base_url=self.web.base_url if self.web else "",
            archive_url=(self.archive.base_url or "") if self.archive.directory else "",
            changeable=tuple(each.name for each in self.keywords) if self.inbox else (),
        )


def load(path: Path | None, *, environ: Mapping[str, str]) -> Config:
    """Return the configuration in `path`, else `$NEWSLETTER_CONFIG`, else newsletter.toml here.

    Every key can come from elsewhere, the first of these counts: `NEWSLETTER_<TABLE>__<KEY>` in
    `environ` (empty is not set), for passwords their password_file, a file `<table>__<key>` in
    `$NEWSLETTER_SECRETS_DIR`, the file itself. Raises ConfigError with everything that is wrong.
    """
    path = path or Path(environ.get(f"{PREFIX}CONFIG") or FILE)
    draft = _Draft(path)
    draft.overlay_secrets(Path(environ.get(f"{PREFIX}SECRETS_DIR") or SECRETS_FOLDER))
    draft.overlay_environment(environ)
    draft.overlay_password_files()
    return draft.config()


class _Draft:
    """A configuration being put together: plain tables, and where each value came from."""

    def __init__(self, path: Path) -> None:
        self._path = path
        text = _text(path)
        self._tables = _parsed(text, path)
        self._written = frozenset(self._tables)
        self._lines = dict(_line_numbers(text))
        self._origins: dict[tuple[str, str], str] = {}
        self._problems: list[tuple[int, str]] = []
        self._warnings: list[str] = []

    def overlay_secrets(self, folder: Path) -> None:
        """Take what lies in the secrets folder; files of other names are not ours."""
        if not folder.is_dir():
            return
        for file in sorted(folder.iterdir()):
            table, found, key = file.name.partition("__")
            if found and table in File.__struct_fields__ and file.is_file():
                self._set(table, key, self._secret(file), origin=str(file))

    def overlay_environment(self, environ: Mapping[str, str]) -> None:
        """Take the variables that are ours by their two underscores."""
        for name in sorted(environ):
            if not name.startswith(PREFIX) or not environ[name]:
                continue
            table, found, key = name.removeprefix(PREFIX).lower().partition("__")
            if found:
                self._set(table, key, environ[name], origin=name)
            elif (meant := _meant(table)) and meant not in environ:
                self._warnings.append(f"{name}: is not read; did you mean {meant}?")

    def overlay_password_files(self) -> None:
        """Read the passwords that lie in files of their own."""
        for table, values in self._tables.items():
            name = values.get("password_file") if isinstance(values, dict) else None
            overridden = self._origins.get((table, "password"), "").startswith(PREFIX)
            if overridden or not isinstance(name, str):
                continue
            try:
                file = placed(Path(name), self._path.parent)
            except ValueError:
                continue  # its table says so
            if file.is_file():
                self._set(table, "password", self._secret(file), origin=str(file))
            else:
                self._problem((table, "password_file"), f"there is no file {file}")

    def config(self) -> Config:
        """Return the valid configuration. Raises ConfigError."""
        config = None
        try:
            found = checked(File, self._tables, folder=self._path.parent)
            config = Config(**asdict(found), warnings=(), origins=self._places())
        except WrongError as e:
            for place, reason in e.problems:
                self._explain(place, reason)
        self._check_names()
        if config:
            self._look_around(config)
        if self._problems or config is None:
            raise ConfigError([text for _, text in sorted(self._problems)])
        return replace(config, warnings=tuple(self._warnings))

    def _places(self) -> dict[tuple[str, str], str]:
        """Return where the keys that are given stand."""
        places: dict[tuple[str, str], str] = {}
        for step, line in self._lines.items():
            where = f"{self._path.name}:{line}"
            if len(step) == 3:  # a key of one of the keywords
                places[f"{step[0]}.{int(step[1]) + 1}", str(step[2])] = where
            elif len(step) == 2 and isinstance(step[1], str):
                places[str(step[0]), step[1]] = where
        return places | self._origins

    def _set(self, table: str, key: str, value: str, *, origin: str) -> None:
        if table == "keywords":
            self._problems.append((0, f"{origin}: keywords can only be set in the file"))
            return
        if table not in File.__struct_fields__:
            hint = did_you_mean(table, File.__struct_fields__)
            self._problems.append((0, f"{origin}: unknown table {table}{hint}"))
            return
        values = self._tables.setdefault(table, {})
        if isinstance(values, dict):
            values[key] = value
            self._origins[table, key] = origin

    def _secret(self, file: Path) -> str:
        if file.stat().st_mode & stat.S_IROTH:
            self._warnings.append(f"{file}: everybody on this machine can read it; chmod o-r")
        return file.read_text("utf-8", errors="replace").rstrip("\r\n")

    def _explain(self, place: tuple[int | str, ...], reason: str) -> None:
        if len(place) == 1 and reason.startswith("unknown key"):
            reason = reason.replace("key", "table", 1)
        elif reason == MUST_BE_A_TABLE and isinstance(place[-1], int):
            reason += " under [[keywords]]"
        elif reason == MUST_BE_A_TABLE and len(place) == 1:
            reason += f", [{place[0]}]"
        elif reason == MUST_BE_A_LIST and len(place) == 1:
            reason = "must be a list; a keyword's table has double brackets, [[keywords]]"
        self._problem(place, reason + self._stray(place, reason))

    def _stray(self, place: tuple[int | str, ...], reason: str) -> str:
        """Return what else there is to say where only a variable or a secret makes a table."""
        table = str(place[0])
        origins = [origin for (name, _), origin in self._origins.items() if name == table]
        if reason != "missing" or table in self._written or not origins:
            return ""
        return f"; {origins[0]} is for the table [{table}], which is not in the file"

    def _problem(self, place: tuple[int | str, ...], reason: str) -> None:
        if origin := self._origins.get((str(place[0]), str(place[-1]))):
            self._problems.append((0, f"{origin}: {reason}"))
            return
        steps = [place[:length] for length in range(len(place), 0, -1)]
        line = next((self._lines[step] for step in steps if step in self._lines), 0)
        where = f"{self._path.name}:{line}" if line else self._path.name
        self._problems.append((line, f"{where}: {_called(place)}: {reason}"))

    def _warn_of(self, what: str) -> None:
        self._warnings.append(f"{self._path.name}: {what}")

    def _check_names(self) -> None:
        keywords = self._tables.get("keywords", [])
        if not keywords:
            self._problem(("keywords",), "missing; write at least one [[keywords]] table")
        seen: set[str] = set()
        for index, table in enumerate(keywords if isinstance(keywords, list) else []):
            name = table.get("name") if isinstance(table, dict) else None
            if not isinstance(name, str):
                continue
            if name_key(name) in seen:
                self._problem(("keywords", index, "name"), f"{name[:80]!r} is here twice")
            seen.add(name_key(name))

    def _look_around(self, config: Config) -> None:
        """Note what works, but should not be left so."""
        for table, login in (("smtp", config.smtp), ("inbox", config.inbox)):
            # Commands that ask no server are also typed where the secrets are not.
            if login and login.username and not login.password:
                reason = f"missing; set {PREFIX}{table.upper()}__PASSWORD, or name a password_file"
                self._warn_of(f"{table}.password: {reason}")
        leave = config.masthead.unsubscribe_address
        if not tables.has_room(leave):
            reason = f"no token fits {leave}; wishes to leave are told by their subject only"
            self._warn_of(f"newsletter.unsubscribe_address: {reason}")
        written_here = [
            f"{table}.{key}"
            for table, key in (
                ("smtp", "password"),
                ("inbox", "password"),
                ("state", "password"),
                ("state", "token_key"),
            )
            if key in self._tables.get(table, {}) and (table, key) not in self._origins
        ]
        if written_here and self._path.stat().st_mode & stat.S_IROTH:
            what = " and ".join(written_here)
            self._warnings.append(f"{self._path}: everybody can read {what} in it; chmod o-r")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as e:
        hint = "`newsletter init` writes one, --config names another"
        raise ConfigError([f"{path}: no such file; {hint}"]) from e
    except UnicodeDecodeError as e:
        raise ConfigError([f"{path.name}: not UTF-8; save it as UTF-8"]) from e


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        reason, _, rest = str(e).partition(" (at ")
        line = re.match(r"line (\d+)", rest)
        where = f"{path.name}:{line[1]}" if line else path.name
        raise ConfigError([f"{where}: not TOML: {reason}"]) from e


def _line_numbers(text: str) -> Iterator[tuple[tuple[int | str, ...], int]]:
    """Yield where tables and keys stand, near enough for a message: tomllib does not say."""
    table: tuple[int | str, ...] = ()
    arrays: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        if array := re.match(r"\s*\[\[\s*(\w+)\s*\]\]", line):
            table = (array[1], arrays[array[1]])
            arrays[array[1]] += 1
            yield table, number
        elif header := re.match(r"\s*\[\s*(\w+)\s*\]", line):
            table = (header[1],)
            yield table, number
        elif key := re.match(r"\s*([\w-]+)\s*=", line):
            yield (*table, key[1]), number


def kind_of(table: str) -> type[Struct]:
    """Return what a table is made into, or each of them where there are several."""
    kind = File.__annotations__[table]
    while not isinstance(kind, type):
        kind = get_args(kind)[0]
    return kind


def _meant(name: str) -> str:
    """Return the variable that `smtp_password` was meant to be, if any."""
    for table in File.__struct_fields__:
        key = name.removeprefix(f"{table}_")
        if key != name and table != "keywords" and key in kind_of(table).__struct_fields__:
            return f"{PREFIX}{table}__{key}".upper()
    return ""


def _called(place: tuple[int | str, ...]) -> str:
    if place[0] == "keywords" and len(place) > 1:
        return f"keyword {int(place[1]) + 1}" + "".join(f": {name}" for name in place[2:3])
    return ".".join(map(str, place[:2]))
