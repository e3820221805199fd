"""The daily job: finish what is owed, read the inbox, fetch, diff, open today's issue, deliver.

Above `publish` everything may be repeated freely; below it everything can be resumed.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, ParamSpec

from newsletter.errors import (
    TEMPORARY,
    UNAVAILABLE,
    InboxError,
    InstallationError,
    LockedError,
    NewsletterError,
    PartError,
    StateError,
    TransportError,
)
from newsletter.issues.issue import compile_issue
from newsletter.issues.owing import Past, owed, past_of, readers_after
from newsletter.job.asking import Rules, ask
from newsletter.job.mailroom import Mailroom
from newsletter.job.report import Inbox, PublishedIssue, Report, as_json
from newsletter.models import (
    Day,
    Frequency,
    Issue,
    Keyword,
    Owed,
    Reader,
    Source,
)
from newsletter.moments import iso
from newsletter.phrases import counted
from newsletter.sources.arxiv.identity import BEGAN
from newsletter.state.state import State
from newsletter.subscribers.people import People

if TYPE_CHECKING:  # most lists have no profiles; to most newsletters nothing comes back
    from newsletter.job.inbox import Reading, Returns
    from newsletter.job.profiles.orders import Orders

# A run looks into the inbox before its mails leave, so that who wants no more gets none, and reads
# the rest when they have left. What is left then is read by the next run.
EARLY_INBOX_SECONDS = 5.0
INBOX_SECONDS = 300.0

_CLOCKS_DIFFER = timedelta(hours=1)

_P = ParamSpec("_P")
_log = logging.getLogger(__name__)


def run(
    keywords: Sequence[Keyword],
    people: People,
    *,
    before: Iterable[Reader],
    source: Source,
    state: State,
    mailroom: Mailroom,
    rules: Rules,
    now: datetime,
    returns: "Callable[[], Returns] | None" = None,
    inbox: bool = False,
    archive: Callable[[Day], object] = lambda _day: None,
    page: Callable[[int], object] = lambda _issue: None,
    orders: "Orders | None" = None,
    deliver: bool = True,
) -> Report:
    """Run the daily job once, as of `now`. Its troubles are in the report, not raised.

    Without `deliver` others send what it opens. `orders` makes those of readers with own papers.
    `page` writes the page of an issue, to which its mails lead, before they leave. `archive` writes
    the rest; it is called with the day when they have left, and makes up for what `page` could not.
    `returns` is asked for what hears of people who leave where there is an `inbox`, or something
    was refused. `before` has the readers as the run before left them. Only what makes the
    whole run pointless is raised: a StateError, or a clock that was never set.
    """
    require_set_clock(now, state)
    phases = Phases(mailroom.clock)
    state.deliveries.take_up(now=now, max_age=rules.max_age)
    gone = those_gone(state.deliveries.awaiting(), people)
    state.deliveries.withdraw(gone, "no longer on the list, or paused", now=now)
    troubles = tried(mailroom.deliver, late=False) if deliver else ()
    phases.ended("sending what was owed")
    office = returns() if returns and inbox else None
    readings, unheard, more = heard(office, now=now, seconds=EARLY_INBOX_SECONDS)
    phases.ended("the inbox")
    kept_off = mailroom.suppressions.reason_for
    mailable = people.without([place for place, email in people.emails() if kept_off(email)])
    past = past_of(mailable, before)
    phases.ended("comparing the list")

    asked = ask(keywords, source=source, state=state, rules=rules, now=now)
    phases.ended("asking for papers")
    issue = publish(
        asked.day,
        mailable,
        past,
        state=state,
        rules=rules,
        ready=mailroom.press.require_templates,
        orders=orders,
    )
    phases.ended("publishing")

    if issue:
        for trouble in spared("the archive", page, issue.number):
            _log.info("the page of issue %d is written after the mails: %s", issue.number, trouble)

    state.deliveries.take_up(now=now, max_age=rules.max_age)
    if deliver and not stopped(troubles):
        troubles = settled(troubles)
        troubles += tried(mailroom.deliver, issue=issue.number if issue else None, late=True)
    phases.ended("sending")
    if more:
        late, unheard, _ = heard(office, now=now, seconds=INBOX_SECONDS)
        readings += late
    if returns and not office and came_back(state):
        office = returns()
    unheard += spared("judging what came back", judge, office, now=now)
    unwritten = spared("the archive", archive, asked.day)
    phases.ended("what came back, and the archive")
    if office and not stopped(troubles):
        unheard += spared("answers", office.answer, lambda: mailroom.transport, now=now)
    masses = office.masses(now=now) if office else ()

    every = (*troubles, *unheard, *masses, *asked.troubles, *unwritten)
    report = Report(
        run=now,
        finished=mailroom.clock(),
        news=tuple(asked.day.news),
        issue=issue,
        deliveries=state.deliveries.tally(),
        requests=asked.requests,
        list_changes=past.changes,
        handed_over=not deliver,
        inbox=told_of(readings),
        # A library that several parts lack is missing once.
        troubles=tuple({str(each): each for each in every}.values()),
    )
    state.history.record_run(as_json(report))
    state.prune(now=now)
    return report


class Phases:
    """Says with -v how long each part of a run took, one after the other."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._began = clock()

    def ended(self, phase: str) -> None:
        """Note that a phase has ended, and that the next begins."""
        now = self._clock()
        _log.debug("%s: %.2f s", phase, (now - self._began).total_seconds())
        self._began = now


