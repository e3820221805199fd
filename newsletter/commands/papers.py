"""What was announced: for scripts, one object a line; for readers, as pages of the archive."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.commands.options import (
    Json,
    Now,
    loaded_config,
    moment,
    parsed,
    say,
    say_json,
)

if TYPE_CHECKING:
    from newsletter.config.loading import Config

FORM = 1  # docs/machine-readable.md says what it has; what is added later keeps the number


def papers(
    context: typer.Context,
    *,
    keyword: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what this keyword announced.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only issues from this day on: 2026-11-20.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what was announced, oldest first: a line each, with --json an object each."""
    from newsletter.state.opening import opened, there_is

    config = loaded_config(context)
    first = parsed(date.fromisoformat, since, "--since") if since else None
    names = [each.name for each in config.keywords]
    if keyword is not None and keyword not in names:
        from newsletter.phrases import did_you_mean

        hint = did_you_mean(keyword, names)
        raise typer.BadParameter(f"{keyword!r} is not configured{hint}", param_hint="--keyword")
    if not there_is(config.place):
        return
    with opened(config.place) as state:
        for each in state.papers.announced(keyword=keyword, since=first):
            paper = each.paper
            if not as_json:
                say(f"{each.date}  {each.keyword}  {paper.id}v{paper.version}  {paper.title}")
                continue
            record: dict[str, Any] = {
                "form": FORM,
                "keyword": each.keyword,
                "kind": each.kind,
                "issue": each.issue,
                "date": each.date.isoformat(),
                "id": paper.id,
                "version": paper.version,
                "source": paper.source,
                "title": paper.title,
                "authors": paper.authors,
                "abstract": paper.abstract,
                "categories": paper.categories,
                "submitted": paper.submitted.isoformat(),
                "updated": paper.updated.isoformat(),
                "comment": paper.comment,
                "journal_ref": paper.journal_ref,
                "doi": paper.doi,
                "links": {link.label: link.url for link in paper.links},
            }
            say_json(record)


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
        say(f"wrote {path}")


def _look_up_past(config: "Config", since: date, *, now: datetime) -> None:
    """Ask arXiv for older papers, and tell of each month; what was kept stays if it ends early."""
    from newsletter.archive.past import fill
    from newsletter.job.parts import arxiv_source
    from newsletter.state.opening import opened

    source = arxiv_source(config, attempts=config.source.attempts)
    with opened(config.place) as state:
        for line in fill(source, state, config.keywords, since=since, now=now):
            say(line)
