"""Changing what one gets, pausing, and what is stored about oneself.

A token changes settings, for it is in every mail; what is stored is shown, and erased, only by a
link that goes to the address itself, since a mail is easily forwarded.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from flask import Blueprint, Response, abort, render_template, request

from newsletter.addresses import folded
from newsletter.job.letters.letter import ANSWER, letter
from newsletter.job.personal import forget, stored
from newsletter.models import Outgoing
from newsletter.numbers import answer_number
from newsletter.subscribers import editing, joining
from newsletter.subscribers.tokens import BadToken
from newsletter.web.door import Door
from newsletter.web.forms import choices, chosen, form_note, require_form

_FORM = "preferences"
_COLUMNS = (
    "name", "keywords", "frequency", "format", "abstracts", "order", "status", "paused_until",
)  # fmt: skip
# What those who choose nothing get.
_USUAL = {
    "full": "whole abstracts",
    "excerpt": "the sentence that matched",
    "none": "titles alone",
    "relevance": "what is closest to one's own papers",
    "date": "the newest",
}
_NOBODY = [
    "This link leads to no subscription: it may have been cut, or the subscription has ended.",
]
_ON_ITS_WAY = ["A mail with a link is on its way to the address. The link is good for two days."]
_FORGETTING = (
    "Your address is erased from the list and from all records. A mark that nobody can turn back"
    " into your address stays, so that you are never mailed again."
)
_OWN: dict[str, tuple[str, str, str]] = {
    "data": ("Your data", "Everything that is stored about you, as one JSON file.", "Show it"),
    "forget": ("Be forgotten", _FORGETTING, "Forget me"),
}


def pages(door: Door) -> Blueprint:
    """Return the pages under /preferences/ and /own/."""
    blueprint = Blueprint("preferences", __name__)
    _add_settings(blueprint, door)
    _add_own_data(blueprint, door)
    return blueprint


def _add_settings(blueprint: Blueprint, door: Door) -> None:
    path = door.config.subscribers.file

    def form(token: str, address: str, cells: Mapping[str, str], **more: Any) -> str:  # noqa: ANN401
        given = {"notes": (), "problems": {}, "seen": _fingerprint(cells)} | more
        return render_template(
            "preferences.html",
            heading="What you get",
            token=token,
            address=_masked(address),
            has_profile=bool(cells.get("profile") or cells.get("order")),
            form=form_note(door, _FORM),
            keywords=choices(door),
            chosen=chosen(cells),
            usual={
                "abstracts": _USUAL[door.config.newsletter.abstracts],
                "order": _USUAL[door.config.newsletter.order],
            },
            **given,
        )

    @blueprint.get("/preferences/<token>")
    def show(token: str) -> Any:  # noqa: ANN401 - a page, or one with a status
        found = _row_of(door, token)
        if found is None:
            return _nobody(door)
        address, row = found
        shown = {**row, "keywords": row.get("keywords") or "*"}
        return form(token, address, shown, seen=_fingerprint(row))

    @blueprint.post("/preferences/<token>")
    def change(token: str) -> Any:  # noqa: ANN401
        require_form(door, _FORM)
        found = _row_of(door, token)
        if found is None:
            return _nobody(door)
        address, before = found
        if (what := request.form.get("do", "save")) in _OWN:
            return _asked_for(door, address, what)
        given = _given(before)
        wish = joining.wish({"email": address, **given}, keywords=door.keywords)
        if wish.problems:
            page = form(
                token,
                address,
                {**given, "profile": before.get("profile", "")},
                problems=wish.problems,
                seen=_seen(),
            )
            return page, 422
        cells = {column: wish.cells[column] for column in _COLUMNS}
        # A column that the list lacks is made only for what somebody chose.
        new = {name: text for name, text in cells.items() if text != before.get(name, "")}
        if new:
            editing.change(path, address, new, keywords=door.keywords)
        return form(token, address, {**before, **cells}, notes=_saved(before, cells))


def _row_of(door: Door, token: str) -> tuple[str, dict[str, str]] | None:
    """Return whose a token is and what the list says of them; None for who gets no mails."""
    address = door.owner(token)
    if address is None or door.is_kept_off(address):
        return None
    row = editing.row_of(door.config.subscribers.file, address)
    return None if row is None else (address, row)


def _add_own_data(blueprint: Blueprint, door: Door) -> None:
    def asked(note: str) -> tuple[str, str] | None:
        try:
            (what, address), _ = door.own_requests.read(
                note, now=door.clock(), lasts=joining.CONFIRMS
            )
        except BadToken:
            return None
        return what, address

    @blueprint.get("/own/<note>")
    def ask(note: str) -> Any:  # noqa: ANN401
        found = asked(note)
        if found is None:
            return _nobody(door)
        heading, line, button = _OWN[found[0]]
        return render_template(
            "button.html", heading=heading, lines=[line], name="do", value=found[0], button=button
        )

    @blueprint.post("/own/<note>")
    def act(note: str) -> Any:  # noqa: ANN401
        found = asked(note)
        if found is None:
            return _nobody(door)
        what, address = found
        if what == "data":
            text = json.dumps(stored(door.config, address), ensure_ascii=False, indent=2)
            answer = Response(f"{text}\n", mimetype="application/json")
            answer.headers["Content-Disposition"] = "attachment; filename=my-data.json"
            return answer
        forget(door.config, address, now=door.clock())
        return _message(
            "You are forgotten", ["Nothing about you is stored any more but that mark."]
        )


def _saved(before: Mapping[str, str], cells: Mapping[str, str]) -> list[str]:
    notes = ["Saved. It holds from the next mail on."]
    if _seen() != _fingerprint(before):
        notes += ["This replaced what was chosen in another window:", *_differences(before, cells)]
    return notes


def _asked_for(door: Door, address: str, what: str) -> str:
    if not door.limits.allow_client(request.remote_addr or ""):
        abort(429)
    door.post.hand_in(partial(_letter, door, address, what, door.clock()))
    return _message("Look into your mail", _ON_ITS_WAY)


def _given(before: Mapping[str, str]) -> dict[str, str]:
    """Return what a form says; `order` is not asked of those without a profile, and stays."""
    given = {column: request.form.get(column, "") for column in _COLUMNS}
    given["order"] = request.form.get("order", before.get("order", ""))
    given["keywords"] = ";".join(request.form.getlist("keywords"))
    if given["status"] != "paused":
        given["paused_until"] = ""
    return given


def _seen() -> str:
    return request.form.get("seen", "")


def _fingerprint(cells: Mapping[str, str]) -> str:
    """Return a short text that tells whether settings are still those that a form showed."""
    shown = "\0".join(cells.get(column, "") for column in _COLUMNS)
    return hashlib.sha256(shown.encode()).hexdigest()[:16]


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [
        f"{column.replace('_', ' ')}: {before.get(column) or 'as usual'}"
        for column in _COLUMNS
        if before.get(column, "") != after[column]
    ]


def _masked(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def _nobody(door: Door) -> tuple[str, int]:
    again = {"url": f"{door.root}/subscribe", "label": "Subscribe"}
    heading = "No subscription here"
    return render_template("message.html", heading=heading, lines=_NOBODY, links=[again]), 404


def _message(heading: str, lines: list[str]) -> str:
    return render_template("message.html", heading=heading, lines=lines, links=[])


def _letter(door: Door, address: str, what: str, now: datetime) -> Outgoing | None:
    if not door.limits.to_address.allows(folded(address)):
        return None
    heading, line, _ = _OWN[what]
    note = door.own_requests.written([what, address], now=now)
    title = door.config.newsletter.title
    return letter(
        door.config.masthead,
        address,
        number=answer_number(now, address, what),
        subject=f"{title}: {heading.lower()}",
        text=(
            f"Somebody who has a mail of {title} to you, probably you, asked for this:\n{line}\n\n"
            f"It happens when you open this page and press its button, within two days:\n\n"
            f"{door.base_url}/own/{note}\n\nIf it was not you, do nothing.\n"
        ),
        now=now,
        headers=ANSWER,
        envelope_sender="",
    )
