import re
import tomllib
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.config.loading import Config, load
from newsletter.config.scaffold import first, scaffold
from newsletter.errors import ConfigError
from newsletter.models import Keyword, Masthead
from newsletter.sources.arxiv import query as phrases
from newsletter.subscribers.reading import read

MINIMAL = """\
[newsletter]
id = "daily-papers"
title = "Daily Papers"
sender = "Daily Papers <papers@example.org>"

[[keywords]]
name = "mri"
"""

EVERYTHING = """\
[newsletter]
id = "daily-papers"
title = "Daily Papers"
sender = "papers@example.org"
reply_to = "Owner <owner@example.org>"
unsubscribe_address = "leave@example.org"
timezone = "Europe/Berlin"
mode = "per-keyword"
templates = "templates"
bibtex = true
abstracts = "full"
subject = "[{newsletter}] {title}"
[[keywords]]
name = "mri"
match = "title-and-abstract"
[[keywords]]
name = "diffusion for PET"
query = 'ti:"diffusion model" AND abs:PET'
categories = ["eess.IV", "cs"]
authors = ["Ada Lovelace"]
replacements = true
[source]
url = "http://127.0.0.1:8000/api/query"
contact = "mailto:owner@example.org"
lookback_days = 14
interval_seconds = 0
timeout_seconds = 10.5
attempts = 2
file = "feed.xml"
baseline_days = 0
[subscribers]
file = "people/list.csv"
suppressions = "/var/lib/newsletter/left.csv"
[state]
file = "state/state.sqlite3"
[smtp]
host = "smtp.example.org"
port = 465
security = "tls"
username = "papers@example.org"
connections = 8
rate_per_minute = 100
messages_per_connection = 50
ehlo_name = "papers.example.org"
attempts = 5
max_age_hours = 12
unknown = "hold"
[outbox]
directory = "mails"
[bounces]
address = "bounces@example.org"
[inbox]
kind = "maildir"
path = "inbox"
[web]
base_url = "https://papers.example.org/"
[archive]
directory = "archive"
max_papers = 10
[monitoring]
ping_url = "https://ping.example.org/uuid"
metrics_file = "metrics.prom"
alert_to = "owner@example.org"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "newsletter.toml"
    path.write_text(text)
    return path


def loaded(folder: Path, text: str, **environ: str) -> Config:
    return load(written(folder, text), environ={"NEWSLETTER_SECRETS_DIR": "/nowhere"} | environ)


def problems(folder: Path, text: str, **environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, **environ)
    assert caught.value.exit_code == 78
    return caught.value.problems


@pytest.mark.parametrize("subject", ["{titel}", "{title.__class__}", "{}"])
def test_a_subject_asks_for_what_there_is(tmp_path: Path, subject: str) -> None:
    text = MINIMAL.replace('id = "daily', f'subject = "{subject}"\nid = "daily')
    (problem,) = problems(tmp_path, text)
    assert f"{subject} is none of {{newsletter}}, {{news}}, {{title}}" in problem


def test_a_minimal_file_works(tmp_path: Path) -> None:
    config = loaded(tmp_path, MINIMAL)
    assert config.keywords == (Keyword(name="mri"),)
    assert config.timezone == UTC
    assert config.masthead == Masthead(
        id="daily-papers",
        title="Daily Papers",
        sender="Daily Papers <papers@example.org>",
        unsubscribe_address="papers@example.org",
    )
    assert (config.smtp, config.bounces, config.inbox, config.web) == (None, None, None, None)
    assert config.source.url == "https://export.arxiv.org/api/query"
    assert config.source.interval_seconds == 3
    assert (config.source.lookback_days, config.source.baseline_days) == (30, 1)
    assert (config.source.attempts, config.source.timeout_seconds) == (5, 60)
    assert (config.state.lease_seconds, config.archive.max_papers) == (60, 100)
    assert (config.newsletter.bibtex, config.newsletter.mode) == (False, "combined")
    assert config.archive.directory is None
    assert config.outbox.directory == tmp_path / "outbox"
    assert config.subscribers.suppressions == tmp_path / "suppressions.csv"
    assert config.state.file == tmp_path / "state.sqlite3"
    assert config.warnings == ()


def test_every_key_is_read_and_paths_belong_to_the_file_s_folder(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    config = loaded(tmp_path, EVERYTHING, NEWSLETTER_SMTP__PASSWORD="s3cret")
    assert config.keywords == (
        Keyword(name="mri", match="title-and-abstract"),
        Keyword(
            name="diffusion for PET",
            query='ti:"diffusion model" AND abs:PET',
            categories=("eess.IV", "cs"),
            authors=("Ada Lovelace",),
            replacements=True,
        ),
    )
    assert config.timezone == ZoneInfo("Europe/Berlin")
    assert config.masthead == Masthead(
        id="daily-papers",
        title="Daily Papers",
        sender="papers@example.org",
        unsubscribe_address="leave@example.org",
        reply_to="Owner <owner@example.org>",
        bounce_address="bounces@example.org",
        base_url="https://papers.example.org",
        changeable=("mri", "diffusion for PET"),
    )
    assert config.smtp
    assert config.smtp.password
    assert config.smtp.password.get_secret_value() == "s3cret"
    given = tomllib.loads(EVERYTHING)
    for table in ("source", "smtp", "archive", "monitoring"):
        for key, value in given[table].items():
            found = getattr(getattr(config, table), key)
            assert found == (tmp_path / value if isinstance(found, Path) else value)
    assert config.subscribers.file == tmp_path / "people/list.csv"
    assert config.subscribers.suppressions == Path("/var/lib/newsletter/left.csv")
    assert config.inbox
    assert config.inbox.path == tmp_path / "inbox"


@pytest.mark.parametrize(
    ("explicit", "bounces", "found"),
    [
        ("leave@example.org", "bounces@example.org", "leave@example.org"),
        ("", "bounces@example.org", "bounces@example.org"),
        ("", "", "papers@example.org"),
    ],
)
def test_readers_leave_by_the_best_address_there_is(
    tmp_path: Path, explicit: str, bounces: str, found: str
) -> None:
    environ = {
        "NEWSLETTER_NEWSLETTER__UNSUBSCRIBE_ADDRESS": explicit,
        "NEWSLETTER_BOUNCES__ADDRESS": bounces,
    }
    assert loaded(tmp_path, MINIMAL, **environ).masthead.unsubscribe_address == found


def test_an_address_too_long_for_a_token_is_a_warning(tmp_path: Path) -> None:
    text = MINIMAL.replace("papers@", "papers.of.the.day.for.you@")
    (warning,) = loaded(tmp_path, text).warnings
    assert "no token fits papers.of.the.day.for.you@example.org" in warning
    assert not loaded(tmp_path, text, NEWSLETTER_BOUNCES__ADDRESS="bounces@x.org").warnings


@pytest.mark.parametrize(("security", "port"), [("tls", 465), ("starttls", 587)])
def test_the_port_follows_from_the_security(tmp_path: Path, security: str, port: int) -> None:
    config = loaded(tmp_path, f'{MINIMAL}[smtp]\nhost = "x.org"\nsecurity = "{security}"\n')
    assert config.smtp
    assert config.smtp.port == port


# Wrong on purpose, in many places at once.
WRONG = """\
[newsletter]
id = "Daily Papers"
titel = "Daily Papers"
sender = "a@x.org, b@x.org"
timezone = "Europe/Berln"

