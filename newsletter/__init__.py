"""A daily arXiv digest by mail: fetch, diff, open an issue once, deliver it once to everyone.

The day, left to right; the folders are its steps, and a step knows none of the others:

    sources ──► issues ──► mails ──► sending ──► readers' mailboxes
    keywords in,  what is    text and   SMTP, or         │
    listings out  news, who  messages   the outbox       ▼
                  is owed it                          returns
         what must be remembered: state         what comes back

    job          introduces the steps to each other; job/daily.py is the day on one screen
    commands     words on a terminal        web           the door for readers
    operating    what the operator sees      preview       mails to look at
    archive      past issues and papers as pages, for reading in a browser
    config       newsletter.toml             subscribers   who reads what, who must not be mailed
    keywords     which papers a keyword means              models   the values that cross folders

What stands on no other folder: errors, addresses, exchange, files, moments, numbers, phrases,
prose, refusals, tex.
docs/architecture.md has the picture, and what a kill at each step leaves.
"""

__version__ = "0.2.0"
