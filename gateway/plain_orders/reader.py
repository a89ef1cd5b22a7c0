"""The compiled reader of plain orders: JSON messages to command rows, many in one call.

It takes what it is sure of and nothing else. A message with an escape, another field, a number that is no whole
number of units, an order that it does not know: all of that it leaves to the session, which answers it or refuses it.
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
from engine.units import MAX_LOTS, MAX_TICKS, lowest_bit
from gateway.plain_orders import layout as tables
from gateway.plain_orders.byte_kernels import load_word
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

_MAX_LABEL = 64
_ROWS_OF_ONE = 2
"""A message makes a row, and one more for its label."""
_NS_PER_US = 1000
_QUOTES_AND_COLON = 3
_TEXT_AT = 24
"""Where the text of a LABEL row begins."""

# What was read of a message, by place in `got`.
_SEEN, _METHOD, _CONTRACT, _AMOUNT, _AMOUNT_SCALE, _PRICE, _PRICE_SCALE, _TYPE, _TIF, _FLAGS = range(10)
_LABEL_FIRST, _LABEL_SIZE, _CLIENT, _ORDER, _ID_FIRST, _ID_SIZE, _PLACE = range(10, 17)

_J = tables.JSONRPC
_SEEN_ALL = 1 << tables.ID | 1 << tables.METHOD | 1 << tables.PARAMS
_NEW_FIELDS = sum(
    1 << name for name in (
        tables.INSTRUMENT, tables.AMOUNT, tables.TYPE, tables.PRICE, tables.TIME_IN_FORCE, tables.POST_ONLY,
        tables.REJECT_POST_ONLY, tables.REDUCE_ONLY, tables.LABEL, tables.CLIENT_ID,
    )
)  # fmt: skip
_EDIT_FIELDS = 1 << tables.ORDER_ID | 1 << tables.AMOUNT | 1 << tables.PRICE
_CANCEL_FIELDS = 1 << tables.ORDER_ID | 1 << tables.CLIENT_ID
_ENVELOPE = 1 << tables.JSONRPC | _SEEN_ALL
_PARAMS_ID, _PARAMS_METHOD, _PARAMS_PARAMS = tables.ID, tables.METHOD, tables.PARAMS
_N_VERSION, _N_BUY, _N_SELL, _N_EDIT, _N_CANCEL = (
    tables.VERSION, tables.BUY, tables.SELL, tables.EDIT, tables.CANCEL,
)  # fmt: skip
_N_INSTRUMENT, _N_AMOUNT, _N_TYPE, _N_PRICE, _N_TIF, _N_POST, _N_REJECT, _N_REDUCE, _N_LABEL, _N_CLIENT, _N_ORDER = (
    tables.INSTRUMENT, tables.AMOUNT, tables.TYPE, tables.PRICE, tables.TIME_IN_FORCE, tables.POST_ONLY,
    tables.REJECT_POST_ONLY, tables.REDUCE_ONLY, tables.LABEL, tables.CLIENT_ID, tables.ORDER_ID,
)  # fmt: skip
_N_LIMIT, _N_MARKET, _N_GTC, _N_IOC, _N_FOK = tables.LIMIT, tables.MARKET, tables.GTC, tables.IOC, tables.FOK
_QUOTE, _COLON, _COMMA, _OPEN, _CLOSE, _POINT, _MINUS, _ZERO, _NINE = b'":,{}.-09'
_ONES, _SPACES, _QUOTES, _BACKSLASHES, _DELETES, _HIGHEST = (
    int.from_bytes(bytes([char]) * 8, "little", signed=True) for char in b'\x01 "\\\x7f\x80'
)


# --- text ---------------------------------------------------------------------------------------------------------
# While a message is read it has a zero byte behind it, which nothing here takes for its own: no loop runs past it.


@part
def _skip(data, at):
    """Behind white space."""
    while data[at] <= 32 and (data[at] == 32 or data[at] == 10 or data[at] == 13 or data[at] == 9):
        at += 1
    return at


@part
def _zeros(word):
    """A mark in the highest bit of each byte that is zero; marks above the lowest one may be wrong."""
    return (word - _ONES) & ~word & _HIGHEST


@part
def _string(data, at):
    """Behind a string of plain characters that begins at `at`; -1 for anything else. Eight characters at a time."""
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
    """The first of `size` bytes, at most eight, as one number."""
    word = load_word(data, first)
    return word if size >= 8 else word & ((1 << (8 * size)) - 1)


@part
def _name(data, first, end):
    """Which name lies there, -1 for none that is known."""
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
def _number(data, at, got, place):
    """A plain decimal, quoted or not, into got[place] and its decimals behind it; -1 for what is not plain."""
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
    got[place], got[place + 1] = value, decimals
    return at


@part
def _whole(data, at, got, place):
    """A whole number of up to 18 digits, quoted or not, into got[place]; what lies behind is kept."""
    kept = got[place + 1]
    end = _number(data, at, got, place)
    if end >= 0 and (got[place + 1] != 0 or got[place] == 0):
        end = -1
    got[place + 1] = kept
    return end


@part
def _flag(data, at):
    """(true or false, behind it); (0, -1) for anything else."""
    if data[at] == 116 and data[at + 1] == 114 and data[at + 2] == 117 and data[at + 3] == 101:
        return 1, at + 4
    if data[at] == 102 and data[at + 1] == 97 and data[at + 2] == 108 and data[at + 3] == 115 and data[at + 4] == 101:
        return 0, at + 5
    return 0, -1


@part
def _is_text(data, first, text, size):
    """Whether `size` bytes of data are those of a text, which has zeros behind."""
    for done in range(0, size, 8):
        if _head(data, first + done, size - done) != load_word(text, done):
            return False
    return True


@part
def _contract(desk, data, first, end):
    """The slot of the contract of this name, -1 for none."""
    for slot in range(desk.cards_used):
        card = desk.cards[slot]
        if 0 < card.name_size == end - first and _is_text(data, first, card.name, end - first):
            return slot
    return -1


@part
def _units(value, decimals, mantissa, unit_decimals):
    """How many units of mantissa / 10**unit_decimals a number is, -1 when it is no whole number of them."""
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
def _order_field(desk, data, at, name, got):
    """One parameter of an order that is text or a flag; behind it, or -1."""
    if name in (_N_POST, _N_REJECT, _N_REDUCE):
        is_set, end = _flag(data, at)
        bit = EXEC_POST_ONLY if name == _N_POST else EXEC_REJECT_POST_ONLY if name == _N_REJECT else EXEC_REDUCE_ONLY
        got[_FLAGS] |= bit if is_set else 0
        return end
    end = _string(data, at)
    if end < 0:
        return -1
    if name == _N_INSTRUMENT:
        got[_CONTRACT] = _contract(desk, data, at + 1, end - 1)
        return end if got[_CONTRACT] >= 0 else -1
    if name == _N_LABEL:
        got[_LABEL_FIRST], got[_LABEL_SIZE] = at + 1, end - at - 2
        return end if got[_LABEL_SIZE] <= _MAX_LABEL else -1
    text = _name(data, at + 1, end - 1)
    if name == _N_TYPE and (text in (_N_LIMIT, _N_MARKET)):
        got[_TYPE] = TYPE_LIMIT if text == _N_LIMIT else TYPE_MARKET
        return end
    if name == _N_TIF and (text in (_N_GTC, _N_IOC, _N_FOK)):
        got[_TIF] = TIF_GTC if text == _N_GTC else TIF_IOC if text == _N_IOC else TIF_FOK
        return end
    return -1


@part
def _field(desk, data, at, name, got):
    """The value of one parameter; behind it, or -1."""
    if name == _N_AMOUNT:
        return _number(data, at, got, _AMOUNT)
    if name == _N_PRICE:
        return _number(data, at, got, _PRICE)
    if name == _N_CLIENT:
        return _whole(data, at, got, _CLIENT)
    if name == _N_ORDER:
        return _whole(data, at, got, _ORDER) if data[at] == _QUOTE else -1
    return _order_field(desk, data, at, name, got)


@part
def _is_key(data, at, name):
    """Whether this name stands there in quotes with its colon."""
    different = (load_word(data, at) ^ KEYS[name, 0]) & KEYS[name, 3]
    different |= (load_word(data, at + 8) ^ KEYS[name, 1]) & KEYS[name, 4]
    return different | (load_word(data, at + 16) ^ KEYS[name, 2]) & KEYS[name, 5] == 0


@part
def _read_name(data, at):
    """Behind a field's name and colon, and which name it is; -1 and -1 for none that is known."""
    at = _skip(data, at)
    end = _string(data, at)
    name = _name(data, at + 1, end - 1) if end >= 0 else -1
    if name < 0:
        return -1, -1
    at = _skip(data, end)
    return (at + 1, name) if data[at] == _COLON else (-1, -1)


