"""Tell a complaint from other reports, and find what is complained about. Pure.

A person who presses "this is spam" is told of by their provider: as RFC 5965 has it, or by the
older letters of Outlook.com. Who sends our mail on to somebody complains of nothing.
"""

from collections.abc import Iterable
from email.message import Message

from newsletter.returns.parsing import embedded, field, parts

# Feedback that is no complaint of a reader: one takes a complaint back, the other is about our own
# DKIM or DMARC (RFC 6591).
_NO_COMPLAINT = {"not-spam", "auth-failure"}
_ORIGINALS = {"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"}
_OUTLOOK = "X-HmXmrOriginalRecipient"


def complained_of(mail: Message) -> str | None:
    """Return the headers of the mail that somebody complains of.

    Empty where the feedback is no complaint, None where the mail is no feedback at all.
    """
    originals = [
        each
        for part in parts(mail)
        if part.get_content_type() in _ORIGINALS
        for each in embedded(part)
    ]
    if mail.get_content_type() == "multipart/report":
        for part in parts(mail):
            if part.get_content_type() == "message/feedback-report":
                report = embedded(part)
                kinds = {field(each, "Feedback-Type").lower() for each in report}
                return "" if kinds & _NO_COMPLAINT else _headers([*originals, *report])
    if any(_OUTLOOK in each for each in (mail, *originals)):
        return _headers(originals)
    return None


def _headers(mails: Iterable[Message]) -> str:
    return "\n".join(f"{name}: {value}" for each in mails for name, value in each.items())
