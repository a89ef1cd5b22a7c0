"""The book on the page is the engine's at each change that is drawn, through 30,000 changes, 1,000 a second."""

import asyncio
import random
from decimal import Decimal
from typing import Any

import numpy as np

from engine.codes import NIL, ExecInst, Side
from gateway import clock
from tests.browser.conftest import Open
from tests.browser.terminal import Terminal
from tests.browser.venue import FIRST_PRICES, BrowserVenue
from tests.gateway.live import BTC

ROUNDS, ORDERS, ROUND_S = 300, 100, 0.1
"""So many batches of so many orders, one each tenth of a second where the machine is fast enough."""
LEAST_DRAWN = 20
"""How many different books at least are compared while they change."""
READ_BOOK = """() => {
    const book = document.querySelector('[aria-label="order book"]');
    const rows = (side) => [...book.querySelectorAll(`[aria-label="${side}"] [data-price]`)].map(
        (row) => [Number(row.dataset.price), Number(row.dataset.amount)]);
    return {change: Number(book.dataset.changeId), bids: rows("bids"), asks: rows("asks").reverse()};
}"""
Rows = list[tuple[int, int]]


class EngineBooks:
    """The engine's book at each change that the venue publishes, read from its resting orders, not from its levels."""

    def __init__(self, venue: BrowserVenue) -> None:
        self._venue, self._hub = venue.server.venue, venue.server.venue.hub
        self.by_change: dict[int, dict[str, Rows]] = {}
        self._publish = self._hub.tick
        self._hub.tick = self._tick  # type: ignore[method-assign]

    def _tick(self) -> None:
        """What is published now is the book up to what is applied; the engine may be ahead of it, then it waits."""
        self._publish()
        if self._venue.engine.last_seq == self._venue.projection.applied_seq:
            change_id = self._venue.projection.book(0, 1).change_id
            self.by_change[change_id] = {"bids": self._side(Side.BUY), "asks": self._side(Side.SELL)}

    def _side(self, side: Side) -> Rows:
        """(price in ticks, lots) of a side, best first."""
        state = self._venue.engine.root[0]
        orders = state["orders"][: int(state["orders_used"])]
        rests = (orders["order_id"] > 0) & (orders["level_slot"] != NIL) & (orders["side"] == side)
        rests &= orders["flags"] & (ExecInst.CONDITIONAL | ExecInst.ICEBERG) == 0
        found = orders[rests & (state["positions"]["contract_slot"][orders["position_slot"]] == 0)]
        prices, places = np.unique(found["price_ticks"], return_inverse=True)
        lots = np.bincount(places, found["leaves_lots"]).astype(np.int64)
        levels = list(zip(prices.tolist(), lots.tolist(), strict=True))
        return levels[::-1] if side == Side.BUY else levels

    def end(self) -> None:
        """Record no more."""
        self._hub.tick = self._publish  # type: ignore[method-assign]


async def _churn(venue: BrowserVenue, name: str) -> float:
    """Place and cancel around the middle; how many changes a second there were."""
    client, draw, standing = venue.clients[name], random.Random(1), list[str]()
    begin_ns = clock.steady_ns()
    for number in range(ROUNDS):
        calls = [("private/cancel", {"order_id": order_id}) for order_id in standing[: ORDERS // 2]]
        standing = standing[ORDERS // 2 :]
        for _ in range(ORDERS - len(calls)):
            side = draw.choice(("buy", "sell"))
            away = Decimal(draw.randrange(1, 60)) / 2
            price = Decimal(int(FIRST_PRICES[BTC])) + (away if side == "sell" else -away)
            amount = Decimal(draw.randrange(1, 500)) / 1000
            order = {"instrument_name": BTC, "amount": amount, "price": price, "post_only": True}
            calls.append((f"private/{side}", order))
        answers = await client.batch(calls)
        assert not [answer for answer in answers if isinstance(answer, Exception)]
        placed = [answer["order"] for answer in answers if "order" in answer]
        standing += [order["order_id"] for order in placed if order["order_state"] == "open"]
        passed_s = (clock.steady_ns() - begin_ns) / 1e9
        await asyncio.sleep(max((number + 1) * ROUND_S - passed_s, 0.01))
    return ROUNDS * ORDERS / ((clock.steady_ns() - begin_ns) / 1e9)


def _compare(terminal: Terminal, engine: EngineBooks, contract: Any) -> int | None:
    """Read the page once and compare it with the engine at that change; its id, None where none was recorded."""
    read = terminal.page.evaluate(READ_BOOK)
    wanted = engine.by_change.get(read["change"])
    if wanted is None:
        return None
    for side in ("bids", "asks"):
        page = [tuple(row) for row in read[side]]
        rows = wanted[side][: len(page)]
        expected = [(float(contract.price_text(ticks)), float(contract.amount_text(lots))) for ticks, lots in rows]
        assert page == expected, f"{side} at change {read['change']}"
        assert page or not wanted[side], f"the {side} are empty on the page"
    return int(read["change"])


def test_the_books_rows_are_the_engines_at_each_change_that_is_drawn(
    venue: BrowserVenue, name: str, open_terminal: Open
) -> None:
    terminal, engine = open_terminal(venue, None), EngineBooks(venue)
    contract = venue.server.venue.projection.contract_at(0)
    try:
        asked = asyncio.run_coroutine_threadsafe(_churn(venue, name), venue.loop)
        compared = set[int]()
        while not asked.done():
            change = _compare(terminal, engine, contract)
            compared |= {change} - {None}
            terminal.page.wait_for_timeout(50)
        rate = asked.result()
        assert len(compared) >= LEAST_DRAWN
        last = venue.call("maker", "public/get_order_book", instrument_name=BTC, depth=1)["change_id"]
        for _ in range(100):
            if _compare(terminal, engine, contract) == last:
                break
            terminal.page.wait_for_timeout(100)
        assert _compare(terminal, engine, contract) == last
    finally:
        engine.end()
    print(f"{ROUNDS * ORDERS} changes, {rate:.0f} a second; {len(compared)} books on the page were the engine's")
