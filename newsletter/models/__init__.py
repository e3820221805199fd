"""The values and protocols that cross folders, and the glossary in its docstrings.

Frozen, without behaviour beyond what follows from them. It imports the ground floor alone, and is
the only folder that hands its names on: papers, issues, people, profiles,
deliveries.
"""

from newsletter.models.deliveries import (
    FINAL,
    Bounce,
    BounceKind,
    Delivery,
    DeliveryStatus,
    Envelope,
    Ledger,
    Mailing,
    Outcome,
    Outgoing,
    Owed,
    Rendered,
    Tally,
    Transport,
)
from newsletter.models.issues import (
    Announcement,
    Day,
    Digest,
    Edition,
    Issue,
    KeywordOutcome,
    Kind,
    Masthead,
    Memory,
    News,
    Trail,
)
from newsletter.models.papers import Fetched, Keyword, Link, Listing, Match, Paper, Scope, Source
from newsletter.models.people import Changes, Format, Frequency, Reader, Subscriber
from newsletter.models.profiles import Closeness, Order, OwnPaper, Profile

__all__ = [
    "FINAL",
    "Announcement",
    "Bounce",
    "BounceKind",
    "Changes",
    "Closeness",
    "Day",
    "Delivery",
    "DeliveryStatus",
    "Digest",
    "Edition",
    "Envelope",
    "Fetched",
    "Format",
    "Frequency",
    "Issue",
    "Keyword",
    "KeywordOutcome",
    "Kind",
    "Ledger",
    "Link",
    "Listing",
    "Mailing",
    "Masthead",
    "Match",
    "Memory",
    "News",
    "Order",
    "Outcome",
    "Outgoing",
    "Owed",
    "OwnPaper",
    "Paper",
    "Profile",
    "Reader",
    "Rendered",
    "Scope",
    "Source",
    "Subscriber",
    "Tally",
    "Trail",
    "Transport",
]