def require_set_clock(now: datetime, state: State) -> None:
    """Raise StateError where the clock was never set; warn where it was put back."""
    if now < BEGAN:
        raise StateError(
            state.database.path,
            f"was not touched: the clock says {now:%Y-%m-%d %H:%M} UTC, when arXiv did not exist;"
            " set the clock, then run again",
            exit_code=TEMPORARY,
        )
    for last in state.history.runs(limit=1):
        if last.finished > now + _CLOCKS_DIFFER:
            _log.warning(
                "the clock says %s, but the last run ended at %s; if the clock is wrong, set it:"
                " mails are dated by it",
                iso(now),
                iso(last.finished),
            )


def those_gone(awaiting: Iterable[str], people: People) -> list[str]:
    """Return who is owed something and has left the list since, or paused."""

    def reads(address: str) -> bool:
        place = people.place_of(address)
        return place is not None and not people[place].paused

    return [each for each in awaiting if not reads(each)]


def publish(
    day: Day,
    people: People,
    past: Past,
    *,
    state: State,
    rules: Rules,
    ready: Callable[[], object],
    orders: "Orders | None" = None,
) -> PublishedIssue | None:
    """Commit the day: what was announced and what is owed, together. Nothing to say, no issue.

    `ready` raises what would keep the issue from being printed; then nothing is committed.
    """
    number = state.newest_issue() + 1
    today = day.now.astimezone(rules.timezone).date()
    served = frequencies_due(today, weekly_served(state.last_weekly(), state.first_day()))
    issue = compile_issue(number, today, day.news)
    fresh = {each.keyword.name: number for each in day.news if each.announcements}

    def plan() -> Iterator[Owed]:
        """Decide, whenever it is asked for: what a million are owed is not kept."""
        return owed(
            number,
            people,
            keywords=[each.keyword.name for each in day.news],
            news_in=news_in,
            past=past,
            served=served,
            per_keyword=rules.per_keyword,
        )

    # Only news that somebody may not have had is looked at; who reads weekly is a week behind.
    news_in = state.news_in(after=past.behind(number)) | fresh
    if not fresh and not any(True for _ in plan()):
        state.note(day, readers_after(number, people, past, served=()))
        return None
    ready()
    readers = readers_after(number, people, past, served=served)
    if orders:
        orders.prepare(plan())
    frozen = orders.of_plan(plan(), number, state.issues) if orders else ()
    state.publish(issue, day, plan(), readers, weekly="weekly" in served, orders=frozen)
    covered = [issue]
    if not fresh:
        covered = state.issues(after=min(each.after for each in plan()), upto=number)
    return PublishedIssue(number=number, date=today, papers=papers_in(covered))


