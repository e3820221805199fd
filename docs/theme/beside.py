"""What the site needs of its checkout: links to what lies beside docs/, and a menu of every page.

In a checkout the links to deploy/ and the like are relative and work; the site has no such files,
so there they lead to the repository. A file that does not exist fails the build.
"""

import logging
import re
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
REPOSITORY = "https://github.com/arxiv-newsletter/arxiv-newsletter/blob/main/"

log = logging.getLogger("mkdocs.hooks.beside")


def on_config(config: Any) -> Any:  # noqa: ANN401 - mkdocs'
    """Put the pages that the menu does not name under its last heading."""
    named = str(config.nav)
    pages = sorted(path.name for path in Path(config.docs_dir).glob("*.md"))
    behind = next(each["Behind it"] for each in config.nav if "Behind it" in each)
    behind += [page for page in pages if f"'{page}'" not in named]
    return config


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:  # noqa: ANN401 - mkdocs'
    """Return the page with links out of docs/ made absolute."""

    def led(link: re.Match[str]) -> str:
        path = link[1].partition("#")[0]
        if not (CHECKOUT / path).exists():
            log.warning("%s: there is no %s beside docs/", page.file.src_uri, path)
        return f"]({REPOSITORY}{link[1]})"

    return re.sub(r"\]\(\.\./([^)]+)\)", led, markdown)
