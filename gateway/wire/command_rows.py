"""Builders of command rows, one `struct` pack for each, laid out as the engine's rows of the log.

The sequencer stamps `seq` and `time_ns`; everything else is written here.
"""

import numpy as np
from msgspec import Struct

from engine.code_values import (
    COMMAND_AMEND,
    COMMAND_CANCEL,
    COMMAND_LABEL,
    COMMAND_MASS_CANCEL,
    COMMAND_NEW,
    EXEC_LABELLED,
)
from engine.codes import NIL, CommandKind
from engine.row_layout import field_byte, row_fields, row_struct
from engine.schema import COMMAND, DIRECTIVE, LABEL, LABEL_BYTES
from gateway.wire.errors import bad_param

COMMAND_ROW, LABEL_ROW, DIRECTIVE_ROW = row_struct(COMMAND), row_struct(LABEL), row_struct(DIRECTIVE)
STAMP = row_struct(np.dtype([(name, COMMAND[name]) for name in ("seq", "time_ns")]))
"""Sequence and time, at the beginning of every row of the log, commands and events alike."""
ROW_BYTES = COMMAND.itemsize
KIND_BYTE = field_byte(COMMAND, "kind")
DIGEST_BYTES = DIRECTIVE["digest"].itemsize
_NO_DIRECTIVE: dict[str, int | bytes] = dict.fromkeys(row_fields(DIRECTIVE), 0) | {"digest": bytes(DIGEST_BYTES)}


class Signer(Struct, frozen=True, gc=False):
    """In whose name a command goes into the log: account, person, key, and the connection that it came over."""

    account_slot: int
    person: int
    key: int
    connection: int = 0


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
        signer.connection,
    )  # fmt: skip
    return packed + label_row(label) if label else packed


def amend_row(
    signer: Signer, order_id: int, qty_lots: int, price_ticks: int = 0, trigger_price_ticks: int = 0, flags: int = 0
) -> bytes:
    """An AMEND command; 0 keeps the price, the trigger price or the quantity."""
    return COMMAND_ROW.pack(
        0, 0, COMMAND_AMEND, 0, 0, 0, 0, 0, 0, flags, signer.account_slot, 0, 0, order_id, 0, qty_lots,
        price_ticks, trigger_price_ticks, 0, 0, 0, signer.person, signer.key, signer.connection,
    )  # fmt: skip


def cancel_row(signer: Signer, order_id: int, cl_ord_id: int = 0, reason: int = 0) -> bytes:
    """A CANCEL command by the venue's id, or by the client's when `order_id` is 0. `reason` 0: the client asked."""
    return COMMAND_ROW.pack(
        0, 0, COMMAND_CANCEL, 0, 0, 0, 0, 0, reason, 0, signer.account_slot, 0, 0, order_id, cl_ord_id, 0, 0, 0, 0, 0,
        0, signer.person, signer.key, signer.connection,
    )  # fmt: skip


def mass_cancel_row(
    signer: Signer, contract_slot: int = NIL, side: int = 0, reason: int = 0, flags: int = 0, label: bytes = b""
) -> bytes:
    """A MASS_CANCEL of the account's orders, narrowed down by contract, side and label."""
    flags = flags | EXEC_LABELLED if label else flags
    packed = COMMAND_ROW.pack(
        0, 0, COMMAND_MASS_CANCEL, side, 0, 0, 0, 0, reason, flags, signer.account_slot, contract_slot, NIL, 0, 0,
        0, 0, 0, 0, 0, 0, signer.person, signer.key, signer.connection,
    )  # fmt: skip
    return packed + label_row(label) if label else packed


def label_row(text: bytes) -> bytes:
    """The row that carries a label behind its command."""
    return LABEL_ROW.pack(0, 0, COMMAND_LABEL, text)


def label_bytes(text: str | None, param: str = "label") -> bytes:
    """A label as the log keeps it: at most 64 bytes of UTF-8 without control characters; empty when there is none."""
    if not text:
        return b""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > LABEL_BYTES or not text.isprintable():
        raise bad_param(param, f"a label is at most {LABEL_BYTES} bytes of printable text; this one has {len(data)}")
    return data


def bare_row(kind: int) -> bytes:
    """A command row that has only a kind, such as TIME."""
    return bytes(KIND_BYTE) + bytes([kind]) + bytes(ROW_BYTES - KIND_BYTE - 1)


def pack_directive(**fields: int | bytes) -> bytes:
    """A DIRECTIVE row of these fields; the others are 0."""
    row = _NO_DIRECTIVE | fields
    assert len(row) == len(_NO_DIRECTIVE), fields
    return DIRECTIVE_ROW.pack(*row.values())


def index_row(contract_slot: int, source: int, price_subticks: int, source_time_ns: int) -> bytes:
    """An INDEX_PRICE command: what one source says now."""
    return pack_directive(
        kind=CommandKind.INDEX_PRICE, code=source, account_slot=NIL, contract_slot=contract_slot,
        price_subticks=price_subticks, source_time_ns=source_time_ns,
    )  # fmt: skip
