"""The layout of every record: STATE, COMMAND and EVENT rows, capacities.

Suffixes: `_ticks` price in ticks, `_subticks` 1/1000 tick, `_lots` quantity, `_micros` settlement currency in
millionths, `_ppb` rate in 1e-9, `_ns` time in nanoseconds since the epoch (UTC), `_s` seconds; `_slot` a row's place
in its array (NIL = -1 is nowhere), `_id` the outside name. All state is one record, so a snapshot is its bytes.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from engine.log_rows import COMMAND as COMMAND
from engine.log_rows import DIRECTIVE as DIRECTIVE
from engine.log_rows import EVENT as EVENT
from engine.log_rows import LABEL as LABEL
from engine.log_rows import NOTICE as NOTICE
from engine.log_rows import PlainRow as PlainRow
from engine.log_rows import record as record
from engine.owner_rows import APPROVAL as APPROVAL
from engine.owner_rows import CLIENT as CLIENT
from engine.owner_rows import COLLATERAL as COLLATERAL
from engine.owner_rows import COLLATERAL_ASSETS as COLLATERAL_ASSETS
from engine.owner_rows import GROUP as GROUP
from engine.owner_rows import GROUP_LIMIT as GROUP_LIMIT
from engine.scratch_rows import AHEAD as AHEAD
from engine.scratch_rows import AHEAD_ROWS as AHEAD_ROWS
from engine.scratch_rows import BRANCH as BRANCH
from engine.scratch_rows import CALL_STEP as CALL_STEP
from engine.scratch_rows import COUNT as COUNT
from engine.scratch_rows import FOLLOWER as FOLLOWER
from engine.scratch_rows import HELD as HELD
from engine.scratch_rows import NOTED as NOTED
from engine.scratch_rows import NOTED_ROWS as NOTED_ROWS
from engine.scratch_rows import RECENT as RECENT
from engine.scratch_rows import REGULAR as REGULAR
from engine.scratch_rows import TAKER as TAKER
from engine.scratch_rows import TERMS as TERMS
from engine.scratch_rows import TOTALS as TOTALS
from engine.units import JIT

SEMANTICS_VERSION = 5
"""Changes whenever the same log would give other events; a journal names the version it was written under."""

WORK_ITEMS = 64
"""K: how many items of pending work each command does first."""
EVENT_HEADROOM = 96
"""Rows that must be free before a step that cannot pause; also the bound on what one such step may write."""
MIN_EVENT_ROWS = 128
"""The smallest event ring that `apply_batch` accepts."""
MAX_REDUCE_ONLY_ORDERS = 32
"""Resting reduce-only orders per account and contract: it bounds what one fill can cut."""
MAX_TRAILING_ORDERS = 1024
"""Trailing stops per contract: it bounds what one price can move."""
MAX_CONTRACTS = 256
LADDERS_PER_CONTRACT = 8
LEVELS_PER_ORDER = 2
"""A price and a second of expiry: the most levels that one order can open."""
TRIGGER_LADDER = 2
"""Within a contract: 0 bids, 1 asks, then (rising, falling) for each price source."""
EXPIRY_LADDER = MAX_CONTRACTS * LADDERS_PER_CONTRACT
LAPSE_LADDER = EXPIRY_LADDER + 1
PERSON_LADDER = LAPSE_LADDER + 1
LADDERS = PERSON_LADDER + 1

MAX_BRACKETS = 10
MAX_SOURCES = 8
BASIS_SAMPLES = 30
ATTRIBUTES = 32
PARAMETERS = 40
MAX_JOBS = 1024
MAX_GROUP_MEMBERS = 64
"""Accounts of one group: it bounds what a limit on all of them costs an order."""
MAX_GROUP_LIMITS = 1024
MAX_CLIENT_MEMBERS = 256
"""Accounts of one client, closed ones included: it bounds a change of the client, and what its limit costs an order."""
MAX_APPROVALS = 256
MAX_THRESHOLDS = 128  # of surveillance, numbered from 1; ONE_PAIR_MAY_GRANT_AND_PAY is kept in place 0
LABEL_BYTES = LABEL["text"].itemsize


# --- the state ----------------------------------------------------------------------------------------------------

ORDER = record(  # one cache line
    [
        ("order_id", "i8"),  # serial * 2^22 + slot; 0 when the slot is free
        ("cl_ord_id", "i8"),
        ("leaves_lots", "i8"),  # open quantity, hidden included
        ("filled_lots", "i8"),
        ("loss_subticks", "i8"),  # adverse distance of the limit from the mark when admitted
        ("price_ticks", "i4"),
        ("next_slot", "i4"),  # behind it in its level's queue; free list
        ("prev_slot", "i4"),
        ("level_slot", "i4"),  # NIL while it is not in a queue
        ("position_slot", "i4"),
        ("side", "i1"),
        ("ord_type", "i1"),
        ("tif", "i1"),
        ("flags", "i1"),  # the low seven ExecInst bits
    ]
)

DETAIL = record(  # what only some orders have: written when flags, tif or type say so
    [
        ("display_lots", "i8"),
        ("shown_lots", "i8"),  # of the leaves, what the book shows now
        ("trigger_price_ticks", "i8"),
        ("offset_ticks", "i8"),
        ("watermark_subticks", "i8"),
        ("expire_s", "i4"),  # seconds since 2025-01-01
        ("expire_next_slot", "i4"),
        ("expire_prev_slot", "i4"),
        ("pad", "i4"),
        ("trail_next_slot", "i4"),  # trailing stops of a contract, oldest first
        ("trail_prev_slot", "i4"),
        ("trigger_ladder", "i4"),  # the ladder it waits in
        ("self_trade", "i1"),
        ("trigger_source", "i1"),
        ("made_reduce_only", "i2"),  # of a reduce-only order: the venue made it one, the client did not ask for it
    ]
)

LABEL_TEXT = record([("text", "i8", (8,))])

OWN = record(  # an account's open orders in one contract, oldest first
    [
        ("next_slot", "i4"),
        ("prev_slot", "i4"),
        ("person", "i4"),  # who placed it, or amended it last
        ("pad", "i4"),
    ]
)

LEVEL = record(  # one price of one ladder: a FIFO queue; of a book's, clients' orders come before affiliates'
    [
        ("price_ticks", "i8"),
        ("leaves_lots", "i8"),  # of all its orders, hidden included
        ("hidden_lots", "i8"),
        ("head_slot", "i4"),
        ("tail_slot", "i4"),
        ("orders", "i4"),
        ("ladder_slot", "i4"),
        ("leaf_node", "i4"),  # the trie node that names this level
        ("next_slot", "i4"),  # free list
        ("affiliated_head_slot", "i4"),  # the first order of an affiliate, which ends the clients'; NIL: there is none
        ("pad", "i1", (12,)),
    ]
)

CHILD = record([("slot", "i4")])

NODE = record(
    [
        ("bitmap", "i8"),  # which of the 64 children exist
        ("parent", "i4"),
        ("index", "i4"),  # its place in the parent
        ("child", CHILD, (64,)),
    ]
)

LADDER = record(
    [
        ("root", "i4"),
        ("height", "i4"),  # keys below 64^height are within reach
        ("first_slot", "i4"),  # the entry first in direction
        ("direction", "i4"),  # +1 lowest key first, -1 highest key first
        ("leaf_node", "i4"),  # the leaf used last
        ("leaf_prefix", "i4"),  # its key >> 6
        ("entries", "i4"),
        ("first_key", "i4"),
    ]
)

IDMAP = record(  # an open-addressing table: its table of size n lives at base + n of the cells
    [
        ("base", "i8"),
        ("size", "i8"),
        ("live", "i8"),
        ("old_size", "i8"),  # while growing: the table that is being emptied, else 0
        ("cursor", "i8"),
    ]
)

CELL = record([("word", "i8")])  # tag and slot, 0 when empty

ACCOUNT = record(
    [
        ("cash_micros", "i8"),
        ("gate", "i8"),  # what is left to check of an order: `eligibility`
        ("eligible_until_ns", "i8"),  # earliest expiry of what lets it open risk
        ("max_exposure_micros", "i8"),  # in force: the tighter of its own limit and its client's, INT64_MAX: no limit
        ("group", "i4"),  # self-trade group, 0 = none
        ("positions_head", "i4"),
        ("position_slot", "i4"),  # the one used last
        ("open_orders", "i4"),
        ("max_open_orders", "i4"),
        ("max_leverage", "i4"),  # 0: the brackets' caps alone
        ("state", "i1"),  # 0 never opened, 1 open, 2 closed
        ("investor_class", "i1"),
        ("restriction", "i1"),  # in force: the client's freeze, or its own (as given: its profile)
        ("liquidating", "i1"),  # flagged for liquidation
        ("affiliation", "i1"),
        ("has_collateral", "i1"),
        ("self_trade", "i1"),
        ("warning_level", "i1"),  # of the last margin call, 0: none
        # the second line
        ("collateral_units", "i8", (COLLATERAL_ASSETS,)),  # BTC, ETH in 1e-8 coin
        ("fund_used_micros", "i8"),
        ("group_next_slot", "i4"),  # members of its group
        ("group_prev_slot", "i4"),
        ("queue_next_slot", "i4"),  # liquidation queue
        ("fund_day", "i4"),  # day of the last fund use, days since the epoch
        ("liquidated_tick", "i4"),
        ("cross_tick", "i4"),  # the mark tick at which its cross pool was last worked by force
        ("client_next_slot", "i4"),  # accounts of its client, as they were bound
        ("killed", "i1"),  # in force: by its own kill switch or its client's
        ("pad", "i1", (9,)),
        ("pending_jobs", "i2"),  # mass cancels on it in the queue
    ]
)

LAPSE = record(  # when an account, or a person's knowledge, next loses something: among those of the same second
    [("second", "i4"), ("next_slot", "i4"), ("prev_slot", "i4"), ("pad", "i4")]  # seconds since 2025-01-01, 0 = never
)

PROFILE = record([("values", "i8", (ATTRIBUTES,))])  # the attributes as given, by AccountAttribute

POSITION = record(  # one account in one contract
    [
        ("size_lots", "i8"),  # signed: long is positive
        ("entry_cost_micros", "i8"),  # signed sum of trade notionals
        ("buy_lots", "i8"),  # open buy orders
        ("sell_lots", "i8"),
        ("buy_subtick_lots", "i8"),  # sum of limit price x leaves
        ("sell_subtick_lots", "i8"),  # sum of max(limit, mark when admitted) x leaves
        ("loss_subtick_lots", "i8"),  # sum of adverse distance x leaves, both sides
        ("account_slot", "i4"),
        ("contract_slot", "i4"),
        # the second line
        ("reduce_only_lots", "i8"),  # resting reduce-only orders
        ("isolated_micros", "i8"),
        ("realised_micros", "i8"),
        ("funding_micros", "i8"),
        ("opened_seq", "i8"),  # when it last left zero
        ("own_head_slot", "i4"),
        ("own_tail_slot", "i4"),
        ("next_slot", "i4"),  # of the same account
        ("leverage", "i4"),  # 0: the bracket's cap
        ("worked_tick", "i4"),  # the mark tick at which it was last closed by force
        ("reduce_only_orders", "i2"),
        ("margin_mode", "i1"),
        ("pad", "i1", (1,)),
    ]
)

SOURCE = record(
    [
        ("weight", "i8"),
        ("price_subticks", "i8"),
        ("time_ns", "i8"),
        ("live_since_ns", "i8"),
    ]
)

CONTRACT = record(
    [
        ("gate", "i8"),  # 0: open, with its reference prices; else Reason for an opening order
        ("max_buy_ticks", "i8"),  # band edges of this mark
        ("min_sell_ticks", "i8"),
        ("max_price_ticks", "i8"),
        ("min_order_lots", "i8"),
        ("max_order_lots", "i8"),
        ("lot_step", "i8"),
        ("max_position_lots", "i8"),
        # the second line
        ("micros_per_tick_lot", "i8"),
        ("max_order_value_micros", "i8"),
        ("taker_fee_ppb", "i8"),
        ("maker_fee_ppb", "i8"),
        ("mark_subticks", "i8"),  # 0: none yet
        ("index_subticks", "i8"),
        ("last_price_ticks", "i8"),  # of the last trade, 0: none yet
        ("margin_free", "i1"),  # no rate or fee: orders need no margin
        ("state", "i1"),  # MarketState
        ("liquidation_enabled", "i1"),
        ("brackets", "i1"),
        ("needs_index", "i1"),
        ("allow_thin_index", "i1"),
        ("base_eligible", "i1"),
        ("sources", "i1"),
        # the third line: trading
        ("trade_serial", "i8"),
        ("last_high_ticks", "i8"),  # range of last prices whose triggers are not yet worked off
        ("last_low_ticks", "i8"),
        ("mark_high_subticks", "i8"),
        ("mark_low_subticks", "i8"),
        ("index_high_subticks", "i8"),
        ("index_low_subticks", "i8"),
        ("open_interest_lots", "i8"),
        # cold
        ("trailing_head_slot", "i4"),
        ("trailing_tail_slot", "i4"),
        ("trailing_orders", "i4"),
        ("untriggered_orders", "i4"),
        ("min_sources", "i4"),
        ("pad_triggers", "i4"),
        ("parameters", "i8", (PARAMETERS,)),  # as given, by ContractParameter
        ("triggers_since_ns", "i8"),  # when its oldest triggers still to work off became due, 0: none
        ("max_open_interest_lots", "i8"),
        ("band_ppb", "i8"),  # 0: no band
        ("liquidation_fee_ppb", "i8"),
        ("bracket_floor_micros", "i8", (MAX_BRACKETS,)),
        ("bracket_leverage", "i8", (MAX_BRACKETS,)),
        ("bracket_mmr_ppb", "i8", (MAX_BRACKETS,)),
        ("bracket_deduction_micros", "i8", (MAX_BRACKETS,)),
        ("funding_interval_s", "i8"),
        ("funding_interest_ppb", "i8"),
        ("funding_clamp_ppb", "i8"),
        ("funding_cap_ppb", "i8"),
        ("funding_equal_weights", "i8"),
        ("impact_notional_micros", "i8"),
        ("impact_excludes_affiliates", "i8"),
        ("mark_clamp_ppb", "i8"),
        ("sample_interval_s", "i8"),
        ("disclosure_product", "i8"),
        ("disclosure_loss", "i8"),
        ("disclosure_affiliate", "i8"),
        ("affiliate_present", "i8"),
        ("source", SOURCE, (MAX_SOURCES,)),
        ("basis_subticks", "i8", (BASIS_SAMPLES,)),  # the last samples of impact mid - index
        ("basis_count", "i8"),
        ("last_big_trade_ticks", "i8"),  # of at least a tenth of the impact notional
        ("index_frozen_since_ns", "i8"),
        ("index_live_since_ns", "i8"),
        ("premium_sum_ppb", "i8"),  # weighted sum of the interval's premium samples
        ("open_state", "i1"),  # the state that an index lock replaced, 0: no lock
        ("mark_frozen", "i1"),  # no source is live: its positions are valued at this mark and not closed
        ("pad_lock", "i1", (6,)),
        ("premium_weight", "i8"),
        ("premium_samples", "i8"),
        ("funding_rate_ppb", "i8"),  # of the last settled interval
        ("funding_start_ns", "i8"),
        ("next_sample_ns", "i8"),
        ("next_funding_ns", "i8"),
        ("funding_cursor", "i8"),
        ("delivery_ns", "i8"),  # when the price of its settlement is fixed, 0: it is not to be settled, or it is done
        ("delivery_sum_subticks", "i8"),  # of the index at the mark ticks of the window
        ("delivery_samples", "i8"),
        ("delivery_due_ns", "i8"),  # when the closing of its positions became due, 0: it is not
        ("delivery_cursor", "i8"),
        ("delivery_clearing_micros", "i8"),  # what the closing took so far less what it gave; the rest is dust
        ("pad", "i1", (24,)),
    ]
)

JOB = record(  # a mass cancel waiting to be worked off
    [
        ("before_serial", "i8"),  # orders accepted before this serial
        ("account_slot", "i4"),
        ("contract_slot", "i4"),
        ("group", "i4"),
        ("cursor_slot", "i4"),
        ("position_slot", "i4"),  # of a job on one account: whose orders come next
        ("cancelled", "i4"),
        ("reason", "i2"),
        ("side", "i1"),
        ("scope", "i1"),  # bits of `cancel_queue`
        ("person", "i4"),  # only what this person placed, NIL = anybody
        ("client", "i4"),  # only accounts of this client, 0 = of anybody
        ("member_slot", "i4"),  # of a job on one account or on a client: whose orders come next
        ("seq", "i8"),
        ("label", "i8", (8,)),
    ]
)

RANKED_PLACES = 32
"""How many candidates for deleveraging are kept at a time."""
RANKED = record(  # a candidate for deleveraging, as it was judged last
    [("slot", "i8"), ("return_ppb", "i8"), ("leverage_ppb", "i8"), ("opened_seq", "i8")]
)


@dataclass(frozen=True)
class Capacities:
    """How many rows a state may use; never more than its arrays have. Reaching one is a named refusal."""

    orders: int = 1 << 22
    accounts: int = 1 << 20
    positions: int = 1 << 21
    levels: int = 1 << 20
    nodes: int = 1 << 19
    groups: int = 1 << 16
    persons: int = 1 << 16
    jobs: int = MAX_JOBS
    clients: int = 1 << 20


VENUE = Capacities()
SMALL = Capacities(orders=64, accounts=16, positions=32, levels=48, nodes=64, groups=8, persons=8, jobs=4, clients=8)
ORDER_SLOT_BITS = 22
POSITION_CELLS = 4 * VENUE.orders
"""Where the cells of the map of positions begin; those of orders begin at 0."""

_HEADER = [
    ("semantics_version", "i8"),
    ("mode", "i8"),
    ("last_seq", "i8"),
    ("now_ns", "i8"),
    ("next_due_ns", "i8"),  # the earliest thing due; 0 while work is pending
    ("commands", "i8"),
    ("refusals", "i8"),
    ("venue_state", "i8"),
    # where a paused command stands; idle at every digest
    ("phase", "i8"),  # Phase of the command
    ("sweeping", "i8"),  # 1: the taker is still at the book
    ("work_left", "i8"),
    ("ring_address", "i8"),  # where the events of a call begin, 0 outside
    ("ring_last", "i8"),  # the last place where a step that cannot pause may begin
    ("ring_next", "i8"),  # where the next event goes
    # serials and money
    ("order_serial", "i8"),
    ("fund_micros", "i8"),
    ("fees_micros", "i8"),
    ("deposits_micros", "i8"),
    ("withdrawals_micros", "i8"),
    ("listed_submicros", "i8"),
    # pools: how many rows were ever used, how many are in use, the first free one
    ("orders_used", "i8"),
    ("orders_live", "i8"),
    ("orders_free_slot", "i8"),
    ("levels_used", "i8"),
    ("levels_live", "i8"),
    ("levels_free_slot", "i8"),
    ("nodes_used", "i8"),
    ("nodes_live", "i8"),
    ("nodes_free_slot", "i8"),
    ("positions_used", "i8"),
    ("accounts_used", "i8"),
    ("contracts_used", "i8"),
    ("persons_used", "i8"),
    ("groups_used", "i8"),
    ("clients_used", "i8"),
    ("group_limits_used", "i8"),
    ("approvals_used", "i8"),
    *[(f"{field.name}_capacity", "i8") for field in fields(Capacities)],
    ("jobs_head", "i8"),
    ("jobs_count", "i8"),
    ("jobs_wide", "i8"),  # those of them that are about several accounts
    ("triggers_since_ns", "i8"),  # when the oldest triggers still to work off became due, 0: none
    ("mark_tick_ns", "i8"),  # interval, 0: no mark ticks
    ("next_mark_tick_ns", "i8"),
    ("next_staleness_ns", "i8"),
    ("mark_ticks", "i8"),
    ("tick_cursor", "i8"),
    ("liquidation_head_slot", "i8"),
    ("liquidation_tail_slot", "i8"),
    ("liquidation_count", "i8"),
    ("liquidation_since_ns", "i8"),  # when the work on flagged accounts became due, 0: none
    ("liquidation_stage", "i8"),  # Stage of the round of the account at the head
    ("liquidation_pool_slot", "i8"),  # the isolated position that the round is about, NIL: the cross pool
    ("liquidation_position_slot", "i8"),  # the position that is being closed
    ("liquidation_price_ticks", "i8"),  # its close price
    ("liquidation_lots", "i8"),  # what of it is still to be closed
    ("liquidation_full", "i8"),  # 1: every position of the pool, in whole
    ("liquidation_owed_micros", "i8"),  # liquidation fees of this round so far
    # the ranking for deleveraging
    ("rank_tick", "i8"),  # of which mark tick, contract and side it is
    ("rank_contract_slot", "i8"),
    ("rank_longs", "i8"),
    ("rank_position_slot", "i8"),  # the position that it serves
    ("rank_cursor", "i8"),  # how far the scan is, NIL: complete
    ("rank_scans", "i8"),  # how many scans came before
    ("rank_count", "i8"),
    ("rank_more", "i8"),  # 1: there are more than the kept ones
    ("rank_head", "i8"),  # who is next
    ("rank_ahead_lots", "i8"),  # held by those before it that have nothing to give at this price
    ("deliveries_due", "i8"),  # contracts whose positions are to be closed now
    ("index_stale_ns", "i8"),
    ("index_recovery_ns", "i8"),
    ("affiliate_post_only", "i8"),
    ("required_product", "i8"),  # the strictest disclosure versions of all listed contracts
    ("required_loss", "i8"),
    ("required_affiliate", "i8"),
    ("institutions_skip_knowledge", "i8"),
    ("order_map", IDMAP),
    ("position_map", IDMAP),
]


STAGGER_BYTES = 8192 + 5 * 64


def _cache_aligned(fields: list[Any]) -> np.dtype[Any]:
    """A record whose arrays start on cache lines, staggered: the allocator must place the record itself on a line.

    Arrays of power-of-two size would all start at one address modulo every page size, and the rows in use of different
    arrays would fight for the same cache sets and predictors.
    """
    offsets, end = [], 0
    for field in fields:
        size = record([field]).itemsize
        end += -end % 64 + STAGGER_BYTES if len(field) == 3 else 0
        offsets.append(end)
        end += size
    names = [field[0] for field in fields]
    formats = [field[1] if len(field) == 2 else (field[1], field[2]) for field in fields]
    layout: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": end + -end % 64}
    return np.dtype(layout) if JIT else np.dtype((PlainRow, layout))


STATE = _cache_aligned(
    [
        *_HEADER,
        ("contracts", CONTRACT, (MAX_CONTRACTS,)),
        ("ladders", LADDER, (LADDERS,)),
        ("ranked", RANKED, (RANKED_PLACES + 3,)),
        ("jobs", JOB, (MAX_JOBS,)),
        ("groups", GROUP, (VENUE.groups,)),
        ("clients", CLIENT, (VENUE.clients,)),
        ("group_limits", GROUP_LIMIT, (MAX_GROUP_LIMITS,)),
        ("approvals", APPROVAL, (MAX_APPROVALS,)),
        ("collateral", COLLATERAL, (COLLATERAL_ASSETS,)),
        ("settings", "i8", (MAX_THRESHOLDS + MAX_CONTRACTS * MAX_SOURCES,)),  # value + 1, 0: never set
        ("persons", "i8", (VENUE.persons,)),  # derivatives knowledge valid until, ns
        ("person_lapses", LAPSE, (VENUE.persons,)),
        ("accounts", ACCOUNT, (VENUE.accounts,)),
        ("account_lapses", LAPSE, (VENUE.accounts,)),
        ("profiles", PROFILE, (VENUE.accounts,)),
        ("positions", POSITION, (VENUE.positions,)),
        ("orders", ORDER, (VENUE.orders,)),
        ("details", DETAIL, (VENUE.orders,)),
        ("own", OWN, (VENUE.orders,)),
        ("labels", LABEL_TEXT, (VENUE.orders,)),
        ("levels", LEVEL, (VENUE.levels,)),
        ("nodes", NODE, (VENUE.nodes,)),
        ("cells", CELL, (4 * VENUE.orders + 4 * VENUE.positions,)),
        ("taker", TAKER),
        ("ahead", AHEAD, (AHEAD_ROWS,)),
        ("recent", RECENT),
        ("followers", FOLLOWER, (LADDERS,)),
        ("totals", TOTALS),
        ("noted", NOTED, (NOTED_ROWS + 1,)),  # the last place is written when all others are taken
        ("held", HELD, (MAX_CONTRACTS,)),
        ("branches", BRANCH, (LADDERS,)),
        ("terms_mark", "i8"),  # changes when the terms of contracts may have changed
        ("terms", TERMS, (MAX_CONTRACTS,)),
        ("regular", REGULAR),
    ]
)

POOLED = {  # array -> header field that says how many of its rows are in use
    "contracts": "contracts_used",
    "groups": "groups_used",
    "clients": "clients_used",
    "group_limits": "group_limits_used",
    "approvals": "approvals_used",
    "persons": "persons_used",
    "person_lapses": "persons_used",
    "accounts": "accounts_used",
    "account_lapses": "accounts_used",
    "profiles": "accounts_used",
    "positions": "positions_used",
    "orders": "orders_used",
    "details": "orders_used",
    "own": "orders_used",
    "labels": "orders_used",
    "levels": "levels_used",
    "nodes": "nodes_used",
}

SELLS = {
    "sell_lots": "buy_lots",
    "sell_subtick_lots": "buy_subtick_lots",
    "min_sell_ticks": "max_buy_ticks",
    "sell_from_ticks": "buy_from_ticks",
    "sell_range_ticks": "buy_range_ticks",
}
"""A field about sells -> the one about buys, which stands one word before it."""
STYLES = {"ORDER": "flags", "TAKER": "self_trade", "COMMAND": "self_trade"}
"""Rows whose side, type, time in force and this fourth byte are also read and written at once."""
for _record in (POSITION, CONTRACT, TERMS, REGULAR):
    for _sell, _buy in SELLS.items():
        if _sell in (_record.names or ()):
            assert _record.fields and _record.fields[_sell][1] == _record.fields[_buy][1] + 8, _sell

for _name, _size in (("COMMAND", 128), ("LABEL", 128), ("DIRECTIVE", 128), ("EVENT", 128), ("NOTICE", 128)):
    assert globals()[_name].itemsize == _size, (_name, globals()[_name].itemsize)
for _name, _size in (("ORDER", 64), ("DETAIL", 72), ("LEVEL", 64), ("ACCOUNT", 128), ("POSITION", 128)):
    assert globals()[_name].itemsize == _size, (_name, globals()[_name].itemsize)
assert 0 < STATE.itemsize < 2**31, STATE.itemsize  # numpy keeps it in a C int and wraps silently
