"""Columns of decimals, as digits and how many of them stand behind the point, in whole ticks and lots of contracts."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numba import njit

from engine.recordings.batches import ContractSpec
from engine.units import MAX_LOTS, MAX_TICKS

Array = np.ndarray[Any, Any]
MOST_DIGITS, MOST_PLACES = 18, 12
NO_MULTIPLE, TOO_MANY = -1, -2
_ZERO, _NINE, _POINT, _COMMA = b"09.,"
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
        """How many units each decimal is: NO_MULTIPLE where it is none of it, TOO_MANY for more than `most`."""
        found = np.full(len(digits), NO_MULTIPLE, np.int64)
        for place in np.unique(places).tolist():
            chosen = places == place
            values, scale = digits[chosen], 10 ** abs(self.places - place)
            if self.places >= place:
                fits = values <= min(self.most * self.numerator, 1 << 62) // scale
                values, divisor = np.where(fits, values, 0) * scale, self.numerator
            else:
                fits, divisor = values >= 0, self.numerator * scale
            if divisor >= 1 << 63:
                found[chosen] = np.where(values == 0, 0, NO_MULTIPLE)
                continue
            counts, left = np.divmod(values, divisor)
            counts = np.where(left == 0, counts, NO_MULTIPLE)
            found[chosen] = np.where(fits & (counts <= self.most), counts, TOO_MANY)
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


@njit(cache=True, _nrt=False, error_model="numpy")
def _scan(data, at, digits, places, place):
    """Read decimals that end with a comma each, from `place` on, until one is not plain; its place, and where it is."""
    while place < len(digits):
        begin, value, point = at, np.int64(0), np.int64(-1)
        while at - begin <= MOST_DIGITS:
            if _ZERO <= data[at] <= _NINE:
                value = value * 10 + (np.int64(data[at]) - _ZERO)
            elif data[at] == _POINT and point < 0 and at > begin:
                point = at
            else:
                break
            at += 1
        if data[at] != _COMMA or not 0 < at - begin <= MOST_DIGITS or point == at - 1:
            return place, begin
        digits[place], places[place] = value, 0 if point < 0 else at - 1 - point
        at += 1
        place += 1
    return place, at


def decimal_columns(texts: list[str]) -> tuple[Array, Array]:
    """Digits and places of decimals; the digits of what is none are -1."""
    digits, places = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    joined = ",".join(texts) + ","
    if joined.count(",") != len(texts):
        texts = [text.replace(",", "?") for text in texts]
        joined = ",".join(texts) + ","
    data = np.frombuffer(joined.encode("ascii", "replace"), np.uint8)
    place, at = _scan(data, 0, digits, places, 0)
    while place < len(texts):
        try:
            digits[place], places[place] = parts_of(texts[place])
        except ValueError:
            digits[place] = -1
        place, at = _scan(data, at + len(texts[place]) + 1, digits, places, place + 1)
    return digits, places
