"""Keep the keys that sign tokens, given from outside or beside the state, and that of forgetting.

Tokens and forgotten people have keys of their own: the one may be changed or lost without the
other.
"""

from pathlib import Path

from newsletter.errors import StateError
from newsletter.files import locked, replacing

NAME = "tokens.key"
FORGETTING = "forgotten.key"

_SHORTEST = 16


def key_file(
    folder: Path, *, given: str = "", create: bool = True, mailed: bool = False
) -> tuple[bytes, ...]:
    """Return the `given` keys, else those in `tokens.key` in `folder`.

    Where there is no file it is created with mode 0600; or, without `create`, there are no keys.
    After mails have left (`mailed`) its absence is a loss, and raises StateError.

    Each line is a key; the first signs, the others are older ones that still count. To rotate, put
    a new line on top. Raises StateError when the file is damaged: a new key in its place would
    break every link in every mail that went out.
    """
    if given:
        return _keys(given, Path("state.token_key"))
    path = folder / NAME
    if not path.exists():
        if mailed:
            raise StateError(
                path,
                "is missing, although mails have left with its tokens: restore it from a backup."
                " Without it nobody can leave by what they were sent. To go on all the same, write"
                " 64 random letters into it",
            )
        if not create:
            return ()
        _create(path)
    return _keys(path.read_text("utf-8", errors="replace"), path)


def forgetting_keys(folder: Path, *, create: bool = False) -> tuple[bytes, ...]:
    """Return the keys in `forgotten.key` in `folder`, by whose hashes forgotten people are known.

    Where there is no file nobody was forgotten yet: there are no keys, or with `create` a new one.
    Raises StateError when the file is damaged.
    """
    path = folder / FORGETTING
    if not path.exists():
        if not create:
            return ()
        _create(path)
    return _keys(path.read_text("utf-8", errors="replace"), path)


def _keys(text: str, path: Path) -> tuple[bytes, ...]:
    """Return the keys in `text`, one a line. Raises StateError naming `path`, never a key."""
    found = tuple(line.strip().encode() for line in text.splitlines() if line.strip())
    if not found or min(map(len, found)) < _SHORTEST:
        raise StateError(
            path,
            f"holds no key, or one shorter than {_SHORTEST} characters; restore it from a backup, "
            "or delete it and accept that links in mails sent so far stop working"
            if path.name != FORGETTING
            else f"holds no key, or one shorter than {_SHORTEST} characters; restore it from a "
            "backup: by it people who were forgotten are kept off the list",
        )
    return found


def _create(path: Path) -> None:
    with locked(path):
        if not path.exists():  # else somebody was faster
            with replacing(path, mode=0o600) as file:
                import secrets

                file.write(secrets.token_hex(32).encode() + b"\n")
