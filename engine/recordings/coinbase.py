"""Coinbase Exchange's full channel as captured: JSON lines of several products, and snapshots of level 3 among them.

What a message means for a book:

- *open*: what is left of an order rests. *match*: the resting order (maker) gave a quantity; matches of one taker are
  one aggressor. *change*: a resting order is left with `new_size`, at `new_price` if that is given. *done* of a resting
  order: it is gone.
- *received, activate*, and *change* or *done* of an order that does not rest, change no book.
- *A snapshot* (the answer to /products/PRODUCT/book?level=3 on a line of its own, with `product_id`, or without in a
  capture of one product): all orders of the product are gone, and the snapshot's rest instead.
- Messages of other channels (subscriptions, heartbeat, ticker, status, level 2 and what else comes) are counted.

*Seeding.* From snapshots. A snapshot is older than the line it stands on: of the messages before it, those with a
higher `sequence` are applied to it first, as many as RECENT_MESSAGES of them are kept. A later snapshot that shows
the orders that were there changes nothing; orders that it shows otherwise are counted: how exact the capture is.
*Forgetting.* Nothing. A match of an order that never opened is a trade beside the book, and counted.

*Gaps.* `sequence` counts by one for each product. What is missing is counted; what comes again is left out and counted.
*Ids* are UUIDs: each order gets a number, from 1. *Prices and sizes* are decimals of the contract's tick and lot, 0.01
and 0.00000001 unless `--contract PRODUCT,tick=...,lot=...` says otherwise. An order above 2^30 ticks is left out and
counted.
"""

import re
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Annotated, NamedTuple

import msgspec

from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.codes import Side
from engine.recordings.batches import EVERYTHING, ContractSpec, Wanted
from engine.recordings.decimal_units import DecimalUnits
from engine.recordings.json_lines import JsonLives, Life, time_ns_of
from engine.recordings.order_lives import LifeAction, LifeFlag
from engine.recordings.source import Source

RECENT_MESSAGES = 1 << 14
CHANNEL = ("received", "open", "match", "change", "done", "activate")
"""The types of the full channel."""
_LEVEL_3 = re.compile(rb'"(bids|asks)":\[\["[0-9.]+","[0-9.]+","[0-9a-f]{8}-')
_SIDES = {"buy": SIDE_BUY, "sell": SIDE_SELL}
_LAST, _SNAPSHOT, _AGGRESSOR = int(LifeFlag.LAST), int(LifeFlag.SNAPSHOT), int(LifeFlag.AGGRESSOR)


class CoinbaseMessage(msgspec.Struct, gc=False):
    """One message: the fields that matter here of all types, empty where a type has none."""

    type: str = ""
    product_id: str = ""
    sequence: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] = 0
    time: str = ""
    side: str = ""
    order_id: str = ""
    maker_order_id: str = ""
    taker_order_id: str = ""
    size: str | None = None
    remaining_size: str | None = None
    new_size: str | None = None
    price: str | None = None
    new_price: str | None = None
    bids: list[list[str | int]] | None = None
    asks: list[list[str | int]] | None = None


class Resting(NamedTuple):
    """A resting order: its number, side, price and what is left."""

    number: int
    side: int
    price_ticks: int
    size_lots: int


@dataclass
class Product:
    """What is known of one product: its contract (-1: not wanted), its open orders by UUID, its latest messages."""

    contract: int
    ticks: DecimalUnits
    lots: DecimalUnits
    orders: dict[str, Resting] = field(default_factory=dict)
    sequence: int = 0
    taker: str = ""
    is_seeded: bool = False
    recent: deque[CoinbaseMessage] = field(default_factory=lambda: deque(maxlen=RECENT_MESSAGES))


def is_coinbase(head: bytes) -> bool:
    """Whether one of the first lines is a message of the full channel, or a snapshot of level 3."""
    for line in head.split(b"\n")[:8]:
        begin = line.find(b"{")
        if begin < 0:
            continue
        message = line[begin:].replace(b" ", b"")
        if b'"sequence":' in message and any(b'"type":"%s"' % kind.encode() in message for kind in CHANNEL):
            return True
        if _LEVEL_3.search(message):
            return True
    return False


