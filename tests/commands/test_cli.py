import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from newsletter.state.sqlite.lock import only_run
from tests.making.commands import DAY_ONE, DAY_TWO, Command, Ended, rewrite, unprivileged


def report_of(ended: Ended) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(ended.out)
    return report


@pytest.mark.slow
def test_what_init_writes_passes_the_check(newsletter: Command) -> None:
    assert newsletter("init").code == 0
    ended = newsletter("check", "--offline")
    assert ended.code == 0, ended
    assert "FAIL" not in ended.out


def test_init_never_overwrites(newsletter: Command, tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_text("mine")
    ended = newsletter("init")
    assert ended.code == 78
    assert "newsletter.toml" in ended.err
    assert (tmp_path / "newsletter.toml").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.usefixtures("sample")
def test_a_run_prints_its_report_as_one_json_object(newsletter: Command) -> None:
    ended = newsletter("run", "--json", "--now", DAY_ONE)
    report = report_of(ended)
    assert set(report) == {
        "run", "finished", "exit", "keywords", "issue", "deliveries", "requests"
    }  # fmt: skip
    assert (report["run"], report["exit"], ended.code) == (DAY_ONE, 0, 0)
    assert set(report["keywords"][0]) == {"name", "outcome", "announced", "listed", "reason"}
    assert set(report["issue"]) == {"number", "date", "papers"}
    counts = report["deliveries"]
    assert counts["planned"] == counts["accepted"] > 0
    assert ended.err.splitlines()[-1].endswith("exit 0")


@pytest.mark.slow
def test_the_second_run_of_a_day_sends_nothing(newsletter: Command, sample: Path) -> None:
    newsletter("run", "--now", DAY_ONE)
    before = sorted((sample / "outbox" / "new").iterdir())
    report = report_of(newsletter("run", "--json", "--now", DAY_ONE))
    assert report["issue"] is None
    assert report["deliveries"]["planned"] == 0
    assert sorted((sample / "outbox" / "new").iterdir()) == before


@pytest.mark.slow
def test_a_dry_run_writes_previews_and_changes_nothing(newsletter: Command, sample: Path) -> None:
    newsletter("run", "--now", DAY_ONE)
    rewrite(sample / "newsletter.toml", "day1.xml", "day2.xml")
    state = (sample / "state.sqlite3").read_bytes()
    mails = sorted((sample / "outbox" / "new").iterdir())
    ended = newsletter("run", "--dry-run", "--json", "--now", DAY_TWO)
    assert report_of(ended)["deliveries"]["accepted"] > 0
    assert list((sample / "outbox" / "preview" / "new").iterdir())
    assert (sample / "state.sqlite3").read_bytes() == state
    assert sorted((sample / "outbox" / "new").iterdir()) == mails


@pytest.mark.slow
def test_a_dry_run_before_the_first_run_makes_nothing_but_its_mails(
    newsletter: Command, sample: Path
) -> None:
    before = {path.name for path in sample.iterdir()}
    ended = newsletter("run", "--dry-run", "--now", DAY_ONE)
    assert ended.code == 0
    assert f"nothing was sent; the mails are in {Path('outbox/preview')}" in ended.err
    assert {path.name for path in sample.iterdir()} - before == {"outbox"}


@pytest.mark.slow
def test_the_last_log_line_is_the_report(newsletter: Command, sample: Path) -> None:
    ended = newsletter("--log-format", "json", "run", "--now", DAY_ONE)
    lines = [json.loads(line) for line in ended.err.splitlines()]
    assert lines[-1]["report"]["issue"]["number"] == 1
    assert {line["run"] for line in lines} == {DAY_ONE}


def test_every_problem_of_a_configuration_is_named_at_once(
    newsletter: Command, tmp_path: Path
) -> None:
    (tmp_path / "newsletter.toml").write_text(
        '[newsletter]\nid = "x"\ntitle = "X"\nsendr = "x@example.org"\n'
        '[[keywords]]\nname = "mri"\nmatch = "anywhere"\n[smtp]\nhost = "h"\nprot = 25\n'
    )
    ended = newsletter("run")
    assert ended.code == 78
    for hint in ("'sender'", "'port'", "match"):
        assert hint in ended.err
    assert "Traceback" not in ended.err


def test_a_missing_configuration_says_how_to_begin(newsletter: Command) -> None:
    ended = newsletter("run")
    assert ended.code == 78
    assert "newsletter init" in ended.err


def test_who_is_denied_a_file_is_told_so(newsletter: Command, sample: Path) -> None:
    # What a command imports on demand is imported here: Python may lie where only root can read.
    assert newsletter("check", "--offline").code == 0
    (sample / "newsletter.toml").chmod(0)
    with unprivileged():
        ended = newsletter("check", "--offline")
    assert ended.code == 77
    assert "Permission denied: 'newsletter.toml': give this user the right" in ended.err


def test_a_missing_list_is_named_and_nothing_is_sent(newsletter: Command, sample: Path) -> None:
    (sample / "subscribers.csv").unlink()
    ended = newsletter("run", "--json", "--now", DAY_ONE)
    assert (ended.code, report_of(ended)["exit"]) == (65, 65)
    assert "subscribers.csv: no such file" in ended.err
    assert ended.err.splitlines()[-1] == "broken off; exit 65"
    assert not (sample / "outbox").exists()


@pytest.mark.slow
def test_bad_rows_are_named_and_do_not_stop_the_others(newsletter: Command, sample: Path) -> None:
    with (sample / "subscribers.csv").open("a") as file:
        file.write("nobody at all,,,,,\n")
    line = len((sample / "subscribers.csv").read_text().splitlines())
    ended = newsletter("run", "--json", "--now", DAY_ONE)
    assert ended.code == 0
    assert f"subscribers.csv:{line}: email:" in ended.err
    assert report_of(ended)["deliveries"]["accepted"] > 0


@pytest.mark.slow
def test_an_unreachable_arxiv_is_unknown_and_leaves_the_state_alone(
    newsletter: Command, sample: Path
) -> None:
    newsletter("run", "--now", DAY_ONE)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        rewrite(
            sample / "newsletter.toml",
            'file = "day1.xml"',
            f'url = "http://127.0.0.1:{port}/api/query"\nattempts = 1\ninterval_seconds = 0',
        )
        ended = newsletter("run", "--json", "--now", DAY_TWO)
    report = report_of(ended)
    assert ended.code == 69
    assert {each["outcome"] for each in report["keywords"]} == {"unknown"}
    assert all(each["reason"] for each in report["keywords"])
    assert report["issue"] is None


def test_what_is_true_of_several_keywords_is_told_once(newsletter: Command, sample: Path) -> None:
    rewrite(sample / "newsletter.toml", 'file = "day1.xml"', 'file = "gone.xml"')
    ended = newsletter("run", "--now", DAY_ONE)
    names = "graph neural network, protein folding, diffusion model"
    assert f"; {names}: unknown (gone.xml: No such file or directory); " in ended.err
    assert ended.err.count("gone.xml") == 1


def test_a_damaged_state_file_is_not_a_first_run(newsletter: Command, sample: Path) -> None:
    (sample / "state.sqlite3").write_bytes(b"")
    ended = newsletter("run", "--now", DAY_ONE)
    assert ended.code == 74
    assert "state.sqlite3" in ended.err
    assert not (sample / "outbox").exists()


def test_a_second_run_leaves_at_once(newsletter: Command, sample: Path) -> None:
    with only_run(sample / "state.sqlite3"):
        ended = newsletter("run", "--json", "--now", DAY_ONE)
    assert (ended.code, report_of(ended)["exit"]) == (75, 75)
    assert "another run" in ended.err


@pytest.mark.slow
def test_status_tells_the_last_run_and_its_age(newsletter: Command, sample: Path) -> None:
    assert newsletter("status", "--max-age", "26h").code == 1
    newsletter("run", "--now", DAY_ONE)
    assert newsletter("status", "--max-age", "26h", "--now", DAY_TWO).code == 0
    assert newsletter("status", "--max-age", "23h", "--now", DAY_TWO).code == 1
    assert newsletter("status", "--max-age", "0h", "--now", DAY_TWO).code == 1
    assert newsletter("status", "--max-age", "26h", "--now", "2026-11-01T10:00:00Z").code == 1
    found = report_of(newsletter("status", "--json", "--now", DAY_TWO))
    assert found["last_run"]["run"] == DAY_ONE
    assert found["outstanding"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--now", "yesterday"),
        ("run", "--now", "0001-01-01T00:00:00+14:00"),
        ("status", "--max-age", "soon"),
        ("status", "--max-age", ""),
        ("status", "--max-age", "9999999999d"),
        ("--log-format", "xml", "run"),
        ("fly",),
    ],
)
def test_a_misused_command_says_so(newsletter: Command, arguments: tuple[str, ...]) -> None:
    ended = newsletter(*arguments)
    assert ended.code == 2
    assert "Traceback" not in ended.err


def started(sample: Path, port: int) -> "subprocess.Popen[str]":
    """Begin a run in a process of its own, with arXiv at a port of this machine."""
    rewrite(
        sample / "newsletter.toml",
        'file = "day1.xml"',
        f'url = "http://127.0.0.1:{port}/api/query"\ninterval_seconds = 0',
    )
    return subprocess.Popen(
        [sys.executable, "-m", "newsletter", "run", "--json"],
        cwd=sample,
        env={"XDG_STATE_HOME": str(sample / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def require_stop(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 75
    assert json.loads(out)["exit"] == 75


@pytest.mark.slow
def test_a_run_that_waits_for_another_try_can_be_stopped(sample: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        process = started(sample, closed.getsockname()[1])
        assert process.stderr
        while "trying again" not in process.stderr.readline():
            pass
        require_stop(process)


@pytest.mark.slow
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<feed"])
def test_a_run_that_waits_for_an_answer_can_be_stopped(sample: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = started(sample, silent.getsockname()[1])
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(4)
            connection.sendall(answer)
            require_stop(process)
