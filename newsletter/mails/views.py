"""What the templates see of a paper and of a keyword: values that are ready to be shown."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache
from hashlib import sha256
from itertools import chain
from typing import Literal, NamedTuple

from msgspec import Struct

from newsletter.keywords.matching import called, marks
from newsletter.mails import wording
from newsletter.mails.links import addresses, mended, offers
from newsletter.models import Announcement, Digest, Keyword, Link
from newsletter.prose import plain, prose

# From the title and its first author to the whole abstract; `entry` has links and no abstract.
Form = Literal["least", "line", "entry", "excerpt", "full"]

_ADDRESS = re.compile(r"https://(?!\S*/\.\.?/)[!-~]+")
_TITLE = 250  # characters of a title where space is short: arXiv's longest have some 240
_COMMENT = 200
_MARKED = 20_000  # of an abstract; arXiv takes none of more than 1,920
_EXCERPT = 320  # characters

_END = re.compile(r"[.!?][\"”’')\]]*\s+(?=[\"“‘'(\[]*[^\W_])")
# What has a full stop and ends no sentence; a letter alone is an initial.
_GOES_ON = re.compile(
    r"(?:^|[\s(\[])(?:[^\W\d_]|e\.g|i\.e|cf|vs|al|etc|resp|approx|ca|fig|figs|eq|eqs|sec|ref|refs"
    r"|no|dr|prof|st|w\.r\.t|a\.k\.a|viz)\.[\"”’')\]]*\s+$",
    re.IGNORECASE,
)


class Run(NamedTuple):
    """A stretch of text: whether it is why the paper matched, and where it leads, if anywhere."""

    text: str
    hit: bool = False
    url: str = ""


class Name(NamedTuple):
    """A keyword, and the anchor at which its digest begins."""

    name: str
    anchor: str


class Named(NamedTuple):
    """A page of the archive."""

    name: str
    url: str


class Heading(NamedTuple):
    """A digest as its heading shows it.

    `total` is how many papers it announces, `papers` how many of them have their entry there.
    """

    name: str
    anchor: str
    news: str
    total: int
    papers: int


class View(Struct, frozen=True, kw_only=True, eq=False):
    """A paper as the templates see it.

    `short_title` is for lines, `brief_title` for the names of links; `label` is empty where the
    paper is plainly new; `about` says who wrote it and what else is unusual about it, `in_brief`
    the same of the first author alone.
    """

    url: str
    links: Sequence[Link]
    title: Sequence[Run]
    short_title: str
    brief_title: str
    label: str
    about: str
    in_brief: str
    first_author: str
    comment: Sequence[Run]
    short_comment: Sequence[Run]
    excerpt: Sequence[Run]
    abstract: Sequence[Run]


def view(
    announcement: Announcement,
    digest: Digest,
    day: date,
    keywords: Sequence[Keyword],
    *,
    bibtex: bool,
) -> View:
    """Prepare a paper for the templates. Raises ValueError if it has no address.

    It stands under the keyword of `digest`, on `day`; `keywords` are all that announce it.
    """
    paper, shown = announcement.paper, digest.keyword.name
    if not paper.links or not all(_ADDRESS.fullmatch(link.url) for link in paper.links):
        raise ValueError(f"its addresses are none: {paper.links}")
    page, *links = (link for link in paper.links if bibtex or link.label != "BibTeX")
    title = prose(paper.title) or f"{plain(paper.source)}:{plain(paper.local_id)}"
    abstract, comment = prose(mended(paper.abstract)), prose(mended(paper.comment))
    in_title = [span for each in keywords for span in marks(each, title)]
    in_abstract = {each.name: marks(each, abstract[:_MARKED]) for each in keywords}
    found = in_abstract[shown] or list(chain.from_iterable(in_abstract.values()))
    spans = list(chain.from_iterable(in_abstract.values()))
    followed = [each for each in keywords if each.authors]
    by = next((name for each in followed if (name := called(each, paper))), "")
    late = wording.is_late(paper, digest, day)
    when = wording.submitted(announcement, late=late, day=day)
    remarks = (
        wording.why(by) if by and not (in_title or spans) else "",
        wording.also([each.name for each in keywords if each.name != shown]),
    )
    return View(
        url=page.url,
        links=(*links, *offers((comment, abstract))),
        title=_runs(title, in_title),
        short_title=wording.shortened(title, _TITLE),
        brief_title=wording.shortened(title, 60),
        label=wording.label(announcement, late=late),
        about=_joined(when, wording.authors(paper.authors), *remarks),
        in_brief=_joined(when, wording.first_author(paper.authors), *remarks),
        first_author=wording.first_author(paper.authors),
        comment=_runs(comment, ()),
        short_comment=_cut_runs(comment, (), 0, _word_end(comment, _COMMENT)),
        excerpt=_cut_runs(abstract, spans, *_excerpt(abstract, found[0][0] if found else 0)),
        abstract=_runs(abstract, spans),
    )


def specimen() -> View:
    """Return a paper that has everything, for trying out a template."""
    page = "https://example.org"
    runs = (Run("x"), Run("x", hit=True), Run("x", url=page))
    return View(
        url=page,
        links=(Link(label="x", url=page),),
        title=runs,
        short_title="x",
        brief_title="x",
        label="x",
        about="x",
        in_brief="x",
        first_author="x",
        comment=runs,
        short_comment=runs,
        excerpt=runs,
        abstract=runs,
    )


def _joined(*parts: str) -> str:
    return " · ".join(filter(None, parts))


def _runs(text: str, spans: Iterable[tuple[int, int]]) -> Sequence[Run]:
    return _cut_runs(text, spans, 0, len(text))


def _cut_runs(text: str, spans: Iterable[tuple[int, int]], start: int, end: int) -> Sequence[Run]:
    """Cut text[start:end] where a match or an address begins or ends; matches that meet are one.

    Nothing is marked in an address, and an address that does not end before `end` is left out.
    """
    links = [each for each in addresses(text) if each.end > start and each.start < end]
    if links and links[-1].end > end:
        end = links.pop().start
    runs: list[Run] = []
    done = start
    for stop, link in [*((each.start, each) for each in links), (end, None)]:
        runs += _marked(text, spans, done, stop)
        if link:
            runs.append(Run(link.url, url=link.url))
            done = link.end
    if end < len(text) and text[start:end].rstrip()[-1:] not in {".", "!", "?"}:
        runs.append(Run("…"))
    return tuple(run for run in runs if run.text)


def _marked(text: str, spans: Iterable[tuple[int, int]], begin: int, end: int) -> Iterable[Run]:
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        first, last = max(start, begin), min(stop, end)
        if first >= last:
            continue
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    done = begin
    for first, last in merged:
        yield Run(text[done:first])
        yield Run(text[first:last], hit=True)
        done = last
    yield Run(text[done:end])


def _excerpt(text: str, at: int = 0) -> tuple[int, int]:
    """Return where the excerpt of a text begins and ends: at most 320 characters around `at`.

    It is the sentence there and the next, where both fit; else that sentence; else as many words of
    it as fit.
    """
    sentences = _sentences(text)
    start, end = next(each for each in sentences if at < each[1] or each[1] == len(text))
    if end - start > _EXCERPT:
        return _words(text, start, end, at)
    following = next(sentences, None)
    if following and following[1] - start <= _EXCERPT:
        end = following[1]
    return start, end


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the sentences of a text begin and end, without the blanks between them."""
    start = 0
    for match in _END.finditer(text):
        following = text[match.end() : match.end() + 2].lstrip("\"“‘'([")
        if following[:1].islower() or _GOES_ON.search(text[max(0, match.end() - 12) : match.end()]):
            continue
        yield start, match.end() - (len(match[0]) - len(match[0].rstrip()))
        start = match.end()
    yield start, len(text)


