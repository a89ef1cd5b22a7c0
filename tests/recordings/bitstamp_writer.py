"""Writes messages of Bitstamp's live orders from the facts of a small exchange that never makes orders smaller."""

import json
from typing import Any

from engine.codes import Side
from tests.recordings.coinbase_writer import DAY_S, decimal
from tests.recordings.small_exchange import Fact, SmallExchange

_TYPES = {Side.BUY: 0, Side.SELL: 1}


class BitstampWriter:
    """Remembers what each order has left. Prices of facts are in 1/10,000, sizes in satoshi."""

    def __init__(self) -> None:
        self.open: dict[int, tuple[int, int]] = {}

    def lines(self, facts: list[Fact]) -> list[str]:
        """The lines of one step's facts: an aggressor is created with all that it wants; half of them hear first."""
        return [json.dumps(message) for message in self.messages(facts)]

    def messages(self, facts: list[Fact]) -> list[dict[str, Any]]:
        """The messages of one step's facts."""
        messages: list[dict[str, Any]] = []
        taker = next((fact for fact in facts if fact.kind == "execute"), None)
        left = sum(fact.size for fact in facts)
        worst = facts[-1].price if facts else 0
        if taker:
            messages.append(self._message(taker, "created", taker.taker_id, 3 - taker.side, worst, left))
        for fact in facts:
            price, size = self.open.pop(fact.order_id, (fact.price, fact.size))
            if fact.kind == "execute":
                left -= fact.size
                given = self._left(fact, fact.order_id, fact.side, price, size - fact.size)
                echo = self._left(fact, fact.taker_id, 3 - fact.side, worst, left)
                messages += [echo, given] if fact.taker_id % 2 else [given, echo]
            elif fact.kind in ("delete", "replace"):
                messages.append(self._message(fact, "deleted", fact.order_id, fact.side, price, size))
            if fact.kind in ("add", "replace"):
                number = fact.new_id or fact.order_id
                self.open[number] = (fact.price, fact.size)
                if not taker:
                    messages.append(self._message(fact, "created", number, fact.side, fact.price, fact.size))
        return messages

    def snapshot(self, exchange: SmallExchange, pair: str) -> str:
        """A message with the whole book and its order ids, as of now."""
        data: dict[str, Any] = {"microtimestamp": self._time(exchange.time_ns)}
        for name, side in (("bids", Side.BUY), ("asks", Side.SELL)):
            orders = exchange.queues[pair, side]
            data[name] = [[decimal(each.price, 4), decimal(each.size, 8), str(each.order_id)] for each in orders]
        return json.dumps({"data": data, "channel": f"detail_order_book_{pair}", "event": "data"})

    def _left(self, fact: Fact, number: int, side: int, price: int, left: int) -> dict[str, Any]:
        if left:
            self.open[number] = (price, left)
        return self._message(fact, "changed" if left else "deleted", number, side, price, left)

    def _message(self, fact: Fact, kind: str, number: int, side: int, price: int, size: int) -> dict[str, Any]:
        time_us = self._time(fact.time_ns)
        data = {"id": number, "id_str": str(number), "order_type": _TYPES[Side(side)], "order_subtype": 0}
        data |= {"datetime": time_us[:10], "microtimestamp": time_us}
        data |= {"amount": size / 1e8, "amount_str": decimal(size, 8)}
        data |= {"price": price / 1e4, "price_str": decimal(price, 4)}
        return {"data": data, "channel": f"live_orders_{fact.symbol}", "event": f"order_{kind}"}

    @staticmethod
    def _time(time_ns: int) -> str:
        return str(DAY_S * 10**6 + time_ns // 1000)
