"""Our own order format as a table: a Parquet file, or an Arrow file or stream (Feather); columns as in `order_fields`.

Read by pyarrow in batches of rows, whatever the size of a file or of its row groups. Differences from text:

- `time_ns` may be a timestamp of any unit, or stand as `time`.
- Words are strings or dictionaries. Numbers have any type of whole numbers, or are floating point with whole values.
- Null is missing.
- The file's metadata may name `contract`, `tick` and `lot`, as decimal text.

Columns are turned into command rows as a whole. Rows that this does not take are read by the rules one by one, so that
every row comes to the same as in text and an error names row, field and reason.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.codes import NIL, CommandKind, ExecInst, OrdType, TimeInForce
from engine.recordings.batches import Batch, ContractSpec, parse_contract
from engine.recordings.order_fields import (
    ACTIONS,
    CONDITIONAL,
    FLAGS,
    MAX_ACCOUNT,
    NUMBERS,
    REQUIRED,
    WORDS,
    Names,
    check_columns,
    write_row,
)
from engine.recordings.source import BadLineError, RecordingError, Source, one_line
from engine.schema import COMMAND

BATCH_ROWS = 16_384
PARQUET, ARROW_FILE, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
_TIME, _METADATA = "time", (b"contract", b"tick", b"lot")

Column = np.ndarray[Any, Any]


def is_table(head: bytes) -> bool:
    """Whether the first bytes are those of a Parquet file, an Arrow file or an Arrow stream."""
    return head.startswith((PARQUET, ARROW_FILE, ARROW_STREAM))


class TableReader:
    """Reads a table of orders; `names` are the slots of several tables.

    RecordingError when pyarrow is not installed or the file is packed.
    """

    format = "table"
    has_clock = True
    depth = 0
    is_log = False

    def __init__(self, source: Source, skip_bad: bool = False, names: Names | None = None) -> None:
        self.source, self.skip_bad = source, skip_bad
        self.names = names or Names()
        self.bad, self.total, self._row, self._time_ns = 0, 0, 0, 0
        if source.member or source.name != source.path.name:
            raise RecordingError(f"{source.path}: a table is read from its own file; unpack it first")
        self._batches = self._open()
        self.contract = self._spec()

    @property
    def is_export(self) -> bool:
        """Whether it is the order flow of one of our exports, which begins with what rests."""
        return (self.schema.metadata or {}).get(b"what") == b"orders"

    @property
    def contracts(self) -> list[ContractSpec]:
        """The contracts that appeared so far, by slot."""
        return self.names.specs(self.contract)

    @property
    def accounts(self) -> int:
        """How many accounts appeared so far: their slots are those below."""
        return max(self.names.accounts, 1)

    def batches(self) -> Iterator[Batch]:
        """The whole recording; a message is a row."""
        import pyarrow

        batches = iter(self._batches)
        while True:
            try:
                batch = next(batches, None)
                if batch is not None:
                    batch.validate(full=True)  # pyarrow itself trusts the offsets in an Arrow file.
            except (pyarrow.ArrowException, OSError) as error:
                reason = f"damaged after row {self._row}: {one_line(error)}"
                raise RecordingError(f"{self.source.path}: {reason}") from error
            if batch is None:
                return
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield self._batch(batch.slice(start, BATCH_ROWS))

    # --- the file --------------------------------------------------------------------------------------------------

    def _open(self) -> Iterator[Any]:
        """The record batches; the columns are checked, nothing else is read yet."""
        try:
            import pyarrow
            from pyarrow import ipc, parquet
        except ImportError as error:
            raise RecordingError(
                f"{self.source.path}: reading tables needs pyarrow: install lionrock[parquet]"
            ) from error
        head, path = self.source.head(), str(self.source.path)
        try:
            if head.startswith(PARQUET):
                file = parquet.ParquetFile(path)
                self.schema, self.total = file.schema_arrow, file.metadata.num_rows
                batches = file.iter_batches(batch_size=BATCH_ROWS)
            elif head.startswith(ARROW_FILE):
                opened = ipc.open_file(pyarrow.memory_map(path))
                self.schema = opened.schema
                batches = (opened.get_batch(number) for number in range(opened.num_record_batches))
            else:
                batches = ipc.open_stream(pyarrow.memory_map(path))
                self.schema = batches.schema
            names = ["time_ns" if name == _TIME else name for name in self.schema.names]
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise RecordingError(f"{path}: damaged: {one_line(error)}") from error
        check_columns(names, (self.source.name, 0))
        self._columns = names
        return batches

    def _spec(self) -> ContractSpec:
        """The contract as the file's metadata say."""
        metadata = self.schema.metadata or {}
        told = {name.decode(): metadata[name].decode("utf-8", "replace") for name in _METADATA if name in metadata}
        spec = ContractSpec(told.pop("contract", ContractSpec().name))
        try:
            return parse_contract(",".join(f"{name}={value}" for name, value in told.items()), spec)
        except ValueError as error:
            raise RecordingError(f"{self.source.path}: metadata: {error}") from error

    # --- rows ------------------------------------------------------------------------------------------------------

    def _batch(self, table: Any) -> Batch:
        """The command rows of some rows of the table."""
        rows = np.zeros(table.num_rows, COMMAND)
        kept = _Columns(table, self._columns, self.names).fill(rows)
        left_out = np.zeros(len(rows), bool)
        for place in np.flatnonzero(~kept).tolist():
            rows[place] = np.zeros((), COMMAND)
            left_out[place] = not self._unusual(table, place, rows[place])
        messages = self._row + 1 + np.flatnonzero(~left_out)
        self._row += len(rows)
        if left_out.any():
            rows = rows[~left_out]
        self._fill_times(rows)
        return Batch(rows, messages, messages, self._row)

    def _unusual(self, table: Any, place: int, row: Any) -> bool:
        """Read one row by the rules themselves; False when it is left out."""
        cells = (_text(column.slice(place, 1)) for column in table.columns)
        fields = dict(zip(self._columns, cells, strict=True))
        try:
            write_row(fields, (self.source.name, self._row + place + 1), self.names, row)
        except BadLineError:
            if not self.skip_bad:
                raise
            self.bad += 1
            return False
        return True

    def _fill_times(self, rows: Column) -> None:
        """A row without a time has that of the row before."""
        times = rows["time_ns"]
        given = np.maximum.accumulate(np.where(times > 0, np.arange(1, len(times) + 1), 0))
        rows["time_ns"] = np.concatenate([[self._time_ns], times])[given]
        if len(rows):
            self._time_ns = int(rows["time_ns"][-1])


