"""Read command lines in recipes and docs as the program would, without running them."""

from collections.abc import Sequence

import typer.main

from newsletter.commands.main import app
from newsletter.config.loading import File, kind_of


def parse(words: Sequence[str]) -> str:
    """Return the name of the command that `words` (without `newsletter`) call.

    Raises typer's usage error for a command, option or argument that does not exist.
    """
    context = typer.main.get_command(app).make_context("newsletter", list(words))
    group = context.command
    rest = [*context._protected_args, *context.args]
    names = []
    while hasattr(group, "resolve_command"):
        name, group, rest = group.resolve_command(context, rest)
        context = group.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args]
        names.append(name)
    return " ".join(names)


def variables() -> set[str]:
    """Return every environment variable that the program reads: NEWSLETTER_SOURCE__URL, ..."""
    names = {"NEWSLETTER_CONFIG", "NEWSLETTER_SECRETS_DIR"}
    for table in File.__struct_fields__:
        if table != "keywords":
            names |= {
                f"NEWSLETTER_{table}__{key}".upper() for key in kind_of(table).__struct_fields__
            }
    return names
