"""Calls what deribit-py has for a trader of futures, over HTTP and over its websocket; only addresses are set."""

import asyncio
import os

from deribit.rest import DeribitREST
from deribit.ws import DeribitWS
from walked_calls import call

HOST = f"127.0.0.1:{os.environ['VENUE_PORT']}"
LOGIN = os.environ["VENUE_KEY"], os.environ["VENUE_SECRET"]
BTC, USDC, FUTURE = "BTC_USDC-PERPETUAL", "USDC", "future"
GTC = "good_til_cancelled"
PUBLIC = [
    ("get_time",), ("get_instruments", USDC, FUTURE), ("get_book_summary_by_currency", USDC, FUTURE),
    ("get_order_book", BTC, 5), ("get_last_trades_by_instrument", BTC, 5), ("get_ticker", BTC),
    ("get_last_trades_by_currency", USDC, FUTURE, 5),
]  # fmt: skip
PRIVATE = [
    ("get_positions", USDC, FUTURE), ("get_open_orders_by_currency", USDC, FUTURE),
    ("get_open_orders_by_instrument", BTC), ("get_user_trades_by_currency", USDC, FUTURE, 5),
    ("get_user_trades_by_instrument", BTC, 5), ("get_settlement_history_by_instrument", BTC, 5),
    ("get_settlement_history_by_currency", USDC, FUTURE, 5), ("get_account_summary", USDC), ("get_subaccounts", True),
    ("cancel_all_by_currency", USDC, FUTURE), ("cancel_all",),
]  # fmt: skip


async def main():
    rest = DeribitREST(*LOGIN)
    rest.BASE_URL = f"http://{HOST}/api/v2"
    for name, *arguments in PUBLIC:
        await call(rest, name, *arguments)
    await call(rest, "authenticate")
    login = {"grant_type": "client_credentials", "client_id": LOGIN[0], "client_secret": LOGIN[1]}
    rest.access_token = (await rest.public_request("public/auth", login))["access_token"]
    await call(rest, "buy", BTC, 0.1, "limit", 19_800)
    placed = await call(rest, "buy", BTC, 0.1, "limit", 19_800, "mine", GTC, True, False)
    await call(rest, "edit", placed["order"]["order_id"], 0.2, 19_801)
    await call(rest, "cancel", placed["order"]["order_id"])
    await call(rest, "sell", BTC, 0.1, "market", None, None, "immediate_or_cancel")
    for name, *arguments in PRIVATE:
        await call(rest, name, *arguments)
    await rest.close()
    socket, heard = DeribitWS(*LOGIN), asyncio.Event()
    socket.url = f"ws://{HOST}/ws/api/v2"
    await call(socket, "connect")
    await call(socket, "subscribe", [f"ticker.{BTC}.raw", "user.orders.any.any.raw"], lambda data: heard.set())
    await asyncio.wait_for(heard.wait(), 20)
    bought = await call(socket, "buy", BTC, 0.1, "limit", 19_800)
    await call(socket, "cancel", bought["order"]["order_id"])
    await call(socket, "unsubscribe_all")
    await socket.close()


asyncio.run(main())
