"""The state's memory for the orders to come is there before they are, in a venue that is in use."""

import resource
from typing import Any

import pytest

from engine import host
from engine.state_memory import allocate
from gateway.read_model import rows_ahead
from gateway.read_model.rows_ahead import HELPER
from gateway.venue import state_ahead
from gateway.venue.state_ahead import FIRST_ORDERS, StateAhead

AHEAD = 1 << 14
PAGE_ORDERS = 64
"""Orders in a page of memory."""


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty state whose memory comes in small pages, and a venue that looks less far ahead."""
    monkeypatch.setattr(host, "allocate", lambda huge_pages: allocate(False))
    monkeypatch.setattr(state_ahead, "ORDERS_AHEAD", AHEAD)
    pools = tuple((name, counter, AHEAD) for name, counter, _ in state_ahead._POOLS[:2])
    monkeypatch.setattr(state_ahead, "_POOLS", pools)
    return host.create()


def faults_of_writing(rows: Any) -> int:
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    rows[...] = 1
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


def looked(ahead: StateAhead) -> None:
    ahead.look()
    HELPER.wait()


def test_a_venue_in_use_has_the_memory_of_the_orders_to_come(root: Any) -> None:
    begin = root.ctypes.data & ~4095
    if rows_ahead._madvise(begin, 4096, rows_ahead._POPULATE_WRITE):
        pytest.skip("this Linux has no MADV_POPULATE_WRITE (before 5.14)")
    state, ahead = root[0], StateAhead(root)
    looked(ahead)
    serials = state["orders"]["order_id"]
    assert faults_of_writing(serials[:FIRST_ORDERS]) >= FIRST_ORDERS // PAGE_ORDERS, "nobody used it"
    root["orders_used"] = FIRST_ORDERS
    looked(ahead)
    end = FIRST_ORDERS + AHEAD
    assert faults_of_writing(serials[FIRST_ORDERS:end]) < 9
    assert faults_of_writing(state["own"]["person"][FIRST_ORDERS:end]) < 9
    assert faults_of_writing(state["cells"]["word"][64 : 4 * AHEAD]) < 9
    assert faults_of_writing(serials[end + PAGE_ORDERS : 2 * end]) > AHEAD // PAGE_ORDERS // 2, "and no more than that"
    assert not state["orders"]["cl_ord_id"][FIRST_ORDERS:end].any()


def test_more_is_given_when_half_is_left_and_up_to_the_last_row(root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(HELPER, "do", lambda rows, call: given.append(len(call.args[0])))
    ahead, last = StateAhead(root), len(root[0]["orders"])
    root["orders_used"] = FIRST_ORDERS
    ahead.look()
    assert given == [AHEAD, AHEAD, 4 * AHEAD - 64]
    root["orders_used"] = FIRST_ORDERS + AHEAD // 2
    ahead.look()
    assert len(given) == 3
    root["orders_used"] = FIRST_ORDERS + AHEAD // 2 + 1
    ahead.look()
    assert given[3:] == [AHEAD // 2 + 1] * 2
    for used in (last - 1, last, last):
        root["orders_used"] = used
        ahead.look()
    assert given[5:] == [1, 1]
    root["order_map"]["size"] = 4 * AHEAD
    ahead.look()
    assert given[7:] == [16 * AHEAD - 4 * AHEAD]
