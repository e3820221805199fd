"""The options before the command, and what the commands make of them and of the environment."""

import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer
from typer.models import CommandInfo, TyperInfo

from newsletter.operating.logs import LogFormat
from newsletter.prose import json_shown, line_shown

if TYPE_CHECKING:
    from newsletter.config.loading import Config

T = TypeVar("T")
log = logging.getLogger("newsletter")

Now = Annotated[
    str | None, typer.Option("--now", metavar="TIME", help="Run as of this ISO 8601 time, not now.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, alone on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


class Chosen(NamedTuple):
    """What was given before the command."""

    config: Path | None
    log_format: LogFormat
    verbose: bool


def completing(asked: Sequence[str]) -> bool:
    """Return whether completion for shells is set up: where it is asked for, at work, or in a help.

    It takes tens of milliseconds, which no other start is to pay.
    """
    words = {"--install-completion", "--show-completion", "--help", "-h"}
    at_work = {"_NEWSLETTER_COMPLETE", "_ARXIV_NEWSLETTER_COMPLETE"}
    return not asked or not words.isdisjoint(asked) or not at_work.isdisjoint(os.environ)


def asked_for(program: typer.Typer, words: Sequence[str]) -> typer.Typer:
    """Return the program with no more commands than may be asked for by these words.

    typer looks at the parameters of every command there is before it runs one; that takes a tenth
    of the whole of `status`. Completion and a wrong word are about all of them; the help of the
    whole program lists them by what they do, without their parameters.
    """
    if words in (["--help"], ["-h"]):
        listed = copy(program)
        listed.registered_commands = [_described(each) for each in program.registered_commands]
        listed.registered_groups = [_emptied(each) for each in program.registered_groups]
        return listed
    commands = [each for each in program.registered_commands if _name(each) in words]
    groups = [each for each in program.registered_groups if each.name in words]
    if completing(words) or not commands + groups:
        return program
    narrow = copy(program)
    narrow.registered_commands, narrow.registered_groups = commands, groups
    return narrow


def _described(command: CommandInfo) -> CommandInfo:
    """Return a command of the same name and help that takes nothing."""
    described = copy(command)
    described.name = _name(command)
    described.help = command.help or getattr(command.callback, "__doc__", None)
    described.callback = _nothing
    return described


def _emptied(group: TyperInfo) -> TyperInfo:
    """Return a group of the same name and help that has no commands."""
    emptied = copy(group)
    emptied.typer_instance = copy(group.typer_instance)
    if emptied.typer_instance:
        emptied.typer_instance.registered_commands = []
    return emptied


def _nothing() -> None:
    return None


def _name(command: CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")


def chosen(context: typer.Context) -> Chosen:
    """Return what was given before the command that runs."""
    found: Chosen = context.obj
    return found


def loaded_config(context: typer.Context) -> "Config":
    """Return the configuration, its warnings logged. Raises ConfigError."""
    from newsletter.config.loading import load

    config = load(chosen(context).config, environ=os.environ)
    for warning in config.warnings:
        log.warning("%s", warning)
    return config


def say(*lines: str) -> None:
    """Print lines to stdout: each stays one, and has nothing in it that a terminal would obey.

    All that the commands print passes here: much of it was said by others, some of it long ago.
    """
    for line in lines:
        typer.echo(line_shown(line))


def say_json(value: Any, *, indent: int | None = None) -> None:  # noqa: ANN401 - any JSON
    """Print a value as JSON, on one line unless there is an `indent`; see `json_shown`."""
    typer.echo(json_shown(value, indent=indent))


def fitted(line: str) -> list[str]:
    """Return a line as a terminal shows it, in 80 columns at most; elsewhere it stays one line."""
    if not sys.stdout.isatty():
        return [line]
    width = min(80, shutil.get_terminal_size().columns)
    return textwrap.wrap(
        line, width, subsequent_indent="     ", break_long_words=False, break_on_hyphens=False
    )


def moment(text: str | None) -> datetime:
    """Return the time of --now, else the time it is; UTC where it names no zone."""
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    return parsed(_in_utc, text, "--now")


def parsed(parse: Callable[[str], T], text: str, option: str) -> T:
    """Return what `parse` makes of an option; what it cannot be or is too large is the user's."""
    try:
        return parse(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _in_utc(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
