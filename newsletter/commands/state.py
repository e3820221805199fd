"""The commands that care for the state file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.commands.options import loaded_config, moment, parsed, say
from newsletter.errors import IO, ConfigError, StateError

if TYPE_CHECKING:
    from newsletter.state.engines import Place

state = typer.Typer(help="Care for the state.", no_args_is_help=True)


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

    config = loaded_config(context)
    if config.state.url:
        raise ConfigError(["a ledger in PostgreSQL is backed up by PostgreSQL's means: pg_dump"])
    path = _existing(config.state.file)
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
    from msgspec.structs import replace

    from newsletter.state.opening import opened

    place = loaded_config(context).place
    if file or not place.url:
        place = replace(place, file=_existing(file or place.file), url="")
    path = place.name
    with opened(place) as state_:
        problems = state_.problems()
        issues = state_.newest_issue()
    for problem in problems:
        say(f"{path}: {problem}")
    if problems:
        raise typer.Exit(IO)
    say(f"{path}: sound, with issues up to {issues}")


def _existing(path: Path) -> Path:
    if not path.exists():
        raise StateError(path, "there is no state file yet; a run makes one")
    return path


@state.command()
def migrate(context: typer.Context) -> None:
    """Bring the ledger in PostgreSQL up to date, or make it; a run does so too, if its role may."""
    from newsletter.state.moving import migrated

    place = _shared(context)
    say(f"{place.name}: version {migrated(place)}")


@state.command()
def copy(
    context: typer.Context,
    *,
    to: Annotated[
        str, typer.Option("--to", metavar="URL", help="postgresql://ROLE@HOST/DATABASE, empty yet.")
    ],
) -> None:
    """Move the state file into PostgreSQL, with all that is owed; the file runs no more then.

    The password is NEWSLETTER_STATE__PASSWORD, as for every command.
    """
    from msgspec.structs import replace

    from newsletter.config.ledgers import ledger_address
    from newsletter.state.moving import move

    config = loaded_config(context)
    path = _existing(config.state.file)
    url = parsed(ledger_address, to, "--to")
    for table, number in move(path, replace(config.place, url=url)).items():
        say(f"{table}: {number}")
    say(f'{path} is moved: set url = "{url}" in [state]')


@state.command()
def restored(
    context: typer.Context,
    *,
    release: Annotated[
        bool, typer.Option("--release", help="Let everything go out that is held.")
    ] = False,
) -> None:
    """After a backup of PostgreSQL was restored: hold all that is owed, until you release it."""
    from newsletter.phrases import counted
    from newsletter.state import moving

    place = _shared(context)
    if release:
        say(f"{counted(moving.release(place), 'mail')} may go out")
        return
    say(
        f"{counted(moving.hold(place), 'mail')} held: they may have been mailed before the backup"
        " was restored. `newsletter -v status --issue N` lists them; to send them all the same:"
        " newsletter state restored --release"
    )


def _shared(context: typer.Context) -> "Place":
    place = loaded_config(context).place
    if not place.url:
        raise ConfigError(["state.url: missing; this is for a ledger in PostgreSQL"])
    return place
