"""What a venue says on its error stream: the one place that configures logging, for people or as JSON.

A record has an event, which is a name for programs, and fields; `event` gives both to a call of a logger. A record
without one is named by the constant words of its message. What looks like a secret is masked, whoever logs it.
"""

import logging
import os
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import json

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]
FORMAT_VARIABLE, LEVEL_VARIABLE = "LIONROCK_LOG_FORMAT", "LIONROCK_LOG_LEVEL"
"""Where processes that the venue starts find the two: its settings' own names."""
HELD_NS = 100_000_000
"""Work that holds the event loop for so long is told."""
MASK = "[masked]"
_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
_PLACEHOLDER = re.compile(r"%[-#0 +]*[0-9.*]*[a-z]")
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_EVENT_CHARS = 60


def event(name: str, **fields: object) -> dict[str, Any]:
    """The `extra` of a logger's call: the event's name and its fields, whose values JSON can hold."""
    return {"event": name, "fields": fields}


def configure(form: Format, level: Level) -> None:
    """Have every logger of the process write to the error stream, in place of what was configured before."""
    os.environ[FORMAT_VARIABLE], os.environ[LEVEL_VARIABLE] = form, level
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def configure_as_parent() -> None:
    """The same in a process that the venue has started."""
    form, level = os.environ.get(FORMAT_VARIABLE, "text"), os.environ.get(LEVEL_VARIABLE, "info")
    configure("json" if form == "json" else "text", level)  # type: ignore[arg-type]


def masked(text: str) -> str:
    """A text without what looks like a secret, a signature or a token: long runs of hexadecimal or mixed characters."""
    return _TOKEN.sub(lambda match: MASK if _is_secret(match[0]) else match[0], text)


def _is_secret(run: str) -> bool:
    if _HEX.search(run):
        return True
    kinds = (str.isdigit, str.isupper, str.islower)
    return all(any(map(kind, run)) for kind in kinds)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, event, message, the event's fields, and a traceback as `error`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
            "message": masked(record.getMessage()),
        }
        for name, value in _fields(record).items():
            line.setdefault(name, masked(value) if isinstance(value, str) else value)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _traceback(record.exc_info[1])
        return json.encode(line, enc_hook=str).decode()


class TextLines(logging.Formatter):
    """A line for people: time, logger, level, message, and the connection's and request's numbers if there are any."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        ids = "".join(f" {name}={fields[name]}" for name in ("connection", "request") if fields.get(name) is not None)
        message = f"{record.getMessage()}{ids and f' ({ids.strip()})'}"
        text = masked(f"{_time(record)} {record.name} {record.levelname} {message}")
        if record.exc_info and record.exc_info[1] is not None:
            text += f"\n{_traceback(record.exc_info[1])}"
        return text


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = getattr(record, "fields", {})
    return found


def _event(record: logging.LogRecord) -> str:
    named: str | None = getattr(record, "event", None)
    words = _NOT_A_WORD.sub("_", _PLACEHOLDER.sub(" ", str(record.msg)).lower()).strip("_")
    return named or words[:_EVENT_CHARS].strip("_") or record.name.rpartition(".")[2]


def _traceback(error: BaseException) -> str:
    """Where an error happened and what it says, and those behind it. What it says may hold secrets, code does not."""
    parts, seen = [], set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        frames = "".join(traceback.format_tb(following.__traceback__))
        parts.append(f"{frames}{type(following).__name__}: {masked(str(following))}")
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return "\ncaused by:\n".join(parts)
