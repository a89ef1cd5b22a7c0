"""A leader puts bases and has the stream purged; a new standby begins from one, and leads when the leader is gone."""

import asyncio
import shutil
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine import host
from gateway.client import Client
from gateway.cluster import bases
from gateway.operations.trading_metrics import _copies
from tests.cluster.servers import need_servers, one_server
from tests.cluster.test_handover import may_lead
from tests.cluster.test_takeover import following, leading, node, placed_at_last
from tests.gateway.live import play, set_up, until

need_servers()
pytest.importorskip("nats", reason="nats-py is not installed")
LogStream = pytest.importorskip("gateway.cluster.log_stream").LogStream
noted_seq = pytest.importorskip("gateway.cluster.standby").noted_seq
PAUSE_SECONDS = 0.02
base_fetch = pytest.importorskip("gateway.cluster.base_fetch")


def nodes(tmp_path, server, **settings):
    """A leader that writes a snapshot at each 20 commands, of small segments, and two nodes with empty folders."""
    one = node(tmp_path, server, "a", bases=2, **settings)
    one = replace(one, snapshot_commands=20, segment_bytes=1 << 16, archive_after_segments=0)
    others = [node(tmp_path, server, name, bases=2, standby_silence_ms=60_000) for name in "bc"]
    for config in (one, *others):
        Path(config.data).mkdir(mode=0o700)
    traders = set_up(one, ["alice"])
    for config in others:
        shutil.copy(one.vault, config.vault)
    return one, *others, traders[0]


@asynccontextmanager
async def busy(client):
    """Orders come and go, with pauses in which the processes beside the venue get on."""

    async def trade():
        while True:
            await placed_at_last(client, "19000")
            await client.cancel_all()
            await asyncio.sleep(PAUSE_SECONDS)

    work = asyncio.ensure_future(trade())
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def test_a_new_standby_begins_from_a_base_of_a_purged_stream_and_leads_from_there(tmp_path):
    async def story():
        with one_server(tmp_path / "n1") as server:
            one, two, _, alice = nodes(tmp_path, server, retain_commands=1, standby_lease_seconds=0)
            async with leading(one) as leader:
                made = leader._replication.bases
                client = Client(f"ws://127.0.0.1:{leader.port}", alice.key.id, alice.key.secret)
                await client.connect()
                async with busy(client):
                    await until(lambda: made.stream_first_seq > 1)
                page = metrics_of(leader)
                assert page["cluster_base_sequence_total"] == made.last_seq
                assert page["cluster_base_failures_total"] == made.failures
                assert page["cluster_stream_first_message"] == made.stream_first_seq
                async with following(two) as run:
                    await until(lambda: may_lead(run))
                    base_seq = run.server.venue.engine.recovery.snapshot_seq
                    assert base_seq > 0
                    kept = await placed_at_last(client, "15000")
                    await client.close()
                    leader._replication.beat = lambda last_seq: None
                    leader.turns.stop_timers()
                    run.standby.wait_for_silence(100)
                    await until(lambda: run.server.venue.takes_commands)
                    again = Client(f"ws://127.0.0.1:{run.server.port}", alice.key.id, alice.key.secret)
                    await again.connect()
                    assert kept.order.order_id in [order.order_id for order in await again.open_orders()]
                    await again.cancel_all()
                    await again.close()
                    seq = leader.venue.released.seq
            states = [host.Engine.read(one.journal, seq), host.Engine.read(two.journal, seq, from_seq=base_seq)]
            assert states[0].last_seq == states[1].last_seq and states[0].digest() == states[1].digest()
            assert host.retention.segments_of(two.journal).first > 1, "it began in the midst of the log"

    play(story())


def metrics_of(server):
    """The figures of the replicated log by name."""
    samples = [sample for metric in _copies(server.venue) for sample in metric.samples]
    return {sample.name.removeprefix("lionrock_"): sample.value for sample in samples}


