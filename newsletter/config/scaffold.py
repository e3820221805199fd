"""Write the files that a newcomer starts from, and never overwrite one."""

from importlib.resources import files
from pathlib import Path

from newsletter.errors import ConfigError

# A list of people is nobody else's business.
_FILES = {"newsletter.toml": 0o644, "subscribers.csv": 0o600}


def first(name: str) -> str:
    """Return the text of one of the files beside this module, in `first/`."""
    return (files("newsletter.config") / "first" / name).read_text("utf-8")


def scaffold(folder: Path) -> list[Path]:
    """Write a commented newsletter.toml and subscribers.csv into `folder`, and return their paths.

    Raises ConfigError, and writes neither, if one of them is there.
    """
    paths = [folder / name for name in _FILES]
    there = [f"{path}: is there already and was left as it is" for path in paths if path.exists()]
    if there:
        raise ConfigError([*there, "name another folder: newsletter init DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        path.touch(mode=_FILES[path.name], exist_ok=False)
        path.write_text(first(path.name), "utf-8")
    return paths
