"""The commands that care for the state file."""

from pathlib import Path
from typing import Annotated

import typer

from newsletter.commands.options import loaded_config, moment, say
from newsletter.errors import IO, StateError

state = typer.Typer(help="Care for the state file.", no_args_is_help=True)


@state.command()
def backup(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Default: beside the state, named by the time."),
    ] = None,
) -> None:
    """Copy the state while it is in use; never overwrites. Keep the .key files with it."""
    from newsletter.moments import stamp
    from newsletter.state.sqlite.database import Database

    path = _existing(loaded_config(context).state.file)
    target = file or path.with_name(f"{path.name}.backup-{stamp(moment(None))}")
    with Database.open(path) as database:
        database.backup(target)
    say(f"wrote {target}")


@state.command()
def verify(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Another one: a backup.")
    ] = None,
) -> None:
    """Look for damage and for counts that do not add up; exit 74 if there is any."""
    from newsletter.state.state import State

    path = _existing(file or loaded_config(context).state.file)
    with State.open(path) as opened:
        problems = opened.problems()
        issues = opened.newest_issue()
    for problem in problems:
        say(f"{path}: {problem}")
    if problems:
        raise typer.Exit(IO)
    say(f"{path}: sound, with issues up to {issues}")


def _existing(path: Path) -> Path:
    if not path.exists():
        raise StateError(path, "there is no state file yet; a run makes one")
    return path
