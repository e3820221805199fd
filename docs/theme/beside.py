"""Lead from the pages of the site to what lies beside docs/ in the checkout, such as deploy/.

In a checkout those links are relative and work; the site has no such files, so there they lead to
the repository. A file that does not exist fails the build.
"""

import logging
import re
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
REPOSITORY = "https://github.com/arxiv-newsletter/arxiv-newsletter/blob/main/"

log = logging.getLogger("mkdocs.hooks.beside")


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:  # noqa: ANN401 - mkdocs'
    """Return the page with links out of docs/ made absolute."""

    def led(link: re.Match[str]) -> str:
        path = link[1].partition("#")[0]
        if not (CHECKOUT / path).exists():
            log.warning("%s: there is no %s beside docs/", page.file.src_uri, path)
        return f"]({REPOSITORY}{link[1]})"

    return re.sub(r"\]\(\.\./([^)]+)\)", led, markdown)
