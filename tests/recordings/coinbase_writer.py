"""Writes messages of Coinbase's full channel from the facts of a small exchange, and its answers with level 3."""

import json
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from engine.codes import Side
from tests.recordings.small_exchange import Fact, SmallExchange

_SIDES = {Side.BUY: "buy", Side.SELL: "sell"}
DAY_S = 1_580_342_400


def uuid_of(number: int) -> str:
    """The order id of a number."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))


def decimal(units: int, places: int) -> str:
    """A whole number of 10^-places as a decimal."""
    return f"{units // 10**places}.{units % 10**places:0{places}}"


class CoinbaseWriter:
    """Remembers what is open, and each product's sequence. Prices of facts are in 1/10,000, sizes in satoshi."""

    def __init__(self, first_sequence: int = 1000) -> None:
        self.sequence: Counter[str] = Counter()
        self.first_sequence = first_sequence
        self.open: dict[int, int] = {}

    def lines(self, facts: list[Fact]) -> list[str]:
        """The lines of one step's facts."""
        return [json.dumps(message) for fact in facts for message in self._messages(fact)]

    def snapshot(self, exchange: SmallExchange, product: str, named: bool = True) -> str:
        """The answer to /products/PRODUCT/book?level=3 now."""
        sides = {
            name: [
                [decimal(order.price, 4), decimal(order.size, 8), uuid_of(order.order_id)]
                for order in exchange.queues[product, side]
            ]
            for name, side in (("bids", Side.BUY), ("asks", Side.SELL))
        }
        sequence = {"sequence": self.first_sequence + self.sequence[product], "auction_mode": False}
        return json.dumps({"product_id": product, **sides, **sequence} if named else {**sides, **sequence})

    def _messages(self, fact: Fact) -> list[dict[str, Any]]:
        order, side = uuid_of(fact.order_id), _SIDES[Side(fact.side)]
        price, size = decimal(fact.price, 4), decimal(fact.size, 8)
        left = self.open.pop(fact.order_id, 0)
        if fact.kind == "add":
            return [self._received(fact, fact.order_id), self._opened(fact, fact.order_id)]
        if fact.kind == "replace":
            gone = self._message(fact, "done", order_id=order, side=side, reason="canceled", remaining_size="1.0")
            return [gone, self._received(fact, fact.new_id), self._opened(fact, fact.new_id)]
        if fact.kind == "delete":
            return [self._message(fact, "done", order_id=order, side=side, reason="canceled", price=price)]
        if fact.kind == "trade":
            return []
        if left > fact.size:
            self.open[fact.order_id] = left - fact.size
        if fact.kind in ("cut", "reduce"):
            sizes = {"old_size": decimal(left, 8), "new_size": decimal(left - fact.size, 8)}
            return [self._message(fact, "change", reason="STP", order_id=order, side=side, price=price, **sizes)]
        ids = {"maker_order_id": order, "taker_order_id": uuid_of(fact.taker_id), "trade_id": 10}
        match = self._message(fact, "match", **ids, side=side, price=price, size=size)
        filled = {"order_id": order, "reason": "filled", "remaining_size": "0.00000000", "side": side}
        return [match] if left > fact.size else [match, self._message(fact, "done", **filled, price=price)]

    def _received(self, fact: Fact, number: int) -> dict[str, Any]:
        ids = {"order_id": uuid_of(number), "client_oid": None, "order_type": "limit"}
        return self._message(fact, "received", **ids, size=decimal(fact.size, 8), price=decimal(fact.price, 4))

    def _opened(self, fact: Fact, number: int) -> dict[str, Any]:
        self.open[number] = fact.size
        size = {"remaining_size": decimal(fact.size, 8), "side": _SIDES[Side(fact.side)]}
        return self._message(fact, "open", order_id=uuid_of(number), price=decimal(fact.price, 4), **size)

    def _message(self, fact: Fact, kind: str, **fields: object) -> dict[str, Any]:
        self.sequence[fact.symbol] += 1
        when = datetime.fromtimestamp(DAY_S + fact.time_ns // 10**9, UTC)
        time = f"{when:%Y-%m-%dT%H:%M:%S}.{fact.time_ns % 10**9 // 1000:06}Z"
        sequence = self.first_sequence + self.sequence[fact.symbol]
        return {"type": kind, "product_id": fact.symbol, "time": time, "sequence": sequence, **fields}
