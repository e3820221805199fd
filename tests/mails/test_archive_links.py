"""Where an archive is served, a mail says where its issue stands: in headers, foot and rest."""

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from msgspec.structs import replace

from newsletter.mails.message import Composer
from newsletter.mails.render import Renderer
from newsletter.models import Delivery, Edition
from tests.making.editions import MASTHEAD, TOKEN
from tests.making.papers import NOW
from tests.making.samples import kind

ARCHIVE = "https://papers.example.org/archive"


def mail(edition: Edition, *, archive_url: str) -> EmailMessage:
    masthead = replace(MASTHEAD, archive_url=archive_url)
    composer = Composer(masthead, now=NOW, token=lambda _address: TOKEN, per_keyword=False)
    delivery = Delivery(
        id=1,
        issue=edition.issue,
        after=edition.issue - 1,
        recipient="ada@example.net",
        keywords=tuple(each.keyword.name for each in edition.digests),
        format="html",
    )
    rendered = Renderer(masthead, templates=None).render(edition)
    content = b"".join(composer.outgoing(delivery, rendered).message)
    return message_from_bytes(content, policy=policy.default)


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


@pytest.mark.slow
def test_headers_and_foot_lead_to_the_issue() -> None:
    found = mail(kind("combined").edition, archive_url=ARCHIVE)
    page = f"{ARCHIVE}/issues/12.html"
    assert found["Archived-At"] == f"<{page}>"  # RFC 5064
    assert found["List-Archive"] == f"<{ARCHIVE}/>"  # RFC 2369
    assert f'href="{page}"' in part(found, "html")
    assert f'View in a browser: <a class="u" href="{page}"' in part(found, "html")
    assert page in part(found, "plain")


@pytest.mark.slow
def test_what_there_was_no_room_for_is_a_click_away() -> None:
    found = part(mail(kind("five-hundred-papers").edition, archive_url=ARCHIVE), "html")
    assert f'href="{ARCHIVE}/issues/12.html"' in found.partition("more. The plain")[2]


@pytest.mark.slow
def test_a_week_leads_to_each_of_its_issues() -> None:
    edition = replace(kind("five-hundred-papers").edition, issues=(10, 11, 12))
    found = mail(edition, archive_url=ARCHIVE)
    for after in ("more. The plain", "View in a browser"):
        said = part(found, "html").partition(after)[2].partition("</p>")[0]
        for number in edition.issues:
            assert f'href="{ARCHIVE}/issues/{number}.html"' in said
    assert f"Issue 11: {ARCHIVE}/issues/11.html" in part(found, "plain")


def test_a_long_pause_leads_to_all_issues() -> None:
    edition = replace(kind("combined").edition, issues=tuple(range(1, 13)))
    found = part(mail(edition, archive_url=ARCHIVE), "html")
    assert f'href="{ARCHIVE}/"' in found
    assert "/issues/" not in found


def test_without_an_archive_nothing_is_said_of_one() -> None:
    found = mail(kind("combined").edition, archive_url="")
    assert found["Archived-At"] is None
    assert found["List-Archive"] is None
    assert "in a browser" not in part(found, "html")
