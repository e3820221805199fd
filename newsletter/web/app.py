"""The door as a WSGI application: its pages, and what is said when something cannot be."""

import logging
from pathlib import Path
from typing import Any

from flask import Flask, Response, make_response, render_template, request, send_from_directory
from werkzeug.exceptions import HTTPException

from newsletter.archive.folder import is_name_of_ours
from newsletter.errors import NewsletterError
from newsletter.web import preferences, subscribe, unsubscribe
from newsletter.web.door import Door

MAX_BODY = 16 * 1024

_PAGES = Path(__file__).parent / "pages"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
_STRICT = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_NOT_HERE = ["There is nothing at this address."]
_NO_LIST = [
    "Joining, and changing what one gets, does not work here: the list is kept elsewhere.",
    "To leave, use the link to unsubscribe in any mail; that works.",
]
_PLAIN_WORDS = {
    400: ("That was not understood", ["Go back, load the page again, and try once more."]),
    404: ("Nothing here", _NOT_HERE),
    405: ("Nothing here", _NOT_HERE),
    413: ("That was too much", ["What was sent is longer than anything this page asks for."]),
    429: ("Too many at once", ["Please try again in an hour."]),
}

_log = logging.getLogger(__name__)


def application(door: Door) -> Flask:
    """Return the application. Nothing that it logs has a token or an address in it."""
    app = Flask("newsletter", static_folder=None, template_folder=str(_PAGES))
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=MAX_BODY, MAX_FORM_PARTS=500
    )
    app.jinja_env.globals.update(title=door.config.newsletter.title, root=door.root)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    for pages in (unsubscribe.pages(door), subscribe.pages(door), preferences.pages(door)):
        app.register_blueprint(pages)
    _add_files(app, door)
    _add_errors(app)

    @app.before_request
    def without_a_list() -> Response | None:
        needs_it = request.blueprint in {"subscribe", "preferences"}
        return _not_here() if needs_it and door.has_no_list else None

    app.after_request(_closed)
    return app


def _add_files(app: Flask, door: Door) -> None:
    @app.get("/")
    def home() -> str:
        links = [{"url": f"{door.root}/subscribe", "label": "Subscribe"}]
        if door.has_no_list:
            links.clear()
        if door.config.archive.directory:
            links.append({"url": f"{door.root}/archive/", "label": "Past issues"})
        lines = ["New papers by mail, for the keywords that you choose."]
        return render_template("message.html", heading="Papers by mail", lines=lines, links=links)

    @app.get("/healthz")
    def healthz() -> Response:
        return _text("ok\n")

    @app.get("/robots.txt")
    def robots() -> Response:
        private = "unsubscribe preferences confirm own".split()  # noqa: SIM905
        return _text("".join(["User-agent: *\n", *(f"Disallow: /{each}/\n" for each in private)]))

    @app.get("/style.css")
    @app.get("/favicon.svg")
    def page_file() -> Response:
        return send_from_directory(_PAGES, request.path.rpartition("/")[2], max_age=3600)

    @app.get("/favicon.ico")
    def icon() -> Response:
        return send_from_directory(_PAGES, "favicon.svg", max_age=3600)

    @app.get("/archive/", defaults={"name": "index.html"})
    @app.get("/archive/<path:name>")
    def archive(name: str) -> Response:
        folder = door.config.archive.directory
        if folder is None or not is_name_of_ours(name):
            return make_response(_page(404))
        return send_from_directory(folder.absolute(), name)


def _add_errors(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return make_response(_page(error.code or 400))

    @app.errorhandler(NewsletterError)
    @app.errorhandler(OSError)
    def untrusted(error: Exception) -> Response:
        _log.error("a page could not be served: %s", error)
        return _later()

    @app.errorhandler(Exception)
    def broken(error: Exception) -> Response:
        _log.error("this is a bug; please report it with these lines", exc_info=error)
        return _later()


def _not_here() -> Response:
    """Say that the list is not here; the link in each mail leads to where one can leave."""
    heading = "Only leaving works here"
    text = render_template("message.html", heading=heading, lines=_NO_LIST, links=[])
    return make_response(text, 503)


def _later() -> Response:
    lines = ["This does not work at the moment. Please try again later."]
    text = render_template("message.html", heading="Try later", lines=lines, links=[])
    answer = make_response(text, 503)
    answer.headers["Retry-After"] = "600"
    return answer


def _page(code: int) -> tuple[str, int]:
    heading, lines = _PLAIN_WORDS.get(code, _PLAIN_WORDS[400])
    return render_template("message.html", heading=heading, lines=lines, links=[]), code


def _closed(answer: Response) -> Response:
    answer.headers.update(_HEADERS)
    if not request.path.startswith("/archive/"):  # its pages say themselves what they need
        answer.headers["Content-Security-Policy"] = _STRICT
        answer.headers.setdefault("Cache-Control", "no-store")
    rule: Any = request.url_rule
    _log.info("%s %s: %s", request.method, rule.rule if rule else "elsewhere", answer.status_code)
    return answer


def _text(text: str) -> Response:
    return Response(text, mimetype="text/plain")
