"""Say who works on what is owed, how fast, and when it will be done; it changes nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from math import ceil
from typing import Any

from msgspec.structs import asdict

from newsletter.moments import iso
from newsletter.phrases import counted
from newsletter.state.engines import Sender, Standbys
from newsletter.state.state import State

_MINUTE = timedelta(minutes=1)
_SHOWN = 5  # parcels of a sender


def at_work(state: State, *, running: bool, now: datetime) -> dict[str, Any]:
    """Return who sends, what is outstanding and at which pace it leaves, ready for JSON.

    `senders` are those of a shared ledger; `pools` says by `[smtp] pool` how many there are, what
    is outstanding in the parcels that they have, and how many mails a minute they bring out;
    `unleased` is what nobody has. `pace` is of all together, also of a run alone where one is
    `running`, and `done_at` when all will be out at it: None where nothing leaves.
    """
    senders = state.deliveries.senders()
    outstanding = state.deliveries.by_pool()
    pools = sorted({each.pool for each in senders} | outstanding.keys() - {""})
    pace = sum(each.per_minute for each in senders)
    if running and not senders:
        pace = float(state.deliveries.accepted_since(now - _MINUTE, upto=now))
    left = sum(outstanding.values())
    standbys = state.database.standbys()
    return {
        "senders": [asdict(each) for each in senders],
        "pools": [_pool(name, senders, outstanding.get(name, 0)) for name in pools],
        "unleased": outstanding.get("", 0),
        "pace": round(pace, 1),
        "done_at": iso(now + timedelta(minutes=left / pace)) if left and pace else None,
        "standbys": standbys and asdict(standbys),
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return what `at_work` found as lines for people; none where nobody is at work."""
    shown = []
    if found["senders"]:
        shown.append(f"{counted(len(found['senders']), 'sender')} at work:")
    for each in found["senders"]:
        leased = f"{_parcels(each['parcels'])}, renewed {each['lease_age']:.0f} s ago"
        did = f"{each['accepted']} accepted in {each['age'] / 60:.0f} min"
        shown.append(f"  {each['name']}: {leased if each['parcels'] else 'no parcel'}")
        shown.append(f"    {each['per_minute']:.0f} mails a minute, {did}, by {each['version']}")
    shown += [
        f"  pool {each['pool']}: {counted(each['senders'], 'sender')}, {each['outstanding']}"
        f" outstanding, {each['per_minute']:.0f} mails a minute"
        for each in found["pools"]
    ]
    if found["senders"] and found["unleased"]:
        shown.append(f"  waiting for a sender: {counted(found['unleased'], 'mail')}")
    if found["done_at"]:
        shown.append(f"at {found['pace']:.0f} mails a minute all are out at {found['done_at']}")
    return shown


def lag(standbys: Standbys | None) -> str:
    """Return in words how far the copies of a ledger are behind, nothing where it is a file."""
    if standbys is None:
        return ""
    if not standbys.count:
        return "no standby"
    behind = "its lag is not shown to this role: grant pg_monitor to it"
    if standbys.bytes is not None:
        behind = f"{ceil(standbys.bytes / 1024)} KB behind"
    if standbys.seconds is not None:
        behind += f", {standbys.seconds:.1f} s"
    return f"{counted(standbys.count, 'standby')}, {behind}"


def _pool(name: str, senders: Sequence[Sender], outstanding: int) -> dict[str, Any]:
    own = [each for each in senders if each.pool == name]
    per_minute = round(sum(each.per_minute for each in own), 1)
    return {
        "pool": name,
        "senders": len(own),
        "outstanding": outstanding,
        "per_minute": per_minute,
    }


def _parcels(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, islice(numbers, _SHOWN)))
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"{'parcel' if len(numbers) == 1 else 'parcels'} {shown}{more}"
