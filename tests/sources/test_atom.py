"""atom.py: what counts as an answer of arXiv, and what is read from it."""

from contextlib import suppress
from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.sources.arxiv.atom import AtomError, parse
from tests.making.shared_data import recorded_answers

ENTRY = """<entry>
    <id>http://arxiv.org/abs/2611.00001v3</id>
    <title>A  quiet\r\n title &amp; $x&lt;y$</title>
    <updated>2026-11-18T09:30:00Z</updated>
    <link href="https://arxiv.org/abs/2611.00001v3" rel="alternate" type="text/html"/>
    <summary>  Two blanks
before it.</summary>
    <category term="stat.ML" scheme="http://arxiv.org/schemas/atom"/>
    <category term="cs.LG" scheme="http://arxiv.org/schemas/atom"/>
    <published>2026-11-17T22:00:00-05:00</published>
    <arxiv:comment>12 pages</arxiv:comment>
    <arxiv:primary_category term="cs.LG"/>
    <arxiv:journal_ref>J. Quiet 1</arxiv:journal_ref>
    <author><name>Ada Quill</name></author>
    <author><name>Bo Ångström</name><arxiv:affiliation>Uppsala</arxiv:affiliation></author>
    <arxiv:doi>10.1000/1</arxiv:doi>
  </entry>"""


OTHER = ENTRY.replace("2611.00001v3", "2611.00002v1")


def answer(*entries: str, total: object = 1, head: str = "") -> bytes:
    return f"""<?xml version='1.0' encoding='UTF-8'?>{head}
<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/"
      xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns="http://www.w3.org/2005/Atom">
  <id>https://arxiv.org/api/x</id>
  <title>arXiv Query: search_query=ti:quiet&amp;id_list=&amp;start=5&amp;max_results=1</title>
  <updated>2026-11-19T10:00:00Z</updated>
  <opensearch:itemsPerPage>1</opensearch:itemsPerPage>
  <opensearch:totalResults>{total}</opensearch:totalResults>
  <opensearch:startIndex>5</opensearch:startIndex>
  {"".join(entries)}
</feed>""".encode()


def test_everything_a_paper_has_is_read() -> None:
    feed = parse(answer(ENTRY, total=7))
    assert (feed.total, feed.start) == (7, 5)
    assert feed.title == "arXiv Query: search_query=ti:quiet&id_list=&start=5&max_results=1"
    (paper,) = feed.papers
    assert (paper.local_id, paper.version) == ("2611.00001", 3)
    assert paper.title == "A quiet title & $x<y$"
    assert paper.abstract == "Two blanks before it."
    assert paper.authors == ("Ada Quill", "Bo Ångström")
    assert paper.categories == ("cs.LG", "stat.ML")
    assert paper.submitted == datetime(2026, 11, 18, 3, tzinfo=UTC)
    assert paper.updated == datetime(2026, 11, 18, 9, 30, tzinfo=UTC)
    assert (paper.comment, paper.journal_ref, paper.doi) == ("12 pages", "J. Quiet 1", "10.1000/1")


@pytest.mark.parametrize(
    ("address", "arxiv_id", "version"),
    [
        ("http://arxiv.org/abs/0808.0539v1", "0808.0539", 1),
        ("https://arxiv.org/abs/2611.00001v12", "2611.00001", 12),
        ("http://arxiv.org/abs/hep-th/9901001v2", "hep-th/9901001", 2),
        ("http://arxiv.org/abs/math.GT/0309136v1", "math/0309136", 1),
        ("http://arxiv.org/abs/hep-ex/0307015", "hep-ex/0307015", 1),
    ],
)
def test_ids_come_without_version(address: str, arxiv_id: str, version: int) -> None:
    entry = ENTRY.replace("http://arxiv.org/abs/2611.00001v3", address, 1)
    (paper,) = parse(answer(entry)).papers
    assert (paper.local_id, paper.version) == (arxiv_id, version)


def test_controls_and_overrides_do_not_reach_a_reader() -> None:
    entry = ENTRY.replace("quiet", "q\u202eui\u2066et\r\n\r\nBcc: x&#13;&#10;y\u0090z")
    (paper,) = parse(answer(entry)).papers
    assert paper.title == "A quiet Bcc: x y z title & $x<y$"


def test_a_paper_may_be_titled_0() -> None:
    entry = ENTRY.replace("<title>A  quiet\r\n title &amp; $x&lt;y$</title>", "<title>0</title>")
    assert parse(answer(entry)).papers[0].title == "0"


