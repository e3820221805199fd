"""What SpamAssassin's own rules, without the network, say of every kind of mail."""

import mailbox
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.making.samples import KINDS, kinds

HIGHEST = 0.5  # 5.0 is spam

# What the rules say of any mail like ours: it has HTML, is a mailing list's, and no server has
# taken it yet.
UNAVOIDABLE = {"HTML_MESSAGE", "MAILING_LIST_MULTI", "NO_RECEIVED", "NO_RELAYS"}

# Of five hundred papers the text has all, and the HTML three hundred and a count.
UNLIKE = {"five-hundred-papers": {"MPART_ALT_DIFF_COUNT"}}
HIGHEST_UNLIKE = 2.0

# Nothing from a state file, and no question to anybody.
PREFERENCES = (
    "use_bayes 0\nskip_rbl_checks 1\ndns_available no\nadd_header all Status _SCORE_ _TESTS_\n"
)

pytestmark = [pytest.mark.slow, pytest.mark.spamassassin]


def test_every_kind_of_mail_is_far_from_being_spam_and_no_rule_is_named_that_we_could_avoid(
    tmp_path: Path,
) -> None:
    verdicts = judged(tmp_path)
    assert verdicts.keys() == set(KINDS)
    wrong = {
        kind: (score, rules)
        for kind, (score, rules) in verdicts.items()
        if score > (HIGHEST_UNLIKE if kind in UNLIKE else HIGHEST)
        or not rules <= UNAVOIDABLE | UNLIKE.get(kind, set())
    }
    assert wrong == {}


def judged(folder: Path) -> dict[str, tuple[float, set[str]]]:
    """Return the score of each kind of mail and the names of the rules that made it."""
    (folder / "preferences").write_text(PREFERENCES)
    box = mailbox.mbox(folder / "mails")
    for name, kind in kinds().items():
        # SpamAssassin gives them back in an order of its own.
        box.add((f"X-Kind: {name}\r\n".encode() + kind.message()).replace(b"\r\n", b"\n"))
    box.close()
    done = subprocess.run(
        ["spamassassin", "--local", "--mbox", "--prefspath", "preferences", "mails"],
        cwd=folder,
        env=os.environ | {"HOME": str(folder)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=1000,
    )
    (folder / "judged").write_bytes(done.stdout)
    return dict(_verdicts(folder / "judged"))


def _verdicts(path: Path) -> Iterator[tuple[str, tuple[float, set[str]]]]:
    box = mailbox.mbox(path)
    for mail in box:
        status = re.fullmatch(r"\s*(-?[\d.]+)\s+(\S.*)", str(mail["X-Spam-Status"]), re.DOTALL)
        assert status, mail["X-Spam-Status"]
        yield mail["X-Kind"], (float(status[1]), set(re.findall(r"\w+", status[2])))
    box.close()
