"""Everybody on the list, in little room."""

from datetime import date

import pytest
from msgspec.structs import replace

from newsletter.models import Subscriber
from newsletter.subscribers import people
from newsletter.subscribers.people import People

ADA = Subscriber(
    email="Ada@example.org", name="Ada", keywords=("mri",), frequency="weekly", paused=True,
    paused_until=date(2026, 12, 31), format="text", profile="ada.bib", abstracts="full",
    order="date",
)  # fmt: skip
BOB = Subscriber(email="bob@example.org")
CY = Subscriber(email="cy@xn--bcher-kva.example", profile="2401.00001")


def test_what_is_taken_in_comes_out_as_it_was_and_in_order() -> None:
    found = People([CY, ADA, BOB])
    assert list(found) == [CY, ADA, BOB]
    assert list(found.items()) == [(0, CY), (1, ADA), (2, BOB)]
    assert list(found.emails()) == [(0, CY.email), (1, ADA.email), (2, BOB.email)]
    assert list(found.with_profiles()) == [CY, ADA]
    assert found == People([CY, ADA, BOB])
    assert found != People([CY, BOB, ADA])


@pytest.mark.parametrize("spelling", ["Ada@example.org", "ada@EXAMPLE.org", " ada@example.org"])
def test_an_address_is_found_however_it_is_spelled(spelling: str) -> None:
    found = People([BOB, ADA])
    assert found.place_of(spelling) == 1
    assert found.take_in(replace(BOB, email=spelling)) == 1
    assert found[1] == ADA
    assert len(found) == 2


def test_a_second_row_may_change_what_somebody_chose() -> None:
    found = People([ADA, BOB])
    found.change_choices(0, replace(ADA, keywords=None, paused=False))
    assert list(found) == [replace(ADA, keywords=None, paused=False), BOB]


def test_who_is_left_out_is_not_there_and_the_others_keep_their_places() -> None:
    every = People([ADA, BOB, CY])
    fewer = every.without([1]).without([0])
    assert list(fewer) == list(fewer.with_profiles()) == [CY]
    assert (len(fewer), fewer.places, fewer.place_of(BOB.email), fewer.place_of(CY.email)) == (
        1, 3, None, 2,
    )  # fmt: skip
    assert len(every) == 3
    assert not every.without(range(3))


def test_choices_that_nobody_shares_take_no_room_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_SHARED", 2)
    each = [replace(BOB, email=f"r{n}@example.org", keywords=(f"k{n}",)) for n in range(7)]
    assert list(People(each)) == each
