"""The figures that a decision is made on, read into a row from the state of that moment: for the audit trail.

A row has all figures as int64, and in `present` a bit for each group of them that it has. The margin that an order
needs is computed in `order_need` in plain integers, without the functions by which the engine decided. An order that
nobody can carry may need more than int64 holds: `exact_figures` then has the figure.
"""

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from engine import book, cancel_queue, collateral, idmap, margin
from engine.code_values import (
    COMMAND_AMEND,
    COMMAND_CANCEL,
    COMMAND_MASS_CANCEL,
    COMMAND_NEW,
    COMMAND_SET_LEVERAGE,
    COMMAND_SET_MARGIN_MODE,
    COMMAND_TRANSFER,
    COMMAND_WITHDRAW,
    EXEC_AMEND_BITS,
    EXEC_CONDITIONAL,
    EXEC_POST_ONLY,
    EXEC_QTY_IS_LEAVES,
    EXEC_REDUCE_ONLY,
    SIDE_BUY,
    SIDE_SELL,
    TYPE_MARKET,
    TYPE_STOP_MARKET,
    TYPE_TAKE_MARKET,
    TYPE_TRAILING_STOP,
)
from engine.codes import NIL, AccountAttribute, Asset, MarginMode, SelfTrade
from engine.kernels import entry, part
from engine.row_access import (
    account_at,
    approval_at,
    client_at,
    contract_at,
    group_at,
    group_limit_at,
    ladder_at,
    order_at,
    position_at,
    profile_at,
)
from engine.schema import COMMAND, DIRECTIVE, LADDERS_PER_CONTRACT, record
from engine.statements.order_need import (
    add,
    exact_need_micros,
    held_need_micros,
    own_need_micros,
    plain_row,
    product,
    share,
)
from engine.units import INT64_MAX, SUBTICKS

ATTRIBUTES = {f"account_{attribute.name.lower()}": int(attribute) for attribute in AccountAttribute}
"""An account's attributes as they stood, a figure each."""
_CONTRACT = (
    "state", "needs_index", "margin_free", "mark_subticks", "index_subticks", "last_price_ticks", "max_buy_ticks",
    "min_sell_ticks", "open_interest_lots", "max_open_interest_lots", "max_position_lots", "max_order_value_micros",
    "disclosure_product", "disclosure_loss", "disclosure_affiliate", "affiliate_present", "micros_per_tick_lot",
)  # fmt: skip
(
    VENUE, PERSON, CONTRACT, ACCOUNT, CLIENT, GROUP_LIMIT, OWN_LIMIT, CLIENT_LIMIT, APPROVAL, POSITION, LEAVING, FORM,
    ORDER, NEED, TOO_LARGE,
) = (1 << bit for bit in range(15))  # fmt: skip
"""The bits of `present`. TOO_LARGE: the order's value, or what it needs, is beyond int64."""
GROUPS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (VENUE, ("account_state", "venue_state", "venue_institutions_skip", "venue_affiliate_post_only")),
    (PERSON, ("person_knowledge_until_ns",)),
    (CONTRACT, (*(f"contract_{name}" for name in _CONTRACT), "contract_best_bid_ticks", "contract_best_ask_ticks")),
    (ACCOUNT, (*ATTRIBUTES, "account_in_liquidation", "account_open_orders")),
    (CLIENT, ("client_frozen", "client_kill_switch")),
    (ACCOUNT, (
        "account_cash_micros", "account_collateral_micros", "account_equity_micros", "account_required_micros",
        "account_maintenance_micros",
    )),
    (GROUP_LIMIT, ("group_max_lots", "group_others_lots")),
    (OWN_LIMIT, ("account_others_exposure_micros",)),
    (CLIENT_LIMIT, ("client_max_exposure_micros", "client_others_exposure_micros")),
    (APPROVAL, ("affiliate_from_ns", "affiliate_until_ns")),
    (POSITION, (
        "position_held_lots", "position_entry_cost_micros", "position_buy_lots", "position_sell_lots",
        "position_reduce_only_lots", "position_required_micros", "position_leverage", "position_is_isolated",
        "position_equity_micros", "position_maintenance_micros",
    )),
    (LEAVING, ("order_is_leaving",)),
    (FORM, ("order_form_broken",)),
    (ORDER, (
        "order_side", "order_type", "order_leverage", "order_asked_ticks", "order_price_ticks", "order_value_micros",
        "order_lots", "order_was_open_lots", "order_was_price_ticks", "order_flags",
    )),
    (NEED, ("need_micros", "have_micros")),
)  # fmt: skip
"""The figures of each group, in the order in which they are told."""
SCRATCH = [(name, "i8") for name in ("asked_price_ticks", "was_loss_subticks", "position_slot", "order_contract_slot")]
"""What a row has besides: the price that is asked for, and where position and contract are."""