@part
def _field_name(desk, data, at, allowed, got):
    """The next field, allowed and not seen before: where its value begins and its name, or -1 and -1.

    Most messages are like the last one of their method: the name that stood in this place is tried first.
    """
    place = (got[_METHOD] & 3) << 4 | got[_PLACE] & 15
    got[_PLACE] += 1
    name = desk.guesses[place]
    if _is_key(data, at + 1, name):
        at += NAMES[name, 0] + _QUOTES_AND_COLON + 1
    else:
        at, name = _read_name(data, at + 1)
        if at < 0:
            return -1, -1
        desk.guesses[place] = name
    if allowed >> name & 1 == 0 or got[_SEEN] >> name & 1:
        return -1, -1
    got[_SEEN] |= 1 << name
    return _skip(data, at), name


@part
def _params(desk, data, at, got):
    """The object of the parameters; behind it, or -1."""
    method = got[_METHOD]
    allowed = _NEW_FIELDS if method in (_N_BUY, _N_SELL) else _EDIT_FIELDS
    allowed = _CANCEL_FIELDS if method == _N_CANCEL else allowed
    if data[at] != _OPEN:
        return -1
    while True:
        at, name = _field_name(desk, data, at, allowed, got)
        if at < 0:
            return -1
        at = _field(desk, data, at, name, got)
        if at < 0:
            return -1
        at = _skip(data, at)
        if data[at] == _CLOSE:
            return at + 1
        if data[at] != _COMMA:
            return -1


