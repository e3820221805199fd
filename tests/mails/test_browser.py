"""What a browser, a screen reader and two validators find wrong with our mails: nothing."""

import json
import subprocess
from pathlib import Path

import html5lib
import pytest

from newsletter.preview import viewing
from tests.making import samples
from tests.making.browsing import look, remarks

HERE = Path(__file__).parent / "browser"

# Kinds that differ to the eye; "text" has no HTML, and a flood is ordinary and long.
LOOKED_AT = [
    "combined",
    "weekly",
    "everything",
    "outage",
    "one-paper",
    "ordinary",
    "awkward",
    "hostile",
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the HTML of the mails as files, by kind."""
    folder = tmp_path_factory.mktemp("mails")
    files = {kind: folder / f"{kind}.html" for kind in [*LOOKED_AT, "flood"]}
    for kind, file in files.items():
        file.write_text(samples.kind(kind).html(), "utf-8")
    return files


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", [*LOOKED_AT, pytest.param("flood", marks=pytest.mark.full)])
def test_nothing_is_wrong_with_a_mail_on_desktop_or_phone_by_day_or_night(
    kind: str, pages: dict[str, Path]
) -> None:
    page = pages[kind]
    seen = look(page)[str(page)]
    assert seen["violations"] == []  # nobody is shut out
    assert seen["overflowing"] == []  # of the narrowest phone
    assert seen["requests"] == []  # it asks nobody for anything
    assert seen["mode"] == "CSS1Compat"


@pytest.mark.browser
@pytest.mark.slow
def test_the_first_screen_names_the_papers_and_a_finger_can_hit_every_link(
    pages: dict[str, Path],
) -> None:
    command: list[str | Path] = ["node", HERE / "measure.mjs", *pages.values()]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=1000).stdout
    report = json.loads(printed)
    measured = {kind: report[str(file)] for kind, file in pages.items()}
    phone, desktop = (measured["ordinary"][view] for view in ("phone", "desktop"))
    assert phone["first"] >= 4
    assert desktop["first"] >= 6
    fifth, tenth, last = (phone["screens"][place] for place in (4, 9, -1))
    assert fifth <= 1.3
    assert max(tenth, last) <= 4
    assert measured["flood"]["phone"]["first"] >= 4
    assert measured["flood"]["phone"]["screens"][-1] <= 30
    assert len(measured["flood"]["phone"]["screens"]) == 229
    small = {kind: each["phone"]["small"] for kind, each in measured.items()}
    assert {kind: links for kind, links in small.items() if links} == {}


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
def test_the_html_is_valid(pages: dict[str, Path]) -> None:
    assert remarks(*pages.values()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*LOOKED_AT, "flood"])
def test_a_parser_has_nothing_to_repair(kind: str) -> None:
    parser = html5lib.HTMLParser(strict=False)
    parser.parse(samples.kind(kind).html())
    assert parser.errors == []
