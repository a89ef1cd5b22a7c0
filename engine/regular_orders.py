"""An account that places plain orders one after the other: what was found out about one holds for those behind it.

`straight_path` asks a first order everything. What that takes of account, person, position and contract is kept in
`s.regular`, with how many orders may come to the book before any limit could be reached, however large they are. Until
then an order of the same account, contract and person has to be within two ranges, and nothing else is asked. Commands
off the straight path, and a new call, end that: see `plain_terms.forget`.
"""

from engine import idmap, ladder
from engine.eligibility import CLEARED
from engine.kernels import apart, inlined
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


@inlined
def _orders_left(s, account, contract, position, terms):
    """How many orders of the largest size may come to the book, whatever their prices, before any limit is reached."""
    worst_lots = abs(position.size_lots) + max(position.buy_lots, position.sell_lots)
    left = (contract.max_position_lots - worst_lots) // (terms.from_lots + terms.range_lots)
    left = min(left, account.max_open_orders - account.open_orders)
    left = min(left, s.orders_capacity - s.orders_live)
    left = min(left, terms.most_levels - s.levels_live)
    left = min(left, (terms.most_nodes - s.nodes_live) // ladder.NODES_PER_INSERT)
    return min(left, idmap.ids_left(s.order_map))


@apart
def _keep(s, c, position_slot, terms):
    """Keep what holds for further orders, too."""
    regular, account = s.regular, account_at(s, c.account_slot)
    regular.flags_and_account = flags_and_account(c)
    regular.contract_slot = c.contract_slot
    regular.person = c.person
    regular.until_ns = account.eligible_until_ns
    if account.gate != CLEARED:
        regular.until_ns = min(regular.until_ns, known_until_ns(s, c.person))
    regular.from_lots = terms.from_lots
    regular.range_lots = terms.range_lots
    regular.buy_from_ticks = terms.buy_from_ticks
    regular.sell_from_ticks = terms.sell_from_ticks
    regular.buy_range_ticks = terms.buy_range_ticks
    regular.sell_range_ticks = terms.sell_range_ticks
    left = _orders_left(s, account, contract_at(s, c.contract_slot), position_at(s, position_slot), terms)
    regular.left = max(left, 0)


@inlined
def keep(s, c, position_slot, loss_subticks, terms):
    """Keep what was found out about a plain order without flags. Where margin counts, that holds for it alone."""
    s.regular.left = 0
    s.regular.position_slot = position_slot
    s.regular.loss_subticks = loss_subticks
    if terms.more == 0:
        _keep(s, c, position_slot, terms)