@part
def _id(data, at, got):
    """A request's id, a whole number or a plain string; behind it, or -1."""
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
    got[_ID_FIRST], got[_ID_SIZE] = at, end - at
    return end


@part
def _envelope_field(desk, data, at, name, got):
    """The value of one field of a request; behind it, or -1."""
    if name == _PARAMS_ID:
        return _id(data, at, got)
    if name == _PARAMS_PARAMS:
        return _params(desk, data, at, got) if got[_SEEN] >> _PARAMS_METHOD & 1 else -1
    end = _string(data, at)
    if end < 0:
        return -1
    text = _name(data, at + 1, end - 1)
    if name == _J:
        return end if text == _N_VERSION else -1
    got[_METHOD] = text
    return end if text in (_N_BUY, _N_SELL, _N_EDIT, _N_CANCEL) else -1


@part
def _message(desk, data, at, got):
    """One message: where what it says ends, or -1."""
    got[:] = 0
    got[_TYPE], got[_TIF] = TYPE_LIMIT, TIF_GTC
    at = _skip(data, at)
    if data[at] != _OPEN:
        return -1
    while True:
        at, name = _field_name(desk, data, at, _ENVELOPE, got)
        if at < 0:
            return -1
        at = _envelope_field(desk, data, at, name, got)
        if at < 0:
            return -1
        at = _skip(data, at)
        if data[at] == _CLOSE:
            break
        if data[at] != _COMMA:
            return -1
    at = _skip(data, at + 1)
    return at if got[_SEEN] & _SEEN_ALL == _SEEN_ALL else -1


# --- rows ---------------------------------------------------------------------------------------------------------


