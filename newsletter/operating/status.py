"""Say how the last runs went and what is outstanding, by the state alone. It notes what it said."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain, takewhile
from typing import Any

from newsletter.addresses import masked
from newsletter.errors import StateError
from newsletter.job.report import brief, deliveries_json, summary
from newsletter.models import Keyword, Tally
from newsletter.moments import iso
from newsletter.operating.ledger import at_work
from newsletter.operating.ledger import lines as ledger_lines
from newsletter.phrases import counted
from newsletter.prose import said
from newsletter.sources.arxiv.identity import SOURCE
from newsletter.sources.window import SWEEP
from newsletter.state.engines import Place
from newsletter.state.opening import holder, opened, there_is
from newsletter.state.runs import PastRun
from newsletter.state.state import State

SHOWN_RUNS = 5

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_QUIET = timedelta(days=14)
_MONTH = timedelta(days=30)
_IDLE = timedelta(days=2)
_SILENT = "nothing listed for 14 days:"
_NAME = 44  # columns of a keyword
_FORTNIGHT = 10  # announcements in 14 days
# info.arxiv.org/about/reports: 24,000 new submissions a month, some 20 announcements.
_A_DAY = 1200


def age(text: str) -> timedelta:
    """Return the time span that `26h`, `90m` or `2d` means; raises ValueError otherwise."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", text.strip())
    if not found:
        raise ValueError(f"{text!r} is no age; write 90m, 26h or 2d")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})


