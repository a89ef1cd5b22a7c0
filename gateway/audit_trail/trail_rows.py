"""A record of the trail as a row of numbers: all columns as int64, and bits for what of them it has.

Words are numbers too: places in WORDS, or from NUMBER_WORD on the text of a number. Compiled code makes rows and
writes them; `records_of` makes of them what a reader in Python wants.
"""

import zlib
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from engine import statements
from engine.codes import (
    AccountAttribute,
    Attested,
    ClientAttribute,
    CommandKind,
    ContractParameter,
    EventKind,
    MarketState,
    OrdType,
    Reason,
    Side,
    Switch,
    TimeInForce,
    VenueParameter,
    VenueState,
)
from engine.schema import record
from engine.statements.decision_figures import GROUPS, SCRATCH, figure_fields
from gateway.audit_trail.columns import COLUMNS, Record
from gateway.wire import byte_kernels

NAMES = tuple(COLUMNS)
COLUMN = {name: place for place, name in enumerate(NAMES)}
DIGEST_WORDS = 4

# --- what a row has: bits of `present` beyond those of the figures --------------------------------------------------

(
    HAS_ORDER, HAS_DIRECTIVE, HAS_EVENT, HAS_NOTICE, HAS_FILL, HAS_ANSWER, HAS_EQUITY, HAS_NO_LABEL, HAS_MADE,
    HAS_REASON, HAS_DIGEST,
) = (1 << bit for bit in range(32, 43))  # fmt: skip
ORDER_SHAPE, DIRECTIVE_SHAPE, EVENT_SHAPE, NOTICE_SHAPE = range(4)
NO_SHAPE = -1
_WHAT = ("number", "seq", "time_ns", "record", "command", "outcome")
_FIGURES = tuple((bit, name) for bit, names in GROUPS for name in names)


def _each(bit: int, *names: str) -> tuple[tuple[int, str], ...]:
    return tuple((bit, name) for name in names)


TOLD: dict[int, tuple[tuple[int, str], ...]] = {
    ORDER_SHAPE: (
        *_each(HAS_ORDER, *_WHAT),
        (HAS_REASON, "reason"),
        *_each(
            HAS_ORDER, "account_slot", "contract_slot", "person", "key", "order_id", "cl_ord_id", "side", "ord_type",
            "tif", "flags", "qty_lots", "price_ticks", "trigger_price_ticks",
        ),
        *_FIGURES,
        (HAS_NO_LABEL, "order_form_broken"),
        (HAS_MADE, "order_made_reduce_only"),
    ),
    DIRECTIVE_SHAPE: (
        *_each(HAS_DIRECTIVE, *_WHAT),
        (HAS_REASON, "reason"),
        *_each(
            HAS_DIRECTIVE, "code", "new_value", "account_slot", "contract_slot", "index", "person", "key",
            "amount_micros", "price_subticks", "actor", "approver", "reference", "source_time_ns", "reason_number",
        ),
        (HAS_DIGEST, "digest"),
        *_FIGURES,
        *_each(HAS_ANSWER, "old_value", "cash_micros"),
    ),
    EVENT_SHAPE: (
        *_each(HAS_EVENT, *_WHAT),
        (HAS_REASON, "reason"),
        *_each(
            HAS_EVENT, "side", "ord_type", "tif", "account_slot", "contract_slot", "order_id", "cl_ord_id", "flags",
            "price_ticks", "last_lots", "leaves_lots", "filled_lots",
        ),
        *_each(HAS_FILL, "trade_id", "fee_micros", "position_lots", "cash_micros"),
        *_FIGURES,
    ),
    NOTICE_SHAPE: (
        *_each(HAS_NOTICE, *_WHAT),
        (HAS_REASON, "reason"),
        *_each(
            HAS_NOTICE, "code", "index", "account_slot", "contract_slot", "person", "old_value", "new_value",
            "amount_micros", "price_subticks", "other_price_subticks", "rate_ppb", "position_lots", "cash_micros",
            "actor", "approver", "reference",
        ),
        *_each(HAS_EQUITY, "account_equity_micros", "account_maintenance_micros"),
        *_FIGURES,
    ),
}  # fmt: skip
"""For each shape of record its columns with the bit that says that it has one, in the order of a line of JSON."""

# --- words ----------------------------------------------------------------------------------------------------------

