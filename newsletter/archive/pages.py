"""Fill the archive's pages. Of the archive it alone knows jinja2; it writes nothing.

The pages ask nobody for anything: their policy allows one style sheet and the scripts of the
program, each by its hash.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from newsletter.archive.folder import MARK


def page(name: str, values: Mapping[str, object], *, scripts: Sequence[str] = ()) -> str:
    """Return one of the pages in `pages/`, everything in it escaped but `scripts`."""
    own = {"policy": _policy(scripts), "scripts": [Markup(each) for each in scripts]}  # noqa: S704
    return _environment().get_template(name).render({**values, **own})


def shipped(name: str) -> str:
    """Return the text of a file in `pages/`."""
    return files("newsletter.archive").joinpath("pages", name).read_text("utf-8")


@cache
def templates() -> str:
    """Return a text that changes when a page of the program does."""
    pages = sorted((files("newsletter.archive") / "pages").iterdir(), key=lambda each: each.name)
    return sha256(b"".join(each.read_bytes() for each in pages)).hexdigest()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("newsletter.archive", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"mark": MARK, "css": Markup(_style())}  # noqa: S704
    return environment


def _style() -> str:
    """Return the style sheet on one line: the Nu Html Checker counts a hash over lines wrongly."""
    return " ".join(shipped("style.css").split())


def _policy(scripts: Sequence[str]) -> str:
    """Return what a page may do. Scripts may load others: the parts of the search index."""
    allowed = ["default-src 'none'", f"style-src {_hash(_style())}"]
    if scripts:
        allowed.append(f"script-src {' '.join(map(_hash, scripts))} 'strict-dynamic'")
    return "; ".join([*allowed, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
