"""Reads lines of our own order format in blocks, compiled: CSV cells and flat JSON objects straight into command rows.

It reads plain lines alone. A line with anything unusual in it (quotes, escapes, a name that is seen for the first
time, something wrong) stops the scan, and `csv_jsonl` has the rules of `order_fields` read that one line. So every
line comes to the same, and every error has one home.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from engine.code_values import COMMAND_MASS_CANCEL, COMMAND_NEW, EXEC_CONDITIONAL, EXEC_ICEBERG
from engine.codes import NIL, OrdType, TimeInForce
from engine.recordings.order_fields import (
    ACTIONS,
    CONDITIONAL,
    FIELDS,
    FLAGS,
    NUMBERS,
    REQUIRED,
    WORDS,
    Names,
    home_cell,
)

_inlined = njit(_nrt=False, error_model="numpy", forceinline=True)
"""Nothing here allocates: counting references to a dozen arrays, or handing them on, would cost a cell more than
reading it."""
Array = np.ndarray[Any, Any]

ACTION, CONTRACT, ACCOUNT, CL_ORD_ID, TIME_NS, QTY_LOTS, PRICE_TICKS, EXPIRE_NS = range(8)
TRIGGER_PRICE_TICKS, OFFSET_TICKS, DISPLAY_LOTS, SIDE, ORD_TYPE, TIF, TRIGGER_SOURCE, FLAGS_FIELD = range(8, 16)
"""The places of `FIELDS`."""
_FIELDS = len(FIELDS)
_WORD_BYTES, _KEY_WORDS = 16, 3
_NEWLINE, _RETURN, _SPACE, _TAB, _COMMA, _QUOTE, _COLON, _OPEN, _CLOSE, _BACKSLASH = b'\n\r \t,":{}\\'
_ZERO, _NINE, _UNDERSCORE, _A, _Z, _DELETE = b"09_az\x7f"
_N, _U, _L = b"nul"
_MOST_DIGITS = 19

AT, LINE, ROWS, CLOCK_NS, NO_CONTRACT, SCAN = 0, 1, 2, 3, 4, 5
"""Of the scan's state: the byte and the line where it stands, the rows written, the time of the last one, the slot
of the contract without a name (NIL before it appears)."""
ENDED, FULL, UNUSUAL = 0, 1, 2
"""Why a scan came back: all bytes are read, the rows are full, the line at AT is not a plain one."""


class Tables(NamedTuple):
    """What a scan looks up: words by field, keys of JSON objects, contracts and accounts."""

    words: Array
    """Two int64 a word."""
    codes: Array
    starts: Array
    """Of each field the first of its words; the last of them is the next field's first."""
    keys: Array
    """Three int64 a field's name."""
    needed: Array
    """By command kind: bits of the fields that it needs."""
    limits: Array
    """By field: the least and the largest."""
    contracts: Array
    accounts: Array


class Out(NamedTuple):
    """What a scan fills: command rows, all zero before, and for each its line."""

    rows: Array
    lines: Array
    values: Array
    """One line's values by field."""


def _packed(text: str, size_bytes: int) -> Array:
    return np.frombuffer(text.encode().ljust(size_bytes, b"\0"), np.int64)


def tables(names: Names) -> Tables:
    """The tables with what `names` knows by now."""
    return _TABLES._replace(contracts=names.contract_keys[: len(names.contracts)], accounts=names.account_cells)


def _tables() -> Tables:
    vocabulary: dict[str, dict[str, int]] = {"action": dict(ACTIONS), "flags": dict(FLAGS)}
    vocabulary |= {name: {code.name.lower(): code.value for code in kind} for name, kind in WORDS.items()}
    words, codes, starts = [], [], [0]
    for name in FIELDS:
        for word, code in vocabulary.get(name, {}).items():
            words.append(_packed(word, _WORD_BYTES))
            codes.append(code)
        starts.append(len(codes))
    needed = np.zeros(max(ACTIONS.values()) + 1, np.int64)
    for action, fields in REQUIRED.items():
        needed[ACTIONS[action]] = sum(1 << FIELDS.index(name) for name in fields)
    limits = np.zeros((_FIELDS, 2), np.int64)
    for name, bounds in NUMBERS.items():
        limits[FIELDS.index(name)] = bounds
    limits[ACCOUNT] = 0, NUMBERS["cl_ord_id"][1]
    keys = np.array([_packed(name, 8 * _KEY_WORDS) for name in FIELDS])
    columns = (np.array(words), np.array(codes), np.array(starts), keys, needed, limits)
    return Tables(*columns, Names().contract_keys[:0], Names().account_cells)


_TABLES = _tables()
_IS_CONDITIONAL = np.array([kind in CONDITIONAL for kind in range(max(OrdType) + 1)])


# --- values: each returns what it read, -1 for what is not plain, and the place after it ---------------------------


