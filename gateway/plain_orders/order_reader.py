"""The compiled reader of plain orders: JSON messages to command rows, many in one call.

It takes only messages of which it is sure. It leaves the others to the session, which answers or refuses them: a
message with an escape or another field, a number that is not a whole number of units, an order that it does not know.

Functions that read text return where it ends, or -1 when the session must read the message.
"""

import numpy as np

from engine.code_values import (
    COMMAND_AMEND,
    COMMAND_CANCEL,
    COMMAND_LABEL,
    COMMAND_NEW,
    EXEC_LABELLED,
    EXEC_POST_ONLY,
    EXEC_REDUCE_ONLY,
    EXEC_REJECT_POST_ONLY,
    SELF_TRADE_CANCEL_MAKER,
    SIDE_BUY,
    SIDE_SELL,
    SOURCE_MARK,
    TIF_FOK,
    TIF_GTC,
    TIF_IOC,
    TYPE_LIMIT,
    TYPE_MARKET,
)
from engine.kernels import entry, part
from engine.row_layout import field_byte
from engine.schema import LABEL, LABEL_BYTES
from engine.units import MAX_LOTS, MAX_TICKS, load_word, lowest_bit
from gateway.plain_orders import layout
from gateway.plain_orders.frame_finder import NO_ROOM, TEXT, next_frame
from gateway.plain_orders.layout import (
    HASH_FACTOR,
    HASH_MASK,
    HASH_SHIFT,
    HASHED,
    KEYS,
    MAX_ID_BYTES,
    MAX_NAME_BYTES,
    MAX_PLACE,
    MAX_REQUESTS,
    NAMES,
    POW10,
)
from gateway.read_model.event_fold import ORDER_KIND, SLOT_MASK
from gateway.wire.command_rows import ROW_BYTES

_ROWS_OF_ONE = 2
"""The most rows of one message: the command and its label."""
_NS_PER_US = 1000
_QUOTES_AND_COLON = 3
_TEXT_BYTE = field_byte(LABEL, "text")

# Places in `parsed`, which holds what was read of a message.
_SEEN, _METHOD, _CONTRACT, _AMOUNT, _AMOUNT_SCALE, _PRICE, _PRICE_SCALE, _TYPE, _TIF, _FLAGS = range(10)
_LABEL_FIRST, _LABEL_SIZE, _CLIENT, _ORDER, _ID_FIRST, _ID_SIZE, _PLACE = range(10, 17)

_N_JSONRPC = layout.JSONRPC
_SEEN_ALL = 1 << layout.ID | 1 << layout.METHOD | 1 << layout.PARAMS
_NEW_FIELDS = sum(
    1 << name for name in (
        layout.INSTRUMENT, layout.AMOUNT, layout.TYPE, layout.PRICE, layout.TIME_IN_FORCE, layout.POST_ONLY,
        layout.REJECT_POST_ONLY, layout.REDUCE_ONLY, layout.LABEL, layout.CLIENT_ID,
    )
)  # fmt: skip
_EDIT_FIELDS = 1 << layout.ORDER_ID | 1 << layout.AMOUNT | 1 << layout.PRICE
_CANCEL_FIELDS = 1 << layout.ORDER_ID | 1 << layout.CLIENT_ID
_ENVELOPE = 1 << layout.JSONRPC | _SEEN_ALL
_N_ID, _N_METHOD, _N_PARAMS = layout.ID, layout.METHOD, layout.PARAMS
_N_VERSION, _N_BUY, _N_SELL, _N_EDIT, _N_CANCEL = (
    layout.VERSION, layout.BUY, layout.SELL, layout.EDIT, layout.CANCEL,
)  # fmt: skip
_N_INSTRUMENT, _N_AMOUNT, _N_TYPE, _N_PRICE, _N_TIF, _N_POST, _N_REJECT, _N_REDUCE, _N_LABEL, _N_CLIENT, _N_ORDER = (
    layout.INSTRUMENT, layout.AMOUNT, layout.TYPE, layout.PRICE, layout.TIME_IN_FORCE, layout.POST_ONLY,
    layout.REJECT_POST_ONLY, layout.REDUCE_ONLY, layout.LABEL, layout.CLIENT_ID, layout.ORDER_ID,
)  # fmt: skip
_N_LIMIT, _N_MARKET, _N_GTC, _N_IOC, _N_FOK = layout.LIMIT, layout.MARKET, layout.GTC, layout.IOC, layout.FOK
_QUOTE, _COLON, _COMMA, _OPEN, _CLOSE, _POINT, _MINUS, _ZERO, _NINE = b'":,{}.-09'
_ONES, _SPACES, _QUOTES, _BACKSLASHES, _DELETES, _HIGHEST = (
    int.from_bytes(bytes([char]) * 8, "little", signed=True) for char in b'\x01 "\\\x7f\x80'
)


