"""What is written for others stays true: privacy, alert rules, dashboard, hooks."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from newsletter.operating.metrics import exposition
from newsletter.state.state import State

CHECKOUT = Path(__file__).parents[2]
PRIVACY = (CHECKOUT / "docs" / "privacy.md").read_text("utf-8")
REPORT: dict[str, Any] = {
    "run": "2026-11-20T10:00:00Z",
    "finished": "2026-11-20T10:01:00Z",
    "exit": 0,
    "keywords": [{"name": "mri", "outcome": "new", "announced": 2, "listed": 9, "reason": ""}],
    "issue": None,
    "deliveries": dict.fromkeys(
        [
            "planned",
            "accepted",
            "deferred",
            "rejected",
            "unknown",
            "suppressed",
            "expired",
            "outstanding",
        ],
        0,
    ),
    "requests": 1,
}


def columns() -> dict[str, set[str]]:
    with State.blank() as state:
        tables = state.database.rows("select name from sqlite_master where type = 'table'")
        return {
            table: {row[1] for row in state.database.rows(f"pragma table_info({table})")}
            for (table,) in tables
        }


def test_every_table_is_named_in_the_page_on_privacy() -> None:
    assert [table for table in columns() if f"`{table}`" not in PRIVACY] == []


def test_the_tables_that_hold_addresses_are_those_that_the_page_says() -> None:
    said = set(re.findall(r"`state\.sqlite3`, table `(\w+)`", PRIVACY))
    holding = {name for name, has in columns().items() if has & {"address", "recipient"}}
    assert holding == said


LEDGER: dict[str, Any] = {
    "pools": [{"pool": "default", "senders": 3, "outstanding": 40, "per_minute": 120.0}],
    "unleased": 7,
    "standbys": {"count": 1, "bytes": 2048, "seconds": 0.2},
}


def metrics() -> set[str]:
    text = exposition(REPORT, ledger=LEDGER)
    return set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["alerts.yaml", "grafana-dashboard.json"])
def test_rules_and_dashboard_use_metrics_that_exist(name: str) -> None:
    text = (CHECKOUT / "deploy" / name).read_text("utf-8")
    used = set(re.findall(r"\bnewsletter_\w+", text))
    assert used
    assert used <= metrics()


def test_every_metric_is_on_the_dashboard() -> None:
    text = (CHECKOUT / "deploy" / "grafana-dashboard.json").read_text("utf-8")
    assert json.loads(text)["panels"]
    assert [each for each in metrics() if each not in text] == []


def test_every_alert_says_what_to_do() -> None:
    rules = yaml.safe_load((CHECKOUT / "deploy" / "alerts.yaml").read_text("utf-8"))
    for rule in rules["groups"][0]["rules"]:
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["do"]


def test_the_hook_runs_what_lint_runs() -> None:
    config = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert config["repos"][0]["hooks"][0]["entry"] == "make lint"