def test_markup_stays_text() -> None:
    entry = ENTRY.replace("quiet", "&lt;/script&gt;&lt;b onclick=x&gt;")
    assert parse(answer(entry)).papers[0].title.startswith("A </script><b onclick=x>")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty body"),
        (b" \n", "empty body"),
        (b"Rate exceeded.", "'Rate exceeded.'"),
        (b"<html><body>503</body></html>", "no Atom feed"),
        (b"<!DOCTYPE html><html><body>503</body></html>", "a page, not a feed"),
        (answer(ENTRY)[:900], "damaged or breaks off"),
        (answer(ENTRY, head="<!DOCTYPE feed [<!ENTITY a 'b'>]>"), "DOCTYPE"),
        (answer(ENTRY, head="<!docTYPE feed SYSTEM 'file:///etc/passwd'>"), "DOCTYPE"),
        (answer(ENTRY, OTHER).replace(b"Bo ", b"Bo\xe9"), "not UTF-8"),
        (answer(ENTRY, OTHER).replace(b"title>", b"heading>"), "without a title: 2611.00001"),
        (answer(ENTRY, OTHER).replace(b"Ada", b"\x00"), "damaged or breaks off"),
        (answer(ENTRY, OTHER) + b"<p>", "damaged or breaks off"),
        (answer(ENTRY).decode().encode("utf-16"), "not UTF-8"),
        (answer(ENTRY, total=""), "opensearch:totalresults"),
        (answer(ENTRY, total="many"), "opensearch:totalresults"),
        (answer(ENTRY).replace(b"startIndex", b"beginning"), "opensearch:startindex"),
        (answer(ENTRY).replace(b"2005/Atom", b"1999/Atom"), "no Atom feed"),
        (answer(ENTRY).replace(b"2005/Atom", b"20 05/Atom"), "damaged or breaks off"),
        (answer(ENTRY).replace(b"opensearch/1.1", b"open search/1.1"), "damaged or breaks off"),
        (answer(ENTRY, ENTRY), "the same paper twice"),
        (
            answer(
                "<entry><id>https://arxiv.org/api/errors#x</id><title>Error</title>"
                "<summary>start must be an integer</summary></entry>"
            ),
            "with an error: start must be an integer",
        ),
    ],
)
def test_what_is_no_whole_answer_is_an_error(body: bytes, reason: str) -> None:
    with pytest.raises(AtomError) as caught:
        parse(body)
    assert reason in caught.value.reason


ID = "<id>http://arxiv.org/abs/2611.00001v3</id>"


@pytest.mark.parametrize(
    ("old", "new", "name", "why"),
    [
        (ID, "", "record 2 of the page", "unreadable: ''"),
        ("http://arxiv.org/abs/", "oai:arXiv.org:", "record 2 of the page", "unreadable"),
        ("arxiv.org/abs/", "arxiv.example/abs/", "record 2 of the page", "unreadable"),
        ("published>", "printed>", "2611.00001", "'published' for 2611.00001"),
        ("updated>", "changed>", "2611.00001", "'updated' for 2611.00001"),
        ("09:30:00Z", "09:30:00", "2611.00001", "impossible 'updated'"),
        ("2026-11-18", "0001-01-01", "2611.00001", "impossible 'updated'"),
        ("title>", "heading>", "2611.00001", "without a title: 2611.00001"),
        ("quiet", "\x0b", "2611.00001", "damaged"),
        ("&lt;", "<", "2611.00001", "damaged"),
        ("</title>", "", "2611.00001", "damaged"),
        ("</entry>", "", "2611.00001", "damaged"),
        ("<author>", "\udce9", "2611.00001", "not UTF-8"),
        ("2611.00001v3", "\x00", "record 2 of the page", "damaged"),
    ],
)
def test_what_is_wrong_with_one_record_costs_that_record(
    old: str, new: str, name: str, why: str
) -> None:
    damaged = ENTRY.replace(old, new)
    assert damaged != ENTRY
    whole = answer(OTHER, "@", OTHER.replace("00002", "00003"), total=3)
    feed = parse(whole.replace(b"@", damaged.encode(errors="surrogateescape")))
    assert [paper.local_id for paper in feed.papers] == ["2611.00002", "2611.00003"]
    (unread,) = feed.unread
    assert unread.name == name
    assert why in unread.why
    assert unread.legible is not None
    assert "Two blanks before it." in unread.legible.title
    assert "stat.ML" in unread.legible.categories
    assert (feed.size, feed.total) == (3, 3)


def test_a_page_of_one_unreadable_record_is_still_a_page() -> None:
    feed = parse(answer(ENTRY.replace("title>", "heading>")))
    assert (feed.papers, feed.size) == ((), 1)


@pytest.mark.slow
def test_ten_thousand_authors_are_read() -> None:
    many = "".join(f"<author><name>Author {n}</name></author>" for n in range(10_000))
    (paper,) = parse(answer(ENTRY.replace("<author>", f"{many}<author>", 1))).papers
    assert len(paper.authors) == 10_002


def page(*, head: str = "", feed: str = "", record: str = "") -> bytes:
    """An answer with something in front, in its feed, and in its second record."""
    odd = ENTRY.replace("2611.00001v3", "2611.00003v1").replace("<author>", f"{record}<author>", 1)
    return head.encode() + answer(feed, OTHER, odd, ENTRY, total=3)


def attributes(name: str, number: int = 100_000) -> str:
    return " ".join(f'{name}{n}="u"' for n in range(number))


