"""The duties of a message, checked on its bytes: RFC 5322, 2045, 2047, 2369, 2919, 3834, 8058."""

import random
import re
import smtplib
from binascii import a2b_qp
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from html import escape, unescape
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from newsletter.addresses import address
from newsletter.mails.message import Composer
from newsletter.mails.pieces import UNSUBSCRIBE
from newsletter.mails.printing import LIMIT
from newsletter.mails.ready.quoted import quoted, quoted_at_once
from newsletter.mails.render import Renderer, filled
from newsletter.models import Delivery, Masthead, Outgoing, Rendered
from newsletter.prose import plain
from newsletter.subscribers.joining import KEEP
from tests.making.editions import (
    HOSTILE,
    MASTHEAD,
    TOKEN,
    delivery,
    edition,
    hostile,
    many,
    news,
    rich,
)
from tests.making.papers import NOW, paper
from tests.peers.ports import free_port

LINK = f"https://papers.example.org/unsubscribe/{TOKEN}"
PREFERENCES_LINK = f"https://papers.example.org/preferences/{TOKEN}"
WITHOUT_WEB = replace(MASTHEAD, base_url="")
ONCE = (
    "Date",
    "From",
    "To",
    "Subject",
    "Message-ID",
    "MIME-Version",
    "List-Id",
    "List-Unsubscribe",
    "Content-Type",
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd")


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(MASTHEAD, templates=None)


@pytest.fixture(scope="module")
def mails(renderer: Renderer) -> dict[str, bytes]:
    """Return one of every kind of mail that we send."""
    plain, keyword = delivery(format="text"), delivery(keywords=("Schrödinger's graphs",))
    strange = replace(MASTHEAD, sender='"Tägliche Ärgernisse, jeden Tag" <papers@example.org>')
    editions = {"rich": rich(), "hostile": hostile(), "empty": edition()}
    editions["500 papers"] = edition(news("graph", many(500)))
    without_web = Renderer(WITHOUT_WEB, templates=None).render(rich())
    rendered = {name: renderer.render(each) for name, each in editions.items()}
    return {
        **{name: composed(delivery(), each) for name, each in rendered.items()},
        "text": composed(plain, rendered["hostile"]),
        "per keyword": composed(keyword, rendered["rich"], per_keyword=True),
        "without web": composed(delivery(), without_web, WITHOUT_WEB),
        "strange sender": composed(delivery(), rendered["rich"], strange),
        **{
            f"subject {place}": composed(delivery(), _titled(title))
            for place, title in enumerate(HOSTILE)
            if title
        },
    }


def _titled(title: str) -> Rendered:
    shown = edition(news("graph", [paper(title=title)]))
    return Renderer(replace(MASTHEAD, title=title), templates=None).render(shown)


def outgoing(
    due: Delivery, rendered: Rendered, masthead: Masthead = MASTHEAD, *, per_keyword: bool = False
) -> Outgoing:
    composer = Composer(masthead, now=NOW, token=lambda _: TOKEN, per_keyword=per_keyword)
    return composer.outgoing(due, rendered)


def composed(
    due: Delivery, rendered: Rendered, masthead: Masthead = MASTHEAD, *, per_keyword: bool = False
) -> bytes:
    return b"".join(outgoing(due, rendered, masthead, per_keyword=per_keyword).message)


def parsed(mail: bytes) -> EmailMessage:
    return message_from_bytes(mail, policy=policy.strict)


def header(mail: bytes) -> dict[str, list[str]]:
    """Return the raw values of each header field, unfolded."""
    fields: dict[str, list[str]] = {}
    head = re.sub(r"\r\n[ \t]", " ", mail.split(b"\r\n\r\n", 1)[0].decode())
    for line in head.split("\r\n"):
        name, _, value = line.partition(": ")
        fields.setdefault(name, []).append(value)
    return fields


@pytest.mark.slow
def test_every_header_occurs_once(mails: dict[str, bytes]) -> None:
    for name, mail in mails.items():
        fields = header(mail)
        assert dict.fromkeys(ONCE, 1) == {each: len(fields[each]) for each in ONCE}, name
        assert all(len(values) == 1 for values in fields.values()), name


@pytest.mark.slow
def test_hostile_text_changes_no_header(mails: dict[str, bytes]) -> None:
    names = [set(header(mail)) for name, mail in mails.items() if name.startswith("subject")]
    assert all(each == set(header(mails["rich"])) for each in names)


def test_the_date_is_the_time_of_the_run_with_a_numeric_zone() -> None:
    summer = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    composer = Composer(MASTHEAD, now=summer, token=lambda _: TOKEN)
    mail = b"".join(
        composer.outgoing(
            delivery(), Rendered(date=NOW.date(), subject="x", html=(), text=())
        ).message
    )
    assert header(mail)["Date"] == ["Wed, 01 Jul 2026 10:00:00 +0000"]
    assert parsedate_to_datetime(header(mail)["Date"][0]) == summer


def test_the_message_id_belongs_to_the_senders_domain(mails: dict[str, bytes]) -> None:
    for mail in mails.values():
        assert re.fullmatch(r"<[a-z0-9.-]+@example\.org>", header(mail)["Message-ID"][0])


def test_a_message_has_the_same_id_whenever_it_goes_and_no_other_has() -> None:
    rendered = Rendered(date=NOW.date(), subject="x", html=("a\n",), text=("a\n",))
    due = (
        delivery(),
        delivery("bob@example.net"),
        delivery(issue=13),
        delivery(keywords=("graph neural network",)),
        delivery(keywords=("federated learning",)),
    )
    first, again = ([outgoing(each, rendered) for each in due] for _ in range(2))
    assert [each.message[0] for each in first] == [each.message[0] for each in again]
    ids = {header(each.message[0])["Message-ID"][0] for each in first}
    other = outgoing(delivery(), rendered, replace(MASTHEAD, id="weekly"))
    assert len(ids | {header(other.message[0])["Message-ID"][0]}) == 6


def test_lines_are_short_and_end_in_crlf(mails: dict[str, bytes]) -> None:
    for name, mail in mails.items():
        assert mail.endswith(b"\r\n"), name
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", mail), name
        head, _, body = mail.partition(b"\r\n\r\n")
        assert max(map(len, head.split(b"\r\n"))) < 300, name
        assert max(map(len, body.split(b"\r\n"))) <= 76, name
        assert mail.isascii(), name


def test_no_encoded_word_stands_where_machines_read(mails: dict[str, bytes]) -> None:
    for mail in mails.values():
        for name, values in header(mail).items():
            if name not in {"Subject", "From"}:
                assert "=?" not in values[0]
        assert header(mail)["From"][0].endswith("<papers@example.org>")


def test_encoded_words_are_short_and_say_what_was_meant(mails: dict[str, bytes]) -> None:
    subjects = 0
    for mail in mails.values():
        head = mail.split(b"\r\n\r\n", 1)[0].decode()
        for word in re.findall(r"=\?[^? ]*\?[bq]\?[^? ]*\?=", head):
            assert len(word) <= 75
            subjects += 1
        assert all(len(line) <= 78 for line in head.split("\r\n") if "=?" in line)
    assert subjects
    assert "=?utf-8?q?Bcc=3A" in parsed(mails["subject 5"])["Subject"]
    assert parsed(mails["strange sender"])["From"].addresses[0].display_name == (
        "Tägliche Ärgernisse, jeden Tag"
    )


@pytest.mark.slow
def test_the_plain_part_comes_first_and_has_the_unsubscribe_link(mails: dict[str, bytes]) -> None:
    for name, mail in mails.items():
        message = parsed(mail)
        parts = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
        expected = ["text/plain"] if name == "text" else ["text/plain", "text/html"]
        link = f"mailto:leave+{TOKEN}@example.org" if name == "without web" else LINK
        assert parts == expected
        for part in message.walk():
            if not part.is_multipart():
                assert part.get_content_charset() == "utf-8"
                assert part.get_content().count(link) == 1


def test_html_is_small_enough_once_decoded(mails: dict[str, bytes]) -> None:
    body = parsed(mails["500 papers"]).get_body(("html",))
    assert body
    assert len(body.get_content().encode()) <= LIMIT


def test_one_click_is_promised_exactly_when_there_is_a_page_for_it(mails: dict[str, bytes]) -> None:
    mailto = f"<mailto:leave+{TOKEN}@example.org?subject=unsubscribe%20{TOKEN}>"
    for name, mail in mails.items():
        fields = header(mail)
        if name == "without web":
            assert fields["List-Unsubscribe"] == [mailto]
            assert "List-Unsubscribe-Post" not in fields
        else:
            assert fields["List-Unsubscribe"] == [f"<{LINK}>, {mailto}"]
            assert fields["List-Unsubscribe-Post"] == ["List-Unsubscribe=One-Click"]


def test_machines_are_told_that_a_machine_wrote_it(mails: dict[str, bytes]) -> None:
    for mail in mails.values():
        fields = header(mail)
        assert fields["Auto-Submitted"] == ["auto-generated"]
        assert fields["Precedence"] == ["bulk"]
        assert fields["List-Post"] == ["NO"]
        assert fields["Reply-To"] == ["owner@example.org"]
        assert not {"Return-Path", "Received", "Bcc", "Sender"} & fields.keys()


@pytest.mark.slow
def test_mails_parse_back_without_a_defect(mails: dict[str, bytes]) -> None:
    for mail in mails.values():
        for part in parsed(mail).walk():
            assert not part.defects
            assert not [value.defects for value in part.values() if value.defects]


def test_what_is_parsed_back_is_what_was_rendered(renderer: Renderer) -> None:
    for each in (rich(), hostile(), edition(news("graph", many(30)))):
        rendered = renderer.render(each)
        message = parsed(composed(delivery(), rendered))
        assert message["Subject"] == rendered.subject
        for kind, pieces in (("plain", rendered.text), ("html", rendered.html)):
            part = message.get_body((kind,))
            assert part
            body = cast("bytes", part.get_payload(decode=True)).decode()
            assert body.replace("\r\n", "\n") == filled(pieces, LINK, PREFERENCES_LINK)


def test_a_mail_is_the_same_bytes_whichever_were_made_before_it() -> None:
    chance = random.Random(3)
    papers = [*many(90), paper("2611.90000", title="Größe", abstract="A graph of\n.\nθ. " * 9)]
    digests = [news(f"keyword {n}", chance.sample(papers, 9 * n)) for n in range(1, 7)]
    renderer = Renderer(MASTHEAD, templates=None)
    for _ in range(12):
        chosen = chance.sample(digests, chance.randint(1, len(digests)))
        best = tuple(each.id for each in chance.sample(papers, len(papers)))
        shown = replace(edition(*chosen), best_first=best)
        alone = Renderer(MASTHEAD, templates=None).render(shown)
        for format_ in ("html", "text"):
            mail = composed(delivery(format=format_), alone)
            assert composed(delivery(format=format_), renderer.render(shown)) == mail


def test_list_id_is_stable_for_the_newsletter_or_each_keyword_of_it() -> None:
    rendered = Rendered(date=NOW.date(), subject="x", html=(), text=())
    lists = [
        header(composed(delivery(keywords=(name,)), rendered, per_keyword=True))["List-Id"][0]
        for name in ("mri", "graph neural network", "C++", "C#", "Schrödinger", "λ", "x" * 300)
    ]
    assert lists[:2] == [
        "<mri.daily-papers.example.org>",
        "<graph-neural-network.daily-papers.example.org>",
    ]
    assert len(set(lists)) == 7
    assert all(
        re.fullmatch(r"<[a-z0-9-]{1,63}\.daily-papers\.example\.org>", each) for each in lists
    )
    assert header(composed(delivery(), rendered))["List-Id"] == ["<daily-papers.example.org>"]


def test_bounces_come_back_to_an_address_that_names_the_subscriber() -> None:
    rendered = Rendered(date=NOW.date(), subject="x", html=(), text=())
    envelope = outgoing(delivery(), rendered).envelope
    assert (envelope.sender, envelope.recipient) == (
        f"bounces+{TOKEN}@example.org",
        "ada@example.net",
    )
    assert re.fullmatch(r"[0-9a-f.]{1,100}", envelope.id)
    unread = outgoing(delivery(), rendered, replace(MASTHEAD, bounce_address=""))
    assert unread.envelope.sender == "papers@example.org"


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.net, bob@example.net",
        "Ada <ada@example.net>",
        "ada@example.net\r\nBcc: bob@example.net",
        "a da@example.net",
        "ada\x00@example.net",
        "ada\u202e@example.net",
        "ada\u2028@example.net",
        '"ada"@example.net',
        "ada@[127.0.0.1]",
        "ada@exämple.net",
        "ada..quill@example.net",
        "ada",
        "@example.net",
        "a" * 65 + "@example.net",
        "ada@" + "a.b" * 90,
        "=?utf-8?q?ada?=@example.net>",
    ],
)
def test_an_address_that_is_more_than_an_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="cannot be put into a header"):
        outgoing(delivery(address), Rendered(date=NOW.date(), subject="x", html=(), text=()))


