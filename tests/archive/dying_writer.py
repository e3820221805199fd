"""Write the archive of a state, and be killed on the way: after so many files are in place.

It is called with the words STATE ARCHIVE FILES.
"""

import os
import signal
import sys
from pathlib import Path

from newsletter.archive.writing import write
from newsletter.state.state import State
from tests.making.archives import imprint


def main() -> None:
    """Write, and let the kernel end this process at the so-many-th rename."""
    state, archive, files = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    renames = 0

    def count(event: str, _arguments: object) -> None:
        nonlocal renames
        if event == "os.rename":
            renames += 1
            if renames == files:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    with State.open(state) as opened:
        write(opened, archive, imprint())
