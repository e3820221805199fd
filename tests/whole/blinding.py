"""Ways to make a ledger forget, so that the tests show that they would notice."""

from tests.whole.fleet import Fleet


def forget_intents(fleet: Fleet) -> None:
    """Let the ledger not know after a kill that something was under way."""
    schema = f'"newsletter {fleet.name}"'
    fleet.server.sql(
        f"create function {schema}.forget() returns trigger language plpgsql as $$ begin"
        " new.status := 'untried'; new.attempts := old.attempts - 1; return new; end $$",
        f"create trigger forget before update on {schema}.deliveries for each row"
        " when (old.status = 'sending' and new.status = 'unknown' and new.code = 0"
        f" and new.token = old.token) execute function {schema}.forget()",
    )


def confirm_too_early(fleet: Fleet) -> None:
    """Let the ledger confirm what is not on the disk, which is refused to who says so openly."""
    schema = f'"newsletter {fleet.name}"'
    fleet.server.sql(
        f"create function {schema}.hasten() returns trigger language plpgsql as $$ begin"
        " perform set_config('synchronous_commit', 'off', true); return null; end $$",
        *(
            f"create trigger hasten after insert or update on {schema}.{table}"
            f" for each statement execute function {schema}.hasten()"
            for table in ("deliveries", "parcels", "senders")
        ),
    )
    fleet.server.halt("walwriter")
