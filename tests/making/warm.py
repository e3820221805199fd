"""Processes that are forked from one that has imported the program: a start costs a second.

Such a process does its work, ends and is killed like any other; only how the program starts is
not tried by it. That is left to tests/commands/test_starting.py and to the tests of the wheel.

Its server ends when its stdin is closed. Who connects hands over stdin, stdout and stderr and a
line of JSON, and is told the id of the process and, when it has ended, its exit code.
"""

import atexit
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

CHECKOUT = Path(__file__).parents[2]
_ENVIRON = dict(os.environ)  # before a test changes it: the time zone is read once
PROGRAM = "newsletter.__main__:main"
# What the commands import when they are needed.
_NEEDED = (
    "Stemmer",
    "feedparser",
    "itsdangerous",
    "jinja2.sandbox",
    "newsletter.__main__",
    "newsletter.commands.main",
    "newsletter.commands.working.progress",
    "newsletter.config.scaffold",
    "newsletter.job.daily",
    "newsletter.job.run",
    "newsletter.operating.check",
    "newsletter.operating.monitoring",
    "newsletter.operating.status",
    "newsletter.preview.issue",
    "newsletter.sending.smtp",
    "newsletter.state.postgres.lease",
    "newsletter.tex",
    "newsletter.web.serving",
    "premailer",
    "psycopg",
    "pylatexenc.latex2text._defaultspecs",
    "xml.sax.expatreader",
)
# A program of the same name on the PATH of a shell.
_SHIM = """#!{python} -SI
import json, os, socket, sys

asked = {{"call": {call!r}, "words": sys.argv, "folder": os.getcwd(), "environ": dict(os.environ)}}
with socket.socket(socket.AF_UNIX) as door:
    door.connect({path!r})
    socket.send_fds(door, [json.dumps(asked).encode() + b"\\n"], [0, 1, 2])
    told = door.makefile().read().split()
code = int(told[1])
sys.exit(code if code >= 0 else 128 - code)
"""


class Forked:
    """A process that runs, as `subprocess.Popen` shows one."""

    def __init__(self, door: socket.socket, out: IO[str] | None, err: IO[str] | None) -> None:
        self._door = door
        self._told = door.makefile()
        self._files = out, err
        self._printed = ("", "")
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._door], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._door], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = int(self._told.readline())
            self._told.close()
            self._door.close()
            out, err = map(_read, self._files)
            self._printed = out, err
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it printed, when it has ended."""
        self.wait(timeout)
        return self._printed

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, and we are not told yet
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(
    *words: str,
    call: str = PROGRAM,
    folder: Path,
    environ: Mapping[str, str],
    stdout: IO[Any] | None = None,
    stderr: IO[Any] | None = None,
) -> Forked:
    """Start a process that calls a function, `module:name`, with those words in `sys.argv`.

    Its exit code is what the function returns, or the program's that it ends. What it prints is
    kept for `communicate`, where no file is given.
    """
    out = None if stdout else _kept()
    err = None if stderr else _kept()
    asked = {
        "call": call,
        "words": ["newsletter", *words],
        "folder": str(folder),
        "environ": dict(environ),
    }
    door = socket.socket(socket.AF_UNIX)
    door.connect(str(_server()))
    with Path(os.devnull).open() as nothing:
        files = [nothing, stdout or out, stderr or err]
        line = json.dumps(asked).encode() + b"\n"
        socket.send_fds(door, [line], [each.fileno() for each in files if each])
    return Forked(door, out, err)


def shim(folder: Path) -> Path:
    """Put a `newsletter` for the PATH of a shell into a folder, and return the folder."""
    program = folder / "newsletter"
    program.write_text(_SHIM.format(python=sys.executable, call=PROGRAM, path=str(_server())))
    program.chmod(0o755)
    return folder


def _kept() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")


def _read(file: IO[str] | None) -> str:
    if file is None:
        return ""
    with file:
        file.seek(0)
        return file.read()


@cache
def _server() -> Path:
    """Return the socket of a server that ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    path = Path(folder.name) / "door"
    server = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import main; main({str(path)!r})"],
        cwd=CHECKOUT,
        env=_ENVIRON,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout
    assert server.stdout.readline()

    def end() -> None:
        for pipe in (server.stdin, server.stdout):
            assert pipe
            pipe.close()
        server.wait()
        folder.cleanup()

    atexit.register(end)
    return path


def _serve(path: str) -> Callable[[], object] | None:
    """Fork for everybody who asks, and return, in the fork, what is to be done there."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen(64)
        print("open", flush=True)
        while sys.stdin not in select.select([door, sys.stdin], [], [])[0]:
            asking, _ = door.accept()
            with asking:
                line, files, _, _ = socket.recv_fds(asking, 1 << 20, 3)
                while not line.endswith(b"\n"):
                    line += asking.recv(1 << 20)
                asked = json.loads(line)
                called = _named(asked["call"])
                if not os.fork():
                    door.close()
                    _begin(asking, asked, files)
                    return called
                for each in files:
                    os.close(each)
    return None


def _named(call: str) -> Callable[[], object]:
    module, _, name = call.partition(":")
    found: Callable[[], object] = getattr(importlib.import_module(module), name)
    return found


def _begin(asking: socket.socket, asked: Mapping[str, Any], files: Sequence[int]) -> None:
    """Fork once more: one waits for the other and tells how it ended, and only that returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if pid := os.fork():
        for each in files:
            os.close(each)
        asking.sendall(b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        asking.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    asking.close()
    for target, each in enumerate(files):
        os.dup2(each, target)
        os.close(each)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    sys.argv = asked["words"]


def main(path: str) -> None:
    for name in _NEEDED:
        importlib.import_module(name)
    if called := _serve(path):
        sys.exit(called())  # type: ignore[arg-type]