def _text(cell: Any) -> str:
    """The one value of a column as it would stand in text."""
    import pyarrow
    from pyarrow import types

    if types.is_timestamp(cell.type):
        try:
            cell = cell.cast(pyarrow.timestamp("ns")).cast(pyarrow.int64())
        except pyarrow.ArrowException:
            return str(cell.cast(pyarrow.int64())[0].as_py())
    try:
        value = cell[0].as_py()
    except (OverflowError, ValueError):  # a time or a duration that Python has none of
        return f"a {cell.type} out of range"
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


class _Columns:
    """Some rows of a table as columns of whole numbers; `good` has the rows that are plain so far."""

    def __init__(self, table: Any, names: list[str], known: Names) -> None:
        self.table, self.names, self.known = table, names, known
        self.good = np.ones(table.num_rows, bool)
        self.empty = np.zeros(table.num_rows, bool)
        self.present: dict[str, Column] = {}

    def fill(self, rows: Column) -> Column:
        """Write the command rows; which of them are plain and so complete."""
        values = {name: self._number(name, *bounds) for name, bounds in NUMBERS.items()}
        for name, codes in WORDS.items():
            values[name] = self._words(name, {code.name.lower(): code.value for code in codes})
        kinds = self._words("action", {name: int(kind) for name, kind in ACTIONS.items()})
        flags = self._words("flags", _AllFlags())
        for action, fields in REQUIRED.items():
            for name in fields:
                self.good &= (kinds != ACTIONS[action]) | self._given(name)
        self.good &= kinds > 0
        new, every = kinds == CommandKind.NEW, kinds == CommandKind.MASS_CANCEL
        for name, value in values.items():
            rows[name] = value
        rows["kind"] = kinds
        rows["ord_type"][new & (values["ord_type"] == 0)] = OrdType.LIMIT
        rows["tif"][new & (values["tif"] == 0)] = TimeInForce.GTC
        flags = flags | np.where(new & (values["display_lots"] > 0), ExecInst.ICEBERG, 0)
        rows["flags"] = flags | np.where(new & np.isin(rows["ord_type"], CONDITIONAL), ExecInst.CONDITIONAL, 0)
        rows["group"] = np.where(every, NIL, 0)
        self._owners(rows, every)
        return self.good

    def _given(self, name: str) -> Column:
        return self.present.get(name, self.empty)

    def _column(self, name: str) -> Any:
        return self.table.column(self.names.index(name)) if name in self.names else None

    def _number(self, name: str, low: int, high: int) -> Column:
        """A column of whole numbers, 0 where it is missing."""
        import pyarrow
        from pyarrow import types

        column, size = self._column(name), self.table.num_rows
        if column is None or types.is_null(column.type):
            return np.zeros(size, np.int64)
        try:
            if types.is_timestamp(column.type):
                column = column.cast(pyarrow.timestamp("ns"))
            elif not (types.is_integer(column.type) or types.is_floating(column.type)):
                raise pyarrow.ArrowInvalid(f"{column.type} is no number")
            values = column.cast(pyarrow.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        except pyarrow.ArrowException:
            self.good[:] = False
            return np.zeros(size, np.int64)
        self.present[name] = ~column.is_null().to_numpy(zero_copy_only=False)
        self.good &= ~self.present[name] | ((values >= low) & (values <= high))
        return np.asarray(values)

    def _words(self, name: str, codes: Any) -> Column:
        """A column of words as codes, 0 where it is missing."""
        words, indices = self._dictionary(name)
        table = np.array([codes.get(word, -1) if word else 0 for word in words] + [0], np.int64)
        self.present[name] = np.array([bool(word) for word in words] + [False])[indices]
        values = table[indices]
        self.good &= values >= 0
        return np.maximum(values, 0)

    def _dictionary(self, name: str) -> tuple[list[str], Column]:
        """The words of a column and of each row which it is; the last index, one beyond, is none."""
        import pyarrow
        from pyarrow import types

        column = self._column(name)
        if column is None or types.is_null(column.type):
            return [], np.zeros(self.table.num_rows, np.int64)
        is_encoded = types.is_dictionary(column.type)
        kind = column.type.value_type if is_encoded else column.type
        if not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
            self.good[:] = False
            return [], np.zeros(self.table.num_rows, np.int64)
        column = column if is_encoded else column.dictionary_encode()
        words = column.dictionary.to_pylist()
        indices = column.indices.cast(pyarrow.int64()).fill_null(len(words)).to_numpy(zero_copy_only=False)
        return words, np.asarray(indices)

    def _owners(self, rows: Column, every: Column) -> None:
        """The slots of contracts and accounts, in the order of their appearance in the plain rows."""
        words, indices = self._dictionary("contract")
        names = [word or "" for word in words] + [""]
        given = np.array([bool(name) for name in names])[indices]
        slots = _slots(indices, self.good & (given | ~every), lambda place: self.known.contract(names[place], _NOWHERE))
        rows["contract_slot"] = np.where(every & ~given, NIL, slots)
        numbers = self._number("account", 0, MAX_ACCOUNT)
        given = self._given("account")
        slots = _slots(numbers, self.good & (given | ~every), lambda number: self.known.account(number, _NOWHERE))
        rows["account_slot"] = np.where(every & ~given, NIL, slots)
        self.good &= (rows["contract_slot"] >= NIL) & (rows["account_slot"] >= NIL)


_NOWHERE = ("", 0)
_NO_SLOT = NIL - 1


def _slots(keys: Column, wanted: Column, slot_of: Any) -> Column:
    """The slot of each row's key, asked for once a key in the order of appearance; one without a slot gets NIL - 1."""
    slots = np.zeros(len(keys), np.int64)
    found, first, places = np.unique(keys[wanted], return_index=True, return_inverse=True)
    given = np.zeros(len(found), np.int64)
    for place in np.argsort(first).tolist():
        try:
            given[place] = slot_of(int(found[place]))
        except BadLineError:
            given[place] = _NO_SLOT
    slots[wanted] = given[places]
    return slots


class _AllFlags:
    """Every set of flags as a word."""

    def get(self, text: str, default: int) -> int:
        """The bits of some flags, or `default` when one is unknown."""
        words = text.split()
        return sum({FLAGS[word] for word in words}) if all(word in FLAGS for word in words) else default
