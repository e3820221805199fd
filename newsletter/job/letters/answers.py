"""Do what readers ask by mail, and answer each once: they join, and choose what they get.

It keeps the rules that the door of the web part keeps, by the same functions. What it says goes to
the address on the list, or to the one that would be on it, and nothing to anybody else.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from newsletter.addresses import folded
from newsletter.errors import TEMPORARY, InboxError
from newsletter.job.letters.letter import ANSWER, letter
from newsletter.job.letters.words import WORDS, Words
from newsletter.job.mailroom import Aside
from newsletter.mails.message import change_subject, tagged
from newsletter.models import Masthead, Outgoing, Transport
from newsletter.numbers import answer_number
from newsletter.phrases import counted
from newsletter.returns.choosing import ALL
from newsletter.returns.meaning import MailKind, Meaning
from newsletter.state.runs import History
from newsletter.subscribers import editing, joining
from newsletter.subscribers.suppressions import KeptOff
from newsletter.subscribers.tokens import BadToken, Notes, Tokens

if TYPE_CHECKING:
    from newsletter.config.loading import Config

_PAUSE = timedelta(hours=1)  # an address gets no second answer within it
_STRANGERS = 20  # people who are not on the list get at most so many answers from one reading
_QUOTED = 3  # lines that were not understood are shown, so many and so long
_QUOTED_LENGTH = 80

_FROM_THE_FIRST = {"frequency", "format", "abstracts"}  # what who joins may choose along with it
_SAID = ("frequency", "format", "abstracts", "status", "paused_until")
_ABSTRACTS = {"full", "excerpt", "none"}

_log = logging.getLogger(__name__)


class _Answer(Struct, frozen=True, kw_only=True):
    """What is to be said to somebody: `reply_to` is where an answer to it is read."""

    to: str
    purpose: str
    subject: str
    text: str
    reply_to: str


class Desk(Struct, kw_only=True):
    """Where wishes that came by mail are carried out; answers wait until `answer` sends them."""

    path: Path
    keywords: Sequence[str]
    suppressions: KeptOff
    history: History
    masthead: Masthead
    tokens: Tokens
    notes: Notes
    _answers: dict[str, _Answer] = field(default_factory=dict)
    _strangers: int = 0

    def act(self, asked: Meaning, *, now: datetime) -> MailKind:
        """Do what a mail asks for, and return what became of it: `refused` where it may not be.

        Raises SubscribersError or OSError where the list cannot be read or changed.
        """
        self.suppressions.refresh()
        if asked.kind == "joining":
            return self._confirmation(asked, now)
        if asked.note:
            return self._joined(asked, now)
        return self._changed(asked, now)

    def answer(self, transport: Callable[[], Transport], *, now: datetime) -> None:
        """Send what is to be said. Raises InboxError where something could not leave for now.

        It is noted before it leaves, so that nobody is answered twice, whatever happens.
        """
        due = [each for each in self._answers.values() if self._is_due(each.to, now)]
        self._answers.clear()
        if not due:
            return
        self.history.note_told([self._name(each.to) for each in due], now=now)
        letters = [self._letter(number, each, now) for number, each in enumerate(due)]
        aside = Aside()
        transport().send(iter(letters), aside)
        lost = []
        for number, each in enumerate(due):
            outcome = aside.outcome(number)
            if outcome.status == "rejected":
                _log.warning("an answer to %s was rejected: %s", each.to, outcome.text)
            elif outcome.status != "accepted":
                lost.append(outcome.text)
        if lost:
            raise InboxError(
                f"{counted(len(lost), 'answer')} to readers could not leave ({lost[-1]}); what they"
                " asked for was done",
                exit_code=TEMPORARY,
            )

    def _changed(self, asked: Meaning, now: datetime) -> MailKind:
        email, words = asked.address, WORDS[asked.language]
        row = None if self._is_kept_off(email) else editing.row_of(self.path, email)
        if row is None:
            return "refused"
        kind, unclear = asked.kind, asked.choice.unclear
        if kind == "changed":
            cells = dict(asked.choice.settings)
            chosen = asked.choice.keywords
            if chosen and not self._is_the_same(row, chosen):
                cells["keywords"] = ";".join(chosen)
            wish = joining.wish({"email": email, **cells}, keywords=self.keywords)
            until = cells.get("paused_until", "")
            if wish.problems or (until and until <= now.date().isoformat()):
                kind, unclear = "unclear", (*unclear, until) if until else unclear
            else:
                # A column that the list lacks is made only for what somebody chose.
                new = {c: wish.cells[c] for c in cells if wish.cells[c] != row.get(c, "")}
                if new:
                    editing.change(self.path, email, new, keywords=self.keywords)
                row = {**row, **cells}
                if chosen:
                    row["keywords"] = ";".join(chosen)
        if kind == "changed":
            text = f"{words.understood}\n\n{self._in_words(row, words)}"
        else:
            text = self._question(row, unclear, words)
        self._say_and_ask(email, text, words, purpose=kind)
        return kind

    def _confirmation(self, asked: Meaning, now: datetime) -> MailKind:
        email, title, words = asked.address, self.masthead.title, WORDS[asked.language]
        chosen = asked.choice.keywords or (ALL,)
        settings = {c: text for c, text in asked.choice.settings.items() if c in _FROM_THE_FIRST}
        wish = joining.wish(
            {"email": email, "keywords": ALL if ALL in chosen else ";".join(chosen), **settings},
            keywords=self.keywords,
        )
        if wish.problems or not joining.may_join(self.suppressions, email, asked=now):
            return "refused"
        if self._strangers >= _STRANGERS:
            _log.warning(
                "more than %d people would join at once: the rest is not answered", _STRANGERS
            )
            return "refused"
        self._strangers += 1
        row = None if self._is_kept_off(email) else editing.row_of(self.path, email)
        if row is not None:
            text = f"{words.already}\n\n{self._in_words(row, words)}"
            self._say_and_ask(email, text, words, purpose="already")
            return "joining"
        note = self.notes.written(dict(wish.cells), now=now)
        link = ""
        if self.masthead.base_url:
            base = self.masthead.base_url.rstrip("/")
            link = f"{words.confirm_link}\n\n{base}/confirm/{note}\n\n"
        self._say(
            email,
            purpose="confirm",
            # The note stands in the subject, which mail programs keep in an answer.
            subject=f"{words.confirm_subject.format(title=title)} {note}",
            text=f"{words.asked.format(title=title)}\n\n{self._in_words(wish.cells, words)}\n\n"
            f"{words.confirm}\n\n{link}{words.not_you}\n",
            reply_to=self.masthead.unsubscribe_address,
        )
        return "joining"

    def _joined(self, asked: Meaning, now: datetime) -> MailKind:
        try:
            cells, moment = self.notes.read(asked.note, now=now, lasts=joining.CONFIRMS_BY_MAIL)
        except BadToken:
            return "refused"
        email, title, words = str(cells["email"]), self.masthead.title, WORDS[asked.language]
        if asked.kind == "unclear":
            if not joining.may_join(self.suppressions, email, asked=moment):
                return "refused"
            self._say(
                email,
                purpose="unclear",
                subject=f"{words.confirm_subject.format(title=title)} {asked.note}",
                text=f"{words.not_confirmed.format(title=title)}\n",
                reply_to=self.masthead.unsubscribe_address,
            )
            return "unclear"
        subscriber = joining.joined(
            self.path, cells, self.suppressions, keywords=self.keywords, asked=moment, now=now
        )
        if subscriber is None:
            return "refused"
        text = f"{words.subscribed}\n\n{self._in_words(cells, words)}"
        self._say_and_ask(email, text, words, purpose="joined")
        return "joined"

    def _question(self, row: Mapping[str, str], unclear: Sequence[str], words: Words) -> str:
        quoted = [f"> {line[:_QUOTED_LENGTH]}" for line in unclear[:_QUOTED]]
        about = "\n".join([words.not_understood, "", *quoted, "", ""]) if quoted else ""
        return f"{words.nothing_changed}\n\n{about}{words.now}\n\n{self._in_words(row, words)}"

    def _say_and_ask(self, email: str, text: str, words: Words, *, purpose: str) -> None:
        """Tell a reader something, and how to choose and to leave: who answers it has chosen."""
        token = self.tokens.token(email)
        self._say(
            email,
            purpose=purpose,
            subject=f"{self.masthead.title}: {change_subject(token)}",
            text=f"{text}\n\n{self._how(token, words)}",
            reply_to=tagged(self.masthead.unsubscribe_address, token),
        )

    def _how(self, token: str, words: Words) -> str:
        """Return how to choose and to leave, at the end of an answer."""
        names = "\n".join(f"  {name}" for name in self.keywords)
        leave = words.leave.format(address=tagged(self.masthead.unsubscribe_address, token))
        return f"{words.how}\n\n{names}\n\n{words.also}\n\n{leave}\n"

    def _in_words(self, row: Mapping[str, str], words: Words) -> str:
        """Return what a row gets: its keywords, and how they come where it says so."""
        said = {column: row.get(column, "").strip().lower() for column in _SAID}
        names = [words.all if each == ALL else each for each in _cell(row)]
        how = [words.weekly if said["frequency"] == "weekly" else words.daily]
        how += [words.text] if said["format"] == "text" else []
        how += [getattr(words, said["abstracts"])] if said["abstracts"] in _ABSTRACTS else []
        if said["status"] == "paused":
            day = said["paused_until"]
            how.append(words.paused_until.format(day=day) if day else words.paused)
        return "\n".join([*(f"- {each}" for each in names), "", *(f"- {each}" for each in how)])

    def _is_the_same(self, row: Mapping[str, str], chosen: Sequence[str]) -> bool:
        """Return whether somebody who gets all keywords, later ones too, named all there are."""
        return _cell(row) == (ALL,) and set(chosen) == set(self.keywords)

    def _is_kept_off(self, email: str) -> bool:
        return self.suppressions.reason_for(email) is not None

    def _say(self, to: str, *, purpose: str, subject: str, text: str, reply_to: str) -> None:
        self._answers[folded(to)] = _Answer(
            to=to, purpose=purpose, subject=subject, text=text, reply_to=reply_to
        )

    def _is_due(self, email: str, now: datetime) -> bool:
        told = self.history.last_told(self._name(email))
        return told is None or not timedelta(0) <= now - told < _PAUSE

    def _name(self, email: str) -> str:
        # A keyed hash: the record outlives the address on the list.
        return f"answer {self.tokens.subscriber_id(email)}"

    def _letter(self, number: int, answer: _Answer, now: datetime) -> Outgoing:
        whole = letter(
            replace(self.masthead, reply_to=answer.reply_to),
            answer.to,
            number=answer_number(now, answer.to, answer.purpose),
            subject=answer.subject,
            text=answer.text,
            now=now,
            headers=ANSWER,
            envelope_sender="",
        )
        return replace(whole, delivery=number)


def _cell(row: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keywords of a row as they stand there."""
    names = [each.strip() for each in row.get("keywords", "").split(";")]
    found = tuple(each for each in names if each)
    return (ALL,) if not found or ALL in found else found


def desk_for(
    config: "Config", suppressions: KeptOff, history: History, keys: Sequence[bytes]
) -> Desk:
    """Return the desk of a newsletter, with tokens and notes signed by the first of `keys`."""
    return Desk(
        path=config.subscribers.file,
        keywords=[each.name for each in config.keywords],
        suppressions=suppressions,
        history=history,
        masthead=config.masthead,
        tokens=Tokens(keys, config.newsletter.id),
        notes=Notes(keys, config.newsletter.id, joining.CONFIRM),
    )
