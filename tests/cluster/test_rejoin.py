"""A node that was fenced comes back by itself: what the stream never had is cut into a folder that is kept."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine import host
from gateway import cli
from gateway.client import Client
from gateway.net.server import Server
from gateway.venue.released import NotLeadingError
from tests.cluster.servers import need_servers, one_server
from tests.cluster.test_handover import may_lead
from tests.cluster.test_takeover import end_of, following, leading, node, placed_at_last
from tests.gateway.live import BTC, play, set_up, until

need_servers()
pytest.importorskip("nats", reason="nats-py is not installed")


def kept_of(config):
    """The folders that were cut from a data folder."""
    return sorted(Path(config.data).glob("fenced-*"))


async def taken_over(leader, run, client, price):
    """The leader falls silent, another node leads and takes an order, and the old leader is fenced with a tail."""
    leader._replication.beat = lambda last_seq: None
    run.standby.wait_for_silence(100)
    await until(lambda: run.server.venue.takes_commands)
    while str(run.server.port) not in client.url:
        await placed_at_last(client, price)
    with pytest.raises(NotLeadingError):
        await leader.failed


def test_a_fenced_leader_is_cut_and_follows_and_shows_nothing_of_what_was_cut(tmp_path, capsys):
    async def story():
        with one_server(tmp_path / "n1") as server:
            one, two = node(tmp_path, server, "a"), node(tmp_path, server, "b", standby_silence_ms=60_000)
            for config in (one, two):
                Path(config.data).mkdir(mode=0o700)
            (alice,) = set_up(one, ["alice"])
            shutil.copy(one.vault, two.vault)
            async with leading(one) as leader, following(two) as run:
                await until(lambda: may_lead(run))
                client = Client([f"ws://127.0.0.1:{each.port}" for each in (leader, run.server)], alice.key.id,
                                alice.key.secret)  # fmt: skip
                await client.connect()
                await placed_at_last(client, "19000")
                await taken_over(leader, run, client, "18000")
                await leader.abandon()
                tail = host.log_end(one.journal)
                assert tail.last_seq > 0
                before = host.log_end(two.journal)
                async with following(one) as back:
                    await until(lambda: back.server is not None and back.server.venue.engine.last_seq > before.last_seq)
                    (folder,) = kept_of(one)
                    facts = json.loads((folder / "fenced.json").read_text())
                    kept = host.log_end(folder / "journal")
                    assert kept == tail and facts["first_sequence"] <= tail.last_seq == facts["last_sequence"]
                    assert sum(facts["commands"].values()) == tail.last_seq - facts["first_sequence"] + 1
                    assert f"fenced-2-{facts['first_sequence']}" == folder.name
                    await client.buy(BTC, "0.1", price="17000")
                    await until(lambda: may_lead(back))
                    target = run.server.venue.engine.last_seq
                    await until(lambda: back.server.venue.engine.last_seq >= target)
                    reader = Client(f"ws://127.0.0.1:{back.server.port}", alice.key.id, alice.key.secret)
                    await reader.connect()
                    orders = {order.order_id for order in await client.open_orders()}
                    assert {order.order_id for order in await reader.open_orders()} == orders and orders
                    await reader.close()
                    await client.close()
            assert end_of(one)[0] > facts["first_sequence"]
            records = [list(host.raw_records(config.journal, 1)) for config in (one, two)]
            assert all(mine == other for mine, other in zip(*records, strict=False))
            return folder

    folder = play(story())
    capsys.readouterr()
    assert cli.main(["verify", str(folder), "--json"]) == 0, "what was cut can be verified where it is kept"


async def ends_in_the_midst(server, config, monkeypatch):
    """A cut whose process ends before the journal is cut: everything else was moved or copied."""
    rejoin = pytest.importorskip("gateway.cluster.rejoin")
    stream = pytest.importorskip("gateway.cluster.log_stream").LogStream([server.address], "t")
    await stream.connect()
    before = host.log_end(config.journal)

    def end(path, size_bytes):
        raise InterruptedError

    with monkeypatch.context() as patched, pytest.raises(InterruptedError):
        patched.setattr(rejoin, "_truncate", end)
        await rejoin.cut_unreplicated(stream, config)
    await stream.close()
    (folder,) = kept_of(config)
    assert host.log_end(config.journal) == before and folder.suffix == ".part"
    assert (folder / config.registry.name).exists()
    has_commands = bool(json.loads((folder / "fenced.json").read_text())["commands"])
    assert config.registry.exists() is not has_commands


def test_a_leader_whose_stop_outlasts_the_silence_comes_back_as_a_standby(tmp_path, monkeypatch):
    """Its last records come when another node leads already."""

    async def story():
        with one_server(tmp_path / "n1") as server:
            one, two = node(tmp_path, server, "a"), node(tmp_path, server, "b", standby_silence_ms=60_000)
            for config in (one, two):
                Path(config.data).mkdir(mode=0o700)
            set_up(one, ["alice"])
            shutil.copy(one.vault, two.vault)
            leader = Server(one)
            await leader.start()
            await until(lambda: leader.venue.projection.ticker(0).mark_subticks)
            async with following(two) as run:
                await until(lambda: may_lead(run))
                leader._replication.beat = lambda last_seq: None
                leader.turns.stop_timers()
                run.standby.wait_for_silence(100)
                await until(lambda: run.server.venue.takes_commands)
                await leader.stop()
                await ends_in_the_midst(server, one, monkeypatch)
                async with following(one) as back:
                    await until(lambda: back.standby is not None and may_lead(back))
                    (folder,) = kept_of(one)
                    assert folder.suffix == ""

    play(story())


def test_a_node_that_led_last_keeps_what_the_stream_has_not(tmp_path):
    """Nobody has led since: its next start as the leader sends it, whatever the node is called then."""

    async def story():
        with one_server(tmp_path / "n1") as server:
            one = node(tmp_path, server, "a")
            Path(one.data).mkdir(mode=0o700)
            set_up(one, ["alice"])
            async with leading(one) as leader:
                server.stop()
                await until(lambda: leader.venue.engine.durable_seq > leader._replication.replicated_seq)
            server.go_on()
            tail = host.log_end(one.journal)
            rejoin = pytest.importorskip("gateway.cluster.rejoin")
            stream = pytest.importorskip("gateway.cluster.log_stream").LogStream([server.address], "t")
            await stream.connect()
            renamed = replace(one, cluster=replace(one.cluster, node="c"))
            for config in (one, renamed):
                assert await rejoin.cut_unreplicated(stream, config) is None
            assert host.log_end(one.journal) == tail and not kept_of(one)
            async with leading(renamed) as leader:
                assert leader._replication.epoch == 2
            found = await stream.last()
            assert found.message.author.node == "c" and found.message.last_seq >= tail.last_seq
            await stream.close()

    play(story())
