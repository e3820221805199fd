"""Secrets are planted wherever one may come from; then everything that comes out is searched."""

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.making.commands import DAY_ONE, DAY_TWO, Command, Ended
from tests.making.mailing import server_tls
from tests.peers.http_server import web_server
from tests.peers.smtp_server import SmtpServer

pytestmark = pytest.mark.slow

SMTP, INBOX, PING, KEY = "hunter2-smtp-Zq", "hunter2-inbox-Zq", "hunter2-ping-Zq", "hunter2-key-Zqx"
SECRETS = (SMTP, INBOX, PING, KEY)

COMMANDS = (
    ("check",),
    ("-v", "check", "--send-to", "me@example.org"),
    ("run", "--now", DAY_ONE),
    ("-v", "--log-format", "json", "run", "--json", "--now", DAY_TWO),
    ("run", "--dry-run", "--now", DAY_TWO),
    ("inbox",),
    ("status", "--json"),
    ("state", "verify"),
)


def guises(secret: str) -> Iterator[bytes]:
    """Yield a secret as it is, and as it may be written by those who mean to hide it."""
    yield secret.encode()
    for plain in (secret, f"\0papers@example.org\0{secret}"):
        yield base64.b64encode(plain.encode()).rstrip(b"=")


def require_no_secret(ended: Ended, folder: Path, *planted: Path) -> None:
    """Search what a command printed and every file in the folder but those of the secrets."""
    files = [each for each in folder.rglob("*") if each.is_file() and each not in planted]
    haystacks = {"output": f"{ended.out}{ended.err}".encode()}
    haystacks |= {str(each): each.read_bytes() for each in files}
    for where, content in haystacks.items():
        for secret in SECRETS:
            assert not any(guise in content for guise in guises(secret)), where


def configure(folder: Path, *, port: int, ping: str = "", more: str = "") -> None:
    """Add a mail server, an inbox and a monitor that all need secrets."""
    with (folder / "newsletter.toml").open("a") as file:
        file.write(
            f'\n[smtp]\nhost = "localhost"\nport = {port}\nsecurity = "tls"\nattempts = 1\n'
            f'username = "papers@example.org"\n{more}\n'
            f'[inbox]\nkind = "imap"\nhost = "localhost"\nport = {port}\n'
            'username = "bounces@example.org"\n'
            f'[monitoring]\nping_url = "{ping}"\nmetrics_file = "metrics.prom"\n'
            'alert_to = "owner@example.org"\n'
        )


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_SMTP__PASSWORD", SMTP)
    monkeypatch.setenv("NEWSLETTER_INBOX__PASSWORD", INBOX)
    monkeypatch.setenv("NEWSLETTER_STATE__TOKEN_KEY", KEY + "0123456789")


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.mark.usefixtures("environ")
def test_no_secret_comes_out_when_nobody_answers(
    newsletter: Command, sample: Path, closed_port: int
) -> None:
    configure(sample, port=closed_port, ping=f"http://127.0.0.1:{closed_port}/{PING}")
    for command in COMMANDS:
        ended = newsletter(*command)
        assert ended.code in {0, 69, 75}, ended
        require_no_secret(ended, sample, sample / "newsletter.toml")


