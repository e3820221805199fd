"""Say the questions of the books in the words of psycopg, every table in its schema. Pure."""

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from typing import LiteralString

_NAMES = (
    "about|alerts|announced|bounces|deliveries|digests|ended|held|issues|keywords|lacking|leases"
    "|looked_up|mailed|mails_read|orders|outstanding|papers|parcels|past|rates|readers|runs|senders"
    "|suppressions|totals"
)
_TABLE = re.compile(rf"\b(from|join|into|update|table|copy)\s+({_NAMES})\b")
_FUNCTION = re.compile(r"\b(json_each|json_group_array|instr|turn)\(")
_NAMED = re.compile(r"(?<![:\w]):([a-z_]+)")


def schema_of(newsletter: str) -> str:
    """Return the schema that a newsletter has in its database; PostgreSQL takes 63 octets."""
    return f"newsletter {newsletter}"[:63]


@lru_cache(maxsize=512)
def spoken(sql: str, schema: str) -> LiteralString:
    """Return a question with psycopg's places for values."""
    text = _NAMED.sub(r"%(\1)s", sql.replace("%", "%%").replace("?", "%s"))
    text = text.replace("nextval('token')", f"nextval('\"{schema}\".token')")
    text = _TABLE.sub(rf'\1 "{schema}".\2', text)
    return _FUNCTION.sub(rf'"{schema}".\1(', text)


def array(values: Iterable[int | str]) -> str:
    """Return an array of numbers, or of words without signs in them, as PostgreSQL reads it."""
    return f"{{{','.join(map(str, values))}}}"


def texts(values: Iterable[str]) -> str:
    """Return an array of any texts as PostgreSQL reads it; NUL, which it knows not, is left out."""
    return array(map(_quoted, values))


def _quoted(text: str) -> str:
    marked = text.replace("\\", r"\\").replace('"', r"\"").replace("\0", "")
    return f'"{marked}"'


def script(name: str) -> LiteralString:
    """Return a script of this folder."""
    return resources.files("newsletter.state.postgres").joinpath(name).read_text("utf-8")
