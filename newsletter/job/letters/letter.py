"""A letter to one person, in plain text, that is no edition: to the operator, or an answer."""

from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from newsletter.addresses import bare
from newsletter.models import Envelope, Masthead, Outgoing
from newsletter.numbers import message_id

ANSWER = {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All"}  # RFC 3834


def letter(
    masthead: Masthead,
    to: str,
    *,
    number: str,
    subject: str,
    text: str,
    now: datetime,
    headers: Mapping[str, str],
    envelope_sender: str,
) -> Outgoing:
    """Return a letter; `number` tells it from every other (see `numbers`).

    An answer has the null envelope sender, so that nothing can come back to it: RFC 3834.
    """
    mail = EmailMessage(policy=SMTP)
    mail["To"] = to
    mail["From"] = masthead.sender
    if masthead.reply_to:
        mail["Reply-To"] = masthead.reply_to
    mail["Date"] = format_datetime(now)
    domain = bare(masthead.sender).rpartition("@")[2]
    mail["Message-ID"] = message_id(number, list_id=masthead.id, domain=domain)
    mail["Subject"] = subject
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(text)
    return Outgoing(
        delivery=0,
        envelope=Envelope(sender=envelope_sender, recipient=to),
        message=(mail.as_bytes(),),
    )
