"""Joining: a form, a letter with a link, a button behind the link that adds the row to the list.

What the form answers is the same for every address: who is on the list is told only by mail, to
the address itself.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from flask import Blueprint, abort, render_template, request

from newsletter.addresses import folded
from newsletter.job.letters.letter import ANSWER, letter
from newsletter.models import Outgoing
from newsletter.numbers import answer_number
from newsletter.subscribers import editing, joining
from newsletter.subscribers.tokens import BadToken
from newsletter.web.door import Door
from newsletter.web.forms import choices, chosen, form_note, require_form

_FORM = "subscribe"
_FIRST = {"email": "", "name": "", "keywords": "", "frequency": "daily", "format": "html"}
_SENT = [
    "A mail with a link is on its way to the address you gave, if that address can join.",
    "The link is good for two days. If nothing comes, look into the spam folder.",
]
_TOO_OLD = [
    "This link is too old, or is not whole; a mail program may have cut it.",
    "Nothing was changed. You can ask for a new one.",
]


def pages(door: Door) -> Blueprint:
    """Return the pages under /subscribe and /confirm/."""
    blueprint = Blueprint("subscribe", __name__)
    _add_form(blueprint, door)
    _add_confirmation(blueprint, door)
    return blueprint


def _add_form(blueprint: Blueprint, door: Door) -> None:
    def form(cells: Mapping[str, str], problems: Mapping[str, str]) -> str:
        return render_template(
            "subscribe.html",
            heading="Subscribe",
            form=form_note(door, _FORM),
            keywords=choices(door),
            chosen=chosen(cells),
            problems=problems,
        )

    @blueprint.get("/subscribe")
    def ask() -> str:
        return form(_FIRST, {})

    @blueprint.post("/subscribe")
    def send_link() -> str | tuple[str, int]:
        require_form(door, _FORM)
        given = {
            "email": request.form.get("email", ""),
            "name": request.form.get("name", ""),
            "keywords": ";".join(request.form.getlist("keywords")),
            "frequency": request.form.get("frequency", ""),
            "format": request.form.get("format", ""),
        }
        wish = joining.wish(given, keywords=door.keywords)
        if wish.problems:
            return form(given, wish.problems), 422
        if not door.limits.allow_client(request.remote_addr or ""):
            abort(429)
        door.post.hand_in(partial(_letter, door, wish.cells, door.clock()))
        return render_template("message.html", heading="Look into your mail", lines=_SENT, links=[])


def _add_confirmation(blueprint: Blueprint, door: Door) -> None:
    title = door.config.newsletter.title
    again = {"url": f"{door.root}/subscribe", "label": "Subscribe"}

    def wished(note: str) -> tuple[dict[str, str], datetime] | None:
        try:
            cells, asked = door.confirmations.read(note, now=door.clock(), lasts=joining.CONFIRMS)
        except BadToken:
            return None
        return dict(cells), asked

    def too_old() -> tuple[str, int]:
        heading = "This link does not work any more"
        page = render_template("message.html", heading=heading, lines=_TOO_OLD, links=[again])
        return page, 404

    @blueprint.get("/confirm/<note>")
    def ask_again(note: str) -> Any:  # noqa: ANN401 - a page, or one with a status
        found = wished(note)
        if found is None:
            return too_old()
        # Scanners follow links: only the button adds anybody.
        return render_template(
            "button.html",
            heading=f"Subscribe to {title}",
            lines=[_in_words(found[0])],
            name="confirm",
            value="yes",
            button="Subscribe",
        )

    @blueprint.post("/confirm/<note>")
    def join(note: str) -> Any:  # noqa: ANN401
        found = wished(note)
        if found is None or not door.join(found[0], asked=found[1]):
            return too_old()
        token = door.tokens.token(found[0]["email"])
        change = {"url": f"{door.root}/preferences/{token}", "label": "Change what you get"}
        lines = ["The next issue comes to you.", _in_words(found[0])]
        return render_template(
            "message.html", heading="You are subscribed", lines=lines, links=[change]
        )


def _in_words(cells: Mapping[str, str]) -> str:
    keywords = cells.get("keywords", "*")
    named = "all keywords" if "*" in keywords else ", ".join(keywords.split(";"))
    return f"{cells['email']}: {named}, {cells.get('frequency') or 'daily'}."


def _letter(door: Door, cells: Mapping[str, str], now: datetime) -> Outgoing | None:
    """Return what goes to an address that somebody gave: a link to join, or to what it has."""
    email = cells["email"]
    if not door.limits.to_address.allows(folded(email)):
        return None
    title = door.config.newsletter.title
    if not door.is_kept_off(email) and editing.row_of(door.config.subscribers.file, email):
        purpose, subject = "already", f"You are subscribed to {title}"
        text = (
            f"Somebody, probably you, asked to subscribe this address to {title}.\n"
            "It is subscribed already. What it gets can be changed here:\n\n"
            f"{door.base_url}/preferences/{door.tokens.token(email)}\n"
        )
    elif door.may_join(email, asked=now):
        purpose, subject = "confirm", f"Please confirm: {title}"
        text = (
            f"Somebody, probably you, asked to subscribe this address to {title}:\n"
            f"{_in_words(cells)}\n\n"
            "To confirm, open this page and press its button, within two days:\n\n"
            f"{door.base_url}/confirm/{door.confirmations.written(dict(cells), now=now)}\n\n"
            "If it was not you, do nothing: nothing is sent to you without it.\n"
        )
    else:
        return None
    return letter(
        door.config.masthead,
        email,
        number=answer_number(now, email, purpose),
        subject=subject,
        text=text,
        now=now,
        headers=ANSWER,
        envelope_sender="",
    )
