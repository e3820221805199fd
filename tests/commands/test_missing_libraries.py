"""A library that is missing is the installation's fault, and what to install is said once."""

import sys
from pathlib import Path

import pytest

from tests.making.commands import DAY_ONE, Command, rewrite

ANEW = "pip install --force-reinstall arxiv-newsletter"


@pytest.mark.parametrize(
    ("library", "command", "told"),
    [
        ("flask", "serve", "flask is missing; install it: pip install 'arxiv-newsletter[web]'"),
        ("itsdangerous", "preview", ANEW),
        ("itsdangerous", "run", ANEW),
        ("feedparser", "run", ANEW),
    ],
)
def test_a_library_that_is_missing_is_told_once(
    newsletter: Command,
    sample: Path,
    monkeypatch: pytest.MonkeyPatch,
    library: str,
    command: str,
    told: str,
) -> None:
    rewrite(
        sample / "newsletter.toml", "[outbox]", '[web]\nbase_url = "http://127.0.0.1:1"\n\n[outbox]'
    )
    if command == "preview":
        assert newsletter("run", "--now", DAY_ONE).code == 0
    for each in [*sys.modules]:
        if each.startswith("newsletter.web."):
            monkeypatch.delitem(sys.modules, each)
    with monkeypatch.context() as broken:
        broken.setitem(sys.modules, library, None)
        ended = newsletter(*([command, "--now", DAY_ONE] if command == "run" else [command]))
    assert ended.code == 78
    (error,) = [each for each in ended.err.splitlines() if each.startswith("error: ")]
    assert library in error
    assert told in error
    assert "Traceback" not in ended.err
    if command == "run":
        assert newsletter("run", "--now", DAY_ONE).code == 0
        assert len(list((sample / "outbox" / "new").iterdir())) == 4
