"""A venue whose disk fails acknowledges nothing more, answers questions from what is durable, and says why it ends."""

import asyncio
import json
import os
import signal

import pytest

from engine import disk, host
from engine.journal import End, read_tip
from gateway import clock
from gateway.client import Client, Disconnected, RpcError
from gateway.commands import serving
from gateway.sessions.session import Session
from gateway.venue.read_only import ReadOnlyVenue, disk_failure
from gateway.venue.venue import Venue
from tests.gateway.live import BTC, config_of, play, request, set_up
from tests.gateway.socketless_venue import SocketlessVenue, buy
from tests.gateway.venue.failing_disk import FailingDisk
from tests.gateway.venue.test_fail_stop import START_SECONDS, Stable, address, marked, order


@pytest.fixture(scope="module")
def stable():
    forks = Stable()
    yield forks
    forks.close()


async def connected(url, trader):
    """A client that is logged in; the venue may not listen yet."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            client = Client(url, trader.key.id, trader.key.secret, reconnect=False)
            try:
                await client.connect()
                return client
            except (OSError, Disconnected):
                await client.close()
                await asyncio.sleep(0.05)


async def refused(call):
    with pytest.raises(RpcError) as error:
        await call
    return error.value.code, error.value.reason


def orders(client):
    return client.call("private/get_open_orders_by_instrument", instrument_name=BTC)


def test_a_failed_sync_makes_the_venue_read_only_and_the_next_start_goes_on(stable, tmp_path):
    config = config_of(tmp_path / "data")
    config.registry.parent.mkdir(parents=True)
    alice, _ = set_up(config)
    process = stable.start(config, "disk", tmp_path)
    kept = []

    async def story():
        url = await address(tmp_path / "out")
        client = await connected(url, alice)
        await marked(client)
        kept.append((await order(client, "buy", 19_000))["order"]["order_id"])
        os.kill(process, signal.SIGUSR1)
        with pytest.raises(Disconnected):
            while True:
                kept.append((await order(client, "buy", 19_001))["order"]["order_id"])
        await client.close()
        again = await connected(url, alice)
        assert [row["order_id"] for row in await orders(again)] == kept, "what was not acknowledged is not shown"
        assert await refused(order(again, "buy", 19_002)) == (10041, "DISK_FAILED")
        assert await refused(again.cancel(kept[0])) == (10041, "DISK_FAILED")
        status = await again.call("public/status")
        assert (status["locked"], status["reason"]) == ("true", "DISK_FAILED")
        assert "Input/output error" in status["message"]
        assert (await again.call("private/get_account_summary", currency="USDC"))["equity"] > 0
        await again.close()
        os.kill(process, signal.SIGTERM)

    play(story(), START_SECONDS)
    assert stable.end() == serving.DISK_FAILED
    error = (tmp_path / "err").read_text()
    lines = [line for line in error.splitlines() if line.startswith("lionrock serve:")]
    assert len(lines) == 2 and lines[0].startswith(f"lionrock serve: read-only: {config.journal}: the journal cannot")
    assert "Input/output error" in lines[1] and "nothing acknowledged is lost; stop the venue, look at" in lines[1]
    assert read_tip(config.journal).end is End.FAILED
    (tmp_path / "second").mkdir()
    process = stable.start(config, [], tmp_path / "second")

    async def sound():
        url = await address(tmp_path / "second" / "out")
        client = await connected(url, alice)
        assert {row["order_id"] for row in await orders(client)} >= set(kept)
        assert (await client.call("public/status"))["locked"] == "false"
        await client.close()
        os.kill(process, signal.SIGTERM)

    play(sound(), START_SECONDS)
    assert stable.end() == 0
    said = json.loads((tmp_path / "second" / "out").read_text().splitlines()[0])
    assert said["previous_end"] == "disk_failed"


def test_a_disk_that_fails_in_the_stop_is_one_line_with_its_own_exit_code(stable, tmp_path):
    config = config_of(tmp_path / "data")
    config.registry.parent.mkdir(parents=True)
    alice, _ = set_up(config)
    process = stable.start(config, "snapshot-", tmp_path)

    async def story():
        client = await connected(await address(tmp_path / "out"), alice)
        await marked(client)
        await order(client, "buy", 19_000)
        await client.close()
        os.kill(process, signal.SIGUSR1)
        os.kill(process, signal.SIGTERM)

    play(story(), START_SECONDS)
    assert stable.end() == serving.DISK_FAILED
    [line] = [line for line in (tmp_path / "err").read_text().splitlines() if line.startswith("lionrock serve:")]
    assert line.startswith(f"lionrock serve: stopped by a disk error: {config.data}: the stop could not write all of")
    assert "Input/output error" in line and "nothing acknowledged is lost" in line and "then start again" in line
    assert "Traceback" not in (tmp_path / "err").read_text()
    assert read_tip(config.journal).end is End.CLOSED and not host.snapshot_seqs(config.journal)


@pytest.mark.parametrize("name", ["projection-", "snapshot-"])
def test_a_stop_without_a_snapshot_closes_the_journal_and_the_next_start_has_all(tmp_path, name):
    made = SocketlessVenue(tmp_path)
    made.send([buy(1, price=19_000)])
    venue, failing = made.venue, FailingDisk()
    with disk.use(failing):
        failing.unwritable = name
        with pytest.raises(OSError, match="Input/output error"):
            venue.close()
    assert read_tip(venue.config.journal).end is End.CLOSED
    again = Venue(venue.config)
    assert again.engine.digest() == venue.engine.digest() and again.engine.recovery.snapshot_seq == 0
    again.close()
    assert host.snapshot_seqs(venue.config.journal) == [again.engine.last_seq]


@pytest.mark.parametrize("days", [400, -400])
def test_recent_trades_stay_recent_when_the_wall_clock_had_jumped_before_the_disk_failed(tmp_path, monkeypatch, days):
    failing, wall_ns = FailingDisk(), clock.wall_ns
    with disk.use(failing):
        made = SocketlessVenue(tmp_path, durability="fsync")
        made.send([buy(1, method="private/sell", price=20_000)], who=1)
        made.send([buy(1, price=20_000)])
        made.venue.engine.journal.sync()
        monkeypatch.setattr(clock, "wall_ns", lambda: wall_ns() + days * 86_400 * 10**9)
        failing.fails = True
        made.send([buy(2)])
        with pytest.raises(host.JournalError):
            made.venue.engine.journal.sync()
    failure, before_ns = disk_failure(made.venue), made.venue.time.now_ns()
    made.venue.abandon()
    again = ReadOnlyVenue(made.venue.config, failure, None, lambda call, *words: None)
    try:
        assert 0 <= again.time.now_ns() - before_ns < 3600 * 10**9
        session = Session(again.context, again.projection, False, "test", clock.steady_ns())
        key = made.traders[0].key
        params = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": key.secret}
        session.receive(request(0, "public/auth", **params), clock.steady_ns())
        question = request(1, "private/get_user_trades_by_instrument", instrument_name=BTC)
        [answer] = session.receive(question, clock.steady_ns())
        assert len(json.loads(answer.data)["result"]["trades"]) == 1
    finally:
        again.close()
