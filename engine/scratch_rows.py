"""The rows of the state that only a call uses: the order at work and what was found out on the way.

No digest reads them. Suffixes as in `schema`.
"""

from engine.log_rows import record
from engine.owner_rows import COLLATERAL_ASSETS

TAKER = record(  # the order being judged or matched: scratch that survives a pause, not part of a snapshot
    [
        ("cl_ord_id", "i8"),
        ("leaves_lots", "i8"),
        ("price_ticks", "i8"),  # its limit
        ("sweep_ticks", "i8"),  # how far it may reach now: the limit, tightened
        # zero in a new order, side by side so that they are cleared together
        ("order_id", "i8"),
        ("filled_lots", "i8"),
        ("loss_subticks", "i8"),
        ("old_leaves_lots", "i8"),  # amend: what the order counts for before, else 0
        ("old_price_ticks", "i8"),
        ("old_loss_subticks", "i8"),
        ("order_slot", "i8"),  # NIL: not an order yet
        ("position_slot", "i8"),  # NIL: the account has none in this contract yet
        ("free_cell", "i8"),  # a new order's: an empty cell where its client id belongs, NIL: none is known
        ("group", "i4"),
        ("done_reason", "i2"),  # why it stops, if something stopped it
        ("purpose", "i2"),  # Purpose: what follows the sweep
        ("account_slot", "i4"),
        ("contract_slot", "i4"),
        ("flags", "i4"),  # ExecInst and EventFlag bits
        ("person", "i4"),
        ("side", "i1"),
        ("ord_type", "i1"),
        ("tif", "i1"),
        ("self_trade", "i1"),
        ("trigger_source", "i1"),
        ("stage", "i1"),  # Stage of judging: new, amend or trigger
        ("made_reduce_only", "i1"),  # rows 6 to 15 have just made it a reduce-only order
        ("pad", "i1", (1,)),
        ("tag", "i8"),  # a new order's: of its client id in the map
        ("display_lots", "i8"),
        ("trigger_price_ticks", "i8"),
        ("offset_ticks", "i8"),
        ("expire_ns", "i8"),
    ]
)

AHEAD = record(  # what prefetching found out about a command: scratch of a call
    [
        ("tag", "i8"),
        ("slot", "i4"),  # of the order that it names, most often 0 where there is none
        ("level_slot", "i4"),  # the level that a new order would trade at, NIL where it would not
    ]
)
AHEAD_ROWS = 32
RECENT = record([("tag", "i8"), ("cell", "i8"), ("call", "i8")])  # scratch: the client id entered last in this call
CALL_STEP = 1 << 18
"""By how much `call` grows with each call: below it is room for a price's path."""
FOLLOWER = record([("call", "i8"), ("slot", "i4"), ("key", "i4")])  # scratch: what comes behind a ladder's first entry

BRANCH = record([("path", "i8"), ("node", "i8")])  # scratch: the node above a ladder's leaves that was used last
TERMS = record(  # scratch, two lines: what a contract asks of a plain order, see `plain_terms`
    [
        ("mark", "i8"),  # up to date while it is the one of RECENT
        ("from_lots", "i8"),  # of the whole quantity: the smallest, and how many there are from it on
        ("range_lots", "i8"),
        ("buy_from_ticks", "i8"),  # of the limit, in the same way, for each side
        ("sell_from_ticks", "i8"),
        ("buy_range_ticks", "i8"),
        ("sell_range_ticks", "i8"),
        ("more", "i8"),  # 1: its quantity's step, its value or its margin are to be judged, too
        # the second line
        ("most_levels", "i8"),  # in use, so that another order can rest
        ("most_nodes", "i8"),
        ("pad", "i8", (6,)),
    ]
)
REGULAR = record(  # scratch: what is known of the account that placed the last plain order, see `regular_orders`
    [
        ("left", "i8"),  # how many orders may come to the book before it counts for nothing
        ("flags_and_account", "i8"),  # of its commands: no flags, and who
        ("until_ns", "i8"),  # how long it and its person may open risk
        ("from_lots", "i8"),  # the ranges of its contract, as in TERMS
        ("range_lots", "i8"),
        ("buy_from_ticks", "i8"),
        ("sell_from_ticks", "i8"),
        ("buy_range_ticks", "i8"),
        ("sell_range_ticks", "i8"),
        ("position_slot", "i8"),
        ("loss_subticks", "i8"),  # of the last order
        ("contract_slot", "i4"),
        ("person", "i4"),
    ]
)

# --- running totals, made again from the rows by `running_totals.recount` -----------------------------------------

NOTED_ROWS = 8
"""How many changed rows of a batch are looked at one by one at its end."""
NOTED = record([("slot", "i8"), ("seq", "i8")])  # a position, or -1 - an account; the command that changed it
HELD = record(  # of a contract, over all its positions
    [
        ("net_lots", "i8"),
        ("counted_net_lots", "i8"),  # by the count that goes on
        ("counted_long_lots", "i8"),
    ]
)
COUNT = record(  # over all accounts and their positions
    [
        ("money_micros", "i8"),  # cash and isolated money less entry cost
        ("listed_orders", "i8"),  # in the accounts' lists of open orders
        ("units", "i8", (COLLATERAL_ASSETS,)),
    ]
)
TOTALS = record(
    [
        ("running", COUNT),  # moved with each change of a row
        ("counted", COUNT),  # by the count that goes on
        ("noted", "i8"),  # how many rows of the batch are noted
        ("fault", "i8"),  # Violation: the first one found, which nothing takes back
        ("fault_slot", "i8"),
        ("fault_seq", "i8"),  # the command that changed the row at fault last, 0: it is about no one row
        ("found", "i8"),
        ("wanted", "i8"),
    ]
)
