"""The commands that care for the list and the suppressions."""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from unicodedata import combining, east_asian_width

import typer

from newsletter.commands.options import Json, Yes, loaded_config, moment, say, say_json
from newsletter.errors import DATA, OK
from newsletter.phrases import counted, did_you_mean
from newsletter.prose import said

if TYPE_CHECKING:
    from newsletter.config.loading import Config
    from newsletter.models import Subscriber
    from newsletter.subscribers.reading import SubscriberList
    from newsletter.subscribers.suppressions import Suppressions

subscribers = typer.Typer(help="Care for the list file.", no_args_is_help=True)
suppressions = typer.Typer(help="Who must not be mailed, and why.", no_args_is_help=True)

_COLUMNS = ("email", "name", "keywords", "frequency", "status", "format")

Email = Annotated[str, typer.Argument(metavar="EMAIL")]


@subscribers.command("check")
def check(context: typer.Context) -> None:
    """Name every problem of the list; exit 65 if there is one."""
    from newsletter.subscribers.profiles.own import problem

    config = loaded_config(context)
    found = _everybody(config)
    file = config.subscribers.file
    profiles = [
        f"{file.name}: {each.email}: profile: {what}"
        for each in found.subscribers
        if each.profile and (what := problem(each.profile, file.parent))
    ]
    for line in (*found.problems, *profiles):
        say(line)
    say(f"{counted(len(found.subscribers), 'subscriber')} in {counted(found.rows, 'row')}")
    raise typer.Exit(DATA if found.problems or profiles else OK)


@subscribers.command("list")
def list_(
    context: typer.Context,
    *,
    keyword: Annotated[str | None, typer.Option(help="Only those who get this keyword.")] = None,
    status: Annotated[
        Literal["active", "paused", "suppressed"] | None, typer.Option(help="Only these.")
    ] = None,
    bounced: Annotated[bool, typer.Option(help="Only those whose mail bounced.")] = False,
    as_json: Json = False,
) -> None:
    """Show the subscribers as a table."""
    config = loaded_config(context)
    if keyword is not None and keyword not in _names(config):
        hint = did_you_mean(keyword, _names(config))
        raise typer.BadParameter(f"there is no keyword {keyword!r}{hint}", param_hint="--keyword")
    kept_off = _suppressions(config)
    rows = [_shown(each, kept_off) for each in _everybody(config).subscribers]
    chosen = [
        row
        for row in rows
        if (keyword is None or row["keywords"] is None or keyword in row["keywords"])
        and (status is None or row["status"] == status)
        and (not bounced or row["suppressed"] == "bounced")
    ]
    if as_json:
        say_json(chosen)
        return
    _print_table(chosen)
    say(f"{len(chosen)} of {counted(len(rows), 'subscriber')}")


@subscribers.command()
def show(context: typer.Context, email: Email, *, as_json: Json = False) -> None:
    """Show a row, why it is suppressed if so, and the last deliveries; with --json all there is."""
    from newsletter.addresses import folded
    from newsletter.job.personal import stored
    from newsletter.state.opening import opened, there_is
    from newsletter.subscribers.editing import row_of

    config = loaded_config(context)
    if as_json:
        found = stored(config, email)
        say_json(found)
        known = found["row"] or found["suppressed"] or found["deliveries"] or found["came_back"]
        raise typer.Exit(OK if known else DATA)
    row = row_of(config.subscribers.file, email)
    if row is None:
        say(f"{email} is not on the list")
    for column, text in (row or {}).items():
        say(f"{column}: {text}")
    reason = _suppressions(config).reason_for(email)
    say(f"suppressed: {reason or 'no'}")
    if there_is(config.place):
        with opened(config.place) as state:
            for issue, day, status, reply in state.deliveries.to_address(folded(email)):
                say(f"issue {issue} of {day}: {status}" + (f" ({said(reply)})" if reply else ""))
    raise typer.Exit(OK if row else DATA)


