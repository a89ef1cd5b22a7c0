"""What the compiled reader and writer of plain orders share: the layout of their desk, names and pieces of text.

A plain order is what most messages are: a limit or market order without a condition or an end, an edit of price and
quantity, a cancel. Everything else takes the way through `session`, and both ways say the same: the texts here are
made of the very templates that `jsonrpc` and `render` use.
"""

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from engine.kernels import part
from engine.schema import MAX_CONTRACTS, record
from engine.units import highest_bit
from gateway.plain_orders.byte_kernels import BLOCK_BYTES, copy_block
from gateway.read_model import render
from gateway.wire import jsonrpc_answers
from gateway.wire.decimals import Contract

MAX_ID_BYTES = 32
"""A request's id as it was sent, quotes included; a longer one takes the other way."""
MAX_REQUESTS = 8192
"""How many plain orders one batch takes at most."""
MAX_PLACE = 1 << 16
ENDED_MASK = (1 << 20) - 1
"""Of the serials: orders of one batch share a slot when it is used again at once, but hardly ever so many bits."""
REPLY_BYTES = 2048
"""Room for a reply that is sure to be enough, without its trades."""
OUT_BYTES = MAX_REQUESTS * REPLY_BYTES

CARD = record(  # what a contract is on the wire
    [
        ("name", "u1", (64,)),
        ("name_size", "i8"),  # 0: not for the compiled path
        ("base", "u1", (32,)),
        ("base_size", "i8"),
        ("settlement", "u1", (32,)),
        ("settlement_size", "i8"),
        ("tick_mantissa", "i8"),
        ("tick_decimals", "i8"),
        ("lot_mantissa", "i8"),
        ("lot_decimals", "i8"),
    ]
)
MEMO = record([("value", "i8"), ("size", "i8"), ("text", "u1", (BLOCK_BYTES,))])
"""A number and its text."""
MEMO_US_IN, MEMO_US_OUT, MEMO_TIME, MEMO_UPDATED = range(4)
REQUEST = record(  # one plain order that waits for its outcome
    [
        ("id", "u1", (MAX_ID_BYTES,)),
        ("id_size", "i4"),
        ("place", "i4"),  # of its row in the batch
        ("kind", "i4"),  # CommandKind
        ("side", "i4"),
        ("account_slot", "i4"),
        ("is_slow", "i4"),  # its outcome is not plain: the session's way answers
        ("has_fills", "i4"),
        ("first_leg", "i4"),
        ("us_in", "i8"),
        ("order_id", "i8"),
    ]
)
# --- names that the reader knows ----------------------------------------------------------------------------------

_NAMES = (
    "jsonrpc", "id", "method", "params", "2.0", "private/buy", "private/sell", "private/edit", "private/cancel",
    "instrument_name", "amount", "type", "price", "time_in_force", "post_only", "reject_post_only", "reduce_only",
    "label", "cl_ord_id", "order_id", "limit", "market", "good_til_cancelled", "immediate_or_cancel", "fill_or_kill",
)  # fmt: skip
(
    JSONRPC, ID, METHOD, PARAMS, VERSION, BUY, SELL, EDIT, CANCEL, INSTRUMENT, AMOUNT, TYPE, PRICE, TIME_IN_FORCE,
    POST_ONLY, REJECT_POST_ONLY, REDUCE_ONLY, LABEL, CLIENT_ID, ORDER_ID, LIMIT, MARKET, GTC, IOC, FOK,
) = range(len(_NAMES))  # fmt: skip
MAX_NAME_BYTES = 24


def _words(text: str) -> list[int]:
    data = text.encode().ljust(MAX_NAME_BYTES, b"\0")
    return [len(text), *(int.from_bytes(data[at : at + 8], "little") for at in range(0, MAX_NAME_BYTES, 8))]


NAMES = np.array([_words(name) for name in _NAMES])
"""Size and the bytes as three words of each name."""
HASH_MASK, HASH_SHIFT = 63, 56


def _hash_names() -> tuple[int, Any]:
    """A factor that sends every name to a cell of its own, and which name is in each cell, -1 for none."""
    keys = [int(first) ^ int(second) for first, second in NAMES[:, 1:3]]
    for factor in range(0x9E3779B97F4A7C1, 0x9E3779B97F4A7C1 + 1_000_000, 2):
        cells = [key * factor >> HASH_SHIFT & HASH_MASK for key in keys]
        if len(set(cells)) == len(NAMES):
            table = np.full(HASH_MASK + 1, -1)
            table[cells] = np.arange(len(NAMES))
            return factor, table
    raise AssertionError("no factor keeps the names apart; make the table larger")