@pytest.mark.parametrize("local", ["adélaïde", "संपर्क", "ผู้ใช้", "用户", "ada😀"])
def test_a_local_part_of_any_script_stands_in_the_header_as_it_is(local: str) -> None:
    recipient = address(f"{local}@example.net")
    mail = composed(delivery(recipient), Rendered(date=NOW.date(), subject="x", html=(), text=()))
    assert f"To: {local}@example.net\r\n".encode() in mail


# Joining


def test_parts_are_whole_lines_and_beyond_the_headers_ascii(renderer: Renderer) -> None:
    for each in (rich(), hostile(), edition(news("graph", many(500)))):
        parts = outgoing(delivery(), renderer.render(each)).message
        assert all(part.endswith(b"\r\n") for part in parts)
        assert all(map(bytes.isascii, parts[2:]))


def test_what_messages_share_is_the_same_object_in_all_of_them(renderer: Renderer) -> None:
    composer = Composer(MASTHEAD, now=NOW, token=lambda address: address[0] * 40)
    papers = many(5)
    rendered = renderer.render(edition(news("graph", papers)))
    ada, bob = (
        composer.outgoing(delivery(address), rendered).message
        for address in ("ada@example.net", "bob@example.net")
    )
    assert [one is two for one, two in zip(ada, bob, strict=True)].count(False) == 5


