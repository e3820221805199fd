from random import Random

import pytest

from newsletter.issues.bulk import Bulk, is_installed
from newsletter.issues.ranking import Ranking, terms_of
from newsletter.keywords.terms import Commonness, usual
from newsletter.models import OwnPaper, Profile
from tests.making.shared_data import june_papers

pytestmark = [
    pytest.mark.skipif(not is_installed(), reason="numpy and scipy are not installed"),
    pytest.mark.slow,
]


def test_many_readers_at_once_get_the_order_that_each_gets_alone() -> None:
    seen = june_papers()[:600]
    ranking = Ranking(seen[500:], Commonness.among(map(terms_of, seen)), seen[100:])
    chance = Random(5)
    profiles = [
        Profile(
            papers=tuple(
                OwnPaper(
                    name=each.title,
                    terms=terms_of(each),
                    id=each.id,
                    categories=each.categories if number % 2 else (),
                )
                for each in chance.sample(seen, 1 + number % 12)
            )
        )
        for number in range(60)
    ]
    strange = Profile(papers=(OwnPaper(name="Strange", terms={"xyzzy": 1}),))
    found = list(Bulk(ranking).places([*profiles, strange]))
    for profile, places in zip(profiles, found, strict=False):
        assert ranking.order(profile, places=places) == ranking.order(profile)
    assert not found[-1].related


def test_words_that_the_counted_papers_do_not_have_are_ranked_by_too() -> None:
    seen = june_papers()[:20]
    ranking = Ranking(seen, usual(), seen)
    profile = Profile(papers=(OwnPaper(name="x", terms=terms_of(seen[3]) | {"xyzzy": 1}),))
    [places] = Bulk(ranking).places([profile])
    assert ranking.order(profile, places=places) == ranking.order(profile)


def test_nobody_is_an_empty_list() -> None:
    seen = june_papers()[:10]
    assert list(Bulk(Ranking(seen, Commonness.among(map(terms_of, seen)), seen)).places([])) == []
