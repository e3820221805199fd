"""Open a template and fill its blocks one by one. Of the mails it alone knows jinja2 and premailer.

Styles are written into the elements of the template itself, once, and never into a mail.
"""

import io
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, partial
from itertools import takewhile
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct

from newsletter.errors import RenderError
from newsletter.mails.fitting import Page, Placed
from newsletter.mails.pieces import Both, OnDemand
from newsletter.mails.views import Heading, Named, Run, View
from newsletter.models import Edition, Link

if TYPE_CHECKING:
    from jinja2 import Environment

_VALUES = frozenset({Heading, Link, Named, Run, View})  # that templates show

COLUMNS = 72  # of a text

_PIECES = 4096  # that are kept to be used again
_MOULDS = 64
_Shown = TypeVar("_Shown")  # in a row

# Texts by which a template shows whether it does more than show them.
_PROBES = ("", "x", "<&'\">", "A title of many words. " * 20)
_SPECIAL = re.compile(r"[&<>'\"]")
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
        from jinja2 import FileSystemLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError

        html = name.endswith(".html")
        environment = _sandbox()(
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
        except (TemplateNotFound, OSError) as e:
            places = " or ".join(map(str, folders))
            raise RenderError(name, f"it cannot be read in {places} ({e}): put it there") from e
        self._compiled = self._written
        if html:
            self._compiled = environment.from_string(_inlined(Path(str(self._written.filename))))
        # To look through the chain of mappings that they are takes longer than to fill a block.
        self._compiled.globals = dict(self._compiled.globals)

    def piece(self, block: str, **values: object) -> str:
        """Return one block, filled. Raises RenderError with file and line."""
        fill = self._compiled.blocks.get(block)
        if fill is None:
            raise RenderError(str(self._written.filename), f"the block {block!r} is missing")
        try:
            return "".join(fill(self._compiled.new_context(values)))
        except ImportError:
            raise  # no template's fault
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


@cache
def _sandbox() -> "type[Environment]":
    """Return an environment in which a template reaches nothing but what it is given."""
    from jinja2.sandbox import SandboxedEnvironment

    class Sandbox(SandboxedEnvironment):
        def getattr(self, obj: object, attribute: str) -> object:
            """Return at once of our values what would be found safe: all but private names."""
            if type(obj) in _VALUES and attribute[:1] != "_" and hasattr(obj, attribute):
                return getattr(obj, attribute)
            return super().getattr(obj, attribute)

    return Sandbox


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


class Mould:
    """A block that was filled but for some texts, each of which stands in it as it is.

    A template may do with a text what it likes; one that does more than show it is filled anew
    each time.
    """

    def __init__(
        self,
        fill: Callable[[Mapping[str, str]], str],
        slots: Sequence[str],
        change: Callable[[str], str],
    ) -> None:
        self._fill, self._change = fill, change
        marked = fill({each: f"\x02{each}\x03" for each in slots})
        self._parts = re.split(f"\x02({'|'.join(slots)})\x03", marked)
        self._is_whole = all(
            "".join(self._cast(texts)) == fill(texts)
            for probe in _PROBES
            for texts in [dict.fromkeys(slots, probe)]
        )

    def filled(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """Return the block with these texts, in pieces of which every second is one of them."""
        return self._cast(texts) if self._is_whole else (self._fill(texts),)

    def told(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """Return those of the texts on which it depends how the block is filled."""
        return tuple([texts[x] for x in (self._parts[1::2] if self._is_whole else texts)])

    def _cast(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        parts = self._parts.copy()
        parts[1::2] = [self._change(texts[each]) for each in parts[1::2]]
        return tuple(parts)


class Row(Generic[_Shown]):
    """A block that shows things in a row, in pieces, each of which says one of them.

    A template may do with a row what it likes; one that treats its things in other ways than the
    first and those behind it, each by itself, is filled anew each time.
    """

    def __init__(
        self, fill: Callable[[Sequence[_Shown]], str], probes: tuple[_Shown, _Shown]
    ) -> None:
        """Try it with two things that differ in all that is shown of them."""
        self._fill = fill
        one, other = probes
        first, second = fill([one]), fill([other])
        ends = zip(reversed(first), reversed(second), strict=False)
        end = len([*takewhile(lambda pair: pair[0] == pair[1], ends)])
        before = len(first) - end
        self._end = first[before:]

        def made(thing: _Shown) -> tuple[str, str]:
            """Return a thing as the first, and as one behind others."""
            alone, both = fill([thing]), fill([one, thing])
            return alone[: len(alone) - end], both[before : len(both) - end]

        self._made = OnDemand(made)
        self._is_regular = all(
            "".join(self._pieces(row)) == fill(row)
            for row in ([one], [other] * 2, [other, one, other])
        )

    def __call__(self, row: Sequence[_Shown]) -> tuple[str, ...]:
        """Return the block with these things, at least one."""
        return self._pieces(row) if self._is_regular else (self._fill(row),)

    def _pieces(self, row: Sequence[_Shown]) -> tuple[str, ...]:
        if len(self._made) > _PIECES:
            self._made.clear()
        first, *rest = map(self._made.__getitem__, row)
        return (first[0], *[behind for _, behind in rest], self._end)


class Moulds:
    """A block of both parts that lacks some texts."""

    def __init__(self, html: Mould, text: Mould) -> None:
        self._html, self._text = html, text
        self._last: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._last_html: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def html(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """Return it as HTML."""
        told = self._html.told(texts)
        if not self._last_html[1] or self._last_html[0] != told:
            self._last_html = (told, self._html.filled(texts))
        return self._last_html[1]

    def text(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """Return it as text."""
        told = self._text.told(texts)
        if not self._last[1] or self._last[0] != told:
            text = wrapped("".join(self._text.filled(texts)))
            # From the first link on it is the same piece whatever stands before that.
            at = text.rfind("\n", 0, max(text.find("\x02"), 0)) + 1
            self._last = (told, (text[:at], text[at:]) if at else (text,))
        return self._last[1]


class Layout(Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """What all who have an edition share.

    `opening` and `closing` lack the subject and what else few share, `subject` the best title.
    """

    edition: Edition
    page: Page
    frame: Mapping[str, object]
    opening: Moulds
    closing: Moulds
    subject: Callable[[str], str]
    keywords: str

    @cached_property
    def where(self) -> Mapping[str, Placed]:
        """Where the papers stand, by id."""
        sections = enumerate(self.page.sections)
        return {card.id: Placed(card, n) for n, each in sections for card in each.cards}


def wrapped(text: str) -> str:
    """Return the text in lines of at most 72 columns, indented as they began, "- " and all.

    Words are never broken, so neither are addresses.
    """
    if len(text) <= COLUMNS:
        return text
    lines = text.split("\n")
    return "\n".join([each if len(each) <= COLUMNS else _in_columns(each) for each in lines])


def _in_columns(line: str) -> str:
    lines: list[str] = []
    rest = line.lstrip(" ").removeprefix("- ")
    indent = line[: len(line) - len(rest)]
    width = COLUMNS - len(indent)
    while len(rest) > width:
        cut = rest.rfind(" ", 0, width + 1)
        if cut < 0 and (cut := rest.find(" ", width)) < 0:
            break
        lines.append(indent + rest[:cut])
        indent, rest = " " * len(indent), rest[cut + 1 :]
    return "\n".join([*lines, indent + rest])


def escaped(text: str) -> str:
    """Return a text as it stands in HTML."""
    if not _SPECIAL.search(text):
        return text
    import markupsafe

    return str(markupsafe.escape(text))


class Templates:
    """The templates of both parts; a piece that many editions have is made once.

    `own` is a folder whose files take the place of the shipped ones of the same name.
    """

    def __init__(self, own: Path | None) -> None:
        opened = partial(Blocks, folders=[own, _shipped()]) if own else _opened
        self.html = opened("edition.html")
        self.text = opened("edition.txt")
        self._pieces: dict[object, Both] = {}
        self._brackets: dict[str, str] = {}
        self._moulds: dict[object, Sequence[Moulds]] = {}

    def shared(self, block: str, **values: object) -> Both:
        """Return a block that many editions have, made once for equal values."""
        key = (block, *values.values())
        if key not in self._pieces:
            self._keep(key, self.both(block, **values))
        return self._pieces[key]

    def fixed(self, block: str) -> str:
        """Return a block of the HTML that says nothing of its own, made once."""
        if block not in self._brackets:
            self._brackets[block] = self.html.piece(block)
        return self._brackets[block]

    def moulds(
        self, blocks: Sequence[str], slots: Sequence[str], values: Mapping[str, object]
    ) -> Sequence["Moulds"]:
        """Return blocks of both parts that lack the texts of some names, made once."""
        key = (*blocks, *slots, *values.values())
        if key not in self._moulds:
            if len(self._moulds) >= _MOULDS:
                self._moulds.clear()
            self._moulds[key] = [self._mould(block, slots, values) for block in blocks]
        return self._moulds[key]

    def _mould(self, block: str, slots: Sequence[str], values: Mapping[str, object]) -> "Moulds":
        def html(texts: Mapping[str, str]) -> str:
            return self.html.piece(block, **values, **texts)

        def text(texts: Mapping[str, str]) -> str:
            return self.text.piece(block, **values, **texts)

        return Moulds(Mould(html, slots, escaped), Mould(text, slots, str))

    def _keep(self, key: object, piece: Both) -> None:
        if len(self._pieces) >= _PIECES:  # what one reader alone has is in here, too
            self._pieces.clear()
        self._pieces[key] = piece

    def both(self, block: str, **values: object) -> Both:
        """Return a block of both parts, filled."""
        return Both(self.html.piece(block, **values), wrapped(self.text.piece(block, **values)))


@cache
def _opened(name: str) -> Blocks:
    """Return a shipped template; it does not change while the program runs."""
    return Blocks(name, [_shipped()])


def _shipped() -> Path:
    """Return the folder of our templates: inside an installed package, or in a checkout."""
    here = Path(__file__).parents[1]
    return here / "templates" if (here / "templates").is_dir() else here.parent / "templates"
