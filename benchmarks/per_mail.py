"""What a mail costs where each is made by itself: the rivals of `benchmarks.render`.

A rival is told the papers of an edition as the templates see them, in which form there is room for
each, and the subject. It has our templates as they were written, each as one template of Jinja with
its loops, compiled once. It fills both, inlines the HTML, and puts them, with fewer headers than
ours have, into an `EmailMessage`, as bytes. It shares nothing between mails.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined

from newsletter.mails import wording
from newsletter.mails.fitting import Card, Part, Section
from newsletter.mails.pieces import LADDERS, Joined
from newsletter.mails.printing import BEST, TITLES
from newsletter.mails.render import Renderer
from newsletter.mails.template import wrapped
from newsletter.mails.views import values
from newsletter.models import Edition, Masthead

TEMPLATES = Path(__file__).parents[1] / "templates"

# Blocks of our templates in the order in which a mail has them.
_ORDER = """\
[opening]
{% for name, papers in groups %}
[group]
[papers]
{% for paper in papers %}
[item]
{% endfor %}
[papers_end]
{% endfor %}
{% if index %}
[index]
{% endif %}
{% for digest, papers, also, here_too in sections %}
[digest]
{% if papers %}
[papers]
{% for form, shown in papers %}
{% with paper = shown.paper, reason = "", comment = shown.comment, abstract = shown.abstract %}
{% if form == "least" %}
[least]
{% elif form == "line" %}
[line]
{% else %}
[paper]
{% endif %}
{% endwith %}
{% endfor %}
[papers_end]
{% endif %}
[rest]
{% endfor %}
[closing]
"""


class Told(NamedTuple):
    """A mail as a rival is told it: what its templates show, for HTML and for text."""

    subject: str
    html: dict[str, object]
    text: dict[str, object]


def told_of(renderer: Renderer, edition: Edition, link: str) -> Told:
    """Return what is shown in our mail of an edition, with one link for all that is personal."""
    layout = renderer.laid_out(edition)
    mail = renderer.render(layout)
    page = layout.page
    best = [card.view.short_title for card in page.best(6)]
    shared = {
        **layout.frame,
        "subject": mail.subject,
        "preheader": wording.shortened(" · ".join(best[1:]), 140),
        "keywords": layout.keywords,
        "preferences": layout.frame["preferences"] and link,
        "unsubscribe": link,
        "small": False,
        "more": "",
        "failed": "",
    }
    several = len(page.sections) > 1
    titled = page.sections if len(page) > 1 else ()
    all_titles = [(each.heading.name if several else "", each.cards) for each in titled]
    few = len(page) <= TITLES
    return Told(
        subject=mail.subject,
        html={
            **shared,
            "groups": _groups(all_titles if few else [(f"The best {BEST}", page.best(BEST))]),
            "index": () if few or not several else page.headings,
            "sections": [*_sections("html", page.sections, {*_pieces(mail.html)})],
        },
        text={
            **shared,
            "groups": _groups(all_titles),
            "index": (),
            "sections": [*_sections("text", page.sections, {*_pieces(mail.text)})],
        },
    )


def _groups(titles: Iterable[tuple[str, Sequence[Card]]]) -> list[tuple[str, list[object]]]:
    return [(name, [card.view for card in cards]) for name, cards in titles if cards]


def _pieces(pieces: Iterable[str]) -> Iterator[str]:
    for each in pieces:
        yield from each.pieces if isinstance(each, Joined) else (each,)


def _sections(
    part: Part, sections: Iterable[Section], shown: set[str]
) -> Iterator[tuple[object, ...]]:
    """Yield sections with the forms in which papers are `shown`, by the pieces of a mail."""
    for each in sections:
        papers = []
        for card in each.cards:
            made = getattr(card, part).made
            form = next(form for form in (*LADDERS["full"], "entry") if made[form] in shown)
            papers.append((form, values(card.view, form, "")))
        named = part == "text" or each.rest.html in shown
        also = [card.view for card in each.also] if named else []
        yield each.heading, papers, also, wording.here_too(len(each.also)) if each.also else ""


class Peer:
    """Makes mails one by one, with something that inlines them."""

    def __init__(
        self, masthead: Masthead, now: datetime, inline: Callable[[str], str] = str
    ) -> None:
        self._masthead, self._date, self.inline = masthead, format_datetime(now), inline
        self._html, self._text = _whole("edition.html"), _whole("edition.txt")

    def html(self, mail: Told) -> str:
        """Return the HTML before anything is inlined."""
        return self._html(mail.html)

    def text(self, mail: Told) -> str:
        """Return the text, in lines as we have them."""
        return wrapped(self._text(mail.text))

    def message(self, mail: Told, recipient: str, link: str) -> bytes:
        """Return the message to one recipient."""
        message = EmailMessage()
        message["From"], message["To"] = self._masthead.sender, recipient
        message["Subject"], message["Date"] = mail.subject, self._date
        message["Message-ID"] = make_msgid(domain="example.org")
        message["List-Id"] = f"<{self._masthead.id}.example.org>"
        message["List-Unsubscribe"] = f"<{link}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(self.text(mail))
        message.add_alternative(self.inline(self.html(mail)), subtype="html")
        return bytes(message)


def _whole(name: str) -> Callable[[dict[str, object]], str]:
    """Return what fills a template of ours at once."""
    written = (TEMPLATES / name).read_text("utf-8")
    blocks = dict(re.findall(r"{% block (\w+) %}\n(.*?){% endblock %}\n", written, re.DOTALL))
    order = re.sub(r"\[(\w+)\]\n", lambda found: blocks.get(found[1], ""), _ORDER)
    environment = Environment(
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(order).render
