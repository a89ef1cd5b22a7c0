"""Bitstamp's live orders as captured today: JSON lines of the websocket's messages, or the events as CSV.

A line is a message of the channel live_orders_PAIR, as it comes or behind the time at which a tool wrote it; or that
time, `order_created` and the message's data. The CSV has the columns id, timestamp, exchange_timestamp (milliseconds),
price, volume (a decimal), action and direction. What an event means for a book:

- *created*: the order rests; but one that trades at once does not until its executions are over. Such an order's next
  event makes it smaller, and so does an event of an older order of the other side that its price reaches.
- *changed, deleted* with less than before: an execution, as these orders cannot be made smaller. The older order gave
  it; of the younger one it is the echo.
- *deleted* with what was left: a cancel. *changed* to another price: moved.
- *price 0*, or `order_subtype` 2: a market order never rests; its executions are in the events of the orders it took.
- Post-only orders that would trade are created and deleted with the same amount within a millisecond: whoever follows
  the orders lets an order that crosses the book wait outside, so nothing trades.

*Seeding.* From the first snapshot of a pair that has order ids (the channel detail_order_book_PAIR, or the answer to
/order_book/PAIR with group=2, as a line with `pair` or in a capture of one pair): orders that no event has named.
Snapshots are slower than events: one that an event deleted before stays away, although the snapshot shows it. An order
from before that changes rests from then on with what it has left, and is counted; its deletion has no effect.
*Forgetting.* Nothing. Later snapshots, trades and other channels are counted and left out.

*Times* are `microtimestamp`, or the exchange's of the CSV. What an order does next is looked for within HORIZON_NS and
HORIZON_EVENTS. *Units*: 0.01 and 0.00000001 unless `--contract PAIR,tick=...,lot=...` says otherwise.
An order above 2^30 ticks is left out, and what is said of it is counted.
"""

import re
from collections import defaultdict, deque
from typing import Annotated, NamedTuple

import msgspec

from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.recordings.batches import EVERYTHING, ContractSpec, Wanted
from engine.recordings.decimal_units import DecimalUnits
from engine.recordings.json_lines import JsonLives, Life
from engine.recordings.order_lives import LifeAction, LifeFlag
from engine.recordings.source import Source

HORIZON_NS = 100_000_000
HORIZON_EVENTS = 4096
REMEMBERED_ENDS = 1 << 18
CSV_COLUMNS = ("id", "timestamp", "exchange_timestamp", "price", "volume", "action", "direction")
EVENTS = {"order_created": "created", "order_changed": "changed", "order_deleted": "deleted"}
ORDERS, DETAILS, CSV_PAIR = "live_orders_", "detail_order_book_", "BTC_USD"
MARKET_SUBTYPE = 2
MAX_TIME_US = (1 << 63) // 1000 - 1
_SIDES = (SIDE_BUY, SIDE_SELL)
_DIRECTIONS = {"bid": 0, "ask": 1}
_SNAPSHOT_FLAGS = int(LifeFlag.SNAPSHOT | LifeFlag.LAST)
_ORDER_ID = re.compile(r"\d{1,19}", re.ASCII)
_NAMED = re.compile(rb"^\d{10,16} (order_(?:created|changed|deleted)) $")

Id = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class BitstampData(msgspec.Struct, gc=False):
    """What a message carries: an order, or a book with order ids."""

    id: Id | None = None
    order_type: int = -1
    order_subtype: int = 0
    microtimestamp: str = ""
    amount_str: str | None = None
    price_str: str | None = None
    amount: str | int | float | None = None
    price: str | int | float | None = None
    bids: list[list[str | int]] | None = None
    asks: list[list[str | int]] | None = None


class BitstampMessage(msgspec.Struct, gc=False):
    """A message of the websocket; an answer with a book has its fields at the top."""

    event: str = ""
    channel: str = ""
    data: BitstampData | str | None = None
    pair: str = ""
    microtimestamp: str = ""
    bids: list[list[str | int]] | None = None
    asks: list[list[str | int]] | None = None


class Event(NamedTuple):
    """One event of one order; `size_lots` is what is left, `taken_lots` what it has lost since its last event."""

    line: int
    time_ns: int
    contract: int
    action: str
    order_id: int
    side: int
    price_ticks: int
    size_lots: int
    taken_lots: int


class Known(NamedTuple):
    """An order that is not gone; `is_taking`: it does not rest, its executions are still to come."""

    contract: int
    side: int
    price_ticks: int
    size_lots: int
    is_taking: bool


