"""Dead-man's switches over a crash: who had asked to be cancelled is cancelled before the first client connects."""

import asyncio
import json
import os
import shutil
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.codes import CommandKind, Reason, Switch
from engine.schema import DIRECTIVE
from gateway import clock
from gateway.client import Client
from gateway.venue.recovery import projection_path
from gateway.venue.venue import Venue
from gateway.wire.views import Span
from tests.gateway.live import BTC, INDEX, config_of, play, request, running, set_up, until
from tests.gateway.socketless_venue import Origin, SocketlessVenue

S = 10**9
NAMES = ("alice", "bob", "carol", "dave")


def serve(config):
    """The words that run a server of its own process."""
    words = ["serve", "--data", config.data, "--port", "0", "--scripted-index", INDEX, "--json"]
    return [sys.executable, "-c", "import sys; from gateway import cli; sys.exit(cli.main(sys.argv[1:]))", *words]


@asynccontextmanager
async def process(config):
    """A server in a process of its own: (the process, a function that connects a client)."""
    server = await asyncio.create_subprocess_exec(*serve(config), stdout=asyncio.subprocess.PIPE)
    clients = []
    try:
        url = json.loads(await server.stdout.readline())["url"]

        async def connect(trader):
            client = Client(url, trader.key.id, trader.key.secret, reconnect=False)
            await client.connect()
            clients.append(client)
            return client

        yield server, connect
    finally:
        for client in clients:
            await client.close()
        if server.returncode is None:
            server.kill()
        await server.wait()


async def marked(client):
    while (await client.call("public/ticker", instrument_name=BTC))["mark_price"] in (None, 0):
        await asyncio.sleep(0.05)


async def prices(client):
    return sorted(int(order.price or order.trigger_price) for order in await client.open_orders())


def test_after_a_kill_whoever_had_asked_is_cancelled(tmp_path):
    """Connection, account and countdown; reduce-only stops and the orders of others stay; resume tells what went."""
    config = config_of(tmp_path)
    Path(config.data).mkdir(exist_ok=True)
    alice, bob, carol, dave = set_up(config, NAMES)

    async def before():
        async with process(config) as (server, connect):
            plain, guarded = await connect(alice), await connect(alice)
            await marked(plain)
            assert await guarded.call("private/enable_cancel_on_disconnect") == "ok"
            first = await connect(bob)
            await first.call("private/enable_cancel_on_disconnect", scope="account")
            begun_with_it = await connect(bob)
            quick, slow = await connect(carol), await connect(dave)
            await begun_with_it.sell(BTC, "0.1", price="20000")
            await guarded.buy(BTC, "0.1", price="20000")
            await guarded.buy(BTC, "0.1", price="19700")
            await guarded.sell(BTC, "0.1", type="stop_market", trigger_price="19000", reduce_only=True)
            await plain.buy(BTC, "0.1", price="19600")
            await first.buy(BTC, "0.1", price="19500")
            await begun_with_it.buy(BTC, "0.1", price="19400")
            for client in (quick, slow):
                await client.buy(BTC, "0.1", price="19300")
            await slow.call("venue/countdown_cancel_all", timeout_ms=3_600_000)
            told = await quick.call("venue/countdown_cancel_all", timeout_ms=1_000)
            heard = (await plain.call("venue/resume"))["sequence"]
            os.kill(server.pid, signal.SIGKILL)
            await server.wait()
            return heard, told["cancels_at"]

    async def after(heard, cancels_at):
        async with process(config) as (_, connect):
            again = await connect(alice)
            assert await prices(again) == [19_000, 19_600]
            assert await prices(await connect(bob)) == [19_500]
            late = await connect(carol)
            while await prices(late):
                await asyncio.sleep(0.05)
            assert await late.call("public/get_time") >= cancels_at, "the venue's time, which may lead the machine's"
            assert await prices(await connect(dave)) == [19_300]
            missed = (await again.call("venue/resume", sequence=heard))["events"]
            gone = [event["data"] for event in missed if event["channel"].startswith("user.orders")]
            assert [(order["price"], order["cancel_reason"]) for order in gone] == [(19_700, "cancel_on_disconnect")]

    play(after(*play(before())))


# --- recovery from each file --------------------------------------------------------------------------------------