NUMBER_WORD = 1 << 40
"""The word of this number and a code, which may be negative, is the text of the code."""
_LEAST_NUMBER_WORD = NUMBER_WORD >> 1
_CODES: dict[int, type[IntEnum]] = {
    CommandKind.ACCOUNT_SET: AccountAttribute,
    CommandKind.ATTEST: Attested,
    CommandKind.CLIENT_SET: ClientAttribute,
    CommandKind.CONTRACT_SET: ContractParameter,
    CommandKind.CONTRACT_STATE: MarketState,
    CommandKind.SWITCH: Switch,
    CommandKind.VENUE_STATE: VenueState,
    CommandKind.VENUE_SET: VenueParameter,
}
"""What the code of a directive names."""
WORDS = ["", "order", "directive", "event", "accepted", "repeated", "amended", "cancelled", "refused", "changed",
         "happened"]  # fmt: skip
(
    NO_WORD, ORDER, DIRECTIVE, EVENT, ACCEPTED, REPEATED, AMENDED, CANCELLED, REFUSED, CHANGED, HAPPENED,
) = range(len(WORDS))  # fmt: skip
_KNOWN_CODES, _KNOWN_REASONS = 128, 2048


def _names(codes: type[IntEnum], known: int = _KNOWN_CODES) -> Any:
    """The word of each code's name, -1 where it has none."""
    table = np.full(known, -1, np.int16)
    for code in codes:
        if code.name not in WORDS:
            WORDS.append(code.name)
        table[code] = WORDS.index(code.name)
    return table


COMMAND_NAMES, EVENT_NAMES, REASON_NAMES = _names(CommandKind), _names(EventKind), _names(Reason, _KNOWN_REASONS)
SIDE_NAMES, TYPE_NAMES, TIF_NAMES = _names(Side), _names(OrdType), _names(TimeInForce)
CODE_NAMES = np.full((max(_CODES) + 1, _KNOWN_CODES), -1, np.int16)
"""By the kind of a directive."""
for _kind, _enum in _CODES.items():
    CODE_NAMES[_kind] = _names(_enum)


def word_text(word: int) -> str:
    """The text of a word."""
    return WORDS[word] if word < _LEAST_NUMBER_WORD else str(word - NUMBER_WORD)


# --- the row --------------------------------------------------------------------------------------------------------


def _origin() -> int:
    """A checksum of the sources and tables that go into the compiled code."""
    names = ("block_follower", "columns", "hash_chain", "row_maker", "row_writer", "trail_rows")
    own = [Path(__file__).with_name(f"{name}.py") for name in names]
    paths = (*own, *sorted(Path(statements.__file__).parent.glob("*.py")), Path(byte_kernels.__file__))
    return zlib.crc32(b"\0".join(path.read_bytes() for path in paths))


ROW = record(
    [
        ("present", "i8"),
        ("shape", "i8"),
        *figure_fields(NAMES),
        ("digest_words", "i8", (DIGEST_WORDS,)),
        *SCRATCH,
        (f"made_of_{_origin():08x}", "i8"),  # numba caches code by its types: a new name when a source changes
    ]
)
FIRST_COLUMN = 2
"""Where the columns begin in a row that is seen as words."""
ROW_WORDS = ROW.itemsize // 8
DIGEST_AT = FIRST_COLUMN + len(NAMES)


def record_of(row: Any) -> Record:
    """The record of a row that is seen as words; it has no number and no hash."""
    words: list[int] = row.tolist()
    present = words[0]
    found: Record = {}
    for bit, name, place, is_word in _READ[words[1]]:
        if present & bit:
            found[name] = word_text(words[place]) if is_word else words[place]
    if present & HAS_DIGEST:
        found["digest"] = row[DIGEST_AT : DIGEST_AT + DIGEST_WORDS].tobytes().hex()
    return found


_READ = {
    shape: [
        (bit, name, FIRST_COLUMN + COLUMN[name], COLUMNS[name] is str) for bit, name in told if name != "number"
    ]
    for shape, told in TOLD.items()
}  # fmt: skip


def records_of(item: Any) -> Iterator[Record]:
    """The records of rows in their order; a record that is a dict already as it is."""
    if isinstance(item, dict):
        yield item
    else:
        yield from map(record_of, item.view(np.int64).reshape(len(item), ROW_WORDS))
