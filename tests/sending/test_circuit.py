"""The policy about refusals, by itself: who is put aside, when to stop, and how it is judged."""

import pytest

from newsletter.errors import TransportError
from newsletter.models import Envelope, Outgoing
from newsletter.sending.circuit import ROW, Circuit, Suspect, Verdict
from newsletter.sending.replies import Phase, Reply

PLAINLY_US = "550 5.7.1 blocked"
UNCLEAR = "550 rejected"
QUOTA = "550 5.4.5 daily limit"
LOGIN = "530 5.7.0 Authentication required"


def suspect(
    number: int, reply: str = UNCLEAR, *, domain: str = "", phase: Phase = "RCPT"
) -> Suspect:
    code, _, text = reply.partition(" ")
    recipient = f"reader{number}@{domain or f'host{number}.example'}"
    outgoing = Outgoing(
        delivery=number,
        envelope=Envelope(sender="papers@example.org", recipient=recipient),
        message=(),
    )
    return Suspect.of(outgoing, phase, Reply(int(code), text.encode()))


def circuit(*suspects: Suspect, accepted: int = 0, at: str = "others.example") -> Circuit:
    found = Circuit("mail.example.org:587")
    for each in suspects:
        found.put_aside(each)
    for number in range(accepted):
        found.passed(f"lucky{number}@{at}")
    return found


def code(verdict: Verdict) -> int:
    return verdict.trouble.exit_code if verdict.trouble else 0


@pytest.mark.parametrize("reply", [UNCLEAR, PLAINLY_US, "550 relay not permitted"])
@pytest.mark.parametrize(
    ("refused", "domain", "accepted", "rejected", "exit_code"),
    [
        (1, "", 0, 0, 78),  # nobody else to compare with
        (1, "", 1, 1, 0),
        (1, "", 11, 1, 0),
        (2, "", 11, 0, 75),
        (2, "", 38, 2, 0),  # just a twentieth
        (2, "", 37, 0, 75),
        (3, "", 57, 3, 0),
        (10, "big.example", 30, 10, 0),  # all at one domain
        (30, "big.example", 30, 30, 0),
        (31, "big.example", 30, 0, 75),  # more than are accepted: who is the exception?
        (19, "", 0, 0, 78),
    ],
)
def test_suspects_are_judged_by_what_became_of_the_others(
    reply: str, refused: int, domain: str, accepted: int, rejected: int, exit_code: int
) -> None:
    suspects = [suspect(number, reply, domain=domain) for number in range(refused)]
    verdict = circuit(*suspects, accepted=accepted).verdict()
    assert (len(verdict.rejected), code(verdict)) == (rejected, exit_code)
    assert set(verdict.outcomes) == {each.delivery for each in verdict.rejected}


def test_one_domain_says_nothing_where_there_is_no_other() -> None:
    suspects = [suspect(number, domain="all.example") for number in range(10)]
    verdict = circuit(*suspects, accepted=30, at="all.example").verdict()
    assert (len(verdict.rejected), code(verdict)) == (0, 75)


def test_a_single_one_is_the_exception_even_where_there_is_no_other_domain() -> None:
    verdict = circuit(suspect(1, domain="all.example"), accepted=3, at="all.example").verdict()
    assert (len(verdict.rejected), code(verdict)) == (1, 0)


def test_one_who_is_accepted_elsewhere_shows_that_the_domain_is_the_exception() -> None:
    found = circuit(*(suspect(n, domain="big.example") for n in range(10)))
    for number in range(9):
        found.passed(f"lucky{number}@big.example")
    found.passed("lucky@small.example")
    assert len(found.verdict().rejected) == 10


@pytest.mark.parametrize(("refused", "rejected"), [(8, 2), (7, 0)])
def test_who_is_refused_for_their_own_sake_was_tried_too(refused: int, rejected: int) -> None:
    found = circuit(suspect(1), suspect(2), accepted=30)
    found.refused = refused
    assert len(found.verdict().rejected) == rejected


