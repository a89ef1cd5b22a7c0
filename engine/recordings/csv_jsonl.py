"""Our own order format, as CSV with a header line or as JSON lines: one order instruction a line, whole numbers only.

- `action` (all): `new`, `amend` or `cancel`.
- `cl_ord_id` (all): the order's id, 1 or more; amend and cancel name a live order by it.
- `time_ns` (all): nanoseconds since the epoch, UTC; missing or 0: the time of the line before.
- `side` (new): `buy` or `sell`.
- `qty_lots` (new, amend): total quantity in lots, what is filled included.
- `price_ticks` (new, amend): limit price in ticks; market orders have none; in an amend 0 or missing keeps it.
- `ord_type` (new): `limit` (default), `market`, `stop_market`, `stop_limit`, `take_market`, `take_limit` or
  `trailing_stop`.
- `tif` (new): `gtc` (default), `ioc`, `fok`, `gtd`; `expire_ns`: when a `gtd` order ends.
- `trigger_price_ticks` (new, amend) and `trigger_source` (new; `mark` by default, `index`, `last`): conditional orders.
- `offset_ticks` (new): of a trailing stop.
- `display_lots` (new): makes it an iceberg that shows so much.
- `flags` (new, amend): any of `post_only`, `reject_post_only`, `reduce_only`, `forfeit_priority`, `qty_is_leaves`,
  separated by spaces.

Unknown fields are refused, missing ones are empty. An example:

    time_ns,action,cl_ord_id,side,qty_lots,price_ticks,tif,flags
    1000,new,1,sell,5,101,,
    2000,new,2,buy,3,99,gtc,post_only
    3000,new,3,buy,2,101,ioc,
    4000,amend,2,,2,,,
    5000,cancel,1,,,,,

and a line of it as JSON:

    {"time_ns": 2000, "action": "new", "cl_ord_id": 2, "side": "buy", "qty_lots": 3, "price_ticks": 99}
"""

import csv
import json
from collections.abc import Iterator, Mapping
from enum import IntEnum

import numpy as np

from engine.codes import CommandKind, ExecInst, OrdType, PriceSource, Side, TimeInForce
from engine.recordings.batches import BATCH_ROWS, READER_ID, Batch, ContractSpec, command_rows
from engine.recordings.source import BadLineError, Source, whole_number
from engine.units import MAX_LOTS, MAX_TICKS

_ACTIONS = {"new": CommandKind.NEW, "amend": CommandKind.AMEND, "cancel": CommandKind.CANCEL}
_WORDS: dict[str, type[IntEnum]] = {
    "side": Side,
    "ord_type": OrdType,
    "tif": TimeInForce,
    "trigger_source": PriceSource,
}
_NUMBERS = {
    "cl_ord_id": (1, READER_ID - 1),
    "time_ns": (0, (1 << 63) - 1),
    "qty_lots": (0, MAX_LOTS),
    "price_ticks": (0, MAX_TICKS),
    "expire_ns": (0, (1 << 63) - 1),
    "trigger_price_ticks": (0, MAX_TICKS),
    "offset_ticks": (0, MAX_TICKS),
    "display_lots": (0, MAX_LOTS),
}
_FLAGS = {
    flag.name.lower(): flag
    for flag in (
        ExecInst.POST_ONLY,
        ExecInst.REJECT_POST_ONLY,
        ExecInst.REDUCE_ONLY,
        ExecInst.FORFEIT_PRIORITY,
        ExecInst.QTY_IS_LEAVES,
    )
}
_CONDITIONAL = (
    OrdType.STOP_MARKET,
    OrdType.STOP_LIMIT,
    OrdType.TAKE_MARKET,
    OrdType.TAKE_LIMIT,
    OrdType.TRAILING_STOP,
)
FIELDS = ("action", *_NUMBERS, *_WORDS, "flags")
_COLUMNS = ("kind", "flags", *_NUMBERS, *_WORDS)
REQUIRED = {"new": ("cl_ord_id", "side", "qty_lots"), "amend": ("cl_ord_id", "qty_lots"), "cancel": ("cl_ord_id",)}


def is_csv(head: bytes) -> bool:
    """Whether the first line is a header of ours."""
    return {b"action", b"cl_ord_id"} <= set(head.split(b"\n", 1)[0].strip().split(b","))


def is_jsonl(head: bytes) -> bool:
    """Whether the first line is an order instruction as JSON."""
    return head.startswith(b"{") and b'"action"' in head.split(b"\n", 1)[0]


