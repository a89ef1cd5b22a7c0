"""What a new or amended order would do if it came now: played by the engine's own functions in an overlay of the state.

Nothing is decided here. The order is admitted, matched and booked as `step` would have it, and what it leaves behind is
read there: reason, reports, money, position. The state itself is never written, so a question leaves no trace in it.
What is due at this time but not yet done (a mark tick, say) is not done first, as it would be before a command.
Who may not know what others hide asks with `shown_only`: a question costs nothing, so it must not find their icebergs.
"""

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import admission, book, events, idmap, ledger, matching, orders, row_access
from engine.codes import NIL, CommandKind, EventFlag, EventKind, ExecInst, Reason, Side, Stage, TimeInForce
from engine.journal.snapshot import regions
from engine.kernels import entry, part
from engine.overlay import DIRECT, GRANULE_BITS, OVERLAY
from engine.row_access import account_at, bring, contract_at, ladder_at, level_at, order_at, position_at
from engine.schema import CALL_STEP, COMMAND, EVENT, LABEL, STATE
from engine.state_memory import allocate, memory
from engine.statements import ACCOUNT_FIGURES, POSITION_FIGURES, read_account, read_position
from engine.units import JIT, below, opposite

RING_ROWS = 1 << 12
KEPT_GRANULES = 1 << 14
"""After a call that brings it to so many copied granules an overlay gives its memory back: each may have touched a page
of 4 KiB, so 64 MiB, and what that call touched.
"""
ICEBERG_MOST = 100
"""How many times its display an iceberg may be: row 16 of the ladder."""
_command_at = row_access.reader(COMMAND)
_label_at = row_access.reader(LABEL)
_FIRST = ACCOUNT_FIGURES + POSITION_FIGURES
_SIZE, _ENTRY_COST, _MODE, _IS_DONE, _POSITION_SLOT, _SHOWN_ONLY = range(_FIRST, _FIRST + 6)
"""Where the further figures of a call are. The last one is asked: 1: what others hide is not there."""


@dataclass(frozen=True)
class Pool:
    """An account's money; `requirement_micros` is initial margin and reserves of all its positions and orders."""

    cash_micros: int = 0
    unrealised_micros: int = 0
    equity_micros: int = 0
    maintenance_micros: int = 0
    requirement_micros: int = 0
    withdrawable_micros: int = 0

    @property
    def free_micros(self) -> int:
        """What new orders may still bind; negative where it is too little already."""
        return self.equity_micros - self.requirement_micros


@dataclass(frozen=True)
class Holding:
    """An account's position in the order's contract."""

    size_lots: int = 0
    entry_cost_micros: int = 0
    leverage: int = 0
    unrealised_micros: int = 0
    initial_micros: int = 0
    maintenance_micros: int = 0
    liquidation_subticks: int = 0
    is_isolated: bool = False


@dataclass(frozen=True)
class Played:
    """What an order did in the overlay. A refused one has a reason and nothing else.

    `fills` are (price in ticks, lots) in their order. What is left rests (at `resting_ticks`), waits for its trigger or
    is cancelled with `cancel_reason`. `repeats`: it is a live order's repetition, and does nothing. `keeps_priority`:
    the amended order rests where it was in the queue.
    """

    reason: Reason
    pool: Pool
    holding: Holding
    fills: tuple[tuple[int, int], ...] = ()
    fee_micros: int = 0
    resting_lots: int = 0
    resting_ticks: int = 0
    cancelled_lots: int = 0
    cancel_reason: Reason = Reason.NONE
    waits: bool = False
    repeats: bool = False
    made_reduce_only: bool = False
    keeps_priority: bool = False


@part
def _read(s, c, out):
    """The account's money and its position in the order's contract, as they are in the overlay."""
    for place in range(_IS_DONE):
        out[place] = 0
    out[_POSITION_SLOT] = NIL
    if not below(c.account_slot, s.accounts_used) or account_at(s, c.account_slot).state == 0:
        return
    read_account(s, c.account_slot, out)
    slot = book.find_position(s, c.account_slot, c.contract_slot)
    out[_POSITION_SLOT] = slot
    if slot != NIL:
        read_position(s, slot, out[ACCOUNT_FIGURES:])
        position = position_at(s, slot)
        out[_SIZE] = position.size_lots
        out[_ENTRY_COST] = position.entry_cost_micros
        out[_MODE] = position.margin_mode


@part
def _begin(s, now_ns):
    """The state as of this call, and the order in it; what the calls before remembered counts no more."""
    for place in range(len(DIRECT)):
        bring(s, DIRECT[place, 0], DIRECT[place, 1])
    s.now_ns = max(s.now_ns, now_ns)
    s.last_seq += 1
    s.recent.tag = 0
    s.recent.call += CALL_STEP


