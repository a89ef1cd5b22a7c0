"""A planned handover on a real server: no request is refused, lost or done twice, and the old leader follows."""

import asyncio
import itertools
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from engine import host
from engine.codes import CommandKind, OrdType, Side, TimeInForce
from engine.schema import COMMAND, EVENT
from gateway.client import Client, Disconnected
from gateway.cluster import handover
from gateway.net.server import Server
from tests.cluster.servers import need_servers, one_server
from tests.cluster.test_takeover import end_of, following, node
from tests.gateway.live import BTC, play, set_up, until

need_servers()
pytest.importorskip("nats", reason="nats-py is not installed")
TRADERS = ("alice", "bob", "carol")


@asynccontextmanager
async def trading(urls, traders):
    """Clients that place and cancel without pause, and what each was told. A refusal or a loss fails the test."""
    clients = [Client(urls, trader.key.id, trader.key.secret) for trader in traders]
    told, ends = [({}, set()) for _ in clients], asyncio.Event()

    async def trade(client, placed, cancelled):
        for turn in itertools.count():
            if ends.is_set():
                return
            order = (await client.buy(BTC, "0.001", price=str(10_000 + turn % 500), cl_ord_id=turn + 1)).order
            placed[turn + 1] = order.order_id
            if turn % 2:
                await client.cancel(order.order_id)
                cancelled.add(turn + 1)

    for client in clients:
        await client.connect()
    works = [asyncio.create_task(trade(client, *each)) for client, each in zip(clients, told, strict=True)]
    try:
        yield clients, told, works, ends
    finally:
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        for client in clients:
            await client.close()


async def asked(config, to=""):
    """Ask the leader of a folder, as the command does: its answer."""
    request = handover.ask(Path(config.data), to, "", "a test")
    await until(lambda: handover.answer_to(Path(config.data), request) is not None)
    return handover.answer_to(Path(config.data), request)


async def traded(told, works, count):
    """Wait until each client has been told of so many orders more."""
    before = [len(placed) for placed, _ in told]
    await until(
        lambda: (
            any(work.done() for work in works)
            or all(len(placed) >= least + count for (placed, _), least in zip(told, before, strict=True))
        )
    )
    for work in works:
        if work.done():
            work.result()


def test_a_handover_refuses_loses_and_doubles_nothing_and_goes_back(tmp_path):
    async def story():
        with one_server(tmp_path / "n1") as server:
            one, two = (node(tmp_path, server, name, standby_silence_ms=60_000) for name in "ab")
            for config in (one, two):
                Path(config.data).mkdir(mode=0o700)
            traders = set_up(one, TRADERS)
            shutil.copy(one.vault, two.vault)
            leader = Server(one)
            await leader.start()
            await until(lambda: leader.venue.projection.ticker(0).mark_subticks)
            async with following(two) as run:
                await until(lambda: may_lead(run))
                urls = [f"ws://127.0.0.1:{each.port}" for each in (leader, run.server)]
                async with trading(urls, traders) as (clients, told, works, ends):
                    await traded(told, works, 20)
                    answer = await asked(one)
                    assert (answer.state, answer.node) == ("done", "b"), answer
                    assert answer.held_ms > 0
                    await leader.leave()
                    await traded(told, works, 20)
                    assert all(str(run.server.port) in client.url for client in clients)
                    assert run.server.venue.takes_commands
                    async with following(one) as back:
                        await until(lambda: back.standby is not None)
                        urls.append(f"ws://127.0.0.1:{back.server.port}")
                        for client in clients:
                            client._urls.append(f"{urls[-1]}/ws/api/v2")
                        await until(lambda: may_lead(back))
                        answer = await asked(two, "a")
                        assert (answer.state, answer.node) == ("done", "a"), answer
                        await traded(told, works, 20)
                        ends.set()
                        await asyncio.gather(*works)
                        for client, (placed, cancelled) in zip(clients, told, strict=True):
                            found = [order.cl_ord_id for order in await client.open_orders()]
                            assert len(found) == len(set(found))
                            assert placed.keys() - cancelled == set(found)
                        await until(lambda: not back.server.venue.health.troubles)
            assert end_of(one)[0] > end_of(two)[0] or end_of(one) == end_of(two)
            records = [host.raw_records(config.journal, 1) for config in (one, two)]
            common = list(zip(*records, strict=False))
            assert all(mine == other for mine, other in common) and len(common) > 20

    play(story())


