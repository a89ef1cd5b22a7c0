"""Columns of decimals, as digits and how many of them stand behind the point, in whole ticks and lots of contracts."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from engine.recordings.batches import ContractSpec
from engine.units import MAX_LOTS, MAX_TICKS

Array = np.ndarray[Any, Any]
MOST_DIGITS, MOST_PLACES = 18, 12
_DECIMAL = re.compile(r"\d{1,40}(\.\d{1,40})?([eE][-+]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True)
class Unit:
    """A tick or a lot as numerator / 10^places; `most` is the largest count of it."""

    name: str
    text: str
    numerator: int
    places: int
    most: int

    @classmethod
    def of(cls, name: str, text: str, most: int) -> "Unit":
        """The unit that a decimal text is."""
        _, digits, exponent = Decimal(text).normalize().as_tuple()
        numerator = int("".join(map(str, digits)))
        assert isinstance(exponent, int)
        return cls(name, text, numerator * 10 ** max(exponent, 0), max(-exponent, 0), most)

    def count(self, digits: Array, places: Array) -> Array:
        """How many units each decimal is; -1 where it is no multiple of it or more than `most`."""
        found = np.full(len(digits), -1, np.int64)
        for place in np.unique(places).tolist():
            chosen = places == place
            values, scale = digits[chosen], 10 ** abs(self.places - place)
            if self.places >= place:
                fits = values <= min(self.most * self.numerator, (1 << 62)) // scale
                values, divisor = np.where(fits, values, 0) * scale, self.numerator
            else:
                fits, divisor = values >= 0, self.numerator * scale
            if divisor >= 1 << 63:
                found[chosen] = np.where(values == 0, 0, -1)
                continue
            counts, left = np.divmod(values, divisor)
            found[chosen] = np.where(fits & (left == 0) & (counts <= self.most), counts, -1)
        return found

    def refusal(self, digits: int, places: int) -> str:
        """Why a decimal is no count of this unit."""
        text = decimal_text(digits, places)
        if Decimal(text) / Decimal(self.text) > self.most:
            return f"{text} is more than {self.most} times the {self.name} {self.text}; name a coarser one"
        return f"{text} is no multiple of the {self.name} {self.text}; name a finer one"


def tick_of(spec: ContractSpec) -> Unit:
    """A contract's tick."""
    return Unit.of("tick", spec.tick, MAX_TICKS)


def lot_of(spec: ContractSpec) -> Unit:
    """A contract's lot."""
    return Unit.of("lot", spec.lot, MAX_LOTS)


def decimal_text(digits: int, places: int) -> str:
    """A decimal as it is written."""
    return f"{Decimal(digits).scaleb(-places):f}"


def unit_text(digits: Array, places: Array) -> str:
    """The largest power of ten, 1 at most, of which all decimals of a column are multiples."""
    most = int(places.max()) if len(places) else 0
    for kept in range(most):
        if not (digits % 10 ** np.maximum(places.astype(np.int64) - kept, 0)).any():
            return f"{Decimal(1).scaleb(-kept):f}"
    return f"{Decimal(1).scaleb(-most):f}"


def parts_of(text: str) -> tuple[int, int]:
    """(digits, places) of a decimal from 0 on, also with an exponent. ValueError for what is none or does not fit."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no decimal number from 0 on")
    _, digits, exponent = Decimal(text).as_tuple()
    written = "".join(map(str, digits)).strip("0")
    if not written:
        return 0, 0
    assert isinstance(exponent, int)
    exponent += len(digits) - len("".join(map(str, digits)).rstrip("0"))
    if exponent < -MOST_PLACES or len(written) + max(exponent, 0) > MOST_DIGITS:
        raise ValueError(f"{text[:40]} has more than {MOST_DIGITS} digits or {MOST_PLACES} decimals")
    return int(written) * 10 ** max(exponent, 0), max(-exponent, 0)
