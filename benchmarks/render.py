"""Editions per second, from values to message bytes, against mails that are made one by one.

    python -m benchmarks.render [--papers 100] [--subscribers 1000] [--rounds 5]

Every edition holds all the papers, under keywords in an order of its own; a fifth of the papers
have two. There are two figures of each rival, premailer and css-inline (where it is installed):

- the whole mail: our templates filled by Jinja for that edition, inlined, and put with its text
  into an `EmailMessage`, as bytes (`per_mail.py`). The rival is told what is shown of each paper,
  and in which form there is room for it: to find that out is in our time alone.
- inlining alone, the stricter one: it is given the HTML of such a mail, and only inlines it. The
  rest of a mail is in our time alone.

All mails of an edition say the same, which is checked. At the end, what stands in weekly editions
is decided for each by itself, and as in a run, where their issues are looked through once. Time is
that of the processor, and all are measured in turns, so that a busy machine does not blur it;
medians.
"""

import argparse
import gc
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from importlib import import_module
from statistics import median

from premailer import Premailer

from benchmarks.per_mail import Peer, Told, told_of
from newsletter.issues.issue import Covered, edition_for
from newsletter.mails.message import Composer
from newsletter.mails.render import Renderer, filled
from newsletter.models import (
    Announcement,
    Delivery,
    Digest,
    Edition,
    Issue,
    Keyword,
    Masthead,
    Paper,
)
from newsletter.sources.arxiv import identity

NOW = datetime(2026, 11, 19, 10, tzinfo=UTC)
KEYWORDS = ("federated", "graph", "imaging", "attention", "optics", "folding", "planning")
MASTHEAD = Masthead(
    id="benchmark",
    title="Benchmark",
    sender="Benchmark <papers@example.org>",
    unsubscribe_address="leave@example.org",
    base_url="https://papers.example.org",
)
LINK = "https://papers.example.org/unsubscribe/token"
RECIPIENT = "subscriber@example.net"
MAILS = 4  # that a rival makes in a round, each of another edition
WHOLE, ALONE = "the whole mail", "inlining alone"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--papers", type=int, default=100)
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    gc.set_threshold(100_000, 20, 20)  # as the program does

    papers = [paper(number) for number in range(arguments.papers)]
    choices = {number: editions(papers, number) for number in (1, 30, arguments.subscribers)}
    rivals = {name: Peer(MASTHEAD, NOW, inline) for name, inline in inliners().items()}
    mails = [mail_of(each) for each in choices[arguments.subscribers][:MAILS]]
    theirs: dict[tuple[str, str], list[float]] = {}
    our_own: dict[int, list[float]] = {number: [] for number in choices}
    for _ in range(arguments.rounds):
        for name, rival in rivals.items():
            whole, alone = by(rival, mails)
            theirs.setdefault((name, WHOLE), []).append(whole)
            theirs.setdefault((name, ALONE), []).append(alone)
        for number, different in choices.items():
            our_own[number].append(ours(different, arguments.subscribers))
    for name in rivals:
        whole, alone = (1000 * median(theirs[name, part]) for part in (WHOLE, ALONE))
        print(f"{name} per mail: {WHOLE} {whole:.1f} ms, {ALONE} {alone:.1f} ms")
    for number, taken in our_own.items():
        each = median(taken)
        print(
            f"{number} different editions for {arguments.subscribers} subscribers: "
            f"{1000 * each:.2f} ms a mail, {1 / each:.0f} a second"
        )
        for name in rivals:
            ratios = [f"x{median(theirs[name, part]) / each:.0f} {part}" for part in (WHOLE, ALONE)]
            print(f"    against {name}: {', '.join(ratios)}")
    anew, together = week(arguments.subscribers, arguments.rounds)
    print(
        f"what stands in a weekly edition of 8 of 100 keywords: {1000 * together:.2f} ms, "
        f"x{anew / together:.1f} of deciding each anew"
    )


def week(number: int, rounds: int) -> tuple[float, float]:
    """Return the seconds that it takes to decide what stands in a weekly edition.

    First where each is decided by itself, then where what they share is made once.
    """
    chance = random.Random(7)
    names = [f"topic {number}" for number in range(100)]
    days = [[paper(300 * day + number) for number in range(300)] for day in range(5)]
    issues = [
        Issue(
            number=day,
            date=NOW.date(),
            digests=tuple([digest_of(chance.sample(papers, 5), name) for name in names]),
        )
        for day, papers in enumerate(days, 1)
    ]
    choices = [chance.sample(names, 8) for _ in range(number)]
    found: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds):
        for shared, taken in found.items():
            start = time.process_time()
            covered = Covered(issues) if shared else issues
            for each in choices:
                edition_for(covered, each, weekly=True)
            taken.append((time.process_time() - start) / number)
    return median(found[False]), median(found[True])


