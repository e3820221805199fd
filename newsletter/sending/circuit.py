"""Whether refusals are about us or about recipients. Pure: it counts, and concludes.

A status code is a hint, not a verdict. What decides is the code, its words (`refusals` reads both),
and what became of the others.

1. Plainly the recipient ("no such user", 5.1.1, a full mailbox): rejected at once.
2. Everything else is suspect: plainly about us (relaying, the login, our sender, block lists,
   quotas), or unclear. A suspect is put aside, and others are asked, those at other domains first.
   A handful of suspects, at whatever domains, never stops the rest.
3. If twenty in a row are refused, of at least three domains or with nobody left at another, there
   is no use in going on: the run ends, and nobody is rejected.
4. At the end of the run the suspects are judged.
   - Nobody at all was accepted: it is us. Nobody is rejected; 78, or 75 where it is a quota.
   - Others were, and the suspects are few: one, or at most a twentieth of those tried, or all at
     one domain while others were accepted elsewhere, more of them than are suspect. They are
     rejected for this issue and named, and no address is suppressed for it.
   - Others were, and the suspects are more than that: put off, and the operator is told; 75.
   - Quotas, the login, and what is refused before the recipient was named can never be theirs:
     put off, however few they are; 75 where others were accepted.

So nobody is rejected for our own faults, and a few who refuse cost everybody else nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Self

from msgspec import Struct, field

from newsletter.addresses import domain_of
from newsletter.errors import CONFIG, TEMPORARY, TransportError
from newsletter.models import Outcome, Outgoing
from newsletter.phrases import counted
from newsletter.refusals import Refusal
from newsletter.sending.replies import Phase, Reply, advice

ROW = 20
DOMAINS = 3
SHARE = 0.05


class Suspect(Struct, frozen=True, kw_only=True):
    """A message that was refused, and not plainly for its recipient's sake."""

    delivery: int
    recipient: str
    sender: str
    phase: Phase
    reply: Reply
    refusal: Refusal

    @classmethod
    def of(cls, outgoing: Outgoing, phase: Phase, reply: Reply) -> Self:
        """Return the suspect that a refused message is."""
        envelope = outgoing.envelope
        return cls(
            delivery=outgoing.delivery,
            recipient=envelope.recipient,
            sender=envelope.sender,
            phase=phase,
            reply=reply,
            refusal=reply.refusal(phase, ours=envelope.ours),
        )

    @property
    def domain(self) -> str:
        """The recipient's domain."""
        return domain_of(self.recipient)

    @property
    def may_be_theirs(self) -> bool:
        """Whether the recipient can be the reason at all."""
        return self.phase != "MAIL" and self.refusal.why not in {"quota", "login"}


class Verdict(Struct, frozen=True, kw_only=True):
    """What becomes of the suspects: those that are rejected, and what the operator is told."""

    rejected: Sequence[Suspect] = ()
    trouble: TransportError | None = None

    @property
    def outcomes(self) -> Mapping[int, Outcome]:
        """Return the final outcomes; who is not among them stays deferred."""
        return {
            each.delivery: Outcome(status="rejected", code=each.reply.code, text=each.reply.text)
            for each in self.rejected
        }


class Circuit(Struct):
    """What a server, called `name`, has said to all messages of a run."""

    name: str
    accepted: int = 0
    refused: int = 0
    suspects: list[Suspect] = field(default_factory=list)
    _accepted_at: dict[str, int] = field(default_factory=dict)
    _row: int = 0
    _throttled: int = 0

    @property
    def row(self) -> Sequence[Suspect]:
        """The suspects since somebody was accepted last."""
        return self.suspects[len(self.suspects) - self._row :]

    @property
    def asked(self) -> frozenset[str]:
        """The domains that have only refused lately: others are to be asked first."""
        return frozenset(each.domain for each in self.row) if self._row else frozenset()

    def passed(self, recipient: str) -> None:
        """Count a message that was accepted."""
        self.accepted += 1
        self._row = self._throttled = 0
        domain = domain_of(recipient)
        self._accepted_at[domain] = self._accepted_at.get(domain, 0) + 1

    def throttled(self) -> bool:
        """Count somebody who was put off; return whether everybody is, twenty in a row."""
        self._throttled += 1
        return self._throttled >= ROW

    def put_aside(self, suspect: Suspect) -> None:
        """Note a refusal that may be about us."""
        self.suspects.append(suspect)
        self._row += 1

    def broken(self, *, others: bool) -> TransportError | None:
        """Return why to stop, if there is no use in going on.

        `others` is whether somebody is still to be asked at a domain that is not among `asked`.
        """
        if self._row < ROW or (len(self.asked) < DOMAINS and others):
            return None
        return self._put_off(self.row) if self.accepted else self._refused_ourselves()

    def verdict(self) -> Verdict:
        """Judge the suspects, when nobody is left to be asked."""
        if not self.suspects:
            return Verdict()
        if not self.accepted:
            return Verdict(trouble=self._refused_ourselves())
        theirs = [each for each in self.suspects if each.may_be_theirs]
        ours = [each for each in self.suspects if not each.may_be_theirs]
        if not self._few(theirs):
            return Verdict(trouble=self._put_off(self.suspects))
        return Verdict(rejected=theirs, trouble=self._put_off(ours) if ours else None)

    def _few(self, suspects: Sequence[Suspect]) -> bool:
        number = len(suspects)
        if number <= max(1, SHARE * (self.accepted + self.refused + number)):
            return True
        domains = {each.domain for each in suspects}
        elsewhere = self.accepted - sum(self._accepted_at.get(each, 0) for each in domains)
        return len(domains) == 1 and elsewhere > 0 and self.accepted >= number

    def _refused_ourselves(self) -> TransportError:
        """Return that nobody gets through; the gravest kind of refusal tells the exit code."""
        grave = [each for each in self.suspects if each.refusal.why != "quota"]
        told = (grave or self.suspects)[-1]
        return TransportError(
            f"{self.name} refuses our mail{_from(told)} ({told.reply}): {advice(told.refusal)}."
            " Nobody is given up: what is outstanding goes out once this is mended",
            exit_code=CONFIG if grave else TEMPORARY,
            about="refusals",
        )

    def _put_off(self, suspects: Sequence[Suspect]) -> TransportError:
        told = suspects[-1]
        return TransportError(
            f"{self.name} refuses {counted(len(suspects), 'mail')} of ours and takes others"
            f"{_from(told)} ({told.reply}): {advice(told.refusal)}. They are put off",
            exit_code=TEMPORARY,
            about="refusals",
        )


def _from(suspect: Suspect) -> str:
    """Return the sender in words, where it is what is refused."""
    about_sender = suspect.phase == "MAIL" or suspect.refusal.why == "sender"
    return f" from <{suspect.sender}>" if about_sender else ""
