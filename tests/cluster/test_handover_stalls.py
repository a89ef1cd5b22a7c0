"""The stream goes away in the midst of a handover: nobody knows who leads, so nothing is taken; clients are read."""

import asyncio
import os
import shutil
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine import host
from engine.codes import CommandKind, MarketState, Side
from engine.schema import COMMAND
from gateway.client import Client, RpcError
from gateway.cluster import handover
from gateway.net.server import Server
from tests.cluster.servers import need_servers, one_server
from tests.cluster.test_takeover import following, node
from tests.gateway.live import BTC, play, set_up, until
from tests.gateway.net.test_http_connection import answered, get

need_servers()
pytest.importorskip("nats", reason="nats-py is not installed")
handing_over = pytest.importorskip("gateway.net.handing_over", reason="nats-py is not installed")
log_stream = pytest.importorskip("gateway.cluster.log_stream", reason="nats-py is not installed")
messages = pytest.importorskip("gateway.cluster.messages")


@asynccontextmanager
async def pair(folder):
    """A leader with two traders and one order, a standby that may lead, and their server."""
    with one_server(folder / "n1") as server:
        one, two = (node(folder, server, name, standby_silence_ms=600_000) for name in "ab")
        for config in (one, two):
            Path(config.data).mkdir(mode=0o700)
        alice, bob = set_up(one)
        shutil.copy(one.vault, two.vault)
        leader = Server(one)
        await leader.start()
        await until(lambda: leader.venue.projection.ticker(0).mark_subticks)
        async with following(two) as run:
            await until(
                lambda: (
                    run.standby.follower.leader is not None
                    and not (run.server.why_not_to_lead or run.standby.follower.why_not_to_lead)
                )
            )
            url = f"ws://127.0.0.1:{leader.port}"
            client = Client(url, alice.key.id, alice.key.secret)
            rows = Client(url, bob.key.id, bob.key.secret, binary=True)
            for each in (client, rows):
                await each.connect()
            placed = await client.buy(BTC, "0.1", price="19000")
            try:
                yield SimpleNamespace(
                    server=server, leader=leader, run=run, config=one, client=client, rows=rows, traders=(alice, bob),
                    order=placed.order.order_id,
                )  # fmt: skip
            finally:
                server.go_on()
                for each in (client, rows):
                    await each.close()


async def health_is_answered(leader):
    """Every page of health and metrics is given at both ports."""
    for port, paths in ((leader.port, (b"/healthz", b"/readyz")), (leader.operations_port, (b"/healthz", b"/metrics"))):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path in paths:
            writer.write(get(path))
            assert (await answered(reader))[0] in (200, 503)
        writer.close()


async def nothing_is_taken(pair):
    """Whatever would go into the log is refused, in so many words, and the log stays as it is."""
    leader, refused = pair.leader, []
    before = (leader.venue.engine.last_seq, host.log_end(pair.config.journal))
    for asked in (
        pair.client.buy(BTC, "0.1", price="18000"), pair.client.cancel(pair.order), pair.client.cancel_all(),
        pair.client.edit(pair.order, amount="0.2", price="18000"),
    ):  # fmt: skip
        with pytest.raises(RpcError, match="LOG_NOT_REPLICATED"):
            await asked
    row = np.zeros(1, COMMAND)
    row["kind"], row["side"], row["qty_lots"], row["price_ticks"] = CommandKind.NEW, Side.BUY, 1, 1
    pair.rows.on_refusal = refused.append
    pair.rows.send_rows(row)
    await until(lambda: refused)
    assert "LOG_NOT_REPLICATED" in str(refused[0])
    await asyncio.sleep(0.3)  # what timers would do
    assert (leader.venue.engine.last_seq, host.log_end(pair.config.journal)) == before


def answer_of(pair, request):
    """The state and the line of what became of a request; empty while there is nothing."""
    answer = handover.answer_to(Path(pair.config.data), request)
    return ("", "") if answer is None else (answer.state, answer.line)


async def is_trading(server):
    """The index was old after so long: wait until it is not."""
    await until(lambda: server.venue.projection.state(0) == MarketState.OPEN)


async def offers(server):
    """To whom each offer of the stream is, in their order."""
    stream = log_stream.LogStream([server.address], "t")
    await stream.connect()
    bounds = await stream.bounds()
    found = [(await stream.get(seq)).message for seq in range(bounds.first_seq, bounds.last_seq + 1)]
    await stream.close()
    return [message.to for message in found if isinstance(message, messages.HandoverMessage)]


