"""Where mails begin and end in an mbox, whatever strangers wrote into it."""

import mailbox
import os
import sys
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import UNAVAILABLE, InboxError
from newsletter.job.daily import EARLY_INBOX_SECONDS
from newsletter.returns import mailboxes
from newsletter.returns.mailboxes import maildir, mbox

ADA = b"From ada Thu Nov 19 10:00:00 2026\nSubject: one\n\nhi\n"
BOB = b"From bob Thu Nov 19 10:00:01 2026\nSubject: two\n\nbye\n"
PIECE = 1 << 16  # what is searched at a time


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mbox") / "inbox"


@pytest.mark.slow
@given(st.lists(st.sampled_from([b"\n", b"\n\n", b"From ", b"\nFrom ", b"From", b"x"])))
def test_mails_begin_and_end_where_the_standard_library_finds_them(
    inbox: Path, pieces: list[bytes]
) -> None:
    inbox.write_bytes(b"".join(pieces))
    box = mailbox.mbox(inbox, create=False)
    expected = [box.get_bytes(number) for number in box.iterkeys()]
    box.close()
    with mbox(inbox) as opened:
        found = [mail.content for mail in opened.read(opened.keys())]
    assert found == list(dict.fromkeys(expected))  # equal mails have one key


@pytest.mark.parametrize("before", range(7))
def test_a_mail_begins_across_the_edge_of_a_piece(inbox: Path, before: int) -> None:
    first = ADA + b"x" * (PIECE - before - len(ADA)) + b"\n\n"
    inbox.write_bytes(first + BOB)
    with mbox(inbox) as opened:
        assert [mail.content for mail in opened.read(opened.keys())] == [
            first.partition(b"\n")[2][:-1],
            BOB.partition(b"\n")[2],
        ]


def test_no_mail_begins_within_a_long_line(inbox: Path) -> None:
    inbox.write_bytes(ADA + b"x" * (PIECE - len(ADA)) + BOB)
    with mbox(inbox) as opened:
        assert len(opened.keys()) == 1


@pytest.mark.parametrize("head", [b"X: " + 9000 * b"x" + b"\n", b"X: " + 8166 * b"x" + b"\n"])
def test_a_mail_is_known_by_its_whole_message_id_however_late_it_comes(
    inbox: Path, head: bytes
) -> None:
    mail = b"From x\n" + head + b"Message-ID: <%s@example.org>\n\nhi\n\n"
    inbox.write_bytes(mail % b"one" + mail % b"two" + mail % b"one")
    with mbox(inbox) as opened:
        assert len(opened.keys()) == 2


def test_what_stands_before_the_first_mail_is_kept(inbox: Path) -> None:
    inbox.write_bytes(b"left by another program\n\n" + ADA + b"\n" + BOB + b"\n")
    with mbox(inbox) as opened:
        opened.move(opened.keys()[:1], "newsletter-done")
    assert inbox.read_bytes() == b"left by another program\n\n" + BOB + b"\n"


def test_mails_past_what_is_read_at_a_time_are_kept_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailboxes, "MOST_MAILS", 2)
    inbox = tmp_path / "inbox"
    mails = [b"From x\nSubject: %d\n\nhi\n\n" % each for each in range(5)]
    inbox.write_bytes(b"".join(mails))
    read = []
    for _ in range(4):
        with mbox(inbox) as opened:
            read.append(len(opened.keys()))
            opened.move(opened.keys(), "newsletter-done")
    assert read == [2, 2, 1, 0]
    assert inbox.read_bytes() == b""
    assert (tmp_path / "newsletter-done").read_bytes() == b"".join(mails)


def test_an_mbox_that_takes_more_than_a_moment_waits_until_the_mails_have_left(
    tmp_path: Path,
) -> None:
    inbox = tmp_path / "inbox"
    inbox.write_bytes(ADA)
    with inbox.open("ab") as file:
        file.truncate(200_000_000)  # of which the disk holds the first
    with (
        pytest.raises(InboxError, match="200 MB are more than can be looked through in 5 s") as e,
        mbox(inbox, seconds=EARLY_INBOX_SECONDS),
    ):
        pass
    assert e.value.exit_code == UNAVAILABLE


class Told(Event):
    """Told to stop at the third look."""

    looks = 0

    def is_set(self) -> bool:
        self.looks += 1
        return self.looks >= 3


@pytest.mark.parametrize("kind", ["one long mail", "many mails", "maildir"])
def test_who_is_told_to_stop_looks_no_further_into_an_inbox(tmp_path: Path, kind: str) -> None:
    inbox, stop = tmp_path / "inbox", Told()
    if kind == "maildir":
        for part in ("cur", "new"):
            (inbox / part).mkdir(parents=True)
        for each in range(9):
            (inbox / "new" / f"{each}.mail").touch()
    elif kind == "many mails":
        inbox.write_bytes(ADA + b"\n" + BOB + b"\n" + ADA)
    else:
        inbox.write_bytes(ADA + b"x" * (9 * PIECE))
    left = sorted((each, each.stat().st_size) for each in tmp_path.rglob("*"))
    opener = maildir if kind == "maildir" else mbox
    with opener(inbox, stop=stop) as opened, pytest.raises(InboxError, match="told to stop") as e:
        opened.keys()
    assert e.value.exit_code == UNAVAILABLE
    assert stop.looks == 3
    assert sorted((each, each.stat().st_size) for each in tmp_path.rglob("*")) == left


def test_a_folder_that_another_program_holds_is_not_waited_for(tmp_path: Path) -> None:
    inbox, done = tmp_path / "inbox", tmp_path / "newsletter-done"
    inbox.write_bytes(ADA + b"\n")
    holding = (
        "import fcntl, sys; file = open(sys.argv[1], 'ab'); fcntl.lockf(file, fcntl.LOCK_EX);"
        " print('held', flush=True); sys.stdin.read()"
    )
    with Popen([sys.executable, "-c", holding, done], stdin=PIPE, stdout=PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with mbox(inbox) as opened, pytest.raises(InboxError, match="another program holds it"):
            opened.move(opened.keys(), "newsletter-done")
        holder.communicate()
    assert inbox.read_bytes() == ADA + b"\n"
    assert done.read_bytes() == b""
    with mbox(inbox) as opened:
        opened.move(opened.keys(), "newsletter-done")
    assert done.read_bytes() == ADA + b"\n"


def test_a_pipe_in_place_of_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_bytes(ADA + b"\n")
    os.mkfifo(tmp_path / "newsletter-done")
    with mbox(tmp_path / "inbox") as opened, pytest.raises(InboxError):
        opened.move(opened.keys(), "newsletter-done")


def test_mails_that_are_moved_are_their_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_bytes(ADA + b"\n")
    before = os.umask(0)
    try:
        with mbox(tmp_path / "inbox") as opened:
            opened.move(opened.keys(), "newsletter-done")
    finally:
        os.umask(before)
    assert (tmp_path / "newsletter-done").stat().st_mode & 0o777 == 0o600
