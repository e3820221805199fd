"""Say how a run went in the text format of Prometheus. Pure: it writes no file.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, get_args

from newsletter.models import KeywordOutcome

_SUCCESS = "newsletter_last_success_timestamp_seconds"
_LEDGER = "newsletter_ledger_"
_STATUSES = ("accepted", "deferred", "rejected", "unknown", "suppressed", "expired")


def exposition(
    report: Mapping[str, Any],
    *,
    previous: str = "",
    ledger: Mapping[str, Any] | None = None,
) -> str:
    """Return the metrics of the run that the JSON report is of.

    The time of the last success is carried over from `previous`, the metrics before, when this run
    was none. What a run that did not begin cannot know is left out. `ledger` is what
    `ledger.at_work` found, where a ledger is shared.
    """
    lines = [*_of_run(report, previous)]
    if report["keywords"]:
        lines += [*_of_keywords(report["keywords"]), *_of_deliveries(report)]
    if ledger:
        lines += _of_ledger(ledger)
    return "".join(f"{line}\n" for line in lines)


def with_ledger(previous: str, ledger: Mapping[str, Any] | None) -> str:
    """Return metrics as they were, but for what they say of a shared ledger, None for no answer."""
    kept = [line for line in previous.splitlines() if _LEDGER not in line]
    return "".join(f"{line}\n" for line in [*kept, *_of_ledger(ledger)])


def _of_run(report: Mapping[str, Any], previous: str) -> Iterator[str]:
    began, finished = _seconds(report["run"]), _seconds(report["finished"])
    yield from _metric("newsletter_last_run_timestamp_seconds", "When the last run began.")
    yield f"newsletter_last_run_timestamp_seconds {began}"
    yield from _metric("newsletter_last_run_duration_seconds", "How long the last run took.")
    yield f"newsletter_last_run_duration_seconds {finished - began}"
    yield from _metric("newsletter_last_run_exit_code", "0: everything was answered and sent.")
    yield f"newsletter_last_run_exit_code {report['exit']}"
    before = re.search(rf"^{_SUCCESS} (\d+)$", previous, re.MULTILINE)
    if report["exit"] == 0 or before:
        yield from _metric(_SUCCESS, "When the last run that exited 0 ended.")
        yield f"{_SUCCESS} {before[1] if before and report['exit'] else finished}"


def _of_keywords(keywords: list[Mapping[str, Any]]) -> Iterator[str]:
    yield from _metric("newsletter_keyword_outcome", "1 for what the last run found, else 0.")
    for each in keywords:
        for outcome in get_args(KeywordOutcome):
            labels = f'keyword="{_escaped(each["name"])}",outcome="{outcome}"'
            yield f"newsletter_keyword_outcome{{{labels}}} {int(each['outcome'] == outcome)}"
    for counted, what in (("announced", "announced"), ("listed", "found in its source's answer")):
        name = f"newsletter_keyword_{counted}_papers"
        yield from _metric(name, f"Papers that the last run {what}.")
        for each in keywords:
            yield f'{name}{{keyword="{_escaped(each["name"])}"}} {each[counted]}'


def _of_deliveries(report: Mapping[str, Any]) -> Iterator[str]:
    deliveries = report["deliveries"]
    yield from _metric("newsletter_deliveries", "Deliveries of the last run by status.")
    for status in _STATUSES:
        yield f'newsletter_deliveries{{status="{status}"}} {deliveries[status]}'
    yield from _metric("newsletter_deliveries_planned", "Deliveries that the last run had to do.")
    yield f"newsletter_deliveries_planned {deliveries['planned']}"
    yield from _metric("newsletter_deliveries_outstanding", "Deliveries left for the next run.")
    yield f"newsletter_deliveries_outstanding {deliveries['outstanding']}"
    yield from _metric("newsletter_source_requests", "Requests of the last run to its source.")
    yield f"newsletter_source_requests {report['requests']}"


def _of_ledger(ledger: Mapping[str, Any] | None) -> Iterator[str]:
    yield from _metric(f"{_LEDGER}up", "1 where the shared ledger answers.")
    yield f"{_LEDGER}up {int(ledger is not None)}"
    if ledger is None:
        return
    for key, counts, what in (
        ("senders", "senders", "Senders alive, by pool."),
        ("outstanding", "outstanding", "Deliveries outstanding in what senders of a pool have."),
        ("mails_per_minute", "per_minute", "Mails accepted lately, by pool."),
    ):
        yield from _metric(f"{_LEDGER}{key}", what)
        for each in ledger["pools"]:
            yield f'{_LEDGER}{key}{{pool="{_escaped(each["pool"])}"}} {each[counts]}'
    yield from _metric(f"{_LEDGER}unleased", "Deliveries outstanding that no sender has.")
    yield f"{_LEDGER}unleased {ledger['unleased']}"
    standbys = ledger["standbys"] or {}
    for key, counts, what in (
        ("standbys", "count", "Servers that follow that of the ledger."),
        ("lag_bytes", "bytes", "How far the last of them is behind."),
        ("lag_seconds", "seconds", "How long the last of them is behind."),
    ):
        if standbys.get(counts) is not None:
            yield from _metric(f"{_LEDGER}{key}", what)
            yield f"{_LEDGER}{key} {standbys[counts]}"


def _metric(name: str, help_: str) -> Iterator[str]:
    yield f"# HELP {name} {help_}"
    yield f"# TYPE {name} gauge"


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
