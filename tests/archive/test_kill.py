"""An archive that is killed while it is written: whole pages at every moment, all of them later."""

import os
import shutil
from pathlib import Path

import pytest

from tests.archive import dying_writer
from tests.making.archives import Library
from tests.making.papers import DAY, NOW, paper
from tests.making.warm import fork


@pytest.mark.slow
def test_a_kill_leaves_whole_pages_and_the_next_run_makes_up_for_it(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.day({"mri": (paper("2611.00001"),)})
    base, old = library.folder, contents(library.folder)
    news = (paper("2611.00001"), paper("2611.00002", title="News"))
    library.room.told.papers = {"mri": news}
    library.room.run(now=NOW + DAY)
    new = {**old, **reference(library, tmp_path / "reference")}
    for files in range(1, 60, 5):
        copy = tmp_path / f"killed-{files}"
        shutil.copytree(base, copy)
        killed = fork(
            *(str(tmp_path / "state.sqlite3"), str(copy), str(files)),
            call=f"{dying_writer.__name__}:main",
            folder=tmp_path,
            environ=os.environ,
        )
        if killed.wait() == 0:
            assert files > 5
            break
        assert killed.returncode == -9
        seen = contents(copy)
        assert seen.keys() <= new.keys()
        assert all(text in (old.get(name), new[name]) for name, text in seen.items())
        assert set(seen.values()) != set(new.values())
        library.folder = copy
        library.write()
        assert contents(copy) == new
    else:
        pytest.fail("it was killed every time, so there are more files than this test knows")


def reference(library: Library, folder: Path) -> dict[str, bytes]:
    """Return what an archive says that nobody killed."""
    before, library.folder = library.folder, folder
    library.write()
    library.folder = before
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".lock") and ".new" not in str(path)
    }
