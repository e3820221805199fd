"""Write the newest issue to a folder, for looking at. It sends nothing and changes no state."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from newsletter import assembly
from newsletter.addresses import folded
from newsletter.config import Config
from newsletter.errors import ConfigError, StateError
from newsletter.models import Delivery, Subscriber
from newsletter.render import filled
from newsletter.state import State

ANYBODY = "reader@example.org"


def write(
    config: Config,
    folder: Path,
    *,
    now: datetime,
    subscriber: str | None,
    keyword: str | None,
) -> Iterator[Path]:
    """Write HTML, text and .eml of the newest issue into `folder`, and yield their paths.

    All keywords unless a subscriber or a keyword is named. Raises StateError before the first
    issue, ConfigError for a name that is not known.
    """
    if not config.state.file.exists():
        raise StateError(config.state.file, "there is no issue yet; try: newsletter run --dry-run")
    with State.open(config.state.file) as state:
        number = state.newest_issue()
        if not number:
            raise StateError(config.state.file, "no issue was opened yet; there is nothing to show")
        reader = _reader(config, state, subscriber)
        press = assembly.press(config, state, now=now)
        delivery = Delivery(
            id=0,
            issue=number,
            after=number - 1,
            recipient=reader.email,
            keywords=_keywords(config, reader, keyword),
            format=reader.format,
        )
        rendered = press.rendered(delivery)
        message = b"".join(press.outgoing(delivery).message)
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"issue-{number}"
    for suffix, content in (
        (".html", filled(rendered.html, "#").encode()),
        (".txt", filled(rendered.text, "#").encode()),
        (".eml", message),
    ):
        path = stem.with_suffix(suffix)
        path.write_bytes(content)
        yield path


def _reader(config: Config, state: State, email: str | None) -> Subscriber:
    if email is None:
        return Subscriber(email=ANYBODY)
    people = assembly.subscribers(config, state, accept_list=True).subscribers
    for each in people:
        if folded(each.email) == folded(email):
            return each
    raise ConfigError([f"{config.subscribers.file.name}: there is no subscriber {email!r}"])


def _keywords(config: Config, reader: Subscriber, keyword: str | None) -> tuple[str, ...]:
    names = tuple(each.name for each in config.keywords)
    if keyword is None:
        return names if reader.keywords is None else reader.keywords
    if keyword not in names:
        raise ConfigError([f"there is no keyword {keyword!r}; there are {', '.join(names)}"])
    return (keyword,)
