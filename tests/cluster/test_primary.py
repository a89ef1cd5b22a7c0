"""A venue that leads: what it answers is in the stream, it waits while that is silent, and it stops when fenced."""

import asyncio
import os
import signal
import sqlite3
from contextlib import asynccontextmanager, closing, suppress

import numpy as np
import pytest

from engine import host
from engine.codes import CommandKind
from engine.journal.format import RECORD_BYTES
from engine.schema import COMMAND
from gateway import clock
from gateway.client import Client, RpcError
from gateway.cluster import beginning
from gateway.cluster.messages import Author, EpochMessage, RecordMessage, SideMessage
from gateway.cluster.replication import NAME
from gateway.cluster.side_copy import SideCopy
from gateway.config import Cluster
from gateway.net.server import Server
from gateway.office.bootstrap import open_trader
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault
from gateway.venue.released import NotLeadingError
from tests.cluster.servers import need_servers, one_server
from tests.gateway.live import BTC, config_of, play, running, set_up, until

need_servers()
Stream = pytest.importorskip("gateway.cluster.stream", reason="nats-py is not installed").Stream


def cluster_of(server, **settings):
    """The settings of a node beside one server."""
    return Cluster(servers=server.address, venue="t", node="a", replicas=1, **settings)


def folder_of(tmp_path):
    """The data folder of node a."""
    (tmp_path / "a").mkdir()
    return tmp_path / "a"


@asynccontextmanager
async def connected(server):
    """A connection to the stream beside the venue's own."""
    stream = Stream([server.address], "t")
    await stream.connect()
    try:
        yield stream
    finally:
        stream.drop()


async def messages_of(stream):
    """All messages of the stream."""
    last = await stream.last()
    return [await stream.get(sequence) for sequence in range(1, last.sequence + 1)]


@asynccontextmanager
async def client_of(server, trader):
    """A client of a venue, logged in."""
    client = Client(f"ws://127.0.0.1:{server.port}", trader.key.id, trader.key.secret)
    await client.connect()
    try:
        yield client
    finally:
        await client.close()


def test_what_is_answered_is_in_the_stream_behind_its_registry_and_a_restart_goes_on_there(tmp_path):
    async def story():
        with one_server(tmp_path / "n1") as server:
            config = config_of(folder_of(tmp_path), cluster=cluster_of(server))
            (alice,) = set_up(config, ["alice"])
            async with connected(server) as stream:
                async with running(config) as venue, client_of(venue, alice) as client:
                    placed = await client.buy(BTC, "0.1", price="19000")
                    released_seq = venue.venue.released.seq
                    last = (await stream.last()).message
                    assert last.last_seq >= released_seq > 0
                    status = await client.call("public/status")
                    assert placed and status["cluster"]["role"] == "leader" and status["cluster"]["epoch"] == 1
                    assert status["cluster"]["acknowledge"] == "replicated"
                await compare(stream, config)
                async with running(config) as venue, client_of(venue, alice) as client:
                    await client.buy(BTC, "0.1", price="18000")
                    await open_bob(venue.venue)
                found = await compare(stream, config)
            assert {"alice", "bob"} <= registry_leads(found, tmp_path / "registry.copy")
            assert [m.epoch for m in found if isinstance(m, EpochMessage)] == [1, 2]

    play(story())


async def open_bob(venue):
    """Another process opens an account; on return the log has it."""
    registry = Registry(venue.config.registry)
    open_trader(registry, Vault(venue.config.vault, registry), "bob", 1000, clock.wall_ns())
    reference = registry.last_reference()
    registry.close()
    await until(lambda: not venue.registry.pending_intents(reference - 1))


async def compare(stream, config):
    """The stream has the bytes of the journal; its messages."""
    found = await messages_of(stream)
    records = [message for message in found if isinstance(message, RecordMessage)]
    kept = list(host.raw_records(config.journal, 1))
    assert [b"".join(record.parts) for record in kept] == [message.body for message in records]
    assert [record.chain for record in kept] == [message.chain for message in records]
    return found


