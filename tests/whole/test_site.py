"""The site of docs/: strictly built, every page in reach, and nothing comes from elsewhere."""

import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.making.browsing import asked_for
from tests.making.tools import MKDOCS

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted((CHECKOUT / "docs").glob("*.md"))
WANTED = {  # the parts of a page that a browser fetches without being asked
    "audio": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
}
UNFETCHED = {"canonical", "next", "prev"}  # relations that only say where something is

pytestmark = [pytest.mark.site, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site, with every warning an error."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [MKDOCS, "build", "--strict", "--site-dir", folder],
        cwd=CHECKOUT,
        env={"NO_MKDOCS_2_WARNING": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetched(HTMLParser):
    """What a page has fetched, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif given.get("rel") not in UNFETCHED:
            self.parts += [given[name] for name in WANTED.get(tag, ()) if given.get(name)]


def pages(site: Path) -> Iterator[tuple[str, Fetched]]:
    for path in sorted(site.rglob("*.html")):
        yield path.name, Fetched(path.read_text("utf-8"))


def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    for name, page in pages(site):
        assert page.parts, name
        assert [part for part in page.parts if re.match(r"(\w+:)?//", part)] == [], name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", sheet.read_text("utf-8"))


def test_every_page_of_docs_is_in_the_site_and_links_to_nothing_that_is_missing(site: Path) -> None:
    assert {f"{path.stem}.html" for path in PAGES} <= {name for name, _ in pages(site)}
    menu = set(Fetched((site / "index.html").read_text("utf-8")).links)
    assert {f"{path.stem}.html" for path in PAGES if path.stem != "index"} <= menu
    for name, page in pages(site):
        for link in page.links:
            target = link.partition("#")[0]
            if target and not re.match(r"\w+:|/", link):
                assert (site / target).exists(), f"{name}: {link}"


def test_what_lies_beside_the_docs_is_linked_in_the_repository(site: Path) -> None:
    page = Fetched((site / "web.html").read_text("utf-8"))

    beside = [link for link in page.links if "/blob/main/" in link]
    assert beside
    for link in beside:
        assert (CHECKOUT / link.partition("/blob/main/")[2]).is_file()


@pytest.mark.browser
def test_in_a_browser_the_pages_ask_nobody_else(site: Path) -> None:
    for name in ("index.html", "reference.html", "architecture.html"):
        requests = asked_for(site / name)
        assert requests, name
        assert [each for each in requests if not each.startswith("file:")] == [], name
