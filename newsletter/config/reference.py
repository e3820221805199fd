"""What newsletter.toml may hold, described: a JSON Schema for editors, and Markdown to read."""

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from msgspec.json import schema_components
from msgspec.structs import fields

from newsletter.config.checking import Secret
from newsletter.config.loading import File, kind_of

SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of newsletter.toml, every key of it described."""
    _, definitions = schema_components([File], schema_hook=_as_text)
    made: dict[str, Any] = definitions.pop("File") | {"$defs": definitions}
    meant = explanations()
    for table in made["properties"]:
        definition = _definition(made, table)
        definition |= {
            "description": cleandoc(definition["description"]),
            "additionalProperties": False,
        }
        for key in fields(kind_of(table)):
            each = definition["properties"][key.name]
            if get_origin(key.type) is Literal:
                each["enum"] = list(get_args(key.type))  # in our order
            if text := meant.get(table, {}).get(key.name):
                each["description"] = text
    made |= {"$schema": SCHEMA, "title": "newsletter.toml", "additionalProperties": False}
    return made


def _as_text(kind: type) -> dict[str, Any]:
    """Return the schema of what a file says as text."""
    return {"type": "string", "format": {Path: "path", Secret: "password"}[kind]}


def explanations() -> Mapping[str, Mapping[str, str]]:
    """Return what each key means, by table."""
    text = (files("newsletter.config") / "keys.toml").read_text("utf-8")
    return tomllib.loads(text)


def described_keys() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield every table, key and its JSON Schema."""
    made = schema()
    for table in made["properties"]:
        for key, each in _definition(made, table)["properties"].items():
            yield table, key, each


def markdown() -> str:
    """Return the tables of keys for the reference."""
    lines: list[str] = []
    made = schema()
    for table in made["properties"]:
        title = "[[keywords]]" if table == "keywords" else f"[{table}]"
        lines += ["", f"### {title}", "", "| key | default | meaning |", "| --- | --- | --- |"]
        definition = _definition(made, table)
        required = definition.get("required", [])
        for key, each in definition["properties"].items():
            default = "needed" if key in required else _shown(each.get("default"))
            lines.append(f"| `{key}` | {default} | {each.get('description', '')}{_choices(each)} |")
    return "\n".join(lines).strip() + "\n"


def _definition(made: Mapping[str, Any], table: str) -> dict[str, Any]:
    """Return the schema of a table, wherever it is referred to."""
    place = made["properties"][table]
    options = [place, place.get("items", {}), *place.get("anyOf", []), *place.get("allOf", [])]
    name = next(each["$ref"] for each in options if "$ref" in each).rpartition("/")[2]
    found: dict[str, Any] = made["$defs"][name]
    return found


def _shown(default: Any) -> str:  # noqa: ANN401 - any JSON
    if default in (None, "", [], (), {}):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if isinstance(default, str) else f"{default:g}"


def _choices(each: Mapping[str, Any]) -> str:
    found = each.get("enum")
    return f" One of {', '.join(f'`{x}`' for x in found)}." if found else ""
