"""Prove the Dockerfile where there is no Docker engine: run its steps in a fresh Debian root.

A script, not a test that pytest collects: it needs root, mmdebstrap and a package index, and takes
a minute or two. Debian's own Python stands in for that of the base image; layers, the registry and
the engine's own behaviour are not proven.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# What an engine would take from its own settings; nothing else of this machine reaches a step.
PASSED_ON = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "HTTPS_PROXY")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile: flags without their dashes, and the rest of the line."""

    name: str
    flags: Mapping[str, str]
    rest: str

    def words(self) -> list[str]:
        """Return the arguments, of the exec form or separated by blanks."""
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


@dataclass(slots=True)
class Stage:
    """A root being built, and what its container would start with."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    user: str = "0:0"
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)


def instructions(dockerfile: str) -> Iterator[Instruction]:
    """Read a Dockerfile, without the syntax that ours has no use for (heredocs, ONBUILD)."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, rest = line.strip().split(maxsplit=1)
            flags = {}
            while rest.startswith("--"):
                flag, rest = rest.split(maxsplit=1)
                key, _, value = flag[2:].partition("=")
                flags[key] = value
            yield Instruction(name, flags, rest)


def build(dockerfile: str, base: Path, folder: Path) -> Stage:
    """Run every instruction; every FROM starts from `base`. Returns the last stage."""
    stages: dict[str, Stage] = {}
    stage = Stage(base)
    for step in instructions(dockerfile):
        print(" ", " ".join([step.name, *step.rest.split()])[:98], flush=True)
        match step.name:
            case "FROM":
                name = step.rest.partition(" AS ")[2] or "final"
                stage = stages[name] = Stage(folder / name)
                _copy(base, stage.root)
            case "RUN":
                run(stage, ["/bin/sh", "-c", step.rest], env=_build_environment(), network=True)
            case "COPY":
                *sources, target = step.words()
                origin = stages[step.flags["from"]].root if "from" in step.flags else CHECKOUT
                for source in sources:
                    _copy(origin / source.lstrip("/"), _inside(stage, target))
            case _:
                _configure(stage, step)
    return stage


