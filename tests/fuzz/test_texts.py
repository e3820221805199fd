"""Whatever stands in an answer, a mail, a list or a keyword is understood or refused in words."""

from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from hypothesis import given

from newsletter.addresses import masked
from newsletter.errors import SubscribersError
from newsletter.keywords.matching import matcher
from newsletter.mails.message import Composer
from newsletter.mails.render import Renderer
from newsletter.models import Keyword
from newsletter.prose import printable, said
from newsletter.returns.meaning import Clerk
from newsletter.sending.replies import ProtocolError, ReplyReader
from newsletter.sources.arxiv.atom import AtomError, parse
from newsletter.sources.arxiv.query import problems, search_query
from newsletter.subscribers.editing import add, import_rows, remove
from newsletter.subscribers.reading import read
from newsletter.subscribers.suppressions import Suppressions
from newsletter.subscribers.tokens import BadToken, Tokens
from newsletter.tex import readable
from tests.fuzz.trying import fuzzing, inputs
from tests.making.editions import MASTHEAD, TOKEN, delivery, edition
from tests.making.inboxes import ADA, KEYS
from tests.making.papers import NOW, digest


@pytest.fixture(scope="module", autouse=True)
def figures() -> Iterator[Counter[str]]:
    """Count what became of the inputs, and print it; `pytest -s` shows it."""
    counted: Counter[str] = Counter()
    yield counted
    print("\n" + "\n".join(f"fuzz {what}: {number}" for what, number in sorted(counted.items())))


@pytest.mark.slow
@fuzzing(share=0.5)
@given(content=inputs("atom"))
def test_an_answer_becomes_a_whole_message_or_an_error_in_words(
    figures: Counter[str], content: bytes
) -> None:
    try:
        papers = parse(content).papers
    except AtomError:
        figures["atom refused"] += 1
        return
    figures["atom understood"] += 1
    if not papers:
        return
    rendered = Renderer(MASTHEAD, templates=None).render(edition(digest("mri", *papers)))
    composer = Composer(MASTHEAD, now=NOW, token=lambda _: TOKEN, per_keyword=False)
    message = b"".join(composer.outgoing(delivery(), rendered).message)
    assert max(map(len, message.split(b"\r\n"))) <= 998
    found = message_from_bytes(message, policy=policy.default)
    assert found["To"] == delivery().recipient
    assert [name for name in found if name.lower() in {"bcc", "cc"}] == []


@pytest.mark.slow
@fuzzing()
@given(content=inputs("list"))
def test_a_list_is_read_and_edited_or_refused_in_words(
    figures: Counter[str], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "subscribers.csv"
    path.write_bytes(content)
    try:
        before = read(path, keywords=["mri"], accept=True)
        add(path, {"email": "fuzz@example.org", "name": "=F"}, keywords=["mri"])
    except SubscribersError:
        figures["list refused"] += 1
        return
    figures["list edited"] += 1
    after = read(path, keywords=["mri"], accept=True)
    assert [each.email for each in after.subscribers][-1:] == ["fuzz@example.org"]
    assert len(after.subscribers) == len(before.subscribers) + 1


@pytest.mark.slow
@fuzzing()
@given(content=inputs("list"))
def test_an_edit_changes_one_row_and_an_import_loses_nobody(
    figures: Counter[str], tmp_path: Path, content: bytes
) -> None:
    path, other = tmp_path / "subscribers.csv", tmp_path / "others.csv"
    path.write_text("email,keywords,notes\nada@example.org,mri,one\nbob@example.org,mri,two\n")
    other.write_bytes(content)
    try:
        done = import_rows(path, other, keywords=["mri"], kept_off=lambda _: None)
    except SubscribersError:
        figures["import refused"] += 1
        return
    figures[f"import of {len(done.added)}"] += 1
    found = {each.email for each in read(path, keywords=["mri"], accept=True).subscribers}
    assert {"ada@example.org", "bob@example.org"} <= found
    assert remove(path, "ada@example.org") >= 1
    left = {each.email for each in read(path, keywords=["mri"], accept=True).subscribers}
    assert left == found - {"ada@example.org"}
    assert "two" in path.read_text(encoding="utf-8")


@pytest.mark.slow
@fuzzing()
@given(content=inputs("suppressions"))
def test_suppressions_hold_what_was_added_whatever_stood_there(
    figures: Counter[str], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "suppressions.csv"
    path.write_bytes(content)
    try:
        kept_off = Suppressions(path, keys=KEYS)
    except SubscribersError:
        figures["suppressions refused"] += 1
        return
    figures["suppressions read"] += 1
    kept_off.add(ADA, reason="bounced", now=NOW, detail=content.decode("latin-1"))
    assert Suppressions(path, keys=KEYS).reason_for(ADA)


@pytest.mark.slow
@fuzzing()
@given(content=inputs("mail"))
def test_a_returned_mail_is_understood_and_names_nobody_without_a_token(
    figures: Counter[str], content: bytes
) -> None:
    found = Clerk(MASTHEAD, keys=KEYS, addresses=lambda: [ADA]).meaning(content)
    figures[f"mail {found.kind}"] += 1
    assert found.address == ""


@pytest.mark.slow
@fuzzing()
@given(content=inputs("smtp"))
def test_replies_are_read_whole_or_broken_off(figures: Counter[str], content: bytes) -> None:
    reader = ReplyReader()
    try:
        replies = [each for piece in (content[:9], content[9:]) for each in reader.feed(piece)]
    except ProtocolError:
        figures["smtp refused"] += 1
        return
    figures["smtp replies"] += len(replies)
    assert all(printable(each.text) and len(each.text) <= 1000 for each in replies)


@pytest.mark.slow
@fuzzing()
@given(content=inputs("tex"))
def test_tex_becomes_text(figures: Counter[str], content: bytes) -> None:
    figures["tex"] += 1
    assert isinstance(readable(content.decode("utf-8", "replace")), str)


@pytest.mark.slow
@fuzzing()
@given(content=inputs("keyword"))
def test_a_keyword_is_a_query_or_a_problem_in_words(figures: Counter[str], content: bytes) -> None:
    keyword = Keyword(name=content.decode("utf-8", "replace"))
    if problems(keyword):
        figures["keyword refused"] += 1
        return
    figures["keyword asked"] += 1
    assert search_query(keyword).isprintable()
    assert matcher(keyword) is not None


@pytest.mark.slow
@fuzzing()
@given(content=inputs("token"))
def test_no_token_but_ours_names_anybody(figures: Counter[str], content: bytes) -> None:
    figures["token"] += 1
    with pytest.raises(BadToken):
        Tokens(KEYS, "daily-papers").reads(content.decode("latin-1"))


@pytest.mark.slow
@fuzzing()
@given(content=inputs("mail"))
def test_what_is_shown_is_one_printable_line(figures: Counter[str], content: bytes) -> None:
    figures["shown"] += 1
    line = masked(said(content.decode("latin-1")))
    assert printable(line)
    assert "\n" not in line
