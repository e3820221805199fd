"""What can go wrong, as a tree: each kind knows the exit code it deserves.

NewsletterError
├─ ConfigError(problems)       78  a person must edit a file; every problem is listed
│  └─ InstallationError(error) 78  a library is missing or broken: nobody's but the installation's
├─ SubscribersError(problems)  65  the list file as a whole cannot be trusted
├─ ProfileError(reason)        65  a reader's own papers cannot be read: their order is the usual
├─ SourceError(url, reason)    69  arXiv did not answer usefully; what was owed still goes out
├─ StateError(path, reason)    74  damaged, newer than this program, or the disk is full
├─ LockedError(path, holder)   75  another run holds the state
├─ RenderError(template, ...)  70  a template or a paper cannot be rendered
├─ TransportError(...)         75  something is left deferred (69: unreachable, 78: login refused)
├─ PartError(part, error)      69  an optional part failed, and nothing else did (74: a file)
├─ InboxError(reason, ...)     69  bounces and leavers could not be read (78: login refused)
├─ MassError(reason)            0  much of an issue came back: nobody is suppressed, look at it
├─ ArchiveError(problems)      74  some page could not be written; the mails are not affected
└─ StoppedError                75  the run was told to stop; the next one takes up what is left

Exit codes are those of BSD's sysexits(3); `most_serious` ranks them as the documentation does.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

OK = 0
STALE = 1
USAGE = 2
DATA = 65
UNAVAILABLE = 69
SOFTWARE = 70
IO = 74
TEMPORARY = 75
PERMISSION = 77
CONFIG = 78

_MOST_SERIOUS_FIRST = (CONFIG, PERMISSION, IO, SOFTWARE, DATA, UNAVAILABLE, TEMPORARY)


def most_serious(codes: Iterable[int]) -> int:
    """Return the exit code that tells most: 78, 77, 74, 70, 65, 69, 75, then 0."""
    found = set(codes)
    return next((code for code in _MOST_SERIOUS_FIRST if code in found), OK)


def exit_code_of(error: Exception) -> int:
    """Return the exit code for trouble with a file: 77 where it is forbidden, else 74."""
    return PERMISSION if isinstance(error, PermissionError) else IO


class NewsletterError(Exception):
    """Anything a person can be told in plain words; `exit_code` is what the program ends with."""

    exit_code: int = SOFTWARE


class _ProblemsError(NewsletterError):
    """Several problems at once, each a line that says what, where and what to do next."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ConfigError(_ProblemsError):
    """The configuration cannot be used; `problems` lists everything wrong with it."""

    exit_code = CONFIG


# What brings a library that `pip install arxiv-newsletter` alone does not.
_EXTRAS = {
    "flask": "web",
    "numpy": "fast",
    "psycopg": "postgres",
    "scipy": "fast",
    "waitress": "web",
    "werkzeug": "web",
}


class InstallationError(ConfigError):
    """A library cannot be imported: no paper's, reader's or mail's fault, and all of them wait."""

    def __init__(self, error: ImportError) -> None:
        name = (error.name or "").partition(".")[0]
        extra = _EXTRAS.get(name, "")
        package = f"'arxiv-newsletter[{extra}]'" if extra else "arxiv-newsletter"
        if isinstance(error, ModuleNotFoundError) and extra:
            told = f"{name} is missing; install it: pip install {package}"
        else:
            told = f"the installation is broken ({error}): pip install --force-reinstall {package}"
        super().__init__([told])


class SubscribersError(_ProblemsError):
    """The list file as a whole cannot be trusted, so nothing was sent."""

    exit_code = DATA


class ProfileError(NewsletterError):
    """A reader's own papers cannot be read; it costs them the order, and nobody the digest."""

    exit_code = DATA


class SourceError(NewsletterError):
    """arXiv did not answer usefully.

    `url` is what was asked, `reason` what came back in plain words.
    """

    exit_code = UNAVAILABLE

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{reason} ({url})")
        self.url = url
        self.reason = reason


class StateError(NewsletterError):
    """The state file cannot be read or written; it is never taken for a first run."""

    def __init__(self, path: Path | str, reason: str, *, exit_code: int = IO) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
        self.exit_code = exit_code


class LockedError(NewsletterError):
    """Another run holds the state, or a file; `holder` says who, as far as is known."""

    exit_code = TEMPORARY

    def __init__(self, path: Path | str, holder: str, *, waited: float = 0.0) -> None:
        super().__init__(
            f"{path}: held by another ({holder}) for more than {waited:g} s; try again when it ends"
            if waited
            else f"{path}: another run is under way ({holder}); this one left at once"
        )
        self.path = path
        self.holder = holder


class RenderError(NewsletterError):
    """A template, or a paper in it, cannot be rendered; nothing was sent."""

    exit_code = SOFTWARE

    def __init__(self, template: str, reason: str, *, paper: str = "") -> None:
        super().__init__(f"{template}: {reason}" + (f" (paper {paper})" if paper else ""))
        self.template = template
        self.reason = reason
        self.paper = paper


class TransportError(NewsletterError):
    """The mail server, or the folder in its place, cannot be used at all for now.

    What happens to a single recipient is an Outcome, not an error.
    `exit_code` is 75 when trying again is enough, 69 when the server cannot be reached or its
    TLS is not to be trusted, 78 when it refuses the login, the sender, or everything. `about` says
    what is wrong: the server itself, or only that it refuses mails, or finds them too large; then
    others may fare better.
    """

    def __init__(
        self,
        reason: str,
        *,
        exit_code: int = TEMPORARY,
        about: Literal["server", "refusals", "sizes"] = "server",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exit_code = exit_code
        self.about = about


class InboxError(NewsletterError):
    """Bounces and unsubscribe mails cannot be read, or not moved, for now; none is lost.

    `exit_code` is 69 when the server cannot be reached, 78 when it refuses the login or has no
    such folder, 74 or 77 for trouble with a file.
    """

    def __init__(self, reason: str, *, exit_code: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exit_code = exit_code


class MassError(NewsletterError):
    """Much of an issue came back, or was refused; a person should look at it.

    It leaves the exit code alone: everything that was owed has left.
    """

    exit_code = OK


class ArchiveError(_ProblemsError):
    """Pages could not be written; `problems` names each. The mails are not affected."""

    exit_code = IO


class PartError(NewsletterError):
    """A part that a run can do without failed in a way that nobody foresaw; the rest went on.

    `exit_code` is 74 or 77 for trouble with a file, else 69.
    """

    def __init__(self, part: str, error: Exception) -> None:
        kind = type(error).__name__
        super().__init__(
            f"{part} failed ({kind}: {error}); the rest of the run went on. -v shows where it was"
        )
        self.exit_code = exit_code_of(error) if isinstance(error, OSError) else UNAVAILABLE


class StoppedError(NewsletterError):
    """The run was told to stop while it waited; nothing of today was committed."""

    exit_code = TEMPORARY

    def __init__(self) -> None:
        super().__init__("stopped before arXiv had answered; the next run takes up what is left")
