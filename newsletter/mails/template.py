"""Open a template and fill its blocks one by one. Of the mails it alone knows jinja2 and premailer.

Styles are written into the elements of the template itself, once, and never into a mail.
"""

import io
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from traceback import walk_tb

from newsletter.errors import RenderError
from newsletter.mails.fitting import Both, wrapped

_PIECES = 4096  # that are kept to be used again
_DOCTYPE = "<!DOCTYPE html>"
_EXPRESSION = r"\{\{.*?\}\}"
_STATEMENT = r"\{%.*?%\}"
_COMMENT = r"\{#.*?#\}"

# What would make the inlined template another mail than the inlined mail.
_UNSUITABLE = (
    (r"<[^<>]*?" + _STATEMENT, "a statement inside a tag: put it between elements"),
    (r"@import", "@import: a mail must not fetch anything"),
    (r":(?:first|last|nth|only)-", "a selector that counts elements: use a class"),
    (r"<style>[^<]*?[+~][^{};<]*\{", "a selector that looks at neighbours: use a class"),
)


class Blocks:
    """A template whose blocks are filled one by one, so that what they say can be shared."""

    def __init__(self, name: str, folders: Sequence[Path]) -> None:
        """Open the first `name` in `folders`. Raises RenderError with file and line.

        A name that ends in .html is escaped, and has its styles written inline.
        """
        from jinja2 import FileSystemLoader, StrictUndefined, TemplateSyntaxError
        from jinja2.sandbox import SandboxedEnvironment

        html = name.endswith(".html")
        environment = SandboxedEnvironment(
            loader=FileSystemLoader(folders),
            autoescape=html,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        try:
            self._written = environment.get_template(name)
        except TemplateSyntaxError as e:
            raise RenderError(f"{e.filename}:{e.lineno}", str(e.message)) from e
        except UnicodeDecodeError as e:
            raise RenderError(name, "it is not UTF-8 text; save it as such") from e
        self._compiled = self._written
        if html:
            self._compiled = environment.from_string(_inlined(Path(str(self._written.filename))))

    def piece(self, block: str, **values: object) -> str:
        """Return one block, filled. Raises RenderError with file and line."""
        fill = self._compiled.blocks.get(block)
        if fill is None:
            raise RenderError(str(self._written.filename), f"the block {block!r} is missing")
        try:
            return "".join(fill(self._compiled.new_context(values)))
        except Exception as e:
            raise RenderError(self._place(block, values), str(e)) from e

    def _place(self, block: str, values: dict[str, object]) -> str:
        """Return the file and line at which a block fails, in the template as it was written."""
        written = self._written
        line = 1
        try:
            "".join(written.blocks[block](written.new_context(values)))
        except Exception as e:  # noqa: BLE001 (whatever it is, its place is what matters)
            for frame, number in walk_tb(e.__traceback__):
                if frame.f_code.co_filename == written.filename:
                    line = written.get_corresponding_lineno(number)
        return f"{written.filename}:{line}"


def _inlined(path: Path) -> str:
    """Return the template with its style sheet written into its elements.

    The tags of jinja2 are hidden from premailer: expressions as words, statements as comments.
    """
    # 0.3 s, which commands that render nothing need not wait for.
    import cssutils
    from premailer import Premailer

    source = path.read_text("utf-8")
    for pattern, reason in _UNSUITABLE:
        if found := re.search(pattern, re.sub(_COMMENT, _blank, source, flags=re.DOTALL)):
            line = source.count("\n", 0, found.end()) + 1
            raise RenderError(f"{path}:{line}", reason)
    head, doctype, page = source.partition(_DOCTYPE)
    if not doctype:
        raise RenderError(f"{path}:1", f"no {_DOCTYPE}: without it clients guess what HTML means")
    tags: list[str] = []

    def hidden(found: re.Match[str]) -> str:
        tags.append(found[0])
        word = f"jinja{len(tags) - 1}x"
        return word if found[0].startswith("{{") else f"<!--{word}-->"

    page = re.sub(_COMMENT, "", page, flags=re.DOTALL)
    page = re.sub(f"{_EXPRESSION}|{_STATEMENT}", hidden, page, flags=re.DOTALL)
    complaints = io.StringIO()
    listener = logging.Logger("css", logging.ERROR)  # noqa: LOG001 (nobody else's business)
    listener.addHandler(logging.StreamHandler(complaints))
    cssutils.log.setLog(listener)  # else it writes to stderr, and cron mails that
    page = Premailer(
        allow_network=False,
        allow_loading_external_files=False,
        disable_validation=True,
        # They would be invalid HTML, and the template says where it wants them.
        disable_basic_attributes=["align", "valign", "width", "height", "bgcolor"],
    ).transform(doctype + page, pretty_print=False)
    if complaints.getvalue():
        raise RenderError(str(path), complaints.getvalue().strip())
    return head + re.sub(r"<!--jinja(\d+)x-->|jinja(\d+)x", lambda m: tags[int(m[1] or m[2])], page)


def _blank(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


class Templates:
    """The templates of both parts; a piece that many editions have is made once.

    `own` is a folder whose files take the place of the shipped ones of the same name.
    """

    def __init__(self, own: Path | None) -> None:
        folders = [folder for folder in (own, _shipped()) if folder]
        self.html = Blocks("edition.html", folders)
        self.text = Blocks("edition.txt", folders)
        self._pieces: dict[object, Both] = {}
        self._brackets: dict[str, str] = {}

    def shared(self, block: str, **values: object) -> Both:
        """Return a block that many editions have, made once for equal values."""
        key = (block, *values.values())
        if key not in self._pieces:
            if len(self._pieces) >= _PIECES:  # what one reader alone has is in here, too
                self._pieces.clear()
            self._pieces[key] = self.both(block, **values)
        return self._pieces[key]

    def fixed(self, block: str) -> str:
        """Return a block of the HTML that says nothing of its own, made once."""
        if block not in self._brackets:
            self._brackets[block] = self.html.piece(block)
        return self._brackets[block]

    def both(self, block: str, **values: object) -> Both:
        """Return a block of both parts, filled."""
        return Both(self.html.piece(block, **values), wrapped(self.text.piece(block, **values)))


def _shipped() -> Path:
    """Return the folder of our templates: inside an installed package, or in a checkout."""
    here = Path(__file__).parents[1]
    return here / "templates" if (here / "templates").is_dir() else here.parent / "templates"
