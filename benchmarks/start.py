"""What it takes of the processor to start: commands on the sample, in turns.

    python -m benchmarks.start [--rounds 9]

Medians of user and system time of whole programs, their bytecode already on the disk, beside a
Python that does nothing.
"""

import argparse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.history import NOW, sample, seconds

COMMANDS = {  # and what is wanted of a machine at rest, in seconds
    "--help": 0.15,
    "status": 0.2,
    "subscribers list": 0.25,
    f"run --now {NOW}": 0.4,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        sample(folder)
        starts: dict[str, tuple[str, ...]] = {"python -c pass": ("-c", "pass")}
        starts |= {command: ("-m", "newsletter", *command.split()) for command in COMMANDS}
        for arguments in starts.values():
            if options.rounds > 1:  # writes bytecode; the first run has something to do
                seconds(folder, *arguments)
        taken: dict[str, list[float]] = {name: [] for name in starts}
        for _ in range(options.rounds):
            for command, arguments in starts.items():
                taken[command].append(seconds(folder, *arguments))
    print(f"{'command':<24} {'seconds':>8} {'wanted':>7}")
    for command, found in taken.items():
        wanted = COMMANDS.get(command)
        print(
            f"{command.partition(' --now')[0]:<24} {median(found):>8.3f} {wanted or '':>7}".rstrip()
        )


if __name__ == "__main__":
    main()
