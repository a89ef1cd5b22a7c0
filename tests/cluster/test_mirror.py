"""A mirror in another place: it never leads, says how far it is behind, and a venue begins from it on new servers."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import cli
from gateway.client import Client
from tests.cluster.servers import need_servers, one_server
from tests.cluster.test_takeover import following, leading, node, placed_at_last
from tests.gateway.live import play, running, set_up, until

need_servers()
pytest.importorskip("nats", reason="nats-py is not installed")


def test_a_mirror_never_leads_and_a_venue_begins_from_it_on_new_servers(tmp_path):
    async def story():
        with one_server(tmp_path / "n1") as server:
            one, two = node(tmp_path, server, "a"), node(tmp_path, server, "m", follows_only=True)
            for config in (one, two):
                Path(config.data).mkdir(mode=0o700)
            (alice,) = set_up(one, ["alice"])
            shutil.copy(one.vault, two.vault)
            async with leading(one) as leader, following(two) as run:
                client = Client(f"ws://127.0.0.1:{leader.port}", alice.key.id, alice.key.secret)
                await client.connect()
                placed = await placed_at_last(client, "19000")
                last_seq = leader.venue.engine.last_seq
                await until(lambda: run.server.venue.engine.last_seq >= last_seq)
                reader = Client(f"ws://127.0.0.1:{run.server.port}")
                await reader.connect()
                status = (await reader.call("public/status"))["cluster"]
                assert status["applied_sequence"] >= last_seq and status["behind_commands"] >= 0
                await reader.close()
                assert run.server.why_not_to_lead == "it only follows (cluster.follows_only)"
                leader._replication.beat = lambda last_seq: None
                leader.turns.stop_timers()
                await until(lambda: "it only follows" in run.standby._said)
                assert not run.server.venue.takes_commands
                await client.close()
        with one_server(tmp_path / "n2") as other:
            cluster = replace(two.cluster, servers=other.address, follows_only=False)
            async with running(replace(two, cluster=cluster)) as venue:
                client = Client(f"ws://127.0.0.1:{venue.port}", alice.key.id, alice.key.secret)
                await client.connect()
                assert placed.order.order_id in [order.order_id for order in await client.open_orders()]
                assert (await client.cancel(placed.order.order_id)).order_state == "cancelled"
                await client.close()

    play(story())


def test_a_mirror_is_not_served_by_mistake(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LIONROCK_CLUSTER_FOLLOWS_ONLY", "true")
    words = ["serve", "--cluster", "nats://127.0.0.1:1", "--venue", "t", "--node", "m", "--data", str(tmp_path / "m")]
    with pytest.raises(SystemExit) as refused:
        cli.main(words)
    assert refused.value.code == 2
    assert "cluster.follows_only: this node is a mirror that only follows" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