@part
def _show_level(s, level, account_slot):
    """Leave of a level what it shows, and what the account itself hides there."""
    slot = np.int64(level.head_slot)
    while slot != NIL and level.hidden_lots > 0:
        order = order_at(s, slot)
        hidden = np.int64(book.hidden_lots(s, slot))
        if hidden > 0 and position_at(s, order.position_slot).account_slot != account_slot:
            ledger.count_open(s, order.position_slot, slot, -hidden)
            book.reduce(s, slot, hidden)
        slot = np.int64(order.next_slot)


@part
def _show_to(s, account_slot, contract_slot, side, limit_ticks):
    """Take what others hide out of the levels that an order with this limit would trade with."""
    level_slot = np.int64(ladder_at(s, book.ladder_of(contract_slot, opposite(side))).first_slot)
    while level_slot != NIL and admission.reaches(side, limit_ticks, level_at(s, level_slot).price_ticks):
        _show_level(s, level_at(s, level_slot), account_slot)
        level_slot = np.int64(book.next_level(s, level_slot))


@part
def _show_only(s, c):
    """What others hide is not there for a NEW command. Its contract may not exist."""
    is_sided = c.side == Side.BUY or c.side == Side.SELL
    if not is_sided or not below(c.contract_slot, s.contracts_used) or admission.is_conditional(c.ord_type):
        return
    limit_ticks = np.int64(c.price_ticks)
    if admission.is_market(c.ord_type):
        contract = contract_at(s, c.contract_slot)
        limit_ticks = np.int64(contract.max_buy_ticks if c.side == Side.BUY else contract.min_sell_ticks)
    _show_to(s, c.account_slot, c.contract_slot, c.side, limit_ticks)


@part
def _show_only_to_amended(s, c):
    """What others hide is not there for an AMEND. Its order may not exist."""
    if not below(c.account_slot, s.accounts_used):
        return
    slot = np.int64(orders.find(s, c, idmap.tag_of(c.account_slot, c.cl_ord_id)))
    if slot == NIL or order_at(s, slot).flags & ExecInst.CONDITIONAL:
        return
    order = order_at(s, slot)
    limit_ticks = np.int64(c.price_ticks if c.price_ticks != 0 else order.price_ticks)
    _show_to(s, c.account_slot, position_at(s, order.position_slot).contract_slot, order.side, limit_ticks)


@entry
def _play(root, address, ring, ring_rows, now_ns, out):
    """Play the NEW or AMEND command at an address, or with NIL as the time go on with it, and write its figures.

    The contract slot of an AMEND, which decides nothing, says of which contract the figures are.

    Returns how many events there are; out[_IS_DONE] says whether these are the last ones. Without events to write to
    but the first ones (`ring_rows` 0) it is only admitted.
    """
    s = root[0]
    c = _command_at(address, 0)
    if now_ns != NIL:
        _begin(s, now_ns)
        if ring_rows != 0 and out[_SHOWN_ONLY] != 0:
            if c.kind == CommandKind.AMEND:
                _show_only_to_amended(s, c)
            else:
                _show_only(s, c)
    events.open_ring(s, ring, ring_rows)
    if now_ns != NIL and c.kind == CommandKind.AMEND:
        orders.amend(s, c, idmap.tag_of(c.account_slot, c.cl_ord_id))
    elif now_ns != NIL:
        orders.new(s, c, idmap.tag_of(c.account_slot, c.cl_ord_id), _label_at(address, 1))
    out[_IS_DONE] = 1
    if ring_rows == 0:
        return events.close_ring(s)
    if s.sweeping:
        if matching.sweep(s) and events.has_room(s):
            s.sweeping = 0
            matching.finish(s, s.taker.stage != Stage.NEW)
        else:
            out[_IS_DONE] = 0
    _read(s, c, out)
    return events.close_ring(s)


