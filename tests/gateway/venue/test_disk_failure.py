"""A venue whose disk fails acknowledges nothing more, answers questions from what is durable, and says why it ends."""

import asyncio
import json
import os
import signal

import pytest

from engine.journal import End, read_tip
from gateway.client import Client, Disconnected, RpcError
from gateway.commands import serve
from tests.gateway.live import BTC, config_of, play, set_up
from tests.gateway.venue.test_fail_stop import START_SECONDS, Stable, address, marked, order


@pytest.fixture(scope="module")
def stable():
    forks = Stable()
    yield forks
    forks.close()


async def connected(url, trader):
    """A client that is logged in; the venue may not listen yet."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            client = Client(url, trader.key.id, trader.key.secret, reconnect=False)
            try:
                await client.connect()
                return client
            except (OSError, Disconnected):
                await client.close()
                await asyncio.sleep(0.05)


async def refused(call):
    with pytest.raises(RpcError) as error:
        await call
    return error.value.code, error.value.reason


def orders(client):
    return client.call("private/get_open_orders_by_instrument", instrument_name=BTC)


def test_a_failed_sync_makes_the_venue_read_only_and_the_next_start_goes_on(stable, tmp_path):
    config = config_of(tmp_path / "data")
    config.registry.parent.mkdir(parents=True)
    alice, _ = set_up(config)
    process = stable.start(config, "disk", tmp_path)
    kept = []

    async def story():
        url = await address(tmp_path / "out")
        client = await connected(url, alice)
        await marked(client)
        kept.append((await order(client, "buy", 19_000))["order"]["order_id"])
        os.kill(process, signal.SIGUSR1)
        with pytest.raises(Disconnected):
            while True:
                kept.append((await order(client, "buy", 19_001))["order"]["order_id"])
        await client.close()
        again = await connected(url, alice)
        assert [row["order_id"] for row in await orders(again)] == kept, "what was not acknowledged is not shown"
        assert await refused(order(again, "buy", 19_002)) == (10041, "DISK_FAILED")
        assert await refused(again.cancel(kept[0])) == (10041, "DISK_FAILED")
        status = await again.call("public/status")
        assert (status["locked"], status["reason"]) == ("true", "DISK_FAILED")
        assert "Input/output error" in status["message"]
        assert (await again.call("private/get_account_summary", currency="USDC"))["equity"] > 0
        await again.close()
        os.kill(process, signal.SIGTERM)

    play(story(), START_SECONDS)
    assert stable.end() == serve.DISK_FAILED
    error = (tmp_path / "err").read_text()
    lines = [line for line in error.splitlines() if line.startswith("lionrock serve:")]
    assert len(lines) == 2 and lines[0].startswith(f"lionrock serve: read-only: {config.journal}: the journal cannot")
    assert "Input/output error" in lines[1] and "nothing acknowledged is lost; stop the venue, look at" in lines[1]
    assert read_tip(config.journal).end is End.FAILED
    (tmp_path / "second").mkdir()
    process = stable.start(config, [], tmp_path / "second")

    async def sound():
        url = await address(tmp_path / "second" / "out")
        client = await connected(url, alice)
        assert {row["order_id"] for row in await orders(client)} >= set(kept)
        assert (await client.call("public/status"))["locked"] == "false"
        await client.close()
        os.kill(process, signal.SIGTERM)

    play(sound(), START_SECONDS)
    assert stable.end() == 0
    said = json.loads((tmp_path / "second" / "out").read_text().splitlines()[0])
    assert said["previous_end"] == "disk_failed"