def ask(venue, who, method, **params):
    """The answer to a request, with all that it asked for done."""
    origin = Origin(venue.sequencer, venue.sessions[who])
    origin.act(venue.sessions[who].receive(request(1, method, **params), clock.steady_ns()))
    venue.sequencer.settle()
    return json.loads(origin.frames[-1])["result"]


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """A venue with every switch on, an hour's countdown among them: (its folder as a crash leaves it, its switches).

    A snapshot and the read model are saved while all is on, and more follows them in the journal.
    """
    venue = SocketlessVenue(tmp_path_factory.mktemp("silent"))
    for number in range(3):
        ask(venue, 0, "private/buy", instrument_name=BTC, amount=0.1, price=19_000 + number)
    ask(venue, 1, "private/buy", instrument_name=BTC, amount=0.1, price=18_000)
    ask(venue, 0, "private/enable_cancel_on_disconnect")
    ask(venue, 1, "private/enable_cancel_on_disconnect", scope="account")
    ask(venue, 1, "venue/countdown_cancel_all", timeout_ms=3_600_000)
    engine, data = venue.venue.engine, Path(venue.venue.config.data)
    engine.journal.sync()
    engine.snapshot()
    venue.venue.projection.save(projection_path(data, engine.last_seq))
    ask(venue, 0, "private/buy", instrument_name=BTC, amount=0.1, price=19_003)
    engine.journal.sync()
    left = data.parent / "left"
    shutil.copytree(data, left)
    yield replace(venue.venue.config, data=str(left)), venue.venue.projection.switches
    venue.venue.close()


LEFT = {"all": (), "no read model": ("projection-*",), "journal": ("projection-*", "snapshot-*")}


@pytest.mark.parametrize("without", LEFT.values(), ids=LEFT)
def test_switches_are_recovered_from_whatever_is_left(silent, tmp_path, without):
    config, switches = silent
    shutil.copytree(config.data, tmp_path / "data")
    for pattern in without:
        for path in (tmp_path / "data").rglob(pattern):
            path.unlink()
    venue = Venue(replace(config, data=str(tmp_path / "data")))
    found = venue.projection.switches
    assert (found.connections, found.accounts, found.countdowns) == (
        switches.connections, switches.accounts, switches.countdowns,
    )  # fmt: skip
    assert len(venue.projection.open_orders(0)) == 4
    last = max(found.connections)
    venue.start()
    assert venue.context.new_connection(0) > last
    assert venue.projection.open_orders(0) == [] and not found.connections
    assert len(venue.projection.open_orders(1)) == 1 and list(found.accounts) == list(found.countdowns) == [1]
    venue.close()


def test_a_countdown_that_ran_out_meanwhile_cancels_at_the_start(silent, tmp_path, monkeypatch):
    config, _ = silent
    shutil.copytree(config.data, tmp_path / "data")
    real_ns = clock.wall_ns
    monkeypatch.setattr(clock, "wall_ns", lambda: real_ns() + 3700 * S)
    venue = Venue(replace(config, data=str(tmp_path / "data")))
    assert len(venue.projection.open_orders(1)) == 1
    venue.start()
    assert venue.projection.open_orders(1) == [] and not venue.projection.switches.countdowns
    [ended] = venue.projection.order_history(1, frozenset({0}), Span(count=9))
    assert ended.reason == Reason.DISCONNECT
    venue.close()


def test_a_clean_stop_is_a_lost_connection_and_a_countdown_runs_on(tmp_path):
    """Nobody can cancel while the venue is away, whatever the reason."""
    config = config_of(tmp_path)
    Path(config.data).mkdir(exist_ok=True)
    alice, bob = set_up(config)

    async def connect(server, trader):
        client = Client(f"ws://127.0.0.1:{server.port}", trader.key.id, trader.key.secret, reconnect=False)
        await client.connect()
        return client

    async def first():
        async with running(config) as server:
            guarded, counting = await connect(server, alice), await connect(server, bob)
            await guarded.call("private/enable_cancel_on_disconnect")
            await guarded.buy(BTC, "0.1", price="19000")
            await counting.buy(BTC, "0.1", price="18000")
            await counting.call("venue/countdown_cancel_all", timeout_ms=2_000)

    async def second():
        async with running(config) as server:
            assert not server.venue.projection.switches.connections
            assert await prices(await connect(server, alice)) == []
            slot = bob.account_slot
            await until(lambda: not server.venue.projection.open_orders(slot))
            assert not server.venue.projection.switches.countdowns

    play(first())
    play(second())


def test_a_switch_is_durable_before_it_is_acknowledged(tmp_path):
    """The answer waits in the outbox until the journal has the SWITCH command."""
    venue = SocketlessVenue(tmp_path)
    session = venue.sessions[0]
    for method, params, code in (
        ("private/enable_cancel_on_disconnect", {}, Switch.CONNECTION),
        ("private/enable_cancel_on_disconnect", {"scope": "account"}, Switch.ACCOUNT),
        ("venue/countdown_cancel_all", {"timeout_ms": 5000}, Switch.COUNTDOWN),
        ("private/disable_cancel_on_disconnect", {}, Switch.CONNECTION),
    ):
        [submit] = session.receive(request(1, method, **params), clock.steady_ns())
        [row] = np.frombuffer(submit.rows, DIRECTIVE)
        assert (row["kind"], row["code"], row["account_slot"]) == (CommandKind.SWITCH, code, session.account_slot)
        assert submit.pending is not None, "it is answered by its outcome alone"
    venue.venue.close()