# --- text ---------------------------------------------------------------------------------------------------------
# While a message is read, a zero byte stands behind it. No rule here accepts that byte, so no loop runs past it.


@part
def _skip(data, at):
    """Skip white space."""
    while data[at] <= 32 and (data[at] == 32 or data[at] == 10 or data[at] == 13 or data[at] == 9):
        at += 1
    return at


@part
def _zeros(word):
    """Set the highest bit of each byte that is zero; only the lowest such mark is sure."""
    return (word - _ONES) & ~word & _HIGHEST


@part
def _string(data, at):
    """The end of a string of plain characters, -1 for anything else; it is read in steps of eight characters."""
    if data[at] != _QUOTE:
        return -1
    at += 1
    while True:
        word = load_word(data, at)
        ends = _zeros(word ^ _QUOTES) | _zeros(word ^ _BACKSLASHES) | _zeros(word ^ _DELETES)
        ends |= (word - _SPACES) & ~word & _HIGHEST | word & _HIGHEST
        if ends != 0:
            at += lowest_bit(ends) >> 3
            return at + 1 if data[at] == _QUOTE else -1
        at += 8


@part
def _head(data, first, size):
    """The first `size` bytes, at most eight, as one number."""
    word = load_word(data, first)
    return word if size >= 8 else word & ((1 << (8 * size)) - 1)


@part
def _name(data, first, end):
    """The number of the name between `first` and `end`, -1 when it is not known."""
    size = end - first
    if size < 1 or size > MAX_NAME_BYTES:
        return -1
    word0 = _head(data, first, size)
    word1 = _head(data, first + 8, size - 8) if size > 8 else 0
    word2 = _head(data, first + 16, size - 16) if size > 16 else 0
    index = HASHED[(word0 ^ word1) * HASH_FACTOR >> HASH_SHIFT & HASH_MASK]
    if index >= 0 and NAMES[index, 0] == size and NAMES[index, 1] == word0:
        if NAMES[index, 2] == word1 and NAMES[index, 3] == word2:
            return index
    return -1


@part
def _number(data, at, parsed, place):
    """Read a plain decimal, quoted or not: its digits go to parsed[place], how many are decimals to the next place."""
    quoted = data[at] == _QUOTE
    if quoted:
        at += 1
    first, value = at, 0
    while _ZERO <= data[at] <= _NINE:
        value = value * 10 + (np.int64(data[at]) - _ZERO)
        at += 1
    digits = at - first
    if digits == 0 or digits > 18 or (digits > 1 and data[first] == _ZERO):
        return -1
    decimals = 0
    if data[at] == _POINT:
        at += 1
        while _ZERO <= data[at] <= _NINE:
            value = value * 10 + (np.int64(data[at]) - _ZERO)
            at += 1
            decimals += 1
        if decimals == 0 or decimals > 12 or digits + decimals > 18:
            return -1
    if quoted:
        if data[at] != _QUOTE:
            return -1
        at += 1
    parsed[place], parsed[place + 1] = value, decimals
    return at


@part
def _whole(data, at, parsed, place):
    """Read a positive whole number of up to 18 digits, quoted or not, into parsed[place]; the next place is kept."""
    kept = parsed[place + 1]
    end = _number(data, at, parsed, place)
    if end >= 0 and (parsed[place + 1] != 0 or parsed[place] == 0):
        end = -1
    parsed[place + 1] = kept
    return end


@part
def _flag(data, at):
    """(1 for true or 0 for false, its end); (0, -1) for anything else."""
    if data[at] == 116 and data[at + 1] == 114 and data[at + 2] == 117 and data[at + 3] == 101:
        return 1, at + 4
    if data[at] == 102 and data[at + 1] == 97 and data[at + 2] == 108 and data[at + 3] == 115 and data[at + 4] == 101:
        return 0, at + 5
    return 0, -1


@part
def _is_text(data, first, text, size):
    """Whether `size` bytes of data are equal to a text, which is padded with zeros."""
    for done in range(0, size, 8):
        if _head(data, first + done, size - done) != load_word(text, done):
            return False
    return True


@part
def _contract(work, data, first, end):
    """The slot of the contract of this name, -1 when there is none."""
    for slot in range(work.listings_used):
        listing = work.listings[slot]
        if 0 < listing.name_size == end - first and _is_text(data, first, listing.name, end - first):
            return slot
    return -1


