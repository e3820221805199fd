"""Hear of people who leave or complain and of dead addresses, and suppress them.

What else readers ask for goes to the desk (see answers), which alone answers.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from math import inf
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

from msgspec import Struct, field

from newsletter.errors import (
    DATA,
    UNAVAILABLE,
    InboxError,
    MassError,
    NewsletterError,
    SubscribersError,
    exit_code_of,
)
from newsletter.models import Bounce, Transport
from newsletter.phrases import counted
from newsletter.returns.bounces import Masses, classify, masses, others, suppresses
from newsletter.returns.mailboxes import Mail, Mailbox, Opener
from newsletter.returns.meaning import ASKED, Clerk, MailKind, Meaning
from newsletter.state.bounces import BounceBook
from newsletter.state.engines import Book
from newsletter.subscribers.suppressions import KeptOff

if TYPE_CHECKING:  # mails take time to import, and most have no inbox
    from newsletter.job.letters.answers import Desk

DONE, UNKNOWN = "newsletter-done", "newsletter-unknown"

MAX_MAILS = 20_000
_BATCH = 20
_A_SECOND = timedelta(seconds=1)  # times are noted to the second
# Mails that are put aside for a person, and why: what was not understood may be a letter to them.
_FOR_PEOPLE: dict[MailKind, str] = {
    "refused": "without a valid token",
    "unclear": "unclear",
    "unknown": "not understood",
}
# Mails that say by themselves that somebody wants no more: the reason, and how we know.
_REASONS: dict[MailKind, str] = {
    "unsubscribed": "by mail",
    "complained": "to the provider, as spam",
}

_log = logging.getLogger(__name__)


class Reading(Struct, frozen=True, kw_only=True):
    """How many new mails there were of each kind, and how many addresses bounces suppressed.

    `unreadable` names mails that the mailbox would not hand out, `trouble` is what kept some of the
    others from being moved. `left` counts the mails that there was no more time for, `undone` those
    that ask for what could not be done: they stay, too. `begun` counts those put aside because a
    run ended while it read them. `masses` says of which issues so much came back that nobody is
    suppressed for it.
    """

    kinds: Counter[MailKind]
    suppressed: int
    begun: int = 0
    left: int = 0
    undone: int = 0
    unreadable: tuple[str, ...] = ()
    masses: tuple[MassError, ...] = ()
    trouble: InboxError | None = None

    def put_aside(self) -> dict[str, int]:
        """Return how many mails were moved to where people look at them, by reason."""
        found = {why: self.kinds[kind] for kind, why in _FOR_PEOPLE.items()}
        return _counts(found | {"was being read when a run ended": self.begun})

    def stayed(self) -> dict[str, int]:
        """Return how many mails stay in the inbox, by reason."""
        return _counts(
            {
                "no time": self.left,
                "cannot be read": len(self.unreadable),
                "cannot be done now": self.undone,
            }
        )

    def summary(self) -> str:
        """Return what was read as one line for people."""
        number = self.kinds
        total = sum(number.values())
        names = ", ".join(self.unreadable)
        unread = f"; {counted(self.left, 'mail')} left for the next time" if self.left else ""
        unreadable = (
            f"{unread}; {len(self.unreadable)} could not be read ({names})" if names else unread
        )
        if not total:
            return f"no new mails{unreadable}"
        parts: dict[MailKind, str] = {
            "unsubscribed": f"{number['unsubscribed']} unsubscribed",
            "complained": f"{number['complained']} complained",
            "bounce": f"{counted(number['bounce'], 'bounce')} ({self.suppressed} suppressed)",
            "automatic": f"{number['automatic']} auto-"
            + ("reply" if number["automatic"] == 1 else "replies"),
            "changed": f"{number['changed']} chose keywords",
            "joining": f"{number['joining']} asked to join",
            "joined": f"{number['joined']} joined",
            "unclear": f"{number['unclear']} asked what they mean",
            "refused": f"{number['refused']} refused for want of a valid token",
            "unknown": f"{number['unknown']} not understood",
        }
        told = ", ".join(text for kind, text in parts.items() if number[kind])
        kept = f" (moved to {UNKNOWN})" if any(number[kind] for kind in _FOR_PEOPLE) else ""
        return f"read {counted(total, 'mail')}: {told}{kept}{unreadable}"


class Returns(Struct, kw_only=True):
    """What comes back: mails in an inbox, where there is one, and refusals while delivering.

    `alone` keeps others from reading it meanwhile. Where there is no `desk`, since the list is
    another machine's, what it would do waits in the inbox for the job.
    """

    deliveries: Book
    bounces: BounceBook
    suppressions: KeptOff
    clerk: Clerk
    opener: Opener | None = None
    alone: Callable[[], AbstractContextManager[None]] = nullcontext
    desk: "Desk | None" = None
    stop: Event = field(default_factory=Event)

    def read(self, *, now: datetime, seconds: float = inf) -> Reading:
        """Read what is new in the inbox, act on it, and move it; nothing is ever deleted.

        It ends after `seconds`, or MAX_MAILS, or once `stop` is set: the next reading goes on.
        What was read is remembered before it is moved, so that it counts once whatever happens.
        Raises InboxError, and nothing else for what a mailbox says or holds; LockedError where
        somebody else is reading it, ImportError where a library is missing.
        """
        kinds: Counter[MailKind] = Counter()
        unreadable: dict[str, str] = {}
        troubles: list[InboxError] = []
        undone: list[InboxError] = []
        left = begun = 0
        if self.opener:
            until = monotonic() + seconds
            with self.alone(), _reading(), self.opener(seconds=seconds) as mailbox:
                keys = mailbox.keys()
                for start in range(0, len(keys), _BATCH):
                    if start >= MAX_MAILS:
                        left = len(keys) - start
                        break
                    batch = keys[start : start + _BATCH]
                    before = self.bounces.mails_read(mailbox.name, batch)
                    for key in (key for key, kind in before.items() if kind == "begun"):
                        begun += 1
                        _log.warning(
                            "mail %s was being read when a run ended; it is moved to %s unread:"
                            " look at it",
                            key,
                            UNKNOWN,
                        )
                    unread = [key for key in batch if key not in before]
                    in_vain = len(undone)
                    fresh = self._read(mailbox, unread, now, until, undone)
                    kinds += Counter(fresh.values())
                    # What cannot be moved must not keep the next from being read.
                    troubles += _moved(mailbox, before | fresh)
                    if self._is_over(until):
                        left = len(keys) - start - len(before) - len(fresh)
                        left -= len(undone) - in_vain
                        break
                unreadable = mailbox.unreadable
        for key, said in unreadable.items():
            _log.warning("mail %s cannot be read and stays in the inbox: %s", key, said)
        return Reading(
            kinds=kinds,
            suppressed=self.judge(now=now),
            unreadable=tuple(unreadable),
            masses=self.masses(now=now),
            trouble=next(iter(undone + troubles), None),
            begun=begun,
            left=left,
            undone=len(undone),
        )

    def answer(self, transport: Callable[[], Transport], *, now: datetime) -> None:
        """Answer those who asked for something by mail. Raises NewsletterError."""
        if self.desk:
            self.desk.answer(transport, now=now)

    def masses(self, *, now: datetime) -> tuple[MassError, ...]:
        """Return of which issues a mass came back, some of it at `now`: nobody is suppressed."""
        return tuple(masses(self.bounces, after=now - _A_SECOND, now=now))

    def judge(self, *, now: datetime) -> int:
        """Suppress who is to be suppressed for bounces and refusals that are not judged yet.

        Returns how many are. Where much of an issue came back, or much of what went to one mail
        domain, nobody of them is, and those that the same issue had suppressed before are mailed
        again. Raises InboxError.
        """
        refusals = self._refusals()
        self.bounces.note(refusals, now=now)
        bounces = self.bounces.unjudged()
        mass = Masses(self.bounces, now=now)
        judged = [each for each in bounces if each.address not in mass.of(each.issue)]
        found = {
            each.address: each.text
            for each in judged
            if suppresses(each.kind, mass.history(each.address))
            and not self.suppressions.reason_for(each.address)
        }
        for address, text in found.items():
            self._suppress(address, "bounced", text, now)
        for issue in sorted({each.issue for each in bounces}):
            if mass.of(issue):
                self._take_back(issue, mass, now)
        # Those refused while delivering are left out: there it was seen that the server accepts
        # others, so that it is not about us.
        at_the_door = {(each.address, each.issue) for each in refusals}
        _warn_of_ourselves(each for each in judged if (each.address, each.issue) not in at_the_door)
        self.bounces.note_judged(bounces)
        return len(found)

    def _is_over(self, until: float) -> bool:
        return self.stop.is_set() or monotonic() >= until

    def _read(
        self,
        mailbox: Mailbox,
        keys: Sequence[str],
        now: datetime,
        until: float,
        undone: list[InboxError],
    ) -> dict[str, MailKind]:
        kinds: dict[str, MailKind] = {}
        for mail in mailbox.read(keys) if keys else []:
            if self._is_over(until):
                break
            self.bounces.note_begun(mailbox.name, mail.key, now=now)
            try:
                found = _understood(self.clerk, mail)
                kind = found.kind
                if detail := _REASONS.get(kind):
                    self._suppress(found.address, kind, detail, now)
                if kind in ASKED and not self.desk:
                    self.bounces.note_left(mailbox.name, mail.key)
                    _log.info("mail %s waits for the run: it needs the list", mail.key)
                    continue
                if kind in ASKED and self.desk:
                    kind = self.desk.act(found, now=now)
            except (InboxError, ImportError):
                self.bounces.note_left(mailbox.name, mail.key)
                raise
            except (SubscribersError, OSError) as error:
                # The mail stays where it is: the next run does what it asks for.
                self.bounces.note_left(mailbox.name, mail.key)
                undone.append(_not_changed(error))
                continue
            kinds[mail.key] = kind
            self.bounces.note_mails(mailbox.name, {mail.key: kind}, _bounces([found]), now=now)
        return kinds

    def _refusals(self) -> list[Bounce]:
        return [
            Bounce(
                address=address,
                issue=issue,
                kind=classify(reply, ours=others(self.clerk.ours, address)),
                text=reply,
            )
            for address, issue, reply in self.deliveries.rejections()
        ]

    def _take_back(self, issue: int, mass: Masses, now: datetime) -> None:
        for address in sorted(mass.of(issue)):
            elsewhere = any(each.kind == "dead" for each in mass.history(address))
            if self.suppressions.reason_for(address) == "bounced" and not elsewhere:
                with _writing():
                    what = f"issue {issue}" if issue else "mails that name no issue"
                    self.suppressions.remove(address, now=now, detail=f"mass bounce of {what}")

    def _suppress(self, address: str, reason: str, detail: str, now: datetime) -> None:
        with _writing():
            self.suppressions.add(address, reason=reason, now=now, detail=detail)
        _log.info("%s: %s (%s)", address, reason, detail)


def _counts(numbers: Mapping[str, int]) -> dict[str, int]:
    return {what: number for what, number in numbers.items() if number}


def _not_changed(error: SubscribersError | OSError) -> InboxError:
    code = exit_code_of(error) if isinstance(error, OSError) else DATA
    return InboxError(
        f"what a reader asks for by mail cannot be done: {error}; the mail stays in the inbox, and"
        " the next run reads it again",
        exit_code=code,
    )


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


def _warn_of_ourselves(bounces: Iterable[Bounce]) -> None:
    ours = [each for each in bounces if each.kind == "ours"]
    if ours:
        _log.warning(
            "%s refused because of us, not of the recipients; the last said: %s. Nobody is"
            " suppressed for it; see docs/deliverability.md",
            counted(len(ours), "mail"),
            ours[-1].text,
        )


def _moved(mailbox: Mailbox, kinds: Mapping[str, str]) -> list[InboxError]:
    """File mails by what they were taken for, and return what was in the way."""
    folders: dict[str, list[str]] = {DONE: [], UNKNOWN: []}
    for key, kind in kinds.items():
        folders[UNKNOWN if kind in {*_FOR_PEOPLE, "begun"} else DONE].append(key)
    troubles = []
    for folder, keys in folders.items():
        try:
            if keys:
                mailbox.move(keys, folder)
        except InboxError as error:
            troubles.append(error)
    return troubles


def _understood(clerk: Clerk, mail: Mail) -> Meaning:
    try:
        return clerk.meaning(mail.content)
    except ImportError:
        raise  # no mail's fault: all of them stay
    except Exception:  # noqa: BLE001 - one poisonous mail must not keep the others unread
        _log.warning("mail %s cannot be parsed; it is moved to %s", mail.key, UNKNOWN)
        return Meaning(kind="unknown")


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (NewsletterError, ImportError):
        raise
    except Exception as error:  # whatever it is, the mails to readers matter more
        raise InboxError(
            f"the inbox cannot be read to its end ({type(error).__name__}: {error}); what was read"
            " is remembered, and the rest is read next time",
            exit_code=UNAVAILABLE,
        ) from error


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InboxError(
            f"the suppression file cannot be written: {error}; mails stay in the inbox, and the"
            " next run reads them again",
            exit_code=exit_code_of(error),
        ) from error
