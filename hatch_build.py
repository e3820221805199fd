"""Write the manual page from the program's own help while the wheel is built, and put it inside.

It knows nothing of the commands but what `--help` says of them. An editable installation has none.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGES = "share/man/man1"
ALIAS = ".so man1/newsletter.1\n"


class ManualPage(BuildHookInterface[Any]):
    """What hatchling calls around a build."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Hand the page to the wheel, under both names of the program."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        sys.argv = ["newsletter", "--help"]
        from newsletter.commands.main import app

        self._folder = tempfile.TemporaryDirectory()
        pages = {"newsletter.1": manual(app), "arxiv-newsletter.1": ALIAS}
        for name, text in pages.items():
            path = Path(self._folder.name, name)
            path.write_text(text, "utf-8")
            build_data["shared_data"][str(path)] = f"{PAGES}/{name}"

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact: str) -> None:
        """Take the page away again: it is in the wheel."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def manual(app: Any) -> str:
    """Return the manual page of a typer program, for man(7)."""
    from typer.main import get_command

    from newsletter import __version__

    program = get_command(app)
    context = program.make_context("newsletter", [], resilient_parsing=True)
    lines = [
        f'.TH NEWSLETTER 1 "" "newsletter {__version__}"',
        ".SH NAME",
        rf"newsletter \- {_plain(program.help)}",
        ".SH SYNOPSIS",
        r".B newsletter",
        "[OPTIONS] COMMAND [ARGUMENTS]",
        ".PP",
        r"The program is also called",
        r".BR arxiv\-newsletter .",
        ".SH OPTIONS",
        *_options(program, context),
        ".SH COMMANDS",
    ]
    for name, command in _commands(program, context):
        inner = command.make_context(name, [], parent=context, resilient_parsing=True)
        usage = " ".join([name, *command.collect_usage_pieces(inner)])
        lines += [f".SS {_escaped(usage)}", *_text(command.help), *_options(command, inner)]
    return "\n".join(lines) + "\n"


def _commands(group: Any, context: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with its whole name."""
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from _commands(command, context, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _options(command: Any, context: Any) -> Iterator[str]:
    """Yield each option or argument of a command as a paragraph with a tag."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and record[1]:
            yield from (".TP", rf"\fB{_escaped(record[0])}\fR", _plain(record[1]))


def _text(help_text: str | None) -> Iterator[str]:
    """Yield the paragraphs of a help text."""
    for paragraph in (help_text or "").split("\n\n"):
        yield from (".PP", _plain(paragraph))


def _plain(text: str | None) -> str:
    """Return a text as one line that man(7) takes as it is."""
    line = _escaped(" ".join((text or "").split()))
    return rf"\&{line}" if line[:1] in {".", "'"} else line


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-")
