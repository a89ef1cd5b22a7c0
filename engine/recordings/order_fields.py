"""The fields of our own order format, whatever holds them: CSV, JSON lines or a table. One instruction a row.

- `action` (all): `new`, `amend`, `cancel` or `mass_cancel`.
- `cl_ord_id` (new, amend, cancel): the order's id, 1 or more; amend and cancel name a live order by it.
- `time_ns` (all): nanoseconds since the epoch, UTC; missing or 0: the time of the row before.
- `contract` (all): the name of the contract, up to 32 characters; missing: the recording's only one.
- `account` (all): the number of the account; missing: 0. An account's ids are its own.
- `side` (new): `buy` or `sell`.
- `qty_lots` (new, amend): total quantity in lots, what is filled included.
- `price_ticks` (new, amend): limit price in ticks; market orders have none; in an amend 0 or missing keeps it.
- `ord_type` (new): `limit` (default), `market`, `stop_market`, `stop_limit`, `take_market`, `take_limit` or
  `trailing_stop`.
- `tif` (new): `gtc` (default), `ioc`, `fok`, `gtd`; `expire_ns`: when a `gtd` order ends.
- `trigger_price_ticks` (new, amend) and `trigger_source` (new; `mark` by default, `index`, `last`): conditional orders.
- `offset_ticks` (new): of a trailing stop.
- `display_lots` (new): makes it an iceberg that shows so much.
- `flags` (new, amend): any of `post_only`, `reject_post_only`, `reduce_only`, `forfeit_priority`, `qty_is_leaves`,
  separated by spaces. A mass cancel may have `keep_protection`: conditional and reduce-only orders stay.

A mass cancel is of the `account`, `contract` and `side` that it names; what it does not name is all of them.
Unknown fields are refused, missing ones are empty.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Any

import numpy as np
from numba import njit

from engine.codes import NIL, CommandKind, ExecInst, OrdType, PriceSource, Side, TimeInForce
from engine.recordings.batches import READER_ID, ContractSpec
from engine.recordings.source import BadLineError, whole_number
from engine.schema import MAX_CONTRACTS, VENUE
from engine.units import INT64_MAX, MAX_LOTS, MAX_TICKS

Where = tuple[str, int]
"""The file and the line or row, from 1."""

ACTIONS = {
    "new": CommandKind.NEW,
    "amend": CommandKind.AMEND,
    "cancel": CommandKind.CANCEL,
    "mass_cancel": CommandKind.MASS_CANCEL,
}
WORDS: dict[str, type[IntEnum]] = {
    "side": Side,
    "ord_type": OrdType,
    "tif": TimeInForce,
    "trigger_source": PriceSource,
}
NUMBERS = {
    "cl_ord_id": (1, READER_ID - 1),
    "time_ns": (0, INT64_MAX),
    "qty_lots": (0, MAX_LOTS),
    "price_ticks": (0, MAX_TICKS),
    "expire_ns": (0, INT64_MAX),
    "trigger_price_ticks": (0, MAX_TICKS),
    "offset_ticks": (0, MAX_TICKS),
    "display_lots": (0, MAX_LOTS),
}
"""The whole numbers, with the least and the largest."""
FLAGS = {
    flag.name.lower(): flag
    for flag in (
        ExecInst.POST_ONLY,
        ExecInst.REJECT_POST_ONLY,
        ExecInst.REDUCE_ONLY,
        ExecInst.FORFEIT_PRIORITY,
        ExecInst.QTY_IS_LEAVES,
        ExecInst.KEEP_PROTECTION,
    )
}
CONDITIONAL = (
    OrdType.STOP_MARKET,
    OrdType.STOP_LIMIT,
    OrdType.TAKE_MARKET,
    OrdType.TAKE_LIMIT,
    OrdType.TRAILING_STOP,
)
FIELDS = ("action", "contract", "account", *NUMBERS, *WORDS, "flags")
NEEDED = ("action", "cl_ord_id")
"""The columns that every file has."""
REQUIRED = {
    "new": ("cl_ord_id", "side", "qty_lots"),
    "amend": ("cl_ord_id", "qty_lots"),
    "cancel": ("cl_ord_id",),
    "mass_cancel": (),
}
MAX_NAME_BYTES = 32
MAX_ACCOUNT = READER_ID - 1
_NAME_CHARACTERS = frozenset(map(chr, range(0x21, 0x7F))) - set('",')
_FIRST_CELLS = 64


@njit(cache=True)
def home_cell(number):
    """Where the search for an account's number begins, before it is cut to the size of the map."""
    return number ^ (number >> 20) ^ (number >> 40)