async def is_open(pair, monkeypatch, go_away):
    """A handover whose stream goes away as `go_away` has it: the request, once it is said that nobody knows."""
    with monkeypatch.context() as patched:
        patched.setattr(handing_over, "OPEN_SECONDS", 0.5)
        request = handover.ask(Path(pair.config.data), "", "", "a test")
        await go_away()
        waits = asyncio.ensure_future(pair.client.open_orders())
        await health_is_answered(pair.leader)
        await until(lambda: answer_of(pair, request)[0] == "open")
    assert "not known who leads" in answer_of(pair, request)[1]
    assert [order.order_id for order in await waits] == [pair.order]
    return request


def test_the_offer_is_there_and_the_other_node_leads_once_the_stream_is_back(tmp_path, monkeypatch):
    async def story():
        async with pair(tmp_path) as here:
            leader, run, server, alice = here.leader, here.run, here.server, here.traders[0]
            publisher, is_offered = leader._replication._process.pid, asyncio.Event()
            take_over = run.standby._take_over

            async def cut_first(reason):
                if not is_offered.is_set():
                    os.kill(publisher, signal.SIGSTOP)
                    server.stop()
                    is_offered.set()
                await take_over(reason)

            run.standby._take_over = cut_first
            request = await is_open(here, monkeypatch, is_offered.wait)
            await nothing_is_taken(here)
            await health_is_answered(leader)
            second = handover.ask(Path(here.config.data), "", "", "impatience")
            await until(lambda: answer_of(here, second)[0] == "refused")
            assert "not known who leads" in answer_of(here, second)[1]
            server.go_on()  # the old leader's publisher may have taken the offer back before it was stopped
            await until(lambda: run.server.venue.takes_commands or not run.standby.follower.handed_to)
            if run.server.venue.takes_commands:
                await nothing_is_taken(here)
            os.kill(publisher, signal.SIGCONT)
            await until(lambda: answer_of(here, request)[0] in ("done", "refused"))
            led, url = run.server, f"ws://127.0.0.1:{run.server.port}"
            if answer_of(here, request)[0] == "refused":
                led, url = leader, here.client.url
            else:
                async with Client(here.client.url, alice.key.id, alice.key.secret, reconnect=False) as client:
                    with pytest.raises(RpcError, match="HANDED_OVER"):
                        await client.cancel_all()
                assert leader.venue.health.worst.name == "HANDED_OVER"
                await leader.leave()
            assert led.venue.takes_commands
            await is_trading(led)
            async with Client(url, alice.key.id, alice.key.secret) as client:
                assert [order.order_id for order in await client.open_orders()] == [here.order]
                assert (await client.cancel(here.order)).order_state == "cancelled"
                assert (await client.buy(BTC, "0.1", price="17000")).order.order_state == "open"
            if led is leader:
                await leader.stop()

    play(story())


@pytest.mark.parametrize("does_publisher_end", [False, True])
def test_an_offer_that_nobody_takes_up_is_taken_back_once_the_stream_is_back(tmp_path, monkeypatch, does_publisher_end):
    async def story():
        async with pair(tmp_path) as here:
            leader, run, server = here.leader, here.run, here.server
            run.standby._take_over = lambda reason: asyncio.sleep(0)
            finish, is_finished = leader._handing._finish_under_way, asyncio.Event()

            async def finish_and_cut():
                why = await finish()
                server.stop()
                is_finished.set()
                return why

            leader._handing._finish_under_way = finish_and_cut
            request = await is_open(here, monkeypatch, is_finished.wait)
            await nothing_is_taken(here)
            if does_publisher_end:
                leader._replication._process.kill()
                await until(lambda: leader._replication.restarts and leader._replication._process is not None)
                await nothing_is_taken(here)
            server.go_on()
            await until(lambda: answer_of(here, request)[0] == "refused")
            assert "LOG_NOT_REPLICATED" not in [trouble.name for trouble in leader.venue.health.troubles]
            assert (await here.client.cancel(here.order)).order_state == "cancelled"
            await is_trading(leader)
            placed = await here.client.buy(BTC, "0.1", price="17000")
            assert [order.order_id for order in await here.client.open_orders()] == [placed.order.order_id]
            if not does_publisher_end:
                assert await offers(server) == ["b", "a"]
            await until(lambda: run.server.venue.engine.last_seq >= leader.venue.released.seq)
            assert not run.server.venue.takes_commands
            await leader.stop()

    play(story())