def test_a_token_is_never_broken_so_that_it_can_be_searched_for(mails: dict[str, bytes]) -> None:
    assert mails["rich"].count(TOKEN.encode()) == 3 + 4
    assert mails["without web"].count(TOKEN.encode()) == 2 + 4


def test_a_link_is_escaped_in_html_only(renderer: Renderer) -> None:
    masthead = replace(MASTHEAD, base_url="https://example.org/a?b=1&c=2")
    message = parsed(composed(delivery(), renderer.render(rich()), masthead))
    link = f"{masthead.base_url}/unsubscribe/{TOKEN}"
    plain, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain
    assert html
    assert link in plain.get_content()
    assert f'href="{escape(link)}"' in html.get_content()


@pytest.mark.slow
@given(
    st.lists(
        st.text(alphabet="a=é. \tF\nrom-" + UNSUBSCRIBE, max_size=200)
        | st.integers(70, 80).map(lambda width: "x" * width)
        | st.integers(1, 160).map(lambda width: "." * width),
        max_size=5,
    )
)
def test_any_pieces_survive_their_encoding(pieces: list[str]) -> None:
    text = tuple(pieces)
    rendered = Rendered(date=NOW.date(), subject="x", html=(), text=text)
    body = composed(delivery(format="text"), rendered).partition(b"\r\n\r\n")[2]
    assert a2b_qp(body).decode().replace("\r\n", "\n") == filled(text, LINK)
    assert all(len(line) <= 76 and line[:1] != b"." for line in body.split(b"\r\n"))


