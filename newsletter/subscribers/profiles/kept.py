"""Keep own papers as counted words, beside the state: what has not changed is not read again.

A copy can be deleted at any time, and one that is damaged says nothing. It holds titles and words,
so it is its owner's alone.
"""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from newsletter.errors import ProfileError
from newsletter.files import private
from newsletter.models import OwnPaper, Profile
from newsletter.subscribers.profiles.own import Library, meaning

_FORMAT = 1  # of what is counted, and how


class Copies(Struct, frozen=True):
    """The copies in a folder. Where nothing `may_change`, they are only read."""

    folder: Path
    may_change: bool = True

    def of_library(self, library: Library) -> Path:
        """Return where the copy of a library lies."""
        return self.folder / f"zotero-{str(library).replace('/', '-')}.json"

    def of_file(self, path: Path) -> Path:
        """Return where the words of a file lie, given its path as the list has it."""
        return self.folder / f"file-{sha256(str(path).encode()).hexdigest()[:32]}.json"

    def of(self, cell: str) -> Path | None:
        """Return where the copy of what a column means lies, None for what has none."""
        try:
            means = meaning(cell)
        except ProfileError:
            return None
        if isinstance(means, Library):
            return self.of_library(means)
        return self.of_file(means) if isinstance(means, Path) else None

    def read(self, path: Path) -> Any:  # noqa: ANN401 (JSON)
        """Return what a copy says, None where there is none or it is damaged."""
        try:
            return json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None

    def write(self, path: Path, known: object) -> None:
        """Keep it, all at once; what a power cut takes is made again."""
        if not self.may_change:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps(known, ensure_ascii=False, separators=(",", ":")).encode()
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(temporary, "wb", opener=private) as file:
                file.write(content)
            temporary.replace(path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()

    def profile(self, path: Path, found: os.stat_result) -> Profile | None:
        """Return what the file at a path was understood as, if it is as it was then."""
        known = self.read(self.of_file(path))
        try:
            if known["of"] != _signature(found):
                return None
            return Profile(papers=papers_of(known["papers"]), notes=tuple(known["notes"]))
        except (KeyError, TypeError, ValueError):
            return None

    def keep(self, path: Path, found: os.stat_result, profile: Profile) -> None:
        """Remember what a file was understood as."""
        self.write(
            self.of_file(path),
            {
                "of": _signature(found),
                "notes": profile.notes,
                "papers": rows_of(profile.papers),
            },
        )


def rows_of(papers: Iterable[OwnPaper]) -> Sequence[tuple[Any, ...]]:
    """Return papers as values for JSON: the words of each as one text, which is soon read."""
    return [(each.name, each.id, " ".join(each.terms), [*each.terms.values()]) for each in papers]


def papers_of(rows: Iterable[Sequence[Any]]) -> tuple[OwnPaper, ...]:
    """Return the papers of some rows. Raises ValueError or TypeError where they are none."""
    return tuple(
        [
            OwnPaper(name=name, id=id_, terms=dict(zip(words.split(" "), counts, strict=True)))
            for name, id_, words, counts in rows
        ]
    )


def _signature(found: os.stat_result) -> list[int]:
    return [_FORMAT, found.st_mtime_ns, found.st_size, found.st_ino]
