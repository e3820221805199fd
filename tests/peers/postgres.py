"""A PostgreSQL of our own: in a temporary folder, as a user that is not root, ended by its pid."""

import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from newsletter.state.engines import Place
from tests.making.tools import POSTGRES, found
from tests.peers.ports import free_port

PASSWORD = "p@ss:w/rd%&'\" \\"
# What every program needs to know whose ledger is shared.
SECRETS = {"NEWSLETTER_STATE__PASSWORD": PASSWORD, "NEWSLETTER_STATE__TOKEN_KEY": "k" * 64}


@dataclass
class Postgres:
    """A server that can be ended in every way, and started again."""

    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def url(
        self, role: str = "newsletter", database: str = "newsletter", *, through: int = 0
    ) -> str:
        """Return the address for a role; with the port of what stands in between, `through` it."""
        return f"postgresql://{role}@127.0.0.1:{through or self.port}/{database}"

    def environ(self, newsletter: str) -> dict[str, str]:
        """Return the environment of a program whose ledger, of a newsletter, is here."""
        where = {"NEWSLETTER_STATE__URL": self.url(), "NEWSLETTER_NEWSLETTER__ID": newsletter}
        return SECRETS | where

    def place(self, newsletter: str, *, lease_seconds: float = 60) -> Place:
        """Return where the ledger of a newsletter is, by the usual role."""
        return Place(
            file=self.folder / "none",
            url=self.url(),
            password=PASSWORD,
            newsletter=newsletter,
            lease_seconds=lease_seconds,
        )

    def start(self) -> None:
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [POSTGRES / "postgres", "-D", self.folder / "data", *options],
                stdout=subprocess.DEVNULL,
                stderr=log,
                **_as_nobody(),
            )
        self.wait()

    def wait(self) -> None:
        """Wait until it answers, however long: a time-out of the test's ends what hangs."""
        assert self.process
        while self.process.poll() is None:
            ready = subprocess.run(
                [POSTGRES / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)],
                check=False,
            )
            if ready.returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def halt(self, name: str) -> None:
        """Stop one of its processes, until all are killed."""
        while not (found := [pid for pid in self._children() if name in _command_of(pid)]):
            time.sleep(0.05)  # it has not begun, or has not yet said its name
        os.kill(found[0], signal.SIGSTOP)

    def _children(self) -> list[int]:
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def kill(self) -> None:
        """End it as a power cut does, with all that it started; nothing is written any more."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)  # it starts no more meanwhile
        with ExitStack() as stack:
            children = []
            for pid in self._children():
                with suppress(ProcessLookupError):
                    children.append(os.pidfd_open(pid))
                    stack.callback(os.close, children[-1])
            self.process.kill()
            for each in children:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(each, signal.SIGKILL)
            self.process.wait()
            for each in children:  # whose memory the next server finds in use till they have ended
                select.select([each], [], [])
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End it at once but in order."""
        assert self.process
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def sql(self, *statements: str, database: str = "newsletter") -> str:
        """Let the server's owner say something to it."""
        command: list[str | Path] = [POSTGRES / "psql", "-X", "-q", "-A", "-t"]
        command += ["-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port)]
        command += ["-U", "owner", "-d", database]
        command += [part for each in statements for part in ("-c", each)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def postgres(disk: Path | None = None, **settings: str) -> Iterator[Postgres]:
    """Run a server with a role and a database `newsletter`, whose password is `PASSWORD`."""
    folder = Path(tempfile.mkdtemp(prefix="newsletter-pg-", dir=disk))
    folder.chmod(0o755)
    try:
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        port = free_port()
        command: list[str | Path] = [POSTGRES / "initdb", "-D", folder / "data", "-U", "owner"]
        command += ["--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "--auth-local=trust"]
        command += ["--auth-host=scram-sha-256"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **_as_nobody())
        server = Postgres(
            folder,
            port,
            {
                "port": str(port),
                "listen_addresses": "127.0.0.1",
                "unix_socket_directories": str(folder),
                "shared_buffers": "64MB",
                "max_connections": "60",
                "autovacuum_naptime": "60s",
                **settings,
            },
        )
        try:
            server.start()
            quoted = PASSWORD.replace("'", "''")
            server.sql(
                f"create role newsletter login password '{quoted}'",
                "create database newsletter owner newsletter",
                database="postgres",
            )
            yield server
        finally:
            if server.process and server.process.poll() is None:
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def pgbouncer(server: Postgres, *, connections: int = 2) -> Iterator[int]:
    """Run a PgBouncer in transaction mode before a server; yield its port.

    So few connections to the server are shared that every transaction may come on another.
    """
    folder = Path(tempfile.mkdtemp(prefix="newsletter-pgb-"))
    folder.chmod(0o755)
    port = free_port()
    quoted = PASSWORD.replace('"', '""')
    (folder / "users").write_text(f'"newsletter" "{quoted}"\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = scram-sha-256\nauth_file = {folder / 'users'}\npool_mode = transaction\n"
        f"default_pool_size = {connections}\nserver_login_retry = 1\n"
    )
    program = found("pgbouncer")
    assert program
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-q", folder / "ini"], stdout=log, stderr=log, **_as_nobody()
        )
    try:
        while process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        else:
            raise RuntimeError((folder / "log").read_text())
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _command_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def _as_nobody() -> dict[str, Any]:
    """Return as whom the server runs: it refuses to be root."""
    if os.getuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}