@pytest.mark.slow
@given(
    st.lists(
        st.text(alphabet="a=é.“ \nF", max_size=200).map(lambda text: text.rstrip(" "))
        | st.integers(70, 80).map(lambda width: "x" * width)
        | st.integers(1, 160).map(lambda width: "." * width),
        max_size=5,
    )
)
def test_texts_that_are_encoded_at_once_are_as_they_would_be_one_by_one(texts: list[str]) -> None:
    assert quoted_at_once(texts) == [*map(quoted, texts)]


@pytest.mark.slow
@given(st.text(max_size=150).map(plain).filter(bool))
def test_any_subject_survives_its_encoding(subject: str) -> None:
    mail = composed(delivery(), Rendered(date=NOW.date(), subject=subject, html=(), text=()))
    assert parsed(mail)["Subject"] == subject
    assert all(len(line) <= 76 for line in mail.decode().split("\r\n") if "=?" in line)


# Golden mails


@pytest.mark.parametrize(
    ("name", "fields", "per_keyword"),
    [
        ("combined.eml", {}, False),
        ("text.eml", {"format": "text"}, False),
        ("per-keyword.eml", {"keywords": ("federated learning",)}, True),
    ],
)
def test_the_whole_mail_is_as_it_was(
    renderer: Renderer,
    golden: Callable[[str, str], None],
    name: str,
    fields: dict[str, Any],
    per_keyword: bool,
) -> None:
    shown = rich()
    if per_keyword:
        shown = edition(shown.digests[1])
    mail = composed(delivery(**fields), renderer.render(shown), per_keyword=per_keyword)
    golden(name, mail.decode().replace("\r\n", "\n"))


