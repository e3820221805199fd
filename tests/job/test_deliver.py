"""`newsletter deliver` with a state in a file: what it goes by is what a run goes by."""

from pathlib import Path
from threading import Event, Timer

import pytest

from newsletter.config.loading import load
from newsletter.job.run import deliver
from tests.making.second_day import DAY_TWO, prepare, run
from tests.peers.smtp_server import SmtpServer

pytestmark = pytest.mark.slow


def test_what_a_run_sent_within_the_minute_counts_against_the_rate_of_deliver(
    tmp_path: Path,
) -> None:
    prepare(tmp_path)
    stop = Event()
    with SmtpServer(script={"RCPT ada@example.org": ["451 4.7.1 come back later"]}) as server:
        toml = tmp_path / "newsletter.toml"
        with toml.open("a") as file:
            file.write(f'[smtp]\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\n')
            file.write("attempts = 1\n")
        report = run(tmp_path, DAY_TWO)
        assert report.deliveries.deferred == 1
        sent = report.deliveries.accepted
        assert sent > 1
        with toml.open("a") as file:
            file.write("rate_per_minute = 1\n")
        ending = Timer(
            0.5, stop.set
        )  # long before a minute is over, and time enough to send a mail
        ending.start()
        deliver(load(toml, environ={}), clock=lambda: report.finished, stop=stop)
        ending.join()
        assert len(server.mails) == sent
