"""The command that writes the archive, and looks up the past for it."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.commands.options import Now, loaded_config, moment, parsed

if TYPE_CHECKING:
    from newsletter.config.loading import Config


def archive(
    context: typer.Context,
    *,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to write, else [archive] directory.")
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Look at every page, not only at what news touches.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DATE", help="First look up older papers, from that month on."
        ),
    ] = None,
    now: Now = None,
) -> None:
    """Write past issues, the Daily Papers page, feeds and search as files; mails nobody."""
    from newsletter.archive import writing

    config = loaded_config(context)
    writing.destination(config, output)
    if since is not None:
        _look_up_past(config, parsed(date.fromisoformat, since, "--from"), now=moment(now))
    for path in writing.write_once(config, output, rebuild=rebuild):
        typer.echo(f"wrote {path}")


def _look_up_past(config: "Config", since: date, *, now: datetime) -> None:
    """Ask arXiv for older papers, and tell of each month; what was kept stays if it ends early."""
    from newsletter.archive.past import fill
    from newsletter.job.parts import arxiv_source
    from newsletter.state.state import State

    source = arxiv_source(config, attempts=config.source.attempts)
    with State.open(config.state.file) as state:
        for line in fill(source, state, config.keywords, since=since, now=now):
            typer.echo(line)
