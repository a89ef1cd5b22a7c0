"""The one way in: `apply_batch(root, commands, ring) -> (consumed, written)`. The only switch on command kind.

Each command first does what is due, at most K items, then itself. Inside a command it may pause when the event ring
is full: the state keeps the place, and the next call goes on with the same command and an empty ring.
"""

import numpy as np

from engine import (
    admission,
    batch_end,
    book,
    directives,
    events,
    fleeting_orders,
    idmap,
    ladder,
    mass_cancel,
    orders,
    plain_terms,
    row_access,
    straight_path,
    timers,
)
from engine.code_values import EXEC_LABELLED
from engine.codes import NIL, CommandKind, Mode, Phase, Reason, Side, VenueState
from engine.kernels import apart, entry, inlined, rare
from engine.makers_ahead import CACHED_ACCOUNTS, look_for_maker, look_for_owner
from engine.row_access import account_at, ahead_at, cell_at, ladder_at, level_at, order_at, own_at, position_at
from engine.schema import (
    AHEAD_ROWS,
    CALL_STEP,
    COMMAND,
    DIRECTIVE,
    EXPIRY_LADDER,
    LABEL,
    LAPSE_LADDER,
    PERSON_LADDER,
    POSITION_CELLS,
    SEMANTICS_VERSION,
    WORK_ITEMS,
)
from engine.units import FOREVER_NS, NS_PER_S, against, below, opposite, prefetch, prefetch_pair, unlikely

FAR_AHEAD, NEAR_AHEAD, NEXT_AHEAD, LAST_AHEAD = AHEAD_ROWS // 2, 10, 5, 2
"""How many commands ahead, at least, rows are prefetched: those it names, those they lead to, their neighbours, and at
last what the second order leads to that a taker meets.
"""
CACHED_CELLS = 1 << 13
"""Up to so many stay in the near caches anyway, and prefetching would only cost."""
_command_at = row_access.reader(COMMAND)
_directive_at = row_access.reader(DIRECTIVE)
_label_at = row_access.reader(LABEL)


@entry
def initialise(root, mode):
    """Make the zeroed record, whose capacities are set, an empty state in a mode that it keeps for life."""
    s = root[0]
    s.semantics_version = SEMANTICS_VERSION
    s.mode = mode
    s.venue_state = VenueState.OPEN
    s.next_due_ns = FOREVER_NS
    s.orders_free_slot = NIL
    s.levels_free_slot = NIL
    s.nodes_free_slot = NIL
    s.liquidation_head_slot = NIL
    s.liquidation_tail_slot = NIL
    s.liquidation_pool_slot = NIL
    s.liquidation_position_slot = NIL
    s.institutions_skip_knowledge = 1
    if mode == Mode.EXCHANGE:
        s.affiliate_post_only = 1
        s.mark_tick_ns = NS_PER_S
        s.index_stale_ns = 10 * NS_PER_S
        s.index_recovery_ns = 30 * NS_PER_S
        s.next_due_ns = 0
    s.persons_used = 1
    s.groups_used = 1
    s.clients_used = 1
    idmap.reset(s.order_map, 0)
    idmap.reset(s.position_map, POSITION_CELLS)
    ladder.reset(s, EXPIRY_LADDER, 1)
    ladder.reset(s, LAPSE_LADDER, 1)
    ladder.reset(s, PERSON_LADDER, 1)


@inlined
def _tag_of(c):
    """The tag of a command's client id."""
    return idmap.tag_of(c.account_slot, c.cl_ord_id)


@inlined
def _dispatch(s, address, index, label_index):
    """The one switch on command kind; `label_index` is the row behind the command, or the command itself."""
    c = _command_at(address, index)
    kind = c.kind
    if kind == CommandKind.NEW:
        orders.new(s, c, _tag_of(c), _label_at(address, label_index))
    elif kind == CommandKind.CANCEL:
        orders.cancel(s, c, _tag_of(c))
    elif kind == CommandKind.AMEND:
        orders.amend(s, c, _tag_of(c))
    elif kind == CommandKind.MASS_CANCEL:
        orders.mass_cancel_orders(s, c, _label_at(address, label_index))
    elif kind != CommandKind.TIME:
        directives.apply(s, _directive_at(address, index))