@subscribers.command()
def add(
    context: typer.Context,
    email: Email,
    *,
    name: Annotated[str | None, typer.Option(help="What to call them.")] = None,
    keywords: Annotated[str | None, typer.Option(help="Separated by ';'; * for all.")] = None,
    frequency: Annotated[str | None, typer.Option(help="daily or weekly.")] = None,
    format_: Annotated[str | None, typer.Option("--format", help="html or text.")] = None,
) -> None:
    """Add a row at the end of the list."""
    from newsletter.subscribers import editing

    config = loaded_config(context)
    given = {"name": name, "keywords": keywords, "frequency": frequency, "format": format_}
    cells = {"email": email} | {column: text for column, text in given.items() if text is not None}
    added = editing.add(config.subscribers.file, cells, keywords=_names(config))
    say(f"added {added.email}")
    if reason := _suppressions(config).reason_for(added.email):
        say(
            f"but it is suppressed ({reason}) and gets nothing; if that is wrong:"
            f" newsletter suppressions remove {added.email}"
        )


@subscribers.command()
def remove(context: typer.Context, email: Email, *, yes: Yes = False) -> None:
    """Remove every row of an address from the list."""
    from newsletter.subscribers import editing

    config = loaded_config(context)
    _ask(f"Remove {email} from {config.subscribers.file}?", yes=yes)
    removed = editing.remove(config.subscribers.file, email)
    say(f"removed {counted(removed, 'row')}" if removed else f"{email} is not on the list")
    raise typer.Exit(OK if removed else DATA)


@subscribers.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)],
    *,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=HEADER",
            help='What a header stands for, as in keywords="Which topics?"; may be repeated.',
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would change.")] = False,
) -> None:
    """Merge the rows of another list file, or of a form's answers; empty cells change nothing."""
    from newsletter.subscribers import editing
    from newsletter.subscribers.reading import COLUMNS

    config = loaded_config(context)
    done = editing.import_rows(
        config.subscribers.file,
        file,
        keywords=_names(config),
        kept_off=_suppressions(config, doubted=True).reason_for,
        headers=dict(_pair(each, COLUMNS) for each in column or ()),
        dry_run=dry_run,
    )
    for problem in done.problems:
        say(problem)
    say(
        f"{'would be ' if dry_run else ''}{len(done.added)} added, {len(done.changed)} changed,"
        f" {len(done.unchanged)} unchanged, {done.skipped} skipped"
    )


@subscribers.command()
def export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]")] = None,
) -> None:
    """Write the list as CSV that is safe to open in a spreadsheet; to stdout without FILE."""
    from newsletter.subscribers import editing

    config = loaded_config(context)
    if file is None:
        editing.export(config.subscribers.file, sys.stdout)
        return
    from newsletter.files import private

    with open(file, "x", encoding="utf-8", newline="", opener=private) as out:
        rows = editing.export(config.subscribers.file, out)
    say(f"wrote {counted(rows, 'row')} to {file}")


@subscribers.command()
def forget(context: typer.Context, email: Email, *, yes: Yes = False) -> None:
    """Erase a person from list, state and outbox, but for a hash that keeps them off the list.

    Backups, previews and mails that came in are yours to delete.
    """
    from newsletter.job import personal

    config = loaded_config(context)
    _ask(f"Erase everything about {email}? This cannot be undone.", yes=yes)
    erased = personal.forget(config, email, now=moment(None))
    say(*erased)


@suppressions.command("list")
def list_suppressions(context: typer.Context, *, as_json: Json = False) -> None:
    """Show who must not be mailed, and why."""
    from msgspec.structs import asdict

    entries = [asdict(each) for each in _suppressions(loaded_config(context)).entries()]
    if as_json:
        say_json(entries)
        return
    for each in entries:
        who, why, since, detail = (
            said(each[key]) for key in ("address", "reason", "since", "detail")
        )
        say(f"{who}: {why}, since {since or '?'}" + (f" ({detail})" if detail else ""))
    say(counted(len(entries), "suppression"))


