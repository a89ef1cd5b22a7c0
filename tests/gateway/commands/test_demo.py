"""The demo says that it runs once one can trade on it."""

import asyncio
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from gateway.client import Client
from tests.recordings.data import compiled

LIONROCK = Path(sys.executable).parent / "lionrock"
pytestmark = compiled


async def _sell(facts: dict[str, str], name: str) -> dict[str, object]:
    """One market order, the first thing that a reader of the demo's first line does."""
    async with Client(facts["url"], facts["key"], facts["secret"]) as client:
        answer = await client.call("private/sell", instrument_name=name, amount=Decimal("0.1"), type="market")
        return dict(answer["order"])


def test_what_the_demo_prints_first_can_be_traded_on_at_once(tmp_path: Path) -> None:
    words = [str(LIONROCK), "demo", "--port", "0", "--seconds", "60", "--json"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            facts = json.loads(process.stdout.readline())
            for name in ("BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL"):
                assert asyncio.run(_sell(facts, name))["order_state"] == "filled"
        finally:
            process.terminate()
