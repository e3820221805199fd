import email.policy
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.making.commands import DAY_ONE, DAY_TWO, Command, rewrite
from tests.peers.zotero import Zotero, item, zotero

HEADER = "email,keywords,profile,order\n"
FOLDING = "Knots in protein chains: kinetic traps and the untying of topology in folding."


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zotero]:
    with zotero() as running:
        monkeypatch.setenv("NEWSLETTER_ZOTERO__URL", running.url)
        yield running


def readers(folder: Path, *rows: str) -> None:
    (folder / "subscribers.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
    (folder / "folding.txt").write_text(f"{FOLDING}\n")


def two_days(newsletter: Command, folder: Path) -> None:
    assert newsletter("run", "--now", DAY_ONE).code == 0
    rewrite(folder / "newsletter.toml", "day1.xml", "day2.xml")
    assert newsletter("run", "--now", DAY_TWO).code == 0


def newest_mail(folder: Path, to: str) -> EmailMessage:
    """Return the mail of the second day to somebody."""
    for path in (folder / "outbox" / "new").iterdir():
        mail = message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        if mail["To"] == to and "20 Nov" in mail["Date"]:
            return mail
    raise AssertionError(f"no mail to {to}")


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part
    return " ".join(str(part.get_content()).split())


@pytest.mark.slow
def test_an_edition_begins_with_what_is_closest_and_says_why(
    newsletter: Command, sample: Path
) -> None:
    readers(sample, "ada@example.org,*,folding.txt,", "bo@example.org,*,,")
    two_days(newsletter, sample)
    ada = text_of(newest_mail(sample, "ada@example.org"))
    why = "Close to your “Knots in protein chains: kinetic traps and the…”: folding, protein"
    assert why in ada
    title = "Cold Water, Slow Chains: *Protein Folding* below Zero"
    assert ada.count(title) == 1
    assert ada.index(title) < ada.index(why) < ada.index("graph neural network ·")
    bo = text_of(newest_mail(sample, "bo@example.org"))
    assert "Closest to your work" not in bo
    for word in ("Cold Water", "Bakery", "Origami", "Mycology"):
        assert (word in ada, word in bo) == (True, True)


@pytest.mark.slow
def test_whoever_wants_the_usual_order_keeps_it(newsletter: Command, sample: Path) -> None:
    readers(sample, "ada@example.org,*,folding.txt,date", "bo@example.org,*,,")
    two_days(newsletter, sample)
    ada, bo = (text_of(newest_mail(sample, f"{who}@example.org")) for who in ("ada", "bo"))
    assert ada.replace("ada", "bo").split("Unsubscribe")[0] == bo.split("Unsubscribe")[0]


@pytest.mark.slow
def test_a_newsletter_can_keep_the_usual_order_where_a_reader_does_not_say(
    newsletter: Command, sample: Path
) -> None:
    rewrite(sample / "newsletter.toml", "[newsletter]\n", '[newsletter]\norder = "date"\n')
    readers(sample, "ada@example.org,*,folding.txt,", "bo@example.org,*,folding.txt,relevance")
    two_days(newsletter, sample)
    assert "Closest to" not in text_of(newest_mail(sample, "ada@example.org"))
    assert "Closest to" in text_of(newest_mail(sample, "bo@example.org"))


@pytest.mark.slow
def test_an_unreadable_profile_costs_the_order_and_is_named(
    newsletter: Command, sample: Path
) -> None:
    rows = {
        "ada": "missing.txt",
        "bo": "../folding.txt",
        "cy": "2611.00001;2611.00002",
        "di": "zotero:user/1",
    }
    readers(sample, *(f"{who}@example.org,*,{cell}," for who, cell in rows.items()))
    (sample / "newsletter.toml").write_text(
        (sample / "newsletter.toml").read_text() + '\n[zotero]\nurl = "http://127.0.0.1:9"\n'
    )
    (sample.parent / "folding.txt").write_text(FOLDING)
    ended = newsletter("-v", "run", "--now", DAY_ONE)
    assert ended.code == 0
    for reason in (
        "ada@example.org: profile: there is no file missing.txt",
        "bo@example.org: profile: ../folding.txt leads out of the folder",
        "cy@example.org: profile: arXiv has, or had when it was asked, no paper 2611.00001",
        "di@example.org: profile: zotero:user/1: Zotero cannot be reached",
    ):
        assert reason in ended.err
    assert len(list((sample / "outbox" / "new").iterdir())) == 4


@pytest.mark.slow
def test_own_papers_are_named_and_not_recommended(newsletter: Command, sample: Path) -> None:
    readers(sample, "ada@example.org,protein folding,2611.17803;2611.16412,")
    two_days(newsletter, sample)
    text = text_of(newest_mail(sample, "ada@example.org"))
    own = "Cold Water, Slow Chains: *Protein Folding* below Zero Your paper: it is in your profile"
    assert own in text
    assert "Close to your “Cold Water, Slow Chains" in text


@pytest.mark.slow
def test_the_profile_command_shows_what_was_understood_and_the_order_with_reasons(
    newsletter: Command, sample: Path
) -> None:
    readers(sample, "ada@example.org,*,folding.txt,")
    (sample / "folding.txt").write_text(f"{FOLDING}\n{FOLDING} Again.\n")
    before = newsletter("profile", "ada@example.org")
    assert before.code == 0
    assert "1 paper" in before.out
    assert "near-copies that count once: 1" in before.out
    assert "There is no issue yet" in before.out
    two_days(newsletter, sample)
    ended = newsletter("profile", "ada@example.org")
    lines = ended.out.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("   1. "))
    assert "Cold Water, Slow Chains" in lines[first]
    assert lines[first + 1].startswith("      Close to your “Knots in protein chains")
    assert "Strongest words: " in ended.out
    assert len([line for line in lines if line[:6].strip().rstrip(".").isdigit()]) == 14
    assert newsletter("profile", "ada@example.org").out == ended.out
    # Another language may share a name or a loan word with the papers, and orders by that, or not.
    (sample / "folding.txt").write_text("蛋白质链中的结:折叠动力学陷阱与拓扑解开。\n", "utf-8")
    chinese = newsletter("profile", "ada@example.org")
    assert chinese.code == 0
    assert "has no word in common with these: its order is the usual one." in chinese.out


