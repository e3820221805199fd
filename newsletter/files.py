"""Write files so that a crash leaves the old one or the new one. Knows nothing of contents."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from newsletter.errors import LockedError

LOCK_PATIENCE = 60.0  # seconds; an edit of the list takes less than one
_GLANCE = 0.02
_ROOM = 1 << 16  # bytes: SQLite needs 32 KB to open a file


@contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` when the block ends, durably and all at once.

    The mode and, where permitted, the owner of the old file are kept; a new one gets `mode`. A
    symbolic link stays one.
    If the block fails, `path` is as it was.
    """
    import tempfile  # with random and hashlib; what only reads needs none of them

    target = path.resolve()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with naming(target), open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor)
            yield file
            file.flush()
            _take_after(target, file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let trouble with an open file name it, as trouble with opening one does."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def is_full(folder: Path) -> bool:
    """Return whether a disk has no room left; what fails then need not say so."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _ROOM


@contextmanager
def locked(path: Path, *, patience: float = LOCK_PATIENCE) -> Iterator[None]:
    """Hold the lock of the file `path`, which lies beside it: `.NAME.lock`.

    The file itself cannot be the lock: it is replaced, and then two would each hold one of them.
    Raises LockedError, which says who holds it, after so many seconds of waiting.
    """
    target = path.resolve()
    lock = target.with_name(f".{target.name}.lock")
    descriptor = lock_file(lock)
    try:
        wait_for(descriptor, lock, patience=patience)
        holder = f"process {os.getpid()} on {os.uname().nodename}\n".encode()
        # A file system with a journal may take as long to change a lock as to sync a file.
        if os.pread(descriptor, len(holder) + 1, 0) != holder:
            with naming(lock):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, holder, 0)
        yield
    finally:
        os.close(descriptor)


def lock_file(path: Path) -> int:
    """Open a lock, made with mode 0600 where there is none; a link in its place is not followed.

    Returns a descriptor. Raises OSError, also for what is no file of its own: what stands in a lock
    is written over.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EINVAL, "this is no lock but a link or a device", str(path))
    return descriptor


def wait_for(descriptor: int, path: Path, *, patience: float) -> None:
    """Take a lock, waiting for whoever has it. Raises LockedError when `patience` is at its end."""
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
                raise LockedError(
                    path, holder or "it has not said who it is", waited=patience
                ) from error
            time.sleep(_GLANCE)
        else:
            return


def private(path: str, flags: int) -> int:
    """Be an opener for open(): a file it makes is its owner's alone, whatever the umask."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def sync_folder(folder: Path) -> None:
    """Make names created or replaced in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_after(target: Path, descriptor: int, mode: int) -> None:
    try:
        before = target.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, mode)
        return
    os.fchmod(descriptor, before.st_mode & 0o7777)
    with suppress(PermissionError):  # only root may give a file away
        os.fchown(descriptor, before.st_uid, before.st_gid)


def shared_folder(fallback: Path) -> Path:
    """Return a folder that all runs of this user on this machine share; arXiv counts them as one.

    Where there is no home to write to, as in a container, it is the state's own.
    """
    try:
        state_home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        folder = Path(state_home) / "arxiv-newsletter"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return fallback
    return folder if os.access(folder, os.W_OK) else fallback
