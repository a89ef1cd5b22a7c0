"""What the compiled reader and writer of plain orders share: their workspace, names, and fragments of text.

A plain order is a limit or market order without a condition or an expiry, an edit of price and quantity, or a cancel.
The session serves everything else. Both give the same replies: the fragments are cut from the templates of
`jsonrpc_answers` and `render`.
"""

import re
import zlib
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from engine.kernels import part
from engine.schema import MAX_CONTRACTS, record
from gateway.read_model import render
from gateway.wire import byte_kernels, jsonrpc_answers
from gateway.wire.byte_kernels import BLOCK_BYTES, POW10, copy_block, put_integer, put_text
from gateway.wire.decimals import Contract

MAX_ID_BYTES = 32
"""The longest id of a request, as sent, quotes included; the session serves a request with a longer one."""
MAX_REQUESTS = 8192
"""How many plain orders one batch takes at most."""
MAX_PLACE = 1 << 16
ENDED_MASK = (1 << 20) - 1
"""The low bits of an order's serial that tell the ended orders of one batch apart. A slot may be used again within a
batch, so its number would not do; two orders of one batch hardly ever share so many bits."""
REPLY_BYTES = 2048
"""No reply without its trades is longer than this."""
OUT_BYTES = MAX_REQUESTS * REPLY_BYTES

