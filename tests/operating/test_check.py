"""The preflight: each thing that a run needs is looked at, and says what to do."""

import re
import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from newsletter.config.loading import load
from newsletter.operating import trial_mail
from newsletter.operating.check import Finding, findings, sender_findings
from newsletter.operating.sender_dns import LookupFailedError, judgements, txt_lookup
from tests.making.commands import DAY_ONE, Command, rewrite, unprivileged
from tests.making.papers import DAY, NOW
from tests.peers.dns_server import dns_server
from tests.peers.http_server import web_server
from tests.peers.smtp_server import SmtpServer

LONG_KEY = "v=DKIM1; k=rsa; p=" + "A" * 392
GOOD = {
    "example.org": ["some-verification=1", "v=spf1 include:_spf.example.net ~all"],
    "s1._domainkey.example.org": [LONG_KEY],
    "_dmarc.example.org": ["v=DMARC1; p=none; rua=mailto:owner@example.org"],
}


def add(folder: Path, text: str) -> None:
    with (folder / "newsletter.toml").open("a") as file:
        file.write(f"\n{text}\n")


def found(folder: Path, what: str) -> list[Finding]:
    """Return what a check says of one thing, the network included."""
    config = load(folder / "newsletter.toml", environ={})
    return [each for each in findings(config, now=NOW, offline=False) if each.what == what]


def judged(records: dict[str, list[str]], **changes: str) -> dict[str, tuple[str, bool]]:
    asked = {"domain": "example.org", "envelope_domain": "example.org", "selector": "s1"} | changes
    domain = asked.pop("domain")
    with dns_server(records) as port:
        lookup = txt_lookup(["127.0.0.1"], port=port)
        return {
            each.record: (each.text, each.good)
            for each in judgements(domain, lookup=lookup, **asked)
        }


# The sender's domain


@pytest.mark.slow
def test_a_well_kept_domain_needs_no_advice() -> None:
    told = judged(GOOD)
    assert [good for _, good in told.values()] == [True, True, True]
    assert list(told) == ["SPF", "DKIM", "DMARC"]


@pytest.mark.parametrize(
    ("name", "texts", "record", "advice"),
    [
        ("example.org", [], "SPF", "publish 'v=spf1"),
        ("example.org", ["v=spf10 -all"], "SPF", "publish 'v=spf1"),
        ("example.org", ["v=spf1 -all", "v=spf1 mx -all"], "SPF", "so none counts; join them"),
        ("example.org", ["v=spf1 mx"], "SPF", "lets anybody send"),
        ("example.org", ["v=spf1 mx +all"], "SPF", "lets anybody send"),
        ("example.org", [f"v=spf1 {'include:x.example ' * 11}-all"], "SPF", "more than ten"),
        ("s1._domainkey.example.org", [], "DKIM", "has no key"),
        ("s1._domainkey.example.org", ["v=DKIM1; p="], "DKIM", "is revoked"),
        ("s1._domainkey.example.org", ["k=rsa; p=" + "A" * 216], "DKIM", "make one of 2048"),
        ("s1._domainkey.example.org", [f"{LONG_KEY}; t=y"], "DKIM", "in test mode"),
        ("_dmarc.example.org", [], "DMARC", "publish 'v=DMARC1"),
        ("_dmarc.example.org", ["v=DMARC1; p=none"], "DMARC", "add rua="),
        ("_dmarc.example.org", ["v=DMARC1; rua=mailto:a@b.example"], "DMARC", "add p=none"),
        ("_dmarc.example.org", ["v=DMARC1; p=none", "v=DMARC1; p=reject"], "DMARC", "keep one"),
    ],
)
def test_each_fault_of_a_domain_comes_with_advice(
    name: str, texts: list[str], record: str, advice: str
) -> None:
    told = judged(GOOD | {name: texts})
    assert advice in told.pop(record)[0]
    assert all(good for _, good in told.values())


@pytest.mark.parametrize("text", ["v=spf1 redirect=_spf.example.net", "V=SPF1 mx -ALL"])
def test_a_record_may_be_written_in_many_ways(text: str) -> None:
    assert judged(GOOD | {"example.org": [text]})["SPF"][1]