class Pair(NamedTuple):
    """A market: its contract (-1: not wanted) and units."""

    contract: int
    ticks: DecimalUnits
    lots: DecimalUnits


def has_header(head: bytes) -> bool:
    """Whether this is the CSV."""
    return head.split(b"\n", 1)[0].strip() == ",".join(CSV_COLUMNS).encode()


def is_capture(head: bytes) -> bool:
    """Whether one of the first lines is a message of live orders, or the first the header of the CSV."""
    lines = head.split(b"\n")[:8]
    if has_header(head):
        return True
    for line in lines:
        if b'"live_orders_' in line and b'"channel"' in line:
            return True
        if _NAMED.match(line[: line.find(b"{")]) and b'"microtimestamp"' in line:
            return True
    return False


class BitstampLiveDecoder(JsonLives[BitstampMessage]):
    """Decodes one capture. An event is kept back until what comes within the horizon is known."""

    format = "bitstamp_live"
    message_type = BitstampMessage
    default = ContractSpec("", "0.01", "0.00000001")

    def __init__(self, source: Source, wanted: Wanted = EVERYTHING, skip_bad: bool = False) -> None:
        super().__init__(source, wanted, skip_bad)
        self._is_csv = has_header(source.head())
        self._data_decoder = msgspec.json.Decoder(BitstampData)
        self._pairs: dict[str, Pair] = {}
        self._window: deque[Event] = deque()
        self._later: defaultdict[int, deque[Event]] = defaultdict(deque)
        self._left: dict[int, int] = {}
        self._orders: dict[int, Known] = {}
        self._taking: dict[int, int] = {}
        """Orders that take: what has been given to them less what they have said of it."""
        self._gone: dict[int, None] = {}
        self._seeded: set[int] = set()

    def _message(self, line: bytes) -> BitstampMessage:
        if self._is_csv:
            return self._csv_message(line)
        named = _NAMED.match(line[: line.find(b"{")])
        if named is None:
            return super()._message(line)
        try:
            data = self._data_decoder.decode(line[named.end() :])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._error("line", f"is no order of a {self.format} capture: {str(error)[:100]}") from error
        return BitstampMessage(named[1].decode(), ORDERS + CSV_PAIR, data)

    def _csv_message(self, line: bytes) -> BitstampMessage:
        cells = line.decode("ascii", "replace").strip().split(",")
        if self.line == 1:
            return BitstampMessage()
        if len(cells) != len(CSV_COLUMNS):
            raise self._error("line", f"{len(cells)} fields instead of {len(CSV_COLUMNS)}")
        order_id, _, time_ms, price, volume, action, direction = cells
        if direction not in _DIRECTIONS:
            raise self._error("direction", f"{direction[:40]!r} is neither bid nor ask")
        if not order_id.isdecimal() or not order_id.isascii() or len(order_id) > 18:
            raise self._error("id", f"{order_id[:40]!r} is no whole number of at most 18 digits")
        data = BitstampData(int(order_id), _DIRECTIONS[direction], 0, f"{time_ms}000", volume, price)
        return BitstampMessage(f"order_{action}", ORDERS + CSV_PAIR, data)

    def _take(self, message: BitstampMessage) -> None:
        data = message.data
        if message.bids is not None and message.asks is not None:
            pair = self._pair(message.pair or self._only_pair())
            book = BitstampData(microtimestamp=message.microtimestamp, bids=message.bids, asks=message.asks)
            return self._snapshot(pair, book)
        if isinstance(data, BitstampData) and message.channel.startswith(DETAILS) and data.bids is not None:
            return self._snapshot(self._pair(message.channel.removeprefix(DETAILS)), data)
        if not message.channel.startswith(ORDERS) or message.event.startswith("bts:"):
            return None if self._is_csv and self.line == 1 else self._ignore("message of another channel")
        if message.event not in EVENTS:
            raise self._error("event", f"{message.event[:40]!r} is none of {', '.join(EVENTS)}")
        if not isinstance(data, BitstampData):
            raise self._error("data", "is no order")
        pair = self._pair(message.channel.removeprefix(ORDERS))
        if pair.contract < 0:
            return self._ignore("message of a pair that is not wanted")
        event = self._event(pair, EVENTS[message.event], data)
        return self._keep(event) if event else None

    # --- one event ------------------------------------------------------------------------------------------------

    def _event(self, pair: Pair, action: str, data: BitstampData) -> Event | None:
        if not data.id:
            raise self._error("id", "is missing")
        if data.order_type not in (0, 1):
            raise self._error("order_type", f"{data.order_type} is neither 0 (buy) nor 1 (sell)")
        price = data.price if data.price_str is None else data.price_str
        amount = data.amount if data.amount_str is None else data.amount_str
        size_lots = self._units("amount", None if amount is None else str(amount), pair.lots, least=0)
        time_ns = self._time_ns(data.microtimestamp)
        price_ticks: int | None = 0
        if data.order_subtype != MARKET_SUBTYPE:
            price_ticks = self._price("price", None if price is None else str(price), pair.ticks, least=0)
        if price_ticks is None:
            if data.id not in self._left:
                return None
            action, price_ticks = "deleted", 0
        taken_lots = max(0, self._left.get(data.id, 0) - size_lots)
        if action == "deleted":
            self._left.pop(data.id, None)
        else:
            self._left[data.id] = size_lots
        side = _SIDES[data.order_type]
        return Event(self.line, time_ns, pair.contract, action, data.id, side, price_ticks, size_lots, taken_lots)

    def _keep(self, event: Event) -> None:
        """Put an event into the window; what is beyond the horizon leaves it."""
        self._window.append(event)
        self._later[event.order_id].append(event)
        until_ns = event.time_ns - HORIZON_NS
        while self._window[0].time_ns < until_ns or len(self._window) > HORIZON_EVENTS:
            self._leave()

    def _finish(self) -> None:
        while self._window:
            self._leave()

    def _leave(self) -> None:
        """The first event of the window becomes rows, with all that is known of what comes soon."""
        event = self._window.popleft()
        later = self._later[event.order_id]
        later.popleft()
        if not later:
            del self._later[event.order_id]
        known = self._orders.get(event.order_id)
        if event.action == "created":
            self._created(event, known)
        elif known is None:
            self._unknown(event)
        elif known.is_taking:
            self._goes_on(event, known)
        else:
            self._changed(event, known)

    def _created(self, event: Event, known: Known | None) -> None:
        if known is not None or event.order_id in self._gone:
            return self._ignore("order that is created again, or after its end")
        is_taking = not event.price_ticks or not event.size_lots or self._takes(event)
        return self._enter(event, is_taking)

    def _enter(self, event: Event, is_taking: bool, flags: int = int(LifeFlag.LAST)) -> None:
        """An order that is not gone: it rests, or takes first."""
        known = Known(event.contract, event.side, event.price_ticks, event.size_lots, is_taking)
        self._orders[event.order_id] = known
        if is_taking:
            self._taking[event.order_id] = 0
        else:
            place = (event.order_id, event.side, event.price_ticks, event.size_lots)
            self._row(Life(LifeAction.ADD, event.contract, event.time_ns, *place, flags=flags), event.line)

    def _takes(self, event: Event) -> bool:
        """Whether an order trades at once: its next event is the echo of an execution that an older order gives."""
        later = self._later.get(event.order_id)
        return bool(later and later[0].taken_lots) and self._givers(event)[0] >= 0

    def _givers(self, event: Event) -> tuple[int, int]:
        """(place of the last event in the window of an older order that gives to this one or -1, lots of all)."""
        last, given_lots = -1, 0
        for place, other in enumerate(self._window):
            known = self._orders.get(other.order_id) if other.taken_lots else None
            if known and not known.is_taking and _meet(event, known):
                last, given_lots = place, given_lots + other.taken_lots
        return last, given_lots

    def _goes_on(self, event: Event, known: Known) -> None:
        """The echo of an execution that this order took; when nobody gives any more, what is left rests."""
        if event.action == "deleted" or not event.size_lots:
            del self._orders[event.order_id], self._taking[event.order_id]
            return self._forget(event.order_id)
        self._orders[event.order_id] = known._replace(size_lots=event.size_lots)
        self._taking[event.order_id] -= max(0, known.size_lots - event.size_lots)
        if not known.price_ticks:
            return None
        event = event._replace(price_ticks=known.price_ticks)
        last, given_lots = self._givers(event)
        owed_lots = self._taking[event.order_id] + given_lots
        if last < 0 and owed_lots <= 0:
            del self._taking[event.order_id]
            return self._enter(event, is_taking=False)
        later = self._later.get(event.order_id)
        if last >= 0 and owed_lots <= 0 and (not later or self._window.index(later[0]) > last):
            giver = self._window[last]
            rests = event._replace(action="rests", time_ns=giver.time_ns, line=giver.line)
            self._window.insert(last + 1, rests)
            self._later[event.order_id].appendleft(rests)
        return None

    def _changed(self, event: Event, known: Known) -> None:
        """A resting order gave, moved or went."""
        taken_lots, head = known.size_lots - event.size_lots, (event.contract, event.time_ns, event.order_id)
        is_moved = taken_lots < 0 or event.price_ticks not in (0, known.price_ticks)
        if event.action == "changed" and event.size_lots and is_moved:
            price_ticks = event.price_ticks or known.price_ticks
            self._orders[event.order_id] = known._replace(price_ticks=price_ticks, size_lots=event.size_lots)
            return self._row(Life(LifeAction.RESIZE, *head, 0, price_ticks, event.size_lots), event.line)
        if taken_lots > 0:
            for order_id in self._taking:
                if _meet(self._orders[order_id], known):
                    self._taking[order_id] += taken_lots
                    break
            self._row(Life(LifeAction.EXECUTE, *head, size_lots=taken_lots), event.line)
        if event.action == "deleted" and event.size_lots:
            self._row(Life(LifeAction.DELETE, *head), event.line)
        if event.action == "deleted" or not event.size_lots:
            del self._orders[event.order_id]
            return self._forget(event.order_id)
        self._orders[event.order_id] = known._replace(size_lots=event.size_lots)
        return None

    def _unknown(self, event: Event) -> None:
        """An order from before the capture, or one that is gone."""
        if event.order_id in self._gone:
            return self._ignore("event of an order after its end")
        if event.action == "deleted" or not event.size_lots or not event.price_ticks:
            self._ignore("end of an order from before the capture")
            return self._forget(event.order_id)
        self._ignore("change of an order from before the capture")
        return self._enter(event, is_taking=False)

    def _forget(self, order_id: int) -> None:
        """Remember that an order is gone: events that come late, or a snapshot, may still show it."""
        self._gone[order_id] = None
        if len(self._gone) > REMEMBERED_ENDS:
            del self._gone[next(iter(self._gone))]

    # --- snapshots, fields ----------------------------------------------------------------------------------------

    def _snapshot(self, pair: Pair, book: BitstampData) -> None:
        if pair.contract < 0:
            return self._ignore("message of a pair that is not wanted")
        if pair.contract in self._seeded:
            return self._ignore("snapshot after the first")
        events = []
        time_ns = self._time_ns(book.microtimestamp)
        for name, side, entries in (("bids", 0, book.bids), ("asks", 1, book.asks)):
            for entry in entries or ():
                if len(entry) != 3 or not _ORDER_ID.fullmatch(str(entry[2])) or not 0 < int(entry[2]) < 1 << 63:
                    raise self._error(name, f"{str(entry)[:60]} is not price, amount and order id")
                price_ticks = self._price(name, str(entry[0]), pair.ticks)
                size_lots, order_id = self._units(name, str(entry[1]), pair.lots), int(entry[2])
                where = (self.line, time_ns, pair.contract, "created", order_id, _SIDES[side])
                if price_ticks is not None:
                    events.append(Event(*where, price_ticks, size_lots, 0))
        self._finish()
        for event in sorted(events, key=lambda each: each.order_id):
            if event.order_id in self._gone:
                self._ignore("order of a snapshot that had ended before")
            elif event.order_id not in self._orders:
                self._left[event.order_id] = event.size_lots
                self._enter(event, is_taking=False, flags=_SNAPSHOT_FLAGS)
        self._seeded.add(pair.contract)
        return None

    def _pair(self, name: str) -> Pair:
        pair = self._pairs.get(name)
        if pair is None:
            if not name:
                raise self._error("channel", "names no pair")
            pair = self._pairs[name] = Pair(*self._market(name))
        return pair

    def _only_pair(self) -> str:
        if len(self._pairs) != 1:
            raise self._error("pair", f"is missing in a snapshot, and the capture has {len(self._pairs)} pairs so far")
        return next(iter(self._pairs))

    def _time_ns(self, text: str) -> int:
        if not text.isdecimal() or not text.isascii() or len(text) > 18 or not 0 < int(text) <= MAX_TIME_US:
            raise self._error("microtimestamp", f"{text[:40]!r} is no number of microseconds since 1970")
        return int(text) * 1000


def _meet(taker: Event | Known, maker: Known) -> bool:
    """Whether an order reaches the price of one of the other side; a market order reaches every price."""
    sign = 1 if taker.side == SIDE_BUY else -1
    is_reached = not taker.price_ticks or sign * maker.price_ticks <= sign * taker.price_ticks
    return is_reached and (taker.contract, taker.side) == (maker.contract, 3 - maker.side)
