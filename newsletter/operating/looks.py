"""Say what keywords bring: those configured, and a phrase before it is. Changes nothing."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from newsletter.config.loading import Config
from newsletter.errors import SourceError
from newsletter.job import parts
from newsletter.keywords.index import Index
from newsletter.keywords.matching import Phrase, excluder, marks, matcher
from newsletter.keywords.reading import as_read
from newsletter.keywords.spellings import unfindable
from newsletter.keywords.stemming import is_stop_word
from newsletter.models import Keyword, Paper, Scope
from newsletter.phrases import counted
from newsletter.prose import prose
from newsletter.sources.arxiv.identity import SOURCE
from newsletter.sources.arxiv.query import asked
from newsletter.sources.arxiv.saved import FileSource
from newsletter.state.opening import remembered
from newsletter.state.state import State

NEWEST = 10
A_DAY = 40  # more than that nobody reads
_MACRO = re.compile(r"\\[A-Za-z]+")


class Brought(Struct, frozen=True, kw_only=True):
    """The papers of a keyword submitted in the last `days`, and where they were looked up."""

    source: str
    days: float
    papers: Sequence[Paper]


def tried(config: Config, keyword: Keyword, *, days: int, now: datetime) -> dict[str, Any]:
    """Return what a keyword that is not configured would bring, ready for JSON.

    It is looked up in the state where that has all of its papers, else by one request to arXiv, or
    in the file that stands for it. `papers` and `newest` are what exclusions leave; `excluded` is
    what each of them takes by itself. Raises SourceError where there is no answer.
    """
    found = _remembered(config, keyword, days=days, now=now) or _asked(
        config, keyword, days=days, now=now
    )
    left_out_by = excluder(keyword)
    kept = [paper for paper in found.papers if not left_out_by(paper)]
    a_day = round(len(kept) / found.days, 1)
    return {
        "phrase": keyword.name,
        "source": found.source,
        "days": round(found.days, 1),
        "papers": len(kept),
        "a_day": a_day,
        "newest": [
            {"id": each.id, "title": prose(each.title), "matched": _matched(keyword, each)}
            for each in kept[:NEWEST]
        ],
        "excluded": {text: _taken(text, keyword, found.papers) for text in keyword.exclude},
        "overlap": _overlap(config.keywords, kept),
        "judgement": _judgement(keyword, found=len(found.papers), kept=len(kept), a_day=a_day),
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return what a keyword would bring as lines for people."""
    papers = counted(found["papers"], "paper")
    span = f"{found['days']:g} days, from {found['source']}"
    shown = [f"{found['phrase']}: {papers} in {span}; {found['a_day']:g} a day"]
    shown += [f"  {each['title']} [{'; '.join(each['matched'])}]" for each in found["newest"]]
    for text, taken in found["excluded"].items():
        shown.append(f"left out by {text}: {taken['papers']}")
        shown += [f"  {title}" for title in taken["titles"]]
    shown += [f"also in {name}: {papers}" for name, papers in found["overlap"].items()]
    return [*shown, found["judgement"]]


def configured(
    state: State, keywords: Sequence[Keyword], *, days: int, now: datetime
) -> list[dict[str, Any]]:
    """Return what each configured keyword brought in the last `days`, ready for JSON."""
    return [
        {
            "name": each.name,
            "phrases": list(each.looked_for),
            "exclude": list(each.exclude),
            "announced": state.announced_since(each.name, now - timedelta(days=days)),
            "left_out": state.papers.left_out(each.name, since=now - timedelta(days=days)),
            "days": days,
        }
        for each in keywords
    ]