@part
def _units(value, decimals, mantissa, unit_decimals):
    """A number in units of mantissa / 10**unit_decimals, -1 when it is not a whole number of them."""
    shift = unit_decimals - decimals
    if shift >= 0:
        if shift > 9 or value > POW10[18 - shift]:
            return -1
        value *= POW10[shift]
    else:
        mantissa *= POW10[-shift]
    units = value // mantissa
    return units if units * mantissa == value else -1


# --- fields -------------------------------------------------------------------------------------------------------


@part
def _order_field(work, data, at, name, parsed):
    """Read the value of a parameter that is text or a flag."""
    if name in (_N_POST, _N_REJECT, _N_REDUCE):
        is_set, end = _flag(data, at)
        bit = EXEC_POST_ONLY if name == _N_POST else EXEC_REJECT_POST_ONLY if name == _N_REJECT else EXEC_REDUCE_ONLY
        parsed[_FLAGS] |= bit if is_set else 0
        return end
    end = _string(data, at)
    if end < 0:
        return -1
    if name == _N_INSTRUMENT:
        parsed[_CONTRACT] = _contract(work, data, at + 1, end - 1)
        return end if parsed[_CONTRACT] >= 0 else -1
    if name == _N_LABEL:
        parsed[_LABEL_FIRST], parsed[_LABEL_SIZE] = at + 1, end - at - 2
        return end if parsed[_LABEL_SIZE] <= LABEL_BYTES else -1
    text = _name(data, at + 1, end - 1)
    if name == _N_TYPE and (text in (_N_LIMIT, _N_MARKET)):
        parsed[_TYPE] = TYPE_LIMIT if text == _N_LIMIT else TYPE_MARKET
        return end
    if name == _N_TIF and (text in (_N_GTC, _N_IOC, _N_FOK)):
        parsed[_TIF] = TIF_GTC if text == _N_GTC else TIF_IOC if text == _N_IOC else TIF_FOK
        return end
    return -1


@part
def _field(work, data, at, name, parsed):
    """Read the value of one parameter."""
    if name == _N_AMOUNT:
        return _number(data, at, parsed, _AMOUNT)
    if name == _N_PRICE:
        return _number(data, at, parsed, _PRICE)
    if name == _N_CLIENT:
        return _whole(data, at, parsed, _CLIENT)
    if name == _N_ORDER:
        return _whole(data, at, parsed, _ORDER) if data[at] == _QUOTE else -1
    return _order_field(work, data, at, name, parsed)


@part
def _is_key(data, at, name):
    """Whether this name stands at `at`, in quotes and with its colon."""
    different = (load_word(data, at) ^ KEYS[name, 0]) & KEYS[name, 3]
    different |= (load_word(data, at + 8) ^ KEYS[name, 1]) & KEYS[name, 4]
    return different | (load_word(data, at + 16) ^ KEYS[name, 2]) & KEYS[name, 5] == 0


@part
def _read_name(data, at):
    """(Where a field's value begins, its name); (-1, -1) when the name is not known."""
    at = _skip(data, at)
    end = _string(data, at)
    name = _name(data, at + 1, end - 1) if end >= 0 else -1
    if name < 0:
        return -1, -1
    at = _skip(data, end)
    return (at + 1, name) if data[at] == _COLON else (-1, -1)


@part
def _field_name(work, data, at, allowed, parsed):
    """(Where the next field's value begins, its name); (-1, -1) when it is not allowed or was seen before.

    Most messages look like the last one of the same method, so the name that it had in this place is tried first.
    """
    place = (parsed[_METHOD] & 3) << 4 | parsed[_PLACE] & 15
    parsed[_PLACE] += 1
    name = work.expected_names[place]
    if _is_key(data, at + 1, name):
        at += NAMES[name, 0] + _QUOTES_AND_COLON + 1
    else:
        at, name = _read_name(data, at + 1)
        if at < 0:
            return -1, -1
        work.expected_names[place] = name
    if allowed >> name & 1 == 0 or parsed[_SEEN] >> name & 1:
        return -1, -1
    parsed[_SEEN] |= 1 << name
    return _skip(data, at), name


@part
def _params(work, data, at, parsed):
    """Read the object of the parameters."""
    method = parsed[_METHOD]
    allowed = _NEW_FIELDS if method in (_N_BUY, _N_SELL) else _EDIT_FIELDS
    allowed = _CANCEL_FIELDS if method == _N_CANCEL else allowed
    if data[at] != _OPEN:
        return -1
    while True:
        at, name = _field_name(work, data, at, allowed, parsed)
        if at < 0:
            return -1
        at = _field(work, data, at, name, parsed)
        if at < 0:
            return -1
        at = _skip(data, at)
        if data[at] == _CLOSE:
            return at + 1
        if data[at] != _COMMA:
            return -1


