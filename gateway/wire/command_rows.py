"""Command rows from what a session knows: one `struct` pack for each, laid out as the engine's COMMAND and LABEL.

The sequencer stamps `seq` and `time_ns`; everything else is written here.
"""

import struct

from msgspec import Struct

from engine.code_values import (
    COMMAND_AMEND,
    COMMAND_CANCEL,
    COMMAND_LABEL,
    COMMAND_MASS_CANCEL,
    COMMAND_NEW,
    EXEC_LABELLED,
)
from engine.codes import NIL
from engine.schema import COMMAND, EVENT, LABEL, LABEL_BYTES
from gateway.wire.errors import bad_param

COMMAND_ROW = struct.Struct("<qq6bh4i8q2i16x")
LABEL_ROW = struct.Struct(f"<qqb7x{LABEL_BYTES}s40x")
DIRECTIVE_ROW = struct.Struct("<qqb3xiiiiiqqqqiiiiq32x")
STAMP = struct.Struct("<qq")
"""Sequence and time, at the beginning of every row of the log, commands and events alike."""
ROW_BYTES = COMMAND.itemsize

assert COMMAND_ROW.size == LABEL_ROW.size == DIRECTIVE_ROW.size == ROW_BYTES == LABEL.itemsize == EVENT.itemsize


class Signer(Struct, frozen=True, gc=False):
    """In whose name a command goes into the log: account, person and key."""

    account_slot: int
    person: int
    key: int


class NewRow(Struct, gc=False):
    """The fields of a NEW command that a client chooses, in the engine's units."""

    contract_slot: int
    side: int
    ord_type: int
    tif: int
    qty_lots: int
    price_ticks: int = 0
    flags: int = 0
    self_trade: int = 0
    trigger_source: int = 0
    cl_ord_id: int = 0
    trigger_price_ticks: int = 0
    offset_ticks: int = 0
    display_lots: int = 0
    expire_ns: int = 0


def new_row(signer: Signer, row: NewRow, label: bytes = b"") -> bytes:
    """A NEW command, with its label row behind it when there is a label."""
    flags = row.flags | EXEC_LABELLED if label else row.flags
    packed = COMMAND_ROW.pack(
        0, 0, COMMAND_NEW, row.side, row.ord_type, row.tif, row.self_trade, row.trigger_source, 0, flags,
        signer.account_slot, row.contract_slot, 0, 0, row.cl_ord_id, row.qty_lots, row.price_ticks,
        row.trigger_price_ticks, row.offset_ticks, row.display_lots, row.expire_ns, signer.person, signer.key,
    )  # fmt: skip
    return packed + label_row(label) if label else packed


def amend_row(
    signer: Signer, order_id: int, qty_lots: int, price_ticks: int = 0, trigger_price_ticks: int = 0, flags: int = 0
) -> bytes:
    """An AMEND command; 0 keeps the price, the trigger price or the quantity."""
    return COMMAND_ROW.pack(
        0, 0, COMMAND_AMEND, 0, 0, 0, 0, 0, 0, flags, signer.account_slot, 0, 0, order_id, 0, qty_lots,
        price_ticks, trigger_price_ticks, 0, 0, 0, signer.person, signer.key,
    )  # fmt: skip


def cancel_row(signer: Signer, order_id: int, cl_ord_id: int = 0) -> bytes:
    """A CANCEL command by the venue's id, or by the client's when `order_id` is 0."""
    return COMMAND_ROW.pack(
        0, 0, COMMAND_CANCEL, 0, 0, 0, 0, 0, 0, 0, signer.account_slot, 0, 0, order_id, cl_ord_id, 0, 0, 0, 0, 0, 0,
        signer.person, signer.key,
    )  # fmt: skip


def mass_cancel_row(
    signer: Signer, contract_slot: int = NIL, side: int = 0, reason: int = 0, flags: int = 0, label: bytes = b""
) -> bytes:
    """A MASS_CANCEL of the account's orders, narrowed down by contract, side and label."""
    flags = flags | EXEC_LABELLED if label else flags
    packed = COMMAND_ROW.pack(
        0, 0, COMMAND_MASS_CANCEL, side, 0, 0, 0, 0, reason, flags, signer.account_slot, contract_slot, NIL, 0, 0,
        0, 0, 0, 0, 0, 0, signer.person, signer.key,
    )  # fmt: skip
    return packed + label_row(label) if label else packed


def label_row(text: bytes) -> bytes:
    """The row that carries a label behind its command."""
    return LABEL_ROW.pack(0, 0, COMMAND_LABEL, text)


def label_bytes(text: str | None, param: str = "label") -> bytes:
    """A label as it is kept: at most 64 bytes of UTF-8 without control characters; empty is none."""
    if not text:
        return b""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > LABEL_BYTES or not text.isprintable():
        raise bad_param(param, f"a label is at most {LABEL_BYTES} bytes of printable text; this one has {len(data)}")
    return data


def directive_row(signer: Signer, kind: int, contract_slot: int, value: int) -> bytes:
    """A directive that a client may give for its own account, such as a change of leverage."""
    return DIRECTIVE_ROW.pack(
        0, 0, kind, 0, signer.account_slot, contract_slot, 0, signer.person, value, 0, 0, 0, 0, 0, 0, signer.key, 0,
    )  # fmt: skip
