"""A standby beside a leader on a real server: it answers, and leads when the leader is silent."""

import asyncio
import shutil
from contextlib import asynccontextmanager

import pytest

from engine import host
from gateway.client import Client, Disconnected, RpcError
from gateway.config import Cluster
from gateway.net.server import Server
from gateway.venue.released import NotLeadingError
from tests.cluster.servers import need_servers, one_server
from tests.gateway.live import BTC, config_of, play, set_up, until

need_servers()
pytest.importorskip("nats", reason="nats-py is not installed")
Run = pytest.importorskip("gateway.commands.standby_run", reason="nats-py is not installed").Run


def node(folder, server, name, **settings):
    """The settings of a node beside one server."""
    cluster = Cluster(servers=server.address, venue="t", node=name, replicas=1, **settings)
    return config_of(folder / name, cluster=cluster)


@asynccontextmanager
async def leading(config):
    """A leader that ends as one that was fenced does."""
    leader = Server(config)
    await leader.start()
    try:
        await until(lambda: leader.venue.projection.contracts() and leader.venue.projection.ticker(0).mark_subticks)
        yield leader
    finally:
        await leader.abandon()


@asynccontextmanager
async def following(config):
    """A standby that runs in this loop."""
    run, stopped = Run(config, True), asyncio.get_running_loop().create_future()
    work = run.work = asyncio.create_task(run.whole(stopped))
    try:
        await until(lambda: work.done() or run.standby)
        yield run
    finally:
        if not stopped.done():
            stopped.set_result(None)
        try:
            await work
        finally:
            await run.close()


async def placed_at_last(client, price):
    """An order once the client has found who leads."""
    while True:
        try:
            return await client.buy(BTC, "0.1", price=price)
        except (Disconnected, RpcError):
            await asyncio.sleep(0.01)


def test_a_standby_leads_when_the_leader_is_silent_and_the_old_leader_is_fenced(tmp_path):
    async def story():
        with one_server(tmp_path / "n1") as server:
            one, two = node(tmp_path, server, "a"), node(tmp_path, server, "b", standby_silence_ms=60_000)
            (tmp_path / "a").mkdir(mode=0o700)
            (alice, bob) = set_up(one)
            async with leading(one) as leader:
                (tmp_path / "b").mkdir(mode=0o700)
                shutil.copy(one.vault, two.vault)
                async with following(two) as run:
                    urls = [f"ws://127.0.0.1:{each.port}" for each in (leader, run.server)]
                    client = Client(urls, alice.key.id, alice.key.secret)
                    await client.connect()
                    assert str(leader.port) in client.url
                    first = await placed_at_last(client, "19000")
                    await until(lambda: run.server.venue.engine.last_seq >= leader.venue.released.seq)
                    reader = Client(urls[1], bob.key.id, bob.key.secret, reconnect=False)
                    await reader.connect()
                    status = await reader.call("public/status")
                    assert status["cluster"]["role"] == "standby" and status["cluster"]["leader"] == "a"
                    assert status["locked"] == "true" and status["reason"] == "STANDBY"
                    leader._replication.beat = lambda last_seq: None  # its loop is held, or its network
                    run.standby.wait_for_silence(100)
                    await until(lambda: run.server.venue.takes_commands)
                    placed = [first]
                    while str(run.server.port) not in client.url:
                        placed.append(await placed_at_last(client, "18000"))
                    placed.append(await placed_at_last(client, "17000"))
                    status = (await client.call("public/status"))["cluster"]
                    assert (status["role"], status["node"], status["epoch"]) == ("leader", "b", 2)
                    ids = [order.order_id for order in await client.open_orders()]
                    assert len(set(ids)) == len(ids)
                    assert {answer.order.order_id for answer in placed} <= set(ids)
                    with pytest.raises(NotLeadingError):
                        await leader.failed
                    await client.close()
            chains = [end_of(config) for config in (one, two)]
            assert chains[1][0] > chains[0][0]

    play(story())


def end_of(config):
    """(last sequence, chain) of a node's journal."""
    reader = host.JournalReader(config.journal)
    for _ in reader.batches():
        pass
    return reader.last_seq, reader.position.chain


def test_an_empty_folder_needs_the_vault_key(tmp_path, capsys):
    from gateway import cli

    words = ["standby", "--cluster", "nats://127.0.0.1:1", "--venue", "t", "--data", str(tmp_path / "b")]
    with pytest.raises(SystemExit):
        cli.main(words)
    assert "vault.key: it is missing" in capsys.readouterr().err
    (tmp_path / "wrong").write_bytes(b"an HMAC key")
    with pytest.raises(SystemExit):
        cli.main([*words, "--vault", str(tmp_path / "wrong")])
    assert "wrong: 11 bytes are no vault key, which has 32" in capsys.readouterr().err
    assert not (tmp_path / "b" / "vault.key").exists()
    with one_server(tmp_path / "n1") as server:
        config = config_of(tmp_path / "c")
        (tmp_path / "c").mkdir(mode=0o700)
        set_up(config)
        before = config.registry.read_bytes()
        with pytest.raises(SystemExit):
            cli.main(["standby", "--cluster", server.address, "--venue", "t", "--data", config.data])
        assert "a registry without a journal" in capsys.readouterr().err
        assert config.registry.read_bytes() == before
    with pytest.raises(SystemExit):
        cli.main(["standby", "--data", str(tmp_path / "b")])
    assert "cluster.servers: a standby needs them" in capsys.readouterr().err