def current(
    place: Place, keywords: Sequence[Keyword], *, now: datetime, once: bool = False
) -> dict[str, Any]:
    """Return what the state file says, ready for JSON.

    With `once`, for people, the silence of a keyword is remarked on the first time only.

    `running` says who holds the state, empty for nobody; `last_run` is its report, None before the
    first; `good_run_age` is the age in seconds of the last run that exited 0, None where there was
    none; `idle` says that no run has ended for days; `keywords` has each keyword's last outcome,
    since when and for how many runs it has been that, a remark on its pace, and how many papers are
    on record as left out by each exclusion; `outstanding` groups deliveries by issue, status and
    reason; `deliveries` counts all there ever were; the rest is that of `ledger.at_work`.
    Raises StateError when the file is damaged.
    """
    if not there_is(place):
        return {
            "running": holder(place), "last_run": None, "good_run_age": None, "idle": "",
            "runs": [], "keywords": [], "outstanding": [], "deliveries": deliveries_json(Tally()),
            "senders": [], "pools": [], "unleased": 0, "pace": 0.0, "done_at": None,
            "standbys": None,
        }  # fmt: skip
    with opened(place) as state:
        runs = state.history.runs(limit=100)
        good = state.history.runs(limit=1, exit_code=0)
        idle = no_run_for(state, now=now)
        # Where the bot has not run, no keyword is to blame.
        remarked = [] if idle else pace_remarks(state, keywords, now=now)
        remarks = dict(untold(state, remarked, by="status", now=now) if once else remarked)
        left_out = {each.name: state.papers.left_out(each.name) for each in keywords}
        waiting = state.deliveries.waiting()
        totals = state.totals()
        running = holder(place)
        ledger = at_work(state, running=bool(running), now=now)
    busy = running or ", ".join(each["name"] for each in ledger["senders"])
    return {
        "running": running,
        "last_run": dict(runs[0].report) if runs else None,
        "good_run_age": (now - good[0].finished).total_seconds() if good else None,
        "idle": idle,
        "runs": [
            {
                "run": iso(each.started),
                "exit": each.exit_code,
                "brief": brief(each.report),
                "summary": summary(each.report),
            }
            for each in runs[:SHOWN_RUNS]
        ],
        "keywords": [
            {
                "name": each.name,
                **_streak(each.name, runs),
                "remark": remarks.get(each.name, ""),
                "left_out": left_out[each.name],
            }
            for each in keywords
        ],
        "outstanding": [
            {
                "issue": issue,
                "status": _called(status, busy),
                "reason": reason,
                "deliveries": number,
            }
            for issue, status, reason, number in waiting
        ],
        "deliveries": deliveries_json(totals),
        **ledger,
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return the status as lines for people, of 80 columns at most."""
    shown = [f"a run is under way: {found['running']}"] if found["running"] else []
    if found["last_run"] is None and not found["outstanding"]:
        return shown or ["no run yet; try: newsletter run --dry-run"]
    good = found["good_run_age"]
    shown += ["no good run yet" if good is None else f"last good run {good / 3600:.1f} hours ago"]
    shown += [found["idle"]] if found["idle"] else []
    runs = [f"  {_minute(each['run'])}  {each['brief']}" for each in found["runs"]]
    shown += ["", "last runs:"] + (runs or ["  none has ended"])
    troubles = (found["last_run"] or {}).get("troubles", [])
    shown += ["", "the last run said:"] if troubles else []
    shown += chain.from_iterable(map(_wrapped, troubles))
    shown += ["", *_keyword_lines(found["keywords"])]
    if busy := ledger_lines(found):
        shown += ["", *busy]
    if not found["outstanding"]:
        return [*shown, "", "nothing is outstanding"]
    shown += ["", "outstanding" + ("" if found["senders"] else ", to go with the next run") + ":"]
    for each in found["outstanding"]:
        reason = f": {masked(said(each['reason']))}" if each["reason"] else ""
        number = counted(each["deliveries"], "mail")
        shown += _wrapped(f"issue {each['issue']}, {number} {each['status']}{reason}")
    return shown


def issue_lines(place: Place, issue: int, *, whole_addresses: bool) -> list[str]:
    """Return the deliveries of one issue as lines; raises StateError where there is none."""
    if not there_is(place):
        raise StateError(place.name, "there is no issue yet; try: newsletter run --dry-run")
    running = holder(place)
    with opened(place) as state:
        newest = state.newest_issue()
        if not 1 <= issue <= newest:
            raise StateError(place.name, f"has no issue {issue}; the newest is {newest}")
        found = state.deliveries.of_issue(issue)
        totals = state.deliveries.totals(issue)
    shown = [
        f"{recipient}: {_called(status, running)}"
        + (f", {counted(attempts, 'attempt')}" if attempts > 1 else "")
        + (f" ({said(reply)})" if reply else "")
        for recipient, status, attempts, reply in found
    ]
    shown += [f"{counted(number, 'mail')} {status}, long ago" for status, number in totals.items()]
    return shown if whole_addresses else [masked(each) for each in shown]


def _called(status: str, running: str) -> str:
    """Return the status; what was under way when a run was killed, as the next run will call it."""
    return "unknown" if status == "sending" and not running else status


def no_run_for(state: State, *, now: datetime) -> str:
    """Return "no run for 475 days", or nothing where one has ended in the last two."""
    for last in state.history.runs(limit=1):
        if now - last.finished > _IDLE:
            return f"no run for {(now - last.finished).days} days"
    return ""


def pace_remarks(
    state: State, keywords: Sequence[Keyword], *, now: datetime
) -> list[tuple[str, str]]:
    """Return a remark for each keyword that finds next to everything, or nothing at all."""
    remarks = []
    lately = [run for run in state.history.runs(limit=100) if now - run.started <= _QUIET]
    for each in keywords:
        trail = state.trail(each.name)
        left_out = state.papers.left_out(each.name, since=now - _MONTH)
        if left_out and state.papers.kept_since(each.name, now - _MONTH) == 0:
            remarks.append((each.name, f"nothing for 30 days: {_likeliest(each, left_out)}"))
            continue
        if trail is None or now - (trail.since + SWEEP) < _QUIET:
            continue  # its baseline is too young to tell
        announced = state.announced_since(each.name, now - _QUIET)
        if _lists_nothing(each.name, lately):
            remarks.append((each.name, f"{_SILENT} {_likeliest(each, left_out)}"))
        elif announced / _FORTNIGHT > _A_DAY / 5:
            a_day = announced // _FORTNIGHT
            remarks.append(
                (each.name, f"{a_day} papers a day, a fifth of {SOURCE}: narrow it by categories")
            )
    return remarks


def untold(
    state: State, remarks: Sequence[tuple[str, str]], *, by: str, now: datetime
) -> list[tuple[str, str]]:
    """Leave out the silences that `by` pointed out before, and note that it does so now."""
    silent = {name: f"{by}: silence of {name}" for name, text in remarks if _is_of_silence(text)}
    told = {name for name, trouble in silent.items() if state.history.last_told(trouble)}
    with suppress(StateError):  # it is told again then
        if silent.keys() - told:
            state.history.note_told([silent[name] for name in silent.keys() - told], now=now)
    return [(name, text) for name, text in remarks if name not in told]


def _is_of_silence(remark: str) -> bool:
    return remark.startswith(_SILENT)


def _lists_nothing(keyword: str, runs: Sequence[PastRun]) -> bool:
    """Tell whether the good answers of some runs have listed nothing for a keyword, not one."""
    listed = [
        each["listed"]
        for run in runs
        for each in run.report["keywords"]
        if each["name"] == keyword and each["outcome"] != "unknown"
    ]
    return bool(listed) and not any(listed)


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


def _streak(name: str, runs: Sequence[PastRun]) -> dict[str, Any]:
    """Return a keyword's last outcome, its reason, and how long and how often it has been that."""
    said = [
        (run.started, keyword)
        for run in runs
        for keyword in run.report["keywords"]
        if keyword["name"] == name
    ]
    if not said:
        return {"outcome": None, "reason": "", "since": None, "runs": 0}
    (_, last), *_ = said
    alike = list(takewhile(lambda each: each[1]["outcome"] == last["outcome"], said))
    return {
        "outcome": last["outcome"],
        "reason": last["reason"],
        "since": iso(alike[-1][0]),
        "runs": len(alike),
    }


def _keyword_lines(keywords: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table, and below it what there is to say, once for all it is true of."""
    rows = [("keyword", "last outcome", "since")] + [
        (each["name"], each["outcome"] or "not asked yet", _minute(each["since"]))
        for each in keywords
    ]
    width = max(min(_NAME, max(len(name) for name, *_ in rows)), 7)
    table = [f"  {_cut(name, width):{width}}  {said:13}  {since}" for name, said, since in rows]
    remarks: dict[str, list[str]] = {}
    for each in keywords:
        on_record = [f"{papers} left out by {text}" for text, papers in each["left_out"].items()]
        for words in (each["reason"], each["remark"], ", ".join(on_record)):
            if words:
                remarks.setdefault(words, []).append(each["name"])
    below = [_wrapped(f"{', '.join(names)}: {words}") for words, names in remarks.items()]
    return [*(line.rstrip() for line in table), *([""] if below else []), *chain(*below)]


def _minute(moment: str | None) -> str:
    """Return an ISO time as "2026-11-19 10:00"."""
    return moment[:16].replace("T", " ") if moment else ""


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        80,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
