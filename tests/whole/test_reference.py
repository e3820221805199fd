"""docs/reference.md names every command, option and key; it is made from the program itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from newsletter import __version__
from newsletter.commands.main import app
from newsletter.config import reference, scaffold

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = DOCS / "reference.md"
SCHEMA = DOCS / "newsletter.schema.json"


def test_the_reference_says_what_the_program_has(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--rewrite-golden"):
        DOCUMENT.write_text(document(), "utf-8")
    assert DOCUMENT.read_text("utf-8") == document()


def test_the_first_configuration_leads_editors_to_the_schema_of_its_version(
    request: pytest.FixtureRequest,
) -> None:
    made = json.dumps(reference.schema(), ensure_ascii=False, indent=2) + "\n"
    if request.config.getoption("--rewrite-golden"):
        SCHEMA.write_text(made, "utf-8")
    assert SCHEMA.read_text("utf-8") == made

    [first, *_] = scaffold.first("newsletter.toml").splitlines()
    assert first.startswith("#:schema https://")
    assert first.endswith(f"/v{__version__}/docs/{SCHEMA.name}")


def test_every_command_and_option_says_what_it_is_for() -> None:
    for name, command in commands(typer.main.get_command(app)):
        assert command.help, name
        for option in command.params:
            if option.param_type_name == "option" and option.name != "help":
                assert option.help, f"{name} {option.opts}"


def document() -> str:
    """Return docs/reference.md."""
    lines = [
        "# Reference",
        "",
        "Made from the program: `pytest tests/whole/test_reference.py --rewrite-golden` writes it",
        "anew, and the test fails when it is no longer true.",
        "",
        "## Commands",
        "",
        "Before the command: `--config FILE`, `--log-format text|json`, `-v`. Each has `--help`.",
        "",
        "| command | does |",
        "| --- | --- |",
    ]
    for name, command in commands(typer.main.get_command(app)):
        lines.append(
            f"| `{' '.join([name, *map(_written, _shown(command))])}` | {_first(command)} |"
        )
    for name, command in commands(typer.main.get_command(app)):
        if options := [each for each in _shown(command) if getattr(each, "help", None)]:
            lines += ["", f"### {name}", "", _whole(command), ""]
            lines += [f"- `{_named(each)}`: {each.help}" for each in options]
    keys = "All but keywords can be set as `NEWSLETTER_<TABLE>__<KEY>` in the environment, too."
    lines += ["", "## newsletter.toml", "", keys, "", reference.markdown()]
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _shown(command: Any) -> list[Any]:
    return [each for each in command.params if each.name != "help"]


def _written(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.make_metavar(None)) if parameter.metavar is None else parameter.metavar
    word = max(parameter.opts, key=len)
    if parameter.is_flag:
        return f"[{word}]"
    several = "…" if parameter.multiple else ""
    return f"[{word} {parameter.metavar or str(parameter.name).rstrip('_').upper()}]{several}"


def _named(parameter: Any) -> str:
    """Return a parameter as it is written in a sentence, without the brackets of a synopsis."""
    return _written(parameter).removesuffix("…").strip("[]")


def _whole(command: Any) -> str:
    return " ".join(str(command.help).split())


def _first(command: Any) -> str:
    return " ".join(str(command.help).split("\n\n")[0].split())