@suppressions.command("add")
def add_suppression(
    context: typer.Context,
    email: Email,
    *,
    reason: Annotated[str, typer.Option(help="Why, in a word or two.")] = "unsubscribed",
) -> None:
    """Never mail this address, whatever the list says."""
    from newsletter.addresses import address
    from newsletter.commands.options import parsed

    known = parsed(address, email, "EMAIL")
    kept_off = _suppressions(loaded_config(context), doubted=True)
    add = partial(kept_off.add, known, now=moment(None), detail="by hand")
    parsed(lambda reason: add(reason=reason), reason, "--reason")
    say(f"suppressed {email}: {reason}")


@suppressions.command("remove")
def remove_suppression(context: typer.Context, email: Email, *, yes: Yes = False) -> None:
    """Let this address be mailed again."""
    _ask(f"Mail {email} again?", yes=yes)
    kept_off = _suppressions(loaded_config(context), doubted=True)
    lifted = kept_off.remove(email, now=moment(None), detail="by hand")
    say(f"{email} may be mailed again" if lifted else f"{email} was not suppressed")
    raise typer.Exit(OK if lifted else DATA)


def _everybody(config: "Config") -> "SubscriberList":
    from newsletter.job.parts import everybody

    return everybody(config)


def _names(config: "Config") -> list[str]:
    return [each.name for each in config.keywords]


def _suppressions(config: "Config", *, doubted: bool = False) -> "Suppressions":
    """Return who must not be mailed; `doubted`, by whoever changes that: are the keys there."""
    from newsletter.job.parts import kept_off, token_keys

    return kept_off(config, keys=token_keys(config, create=False), doubted=doubted)


def _shown(subscriber: "Subscriber", kept_off: "Suppressions") -> dict[str, Any]:
    reason = kept_off.reason_for(subscriber.email)
    status = "suppressed" if reason else "paused" if subscriber.paused else "active"
    return {
        "email": subscriber.email,
        "name": subscriber.name,
        "keywords": subscriber.keywords and list(subscriber.keywords),
        "frequency": subscriber.frequency,
        "status": status,
        "format": subscriber.format,
        "suppressed": reason or "",
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    cells = [_cells(row) for row in rows]
    if not sys.stdout.isatty():
        # Piped output is for other programs, which want whole lines.
        for line in _table(cells):
            say(line)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*_COLUMNS)
    for row in cells:
        table.add_row(*map(escape, row))
    Console().print(table)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    keywords = "*" if row["keywords"] is None else "; ".join(row["keywords"])
    status = row["status"] + (f": {row['suppressed']}" if row["suppressed"] else "")
    cells = (row["email"], row["name"], keywords, row["frequency"], status, row["format"])
    return tuple(map(said, cells))


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of the table that a terminal shows, as wide as they need to be."""
    widths = [max(map(_width, column)) for column in zip(_COLUMNS, *rows, strict=True)]

    def ruled(left: str, stroke: str, between: str, right: str) -> str:
        return left + between.join(stroke * (width + 2) for width in widths) + right

    def filled(cells: Sequence[str], bar: str) -> str:
        padded = (
            f" {cell}{' ' * (width - _width(cell))} "
            for cell, width in zip(cells, widths, strict=True)
        )
        return f"{bar}{bar.join(padded)}{bar}"

    yield ruled("┏", "━", "┳", "┓")
    yield filled(_COLUMNS, "┃")
    yield ruled("┡", "━", "╇", "┩")
    for row in rows:
        yield filled(row, "│")
    yield ruled("└", "─", "┴", "┘")


def _width(text: str) -> int:
    """Return how many columns a text takes: two for a wide character, none for an accent."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(each) in {"W", "F"} else not combining(each) for each in text)


def _pair(given: str, columns: Sequence[str]) -> tuple[str, str]:
    column, _, header = given.partition("=")
    if column.strip() not in columns or not header.strip():
        reason = f"{given!r} is not COLUMN=HEADER; the columns are {', '.join(columns)}"
        raise typer.BadParameter(reason, param_hint="--column")
    return column.strip(), header


def _ask(question: str, *, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True)