@part
def _id(data, at, parsed):
    """Read a request's id, a whole number or a plain string."""
    if data[at] == _QUOTE:
        end = _string(data, at)
    else:
        first = at + 1 if data[at] == _MINUS else at
        end = first
        while _ZERO <= data[end] <= _NINE:
            end += 1
        if end == first or end - first > 18 or (data[first] == _ZERO and (end - first > 1 or first > at)):
            return -1
    if end - at > MAX_ID_BYTES:
        return -1
    parsed[_ID_FIRST], parsed[_ID_SIZE] = at, end - at
    return end


@part
def _envelope_field(work, data, at, name, parsed):
    """Read the value of one field of a request."""
    if name == _N_ID:
        return _id(data, at, parsed)
    if name == _N_PARAMS:
        return _params(work, data, at, parsed) if parsed[_SEEN] >> _N_METHOD & 1 else -1
    end = _string(data, at)
    if end < 0:
        return -1
    text = _name(data, at + 1, end - 1)
    if name == _N_JSONRPC:
        return end if text == _N_VERSION else -1
    parsed[_METHOD] = text
    return end if text in (_N_BUY, _N_SELL, _N_EDIT, _N_CANCEL) else -1


@part
def _message(work, data, at, parsed):
    """Read one message."""
    parsed[:] = 0
    parsed[_TYPE], parsed[_TIF] = TYPE_LIMIT, TIF_GTC
    at = _skip(data, at)
    if data[at] != _OPEN:
        return -1
    while True:
        at, name = _field_name(work, data, at, _ENVELOPE, parsed)
        if at < 0:
            return -1
        at = _envelope_field(work, data, at, name, parsed)
        if at < 0:
            return -1
        at = _skip(data, at)
        if data[at] == _CLOSE:
            break
        if data[at] != _COMMA:
            return -1
    at = _skip(data, at + 1)
    return at if parsed[_SEEN] & _SEEN_ALL == _SEEN_ALL else -1


# --- rows ---------------------------------------------------------------------------------------------------------


