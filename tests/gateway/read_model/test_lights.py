"""When the lights of positions are looked up again: each look is a pass over a contract."""

import pytest

from gateway.read_model import account_views
from gateway.read_model.account_views import FORGOTTEN_TICKS, LOOKS_PER_TICK, Lights


class Market:
    """Positions and mark ticks that the test sets; `looked` is whose lights were looked up."""

    def __init__(self, patch, count):
        self.state = {"mark_ticks": 1, "positions": [{"size_lots": 5} for _ in range(count)]}
        self.looked = []
        patch.setattr(account_views.statements, "lights", self._look)
        self.lights = Lights([self.state])

    def _look(self, root, slot):
        self.looked.append(slot)
        return 3

    def tick(self, slots):
        self.state["mark_ticks"] += 1
        self.looked.clear()
        return [self.lights.of(slot) for slot in slots]


@pytest.fixture
def market(monkeypatch):
    return Market(monkeypatch, 1000)


def test_a_trade_costs_no_look_but_another_side_does(market):
    position = market.state["positions"][7]
    assert market.tick([7]) == [3] and market.looked == [7]
    market.looked.clear()
    for size_lots, looked in ((6, 0), (2, 0), (-2, 1), (-3, 1), (0, 1), (-1, 2)):
        position["size_lots"] = size_lots
        assert market.lights.of(7) == (3 if size_lots else 0)
        assert len(market.looked) == looked


def test_of_many_positions_a_few_are_looked_up_at_a_tick_and_each_in_its_turn(market):
    slots = range(10 * LOOKS_PER_TICK)
    market.tick(slots)
    seen = []
    for _ in range(20):
        market.tick(slots)
        assert len(market.looked) <= LOOKS_PER_TICK
        seen += market.looked
    assert sorted(seen) == list(slots)


def test_positions_that_no_channel_tells_of_make_nobody_wait(market):
    market.tick(range(1000))
    for _ in range(FORGOTTEN_TICKS + 2 * 1000 // LOOKS_PER_TICK + FORGOTTEN_TICKS):
        market.tick([0])
    looks = 0
    for _ in range(4):
        market.tick([0])
        looks += len(market.looked)
    assert looks == 4
