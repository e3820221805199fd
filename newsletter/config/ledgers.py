"""What the address of a ledger in PostgreSQL must be like. Pure; it never quotes a password."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from newsletter.prose import printable


def ledger_address(url: str) -> str:
    """Return the address as it is; raise ValueError for what cannot be one, or holds a password."""
    # The value is not quoted: it may hold a password.
    if not url:
        return url
    if not re.match(r"postgres(ql)?://", url) or not printable(url) or " " in url:
        raise ValueError("must be like postgresql://newsletter@db.example.org/newsletter")
    login = url.partition("://")[2].rpartition("@")[0]
    if ":" in login or re.search(r"[?&]password=", url):
        raise ValueError(
            "no password belongs here, where logs show it: put it, as it is, into"
            " NEWSLETTER_STATE__PASSWORD, or a file that password_file names"
        )
    if "@" in login or len(urlsplit(url).path) < 2:
        raise ValueError("must name a role and a database: postgresql://ROLE@HOST/DATABASE")
    return url


LedgerAddress = Annotated[str, ledger_address]
