"""`newsletter` and `python -m newsletter`: the same program, and how often it looks for garbage."""

import atexit
import gc


def main() -> None:
    """Run the program.

    While it starts next to nothing that it makes becomes garbage, and each look goes through all
    there is: looking every 700 objects, as Python does, costs a seventh of a start. What is there
    at the end goes with the process, without the last look, which costs a tenth of it.
    """
    gc.set_threshold(100_000, 20, 20)
    atexit.register(gc.freeze)

    from newsletter.commands.main import main as run

    run()


if __name__ == "__main__":
    main()
