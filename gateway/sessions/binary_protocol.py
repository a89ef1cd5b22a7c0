"""The binary sub-protocol: whole frames of command rows are checked and overwritten at once, never trusted.

A client may send new, amend, cancel and mass cancel rows and the labels behind them. Account, person, key, sequence,
time and group are the gateway's to write; padding must be zero; contract, price and quantity are bounded before any
product is made of them. A frame with one bad row is refused whole.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.code_values import (
    COMMAND_AMEND,
    COMMAND_CANCEL,
    COMMAND_MASS_CANCEL,
    COMMAND_NEW,
    EXEC_AMEND_BITS,
    EXEC_LABELLED,
    EXEC_MASS_CANCEL_BITS,
    EXEC_NEW_BITS,
    SIDE_BUY,
    SIDE_SELL,
)
from engine.codes import NIL, CommandKind, ExecInst, OrdType, PriceSource, SelfTrade, Side, TimeInForce
from engine.kernels import entry, part
from engine.row_layout import field_byte, row_fields
from engine.schema import COMMAND, LABEL
from engine.units import INT64_MAX, MAX_LOTS, MAX_TICKS
from gateway.wire.command_rows import ROW_BYTES, Signer, bare_row
from gateway.wire.errors import bad_param

MAX_ROWS = 4096
_KINDS = np.array(
    [CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL, CommandKind.MASS_CANCEL, CommandKind.LABEL], np.int8
)
_IS_KIND = np.zeros(256, np.bool_)
_IS_KIND[_KINDS] = True
_FLAGS = np.zeros(128, np.int32)
_FLAGS[COMMAND_NEW] = EXEC_NEW_BITS
_FLAGS[COMMAND_AMEND] = EXEC_AMEND_BITS
_FLAGS[COMMAND_MASS_CANCEL] = EXEC_MASS_CANCEL_BITS
_RANGES: dict[str, tuple[int, int]] = {
    "ord_type": (0, max(OrdType)),
    "tif": (0, max(TimeInForce)),
    "self_trade": (0, max(SelfTrade)),
    "trigger_source": (0, max(PriceSource)),
    "reason": (0, 0),
    "order_id": (0, INT64_MAX),
    "cl_ord_id": (0, INT64_MAX),
    "qty_lots": (0, MAX_LOTS),
    "price_ticks": (0, MAX_TICKS),
    "trigger_price_ticks": (0, MAX_TICKS),
    "offset_ticks": (0, MAX_TICKS),
    "display_lots": (0, MAX_LOTS),
    "expire_ns": (0, INT64_MAX),
    "connection": (0, 0),
}
_FIELDS = row_fields(COMMAND)
_WORDS = _FIELDS[_FIELDS.index("order_id") : _FIELDS.index("expire_ns") + 1]
_WORD_BOUNDS = np.array([_RANGES[name][1] for name in _WORDS])
_SMALL = [name for name in _RANGES if name not in _WORDS]
_SIGNED = ("account_slot", "person", "key", "connection")
_WORD_BYTES = 8
_FIRST_WORD, _ZERO_WORD = (field_byte(COMMAND, name) // _WORD_BYTES for name in ("order_id", "connection"))
"""Where they begin in a row of sixteen words, and where the two words are that must be zero: connection and spare."""
_MAX_TYPE, _MAX_TIF, _MAX_SELF_TRADE, _MAX_SOURCE = (
    int(max(OrdType)), int(max(TimeInForce)), int(max(SelfTrade)), int(max(PriceSource)),
)  # fmt: skip
Rows = NDArray[np.void]


def prepare(data: bytes, signer: Signer, contracts: int) -> tuple[bytes, int, int]:
    """Rows fit for the sequencer, and how many orders and how many cancels they count for rate limits.

    Raises Refusal naming the first bad row and its field.
    """
    count, rest = divmod(len(data), ROW_BYTES)
    if rest or not 0 < count <= MAX_ROWS:
        raise bad_param("frame", f"{len(data)} bytes; a frame has 1 to {MAX_ROWS} rows of {ROW_BYTES} bytes")
    rows = np.frombuffer(data, COMMAND).copy()
    signed = (signer.account_slot, signer.person, signer.key, signer.connection)
    orders = _take_plain(rows, rows.view(np.int64), contracts, signed)
    if orders >= 0:
        return rows.tobytes(), orders, count - orders
    rows = np.frombuffer(data, COMMAND).copy()
    _check_kinds(rows)
    labels = rows["kind"] == CommandKind.LABEL
    _check_labels(rows, labels)
    plain = rows if not labels.any() else rows[~labels]
    _check_commands(plain, contracts, np.flatnonzero(~labels))
    orders = int(np.count_nonzero((plain["kind"] == CommandKind.NEW) | (plain["kind"] == CommandKind.AMEND)))
    _overwrite(rows, labels, signer)
    return rows.tobytes(), orders, len(plain) - orders


@part
def _is_plain(row, words, first, contracts):
    """Whether a row is in order for certain: no label, nothing out of its range."""
    kind = row.kind
    if kind not in (COMMAND_NEW, COMMAND_AMEND, COMMAND_CANCEL, COMMAND_MASS_CANCEL):
        return False
    if row.flags & EXEC_LABELLED or row.flags & ~_FLAGS[kind]:
        return False
    small = row.ord_type | row.tif | row.self_trade | row.trigger_source | row.side
    if small < 0 or row.ord_type > _MAX_TYPE or row.tif > _MAX_TIF or row.self_trade > _MAX_SELF_TRADE:
        return False
    if row.trigger_source > _MAX_SOURCE or row.reason != 0 or row.side > SIDE_SELL:
        return False
    if kind == COMMAND_NEW and row.side < SIDE_BUY:
        return False
    if row.contract_slot < (NIL if kind == COMMAND_MASS_CANCEL else 0) or row.contract_slot >= max(contracts, 1):
        return False
    for place in range(len(_WORD_BOUNDS)):
        if not 0 <= words[first + _FIRST_WORD + place] <= _WORD_BOUNDS[place]:
            return False
    return words[first + _ZERO_WORD] == 0 and words[first + _ZERO_WORD + 1] == 0


@entry
def _take_plain(rows, words, contracts, signer):
    """One pass over a frame of plain rows: each is checked and signed. How many orders, -1 when one is not plain."""
    account_slot, person, key, connection = signer
    orders = 0
    for index in range(len(rows)):
        row = rows[index]
        if not _is_plain(row, words, index * (ROW_BYTES // 8), contracts):
            return -1
        row.seq, row.time_ns = 0, 0
        row.account_slot, row.person, row.key, row.connection = account_slot, person, key, connection
        row.group = NIL if row.kind == COMMAND_MASS_CANCEL else 0
        orders += 1 if row.kind in (COMMAND_NEW, COMMAND_AMEND) else 0
    return orders


def warm_up() -> None:
    """Compile the check before the first frame comes."""
    prepare(bare_row(COMMAND_CANCEL), Signer(0, 0, 0), 1)


def _refuse_where(bad: NDArray[np.bool_], index: NDArray[np.intp], field: str, why: Callable[[int], str]) -> None:
    """Refuse the frame if any row is bad; `index` maps a place in `bad` to its row in the frame."""
    if bad.any():
        place = int(np.argmax(bad))
        raise bad_param(field, f"row {int(index[place])}: {why(place)}")


def _check_kinds(rows: Rows) -> None:
    bad = ~_IS_KIND[rows["kind"].view(np.uint8)]
    every = np.arange(len(rows))
    _refuse_where(bad, every, "kind", lambda i: f"{rows['kind'][i]}: only new, amend, cancel, mass cancel and label")


def _check_labels(rows: Rows, labels: NDArray[np.bool_]) -> None:
    """A label row follows each labelled command and nothing else; its text is printable UTF-8."""
    labelled = (rows["flags"] & ExecInst.LABELLED != 0) & ~labels
    expected = np.concatenate(([False], labelled[:-1]))
    every = np.arange(len(rows))
    stray = np.asarray(labels != expected)
    _refuse_where(stray, every, "label", lambda i: "a label row must follow a labelled command, and only it")
    if labelled[-1]:
        raise bad_param("label", f"row {len(rows) - 1}: its label row is missing")
    if not labels.any():
        return
    view = rows[labels].view(LABEL)
    index = np.flatnonzero(labels)
    padded = view["rest"].any(axis=1) | view["pad"].any(axis=1)
    _refuse_where(np.asarray(padded), index, "rest", lambda i: "padding must be zero")
    for row, text in zip(index, view["text"], strict=True):
        _check_text(int(row), text.tobytes().rstrip(b"\0"))


def _check_text(row: int, text: bytes) -> None:
    try:
        good = text.decode().isprintable() and text != b""
    except UnicodeDecodeError:
        good = False
    if not good:
        raise bad_param("text", f"row {row}: a label is 1 to 64 bytes of printable UTF-8, padded with zeros")


def _out_of(values: NDArray[np.int64], low: int, high: int) -> Callable[[int], str]:
    return lambda place: f"{values[place]} is not from {low} to {high}"


def _words_are_good(rows: Rows) -> bool:
    """Whether all the eight-byte fields are in range: one comparison for all of them, as they lie side by side."""
    words = rows.view(np.int64).reshape(len(rows), -1)[:, _FIRST_WORD : _FIRST_WORD + len(_WORD_BOUNDS)]
    return not ((words < 0) | (words > _WORD_BOUNDS)).any()


def _check_commands(rows: Rows, contracts: int, index: NDArray[np.intp]) -> None:
    """Every field of every command in its range."""
    for field in _SMALL if _words_are_good(rows) else _RANGES:
        values, (low, high) = rows[field], _RANGES[field]
        bad = (values < low) | (values > high)
        _refuse_where(bad, index, field, _out_of(values, low, high))
    if rows["spare"].any():
        _refuse_where(np.asarray(rows["spare"].any(axis=1)), index, "spare", lambda i: "padding must be zero")
    kinds, flags = rows["kind"], rows["flags"]
    _refuse_where(flags & ~_FLAGS[kinds] != 0, index, "flags", lambda i: f"flags {flags[i]} are not for this kind")
    is_new, is_mass = kinds == CommandKind.NEW, kinds == CommandKind.MASS_CANCEL
    side, slots = rows["side"], rows["contract_slot"]
    bad_side = np.where(is_new, (side != Side.BUY) & (side != Side.SELL), (side < 0) | (side > Side.SELL))
    _refuse_where(bad_side, index, "side", lambda i: f"{side[i]} is no side; 1 buys, 2 sells")
    lowest = np.where(is_mass, NIL, 0)
    bad_slot = (slots < lowest) | (slots >= max(contracts, 1))
    _refuse_where(bad_slot, index, "contract_slot", lambda i: f"there is no contract {slots[i]}")


def _overwrite(rows: Rows, labels: NDArray[np.bool_], signer: Signer) -> None:
    """Overwrite the fields that the gateway sets."""
    rows["seq"] = 0
    rows["time_ns"] = 0
    if not labels.any():
        for field in _SIGNED:
            rows[field] = getattr(signer, field)
        rows["group"] = np.where(rows["kind"] == CommandKind.MASS_CANCEL, NIL, 0)
        return
    commands = ~labels
    for field in _SIGNED:
        rows[field] = np.where(commands, getattr(signer, field), rows[field])
    rows["group"] = np.where(commands, np.where(rows["kind"] == CommandKind.MASS_CANCEL, NIL, 0), rows["group"])


