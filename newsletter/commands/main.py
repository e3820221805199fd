"""The edge of the program: the commands of no group, what is told of errors, the exit code.

The groups beside it print for themselves; `options` reads the clock and the environment.
"""

import sys
from datetime import datetime
from itertools import chain
from math import inf
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from newsletter import __version__
from newsletter.commands import state
from newsletter.commands.keywords import keywords
from newsletter.commands.list import subscribers, suppressions
from newsletter.commands.options import (
    Chosen,
    Json,
    Now,
    asked_for,
    chosen,
    completing,
    fitted,
    loaded_config,
    log,
    moment,
    parsed,
    say,
    say_json,
)
from newsletter.commands.papers import archive, papers
from newsletter.commands.settings import settings
from newsletter.commands.working.deliver import deliver
from newsletter.commands.working.stopping import stop_on_signals
from newsletter.errors import (
    PERMISSION,
    STALE,
    InstallationError,
    NewsletterError,
    StateError,
    exit_code_of,
    most_serious,
)
from newsletter.operating.logs import LogFormat, configure

_PATIENCE = 60.0  # seconds, where nothing answers and a person waits

app = typer.Typer(
    name="newsletter",
    help="A daily arXiv digest by mail.",
    no_args_is_help=True,
    add_completion=completing(sys.argv[1:]),
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing boxes around the help takes twice as long as the rest of it
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(subscribers, name="subscribers")
app.add_typer(suppressions, name="suppressions")
app.add_typer(state.state, name="state")
app.add_typer(keywords, name="keywords")
app.add_typer(settings, name="config")
app.command()(papers)
app.command()(archive)


def main() -> None:
    """Run the program. What a person can fix is said in plain words; a bug keeps its traceback."""
    try:
        asked_for(app, sys.argv[1:])()
    except Exception as error:  # noqa: BLE001 - the edge of the program
        sys.exit(_told(error).exit_code)


def _told(error: Exception) -> NewsletterError:
    """Tell a person what went wrong, and return it as an error with an exit code."""
    if isinstance(error, NewsletterError):
        log.error("%s", error)
        return error
    if isinstance(error, OSError):
        code = exit_code_of(error)
        advice = (
            "give this user the right"
            if code == PERMISSION
            else "make room, or correct what is in the way"
        )
        log.error("%s: %s; -v shows where it was", error, advice)
        log.debug("it happened here:", exc_info=error)
        return StateError(Path(error.filename or ""), str(error), exit_code=code)
    if isinstance(error, ImportError):
        log.debug("it happened here:", exc_info=error)
        return _told(InstallationError(error))
    log.error(
        "This is a bug in newsletter %s; please report it with these lines.",
        __version__,
        exc_info=error,
    )
    return NewsletterError(f"a bug: {error!r}")


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        say(f"newsletter {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option(help="Configuration. Default: $NEWSLETTER_CONFIG, else newsletter.toml here."),
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="text or json.")] = "text",
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
    context.obj = Chosen(config=config, log_format=log_format, verbose=verbose)
    configure(log_format, verbose=verbose)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.")] = Path(),
) -> None:
    """Write a commented newsletter.toml and subscribers.csv to start from."""
    from newsletter.config.scaffold import scaffold

    say(*(f"wrote {path}" for path in scaffold(folder)))
    say("Edit both, then try: newsletter check --offline")


@app.command()
def check(
    context: typer.Context,
    *,
    offline: Annotated[bool, typer.Option(help="Ask nobody over the network.")] = False,
    dns: Annotated[
        bool, typer.Option("--dns", help="Look up SPF, DKIM and DMARC of the sender, too.")
    ] = False,
    dkim_selector: Annotated[
        str, typer.Option(metavar="NAME", help="The s= of your DKIM signatures, for --dns.")
    ] = "",
    send_to: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Send a test digest to this address.")
    ] = None,
) -> None:
    """Look at everything a run needs, a line each; touches nothing that a run goes by."""
    from newsletter.addresses import address
    from newsletter.operating.check import findings, sender_findings, trial_findings
    from newsletter.operating.sender_dns import txt_lookup

    config, now = loaded_config(context), moment(None)
    recipient = parsed(address, send_to, "--send-to") if send_to else None
    found = [findings(config, now=now, offline=offline)]
    if dns:
        found.append(sender_findings(config, lookup=txt_lookup(), selector=dkim_selector))
    if recipient:
        found.append(trial_findings(config, recipient, now=now))
    codes = []
    for finding in chain.from_iterable(found):
        say(*fitted(f"{finding.mark} {finding.what}: {finding.text}"))
        codes.append(finding.exit_code)
    raise typer.Exit(most_serious(codes))


@app.command()
def run(
    context: typer.Context,
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
    as_json: Json = False,
) -> None:
    """Do the daily job: finish what is owed, fetch, open today's issue, deliver."""
    stop = stop_on_signals()
    code = _daily_job(
        context, moment(now), stop, dry_run=dry_run, accept_list=accept_list, as_json=as_json
    )
    raise typer.Exit(code)


app.command()(deliver)


