"""The number that a message is known by, in Message-ID and ENVID: made here, and read here. Pure.

A Message-ID is `<LIST.NUMBER@DOMAIN>`. What is no issue of the list has a number of another shape,
so that a bounce of an alert is never taken for one of an issue.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from hashlib import sha256

_NUMBER = re.compile(r"(?<![\w-])(\d{1,9})\.[0-9a-f]{20}\b", re.ASCII)


def number(
    issue: int, *, list_id: str, day: date, recipient: str, keywords: Iterable[str] = ()
) -> str:
    """Return what tells a message from every other, today and when it goes again.

    Where a state was lost or restored, another day's issue may have the same `issue`.
    """
    return f"{issue}.{_digest(list_id, str(issue), day.isoformat(), recipient, *keywords)}"


def issue_of(text: str) -> int:
    """Return the issue of the first number in a text, 0 where there is none."""
    found = _NUMBER.search(text)
    return int(found[1]) if found else 0


def alert_number(day: date, recipient: str, troubles: Iterable[str]) -> str:
    """Return what tells a letter to the operator from every other of its day."""
    return f"alert.{day:%Y%m%d}-{_digest(recipient, *troubles)}"


def answer_number(moment: datetime, recipient: str, purpose: str) -> str:
    """Return what tells an answer to somebody from every other."""
    return f"answer.{moment:%Y%m%d%H%M%S}-{_digest(recipient, purpose, moment.isoformat())}"


def message_id(number: str, *, list_id: str, domain: str) -> str:
    """Return the Message-ID of the message with that number, in its angle brackets."""
    return f"<{list_id}.{number}@{domain}>"


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()[:20]
