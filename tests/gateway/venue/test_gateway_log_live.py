"""A venue of its own process: what it refuses is in its trail, also after it was killed, and the trail is whole."""

import asyncio

import pytest

from gateway import cli
from gateway.audit_trail.export import read
from gateway.audit_trail.gateway_log import check_log, read_log
from gateway.client import Client, RpcError
from gateway.registry.registry import Registry
from tests.gateway.live import BTC, config_of, play, set_up
from tests.gateway.venue.test_crash import Server


def silent(done, total):
    return None


def methods(config):
    return [record["method"] for _, record in read_log(config.gateway_log)]


async def refused(url, trader):
    """Log in and send what the gateway refuses."""
    client = Client(url, trader.key.id, trader.key.secret)
    await client.connect()
    with pytest.raises(RpcError):
        await client.call("private/buy", instrument_name=BTC, amount="much")
    with pytest.raises(RpcError):
        await client.call("venue/admin/list_changes")
    await client.close()


def test_what_was_refused_is_there_after_a_kill_and_vouched_for_after_the_next_stop(tmp_path):
    config = config_of(tmp_path / "venue")
    config.registry.parent.mkdir(parents=True)
    Registry(config.registry).close()
    alice, _ = set_up(config)

    async def story():
        server = Server(config)
        await server.start()
        await refused(server.url, alice)
        while "venue/admin/list_changes" not in methods(config):
            await asyncio.sleep(0.05)
        await server.kill()
        first = len(methods(config))
        await server.start()
        await refused(server.url, alice)
        await server.stop()
        return first

    first = play(story(), seconds=240)
    found = methods(config)
    assert found.count("private/buy") == found.count("venue/admin/list_changes") == 2 and len(found) == 2 * first
    checked = check_log(config.journal, config.gateway_log, silent)
    assert (checked.problems, checked.unvouched) == ([], 0)
    path = tmp_path / "trail.jsonl"
    assert cli.main(["audit", "export", config.data, "--output", str(path)]) == 0
    assert cli.main(["audit", "verify", str(path), "--journal", config.data]) == 0
    kept = [row["command"] for row in read(path) if row["record"] == "gateway"]
    assert [name for name in kept if not name.startswith("host")] == found