def test_an_ed25519_key_is_short_and_good() -> None:
    key = "v=DKIM1; k=ed25519; p=" + "A" * 44
    assert judged(GOOD | {"s1._domainkey.example.org": [key]})["DKIM"][1]


def test_a_subdomain_is_under_the_policy_of_the_domain_above_it() -> None:
    policy_ = ["v=DMARC1; p=reject; sp=quarantine; rua=mailto:a@example.org"]
    text, good = judged({"_dmarc.example.org": policy_}, domain="papers.example.org")["DMARC"]
    assert good
    assert "_dmarc.example.org says p=quarantine" in text


def test_spf_is_about_the_envelope_sender() -> None:
    records = GOOD | {"bounces.example.net": ["v=spf1 mx -all"]}
    told = judged(records, envelope_domain="bounces.example.net")
    assert "bounces.example.net: v=spf1 mx -all" in told["SPF"][0]
    assert "everything hangs on DKIM" in told["DMARC"][0]


def test_without_a_selector_the_key_cannot_be_found_and_the_check_says_how() -> None:
    assert "give --dkim-selector" in judged(GOOD, selector="")["DKIM"][0]


@pytest.fixture
def silence() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def test_a_silent_dns_says_nothing_about_the_records(silence: int, sample: Path) -> None:
    lookup = txt_lookup(["127.0.0.1"], port=silence, timeout=0.3)
    with pytest.raises(LookupFailedError, match=r"example\.org: no answer"):
        lookup("example.org")
    config = load(sample / "newsletter.toml", environ={})
    (only,) = sender_findings(config, lookup=lookup, selector="")
    assert (only.mark, only.exit_code) == ("FAIL", 69)


def test_advice_is_a_note_and_no_failure(sample: Path) -> None:
    config = load(sample / "newsletter.toml", environ={})
    with dns_server({}) as port:
        told = sender_findings(config, lookup=txt_lookup(["127.0.0.1"], port=port), selector="s1")
        assert [(each.what, each.mark, each.exit_code) for each in told] == [
            ("SPF", "note", 0),
            ("DKIM", "note", 0),
            ("DMARC", "note", 0),
        ]


# What a run needs


def test_free_disk_is_told(sample: Path) -> None:
    (disk,) = found(sample, "disk")
    assert disk.mark == "ok"
    assert "MB free" in disk.text


@pytest.mark.slow
@pytest.mark.mount
def test_little_room_is_pointed_out(newsletter: Command, sample: Path, small_disk: Path) -> None:
    text = (sample / "newsletter.toml").read_text()
    (sample / "newsletter.toml").write_text(text.replace("state.sqlite3", f"{small_disk}/s"))
    ended = newsletter("check", "--offline")
    assert ended.code == 0
    assert "note disk:" in ended.out
    assert "make room" in ended.out


@pytest.mark.slow
def test_an_inbox_is_opened_and_its_mails_counted(sample: Path) -> None:
    assert found(sample, "inbox")[0].mark == "note"
    add(sample, '[inbox]\nkind = "maildir"\npath = "mail"')
    assert found(sample, "inbox")[0].exit_code == 78
    for part in ("cur", "new", "tmp"):
        (sample / "mail" / part).mkdir(parents=True)
    (sample / "mail" / "new" / "1").write_text("Subject: hello\n\n")
    (inbox,) = found(sample, "inbox")
    assert (inbox.mark, inbox.text) == ("ok", "1 mail waiting")
    assert (sample / "mail" / "new" / "1").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("status", "code"), [(200, 0), (302, 69), (404, 69), (502, 69)])
def test_one_click_is_tried_by_nobody(sample: Path, status: int, code: int) -> None:
    with web_server(status=status) as server:
        add(sample, f'[web]\nbase_url = "{server.url}"')
        (web,) = found(sample, "web")
    assert web.exit_code == code
    ((method, path, body),) = server.asked
    assert (method, body) == ("POST", "List-Unsubscribe=One-Click")
    assert path.startswith("/unsubscribe/")
    (gone,) = found(sample, "web")
    assert (gone.exit_code, "is `newsletter serve` up?" in gone.text) == (69, True)


@pytest.mark.slow
def test_the_exit_code_is_that_of_the_worst_line(newsletter: Command, sample: Path) -> None:
    (sample / "subscribers.csv").unlink()
    (sample / "state.sqlite3").write_bytes(b"")
    ended = newsletter("check", "--offline")
    assert ended.code == 74
    assert ended.out.count("FAIL") >= 2