def test_a_venue_waits_for_a_stream_that_is_silent_or_gone_and_goes_on_by_itself(tmp_path):
    async def story():
        with one_server(tmp_path / "n1") as server:
            config = config_of(folder_of(tmp_path), cluster=cluster_of(server, stall_ms=1000))
            (alice,) = set_up(config, ["alice"])
            async with running(config) as venue, client_of(venue, alice) as client:
                await is_silent(venue.venue, client, server)
                server.kill()  # nothing has waited for long yet, so the order is taken
                waits = asyncio.create_task(client.sell(BTC, "0.1", price="21000"))
                await until(lambda: venue.venue.engine.durable_seq > venue.venue.released.seq)
                server.begin()
                assert await waits
                await until(lambda: not venue.venue.health.troubles)
                os.kill(venue._replication._process.pid, signal.SIGKILL)
                await until(lambda: not venue._replication.is_leading)
                waits = asyncio.create_task(client.sell(BTC, "0.1", price="22000"))
                await until(lambda: venue._replication.is_leading and not venue.venue.health.troubles)
                assert venue._replication.restarts == 1
                with suppress(RpcError):  # it may have come while nothing was taken
                    await waits
                assert await client.sell(BTC, "0.1", price="23000")
            async with connected(server) as stream:
                await compare(stream, config)

    play(story())


async def is_silent(venue, client, server):
    """A server that does not answer: an order waits, nothing more is taken, and both end by themselves."""
    await until(lambda: not venue.health.troubles)
    server.stop()
    waits = asyncio.create_task(client.buy(BTC, "0.1", price="19000"))
    await until(lambda: [trouble.name for trouble in venue.health.troubles] == [NAME])
    assert not waits.done() and venue.engine.durable_seq > venue.released.seq
    assert {"orders", "cancels", "changes"} <= venue.context.not_taken
    server.go_on()
    assert await waits
    await until(lambda: not venue.health.troubles)


async def take_over(stream):
    """Another node takes over: its epoch's message is the stream's last."""
    while True:
        sequence, last = await stream.last()
        end = host.LogEnd(*last.place, last.last_seq, last.chain)
        message = beginning.epoch_message(Author(last.author.epoch + 1, "b"), end, "takeover", [])
        answered = asyncio.get_running_loop().create_future()
        await stream.publish(sequence, message, answered.set_result)
        if (await answered).sequence == sequence + 1:
            return


def test_a_fenced_venue_answers_nothing_more_stops_and_does_not_start_again(tmp_path):
    async def story():
        with one_server(tmp_path / "n1") as server:
            config = config_of(folder_of(tmp_path), cluster=cluster_of(server))
            (alice,) = set_up(config, ["alice"])
            venue = Server(config)
            await venue.start()
            async with client_of(venue, alice) as client, connected(server) as stream:
                await take_over(stream)
                waits = asyncio.create_task(client.buy(BTC, "0.1", price="19000"))
                with pytest.raises(NotLeadingError, match="node b leads since epoch 2"):
                    await venue.failed
                assert not waits.done() and venue.venue.engine.durable_seq > venue.venue.released.seq
                with pytest.raises(NotLeadingError):
                    venue.venue.engine.journal.append(b"\0" * 128)
                await venue.abandon()
                waits.cancel()
            again = Server(config)
            with pytest.raises(NotLeadingError, match=r"node b leads since epoch 2.*lionrock standby"):
                await again.start()
            again.venue.abandon()

    play(story())


def registry_leads(found, path):
    """No record names an account that no registry before it has; the names in the last registry."""
    known, accounts = set(), 0
    copy = SideCopy(path, lambda whole: known.update(names_in(whole.read_bytes())))
    for message in found:
        if isinstance(message, SideMessage):
            copy.take(message)
        elif isinstance(message, RecordMessage):
            rows = np.frombuffer(message.record[RECORD_BYTES:], COMMAND)
            accounts += int((rows["kind"] == CommandKind.ACCOUNT_OPEN).sum())
            assert len(known) >= accounts
    return known


def names_in(image):
    """The names of the accounts in a registry's bytes."""
    data = bytearray(image)
    data[18:20] = b"\1\1"  # not in WAL mode: a database in memory has none
    with closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(bytes(data))
        return {name for (name,) in db.execute("SELECT name FROM accounts")}
