"""A market with makers, traders and an index, driven through the real engine by scripts that wait and act.

A script is a generator: it acts, and yields the seconds until it goes on. The same seed gives the same commands.
"""

import heapq
import math
from collections.abc import Generator
from typing import Any

import numpy as np

from engine.codes import CommandKind, EventKind, ExecInst, Side, TimeInForce
from engine.codes import ContractParameter as P
from tests import build
from tests.build import SECOND
from tests.stage import Stage

Script = Generator[float, None, None]
BUY, SELL = int(Side.BUY), int(Side.SELL)
POST_ONLY = int(ExecInst.POST_ONLY)
CENTRE_TICKS = 120_000
"""60,000 in ticks of a half."""
CONTRACT = build.PERPETUAL | {
    P.MICROS_PER_TICK_LOT: 500,
    P.MAX_PRICE_TICKS: 2_000_000,
    P.MIN_ORDER_LOTS: 1,
    P.LOT_STEP: 1,
    P.MAX_ORDER_LOTS: 100_000,
    P.MAX_POSITION_LOTS: 1_000_000,
    P.MAKER_FEE_PPB: 200_000,
    P.FUNDING_INTERVAL_S: 28_800,
    P.SAMPLE_INTERVAL_S: 5,
    P.MIN_SOURCES: 2,
    P.MARK_CLAMP_PPB: 25_000_000,
}
"""As the shipped BTC contract."""
MAKERS, HOLDERS, TRADERS = (0, 1), (2, 3, 4, 5, 6, 7), (8, 9, 10, 11, 12, 13)
FIRST_CLIENT, ACCOUNTS = 14, 28
"""The accounts from here on are the pattern's own."""
WARM_UP_S = 60
"""The index must live for a while before anybody may trade."""
FADE_S = 60.0
"""How fast the effect of a trade on everybody's idea of the price fades."""