def test_a_stream_is_not_purged_past_a_standby_and_one_that_was_away_begins_from_a_base(tmp_path):
    async def story():
        with one_server(tmp_path / "n1") as server:
            one, two, _, alice = nodes(tmp_path, server, retain_commands=1, standby_lease_seconds=0)
            stream = LogStream([server.address], "t")
            await stream.connect()
            async with leading(one) as leader:
                client = Client(f"ws://127.0.0.1:{leader.port}", alice.key.id, alice.key.secret)
                await client.connect()
                made = leader._replication.bases
                async with following(two) as run:
                    await until(lambda: may_lead(run))
                    end = run.server.venue.engine.last_seq
                slow_seq = noted_seq(Path(two.data)) or 1
                async with base_fetch.present(stream, "slow", lambda: slow_seq), busy(client):
                    await until(lambda: made.last_seq > end)
                    first = made.last_seq
                    await until(lambda: made.last_seq > first)
                    assert (await stream.bounds()).first_seq <= slow_seq
                async with busy(client):
                    await until(lambda: made.stream_first_seq > slow_seq + 1)
                before = host.log_end(two.journal)
                async with following(two) as run:
                    await until(lambda: may_lead(run))
                    assert run.server.venue.engine.last_seq > before.last_seq
                await client.close()
            await stream.close()
            (aside,) = Path(two.data).glob("purged-*")
            assert host.log_end(aside / "journal") == before

    play(story())


def test_what_fails_is_an_alarm_and_orders_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(bases, "RETRY_SECONDS", 1)

    async def story():
        with one_server(tmp_path / "n1") as server:
            one, _, _, alice = nodes(tmp_path, server)
            async with leading(one) as leader:
                client = Client(f"ws://127.0.0.1:{leader.port}", alice.key.id, alice.key.secret)
                await client.connect()
                uploads = Path(one.data) / bases.UPLOADS
                uploads.write_bytes(b"in the way of the folder")
                async with busy(client):
                    await until(lambda: [each.name for each in leader.venue.health.troubles] == [bases.TROUBLE])
                (trouble,) = leader.venue.health.troubles
                assert "the registry's image is not written" in trouble.cause and leader.venue.health.state == "serving"
                assert await placed_at_last(client, "18000")
                uploads.unlink()
                async with busy(client):
                    await until(lambda: leader._replication.bases.last_seq and not leader.venue.health.troubles)
                assert leader._replication.bases.failures
                await client.close()

    play(story())


def test_a_node_that_took_over_puts_bases_too(tmp_path):
    async def story():
        with one_server(tmp_path / "n1") as server:
            one, two, three, alice = nodes(tmp_path, server)
            two = replace(two, snapshot_commands=20)
            async with leading(replace(one, snapshot_commands=0)) as leader, following(two) as run:
                await until(lambda: may_lead(run))
                leader._replication.beat = lambda last_seq: None
                run.standby.wait_for_silence(100)
                await until(lambda: run.server.venue.takes_commands)
                client = Client(f"ws://127.0.0.1:{run.server.port}", alice.key.id, alice.key.secret)
                await client.connect()
                made = run.server._replication.bases
                async with busy(client):
                    await until(lambda: made.last_seq)
                stream = LogStream([server.address], "t")
                await stream.connect()
                last = await stream.last()
                await stream.connection.jetstream().purge_stream("LOG_t", seq=last.seq - 1)
                (name,) = await bases_in(stream)
                begun = await base_fetch.begin_from_base(stream, three)
                assert begun is None, "the stream was purged past the base by hand"
                assert name.last_seq == made.last_seq
                await stream.close()
                await client.close()

    play(story())


async def bases_in(stream):
    """The complete bases in the object store."""
    store = pytest.importorskip("gateway.cluster.base_store").BaseStore(stream.connection, "t")
    return await store.complete() if await store.open() else []
