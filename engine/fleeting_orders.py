"""An order that the next command of the batch cancels, or the one after an amendment of it: linked nowhere.

It is admitted and reported as any other. Every row is left as resting and leaving would leave it, so nobody can tell
the difference. What that takes is asked first; where any of it is missing, the commands go their usual ways.
"""

import numpy as np

from engine import book, events, ladder, matching, orders, regular_orders, row_access, taker_row
from engine.code_values import EXEC_FORFEIT_PRIORITY
from engine.codes import NIL, CommandKind, EventKind, Stage, TimeInForce
from engine.kernels import inlined
from engine.row_access import account_at, contract_at, level_at, order_at, own_at, passing_taker, position_at
from engine.schema import COMMAND

_command_at = row_access.reader(COMMAND)
PASSED_BY = 3
"""The most commands that are done at once."""
EVENTS_BEFORE_CANCEL = 3


@inlined
def begin(s, c):
    """Take a command's sequence and time; the engine's now never goes back."""
    s.last_seq = c.seq
    s.now_ns = max(s.now_ns, c.time_ns)


@inlined
def _names(s, c, after):
    """Whether a command names the order of a NEW by the client's id, and nothing is due before it."""
    return (
        after.cl_ord_id == c.cl_ord_id
        and after.order_id == 0
        and after.account_slot == c.account_slot
        and after.time_ns < s.next_due_ns
    )


@inlined
def _is_taken_back(s, c, cancel):
    """Whether a NEW's order would rest, and this command cancels it. An account that may order is not frozen."""
    return (
        cancel.kind == CommandKind.CANCEL
        and _names(s, c, cancel)
        and c.tif == TimeInForce.GTC
        and events.has_room_behind(s, EVENTS_BEFORE_CANCEL)
    )


@inlined
def _load_amended(taker, amend):
    """The order as an AMEND asks for it, of which nothing is filled."""
    taker.stage = Stage.AMEND
    taker_row.load_asked(taker, amend)
    taker.sweep_ticks = taker.price_ticks


@inlined
def _may_amend(s, c, taker, amend):
    """Whether `straight_path.amend` would let the order in `taker`, which rests as NEW and AMEND ask, lose its place.

    Only where no margin is asked for, and with room for another order beside it.
    """
    keeps = taker.price_ticks == c.price_ticks and taker.leaves_lots <= c.qty_lots
    return (
        _names(s, c, amend)
        and orders.has_amend_form(amend)
        and amend.qty_lots >= 0
        and (not keeps or amend.flags & EXEC_FORFEIT_PRIORITY != 0)
        and regular_orders.passes_amended(
            s, amend.person, taker.side, taker.leaves_lots, taker.price_ticks, max(s.now_ns, amend.time_ns)
        )
        and not matching.crosses(s, taker)
        and not orders.watches_trades(contract_at(s, c.contract_slot))
    )


@inlined
def _pass_by_level(s, ladder_slot, key):
    """Leave level and ladder as `book.join_queue` and `book.leave_queue` of one client's order would.

    Returns (True, what the level shows without it, the order ahead of it). False: it takes rows that were never used
    or a closer look; what is written by then is of no account. A level that was given back is empty already.
    """
    node, shift = ladder.reach(s, ladder_slot, key)
    if node != NIL and shift == 0:
        level_slot = ladder.at(s, node, key)
        if level_slot != NIL:
            level = level_at(s, level_slot)
            alone = level.affiliated_head_slot == NIL
            return alone, np.int64(level.leaves_lots - level.hidden_lots), np.int64(level.tail_slot)
    level_slot = np.int64(s.levels_free_slot)
    if level_slot == NIL:
        return False, np.int64(0), np.int64(NIL)
    leaf = ladder.pass_by(s, ladder_slot, node, shift, key, level_slot)
    if leaf == NIL:
        return False, np.int64(0), np.int64(NIL)
    level = level_at(s, level_slot)
    level.price_ticks = key
    level.ladder_slot = ladder_slot
    level.leaf_node = leaf
    return True, np.int64(0), np.int64(NIL)


@inlined
def _pass_by_own(s, slot, person):
    """Leave the row as `book.join_own` and `book.leave_own` would."""
    own = own_at(s, slot)
    own.next_slot = NIL
    own.prev_slot = position_at(s, order_at(s, slot).position_slot).own_tail_slot
    own.person = person


@inlined
def _report_amended(s, taker, amend, old_price_ticks, old_shown_lots, shown_lots):
    """The order has left its first price, whose level shows so much, and come to rest at another."""
    begin(s, amend)
    event = events.taker_event(s, taker, EventKind.AMENDED, 0, 0, old_shown_lots)
    event.entry_cost_micros = old_price_ticks
    matching.report_rested(s, taker, EventKind.RESTED, shown_lots + taker.leaves_lots)


@inlined
def _end(s, taker, cancel, ahead_slot, shown_lots):
    """Cancel the order, and leave the rows of its last place."""
    lots = taker.leaves_lots
    taker.leaves_lots = 0
    matching.write_order(s, taker)
    order_at(s, taker.order_slot).prev_slot = ahead_slot
    _pass_by_own(s, taker.order_slot, taker.person)
    begin(s, cancel)
    events.taker_event(s, taker, EventKind.CANCELLED, orders.cancel_cause(cancel), lots, shown_lots)
    order_at(s, taker.order_slot).order_id = 0
    s.recent.tag = 0


@inlined
def pass_by(s, address, index, last, position_slot, loss_subticks):
    """Enter, amend and cancel an admitted order that trades with nobody. Its client id is new and has place in the map.

    It is the command at an index, another one follows, `last` is the index of the last one. Returns how many commands
    are done. 0: they are not of this kind, or take more; no row that counts is written.
    """
    c, after = _command_at(address, index), _command_at(address, index + 1)
    if after.cl_ord_id != c.cl_ord_id:
        return 0
    amends = after.kind == CommandKind.AMEND
    if amends and index + 1 == last:
        return 0
    cancel = _command_at(address, index + 2 if amends else index + 1)
    if not _is_taken_back(s, c, cancel):
        return 0
    taker = passing_taker()
    taker_row.load_plain(taker, c, 0)
    taker.position_slot = position_slot
    if amends:
        _load_amended(taker, after)
        if not _may_amend(s, c, taker, after):
            return 0
    ladder_slot = book.ladder_of(taker.contract_slot, taker.side)
    is_done, first_shown, ahead_slot = _pass_by_level(s, ladder_slot, c.price_ticks)
    shown = first_shown
    if is_done and amends:
        is_done, shown, ahead_slot = _pass_by_level(s, ladder_slot, taker.price_ticks)
    if not is_done or s.orders_free_slot == NIL:
        return 0
    taker_row.load_plain(taker, c, 0)
    taker.position_slot = position_slot
    taker.loss_subticks = loss_subticks
    account_at(s, taker.account_slot).position_slot = position_slot
    taker.order_slot, taker.order_id = book.pass_slot(s)
    matching.report_rested(s, taker, EventKind.ACCEPTED, first_shown + taker.leaves_lots)
    if amends:
        _load_amended(taker, after)
        _report_amended(s, taker, after, c.price_ticks, first_shown, shown)
    _end(s, taker, cancel, ahead_slot, shown)
    return PASSED_BY if amends else PASSED_BY - 1
