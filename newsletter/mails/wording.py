"""Say in words what a mail says of papers and keywords. Pure; every text is plain, on one line."""

import re
from collections.abc import Sequence
from datetime import date, timedelta

from newsletter.models import Announcement, Digest, Edition, Keyword, Paper
from newsletter.prose import plain, prose

_LATE = timedelta(days=7)
_AUTHORS = 10

# arXiv has no flag for it: authors say so in the comment, in their own words, or in the abstract.
_WITHDRAWN_COMMENT = re.compile(r"\bwithdr(?:aw|awn|ew|awing|awal)\b", re.IGNORECASE)
# What they withdraw when it is not the paper, and where the word means something else.
_PART = (
    r"(?:appendix|claims?|conjecture|corollary|data(?:set)?s?|figures?|lemma|patients?|proof"
    r"|propositions?|sections?|tables?|theorems?)"
)
_NOT_THE_PAPER = re.compile(
    rf"\b{_PART}\b[^.;]{{0,30}}\bwithdr|\bwithdr\w+ (?:\w+ ){{0,2}}{_PART}\b|\bwithdr\w+ from\b"
    r"|\b(?:alcohol|bank|cash|drug|nicotine|opioid) withdrawal|\bwithdrawals?-(?!of)"
    r"|\bwithdrawal (?:detection|symptoms?|syndrome|limits?)",
    re.IGNORECASE,
)
_WITHDRAWN_ABSTRACT = re.compile(
    r"\bthis (?:paper|article|manuscript|submission|preprint|work)"
    r"(?: and abstract)? (?:has|have) been withdrawn\b",
    re.IGNORECASE,
)


