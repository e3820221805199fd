"""Leaving: a page with a button for people, and one click for their mail programs (RFC 8058).

Nothing tells whether a token is known, forged or used: the pages are the same bytes.
"""

from flask import Blueprint, render_template, request

from newsletter.web.door import Door

FIELD, CLICK = "List-Unsubscribe", "One-Click"


def pages(door: Door) -> Blueprint:
    """Return the pages under /unsubscribe/."""
    blueprint = Blueprint("unsubscribe", __name__)
    title = door.config.newsletter.title

    @blueprint.get("/unsubscribe/<token>")
    def ask(token: str) -> str:  # noqa: ARG001 - scanners fetch it: it must do nothing
        return render_template(
            "button.html",
            heading=f"Leave {title}?",
            lines=["You will get no more mails from the next one on."],
            name=FIELD,
            value=CLICK,
            button="Leave",
        )

    @blueprint.post("/unsubscribe/<token>")
    def leave(token: str) -> str:
        if request.form.get(FIELD) != CLICK:
            return ask(token)
        door.leave(token)
        lines = ["You will get no more mails. One that is on its way may still arrive."]
        back = {"url": f"{door.root}/subscribe", "label": "Come back"}
        return render_template("message.html", heading="You have left", lines=lines, links=[back])

    return blueprint