@pytest.mark.usefixtures("environ")
def test_no_secret_comes_out_when_the_login_is_refused(newsletter: Command, sample: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(sample / "ca.pem")
    tls = server_tls(authority, name="localhost")
    with (
        SmtpServer(tls=tls, implicit_tls=True, login=("somebody", "else")) as server,
        web_server(status=500) as web,
    ):
        ca_file = 'ca_file = "ca.pem"'
        configure(sample, port=server.port, ping=f"{web.url}/{PING}", more=ca_file)
        run = newsletter("-v", "run", "--now", DAY_ONE)
        assert run.code == 78, run
        assert any(SMTP in base64.b64decode(line.split()[-1]).decode() for line in logins(server))
        require_no_secret(run, sample, sample / "newsletter.toml")
        check = newsletter("-v", "check")
        assert check.code == 78
        require_no_secret(check, sample, sample / "newsletter.toml")
    assert len(web.asked) == 2
    for secret in (SMTP, INBOX, KEY):
        assert all(secret not in body for _, _, body in web.asked)


def logins(server: SmtpServer) -> list[str]:
    return server.verbs("AUTH PLAIN")


@pytest.mark.usefixtures("environ")
def test_no_secret_comes_out_when_the_certificate_is_not_to_be_trusted(
    newsletter: Command, sample: Path
) -> None:
    tls = server_tls(trustme.CA(), name="localhost")
    with SmtpServer(tls=tls, implicit_tls=True, login=("a", "b")) as server:
        configure(sample, port=server.port, ping=f"http://127.0.0.1:{server.port}/{PING}")
        for command in (("run", "--now", DAY_ONE), ("-v", "check")):
            ended = newsletter(*command)
            assert ended.code == 69, ended
            require_no_secret(ended, sample, sample / "newsletter.toml")
    assert logins(server) == []


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("monitoring", f'ping_url = "http://hooks.example.org/{PING}"'),
        ("monitoring", f'ping_url = "{PING}"'),
        ("monitoring", f'ping_url = ["{PING}"]'),
        ("smtp", f'host = "localhost"\npassword = ["{SMTP}"]'),
        ("smtp", f'host = "localhost"\npasword = "{SMTP}"'),
        ("smtp", f'host = "localhost"\npassword = "{SMTP}"\nport = "{SMTP}"'),
        ("smtp", f'host = "localhost"\npassword = "{SMTP}'),
        ("inbox", f'kind = "{INBOX}"\npassword = "{INBOX}"'),
    ],
)
def test_no_secret_comes_out_of_a_wrong_configuration(
    newsletter: Command, sample: Path, table: str, text: str
) -> None:
    with (sample / "newsletter.toml").open("a") as file:
        file.write(f"\n[{table}]\n{text}\n")
    for command in (("run", "--now", DAY_ONE), ("-v", "check"), ("status",)):
        ended = newsletter(*command)
        assert ended.code == 78, ended
        require_no_secret(ended, sample, sample / "newsletter.toml")


def test_a_token_key_that_is_too_short_is_not_shown(
    newsletter: Command, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_STATE__TOKEN_KEY", KEY)
    ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 74
    require_no_secret(ended, sample)


@pytest.mark.parametrize("place", ["password_file", "secrets folder"])
def test_a_secret_in_a_file_is_used_not_shown_and_must_not_be_open_to_all(
    newsletter: Command,
    sample: Path,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
    place: str,
) -> None:
    secrets = sample / "secrets"
    secrets.mkdir()
    file = secrets / "smtp__password"
    file.write_text(f"{SMTP}\n")
    file.chmod(0o600)
    if place == "password_file":
        more = 'password_file = "secrets/smtp__password"'
    else:
        monkeypatch.setenv("NEWSLETTER_SECRETS_DIR", str(secrets))
        more = ""
    configure(sample, port=closed_port, ping=f"http://127.0.0.1:{closed_port}/{PING}", more=more)
    ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 69
    assert "read it; chmod o-r" not in ended.err
    require_no_secret(ended, sample, sample / "newsletter.toml", file)
    file.chmod(0o644)
    ended = newsletter("run", "--now", DAY_ONE)
    assert f"{file.relative_to(sample) if more else file}: everybody" in ended.err
    require_no_secret(ended, sample, sample / "newsletter.toml", file)


def test_no_command_takes_a_secret_as_an_argument() -> None:
    """Arguments can be read by everybody on a machine, in the list of processes."""
    import typer.main

    from newsletter.commands.main import app

    def options(command: object) -> Iterator[str]:
        for parameter in getattr(command, "params", ()):
            yield from parameter.opts
        for child in getattr(command, "commands", {}).values():
            yield from options(child)

    names = set(options(typer.main.get_command(app)))
    assert "--send-to" in names
    assert not any(word in name for name in names for word in ("password", "secret", "key="))
