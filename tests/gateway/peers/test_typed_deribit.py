"""typed-deribit 0.4.1 validates every answer and message against the published schema: all calls, all channels."""

import asyncio
import json

from engine.codes import CommandKind, MarketState
from gateway import clock
from gateway.document.examples import EXAMPLES
from gateway.registry.registry import Intent, Registry
from tests.gateway.live import BTC, play
from tests.gateway.peers.peer import peer, quote, script
from tests.gateway.peers.table import check

PUBLIC = [
    ("book.{instrument_name}.{interval}", {"instrument_name": BTC, "interval": "raw"}),
    ("book.{instrument_name}.{group}.{depth}.{interval}",
     {"instrument_name": BTC, "group": "none", "depth": 10, "interval": "agg2"}),
    ("trades.{instrument_name}.{interval}", {"instrument_name": BTC, "interval": "100ms"}),
    ("trades.{kind}.{currency}.{interval}", {"kind": "future", "currency": "USDC", "interval": "raw"}),
    ("ticker.{instrument_name}.{interval}", {"instrument_name": BTC, "interval": "agg2"}),
    ("incremental_ticker.{instrument_name}", {"instrument_name": BTC}),
    ("quote.{instrument_name}", {"instrument_name": BTC}),
    ("perpetual.{instrument_name}.{interval}", {"instrument_name": BTC, "interval": "raw"}),
    ("chart.trades.{instrument_name}.{resolution}", {"instrument_name": BTC, "resolution": "1"}),
    ("deribit_price_index.{index_name}", {"index_name": "btc_usdc"}),
    ("instrument.state.{kind}.{currency}", {"kind": "any", "currency": "any"}),
    ("platform_state", {}),
]  # fmt: skip
USER = [
    ("user.orders.{instrument_name}.{interval}", {"instrument_name": BTC, "interval": "100ms"}),
    ("user.orders.{instrument_name}.raw", {"instrument_name": BTC}),
    ("user.orders.{kind}.{currency}.{interval}", {"kind": "future", "currency": "USDC", "interval": "agg2"}),
    ("user.orders.{kind}.{currency}.raw", {"kind": "any", "currency": "any"}),
    ("user.trades.{instrument_name}.{interval}", {"instrument_name": BTC, "interval": "raw"}),
    ("user.trades.{kind}.{currency}.{interval}", {"kind": "any", "currency": "any", "interval": "100ms"}),
    ("user.changes.{instrument_name}.{interval}", {"instrument_name": BTC, "interval": "raw"}),
    ("user.changes.{kind}.{currency}.{interval}", {"kind": "future", "currency": "USDC", "interval": "agg2"}),
    ("user.portfolio.{currency}", {"currency": "any"}),
]
REFUSED = {
    "private/enable_cancel_on_disconnect by http": "needs a websocket",
    "private/disable_cancel_on_disconnect by http": "needs a websocket",
}
"""What the venue refuses, and a part of the reason: there is no connection to lose over HTTP."""


def plan():
    """The document's example of every method but the venue's own, about orders that are placed on the way."""
    now_ms = clock.wall_ns() // 1_000_000
    here = {"order_id": "ORDER", "start_timestamp": now_ms - 3_600_000, "end_timestamp": now_ms}
    calls = [
        [name, params | {key: value for key, value in here.items() if key in params}]
        for name, params in EXAMPLES.items()
        if not name.startswith("venue/") and not name.endswith(("/auth", "/logout", "unsubscribe_all"))
    ]
    taken = {"instrument_name": BTC, "amount": 0.1, "type": "market"}
    return {"calls": [["private/buy", taken], *calls, ["private/buy", taken]], "streams": [*PUBLIC, *USER]}


def test_every_answer_and_message_follows_the_published_schema(tmp_path, python_peer):
    python = python_peer("typed-deribit", (3, 12))
    told = play(_story(tmp_path, python), 300)
    failed = {call["call"]: call["error"] for call in told if call["error"]}
    assert failed.keys() == REFUSED.keys(), json.dumps(failed, indent=1)
    for call, part in REFUSED.items():
        assert part in failed[call]
    assert {call["call"] for call in told} >= {template for template, _ in [*PUBLIC, *USER]}


async def _story(folder, python):
    async with peer(folder) as venue:
        await quote(venue.maker, 5)
        (folder / "plan.json").write_text(json.dumps(plan()))
        halting = asyncio.ensure_future(_halt(venue))
        told = await venue.run(python, script("typed_deribit_walk.py"), str(folder / "plan.json"))
        halting.cancel()
        check("typed-deribit", venue.calls)
        return told


async def _halt(venue):
    """Once its calls are over, the other contract may only be cancelled in: its state is heard."""
    while "private/get_transaction_log" not in venue.calls.methods:
        await asyncio.sleep(0.1)
    registry = Registry(venue.server.venue.config.registry)
    intent = Intent(CommandKind.CONTRACT_STATE, int(MarketState.CANCEL_ONLY), contract_slot=1)
    registry.add_intents([intent], clock.wall_ns())
    registry.close()
