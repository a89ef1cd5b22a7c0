"""What a contract asks of a plain order, worked out once: rows 5 and 16 to 18 as two ranges.

A plain order is a limit order without options. Its contract's terms change only with commands off the straight path,
so they are worked out when the first such order comes after one of those.
"""

from engine.kernels import inlined, rare
from engine.ladder import NODES_PER_INSERT
from engine.row_access import contract_at, of_side, terms_at
from engine.schema import LEVELS_PER_ORDER
from engine.units import below, unlikely


@inlined
def forget(s):
    """From here on the terms of every contract are worked out anew, and of no account anything is known."""
    s.terms_mark += 1
    s.regular.left = 0


@rare
def _work_out(s, contract_slot):
    """An order fits no range that is empty: whatever its contract asks beside, the ladder gives the reason."""
    contract, terms = contract_at(s, contract_slot), terms_at(s, contract_slot)
    terms.mark = s.terms_mark
    terms.from_lots = max(contract.min_order_lots, 1)
    terms.range_lots = max(contract.max_order_lots - terms.from_lots + 1, 0)
    if contract.gate != 0 or (contract.needs_index and contract.mark_subticks == 0):
        terms.range_lots = 0
    terms.buy_from_ticks = 1
    terms.buy_range_ticks = max(min(contract.max_buy_ticks, contract.max_price_ticks), 0)
    terms.sell_from_ticks = max(contract.min_sell_ticks, 1)
    terms.sell_range_ticks = max(contract.max_price_ticks - terms.sell_from_ticks + 1, 0)
    more = not contract.margin_free or contract.lot_step != 1 or contract.max_order_value_micros != 0
    terms.more = 1 if more or contract.max_open_interest_lots != 0 else 0
    taken = LEVELS_PER_ORDER + s.approvals_used
    terms.most_levels = s.levels_capacity - taken
    terms.most_nodes = s.nodes_capacity - taken * NODES_PER_INSERT


@inlined
def of_contract(s, contract_slot):
    """The terms of a contract that exists."""
    terms = terms_at(s, contract_slot)
    if unlikely(terms.mark != s.terms_mark):
        _work_out(s, contract_slot)
    return terms


@inlined
def admit(s, taker, terms):
    """Whether a plain order's quantity and limit are within the ranges, and it could rest."""
    sided = of_side(terms, taker.side)
    return (
        below(taker.leaves_lots + taker.filled_lots - terms.from_lots, terms.range_lots)
        and (taker.filled_lots == 0 or taker.leaves_lots > 0)
        and below(taker.price_ticks - sided.buy_from_ticks, sided.buy_range_ticks)
        and s.levels_live <= terms.most_levels
        and s.nodes_live <= terms.most_nodes
    )
