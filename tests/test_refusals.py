"""Whom the words of servers are about, in the spelling that servers use."""

import pytest

from newsletter.refusals import About, Refusal, Why, refusal

OURS = ("papers@example.org", "bounces@example.org")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        # Plainly the recipient, by status.
        ("550 5.1.1 <ada@example.net>: Recipient address rejected: User unknown", "nobody"),
        ("550 5.1.2 bad destination system", "nobody"),
        ("553 5.1.3 bad syntax", "nobody"),
        ("551 5.1.6 moved", "nobody"),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found by SMTP address lookup", "nobody"),
        ("556 5.1.10 the domain has a null MX", "nobody"),
        ("550 5.2.1 The email account that you tried to reach is disabled.", "nobody"),
        ("550 5.1.1\ngsmtp", "nobody"),
        # By words, whatever the number.
        ("550 No such user here", "nobody"),
        ("554 No such user", "nobody"),
        ("550 user unknown", "nobody"),
        ("554 5.7.1 <ada@example.net>: Recipient address rejected: user unknown", "nobody"),
        ("552 1 Requested mail action aborted, mailbox not found", "nobody"),
        ("554 delivery error: dd This user doesn't have a yahoo.com account", "nobody"),
        ("550 Requested action not taken: mailbox unavailable", "nobody"),
        ("550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", "nobody"),
        ("554 Requested action not taken: mailbox unavailable", "nobody"),
        ("554 5.5.0 mailbox unavailable", "nobody"),
        ("554 5.3.0 mailbox unavailable", "unclear"),  # a status that says something else
        ("554 mailbox unavailable (5.3.0)", "unclear"),
        ("554 30 Sorry, it cannot be delivered. This mailbox is disabled (554.30).", "nobody"),
        ("554 5.0.0 this account has been disabled", "nobody"),
        ("550 The account ada does not exist", "nobody"),
        ("550 5.5.1 Invalid recipient", "nobody"),
        ("550 5.7.1 The mailbox has been deactivated", "nobody"),
        ("551 User not local; please try elsewhere, recipient not found", "nobody"),
        ("550 Recipient unknown\n(#5.1.1)", "nobody"),
        ("550 <relay-desk@example.net> no such mailbox", "nobody"),
        ("450 4.1.1 <ada@example.net>: unverified address: user unknown", "nobody"),
        # A full mailbox is theirs.
        ("552 5.2.2 mailbox full", "full"),
        ("552 5.2.2 The email account that you tried to reach is over quota", "full"),
        ("554 5.2.0 mailbox quota exceeded", "full"),
        ("550 mailbox quota exceeded", "full"),
        ("552 5.2.2 quota exceeded", "full"),
        ("552 5.2.2 message quota exceeded", "full"),
        ("550 mailbox is full: message limit reached", "full"),
        ("552 5.2.2 recipient unknown", "full"),  # where both are said, the mailbox is there
        ("450 4.2.1 The user you are trying to contact is receiving mail too quickly", "full"),
        ("450 5.2.1 mailbox is full", "nobody"),  # the status is the more precise
        ("550 mailbox is full", "full"),
        ("452 4.2.2 over quota", "full"),
        # The sender.
        ("550 5.1.7 sender address rejected", "sender"),
        ("553 5.1.8 sender's domain not found", "sender"),
        ("554 5.2.252 SendAsDenied; STOREDRV.Submission.Exception:SendAsDeniedException", "sender"),
        ("554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException", "sender"),
        ("550 Verification failed for <papers@example.org>\nNo Such User Here", "sender"),
        ("550 5.1.1 <papers@example.org>: user unknown", "sender"),
        ("550 Sender verify failed", "sender"),
        ("550 5.1.0 Sender Denied: unknown sender", "sender"),
        ("553 5.7.1 <papers@example.org>: Sender address rejected: not owned by ada", "sender"),
        ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", "sender"),
        ("501 5.1.8 Domain of sender address does not exist", "sender"),
        # Relaying and the login.
        ("550 relay not permitted", "relay"),
        ("554 5.7.1 <ada@example.net>: Relay access denied", "relay"),
        ("550 5.1.1 relaying denied", "relay"),
        ("550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "relay"),
        ("530 5.7.0 Authentication required", "login"),
        ("530 Must issue a STARTTLS command first", "login"),
        ("503 AUTH first (#5.5.1)", "login"),
        ("503 5.5.1 bad sequence", "login"),
        ("550 Authentication is required for relay", "login"),
        *((f"{code} no", "login") for code in (530, 534, 535, 538)),
        ("554 Your account has been disabled", "login"),
        # Block lists, spam, policy.
        ("521 no", "blocked"),
        ("550 5.7.1", "blocked"),
        ("550 5.7.26 unauthenticated", "blocked"),
        ("550 5.7.515 Access denied, sending domain example.org does not pass DMARC", "blocked"),
        ("554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org", "blocked"),
        ("550 5.2.1 host 192.0.2.1 is blacklisted", "blocked"),
        ("550 Message rejected as spam", "blocked"),
        ("550 see Spamhaus", "blocked"),
        ("550 <ada@spamhaus.example>: no", "unclear"),  # an address says nothing
        ("554 Your access has been rejected due to the sending MTA's poor reputation.", "blocked"),
        ("550 no PTR record does not exist for 192.0.2.1", "blocked"),
        ("550 5.1.1 The IP address 192.0.2.1 has been blocked", "blocked"),
        # How much we send.
        ("554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", "quota"),
        ("550 5.1.90 Your message can't be sent because you've reached your daily limit", "quota"),
        ("550 5.4.5 Daily user sending limit exceeded", "quota"),
        ("550 5.4.5", "quota"),
        ("550 5.2.3 limit exceeded", "quota"),
        ("550 5.2.3 no", "size"),
        ("550 5.7.1 Too many messages per hour", "quota"),
        ("554 you have exceeded the hourly sending quota", "quota"),
        ("452 4.3.1 Too many recipients today: sending limit", "quota"),
        # One message too large.
        ("552 5.3.4 Message size exceeds fixed limit", "size"),
        ("552 5.2.3 Message length exceeds administrative limit", "size"),
        ("523 no", "size"),
        ("552 Message too large", "size"),
        # What the server wants to do without.
        ("555 5.5.4 Unsupported option: RET=HDRS", "parameter"),
        ("501 5.5.4 NOTIFY parameter unrecognized", "parameter"),
        ("503 5.5.0 Improper use of SMTP command pipelining", "pipelining"),
        ("554 SMTP synchronization error", "pipelining"),
        # Nobody can say.
        ("550 rejected", "unclear"),
        ("554 transaction failed", "unclear"),
        ("552 aborted", "unclear"),
        ("553 sorry, that domain isn't in my list (#5.7.1)", "unclear"),
        ("550 first line\nsecond line\n5.1.1", "unclear"),
        ("550 first line\n5.7.1 second line", "unclear"),
        ("554 5.7.1: refused", "unclear"),
        ("550 (5.1.1) refused", "unclear"),
        ("550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", "unclear"),
        ("550 #5.1.0 Address rejected.", "unclear"),
        ("550 5.0.0 no", "unclear"),
    ],
)
def test_what_a_refusal_is_for(reply: str, why: str) -> None:
    code, _, text = reply.partition(" ")
    assert refusal(int(code), text, ours=OURS).why == why


