"""The state of a standby is compared with the leader's at intervals, by digests that cost the leader's loop nothing."""

import asyncio
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.client import Client
from tests.cluster.servers import need_servers, one_server
from tests.cluster.test_handover import may_lead
from tests.cluster.test_takeover import following, leading, node, placed_at_last
from tests.gateway.live import play, set_up, until

need_servers()
pytest.importorskip("nats", reason="nats-py is not installed")
DivergenceError = pytest.importorskip("gateway.cluster.follower").DivergenceError


@asynccontextmanager
async def two_nodes(tmp_path):
    """A leader that writes a snapshot at each 20 commands, and its standby."""
    with one_server(tmp_path / "n1") as server:
        one, two = (node(tmp_path, server, name, standby_silence_ms=60_000) for name in "ab")
        one = type(one)(**{**one.__dict__, "snapshot_commands": 20})
        for config in (one, two):
            Path(config.data).mkdir(mode=0o700)
        (alice,) = set_up(one, ["alice"])
        shutil.copy(one.vault, two.vault)
        async with leading(one) as leader:
            client = Client(f"ws://127.0.0.1:{leader.port}", alice.key.id, alice.key.secret)
            await client.connect()
            yield two, client
            await client.close()


@asynccontextmanager
async def busy(client):
    """Orders come and go, so that the leader has snapshots to write."""

    async def trade():
        while True:
            await placed_at_last(client, "19000")
            await client.cancel_all()

    work = asyncio.ensure_future(trade())
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def test_the_digests_of_a_sound_standby_are_the_leaders(tmp_path):
    async def story():
        async with two_nodes(tmp_path) as (two, client), following(two) as run:
            await until(lambda: may_lead(run))
            follower, compared = run.standby.follower, []
            compare = follower._compare_digest
            follower._compare_digest = lambda message: (compared.append((follower._marked, message)), compare(message))
            async with busy(client):
                await until(lambda: any(marked[0] == message.at_seq for marked, message in compared))
            marked, message = compared[-1]
            assert marked[0] != message.at_seq or marked[1] == message.digest

    play(story())


def test_a_standby_whose_state_was_changed_by_hand_ends_loudly(tmp_path):
    async def story():
        async with two_nodes(tmp_path) as (two, client):
            with pytest.raises(DivergenceError, match="one of the two machines computes otherwise"):
                async with following(two) as run:
                    await until(lambda: may_lead(run))
                    run.server.venue.engine.root[0]["accounts"]["cross_tick"][0] += 1
                    async with busy(client):
                        await until(run.work.done)

    play(story())
