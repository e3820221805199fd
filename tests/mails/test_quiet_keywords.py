"""Who reads everything gets no list of ten thousand keywords that had nothing."""

from datetime import timedelta

import pytest

from newsletter.issues.issue import compile_issue
from newsletter.mails.render import Renderer
from newsletter.models import Announcement, Edition, Keyword, News
from tests.making.editions import MASTHEAD
from tests.making.papers import NOW, paper


@pytest.mark.slow
def test_of_ten_thousand_keywords_that_had_nothing_a_few_are_named_and_the_rest_counted() -> None:
    announced = (Announcement(paper=paper()),)
    news = [
        News(
            keyword=Keyword(name=f"keyword number {number}"),
            source="arXiv",
            outcome="none" if number else "new",
            announcements=() if number else announced,
            listed=0 if number else 1,
            since=NOW - timedelta(days=1),
        )
        for number in range(10_000)
    ]
    edition = Edition(
        issue=1,
        date=NOW.date(),
        digests=compile_issue(1, NOW.date(), news).digests,
        shown_in={paper().id: "keyword number 0"},
    )
    mail = Renderer(MASTHEAD, templates=None).render(edition)
    html, text = ("".join(map(str, form)) for form in (mail.html, mail.text))
    assert max(len(html.encode()), len(text.encode())) < 90_000
    words = " ".join(text.split())
    assert "Nothing new for keyword number 1, keyword number 2," in words
    assert "and 9989 more." in words
