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
from dataclasses import dataclass
from decimal import Decimal

from engine.codes import Side
from engine.recordings.batches import CHECKED_ROWS, READER_ID, Batch, Book, ContractSpec, Execution, Rows
from engine.recordings.recorded_queues import Queues
from engine.recordings.source import WIDEST, BadLineError, RecordingError, Source, whole_number
from engine.units import MAX_TICKS

CSV_COLUMNS = ("id", "timestamp", "exchange.timestamp", "price", "volume", "action", "direction")
ACTIONS = ("created", "changed", "deleted")
PRICE_PLACES, QUANTITY_PLACES = 2, 8
NS_PER_MS = 1_000_000
MAX_TIME_MS = ((1 << 63) - 1) // NS_PER_MS
MAX_PRICE_TICKS = 100_000
MAX_ORDER_LOTS = 1 << 52

_LOG_LINE = re.compile(rb"\d{13} (order_|trade )")


def is_log(head: bytes) -> bool:
    """Whether the first line is one of the raw log."""
    return _LOG_LINE.match(head) is not None


def is_csv(head: bytes) -> bool:
    """Whether the first line is the header of the order events as CSV."""
    return head.split(b"\n", 1)[0].strip() == ",".join(CSV_COLUMNS).encode()


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One event of one order; `lots` is what is left of it, for a deletion what was left."""

    time_ns: int
    action: str
    order_id: int
    side: int
    price_ticks: int
    lots: int


@dataclass(frozen=True, slots=True)
class Trade:
    """A recorded trade."""

    time_ns: int
    price_ticks: int
    lots: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A recorded book."""

    time_ns: int
    book: Book


Entry = OrderEvent | Trade | Snapshot


class BitstampReader:
    """Reads a raw log or the orders as CSV; with `book`, the CSV's log, the same events with snapshots and trades."""

    format = "bitstamp"
    has_clock = True
    is_log = False

    def __init__(self, source: Source, book: Source | None = None, skip_bad: bool = False) -> None:
        self.source, self.book, self.skip_bad = source, book, skip_bad
        self.contract = ContractSpec("BTC_USD", "0.01", "0.00000001", MAX_PRICE_TICKS)
        self.total, self.bad, self.depth = 0, 0, 0
        self.rows = Rows()
        self.recorded = Queues()
        self._gone: set[int] = set()
        self._covered: dict[int, int] = {}
        self._reader_ids = READER_ID

    def batches(self) -> Iterator[Batch]:
        """The whole recording; it is read completely first, because seeding looks ahead."""
        entries = self._entries()
        self.total = len(entries)
        snapshots = [entry.book for entry in entries if isinstance(entry, Snapshot)]
        self.depth = max((len(levels) for book in snapshots for levels in book), default=0)
        if entries:
            self.rows.begin(1, entries[0].time_ns)
            self._seed_earlier_orders(entries)
        for number, entry in enumerate(entries, 1):
            self.rows.begin(number, entry.time_ns)
            self._step(entry)
            if len(self.rows) >= CHECKED_ROWS:
                yield self.rows.flush(self.depth)
        yield self.rows.flush(self.depth)

    # --- the commands ---------------------------------------------------------------------------------------------

    def _step(self, entry: Entry) -> None:
        if isinstance(entry, Trade):
            self.rows.check([], [Execution(0, 0, entry.price_ticks, entry.lots)])
        elif isinstance(entry, Snapshot):
            self._seed_uncovered(entry.book)
            self.rows.check([entry.book], [])
        else:
            self._order_event(entry)
            if self.depth:
                self.rows.check([], [])

    def _order_event(self, event: OrderEvent) -> None:
        place = self.recorded.places.get(event.order_id)
        if event.action == "created":
            if event.order_id not in self._gone and place is None:
                self._create(event)
        elif place is None:
            self._gone.add(event.order_id)
        elif event.action == "deleted":
            self._forget(event.order_id)
            self._gone.add(event.order_id)
            self.rows.cancel(event.order_id)
        elif event.price_ticks != place[1]:
            self._forget(event.order_id)
            self.recorded.add(event.order_id, event.side, event.price_ticks, event.lots)
            self.rows.amend(event.order_id, event.lots, event.price_ticks)
        else:
            left = self.recorded.queue(*place)[event.order_id]
            self.recorded.take(event.order_id, max(0, left - event.lots))

    def _create(self, event: OrderEvent) -> None:
        self.recorded.add(event.order_id, event.side, event.price_ticks, event.lots)
        self.rows.new(event.order_id, event.side, event.price_ticks, event.lots)

    def _forget(self, order_id: int) -> None:
        self.recorded.take(order_id, self.recorded.queue(*self.recorded.places[order_id])[order_id])

    def _seed_earlier_orders(self, entries: list[Entry]) -> None:
        """Enter what is mentioned but was created before the start; a filled one had what the next trade took."""
        created = {entry.order_id for entry in entries if isinstance(entry, OrderEvent) and entry.action == "created"}
        earlier: dict[int, OrderEvent] = {}
        unfilled: dict[int, int] = {}
        for entry in entries:
            if isinstance(entry, Trade):
                for order_id in [order_id for order_id in unfilled if not unfilled[order_id]]:
                    unfilled[order_id] = entry.lots
            elif isinstance(entry, OrderEvent) and entry.order_id not in created and entry.order_id not in earlier:
                earlier[entry.order_id] = entry
                if entry.action == "changed" or not entry.lots:
                    unfilled[entry.order_id] = 0
        for order_id, event in sorted(earlier.items()):
            lots = event.lots + unfilled.get(order_id, 0)
            if lots:
                self._create(OrderEvent(event.time_ns, "created", order_id, event.side, event.price_ticks, lots))

    def _seed_uncovered(self, book: Book) -> None:
        """Enter the quantity of levels that no earlier snapshot reached, beyond what known orders account for."""
        for side, levels in zip(Side, book, strict=True):
            for price, lots in levels:
                known = sum(self.recorded.queue(side, price).values())
                if lots > known and self._uncovered(side, price):
                    self._reader_ids += 1
                    self.recorded.add(self._reader_ids, side, price, lots - known)
                    self.rows.new(self._reader_ids, side, price, lots - known)
            if levels and self._uncovered(side, levels[-1][0]):
                self._covered[side] = levels[-1][0]

    def _uncovered(self, side: int, price: int) -> bool:
        reach = self._covered.get(side)
        return reach is None or (price < reach if side == Side.BUY else price > reach)

    # --- the files ------------------------------------------------------------------------------------------------

    def _entries(self) -> list[Entry]:
        entries = self._parse(self.source)
        if self.book is None:
            return entries
        log = self._parse(self.book)
        if _identities(log) != _identities(entries):
            raise RecordingError(f"{self.book.name}: its order events are not those of {self.source.name}")
        return log

    def _parse(self, source: Source) -> list[Entry]:
        entries: list[Entry] = []
        csv = is_csv(source.head())
        parse = _csv_entry if csv else _log_entry
        for number, text in source.lines():
            if csv and number == 1:
                continue
            try:
                entries.append(parse(text, source.name, number))
            except BadLineError:
                if not self.skip_bad:
                    raise
                self.bad += 1
        return entries


