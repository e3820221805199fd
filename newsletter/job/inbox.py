"""Hear of people who leave and of addresses that died, and suppress them. It answers nobody."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from newsletter.errors import IO, PERMISSION, InboxError
from newsletter.models import Bounce
from newsletter.phrases import counted
from newsletter.returns.bounces import (
    classify,
    is_mass,
    suppresses,
)
from newsletter.returns.mailboxes import Mail, Mailbox, Opener
from newsletter.returns.meaning import Clerk, MailKind, Meaning
from newsletter.state.bounces import BounceBook
from newsletter.state.deliveries import Deliveries
from newsletter.subscribers.suppressions import Suppressions

DONE, UNKNOWN = "newsletter-done", "newsletter-unknown"

_BATCH = 50

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How many new mails there were of each kind, and how many addresses bounces suppressed."""

    kinds: Counter[MailKind]
    suppressed: int


@dataclass(slots=True, kw_only=True)
class Returns:
    """What comes back: mails in an inbox, where there is one, and refusals while delivering."""

    deliveries: Deliveries
    bounces: BounceBook
    suppressions: Suppressions
    clerk: Clerk
    opener: Opener | None = None

    def read(self, *, now: datetime) -> Reading:
        """Read what is new in the inbox, act on it, and move it; nothing is ever deleted.

        What was read is remembered before it is moved, so that it counts once whatever happens.
        Raises InboxError.
        """
        kinds: Counter[MailKind] = Counter()
        if self.opener:
            with self.opener() as mailbox:
                keys = mailbox.keys()
                for start in range(0, len(keys), _BATCH):
                    kinds += self._read(mailbox, keys[start : start + _BATCH], now)
        return Reading(kinds=kinds, suppressed=self.judge(now=now))

    def judge(self, *, now: datetime) -> int:
        """Suppress who is to be suppressed for bounces and refusals that are not judged yet.

        Returns how many are. Where much of an issue came back nobody is, and those that the same
        issue had suppressed before are mailed again. Raises InboxError.
        """
        self.bounces.note(_refusals(self.deliveries.rejections()), now=now)
        bounces = self.bounces.unjudged()
        known = {each.issue for each in bounces} - {0}
        mass = {issue for issue in known if self._is_mass(issue)}
        judged = [each for each in bounces if each.issue not in mass]
        found = {
            each.address: each.text
            for each in judged
            if suppresses(each.kind, self.bounces.mailings(each.address))
            and not self.suppressions.reason_for(each.address)
        }
        for address, text in found.items():
            self._suppress(address, "bounced", text, now)
        for issue in sorted(mass):
            self._take_back(issue, now)
        _warn_of_ourselves(judged)
        self.bounces.note_judged(bounces)
        return len(found)

    def _read(self, mailbox: Mailbox, keys: Sequence[str], now: datetime) -> Counter[MailKind]:
        before = self.bounces.mails_read(mailbox.name, keys)
        fresh = [key for key in keys if key not in before]
        mails = mailbox.read(fresh) if fresh else []
        meanings = {each.key: _understood(self.clerk, each) for each in mails}
        for each in meanings.values():
            if each.kind == "unsubscribed":
                self._suppress(each.address, "unsubscribed", "by mail", now)
        kinds = {key: each.kind for key, each in meanings.items()}
        self.bounces.note_mails(mailbox.name, kinds, _bounces(meanings.values()), now=now)
        folders: dict[str, list[str]] = {DONE: [], UNKNOWN: []}
        for key, kind in (before | kinds).items():
            folders[UNKNOWN if kind in {"refused", "unknown"} else DONE].append(key)
        for folder, found in folders.items():
            if found:
                mailbox.move(found, folder)
        return Counter(kinds.values())

    def _is_mass(self, issue: int) -> bool:
        return is_mass(len(self.bounces.hard_bounces(issue)), self.bounces.mailed(issue))

    def _take_back(self, issue: int, now: datetime) -> None:
        bounced = self.bounces.hard_bounces(issue)
        for address in bounced:
            if self.suppressions.reason_for(address) == "bounced":
                with _writing():
                    self.suppressions.remove(
                        address, now=now, detail=f"mass bounce of issue {issue}"
                    )
        _log.warning(
            "issue %s came back from %s of %s recipients: that is about us, and nobody is"
            " suppressed for it; look at what the last bounces in %s say",
            issue,
            len(bounced),
            self.bounces.mailed(issue),
            DONE,
        )

    def _suppress(self, address: str, reason: str, detail: str, now: datetime) -> None:
        with _writing():
            self.suppressions.add(address, reason=reason, now=now, detail=detail)
        _log.info("%s: %s (%s)", address, reason, detail)


def summary(reading: Reading) -> str:
    """Return what was read as one line for people."""
    number = reading.kinds
    total = sum(number.values())
    if not total:
        return "no new mails"
    parts: dict[MailKind, str] = {
        "unsubscribed": f"{number['unsubscribed']} unsubscribed",
        "bounce": f"{counted(number['bounce'], 'bounce')} ({reading.suppressed} suppressed)",
        "automatic": f"{number['automatic']} auto-"
        + ("reply" if number["automatic"] == 1 else "replies"),
        "refused": f"{number['refused']} refused for want of a valid token",
        "unknown": f"{number['unknown']} not understood",
    }
    told = ", ".join(text for kind, text in parts.items() if number[kind])
    kept = f" (moved to {UNKNOWN})" if number["refused"] + number["unknown"] else ""
    return f"read {counted(total, 'mail')}: {told}{kept}"


def _bounces(meanings: Iterable[Meaning]) -> list[Bounce]:
    return [
        Bounce(
            address=each.address,
            issue=each.failure.issue,
            kind=each.failure.kind,
            text=each.failure.text,
        )
        for each in meanings
        if each.kind == "bounce" and each.failure
    ]


def _refusals(rejections: Iterable[tuple[str, int, str]]) -> list[Bounce]:
    return [
        Bounce(address=address, issue=issue, kind=classify(reply), text=reply)
        for address, issue, reply in rejections
    ]


def _warn_of_ourselves(bounces: Iterable[Bounce]) -> None:
    ours = [each for each in bounces if each.kind == "ours"]
    if ours:
        _log.warning(
            "%s refused because of us, not of the recipients; the last said: %s. Nobody is"
            " suppressed for it; see docs/deliverability.md",
            counted(len(ours), "mail"),
            ours[-1].text,
        )


def _understood(clerk: Clerk, mail: Mail) -> Meaning:
    try:
        return clerk.meaning(mail.content)
    except Exception:  # noqa: BLE001 - one poisonous mail must not keep the others unread
        _log.warning("mail %s cannot be parsed; it is moved to %s", mail.key, UNKNOWN)
        return Meaning(kind="unknown")


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        denied = isinstance(error, PermissionError)
        raise InboxError(
            f"the suppression file cannot be written: {error}; mails stay in the inbox, and the"
            " next run reads them again",
            exit_code=PERMISSION if denied else IO,
        ) from error
