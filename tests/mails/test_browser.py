"""What a browser, a screen reader and two validators find wrong with our mails: nothing."""

import json
import subprocess
from pathlib import Path
from typing import Any

import html5lib
import pytest

from newsletter.preview import viewing
from tests.making import samples
from tests.making.browsing import look
from tests.making.tools import VALIDATOR

HERE = Path(__file__).parent / "browser"

# Kinds that differ to the eye; "text" has no HTML.
LOOKED_AT = [
    "combined",
    "weekly",
    "everything",
    "outage",
    "one-paper",
    "flood",
    "ordinary",
    "awkward",
    "hostile",
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the HTML of the mails as files, by kind."""
    folder = tmp_path_factory.mktemp("mails")
    files = {kind: folder / f"{kind}.html" for kind in LOOKED_AT}
    for kind, file in files.items():
        file.write_text(samples.kind(kind).html(), "utf-8")
    return files


@pytest.fixture(scope="module")
def seen(pages: dict[str, Path]) -> dict[str, Any]:
    """Return what tests/mails/browser/look.mjs sees of each page."""
    return Looked(pages)


class Looked(dict[str, Any]):
    """What is seen of each page, looked at when it is first asked for: a minute on a busy day."""

    def __init__(self, pages: dict[str, Path]) -> None:
        self._pages = pages

    def __missing__(self, kind: str) -> Any:
        page = self._pages[kind]
        self[kind] = look(page)[str(page)]
        return self[kind]


@pytest.fixture(scope="module")
def remarks(pages: dict[str, Path]) -> list[dict[str, Any]]:
    """Return what the Nu Html Checker remarks on all pages."""
    options = ("--format", "json", "--stdout", "--exit-zero-always")
    report = json.loads(_printed("java", "-jar", VALIDATOR, *options, *pages.values()))
    return list(report["messages"])


def _printed(*command: str | Path) -> bytes:
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=200).stdout


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", LOOKED_AT)
def test_nobody_is_shut_out_on_desktop_or_phone_by_day_or_night(
    kind: str, seen: dict[str, Any]
) -> None:
    assert seen[kind]["violations"] == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", LOOKED_AT)
def test_nothing_sticks_out_of_the_narrowest_phone(kind: str, seen: dict[str, Any]) -> None:
    assert seen[kind]["overflowing"] == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", LOOKED_AT)
def test_a_mail_asks_nobody_for_anything(kind: str, seen: dict[str, Any]) -> None:
    assert seen[kind]["requests"] == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", LOOKED_AT)
def test_a_mail_is_laid_out_in_standards_mode(kind: str, seen: dict[str, Any]) -> None:
    assert seen[kind]["mode"] == "CSS1Compat"


@pytest.fixture(scope="module")
def measured(pages: dict[str, Path], seen: dict[str, Any]) -> dict[str, Any]:
    """Return where titles stand, as tests/mails/browser/measure.mjs reports it."""
    del seen  # it skips where there is no browser
    report = json.loads(_printed("node", HERE / "measure.mjs", *pages.values()))
    return {kind: report[str(file)] for kind, file in pages.items()}


@pytest.mark.browser
@pytest.mark.slow
def test_the_first_screen_names_the_papers(measured: dict[str, Any]) -> None:
    phone, desktop = (measured["ordinary"][view] for view in ("phone", "desktop"))
    assert phone["first"] >= 4
    assert desktop["first"] >= 6
    fifth, tenth, last = (phone["screens"][place] for place in (4, 9, -1))
    assert fifth <= 1.3
    assert max(tenth, last) <= 4
    assert measured["flood"]["phone"]["first"] >= 4
    assert measured["flood"]["phone"]["screens"][-1] <= 30
    assert len(measured["flood"]["phone"]["screens"]) == 229


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", LOOKED_AT)
def test_a_finger_can_hit_every_link_on_a_phone(kind: str, measured: dict[str, Any]) -> None:
    assert measured[kind]["phone"]["small"] == []


@pytest.mark.browser
@pytest.mark.slow
def test_the_preview_page_shuts_nobody_out(tmp_path: Path) -> None:
    shown = samples.kind("combined")
    (tmp_path / "mail.html").write_text(shown.html(), "utf-8")
    page = tmp_path / "index.html"
    values = {
        "subject": "A subject",
        "recipient": "ada@example.net",
        "html": "mail.html",
        "text": shown.text(),
        "source": shown.message().decode(),
    }
    page.write_text(viewing.page("preview.html", **values), "utf-8")
    assert look(page)[str(page)]["violations"] == []


@pytest.mark.validator
@pytest.mark.slow
def test_the_html_is_valid(remarks: list[dict[str, Any]]) -> None:
    assert remarks == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOOKED_AT)
def test_a_parser_has_nothing_to_repair(kind: str) -> None:
    parser = html5lib.HTMLParser(strict=False)
    parser.parse(samples.kind(kind).html())
    assert parser.errors == []