def run(
    stage: Stage,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    network: bool = False,
    data: Path | None = None,
    expect: int = 0,
) -> str:
    """Run a command as an engine would, and return what it printed.

    With `data` the root is read-only but for that folder mounted on each volume, as with
    `docker run --read-only --network none --cap-drop ALL --security-opt no-new-privileges`.
    """
    root = stage.root
    mounts = [f"mount --bind {root} {root}", f"mount -t proc proc {root}/proc"]
    mounts += [f"mount --bind /dev/{name} {root}/dev/{name}" for name in ("null", "urandom")]
    if data:
        mounts += [f"mount --bind {data} {root}{volume}" for volume in stage.volumes]
        mounts.append(f"mount -o remount,ro,bind {root}")
    uid, gid = stage.user.split(":")
    drop = f"setpriv --reuid={uid} --regid={gid} --clear-groups --no-new-privs"
    drop += "" if uid == "0" else " --bounding-set=-all --inh-caps=-all"
    variables = {"HOME": "/", **stage.env, **env}
    enter = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
    chdir = ["sh", "-c", 'cd "$0" && exec "$@"', stage.workdir]
    inside = shlex.join([*enter, *shlex.split(drop), *chdir, *command])
    script = "\n".join(["set -e", *mounts, f"exec chroot {root} {inside}"])
    isolate = ["unshare", "--mount", "--pid", "--fork", "--ipc", "--uts"]
    isolate += [] if network else ["--net"]
    done = subprocess.run(
        [*isolate, "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != expect:
        sys.exit(f"{shlex.join(command)}: exit {done.returncode}, not {expect}\n{done.stdout}")
    return done.stdout


def prove(stage: Stage, folder: Path) -> None:
    """Use the image as its reader would: set up, check, run the sample, ask for its health."""
    for tool in ("cc", "gcc", "g++", "make", "pip"):
        run(stage, ["sh", "-c", f"! command -v {tool}"], env={})
    data = folder / "data"
    shutil.copytree(CHECKOUT / "newsletter" / "preview" / "sample", data / "sample")
    _give(data, stage.user)
    sample = {"NEWSLETTER_CONFIG": f"{stage.volumes[0]}/sample/newsletter.toml"}

    def newsletter(*arguments: str, env: Mapping[str, str], expect: int = 0) -> None:
        print(f"  newsletter {shlex.join(arguments)}", flush=True)
        run(stage, [*stage.entrypoint, *arguments], env=env, data=data, expect=expect)

    whoami = ["sh", "-c", "echo $(id -u):$(id -g); touch /probe 2>&1 || echo read-only"]
    shown = run(stage, whoami, env={}, data=data)
    if not shown.startswith(stage.user) or "read-only" not in shown:
        sys.exit(f"not {stage.user} on a read-only root:\n{shown}")

    newsletter("init", env={})
    newsletter("check", "--offline", env={})
    newsletter("demo", f"{stage.volumes[0]}/demo", env={})
    day_one = sample | {"NEWSLETTER_SOURCE__FILE": "day1.xml"}
    day_two = sample | {"NEWSLETTER_SOURCE__FILE": "day2.xml"}
    newsletter(*stage.command, "--now", "2026-11-19T10:00:00Z", env=day_one)
    newsletter(*stage.command, "--now", "2026-11-20T10:00:00Z", env=day_two)
    mails = list((data / "sample" / "outbox" / "new").iterdir())
    owners = {f"{mail.stat().st_uid}:{mail.stat().st_gid}" for mail in mails}
    if len(mails) != 8 or owners != {stage.user}:
        sys.exit(f"{len(mails)} mails in the outbox, of {owners}; 8 of {stage.user} were due")
    print(f"  {len(mails)} mails in the outbox", flush=True)

    health = stage.healthcheck[1:]
    newsletter(*health, "--now", "2026-11-21T10:00:00Z", env=sample)
    newsletter(*health, "--now", "2026-11-22T10:00:00Z", env=sample, expect=1)


def main() -> None:
    """Build the image's root in a temporary folder, prove it, and leave nothing behind."""
    started = time.monotonic()
    with _temporary_folder() as folder:
        print("A fresh Debian root", flush=True)
        base = _base(folder)
        print("The steps of the Dockerfile", flush=True)
        stage = build((CHECKOUT / "Dockerfile").read_text(encoding="utf-8"), base, folder)
        print("The image: read-only root, one volume, no network, no capabilities", flush=True)
        prove(stage, folder)
    print(f"The container recipe holds ({time.monotonic() - started:.0f} s)")


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="newsletter-container-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the numeric user must be able to pass
        yield folder


def _base(folder: Path) -> Path:
    """Make a root that looks like the `python:…-slim-trixie` the Dockerfile starts from."""
    base = folder / "base"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv"]
    command += ["--include=ca-certificates", "trixie", str(base)]
    for attempt in range(3):
        if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0:
            break
        shutil.rmtree(base, ignore_errors=True)
        time.sleep(10 * (attempt + 1))
    else:
        sys.exit("mmdebstrap failed three times; is Debian's mirror reachable?")
    for name in ("python", "python3"):
        (base / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
    shutil.copy("/etc/resolv.conf", base / "etc/resolv.conf")
    shutil.copy(CERTIFICATES, base / CERTIFICATES.relative_to("/"))
    return base


def _build_environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed_on | {"PIP_CERT": str(CERTIFICATES), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _inside(stage: Stage, path: str) -> Path:
    """Return where a path of the container lies on this machine."""
    return stage.root / Path(stage.workdir, path).relative_to("/")


def _configure(stage: Stage, step: Instruction) -> None:
    """Carry out an instruction that changes no file."""
    match step.name:
        case "ENV":
            stage.env |= dict(word.split("=", 1) for word in step.words())
        case "WORKDIR":
            stage.workdir = step.rest
            _inside(stage, step.rest).mkdir(parents=True, exist_ok=True)
        case "USER":
            stage.user = step.rest
        case "VOLUME":
            stage.volumes = step.words()
        case "ENTRYPOINT":
            stage.entrypoint = step.words()
        case "CMD":
            stage.command = step.words()
        case "HEALTHCHECK":
            stage.healthcheck = json.loads(step.rest.removeprefix("CMD").strip())
        case "ARG" | "LABEL":  # labels are all that ours has build arguments for
            pass
        case _:
            sys.exit(f"Dockerfile: {step.name} is not understood; teach tests/whole/container.py")


def _copy(source: Path, target: Path) -> None:
    # Not shutil: a root has devices in it, and reading /dev/zero has no end.
    subprocess.run(["cp", "--archive", source, target], check=True)


def _give(folder: Path, user: str) -> None:
    uid, gid = (int(part) for part in user.split(":"))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, gid)


if __name__ == "__main__":
    main()
