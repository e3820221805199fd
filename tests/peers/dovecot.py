"""Dovecot on a free port of loopback, without any rights: an IMAP server for the tests."""

import grp
import imaplib
import os
import pwd
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.making.tools import found
from tests.peers.ports import free_port

PASSWORD = "correct-horse-battery"

_CONFIG = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
ssl = required
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:{folder}/mail/%u
mail_max_userip_connections = 50
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/home
}}
namespace inbox {{
  inbox = yes
  prefix = INBOX.
  separator = .
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service imap {{
  chroot =
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service auth {{
  chroot =
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """A running server: everybody has a mailbox, all with one password."""

    port: int
    ca_file: Path

    def session(self, username: str) -> imaplib.IMAP4_SSL:
        """Return a session of somebody who is logged in."""
        context = ssl.create_default_context(cafile=self.ca_file)
        session = imaplib.IMAP4_SSL("127.0.0.1", self.port, ssl_context=context, timeout=200)
        session.login(username, PASSWORD)
        return session


@contextmanager
def dovecot() -> Iterator[Dovecot]:
    """Run a server with empty mailboxes for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="dovecot-") as name:
        folder = Path(name)
        owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        group = grp.getgrgid(owner.pw_gid).gr_name
        port = free_port()
        ca = trustme.CA()
        ca.cert_pem.write_to_path(folder / "ca.pem")
        certificate = ca.issue_cert("127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        for each in ("run", "mail", "home"):
            (folder / each).mkdir()
        config = folder / "dovecot.conf"
        config.write_text(
            _CONFIG.format(
                folder=folder, user=owner.pw_name, group=group, port=port, password=PASSWORD
            )
        )
        root = os.getuid() == 0
        for path in (folder, *folder.iterdir()) if root else ():
            os.chown(path, owner.pw_uid, owner.pw_gid)
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [found("dovecot") or "dovecot", "-F", "-c", str(config)],
                stdout=output,
                stderr=subprocess.STDOUT,
                user=owner.pw_uid if root else None,
                group=owner.pw_gid if root else None,
                extra_groups=[] if root else None,
            )
        try:
            _wait_for(port, folder, process)
            yield Dovecot(port=port, ca_file=folder / "ca.pem")
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int, folder: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    said = [path.read_text() for path in (folder / "output", folder / "log") if path.exists()]
    raise RuntimeError("Dovecot does not answer:\n" + "\n".join(said))
