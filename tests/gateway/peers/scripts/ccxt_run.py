"""Takes the steps of a scenario with ccxt in Python and prints what each gave, as `ccxt_run.mjs` does in JavaScript."""

import asyncio
import json
import os
import sys
from pathlib import Path

import ccxt
import ccxt.pro

HOST = f"127.0.0.1:{os.environ['VENUE_PORT']}"


def value_at(found, path):
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def picked(found, pick):
    if isinstance(pick, dict):
        return {key: picked(found[key], inner) for key, inner in pick.items()}
    return {path: value_at(found, path) for path in pick}


def filled_in(argument, kept):
    if isinstance(argument, str) and argument.startswith("$"):
        name, _, field = argument[1:].partition(".")
        return kept[name][field]
    return argument


async def take(exchange, step, kept):
    try:
        found = await getattr(exchange, step["call"])(*[filled_in(one, kept) for one in step.get("args", [])])
    except ccxt.BaseError as error:
        if not step.get("error"):
            raise
        return {"error": type(error).__name__}
    if "keep" in step:
        kept[step["keep"]] = found
    if "each" in step:
        return [picked(one, step["each"]) for one in found]
    return picked(found, step.get("pick", []))


async def main(path):
    login = {"apiKey": os.environ["VENUE_KEY"], "secret": os.environ["VENUE_SECRET"]}
    urls = {"api": {"rest": f"http://{HOST}", "ws": f"ws://{HOST}/ws/api/v2"}}
    exchange = ccxt.pro.deribit({**login, "urls": urls, "options": {"code": "USDC"}, "enableRateLimit": False})
    kept = {}
    try:
        for step in json.loads(Path(path).read_text()):
            print(json.dumps({"call": step["call"], "gave": await take(exchange, step, kept)}), flush=True)
    finally:
        await exchange.close()


asyncio.run(main(sys.argv[1]))
