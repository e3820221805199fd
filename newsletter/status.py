"""Say how the last runs went and what is outstanding, from the state alone. Changes nothing."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from newsletter.report import counted, summary
from newsletter.state import State

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def age(text: str) -> timedelta:
    """Return the time span that `26h`, `90m` or `2d` means; raises ValueError otherwise."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", text.strip())
    if not found:
        raise ValueError(f"{text!r} is no age; write 90m, 26h or 2d")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})


def current(path: Path, *, now: datetime) -> dict[str, Any]:
    """Return what the state file says, ready for JSON.

    `last_run` is its report, None before the first; `good_run_age` is the age in seconds of the
    last run that exited 0, None where there was none; `outstanding` groups deliveries by issue,
    status and reason. Raises StateError when the file is damaged.
    """
    if not path.exists():
        return {"last_run": None, "good_run_age": None, "outstanding": []}
    with State.open(path) as state:
        last = state.last_run()
        good = state.last_run(exit_code=0)
        waiting = [
            {"issue": issue, "status": status, "reason": reason, "deliveries": number}
            for issue, status, reason, number in state.waiting()
        ]
    return {
        "last_run": last and dict(last.report),
        "good_run_age": good and (now - good.finished).total_seconds(),
        "outstanding": waiting,
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return the status as lines for people."""
    last = found["last_run"]
    if last is None:
        return ["no run yet; try: newsletter run --dry-run"]
    shown = [f"last run {last['run']}: {summary(last)}", _good(found["good_run_age"])]
    if not found["outstanding"]:
        return [*shown, "nothing is outstanding"]
    shown.append("outstanding, to go with the next run:")
    for each in found["outstanding"]:
        reason = f": {each['reason']}" if each["reason"] else ""
        number = counted(each["deliveries"], "mail")
        shown.append(f"  issue {each['issue']}, {number} {each['status']}{reason}")
    return shown


def _good(seconds: float | None) -> str:
    if seconds is None:
        return "no good run yet"
    return f"last good run {seconds / 3600:.1f} hours ago"