class Market(Stage):
    """The market: the index moves what everybody thinks the price is, and so does what is bought and sold."""

    def __init__(self, seed: int, start: str = "10:00", spread_ticks: int = 12, pace: float = 1.0) -> None:
        super().__init__((CONTRACT,), ACCOUNTS, ring_rows=1 << 10)
        self.rng = np.random.default_rng(seed)
        self.spread_ticks, self.pace = spread_ticks, pace
        self.volatility_ticks = 3.0
        self.index_ticks, self.drift_ticks = float(CENTRE_TICKS), 0.0
        self.pushed_ticks = [0.0, 0.0, 0.0]
        """How far each source is pushed from the index."""
        self._impact, self._impact_ns = 0.0, self.now_ns
        self._ids = 0
        self._batch: list[Any] = []
        self._agenda: list[tuple[int, int, Script]] = []
        self.filled: dict[int, int] = {}
        """Lots filled, by client id."""
        hours, minutes = start.split(":")
        self.now_ns += (int(hours) - 10) * 3600 * SECOND + int(minutes) * 60 * SECOND
        for account in range(ACCOUNTS):
            self.deposit(account, 10_000_000)
        self.index(CENTRE_TICKS)
        self._hold()
        self.now_ns += 3600 * SECOND - WARM_UP_S * SECOND
        for script in (self._sources(), *map(self._maker, MAKERS), *map(self._trader, TRADERS)):
            self.begin(script)
        self.run(WARM_UP_S)
        self.begin_ns = self.now_ns

    def _hold(self) -> None:
        """The holders have positions from before."""
        for buyer, seller in zip(HOLDERS[::2], HOLDERS[1::2], strict=True):
            self.order(buyer, BUY, 4000, CENTRE_TICKS)
            self.order(seller, SELL, 4000, CENTRE_TICKS)

    # --- what scripts do ----------------------------------------------------------------------------------------------

    @property
    def fair_ticks(self) -> int:
        """What everybody thinks the price is."""
        age_s = (self.now_ns - self._impact_ns) / SECOND
        return round(self.index_ticks + self._impact * math.exp(-age_s / FADE_S))

    def submit(self, account: int, side: int, lots: int, price: int = 0, **fields: Any) -> int:
        """A new order; its client id."""
        self._ids += 1
        if not price:
            fields = {"tif": TimeInForce.IOC} | fields
        self._batch.append(build.new(account, side, lots, price, cl_ord_id=self._ids, **fields))
        return self._ids

    def take(self, account: int, side: int, lots: int, reach_ticks: int = 60) -> int:
        """Take what is there, up to so far from the fair price."""
        price = self.fair_ticks + (reach_ticks if side == BUY else -reach_ticks)
        return self.submit(account, side, lots, price, tif=TimeInForce.IOC)

    def cancel(self, account: int, *ids: int) -> None:
        """Cancel orders by their client ids."""
        self._batch += [build.cancel(account, cl_ord_id=order) for order in ids]

    def amend(self, account: int, order: int, lots: int, price: int = 0) -> None:
        """Change an order."""
        self._batch.append(build.amend(account, cl_ord_id=order, qty_lots=lots, price_ticks=price))

    def until_filled(self, order: int, lots: int, seconds: float) -> Script:
        """Wait until so much of an order is filled, or the time is over."""
        waited = 0.0
        while self.filled.get(order, 0) < lots and waited < seconds:
            waited += 0.2
            yield 0.2

    def pause(self, low: float, high: float) -> float:
        """Some seconds between two bounds."""
        return float(self.rng.uniform(low, high))

    # --- the others ---------------------------------------------------------------------------------------------------

    def _sources(self) -> Script:
        """Three index sources, each second; the index walks."""
        while True:
            self.index_ticks += self.rng.normal(0, self.volatility_ticks) + self.drift_ticks
            for source, pushed in enumerate(self.pushed_ticks):
                price = self.index_ticks + pushed + self.rng.normal(0, 2)
                self._batch.append(self.source_price(source, round(price * 1000)))
            yield 1.0

    def _maker(self, account: int) -> Script:
        """Two levels a side around the fair price, leaning against the position, made anew about every two seconds."""
        orders: list[int] = []
        yield self.pause(0, 2)
        while True:
            self.cancel(account, *orders)
            lean = -self.size(account) // 25
            middle = self.fair_ticks + max(min(lean, 8), -8)
            size = int(self.rng.integers(40, 80))
            orders = [
                self.submit(account, side, size * level, middle + sign * self.spread_ticks * level, flags=POST_ONLY)
                for side, sign in ((BUY, -1), (SELL, 1))
                for level in (1, 2)
            ]
            yield self.pause(1, 3)

    def _trader(self, account: int) -> Script:
        """Small orders at random: mostly takers, some who wait near the price and give up or not."""
        waiting: list[tuple[int, int]] = []
        while True:
            yield float(self.rng.exponential(4 / self.pace))
            side, lots = (BUY, SELL)[int(self.rng.integers(2))], 1 + int(self.rng.geometric(0.25))
            self.cancel(account, *(order for order, its_side in waiting if its_side != side))
            waiting = [item for item in waiting if item[1] == side]
            if self.rng.random() < 0.7:
                self.take(account, side, lots)
                continue
            away = int(self.rng.integers(4, 40)) * (-1 if side == BUY else 1)
            waiting.append((self.submit(account, side, lots, self.fair_ticks + away), side))

    # --- the clock ----------------------------------------------------------------------------------------------------

    def begin(self, script: Script, after_s: float = 0.0) -> None:
        """Start a script."""
        self._ids += 1
        heapq.heappush(self._agenda, (self.now_ns + round(after_s * SECOND), self._ids, script))

    def run(self, seconds: float) -> None:
        """Let the market go on for so long."""
        until_ns = self.now_ns + round(seconds * SECOND)
        while self._agenda and self._agenda[0][0] <= until_ns:
            self.now_ns, _, script = heapq.heappop(self._agenda)
            wait = next(script, None)
            if self._batch:
                batch, self._batch = self._batch, []
                self._follow(self.send(*batch))
            if wait is not None:
                self.begin(script, max(wait, 0.001))
        self.now_ns = until_ns
        self.send(build.time())

    def _follow(self, events: Any) -> None:
        """What has been filled, and how it moves the fair price."""
        fills = events[events["kind"] == EventKind.FILL]
        if not len(fills):
            return
        for order, lots in zip(fills["cl_ord_id"].tolist(), fills["last_lots"].tolist(), strict=True):
            self.filled[order] = self.filled.get(order, 0) + lots
        took = fills[fills["flags"] & (1 << 12) != 0]
        flow = int(took["last_lots"][took["side"] == BUY].sum()) - int(took["last_lots"][took["side"] == SELL].sum())
        age_s = (self.now_ns - self._impact_ns) / SECOND
        self._impact = self._impact * math.exp(-age_s / FADE_S) + 0.6 * flow
        self._impact_ns = self.now_ns

    def events(self) -> Any:
        """All events so far."""
        return np.concatenate(self.past)


def expiring(market: Market, seconds: int) -> dict[str, int]:
    """The fields of an order that expires by itself after some whole seconds."""
    return {"tif": TimeInForce.GTD, "expire_ns": (market.now_ns // SECOND + seconds) * SECOND}


def cash(market: Market, account: int, units: float) -> None:
    """Take an account's money but so much of it."""
    left = round(market.cash(account) - units)
    market.send(build.directive(CommandKind.WITHDRAW, account_slot=account, amount_micros=left * 1_000_000))