def tried(
    action: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs
) -> tuple[NewsletterError, ...]:
    """Do what need not end the day when it fails, and return what was in the way, if anything.

    A library that is missing is the installation's fault, whatever was being done. Raises
    StateError: without the state nothing may be sent, or asked for, any more.
    """
    try:
        action(*args, **kwargs)
    except StateError:
        raise
    except NewsletterError as error:
        return (error,)
    except ImportError as error:
        _log.debug("it was to be imported here:", exc_info=error)
        return (InstallationError(error),)
    return ()


def stopped(troubles: Iterable[NewsletterError]) -> bool:
    """Return whether no mail can leave any more; who is refused does not stop the others."""
    return any(not isinstance(each, TransportError) or each.about == "server" for each in troubles)


def settled(troubles: Iterable[NewsletterError]) -> tuple[NewsletterError, ...]:
    """Leave out the refusals of those who are tried again, late in the same run."""
    return tuple(
        each
        for each in troubles
        if not (isinstance(each, TransportError) and each.about == "refusals")
    )


def spared(
    part: str, action: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs
) -> tuple[NewsletterError, ...]:
    """Do a part that the day can do without; whatever happens in it is returned, and ends nothing.

    What comes of strangers' input is not to be foreseen: their mails and answers are read here.
    Raises StateError, as `tried` does.
    """
    try:
        return tried(action, *args, **kwargs)
    except StateError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        _log.debug("%s failed here:", part, exc_info=error)
        return (PartError(part, error),)


def heard(
    returns: "Returns | None", *, now: datetime, seconds: float
) -> "tuple[tuple[Reading, ...], tuple[NewsletterError, ...], bool]":
    """Read the inbox for so long; return the reading, if there was one, and what was in the way.

    What is left when its time is up is an InboxError, too. The last is whether there may be more.
    """
    readings: list[Reading] = []

    def hear() -> None:
        if returns is None:
            return
        try:
            reading = returns.read(now=now, seconds=seconds)
        except LockedError as other:
            _log.info("the inbox is read elsewhere (%s)", other.holder)
            return
        readings.append(reading)
        if reading.kinds or reading.unreadable or reading.left:
            _log.info("inbox: %s", reading.summary())
        if reading.trouble:
            raise reading.trouble
        if reading.left:
            raise InboxError(
                f"the inbox has {counted(reading.left, 'mail')} more than there was time for; the"
                " next run goes on",
                exit_code=UNAVAILABLE,
            )

    troubles = spared("the inbox", hear)
    # A server that is slow, or was not there for a moment, is asked again when the mails are out.
    more = any(each.exit_code == UNAVAILABLE for each in troubles)
    return tuple(readings), troubles, more or any(each.left for each in readings)


def came_back(state: State) -> bool:
    """Return whether a server refused something, or a bounce is not judged yet."""
    return bool(state.deliveries.rejections() or state.bounces.unjudged())


def judge(returns: "Returns | None", *, now: datetime) -> None:
    """Act on what servers refused in this run."""
    if returns:
        returns.judge(now=now)


def weekly_served(last_weekly: date | None, first_day: date | None) -> date | None:
    """Return up to which day weekly subscribers have had everything; None where nothing was said.

    Before their first issue it is the day before the first of all.
    """
    return last_weekly or (first_day and first_day - timedelta(days=1))


def frequencies_due(today: date, last_weekly: date | None) -> tuple[Frequency, ...]:
    """Return who is served today: weekly subscribers too when a Monday has passed since theirs."""
    monday = today - timedelta(days=today.weekday())
    if last_weekly is None or last_weekly > today:  # written while the clock was ahead
        last_weekly = today - timedelta(days=1)
    if last_weekly < monday:
        return ("daily", "weekly")
    return ("daily",)


def papers_in(issues: Sequence[Issue]) -> int:
    """Count the papers announced in some issues, each once."""
    digests = chain.from_iterable(each.digests for each in issues)
    return len({found.paper.id for digest in digests for found in digest.announcements})


def told_of(readings: "Sequence[Reading]") -> Inbox:
    """Return for the report what became of the mails; the last reading says what stayed there."""
    return Inbox(
        read=sum(each.kinds.total() for each in readings),
        put_aside=sum((Counter(each.put_aside()) for each in readings), Counter[str]()),
        left=readings[-1].stayed() if readings else {},
    )
