"""A stream of events as the engine would write them, and what surveillance says of it."""

from typing import Any

import numpy as np

from engine.codes import EventFlag, EventKind, Reason, Side
from engine.schema import EVENT, NOTICE
from gateway.surveillance.activity import Owners
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.rule_runner import RuleRunner

BUY, SELL = int(Side.BUY), int(Side.SELL)
SECOND = 1_000_000_000
START_NS = 1_772_442_000 * SECOND
RESTING, TAKER, FORCED = int(EventFlag.RESTING), int(EventFlag.TAKER), int(EventFlag.FORCED)
QUIET = Parameters(interest_share_percent=0)
ALICE, ALSO_ALICE, BOB, CAROL, DAVE = range(5)
CLIENTS = {ALICE: 1, ALSO_ALICE: 1, BOB: 2, CAROL: 3, DAVE: 4}


class Stream:
    """Events as the engine would write them."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.now_ns = START_NS
        self.orders = self.trades = 0
        self.held: dict[int, int] = {}
        self.sides: dict[int, int] = {}

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now_ns += int(seconds * SECOND)

    def _row(self, kind: int, **fields: Any) -> Any:
        row = np.zeros(1, EVENT)
        row["seq"], row["time_ns"], row["kind"] = len(self.rows) + 1, self.now_ns, kind
        for name, value in fields.items():
            row[name] = value
        self.rows.append(row)
        return row

    def rest(self, account: int, side: int, lots: int, price: int = 100, flags: int = 0) -> int:
        """An order on the book; its id."""
        self.orders += 1
        self._row(
            EventKind.ACCEPTED, account_slot=account, side=side, price_ticks=price, leaves_lots=lots,
            flags=RESTING | flags, order_id=self.orders,
        )  # fmt: skip
        self.sides[self.orders] = side
        return self.orders

    def move(self, account: int, order: int, side: int, lots: int, price: int) -> None:
        """An order on the book leaves its place and comes back at another price."""
        fields = {"account_slot": account, "side": side, "price_ticks": price, "leaves_lots": lots, "order_id": order}
        self._row(EventKind.AMENDED, **fields)
        self._row(EventKind.RESTED, flags=RESTING, **fields)

    def amend(self, account: int, order: int, side: int, lots: int, price: int = 100) -> None:
        """An order on the book gets another size."""
        self._row(
            EventKind.AMENDED, account_slot=account, side=side, price_ticks=price, leaves_lots=lots, flags=RESTING,
            order_id=order,
        )  # fmt: skip

    def cancel(self, account: int, order: int, reason: int = Reason.BY_CLIENT) -> None:
        """An order goes."""
        self._row(
            EventKind.CANCELLED, account_slot=account, order_id=order, reason=reason, side=self.sides.get(order, 0)
        )

    def hit(self, taker: int, maker: int, order: int, side: int, lots: int, price: int = 100, leaves: int = 0) -> None:
        """`taker` takes `side` from an order of `maker` on the book."""
        self.trade(taker, maker, side, lots, price)
        row = self.rows[-2]
        row["order_id"], row["leaves_lots"], row["filled_lots"] = order, leaves, lots

    def trade(self, taker: int, maker: int, side: int, lots: int, price: int = 100, flags: int = 0) -> None:
        """`taker` takes `side` from `maker`."""
        self.trades += 1
        self.orders += 1
        sign = 1 if side == BUY else -1
        for account, its_side, change, flag in ((maker, 3 - side, -sign, 0), (taker, side, sign, TAKER)):
            self.held[account] = self.held.get(account, 0) + change * lots
            self._row(
                EventKind.FILL, account_slot=account, side=its_side, price_ticks=price, last_lots=lots,
                trade_id=self.trades, flags=flag | flags, order_id=self.orders, position_lots=self.held[account],
                filled_lots=lots,
            )  # fmt: skip

    def funding(self) -> None:
        """A funding instant."""
        self._row(EventKind.FUNDING_RATE).view(NOTICE)["account_slot"] = -1

    def alerts(self, parameters: Parameters = QUIET, batch: int = 3) -> list[Any]:
        """What surveillance says of it all: each alert as it has grown in the end."""
        owners = Owners()
        owners.add_clients(CLIENTS)
        watch, events, found = RuleRunner(parameters, owners), np.concatenate(self.rows), []
        for first in range(0, len(events), batch):
            found += watch.take(events[first : first + batch])
        return [*{alert.identity: alert for alert in found + watch.flush()}.values()]


def rules(stream: Stream, parameters: Parameters = QUIET) -> list[str]:
    """The names of the rules that spoke; the batches make no difference."""
    found = stream.alerts(parameters)
    assert found == stream.alerts(parameters, 1) == stream.alerts(parameters, 1000)
    return [alert.rule for alert in found]
