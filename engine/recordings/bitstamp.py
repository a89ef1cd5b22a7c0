"""Bitstamp's live order stream of 2015 (level 3): the raw log, or its orders alone as CSV.

The log holds order events (created, changed, deleted), trades without order ids, and snapshots of the 20 best levels.
How its events become commands:

- *created* is a new limit order. One that crosses trades in the engine at once; the log tells the same trades
  afterwards, as changes of both orders.
- *changed* at the same price is such an echo and gives no command: these orders could not be amended, so only trades
  make them smaller. *changed* to another price is how a market order walks the book: it moves the order, with the
  quantity that its money still buys there.
- *deleted* is a cancel. Of an order that the engine has filled it is the echo of the last trade: UNKNOWN_ORDER.
- Events of an order that was deleted before are repeats or out of order and are left out.

*Seeding.* Orders from before the start that the file mentions later are entered at the start, in the order of their
ids. Those that it never mentions are entered as one anonymous order per level, when a snapshot first shows their level.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np

from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.recordings.batches import READER_ID, Batch, ContractSpec
from engine.recordings.bitstamp_follower import CHANGED, CREATED, DELETED, ENTRY, SNAPSHOT, TRADE, Follower, fill_books
from engine.recordings.bitstamp_log import (
    FIELDS,
    KIND,
    LOTS,
    ORDER_ID,
    PRICE,
    PRICE_PLACES,
    QUANTITY_PLACES,
    SIDE,
    TIME_MS,
    parse_log,
)
from engine.recordings.integer_csv import BLOCK_BYTES, WORD, Array, Lines, LineStream, Settled, word_value
from engine.recordings.source import WIDEST, BadLineError, RecordingError, Source, whole_number
from engine.units import MAX_TICKS

CSV_COLUMNS = ("id", "timestamp", "exchange.timestamp", "price", "volume", "action", "direction")
ACTIONS = ("created", "changed", "deleted")
"""In the order of CREATED, CHANGED and DELETED."""
NS_PER_MS = 1_000_000
MAX_TIME_MS = ((1 << 63) - 1) // NS_PER_MS
MAX_PRICE_TICKS = 100_000
MAX_ORDER_LOTS = 1 << 52
_CSV_PLACES = np.array([0, 0, 0, PRICE_PLACES, 0, WORD, WORD])
_CSV_ID, _CSV_TIME, _, _CSV_PRICE, _CSV_VOLUME, _CSV_ACTION, _CSV_DIRECTION = range(7)
_BID = word_value("bid")

_LOG_LINE = re.compile(rb"\d{13} (order_|trade )")


def is_log(head: bytes) -> bool:
    """Whether the first line is one of the raw log."""
    return _LOG_LINE.match(head) is not None


def is_csv(head: bytes) -> bool:
    """Whether the first line is the header of the order events as CSV."""
    return head.split(b"\n", 1)[0].strip() == ",".join(CSV_COLUMNS).encode()


class BitstampReader:
    """Reads a raw log or the orders as CSV; with `book`, the CSV's log, the same events with snapshots and trades."""

    format = "bitstamp"
    has_clock = True
    is_log = False

    def __init__(self, source: Source, book: Source | None = None, skip_bad: bool = False) -> None:
        self.source, self.book, self.skip_bad = source, book, skip_bad
        self.contract = ContractSpec("BTC_USD", "0.01", "0.00000001", MAX_PRICE_TICKS)
        self.total, self.bad, self.depth = 0, 0, 0
        self._slow_levels: list[tuple[int, int]] = []
        self._first_slow = 0

    def batches(self) -> Iterator[Batch]:
        """The whole recording; it is read completely first, because seeding looks ahead."""
        entries, books = self._entries()
        self.total, self.depth = len(entries), books.shape[1]
        if len(entries):
            yield from Follower(entries, books).batches(_earlier_orders(entries))

    # --- the files ------------------------------------------------------------------------------------------------

    def _entries(self) -> tuple[Array, Array]:
        """All entries, and the books of the snapshots among them."""
        entries, levels = self._parse(self.source)
        if self.book is not None:
            log, levels = self._parse(self.book)
            if not np.array_equal(_identities(log), _identities(entries)):
                raise RecordingError(f"{self.book.name}: its order events are not those of {self.source.name}")
            entries = log
        shown = entries[entries["kind"] == SNAPSHOT]
        depth = int(max(shown["price_ticks"].max(), shown["lots"].max())) if len(shown) else 0
        return entries, fill_books(entries, levels, depth)

    def _parse(self, source: Source) -> tuple[Array, Array]:
        """The entries of a file; those of snapshots name their levels by their place among all of them."""
        parts, levels = [np.zeros(0, ENTRY)], [np.zeros((0, 2), np.int64)]
        kept = 0
        for values, more in self._csv(source) if is_csv(source.head()) else self._log(source):
            entries = np.zeros(len(values), ENTRY)
            entries["time_ns"] = values[:, TIME_MS] * NS_PER_MS
            for column, place in (("order_id", ORDER_ID), ("price_ticks", PRICE), ("lots", LOTS)):
                entries[column] = values[:, place]
            entries["kind"], entries["side"] = values[:, KIND], values[:, SIDE]
            entries["order_id"][entries["kind"] == SNAPSHOT] += kept
            kept += len(more)
            parts.append(entries)
            levels.append(more)
        return np.concatenate(parts), np.concatenate(levels)

    def _csv(self, source: Source) -> Iterator[tuple[Array, Array]]:
        lines = LineStream(source, _CSV_PLACES, partial(self._settle_csv, source.name))
        is_done = False
        while not is_done:
            numbers, values, bad = lines.take(BLOCK_BYTES)
            is_done = len(numbers) < BLOCK_BYTES
            good = ~bad & (numbers > 1)
            self.bad += int(bad.sum())
            yield _of_csv(values[good]), np.zeros((0, 2), np.int64)
        if lines.error is not None:
            raise lines.error

    def _settle_csv(self, file: str, lines: Lines) -> Settled:
        """The header's line counts as good, whatever its values are."""
        values = _of_csv(lines.values)
        good = lines.plain & _are_valid(values) & (values[:, KIND] >= 0) & (values[:, SIDE] > 0)
        good |= lines.numbers == 1
        return lines.settle(good, partial(_csv_values, file), self.skip_bad)

    def _log(self, source: Source) -> Iterator[tuple[Array, Array]]:
        for first_line, data in source.blocks(BLOCK_BYTES):
            lines, levels = parse_log(data, first_line)
            good = lines.plain & (_are_valid(lines.values) | (lines.values[:, KIND] > DELETED))
            good &= lines.values[:, TIME_MS] <= MAX_TIME_MS
            good &= lines.values[:, TIME_MS] >= 0
            self._slow_levels, self._first_slow = [], len(levels)
            bad, error = lines.settle(good, partial(self._log_values, source.name), self.skip_bad)
            if error is not None:
                raise error
            self.bad += int(bad.sum())
            slow = np.array(self._slow_levels, np.int64).reshape(-1, 2)
            yield lines.values[~bad], np.concatenate([levels, slow])

    def _log_values(self, file: str, line: int, text: str) -> list[int]:
        """The values of a line of the log, whatever it looks like. BadLineError for what is none."""
        where = file, line
        time_ms, _, rest = text.partition(" ")
        kind, _, body = rest.partition(" ")
        time = _time_ms(time_ms, (*where, "time"))
        try:
            content = json.loads(body, parse_float=str)
            if kind == "order_book":
                bids, asks = (_levels(content, name, where) for name in ("bids", "asks"))
                begin = self._first_slow + len(self._slow_levels)
                self._slow_levels += bids + asks
                return [time, SNAPSHOT, begin, len(bids), len(asks), 0]
            if kind == "trade":
                lots = _rounded(content["amount"], QUANTITY_PLACES)
                return [time, TRADE, 0, _rounded(content["price"], PRICE_PLACES), lots, 0]
            if kind.removeprefix("order_") not in ACTIONS:
                raise BadLineError(*where, "kind", f"{kind[:40]!r} is not an event of this log")
            price = _scaled(content["price"], PRICE_PLACES, (*where, "price"))
            lots = _scaled(content["amount"], QUANTITY_PLACES, (*where, "amount"))
            side = {0: SIDE_BUY, 1: SIDE_SELL}[content["order_type"]]
            values = [time, ACTIONS.index(kind.removeprefix("order_")), int(content["id"]), price, lots, side]
        except BadLineError:
            raise
        except KeyError as error:
            raise BadLineError(*where, str(error).strip("'"), "is missing or unknown") from error
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise BadLineError(*where, "content", f"is not the JSON of {kind[:40]!r}: {error}") from error
        _validate(values, where)
        return values


