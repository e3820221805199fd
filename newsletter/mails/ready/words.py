"""What is said to one reader alone, in words: they are frozen when an issue is opened. Pure."""

from newsletter.mails import wording
from newsletter.mails.pieces import Both
from newsletter.mails.template import escaped, wrapped
from newsletter.models import Order, Worded

YOURS = Both(escaped(wording.YOURS), wrapped(wording.YOURS))


def worded(order: Order) -> Worded:
    """Return an order with its reasons in words, in lines as a text has them."""
    return Worded(
        ids=order.ids,
        closest=tuple([each.id for each in order.closest]),
        reasons=tuple([wrapped(wording.close_to(each)) for each in order.closest]),
        yours=order.yours,
    )


def said(order: Worded) -> dict[str, Both]:
    """Return what is said of papers to one reader alone, by id."""
    reasons = {
        id_: Both(escaped(each), each)
        for id_, each in zip(order.closest, order.reasons, strict=True)
    }
    return dict.fromkeys(order.yours, YOURS) | reasons
