"""Decimal text of a recording as whole numbers of a contract's tick or lot, exactly."""

import re
from decimal import Context, Decimal

CACHED = 1 << 16
_DECIMAL = re.compile(r"\d{1,20}(\.\d{1,20})?(e-\d{1,2})?", re.ASCII | re.IGNORECASE)
_EXACT = Context(prec=80)


class DecimalUnits:
    """Counts decimals in one unit. The values that come again, as prices do, are kept.

    What is more than `most` counts as `beyond`, and is refused where that is 0.
    """

    def __init__(self, name: str, unit: str, most: int, beyond: int = 0) -> None:
        self.name, self.unit, self.most, self.beyond = name, unit, most, beyond
        self._divisor = Decimal(unit)
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """How many units a decimal is, 0 to `most`, or `beyond`. ValueError says why it is none of them."""
        units = self._known.get(text)
        if units is None:
            units = self._count(text)
            if len(self._known) >= CACHED:
                self._known.clear()
            self._known[text] = units
        return units

    def _count(self, text: str) -> int:
        if not _DECIMAL.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is no decimal number")
        units = _EXACT.divide(_EXACT.create_decimal(text), self._divisor)
        if units > self.most:
            if self.beyond:
                return self.beyond
            reason = f"is more than {self.most} times the {self.name} {self.unit}"
            raise ValueError(f"{text[:40]} {reason}; name a coarser one with --contract")
        if units != int(units):
            reason = f"is no multiple of the {self.name} {self.unit}"
            finer = f"{self.name}={Decimal(1).scaleb(-_places(text)):f}"
            raise ValueError(f"{text[:40]} {reason}; name a finer one with --contract, such as {finer}")
        return int(units)


def _places(text: str) -> int:
    """How many decimals a number has."""
    return max(0, -int(_EXACT.create_decimal(text).as_tuple().exponent))
