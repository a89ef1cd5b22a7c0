"""Rows of the state about who owns accounts and what they hold: groups, clients, approvals, assets as collateral."""

from engine.log_rows import record

COLLATERAL_ASSETS = 2

GROUP = record(  # a beneficial owner's accounts: no trades among them, limits on all of them together
    [
        ("members_head", "i4"),
        ("members", "i4"),
        ("limits_head", "i4"),
        ("pad", "i4"),
    ]
)

CLIENT = record(  # who owns accounts: what holds for all of them
    [
        ("max_exposure_micros", "i8"),  # of all its accounts and contracts in the worst case, 0: no limit
        ("members_head", "i4"),  # accounts as they were bound to it, closed ones included
        ("members_tail", "i4"),
        ("members", "i4"),
        ("frozen", "i1"),
        ("killed", "i1"),
        ("pad", "i1", (2,)),
    ]
)

GROUP_LIMIT = record([("max_lots", "i8"), ("contract_slot", "i4"), ("next_place", "i4")])

APPROVAL = record(  # an affiliate's permission to trade one contract, from one instant until before another
    [("account_slot", "i4"), ("contract_slot", "i4"), ("from_ns", "i8"), ("until_ns", "i8")]
)

COLLATERAL = record(  # one asset that is accepted beside the settlement currency
    [
        ("deposits_units", "i8"),  # deposits less withdrawals, in 1e-8 coin
        ("fund_units", "i8"),  # what the insurance fund has taken
        ("enabled", "i8"),  # whether deposits are accepted
        ("contract_slot", "i8"),  # whose index values it
        ("lots_per_coin", "i8"),
        ("haircut_ppb", "i8"),
        ("cap_micros", "i8"),  # the most that counts for one account
        ("coin_micros", "i8"),  # one coin at the index of the last mark tick; the next two as of then as well
        ("weight_ppb", "i8"),  # 1 - haircut
        ("limit_micros", "i8"),
    ]
)
