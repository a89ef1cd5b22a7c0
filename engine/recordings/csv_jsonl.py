"""Our own order format as text, CSV with a header line or JSON lines: one instruction a line, whole numbers only.

The fields and their rules are in `order_fields`. An example:

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
from typing import Any

import numpy as np

from engine.codes import NIL
from engine.recordings import order_text
from engine.recordings.batches import Batch, ContractSpec
from engine.recordings.line_blocks import line_blocks
from engine.recordings.order_fields import FIELDS, NEEDED, Names, check_columns, write_row
from engine.recordings.source import BadLineError, Source
from engine.schema import COMMAND

BLOCK_BYTES = 1 << 20
"""Text read at a time."""
BATCH_ROWS = 16_384
"""So few that the rows are still in the processor's cache when the engine reads them."""


def is_csv(head: bytes) -> bool:
    """Whether the first line is a header with any column of ours: what is wrong with it is then said by its name."""
    cells = head.split(b"\n", 1)[0].strip().split(b",")
    return bool({name.encode() for name in NEEDED} & set(cells)) or (len(cells) > 2 and b"action" in cells)


def is_jsonl(head: bytes) -> bool:
    """Whether the first line is an order instruction as JSON."""
    return head.startswith(b"{") and b'"action"' in head.split(b"\n", 1)[0]


class TextReader:
    """Reads our own format; `format` is csv or jsonl. Contracts and accounts have slots as they first appear."""

    has_clock = True
    depth = 0
    is_log = False
    total = 0

    def __init__(self, source: Source, skip_bad: bool = False) -> None:
        self.source, self.skip_bad = source, skip_bad
        self.contract = ContractSpec()
        self.format = "jsonl" if source.head().startswith(b"{") else "csv"
        self.bad = 0
        self.names = Names()
        self._header: list[str] = []
        self._columns = np.zeros(0, np.int64)
        self._order = np.arange(len(FIELDS))
        self._state = np.zeros(order_text.SCAN, np.int64)
        self._state[order_text.NO_CONTRACT] = NIL
        self._out = _new_out()

    @property
    def contracts(self) -> list[ContractSpec]:
        """The contracts that appeared so far, by slot."""
        return self.names.specs(self.contract)

    @property
    def accounts(self) -> int:
        """How many accounts appeared so far: their slots are those below."""
        return max(self.names.accounts, 1)

    def batches(self) -> Iterator[Batch]:
        """The whole recording; a message is a line (CSV: the header does not count)."""
        for text in line_blocks(self.source, BLOCK_BYTES):
            data = np.frombuffer(text, np.uint8)
            self._state[order_text.AT] = 0
            if self.format == "csv" and not self._header:
                self._read_header(text)
            while self._scan(text, data):
                yield self._batch()
        if self.format == "csv" and not self._header:
            raise BadLineError(self.source.name, 1, "header", f"is missing; columns are: {', '.join(FIELDS)}")
        yield self._batch()

    def _scan(self, text: bytes, data: Any) -> bool:
        """Read on in a block: whether the rows are full, so that there may be more of it."""
        while True:
            tables = order_text.tables(self.names)
            why = order_text.scan(data, self._columns, self._order, tables, self._out, self._state)
            if why != order_text.UNUSUAL:
                return why == order_text.FULL
            self._unusual(text)

    def _unusual(self, text: bytes) -> None:
        """Read the line at which the scan stopped by the rules themselves."""
        state = self._state
        begin = int(state[order_text.AT])
        end = text.index(b"\n", begin)
        state[order_text.LINE] += 1
        state[order_text.AT] = end + 1
        line = text[begin:end].decode("ascii", "replace").strip()
        if not line:
            return
        row = self._out.rows[state[order_text.ROWS]]
        try:
            fields = self._json(line) if self.format == "jsonl" else self._csv(line)
            write_row(fields, (self.source.name, int(state[order_text.LINE])), self.names, row)
        except BadLineError:
            if not self.skip_bad:
                raise
            self.bad += 1
            return
        row["time_ns"] = state[order_text.CLOCK_NS] = int(row["time_ns"]) or state[order_text.CLOCK_NS]
        if "" in self.names.contracts:
            state[order_text.NO_CONTRACT] = self.names.contracts.index("")
        self._out.lines[state[order_text.ROWS]] = state[order_text.LINE]
        state[order_text.ROWS] += 1

    def _batch(self) -> Batch:
        """What was read since the last batch."""
        rows, header = int(self._state[order_text.ROWS]), self.format == "csv"
        messages = self._out.lines[:rows] - header
        batch = Batch(self._out.rows[:rows], messages, messages, int(self._state[order_text.LINE]) - header)
        self._state[order_text.ROWS], self._out = 0, _new_out()
        return batch

    def _read_header(self, text: bytes) -> None:
        """Take the first line that is not blank as the names of the columns."""
        end = text.index(b"\n")
        header = text[:end].decode("ascii", "replace").strip().split(",")
        check_columns(header, (self.source.name, 1))
        self._header, self._columns = header, np.array([FIELDS.index(name) for name in header])
        self._state[order_text.AT], self._state[order_text.LINE] = end + 1, 1

    def _csv(self, text: str) -> Mapping[str, str]:
        where = (self.source.name, int(self._state[order_text.LINE]), "line")
        try:
            cells = next(csv.reader([text]))
        except csv.Error as error:
            raise BadLineError(*where, f"is not CSV: {error}") from error
        if len(cells) != len(self._header):
            raise BadLineError(*where, f"{len(cells)} fields instead of {len(self._header)}")
        return dict(zip(self._header, cells, strict=True))

    def _json(self, text: str) -> Mapping[str, str]:
        where = (self.source.name, int(self._state[order_text.LINE]))
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadLineError(*where, "line", f"is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise BadLineError(*where, "line", "is not a JSON object")
        for name, value in content.items():
            if name not in FIELDS:
                raise BadLineError(*where, repr(name[:40])[1:-1], f"is none of {', '.join(FIELDS)}")
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | str)):
                reason = f"{json.dumps(value)[:40]} is neither text nor a whole number"
                raise BadLineError(*where, name, reason)
        return {name: "" if value is None else str(value) for name, value in content.items()}


def _new_out() -> order_text.Out:
    lines, values = np.zeros(BATCH_ROWS, np.int64), np.zeros(len(FIELDS), np.int64)
    return order_text.Out(np.zeros(BATCH_ROWS, COMMAND), lines, values)
