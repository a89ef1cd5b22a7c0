"""Calls what deribridge has for a trader of futures; the venue's address takes the place of the test network's."""

import asyncio
import os

from deribridge.api_client.websocket_api_client import DeribitWebSocketClient
from walked_calls import call

LOGIN = os.environ["VENUE_KEY"], os.environ["VENUE_SECRET"]
BTC, USDC = "BTC_USDC-PERPETUAL", "USDC"
DeribitWebSocketClient.TEST_WS_URL = f"ws://127.0.0.1:{os.environ['VENUE_PORT']}/ws/api/v2"
SUBSCRIPTIONS = [
    ("subscribe_orderbook", BTC), ("subscribe_orderbook_grouped", BTC, "none", 10), ("subscribe_trades", BTC),
    ("subscribe_ticker", BTC), ("subscribe_user_orders", BTC), ("subscribe_user_trades", BTC),
    ("subscribe_user_portfolio", USDC), ("subscribe_price_index", "btc_usdc"),
]  # fmt: skip
QUESTIONS = [
    ("get_instruments", USDC), ("get_instrument", BTC), ("get_contract_size", BTC), ("get_index_price", "btc_usdc"),
    ("get_book_summary_by_currency", USDC), ("get_book_summary_by_instrument", BTC), ("get_order_book", BTC),
    ("get_account_summary", USDC), ("get_account_summaries",), ("get_positions",), ("get_ticker", BTC),
]  # fmt: skip
CANCELS = [
    ("cancel_all_orders_by_instrument", BTC), ("cancel_all_orders_by_currency", USDC),
    ("cancel_all_orders_by_label", "mine"), ("cancel_all_orders", BTC),
]  # fmt: skip


async def main():
    client, heard = DeribitWebSocketClient(*LOGIN, use_test_env=True), {}
    await client.connect()
    await call(client, "authenticate")
    await call(client, "authenticate_with_signature")
    for name, *arguments in SUBSCRIPTIONS:
        await call(client, name, *arguments, callback=lambda *data, name=name: heard.setdefault(name, data))
    for name, *arguments in QUESTIONS:
        await call(client, name, *arguments)
    placed = await call(client, "submit_order", BTC, 0.1, "buy", price=19_800, label="mine")
    await call(client, "get_order_state", placed["order"]["order_id"])
    await call(client, "cancel_order", placed["order"]["order_id"])
    for side, reduce_only in (("buy", False), ("sell", True)):
        tif = "immediate_or_cancel"
        await call(client, "submit_order", BTC, 0.1, side, "market", time_in_force=tif, reduce_only=reduce_only)
    for name, *arguments in CANCELS:
        await call(client, name, *arguments)
    async with asyncio.timeout(20):
        while len(heard) < len(SUBSCRIPTIONS):
            await asyncio.sleep(0.05)
    await call(client, "unsubscribe_all")
    await client.close()


asyncio.run(main())
