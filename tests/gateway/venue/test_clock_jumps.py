"""A running venue whose wall clock jumps: what its log, its clients and its next start see of it."""

import hashlib
import hmac

import numpy as np
import pytest

from engine import host
from gateway import clock
from gateway.client import RpcError
from gateway.clock import ClockError
from gateway.net.server import Server
from gateway.sessions.session import Session
from tests.gateway.live import BTC, market, play, request, running, until
from tests.gateway.office.test_officers_live import admin, venue
from tests.gateway.socketless_venue import SocketlessVenue

S, DAY = 10**9, 86_400 * 10**9
real_wall_ns = clock.wall_ns


def jump(monkeypatch, span_ns):
    """From now on the wall clock is wrong by so much; 0: it is right."""
    monkeypatch.setattr(clock, "wall_ns", lambda: real_wall_ns() + span_ns)


def stamps(config):
    """The time of every command of a log."""
    found = []

    def keep(commands, events):
        found.append(commands["time_ns"].copy())

    reader = host.JournalReader(config.journal)
    host.replay(reader, host.Engine(host.create(reader.capacities, reader.mode)), sink=keep)
    return np.concatenate(found)


def test_400_days_ahead_for_a_while_leave_no_trace(tmp_path, monkeypatch):
    """Orders are refused and cancels are not; everything is as before when the clock is right again, also restarted."""

    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            resting = await alice.buy(BTC, "0.1", price="19000")
            heard = []
            await alice.subscribe("platform_state", heard.append)
            jump(monkeypatch, 400 * DAY)
            await until(lambda: server.venue.time.is_stopped)
            with pytest.raises(RpcError) as refused:
                await alice.buy(BTC, "0.1", price="19000")
            assert refused.value.code == 10041 and "CLOCK_JUMPED" in str(refused.value)
            assert "400 days ahead" in str(refused.value)
            assert (await alice.call("public/status"))["locked"] == "true"
            assert (await alice.cancel(resting.order.order_id)).order_state == "cancelled"
            first = server.venue.engine.last_seq
            await until(lambda: server.venue.engine.last_seq > first + 20)  # the index and the mark go on
            jump(monkeypatch, 0)
            await until(lambda: not server.venue.time.is_stopped)
            await alice.buy(BTC, "0.1", price="19000")
            assert (await alice.call("public/status"))["locked"] == "false"
            await until(lambda: [state["locked"] for state in heard] == [False, True, False])
        times = stamps(server.venue.config)
        assert (np.diff(times) >= 0).all() and times[-1] < real_wall_ns() + S
        async with running(server.venue.config) as again:
            assert again.venue.health.state == "serving"

    play(story())


def test_two_officers_accept_a_clock_that_has_jumped_while_the_venue_runs(tmp_path, monkeypatch):
    """Ahead it is followed at once; back, time goes on and loses a little. What was accepted before does not count."""

    async def accepted(ann, ben):
        number = (await admin(ann, "accept_clock"))["number"]
        await ben.call("venue/admin/approve", number=number)
        return number

    async def story():
        async with venue(tmp_path / "v") as (server, (alice, _, ann, ben)):
            time = server.venue.time
            resting = await alice.buy(BTC, "0.1", price="19900")
            await accepted(ann, ben)
            jump(monkeypatch, 3600 * S)
            await until(lambda: server.venue.health.state == "no_new_orders")
            assert "lionrock admin accept-clock" in server.venue.health.remedy
            number = (await admin(ann, "accept_clock"))["number"]
            for _ in range(3):
                server.venue.tick()
            assert time.is_stopped, "neither an earlier word nor one officer is enough"
            await ben.call("venue/admin/approve", number=number)
            await until(lambda: not time.is_stopped)
            assert abs(time.now_ns() - real_wall_ns() - 3600 * S) < 30 * S and server.venue.health.state == "serving"
            await until(lambda: server.venue.projection.now_ns > real_wall_ns() + 3500 * S)
            with pytest.raises(RpcError) as refused:  # as after a stop: the index has to be fresh for a minute first
                await alice.buy(BTC, "0.1", price="19900")
            assert refused.value.reason == "MARKET_HALTED"
            jump(monkeypatch, 0)
            await until(lambda: time.is_doubtful)
            await accepted(ann, ben)
            await until(lambda: not time.is_doubtful)
            assert time.lead_ns > 3500 * S and "as an operator has accepted" in server.venue.health.cause
            assert (await alice.cancel(resting.order.order_id)).order_state == "cancelled"
        assert (np.diff(stamps(server.venue.config)) >= 0).all()

    play(story())


