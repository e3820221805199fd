"""Every key is described: for editors, for readers, and for who asks what is in force."""

import json
from pathlib import Path

import pytest

from newsletter.config import reference
from tests.making.commands import Command, rewrite


def test_every_key_has_a_line_and_every_line_a_key() -> None:
    described = {(t, k) for t, words in reference.explanations().items() for k in words}
    assert {(table, key) for table, key, _ in reference.described_keys()} == described


def test_the_schema_says_what_may_be_chosen(newsletter: Command) -> None:
    schema = json.loads(newsletter("config", "schema").out)
    assert schema["title"] == "newsletter.toml"
    smtp = schema["$defs"]["Smtp"]["properties"]
    assert smtp["security"]["enum"] == ["tls", "starttls", "none"]
    assert "loopback" in smtp["security"]["description"]


@pytest.mark.usefixtures("sample")
def test_what_is_in_force_says_where_it_comes_from(
    newsletter: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite_smtp = '[smtp]\nhost = "smtp.example.org"\nusername = "papers"\n\n[outbox]'
    rewrite(Path("newsletter.toml"), "[outbox]", rewrite_smtp)
    monkeypatch.setenv("NEWSLETTER_SMTP__PASSWORD", "hunter2")
    shown = newsletter("config", "show").out
    assert 'newsletter.title = "Daily Papers"  (newsletter.toml:6)' in shown
    assert 'newsletter.mode = "combined"  (default)' in shown
    assert 'keywords.1.name = "graph neural network"  (newsletter.toml:13)' in shown
    assert 'smtp.password = "**********"  (NEWSLETTER_SMTP__PASSWORD)' in shown
    assert "hunter2" not in shown
    found = json.loads(newsletter("config", "show", "--json").out)
    title = next(each for each in found if (each["table"], each["key"]) == ("newsletter", "title"))
    assert title == {
        "table": "newsletter",
        "key": "title",
        "value": "Daily Papers",
        "from": "newsletter.toml:6",
    }
    assert "hunter2" not in newsletter("config", "show", "--json").out
