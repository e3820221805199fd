"""Procrastinate in the place of our leases: a job for each parcel, for benchmarks.senders.

    python -m benchmarks.parcel_queue fill|work|retry

What leaves, and how, is ours: the same press, the same transport. What is Procrastinate's is who
works on which parcel, and what is known of it afterwards: that it was begun, that it is done. Run
in the folder of the newsletter by a Python that has procrastinate.
"""

import asyncio
import os
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from newsletter.config.loading import load
from newsletter.job import parts
from newsletter.models import Outcome
from newsletter.state.account import delivery_from
from newsletter.state.opening import opened

SILENT = 3.0  # seconds after which a worker counts as dead


class Unkept:
    """A ledger that writes nothing down."""

    def commit(self, outcomes: Mapping[int, Outcome], intents: Collection[int]) -> frozenset[int]:
        """Let everything leave."""
        del outcomes
        return frozenset(intents)

    def holds(self, _delivery: int) -> bool:
        """Return True: a queue knows nothing of a lease that has ended."""
        return True


def send(parcel: int) -> None:
    """Send everything in a parcel; nobody knows how far it has come until it is done."""
    config = load(Path("newsletter.toml"), environ=os.environ)
    with opened(config.place) as state:
        press = parts.press(
            config, state, keys=parts.token_keys(config), now=datetime.now(UTC), orders=state.orders
        )
        transport = parts.transport(config, accepted_lately=0, stop=Event())
        rows = state.database.rows(
            "select id, issue, after, recipient, keywords, format, frequency, abstracts, status,"
            " attempts from deliveries where parcel = ? order by id",
            parcel,
        )
        transport.send((press.outgoing(delivery_from(row)) for row in rows), Unkept())


async def main(what: str) -> None:
    import procrastinate  # type: ignore[import-not-found]  # a peer, installed by benchmarks.senders

    config = load(Path("newsletter.toml"), environ=os.environ)
    connector = procrastinate.PsycopgConnector(
        conninfo=config.place.url, kwargs={"password": config.place.password}
    )
    app = procrastinate.App(connector=connector)
    task: Any = app.task(name="send")(send)
    async with app.open_async():
        if what == "fill":
            await app.schema_manager.apply_schema_async()
            with opened(config.place) as state:
                parcels = state.database.rows("select id from parcels order by id")
            for (parcel,) in parcels:
                await task.defer_async(parcel=parcel)
        elif what == "retry":  # as its manual has it
            for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=SILENT):
                await app.job_manager.retry_job(job)
        else:
            await app.run_worker_async(
                wait=False,
                update_heartbeat_interval=SILENT / 3,
                stalled_worker_timeout=2 * SILENT,
                listen_notify=False,
            )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