def _identities(entries: list[Entry]) -> list[tuple[int, str, int]]:
    """What a CSV made from a log must share with it; its volumes are sometimes cut by one lot."""
    return [(entry.time_ns, entry.action, entry.order_id) for entry in entries if isinstance(entry, OrderEvent)]


def _csv_entry(text: str, file: str, line: int) -> Entry:
    cells = text.split(",")
    if len(cells) != len(CSV_COLUMNS):
        raise BadLineError(file, line, "line", f"{len(cells)} fields instead of {len(CSV_COLUMNS)}")
    order_id, time_ms, _, price, volume, action, direction = cells
    if action not in ACTIONS:
        raise BadLineError(file, line, "action", f"{action[:40]!r} is none of {', '.join(ACTIONS)}")
    if direction not in ("bid", "ask"):
        raise BadLineError(file, line, "direction", f"{direction[:40]!r} is neither bid nor ask")
    event = OrderEvent(
        _time_ns(time_ms, (file, line, "timestamp")),
        action,
        whole_number(order_id, (file, line, "id")),
        Side.BUY if direction == "bid" else Side.SELL,
        _scaled(price, PRICE_PLACES, (file, line, "price")),
        whole_number(volume, (file, line, "volume")),
    )
    return _valid(event, file, line)


def _log_entry(text: str, file: str, line: int) -> Entry:
    time_ms, _, rest = text.partition(" ")
    kind, _, body = rest.partition(" ")
    time_ns = _time_ns(time_ms, (file, line, "time"))
    try:
        content = json.loads(body, parse_float=str)
        if kind == "order_book":
            return Snapshot(time_ns, (_levels(content, "bids", (file, line)), _levels(content, "asks", (file, line))))
        if kind == "trade":
            lots = _rounded(content["amount"], QUANTITY_PLACES)
            return Trade(time_ns, _rounded(content["price"], PRICE_PLACES), lots)
        if kind.removeprefix("order_") not in ACTIONS:
            raise BadLineError(file, line, "kind", f"{kind[:40]!r} is not an event of this log")
        price = _scaled(content["price"], PRICE_PLACES, (file, line, "price"))
        lots = _scaled(content["amount"], QUANTITY_PLACES, (file, line, "amount"))
        side = {0: Side.BUY, 1: Side.SELL}[content["order_type"]]
        event = OrderEvent(time_ns, kind.removeprefix("order_"), int(content["id"]), side, price, lots)
    except BadLineError:
        raise
    except KeyError as error:
        raise BadLineError(file, line, str(error).strip("'"), "is missing or unknown") from error
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise BadLineError(file, line, "content", f"is not the JSON of {kind[:40]!r}: {error}") from error
    return _valid(event, file, line)


def _valid(event: OrderEvent, file: str, line: int) -> OrderEvent:
    if not 0 < event.order_id < READER_ID:
        raise BadLineError(file, line, "id", f"{event.order_id} is not within 1 to {READER_ID - 1}")
    if not 0 < event.price_ticks <= MAX_TICKS:
        raise BadLineError(file, line, "price", f"{event.price_ticks} ticks are not within 1 to {MAX_TICKS}")
    if not 0 <= event.lots <= MAX_ORDER_LOTS or (event.action == "created" and not event.lots):
        raise BadLineError(file, line, "amount", f"{event.lots} lots are not within 1 to {MAX_ORDER_LOTS}")
    return event


def _levels(content: dict[str, list[list[str]]], name: str, where: tuple[str, int]) -> list[tuple[int, int]]:
    return [
        (_scaled(price, PRICE_PLACES, (*where, name)), _scaled(amount, QUANTITY_PLACES, (*where, name)))
        for price, amount in content[name]
    ]


def _time_ns(text: str, where: tuple[str, int, str]) -> int:
    time_ms = whole_number(text, where)
    if not 0 <= time_ms <= MAX_TIME_MS:
        raise BadLineError(*where, f"{time_ms} ms are not within 0 to {MAX_TIME_MS}")
    return time_ms * NS_PER_MS


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
