#!/usr/bin/env bash
# After a reconnect ccxt's Deribit book is the old book and the new snapshot together, and can stay crossed.
#
# Version:    ccxt 4.5.90 for Python (aiohttp 3.14.5).
# Source:     ccxt/pro/deribit.py, handle_order_book (line 564): "type" is not read, a snapshot goes through
#             handle_deltas as a change does, and the book of the symbol is made once and kept. Project ccxt/ccxt,
#             issue 29210 (closed) is the same for gemini, where the snapshot now resets the book (pro/gemini.py
#             line 414).
# Guess:      Deribit says "snapshot" or "change" in every message of book.*. A snapshot replaces the book, above all
#             on a new connection, after watch_order_book has raised NetworkError for the old one.
# Behaviour:  The levels of the snapshot are added. What vanished while nobody was connected stays, and no change will
#             delete it. Here the best bid is 100 and the best ask 91, where the venue's book is 90 / 91. Nothing
#             raises.
# For us:     Our books speak Deribit's form, so this meets our clients too. Who trades with ccxt drops
#             exchange.orderbooks[symbol] when NetworkError comes; then the book is right, as shown last.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-compile \
    aiohttp==3.14.5 aiohttp-fast-zlib==0.3.0 certifi cryptography==50.0.2 requests==2.34.2 typing_extensions==4.16.0
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-compile --no-deps ccxt==4.5.90

cat >"$work/expected" <<'END'
first connection:   bids 100x5 99x7, asks 101x4 102x6
the server closes:  NetworkError
second connection:  bids 100x5 99x7 90x5, asks 91x4 101x4 102x6
a change by 90x8:   bids 100x5 99x7 90x8, asks 91x4 101x4 102x6
the server closes:  NetworkError, and the book is dropped by hand
third connection:   bids 90x5, asks 91x4
END

cat >"$work/probe.py" <<'END'
import asyncio
import itertools
import json

import ccxt.pro
from aiohttp import web

MARKET, SYMBOL = "BTC_USDC-PERPETUAL", "BTC/USDC:USDC"
OLD = {"bids": [["new", 100, 5], ["new", 99, 7]], "asks": [["new", 101, 4], ["new", 102, 6]]}
NEW = {"bids": [["new", 90, 5]], "asks": [["new", 91, 4]]}
SNAPSHOTS = iter((OLD, NEW, NEW))
change_ids = itertools.count(1)
sockets = []


async def say(kind, levels):
    data = {"type": kind, "timestamp": 1764000000000, "instrument_name": MARKET, "change_id": next(change_ids)}
    data.update(levels)
    if kind == "change":
        data["prev_change_id"] = data["change_id"] - 1
    params = {"channel": f"book.{MARKET}.100ms", "data": data}
    await sockets[-1].send_str(json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params}))


async def serve(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    sockets.append(socket)
    async for message in socket:
        call = json.loads(message.data)
        await socket.send_str(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": call["params"]["channels"]}))
        await say("snapshot", next(SNAPSHOTS))
    return socket


async def watch(exchange):
    return await asyncio.wait_for(exchange.watch_order_book(SYMBOL), 20)


def show(title, book):
    bids, asks = (" ".join(f"{level[0]:g}x{level[1]:g}" for level in book[side]) for side in ("bids", "asks"))
    print(f"{title:19} bids {bids}, asks {asks}")


async def lose_connection(exchange, note=""):
    waiting = asyncio.ensure_future(watch(exchange))
    await asyncio.sleep(0.3)
    await sockets[-1].close()
    try:
        await waiting
    except ccxt.NetworkError as error:
        print(f"{'the server closes:':19} {type(error).__name__}{note}")


async def main():
    app = web.Application()
    app.router.add_get("/ws/api/v2", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    exchange = ccxt.pro.deribit()
    exchange.urls["api"]["ws"] = f"ws://127.0.0.1:{runner.addresses[0][1]}/ws/api/v2"
    exchange.set_markets([exchange.safe_market_structure({
        "id": MARKET, "symbol": SYMBOL, "base": "BTC", "quote": "USDC", "settle": "USDC", "type": "swap", "swap": True,
        "contract": True, "linear": True, "active": True, "precision": {"price": 1, "amount": 1},
    })])
    try:
        show("first connection:", await watch(exchange))
        await lose_connection(exchange)
        show("second connection:", await watch(exchange))
        waiting = asyncio.ensure_future(watch(exchange))
        await asyncio.sleep(0.3)
        await say("change", {"bids": [["change", 90, 8]], "asks": []})
        show("a change by 90x8:", await waiting)
        await lose_connection(exchange, ", and the book is dropped by hand")
        del exchange.orderbooks[SYMBOL]
        show("third connection:", await watch(exchange))
    finally:
        await exchange.close()
        await runner.cleanup()


asyncio.run(main())
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen" 2>"$work/log" || { cat "$work/log"; exit 1; }
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
