"""Tardis' CSV files of price levels: `incremental_book_L2`, and `trades` of the same market beside it.

- *A row* sets what a level has now; amount 0: it is gone. Rows of one symbol with one `local_timestamp` are one event.
- *Snapshots.* Rows with `is_snapshot` that follow each other are the whole book of their symbol, whatever stood before.
- *Trades* (the file whose name has `trades` in place of `incremental_book_L2`, or `--trades`) come before the first
  event that is not older by the venue's `timestamp`: see `level_follower` for what becomes of them. Trades of `unknown`
  side are counted and left out.
- *Time* is the venue's `timestamp`, in microseconds.
- *Ticks and lots*: `--contract SYMBOL,tick=...,lot=...`, else the finest that a symbol's first block of rows shows.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.codes import Side
from engine.recordings import tardis_text as text
from engine.recordings.batches import ContractSpec, Wanted
from engine.recordings.decimal_columns import TOO_MANY, Unit, lot_of, parts_of, tick_of, unit_text
from engine.recordings.level_texts import BEYOND
from engine.recordings.line_blocks import line_blocks
from engine.recordings.price_levels import BLOCK_ROWS, LAST, LEVEL, SNAPSHOT, TRADE, LevelBlock
from engine.recordings.source import BadLineError, RecordingError, Source, sources, whole_number
from engine.recordings.trade_merge import AFTER_END, NO_BOOK, TradeMerge
from engine.schema import MAX_CONTRACTS

BOOK_HEADER = b"exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
TRADES_HEADER = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
BLOCK_BYTES = 1 << 20
MOST_US = ((1 << 63) - 1) // 1000
_NS_PER_US = 1000
_UNKNOWN_SIDE = "trades without a side"
_NOT_WANTED, _NOT_MET = -1, -2
_BOOK_NAME, _TRADES_NAME = "_incremental_book_L2_", "_trades_"

Array = np.ndarray[Any, Any]


def is_tardis(head: bytes) -> bool:
    """Whether the first line is a header of one of these files."""
    return head.split(b"\n", 1)[0].strip() in (BOOK_HEADER, TRADES_HEADER)


def trades_beside(book: Source) -> Source | None:
    """The trades of a book's file, when they are in the same folder under the name that Tardis gives them."""
    name = book.name.replace(_BOOK_NAME, _TRADES_NAME)
    if book.member or name == book.name:
        return None
    found = sorted(book.path.parent.glob(f"{glob_safe(name)}*"))
    return sources(found[0])[0] if found else None


def glob_safe(name: str) -> str:
    """A name as a pattern that only it fits."""
    return "".join(f"[{sign}]" if sign in "[]*?" else sign for sign in name)


