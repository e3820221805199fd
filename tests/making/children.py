"""The job in a process of its own, and what it took: its CPU time and its memory at the highest.

CPU time does not depend on what else the machine does.
"""

import atexit
import json
import os
import resource
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from newsletter.__main__ import main
from tests.making.warm import fork

_MOST_CPU = 100  # seconds, after which it is killed
_HIGHEST = Path("/proc/self/status")
_USED = "used.txt"


def measured() -> None:
    """Run the program, and note at its end what it took."""
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU, _MOST_CPU))
    atexit.register(_told)
    main()


def _told() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    highest = used.ru_maxrss
    # A child begins with its parent's highest memory in ru_maxrss; VmHWM is its own.
    if _HIGHEST.exists():
        status = _HIGHEST.read_text().splitlines()
        highest = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    Path(_USED).write_text(f"{used.ru_utime + used.ru_stime} {highest}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a run ended, and what it took."""

    report: dict[str, Any]
    err: str
    cpu_seconds: float
    megabytes: float


def ran(folder: Path, now: datetime) -> Ran:
    """Run the job of a folder, as of `now`."""
    process = fork(
        *("run", "--json", "--now", now.isoformat()),
        call=f"{__name__}:{measured.__name__}",
        folder=folder,
        environ={"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(folder / "home")},
    )
    out, err = process.communicate()
    assert out, err
    cpu, kilobytes = (folder / _USED).read_text().split()
    return Ran(
        report=json.loads(out),
        err=err,
        cpu_seconds=float(cpu),
        megabytes=int(kilobytes) / 1024,
    )