HASH_FACTOR, HASHED = _hash_names()
KEY_WORDS = 3


def _key_words(text: str) -> list[int]:
    key = f'"{text}":'.encode()
    mask = (b"\xff" * len(key)).ljust(8 * KEY_WORDS, b"\0")
    parts = [data[at : at + 8] for data in (key.ljust(8 * KEY_WORDS, b"\0"), mask) for at in range(0, 8 * KEY_WORDS, 8)]
    return [int.from_bytes(part, "little", signed=True) for part in parts]


KEYS = np.array([_key_words(name) for name in _NAMES])
"""Each name as it stands in front of a value, in quotes and with its colon, as three words, and their masks."""

PAIRS = np.frombuffer(b"".join(b"%02d" % number for number in range(100)), np.uint8).copy()
POW10 = np.array([10**power for power in range(19)])


# --- pieces of text that the writer puts together -----------------------------------------------------------------

_pieces: list[bytes] = []


def _piece(text: bytes) -> int:
    _pieces.append(text)
    return len(_pieces) - 1


def _split(template: bytes) -> int:
    """The pieces between a template's places; answers the first one's number, the others follow."""
    first = len(_pieces)
    _pieces.extend(re.split(rb"%[bd]", template))
    return first


def _of_codes(texts: dict[int, bytes]) -> Any:
    """The piece for each code, NOTHING where there is none."""
    table = np.full(4096, NOTHING)
    for code, text in texts.items():
        table[code] = _piece(text)
    return table


NOTHING = _piece(b"")
NO_ORDERS = _piece(b"[]")
COMMA, BEGIN_LIST, END_LIST = _piece(b","), _piece(b"["), _piece(b"]")
ZERO, NULL, FALSE, TRUE = _piece(b"0"), _piece(b"null"), _piece(b"false"), _piece(b"true")
EMPTY_LABEL, QUOTE = _piece(b'""'), _piece(b'"')
ORDER = _split(render.ORDER)
REPLY = _split(jsonrpc_answers.REPLY)
PLACED = _split(render.PLACED)
CLIENT_ID_EXTRA = _split(render.CLIENT_ID_EXTRA)
CANCEL_REASON_EXTRA = _split(render.CANCEL_REASON_EXTRA)
TRADE = _split(render.TRADE)
USER_TRADE = _split(render.USER_TRADE)
FORCED_EXTRA = _piece(render.FORCED_EXTRA)
TAKER_TEXT, MAKER_TEXT = _piece(b"T"), _piece(b"M")
SIDE = _of_codes(render.SIDE)
ORDER_TYPE = _of_codes(render.ORDER_TYPE)
TIME_IN_FORCES = _of_codes(render.TIME_IN_FORCE)
STATE = _of_codes(render.STATE)
CANCEL_REASON = _of_codes(render.CANCEL_REASON)
IS_MARKET = np.array([code in render.MARKETS for code in range(256)])

POOL = np.frombuffer(b"".join((*_pieces, bytes(BLOCK_BYTES))), np.uint8).copy()
_ENDS = np.cumsum([len(part) for part in _pieces])
SPANS = np.stack([_ENDS - [len(part) for part in _pieces], _ENDS], axis=1)
"""Where each piece lies in the pool."""


# --- the desk ------------------------------------------------------------------------------------------------------


