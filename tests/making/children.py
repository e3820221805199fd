"""The job in a process of its own, and what it took: its CPU time and its memory at the highest.

CPU time does not depend on what else the machine does.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_MOST_CPU = 100  # seconds, after which it is killed
_HIGHEST = Path("/proc/self/status")
# A child begins with its parent's highest memory in ru_maxrss; VmHWM is its own.
_PROGRAM = f"""
import atexit, pathlib, resource

resource.setrlimit(resource.RLIMIT_CPU, ({_MOST_CPU}, {_MOST_CPU}))

def told():
    used = resource.getrusage(resource.RUSAGE_SELF)
    status = pathlib.Path({str(_HIGHEST)!r})
    highest = used.ru_maxrss
    if status.exists():
        highest = next(int(x.split()[1]) for x in open(status) if x.startswith("VmHWM:"))
    with open("used.txt", "w") as file:
        print(used.ru_utime + used.ru_stime, highest, file=file)

atexit.register(told)
from newsletter.commands.main import main
main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a run ended, and what it took."""

    report: dict[str, Any]
    err: str
    cpu_seconds: float
    megabytes: float


def ran(folder: Path, now: datetime) -> Ran:
    """Run the job of a folder, as of `now`."""
    command = [sys.executable, "-c", _PROGRAM, "run", "--json", "--now", now.isoformat()]
    ended = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(folder / "home")}
        | {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert ended.stdout, ended.stderr
    cpu, kilobytes = (folder / "used.txt").read_text().split()
    return Ran(
        report=json.loads(ended.stdout),
        err=ended.stderr,
        cpu_seconds=float(cpu),
        megabytes=int(kilobytes) / 1024,
    )
