"""Arrow columns of one contract: times, numbers, words, and prices and quantities in ticks and lots or as decimals."""

from decimal import Decimal
from enum import IntEnum
from typing import Any

import numpy as np

from engine.recordings.out.file_set import ExportError
from engine.recordings.out.formats import Rows
from engine.units import SUBTICKS

NO_ARROW = "parquet and tardis need pyarrow: pip install 'lionrock[parquet]', or choose another format"

PLAIN_PLACES = 6


def arrow() -> Any:
    """pyarrow. ExportError when it is not installed."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise ExportError(f"--format: {NO_ARROW}") from None
    return pyarrow


class Maker:
    """Makes Arrow columns of numbers for one contract; `as_decimals`: prices and quantities as decimals."""

    def __init__(self, tick: str, lot: str, as_decimals: bool) -> None:
        self._pa = arrow()
        self._units = {"ticks": Decimal(tick), "lots": Decimal(lot), "subticks": Decimal(tick) / SUBTICKS}
        self._units["ppb"] = Decimal("0.000000001")
        self._as_decimals = as_decimals

    def times(self, values: Rows) -> Any:
        """Nanoseconds as timestamps."""
        return self._pa.array(np.ascontiguousarray(values)).cast(self._pa.timestamp("ns", "UTC"))

    def numbers(self, values: Rows, absent: Rows | None = None) -> Any:
        """Whole numbers; null where absent."""
        return self._pa.array(np.ascontiguousarray(values), mask=absent)

    def words(self, places: Rows, words: tuple[str, ...], absent: Rows | None = None) -> Any:
        """Words of a short list, by their place in it."""
        indices = self._pa.array(np.ascontiguousarray(places, np.int32), mask=absent)
        return self._pa.DictionaryArray.from_arrays(indices, self._pa.array(words))

    def codes(self, values: Rows, codes: type[IntEnum]) -> Any:
        """Codes by their names in small letters; null for none."""
        names = {code.value: code.name.lower() for code in codes if code.name != "NONE"}
        places = np.full(max(names) + 1, len(names), np.int32)
        places[list(names)] = range(len(names))
        found = places[values]
        return self.words(found, tuple(names.values()), found == len(names))

    def amount(self, name: str, values: Rows, absent: Rows | None = None) -> tuple[str, Any]:
        """A column of ticks or lots, and its name: `price_ticks`, or `price` where decimals are wanted."""
        if not self._as_decimals:
            return name, self.numbers(values, absent)
        stem, _, unit = name.rpartition("_")
        return stem, self.decimals(values, unit, absent)

    def decimals(self, values: Rows, of: str, absent: Rows | None = None) -> Any:
        """Ticks, lots or subticks as decimals of the contract's own scale; rates in 1e-9 as fractions."""
        whole, scale = self._scaled(values, of)
        wide = np.stack([whole, whole >> 63], axis=1)
        kind = self._pa.decimal128(38, scale)
        bits = None
        if absent is not None:
            bits = self._pa.py_buffer(np.packbits(~absent, bitorder="little"))
        return self._pa.Array.from_buffers(kind, len(whole), [bits, self._pa.py_buffer(wide)])

    def texts(self, values: Rows, of: str, absent: Rows | None = None) -> Any:
        """The same to be written as text: Arrow writes decimals of more than six places like 1E-7."""
        whole, scale = self._scaled(values, of)
        if scale <= PLAIN_PLACES:
            return self.decimals(values, of, absent)
        text, compute = self._pa.string(), self._pa.compute
        before = self.numbers(np.abs(whole) // 10**scale, absent).cast(text)
        after = self.numbers(np.abs(whole) % 10**scale, absent).cast(text)
        signs = self._pa.array(["", "-"]).take(self.numbers((whole < 0).astype(np.int8)))
        digits = compute.utf8_lpad(after, scale, "0")
        return compute.binary_join_element_wise(compute.binary_join_element_wise(signs, before, ""), digits, ".")

    def _scaled(self, values: Rows, of: str) -> tuple[Rows, int]:
        """Values as whole numbers of 10^-scale, and the scale. ExportError when they are too large."""
        unit = self._units[of]
        scale = max(0, -int(unit.as_tuple().exponent))
        factor, most = int(unit.scaleb(scale)), int(np.abs(values).max(initial=0))
        if most * factor >= 1 << 63:
            raise ExportError(f"{most} times {unit} is larger than a decimal column holds; choose another format")
        return np.ascontiguousarray(values, np.int64) * factor, scale
