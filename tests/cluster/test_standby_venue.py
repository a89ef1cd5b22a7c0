"""A standby on the log of a real venue: it answers what the venue answers, and goes on from where that one ends.

The messages come from the venue's own journal and registry, as the stream would bring them.
"""

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest
from blake3 import blake3
from msgspec.structs import replace

from engine import host
from gateway.client import Client, RpcError
from gateway.cluster.messages import Author, EpochMessage, Place, RecordMessage, SideMessage
from gateway.cluster.side_copy import SideCopy, into_database
from tests.gateway.live import BTC, config_of, market, play, until

_REASON = "nats-py is not installed: pip install lionrock[cluster]"
log_stream = pytest.importorskip("gateway.cluster.log_stream", reason=_REASON)
follower_of = pytest.importorskip("gateway.cluster.follower", reason=_REASON)
standby_of = pytest.importorskip("gateway.cluster.standby", reason=_REASON)
StandbyServer = pytest.importorskip("gateway.net.standby_server", reason=_REASON).StandbyServer
Stored, Follower, DivergenceError = log_stream.Stored, follower_of.Follower, follower_of.DivergenceError
ONE = Author(1, "one")
PAGE_BYTES = 4096


class Script:
    """The messages of a venue's stream, made of what is in its folder."""

    def __init__(self, config):
        self.config = config
        self.messages = []
        self.records = 0
        self.versions = 0

    def begin(self, author=ONE):
        end = {"segment": 0, "number": 0, "last_seq": 0, "chain": bytes(32)}
        self.messages.append(
            EpochMessage(epoch=author.epoch, node=author.node, reason="start", addresses=[], time_ns=1, **end)
        )

    def registry(self):
        """The whole registry as it is, in two messages."""
        copy = self.config.registry.with_name("copied.db")
        with closing(sqlite3.connect(self.config.registry)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        data = copy.read_bytes()
        copy.unlink()
        self.versions += 1
        pages = {at // PAGE_BYTES: data[at : at + PAGE_BYTES] for at in range(0, len(data), PAGE_BYTES)}
        for part in (0, 1):
            self.messages.append(
                SideMessage(
                    epoch=1, node="one", segment=0, number=0, last_seq=0, chain=bytes(32), name="registry.db",
                    version=self.versions, part=part, parts=2, page_bytes=PAGE_BYTES, file_bytes=len(data),
                    digest=blake3(data).digest(), pages={at: page for at, page in pages.items() if at % 2 == part},
                )
            )  # fmt: skip

    def log(self):
        """The records that the journal has behind those before."""
        found = list(host.raw_records(self.config.journal, 1))
        for record in found[self.records :]:
            place = Place(record.segment, record.number)
            body = b"".join(record.parts)
            self.messages.append(RecordMessage(ONE, place, record.first_seq, record.last_seq, record.chain, body))
        self.records = len(found)

    def feed(self, follower):
        """Have a follower take what it has not taken."""
        for seq in range(follower.stream_seq + 1, len(self.messages) + 1):
            follower.take(Stored(seq, self.messages[seq - 1]))


def bootstrapped(script, folder):
    """The folder of a standby, made of the messages so far."""
    config = config_of(folder)
    side = SideCopy(folder / "registry.db.copy", lambda copy: into_database(copy, config.registry))
    folder.mkdir()
    follower = Follower(config.journal, None, side)
    script.feed(follower)
    follower.copy.close()
    return config, follower.stream_seq


def attached(server, script, stream_seq):
    venue = server.venue

    def take(copy):
        into_database(copy, venue.config.registry)
        venue.take_registry()

    side = SideCopy(server.venue.config.registry.with_name("registry.db.copy"), take)
    follower = Follower(venue.config.journal, venue.engine.copy, side)
    follower.stream_seq = stream_seq
    follower.leader = script.messages[0]
    follower.apply = venue.take
    return follower


async def trade(clients, price):
    alice, bob = clients
    await alice.sell(BTC, "1", price=str(price), label="on the log")
    await bob.buy(BTC, "0.4", price=str(price))
    return (await alice.sell(BTC, "0.3", price=str(price + 500))).order.order_id


def test_a_standby_follows_answers_and_leads(tmp_path):
    async def story():
        async with market(tmp_path / "one") as (primary, clients):
            venue = primary.venue
            script = Script(venue.config)
            await trade(clients, 20000)
            script.begin()
            script.registry()
            script.log()
            config, stream_seq = bootstrapped(script, tmp_path / "two")
            shutil.copy(venue.config.vault, config.vault)
            server = StandbyServer(config)
            await server.start()
            follower = attached(server, script, stream_seq)
            order_id = await trade(clients, 20100)
            last_seq = venue.engine.last_seq
            script.log()
            digest = venue.engine.digest()
            assert venue.engine.last_seq == last_seq
            script.feed(follower)
            assert server.venue.engine.last_seq == last_seq and server.venue.engine.digest() == digest
            keys = [(client.key_id, client._secret) for client in clients]
            reader = Client(f"ws://127.0.0.1:{server.port}", *keys[0], reconnect=False)
            await reader.connect()
            assert await reader.open_orders() == await clients[0].open_orders()
            assert await reader.positions() == await clients[0].positions()
            with pytest.raises(RpcError, match="STANDBY"):
                await reader.buy(BTC, "1", price="19000")
        script.log()
        script.feed(follower)
        server.trade(None)
        await until(lambda: not server.connections.websockets)
        assert not reader.is_connected.is_set()
        again = Client(f"ws://127.0.0.1:{server.port}", *keys[0])
        await again.connect()
        assert (await again.cancel(order_id)).order_state == "cancelled"
        assert (await again.buy(BTC, "0.1", price="19000")).order.order_state == "open"
        await again.close()
        await server.stop()
        log = host.JournalReader(config.journal)
        assert sum(len(rows) for rows in log.batches()) > last_seq
        log.check_end()

    play(story())


def scripted(folder, **settings):
    """The messages of a venue that traded and was stopped."""

    async def story():
        async with market(folder, **settings) as (primary, clients):
            script = Script(primary.venue.config)
            script.begin()
            script.registry()
            await trade(clients, 20000)
        script.log()
        return script

    return play(story())


class StreamInMemory:
    """What a standby asks of a stream when the leader is silent, and what it writes there."""

    venue = "t"

    def __init__(self, messages):
        self.messages = list(messages)

    async def bounds(self):
        return log_stream.Bounds(1, len(self.messages))

    async def get(self, seq):
        return Stored(seq, self.messages[seq - 1])

    async def publish(self, message, expected_seq):
        assert expected_seq == len(self.messages)
        self.messages.append(message)
        return len(self.messages)


def standing_by(folder, messages, stream):
    """A standby on a folder that has these messages, which reads the stream again from its beginning."""
    folder.mkdir()

    def side():
        return SideCopy(folder / "registry.copy", lambda copy: None)

    before = Follower(folder / "journal", None, side())
    for seq, message in enumerate(messages, 1):
        before.take(Stored(seq, message))
    before.copy.close()
    reader = host.JournalReader(folder / "journal")
    for _ in reader.batches():
        pass
    follower = Follower(folder / "journal", host.JournalCopy(folder / "journal", reader.position), side())
    return standby_of.Standby(stream, follower, standby_of.Node("three", []), folder / "standby.place")


def test_a_node_whose_journal_has_more_than_the_stream_does_not_lead(tmp_path):
    """As one that led, was fenced, and is started as a standby: its end was never replicated."""
    messages = scripted(tmp_path / "one").messages
    short = messages[:-3]
    end = short[-1]
    two = EpochMessage(
        epoch=2, node="two", reason="takeover", addresses=[], time_ns=1, segment=end.place.segment,
        number=end.place.number, last_seq=end.last_seq, chain=end.chain,
    )  # fmt: skip
    for name, has, leads in (("ahead", messages, False), ("level", short, True)):
        stream = StreamInMemory([*short, two])
        standby = standing_by(tmp_path / name, has, stream)
        asyncio.run(standby._take_over("takeover"))
        assert standby.follower.is_ahead is not leads
        assert len(stream.messages) == len(short) + 1 + leads
        if leads:
            assert (stream.messages[-1].epoch, stream.messages[-1].place) == (3, end.place)
        else:
            with pytest.raises(DivergenceError, match="was never replicated"):
                asyncio.run(standby._end_ahead())
        standby.follower.copy.close()


def test_a_registry_stays_until_the_journal_is_the_streams(tmp_path):
    """The folder may be another venue's."""
    messages = scripted(tmp_path / "one").messages
    follower = standing_by(tmp_path / "two", messages, StreamInMemory(messages)).follower
    passed = []
    follower.registry._whole = passed.append
    for part in messages[1:3]:
        follower.take(Stored(part.part + 1, replace(part, epoch=5)))
    assert follower.registry.version == (5, 1) and passed == []
    follower.take(Stored(3, messages[-1]._replace(author=Author(5, "one"))))
    assert len(passed) == 1
    follower.copy.close()


def test_a_leader_that_was_silent_because_the_stream_was_has_its_time_again(tmp_path):
    messages = scripted(tmp_path / "one").messages
    stream = StreamInMemory(messages)
    standby = standing_by(tmp_path / "two", messages, stream)

    async def unanswered():
        raise log_stream.StreamError("no server leads it")

    stream.bounds = unanswered
    before_ms = standby.silent_ms
    asyncio.run(standby._take_over("takeover"))
    assert standby.silent_ms < before_ms and len(stream.messages) == len(messages)
    standby.follower.copy.close()


def test_a_node_without_the_whole_registry_does_not_lead(tmp_path):
    messages = scripted(tmp_path / "one").messages
    without = [message for message in messages if not isinstance(message, SideMessage)]
    stream = StreamInMemory(without)
    standby = standing_by(tmp_path / "two", without, stream)
    asyncio.run(standby._take_over("takeover"))
    assert len(stream.messages) == len(without)
    assert "the whole registry" in standby.follower.why_not_to_lead
    standby.follower.copy.close()


def test_what_does_not_fit_ends_the_following(tmp_path):
    script = scripted(tmp_path / "one")
    records = [at for at, message in enumerate(script.messages) if isinstance(message, RecordMessage)]

    def fresh(name):
        folder = tmp_path / name
        folder.mkdir()
        side = SideCopy(folder / "registry.db.copy", lambda copy: None)
        return Follower(folder / "journal", None, side)

    follower = fresh("skipped")
    for at in records[:2]:
        follower.take(Stored(at, script.messages[at]))
    with pytest.raises(DivergenceError, match="some are missing"):
        follower.take(Stored(9, script.messages[records[3]]))
    follower.take(Stored(9, script.messages[records[0]]))  # it has that one
    wrong = script.messages[records[1]]._replace(chain=bytes(32))
    with pytest.raises(DivergenceError, match="another hash"):
        follower.take(Stored(9, wrong))
    wrong = script.messages[records[2]]._replace(last_seq=1)
    with pytest.raises(DivergenceError, match="not what its headers say"):
        follower.take(Stored(9, wrong))
    follower = fresh("fenced")
    follower.take(Stored(1, script.messages[records[0]]))
    two = EpochMessage(
        epoch=2, node="two", reason="takeover", addresses=[], time_ns=1, segment=1, number=0, last_seq=1,
        chain=script.messages[records[0]].chain,
    )  # fmt: skip
    follower.take(Stored(2, two))
    with pytest.raises(DivergenceError, match="the fence did not hold"):
        follower.take(Stored(3, script.messages[records[1]]))
    parts = fresh("parts")
    for seq, restart_seq in ((1, 1), (2, 1), (3, 3)):
        parts.take(Stored(seq, script.messages[seq - 1]))
        assert parts.restart_seq == restart_seq, "a start goes on ahead of a file that is not whole"
    half = replace(script.messages[1], parts=1)
    with pytest.raises(DivergenceError, match="is not what one has"):
        fresh("side").take(Stored(1, half))
