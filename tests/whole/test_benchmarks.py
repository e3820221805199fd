"""The benchmarks work in a small size: they print, and end. How fast they are is no test."""

import sys
from xml.etree import ElementTree as ET

import pytest

from benchmarks.everything import CASES, Case, lacking, run, section
from benchmarks.plot import svg

# They start the program many times, or a browser, a database or valgrind.
DEAR = {
    "archive", "dying", "first_screen", "growth", "history", "instructions", "profiles", "ranking",
    "scale", "send", "senders", "start",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[pytest.mark.full] if case.name in DEAR else [])
        for case in CASES
    ],
)
def test_a_benchmark_runs_in_a_small_size_and_prints(case: Case) -> None:
    sound, printed = run(sys.executable, case.quick.split())
    assert sound, printed
    if "not run here" in printed:
        pytest.skip(printed)
    assert printed


@pytest.mark.parametrize(
    ("code", "last", "reason"),
    [
        (2, "send.py: error: smtp-sink is needed", "smtp-sink is needed"),
        (2, "no Chromium here", "no Chromium here"),
        (1, "_pytest.outcomes.Skipped: no recorded data", "no recorded data"),
        (1, "Skipped: no recorded data", "no recorded data"),
        (1, "FileNotFoundError: [Errno 2] No such file or directory: 'node'", "node"),
        (1, "ValueError: no", ""),
        (1, "", ""),
    ],
)
def test_what_lacks_a_tool_or_data_is_no_failure(code: int, last: str, reason: str) -> None:
    found = lacking(code, last)
    assert reason in found
    assert bool(found) == bool(reason)


def test_the_page_shows_how_a_figure_was_made() -> None:
    case = Case(title="Starting", full="start --rounds 9", quick="start", wanted="0.15 s")
    shown = section(case, case.full, "--help 0.12", 3.2)
    assert "`python -m benchmarks.start --rounds 9` (3 s)" in shown
    assert "Wanted: 0.15 s." in shown
    assert "--help 0.12" in shown


@pytest.mark.parametrize("points", [{1: 0.0}, {10: 0.5, 1000: 0.5}, {20: 0.1, 100_000: 41.0}])
def test_a_plot_is_an_image_that_shows_every_point(points: dict[int, float]) -> None:
    drawn = ET.fromstring(svg(points, "seconds by keywords"))
    circles = list(drawn.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == len(points)
    for circle in circles:
        assert 0 < float(circle.attrib["cx"]) < 480
        assert 0 < float(circle.attrib["cy"]) < 300
