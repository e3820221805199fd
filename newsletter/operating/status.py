"""Say how the last runs went and what is outstanding, from the state alone. Changes nothing."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

from newsletter.addresses import masked
from newsletter.errors import StateError
from newsletter.job.report import summary
from newsletter.models import Keyword
from newsletter.moments import iso
from newsletter.phrases import counted
from newsletter.sources.window import SWEEP
from newsletter.state.lock import holder
from newsletter.state.state import State

SHOWN_RUNS = 5

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_QUIET = timedelta(days=14)
_MONTH = timedelta(days=30)
_FORTNIGHT = 10  # announcements in 14 days
# info.arxiv.org/about/reports: 24,000 new submissions a month, some 20 announcements.
_A_DAY = 1200


def age(text: str) -> timedelta:
    """Return the time span that `26h`, `90m` or `2d` means; raises ValueError otherwise."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", text.strip())
    if not found:
        raise ValueError(f"{text!r} is no age; write 90m, 26h or 2d")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})


def current(path: Path, keywords: Sequence[Keyword], *, now: datetime) -> dict[str, Any]:
    """Return what the state file says, ready for JSON.

    `running` says who holds the state, empty for nobody; `last_run` is its report, None before the
    first; `good_run_age` is the age in seconds of the last run that exited 0, None where there was
    none; `keywords` has each keyword's last outcome, for how many runs it has been that, a
    remark on its pace, and how many papers are on record as left out by each exclusion;
    `outstanding` groups deliveries by issue, status and reason. Raises StateError when the file is
    damaged.
    """
    if not path.exists():
        return {
            "running": holder(path), "last_run": None, "good_run_age": None,
            "runs": [], "keywords": [], "outstanding": [],
        }  # fmt: skip
    with State.open(path) as state:
        runs = state.history.runs(limit=100)
        good = state.history.runs(limit=1, exit_code=0)
        remarks = dict(pace_remarks(state, keywords, now=now))
        left_out = {each.name: state.papers.left_out(each.name) for each in keywords}
        waiting = state.deliveries.waiting()
    running = holder(path)
    return {
        "running": running,
        "last_run": dict(runs[0].report) if runs else None,
        "good_run_age": (now - good[0].finished).total_seconds() if good else None,
        "runs": [
            {"run": iso(each.started), "exit": each.exit_code, "summary": summary(each.report)}
            for each in runs[:SHOWN_RUNS]
        ],
        "keywords": [
            {
                "name": each.name,
                **_streak(each.name, [run.report for run in runs]),
                "remark": remarks.get(each.name, ""),
                "left_out": left_out[each.name],
            }
            for each in keywords
        ],
        "outstanding": [
            {
                "issue": issue,
                "status": _called(status, running),
                "reason": reason,
                "deliveries": number,
            }
            for issue, status, reason, number in waiting
        ],
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return the status as lines for people."""
    shown = [f"a run is under way: {found['running']}"] if found["running"] else []
    if found["last_run"] is None and not found["outstanding"]:
        return [*shown, "no run yet; try: newsletter run --dry-run"]
    good = found["good_run_age"]
    shown += ["no good run yet" if good is None else f"last good run {good / 3600:.1f} hours ago"]
    runs = [f"  {each['run']}  {each['summary']}" for each in found["runs"]]
    shown += ["", "last runs:"] + (runs or ["  none has ended"])
    shown += ["", "keywords:"] + [_keyword_line(each) for each in found["keywords"]]
    if not found["outstanding"]:
        return [*shown, "", "nothing is outstanding"]
    shown += ["", "outstanding, to go with the next run:"]
    for each in found["outstanding"]:
        reason = f": {masked(each['reason'])}" if each["reason"] else ""
        number = counted(each["deliveries"], "mail")
        shown.append(f"  issue {each['issue']}, {number} {each['status']}{reason}")
    return shown


def issue_lines(path: Path, issue: int, *, whole_addresses: bool) -> list[str]:
    """Return the deliveries of one issue as lines; raises StateError where there is none."""
    if not path.exists():
        raise StateError(path, "there is no issue yet; try: newsletter run --dry-run")
    running = holder(path)
    with State.open(path) as state:
        newest = state.newest_issue()
        if not 1 <= issue <= newest:
            raise StateError(path, f"has no issue {issue}; the newest is {newest}")
        found = state.deliveries.of_issue(issue)
        totals = state.deliveries.totals(issue)
    shown = [
        f"{recipient}: {_called(status, running)}"
        + (f", {counted(attempts, 'attempt')}" if attempts > 1 else "")
        + (f" ({reply})" if reply else "")
        for recipient, status, attempts, reply in found
    ]
    shown += [f"{counted(number, 'mail')} {status}, long ago" for status, number in totals.items()]
    return shown if whole_addresses else [masked(each) for each in shown]


def _called(status: str, running: str) -> str:
    """Return the status; what was under way when a run was killed, as the next run will call it."""
    return "unknown" if status == "sending" and not running else status


def pace_remarks(
    state: State, keywords: Sequence[Keyword], *, now: datetime
) -> list[tuple[str, str]]:
    """Return a remark for each keyword that finds next to everything, or nothing at all."""
    remarks = []
    for each in keywords:
        trail = state.trail(each.name)
        left_out = state.papers.left_out(each.name, since=now - _MONTH)
        if left_out and state.announced_since(each.name, now - _MONTH) == 0:
            remarks.append((each.name, f"nothing for 30 days: {_likeliest(each, left_out)}"))
            continue
        if trail is None or now - (trail.since + SWEEP) < _QUIET:
            continue  # its baseline is too young to tell
        announced = state.announced_since(each.name, now - _QUIET)
        if announced == 0:
            remarks.append((each.name, f"nothing for 14 days: {_likeliest(each, left_out)}"))
        elif announced / _FORTNIGHT > _A_DAY / 5:
            a_day = announced // _FORTNIGHT
            remarks.append(
                (each.name, f"{a_day} papers a day, a fifth of arXiv: narrow it by categories")
            )
    return remarks


def _likeliest(keyword: Keyword, left_out: Mapping[str, int]) -> str:
    """Return the likeliest reason why nothing is ever announced for a keyword."""
    for text, papers in left_out.items():
        return f"{text!r} left out {counted(papers, 'paper')}; is the exclusion too wide?"
    if keyword.query is None and not keyword.looked_for:
        return "are the names spelled as the authors write them?"
    if keyword.exact:
        return "exact = true takes the words only as they are written"
    if keyword.match == "title-and-abstract":
        return "title and abstract must both have it"
    if keyword.categories:
        return f"is it found in {', '.join(keyword.categories)} at all?"
    return "is it spelled as authors write it?"


def _streak(name: str, reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a keyword's last outcome, its reason, and for how many runs it has been that."""
    said = [
        keyword for report in reports for keyword in report["keywords"] if keyword["name"] == name
    ]
    if not said:
        return {"outcome": None, "reason": "", "runs": 0}
    outcome = said[0]["outcome"]
    runs = sum(1 for _ in takewhile(lambda keyword: keyword["outcome"] == outcome, said))
    return {"outcome": outcome, "reason": said[0]["reason"], "runs": runs}


def _keyword_line(keyword: Mapping[str, Any]) -> str:
    line = f"  {keyword['name']}: {keyword['outcome'] or 'not asked yet'}"
    if keyword["runs"] > 1:
        line += f" for {keyword['runs']} runs"
    on_record = [f"{papers} left out by {text}" for text, papers in keyword["left_out"].items()]
    for words in (keyword["reason"], keyword["remark"], ", ".join(on_record)):
        line += f"; {words}" if words else ""
    return line
