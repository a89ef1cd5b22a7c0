"""The orders that a kill switch takes are counted, however long that lasts and whatever comes between."""

import shutil

import numpy as np
import pytest

from engine.codes import AccountAttribute, ClientAttribute, CommandKind, EventKind, MarketState, Reason, VenueState
from engine.schema import EVENT, WORK_ITEMS
from gateway import clock
from gateway.config import Config
from gateway.registry.records import NOT_SWEPT
from gateway.registry.registry import Intent
from gateway.venue.sweeps import Sweeps
from gateway.venue.venue import Venue
from tests.gateway.live import BTC, request
from tests.gateway.socketless_venue import SocketlessVenue, bare, taken

FEW, MANY = 7, 5 * WORK_ITEMS
KILL = Intent(CommandKind.ACCOUNT_SET, int(AccountAttribute.KILL_SWITCH), account_slot=0, value=1, sweeps=True)
KILL_CLIENT = Intent(CommandKind.CLIENT_SET, int(ClientAttribute.KILL_SWITCH), item=1, value=1, sweeps=True)
FREEZE = Intent(CommandKind.CLIENT_SET, int(ClientAttribute.FROZEN), item=1, value=1, sweeps=True)
HALT = Intent(CommandKind.CONTRACT_STATE, int(MarketState.HALTED), contract_slot=0, sweeps=True)
HALT_ALL = Intent(CommandKind.VENUE_STATE, int(VenueState.HALTED), sweeps=True)


@pytest.fixture
def desk(tmp_path):
    return SocketlessVenue(tmp_path)


def rest(desk, orders, who=0):
    """So many orders of a trader rest."""
    assert len(taken(desk.send([bare(number) for number in range(1, orders + 1)], who))) == orders


def switch(venue, intent):
    """Have an intent carried out; what is known of it at once."""
    venue.registry.add_intents([intent], clock.wall_ns())
    [result] = venue.submit_intents().values()
    assert result.reason == 0
    return result


def work_off(venue):
    """What the server does while the engine has work: commands of time."""
    while venue.sequencer.has_work:
        venue.sequencer.keep_time()


def noted(venue):
    """What the registry says of the last intent, once that is durable."""
    venue.engine.journal.sync()
    venue.sequencer.release()
    venue.tick()
    last = venue.registry.last_reference()
    return venue.registry.intents_between(last - 1, last)[0][1]


@pytest.mark.parametrize(("intent", "others"), [(KILL, 0), (KILL_CLIENT, 0), (FREEZE, 0), (HALT, 3), (HALT_ALL, 3)])
def test_a_short_sweep_is_counted_in_the_answer(desk, intent, others):
    rest(desk, FEW)
    rest(desk, 3, who=1)
    result = switch(desk.venue, intent)
    assert result.orders_cancelled == FEW + others
    assert noted(desk.venue) == result
    assert desk.venue.registry.unfinished_sweeps() == []


STOP = {"type": "stop_market", "trigger": "mark_price", "trigger_price": 19_000, "reduce_only": True}


@pytest.mark.parametrize(("intent", "kept"), [(KILL, 1), (KILL_CLIENT, 1), (FREEZE, 0), (HALT, 0)])
def test_a_kill_switch_leaves_protective_stops(desk, intent, kept):
    """Whoever may not open any more is not trapped; a freeze and a halt take everything."""
    rest(desk, FEW)
    assert taken(desk.send([request(50, "private/sell", instrument_name=BTC, amount=0.1, **STOP)])) == [50]
    result = switch(desk.venue, intent)
    assert result.orders_cancelled == FEW + 1 - kept
    assert len(desk.venue.projection.open_orders(0)) == kept


@pytest.mark.parametrize("intent", [KILL, FREEZE])
def test_a_long_sweep_is_counted_when_it_has_ended(desk, intent):
    rest(desk, MANY)
    result = switch(desk.venue, intent)
    assert result.sequence > 0 and result.orders_cancelled is None
    assert noted(desk.venue) == result and desk.venue.registry.unfinished_sweeps() == [(result.sequence, intent.kind)]
    work_off(desk.venue)
    assert noted(desk.venue) == (result.sequence, 0, MANY)
    assert desk.venue.projection.open_orders(0) == []


def test_an_end_is_not_noted_before_it_is_durable(desk, monkeypatch):
    rest(desk, MANY)
    result = switch(desk.venue, KILL)
    assert noted(desk.venue) == result
    monkeypatch.setattr(type(desk.venue.engine), "durable_seq", result.sequence)
    work_off(desk.venue)
    desk.venue.tick()
    last = desk.venue.registry.last_reference()
    assert desk.venue.registry.intents_between(last - 1, last)[0][1] == result
    monkeypatch.undo()
    assert noted(desk.venue).orders_cancelled == MANY


@pytest.mark.parametrize("intent", [KILL, KILL_CLIENT])
@pytest.mark.parametrize("is_worked_off", [True, False])
def test_a_crash_does_not_forget_the_number(desk, tmp_path, is_worked_off, intent, monkeypatch):
    rest(desk, MANY)
    monkeypatch.setattr(desk.venue.registry, "mark_applied", lambda results, swept, tip: None)
    result = switch(desk.venue, intent)
    if is_worked_off:
        work_off(desk.venue)
    desk.venue.engine.journal.sync()
    crashed = Config(data=str(tmp_path / "crashed"))
    shutil.copytree(desk.venue.config.data, crashed.data)
    again = Venue(crashed)
    work_off(again)
    assert noted(again) == (result.sequence, 0, MANY)
    again.close()


@pytest.mark.parametrize("intent", [KILL, FREEZE])
def test_a_stop_in_the_middle_does_not_forget_the_number(desk, intent):
    rest(desk, MANY)
    result = switch(desk.venue, intent)
    desk.venue.close()
    again = Venue(desk.venue.config)
    assert noted(again) == result
    work_off(again)
    assert noted(again).orders_cancelled == MANY
    again.close()


def test_a_sweep_that_finds_no_room_is_told(desk):
    rest(desk, FEW)
    desk.venue.engine.root["jobs_capacity"] = 0
    assert switch(desk.venue, HALT_ALL).orders_cancelled == NOT_SWEPT
    assert noted(desk.venue).orders_cancelled == NOT_SWEPT
    assert len(desk.venue.projection.open_orders(0)) == FEW


def test_only_its_own_refusal_ends_a_sweep():
    """An order that triggers in the same command may be refused too; it has a number, the mass cancel has none."""
    sweeps, events = Sweeps(), np.zeros(1, EVENT)
    sweeps.begin(11, CommandKind.ACCOUNT_SET)
    events["seq"], events["kind"], events["order_id"], events["reason"] = 10, EventKind.REJECTED, 5, Reason.CAPACITY
    sweeps.offer(events, 10)
    assert sweeps.orders_cancelled(11) is None
    events["order_id"] = 0
    sweeps.offer(events, 10)
    assert sweeps.orders_cancelled(11) == NOT_SWEPT


def test_a_freeze_that_finds_no_room_is_refused_and_says_so(desk):
    rest(desk, FEW)
    desk.venue.engine.root["jobs_capacity"] = 0
    desk.venue.registry.add_intents([FREEZE], clock.wall_ns())
    [result] = desk.venue.submit_intents().values()
    assert (result.reason, result.orders_cancelled) == (Reason.CAPACITY, NOT_SWEPT)
    assert desk.venue.registry.known_value(FREEZE) is None or noted(desk.venue).reason == Reason.CAPACITY
