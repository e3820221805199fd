"""Whether refusals are about us or about recipients. Pure: it counts, and concludes."""

from collections.abc import Mapping
from dataclasses import replace

from newsletter.errors import CONFIG, TEMPORARY, TransportError
from newsletter.models import Outcome
from newsletter.sending.replies import Reply, advice

_POLICY_ROW = 3
_POLICY_SHARE = 0.05


class Circuit:
    """What a server has said to all messages of a run."""

    def __init__(self, name: str) -> None:
        self.accepted = 0
        self._name = name
        self._refused = 0
        self._suspects: dict[int, Outcome] = {}

    def passed(self) -> None:
        """Count a message that was accepted."""
        self.accepted += 1

    def refused(self) -> None:
        """Count a refusal that is about its recipient."""
        self._refused += 1

    def suspect(self, delivery: int, outcome: Outcome) -> TransportError | None:
        """Note a refusal that may be about us; return why to stop, where it shows that it is."""
        self._suspects[delivery] = replace(outcome, status="rejected")
        refusals = len(self._suspects)
        answered = self.accepted + self._refused + refusals
        if refusals >= _POLICY_ROW and (not self.accepted or refusals > _POLICY_SHARE * answered):
            return self._refused_ourselves()
        return None

    def verdict(self) -> Mapping[int, Outcome]:
        """Return what becomes of the suspects at the end; raises TransportError if nobody passed.

        Deferred so far, they are rejected where others passed.
        """
        if self._suspects and not self.accepted:
            raise self._refused_ourselves()
        return self._suspects

    def _refused_ourselves(self) -> TransportError:
        *_, last = self._suspects.values()
        reply = Reply(last.code, last.text.encode())
        return TransportError(
            f"{self._name} refuses our mail ({reply}): {advice(reply)}. Nobody is given up:"
            " what is outstanding goes out once this is mended",
            exit_code=TEMPORARY if reply.status == "5.4.5" else CONFIG,
        )
