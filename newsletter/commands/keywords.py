"""The commands that look at keywords, before they go live and after."""

from typing import Annotated

import typer

from newsletter.commands.options import Json, loaded_config, moment, say, say_json

keywords = typer.Typer(help="What each keyword brings, or would bring.", no_args_is_help=True)

_DAYS = 30


@keywords.command("list")
def list_(context: typer.Context, *, as_json: Json = False) -> None:
    """Show each configured keyword with its last 30 days."""
    from newsletter.operating.looks import configured, configured_lines
    from newsletter.state.opening import remembered

    config = loaded_config(context)
    with remembered(config.place) as state:
        found = configured(state, config.keywords, days=_DAYS, now=moment(None))
    if as_json:
        say_json(found)
    else:
        say(*configured_lines(found))


@keywords.command("try")
def try_(
    context: typer.Context,
    phrase: Annotated[str, typer.Argument(metavar="PHRASE")],
    *,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Leave out papers with this.")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(metavar="CAT", help="Only this category; or several.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=365, help="How far to look back.")] = _DAYS,
    as_json: Json = False,
) -> None:
    """Show what a phrase would bring; changes nothing."""
    from newsletter.models import Keyword
    from newsletter.operating.looks import lines, tried
    from newsletter.sources.arxiv.query import problems

    keyword = Keyword(name=phrase, exclude=tuple(exclude or ()), categories=tuple(category or ()))
    if wrong := problems(keyword):
        raise typer.BadParameter("\n".join(wrong))
    found = tried(loaded_config(context), keyword, days=days, now=moment(None))
    if as_json:
        say_json(found)
    else:
        say(*lines(found))
