"""The folder transport: a Maildir of what would be sent. It opens no socket."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from newsletter.errors import TransportError, exit_code_of
from newsletter.files import private
from newsletter.models import Ledger, Outcome, Outgoing

_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^@>\s]+)@", re.IGNORECASE | re.MULTILINE)


class Outbox:
    """A Maildir (cr.yp.to/proto/maildir.html) whose file names follow from the Message-IDs.

    Writing the same message again replaces it, so a crash between writing and recording leaves
    one copy.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def send(self, outgoing: Iterator[Outgoing], ledger: Ledger) -> None:
        """Write every message into `new/`; raises TransportError when the folder refuses."""
        for each in outgoing:
            if each.delivery not in ledger.commit({}, [each.delivery]):
                continue
            try:
                path = self._write(each)
            except OSError as error:
                raise TransportError(
                    f"{self.directory}: the outbox cannot be written: {error}; make room or give"
                    " this user the right to write there, then run again",
                    exit_code=exit_code_of(error),
                ) from error
            ledger.commit({each.delivery: Outcome(status="accepted", text=path.name)}, [])

    def _write(self, outgoing: Outgoing) -> Path:
        for folder in ("tmp", "new", "cur"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        message = b"".join(outgoing.message)
        name = f"{_name(message)}.newsletter"
        draft, final = self.directory / "tmp" / name, self.directory / "new" / name
        with open(draft, "wb", opener=private) as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
        return draft.replace(final)


def _name(message: bytes) -> str:
    found = _MESSAGE_ID.search(message)
    if found is None:
        raise ValueError("a message without a Message-ID cannot be filed")
    return found[1].decode("ascii").replace("/", "_")
