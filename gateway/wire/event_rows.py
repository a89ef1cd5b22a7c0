"""The event rows of the engine as plain tuples, with the names of their places."""

import struct
from typing import NamedTuple

EVENT_STRUCT = struct.Struct("<qqbbbbihhiqqqqqqqqqqqq")
NOTICE_STRUCT = struct.Struct("<qqb3xihhiiiqqqqqqqqiiq8x")
assert EVENT_STRUCT.size == NOTICE_STRUCT.size == 128

Row = tuple[int, ...]
"""An event as a plain tuple: `Event` names its places; from EventKind.NOTICE_FIRST on, `Notice` does."""


class Event(NamedTuple):
    """The fields of an EVENT row in order."""

    seq: int
    time_ns: int
    kind: int
    side: int
    ord_type: int
    tif: int
    flags: int
    reason: int
    contract_slot: int
    account_slot: int
    order_id: int
    cl_ord_id: int
    price_ticks: int
    last_lots: int
    leaves_lots: int
    filled_lots: int
    level_lots: int
    trade_id: int
    fee_micros: int
    position_lots: int
    entry_cost_micros: int
    cash_micros: int


class Notice(NamedTuple):
    """The fields of a NOTICE row in order."""

    seq: int
    time_ns: int
    kind: int
    code: int
    reason: int
    contract_slot: int
    account_slot: int
    item: int  # `index` of the row
    person: int
    old_value: int
    new_value: int
    amount_micros: int
    price_subticks: int
    other_price_subticks: int
    rate_ppb: int
    position_lots: int
    cash_micros: int
    actor: int
    approver: int
    reference: int
