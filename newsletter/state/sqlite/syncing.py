"""Have the disk take what was committed beside the work: a sync takes as long as many mails.

It knows one file, and nothing of what is in it.
"""

import os
import time
from contextlib import suppress
from math import inf
from pathlib import Path
from threading import Lock, Thread

_sync = getattr(os, "fdatasync", os.fsync)  # Linux has it


class SyncError(Exception):
    """The disk did not take what was written."""


class Syncing:
    """The commits of a file, counted from 1, and which of them no power cut can undo any more.

    `committed` is the number of the last one. One thread calls it at a time. SyncError is raised
    from whatever is called after the disk has failed.
    """

    def __init__(self, file: Path) -> None:
        self.committed = 0
        self._file = file
        self._safe = 0  # the last commit that the disk has
        self._safe_at = -inf  # when that was the last there was
        self._worker: _Worker | None = None
        self._running: tuple[int, float] | None = None  # up to which commit, and since when

    def note(self, *, synced: bool) -> None:
        """Count a commit, and whether the disk has it already."""
        self.committed += 1
        if synced:
            self._safe, self._safe_at = self.committed, time.monotonic()

    def age(self) -> float:
        """Return for how many seconds what was committed may not have reached the disk."""
        self._look()
        return time.monotonic() - self._safe_at

    def begin(self) -> None:
        """Let the disk take all that is committed, unless it is at work."""
        self._look()
        if self._running or self._safe >= self.committed:
            return
        now = time.monotonic()
        self._worker = self._worker or _worker(self._file)
        if self._worker:
            self._running = self.committed, now
            self._worker.begin()
        else:  # without a log it is in the file itself
            self._safe, self._safe_at = self.committed, now

    def wait(self, commit: int) -> None:
        """Wait until no power cut can undo a commit."""
        while self._safe < commit:
            self.begin()
            self.rest()

    def rest(self) -> None:
        """Wait until the disk is not at work."""
        if self._running and self._worker:
            self._worker.ended(wait=True)
            self._take_in(self._worker)

    def close(self) -> None:
        """Let go of the file."""
        if self._worker:
            with suppress(SyncError):
                self.rest()
            self._worker.close()
        self._worker = self._running = None

    def _look(self) -> None:
        if self._running and self._worker and self._worker.ended(wait=False):
            self._take_in(self._worker)

    def _take_in(self, worker: "_Worker") -> None:
        running, self._running = self._running, None
        if worker.trouble:
            raise SyncError(str(worker.trouble)) from worker.trouble
        if running and running[0] > self._safe:
            self._safe, self._safe_at = running


def _worker(file: Path) -> "_Worker | None":
    try:
        return _Worker(os.open(file, os.O_RDONLY))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SyncError(str(error)) from error


class _Worker:
    """A thread that syncs a file when it is told to; two locks wake less than a queue does."""

    def __init__(self, handle: int) -> None:
        self.trouble: OSError | None = None
        self._handle = handle
        self._closed = False
        self._wanted, self._ended = Lock(), Lock()
        self._wanted.acquire()
        self._ended.acquire()
        self._thread = Thread(target=self._work, name="sync", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        self._wanted.release()

    def ended(self, *, wait: bool) -> bool:
        """Return whether what was begun has ended; True once only."""
        return self._ended.acquire(blocking=wait)

    def close(self) -> None:
        self._closed = True
        self._wanted.release()
        self._thread.join()
        os.close(self._handle)

    def _work(self) -> None:
        while self._wanted.acquire() and not self._closed:
            try:
                _sync(self._handle)
            except OSError as error:
                self.trouble = error
            self._ended.release()
