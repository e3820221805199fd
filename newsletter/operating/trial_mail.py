"""Send one test digest of invented papers through the configured transport; nobody remembers it."""

from datetime import datetime
from importlib.resources import files
from threading import Event

from msgspec.structs import replace

from newsletter.config.loading import Config
from newsletter.issues.issue import edition_for
from newsletter.job import parts
from newsletter.job.mailroom import Aside
from newsletter.mails.message import Composer
from newsletter.models import Announcement, Delivery, Digest, Edition, Issue, Keyword, Outcome
from newsletter.moments import iso
from newsletter.sources.arxiv import atom
from newsletter.subscribers.tokens import LENGTH

SHOWN_PAPERS = 5

_KEYWORD = "sample papers"


def send(config: Config, recipient: str, *, now: datetime) -> Outcome:
    """Send a test digest to one address and return what became of it.

    It looks like every other mail, but its unsubscribe link holds no token that anybody would
    accept. Raises RenderError and TransportError.
    """
    rendered = parts.renderer(config).render(edition(now))
    composer = Composer(config.masthead, now=now, token=lambda _address: "a" * LENGTH)
    delivery = Delivery(
        id=0,
        issue=0,
        after=0,
        recipient=recipient,
        keywords=(_KEYWORD, iso(now)),  # the Message-ID follows from it, and each test is another
        format="html",
    )
    test = replace(rendered, subject=f"Test: {rendered.subject}")
    aside = Aside()
    transport = parts.transport(config, accepted_lately=0, stop=Event())
    transport.send(iter([composer.outgoing(delivery, test)]), aside)
    return aside.outcome()


def edition(now: datetime) -> Edition:
    """Return an edition of a few invented papers."""
    papers = atom.parse((files("newsletter.preview") / "sample" / "day2.xml").read_bytes()).papers
    digest = Digest(
        keyword=Keyword(name=_KEYWORD),
        source=papers[0].source,
        outcome="new",
        announcements=tuple(Announcement(paper=each) for each in papers[:SHOWN_PAPERS]),
        listed=len(papers),
    )
    return edition_for([Issue(number=0, date=now.date(), digests=(digest,))], [_KEYWORD])