@pytest.mark.parametrize(
    ("why", "about"),
    [
        ("nobody", "recipient"),
        ("full", "recipient"),
        ("sender", "us"),
        ("login", "us"),
        ("relay", "us"),
        ("blocked", "us"),
        ("quota", "us"),
        ("size", "us"),
        ("parameter", "us"),
        ("pipelining", "us"),
        ("unclear", "unclear"),
    ],
)
def test_whom_each_reason_is_about(why: Why, about: About) -> None:
    assert Refusal(why).about == about


def test_a_mailbox_that_is_unavailable_is_nobody_s_only_where_it_was_named() -> None:
    text = "Requested action not taken: mailbox unavailable"
    assert refusal(550, text).why == "nobody"
    assert refusal(550, text, at="dot").why == "unclear"
    assert refusal(550, text, at="MAIL").why == "unclear"
    assert refusal(550, f"5.7.1 {text}").why == "blocked"


def test_before_the_recipient_is_named_nothing_is_about_it() -> None:
    assert refusal(550, "5.1.1 user unknown", at="MAIL").why == "sender"
    assert refusal(550, "no such user", at="MAIL").about != "recipient"


def test_our_own_address_beside_that_of_the_recipient_does_not_clear_it() -> None:
    text = "5.1.1 <ada@example.net>: user unknown, mail from <papers@example.org>"
    assert refusal(550, text, ours=OURS).why == "nobody"


def test_the_status_that_decided_is_told() -> None:
    assert refusal(550, "5.7.26 no").status == "5.7.26"
    assert refusal(550, "no").status == ""


def test_what_a_call_out_was_told_by_our_own_server_is_not_about_the_recipient() -> None:
    text = (
        "Verification failed for <bounces+abc@example.org>\nCalled:   192.0.2.1\n"
        "Sent:     RCPT TO:<bounces+abc@example.org>\nResponse: 550 5.1.1 User unknown\n"
    )
    assert refusal(550, text, ours=OURS).why == "sender"
    assert refusal(550, text, ours=["bounces@example.org"]).why == "sender"
    assert refusal(550, f"{text}Sender verify failed", ours=()).why == "sender"
    assert refusal(550, "Response: 550 5.1.1 User unknown", ours=OURS).about != "recipient"
