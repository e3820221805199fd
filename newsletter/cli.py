"""The commands. It builds the real objects, alone prints, reads the clock and exits."""

import json
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from newsletter import __version__
from newsletter.errors import STALE, NewsletterError
from newsletter.logs import LogFormat, configure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from newsletter.config import Config

app = typer.Typer(
    name="newsletter",
    help="A daily arXiv digest by mail.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_log = logging.getLogger("newsletter")
T = TypeVar("T")


class Settings:
    """The options before the command."""

    config: Path | None = None
    log_format: LogFormat = "text"
    verbose: bool = False


def main() -> None:
    """Run the program. What a person can fix is said in plain words; a bug keeps its traceback."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the edge of the program
        sys.exit(_told(error).exit_code)


def _told(error: Exception) -> NewsletterError:
    """Tell a person what went wrong, and return it as an error with an exit code."""
    if isinstance(error, NewsletterError):
        _log.error("%s", error)
        return error
    _log.error(
        "This is a bug in newsletter %s; please report it with these lines.",
        __version__,
        exc_info=error,
    )
    return NewsletterError(f"a bug: {error!r}")


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"newsletter {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    config: Annotated[
        Path | None,
        typer.Option(help="Configuration. Default: $NEWSLETTER_CONFIG, else newsletter.toml here."),
    ] = None,
    log_format: Annotated[str, typer.Option(help="text or json.", metavar="text|json")] = "text",
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show more, and whole addresses.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Say which version this is."
        ),
    ] = False,
) -> None:
    """Remember the options before the command."""
    if log_format not in {"text", "json"}:
        raise typer.BadParameter("give text or json", param_hint="--log-format")
    Settings.config = config
    Settings.log_format = log_format  # type: ignore[assignment]
    Settings.verbose = verbose
    configure(Settings.log_format, verbose=verbose)


Now = Annotated[
    str | None, typer.Option("--now", metavar="TIME", help="Run as of this ISO 8601 time, not now.")
]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.")] = Path(),
) -> None:
    """Write a commented newsletter.toml and subscribers.csv to start from."""
    from newsletter.scaffold import scaffold

    for path in scaffold(folder):
        typer.echo(f"wrote {path}")
    typer.echo("Edit both, then try: newsletter check --offline")


@app.command()
def check(
    *,
    offline: Annotated[bool, typer.Option(help="Ask neither arXiv nor the mail server.")] = False,
) -> None:
    """Look at everything a run needs, a line each; touches nothing."""
    from newsletter.check import findings

    worst = 0
    for finding in findings(_config(), now=_moment(None), offline=offline):
        typer.echo(f"{finding.mark} {finding.what}: {finding.text}")
        worst = worst or finding.exit_code
    raise typer.Exit(worst)


@app.command()
def run(
    *,
    dry_run: Annotated[
        bool,
        typer.Option(
            help="Send nothing, change nothing; write the mails to the outbox's preview/."
        ),
    ] = False,
    now: Now = None,
    accept_list: Annotated[
        bool, typer.Option(help="Trust the list once although it changed more than it should.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run report as JSON.")] = False,
) -> None:
    """Do the daily job: finish what is owed, fetch, open today's issue, deliver."""
    from newsletter import assembly, progress, report

    moment = _moment(now)
    configure(Settings.log_format, verbose=Settings.verbose, run=report.iso(moment))
    try:
        with progress.shown() as shown:
            result = assembly.run(
                _config(),
                now=moment,
                dry_run=dry_run,
                accept_list=accept_list,
                stop=_stop_on_signals(),
                progress=shown,
                warn=lambda problem: _log.warning("%s", problem),
            )
    except Exception as error:  # noqa: BLE001 - a report is printed whatever happens
        result = report.Report(run=moment, finished=moment, troubles=(_told(error),))
    else:
        for trouble in result.troubles:
            _told(trouble)
    done = report.as_json(result)
    if as_json:
        typer.echo(json.dumps(done, ensure_ascii=False))
    _log.info("%s", report.summary(done), extra={"report": done})
    raise typer.Exit(result.exit_code)


@app.command()
def preview(
    *,
    subscriber: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="As this subscriber gets it.")
    ] = None,
    keyword: Annotated[str | None, typer.Option(metavar="NAME", help="Only this keyword.")] = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path("preview"),
) -> None:
    """Write the newest issue as HTML, text and .eml, for looking at; sends and changes nothing."""
    from newsletter.preview import write

    for path in write(_config(), output, now=_moment(None), subscriber=subscriber, keyword=keyword):
        typer.echo(f"wrote {path}")


@app.command()
def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    max_age: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Exit 1 when the last good run is older: 26h, 2d."),
    ] = None,
    now: Now = None,
) -> None:
    """Show the last run, what is outstanding, and each keyword's last outcome."""
    from newsletter.status import age, current, lines

    limit = _parsed(age, max_age, "--max-age") if max_age else None
    found = current(_config().state.file, now=_moment(now))
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(lines(found)))
    good = found["good_run_age"]
    if limit and (good is None or good > limit.total_seconds()):
        raise typer.Exit(STALE)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.")] = Path("demo"),
) -> None:
    """Run the daily job twice on sample papers: day one, then day two."""
    from newsletter.demo import run_demo

    run_demo(folder)


def _config() -> "Config":
    from newsletter.config import load

    environ: Mapping[str, str] = os.environ
    path = Settings.config or Path(environ.get("NEWSLETTER_CONFIG") or "newsletter.toml")
    config = load(path, environ=environ)
    for warning in config.warnings:
        _log.warning("%s", warning)
    return config


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    moment = _parsed(datetime.fromisoformat, text, "--now")
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def _parsed(parse: "Callable[[str], T]", text: str, option: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _stop_on_signals() -> Event:
    """Return an event that the first SIGTERM or SIGINT sets; the second ends the process."""
    stop = Event()

    def ask(number: int, _frame: Any) -> None:  # noqa: ANN401
        stop.set()
        signal.signal(number, signal.SIG_DFL)
        _log.warning("stopping after what is in flight; once more ends at once")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop
