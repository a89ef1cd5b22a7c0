"""Asks everything that typed-deribit has and the venue too, by HTTP and websocket, and hears every channel.

The client validates each answer and each message against the schema that it has from the published documents. Its hosts
are constants: the functions that give them are replaced. The calls come in a file, as [method, parameters].
"""

import asyncio
import inspect
import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import typed_deribit
import typed_deribit.core.base as base

HOST = f"127.0.0.1:{os.environ['VENUE_PORT']}"
base.resolve_http_base_url = lambda testnet: f"http://{HOST}/api/v2"
base.resolve_ws_url = lambda testnet: f"ws://{HOST}/ws/api/v2"
BTC = "BTC_USDC-PERPETUAL"
NEEDS_ORDER = ("private/edit", "private/edit_by_label", "private/cancel")
"""Methods that need an open order of their own."""
ROOT = Path(typed_deribit.__file__).parent
_CALL = re.compile(r"async def (\w+)\((?:(?!async def).)*?path='([^']+)'", re.DOTALL)
_STREAM = re.compile(r"  def (\w+)\(.*?return self\.subscribe\(\s*f?'([^']+)'", re.DOTALL)


def say(call, error=None):
    print(json.dumps({"call": call, "error": error}), flush=True)


def found(pattern, folder):
    """{the second group: (sections, name)} of every module of a folder."""
    return {
        match[2]: (path.relative_to(ROOT).parts[:-1], match[1])
        for path in sorted((ROOT / folder).rglob("*.py"))
        for match in pattern.finditer(path.read_text())
    }


def member(client, sections, name):
    for section in sections:
        client = getattr(client, section)
    return getattr(client, name)


def converted(params):
    """Times as the client wants them."""
    return {
        name: datetime.fromtimestamp(value / 1000, UTC) if name.endswith("timestamp") else value
        for name, value in params.items()
    }


async def ask(client, place, method, params, transport):
    call = member(client, *place)
    known = inspect.signature(call).parameters
    options = {"transport": transport} if "transport" in known else {}
    try:
        if method in ("private/buy", "private/sell", "private/close_position"):
            answer = await call(params, **options)
        else:
            named = {name: value for name, value in converted(params).items() if name in known}
            answer = await call(**named, **options)
    except Exception as error:
        say(f"{method} by {transport}", f"{type(error).__name__}: {error}"[:600])
        return None
    say(f"{method} by {transport}")
    return answer


async def hear(client, place, name, arguments, heard):
    try:
        async with member(client, *place)(**arguments) as stream:
            async for _ in stream:
                if name not in heard:
                    heard.add(name)
                    say(name)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        heard.add(name)
        say(name, f"{type(error).__name__}: {error}"[:600])


async def main(path):
    plan = json.loads(Path(path).read_text())
    calls, streams = found(_CALL, "."), found(_STREAM, "streams")
    login = {"client_id": os.environ["VENUE_KEY"], "client_secret": os.environ["VENUE_SECRET"]}
    async with typed_deribit.Deribit.new(**login) as client:
        heard, tasks, placed = set(), [], {}
        method, params = plan["calls"][0]
        await ask(client, calls[method], method, params, "http")
        for template, arguments in plan["streams"]:
            if template not in streams:
                say(template, "the client has no such channel")
                heard.add(template)
                continue
            tasks.append(asyncio.create_task(hear(client, streams[template], template, arguments, heard)))
        await asyncio.sleep(0.5)
        for method, params in plan["calls"]:
            if method not in calls:
                continue
            for transport in ("http", "ws"):
                if method in NEEDS_ORDER:
                    own = {"instrument_name": BTC, "amount": 0.5, "price": 19_500, "label": f"{method} {transport}"}
                    answer = await ask(client, calls["private/buy"], "private/buy", own, "http")
                    placed |= {"ORDER": answer["order"]["order_id"], "bot": own["label"]}
                named = {name: placed.get(str(value), value) for name, value in params.items()}
                answer = await ask(client, calls[method], method, named, transport)
                if method in ("private/buy", "private/sell") and answer:
                    placed["ORDER"] = answer["order"]["order_id"]
        async with asyncio.timeout(30):
            while len(heard) < len(plan["streams"]):
                await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


asyncio.run(main(sys.argv[1]))