class TardisLevels:
    """Decodes a book's file, with its trades. RecordingError for a file of trades alone."""

    format = "tardis"
    total = 0

    def __init__(self, source: Source, wanted: Wanted, skip_bad: bool = False) -> None:
        if not source.head().startswith(BOOK_HEADER):
            raise RecordingError(f"{source.path}: trades alone make no book; replay incremental_book_L2 with --trades")
        beside = sources(wanted.trades)[0] if wanted.trades else trades_beside(source)
        self.source, self.wanted = source, wanted
        self.contracts: list[ContractSpec] = []
        self.ignored: dict[str, int] = {}
        self._symbols = _SymbolTable()
        self._units: list[tuple[Unit, Unit]] = []
        self._contract_of = np.zeros(0, np.int64)
        self._book = _File(source, BOOK_HEADER, self._symbols, skip_bad)
        self._trades = _File(beside, TRADES_HEADER, self._symbols, skip_bad) if beside else None

    @property
    def bad(self) -> int:
        """What was left out because it is malformed, of both files."""
        return self._book.bad + (self._trades.bad if self._trades else 0)

    @property
    def seen(self) -> set[str]:
        """All symbols of both files."""
        return set(self._symbols.names)

    def blocks(self) -> Iterator[LevelBlock]:
        """The whole recording. A block's last row is held until it is known whether its event ends with it."""
        held, merge = np.zeros(0, text.TEXT_ROW), TradeMerge(self._trade_rows(), self._trade_levels)
        for raw in self._book.blocks():
            rows = np.concatenate([held, self._counted(self._known(raw), self._book)])
            if len(rows) > 1:
                yield merge.into(self._block(rows[:-1], _ends(rows)))
            held = rows[-1:]
        if len(held):
            yield merge.into(self._block(held, np.ones(1, bool)))
        merge.finish()
        self._ignore(AFTER_END, merge.after_end)
        if self._trades:
            self._ignore(_UNKNOWN_SIDE, self._trades.without_side)

    def _ignore(self, name: str, count: int) -> None:
        if count:
            self.ignored[name] = self.ignored.get(name, 0) + count

    def _block(self, rows: Array, ends: Array) -> LevelBlock:
        """Book rows as LEVEL rows; which of them end an event."""
        levels = self._levels(rows)
        levels["flags"] = np.where(rows["snapshot"], SNAPSHOT, 0) | np.where(ends, LAST, 0)
        return LevelBlock(levels, int(rows["line"][-1]) - 1)

    def _levels(self, rows: Array) -> Array:
        levels = np.zeros(len(rows), LEVEL)
        levels["time_ns"] = rows["time_us"] * _NS_PER_US
        levels["message"], levels["side"] = rows["line"] - 1, rows["side"]
        levels["contract"] = self._contract_of[rows["symbol"]]
        levels["price_ticks"], levels["size_lots"] = rows["price"], rows["amount"]
        return levels

    def _counted(self, rows: Array, file: "_File") -> Array:
        """The rows with ticks and lots in place of decimals; those that are no whole number of them are left out."""
        contracts = self._contract_of[rows["symbol"]]
        for contract in np.flatnonzero(np.bincount(contracts)).tolist() if len(rows) else ():
            chosen = contracts == contract
            for name, unit in zip(("price", "amount"), self._units[contract], strict=True):
                counts = unit.count(rows[name][chosen], rows[f"{name}_places"][chosen])
                wrong = np.flatnonzero((counts < 1) & (counts != TOO_MANY) if name == "price" else counts < 0)
                if len(wrong) and not file.skip_bad:
                    raise self._wrong_decimal(rows[np.flatnonzero(chosen)[wrong[0]]], name, file)
                rows[name][chosen] = counts
        far = (rows["price"] == TOO_MANY) & (rows["amount"] >= 0)
        self._ignore(BEYOND, int(far.sum()))
        good = (rows["price"] > 0) & (rows["amount"] >= 0)
        file.bad += int((~good & ~far).sum())
        return rows if good.all() else rows[good]

    def _wrong_decimal(self, row: Any, name: str, file: "_File") -> BadLineError:
        contract = self._contract_of[row["symbol"]]
        unit, digits = self._units[contract][name == "amount"], int(row[name])
        reason = unit.refusal(digits, int(row[f"{name}_places"])) if digits else "0 is no price"
        said = f" with --contract {self.contracts[contract].name},{unit.name}=..." if digits else ""
        return file.error(int(row["line"]), name, reason + said)

    # --- symbols ---------------------------------------------------------------------------------------------------

    def _known(self, rows: Array) -> Array:
        """The rows of wanted symbols; the symbols that are new among them become contracts."""
        missing = len(self._symbols.names) - len(self._contract_of)
        self._contract_of = np.concatenate([self._contract_of, np.full(missing, _NOT_MET)])
        there = np.flatnonzero(np.bincount(rows["symbol"])) if len(rows) else ()
        for symbol in there:
            if self._contract_of[symbol] == _NOT_MET:
                self._contract_of[symbol] = self._contract(int(symbol), rows[rows["symbol"] == symbol])
        return rows[self._contract_of[rows["symbol"]] >= 0] if self.wanted.symbols else rows

    def _contract(self, symbol: int, rows: Array) -> int:
        """The contract that a new symbol is, with the units that a person or its rows tell."""
        name = self._symbols.names[symbol]
        if not self.wanted.takes(name):
            return _NOT_WANTED
        if len(self.contracts) == MAX_CONTRACTS:
            reason = f"more than {MAX_CONTRACTS} symbols; name those wanted with --symbols, such as {name}"
            raise RecordingError(f"{self.source.path}: {reason}")
        shown = ContractSpec(name, *_units_of(rows))
        spec = self.wanted.spec(shown)
        self.contracts.append(spec)
        self._units.append((tick_of(spec), lot_of(spec)))
        return len(self.contracts) - 1

    def _trade_rows(self) -> Iterator[tuple[Array, Array]]:
        for rows in self._trades.blocks() if self._trades else ():
            yield rows["time_us"] * _NS_PER_US, rows

    def _trade_levels(self, rows: Array) -> Array:
        """Trades as LEVEL rows, of the symbols whose book has begun."""
        assert self._trades is not None
        slots = np.where(rows["symbol"] < len(self._contract_of), rows["symbol"], -1)
        contracts = np.array([*self._contract_of.tolist(), _NOT_MET])[slots]
        self._ignore(NO_BOOK, int((contracts == _NOT_MET).sum()))
        trades = self._levels(self._counted(rows[contracts >= 0], self._trades))
        trades["flags"] = TRADE | LAST
        return trades[trades["size_lots"] > 0]


def _units_of(rows: Array) -> tuple[str, str]:
    """The tick and the lot that a symbol's rows show."""
    return unit_text(rows["price"], rows["price_places"]), unit_text(rows["amount"], rows["amount_places"])


def _ends(rows: Array) -> Array:
    """Of all rows but the last, whether an event ends with it."""
    now, after = rows[:-1], rows[1:]
    same = (now["symbol"] == after["symbol"]) & (now["snapshot"] == after["snapshot"])
    same &= (now["local_us"] == after["local_us"]) | (now["snapshot"] == 1)
    return np.asarray(~same)


