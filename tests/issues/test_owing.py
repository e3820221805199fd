from collections.abc import Sequence
from datetime import date

from msgspec.structs import fields, replace

from newsletter.issues.owing import fingerprint, owed, past_of, readers_after
from newsletter.models import Changes, Frequency, Reader, Subscriber
from newsletter.subscribers.people import People

ADA = Subscriber(email="ada@example.org", keywords=("mri", "pet"))
BOB = Subscriber(email="bob@example.org", frequency="weekly")
EVE = Subscriber(email="eve@example.org", keywords=("mri",), paused=True)
DAILY: tuple[Frequency, ...] = ("daily",)
MONDAY: tuple[Frequency, ...] = ("daily", "weekly")


def plan(
    *subscribers: Subscriber,
    served: tuple[Frequency, ...] = DAILY,
    news_in: dict[str, int] | None = None,
    before: Sequence[Reader] = (),
    per_keyword: bool = False,
) -> list[tuple[str, tuple[str, ...], int]]:
    people = People(subscribers)
    found = owed(
        7,
        people,
        keywords=["mri", "pet", "ct"],
        news_in={"mri": 7} if news_in is None else news_in,
        past=past_of(people, before),
        served=served,
        per_keyword=per_keyword,
    )
    return [(each.recipient, each.keywords, each.after) for each in found]


def reader(subscriber: Subscriber, covered: int | None) -> list[Reader]:
    address, mark = subscriber.email, fingerprint(subscriber)
    return [Reader(address=address, fingerprint=mark, covered=covered)]


def after(
    *subscribers: Subscriber, before: Sequence[Reader] = (), served: tuple[Frequency, ...]
) -> list[Reader]:
    people = People(subscribers)
    return list(readers_after(7, people, past_of(people, before), served=served))


def changes(subscribers: Sequence[Subscriber], before: Sequence[Reader]) -> Changes:
    return past_of(People(subscribers), before).changes


def test_an_issue_is_owed_to_those_whose_keywords_have_news() -> None:
    assert plan(ADA, EVE) == [(ADA.email, ("mri", "pet"), 6)]
    assert plan(ADA, news_in={"ct": 7}) == []


def test_what_is_owed_says_how_it_is_to_be_read() -> None:
    wishes = replace(BOB, abstracts="full")
    people = People([wishes])
    (weekly,) = owed(
        7, people, keywords=["mri"], news_in={"mri": 7}, past=past_of(people, ()), served=MONDAY,
        per_keyword=False,
    )  # fmt: skip
    assert (weekly.frequency, weekly.abstracts) == ("weekly", "full")


def test_all_keywords_are_those_of_the_configuration() -> None:
    assert plan(BOB, served=MONDAY) == [(BOB.email, ("mri", "pet", "ct"), 6)]


def test_weekly_subscribers_get_everything_since_their_last_issue() -> None:
    assert plan(BOB) == []
    before = reader(BOB, 2)
    assert plan(BOB, served=MONDAY, before=before, news_in={"ct": 4}) == [
        (BOB.email, ("mri", "pet", "ct"), 2)
    ]
    assert plan(BOB, served=MONDAY, before=before, news_in={"ct": 2}) == []


def test_per_keyword_mode_owes_one_mail_for_each_keyword_with_news() -> None:
    found = plan(ADA, per_keyword=True, news_in={"mri": 7, "pet": 7})
    assert found == [(ADA.email, ("mri",), 6), (ADA.email, ("pet",), 6)]
    assert plan(ADA, per_keyword=True) == [(ADA.email, ("mri",), 6)]


def test_readers_remember_how_far_each_has_read() -> None:
    def covered(*, served: tuple[Frequency, ...]) -> list[int | None]:
        return [each.covered for each in after(ADA, BOB, EVE, served=served)]

    assert covered(served=DAILY) == [7, 6, None]
    assert covered(served=MONDAY) == [7, 7, None]
    assert covered(served=()) == [6, 6, None]


def test_news_are_needed_from_whoever_is_furthest_behind() -> None:
    people = People([ADA, BOB, EVE])
    assert past_of(people, reader(ADA, 5) + reader(BOB, 2)).behind(7) == 2
    assert past_of(people, reader(EVE, None)).behind(7) == 6


def test_who_changes_from_weekly_to_daily_misses_nothing() -> None:
    (weekly,) = after(BOB, before=reader(BOB, 3), served=DAILY)
    daily = replace(BOB, frequency="daily")
    assert plan(daily, before=[weekly]) == [(BOB.email, ("mri", "pet", "ct"), 3)]


def test_the_list_is_compared_with_what_it_was_person_by_person() -> None:
    before = reader(ADA, 3) + reader(BOB, 3) + reader(EVE, None)
    assert changes([ADA, BOB, EVE], before) == Changes()
    written_anew = replace(ADA, email="Ada@EXAMPLE.org")
    assert changes([written_anew, BOB, EVE], before) == Changes(changed=1)
    cy, dan = (Subscriber(email=f"{name}@example.org") for name in ("cy", "dan"))
    found = changes([replace(ADA, name="Ada"), replace(BOB, frequency="daily"), cy], before)
    assert found == Changes(added=1, removed=1, changed=2)
    assert changes([cy, dan], before) == Changes(added=2, removed=3)
    assert changes([], []) == Changes()


def test_a_fingerprint_is_of_all_that_a_row_says() -> None:
    assert fingerprint(ADA) == fingerprint(replace(ADA))
    other = {
        "email": "ada@example.net", "name": "Ada", "keywords": ("mri",), "frequency": "weekly",
        "paused": True, "paused_until": date(2026, 12, 31), "format": "text", "profile": "own.bib",
        "abstracts": "full", "order": "date",
    }  # fmt: skip
    assert other.keys() == {each.name for each in fields(Subscriber)}
    changed = [replace(ADA, **{name: value}) for name, value in other.items()]
    assert len({fingerprint(each) for each in (ADA, *changed)}) == 1 + len(other)
    assert len(fingerprint(ADA)) == 16


def test_who_is_not_served_keeps_nobody_else_from_being_served() -> None:
    assert plan(EVE, BOB, ADA) == [(ADA.email, ("mri", "pet"), 6)]


def test_a_reader_who_comes_back_from_a_pause_has_had_everything_before() -> None:
    assert plan(ADA, before=reader(ADA, None)) == [(ADA.email, ("mri", "pet"), 6)]


def test_nothing_is_owed_for_a_keyword_that_never_had_news() -> None:
    assert plan(ADA, before=reader(ADA, 0), news_in={}) == []


def test_who_is_kept_off_the_list_is_owed_nothing_and_counts_as_gone() -> None:
    people = People([ADA, BOB])
    without = people.without([people.place_of("Ada@Example.org") or 0])
    past = past_of(without, reader(ADA, 3) + reader(BOB, 4))
    assert past.changes == Changes(removed=1)
    assert [each.address for each in readers_after(7, without, past, served=())] == [BOB.email]
    assert past.behind(7) == 4
    assert past_of(People([ADA]), ()).behind(7) == 6


def test_two_spellings_that_were_remembered_are_one_reader() -> None:
    shouted = Reader(address=ADA.email.upper(), fingerprint=fingerprint(ADA), covered=3)
    assert changes([ADA, BOB], [shouted, *reader(ADA, 3)]) == Changes(added=1)