MILLION = 1_000_000
# What kept the reader busy for minutes, or for longer than a day has, and what is said of it.
WHOLE: dict[str, tuple[bytes, str]] = {
    "blanks in front": (page(head=" " * MILLION), "before its feed"),
    "lines in front": (page(head="\n" * MILLION), "before its feed"),
    "half declarations": (page(head="<?xml version='1.0'?>" + "<!" * MILLION), "before its feed"),
    "blanks in the feed": (page(feed=" " * MILLION), "letters in a field"),
    "elements": (page(feed="<x/>" * MILLION), "elements in a record"),
    "elements in each other": (page(feed="<x>" * MILLION), "in each other"),
    "records in each other": (page(feed="<entry>" * MILLION), "in each other"),
    "attributes": (page(feed=f"<x {attributes('a')}/>"), "bytes in a tag"),
    "an attribute": (page(feed=f'<x a="{"a" * MILLION}"/>'), "bytes in a tag"),
    "a name": (page(feed=f"<{'x' * MILLION}/>"), "bytes in a tag"),
    "a comment": (page(feed=f"<!--{'x' * MILLION}-->"), "bytes in a tag"),
    "comments": (page(feed="<!---->" * MILLION), "elements and comments"),
    "instructions": (page(feed="<?a b?>" * MILLION), "elements and comments"),
    "namespaces": (page(feed=f"<x {attributes('xmlns:a', 3000)}/>"), "namespaces"),
    "records": (answer(*(ENTRY.replace("00001", f"{n:05}") for n in range(2001))), "2,000 records"),
    "damaged records": (answer(*(ENTRY.replace("<id>", "<") for _ in range(5000))), "damaged"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_out_of_all_proportion_is_refused_at_once(name: str) -> None:
    body, reason = WHOLE[name]
    began = process_time()
    with pytest.raises(AtomError, match=reason):
        parse(body)
    assert process_time() - began < 5


NUMBERS = ",".join(map(str, range(20_000)))
RECORD: dict[str, tuple[str, str]] = {
    "categories": (
        "".join(f'<category term="c{n}"/>' for n in range(20_000)), "categories among them",
    ),
    "links": ('<link href="https://a.example"/>' * 20_000, "elements in a record"),
    "authors": ("<author><name>Bo</name></author>" * 40_000, "authors of a paper"),
    "tags": (f"<tags>{NUMBERS}</tags>", "letters"),
    "keywords": (f'<k:keywords xmlns:k="http://www.itunes.com/">{NUMBERS}</k:keywords>', "letters"),
    "points": (
        f'<g:point xmlns:g="http://www.georss.org/georss">{"1 " * 90_000}</g:point>', "letters",
    ),
    "a long comment": (f"<arxiv:comment>{'&lt;' * 90_000}</arxiv:comment>", "letters in a field"),
    "pieces": (f"<summary>{'<b>x</b>' * 90_000}</summary>", "elements in a record"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORD)
def test_a_record_out_of_all_proportion_costs_itself(name: str) -> None:
    record, why = RECORD[name]
    began = process_time()
    feed = parse(page(record=record))
    assert process_time() - began < 5
    assert [paper.local_id for paper in feed.papers] == ["2611.00002", "2611.00001"]
    ((found, reason, _),) = feed.unread
    assert found == "2611.00003"
    assert why in reason


def test_a_path_or_a_url_is_never_opened() -> None:
    for body in (b"/etc/hostname", b"http://127.0.0.1:9/feed", b"feed://127.0.0.1:9/"):
        with pytest.raises(AtomError):
            parse(body)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2000), st.integers(0, 2000))
def test_damage_is_an_error_or_a_feed_but_no_crash(noise: bytes, start: int, end: int) -> None:
    whole = answer(ENTRY)
    with suppress(AtomError):
        parse(whole[:start] + noise + whole[end:])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="<>&"), max_size=200))
def test_any_title_is_one_printable_line(title: str) -> None:
    feed = parse(answer(ENTRY.replace("quiet", title)))
    assert feed.size == 1
    for paper in feed.papers:
        assert len(paper.title.splitlines()) == 1
        assert not any(ord(character) < 32 for character in paper.title)


@pytest.mark.slow
def test_recorded_answers_are_read() -> None:
    read = {}
    for name, body in recorded_answers().items():
        if ".200." in name:
            read[name] = parse(body)
        else:
            with pytest.raises(AtomError, match="incorrect id format"):
                parse(body)
    assert max(len(feed.papers) for feed in read.values()) == 100
    assert all(paper.submitted <= paper.updated for feed in read.values() for paper in feed.papers)


def test_a_name_without_a_letter_or_digit_is_no_author() -> None:
    signs = "<author><name>:</name></author><author><name> - </name></author>"
    read = parse(answer(ENTRY.replace("<author>", f"{signs}<author>", 1)))
    assert read.papers[0].authors == ("Ada Quill", "Bo Ångström")
