"""The columns of the trail. A record is a dict of its columns that are not empty."""

from typing import Any

from engine.statements.decision_figures import ATTRIBUTES

Record = dict[str, Any]

WHAT: dict[str, type] = {
    "number": int,  # of the record in this export
    "seq": int,  # of the command in the log
    "time_ns": int,  # the engine's now
    "record": str,  # begin, order, directive, event, gateway, count, end
    "command": str,  # what was asked, or the kind of event
    "outcome": str,  # accepted, repeated, amended, cancelled, refused, changed, happened
    "reason": str,
    "note": str,  # begin, count, end: what the export covers and holds, as JSON; gateway: what about
    "account_slot": int,
    "contract_slot": int,
    "person": int,
    "key": int,
    "order_id": int,
    "cl_ord_id": int,
    "side": str,
    "ord_type": str,
    "tif": str,
    "flags": int,
    "qty_lots": int,
    "price_ticks": int,
    "trigger_price_ticks": int,
    "last_lots": int,
    "leaves_lots": int,
    "filled_lots": int,
    "trade_id": int,
    "fee_micros": int,
    "code": str,  # the attribute, parameter or state of a directive
    "index": int,
    "old_value": int,
    "new_value": int,
    "amount_micros": int,
    "price_subticks": int,
    "other_price_subticks": int,
    "rate_ppb": int,
    "position_lots": int,
    "cash_micros": int,
    "actor": int,
    "approver": int,
    "reason_number": int,  # of the officers' change; the registry keeps its reason in words
    "source_time_ns": int,  # index prices: when the source made it; approvals: valid from
    "reference": int,  # the registry's number of the change
    "digest": str,  # hash of what the registry keeps of the change, or of the gateway's log up to record `new_value`
    "count": int,  # records counted; gateway: how many of these in a row
}
"""The request and its outcome. In the file a missing number is an empty field, a missing word an empty text."""

_FIGURES = (
    "account_state",  # 0 never opened, 1 open, 2 closed
    "account_in_liquidation",
    "account_open_orders",
    "account_cash_micros",
    "account_collateral_micros",  # value of its coins as collateral
    "account_equity_micros",  # of the cross pool
    "account_required_micros",  # initial margin and reserves of everything that is open
    "account_maintenance_micros",
    "person_knowledge_until_ns",
    "position_held_lots",
    "position_entry_cost_micros",
    "position_buy_lots",
    "position_sell_lots",
    "position_reduce_only_lots",  # resting, of the side that closes
    "position_required_micros",
    "position_leverage",  # as chosen; 0: the bracket's cap
    "position_is_isolated",
    "position_equity_micros",  # of the pool that the position belongs to
    "position_maintenance_micros",
    "contract_state",
    "contract_needs_index",
    "contract_margin_free",
    "contract_mark_subticks",
    "contract_index_subticks",
    "contract_last_price_ticks",
    "contract_max_buy_ticks",
    "contract_min_sell_ticks",
    "contract_best_bid_ticks",
    "contract_best_ask_ticks",
    "contract_open_interest_lots",
    "contract_max_open_interest_lots",
    "contract_max_position_lots",
    "contract_max_order_value_micros",
    "contract_disclosure_product",
    "contract_disclosure_loss",
    "contract_disclosure_affiliate",
    "contract_affiliate_present",
    "contract_micros_per_tick_lot",
    "group_max_lots",  # where the group has a limit
    "group_others_lots",  # worst-case sizes of the group's other accounts
    "account_others_exposure_micros",  # where the account has a limit: worst-case exposure of its other contracts
    "client_frozen",
    "client_kill_switch",
    "client_max_exposure_micros",  # where the client has a limit, which is for all its accounts together
    "client_others_exposure_micros",  # then: worst-case exposure of all its accounts but for this contract of this one
    "affiliate_from_ns",  # the approval for this contract
    "affiliate_until_ns",
    "venue_state",
    "venue_institutions_skip",  # institutional investors need no derivatives knowledge
    "venue_affiliate_post_only",
    "order_side",
    "order_type",
    "order_leverage",  # the account's leverage in the contract
    "order_asked_ticks",  # its limit; for a market order, the band's edge
    "order_price_ticks",  # the limit after a post-only order slid behind the best price of the other side
    "order_value_micros",
    "order_form_broken",  # 1: an amendment that asks for what cannot be amended, or a label whose row is missing
    "order_is_leaving",  # 1: an amendment of an order that a mass cancel in the queue takes: it is gone already
    "order_lots",  # its open quantity after the command
    "order_flags",  # ExecInst bits, as asked for
    "order_made_reduce_only",  # 1: admitted as a reduce-only order: rows 6 to 15 or margin allow no more
    "order_was_open_lots",  # what an amended order added before
    "order_was_price_ticks",
    "need_micros",  # IM and reserves of all positions and orders, this order included
    "have_micros",  # equity
)
COLUMNS: dict[str, type] = WHAT | dict.fromkeys((*ATTRIBUTES, *_FIGURES), int)
"""All columns of a record, in the order of the file; the chain's hash follows as the last column."""
