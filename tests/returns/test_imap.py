"""The inbox over IMAP, against Dovecot."""

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from typing import Self

import pytest

from newsletter.errors import InboxError
from newsletter.returns.imap import folder_name, imap
from tests.making.inboxes import ADA, ImapBox, Office, dsn, mail, offices, token
from tests.peers.dovecot import PASSWORD, Dovecot, dovecot

pytestmark = [pytest.mark.slow, pytest.mark.dovecot]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot() as running:
        yield running


@pytest.fixture
def box(tmp_path: Path, server: Dovecot) -> ImapBox:
    return ImapBox(server, f"{tmp_path.name}@example.org")


@pytest.fixture
def office(tmp_path: Path, box: ImapBox) -> Iterator[Office]:
    yield from offices(tmp_path, box)


class Cable:
    """A way to a server that breaks once, after some bytes have come back through it."""

    def __init__(self, port: int, *, breaks_after: int) -> None:
        self._target = port
        self._left = breaks_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.broken = False
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                with closing(client), closing(server):
                    up = Thread(target=self._carry, args=(client, server), daemon=True)
                    up.start()
                    self._carry_back(server, client)
                    for end in (client, server):
                        with suppress(OSError):
                            end.shutdown(socket.SHUT_RDWR)
                    up.join(5)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(4096):
                target.sendall(data)

    def _carry_back(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(512):
                self._left -= len(data)
                if self._left < 0 and not self.broken:
                    self.broken = True
                    return
                target.sendall(data)


def trouble_in(office: Office) -> InboxError | None:
    try:
        return office.reading().trouble
    except InboxError as error:
        return error


def test_what_arrived_is_read_acted_upon_and_moved(office: Office) -> None:
    request = mail(to=f"leave+{token('r1@example.net')}@example.org")
    bounce, stranger = dsn("postfix-no-such-user"), mail(to="papers@example.org", subject="Hello")
    office.box.put(request, bounce, stranger)
    assert office.read() == (
        "read 3 mails: 1 unsubscribed, 1 bounce (1 suppressed), 1 not understood"
        " (moved to newsletter-unknown)"
    )
    assert office.suppressed() == {"r1@example.net": "unsubscribed", ADA: "bounced"}
    assert office.box.mails() == []
    assert office.box.mails("newsletter-done") == sorted([request, bounce])
    assert office.box.mails("newsletter-unknown") == [stranger]
    assert office.read() == "no new mails"


def test_more_mails_than_a_batch_are_read(office: Office) -> None:
    office.box.put(*(mail(to="papers@example.org", subject=str(n)) for n in range(60)))
    assert office.reading().kinds == {"unknown": 60}
    assert len(office.box.mails("newsletter-unknown")) == 60


@pytest.mark.parametrize("breaks_after", [2000, 60000, 140000, 148000])
def test_a_line_that_breaks_loses_no_mail_and_counts_none_twice(
    office: Office, box: ImapBox, tmp_path: Path, breaks_after: int
) -> None:
    content = [
        dsn("postfix-no-such-user", to="r1@example.net"),
        dsn("exchange-refused", to="r2@example.net"),
        *(mail(to="papers@example.org", text=f"{n} " + "word " * 500) for n in range(55)),
    ]
    office.box.put(*content)
    with Cable(box.server.port, breaks_after=breaks_after) as cable:
        office.box.opener = ImapBox(box.server, box.username, port=cable.port).opener
        troubles = [trouble_in(office), trouble_in(office)]
        assert cable.broken
    assert troubles[0] is None or troubles[0].exit_code == 69
    assert troubles[1] is None
    with closing(sqlite3.connect(tmp_path / "state.sqlite3")) as db:
        kinds = dict(db.execute("select kind, count(*) from mails_read group by kind"))
    assert kinds == {"bounce": 2, "unknown": 55}
    assert office.suppressed() == {"r1@example.net": "bounced"}
    assert office.box.mails() == []
    filed = office.box.mails("newsletter-done") + office.box.mails("newsletter-unknown")
    assert sorted(filed) == sorted(content)


def test_a_server_without_move_copies_and_expunges_only_its_own(
    office: Office, box: ImapBox
) -> None:
    office.box.put(mail(to="papers@example.org", subject="Hello"))
    office.box.put(mail(to="papers@example.org", subject="marked by somebody else"))
    session = box.session()
    session.select("INBOX")
    session.uid("STORE", "2", "+FLAGS", r"(\Deleted)")
    session.logout()
    with office.box.opener(seconds=60) as opened:
        opened._capabilities -= {"MOVE"}  # type: ignore[attr-defined]
        opened.move(["1"], "newsletter-done")
    assert len(office.box.mails()) == 1
    assert len(office.box.mails("newsletter-done")) == 1


def test_reading_leaves_mails_unread_to_other_programs(office: Office, box: ImapBox) -> None:
    office.box.put(mail(to="papers@example.org"))
    with office.box.opener(seconds=60) as opened:
        opened.read(opened.keys())
    session = box.session()
    session.select("INBOX", readonly=True)
    assert session.uid("SEARCH", "UNSEEN")[1] == [b"1"]
    session.logout()


@pytest.mark.parametrize("name", ["INBOX.Rückläufer", "INBOX.Q&A", "INBOX.受信"])
def test_a_folder_is_named_as_people_see_it(box: ImapBox, name: str) -> None:
    session = box.session()
    assert session.create(f'"{folder_name(name)}"')[0] == "OK"
    session.append(f'"{folder_name(name)}"', "", "", b"Subject: here\r\n\r\n")
    session.logout()
    settings = {**box.opener.keywords, "folder": name}  # type: ignore[attr-defined]
    with imap("127.0.0.1", box.server.port, **settings) as opened:
        (found,) = opened.read(opened.keys())
    assert found.content.startswith(b"Subject: here")


def opened(server: Dovecot, **given: object) -> None:
    settings = {
        "host": "127.0.0.1",
        "port": server.port,
        "username": "bounces@example.org",
        "password": PASSWORD,
        "ca_file": server.ca_file,
    }
    with imap(**(settings | given)):  # type: ignore[arg-type]
        pass


@pytest.mark.parametrize(
    ("given", "words", "exit_code"),
    [
        ({"password": "wrong"}, "the login as bounces@example.org is refused", 78),
        ({"password": "wröng"}, "the login as bounces@example.org is refused", 78),
        ({"folder": "INBOX.none"}, "inbox.mailbox", 78),
        ({"ca_file": None}, "certificate", 69),
        ({"port": 1}, "inbox.port", 69),
        ({"host": "no-such-host.invalid"}, "inbox.host", 69),
    ],
)
def test_a_server_that_does_not_let_us_in_is_named_with_what_to_mend(
    server: Dovecot, given: dict[str, object], words: str, exit_code: int
) -> None:
    with pytest.raises(InboxError) as caught:
        opened(server, **given)
    assert words in str(caught.value)
    assert caught.value.exit_code == exit_code
    assert str(given.get("password", PASSWORD)) not in str(caught.value)
