"""The book on the page is the engine's while it changes a thousand times a second, and after it has stopped."""

import asyncio
import random
from decimal import Decimal

from tests.browser.conftest import Open
from tests.browser.venue import FIRST_PRICES, BrowserVenue
from tests.gateway.live import BTC

ROUNDS, ORDERS = 60, 100
"""So many batches of so many orders, one each tenth of a second."""


async def _churn(venue: BrowserVenue, name: str) -> int:
    """Place and cancel around the middle, 1,000 changes a second; how many there were."""
    client, draw, changes, standing = venue.clients[name], random.Random(1), 0, list[str]()
    for _ in range(ROUNDS):
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
        placed = [answer["order"] for answer in answers if isinstance(answer, dict) and "order" in answer]
        standing += [order["order_id"] for order in placed if order["order_state"] == "open"]
        changes += len(calls)
        await asyncio.sleep(0.1)
    return changes


def test_the_books_rows_are_the_engines(venue: BrowserVenue, name: str, open_terminal: Open) -> None:
    terminal = open_terminal(venue, None)
    asked = asyncio.run_coroutine_threadsafe(_churn(venue, name), venue.loop)
    middles = set()
    while not asked.done():
        bids, asks = terminal.book("bids"), terminal.book("asks")
        if bids and asks:
            middles.add((bids[0], asks[0]))
            assert bids[0][0] < asks[0][0], "the page's book is crossed"
        terminal.page.wait_for_timeout(100)
    assert asked.result() == ROUNDS * ORDERS
    assert len(middles) > 2  # it was drawn meanwhile
    for side in ("bids", "asks"):
        rows = len(terminal.book(side))
        wanted = venue.call("maker", "public/get_order_book", instrument_name=BTC, depth=rows)[side]
        expected = [(float(price), float(amount)) for price, amount in wanted]
        for _ in range(100):
            if terminal.book(side) == expected:
                break
            terminal.page.wait_for_timeout(100)
        assert terminal.book(side) == expected
