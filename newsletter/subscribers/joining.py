"""What somebody at the door asks for: what may be asked, and how it gets into the list file.

The web part and the inbox ask through the same functions, so that both doors keep one rule.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct

from newsletter.models import Subscriber
from newsletter.moments import iso
from newsletter.subscribers import editing
from newsletter.subscribers.reading import RowReader
from newsletter.subscribers.suppressions import KeptOff, suppression_of

# Who left by their own will may come back by it; who bounced or complained may not.
LEFT = "unsubscribed"
CONFIRM = "confirm"  # the purpose of a note that says who would join, and how
# What confirms a wish is good for so long; an answer by mail may lie in the inbox for a while more.
CONFIRMS = timedelta(days=2)
CONFIRMS_BY_MAIL = timedelta(days=7)

KEEP = "Keep the lines that you want, delete the others, and send this:"


class Wish(Struct, frozen=True, kw_only=True):
    """What somebody wants, as the cells of their row, and what of it cannot be: by column."""

    cells: Mapping[str, str]
    problems: Mapping[str, str]


def wish(cells: Mapping[str, str], *, keywords: Sequence[str]) -> Wish:
    """Check what somebody chose, by column. Unknown keywords are a problem here, unlike in a list.

    No keyword at all is one too: an empty cell would mean all of them.
    """
    trimmed = {column: " ".join(text.split()) for column, text in cells.items()}
    subscriber, found = RowReader(keywords).subscriber(trimmed)
    problems: dict[str, str] = {}
    for problem in found:
        column, _, words = problem.partition(": ")
        problems.setdefault(column, words)
    if not trimmed.get("keywords", "*").strip("; "):
        problems.setdefault("keywords", "choose at least one")
    if subscriber and "email" in trimmed:
        trimmed["email"] = subscriber.email
    return Wish(cells=trimmed, problems=problems)


def joined(
    path: Path,
    cells: Mapping[str, str],
    suppressions: KeptOff,
    *,
    keywords: Sequence[str],
    asked: datetime,
    now: datetime,
) -> Subscriber | None:
    """Let a confirmed wish of `asked` be so: a row of the list, and no suppression in its way.

    None where the address must stay away: it bounced, complained, was forgotten, or left after it
    had asked. Raises SubscribersError when the list cannot be trusted.
    """
    email = cells["email"]
    suppressions.refresh()
    if not may_join(suppressions, email, asked=asked):
        return None
    suppressions.remove(email, now=now, detail="came back by a confirmed link")
    if editing.row_of(path, email) is None:
        return editing.add(path, cells, keywords=keywords)
    chosen = {column: text for column, text in cells.items() if text and column != "email"}
    return editing.change(path, email, {**chosen, "status": ""}, keywords=keywords)


def may_join(suppressions: KeptOff, email: str, *, asked: datetime) -> bool:
    """Return whether an address may be on the list by a wish of `asked`."""
    reason = suppressions.reason_for(email)
    if reason is None:
        return True
    if reason != LEFT:
        return False
    # An old link must not bring back who has left since it was asked for.
    left = suppression_of(suppressions, email)
    return left is None or left.since <= iso(asked)