class TextReader:
    """Reads our own format; `format` is csv or jsonl."""

    has_clock = True
    depth = 0
    is_log = False
    total = 0

    def __init__(self, source: Source, skip_bad: bool = False) -> None:
        self.source, self.skip_bad = source, skip_bad
        self.contract = ContractSpec()
        self.format = "jsonl" if source.head().startswith(b"{") else "csv"
        self.bad, self._time_ns = 0, 0
        self._header: list[str] = []

    def batches(self) -> Iterator[Batch]:
        """The whole recording; a message is a line (CSV: the header does not count)."""
        rows: list[tuple[int, ...]] = []
        messages: list[int] = []
        for number, text in self.source.lines():
            if self.format == "csv" and not self._header:
                self._header = self._read_header(text, number)
                continue
            try:
                rows.append(self._row(text, number))
                messages.append(number - (self.format == "csv"))
            except BadLineError:
                if not self.skip_bad:
                    raise
                self.bad += 1
            if len(rows) == BATCH_ROWS:
                yield _batch(rows, messages)
                rows, messages = [], []
        yield _batch(rows, messages)

    def _read_header(self, text: str, line: int) -> list[str]:
        header = text.split(",")
        for name in header:
            if name not in FIELDS:
                raise BadLineError(self.source.name, line, "header", f"{name[:40]!r} is none of {', '.join(FIELDS)}")
        for name in ("action", "cl_ord_id"):
            if header.count(name) != 1:
                raise BadLineError(self.source.name, line, "header", f"{name} must stand there once")
        return header

    def _row(self, text: str, line: int) -> tuple[int, ...]:
        file = self.source.name
        fields = self._json(text, line) if self.format == "jsonl" else self._csv(text, line)
        action = fields.get("action", "")
        if action not in _ACTIONS:
            raise BadLineError(file, line, "action", f"{action[:40]!r} is none of {', '.join(_ACTIONS)}")
        for name in REQUIRED[action]:
            if not fields.get(name):
                raise BadLineError(file, line, name, f"is missing, {action} needs it")
        numbers = [_number(name, fields.get(name, ""), (file, line, name)) for name in _NUMBERS]
        words = [_word(name, fields.get(name, ""), (file, line, name)) for name in _WORDS]
        values = dict(zip((*_NUMBERS, *_WORDS), (*numbers, *words), strict=True))
        flags = _flags(fields.get("flags", ""), (file, line, "flags"))
        if action == "new":
            values["ord_type"] = values["ord_type"] or OrdType.LIMIT
            values["tif"] = values["tif"] or TimeInForce.GTC
            flags |= ExecInst.ICEBERG if values["display_lots"] else 0
            flags |= ExecInst.CONDITIONAL if values["ord_type"] in _CONDITIONAL else 0
        self._time_ns = values["time_ns"] = values["time_ns"] or self._time_ns
        return (_ACTIONS[action], flags, *values.values())

    def _csv(self, text: str, line: int) -> Mapping[str, str]:
        try:
            cells = next(csv.reader([text]))
        except csv.Error as error:
            raise BadLineError(self.source.name, line, "line", f"is not CSV: {error}") from error
        if len(cells) != len(self._header):
            raise BadLineError(self.source.name, line, "line", f"{len(cells)} fields instead of {len(self._header)}")
        return dict(zip(self._header, cells, strict=True))

    def _json(self, text: str, line: int) -> Mapping[str, str]:
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadLineError(self.source.name, line, "line", f"is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise BadLineError(self.source.name, line, "line", "is not a JSON object")
        for name, value in content.items():
            if name not in FIELDS:
                raise BadLineError(self.source.name, line, name[:40], f"is none of {', '.join(FIELDS)}")
            if isinstance(value, bool) or not isinstance(value, int | str):
                reason = f"{json.dumps(value)[:40]} is neither text nor a whole number"
                raise BadLineError(self.source.name, line, name, reason)
        return {name: str(value) for name, value in content.items()}


def _batch(rows: list[tuple[int, ...]], messages: list[int]) -> Batch:
    numbers = np.array(messages, np.int64)
    return Batch(command_rows(rows, _COLUMNS), numbers, numbers, messages[-1] if messages else 0)


def _number(name: str, text: str, where: tuple[str, int, str]) -> int:
    if not text:
        return 0
    value = whole_number(text, where)
    low, high = _NUMBERS[name]
    if not low <= value <= high:
        raise BadLineError(*where, f"{value} is not within {low} to {high}")
    return value


def _word(name: str, text: str, where: tuple[str, int, str]) -> int:
    if not text:
        return 0
    words = {code.name.lower(): code.value for code in _WORDS[name]}
    if text not in words:
        raise BadLineError(*where, f"{text[:40]!r} is none of {', '.join(words)}")
    return words[text]


def _flags(text: str, where: tuple[str, int, str]) -> int:
    flags = 0
    for word in text.split():
        if word not in _FLAGS:
            raise BadLineError(*where, f"{word[:40]!r} is none of {', '.join(_FLAGS)}")
        flags |= _FLAGS[word]
    return flags
