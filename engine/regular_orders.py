"""An account that places plain orders one after the other: what was found out about one holds for those behind it.

`straight_path` asks a first order everything. What that takes of account, person, position and contract is kept in
`s.regular`, with how many orders may come to the book before any limit could be reached, however large they are. Until
then an order of the same account, contract and person has to be within two ranges, and nothing else is asked. Commands
off the straight path, and a new call, end that: see `plain_terms.forget`.
"""

import numpy as np

from engine import idmap, ladder
from engine.eligibility import CLEARED
from engine.kernels import inlined, kernel
from engine.row_access import account_at, contract_at, flags_and_account, known_until_ns, of_side, position_at
from engine.units import below


@inlined
def passes(s, c, side):
    """Whether a plain NEW is of the account that is known, and within what its contract lets it ask for."""
    regular = s.regular
    sided = of_side(regular, side)
    return (
        regular.left > 0
        and flags_and_account(c) == regular.flags_and_account
        and c.contract_slot == regular.contract_slot
        and c.person == regular.person
        and s.now_ns < regular.until_ns
        and below(c.qty_lots - regular.from_lots, regular.range_lots)
        and below(c.price_ticks - sided.buy_from_ticks, sided.buy_range_ticks)
    )


@inlined
def passes_amended(s, person, side, lots, price_ticks, now_ns):
    """The same of the order that passed last, when it is amended before it reaches the book."""
    regular = s.regular
    sided = of_side(regular, side)
    return (
        regular.left > 0
        and person == regular.person
        and now_ns < regular.until_ns
        and below(lots - regular.from_lots, regular.range_lots)
        and below(price_ticks - sided.buy_from_ticks, sided.buy_range_ticks)
    )


@inlined
def count(s):
    """An order has come to the book, or to another place there."""
    s.regular.left -= 1


@kernel
def _orders_left(s, taker, terms):
    """How many orders of the largest size may come to the book, whatever their prices, before any limit is reached."""
    account, contract = account_at(s, taker.account_slot), contract_at(s, taker.contract_slot)
    position, table = position_at(s, taker.position_slot), s.order_map
    worst_lots = abs(position.size_lots) + max(position.buy_lots, position.sell_lots)
    left = (contract.max_position_lots - worst_lots) // (terms.from_lots + terms.range_lots)
    left = min(left, account.max_open_orders - account.open_orders)
    left = min(left, s.orders_capacity - s.orders_live)
    left = min(left, terms.most_levels - s.levels_live)
    left = min(left, (terms.most_nodes - s.nodes_live) // ladder.NODES_PER_INSERT)
    return min(left, idmap.ids_left(table))


@kernel
def keep(s, taker, terms):
    """Keep what was found out about a plain order that may go to the book. Where its margin counts, nothing is kept."""
    regular, account = s.regular, account_at(s, taker.account_slot)
    regular.left = 0
    regular.position_slot = taker.position_slot
    regular.loss_subticks = taker.loss_subticks
    if terms.more != 0:
        return
    regular.flags_and_account = np.int64(taker.account_slot) << 32
    regular.contract_slot = taker.contract_slot
    regular.person = taker.person
    regular.until_ns = account.eligible_until_ns
    if account.gate != CLEARED:
        regular.until_ns = min(regular.until_ns, known_until_ns(s, taker.person))
    regular.from_lots = terms.from_lots
    regular.range_lots = terms.range_lots
    regular.buy_from_ticks = terms.buy_from_ticks
    regular.sell_from_ticks = terms.sell_from_ticks
    regular.buy_range_ticks = terms.buy_range_ticks
    regular.sell_range_ticks = terms.sell_range_ticks
    regular.left = max(_orders_left(s, taker, terms), 0)
