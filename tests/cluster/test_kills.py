"""A leader that is harmed under load: nothing that was told is lost. And the checker finds what is wrong."""

import asyncio
from decimal import Decimal

import pytest

from tests.cluster.servers import need_servers
from tests.gateway.test_mutants import place
from tests.patience import patience_s

need_servers()
kills = pytest.importorskip("tests.cluster.kills", reason="nats-py is not installed")
faults = pytest.importorskip("tests.cluster.faults", reason="nats-py is not installed")
namespaces = pytest.importorskip("tests.cluster.namespaces")
told = pytest.importorskip("tests.cluster.told")
broken = pytest.importorskip("tests.cluster.broken", reason="nats-py is not installed")
FILL = told.Fill("BTC-7", 7, Decimal(20000), Decimal("0.002"), "buy", "91")


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A machine that is busy stands still for as long as a leader that is gone."""
    monkeypatch.setenv("LIONROCK_CLUSTER_STANDBY_SILENCE_MS", "3000")
    monkeypatch.setattr(kills, "LIMIT_SECONDS", 6 * patience_s())
    monkeypatch.setattr(kills, "STOP_SECONDS", 6.0)
    monkeypatch.setattr(faults, "CUT_SECONDS", 6.0)


@pytest.mark.parametrize("by", ["stop", "lag"])
def test_a_harmed_leader_loses_nothing_that_was_told(by, tmp_path):
    (killed,) = asyncio.run(kills.run(tmp_path, 1, by, 1, 0.0))
    assert killed.faults == killed.log_faults == []
    assert killed.acknowledged > 0 and killed.fills > 0


def test_a_primary_that_is_cut_from_the_servers_loses_nothing_that_was_told(tmp_path):
    if why := namespaces.why_none():
        pytest.skip(why)
    (happened,) = asyncio.run(faults.run(tmp_path, "primary-cut", 1, 0.0))
    assert happened.faults == [] and happened.has_taken_over and happened.acknowledged > 0


@pytest.mark.parametrize("each", broken.BREAKS, ids=lambda each: each.mutant.name)
def test_every_broken_build_can_be_made(each, tmp_path):
    place(tmp_path, each.mutant)
    assert each.by in kills.WAYS


def test_the_checker_finds_trades_that_are_lost_changed_or_there_twice():
    changed = FILL._replace(amount=Decimal("0.001"))
    for heard, history, word in (
        ([FILL], [], "lost"), ([FILL, FILL], [FILL], "told twice"), ([FILL], [FILL, FILL], "history twice"),
        ([FILL], [changed], "told as"),
    ):  # fmt: skip
        (fault,) = told.faults_of_told(heard, history)
        assert word in fault
    assert list(told.faults_of_told([FILL], [FILL, changed._replace(trade_id="BTC-8")])) == []


def test_the_checker_finds_orders_that_are_lost_there_again_or_were_never_sent():
    class Venue:
        """What a client says that asks a venue for its open orders."""

        def __init__(self, *orders):
            self.orders = orders

        async def open_orders(self):
            return self.orders

    class Open:
        def __init__(self, number, order_id, filled="0"):
            self.cl_ord_id, self.order_id, self.filled_amount = number, order_id, Decimal(filled)

    def faults_of(orders, cancelled=(), sent=(1,)):
        trader = told.Trader(Venue(*orders), 0, iter(()))
        trader.told.sent |= set(sent)
        trader.told.orders[1] = told.Ordered("91", Decimal("0.002"))
        trader.told.cancelled |= set(cancelled)
        return asyncio.run(trader._faults_of_orders([], []))

    assert faults_of([Open(1, "91")]) == faults_of([], cancelled=[1]) == []
    assert "acknowledged and is lost" in faults_of([])[0]
    assert "was cancelled, as was told, and is open" in faults_of([Open(1, "91")], cancelled=[1])[0]
    assert any("twice" in fault for fault in faults_of([Open(1, "91"), Open(1, "92")]))
    assert "never sent" in faults_of([Open(1, "91"), Open(2, "92")])[0]
    assert "filled" in faults_of([Open(1, "91", "0.001")])[0]
