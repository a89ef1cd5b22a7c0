"""What many history rows have, found in one pass over them by compiled code.

A column of rows lies 216 bytes apart, so each look at one is a walk through all memory of the rows. The threads that
call these functions give the interpreter away meanwhile.
"""

from typing import Any

from engine.code_values import TYPE_LIMIT
from engine.kernels import unlocked
from gateway.read_model.event_fold import (
    COLLATERAL_KIND,
    DELIVERY_KIND,
    FUNDING_KIND,
    MONEY_KIND,
    ORDER_KIND,
    TRADE_KIND,
)
from gateway.read_model.market_minutes import CANDLE_KIND, REFERENCE_KIND

MASK_BITS = 63
"""Contracts are bits of a mask; with very many contracts two may share a bit, which costs a look and no more."""
FILLED, CONDITIONAL = 1, 2
"""Marks of an order in the index."""
PLACE_BITS = 32
PLACE_MASK = (1 << PLACE_BITS) - 1
"""The place in a number that sorts as account and place."""
NONE_BEFORE, NONE_BEHIND = (1 << 63) - 1, -1
"""The bounds of times and sequences where there is no row."""


def writable(rows: Any) -> Any:
    """The rows, or a copy of rows that may only be read: to the compiler those are of another type."""
    return rows if rows.flags.writeable else rows.copy()


@unlocked
def note_blocks(legs, orders, block_rows, notes):
    """Fill a row of `notes` for each block of so many rows: first and last time, first and last sequence, kinds,
    contracts with trades and with payments, flags of trades. Candles and reference prices have neither time nor
    sequence."""
    for block in range(len(notes)):
        first_ns, last_ns, first_seq, last_seq = NONE_BEFORE, NONE_BEHIND, NONE_BEFORE, NONE_BEHIND
        kinds, traded, paid, flags = 0, 0, 0, 0
        for index in range(block * block_rows, (block + 1) * block_rows):
            leg = legs[index]
            kind = int(leg.kind)
            kinds |= 1 << kind
            if kind in (CANDLE_KIND, REFERENCE_KIND):
                continue
            time_ns = int(orders[index].updated_ns) if kind == ORDER_KIND else int(leg.time_ns)
            first_ns, last_ns = min(first_ns, time_ns), max(last_ns, time_ns)
            seq = int(leg.seq)
            first_seq, last_seq = min(first_seq, seq), max(last_seq, seq)
            bit = 1 << max(int(leg.contract_slot), 0) % MASK_BITS
            if kind == TRADE_KIND:
                traded |= bit
                flags |= int(leg.flags)
            elif kind == MONEY_KIND:
                paid |= bit
        note = notes[block]
        note[0], note[1], note[2], note[3] = first_ns, last_ns, first_seq, last_seq
        note[4], note[5], note[6], note[7] = kinds, traded, paid, flags


@unlocked
def note_entries(legs, orders, first_place, entries, keys, count):
    """Add those of the rows that are an account's to `entries`, in order of place, and to `keys` numbers that sort as
    account and place. `count`: how many there are; returns how many there are then."""
    for index in range(len(legs)):
        leg = legs[index]
        kind = leg.kind
        is_order = kind == ORDER_KIND
        is_own = is_order or kind in (TRADE_KIND, MONEY_KIND, COLLATERAL_KIND)
        if not is_own or leg.account_slot < 0:
            continue
        entry = entries[count]
        entry.place = first_place + index
        entry.order_id = leg.order_id
        entry.account_slot = leg.account_slot
        entry.contract_slot = leg.contract_slot
        entry.kind = kind
        entry.marks = 0
        if is_order and orders[index].filled_lots != 0:
            entry.marks |= FILLED
        if is_order and orders[index].ord_type > TYPE_LIMIT:  # those behind it have a condition
            entry.marks |= CONDITIONAL
        keys[count] = int(leg.account_slot) << PLACE_BITS | count
        count += 1
    return count


@unlocked
def note_segment(legs, keys, first_ids, last_ids, times):
    """Fill `keys` with numbers that sort as account and place, and by contract the first and the last id of a trade.

    `times` gets the first and the last time of trades and money. Returns how many settlements there are.
    """
    settlements = 0
    for index in range(len(keys)):
        leg = legs[index]
        kind = leg.kind
        keys[index] = int(leg.account_slot) << PLACE_BITS | index
        if kind in (TRADE_KIND, MONEY_KIND):
            times[0], times[1] = min(times[0], leg.time_ns), max(times[1], leg.time_ns)
        if kind == TRADE_KIND:
            if first_ids[leg.contract_slot] < 0:
                first_ids[leg.contract_slot] = leg.trade_id
            last_ids[leg.contract_slot] = leg.trade_id
        settlements += kind in (FUNDING_KIND, DELIVERY_KIND)
    return settlements