@pytest.mark.parametrize(
    ("reply", "phase"), [(QUOTA, "RCPT"), (QUOTA, "dot"), (LOGIN, "RCPT"), (PLAINLY_US, "MAIL")]
)
@pytest.mark.parametrize("number", [1, 3])
def test_what_can_never_be_theirs_is_put_off_however_few_they_are(
    reply: str, phase: Phase, number: int
) -> None:
    suspects = [suspect(each, reply, phase=phase) for each in range(number)]
    verdict = circuit(*suspects, accepted=100).verdict()
    assert (verdict.rejected, code(verdict)) == ([], 75)


def test_a_quota_does_not_save_who_is_judged_beside_it() -> None:
    verdict = circuit(suspect(1), suspect(2, QUOTA), accepted=100).verdict()
    assert [each.delivery for each in verdict.rejected] == [1]
    assert code(verdict) == 75


@pytest.mark.parametrize(
    ("replies", "exit_code"),
    [([QUOTA] * 3, 75), ([QUOTA, UNCLEAR, QUOTA], 78), ([LOGIN], 78), ([UNCLEAR], 78)],
)
def test_where_nobody_passes_only_a_quota_is_a_matter_of_time(
    replies: list[str], exit_code: int
) -> None:
    verdict = circuit(*(suspect(n, reply) for n, reply in enumerate(replies))).verdict()
    assert (verdict.rejected, code(verdict)) == ((), exit_code)


def test_without_suspects_there_is_nothing_to_judge() -> None:
    assert circuit(accepted=3).verdict() == Verdict()
    assert circuit().verdict() == Verdict()


@pytest.mark.parametrize(
    ("row", "domains", "others", "broken"),
    [
        (19, 19, False, False),
        (20, 3, True, True),
        (20, 2, True, False),  # somebody else can still be asked
        (20, 2, False, True),
        (20, 1, False, True),
        (60, 1, True, False),
    ],
)
def test_the_circuit_breaks_after_twenty_in_a_row_of_three_domains_or_all_there_are(
    row: int, domains: int, others: bool, broken: bool
) -> None:
    suspects = [suspect(number, domain=f"{number % domains}.example") for number in range(row)]
    found = circuit(*suspects).broken(others=others)
    assert isinstance(found, TransportError) == broken
    assert found is None or found.exit_code == 78


def test_somebody_who_passes_ends_the_row_and_a_row_after_it_is_put_off() -> None:
    found = circuit(*(suspect(number) for number in range(ROW)), accepted=1)
    assert found.broken(others=True) is None
    assert found.asked == frozenset()
    for number in range(ROW, 2 * ROW):
        found.put_aside(suspect(number))
    broken = found.broken(others=True)
    assert broken is not None
    assert broken.exit_code == 75


def test_whom_to_ask_last_are_the_domains_that_refused_lately() -> None:
    found = circuit(suspect(1, domain="A.example"), suspect(2, domain="b.example"))
    assert found.asked == {"a.example", "b.example"}


def test_those_put_off_by_policy_are_alone_until_there_are_twenty_in_a_row() -> None:
    found = circuit()
    assert [found.throttled() for _ in range(ROW)] == [False] * (ROW - 1) + [True]
    found.passed("lucky@example.net")
    assert not found.throttled()


@pytest.mark.parametrize("accepted", [0, 1])
def test_of_several_refusals_the_last_is_told(accepted: int) -> None:
    suspects = [suspect(number, f"550 number {number}") for number in (1, 2, 3)]
    trouble = circuit(*suspects, accepted=accepted).verdict().trouble
    assert trouble is not None
    assert "(550 number 3)" in str(trouble)
    assert trouble.about == "refusals"


def test_the_words_say_who_was_refused_and_what_to_do() -> None:
    told = str(circuit(suspect(1, "553 5.1.8 sender not found")).verdict().trouble)
    assert "<papers@example.org>" in told
    assert "newsletter.sender" in told
    told = str(circuit(suspect(1, "550 relay not permitted")).verdict().trouble)
    assert "550 relay not permitted" in told
    assert "smtp.host" in told
    told = str(circuit(suspect(1), suspect(2, QUOTA)).verdict().trouble)
    assert "550 rejected" in told  # the graver of the two
    assert "papers@example.org" not in told
    assert "refuses our mail (550 rejected)" in told
    told = str(circuit(suspect(1, phase="MAIL")).verdict().trouble)
    assert "from <papers@example.org>" in told
