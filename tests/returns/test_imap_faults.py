"""The inbox over IMAP, against a server that misbehaves as it is told."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from newsletter.errors import InboxError
from newsletter.returns.imap import folder_name, imap
from tests.making.inboxes import ADA, Box, Office, dsn, mail, offices, token
from tests.peers.imap_server import PASSWORD, ImapServer, imap_server

LEAVER = "r1@example.net"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ImapServer]:
    with imap_server(tmp_path) as running:
        yield running


class PeerBox(Box):
    """The mailbox of a misbehaving server."""

    def __init__(self, server: ImapServer, **given: Any) -> None:
        self.server = server
        settings = {
            "username": server.username,
            "password": server.password,
            "ca_file": server.ca_file,
            "patience": 20.0,
            "clock": server.clock,
        }
        self.opener = partial(imap, "127.0.0.1", server.port, **(settings | given))  # type: ignore[arg-type]

    def put(self, *mails: bytes) -> None:
        for content in mails:
            everywhere = [uid for found in self.server.folders.values() for uid in found]
            self.server.inbox[max(everywhere, default=0) + 1] = content

    def mails(self, folder: str = "") -> list[bytes]:
        return sorted(self.server.folders.get(folder or "INBOX", {}).values())


@pytest.fixture
def office(tmp_path: Path, server: ImapServer) -> Iterator[Office]:
    yield from offices(tmp_path, PeerBox(server))


def arrive(office: Office) -> None:
    """Let a stranger's mail, a wish, a bounce and another stranger's arrive: UIDs 1 to 4."""
    office.box.put(
        mail(to="papers@example.org", subject="Hello"),
        mail(to=f"leave+{token(LEAVER)}@example.org"),
        dsn("postfix-no-such-user"),
        mail(to="papers@example.org", subject="Hello again"),
    )


ACTED = {LEAVER: "unsubscribed", ADA: "bounced"}


def test_it_serves_as_others_do(office: Office, server: ImapServer) -> None:
    arrive(office)
    assert office.read() == (
        "read 4 mails: 1 unsubscribed, 1 bounce (1 suppressed), 2 not understood"
        " (moved to newsletter-unknown)"
    )
    assert office.suppressed() == ACTED
    assert server.inbox == {}
    assert office.read() == "no new mails"


# One mail costs itself


@pytest.mark.parametrize("fault", ["gone", "nil"])
def test_an_ok_without_the_mail_is_skipped(office: Office, server: ImapServer, fault: str) -> None:
    arrive(office)
    server.faults[1] = fault
    assert office.read() == (
        "read 3 mails: 1 unsubscribed, 1 bounce (1 suppressed), 1 not understood"
        " (moved to newsletter-unknown)"
    )
    assert [*server.inbox] == [1]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["NO", "BAD", "drop", "half", "hang"])
@pytest.mark.parametrize("place", [1, 2, 4])
def test_a_mail_that_is_refused_costs_itself_and_is_named(
    office: Office,
    server: ImapServer,
    caplog: pytest.LogCaptureFixture,
    fault: str,
    place: int,
) -> None:
    arrive(office)
    server.faults[place] = fault
    expected = {key: reason for key, reason in ACTED.items() if (key, place) != (LEAVER, 2)}
    caplog.set_level(logging.WARNING)
    logging.getLogger("newsletter").addHandler(caplog.handler)
    told = office.read()
    logging.getLogger("newsletter").removeHandler(caplog.handler)
    assert told.endswith(f"; 1 could not be read ({place})")
    assert f"mail {place} cannot be read and stays in the inbox" in caplog.text
    assert office.suppressed() == expected
    assert [*server.inbox] == [place]
    # When it can be had, it is.
    server.faults.clear()
    assert office.read().startswith("read 1 mail")
    assert office.suppressed() == ACTED


def test_what_came_before_a_line_was_cut_for_good_is_kept(
    office: Office, server: ImapServer
) -> None:
    arrive(office)
    server.faults |= {4: "drop"}

    class Closing(dict[str, bytes | None]):
        """Nobody is let in a second time."""

        def __contains__(self, name: object) -> bool:
            return name == "SELECT" and sum("SELECT" in each for each in server.heard) > 1

        def __getitem__(self, name: str) -> bytes | None:
            return None

    server.answers = Closing()
    assert office.reading().trouble is not None
    assert office.suppressed() == ACTED


@pytest.mark.slow
def test_many_mails_that_cut_the_line_end_the_reading_and_no_more(
    office: Office, server: ImapServer
) -> None:
    office.box.put(*(mail(to="papers@example.org") for _ in range(30)))
    server.faults |= dict.fromkeys(range(1, 31), "drop")
    with pytest.raises(InboxError, match="lost 11 times") as caught:
        office.read()
    assert caught.value.exit_code == 69


def test_a_mail_that_comes_whole_is_read_by_its_beginning(
    office: Office, server: ImapServer
) -> None:
    office.box.put(mail(to=f"leave+{token()}@example.org", text="long " * 1_000_000))
    server.faults[1] = "whole"
    office.read()
    assert office.suppressed() == {ADA: "unsubscribed"}


@pytest.mark.slow
def test_a_folder_that_mails_cannot_be_moved_to_keeps_no_later_mail_unread(
    office: Office, server: ImapServer
) -> None:
    office.box.put(*(mail(to="papers@example.org") for _ in range(60)))
    office.box.put(mail(to=f"leave+{token()}@example.org"))
    server.answers["UID MOVE"] = b"{tag} NO [OVERQUOTA] full\r\n"
    for _ in range(2):
        trouble = office.reading().trouble
        assert trouble is not None
        assert "OVERQUOTA" in str(trouble)
        assert office.suppressed() == {ADA: "unsubscribed"}


# Names


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("INBOX", "INBOX"),
        ("Q&A", "Q&-A"),
        ("Rückläufer", "R&APw-ckl&AOQ-ufer"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501 5.1.3
        ("📬", "&2D3c7A-"),
        ("a b", "a b"),
    ],
)
def test_folders_are_named_as_people_see_them(server: ImapServer, name: str, wire: str) -> None:
    assert folder_name(name) == wire
    server.folders[wire] = {7: b"Subject: here\r\n\r\n"}
    with PeerBox(server, folder=name).opener(seconds=60) as opened:
        assert opened.keys() == ["7"]


@pytest.mark.parametrize("name", ["rückläufer@example.org", "受信@example.org"])
def test_user_names_of_all_scripts_are_authenticated(server: ImapServer, name: str) -> None:
    server.username, server.password = name, "pässword"
    with PeerBox(server).opener(seconds=60) as opened:
        assert opened.keys() == []


@pytest.mark.parametrize(
    ("username", "password"), [("rückläufer@example.org", PASSWORD), ("bounces", "pässword")]
)
def test_where_only_plain_letters_are_taken_that_is_said(
    server: ImapServer, username: str, password: str
) -> None:
    server.capabilities = "IMAP4rev1 UIDPLUS MOVE"
    server.username, server.password = username, password
    refused = pytest.raises(InboxError, match=r"only plain letters.*inbox\.username")
    with refused as caught, PeerBox(server).opener(seconds=60):
        pass
    assert caught.value.exit_code == 78
    assert password not in str(caught.value)


def test_plain_letters_log_in_without_authenticate(server: ImapServer) -> None:
    server.capabilities = "IMAP4rev1 UIDPLUS MOVE"
    with PeerBox(server).opener(seconds=60) as opened:
        assert opened.keys() == []


def test_who_wants_to_be_told_who_comes_is_told_before_the_folder_is_opened(
    server: ImapServer,
) -> None:
    server.capabilities += " ID"
    server.wants_id = True
    with PeerBox(server).opener(seconds=60) as opened:
        assert opened.keys() == []
    commands = [each.split()[1] for each in server.heard]
    assert commands.index("ID") < commands.index("SELECT")


def test_who_does_not_know_the_word_is_not_told(server: ImapServer) -> None:
    with PeerBox(server).opener(seconds=60):
        pass
    assert not any(each.split()[1] == "ID" for each in server.heard)


def test_a_host_that_cannot_be_one_is_a_mistake(server: ImapServer) -> None:
    for host in ("imap..example.org", f"{'a' * 64}.example.org"):
        with (
            pytest.raises(InboxError, match=r"inbox\.host") as caught,
            imap(host, server.port, username="a", password="b"),
        ):
            pass
        assert caught.value.exit_code == 78


# Whatever it says


def exit_code_of_reading(office: Office) -> int:
    try:
        trouble = office.reading().trouble
    except InboxError as error:
        trouble = error
    return trouble.exit_code if trouble else 0


ODD: list[tuple[str, bytes | None]] = [
    ("CAPABILITY", b"* CAPABILITY \xff\xfe\r\n{tag} OK\r\n"),
    ("CAPABILITY", b"{tag} BAD what\r\n"),
    ("CAPABILITY", None),
    ("AUTHENTICATE", b"{tag} BAD no\r\n"),
    ("SELECT", b"* OK [READ-ONLY] no\r\n{tag} OK [READ-ONLY] done\r\n"),
    ("SELECT", b"{tag} OK\r\n"),
    ("SELECT", b"* \xff EXISTS\r\n{tag} OK\r\n"),
    ("SELECT", b"garbage\r\n"),
    ("SELECT", b"* 9999999999999999999999 EXISTS\r\n{tag} OK\r\n"),
    ("UID FETCH", b"{tag} NO\r\n"),
    ("UID FETCH", b"* 1 FETCH (UID x)\r\n{tag} OK\r\n"),
    ("UID FETCH", b"* 1 FETCH (UID 1 BODY[]<0> {-1}\r\n{tag} OK\r\n"),
    ("UID FETCH", b"x" * (2 << 20)),
    ("UID FETCH", b"\r\n"),
    ("UID FETCH", b"+ go on\r\n{tag} OK\r\n"),
    ("UID FETCH", b"a1 OK not our tag\r\n"),
    ("NAMESPACE", b"* NAMESPACE NIL NIL NIL\r\n{tag} OK\r\n"),
    ("NAMESPACE", b"{tag} BAD\r\n"),
    ("CREATE", b"{tag} BAD\r\n"),
    ("UID MOVE", b"* BYE\r\n"),
    ("UID MOVE", None),
    ("LOGOUT", b"what?\r\n"),
    ("LOGOUT", None),
    # Never done:
    ("UID FETCH", b"* 1 FETCH (UID 1 BODY[]<0> {99999999999}\r\nx\r\n"),
    ("AUTHENTICATE", b""),
    ("AUTHENTICATE", b"* BYE too many\r\n"),
    ("SELECT", b"* OK wait\r\n"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "answer"), ODD)
def test_nothing_a_server_says_does_more_than_keep_the_inbox_unread(
    office: Office, server: ImapServer, command: str, answer: bytes | None
) -> None:
    arrive(office)
    server.answers[command] = answer
    assert exit_code_of_reading(office) in {0, 69, 77, 78}
    server.answers.clear()
    office.read()
    assert office.suppressed() == ACTED
    assert server.inbox == {}


@pytest.mark.parametrize(
    "greeting",
    [
        b"* BYE full\r\n",
        b"220 smtp\r\n",
        b"\xff" * 3_000_000,
        b"* OK not d",
    ],
)
def test_nor_does_its_greeting(server: ImapServer, greeting: bytes) -> None:
    server.greeting = greeting
    with pytest.raises(InboxError) as caught, PeerBox(server).opener(seconds=60):
        pass
    assert caught.value.exit_code == 69


@pytest.mark.slow
def test_an_answer_that_never_ends_ends(office: Office, server: ImapServer) -> None:
    arrive(office)
    long = b"x" * 5000  # so that a hundred megabytes are there soon
    server.answers["UID FETCH"] = b"* 1 FETCH (FLAGS (%s))\r\n" % long
    server.endless.add("UID FETCH")
    with pytest.raises(InboxError) as caught:
        office.read()
    assert caught.value.exit_code == 69


@pytest.mark.parametrize("bad", ["NO", "BAD"])
def test_an_empty_folder_is_asked_for_nothing(office: Office, server: ImapServer, bad: str) -> None:
    server.answers["UID FETCH"] = f"{{tag}} {bad} no mails\r\n".encode()
    assert office.read() == "no new mails"


def test_a_folder_that_is_another_when_the_line_is_back_is_left_alone(
    office: Office, server: ImapServer
) -> None:
    arrive(office)
    server.faults[2] = "drop"
    with office.box.opener(seconds=60) as opened:
        keys = opened.keys()
        server.validity = 2
        assert [each.key for each in opened.read(keys)] == ["1"]
        with pytest.raises(InboxError, match="UIDVALIDITY"):
            opened.read(keys[1:])
