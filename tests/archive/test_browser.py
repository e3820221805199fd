"""What a browser, a screen reader and a validator find wrong with the archive's pages: nothing."""

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from newsletter.archive.folder import file_name
from tests.making.archives import Library
from tests.making.browsing import look, remarks
from tests.making.editions import HOSTILE
from tests.making.papers import DAY, NOW, paper

PAGES = [
    "index.html",
    "daily-papers.html",
    "issues/1.html",
    "months/2026-11.html",
    "search.html",
    f"keywords/{file_name('mri')}.html",
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of two days: a plain one, and one of papers that want to break it."""
    library = Library(tmp_path_factory.mktemp("library"))
    plain = tuple(
        paper(f"2611.0000{number}", comment="12 pages, 3 figures, to appear") for number in range(5)
    )
    library.day({"mri": plain, "graph neural network": plain[:2]})
    titles = [text for text in HOSTILE if text.isprintable()]
    hostile = tuple(
        paper(f"2611.{10000 + number}", title=text, abstract=text, comment=text)
        for number, text in enumerate(titles)
    )
    library.day({"mri": plain + hostile, "graph neural network": plain[:2]}, now=NOW + DAY)
    return library.folder


@pytest.fixture(scope="module")
def served(archive: Path) -> Iterator[str]:
    """The address of a server of the archive."""
    handler = partial(_Quiet, directory=str(archive))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.mark.browser
def test_nothing_is_wrong_with_the_pages_from_a_folder(archive: Path) -> None:
    seen = look(*(archive / name for name in PAGES))
    assert len(seen) == len(PAGES)
    require_nothing(seen)


@pytest.mark.browser
def test_nothing_is_wrong_with_the_page_that_asks_a_server(served: str) -> None:
    # The same bytes as in the folder: only what a page does can differ, and one does something.
    require_nothing(look(f"{served}/search.html"))


@pytest.mark.validator
def test_the_html_is_valid(archive: Path) -> None:
    assert remarks(*(archive / name for name in [*PAGES, "issues/2.html"])) == []


def require_nothing(seen: dict[str, Any]) -> None:
    for name, page in seen.items():
        # Without style sheets it is looked at as a mail, to which Gmail does so.
        assert [each for each in page["violations"] if "no style sheets" not in each] == [], name
        assert page["overflowing"] == [], name
        asked = [each.rpartition("/")[2] for each in page["requests"]]
        assert set(asked) <= ({"2026-1-1.js"} if name.endswith("search.html") else set()), name
        assert page["mode"] == "CSS1Compat"
