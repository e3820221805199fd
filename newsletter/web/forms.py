"""What the forms of the door have in common: their choices, and proof that they are ours."""

from collections.abc import Mapping

from flask import abort, request
from msgspec import Struct

from newsletter.phrases import counted
from newsletter.subscribers.tokens import BadToken
from newsletter.web.door import FORM_LASTS, LATELY, Door


class Choice(Struct, frozen=True, kw_only=True):
    """A keyword to choose; `lately` says what it brought, empty where that is not known."""

    name: str
    lately: str


class Chosen(Struct, frozen=True, kw_only=True):
    """What stands in a form: the cells of a row, `*` among the keywords for all of them."""

    email: str = ""
    name: str = ""
    keywords: tuple[str, ...] = ("*",)
    frequency: str = "daily"
    format: str = "html"
    abstracts: str = ""
    order: str = ""
    status: str = "active"
    paused_until: str = ""


def choices(door: Door) -> list[Choice]:
    """Return the keywords, each with what it brought lately."""
    counts = door.lately()
    return [
        Choice(
            name=name,
            lately=f"{counted(counts[name], 'paper')} in {LATELY.days} days" if counts else "",
        )
        for name in door.keywords
    ]


def chosen(cells: Mapping[str, str]) -> Chosen:
    """Return the cells of a row as a form shows them; what they leave open is the default."""
    keywords = [name.strip() for name in cells.get("keywords", "").split(";") if name.strip()]
    return Chosen(
        email=cells.get("email", ""),
        name=cells.get("name", ""),
        keywords=tuple(keywords),
        frequency=cells.get("frequency", "").lower() or "daily",
        format=cells.get("format", "").lower() or "html",
        abstracts=cells.get("abstracts", "").lower(),
        order=cells.get("order", "").lower(),
        status=cells.get("status", "").lower() or "active",
        paused_until=cells.get("paused_until", ""),
    )


def form_note(door: Door, name: str) -> str:
    """Return what a form carries, so that no page of somebody else's can send it."""
    return door.forms.written(name, now=door.clock())


def require_form(door: Door, name: str) -> None:
    """End the request unless it comes from a form of that name that we handed out.

    Browsers send `Origin: null` from pages with `Referrer-Policy: no-referrer`, so the form's own
    note decides, and not the header.
    """
    try:
        given, _ = door.forms.read(request.form.get("form", ""), now=door.clock(), lasts=FORM_LASTS)
    except BadToken:
        abort(400)
    if given != name:
        abort(400)
