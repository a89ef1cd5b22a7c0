"""Hears every channel of cryptofeed's Deribit feed; only the addresses are set, which must be of TLS."""

import asyncio
import json
import os

from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, WebsocketEndpoint
from cryptofeed.defines import FUNDING, L1_BOOK, L2_BOOK, OPEN_INTEREST, TICKER, TRADES
from cryptofeed.exchanges import Deribit

HOST = f"127.0.0.1:{os.environ['VENUE_PORT']}"
ROUTES = Deribit.rest_endpoints[0].routes
CHANNELS = [L2_BOOK, L1_BOOK, TRADES, TICKER, FUNDING, OPEN_INTEREST]


Deribit.websocket_endpoints = [WebsocketEndpoint(f"wss://{HOST}/ws/api/v2")]
Deribit.rest_endpoints = [RestEndpoint(f"https://{HOST}", routes=ROUTES)]


async def main():
    handler, heard = FeedHandler(config={"log": {"disabled": True}}), {}

    def hear(channel):
        async def callback(what, stamp):
            heard.setdefault(channel, what)

        return callback

    await Deribit.load_symbols()
    callbacks = {channel: hear(channel) for channel in CHANNELS}
    handler.add_feed(Deribit(symbols=["BTC-USDC-PERP"], channels=CHANNELS, callbacks=callbacks))
    running = asyncio.ensure_future(handler.run_async(install_signal_handlers=False))
    async with asyncio.timeout(30):
        while len(heard) < len(CHANNELS) and not running.done():
            await asyncio.sleep(0.05)
    if running.done():
        await running
    book = heard[L2_BOOK].book.to_dict()
    best = {side: float(next(iter(book[side]))) for side in ("bid", "ask")}
    print(json.dumps({"symbols": sorted(Deribit.symbols()), "heard": sorted(heard), "best": best}), flush=True)
    os._exit(0)


asyncio.run(main())