@part
def _clear(words, place):
    for index in range(ROW_BYTES // 8):
        words[place * (ROW_BYTES // 8) + index] = 0


@part
def _limit_ticks(listing, parsed):
    """The price in ticks, 0 for a market order, -1 when the session must read the message."""
    seen = parsed[_SEEN] >> _N_PRICE & 1
    if parsed[_TYPE] == TYPE_MARKET:
        return -1 if seen else 0
    if not seen:
        return -1
    ticks = _units(parsed[_PRICE], parsed[_PRICE_SCALE], listing.tick_mantissa, listing.tick_decimals)
    return ticks if 0 < ticks <= MAX_TICKS else -1


@part
def _write_new(work, data, rows, parsed):
    """Write a NEW row and its LABEL row; returns how many rows, 0 when the session must read the message."""
    needed = 1 << _N_INSTRUMENT | 1 << _N_AMOUNT
    if parsed[_SEEN] & needed != needed:
        return 0
    listing = work.listings[parsed[_CONTRACT]]
    lots = _units(parsed[_AMOUNT], parsed[_AMOUNT_SCALE], listing.lot_mantissa, listing.lot_decimals)
    ticks = _limit_ticks(listing, parsed)
    if lots < 0 or lots > MAX_LOTS or ticks < 0:
        return 0
    commands, words, texts = rows
    flags = parsed[_FLAGS]
    if flags & EXEC_POST_ONLY == 0:
        flags &= ~EXEC_REJECT_POST_ONLY
    place = work.place + work.rows
    row = commands[place]
    _clear(words, place)
    row.kind, row.side = COMMAND_NEW, SIDE_BUY if parsed[_METHOD] == _N_BUY else SIDE_SELL
    row.ord_type, row.tif = parsed[_TYPE], parsed[_TIF]
    row.self_trade, row.trigger_source = SELF_TRADE_CANCEL_MAKER, SOURCE_MARK
    row.contract_slot, row.cl_ord_id = parsed[_CONTRACT], parsed[_CLIENT]
    row.qty_lots, row.price_ticks = lots, ticks
    row.flags = flags
    if parsed[_LABEL_SIZE] == 0:
        return 1
    row.flags = flags | EXEC_LABELLED
    _clear(words, place + 1)
    commands[place + 1].kind = COMMAND_LABEL
    for index in range(parsed[_LABEL_SIZE]):
        texts[(place + 1) * ROW_BYTES + _TEXT_BYTE + index] = data[parsed[_LABEL_FIRST] + index]
    return 2


@part
def _write_edit(work, view, rows, parsed):
    """Write an AMEND row for a known open order; returns 1, or 0 when the session must read the message."""
    needed = 1 << _N_ORDER | 1 << _N_AMOUNT
    order = view.orders[parsed[_ORDER] & SLOT_MASK]
    if parsed[_SEEN] & needed != needed or order.order_id != parsed[_ORDER] or order.kind != ORDER_KIND:
        return 0
    listing = work.listings[order.contract_slot]
    if order.account_slot != work.account_slot or listing.name_size == 0:
        return 0
    lots = _units(parsed[_AMOUNT], parsed[_AMOUNT_SCALE], listing.lot_mantissa, listing.lot_decimals)
    ticks = 0
    if parsed[_SEEN] >> _N_PRICE & 1:
        parsed[_TYPE] = TYPE_LIMIT
        ticks = _limit_ticks(listing, parsed)
    if lots <= 0 or lots > MAX_LOTS or ticks < 0:
        return 0
    parsed[_METHOD] = _N_BUY if order.side == SIDE_BUY else _N_SELL
    commands, words, _ = rows
    row = commands[work.place + work.rows]
    _clear(words, work.place + work.rows)
    row.kind, row.order_id, row.qty_lots, row.price_ticks = COMMAND_AMEND, parsed[_ORDER], lots, ticks
    return 1


@part
def _write_cancel(work, rows, parsed):
    """Write a CANCEL row; returns 1, or 0 when the session must read the message."""
    if (parsed[_ORDER] == 0) == (parsed[_CLIENT] == 0):
        return 0
    commands, words, _ = rows
    row = commands[work.place + work.rows]
    _clear(words, work.place + work.rows)
    row.kind, row.order_id, row.cl_ord_id = COMMAND_CANCEL, parsed[_ORDER], parsed[_CLIENT]
    return 1


@part
def _write(work, view, data, rows, parsed):
    """Write the rows of one message; returns how many, 0 when the session must read it."""
    method = parsed[_METHOD]
    if method == _N_CANCEL:
        written = _write_cancel(work, rows, parsed)
        work.cancels += written
        return written
    written = _write_edit(work, view, rows, parsed) if method == _N_EDIT else _write_new(work, data, rows, parsed)
    work.orders += 1 if written else 0
    return written


@part
def _note(work, data, row, parsed):
    """Keep the request that waits for a row's outcome."""
    request = work.requests[work.count]
    for index in range(parsed[_ID_SIZE]):
        request.id[index] = data[parsed[_ID_FIRST] + index]
    request.id_size, request.place, request.kind = parsed[_ID_SIZE], work.place + work.rows, row.kind
    request.side = 0 if row.kind == COMMAND_CANCEL else SIDE_BUY if parsed[_METHOD] == _N_BUY else SIDE_SELL
    request.account_slot, request.us_in = work.account_slot, work.now_ns // _NS_PER_US
    request.order_id, request.is_slow, request.has_fills = 0, 0, 0
    work.count += 1


@part
def _sequence(work, commands, count):
    """Write the account, the key, the connection, the sequence and the time into the rows of one message."""
    place = work.place + work.rows
    row = commands[place]
    row.account_slot, row.person, row.key, row.connection = work.account_slot, work.person, work.key, work.connection
    for index in range(place, place + count):
        commands[index].seq, commands[index].time_ns = work.first_seq + index, work.now_ns


@entry
def read(view, workspace, data, rows):
    """Read frames of `data` from `offset` to `filled`; returns why it stopped, see `frame_finder`.

    The rows of plain orders go to `rows`, the batch as (COMMAND rows, words, bytes), from `place` on. When it stops
    at a text, the text is unmasked and `offset` is its end; else `offset` is where the next frame begins.
    """
    work = workspace[0]
    parsed = work.parsed
    work.rows, work.orders, work.cancels = 0, 0, 0
    room = min(len(rows[0]), MAX_PLACE) - _ROWS_OF_ONE
    while True:
        found = next_frame(work, data)
        if found != TEXT:
            return found
        if work.is_trader and (work.count == MAX_REQUESTS or work.place + work.rows > room):
            return NO_ROOM
        work.offset = work.last
        if not work.is_trader:
            return TEXT
        behind = data[work.last]
        data[work.last] = 0
        end = _message(work, data, work.first, parsed)
        written = _write(work, view[0], data, rows, parsed) if end == work.last else 0
        data[work.last] = behind
        if written == 0:
            return TEXT
        _sequence(work, rows[0], written)
        _note(work, data, rows[0][work.place + work.rows], parsed)
        work.rows += written