@app.command()
def inbox(context: typer.Context, *, now: Now = None) -> None:
    """Read bounces and unsubscribe mails now (a run does it too)."""
    from newsletter.job import run as job

    reading = job.read_inbox(loaded_config(context), now=moment(now))
    say(reading.summary())
    for mass in reading.masses:
        log.error("%s", mass)
    if reading.trouble:
        raise reading.trouble


@app.command()
def schedule(
    context: typer.Context,
    *,
    at: Annotated[
        str, typer.Option(metavar="CRON", help="When, in the time zone of the newsletter.")
    ] = "0 10 * * *",
) -> None:
    """Stay in the foreground and run the job at those times: for a container with no cron."""
    from newsletter.commands.working.schedule import following, keep
    from newsletter.moments import iso

    stop = stop_on_signals()
    timezone = loaded_config(context).timezone
    first = parsed(lambda text: following(text, moment(None), timezone), at, "--at")
    log.info("the first run is due at %s", iso(first))
    keep(
        at,
        lambda now: _daily_job(context, now, stop),
        timezone=timezone,
        clock=lambda: moment(None),
        wait=stop.wait,
    )


@app.command()
def serve(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Where to listen, behind a proxy.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8080,
) -> None:
    """Serve the web part: leave with one click, join with confirmation, change what one gets."""
    config, stop = loaded_config(context), stop_on_signals()
    from newsletter.web.serving import serve as open_door

    open_door(config, host=host, port=port, clock=lambda: moment(None), stop=stop)


@app.command()
def preview(
    context: typer.Context,
    *,
    subscriber: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="As this subscriber gets it.")
    ] = None,
    keyword: Annotated[str | None, typer.Option(metavar="NAME", help="Only this keyword.")] = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path("preview"),
) -> None:
    """Write the newest issue as HTML, text and .eml, for looking at; sends and changes nothing."""
    from newsletter.preview.issue import write

    config, now = loaded_config(context), moment(None)
    for path in write(config, output, now=now, subscriber=subscriber, keyword=keyword):
        say(f"wrote {path}")


@app.command()
def profile(
    context: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Somebody on the list.")],
    *,
    now: Now = None,
) -> None:
    """Show what was understood of a reader's own papers, and the newest issue ordered by them."""
    from newsletter.preview.profile import lines

    say(*lines(loaded_config(context), email, now=moment(now)))


@app.command()
def status(
    context: typer.Context,
    *,
    as_json: Json = False,
    max_age: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Exit 1 when the last good run is older: 26h, 2d."),
    ] = None,
    issue: Annotated[int | None, typer.Option(help="List the deliveries of this issue.")] = None,
    now: Now = None,
) -> None:
    """Show the last runs, each keyword's last outcome, and what is outstanding."""
    from newsletter.operating.status import age, current, issue_lines, lines

    limit = None if max_age is None else parsed(age, max_age, "--max-age").total_seconds()
    config = loaded_config(context)
    if issue is not None:
        shown = issue_lines(config.place, issue, whole_addresses=chosen(context).verbose)
        say(*shown)
        return
    found = current(config.place, config.keywords, now=moment(now), once=not as_json)
    if as_json:
        say_json(found)
    else:
        say(*lines(found))
    good = found["good_run_age"]
    # A run that ended in the future does not count as fresh either: a clock was wrong.
    if limit is not None and (good is None or abs(good) > limit):
        raise typer.Exit(STALE)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.")] = Path("demo"),
) -> None:
    """Run the daily job twice on sample papers: day one, then day two."""
    from newsletter.preview.demo import run_demo

    run_demo(folder)


def _daily_job(
    context: typer.Context,
    began: datetime,
    stop: Event,
    *,
    dry_run: bool = False,
    accept_list: bool = False,
    as_json: bool = False,
) -> int:
    """Run the job, tell what came of it, and return the exit code."""
    from newsletter.commands.working import progress
    from newsletter.job import report
    from newsletter.job import run as job
    from newsletter.moments import iso
    from newsletter.operating.monitoring import Watch

    given = chosen(context)
    configure(given.log_format, verbose=given.verbose, run=iso(began))
    clock, watch = job.clock_from(began), Watch()
    try:
        config = loaded_config(context)
        if not dry_run:
            watch.begin(config.monitoring, config.place, stop=stop)
        with progress.shown() as shown:
            result = job.run(
                config,
                now=began,
                dry_run=dry_run,
                accept_list=accept_list,
                stop=stop,
                progress=shown.mails,
                waiting=shown.waiting,
                patience_seconds=_PATIENCE if dry_run or sys.stderr.isatty() else inf,
                warn=lambda problem: log.warning("%s", problem),
            )
    except Exception as error:  # noqa: BLE001 - a report is printed whatever happens
        result = report.Report(run=began, finished=clock(), troubles=(_told(error),))
    else:
        for trouble in result.troubles:
            _told(trouble)
        if dry_run:
            log.info("nothing was sent; the mails are in %s", config.outbox.directory / "preview")
    if result.news:
        log.info("subscribers: %s", report.list_summary(result))
    done = report.as_json(result)
    watch.end(done)
    if as_json:
        say_json(done)
    log.info("%s", report.summary(done), extra={"report": done})
    return result.exit_code
