"""Which position is deleveraged next: the best of a side in the order of their ranks, in bounded pieces of work.

The ranks of a contract's side are read once per mark tick, when the first position needs them, by a scan spread over
work items that keeps the best few in the state. A position that was reduced is ranked again at once; when the kept
ones are used up, another scan finds the next best. A candidate is checked again when its turn comes.
"""

import numpy as np

from engine import liquidation_rules, margin
from engine.codes import NIL
from engine.kernels import kernel
from engine.row_access import position_at, ranked_at
from engine.schema import RANKED_PLACES

PENDING = -2
"""The scan is not complete: ask again with the next item of work."""
SCAN_POSITIONS = 2048
"""How many positions one item of work looks at."""
CANDIDATE, LAST, BEHIND = RANKED_PLACES, RANKED_PLACES + 1, RANKED_PLACES + 2
"""Places beside the kept ones: who is being judged, the last that the scan kept, and whom this scan stays behind."""


@kernel
def _note(s, place, slot, equity_micros):
    row = ranked_at(s, place)
    row.slot = slot
    row.return_ppb = liquidation_rules.return_ppb(s, slot)
    row.leverage_ppb = liquidation_rules.pool_leverage_ppb(s, slot, equity_micros)
    row.opened_seq = position_at(s, slot).opened_seq


@kernel
def _copy(s, place, other):
    row, source = ranked_at(s, place), ranked_at(s, other)
    row.slot = source.slot
    row.return_ppb = source.return_ppb
    row.leverage_ppb = source.leverage_ppb
    row.opened_seq = source.opened_seq


@kernel
def _precedes(s, place, other):
    """The higher score goes first; of equals the position that is older since flat, then the lower slot."""
    row, rival = ranked_at(s, place), ranked_at(s, other)
    if liquidation_rules.outranks(row.return_ppb, row.leverage_ppb, rival.return_ppb, rival.leverage_ppb):
        return True
    if liquidation_rules.outranks(rival.return_ppb, rival.leverage_ppb, row.return_ppb, row.leverage_ppb):
        return False
    return liquidation_rules.is_older(row.opened_seq, row.slot, rival.opened_seq, rival.slot)


@kernel
def _insert(s):
    """Put the candidate among the kept ones; without room the last of them gives way, or it itself."""
    if s.rank_count == RANKED_PLACES:
        s.rank_more = 1
        if not _precedes(s, CANDIDATE, RANKED_PLACES - 1):
            return
    else:
        s.rank_count += 1
    place = s.rank_count - 1
    while place > 0 and _precedes(s, CANDIDATE, place - 1):
        _copy(s, place, place - 1)
        place -= 1
    _copy(s, place, CANDIDATE)


@kernel
def _remove(s, place):
    s.rank_count -= 1
    for behind in range(place, s.rank_count):
        _copy(s, behind, behind + 1)


@kernel
def _stands_against(s, slot):
    """Whether a position is of the ranked contract and on the ranked side."""
    position = position_at(s, slot)
    size = np.int64(position.size_lots)
    return position.contract_slot == s.rank_contract_slot and (size > 0 if s.rank_longs else size < 0)


@kernel
def _begin_scan(s):
    s.rank_cursor = 0
    s.rank_count = 0
    s.rank_more = 0
    s.rank_head = 0


@kernel
def _scan(s):
    """Look at the next positions; behind those of an earlier scan when there was one."""
    last = min(s.rank_cursor + SCAN_POSITIONS, s.positions_used)
    for slot in range(s.rank_cursor, last):
        if not _stands_against(s, slot):
            continue
        equity = margin.pool_equity_micros(s, slot)
        if equity > 0:
            _note(s, CANDIDATE, slot, equity)
            if s.rank_scans == 0 or _precedes(s, BEHIND, CANDIDATE):
                _insert(s)
    s.rank_cursor = last
    if last == s.positions_used:
        s.rank_cursor = NIL
        if s.rank_count != 0:
            _copy(s, LAST, s.rank_count - 1)


@kernel
def _sort(s):
    """Put the kept ones in the order of their ranks: who has given may rank higher than before."""
    count = np.int64(s.rank_count)
    s.rank_count = 0
    for place in range(count):
        _copy(s, CANDIDATE, place)
        _insert(s)


@kernel
def rank_giver(s):
    """Judge the one that has just given as of now; where it stands is looked at when it is asked again."""
    slot = np.int64(ranked_at(s, s.rank_head).slot)
    equity = margin.pool_equity_micros(s, slot)
    if _stands_against(s, slot) and equity > 0:
        _note(s, s.rank_head, slot, equity)


@kernel
def _turn_to(s, position_slot):
    """Which ranking serves a position that is being closed: one of this tick, from its beginning, or a new one."""
    position = position_at(s, position_slot)
    longs = 1 if position.size_lots < 0 else 0
    fits = s.rank_tick == s.mark_ticks and s.rank_contract_slot == position.contract_slot and s.rank_longs == longs
    if fits and s.rank_position_slot == position_slot:
        return
    s.rank_position_slot = position_slot
    s.rank_ahead_lots = 0
    s.rank_head = 0
    if fits and s.rank_scans == 0:
        _sort(s)
        return
    s.rank_tick = s.mark_ticks
    s.rank_contract_slot = position.contract_slot
    s.rank_longs = longs
    s.rank_scans = 0
    _begin_scan(s)


@kernel
def _keeps_its_place(s, place):
    """Whether the candidate, ranked as of now, still goes before all others."""
    if place + 1 < s.rank_count and _precedes(s, place + 1, CANDIDATE):
        return False
    return s.rank_more == 0 or not _precedes(s, LAST, CANDIDATE)


@kernel
def _rank_again(s, place):
    """Put a kept position, judged as of now, where it belongs; behind the last that was kept it is not kept."""
    _remove(s, place)
    if s.rank_more == 0 or not _precedes(s, LAST, CANDIDATE):
        _insert(s)


@kernel
def next_candidate(s, position_slot, price_ticks):
    """The position of the other side that is reduced next; NIL when none can be, PENDING while the scan goes on."""
    _turn_to(s, position_slot)
    if s.rank_cursor != NIL:
        _scan(s)
        return np.int64(PENDING)
    while s.rank_head < s.rank_count:
        place = s.rank_head
        slot = np.int64(ranked_at(s, place).slot)
        equity = margin.pool_equity_micros(s, slot)
        if not _stands_against(s, slot) or equity <= 0:
            _remove(s, place)
            continue
        _note(s, CANDIDATE, slot, equity)
        if not _keeps_its_place(s, place):
            _rank_again(s, place)
            continue
        _copy(s, place, CANDIDATE)
        if liquidation_rules.affordable_lots(s, slot, price_ticks, equity) > 0:
            return slot
        s.rank_ahead_lots += abs(position_at(s, slot).size_lots)
        s.rank_head += 1
    if s.rank_more == 0:
        return np.int64(NIL)
    _copy(s, BEHIND, LAST)
    s.rank_scans += 1
    _begin_scan(s)
    return np.int64(PENDING)