@pytest.mark.slow
def test_a_template_that_names_what_is_not_there_fails_the_check(
    newsletter: Command, sample: Path
) -> None:
    (sample / "templates").mkdir()
    shipped = (Path(__file__).parents[2] / "templates" / "edition.html").read_text()
    broken = shipped.replace("{{ title }}", "{{ titel }}", 1)
    (sample / "templates" / "edition.html").write_text(broken)
    rewrite(sample / "newsletter.toml", "[newsletter]", '[newsletter]\ntemplates = "templates"')
    ended = newsletter("check", "--offline")
    assert ended.code == 70
    assert re.search(r"FAIL templates: .*edition\.html:\d+: 'titel' is undefined", ended.out)


@pytest.mark.slow
def test_suppressions_that_cannot_be_read_fail_the_check(newsletter: Command, sample: Path) -> None:
    (sample / "suppressions.csv").write_text("nobody at all\n")
    assert "note list: suppressions.csv:1: " in newsletter("check", "--offline").out
    (sample / "suppressions.csv").unlink()
    (sample / "suppressions.csv").mkdir()
    assert newsletter("check", "--offline").code == newsletter("run", "--now", DAY_ONE).code == 74


@pytest.mark.slow
def test_a_key_that_signs_nothing_fails_the_check(newsletter: Command, sample: Path) -> None:
    (sample / "tokens.key").write_text("")
    ended = newsletter("check", "--offline")
    assert ended.code == newsletter("run", "--now", DAY_ONE).code == 74
    assert "FAIL state: tokens.key: holds no key" in ended.out


def test_what_is_denied_has_the_exit_code_of_a_run(sample: Path) -> None:
    config = load(sample / "newsletter.toml", environ={})
    (sample / "subscribers.csv").chmod(0)
    with unprivileged():
        told = findings(config, now=NOW, offline=True)
        assert next(each.exit_code for each in told if each.what == "list") == 77


@pytest.mark.slow
def test_a_check_touches_nothing(newsletter: Command, sample: Path) -> None:
    before = sorted(sample.iterdir())
    newsletter("check", "--offline")
    assert sorted(sample.iterdir()) == before


# A test digest


@pytest.mark.slow
def test_a_test_digest_looks_like_a_mail_and_leaves_no_trace(
    newsletter: Command, sample: Path
) -> None:
    newsletter("run", "--now", DAY_ONE)
    state = (sample / "state.sqlite3").read_bytes()
    before = set((sample / "outbox" / "new").iterdir())
    ended = newsletter("check", "--offline", "--send-to", "me@example.org")
    assert ended.code == 0
    assert "ok test digest: accepted for me@example.org" in ended.out
    (path,) = set((sample / "outbox" / "new").iterdir()) - before
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert mail["To"] == "me@example.org"
    assert mail["Subject"].startswith("Test: ")
    assert mail.get_content_type() == "multipart/alternative"
    assert (sample / "state.sqlite3").read_bytes() == state


@pytest.mark.slow
def test_a_second_test_digest_is_a_mail_of_its_own(sample: Path) -> None:
    config = load(sample / "newsletter.toml", environ={})
    for now in (NOW, NOW + DAY):
        assert trial_mail.send(config, "me@example.org", now=now).status == "accepted"
    assert len(list((sample / "outbox" / "new").iterdir())) == 2


@pytest.mark.slow
def test_a_test_digest_that_is_refused_fails_the_check(newsletter: Command, sample: Path) -> None:
    with SmtpServer(script={"RCPT": ["550 5.1.1 no such user"]}) as server:
        add(sample, f'[smtp]\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"')
        ended = newsletter("check", "--offline", "--send-to", "me@example.org")
        assert ended.code == 75
        assert "FAIL test digest: rejected for me@example.org: 550" in ended.out
        assert newsletter("check", "--offline", "--send-to", "me@example.org").code == 0
        assert server.recipients == ["me@example.org"]


def test_a_test_digest_needs_an_address(newsletter: Command, sample: Path) -> None:
    ended = newsletter("check", "--send-to", "me")
    assert ended.code == 2
    assert "--send-to" in ended.err