LISTING = record(  # a contract's names and units on the wire
    [
        ("name", "u1", (64,)),
        ("name_size", "i8"),  # 0: the session serves this contract
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
CACHED_NUMBER = record([("value", "i8"), ("size", "i8"), ("text", "u1", (BLOCK_BYTES,))])
"""A number and its text."""
CACHED_US_IN, CACHED_US_OUT, CACHED_TIME, CACHED_UPDATED = range(4)
REQUEST = record(  # one plain order that waits for its outcome
    [
        ("id", "u1", (MAX_ID_BYTES,)),
        ("id_size", "i4"),
        ("place", "i4"),  # of its row in the batch
        ("kind", "i4"),  # CommandKind
        ("side", "i4"),
        ("account_slot", "i4"),
        ("is_slow", "i4"),  # its outcome is not plain: the session makes the reply
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
    """A hash factor under which no two names collide, and the table of names by hash, -1 where there is none."""
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
"""Each name as a key in JSON, with quotes and colon: three words, then the masks of these words."""


# --- fragments of text that the writer puts together -----------------------------------------------------------------

_fragments: list[bytes] = []


def _fragment(text: bytes) -> int:
    _fragments.append(text)
    return len(_fragments) - 1


def _split(template: bytes) -> int:
    """Cut a template at its placeholders; returns the number of the first fragment, the others follow."""
    first = len(_fragments)
    _fragments.extend(re.split(rb"%[bd]", template))
    return first


def _of_codes(texts: dict[int, bytes]) -> Any:
    """A table from code to fragment, NOTHING where there is none."""
    table = np.full(4096, NOTHING)
    for code, text in texts.items():
        table[code] = _fragment(text)
    return table


NOTHING = _fragment(b"")
NO_ORDERS = _fragment(b"[]")
COMMA, BEGIN_LIST, END_LIST = _fragment(b","), _fragment(b"["), _fragment(b"]")
ZERO, NULL, FALSE, TRUE = _fragment(b"0"), _fragment(b"null"), _fragment(b"false"), _fragment(b"true")
EMPTY_LABEL, QUOTE = _fragment(b'""'), _fragment(b'"')
ORDER = _split(render.ORDER)
REPLY = _split(jsonrpc_answers.REPLY)
PLACED = _split(render.PLACED)
CLIENT_ID_EXTRA = _split(render.CLIENT_ID_EXTRA)
CANCEL_REASON_EXTRA = _split(render.CANCEL_REASON_EXTRA)
TRADE = _split(render.TRADE)
USER_TRADE = _split(render.USER_TRADE)
FORCED_EXTRA = _fragment(render.FORCED_EXTRA)
TAKER_TEXT, MAKER_TEXT = _fragment(b"T"), _fragment(b"M")
SIDE = _of_codes(render.SIDE)
ORDER_TYPE = _of_codes(render.ORDER_TYPE)
TIME_IN_FORCES = _of_codes(render.TIME_IN_FORCE)
STATE = _of_codes(render.STATE)
CANCEL_REASON = _of_codes(render.CANCEL_REASON)
IS_MARKET = np.array([code in render.MARKETS for code in range(256)])

POOL = np.frombuffer(b"".join((*_fragments, bytes(BLOCK_BYTES))), np.uint8).copy()
_ENDS = np.cumsum([len(part) for part in _fragments])
SPANS = np.stack([_ENDS - [len(part) for part in _fragments], _ENDS], axis=1)
"""Begin and end of each fragment in the pool."""


# --- the workspace ------------------------------------------------------------------------------------------------


def _origin() -> int:
    """A checksum of the sources and texts that go into the compiled code."""
    paths = [*sorted(Path(__file__).parent.glob("*.py")), Path(byte_kernels.__file__)]
    sources = [path.read_bytes() for path in paths]
    return zlib.crc32(b"\0".join((*sources, *_fragments)))


WORKSPACE = record(
    [
        ("account_slot", "i8"),  # reader: of the session that sent the bytes
        ("person", "i8"),
        ("key", "i8"),
        ("connection", "i8"),
        ("place", "i8"),  # reader: of the first row that it writes into the batch
        ("first_seq", "i8"),  # of the batch
        ("now_ns", "i8"),
        ("offset", "i8"),  # reader: where it begins to read, and afterwards where it stopped
        ("filled", "i8"),  # reader: end of the received bytes
        ("is_trader", "i8"),  # reader: whether orders of this session are read at all
        ("rows", "i8"),  # reader: rows written
        ("orders", "i8"),  # reader: how many of them place or change an order
        ("cancels", "i8"),
        ("first", "i8"),  # reader: begin and end of the text at which it stopped
        ("last", "i8"),
        ("frame_bytes", "i8"),  # reader: size of the frame at which it stopped
        ("longest", "i8"),  # reader: the library gets a longer text
        ("listings_used", "i8"),
        ("count", "i8"),  # requests that wait
        ("us_out", "i8"),
        ("testnet", "i8"),
        ("slow", "i8"),  # writer: how many requests it left to the session
        ("parsed", "i8", (17,)),
        ("expected_names", "i8", (64,)),  # reader: the key at each place of the last message of a method
        ("cached_numbers", CACHED_NUMBER, (4,)),  # writer: numbers that it wrote last, with their texts
        ("listings", LISTING, (MAX_CONTRACTS,)),
        ("requests", REQUEST, (MAX_REQUESTS,)),
        ("ends", "i8", (1 + MAX_REQUESTS,)),  # where the replies end in the writer's output; the first entry is 0
        ("of_place", "i4", (MAX_PLACE,)),  # 1 + the request of a row in the batch, 0 for none
        ("ended", "i4", (ENDED_MASK + 1,)),  # the history row of an ended order, by the last bits of its serial
        (f"made_of_{_origin():08x}", "i8"),  # numba caches code by its types: a new name when the texts change
    ]
)


SCALARS = list(takewhile(lambda name: WORKSPACE[name] == np.dtype("i8"), WORKSPACE.names or ()))
"""The fields at the beginning of a workspace, each one number."""


def new_workspace() -> Any:
    """An empty workspace; its memory is touched as it is used."""
    return np.zeros(1, WORKSPACE)


def write_listing(work: Any, contract: Contract) -> None:
    """Make a contract known. The session serves one whose units or names are unusual."""
    listing = work["listings"][contract.slot]
    tick, lot = contract.tick, contract.lot
    texts = {"name": contract.name.encode(), "base": contract.base_name, "settlement": contract.settlement_name}
    usual = all(unit.mantissa <= 1000 and -9 <= unit.exponent <= 0 for unit in (tick, lot))
    fits = all(len(text) <= len(listing[field]) and re.fullmatch(rb"[\w-]+", text) for field, text in texts.items())
    if usual and fits:
        for field, text in texts.items():
            listing[field][: len(text)] = np.frombuffer(text, np.uint8)
            listing[field + "_size"] = len(text)
        listing["tick_mantissa"], listing["tick_decimals"] = tick.mantissa, -tick.exponent
        listing["lot_mantissa"], listing["lot_decimals"] = lot.mantissa, -lot.exponent
    work["listings_used"] = contract.slot + 1


# --- writing ------------------------------------------------------------------------------------------------------


@part
def put(out, at, fragment):
    """Write a fragment of text at a place; returns its end."""
    first = SPANS[fragment, 0]
    return put_text(out, at, POOL, first, SPANS[fragment, 1] - first)


@part
def put_cached(work, out, at, value, which):
    """Write a number that is often the same as the last time, such as now, from its cached text; returns its end."""
    row = work.cached_numbers[which]
    if row.value != value or row.size == 0:
        end = put_integer(out, at, value)
        copy_block(row.text, 0, out, at)
        row.value, row.size = value, end - at
        return end
    copy_block(out, at, row.text, 0)
    return at + row.size


@part
def put_decimal(out, at, mantissa, decimals):
    """Write mantissa / 10**decimals without trailing zeros, as `decimals.decimal_text` does; returns its end."""
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