@_inlined
def _digits(data, at):
    value = np.int64(0)
    begin = at
    while at - begin < _MOST_DIGITS and _ZERO <= data[at] <= _NINE:
        value = value * 10 + (np.int64(data[at]) - _ZERO)
        at += 1
        if at - begin == _MOST_DIGITS - 1 and value > 922_337_203_685_477_579:
            return np.int64(-1), at
    if _ZERO <= data[at] <= _NINE:
        return np.int64(-1), at
    return value, at


@_inlined
def _word(data, at, field, tables):
    low, high = np.int64(0), np.int64(0)
    begin = at
    while at - begin < _WORD_BYTES and (_A <= data[at] <= _Z or data[at] == _UNDERSCORE):
        place = at - begin
        if place < 8:
            low |= np.int64(data[at]) << (8 * place)
        else:
            high |= np.int64(data[at]) << (8 * (place - 8))
        at += 1
    for word in range(tables.starts[field], tables.starts[field + 1]):
        if tables.words[word, 0] == low and tables.words[word, 1] == high:
            return tables.codes[word], at
    return np.int64(0 if at == begin else -1), at


@_inlined
def _flags(data, at, tables):
    flags = np.int64(0)
    while _A <= data[at] <= _Z:
        flag, at = _word(data, at, FLAGS_FIELD, tables)
        if flag < 0:
            return flag, at
        flags |= flag
        if data[at] == _SPACE:
            at += 1
    return flags, at


@_inlined
def _contract(data, at, tables):
    """The slot of a name up to the next comma, quote or end of the line."""
    first, second, third, fourth = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    begin = at
    while _SPACE < data[at] < _DELETE and data[at] != _COMMA and data[at] != _QUOTE and data[at] != _BACKSLASH:
        byte, word = np.int64(data[at]) << (8 * ((at - begin) & 7)), (at - begin) >> 3
        if word == 0:
            first |= byte
        elif word == 1:
            second |= byte
        elif word == 2:
            third |= byte
        elif word == 3:
            fourth |= byte
        else:
            return np.int64(-1), at
        at += 1
    for slot in range(len(tables.contracts)):
        known = tables.contracts
        if (
            known[slot, 0] == first
            and known[slot, 1] == second
            and known[slot, 2] == third
            and known[slot, 3] == fourth
        ):
            return np.int64(slot), at
    return np.int64(-1), at


@_inlined
def _account(number, tables):
    """The slot of an account's number, -1 for one that is not known yet."""
    mask = len(tables.accounts) - 1
    cell = home_cell(number) & mask
    while tables.accounts[cell, 0] != 0:
        if tables.accounts[cell, 0] == number + 1:
            return tables.accounts[cell, 1]
        cell = (cell + 1) & mask
    return np.int64(-1)


@_inlined
def _value(data, at, field, tables):
    if field == CONTRACT:
        return _contract(data, at, tables)
    if field == FLAGS_FIELD:
        return _flags(data, at, tables)
    if field == ACTION or field >= SIDE:
        return _word(data, at, field, tables)
    return _digits(data, at)


# --- rows ----------------------------------------------------------------------------------------------------------


@_inlined
def _owner(row, values, present, tables, state):
    """Fill in account and contract; False when one of them has no slot yet."""
    every = values[ACTION] == COMMAND_MASS_CANCEL
    row.contract_slot = NIL
    if present >> CONTRACT & 1:
        row.contract_slot = values[CONTRACT]
    elif not every:
        row.contract_slot = state[NO_CONTRACT]
        if state[NO_CONTRACT] < 0:
            return False
    row.account_slot = NIL
    if present >> ACCOUNT & 1 or not every:
        row.account_slot = _account(values[ACCOUNT], tables)
        return row.account_slot >= 0
    return True


@_inlined
def _write(row, values, present, tables, state):
    """Fill a row with one line's values; False, with the row as it was, when the line is not a plain one."""
    kind = values[ACTION]
    if kind == 0 or present & tables.needed[kind] != tables.needed[kind]:
        return False
    for field in range(ACCOUNT, DISPLAY_LOTS + 1):
        if present >> field & 1 and not tables.limits[field, 0] <= values[field] <= tables.limits[field, 1]:
            return False
    if not _owner(row, values, present, tables, state):
        row.account_slot = row.contract_slot = 0
        return False
    flags, ord_type, tif = values[FLAGS_FIELD], values[ORD_TYPE], values[TIF]
    if kind == COMMAND_NEW:
        ord_type = ord_type if ord_type != 0 else OrdType.LIMIT
        tif = tif if tif != 0 else TimeInForce.GTC
        if values[DISPLAY_LOTS] != 0:
            flags |= EXEC_ICEBERG
        if _IS_CONDITIONAL[ord_type]:
            flags |= EXEC_CONDITIONAL
    elif kind == COMMAND_MASS_CANCEL:
        row.group = NIL
    if values[TIME_NS] != 0:
        state[CLOCK_NS] = values[TIME_NS]
    row.time_ns = state[CLOCK_NS]
    row.kind, row.side, row.ord_type, row.tif = kind, values[SIDE], ord_type, tif
    row.trigger_source, row.flags, row.cl_ord_id = values[TRIGGER_SOURCE], flags, values[CL_ORD_ID]
    row.qty_lots, row.price_ticks, row.expire_ns = values[QTY_LOTS], values[PRICE_TICKS], values[EXPIRE_NS]
    row.trigger_price_ticks, row.offset_ticks = values[TRIGGER_PRICE_TICKS], values[OFFSET_TICKS]
    row.display_lots = values[DISPLAY_LOTS]
    return True