@inlined
def _label_rows(c, address, index, count):
    """How many label rows follow this command: 1, 0, or -1 when the one that it announces is missing."""
    if c.flags & EXEC_LABELLED == 0 or (c.kind != CommandKind.NEW and c.kind != CommandKind.MASS_CANCEL):
        return 0
    if index + 1 < count and _command_at(address, index + 1).kind == CommandKind.LABEL:
        return 1
    return -1


@rare
def _work(s):
    """What is due before the command. False when it has to pause."""
    while s.now_ns >= s.next_due_ns and s.work_left > 0:
        if timers.run(s):
            return True
        if not s.sweeping or not orders.finish_sweep(s):
            return False
    timers.refresh(s)
    return True


@rare
def _own_jobs(s):
    """The first items of the jobs that this command queued. False when it has to pause."""
    while s.work_left > 0 and s.jobs_count != 0:
        if not events.has_room(s):
            return False
        s.work_left -= 1
        mass_cancel.step(s)
    timers.refresh(s)
    return True


@rare
def _step(s, address, index, count):
    """One command, from where it stands to its end. Returns the rows it took, 0 when it has to pause."""
    c = _command_at(address, index)
    labels = _label_rows(c, address, index, count)
    if s.phase == Phase.IDLE:
        fleeting_orders.begin(s, c)
        s.commands += 1
        s.work_left = WORK_ITEMS
        s.phase = Phase.WORK
    if s.sweeping and not orders.finish_sweep(s):
        return 0
    if s.phase == Phase.WORK:
        if s.now_ns >= s.next_due_ns and not _work(s):
            return 0
        if not events.has_room(s):
            return 0
        s.phase = Phase.COMMAND
        s.work_left = 0
        jobs = s.jobs_count
        if labels < 0:
            events.rejected(s, c, Reason.UNSUPPORTED_ORDER, 0)
        else:
            _dispatch(s, address, index, index + labels)
        if s.jobs_count > jobs:
            s.work_left = WORK_ITEMS
        if s.sweeping and not orders.finish_sweep(s):
            return 0
    if s.work_left > 0 and not _own_jobs(s):
        return 0
    s.phase = Phase.IDLE
    if labels > 0:
        s.last_seq = _command_at(address, index + 1).seq
        return 2
    return 1


@inlined
def _straight(s, address, index, last, far):
    """The command at an index, if it is of the usual kind and nothing is due; with the next ones, if they take it back.

    Returns how many it did, 0: it is not or paused, and `_step` goes on. `last` is the index of the last command.
    """
    c = _command_at(address, index)
    fleeting_orders.begin(s, c)
    if s.now_ns >= s.next_due_ns or not events.has_room(s):
        return 0
    tag = np.int64(ahead_at(s, index & (AHEAD_ROWS - 1)).tag) if far else _tag_of(c)
    if admission.is_plain_new(c):
        return straight_path.new(s, c, tag, address, index, last)
    if c.kind == CommandKind.CANCEL:
        orders.cancel(s, c, tag)
        return 1
    if c.kind == CommandKind.AMEND:
        return 1 if straight_path.amend(s, c, tag) else 0
    return 0


@inlined
def _account_ahead(s, c):
    """A command's account, or another one where it names none: good enough to prefetch, for nothing else."""
    return account_at(s, np.int64(c.account_slot) if below(c.account_slot, s.accounts_used) else np.int64(0))