@pytest.mark.slow
def test_the_profile_command_says_what_cannot_be_read_or_found(
    newsletter: Command, sample: Path
) -> None:
    readers(sample, "ada@example.org,*,nothing.bib,", "bo@example.org,*,,")
    ended = newsletter("profile", "ada@example.org")
    assert (ended.code, "there is no file nothing.bib" in ended.err) == (65, True)
    assert "has no profile" in newsletter("profile", "bo@example.org").out
    assert newsletter("profile", "nobody@example.org").code == 78


@pytest.mark.slow
def test_a_zotero_library_orders_an_edition(
    newsletter: Command, sample: Path, peer: Zotero, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_ZOTERO__42", "P9NiFoyLeZu2bZNvvuQPDWsd")
    peer.keys["P9NiFoyLeZu2bZNvvuQPDWsd"] = {"users/42"}
    peer.libraries["users/42"] = [item(1, title="Knotted chains", abstractNote=FOLDING)]
    readers(sample, "ada@example.org,*,zotero:user/42,")
    two_days(newsletter, sample)
    assert "Close to your “Knotted chains”" in text_of(newest_mail(sample, "ada@example.org"))
    assert len(peer.asked) == 2  # one for each day


def test_the_check_of_the_list_names_profiles_that_cannot_be_read(
    newsletter: Command, sample: Path
) -> None:
    readers(
        sample,
        "ada@example.org,*,folding.txt,",
        "bo@example.org,*,zotero:475425,",
        "cy@example.org,*,gone.ris,sometimes",
        "di@example.org,*,gone.ris,",
    )
    ended = newsletter("subscribers", "check")
    assert ended.code == 65
    assert "bo@example.org: profile: 'zotero:475425' is no Zotero library" in ended.out
    assert "order: 'sometimes' is none of relevance, date" in ended.out
    assert "di@example.org: profile: there is no file gone.ris" in ended.out
    assert "ada@example.org" not in ended.out


def kept(folder: Path) -> list[str]:
    return sorted(each.name.partition("-")[0] for each in (folder / "profiles").glob("*.json"))


@pytest.mark.slow
def test_what_only_looks_keeps_no_copy(newsletter: Command, sample: Path, peer: Zotero) -> None:
    peer.public = {"users/42"}
    peer.libraries["users/42"] = [item(1, title="Knotted chains", abstractNote=FOLDING)]
    readers(sample, "ada@example.org,*,zotero:user/42,", "bo@example.org,*,folding.txt,")
    assert newsletter("run", "--dry-run", "--now", DAY_ONE).code == 0
    assert peer.asked
    assert newsletter("run", "--now", DAY_ONE).code == 0
    there = kept(sample)
    for path in (sample / "profiles").iterdir():
        path.unlink()
    assert newsletter("preview", "--subscriber", "ada@example.org").code == 0
    assert newsletter("profile", "bo@example.org").code == 0
    assert (there, kept(sample)) == (["file", "zotero"], [])


@pytest.mark.slow
def test_whoever_is_forgotten_leaves_no_copy_of_their_papers(
    newsletter: Command, sample: Path, peer: Zotero
) -> None:
    peer.public = {"users/42", "users/43"}
    for number in (42, 43):
        title = f"Knotted chains {number}"
        peer.libraries[f"users/{number}"] = [item(1, title=title, abstractNote=FOLDING)]
    readers(
        sample,
        "ada@example.org,*,zotero:user/42,",
        "bo@example.org,*,zotero:user/43,",
        "cy@example.org,*,Zotero:user/43,",
        "di@example.org,*,folding.txt,",
    )
    assert newsletter("run", "--now", DAY_ONE).code == 0
    assert kept(sample) == ["file", "zotero", "zotero"]
    for who, left in (("ada", 2), ("bo", 2), ("cy", 1), ("di", 0)):
        ended = newsletter("subscribers", "forget", f"{who}@example.org", "--yes")
        assert ended.code == 0
        assert len(kept(sample)) == left, who
        assert ("profiles: what was kept of " in ended.out) == (who != "bo")
    assert (sample / "folding.txt").exists()


@pytest.mark.slow
def test_a_file_that_was_changed_is_read_again(newsletter: Command, sample: Path) -> None:
    readers(sample, "ada@example.org,*,folding.txt,")
    assert newsletter("run", "--now", DAY_ONE).code == 0
    (copy,) = (sample / "profiles").glob("file-*.json")
    first = copy.read_bytes()
    (sample / "folding.txt").write_text("Graphs and their neural networks, in a benchmark.\n")
    rewrite(sample / "newsletter.toml", "day1.xml", "day2.xml")
    assert newsletter("run", "--now", DAY_TWO).code == 0
    assert "Close to your “Graphs and their" in text_of(newest_mail(sample, "ada@example.org"))
    assert copy.read_bytes() != first
    copy.write_bytes(b'{"of": [], "papers": 7}')  # damage says nothing
    assert "1 paper" in newsletter("profile", "ada@example.org").out


@pytest.mark.slow
def test_a_bibliography_without_abstracts_uses_what_the_state_knows(
    newsletter: Command, sample: Path
) -> None:
    readers(sample, "ada@example.org,*,ada.bib,")
    entries = ("2611.17803", "0000.00000")
    (sample / "ada.bib").write_text(
        "".join(f"@article{{a{id_}, title={{Paper {id_}}}, eprint={{{id_}}}}}\n" for id_ in entries)
    )
    two_days(newsletter, sample)
    told = newsletter("profile", "ada@example.org").out
    assert "2 papers of 2 without an abstract: the title serves" in told
    assert "known here with their abstracts: 1 of them" in told
    assert "Cold Water, Slow Chains" in told.split("Strongest words")[0]
    assert kept(sample) == []