class _SymbolTable:
    """The symbols of both files in the order of their appearance."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.table = text.Symbols(np.zeros((0, text.WIDTH), np.uint8), np.zeros(0, np.int64))

    def slot(self, name: str) -> int:
        """A symbol's number; it is taken in when it is new."""
        if name not in self.names:
            self.names.append(name)
            row = np.frombuffer(name.encode().ljust(text.WIDTH, b"\0"), np.uint8)[None]
            sizes = np.append(self.table.sizes, len(name))
            self.table = text.Symbols(np.concatenate([self.table.text, row]), sizes)
        return self.names.index(name)


class _File:
    """One file as TEXT_ROW rows, a block at a time."""

    def __init__(self, source: Source, header: bytes, symbols: _SymbolTable, skip_bad: bool) -> None:
        self.source, self.header, self.symbols, self.skip_bad = source, header, symbols, skip_bad
        self.bad, self.without_side = 0, 0
        self._state = np.zeros(text.SCAN, np.int64)
        self._rows = np.zeros(BLOCK_ROWS // 2, text.TEXT_ROW)

    def error(self, line: int, field: str, reason: str) -> BadLineError:
        """What is wrong with a line."""
        return BadLineError(self.source.name, line, field, reason)

    def blocks(self) -> Iterator[Array]:
        """The whole file; what was read before damage is given out first."""
        for block in line_blocks(self.source, BLOCK_BYTES):
            yield from self._read(block)

    def _read(self, block: bytes) -> Iterator[Array]:
        state, data = self._state, np.frombuffer(block, np.uint8)
        state[text.AT] = 0
        if state[text.LINE] == 0:
            self._read_header(block)
        why = text.FULL
        while why != text.ENDED:
            why = text.scan(data, self.symbols.table, self.header == BOOK_HEADER, self._rows, state)
            if why == text.UNUSUAL:
                self._unusual(block)
            else:
                yield self._rows[: state[text.ROWS]].copy()
                state[text.ROWS] = 0

    def _read_header(self, block: bytes) -> None:
        end = block.index(b"\n")
        if block[:end].strip() != self.header:
            found = block[:80].decode("ascii", "replace").splitlines()[0]
            raise self.error(1, "header", f"{found!r} is not {self.header.decode()}")
        self._state[text.AT], self._state[text.LINE] = end + 1, 1

    def _unusual(self, block: bytes) -> None:
        """Read one line by itself, with every symbol, exponent or error that it may have."""
        state = self._state
        end = block.index(b"\n", state[text.AT])
        line = block[state[text.AT] : end].decode("utf-8", "replace").strip()
        state[text.AT] = end + 1
        state[text.LINE] += 1
        if not line:
            return
        try:
            if self._line(line, self._rows[state[text.ROWS]]):
                state[text.ROWS] += 1
        except BadLineError:
            if not self.skip_bad:
                raise
            self.bad += 1

    def _line(self, line: str, row: Any) -> bool:
        """Fill a row; False for a trade without a side."""
        number, cells = int(self._state[text.LINE]), line.split(",")
        if len(cells) != text.COLUMNS:
            raise self.error(number, "line", f"{len(cells)} fields instead of {text.COLUMNS}")
        _, symbol, time_us, local_us, snapshot, side, price, amount = cells
        is_book = self.header == BOOK_HEADER
        values: dict[str, int] = {"line": number, "snapshot": 0}
        if is_book:
            values["snapshot"] = self._one_of("is_snapshot", snapshot, ("false", "true"))
        elif side == "unknown":
            self.without_side += 1
            return False
        values["side"] = Side.BUY + self._one_of("side", side, ("bid", "ask") if is_book else ("buy", "sell"))
        for name, cell in (("timestamp", time_us), ("local_timestamp", local_us)):
            value = whole_number(cell, (self.source.name, number, name))
            if not 0 <= value <= MOST_US:
                raise self.error(number, name, f"{value} is not within 0 to {MOST_US}")
            values["time_us" if name == "timestamp" else "local_us"] = value
        for name, cell in (("price", price), ("amount", amount)):
            try:
                values[name], values[f"{name}_places"] = parts_of(cell)
            except ValueError as error:
                raise self.error(number, name, str(error)) from error
        if not 0 < len(symbol) <= text.WIDTH or not symbol.isascii() or not symbol.isprintable():
            raise self.error(number, "symbol", f"{symbol[:40]!r} is not a name of up to {text.WIDTH} signs")
        values["symbol"] = self.symbols.slot(symbol)
        for name, value in values.items():
            row[name] = value
        return True

    def _one_of(self, field: str, cell: str, words: tuple[str, str]) -> int:
        if cell not in words:
            reason = f"{cell[:40]!r} is neither {words[0]} nor {words[1]}"
            raise self.error(int(self._state[text.LINE]), field, reason)
        return words.index(cell)
