"""Editions written for the tests of what arrives in the inbox: a rich one, a hostile one."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from newsletter.models import Announcement, Delivery, Digest, Edition, Keyword, Masthead, Paper
from tests.making.papers import NOW, SOURCE, paper

TOKEN = "abcdefgh" * 5
YESTERDAY = NOW - timedelta(days=1)

MASTHEAD = Masthead(
    id="daily-papers",
    title="Daily Papers",
    sender="Daily Papers <papers@example.org>",
    unsubscribe_address="leave@example.org",
    reply_to="owner@example.org",
    bounce_address="bounces@example.org",
    base_url="https://papers.example.org",
)

# What a stranger may put into a title: each of them has broken somebody's mail.
HOSTILE = (
    "An innocent title\r\nBcc: everybody@example.net\r\n\r\nand a body",
    "<script>alert('graphs')</script><img src=https://example.net/x.png onerror=x>",
    "Right\u202eot tfel\u202c and \u2066isolated\u2069",
    "long " * 1_000,
    "w" * 5_000,
    "=?utf-8?q?Bcc=3A_everybody?= =?utf-8?b?QmNj?=",
    "NUL\x00, escape\x1b[31m and \x85\u2028separators",
    "]]> --> </style></title></body></html> {{ 7 * 7 }} {% endblock %}",
    "\x02unsubscribe\x03 and {unsubscribe}",
    "A lone surrogate \ud800, a BOM \ufeff and \ufffe",
    '\'"><a href="javascript:alert(1)">',
    ".\n.\nFrom here\n--=_edition--",
    "",
)


def edition(*digests: Digest) -> Edition:
    """Return an edition whose papers are shown under the first keyword that announces them."""
    shown_in: dict[str, str] = {}
    for digest in digests:
        for announcement in digest.announcements:
            shown_in.setdefault(announcement.paper.id, digest.keyword.name)
    return Edition(issue=12, date=NOW.date(), digests=digests, shown_in=shown_in)


def news(
    keyword: Keyword | str,
    papers: Sequence[Paper | Announcement] = (),
    *,
    listed: int = 61,
    since: datetime | None = YESTERDAY,
) -> Digest:
    """Return a digest that announces these papers."""
    return Digest(
        keyword=Keyword(name=keyword) if isinstance(keyword, str) else keyword,
        source=SOURCE,
        outcome="new" if papers else "none",
        announcements=tuple(
            each if isinstance(each, Announcement) else Announcement(paper=each) for each in papers
        ),
        listed=listed,
        since=since,
    )


def many(number: int) -> list[Paper]:
    """Return papers whose abstracts have the length of real ones."""
    sentence = "They pass messages to one another, and we listen to what they leave unsaid. "
    return [
        paper(f"2611.{place:05}", title=f"Quiet graphs, part {place}", abstract=sentence * 16)
        for place in range(number)
    ]


def hostile() -> Edition:
    """Return an edition of papers that mean harm, or are merely careless."""
    papers = [
        paper(f"2611.{place:05}", title=text, abstract=text, comment=text, authors=(text, text))
        for place, text in enumerate(HOSTILE)
    ]
    papers += [
        paper("2611.10000", authors=tuple(f"Author No. {place}" for place in range(400))),
        paper("2611.10001", abstract="", authors=(), categories=()),
        paper("2611.10002", title="تصوير الرنين graphs المغناطيسي", abstract="שלום graph עולם"),
    ]
    return edition(news("graph", papers), news(HOSTILE[0], papers[:2]))


def awkward() -> Edition:
    """Return an edition of papers that are too long, in every way that a mail shows."""
    url = "https://example.org/" + "a" * 1_000
    papers = [
        paper("2611.20000", title="A title of very many words " * 75),
        paper("2611.20001", title="T" * 2_000),
        paper("2611.20002", abstract="A sentence about graphs. " * 4_000),
        paper("2611.20003", abstract="w" * 5_000),
        paper("2611.20004", abstract=f"A graph is at {url} and elsewhere.", comment=url),
        paper("2611.20005", abstract="", authors=("A" * 300, "B" * 300)),
        paper("2611.20006", title="תמונות graph בדם", abstract="שלום graph עולם. " * 20),
        paper("2611.20007", title="Z̸̡̛̹a̷͓͆l̵̰̈́g̶̣̈́o̸͕͝ graph", abstract="ﷺ graph " * 100),
    ]
    return edition(news("graph", papers), news("k" * 200, papers[:3]))


def rich() -> Edition:
    """Return an edition with one of everything that a mail can show."""
    graphs = Keyword(name="graph neural network", replacements=True)
    learning = Keyword(name="federated learning", authors=("Ada Quill",))
    shared = paper(
        "2611.00001",
        title=r"Federated learning of graph neural networks in $\mathcal{O}(n^{3/2})$ time",
        abstract=(
            r"Federated learning moves the model and not the data. We train a graph neural network "
            r"over 5\% of the links and lose no accuracy; M\"uller's bound $\alpha \leq 2$ holds."
        ),
        authors=("Ada Quill", "Bo Ångström", *(f"Cy Quill {place}." for place in range(3, 13))),
        comment="12 pages, 5 figures; code at https://example.org/code",
    )
    revised = paper(
        "2610.00002",
        version=3,
        title="Graph neural networks for the study of paper mills",
        submitted=datetime(2026, 10, 2, 8, tzinfo=UTC),
    )
    late = paper("2602.00003", submitted=datetime(2026, 2, 4, 8, tzinfo=UTC))
    gone = paper("2611.00004", version=2, comment="Withdrawn: Lemma 3 does not hold", abstract="")
    followed = paper("hep-th/9901001", title="An old one", authors=("Ada Quill", "Bo Ångström"))
    return edition(
        news(
            graphs,
            [
                shared,
                Announcement(paper=revised, kind="replacement", replaces=1),
                late,
                gone,
            ],
            since=NOW - timedelta(days=3),
        ),
        news(learning, [shared, followed], listed=12),
        Digest(
            keyword=Keyword(name="slow mail"),
            source=SOURCE,
            outcome="unknown",
            reason="arXiv answered 503 to five requests",
            since=YESTERDAY,
        ),
        news("carrier pigeons", listed=2),
    )


def delivery(recipient: str = "ada@example.net", **fields: object) -> Delivery:
    """Return a delivery of issue 12; any field may be given."""
    plain: dict[str, object] = {
        "id": 7,
        "issue": 12,
        "after": 11,
        "recipient": recipient,
        "keywords": ("graph neural network", "federated learning"),
        "format": "html",
    }
    return Delivery(**(plain | fields))  # type: ignore[arg-type]