def may_lead(run):
    """Whether a standby would lead if it was asked to."""
    follower = run.standby.follower
    return follower.leader is not None and not (run.server.why_not_to_lead or follower.why_not_to_lead)


def test_a_handover_that_nobody_takes_up_is_refused_and_what_waited_is_served(tmp_path):
    async def story():
        with one_server(tmp_path / "n1") as server:
            one, two = (node(tmp_path, server, name, standby_silence_ms=60_000) for name in "ab")
            for config in (one, two):
                Path(config.data).mkdir(mode=0o700)
            traders = set_up(one, TRADERS)
            shutil.copy(one.vault, two.vault)
            leader = Server(one)
            await leader.start()
            await until(lambda: leader.venue.projection.ticker(0).mark_subticks)
            url = f"ws://127.0.0.1:{leader.port}"
            async with trading(url, traders) as (_, told, works, _):
                await traded(told, works, 5)
                answer = await asked(one)
                assert answer.state == "refused" and "no standby answers" in answer.line
                async with following(two) as run:
                    while "no standby c answers; there is b" not in answer.line:
                        answer = await asked(one, "c")
                        assert answer.state == "refused"
                    follower = run.standby.follower
                    await until(lambda: may_lead(run))
                    run.standby._take_over = lambda reason: asyncio.sleep(0)  # it says that it may, and does not
                    answer = await asked(one, "b")
                    assert answer.state == "refused" and "node b did not lead" in answer.line
                    await traded(told, works, 20)
                    await until(lambda: follower.handed_to == "")
            await leader.stop()

    play(story())


async def rows_without_pause(client, ends, sent):
    """Frames of one order each, none of which is sent twice by the program."""
    row = np.zeros(1, COMMAND)
    row["kind"], row["side"], row["ord_type"] = CommandKind.NEW, Side.BUY, OrdType.LIMIT
    row["tif"], row["qty_lots"], row["price_ticks"] = TimeInForce.GTC, 1, 10_000
    for number in itertools.count(1):
        row["cl_ord_id"] = number
        while not ends.is_set():
            try:
                client.send_rows(row)
                sent.append(number)
                break
            except Disconnected:
                await client.is_connected.wait()
        if ends.is_set():
            return
        await asyncio.sleep(0.002)


def test_rows_that_waited_in_a_handover_are_taken_once_by_the_new_leader(tmp_path):
    async def story():
        with one_server(tmp_path / "n1") as server:
            one, two = (node(tmp_path, server, name, standby_silence_ms=60_000) for name in "ab")
            for config in (one, two):
                Path(config.data).mkdir(mode=0o700)
            (alice,) = set_up(one, ["alice"])
            shutil.copy(one.vault, two.vault)
            leader = Server(one)
            await leader.start()
            await until(lambda: leader.venue.projection.ticker(0).mark_subticks)
            async with following(two) as run:
                await until(lambda: may_lead(run))
                urls = [f"ws://127.0.0.1:{each.port}" for each in (leader, run.server)]
                client, refused, heard = Client(urls, alice.key.id, alice.key.secret, binary=True), [], []
                client.on_refusal = refused.append
                client.on_rows = lambda rows: heard.extend(rows.tolist())
                await client.connect()
                ends, sent = asyncio.Event(), []
                work = asyncio.create_task(rows_without_pause(client, ends, sent))
                await until(lambda: len(heard) > 50)
                answer = await asked(one)
                assert (answer.state, answer.node) == ("done", "b"), answer
                await until(lambda: str(run.server.port) in client.url and client.is_connected.is_set())
                await leader.leave()
                more = len(heard) + 50
                await until(lambda: work.done() or len(heard) > more)
                ends.set()
                await work
                await until(lambda: refused or len(heard) >= len(sent))
                assert not refused
                place = EVENT.names.index("cl_ord_id")
                assert sorted(event[place] for event in heard) == sent
                assert sorted(order.cl_ord_id for order in await client.open_orders()) == sent
                await client.close()

    play(story())
