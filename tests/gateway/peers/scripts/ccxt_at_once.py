"""Asks the same question several times at once with ccxt, and prints how many answers and which errors it got."""

import asyncio
import json
import os

import ccxt.pro

ROUNDS, AT_ONCE = 20, 5


async def main():
    login = {"apiKey": os.environ["VENUE_KEY"], "secret": os.environ["VENUE_SECRET"]}
    urls = {"api": {"rest": f"http://127.0.0.1:{os.environ['VENUE_PORT']}"}}
    exchange = ccxt.pro.deribit({**login, "urls": urls, "enableRateLimit": False})
    found = []
    try:
        await exchange.load_markets()
        for _ in range(ROUNDS):
            asked = [exchange.fetch_balance({"currency": "USDC"}) for _ in range(AT_ONCE)]
            found += await asyncio.gather(*asked, return_exceptions=True)
    finally:
        await exchange.close()
    errors = sorted({type(one).__name__ for one in found if isinstance(one, BaseException)})
    print(json.dumps({"answers": len(found), "errors": errors}))


asyncio.run(main())