def figure_fields(names: tuple[str, ...]) -> list[Any]:
    """The fields of a row's figures in an order; the attributes, which follow one another, are one array."""
    plain = [name for name in names if name not in ATTRIBUTES]
    begin = next(place for place, name in enumerate(names) if name in ATTRIBUTES)
    assert names[begin : begin + len(ATTRIBUTES)] == tuple(ATTRIBUTES), "the attributes follow one another"
    fields: list[Any] = [(name, "i8") for name in plain]
    return [*fields[:begin], ("attributes", "i8", (len(ATTRIBUTES),)), *fields[begin:]]


_NAMES = tuple(dict.fromkeys(name for _, names in GROUPS for name in names))
_MADE_OF = zlib.crc32(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
FIGURES = record([("present", "i8"), *figure_fields(_NAMES), *SCRATCH, (f"made_of_{_MADE_OF:08x}", "i8")])
"""A row of nothing but figures. numba caches code by its types: a new name when a source changes."""
_CODES = np.array(list(ATTRIBUTES.values()))
_COUNT = len(ATTRIBUTES)
_MAX_OPEN_ORDERS = list(ATTRIBUTES).index("account_max_open_orders")
_MAX_EXPOSURE = list(ATTRIBUTES).index("account_max_exposure_micros")
_SETTLEMENT, _ISOLATED = int(Asset.SETTLEMENT), int(MarginMode.ISOLATED)
_MAX_SELF_TRADE = int(max(SelfTrade))
_CLIENT, _EXPOSURE = int(AccountAttribute.CLIENT), int(AccountAttribute.MAX_EXPOSURE_MICROS)


# --- limits of owners ---------------------------------------------------------------------------------------------


@part
def _worst_lots(position):
    """The largest size that a position can reach on either side when the open orders of that side fill."""
    size = position.size_lots
    return max(max(size, 0) + position.buy_lots, max(-size, 0) + position.sell_lots)


@part
def _others_micros(s, account_slot, contract_slot):
    """The sum of the worst cases of an account's contracts but one (NIL: of all), valued at their marks."""
    total = np.int64(0)
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        if position.contract_slot != contract_slot:
            contract = contract_at(s, position.contract_slot)
            value = product(contract.mark_subticks, abs(_worst_lots(position)))
            total = add(total, share(value, contract.micros_per_tick_lot, SUBTICKS))
        slot = np.int64(position.next_slot)
    return total


@part
def _group_limit_lots(s, group, contract_slot):
    place = np.int64(group_at(s, group).limits_head) if group != 0 else np.int64(NIL)
    while place != NIL:
        limit = group_limit_at(s, place)
        if limit.contract_slot == contract_slot:
            return np.int64(limit.max_lots)
        place = np.int64(limit.next_place)
    return np.int64(0)


@part
def _others_lots(s, account_slot, contract_slot):
    """The sum of the worst cases of the group's other accounts in this contract."""
    total = np.int64(0)
    member = np.int64(group_at(s, account_at(s, account_slot).group).members_head)
    while member != NIL:
        if member != account_slot:
            slot = _position_of(s, member, contract_slot)
            total += _worst_lots(position_at(s, slot)) if slot != NIL else 0
        member = np.int64(account_at(s, member).group_next_slot)
    return total


@part
def _clients_others_micros(s, client, account_slot, contract_slot):
    """The worst cases of all accounts of a client but for one contract of one of them."""
    total = np.int64(0)
    member = np.int64(client_at(s, client).members_head)
    while member != NIL:
        total = add(total, _others_micros(s, member, contract_slot if member == account_slot else NIL))
        member = np.int64(account_at(s, member).client_next_slot)
    return total


@part
def _read_limits(s, row, account_slot, contract_slot, client):
    """The figures of limits that are set; most accounts have no group limit and no exposure limit."""
    limit = _group_limit_lots(s, np.int64(account_at(s, account_slot).group), contract_slot)
    if limit != 0:
        row.group_max_lots, row.group_others_lots = limit, _others_lots(s, account_slot, contract_slot)
        row.present |= GROUP_LIMIT
    if row.attributes[_MAX_EXPOSURE] != INT64_MAX:
        row.account_others_exposure_micros = _others_micros(s, account_slot, contract_slot)
        row.present |= OWN_LIMIT
    if client != 0 and client_at(s, client).max_exposure_micros != 0:
        row.client_max_exposure_micros = client_at(s, client).max_exposure_micros
        row.client_others_exposure_micros = _clients_others_micros(s, client, account_slot, contract_slot)
        row.present |= CLIENT_LIMIT
    for place in range(s.approvals_used):
        approval = approval_at(s, place)
        if approval.account_slot == account_slot and approval.contract_slot == contract_slot:
            row.affiliate_from_ns, row.affiliate_until_ns = approval.from_ns, approval.until_ns
            row.present |= APPROVAL
            break


# --- the standing of account, contract and venue ------------------------------------------------------------------


@part
def _exists(s, account_slot):
    return 0 <= account_slot < s.accounts_used and account_at(s, account_slot).state != 0


@part
def _position_of(s, account_slot, contract_slot):
    """The row of an account's position in a contract, NIL for none."""
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL and position_at(s, slot).contract_slot != contract_slot:
        slot = np.int64(position_at(s, slot).next_slot)
    return slot


@part
def _read_contract(s, row, slot):
    contract = contract_at(s, slot)
    row.contract_state = contract.state
    row.contract_needs_index = contract.needs_index
    row.contract_margin_free = contract.margin_free
    row.contract_mark_subticks = contract.mark_subticks
    row.contract_index_subticks = contract.index_subticks
    row.contract_last_price_ticks = contract.last_price_ticks
    row.contract_max_buy_ticks = contract.max_buy_ticks
    row.contract_min_sell_ticks = contract.min_sell_ticks
    row.contract_open_interest_lots = contract.open_interest_lots
    row.contract_max_open_interest_lots = contract.max_open_interest_lots
    row.contract_max_position_lots = contract.max_position_lots
    row.contract_max_order_value_micros = contract.max_order_value_micros
    row.contract_disclosure_product = contract.disclosure_product
    row.contract_disclosure_loss = contract.disclosure_loss
    row.contract_disclosure_affiliate = contract.disclosure_affiliate
    row.contract_affiliate_present = contract.affiliate_present
    row.contract_micros_per_tick_lot = contract.micros_per_tick_lot
    bids, asks = ladder_at(s, slot * LADDERS_PER_CONTRACT), ladder_at(s, slot * LADDERS_PER_CONTRACT + 1)
    row.contract_best_bid_ticks = bids.first_key if bids.first_slot != NIL else NIL
    row.contract_best_ask_ticks = asks.first_key if asks.first_slot != NIL else NIL
    row.present |= CONTRACT


@part
def _read_account(s, row, slot):
    account, profile = account_at(s, slot), profile_at(s, slot)
    for place in range(_COUNT):
        row.attributes[place] = profile.values[_CODES[place]]
    row.attributes[_MAX_OPEN_ORDERS] = account.max_open_orders
    row.attributes[_MAX_EXPOSURE] = profile.values[_EXPOSURE] if profile.values[_EXPOSURE] != 0 else INT64_MAX
    row.account_state = account.state
    row.account_in_liquidation = account.liquidating
    row.account_open_orders = account.open_orders
    row.account_cash_micros = account.cash_micros
    row.account_collateral_micros = collateral.value_micros(s, slot)
    row.account_equity_micros = margin.cross_equity_micros(s, slot)
    row.account_required_micros = margin.cross_requirement_micros(s, slot, NIL)
    row.account_maintenance_micros = max(margin.cross_maintenance_micros(s, slot), 0)
    row.present |= ACCOUNT
    client = profile.values[_CLIENT]
    if client != 0:
        row.client_frozen = client_at(s, client).frozen
        row.client_kill_switch = client_at(s, client).killed
        row.present |= CLIENT
    return client


@part
def _read_position(s, row, slot):
    position = position_at(s, slot)
    contract = contract_at(s, position.contract_slot)
    row.position_slot = slot
    row.position_held_lots = position.size_lots
    row.position_entry_cost_micros = position.entry_cost_micros
    row.position_buy_lots = position.buy_lots
    row.position_sell_lots = position.sell_lots
    row.position_reduce_only_lots = position.reduce_only_lots
    row.position_leverage = position.leverage
    row.position_is_isolated = position.margin_mode
    row.position_required_micros = row.position_equity_micros = row.position_maintenance_micros = 0
    if not contract.margin_free:
        row.position_required_micros = margin.requirement_micros(contract, position)
        row.position_equity_micros = margin.pool_equity_micros(s, slot)
        row.position_maintenance_micros = margin.maintenance_micros(contract, position.size_lots)
    row.present |= POSITION


@part
def read_standing(s, row, account_slot, contract_slot, person):
    """The figures of account, contract and venue; what does not exist is left out."""
    row.present = VENUE
    row.account_state = 0
    row.position_slot = NIL
    row.venue_state = s.venue_state
    row.venue_institutions_skip = s.institutions_skip_knowledge
    row.venue_affiliate_post_only = s.affiliate_post_only
    if 0 <= person < s.persons_used:
        row.person_knowledge_until_ns = s.persons[person]
        row.present |= PERSON
    has_contract = 0 <= contract_slot < s.contracts_used
    if has_contract:
        _read_contract(s, row, contract_slot)
    if not _exists(s, account_slot):
        return
    client = _read_account(s, row, account_slot)
    if has_contract:
        _read_limits(s, row, account_slot, contract_slot, client)
    slot = _position_of(s, account_slot, contract_slot)
    if slot != NIL:
        _read_position(s, row, slot)


# --- the order ----------------------------------------------------------------------------------------------------


@part
def _is_market(ord_type):
    return ord_type in (TYPE_MARKET, TYPE_STOP_MARKET, TYPE_TAKE_MARKET, TYPE_TRAILING_STOP)


@part
def _limit_ticks(contract, row):
    """An order's limit; for a market order, the band's edge."""
    if not _is_market(row.order_type) or row.order_flags & EXEC_CONDITIONAL:
        return row.asked_price_ticks
    edge = contract.max_buy_ticks if row.order_side == SIDE_BUY else contract.min_sell_ticks
    return max(min(edge, contract.max_price_ticks), 1)


@part
def _working_ticks(row):
    """The limit after sliding: a post-only order goes behind the best price of the other side."""
    price, buys = row.order_asked_ticks, row.order_side == SIDE_BUY
    best = row.contract_best_ask_ticks if buys else row.contract_best_bid_ticks
    if row.order_flags & EXEC_POST_ONLY and best != NIL:
        if buys and price >= best:
            return best - 1
        if not buys and price <= best:
            return best + 1
    return price


@part
def _find(s, c):
    """The slot of the open order that an AMEND or CANCEL names by either id, NIL unless it is its account's."""
    if c.order_id != 0:
        slot = book.find_order(s, c.order_id)
        owner = position_at(s, order_at(s, slot).position_slot).account_slot if slot != NIL else NIL
        return np.int64(slot) if owner == c.account_slot else np.int64(NIL)
    if c.cl_ord_id == 0:
        return np.int64(NIL)
    tag = idmap.tag_of(c.account_slot, c.cl_ord_id)
    return np.int64(book.find_client_order(s, tag, c.account_slot, c.cl_ord_id))


@part
def _ask_new(row, c):
    row.order_side, row.order_type = c.side, c.ord_type
    row.asked_price_ticks, row.order_lots = c.price_ticks, c.qty_lots
    row.order_flags = c.flags | (EXEC_CONDITIONAL if c.ord_type >= TYPE_STOP_MARKET else 0)
    row.order_was_open_lots = row.order_was_price_ticks = row.was_loss_subticks = 0


@part
def _ask_amended(row, c, order):
    """The order as amended, and whether the amendment changes what cannot be amended."""
    keeps = c.price_ticks == 0 or _is_market(order.ord_type)
    row.asked_price_ticks = order.price_ticks if keeps else c.price_ticks
    lots = c.qty_lots
    if lots == 0:
        lots = order.leaves_lots
    elif c.flags & EXEC_QTY_IS_LEAVES == 0:
        lots -= order.filled_lots
    row.order_lots, row.order_side, row.order_type, row.order_flags = lots, order.side, order.ord_type, order.flags
    row.order_was_open_lots = row.order_was_price_ticks = row.was_loss_subticks = 0
    conditional = order.flags & EXEC_CONDITIONAL != 0
    if not conditional:
        row.order_was_open_lots, row.order_was_price_ticks = order.leaves_lots, order.price_ticks
        row.was_loss_subticks = order.loss_subticks
    trailing = order.ord_type == TYPE_TRAILING_STOP and conditional and c.trigger_price_ticks != 0
    form = c.flags & ~EXEC_AMEND_BITS != 0 or c.self_trade < 0 or c.self_trade > _MAX_SELF_TRADE or c.qty_lots < 0
    row.order_form_broken = 1 if trailing or form else 0
    row.present |= FORM


@part
def _read_order(s, row, contract_slot):
    """The order's limits, its open quantity, and for a margin decision the margin needed and the equity."""
    contract = contract_at(s, contract_slot)
    row.order_contract_slot = contract_slot
    leverage = np.int64(position_at(s, row.position_slot).leverage) if row.position_slot != NIL else np.int64(0)
    row.order_leverage = leverage if leverage != 0 else contract.bracket_leverage[0]
    row.order_asked_ticks = _limit_ticks(contract, row)
    row.order_price_ticks = _working_ticks(row)
    unit = contract.micros_per_tick_lot
    row.order_value_micros = product(product(row.order_asked_ticks, row.order_lots), unit)
    row.present |= ORDER
    counts = row.order_side == SIDE_BUY or row.order_side == SIDE_SELL
    counts = counts and row.order_flags & (EXEC_REDUCE_ONLY | EXEC_CONDITIONAL) == 0
    if counts and not contract.margin_free and row.present & ACCOUNT:
        others = row.account_required_micros
        if row.present & POSITION:
            others -= row.position_required_micros
        row.need_micros = add(own_need_micros(s, contract, row), others)
        row.have_micros = row.account_equity_micros
        row.present |= NEED
    if abs(row.order_value_micros) == INT64_MAX or (row.present & NEED and abs(row.need_micros) == INT64_MAX):
        row.present |= TOO_LARGE


@part
def _read_money(s, row, d):
    """The account's figures, and for a withdrawal the amount asked for and the amount that may be withdrawn."""
    account = np.int64(d.account_slot)
    read_standing(s, row, account, np.int64(d.contract_slot), np.int64(NIL))
    if d.kind == COMMAND_WITHDRAW and d.index == _SETTLEMENT and row.account_state != 0:
        row.need_micros, row.have_micros = d.amount_micros, margin.withdrawable_micros(s, account)
        row.present |= NEED


@part
def read_figures(s, row, c, d):
    """The figures for an order command, or for a movement of a client's own money; other commands have none.

    `c` and `d` are the command's row in either layout.
    """
    kind = c.kind
    row.present = 0
    if kind in (COMMAND_WITHDRAW, COMMAND_TRANSFER, COMMAND_SET_LEVERAGE, COMMAND_SET_MARGIN_MODE):
        _read_money(s, row, d)
    if kind not in (COMMAND_NEW, COMMAND_AMEND, COMMAND_CANCEL, COMMAND_MASS_CANCEL):
        return
    account, contract, slot = np.int64(c.account_slot), np.int64(c.contract_slot), np.int64(NIL)
    if kind in (COMMAND_AMEND, COMMAND_CANCEL) and _exists(s, account):
        slot = _find(s, c)
        if slot != NIL:
            contract = np.int64(position_at(s, order_at(s, slot).position_slot).contract_slot)
    read_standing(s, row, account, contract, np.int64(c.person))
    if kind == COMMAND_NEW:
        _ask_new(row, c)
    elif kind == COMMAND_AMEND and slot != NIL:
        if cancel_queue.covering(s, slot) != NIL:
            row.order_is_leaving = 1
            row.present |= LEAVING
            return
        _ask_amended(row, c, order_at(s, slot))
    else:
        return
    if row.present & CONTRACT:
        _read_order(s, row, contract)


@entry
def _figures(root, commands, directives, rows):
    read_figures(root[0], rows[0], commands[0], directives[0])


@entry
def _find_order(root, commands):
    s = root[0]
    return _find(s, commands[0]) if _exists(s, commands[0].account_slot) else NIL


# --- for Python -----------------------------------------------------------------------------------------------------


def exact_figures(root: Any, row: Any) -> dict[str, int]:
    """The figures of a row that is TOO_LARGE as they are. `root` is still the state that the row was read from."""
    asked = plain_row(row)
    contract = plain_row(root[0]["contracts"][asked.order_contract_slot])
    found = {"order_value_micros": asked.order_asked_ticks * asked.order_lots * contract.micros_per_tick_lot}
    if asked.present & NEED:
        others = asked.account_required_micros - (asked.position_required_micros if asked.present & POSITION else 0)
        found["need_micros"] = exact_need_micros(root, asked, contract) + others
    return found


def look(root: Any, command: Any) -> dict[str, int]:
    """The figures for one command, by name; those that it has none of are left out."""
    commands, rows = np.array([command], COMMAND), np.zeros(1, FIGURES)
    _figures(root, commands, commands.view(DIRECTIVE), rows)
    present, row = int(rows["present"][0]), rows[0]
    attributes = dict(zip(ATTRIBUTES, row["attributes"].tolist(), strict=True))
    found: dict[str, int] = {}
    for bit, names in GROUPS:
        if present & bit:
            found |= {name: attributes[name] if name in attributes else int(row[name]) for name in names}
    return found | exact_figures(root, row) if present & TOO_LARGE else found


def warm_up(root: Any) -> None:
    """Compile what the words of a refusal need."""
    look(root, np.zeros(1, COMMAND)[0])
    find_order(root, 0, 0, 0)
    held_need_micros(root, 0, NIL, 1)


def find_order(root: Any, account_slot: int, order_id: int, cl_ord_id: int) -> int:
    """The slot of an account's open order by either id, NIL when there is none."""
    asked = np.zeros(1, COMMAND)
    asked["account_slot"], asked["order_id"], asked["cl_ord_id"] = account_slot, order_id, cl_ord_id
    return int(_find_order(root, asked))
