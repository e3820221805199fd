"""Write the newest issue to a folder, for looking at. It sends nothing and changes no state."""

from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

from newsletter.config.loading import Config
from newsletter.errors import ConfigError, StateError
from newsletter.files import private
from newsletter.job import parts
from newsletter.mails.render import filled
from newsletter.models import Delivery, Subscriber
from newsletter.preview import viewing
from newsletter.state.opening import opened, there_is
from newsletter.state.state import State

ANYBODY = "reader@example.org"


def write(
    config: Config,
    folder: Path,
    *,
    now: datetime,
    subscriber: str | None,
    keyword: str | None,
) -> list[Path]:
    """Write HTML, text, .eml and a page that shows them, and return their paths.

    All keywords unless a subscriber or a keyword is named. Raises StateError before the first
    issue, ConfigError for a name that is not known.
    """
    if not there_is(config.place):
        raise StateError(config.place.name, "there is no issue yet; try: newsletter run --dry-run")
    with opened(config.place) as state:
        number = state.newest_issue()
        if not number:
            raise StateError(config.place.name, "no issue was opened yet; there is nothing to show")
        reader = listed(config, subscriber) if subscriber else Subscriber(email=ANYBODY)
        papers_from = parts.source(config, stop=Event())
        profiles = parts.profiles(config, state, papers_from, now=now, keep=False)
        press = parts.press(
            config,
            state,
            keys=parts.token_keys(config, mailed=True),
            now=now,
            orders=parts.orders(config, state, [reader], profiles),
        )
        delivery = Delivery(
            id=0,
            issue=number,
            after=_after(state, number, reader),
            recipient=reader.email,
            keywords=_keywords(config, reader, keyword),
            format=reader.format,
            frequency=reader.frequency,
            abstracts=reader.abstracts,
        )
        rendered = press.rendered(delivery)
        message = b"".join(press.outgoing(delivery).message)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"issue-{number}"
    html, text = filled(rendered.html, "#", "#"), filled(rendered.text, "#", "#")
    shown = viewing.page(
        "preview.html",
        subject=rendered.subject,
        recipient=reader.email,
        html=f"{name}.html",
        text=text,
        source=message.decode("utf-8", errors="replace"),
    )
    contents = {
        folder / f"{name}.html": html.encode(),
        folder / f"{name}.txt": text.encode(),
        folder / f"{name}.eml": message,
        folder / "index.html": shown.encode(),
    }
    for path, content in contents.items():
        with open(path, "wb", opener=private) as file:
            file.write(content)
    return list(contents)


def listed(config: Config, email: str) -> Subscriber:
    """Return who has an address on the list. Raises ConfigError where nobody has."""
    people = parts.everybody(config).subscribers
    place = people.place_of(email)
    if place is None:
        raise ConfigError([f"{config.subscribers.file.name}: there is no subscriber {email!r}"])
    return people[place]


def _after(state: State, number: int, reader: Subscriber) -> int:
    """Return after which issue a reader's edition begins: of a weekly one, a week before."""
    if reader.frequency == "daily":
        return number - 1
    (newest,) = state.issues(number - 1, number)
    return state.newest_issue(by=newest.date - timedelta(days=7))


def _keywords(config: Config, reader: Subscriber, keyword: str | None) -> tuple[str, ...]:
    names = tuple(each.name for each in config.keywords)
    if keyword is None:
        return names if reader.keywords is None else reader.keywords
    if keyword not in names:
        raise ConfigError([f"there is no keyword {keyword!r}; there are {', '.join(names)}"])
    return (keyword,)
