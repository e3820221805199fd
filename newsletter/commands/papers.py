"""What was announced, for scripts: one object a line, in a form that is written down."""

import json
from datetime import date
from typing import Annotated, Any

import typer

from newsletter.commands.options import Json, loaded_config, parsed

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
    from newsletter.state.state import State

    config = loaded_config(context)
    first = parsed(date.fromisoformat, since, "--since") if since else None
    names = [each.name for each in config.keywords]
    if keyword is not None and keyword not in names:
        from newsletter.phrases import did_you_mean

        hint = did_you_mean(keyword, names)
        raise typer.BadParameter(f"{keyword!r} is not configured{hint}", param_hint="--keyword")
    if not config.state.file.exists():
        return
    with State.open(config.state.file) as state:
        for each in state.papers.announced(keyword=keyword, since=first):
            paper = each.paper
            if not as_json:
                typer.echo(
                    f"{each.date}  {each.keyword}  {paper.id}v{paper.version}  {paper.title}"
                )
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
            typer.echo(json.dumps(record, ensure_ascii=False))