def ours(different: Sequence[Edition], subscribers: int) -> float:
    """Return seconds a message, everything included: templates, papers, headers, bytes."""
    gc.collect()
    gc.freeze()  # a run makes its editions one after the other, and never has them all
    start = time.process_time()
    renderer = Renderer(MASTHEAD, templates=None)
    composer = Composer(MASTHEAD, now=NOW, token=token_of)
    for number in range(subscribers):
        place = number * len(different) // subscribers
        if place != (number - 1) * len(different) // subscribers:
            rendered = renderer.render(different[place])
        delivery = Delivery(
            id=number,
            issue=1,
            after=0,
            recipient=f"subscriber{number}@example.net",
            keywords=KEYWORDS,
            format="html",
        )
        outgoing = composer.outgoing(delivery, rendered)
        b"".join(outgoing.message)
    return (time.process_time() - start) / subscribers


def token_of(address: str) -> str:
    """Return 40 letters and digits, as tokens are."""
    return f"{address.partition('@')[0]:x<40}"


def inliners() -> dict[str, Callable[[str], str]]:
    """Return what inlines a mail, by name; css-inline is no dependency of ours."""
    found = {"premailer": Premailer(disable_validation=True, strip_important=False).transform}
    with suppress(ModuleNotFoundError):
        found["css-inline"] = import_module("css_inline").CSSInliner().inline
    return found


def by(rival: Peer, mails: Sequence[Told]) -> tuple[float, float]:
    """Return the seconds a rival takes for a whole mail, and for inlining one; its caches warm."""
    pages = [rival.html(mail) for mail in mails]
    rival.message(mails[0], RECIPIENT, LINK)
    start = time.process_time()
    for mail in mails:
        rival.message(mail, RECIPIENT, LINK)
    whole = time.process_time()
    for page in pages:
        rival.inline(page)
    alone = time.process_time()
    return (whole - start) / len(mails), (alone - whole) / len(mails)


def mail_of(edition: Edition) -> Told:
    """Return what a rival is told of an edition, whose mails say what ours do."""
    renderer = Renderer(MASTHEAD, templates=None)
    mail, told = renderer.render(edition), told_of(renderer, edition, LINK)
    plain = Peer(MASTHEAD, NOW)
    assert plain.text(told) == filled(mail.text, LINK, LINK)
    assert unstyled(plain.html(told)) == unstyled(filled(mail.html, LINK, LINK))
    return told


def unstyled(page: str) -> str:
    """Return a mail without its style sheets, and without styles in its elements."""
    page = re.sub(r"<style.*?</style>\s*", "", page, flags=re.DOTALL)
    return re.sub(r""" style=("[^"]*"|'[^']*')""", "", page)


def editions(papers: Sequence[Paper], different: int) -> list[Edition]:
    """Return editions that hold all the papers, their keywords in different orders."""
    chance = random.Random(7)
    orders: set[tuple[str, ...]] = {KEYWORDS}
    while len(orders) < different:
        orders.add(tuple(chance.sample(KEYWORDS, len(KEYWORDS))))
    news = {
        name: digest_of([each for each in papers if name in each.comment], name)
        for name in KEYWORDS
    }
    return [edition_of(news, order) for order in sorted(orders)]


def digest_of(papers: Sequence[Paper], name: str) -> Digest:
    """Return what an issue has of a keyword."""
    return Digest(
        keyword=Keyword(name=name),
        source=identity.SOURCE,
        outcome="new",
        announcements=tuple(Announcement(paper=each) for each in papers),
        listed=100,
        since=NOW,
    )


def edition_of(news: Mapping[str, Digest], order: Sequence[str]) -> Edition:
    """Return an edition of an issue: as in a run, all have its announcements in common."""
    digests = tuple(news[name] for name in order)
    shown_in: dict[str, str] = {}
    for digest in digests:
        for announcement in digest.announcements:
            shown_in.setdefault(announcement.paper.id, digest.keyword.name)
    return Edition(issue=1, date=date(2026, 11, 19), digests=digests, shown_in=shown_in)


def paper(number: int) -> Paper:
    one, other = KEYWORDS[number % len(KEYWORDS)], KEYWORDS[(number + 1) % len(KEYWORDS)]
    topics = f"{one} {other}" if number % 5 == 0 else one
    sentence = "They look at the sample that was at hand, and report at length what they found. "
    arxiv_id = f"2611.{number:05}"
    return Paper(
        id=identity.paper_id(arxiv_id),
        source=identity.SOURCE,
        links=identity.links(arxiv_id),
        version=1,
        title=f"On {topics}, part {number}",
        abstract=f"We study {topics}. {sentence * 15}",
        authors=("Ada Quill", "Bo Ångström", "Cy Quill"),
        categories=("cs.LG", "stat.ML"),
        submitted=NOW,
        updated=NOW,
        comment=topics,
    )


if __name__ == "__main__":
    main()