def _origin() -> int:
    """A number for everything that the compiled code is made of."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return zlib.crc32(b"\0".join((*sources, *_pieces)))


DESK = record(
    [
        ("account_slot", "i8"),  # reader: who asks
        ("person", "i8"),
        ("key", "i8"),
        ("place", "i8"),  # reader: of its first row in the batch
        ("first_seq", "i8"),  # of the batch
        ("now_ns", "i8"),
        ("offset", "i8"),  # reader: where it goes on, where it stopped
        ("filled", "i8"),  # reader: where what came ends
        ("is_trader", "i8"),  # reader: whether orders of this session are read at all
        ("rows", "i8"),  # reader: rows written
        ("orders", "i8"),  # reader: how many of them place or change an order
        ("cancels", "i8"),
        ("first", "i8"),  # reader: where the text that it stopped at begins and ends
        ("last", "i8"),
        ("frame_bytes", "i8"),  # reader: how long the frame is that it stopped at
        ("longest", "i8"),  # reader: a longer text is the library's
        ("cards_used", "i8"),
        ("count", "i8"),  # requests that wait
        ("us_out", "i8"),
        ("testnet", "i8"),
        ("slow", "i8"),  # writer: how many requests it left to the session's way
        ("got", "i8", (17,)),
        ("guesses", "i8", (64,)),  # reader: which name the last message of a method had at each place
        ("memos", MEMO, (4,)),  # writer: the numbers that it wrote last
        ("cards", CARD, (MAX_CONTRACTS,)),
        ("requests", REQUEST, (MAX_REQUESTS,)),
        ("ends", "i8", (1 + MAX_REQUESTS,)),  # where replies begin and end in the writer's text
        ("of_place", "i4", (MAX_PLACE,)),  # the request of a row in the batch, from 1
        ("ended", "i4", (ENDED_MASK + 1,)),  # by the last bits of an order's serial: its row of history
        (f"made_of_{_origin():08x}", "i8"),  # compiled code is kept under its types: other texts, other code
    ]
)


SCALARS = [name for name in DESK.names or () if DESK[name] == np.dtype("i8")][: (DESK.names or ()).index("got")]
"""The fields of a desk that are single numbers, in their places at its beginning."""


def new_desk() -> Any:
    """An empty desk; its memory is touched as it is used."""
    return np.zeros(1, DESK)


def write_card(desk: Any, contract: Contract) -> None:
    """Make a contract known; one whose units are unusual stays with the session's way."""
    card = desk["cards"][contract.slot]
    tick, lot = contract.tick, contract.lot
    texts = {"name": contract.name.encode(), "base": contract.base_name, "settlement": contract.settlement_name}
    usual = all(unit.mantissa <= 1000 and -9 <= unit.exponent <= 0 for unit in (tick, lot))
    fits = all(len(text) <= len(card[field]) and re.fullmatch(rb"[\w-]+", text) for field, text in texts.items())
    if usual and fits:
        for field, text in texts.items():
            card[field][: len(text)] = np.frombuffer(text, np.uint8)
            card[field + "_size"] = len(text)
        card["tick_mantissa"], card["tick_decimals"] = tick.mantissa, -tick.exponent
        card["lot_mantissa"], card["lot_decimals"] = lot.mantissa, -lot.exponent
    desk["cards_used"] = contract.slot + 1


# --- writing ------------------------------------------------------------------------------------------------------


@part
def put_text(out, at, text, first, size):
    """Copy a text in blocks, so that some bytes behind it are written too; answers the place behind it."""
    copy_block(out, at, text, first)
    for done in range(BLOCK_BYTES, size, BLOCK_BYTES):
        copy_block(out, at + done, text, first + done)
    return at + size


@part
def put(out, at, piece):
    """Write a piece of text at a place; answers the place behind it."""
    first = SPANS[piece, 0]
    return put_text(out, at, POOL, first, SPANS[piece, 1] - first)


@part
def put_integer(out, at, value):
    """Write a whole number in decimal."""
    if value < 0:
        out[at] = 45
        at += 1
        value = -value
    digits = (highest_bit(value | 1) + 1) * 1233 >> 12  # that many bits times log10(2), rounded down
    digits += 1 if digits == 0 or value >= POW10[digits] else 0
    end = at + digits
    while value >= 100:
        end -= 2
        pair = value % 100 * 2
        out[end], out[end + 1] = PAIRS[pair], PAIRS[pair + 1]
        value //= 100
    if value >= 10:
        out[end - 2], out[end - 1] = PAIRS[value * 2], PAIRS[value * 2 + 1]
    else:
        out[end - 1] = 48 + value
    return at + digits


@part
def put_again(desk, out, at, value, memo):
    """The same for a number that is likely the one of the last time, such as now."""
    row = desk.memos[memo]
    if row.value != value or row.size == 0:
        end = put_integer(out, at, value)
        copy_block(row.text, 0, out, at)
        row.value, row.size = value, end - at
        return end
    copy_block(out, at, row.text, 0)
    return at + row.size


@part
def put_decimal(out, at, mantissa, decimals):
    """Write mantissa / 10**decimals without trailing zeros, as `translate.decimal_text` does."""
    if mantissa < 0:
        out[at] = 45
        at += 1
        mantissa = -mantissa
    whole = mantissa // POW10[decimals]
    rest = mantissa - whole * POW10[decimals]
    at = put_integer(out, at, whole)
    if rest == 0:
        return at
    while rest % 10 == 0:
        rest //= 10
        decimals -= 1
    out[at] = 46
    for index in range(decimals):
        out[at + decimals - index] = 48 + rest % 10
        rest //= 10
    return at + 1 + decimals
