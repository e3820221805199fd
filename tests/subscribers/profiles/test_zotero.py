import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from newsletter.errors import ProfileError
from newsletter.exchange import Session
from newsletter.subscribers.profiles import zotero as client
from newsletter.subscribers.profiles.kept import Copies
from newsletter.subscribers.profiles.own import Library
from tests.peers.zotero import Zotero, item, zotero

NOW = datetime(2026, 11, 19, 10, tzinfo=UTC)
ADA = Library("user", "475425")


@dataclass
class Desk:
    """The replica, and the client of each day beside the copies of the days before."""

    peer: Zotero
    folder: Path
    keys: dict[str, str] = field(default_factory=lambda: {"475425": "P9NiFoyLeZu2bZNvvuQPDWsd"})
    slept: list[float] = field(default_factory=list)

    def asking(self, *, days: int = 0, session: requests.Session) -> client.Zotero:
        return client.Zotero(
            session=session,
            url=self.peer.url,
            keys=self.keys,
            copies=Copies(self.folder),
            paper_id=lambda arxiv_id: f"arxiv:{arxiv_id}",
            now=NOW + timedelta(days=days),
            sleep=self.slept.append,
        )

    def read(self, library: Library = ADA, *, days: int = 0) -> client.Held:
        with Session() as session:
            return self.asking(days=days, session=session).library(library)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with zotero() as peer:
        peer.libraries["users/475425"] = [item(1), item(2)]
        peer.keys["P9NiFoyLeZu2bZNvvuQPDWsd"] = {"users/475425"}
        yield Desk(peer, tmp_path / "profiles")


def test_a_library_is_read_the_newest_first_without_its_notes_and_attachments(desk: Desk) -> None:
    desk.peer.libraries["users/475425"] += [
        item(3, extra="arXiv: 2401.01234v2 [cs.LG]"),
        item(4, itemType="attachment"),
        item(5, itemType="note", title=""),
    ]
    found = desk.read()
    assert [each.name for each in found.papers] == [
        f"Widgets of kind{number} considered" for number in (3, 2, 1)
    ]
    assert [each.id for each in found.papers] == ["arxiv:2401.01234", "", ""]
    assert found.papers[0].terms["widget3"] == 1
    assert found.notes == ()


def test_a_collection_and_a_group_have_addresses_of_their_own(desk: Desk) -> None:
    desk.peer.libraries["groups/7/collections/ABCD2345"] = [item(9)]
    desk.peer.public.add("groups/7")
    found = desk.read(Library("group", "7", "ABCD2345"))
    assert [each.name for each in found.papers] == ["Widgets of kind9 considered"]


@pytest.mark.slow
def test_5000_items_take_at_most_52_requests_and_one_where_nothing_has_changed(desk: Desk) -> None:
    desk.peer.libraries["users/475425"] = [item(number) for number in range(5000)]
    found = desk.read()
    assert len(desk.peer.asked) <= 52
    assert len(found.papers) == 2000
    assert found.papers[0].name == "Widgets of kind4999 considered"
    assert found.notes == ("a library of 5,000 items: the newest 2,000 count",)
    desk.peer.asked.clear()
    assert desk.read(days=1).papers == found.papers
    assert len(desk.peer.asked) == 1


@pytest.mark.slow
def test_100000_items_take_no_more(desk: Desk) -> None:
    desk.peer.libraries["users/475425"] = [item(number) for number in range(100_000)]
    assert "the newest 2,000 count" in desk.read().notes[0]
    assert len(desk.peer.asked) == 20


def test_a_library_is_asked_for_once_a_day(desk: Desk) -> None:
    first = desk.read()
    desk.peer.libraries["users/475425"].append(item(3))
    desk.peer.version += 1
    assert desk.read() == first
    assert len(desk.peer.asked) == 1
    assert len(desk.read(days=1).papers) == 3


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"475425": "wrong-key-of-ada"}, "the key zotero__475425 does not open it"),
        ({"ours": "wrong-key-of-ada"}, "the key zotero__ours does not open it"),
        ({}, "it is not public, and there is no secret zotero__NAME with a key for it"),
    ],
)
def test_a_wrong_key_is_named_and_not_shown(desk: Desk, keys: dict[str, str], reason: str) -> None:
    desk.keys = keys
    with pytest.raises(ProfileError, match=reason) as error:
        desk.read()
    assert "wrong" not in str(error.value)


def test_a_key_of_any_name_opens_a_library_that_has_none_of_its_own(desk: Desk) -> None:
    desk.keys = {"a_group": "another", "everybody": desk.keys["475425"]}
    assert len(desk.read().papers) == 2


def test_a_library_that_does_not_exist_is_said_so(desk: Desk) -> None:
    desk.peer.keys[desk.keys["475425"]].add("users/475425")
    with pytest.raises(ProfileError, match="no such library or collection"):
        desk.read(Library("user", "475425", "ZZZZZZZZ"))


def test_zotero_is_left_alone_as_long_as_it_asks(desk: Desk) -> None:
    desk.peer.libraries["users/475425"] = [item(number) for number in range(250)]
    desk.peer.back_off = 3
    desk.read()
    assert desk.slept == [3, 3]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_zotero_is_asked_again_when_it_says(desk: Desk, status: int) -> None:
    desk.peer.instead = [(status, {"Retry-After": "5"})]
    assert len(desk.read().papers) == 2
    assert desk.slept == [5]


def test_a_wait_that_no_digest_can_afford_is_not_made(desk: Desk) -> None:
    desk.peer.instead = [(503, {"Retry-After": "3600"})]
    with pytest.raises(ProfileError, match="left alone for 3600 s, and there is no copy yet"):
        desk.read()
    assert desk.slept == []


@pytest.mark.parametrize(
    "bad_day",
    [
        [(500, {})] * 3,
        [(503, {"Retry-After": "3600"})],
        [(200, {"Total-Results": "2"})],  # no JSON
        [(302, {"Location": "https://example.org"})],
    ],
)
def test_where_zotero_is_down_the_copy_serves(
    desk: Desk, bad_day: list[tuple[int, dict[str, str]]]
) -> None:
    before = desk.read()
    desk.peer.instead = list(bad_day)
    assert desk.read(days=1) == before


def test_a_zotero_that_cannot_be_reached_is_not_asked_for_the_next_library(
    desk: Desk, tmp_path: Path
) -> None:
    desk.peer.port = 9  # discard; nobody listens
    with Session() as session:
        asking = desk.asking(session=session)
        for number in ("475425", "475426"):
            with pytest.raises(ProfileError, match="cannot be reached"):
                asking.library(Library("user", number))
    assert asking.requests == 1


def test_the_copy_has_words_and_counts_alone_and_is_its_owners(desk: Desk) -> None:
    desk.read()
    path = Copies(desk.folder).of_library(ADA)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "in depth" not in path.read_text()
    assert desk.keys["475425"] not in path.read_text()


def test_a_damaged_copy_is_none(desk: Desk) -> None:
    desk.read()
    path = Copies(desk.folder).of_library(ADA)
    for content in ("", "{", json.dumps({"version": 1}), "[]"):
        path.write_text(content)
        assert len(desk.read().papers) == 2
