"""The rows that go into and come out of the engine: COMMAND, LABEL and DIRECTIVE, EVENT and NOTICE.

One layout for the wire, the journal and replay: little-endian, 128 bytes each. Suffixes as in `schema`.
"""

from typing import Any

import numpy as np

from engine.units import JIT


class PlainRow(np.record):  # type: ignore[misc]
    """A row when the JIT is off: fields come before numpy's own attributes (`flags`, `size`) and widen to int64."""

    def __getattribute__(self, name: str) -> Any:
        fields = np.void.__getattribute__(self, "dtype").fields
        if fields is None or name not in fields:
            return np.void.__getattribute__(self, name)
        value = np.void.getfield(self, *fields[name][:2])
        return np.int64(value) if isinstance(value, np.integer) else value

    def __setattr__(self, name: str, value: Any) -> None:
        np.void.setfield(self, value, *np.void.__getattribute__(self, "dtype").fields[name][:2])


def record(fields: list[Any]) -> np.dtype[Any]:
    """A record dtype; with the JIT off its rows are PlainRow, so that kernels run as plain Python."""
    return np.dtype(fields) if JIT else np.dtype((PlainRow, fields))


# --- what goes in -------------------------------------------------------------------------------------------------

COMMAND = record(
    [
        ("seq", "i8"),  # position in the log, 1 for the first; stamped by the sequencer
        ("time_ns", "i8"),  # stamped by the sequencer; the engine's now never goes back
        ("kind", "i1"),  # CommandKind
        ("side", "i1"),  # Side; MASS_CANCEL: 0 = both
        ("ord_type", "i1"),  # OrdType
        ("tif", "i1"),  # TimeInForce
        ("self_trade", "i1"),  # SelfTrade
        ("trigger_source", "i1"),  # PriceSource
        ("reason", "i2"),  # MASS_CANCEL, CANCEL: the Reason to give, 0 = MASS_CANCEL, BY_CLIENT
        ("flags", "i4"),  # ExecInst bits
        ("account_slot", "i4"),  # who; MASS_CANCEL: NIL = any
        ("contract_slot", "i4"),  # MASS_CANCEL: NIL = any; cancel and amend by order_id ignore it
        ("group", "i4"),  # MASS_CANCEL: the self-trade group, NIL = any
        ("order_id", "i8"),  # AMEND, CANCEL: the venue's id; 0 = find by cl_ord_id
        ("cl_ord_id", "i8"),  # the client's id, 0 = none
        ("qty_lots", "i8"),  # NEW, AMEND: total quantity including what is filled
        ("price_ticks", "i8"),  # limit price; market orders 0; AMEND: 0 keeps it
        ("trigger_price_ticks", "i8"),  # conditional orders; AMEND: 0 keeps it
        ("offset_ticks", "i8"),  # trailing stops: distance from the watermark
        ("display_lots", "i8"),  # icebergs: the quantity shown
        ("expire_ns", "i8"),  # GTD: whole seconds; the order is gone at this instant
        ("person", "i4"),  # who typed it: index of a person's knowledge, 0 = none
        ("key", "i4"),  # which key signed it, for the record
        ("connection", "i8"),  # over which of the account's connections it came, for the record; 0 = none
        ("spare", "i1", (8,)),  # zero
    ]
)

LABEL = record(  # the row after a NEW or MASS_CANCEL that carries ExecInst.LABELLED
    [
        ("seq", "i8"),
        ("time_ns", "i8"),
        ("kind", "i1"),  # CommandKind.LABEL
        ("pad", "i1", (7,)),
        ("text", "i8", (8,)),  # UTF-8 bytes, zero-padded, as eight words
        ("rest", "i1", (40,)),
    ]
)

DIRECTIVE = record(  # commands of accounts, contracts, the venue, money and the index
    [
        ("seq", "i8"),
        ("time_ns", "i8"),
        ("kind", "i1"),
        ("pad", "i1", (3,)),
        ("code", "i4"),  # AccountAttribute, ContractParameter, VenueParameter, a state or an index source
        ("account_slot", "i4"),
        ("contract_slot", "i4"),
        ("index", "i4"),  # which element of an indexed parameter; collateral asset of a deposit (0 = settlement)
        ("person", "i4"),  # PERSON_SET: whose knowledge; SWITCH: who asks, with `key`
        ("value", "i8"),  # the new value; SWITCH: 0 off, a countdown's length in ns, 1
        ("amount_micros", "i8"),  # money moved; TRANSFER: positive into the isolated position
        ("price_subticks", "i8"),  # INDEX_PRICE
        ("source_time_ns", "i8"),  # INDEX_PRICE: when the source made it; SWITCH: the connection's number, a time
        ("actor", "i4"),  # person who asked, 0 = the system itself
        ("approver", "i4"),  # second person, 0 = none needed
        ("reason", "i4"),  # free code of the operator's registry
        ("key", "i4"),
        ("reference", "i8"),  # the registry's own number of the change
        ("digest", "i8", (4,)),  # hash of what the registry keeps of the change, 0 = none; the engine does not look
    ]
)

# --- what comes out -----------------------------------------------------------------------------------------------

EVENT = record(  # order reports; one row for each recipient
    [
        ("seq", "i8"),  # the command that caused it
        ("time_ns", "i8"),  # the engine's now
        ("kind", "i1"),  # EventKind below NOTICE_FIRST
        ("side", "i1"),
        ("ord_type", "i1"),
        ("tif", "i1"),
        ("flags", "i4"),  # ExecInst bits and EventFlag bits
        ("reason", "i2"),
        ("contract_slot", "i2"),
        ("account_slot", "i4"),
        ("order_id", "i8"),
        ("cl_ord_id", "i8"),
        ("price_ticks", "i8"),  # FILL: the maker's price; else the order's limit
        ("last_lots", "i8"),  # FILL: traded; CANCELLED, REDUCED: taken away; MASS_CANCELLED: orders cancelled
        ("leaves_lots", "i8"),  # still open after this event, hidden included
        ("filled_lots", "i8"),  # filled so far in all
        ("level_lots", "i8"),  # visible at price_ticks on the resting side after this event; NIL: no change
        ("trade_id", "i8"),  # FILL: the same on both sides, counts up by one per contract
        ("fee_micros", "i8"),  # FILL: owed, or a rebate if negative; conditional orders: trigger price
        ("position_lots", "i8"),  # FILL: signed, after
        ("entry_cost_micros", "i8"),  # FILL: signed, after
        ("cash_micros", "i8"),  # FILL: the account's cash after, fee paid
    ]
)

NOTICE = record(  # everything else that happens
    [
        ("seq", "i8"),
        ("time_ns", "i8"),
        ("kind", "i1"),  # EventKind from NOTICE_FIRST
        ("pad", "i1", (3,)),
        ("code", "i4"),  # attribute, parameter, state, source, command kind of a refusal
        ("reason", "i2"),
        ("contract_slot", "i2"),
        ("account_slot", "i4"),
        ("index", "i4"),
        ("person", "i4"),
        ("old_value", "i8"),
        ("new_value", "i8"),
        ("amount_micros", "i8"),
        ("price_subticks", "i8"),
        ("other_price_subticks", "i8"),
        ("rate_ppb", "i8"),
        ("position_lots", "i8"),
        ("cash_micros", "i8"),
        ("actor", "i4"),
        ("approver", "i4"),
        ("reference", "i8"),
        ("spare", "i1", (8,)),
    ]
)
