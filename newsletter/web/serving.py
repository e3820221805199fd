"""Serve the door until told to stop: waitress, with an end to every slow client."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from threading import Event
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

from newsletter.config.loading import Config
from newsletter.errors import ConfigError, StateError
from newsletter.web.app import MAX_BODY, application
from newsletter.web.door import Door

_LETTERS_LEAVE = 2.0  # seconds that letters have when the server ends
_THREADS = 8
_GLANCE = 0.5  # seconds between looks at `stop`
_CONNECTIONS = 500

_log = logging.getLogger(__name__)


class _Channel(HTTPChannel):
    """A connection whose time runs from the beginning of a request: dripping does not renew it."""

    began = 0.0

    def handle_read(self) -> None:
        waiting = self.request is None
        super().handle_read()
        if waiting:
            self.began = time.time()
        if self.request is not None:
            self.last_activity = self.began


class _Server(TcpWSGIServer):
    channel_class = _Channel


def serve(
    config: Config,
    *,
    host: str,
    port: int,
    clock: Callable[[], datetime],
    stop: Event,
    patience: int = 60,
) -> None:
    """Serve on `host:port` until `stop` is set. Raises ConfigError without [web].

    `patience` is for how many seconds a client may take to say what it wants.
    """
    if config.web is None:
        raise ConfigError(
            ["web: missing; write [web] with base_url, the address that readers reach it by"]
        )
    door = Door(config, clock=clock)
    sockets: dict[int, Any] = {}
    try:
        server = _Server(
            application(door),
            sockets,
            host=host,
            port=port,
            threads=_THREADS,
            connection_limit=_CONNECTIONS,
            channel_timeout=patience,
            cleanup_interval=max(1, patience // 10),
            max_request_body_size=MAX_BODY,
            max_request_header_size=MAX_BODY,
            ident="",
            # The client is whom the proxy names.
            trusted_proxy=str(config.web.proxy),
            trusted_proxy_count=1,
            trusted_proxy_headers={"x-forwarded-for"},
            clear_untrusted_proxy_headers=True,
        )
    except OSError as error:
        raise StateError(
            config.state.file.parent, f"{host}:{port} cannot be listened on: {error.strerror}"
        ) from error
    if door.has_no_list:
        _log.warning(
            "%s is not here: readers can leave; joining, preferences and data answer 503. Serve"
            " those where the list is",
            config.subscribers.file,
        )
    door.get_ready()
    _log.info("the door is open at http://%s:%s, for %s", host, port, config.web.base_url)
    # One turn at a time, so that a socket is closed between turns, never while one waits for it.
    while not stop.is_set():
        wasyncore.loop(timeout=_GLANCE, use_poll=True, map=sockets, count=1)
    server.close()
    server.task_dispatcher.shutdown(timeout=int(_LETTERS_LEAVE))
    wasyncore.close_all(sockets, ignore_all=True)
    door.close(patience=_LETTERS_LEAVE)