def _words(text: str, start: int, end: int, at: int) -> tuple[int, int]:
    """Return whole words of a sentence that is too long, with room on both sides of `at`."""
    if at - start > _EXCERPT * 2 // 3:
        start = _word_start(text, at - _EXCERPT // 3, at)
    last = min(end, start + _EXCERPT - 2)  # an ellipsis may stand at either side
    if last < end:
        cut = text.rfind(" ", start, last + 1)
        last = cut if cut > max(start, at) else last
    return start, last


def _word_start(text: str, at: int, latest: int) -> int:
    blank = text.find(" ", at, latest)
    return blank + 1 if blank >= 0 else at


def _word_end(text: str, limit: int) -> int:
    if len(text) <= limit:
        return len(text)
    return max(text.rfind(" ", 0, limit + 1), 0) or limit


def heading(digest: Digest, own: int) -> Heading:
    """Return what stands above the papers of a keyword, of which so many stand there."""
    return Heading(
        *name_of(digest.keyword.name),
        news=wording.news(digest),
        total=len(digest.announcements),
        papers=own,
    )


@cache
def name_of(name: str) -> Name:
    """Return a keyword as it is shown, and the anchor of its section."""
    name = plain(name)
    return Name(name, f"k{sha256(name.encode()).hexdigest()[:8]}")


def values(paper: View, form: Form, reason: str) -> dict[str, object]:
    """Return what the block `paper` shows in a form: of comment and abstract all, or a part.

    `reason` is why the paper is close to what the reader wrote.
    """
    whole, part = form == "full", form == "excerpt"
    return {
        "paper": paper,
        "reason": reason,
        "comment": paper.comment if whole else paper.short_comment,
        "abstract": paper.abstract if whole else paper.excerpt if part else (),
    }


def block(form: Form) -> str:
    """Return the block of the template that shows a form."""
    return form if form in {"least", "line"} else "paper"