def _identities(entries: Array) -> Array:
    """What a CSV made from a log must share with it; its volumes are sometimes cut by one lot."""
    orders = entries[entries["kind"] <= DELETED]
    return np.stack([orders["time_ns"], orders["kind"], orders["order_id"]])


def _earlier_orders(entries: Array) -> Array:
    """What is mentioned but was created before the start, by id; a filled one had what the next trade took."""
    orders = np.flatnonzero(entries["kind"] <= DELETED)
    created = entries["order_id"][entries["kind"] == CREATED]
    orders = orders[~np.isin(entries["order_id"][orders], created)]
    _, first = np.unique(entries["order_id"][orders], return_index=True)
    places = orders[first]
    found = entries[places]
    trades = np.flatnonzero((entries["kind"] == TRADE) & (entries["lots"] != 0))
    taken = np.append(entries["lots"][trades], 0)[np.searchsorted(trades, places)]
    found["lots"] += np.where((found["kind"] == CHANGED) | (found["lots"] == 0), taken, 0)
    return found[found["lots"] != 0]


def _are_valid(values: Array) -> Array:
    """Which entries are orders whose values are within bounds, or trades."""
    good = (values[:, TIME_MS] >= 0) & (values[:, TIME_MS] <= MAX_TIME_MS)
    good &= (values[:, ORDER_ID] > 0) & (values[:, ORDER_ID] < READER_ID)
    good &= (values[:, PRICE] > 0) & (values[:, PRICE] <= MAX_TICKS)
    good &= (values[:, LOTS] >= 0) & (values[:, LOTS] <= MAX_ORDER_LOTS)
    good &= (values[:, KIND] != CREATED) | (values[:, LOTS] > 0)
    return good & (values[:, KIND] <= DELETED)


