"""Leaving by one click, as mail programs and scanners do it."""

import resource
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import sleep

import pytest
from msgspec.structs import replace

from newsletter.subscribers.tokens import Tokens
from newsletter.web.door import Leavers
from tests.making.doors import House, calls_of, house
from tests.peers.ports import free_port

CLICK = {"List-Unsubscribe": "One-Click"}
FORGED = "a" * 40


@pytest.fixture
def at(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_one_click_suppresses_the_owner_of_the_token(at: House, kind: str) -> None:
    path = f"/unsubscribe/{at.token('ada@example.org')}"
    answer = at.browser.post(path, data=CLICK, content_type=kind)
    assert answer.status_code == 200
    assert "ada@example.org,unsubscribed,2026-11-20T10:00:00Z" in at.suppressions()
    assert "bob@" not in at.suppressions()
    assert not answer.headers.getlist("Set-Cookie")


def test_clicking_again_changes_nothing(at: House) -> None:
    path = f"/unsubscribe/{at.token('ada@example.org')}"
    first = at.browser.post(path, data=CLICK)
    before = at.suppressions()
    assert at.browser.post(path.upper().replace("/UNSUBSCRIBE", "/unsubscribe"), data=CLICK).data
    assert at.suppressions() == before
    assert at.browser.post(path, data=CLICK).data == first.data


def test_known_unknown_and_forged_tokens_get_the_same_answers(at: House) -> None:
    tokens = [at.token("ada@example.org"), at.token("nobody@example.org"), FORGED, "x", "a" * 4000]
    assert len({at.browser.get(f"/unsubscribe/{each}").data for each in tokens}) == 1
    assert len({at.browser.post(f"/unsubscribe/{each}", data=CLICK).data for each in tokens}) == 1
    assert at.suppressions().count("\n") == 2  # the header, and Ada


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_scanners_change_nothing(at: House, method: str) -> None:
    path = f"/unsubscribe/{at.token('ada@example.org')}"
    for _ in range(2):
        at.browser.open(path, method=method)
    at.browser.post(path, data={"something": "else"})
    assert at.suppressions() == ""


def test_the_page_has_a_button_that_does_what_one_click_does(at: House) -> None:
    page = at.browser.get(f"/unsubscribe/{at.token('ada@example.org')}").text
    assert '<form method="post">' in page
    assert 'name="List-Unsubscribe" value="One-Click"' in page


def test_the_token_of_another_newsletter_is_nobodys(at: House) -> None:
    keys = at.folder.joinpath("tokens.key").read_text().split()
    other = Tokens([key.encode() for key in keys], "other").token("ada@example.org")
    assert at.browser.post(f"/unsubscribe/{other}", data=CLICK).status_code == 200
    assert at.suppressions() == ""


def test_the_tokens_of_an_older_key_are_still_good(at: House, tmp_path: Path) -> None:
    token = at.token("ada@example.org")
    key = tmp_path / "tokens.key"
    key.write_text("a-new-key-of-some-length\n" + key.read_text())
    with house(tmp_path) as again:
        again.browser.post(f"/unsubscribe/{token}", data=CLICK)
        assert "ada@example.org,unsubscribed" in again.suppressions()


def test_who_joins_while_the_door_is_open_can_leave_at_once(at: House) -> None:
    at.browser.post(f"/unsubscribe/{at.token('ada@example.org')}", data=CLICK)
    with (at.folder / "subscribers.csv").open("a") as file:
        file.write("gil@example.org,,*,daily,active,html\n")
    at.browser.post(f"/unsubscribe/{at.token('gil@example.org')}", data=CLICK)
    assert "gil@example.org,unsubscribed" in at.suppressions()


def test_a_list_that_cannot_be_read_shows_try_later(at: House) -> None:
    (at.folder / "subscribers.csv").write_bytes(b"\xff\xfe\x00")
    answer = at.browser.post(f"/unsubscribe/{at.token('gil@example.org')}", data=CLICK)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "try again later" in answer.text


def of_no_encoding(at: House) -> Iterator[None]:
    path = at.folder / "suppressions.csv"
    path.write_bytes(b"\xff\xfe\x00")
    yield
    path.unlink()


def a_folder_in_its_place(at: House) -> Iterator[None]:
    (at.folder / "suppressions.csv").mkdir()
    yield
    (at.folder / "suppressions.csv").rmdir()


def a_full_disk(at: House) -> Iterator[None]:
    """No file grows beyond the size of this one, and ten bytes of the line."""
    path = at.folder / "suppressions.csv"
    path.write_text(f"# {'long' * 500_000}\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def a_lost_server(at: House) -> Iterator[None]:
    config = at.door.config
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    at.door.config = replace(config, state=replace(config.state, url=url))
    yield
    at.door.config = config


def a_list_not_there_yet(at: House) -> Iterator[None]:
    """Somebody replaces the list, and the door looks at it anew for a token it does not know."""
    before = at.list_text()
    (at.folder / "subscribers.csv").write_bytes(b"\xff\xfe\x00")
    yield
    (at.folder / "subscribers.csv").write_text(f"{before}gil@example.org\n")


@pytest.mark.parametrize(
    ("who", "broken"),
    [
        ("ada@example.org", of_no_encoding),
        ("ada@example.org", a_folder_in_its_place),
        ("ada@example.org", a_full_disk),
        ("ada@example.org", a_lost_server),
        ("gil@example.org", a_list_not_there_yet),
    ],
)
def test_what_is_not_written_down_is_not_said_to_be_done(
    at: House, who: str, broken: Callable[[House], Iterator[None]]
) -> None:
    path = f"/unsubscribe/{at.token(who)}"
    at.door.get_ready()
    with contextmanager(broken)(at):
        at.browser.get("/")
        before = [file.stat().st_size for file in at.folder.glob("suppressions.csv")]
        answers = [at.browser.post(path, data=CLICK) for _ in range(2)]
        assert [each.status_code for each in answers] == [503, 503]
        assert all("try again later" in each.text for each in answers)
        assert [file.stat().st_size for file in at.folder.glob("suppressions.csv")] == before
    assert at.browser.post(path, data=CLICK).status_code == 200
    assert f"\n{who},unsubscribed," in at.suppressions()


def test_who_comes_while_others_are_written_down_goes_with_the_next() -> None:
    written: list[list[str]] = []
    begun, going = Event(), Event()

    def write(addresses: Sequence[str]) -> None:
        begun.set()
        going.wait(200)
        if "e" in addresses:
            raise OSError("the disk is full")
        written.append(sorted(addresses))

    leavers = Leavers(write)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(leavers.add, "a")
        begun.wait(200)
        others = [pool.submit(leavers.add, each) for each in "bcd"]
        while len(leavers.waiting) < len(others):
            sleep(0.01)
        assert not any(each.done() for each in [first, *others])
        going.set()
        wait([first, *others], timeout=200)
    assert written == [["a"], ["b", "c", "d"]]
    with pytest.raises(OSError, match="full"):
        leavers.add("e")
    leavers.add("f")
    assert written[2:] == [["f"]]


def test_a_page_costs_the_same_whoever_the_token_names(at: House) -> None:
    """Nobody can make a token for an address; one that was found tells nothing by its time."""
    known = [at.token(each) for each in ("ada@example.org", "nobody@example.org")]
    assert len({calls_of(at.browser, f"/unsubscribe/{each}") for each in [*known, FORGED]}) == 1