class Names:
    """The slots of contracts and accounts, given out as they first appear.

    `contract_keys` has a contract's name as 32 bytes, `account_cells` is an open-addressing map of (number + 1, slot):
    what compiled code looks up. It never adds: a name that it does not find is a matter for `contract` and `account`.
    """

    def __init__(self) -> None:
        self.contracts: list[str] = []
        self.accounts = 0
        self.contract_keys = np.zeros((MAX_CONTRACTS, MAX_NAME_BYTES // 8), np.int64)
        self.account_cells = np.zeros((_FIRST_CELLS, 2), np.int64)

    def contract(self, name: str, where: Where) -> int:
        """The slot of a contract. BadLineError for a name that is none or one too many."""
        if name in self.contracts:
            return self.contracts.index(name)
        if len(name) > MAX_NAME_BYTES or not _NAME_CHARACTERS.issuperset(name):
            reason = f"{name[:40]!r} is not up to {MAX_NAME_BYTES} letters, digits and signs"
            raise BadLineError(*where, "contract", reason)
        if len(self.contracts) == MAX_CONTRACTS:
            raise BadLineError(*where, "contract", f"{name!r} is one more than {MAX_CONTRACTS}; leave some out")
        padded = name.encode().ljust(MAX_NAME_BYTES, b"\0")
        self.contract_keys[len(self.contracts)] = np.frombuffer(padded, np.int64)
        self.contracts.append(name)
        return len(self.contracts) - 1

    def account(self, number: int, where: Where) -> int:
        """The slot of an account. BadLineError for one too many."""
        cells, mask = self.account_cells, len(self.account_cells) - 1
        cell = home_cell(number) & mask
        while cells[cell, 0]:
            if cells[cell, 0] == number + 1:
                return int(cells[cell, 1])
            cell = (cell + 1) & mask
        if self.accounts == VENUE.accounts:
            raise BadLineError(*where, "account", f"{number} is one more than {VENUE.accounts}; leave some out")
        cells[cell] = number + 1, self.accounts
        self.accounts += 1
        if 2 * self.accounts > len(cells):
            self._grow()
        return self.accounts - 1

    def _grow(self) -> None:
        old = self.account_cells[self.account_cells[:, 0] > 0]
        cells = np.zeros((2 * len(self.account_cells), 2), np.int64)
        mask = len(cells) - 1
        for key, slot in old.tolist():
            cell = home_cell(key - 1) & mask
            while cells[cell, 0]:
                cell = (cell + 1) & mask
            cells[cell] = key, slot
        self.account_cells = cells

    def specs(self, spec: ContractSpec) -> list[ContractSpec]:
        """The contracts so far, all in the units of the recording's; one without a name has the recording's."""
        return [replace(spec, name=name) if name else spec for name in self.contracts or [""]]


def check_columns(names: list[str], where: Where) -> None:
    """BadLineError unless these are columns of the format."""
    for name in names:
        if name not in FIELDS:
            raise BadLineError(*where, "header", f"{name[:40]!r} is none of {', '.join(FIELDS)}")
    for name in NEEDED:
        if names.count(name) != 1:
            raise BadLineError(*where, "header", f"{name} must stand there once; the columns are {', '.join(FIELDS)}")
    for name in names:
        if names.count(name) > 1:
            raise BadLineError(*where, "header", f"{name} stands there twice")


def write_row(fields: Mapping[str, str], where: Where, names: Names, row: Any) -> None:
    """Fill one command row, all zero before, with what the fields say. BadLineError names the field that is wrong."""
    action = fields.get("action", "")
    if action not in ACTIONS:
        raise BadLineError(*where, "action", f"{action[:40]!r} is none of {', '.join(ACTIONS)}")
    for name in REQUIRED[action]:
        if not fields.get(name):
            raise BadLineError(*where, name, f"is missing, {action} needs it")
    values = {name: _number(name, fields.get(name, ""), where) for name in NUMBERS}
    values |= {name: _word(name, fields.get(name, ""), where) for name in WORDS}
    values["flags"] = _flags(fields.get("flags", ""), where)
    contract, number = fields.get("contract", ""), _account(fields.get("account", ""), where)
    every = action == "mass_cancel"
    values["contract_slot"] = NIL if every and not contract else names.contract(contract, where)
    values["account_slot"] = NIL if every and number is None else names.account(number or 0, where)
    values["kind"] = ACTIONS[action]
    if action == "new":
        values["ord_type"] = values["ord_type"] or OrdType.LIMIT
        values["tif"] = values["tif"] or TimeInForce.GTC
        values["flags"] |= ExecInst.ICEBERG if values["display_lots"] else 0
        values["flags"] |= ExecInst.CONDITIONAL if values["ord_type"] in CONDITIONAL else 0
    elif every:
        values["group"] = NIL
    for name, value in values.items():
        row[name] = value


def _number(name: str, text: str, where: Where) -> int:
    if not text:
        return 0
    value = whole_number(text, (*where, name))
    low, high = NUMBERS[name]
    if not low <= value <= high:
        raise BadLineError(*where, name, f"{value} is not within {low} to {high}")
    return value


def _account(text: str, where: Where) -> int | None:
    if not text:
        return None
    value = whole_number(text, (*where, "account"))
    if not 0 <= value <= MAX_ACCOUNT:
        raise BadLineError(*where, "account", f"{value} is not within 0 to {MAX_ACCOUNT}")
    return value


def _word(name: str, text: str, where: Where) -> int:
    if not text:
        return 0
    words = {code.name.lower(): code.value for code in WORDS[name]}
    if text not in words:
        raise BadLineError(*where, name, f"{text[:40]!r} is none of {', '.join(words)}")
    return words[text]


def _flags(text: str, where: Where) -> int:
    flags = 0
    for word in text.split():
        if word not in FLAGS:
            raise BadLineError(*where, "flags", f"{word[:40]!r} is none of {', '.join(FLAGS)}")
        flags |= FLAGS[word]
    return flags