def test_an_hour_back_makes_nobody_wait_and_time_goes_on(tmp_path, monkeypatch):
    async def story():
        limits = {"orders_per_s": 10_000, "orders_burst": 1, "cancels_burst": 1, "queries_burst": 1}
        async with market(tmp_path, ("alice",), **limits) as (server, (alice,)):
            before = server.venue.projection.now_ns
            jump(monkeypatch, -3600 * S)
            await until(lambda: server.venue.time.is_doubtful)
            for number in range(3):
                placed = await alice.buy(BTC, "0.1", price=str(19_000 + number))
                await alice.cancel(placed.order.order_id)
            assert server.venue.health.state == "serving"
            assert "1 h behind" in server.venue.health.cause or "60 min behind" in server.venue.health.cause
            await until(lambda: server.venue.projection.now_ns > before + S)
        times = stamps(server.venue.config)
        assert (np.diff(times) >= 0).all()
        with pytest.raises(ClockError, match="before the log's last command"):
            Server(server.venue.config)
        ahead = Server(server.venue.config, accepted_time="log")
        assert ahead.venue.time.lead_ns > 3590 * S
        await ahead.start()
        await until(lambda: ahead.venue.engine.last_seq > len(times) + 5)
        await ahead.stop()
        assert (np.diff(stamps(server.venue.config)) >= 0).all()

    play(story())


def test_a_log_that_is_ahead_lets_clients_sign_with_the_time_of_people(tmp_path, monkeypatch):
    """Signatures and tokens go by the wall clock; orders' deadlines by the time of the log."""
    venue = SocketlessVenue(tmp_path)
    venue.venue.time.lead_ns, venue.venue.time.offset_ns = DAY, venue.venue.time.offset_ns + DAY
    session = Session(venue.venue.context, venue.venue.projection, False, "test", clock.steady_ns())
    key, stamp = venue.traders[0].key, str(real_wall_ns() // 10**6)
    signed = {
        "grant_type": "client_signature", "client_id": key.id, "timestamp": stamp, "nonce": "n", "data": "",
        "signature": signature(key.secret, stamp),
    }  # fmt: skip
    (answer,) = session.receive(request(1, "public/auth", **signed), clock.steady_ns())
    assert b"access_token" in answer.data, answer.data


def signature(secret, stamp):
    """The signature of a login, as clients make it."""
    return hmac.new(secret.encode(), f"{stamp}\nn\n".encode(), hashlib.sha256).hexdigest()


def test_limits_and_heartbeats_do_not_see_the_wall_clock(tmp_path, monkeypatch):
    """It jumps at every message, a day ahead and a day back."""
    venue = SocketlessVenue(tmp_path)
    session, days = venue.sessions[0], iter(range(1000))
    monkeypatch.setattr(clock, "wall_ns", lambda: real_wall_ns() + (-1) ** next(days) * DAY)
    session.receive(request(1, "public/set_heartbeat", interval=10), clock.steady_ns())
    for number in range(20):
        (answer,) = session.receive(request(number, "public/test"), clock.steady_ns())
        assert b"wait" not in answer.data
        venue.venue.time.follow()
        assert session.tick(clock.steady_ns()) == []


def test_a_start_asks_for_the_word_of_an_operator(tmp_path, monkeypatch):
    """Nothing is written before; with the right word it starts."""
    venue = SocketlessVenue(tmp_path).venue
    venue.close()
    last = venue.engine.last_seq
    jump(monkeypatch, 400 * DAY)
    with pytest.raises(ClockError, match=r"400 days after .* --accept-time wall"):
        Server(venue.config)
    with pytest.raises(ClockError):
        Server(venue.config, accepted_time="log")
    server = Server(venue.config, accepted_time="wall")
    assert server.venue.engine.last_seq == last
    assert server.venue.time.now_ns() > real_wall_ns() + 399 * DAY
    server.venue.close()