[[keywords]]
name = "mri"
match = "both"

[[keywords]]
name = "MRI"
exct = true
categories = ["cs.CV", 5]

[[keywords]]
name = "the of"

[smtp]
prot = 25
host = "https://smtp.example.org"
username = "me"
connections = 0
password = 5
ca_file = "missing.pem"

[sorce]
url = "x"

[source]
interval_seconds = 1

[bounces]
address = "bounces-of-our-daily-papers@x.org"

[inbox]
kind = "imap"
"""


def test_every_problem_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    found = problems(tmp_path, WRONG)
    assert [line.removeprefix("newsletter.toml:") for line in found] == [
        "1: newsletter.title: missing",
        "2: newsletter.id: must be lower-case letters, digits, '-' and '.', at most 63",
        "3: newsletter.titel: unknown key (did you mean 'title'?)",
        "4: newsletter.sender: 'a@x.org, b@x.org' is not one mailbox, Name <address>",
        "5: newsletter.timezone: 'Europe/Berln' is no time zone (did you mean 'Europe/Berlin'?)",
        "9: keyword 1: match: must be 'title-or-abstract' or 'title-and-abstract'",
        "12: keyword 2: name: 'MRI' is here twice",
        "13: keyword 2: exct: unknown key (did you mean 'exact'?)",
        "14: keyword 2: categories: must be text in quotes",
        f"16: keyword 3: {phrases.problems(Keyword(name='the of'))[0]}",
        "20: smtp.prot: unknown key (did you mean 'port'?)",
        "21: smtp.host: 'https://smtp.example.org' must be a host name and nothing else",
        "23: smtp.connections: must be greater than or equal to 1",
        "24: smtp.password: must be text in quotes",
        f"25: smtp.ca_file: there is no file {tmp_path}/missing.pem",
        "27: sorce: unknown table (did you mean 'source'?)",
        "31: source.interval_seconds: must be at least 3 seconds, as arXiv asks",
        "34: bounces.address: 'bounces-of-our-daily-papers@x.org' is longer than 23 before the @",
        "36: inbox.host: missing; kind = 'imap' needs it",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id = x\n", r"newsletter\.toml:1: not TOML: "),
        ("a = 1\nb = [\n", r"newsletter\.toml(:\d)?: not TOML: "),
        ("a = 1\na = 2\n", r"newsletter\.toml:2: not TOML: "),
        ("", r"newsletter\.toml: newsletter: missing"),
        (MINIMAL.partition("[[")[0], r"keywords: missing; write at least one \[\[keywords\]\]"),
        (MINIMAL.replace("[[keywords]]", "[keywords]"), r"double brackets, \[\[keywords\]\]"),
        ("keywords = [1]\n" + MINIMAL.partition("[[")[0], r"must be a table under \[\[keywords"),
        ('smtp = "smtp.example.org"\n' + MINIMAL, r":1: smtp: must be a table, \[smtp\]"),
        (
            MINIMAL.replace('name = "mri"', 'name = "mri"\nexclude = "survey"'),
            r"keyword 1: exclude: must be a list, \[",
        ),
        (MINIMAL.replace("mri", "*"), r"keyword 1: name: must be words on one line"),
        (MINIMAL.replace("mri", "mri; pet"), r"keyword 1: name: ';'"),
        (MINIMAL.replace("mri", r"m\nri"), r"keyword 1: name: must be words on one line"),
        (MINIMAL.replace("papers@", "pâpers@"), r"few mail servers"),
        (MINIMAL.replace("Daily Papers <", r"A\r\nBcc: x <"), r"newsletter\.sender"),
        (MINIMAL.replace('title = "', r'title = "\u202e'), r"title: has control"),
        (MINIMAL.replace('Daily Papers"', ' "'), r"title: must have 1 to 100 characters"),
        (MINIMAL.replace("daily-papers", "daily--papers"), r"id: must be lower-case letters"),
        (
            MINIMAL.replace("[[", 'templates = "none"\n[[', 1),
            r"templates: there is no folder .*/no",
        ),
        (
            MINIMAL.replace("[[", 'timezone = "posix/Japan"\n[[', 1),
            r"'posix/Japan' is no time zone",
        ),
        (MINIMAL.replace("[[", 'timezone = "tzdata.zi"\n[[', 1), r"'tzdata.zi' is no time zone"),
        (f'{MINIMAL}[web]\nbase_url = "https://x.org/ü"', r"web\.base_url: must be ASCII without"),
        (
            f'{MINIMAL}[source]\nurl = "https://x.org/ü\u200b"',
            r"source\.url: must be a web address",
        ),
        (f'{MINIMAL}[inbox]\nkind = "maildir"\n', r"inbox\.path: missing; kind = 'maildir'"),
        (f'{MINIMAL}[inbox]\nkind = "imap"\nhost = "x y"\n', r"inbox\.host: 'x y' must be a host"),
        (f"{MINIMAL}[smtp]\n", r":8: smtp\.host: missing"),
        (f'{MINIMAL}[smtp]\nhost = "smtp..example.org"\n', r":9: smtp\.host: 'smtp\.\.example"),
        (f'{MINIMAL}[smtp]\nhost = "{"x" * 64}.org"\n', r"smtp\.host: .*1 to 63 characters"),
        (f'{MINIMAL}[smtp]\nhost = "a.org"\nehlo_name = ".a.org"\n', r":10: smtp\.ehlo_name"),
        (f'{MINIMAL}[smtp]\nhost = "a.org"\ndsn = "on"\n', r"smtp\.dsn: must be 'auto' or 'off'"),
        (f'{MINIMAL}[smtp]\nhost = "x.org"\nsecurity = "none"\n', r":10: smtp\.security: 'none'"),
        (f'{MINIMAL}[smtp]\nhost = "x.org"\nsecurity = "ssl"\n', r"must be 'tls', 'starttls' or"),
        (f'{MINIMAL}[inbox]\nkind = "mbox"\n', r"inbox\.path: missing; kind = 'mbox' needs it"),
        (f'{MINIMAL}[source]\nurl = "http://export.arxiv.org/api/query"', r"must begin with https"),
        (f'{MINIMAL}[source]\nurl = "ftp://arxiv.org"', r"source\.url: must be a web address"),
        (f'{MINIMAL}[source]\ncontact = "Me <me@example.org>"', r"source\.contact: must be like"),
        (f'{MINIMAL}[web]\nbase_url = "https://x.org/?a"', r"web\.base_url: must be ASCII without"),
        (f'{MINIMAL}[source]\nlookback_days = "many"', r"lookback_days: must be a whole number"),
        (f"{MINIMAL}[newsletter.mode]\nx = 1", r"newsletter\.mode: must be 'combined' or"),
        (f'{MINIMAL}[source]\nurl = "https:///query"', r"source\.url: must be a web address with"),
        (f"{MINIMAL}[state]\nfile = 1", r"state\.file: must be text in quotes"),
        (f"{MINIMAL}[state]\nlease_seconds = 1", r"must be greater than or equal to 5$"),
        (f"{MINIMAL}[source]\ntimeout_seconds = 0", r"must be greater than 0$"),
        (f"{MINIMAL}[source]\nlookback_days = 400", r"must be less than or equal to 365$"),
        (f"{MINIMAL}[source]\nlookback_days = 1.5", r"must be a whole number$"),
        (f'{MINIMAL}[source]\nbaseline_days = "nan"', r"must be greater than or equal to 0$"),
        (f'{MINIMAL}[source]\nbaseline_days = "many"', r"must be a number$"),
        (f'{MINIMAL}[smtp]\nhost = "x.org"\ndeliver_in_run = "maybe"', r"must be true or false$"),
        (f'{MINIMAL}[smtp]\nusername = "{"x" * 201}"', r"must have at most 200 characters$"),
        (
            f'{MINIMAL}[web]\nbase_url = "https://x.org"\nproxy = "x"',
            r"web.proxy: must be an IP",
        ),
        (f"{MINIMAL}[zotero]\nkeys = [1]", r"zotero\.keys: must be a table$"),
        (f"{MINIMAL}[zotero]\nkeys = {{ ada = 1 }}", r"zotero\.keys: must be text in quotes$"),
        (f'{MINIMAL}[state]\nfile = "~who/s"', r":9: state\.file: ~who/s: nobody knows where ~who"),
        (f'{MINIMAL}[smtp]\nhost = "x.org"\npassword_file = "~who/p"', r":10: smtp\.password_file"),
    ],
)
def test_a_mistake_is_explained(tmp_path: Path, text: str, problem: str) -> None:
    assert re.search(problem, "\n".join(problems(tmp_path, text)))


# Table and key, too little, the least, the most, too much.
LIMITS = [
    ("source.lookback_days", 0, 1, 365, 366),
    ("source.interval_seconds", -0.1, 0, 600, 600.1),
    ("source.timeout_seconds", 0, 0.1, 600, 600.1),
    ("source.attempts", 0, 1, 20, 21),
    ("source.baseline_days", -0.1, 0, 90, 90.1),
    ("state.lease_seconds", 4.9, 5, 600, 600.1),
    ("smtp.port", -1, 1, 65535, 65536),
    ("smtp.connections", 0, 1, 100, 101),
    ("smtp.rate_per_minute", -1, 0, 10**9, "'many'"),
    ("smtp.messages_per_connection", 0, 1, 10**9, "'many'"),
    ("smtp.attempts", 0, 1, 20, 21),
    ("smtp.max_age_hours", 0, 0.1, 720, 720.1),
    ("inbox.port", 0, 1, 65535, 65536),
    ("archive.max_papers", 0, 1, 10**9, "'many'"),
]
WITH_NUMBERS = {
    "source": 'url = "http://localhost/api"',
    "state": "",
    "smtp": 'host = "localhost"',
    "inbox": 'kind = "mbox"\npath = "inbox"',
    "archive": "",
}


def test_every_number_has_its_limits(tmp_path: Path) -> None:
    for column in range(1, 5):
        tables = {name: f"[{name}]\n{lines}\n" for name, lines in WITH_NUMBERS.items()}
        for limit in LIMITS:
            table, _, key = str(limit[0]).partition(".")
            tables[table] += f"{key} = {limit[column]}\n"
        text = MINIMAL + "".join(tables.values())
        if column in {2, 3}:
            assert loaded(tmp_path, text).smtp
        else:
            found = [each.split(": ")[1] for each in problems(tmp_path, text)]
            assert sorted(found) == sorted(str(limit[0]) for limit in LIMITS)


@pytest.mark.parametrize(
    ("line", "longest"),
    [
        ('title = "{}"', 100),
        ('id = "{}"', 63),
        ('subject = "{}"', 200),
        ('unsubscribe_address = "{}@example.org"', 64),
    ],
)
def test_a_text_may_be_as_long_as_that_and_no_longer(
    tmp_path: Path, line: str, longest: int
) -> None:
    key = line.partition(" ")[0]
    others = [each for each in MINIMAL.splitlines() if not each.startswith(f"{key} =")]
    text = "\n".join([others[0], line, *others[1:]])
    assert loaded(tmp_path, text.replace("{}", "x" * longest))
    (problem,) = problems(tmp_path, text.replace("{}", "x" * (longest + 1)))
    assert f"newsletter.{key}: " in problem


@pytest.mark.parametrize(
    ("host", "extra", "fine"),
    [
        ("localhost", "", True),
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("192.0.2.1", "", False),
        ("localhost.example.org", "", False),
        ("192.0.2.1", "allow_plaintext = true\n", True),
    ],
)
def test_mail_goes_in_the_clear_only_within_this_machine(
    tmp_path: Path, host: str, extra: str, fine: bool
) -> None:
    text = f'{MINIMAL}[smtp]\nhost = "{host}"\nsecurity = "none"\n{extra}'
    if fine:
        assert loaded(tmp_path, text).smtp
    else:
        assert "smtp.security" in problems(tmp_path, text)[0]


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://export.arxiv.org/api/query", False),
        ("https://arxiv.org/api/query", False),
        ("https://myarxiv.org/api/query", True),
        ("http://127.0.0.1:8080/api/query", True),
    ],
)
def test_nobody_hurries_arxiv(tmp_path: Path, url: str, fine: bool) -> None:
    text = f'{MINIMAL}[source]\nurl = "{url}"\ninterval_seconds = 0.5\n'
    if fine:
        assert loaded(tmp_path, text).source.interval_seconds == 0.5
    else:
        assert "as arXiv asks" in problems(tmp_path, text)[0]


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"newsletter init"):
        load(tmp_path / "none.toml", environ={})


def test_the_environment_names_the_file_unless_the_caller_does(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL)
    environ = {"NEWSLETTER_CONFIG": str(path)}
    assert load(None, environ=environ).newsletter.id == "daily-papers"
    with pytest.raises(ConfigError, match=r"other\.toml"):
        load(tmp_path / "other.toml", environ=environ)


def test_the_environment_overrides_the_file_and_empty_means_unset(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        MINIMAL,
        NEWSLETTER_NEWSLETTER__TITLE="Other Papers",
        NEWSLETTER_NEWSLETTER__BIBTEX="true",
        NEWSLETTER_SOURCE__LOOKBACK_DAYS="7",
        NEWSLETTER_SOURCE__ATTEMPTS="",
        NEWSLETTER_STATE__FILE="elsewhere.sqlite3",
        NEWSLETTER_UNRELATED="x",
    )
    assert config.newsletter.title == "Other Papers"
    assert config.newsletter.bibtex is True
    assert config.source.lookback_days == 7
    assert config.source.attempts == 5
    assert config.state.file == tmp_path / "elsewhere.sqlite3"
    assert config.warnings == ()


@pytest.mark.parametrize("word", ["true", "Yes", "on", "1", "False", "no", "OFF", "0"])
def test_a_switch_in_the_environment_is_written_as_people_do(tmp_path: Path, word: str) -> None:
    config = loaded(tmp_path, MINIMAL, NEWSLETTER_NEWSLETTER__BIBTEX=word)
    assert config.newsletter.bibtex is (word.lower() in {"true", "yes", "on", "1"})


def test_mistakes_in_the_environment_are_named_by_their_variable(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        MINIMAL,
        NEWSLETTER_SMPT__HOST="x",
        NEWSLETTER_SOURCE__ATEMPTS="1",
        NEWSLETTER_SOURCE__ATTEMPTS="many",
        NEWSLETTER_KEYWORDS__NAME="mri",
    )
    assert found == (
        "NEWSLETTER_KEYWORDS__NAME: keywords can only be set in the file",
        "NEWSLETTER_SMPT__HOST: unknown table smpt (did you mean 'smtp'?)",
        "NEWSLETTER_SOURCE__ATEMPTS: unknown key (did you mean 'attempts'?)",
        "NEWSLETTER_SOURCE__ATTEMPTS: must be a whole number",
    )


def test_a_variable_with_one_underscore_too_few_is_pointed_out(tmp_path: Path) -> None:
    config = loaded(tmp_path, MINIMAL, NEWSLETTER_SMTP_PASSWORD="x", NEWSLETTER_PORT="tcp://")
    assert config.warnings == (
        "NEWSLETTER_SMTP_PASSWORD: is not read; did you mean NEWSLETTER_SMTP__PASSWORD?",
    )


SMTP = f'{MINIMAL}[smtp]\nhost = "smtp.example.org"\nusername = "me"\n'


def password(config: Config) -> str | None:
    assert config.smtp
    return config.smtp.password.get_secret_value() if config.smtp.password else None


def private(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_a_password_comes_from_the_first_place_that_has_one(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    folder = {"NEWSLETTER_SECRETS_DIR": str(secrets)}
    private(secrets / "smtp__password", "from the folder \n")
    private(secrets / "another-program", "unrelated")
    private(tmp_path / "password", "from its file\n")
    in_file = f'{SMTP}password_file = "password"\n'
    assert password(loaded(tmp_path, SMTP, **folder)) == "from the folder "
    assert password(loaded(tmp_path, in_file, **folder)) == "from its file"
    environ = folder | {"NEWSLETTER_SMTP__PASSWORD": "from the environment"}
    assert password(loaded(tmp_path, in_file, **environ)) == "from the environment"


def test_any_key_can_lie_in_the_secrets_folder(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    folder = {"NEWSLETTER_SECRETS_DIR": str(secrets)}
    private(secrets / "newsletter__title", "Secret Papers\n")
    assert loaded(tmp_path, MINIMAL, **folder).newsletter.title == "Secret Papers"
    private(secrets / "newsletter__titel", "x")
    assert problems(tmp_path, MINIMAL, **folder) == (
        f"{secrets}/newsletter__titel: unknown key (did you mean 'title'?)",
    )


def test_a_secret_without_its_table_says_which_one_it_is_for(tmp_path: Path) -> None:
    secret = tmp_path / "smtp__password"
    secret.write_text("swordfish")
    (problem,) = problems(tmp_path, MINIMAL, NEWSLETTER_SECRETS_DIR=str(tmp_path))
    assert problem == (
        "newsletter.toml: smtp.host: missing;"
        f" {secret} is for the table [smtp], which is not in the file"
    )


def test_a_secret_that_everybody_can_read_is_a_warning(tmp_path: Path) -> None:
    path = private(tmp_path / "password", "x")
    path.chmod(0o644)
    config = loaded(tmp_path, f'{SMTP}password_file = "password"\n')
    assert config.warnings == (f"{path}: everybody on this machine can read it; chmod o-r",)
    toml = written(tmp_path, f'{SMTP}password = "x"\n')
    toml.chmod(0o644)
    (warning,) = load(toml, environ={}).warnings
    assert "smtp.password" in warning
    toml.chmod(0o600)
    assert load(toml, environ={}).warnings == ()


def test_a_missing_password_file_is_a_problem(tmp_path: Path) -> None:
    found = problems(tmp_path, f'{SMTP}password_file = "password"\n')
    assert found == (
        f"newsletter.toml:11: smtp.password_file: there is no file {tmp_path}/password",
    )


def test_a_missing_password_is_a_warning_for_commands_that_need_none(tmp_path: Path) -> None:
    private(tmp_path / "password", "\n")
    for text in (SMTP, f'{SMTP}password = ""\n', f'{SMTP}password_file = "password"\n'):
        path = written(tmp_path, text)
        path.chmod(0o600)
        (warning,) = load(path, environ={}).warnings
        assert "smtp.password: missing; set NEWSLETTER_SMTP__PASSWORD" in warning


@pytest.mark.parametrize("place", ["environment", "file", "folder", "toml"])
def test_no_message_and_no_picture_of_the_configuration_holds_a_secret(
    tmp_path: Path, place: str
) -> None:
    secret = "hunter2-\x07-ü"
    (tmp_path / "secrets").mkdir()
    environ = {"NEWSLETTER_SECRETS_DIR": str(tmp_path / "secrets")}
    text = f"{SMTP}[state]\n"
    if place == "environment":
        environ |= {"NEWSLETTER_SMTP__PASSWORD": secret, "NEWSLETTER_STATE__TOKEN_KEY": secret}
    elif place == "file":
        private(tmp_path / "password", secret)
        text = f'{SMTP}password_file = "password"\n'
    elif place == "folder":
        private(tmp_path / "secrets" / "smtp__password", secret)
        private(tmp_path / "secrets" / "state__token_key", secret)
    else:
        text = f'{SMTP}password = "hunter2-\\u0007-ü"\n'
    config = loaded(tmp_path, text, **environ)
    assert password(config) == secret
    assert "hunter2" not in f"{config!r}{config}{config.warnings}{config.plain()}"
    broken = text.replace('host = "smtp.example.org"', "port = -1").replace("mri", "the")
    assert "hunter2" not in "".join(problems(tmp_path, broken, **environ))


def test_a_secret_in_the_wrong_place_or_type_is_not_quoted(tmp_path: Path) -> None:
    text = MINIMAL + (
        '[smtp]\npasword = "hunter2"\npassword = ["hunter2"]\nport = "hunter2"\n'
        '[state]\ntoken_key = { a = "hunter2" }\n[monitoring]\nping_url = "hunter2"\n'
    )
    assert "hunter2" not in "".join(problems(tmp_path, text))
    assert "hunter2" not in "".join(problems(tmp_path, "[smtp]\npassword = hunter2"))


@pytest.mark.slow
@given(
    st.text()
    | st.sampled_from([EVERYTHING, WRONG]).flatmap(
        lambda text: st.permutations(text.splitlines()).map("\n".join)
    )
)
def test_any_text_is_a_configuration_or_a_list_of_problems(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.toml"
    path.write_text(text, "utf-8", errors="surrogatepass")
    try:
        load(path, environ={"NEWSLETTER_SECRETS_DIR": "/nowhere"})
    except ConfigError as e:
        lines = e.problems
        assert lines
        assert all(line.isprintable() for line in lines)


def test_what_init_writes_loads_without_a_word(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    paths = scaffold(folder)
    assert paths == [folder / "newsletter.toml", folder / "subscribers.csv"]
    config = load(paths[0], environ={})
    found = read(config.subscribers.file, keywords=[each.name for each in config.keywords])
    assert len(found.subscribers) == 2
    assert (config.warnings, found.problems) == ((), ())
    assert paths[1].stat().st_mode & 0o777 == 0o600


def test_every_line_that_init_comments_out_is_valid_too(tmp_path: Path) -> None:
    text = re.sub(r"^# (?=\w+ = |\[+\w+\]+$)", "", first("newsletter.toml"), flags=re.MULTILINE)
    private(tmp_path / "smtp-password", "x")
    (tmp_path / "templates").mkdir()
    config = loaded(tmp_path, text, NEWSLETTER_INBOX__PASSWORD="x")
    assert len(config.keywords) == 3
    assert all((config.smtp, config.bounces, config.inbox, config.monitoring.alert_to))


@pytest.mark.parametrize("name", ["newsletter.toml", "subscribers.csv"])
def test_init_never_overwrites(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path / name}: is there already")):
        scaffold(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_the_example_list_is_sound() -> None:
    path = Path(__file__).parents[2] / "subscribers.example.csv"
    names = ("magnetic resonance imaging", "mri", "diffusion for PET")
    found = read(path, keywords=names)
    assert (len(found.subscribers), found.problems) == (5, ())


def test_the_keys_of_zotero_are_secrets_of_any_name(tmp_path: Path) -> None:
    config = load(
        written(tmp_path, MINIMAL),
        environ={"NEWSLETTER_ZOTERO__475425": "P9NiFoyLeZu2bZNvvuQPDWsd"},
    )
    assert config.zotero.keys["475425"].get_secret_value() == "P9NiFoyLeZu2bZNvvuQPDWsd"
    assert "P9Ni" not in repr(config)


@pytest.mark.parametrize("line", ['ulr = "https://example.org"', 'ada = "not one"', "ada = 3"])
def test_what_is_no_key_of_zotero_is_an_unknown_key(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match="unknown key, and what it says is no key of Zotero"):
        load(written(tmp_path, f"{MINIMAL}\n[zotero]\n{line}\n"), environ={})
