"""The demo's gambler: it has a bet near its liquidation in every contract, so that somebody who watches sees one."""

import asyncio
from decimal import Decimal

import pytest

from gateway.client.client import Position
from gateway.client.demo_traders import Gambler, Market

NAME, BET = "BTC_USDC-PERPETUAL", Decimal("1.666")


class Account:
    """What a gambler holds, and what it sends."""

    def __init__(self, size: str, profit: str) -> None:
        self.held = Position(
            instrument_name=NAME, direction="buy", size=Decimal(size), average_price=Decimal(60_000),
            floating_profit_loss=Decimal(profit),
        )  # fmt: skip
        self.sent: list[tuple[str, Decimal | None]] = []

    async def positions(self) -> list[Position]:
        return [self.held]

    async def call(self, method: str, **params) -> None:
        self.sent.append((method.removeprefix("private/"), params.get("amount")))


@pytest.mark.parametrize(
    ("size", "profit", "does"),
    [
        ("0", "0", "bet"), ("0.8", "-900", "bet"), ("-0.8", "2000", "bet"), ("0.9", "-900", ""), ("1.7", "250", ""),
        ("1.7", "320", "close_position"), ("-1.7", "320", "close_position"), ("-1.7", "-320", ""),
    ],
)  # fmt: skip
def test_it_bets_where_not_half_a_bet_is_left_and_takes_what_it_has_won(size: str, profit: str, does: str) -> None:
    account = Account(size, profit)
    market = Market(NAME, Decimal("0.5"), Decimal("0.001"), {"index_price": Decimal(60_000)})
    asyncio.run(Gambler(account, 1, 100_000).step([market]))  # type: ignore[arg-type]
    if does == "bet":
        [(side, amount)] = account.sent
        assert side in ("buy", "sell") and amount == BET
    else:
        assert account.sent == ([(does, None)] if does else [])
