"""What is stored about a person: shown, or erased but for a keyed hash that keeps them off."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from newsletter.addresses import folded
from newsletter.config.loading import Config
from newsletter.job.parts import everybody, has_mailed, kept_off, profile_copies, token_keys
from newsletter.phrases import counted
from newsletter.state.opening import alone, opened, there_is
from newsletter.subscribers import editing
from newsletter.subscribers.suppressions import suppression_of
from newsletter.subscribers.tokens import Tokens

_ALL = 10_000  # deliveries: a mail a day for 27 years


def stored(config: Config, email: str) -> dict[str, Any]:
    """Return what list, suppressions and state have of an address, ready for JSON.

    `row` is None for who is not on the list, `suppressed` for who may be mailed; `deliveries` are
    the newest first, `came_back` what was returned by mail. Raises NewsletterError.
    """
    kept = kept_off(config, keys=token_keys(config, create=False), doubted=False)
    entry = suppression_of(kept, email)
    found: dict[str, Any] = {
        "address": email,
        "row": editing.row_of(config.subscribers.file, email),
        "suppressed": entry
        and {"reason": entry.reason, "since": entry.since, "detail": entry.detail},
        "deliveries": [],
        "came_back": [],
    }
    if there_is(config.place):
        with opened(config.place) as state:
            found["deliveries"] = [
                {"issue": issue, "date": day, "status": status, "reply": reply}
                for issue, day, status, reply in state.deliveries.to_address(
                    folded(email), limit=_ALL
                )
            ]
            found["came_back"] = state.bounces.of_address(email)
    return found


def forget(config: Config, email: str, *, now: datetime) -> list[str]:
    """Erase everything about an address and return a line for each place: what was erased there.

    What stays is a hash that only who has a key can tell apart, in the suppression file (that in
    `forgotten.key`) and in the place of the address in old deliveries, whose counts stay right.
    Raises NewsletterError.
    """
    keys = token_keys(config, mailed=has_mailed(config))
    lines = kept_off(config, keys=keys, forgetting=True).forget(email, now=now)
    copies = _copies_of(config, email)
    rows = editing.remove(config.subscribers.file, email)
    deliveries = None
    if there_is(config.place):
        alias = f"forgotten:{Tokens(keys, config.newsletter.id).subscriber_id(email)}"
        with alone(config.place) as state:
            # SQLite knows upper from lower case in ASCII only, and no other spellings.
            spelled = {email, *(x for x in state.recipients() if folded(x) == folded(email))}
            deliveries = sum(state.forget(each, alias=alias, now=now) for each in spelled)
    mails = [path for path in config.outbox.directory.rglob("*") if _is_to(path, email)]
    for path in mails:
        path.unlink()
    erased = [
        f"{config.subscribers.suppressions.name}: {counted(lines, 'line')}, a hash in their place",
        f"{config.subscribers.file.name}: {counted(rows, 'row')}",
    ]
    if deliveries is not None:
        noun = "delivery" if deliveries == 1 else "deliveries"
        erased.append(f"{config.state.file.name}: the address in {deliveries} {noun}")
    erased.append(f"{config.outbox.directory.name}: {counted(len(mails), 'mail')}")
    return [*erased, *_without(copies)]


def _copies_of(config: Config, email: str) -> dict[str, Path]:
    """Return what is kept of an address's own papers and of nobody else's, by column `profile`."""
    copies = profile_copies(config)
    own: dict[str, Path] = {}
    others: set[Path | None] = set()
    for each in everybody(config).subscribers:
        path = copies.of(each.profile) if each.profile else None
        if folded(each.email) != folded(email):
            others.add(path)
        elif path:
            own[each.profile] = path
    return {cell: path for cell, path in own.items() if path not in others}


def _without(copies: Mapping[str, Path]) -> Iterator[str]:
    """Delete copies, and yield a line for each."""
    for cell, path in copies.items():
        path.unlink(missing_ok=True)
        file = not cell.lower().startswith("zotero:")
        yours = "; the file itself is yours to delete" if file else ""
        yield f"{path.parent.name}: what was kept of {cell}{yours}"


def _is_to(path: Path, email: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline().decode("utf-8", errors="replace")
    return folded(first.removeprefix("To:")) == folded(email)
