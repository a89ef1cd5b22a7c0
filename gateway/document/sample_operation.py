"""A fixed operation for the protocol's document and for tests: connections, one account near liquidation, one alert."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.codes import NIL
from gateway.document.sample_rows import BTC, NOW, own_trade
from gateway.sessions.operation import OpenSession, Operation, Story
from gateway.surveillance.activity import Alert, Evidence
from gateway.surveillance.store import AlertStore
from gateway.wire.views import ForcedTradeView, RiskView, Span


class SampleViews:
    """Fixed rows of all accounts."""

    def exposed_accounts(self) -> list[int]:
        return [0, 1]

    def ratios_ppb(self, account_slots: Sequence[int]) -> list[int]:
        return [50_000_000] * len(account_slots)

    def risk(self, account_slot: int) -> RiskView:
        position = (BTC.slot, 5_000, 36_000_000, False)
        return RiskView(
            account_slot, 10_000_000_000, 500_000_000, 1_000_000_000, 50_000_000, False, 0, 2, [position]
        )  # fmt: skip

    def forced_trades(self, slots: Collection[int], span: Span) -> Iterator[ForcedTradeView]:
        found = [ForcedTradeView(9, own_trade().trade, 0, NIL), ForcedTradeView(5, own_trade(trade_id=2).trade, 0, 1)]
        return (one for one in found if one.place <= span.last_place)

    def open_orders(self, accounts: Collection[int], contracts: Collection[int]) -> int:
        return 2


def _story(by: str, number: int) -> Story:
    seq, order_id = (number, 77) if by == "sequence" else (90, number)
    record = {"seq": seq, "record": "order", "command": "NEW", "outcome": "accepted", "order_id": order_id}
    return Story("done", [{"record": record, "ladder": []}])


def sample_operation(alerts: Path, sessions: Callable[[], Iterable[Any]]) -> Operation:
    """An operation with these sessions, and with an alert filed in a new file."""
    figures = {
        "side": 1, "times": 3, "wall_orders": 3, "shown_lots": 400_000, "withdrawn_lots": 1_200_000,
        "cancelled_withdrawn_lots": 1_200_000, "traded_lots": 5_000,
    }  # fmt: skip
    text = "3 times shown and withdrawn unfilled: 3 BUY orders; meanwhile SELL trades of 5,000 lots"
    store = AlertStore(alerts)
    for rule, order_id in (("spoofing", 77), ("flashing", 79)):
        store.add([Alert(rule, text, NOW, BTC.slot, (0,), Evidence([90, 95], [order_id], figures))])
    store.close()
    return Operation(
        SampleViews(),
        lambda: AlertStore(alerts),
        _story,
        lambda: [OpenSession("operations", session, False, 0) for session in sessions()],
        lambda number, why: True,
    )