@inlined
def _level_to_meet(s, c):
    """The best level of the other side where a limit order would trade with it now, else NIL.

    What is no sell counts as a buy, without a branch: kinds and sides follow no pattern. A cancel has no price to meet.
    """
    contract_slot = np.int64(c.contract_slot) if below(c.contract_slot, s.contracts_used) else np.int64(0)
    side = Side.BUY + (np.int64(c.side) >> 1 & 1)
    ladder_row = ladder_at(s, book.ladder_of(contract_slot, opposite(side)))
    if unlikely(against(side, c.price_ticks - ladder_row.first_key) >= 0) and ladder_row.entries != 0:
        return np.int64(ladder_row.first_slot)
    return np.int64(NIL)


@rare
def _look_for_makers(s, level_slot, ahead):
    """Prefetch what the first two orders of a level lead to, which a taker will meet so many commands from now.

    The row at NIL, where there is no second one, leads to rows that exist.
    """
    slot = np.int64(level_at(s, level_slot).head_slot)
    if ahead == NEAR_AHEAD:
        look_for_maker(s, slot)
    elif ahead == NEXT_AHEAD:
        look_for_owner(s, slot)
        look_for_maker(s, order_at(s, slot).next_slot)
    else:
        look_for_owner(s, order_at(s, slot).next_slot)


@inlined
def _look_ahead_makers(s, index, count, ahead):
    if index + ahead < count:
        level_slot = np.int64(ahead_at(s, (index + ahead) & (AHEAD_ROWS - 1)).level_slot)
        if unlikely(level_slot != NIL):
            _look_for_makers(s, level_slot, ahead)


@apart
def _look_for_cells(s, address, start, stop):
    """Hash the client ids of some commands, for their handlers too; prefetch their cells, and orders that they meet."""
    table = s.order_map
    for index in range(start, stop):
        c, ahead = _command_at(address, index), ahead_at(s, index & (AHEAD_ROWS - 1))
        ahead.tag = _tag_of(c)
        prefetch(cell_at(s, idmap.first_cell(table, table.size, ahead.tag)))
        if table.old_size != 0:
            prefetch(cell_at(s, idmap.first_cell(table, table.old_size, ahead.tag)))
        ahead.level_slot = _level_to_meet(s, c)
        if unlikely(ahead.level_slot != NIL):
            prefetch(order_at(s, level_at(s, ahead.level_slot).head_slot))


@inlined
def _look_for_order(s, index):
    """Prefetch the rows of the order that a command may name."""
    ahead = ahead_at(s, index & (AHEAD_ROWS - 1))
    ahead.slot = idmap.likely_slot(s, s.order_map, ahead.tag)
    prefetch(order_at(s, ahead.slot))
    prefetch(own_at(s, ahead.slot))


@inlined
def _look_for_neighbours(s, index):
    """Prefetch that order's level and the orders beside it. Where there is none the row at NIL does no harm."""
    slot = ahead_at(s, index & (AHEAD_ROWS - 1)).slot
    order, own = order_at(s, slot), own_at(s, slot)
    prefetch(level_at(s, order.level_slot))
    prefetch(order_at(s, order.next_slot))
    prefetch(order_at(s, order.prev_slot))
    prefetch(own_at(s, own.next_slot))
    prefetch(own_at(s, own.prev_slot))


@inlined
def _look_ahead_orders(s, index, count):
    """Prefetch the rows of a named order, whose cells are here by now, and then its neighbours."""
    if index + NEAR_AHEAD < count:
        _look_for_order(s, index + NEAR_AHEAD)
    if index + NEXT_AHEAD < count:
        _look_for_neighbours(s, index + NEXT_AHEAD)


@inlined
def _position_ahead(s, c, slot):
    """The position that a command's account used last, another one where the order that it names was not found.

    `slot` is the order's, 0 where none was found. A command about no order needs no position: a line less to fetch.
    """
    position_slot = np.int64(_account_ahead(s, c).position_slot)
    return position_at(s, position_slot if c.kind == CommandKind.NEW or slot != 0 else np.int64(0))


