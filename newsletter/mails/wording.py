"""Say in words what a mail says of papers and keywords. Pure; every text is plain, on one line."""

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from newsletter.keywords.withdrawal import is_withdrawn
from newsletter.models import Announcement, Closeness, Digest, Edition, KeywordOutcome, Paper
from newsletter.phrases import counted
from newsletter.prose import plain, prose

SUBJECT_FIELDS = ("newsletter", "news", "title", "keyword", "when", "issue")

_LATE = timedelta(days=7)
_AUTHORS = 5
_OWN = 50  # characters of the title of a reader's own paper
_SUBJECT = 100  # characters; an inbox shows some 40 on a phone, 70 on a desktop

CLOSEST = "Closest to your work"
YOURS = "Your paper: it is in your profile"


class Counts(NamedTuple):
    """How many papers of an edition are new, and how many were replaced."""

    new: int
    replaced: int


def close_to(closeness: Closeness) -> str:
    """Return why a paper is close to a reader's own: to which, and by which words."""
    words = ", ".join(closeness.words)
    return f"Close to your “{shortened(plain(closeness.own), _OWN)}”" + (
        f": {words}" if words else ""
    )


def shortened(text: str, limit: int) -> str:
    """Return the text, cut to `limit` characters with an ellipsis: between words, if it has any."""
    if len(text) <= limit:
        return text
    cut = text.rfind(" ", 0, limit)
    return text[: cut if cut >= limit // 2 else limit - 1].rstrip(" ,;:") + "…"


def subject(template: str, edition: Edition, *, newsletter: str, best: str) -> str:
    """Return what stands in an inbox; `best` is the title of the best paper, if there is one.

    Without a template that is "9 new, 1 replaced: <title>", after the week of a weekly edition or
    the keyword of an edition of one. In a template `{newsletter}`, `{news}`, `{title}`,
    `{keyword}`, `{when}` and `{issue}` are filled in.
    """
    return subjects(template, edition, counts(edition), newsletter=newsletter)(best)


def subjects(
    template: str, edition: Edition, counts: Counts, *, newsletter: str
) -> Callable[[str], str]:
    """Return what makes the `subject` of an edition from the title of its best paper."""
    digests = edition.digests
    keyword = shortened(plain(digests[0].keyword.name), 60) if len(digests) == 1 else ""
    brief = _brief(edition, counts)
    week = when(edition) if edition.first else ""
    lead = ", ".join(filter(None, [week, keyword, brief]))

    def usual(best: str) -> str:
        if not best:
            return f"{lead}, {short_day(edition.date)} {edition.date.year}"
        return f"{lead}: {shortened(best, max(40, _SUBJECT - len(lead)))}"

    def wished(best: str) -> str:
        values = {
            "newsletter": plain(newsletter),
            "news": brief,
            "title": shortened(best, _SUBJECT),
            "keyword": keyword,
            "when": when(edition),
            "issue": str(edition.issue),
        }
        filled = re.sub(r"\{(\w+)\}", lambda found: values[found[1]], template)
        return shortened(plain(filled), 190)

    return wished if template else usual


def unknown_fields(template: str) -> list[str]:
    """Return what a template of a subject asks for and no subject has."""
    return [name for name in re.findall(r"\{([^{}]*)\}", template) if name not in SUBJECT_FIELDS]


def when(edition: Edition) -> str:
    """Return the day of an edition, "Wed 23 July 2025", or its week, "Week of 22–28 July 2025"."""
    return _days(edition.date, edition.first)


@lru_cache(maxsize=64)
def _days(last: date, first: date | None) -> str:
    end = f"{last.day} {last:%B} {last.year}"
    if first is None:
        return f"{last:%a} {end}"
    if first >= last:
        return f"Week to {end}"
    month = f" {first:%B}" if (first.year, first.month) != (last.year, last.month) else ""
    year = f" {first.year}" if first.year != last.year else ""
    dash = " – " if month else "–"
    return f"Week of {first.day}{month}{year}{dash}{end}"


def _brief(edition: Edition, counts: Counts) -> str:
    new, replaced = counts
    parts = [f"{new} new"] if new else []
    parts += [f"{replaced} replaced"] if replaced else []
    unknown = [each.outcome for each in edition.digests].count("unknown")
    parts += [f"{counted(unknown, 'keyword')} without answer"] if unknown else []
    return ", ".join(parts) or "Nothing new"


def count(counts: Counts) -> str:
    """Count the papers of an edition, each once: "9 new papers, 1 replaced"."""
    words = [counted(counts.new, "new paper")] if counts.new else []
    words += [f"{counts.replaced} replaced"] if counts.replaced else []
    return ", ".join(words) or "nothing new"


def counts(edition: Edition) -> Counts:
    """Count the papers of an edition; what is said of one first holds."""
    kinds = {
        each.paper.id: each.kind
        for digest in reversed(edition.digests)
        for each in reversed(digest.announcements)
    }
    new = [*kinds.values()].count("new")
    return Counts(new, len(kinds) - new)


def news(digest: Digest) -> str:
    """Return how much a digest announces, "4 new, 1 replaced, 2 left out by survey"."""
    new = [each.kind for each in digest.announcements].count("new")
    counts = {"new": new, "replaced": len(digest.announcements) - new}
    words = [f"{number} {word}" for word, number in counts.items() if number]
    return ", ".join(filter(None, [*words, left_out(digest)]))


def above(news: str, number: int) -> str:
    """Return how much a digest announces of which so many papers stand before all keywords."""
    return f"{news}, {number} of them above"


def left_out(digest: Digest) -> str:
    """Return what exclusions took from the news, "3 left out by survey", or nothing."""
    counts = [f"{number} left out by {plain(text)}" for text, number in digest.left_out.items()]
    return ", ".join(counts)


def notes(edition: Edition) -> list[str]:
    """Return what is not as usual: days without an answer, or that were missed, a first digest.

    Keywords of which the same is to be said share a sentence; of all of them it names none.
    """
    said: dict[str, list[str]] = {}
    for digest in edition.digests:
        if note := _note(digest, edition):
            said.setdefault(note, []).append(digest.keyword.name)
    return [
        note[:1].upper() + note[1:]
        if len(names) == len(edition.digests)
        else f"{listed(names)}: {note}"
        for note, names in said.items()
    ]


def _note(digest: Digest, edition: Edition) -> str:
    since = digest.since.date() if digest.since and edition.first is None else None
    return _noted(digest.outcome, digest.reason, since, edition.date)


@lru_cache(maxsize=256)
def _noted(outcome: KeywordOutcome, reason: str, since: date | None, day: date) -> str:
    reason = shortened(plain(reason), 200)
    match outcome:
        case "baseline":
            return "; ".join(filter(None, ["first digest; older papers count as known", reason]))
        case "unknown":
            return (
                f"no trustworthy answer today: {reason or 'no reason was noted'}; "
                "nothing is lost, the next digest will cover these days"
            )
        case "new" | "none" if since:
            return "; ".join(filter(None, [reason, _missed(since, day)]))
        case "new" | "none":
            return reason
    return ""


def _missed(since: date, day: date) -> str:
    """Return which days a digest covers where they are more than one."""
    if _working_days(since, day) <= 1:
        return ""
    return f"covers the days since {_past(since, day)}"


def _working_days(since: date, day: date) -> int:
    """Count the days after `since`, up to `day`, on which arXiv may have announced papers."""
    days = range(1, min((day - since).days, 7) + 1)
    return sum((since + timedelta(days=each)).weekday() < 5 for each in days)


def quiet(edition: Edition) -> str:
    """Return the line for the keywords without news: of those without an answer a note speaks."""
    names = [
        f"{each.keyword.name} ({missed})" if (missed := left_out(each)) else each.keyword.name
        for each in edition.digests
        if not each.announcements and each.outcome != "unknown"
    ]
    return f"Nothing new for {listed(names)}." if names else ""


def listed(names: Sequence[str], most: int = 10) -> str:
    """Return "a, b and c"; of very many the first ten, and how many more."""
    shown = [plain(name) for name in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    *first, last = shown
    return f"{', '.join(first)} and {last}" if first else last


def also(names: Sequence[str]) -> str:
    """Return under which other keywords a paper belongs, empty for none."""
    return f"also in {listed(names, 3)}" if names else ""


def is_late(paper: Paper, digest: Digest, day: date) -> bool:
    """Return whether a paper was submitted more than a week before the days a digest covers.

    At the baseline none counts as late: nobody knows when it was announced.
    """
    if digest.since is None:
        return False
    return min(digest.since.date(), day) - paper.submitted.date() > _LATE


def label(announcement: Announcement, *, late: bool) -> str:
    """Return what a paper is where it is not plainly new: late, replaced or withdrawn."""
    paper = announcement.paper
    if is_withdrawn(paper):
        return "Withdrawn"
    if announcement.kind == "new":
        return "Late" if late else ""
    replaces = f", replaces v{announcement.replaces}" if announcement.replaces else ""
    return f"Replaced: v{paper.version}{replaces}"


def submitted(announcement: Announcement, *, late: bool, day: date) -> str:
    """Return when a paper was submitted, where that is not just now."""
    paper = announcement.paper
    first = f"submitted {short_day(paper.submitted.date(), beside=day)}"
    if announcement.kind == "replacement":
        return f"{first}, updated {short_day(paper.updated.date(), beside=day)}"
    return first if late else ""


def why(author: str) -> str:
    """Return why a paper is here that has none of the words: for its author."""
    return f"here for {prose(author)}"


def authors(names: Sequence[str]) -> str:
    """Return the first three authors and the last; all of them, if they are five at most."""
    if len(names) <= _AUTHORS:
        return ", ".join(map(_author, names))
    return f"{', '.join(map(_author, names[:3]))} et al., {_author(names[-1])}"


def first_author(names: Sequence[str]) -> str:
    """Return the first author, and whether there are more."""
    return f"{_author(names[0])}{' et al.' if len(names) > 1 else ''}" if names else ""


def _author(name: str) -> str:
    return shortened(prose(name), 80)


def here_too(number: int) -> str:
    """Count the papers of a keyword that stand under others."""
    return f"Also here: {counted(number, 'paper')} of other keywords."


def more(number: int, names: Sequence[str] = ()) -> str:
    """Count the papers that there was no room for, and name their keywords."""
    under = f" under {listed(names)}" if names else ""
    return f"… and {number} more{under}. The plain-text part of this mail has every paper."


def not_shown(ids: Sequence[str]) -> str:
    """Return the line for papers that cannot be shown."""
    papers = "1 paper" if len(ids) == 1 else f"{len(ids)} papers"
    return f"{papers} could not be shown: {', '.join(plain(each) for each in ids)}"


def short_day(day: date, *, beside: date | None = None) -> str:
    """Return "4 Feb", with the year where it is not that of the day beside it."""
    year = f" {day.year}" if beside and beside.year != day.year else ""
    return f"{day.day} {day:%b}{year}"


def _past(then: date, day: date) -> str:
    return short_day(then, beside=day) if (day - then).days > 6 else f"{then:%A}"
