"""Log lines for people, or one JSON object a line for machines. Addresses are masked by default."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from newsletter.prose import json_shown, shown

LogFormat = Literal["text", "json"]


def configure(log_format: LogFormat, *, verbose: bool, run: str = "") -> None:
    """Send this program's log lines to stderr.

    `run` goes into every JSON line. `verbose` shows debug lines and whole addresses.
    """
    handler = _Stderr()
    handler.setFormatter(_Json(run) if log_format == "json" else _Text())
    if not verbose:
        handler.addFilter(_mask)
    logger = logging.getLogger("newsletter")
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


class _Stderr(logging.StreamHandler[Any]):
    """Writes to what stderr is at the time: where a bar is drawn, lines go above it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:  # noqa: ANN401 (as in the base class)
        return sys.stderr


def _mask(record: logging.LogRecord) -> bool:
    from newsletter.addresses import masked  # which takes a while to make its patterns

    record.msg, record.args = masked(record.getMessage()), None
    return True


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        mark = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        return shown(_with_traceback(self, record, mark + record.getMessage()))


class _Json(logging.Formatter):
    def __init__(self, run: str) -> None:
        super().__init__()
        self._run = run

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "run": self._run,
            "message": _with_traceback(self, record, record.getMessage()),
        }
        if (report := getattr(record, "report", None)) is not None:
            line["report"] = report
        return json_shown(line)


def _with_traceback(formatter: logging.Formatter, record: logging.LogRecord, text: str) -> str:
    if record.exc_info:
        return f"{text}\n{formatter.formatException(record.exc_info)}"
    return text