@_inlined
def _csv_line(data, at, columns, values, tables):
    """Read one line's cells into `values`; which are present, -1 when it is not a plain line, and where it ends."""
    present = np.int64(0)
    last = len(columns) - 1
    for column in range(len(columns)):
        begin = at
        value, at = _value(data, at, columns[column], tables)
        if at > begin:
            values[columns[column]] = value
            present |= np.int64(1) << columns[column]
            if value < 0:
                return np.int64(-1), at
        if column == last and data[at] == _RETURN:
            at += 1
        if data[at] != (_NEWLINE if column == last else _COMMA):
            return np.int64(-1), at
        at += 1
    return present, at - 1


@_inlined
def _blank(data, at):
    while data[at] == _SPACE or data[at] == _TAB:
        at += 1
    return at


@_inlined
def _key(data, at, order, place, tables):
    """The field that a key in quotes names, -1 for none, and the place after it. `order` is that of the line before."""
    low, mid, high = np.int64(0), np.int64(0), np.int64(0)
    begin = at
    while at - begin < 8 * _KEY_WORDS and (_A <= data[at] <= _Z or data[at] == _UNDERSCORE):
        byte, word = np.int64(data[at]) << (8 * ((at - begin) & 7)), (at - begin) >> 3
        if word == 0:
            low |= byte
        elif word == 1:
            mid |= byte
        else:
            high |= byte
        at += 1
    keys, guess = tables.keys, order[place]
    if data[at] != _QUOTE:
        return np.int64(-1), at
    if keys[guess, 0] == low and keys[guess, 1] == mid and keys[guess, 2] == high:
        return guess, at + 1
    for field in range(_FIELDS):
        if keys[field, 0] == low and keys[field, 1] == mid and keys[field, 2] == high:
            order[place] = field
            return np.int64(field), at + 1
    return np.int64(-1), at


@_inlined
def _json_value(data, at, field, tables):
    """What stands behind a colon: its value, whether it is more than empty text or null, and the place after it."""
    if data[at] == _QUOTE:
        value, end = _value(data, at + 1, field, tables)
        if data[end] != _QUOTE:
            return np.int64(-1), True, end
        return value, end > at + 1, end + 1
    if data[at] == _N and data[at + 1] == _U and data[at + 2] == _L and data[at + 3] == _L:
        return np.int64(0), False, at + 4
    value, end = _digits(data, at)
    is_number = ACCOUNT <= field <= DISPLAY_LOTS and end > at and (data[at] != _ZERO or end == at + 1)
    return value if is_number else np.int64(-1), True, end


@_inlined
def _json_line(data, at, order, values, tables):
    """As `_csv_line`, for one flat object."""
    present, seen, place = np.int64(0), np.int64(0), 0
    at = _blank(data, at)
    separator = _OPEN
    while place < _FIELDS and data[at] == separator:
        at = _blank(data, at + 1)
        if data[at] != _QUOTE:
            return np.int64(-1), at
        field, at = _key(data, at + 1, order, place, tables)
        at = _blank(data, at)
        if field < 0 or data[at] != _COLON or seen >> field & 1:
            return np.int64(-1), at
        seen |= np.int64(1) << field
        value, is_given, at = _json_value(data, _blank(data, at + 1), field, tables)
        if value < 0:
            return np.int64(-1), at
        if is_given:
            values[field] = value
            present |= np.int64(1) << field
        at = _blank(data, at)
        separator = _COMMA
        place += 1
    if data[at] != _CLOSE:
        return np.int64(-1), at
    at = _blank(data, at + 1)
    if data[at] == _RETURN:
        at += 1
    return present if data[at] == _NEWLINE else np.int64(-1), at


@njit(cache=True, _nrt=False, error_model="numpy")
def scan(data, columns, order, tables, out, state):
    """Read plain lines from AT on, until the data end, the rows are full or a line is not plain; which of them it was.

    The last byte is a newline. With `columns` the lines are CSV with these fields, without them they are JSON.
    """
    values, rows, limit = out.values, out.rows, len(out.rows)
    at, line, row = state[AT], state[LINE], state[ROWS]
    why = ENDED
    while at < len(data):
        if data[at] == _NEWLINE:
            at += 1
            line += 1
            continue
        if row == limit:
            why = FULL
            break
        values[:] = 0
        if len(columns):
            present, end = _csv_line(data, at, columns, values, tables)
        else:
            present, end = _json_line(data, at, order, values, tables)
        if present < 0 or not _write(rows[row], values, present, tables, state):
            why = UNUSUAL
            break
        line += 1
        out.lines[row] = line
        row += 1
        at = end + 1
    state[AT], state[LINE], state[ROWS] = at, line, row
    return why