def _of_csv(values: Array) -> Array:
    """The columns of an entry from those of the CSV; an action or a direction that is none gives -1."""
    found = np.zeros((len(values), FIELDS), np.int64)
    for place, column in ((TIME_MS, _CSV_TIME), (ORDER_ID, _CSV_ID), (PRICE, _CSV_PRICE), (LOTS, _CSV_VOLUME)):
        found[:, place] = values[:, column]
    actions = [values[:, _CSV_ACTION] == word_value(action) for action in ACTIONS]
    found[:, KIND] = np.select(actions, range(len(ACTIONS)), -1)
    sides = [values[:, _CSV_DIRECTION] == _BID, values[:, _CSV_DIRECTION] == word_value("ask")]
    found[:, SIDE] = np.select(sides, (SIDE_BUY, SIDE_SELL), -1)
    return found


def _csv_values(file: str, line: int, text: str) -> list[int]:
    """The values of a line of the CSV, whatever it looks like. BadLineError for what is none."""
    cells = text.split(",")
    if len(cells) != len(CSV_COLUMNS):
        raise BadLineError(file, line, "line", f"{len(cells)} fields instead of {len(CSV_COLUMNS)}")
    order_id, time_ms, _, price, volume, action, direction = cells
    if action not in ACTIONS:
        raise BadLineError(file, line, "action", f"{action[:40]!r} is none of {', '.join(ACTIONS)}")
    if direction not in ("bid", "ask"):
        raise BadLineError(file, line, "direction", f"{direction[:40]!r} is neither bid nor ask")
    time = _time_ms(time_ms, (file, line, "timestamp"))
    identity = whole_number(order_id, (file, line, "id"))
    ticks = _scaled(price, PRICE_PLACES, (file, line, "price"))
    lots = whole_number(volume, (file, line, "volume"))
    _validate([time, ACTIONS.index(action), identity, ticks, lots, 0], (file, line))
    return [identity, time, 0, ticks, lots, word_value(action), word_value(direction)]


def _validate(values: list[int], where: tuple[str, int]) -> None:
    if not 0 < values[ORDER_ID] < READER_ID:
        raise BadLineError(*where, "id", f"{values[ORDER_ID]} is not within 1 to {READER_ID - 1}")
    if not 0 < values[PRICE] <= MAX_TICKS:
        raise BadLineError(*where, "price", f"{values[PRICE]} ticks are not within 1 to {MAX_TICKS}")
    if not 0 <= values[LOTS] <= MAX_ORDER_LOTS or (values[KIND] == CREATED and not values[LOTS]):
        raise BadLineError(*where, "amount", f"{values[LOTS]} lots are not within 1 to {MAX_ORDER_LOTS}")


def _levels(content: Any, name: str, where: tuple[str, int]) -> list[tuple[int, int]]:
    return [
        (_scaled(price, PRICE_PLACES, (*where, name)), _scaled(amount, QUANTITY_PLACES, (*where, name)))
        for price, amount in content[name]
    ]


def _time_ms(text: str, where: tuple[str, int, str]) -> int:
    time_ms = whole_number(text, where)
    if not 0 <= time_ms <= MAX_TIME_MS:
        raise BadLineError(*where, f"{time_ms} ms are not within 0 to {MAX_TIME_MS}")
    return time_ms


def _scaled(text: object, places: int, where: tuple[str, int, str]) -> int:
    """A decimal as a whole number of units of 10^-places, exactly; in JSON it is text, or a whole number."""
    if isinstance(text, bool) or not isinstance(text, int | str):
        raise BadLineError(*where, f"{str(text)[:40]} is no decimal")
    text = str(text)
    whole, _, fraction = text.partition(".")
    if fraction[places:].strip("0"):
        raise BadLineError(*where, f"{text[:40]!r} has more than {places} decimals")
    value = whole_number(whole + fraction[:places].ljust(places, "0"), where)
    if abs(value) > WIDEST:
        raise BadLineError(*where, f"{text[:40]} is too large")
    return value


def _rounded(text: str | int, places: int) -> int:
    """A number that went through binary floating point in the log, back to the nearest unit of 10^-places."""
    value = (Decimal(text).scaleb(places)).to_integral_value()
    if not abs(value) <= WIDEST:
        raise ValueError(f"{str(text)[:40]} is too large")
    return int(value)