def shortened(text: str, limit: int) -> str:
    """Return the text, cut to `limit` characters with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def subject(title: str, edition: Edition) -> str:
    """Return "Daily Papers: 9 new papers, 21 Nov 2026"; an edition of one keyword names it."""
    digests = edition.digests
    name = f"{shortened(plain(digests[0].keyword.name), 80)}, " if len(digests) == 1 else ""
    day = f"{short_day(edition.date)} {edition.date.year}"
    return f"{shortened(plain(title), 60)}: {name}{count(edition)}, {day}"


def count(edition: Edition) -> str:
    """Count the papers of an edition, each once: "9 new papers, 1 replaced"."""
    kinds: dict[str, str] = {}
    for digest in edition.digests:
        for each in digest.announcements:
            kinds.setdefault(each.paper.id, each.kind)
    new = sum(kind == "new" for kind in kinds.values())
    replaced = len(kinds) - new
    counts = [f"{new} new paper{'s' if new > 1 else ''}"] if new else []
    counts += [f"{replaced} replaced"] if replaced else []
    return ", ".join(counts) or "nothing new"


def news(digest: Digest) -> str:
    """Return how much a digest announces, "4 new, 1 replaced", or nothing."""
    new = sum(each.kind == "new" for each in digest.announcements)
    counts = {"new": new, "replaced": len(digest.announcements) - new}
    return ", ".join(f"{number} {word}" for word, number in counts.items() if number)


def left_out(digest: Digest) -> str:
    """Return what exclusions took from the news, "3 left out by survey", or nothing."""
    counts = [f"{number} left out by {plain(text)}" for text, number in digest.left_out.items()]
    return ", ".join(counts)


def coverage(digest: Digest, day: date) -> str:
    """Return the words that say what a digest covers, or why it has nothing to say."""
    since = digest.since.date() if digest.since else None
    span = f" since {_past(since, day)}" if since else ""
    days = (day - since).days if since else 0
    covers = f"; covers {days} days" if days > 1 else ""
    reason = shortened(plain(digest.reason), 200)
    match digest.outcome:
        case "new":
            found = ", ".join(filter(None, (news(digest), left_out(digest))))
            return f"{digest.listed} listed{span}, {found}; {reason or 'complete'}{covers}"
        case "none" if missed := left_out(digest):
            return f"nothing new{span} but {missed}; {digest.listed} listed{covers}"
        case "none":
            source = plain(digest.source)
            return f"{source} confirmed nothing new{span}; {digest.listed} listed{covers}"
        case "not-scheduled":
            return f"no announcement was due{span}"
        case "baseline":
            found = ", ".join(filter(None, (news(digest), left_out(digest)))) or "none of them new"
            return f"{digest.listed} listed, {found}; first digest, older papers count as known"
        case "unknown":
            before = f"{found}{span}, but " if (found := news(digest)) else ""
            return (
                f"{before}no trustworthy answer today: {reason or 'no reason was noted'}; "
                "nothing is lost, the next digest will cover these days"
            )


def is_late(paper: Paper, digest: Digest, day: date) -> bool:
    """Return whether a paper was submitted more than a week before the days a digest covers.

    At the baseline none counts as late: nobody knows when it was announced.
    """
    if digest.since is None:
        return False
    return min(digest.since.date(), day) - paper.submitted.date() > _LATE


def label(announcement: Announcement, *, late: bool) -> str:
    """Return what a paper is: new, replaced or withdrawn."""
    paper = announcement.paper
    if _is_withdrawn(paper):
        return "Withdrawn"
    if announcement.kind == "new":
        return "New, late" if late else "New"
    replaces = f", replaces v{announcement.replaces}" if announcement.replaces else ""
    return f"Replaced: v{paper.version}{replaces}"


def _is_withdrawn(paper: Paper) -> bool:
    """Return whether a paper says that it was withdrawn; that takes a second version."""
    if paper.version < 2:
        return False
    said = _NOT_THE_PAPER.sub("", paper.comment)
    return bool(_WITHDRAWN_COMMENT.search(said) or _WITHDRAWN_ABSTRACT.search(paper.abstract))


def when(announcement: Announcement, digest: Digest, day: date) -> str:
    """Return when a paper was submitted, and what came of it since."""
    paper = announcement.paper
    submitted = f"submitted {short_day(paper.submitted.date(), beside=day)}"
    if announcement.kind == "replacement":
        return f"{submitted}, updated {short_day(paper.updated.date(), beside=day)}"
    if digest.since is None or not is_late(paper, digest, day):
        return submitted
    today = day - digest.since.date() <= timedelta(days=1)
    return f"{submitted}, announced {'today' if today else 'only now'}"


def why(paper: Paper, keyword: Keyword, places: Sequence[str]) -> str:
    """Return why a paper is here: its keyword and where that stands, or whose paper it is."""
    name = plain(keyword.name)
    if places:
        return f"{name}, in {' and '.join(places)}"
    followed = {author.casefold() for author in keyword.authors}
    author = next((each for each in paper.authors if each.casefold() in followed), "")
    return f"{name}, by {plain(author)}" if author else name


def authors(names: Sequence[str]) -> str:
    """Return the first ten authors, and how many more there are."""
    first = ", ".join(prose(name) for name in names[:_AUTHORS])
    more = len(names) - _AUTHORS
    return f"{first} and {more} more" if more > 0 else first


def not_shown(ids: Sequence[str]) -> str:
    """Return the line for papers that cannot be shown."""
    papers = "1 paper" if len(ids) == 1 else f"{len(ids)} papers"
    return f"{papers} could not be shown: {', '.join(plain(each) for each in ids)}"


def short_day(day: date, *, beside: date | None = None) -> str:
    """Return "4 Feb", with the year where it is not that of the day beside it."""
    year = f" {day.year}" if beside and beside.year != day.year else ""
    return f"{day.day} {day:%b}{year}"


def _past(then: date, day: date) -> str:
    days = (day - then).days
    if days > 6:
        return short_day(then, beside=day)
    return f"{then:%A}" if days > 1 else "yesterday" if days == 1 else "earlier today"
