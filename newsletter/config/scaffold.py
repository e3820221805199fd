"""Write the files that a newcomer starts from, and never overwrite one."""

from pathlib import Path

from newsletter.errors import ConfigError

CONFIG = """\
# What to look for on arXiv, and how to mail what is new.
# Try it:  newsletter check --offline     is all of this sound?
#          newsletter run --dry-run       what would be mailed, without mailing it?

[newsletter]
id = "daily-papers"       # never change it: mail filters know the newsletter by it
title = "Daily Papers"
sender = "Daily Papers <papers@example.org>"
# reply_to = "you@example.org"
# timezone = "Europe/Berlin"     # of the date readers see; default "UTC"
# mode = "per-keyword"           # one mail for each keyword; default "combined": one for all
# templates = "templates"        # your own versions of templates, file by file
# bibtex = true                  # a link to each paper's BibTeX entry

# A keyword is what readers subscribe to. Its name is also what is looked for: a phrase in title or
# abstract, in singular or plural. Write as many as you like.

[[keywords]]
name = "diffusion model"

[[keywords]]
name = "protein folding"
categories = ["q-bio", "cs.LG"]  # only papers in one of these; "q-bio" takes all of q-bio.*
# match = "title-and-abstract"   # the phrase must be in both
# authors = ["Ada Lovelace"]     # also papers by these
# exact = true                   # whole words as written: no plurals
# replacements = true            # new versions of papers, too

# [[keywords]]
# name = "diffusion for PET"
# query = 'ti:"diffusion model" AND abs:PET'   # arXiv's own query language, in place of the phrase

[subscribers]
file = "subscribers.csv"
suppressions = "suppressions.csv"  # who left or cannot be reached; always wins over the list

[source]
# contact = "mailto:you@example.org"  # so that arXiv can tell you when something is wrong
# baseline_days = 1                   # the first run mails this many days and notes what is older
# lookback_days = 30                  # how far back every run looks for what it has missed

[state]
file = "state.sqlite3"    # what was announced and who is owed what: keep it, back it up

# As long as there is no [smtp], mails are not sent but written into this folder, a Maildir.
[outbox]
directory = "outbox"

# Your mail server. The password is not for this file: put it into the environment, as
# NEWSLETTER_SMTP__PASSWORD, or into a file that only you can read.
# [smtp]
# host = "smtp.example.org"
# port = 587
# security = "starttls"          # or "tls", usually with port 465
# username = "papers@example.org"
# password_file = "smtp-password"
# rate_per_minute = 0            # 0: as fast as the server takes them
# unknown = "hold"               # keep back what may have arrived; default: "resend"

# Undeliverable mail comes back to this address, and so do wishes to leave. Your server must take
# bounces+ANYTHING@example.org for bounces@example.org; [inbox] says where to read it. It needs a
# mailbox of its own: what was read is moved to its folders newsletter-done and newsletter-unknown.
# [bounces]
# address = "bounces@example.org"
# [inbox]
# kind = "imap"                  # or "maildir", "mbox" with path = "..."
# host = "imap.example.org"
# username = "bounces@example.org"

# [monitoring]
# ping_url = "https://hc-ping.com/..."   # is told when a run starts, ends well, or fails
# metrics_file = "metrics.prom"          # for Prometheus
# alert_to = "you@example.org"           # is mailed when something needs a person
"""

SUBSCRIBERS = """\
# Who gets what. Only the email is needed; a row without keywords gets all of them.
# keywords: names parted by ; or * for all   frequency: daily or weekly (on Mondays)
# status: active or paused                   format: html, or text for plain text only
# Lines like these, and columns of your own, are left alone.
email,name,keywords,frequency,status,format
ada@example.org,Ada,diffusion model; protein folding,daily,active,html
bob@example.org,,*,weekly,active,text
"""


def scaffold(folder: Path) -> list[Path]:
    """Write a commented newsletter.toml and subscribers.csv into `folder`, and return their paths.

    Raises ConfigError, and writes neither, if one of them is there.
    """
    texts = {folder / "newsletter.toml": CONFIG, folder / "subscribers.csv": SUBSCRIBERS}
    there = [f"{path}: is there already and was left as it is" for path in texts if path.exists()]
    if there:
        raise ConfigError([*there, "name another folder: newsletter init DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        # A list of people is nobody else's business.
        path.touch(mode=0o600 if text is SUBSCRIBERS else 0o644, exist_ok=False)
        path.write_text(text, "utf-8")
    return [*texts]