def configured_lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the configured keywords brought as lines for people."""
    return [
        f"{each['name']}: {counted(each['announced'], 'paper')} announced in {each['days']} days"
        + "".join(f", {papers} left out by {text}" for text, papers in each["left_out"].items())
        for each in found
    ]


def doubts(keyword: Keyword) -> list[str]:
    """Return what is looked for otherwise than somebody may think, and what cannot be found."""
    found = []
    for phrase in keyword.looked_for:
        read = Phrase.of(phrase, exact=False)
        if read and (any(read.signs) or any(map(is_stop_word, read.line.split()))):
            words = " or ".join(f'"{each}"' for each in asked(Keyword(name=phrase)))
            found.append(
                f"{SOURCE} takes no notice of small words and signs: it is asked for {words}, and"
                f" {as_read(phrase)!r} must stand in what it returns"
            )
        found += filter(None, (read_as(phrase), unfound(phrase)))
    return found


def read_as(phrase: str) -> str:
    """Return what a phrase with TeX in it stands for, and what to do; empty for one without."""
    read = as_read(phrase)
    if not set("\\$") & set(phrase) or read == phrase:
        macros = ", ".join(dict.fromkeys(_MACRO.findall(phrase)))
        if not macros:
            return ""
        return (
            f"{macros} in {phrase!r} is no TeX that is understood: only papers that show it as it"
            " is are found; write the words that people read"
        )
    return f"{phrase!r} is looked for as it is read, {read!r}"


def unfound(phrase: str) -> str:
    """Return what of a phrase arXiv cannot be asked for, and what to do; empty if nothing."""
    lost = unfindable(phrase)
    if not lost:
        return ""
    return (
        f"{SOURCE}'s index has no words for {lost} in {phrase!r}: papers that write it otherwise"
        " are not found; name other spellings in 'phrases'"
    )


def _remembered(config: Config, keyword: Keyword, *, days: int, now: datetime) -> Brought | None:
    """Look into the state, where a configured keyword has all papers of this one."""
    start = now - timedelta(days=days)
    with remembered(config.place) as state:
        for wider in config.keywords:
            trail = state.trail(wider.name)
            if (
                trail is None
                or trail.since > start
                or state.memory(wider, among=()).former is not None
                or not _is_narrower(keyword, wider)
            ):
                continue
            papers = state.papers.of_keyword(wider.name, start)
            if papers is not None:
                return Brought(source="state", days=days, papers=_own(keyword, papers))
    return None


def _is_narrower(keyword: Keyword, wider: Keyword) -> bool:
    """Tell whether every paper of a keyword is surely one of the wider keyword's, too."""
    if wider.query is not None or wider.exact or wider.match != "title-or-abstract":
        return False
    if wider.categories and not set(keyword.categories) <= set(wider.categories):
        return False
    if wider.categories and not keyword.categories:
        return False
    held = [Phrase.of(each, exact=False) for each in wider.looked_for]
    return all(
        any(each and next(each.spans(as_read(phrase)), None) for each in held)
        for phrase in keyword.looked_for
    )


def _asked(config: Config, keyword: Keyword, *, days: int, now: datetime) -> Brought:
    start = now - timedelta(days=days)
    if config.source.file is not None:
        saved = FileSource(config.source.file).fetch(
            (Scope(keyword=keyword, start=start),), now=now
        )
        (listing,) = saved.listings
        if not listing.complete:
            raise SourceError(str(config.source.file), listing.reason)
        recent = [paper for paper in listing.papers if paper.submitted >= start]
        return Brought(source="file", days=days, papers=recent)
    newest = parts.arxiv_source(config, attempts=1).newest(keyword, start, now=now)
    covered = float(days)
    if newest.total > len(newest.papers):  # more than one page: the newest must do
        covered = max((now - newest.papers[-1].submitted) / timedelta(days=1), 1 / 24)
    return Brought(source=SOURCE, days=covered, papers=_own(keyword, newest.papers))


def _own(keyword: Keyword, papers: Sequence[Paper]) -> list[Paper]:
    belongs = matcher(keyword) or (lambda _: True)
    return sorted(filter(belongs, papers), key=lambda paper: paper.submitted, reverse=True)


def _matched(keyword: Keyword, paper: Paper) -> list[str]:
    """Return the words that matched, as they are written, each once."""
    texts = (prose(paper.title), prose(paper.abstract))
    found = (text[start:end] for text in texts for start, end in marks(keyword, text))
    return list(dict.fromkeys(found))


def _taken(text: str, keyword: Keyword, papers: Sequence[Paper]) -> dict[str, Any]:
    left_out_by = excluder(Keyword(name=keyword.name, exact=keyword.exact, exclude=(text,)))
    titles = [prose(paper.title) for paper in papers if left_out_by(paper)]
    return {"papers": len(titles), "titles": titles}


def _overlap(keywords: Sequence[Keyword], papers: Sequence[Paper]) -> dict[str, int]:
    """Count the papers that configured keywords have, too; of raw queries only arXiv knows."""
    index = Index(keywords)
    counts = Counter(each.name for paper in papers for each in index.of(paper))
    return {each.name: counts[each.name] for each in keywords if counts[each.name]}


def _judgement(keyword: Keyword, *, found: int, kept: int, a_day: float) -> str:
    if not found:
        verdict = "nothing: is it spelled as authors write it?"
    elif not kept:
        verdict = "its exclusions leave out everything"
    elif a_day > A_DAY:
        verdict = f"more than {A_DAY} a day: narrow it by categories, a longer phrase or exclusions"
    else:
        verdict = "a number that can be read"
    return "; ".join([verdict, *doubts(keyword)])