# A real server


class Received:
    """An SMTP server's memory."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.contents.append(cast("bytes", envelope.original_content))
        return "250 OK"


@pytest.fixture
def server() -> Iterator[tuple[Received, int]]:
    received = Received()
    port = free_port()
    controller = Controller(received, hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    try:
        yield received, port
    finally:
        controller.stop()


@pytest.mark.slow
def test_mails_go_through_a_server_byte_for_byte(
    mails: dict[str, bytes], server: tuple[Received, int]
) -> None:
    received, port = server
    with smtplib.SMTP("127.0.0.1", port) as client:
        for mail in mails.values():
            client.sendmail("papers@example.org", "ada@example.net", mail)
    assert received.contents == list(mails.values())


def test_a_reply_address_may_have_a_name_of_any_script() -> None:
    masthead = replace(MASTHEAD, reply_to="Jörg Müller <joerg@example.org>")
    fields = header(composed(delivery(), _titled("Graphs"), masthead))
    (reply_to,) = fields["Reply-To"]
    assert str(make_header(decode_header(reply_to))) == "Jörg Müller <joerg@example.org>"
    assert fields["List-Owner"] == ["<mailto:joerg@example.org>"]


def test_without_a_web_part_the_foot_has_a_letter_that_names_all_keywords() -> None:
    names = ("graph", "Schrödinger's cat & mouse", "50% more")
    masthead = replace(WITHOUT_WEB, changeable=names)
    rendered = Renderer(masthead, templates=None).render(rich())
    sent = parsed(composed(delivery(), rendered, masthead))
    html, text = (sent.get_body((kind,)) for kind in ("html", "plain"))
    assert html
    assert text
    (link,) = re.findall(r'href="([^"]*)"[^>]*>Change what you get', html.get_content())
    url = urlsplit(unescape(link))
    local, _, domain = masthead.unsubscribe_address.partition("@")
    assert (url.scheme, unquote(url.path)) == ("mailto", f"{local}+{TOKEN}@{domain}")
    fields = {
        key: unquote(value) for key, _, value in (f.partition("=") for f in url.query.split("&"))
    }
    assert fields["subject"] == f"change {TOKEN}"
    assert fields["body"].split("\r\n") == [KEEP, *names, ""]
    plain = f"mailto:{local}+{TOKEN}@{domain}?subject=change%20{TOKEN}\n"
    assert f"Change what you get:\n{plain}" in text.get_content().replace("\r\n", "\n")


def test_a_letter_that_a_link_cannot_hold_is_left_to_the_answer() -> None:
    masthead = replace(WITHOUT_WEB, changeable=tuple(f"keyword number {n}" for n in range(99)))
    rendered = Renderer(masthead, templates=None).render(rich())
    mail = parsed(composed(delivery(), rendered, masthead)).get_body(("html",))
    assert mail
    assert f'?subject=change%20{TOKEN}"' in mail.get_content()
    assert "body=" not in mail.get_content()


def test_where_nobody_reads_mail_the_foot_names_the_owner() -> None:
    rendered = Renderer(WITHOUT_WEB, templates=None).render(rich())
    assert b"change%20" not in composed(delivery(), rendered, WITHOUT_WEB)