@inlined
def _look_ahead_accounts(s, address, index, count):
    """Prefetch an account's row, then the position it used last, then its youngest order's place in the list."""
    if index + FAR_AHEAD < count:
        prefetch(_account_ahead(s, _command_at(address, index + FAR_AHEAD)))
    if index + NEAR_AHEAD < count:
        slot = np.int64(ahead_at(s, (index + NEAR_AHEAD) & (AHEAD_ROWS - 1)).slot)
        prefetch_pair(_position_ahead(s, _command_at(address, index + NEAR_AHEAD), slot))
    if index + NEXT_AHEAD < count:
        c = _command_at(address, index + NEXT_AHEAD)
        slot = np.int64(ahead_at(s, (index + NEXT_AHEAD) & (AHEAD_ROWS - 1)).slot)
        tail_slot = np.int64(_position_ahead(s, c, slot).own_tail_slot)
        prefetch(own_at(s, tail_slot if c.kind == CommandKind.NEW else slot))


@inlined
def _look_ahead(s, address, index, count):
    """Prefetch what commands will need, where it is too much to stay in the near caches by itself."""
    if s.order_map.size > CACHED_CELLS:
        _look_ahead_orders(s, index, count)
    if s.accounts_used > CACHED_ACCOUNTS:
        _look_ahead_accounts(s, address, index, count)
        _look_ahead_makers(s, index, count, NEAR_AHEAD)
        _look_ahead_makers(s, index, count, NEXT_AHEAD)
        _look_ahead_makers(s, index, count, LAST_AHEAD)


@entry
def apply_rows(root, address, count, ring, ring_rows):
    """`apply_batch` for `count` commands at an address and a ring of rows at another: the cheapest call from Python.

    It consumes NIL commands when an invariant does not hold after them, and from then on.
    """
    s = root[0]
    if s.totals.fault != 0:
        return NIL, 0
    events.open_ring(s, ring, ring_rows)
    s.recent.tag = 0
    s.recent.call += CALL_STEP
    plain_terms.forget(s)
    far = s.order_map.size > CACHED_CELLS or s.accounts_used > CACHED_ACCOUNTS
    consumed, looked_at, next_look = 0, 0, 0
    while consumed < count:
        if s.phase == Phase.IDLE:
            begun = consumed
            while consumed < count:
                if far:
                    if consumed >= next_look:
                        stop = min(next_look + 2 * FAR_AHEAD, count)
                        _look_for_cells(s, address, looked_at, stop)
                        looked_at = stop
                        next_look += FAR_AHEAD
                    _look_ahead(s, address, consumed, count)
                done = _straight(s, address, consumed, count - 1, far)
                if done == 0:
                    break
                consumed += done
            s.commands += consumed - begun
            if consumed == count:
                break
        taken = _step(s, address, consumed, count)
        plain_terms.forget(s)
        if taken == 0:
            break
        consumed += taken
    written = events.close_ring(s)
    if s.phase == Phase.IDLE and not batch_end.holds(s):
        return NIL, 0
    return consumed, written


def apply_batch(root, commands, ring):
    """Apply commands in order and write what happened: (state, commands) -> (state, events).

    `root`: the state, one STATE record. `commands`: COMMAND rows (DIRECTIVE and LABEL rows are the same 128 bytes),
    numbered on from the state's last sequence. `ring`: at least MIN_EVENT_ROWS rows. Returns how many commands were
    consumed and how many events written. Fewer consumed than given means that the ring is full: call again with the
    rest and an empty ring; until then nothing else may use the state. InvariantError when these commands, or earlier
    ones, left something that must not be.
    """
    addresses = row_access.address_of(commands), row_access.address_of(ring)
    consumed, written = apply_rows(root, addresses[0], len(commands), addresses[1], len(ring))
    if consumed == NIL:
        raise batch_end.error_of(root, int(commands["seq"][0]), int(commands["seq"][-1]))
    return consumed, written