@part
def _clear(words, place):
    for index in range(ROW_BYTES // 8):
        words[place * (ROW_BYTES // 8) + index] = 0


@part
def _limit_ticks(card, got):
    """The price in ticks, 0 for a market order, -1 when the session must look at it."""
    seen = got[_SEEN] >> _N_PRICE & 1
    if got[_TYPE] == TYPE_MARKET:
        return -1 if seen else 0
    if not seen:
        return -1
    ticks = _units(got[_PRICE], got[_PRICE_SCALE], card.tick_mantissa, card.tick_decimals)
    return ticks if 0 < ticks <= MAX_TICKS else -1


@part
def _write_new(desk, data, rows, got):
    """A NEW row and its label's; how many rows, 0 when the session must look at it."""
    needed = 1 << _N_INSTRUMENT | 1 << _N_AMOUNT
    if got[_SEEN] & needed != needed:
        return 0
    card = desk.cards[got[_CONTRACT]]
    lots = _units(got[_AMOUNT], got[_AMOUNT_SCALE], card.lot_mantissa, card.lot_decimals)
    ticks = _limit_ticks(card, got)
    if lots < 0 or lots > MAX_LOTS or ticks < 0:
        return 0
    commands, words, texts = rows
    flags = got[_FLAGS]
    if flags & EXEC_POST_ONLY == 0:
        flags &= ~EXEC_REJECT_POST_ONLY
    place = desk.place + desk.rows
    row = commands[place]
    _clear(words, place)
    row.kind, row.side = COMMAND_NEW, SIDE_BUY if got[_METHOD] == _N_BUY else SIDE_SELL
    row.ord_type, row.tif = got[_TYPE], got[_TIF]
    row.self_trade, row.trigger_source = SELF_TRADE_CANCEL_MAKER, SOURCE_MARK
    row.contract_slot, row.cl_ord_id = got[_CONTRACT], got[_CLIENT]
    row.qty_lots, row.price_ticks = lots, ticks
    row.flags = flags
    if got[_LABEL_SIZE] == 0:
        return 1
    row.flags = flags | EXEC_LABELLED
    _clear(words, place + 1)
    commands[place + 1].kind = COMMAND_LABEL
    for index in range(got[_LABEL_SIZE]):
        texts[(place + 1) * ROW_BYTES + _TEXT_AT + index] = data[got[_LABEL_FIRST] + index]
    return 2


@part
def _write_edit(desk, view, rows, got):
    """An AMEND row for an order that is known and open; 1, or 0 when the session must look at it."""
    needed = 1 << _N_ORDER | 1 << _N_AMOUNT
    order = view.orders[got[_ORDER] & SLOT_MASK]
    if got[_SEEN] & needed != needed or order.order_id != got[_ORDER] or order.kind != ORDER_KIND:
        return 0
    card = desk.cards[order.contract_slot]
    if order.account_slot != desk.account_slot or card.name_size == 0:
        return 0
    lots = _units(got[_AMOUNT], got[_AMOUNT_SCALE], card.lot_mantissa, card.lot_decimals)
    ticks = 0
    if got[_SEEN] >> _N_PRICE & 1:
        got[_TYPE] = TYPE_LIMIT
        ticks = _limit_ticks(card, got)
    if lots <= 0 or lots > MAX_LOTS or ticks < 0:
        return 0
    got[_METHOD] = _N_BUY if order.side == SIDE_BUY else _N_SELL
    commands, words, _ = rows
    row = commands[desk.place + desk.rows]
    _clear(words, desk.place + desk.rows)
    row.kind, row.order_id, row.qty_lots, row.price_ticks = COMMAND_AMEND, got[_ORDER], lots, ticks
    return 1


@part
def _write_cancel(desk, rows, got):
    """A CANCEL row; 1, or 0 when the session must look at it."""
    if (got[_ORDER] == 0) == (got[_CLIENT] == 0):
        return 0
    commands, words, _ = rows
    row = commands[desk.place + desk.rows]
    _clear(words, desk.place + desk.rows)
    row.kind, row.order_id, row.cl_ord_id = COMMAND_CANCEL, got[_ORDER], got[_CLIENT]
    return 1


@part
def _write(desk, view, data, rows, got):
    """The rows of one message; how many, 0 when the session must look at it."""
    method = got[_METHOD]
    if method == _N_CANCEL:
        written = _write_cancel(desk, rows, got)
        desk.cancels += written
        return written
    written = _write_edit(desk, view, rows, got) if method == _N_EDIT else _write_new(desk, data, rows, got)
    desk.orders += 1 if written else 0
    return written


@part
def _note(desk, data, row, got):
    """Remember who waits for a row."""
    request = desk.requests[desk.count]
    for index in range(got[_ID_SIZE]):
        request.id[index] = data[got[_ID_FIRST] + index]
    request.id_size, request.place, request.kind = got[_ID_SIZE], desk.place + desk.rows, row.kind
    request.side = 0 if row.kind == COMMAND_CANCEL else SIDE_BUY if got[_METHOD] == _N_BUY else SIDE_SELL
    request.account_slot, request.us_in = desk.account_slot, desk.now_ns // _NS_PER_US
    request.order_id, request.is_slow, request.has_fills = 0, 0, 0
    desk.count += 1


@part
def _sequence(desk, commands, count):
    """Sign and stamp the rows of one message."""
    place = desk.place + desk.rows
    row = commands[place]
    row.account_slot, row.person, row.key = desk.account_slot, desk.person, desk.key
    for index in range(place, place + count):
        commands[index].seq, commands[index].time_ns = desk.first_seq + index, desk.now_ns


@entry
def read(view, desks, data, rows):
    """Read frames of `data` from `offset` to `filled`; answers why it stopped, see `frame_finder`.

    The rows of plain orders go to `rows`, the batch as (COMMAND rows, words, bytes), from `place` on. When it stops
    at a text, that is opened and `offset` is behind it; else `offset` is where the next frame begins.
    """
    desk = desks[0]
    got = desk.got
    desk.rows, desk.orders, desk.cancels = 0, 0, 0
    room = min(len(rows[0]), MAX_PLACE) - _ROWS_OF_ONE
    while True:
        found = next_frame(desk, data)
        if found != TEXT:
            return found
        if desk.is_trader and (desk.count == MAX_REQUESTS or desk.place + desk.rows > room):
            return NO_ROOM
        desk.offset = desk.last
        if not desk.is_trader:
            return TEXT
        behind = data[desk.last]
        data[desk.last] = 0
        end = _message(desk, data, desk.first, got)
        written = _write(desk, view[0], data, rows, got) if end == desk.last else 0
        data[desk.last] = behind
        if written == 0:
            return TEXT
        _sequence(desk, rows[0], written)
        _note(desk, data, rows[0][desk.place + desk.rows], got)
        desk.rows += written
