"""The programs beside Python that some tests need: the marker, where they are, how to get them.

A test that starts such a program bears the marker, and is skipped where the program is missing;
tests/conftest.py sees to both. Nothing is installed here.
"""

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from newsletter.phrases import counted

NODE_MODULES = Path(__file__).parents[1] / "mails" / "browser" / "node_modules"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
CANIEMAIL = NODE_MODULES / "caniemail" / "data" / "caniemail.json"
MKDOCS = Path(__file__).parents[2] / ".venv-docs" / "bin" / "mkdocs"
VALIDATOR = NODE_MODULES / "vnu-jar" / "build" / "dist" / "vnu.jar"

# Debian keeps its programs beside the PATH, in a folder for each version.
_POSTGRES = Path(os.environ.get("POSTGRESQL", "/usr/lib/postgresql"))
POSTGRES = max(_POSTGRES.glob("*/bin"), key=lambda each: int(each.parent.name), default=_POSTGRES)

_NPM = "npm ci --prefix tests/mails/browser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What people call it, the programs and files it comes with, and the command that gets it."""

    name: str
    programs: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    get: str

    @property
    def missing(self) -> str:
        """Why tests that need it are skipped, in plain words; empty where it is here."""
        if all(map(found, self.programs)) and all(path.exists() for path in self.files):
            return ""
        return f"no {self.name} here ({self.get})"


TOOLS: Mapping[str, Tool] = {
    "bash": Tool(name="bash", programs=("bash",), get="apt-get install bash"),
    "browser": Tool(
        name="Chromium with node packages",
        programs=("node",),
        files=(Path(CHROMIUM), NODE_MODULES / "playwright-core"),
        get=f"apt-get install chromium nodejs npm; {_NPM}",
    ),
    "caniemail": Tool(name="caniemail", files=(CANIEMAIL,), get=_NPM),
    "compiler": Tool(name="C compiler", programs=("cc",), get="apt-get install gcc libc6-dev"),
    "dovecot": Tool(name="Dovecot", programs=("dovecot",), get="apt-get install dovecot-imapd"),
    "git": Tool(name="git", programs=("git", "bash"), get="apt-get install git"),
    "ip": Tool(name="iproute2", programs=("ip", "tc"), get="apt-get install iproute2, as root"),
    "mount": Tool(name="mount", programs=("mount", "umount"), get="apt-get install mount, as root"),
    "site": Tool(name="MkDocs", files=(MKDOCS,), get="make docs"),
    "pgbouncer": Tool(name="PgBouncer", programs=("pgbouncer",), get="apt-get install pgbouncer"),
    "postgres": Tool(
        name="PostgreSQL", files=(POSTGRES / "initdb",), get="apt-get install postgresql"
    ),
    "smtpsink": Tool(
        name="Postfix", programs=("smtp-sink", "smtp-source"), get="apt-get install postfix"
    ),
    "spamassassin": Tool(
        name="SpamAssassin", programs=("spamassassin",), get="apt-get install spamassassin"
    ),
    "validator": Tool(
        name="Nu Html Checker",
        programs=("java",),
        files=(VALIDATOR,),
        get=f"apt-get install default-jre-headless; {_NPM}",
    ),
}


def found(program: str) -> str | None:
    """Return where a program is: on the PATH, or in the sbin beside a bin of it.

    Debian has servers there, and leaves it out of the PATH of people who are not root.
    """
    path = os.environ.get("PATH", "")
    beside = [str(Path(each).parent / "sbin") for each in path.split(os.pathsep) if each]
    return shutil.which(program, path=os.pathsep.join([path, *beside]))


def not_tried(reasons: Mapping[str, int]) -> str:
    """Return one line on the tests that were skipped, by reason; empty where there are none."""
    if not reasons:
        return ""
    said = "; ".join(f"{reason}: {count}" for reason, count in Counter(reasons).most_common())
    return f"Not tried: {counted(sum(reasons.values()), 'test')}. {said}"