class CoinbaseDecoder(JsonLives[CoinbaseMessage]):
    """Decodes one capture."""

    format = "coinbase"
    message_type = CoinbaseMessage
    default = ContractSpec("", "0.01", "0.00000001")

    def __init__(self, source: Source, wanted: Wanted = EVERYTHING, skip_bad: bool = False) -> None:
        super().__init__(source, wanted, skip_bad)
        self._products: dict[str, Product] = {}
        self._last_number, self._time_ns = 0, 0
        self._handlers = {"open": self._open, "match": self._match, "change": self._change, "done": self._done}

    def _take(self, message: CoinbaseMessage) -> None:
        if message.bids is not None and message.asks is not None and message.sequence and not message.type:
            return self._snapshot(message)
        if message.type not in CHANNEL:
            return self._ignore("message of another channel")
        product = self._product(message.product_id)
        if product.contract < 0:
            return self._ignore("message of a product that is not wanted")
        if message.sequence <= product.sequence:
            return self._ignore("message that a snapshot or an earlier line holds already")
        if product.sequence and message.sequence > product.sequence + 1:
            self._ignore("sequence number that is missing", message.sequence - product.sequence - 1)
        self._apply(product, message)
        product.sequence = message.sequence
        product.recent.append(message)
        return None

    def _apply(self, product: Product, message: CoinbaseMessage) -> None:
        handler = self._handlers.get(message.type)
        if handler:
            self._time_ns = self._time(message)
            handler(product, message)

    def _open(self, product: Product, message: CoinbaseMessage) -> None:
        side = _SIDES.get(message.side)
        if side is None:
            raise self._error("side", f"{message.side[:40]!r} is neither buy nor sell")
        if not message.order_id:
            raise self._error("order_id", "is missing")
        size_lots = self._units("remaining_size", message.remaining_size, product.lots)
        price_ticks = self._price("price", message.price, product.ticks)
        if price_ticks is None:
            return
        order = product.orders[message.order_id] = Resting(self._number(), side, price_ticks, size_lots)
        self._row(Life(LifeAction.ADD, product.contract, self._time_ns, *order))

    def _match(self, product: Product, message: CoinbaseMessage) -> None:
        size_lots = self._units("size", message.size, product.lots)
        order = product.orders.get(message.maker_order_id)
        if order is None:
            self._ignore("match of an order that never opened")
            price_ticks = self._price("price", message.price, product.ticks)
            if price_ticks is not None:
                self._row(Life(LifeAction.TRADE, product.contract, self._time_ns, 0, 0, price_ticks, size_lots))
            return
        flags = _LAST if message.taker_order_id == product.taker else _LAST | _AGGRESSOR
        product.taker = message.taker_order_id
        self._leave_with(product, message.maker_order_id, order.size_lots - size_lots)
        execution = Life(LifeAction.EXECUTE, product.contract, self._time_ns, order.number, size_lots=size_lots)
        self._row(execution._replace(flags=flags))

    def _change(self, product: Product, message: CoinbaseMessage) -> None:
        order = product.orders.get(message.order_id)
        if order is None:
            return None
        size_lots = order.size_lots
        if message.new_size is not None:
            size_lots = self._units("new_size", message.new_size, product.lots, least=0)
        price_ticks: int | None = order.price_ticks
        if message.new_price is not None:
            price_ticks = self._price("new_price", message.new_price, product.ticks)
        if price_ticks is None:
            return self._done(product, message)
        if price_ticks != order.price_ticks or size_lots > order.size_lots:
            del product.orders[message.order_id]
        product.orders[message.order_id] = order._replace(price_ticks=price_ticks)
        self._leave_with(product, message.order_id, size_lots)
        action = LifeAction.RESIZE if size_lots else LifeAction.DELETE
        return self._row(Life(action, product.contract, self._time_ns, order.number, 0, price_ticks, size_lots))

    def _done(self, product: Product, message: CoinbaseMessage) -> None:
        order = product.orders.pop(message.order_id, None)
        if order is not None:
            self._row(Life(LifeAction.DELETE, product.contract, self._time_ns, order.number))

    def _leave_with(self, product: Product, order_id: str, size_lots: int) -> None:
        """An order has so much left; with nothing it is gone."""
        if size_lots > 0:
            product.orders[order_id] = product.orders[order_id]._replace(size_lots=size_lots)
        else:
            del product.orders[order_id]

    # --- snapshots ------------------------------------------------------------------------------------------------

    def _snapshot(self, message: CoinbaseMessage) -> None:
        """The book of a product anew: the snapshot's orders, with what came after it before this line."""
        product = self._product(message.product_id or self._only_product())
        if product.contract < 0:
            return self._ignore("message of a product that is not wanted")
        later = [each for each in product.recent if each.sequence > message.sequence]
        if later and later[0].sequence > message.sequence + 1 and len(later) == len(product.recent):
            return self._ignore("snapshot older than the messages before it")
        orders = self._snapshot_orders(product, message)
        if message.time:
            self._time_ns = max(self._time_ns, self._time(message))
        now_ns = self._time_ns
        orders = self._numbered(product, self._with(replace(product, orders=orders), later))
        self._time_ns = now_ns
        product.sequence = max(product.sequence, message.sequence)
        if product.is_seeded and orders == product.orders:
            return self._ignore("later snapshot with the orders that were there")
        if product.is_seeded:
            both = orders.keys() | product.orders.keys()
            self._ignore(
                "order that a later snapshot shows otherwise",
                sum(orders.get(order_id) != product.orders.get(order_id) for order_id in both),
            )
        product.orders, product.is_seeded = orders, True
        self._row(Life(LifeAction.CLEAR, product.contract, now_ns, flags=0 if product.orders else _LAST))
        left = len(product.orders)
        for order in product.orders.values():
            left -= 1
            flags = _SNAPSHOT if left else _SNAPSHOT | _LAST
            self._row(Life(LifeAction.ADD, product.contract, now_ns, *order, flags=flags))
        return None

    def _snapshot_orders(self, product: Product, message: CoinbaseMessage) -> dict[str, Resting]:
        """The orders that a snapshot shows, without their numbers."""
        orders: dict[str, Resting] = {}
        for name, side, entries in (("bids", Side.BUY, message.bids), ("asks", Side.SELL, message.asks)):
            for entry in entries or ():
                if len(entry) != 3 or not all(isinstance(part, str) for part in entry):
                    raise self._error(name, f"{str(entry)[:60]} is not price, size and order id, as level 3 has them")
                price, size, order_id = map(str, entry)
                size_lots = self._units(name, size, product.lots)
                price_ticks = self._price(name, price, product.ticks)
                if price_ticks is not None:
                    orders[order_id] = Resting(0, int(side), price_ticks, size_lots)
        return orders

    def _numbered(self, product: Product, orders: dict[str, Resting]) -> dict[str, Resting]:
        """Orders with the numbers under which they are known; those that are not get the next ones."""
        known = product.orders
        return {
            order_id: order._replace(number=known[order_id].number if order_id in known else self._number())
            for order_id, order in orders.items()
        }

    def _with(self, product: Product, later: list[CoinbaseMessage]) -> dict[str, Resting]:
        """A snapshot's orders as later messages leave them; rows and counts of these were made when they came."""
        rows, ignored, self._rows = self._rows, dict(self.ignored), []
        try:
            for message in later:
                self._apply(product, message)
        finally:
            self._rows, self.ignored = rows, ignored
        return product.orders

    def _only_product(self) -> str:
        if len(self._products) != 1:
            reason = f"is missing in a snapshot, and the capture has {len(self._products)} products so far"
            raise self._error("product_id", reason)
        return next(iter(self._products))

    # --- fields ---------------------------------------------------------------------------------------------------

    def _product(self, name: str) -> Product:
        product = self._products.get(name)
        if product is None:
            if not name:
                raise self._error("product_id", "is missing")
            product = self._products[name] = Product(*self._market(name))
        return product

    def _number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _time(self, message: CoinbaseMessage) -> int:
        try:
            return time_ns_of(message.time)
        except ValueError as error:
            raise self._error("time", str(error)) from error
