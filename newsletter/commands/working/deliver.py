"""The command that only sends: once, or for as long as it is wanted."""

from typing import Annotated

import typer

from newsletter.commands.options import Json, Now, chosen, loaded_config, log, moment, say_json
from newsletter.commands.working.stopping import stop_on_signals


def deliver(
    context: typer.Context,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for the next issue, until told to stop.")
    ] = False,
    now: Now = None,
    as_json: Json = False,
) -> None:
    """Only send what is owed; any number of these may work on a PostgreSQL ledger."""
    stop = stop_on_signals()  # before what takes long to import

    from newsletter.commands.working import progress
    from newsletter.job import report
    from newsletter.job import run as job
    from newsletter.moments import iso
    from newsletter.operating.logs import configure
    from newsletter.operating.monitoring import sending

    began = moment(now)
    given = chosen(context)
    configure(given.log_format, verbose=given.verbose, run=iso(began))
    log.debug("ready to send")
    config = loaded_config(context)
    metrics_file = config.monitoring.metrics_file
    with progress.shown() as shown, sending(metrics_file, config.place):
        result = job.deliver(
            config,
            clock=job.clock_from(began),
            stop=stop,
            follow=follow,
            progress=shown.mails,
        )
    for trouble in result.troubles:
        log.error("%s", trouble)
    done = report.as_json(result)
    if as_json:
        say_json(done)
    log.info("%s; exit %d", report.mails_summary(done), result.exit_code)
    raise typer.Exit(result.exit_code)