class WhatIf:
    """Plays orders against a state that others write, between two batches of theirs. One thread uses it."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._command = np.zeros(2, COMMAND)
        self._ring = np.zeros(RING_ROWS, EVENT)
        self._out = np.zeros(_SHOWN_ONLY + 1, np.int64)
        self._addresses = row_access.address_of(self._command), row_access.address_of(self._ring)
        self._calls = 0
        if JIT:
            self._memory = memory(huge_pages=False)
            self._overlay = np.frombuffer(self._memory, OVERLAY)
            self._stamps = np.zeros((STATE.itemsize >> GRANULE_BITS) + 1, np.int64)

    def _copied(self) -> Any:
        """The overlay for another call."""
        if not JIT:
            return _whole_copy(self._root)
        row = self._overlay
        if int(row["granules"][0]) > KEPT_GRANULES:
            self._memory.madvise(mmap.MADV_DONTNEED)
        self._calls += 1
        row["origin_address"], row["stamps_address"] = self._root.ctypes.data, self._stamps.ctypes.data
        row["call"] = self._calls
        return row

    def new_order(self, command: Any, now_ns: int, *, shown_only: bool = False) -> Played:
        """What a NEW command, with its label's row if it has one, would do at a time; its own time does not count.

        With `shown_only` it meets what the book shows and what its own account hides, not what others hide.
        """
        self._command[: len(command)] = command
        return self._ask(now_ns, shown_only)

    def amended_order(self, command: Any, contract_slot: int, now_ns: int, *, shown_only: bool = False) -> Played:
        """The same for an AMEND command; the holding is that in the given contract, the order's."""
        self._command[: len(command)] = command
        self._command["contract_slot"][0] = contract_slot
        return self._ask(now_ns, shown_only)

    def _ask(self, now_ns: int, shown_only: bool) -> Played:
        self._out[_SHOWN_ONLY] = shown_only
        overlay, told = self._copied(), list[Any]()
        while True:
            written = _play(overlay, *self._addresses, RING_ROWS, NIL if told else now_ns, self._out)
            told.append(self._ring[:written].copy())
            if self._out[_IS_DONE]:
                return _played(np.concatenate(told), self._out.tolist())

    def admits(self, command: Any, now_ns: int, qty_lots: int) -> bool:
        """Whether the same order would be taken with so many lots."""
        self._command[: len(command)] = command
        self._command["qty_lots"][0] = qty_lots
        _play(self._copied(), *self._addresses, 0, now_ns, self._out)
        return int(self._ring["kind"][0]) != EventKind.REJECTED

    def largest_lots(self, command: Any, now_ns: int) -> int:
        """The largest quantity, in whole steps of its contract, with which an order would be taken; 0 for none.

        What passes with more lots passes with fewer: the limits and the margin only grow with the quantity. An iceberg
        has at least what it shows. What fill-or-kill asks of the book is left out: each of these questions would walk
        the book, and the answer would tell what others hide.
        """
        command = command.copy()
        if command["tif"][0] == TimeInForce.FOK:
            command["tif"][0] = TimeInForce.IOC
        contract = self._root[0]["contracts"][int(command["contract_slot"][0])]
        step, most = int(contract["lot_step"]), int(contract["max_order_lots"])
        least = int(contract["min_order_lots"])
        if command["flags"][0] & ExecInst.ICEBERG:
            shown = int(command["display_lots"][0])
            least, most = max(least, shown), min(most, ICEBERG_MOST * shown)
        too_many, least = most // step + 1, -(-least // step)
        if not self.admits(command, now_ns, least * step):
            return 0
        fits = least
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if self.admits(command, now_ns, middle * step):
                fits = middle
            else:
                too_many = middle
        return fits * step


def _whole_copy(root: Any) -> Any:
    """All of a state in use; without compiled code nothing less is known to be enough."""
    copy = allocate(huge_pages=False)
    target, source = copy.view(np.uint8).data, root.view(np.uint8).data
    for start, stop in regions(root):
        target[start:stop] = source[start:stop]
    return copy


def _played(reports: Any, out: list[int]) -> Played:
    """What the reports and the figures say about the order."""
    figures = out[ACCOUNT_FIGURES:]
    pool, holding = Pool(*out[:ACCOUNT_FIGURES]), Holding()
    if out[_POSITION_SLOT] != NIL:
        holding = Holding(
            out[_SIZE], out[_ENTRY_COST], figures[0], figures[2], figures[3], figures[4], figures[7], out[_MODE] != 0
        )
    first = reports[0]
    if first["kind"] == EventKind.REJECTED:
        return Played(Reason(int(first["reason"])), pool, holding)
    if first["kind"] == EventKind.REPEATED:
        return Played(Reason.NONE, pool, holding, repeats=True)
    own = reports[reports["order_id"] == first["order_id"]]
    fills = own[own["kind"] == EventKind.FILL]
    cancelled = own[own["kind"] == EventKind.CANCELLED]
    last = own[-1]
    rests = last["flags"] & EventFlag.RESTING != 0
    return Played(
        Reason.NONE,
        pool,
        holding,
        tuple(zip(fills["price_ticks"].tolist(), fills["last_lots"].tolist(), strict=True)),
        sum(fills["fee_micros"].tolist()),
        int(last["leaves_lots"]) if rests else 0,
        int(last["price_ticks"]) if rests else 0,
        sum(cancelled["last_lots"].tolist()),
        Reason(int(cancelled[-1]["reason"])) if len(cancelled) else Reason.NONE,
        bool(first["flags"] & EventFlag.UNTRIGGERED),
        made_reduce_only=bool(first["flags"] & EventFlag.MADE_REDUCE_ONLY),
        keeps_priority=bool(first["kind"] == EventKind.AMENDED and first["flags"] & EventFlag.RESTING),
    )
