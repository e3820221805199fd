"""The commands that show what is configured, and what could be."""

from typing import Any

import typer

from newsletter.commands.options import Json, loaded_config, say, say_json
from newsletter.prose import json_shown

settings = typer.Typer(help="Show the configuration, and what it may hold.", no_args_is_help=True)


@settings.command()
def show(context: typer.Context, *, as_json: Json = False) -> None:
    """Print every value in force and where it comes from; secrets are masked."""
    config = loaded_config(context)
    values = config.plain()
    origins = config.origins
    if as_json:
        found = [
            {
                "table": table,
                "key": key,
                "value": value,
                "from": origins.get((table, key), "default"),
            }
            for table, key, value in _values(values)
        ]
        say_json(found)
        return
    for table, key, value in _values(values):
        shown = json_shown(value)
        say(f"{table}.{key} = {shown}  ({origins.get((table, key), 'default')})")


@settings.command()
def schema() -> None:
    """Print the JSON Schema of newsletter.toml, for editors that complete and check it."""
    from newsletter.config import reference

    say_json(reference.schema(), indent=2)


def _values(values: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Return (table, key, value); each keyword is a table of its own, by its place."""
    found: list[tuple[str, str, Any]] = []
    for table, content in values.items():
        if isinstance(content, tuple):
            for number, each in enumerate(content, 1):
                found += [(f"{table}.{number}", key, value) for key, value in each.items()]
        elif isinstance(content, dict):
            found += [(table, key, value) for key, value in content.items()]
    return found
