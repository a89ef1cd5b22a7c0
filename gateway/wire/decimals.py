"""The only decimals: decimal text to ticks, lots, micros and ppb, and back. Exact, never a float.

A number on the wire is a JSON number or a string, read from its raw bytes by one grammar:
`\\d{1,18}(\\.\\d{1,12})?([eE][+-]?\\d{1,2})?`. No sign, no NaN or Infinity, no underscore, no other digits. What
is read is `mantissa * 10**exponent`; it becomes an integer number of units only if it is whole and in bounds.
"""

import re
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec import Raw

from engine.codes import Reason
from engine.units import INT64_MAX, MAX_LOTS, MAX_TICKS, SUBTICKS
from gateway.wire.errors import Explanation, Refusal, bad_param, refusal_of

_GRAMMAR = re.compile(rb"([0-9]{1,18})(?:\.([0-9]{1,12}))?(?:[eE]([+-]?[0-9]{1,2}))?")
_PLAIN = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,12}))?")
_CACHE_ENTRIES = 1 << 15
"""How many texts a contract caches for each direction; a full cache is emptied."""

K = TypeVar("K")
V = TypeVar("V")

Decimal = tuple[int, int]
"""A number as (mantissa, exponent): mantissa * 10**exponent."""
Number = Raw
"""A JSON number or a string that holds one, as raw bytes."""
ABSENT = Raw(b"")
_NOTHING = (b"", b"null")


def given(raw: Raw) -> bool:
    """Whether a number was sent: absent and null are not."""
    return raw is not ABSENT and bytes(raw) not in _NOTHING


def parse_decimal(raw: bytes | memoryview, param: str) -> Decimal:
    """Read a wire number exactly; refuse everything else with one line."""
    text = bytes(raw)
    if text[:1] == b'"' and text[-1:] == b'"' and len(text) > 1:
        text = text[1:-1]
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise _not_a_number(text, param)
    whole, fraction, exponent = match.groups()
    power = int(exponent) if exponent else 0
    return (int(whole + fraction), power - len(fraction)) if fraction else (int(whole), power)


def _not_a_number(text: bytes, param: str) -> Refusal:
    shown = ascii(text[:40].decode("ascii", "replace"))[1:-1] + ("..." if len(text) > 40 else "")
    if text[:1] == b"-":
        return bad_param(param, f"{shown} is negative; send a positive number")
    return bad_param(param, f"{shown} is not a number of up to 18 digits and 12 decimals; send one like 0.25")


@dataclass(frozen=True, slots=True)
class Unit:
    """The size of one unit as an exact decimal: a tick of 0.5 is Unit(5, -1)."""

    mantissa: int
    exponent: int

    @classmethod
    def parse(cls, text: str) -> "Unit":
        """A unit from text such as "0.5"; it must be positive."""
        match = _PLAIN.fullmatch(text)
        if match is None or not text.strip("0."):
            raise ValueError(f"{text!r} is not a positive decimal such as 0.5")
        fraction = match[2] or ""
        return cls(int(match[1] + fraction), -len(fraction))

    def _divide(self, value: Decimal) -> tuple[int, int]:
        """How many whole units are in a number, and whether anything is left."""
        mantissa, shift = value[0], value[1] - self.exponent
        if shift >= 0:
            return divmod(mantissa * 10**shift, self.mantissa)
        return divmod(mantissa, self.mantissa * 10**-shift)

    def count(self, value: Decimal) -> int | None:
        """How many units a number is, or None when it is not a whole number of them."""
        units, rest = self._divide(value)
        return None if rest else units

    def within(self, value: Decimal) -> int:
        """How many whole units are in a number."""
        return self._divide(value)[0]

    def text(self, units: int, per_unit: int = 1) -> str:
        """Units as plain decimal text, no trailing zeros; `per_unit` (a power of ten) divides: subticks have 1000."""
        return decimal_text(units * self.mantissa, self.exponent - len(str(per_unit)) + 1)


def decimal_text(mantissa: int, exponent: int) -> str:
    """mantissa * 10**exponent as plain decimal text without trailing zeros.

    >>> decimal_text(2100050, -2), decimal_text(-5, -3), decimal_text(7, 2), decimal_text(0, -6)
    ('21000.5', '-0.005', '700', '0')
    """
    if exponent >= 0:
        return str(mantissa * 10**exponent)
    sign, digits = ("-", str(-mantissa)) if mantissa < 0 else ("", str(mantissa))
    digits = digits.rjust(1 - exponent, "0")
    fraction = digits[exponent:].rstrip("0")
    return f"{sign}{digits[:exponent]}.{fraction}" if fraction else sign * (mantissa != 0) + digits[:exponent]


MICRO = Unit(1, -6)


def micros_text(micros: int) -> str:
    """Settlement currency in millionths as decimal text."""
    return decimal_text(micros, -6)


def grouped(number: str) -> str:
    """A decimal number in a sentence for people: thousands with commas.

    >>> grouped("1234567.1234"), grouped("-5000"), grouped("-0.0000001")
    ('1,234,567.1234', '-5,000', '-0.0000001')
    """
    whole, point, fraction = number.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.removeprefix('-')):,}{point}{fraction}"


def ppb_text(ppb: int) -> str:
    """A rate in 1e-9 as decimal text."""
    return decimal_text(ppb, -9)


def ratio_text(numerator: int, denominator: int, decimals: int) -> str:
    """numerator / denominator rounded down to so many decimals; "0" for a zero denominator."""
    return decimal_text(numerator * 10**decimals // denominator, -decimals) if denominator else "0"


def parse_micros(raw: bytes, param: str) -> int:
    """An amount of settlement currency in micros; more than six decimals is refused."""
    units = MICRO.count(parse_decimal(raw, param))
    if units is None:
        raise bad_param(param, f"{bytes(raw).decode()} is not an amount with at most 6 decimals")
    if units > INT64_MAX:
        raise bad_param(param, f"{bytes(raw).decode()} is more than can be counted, {micros_text(INT64_MAX)}")
    return units


def parse_integer(raw: bytes, param: str, low: int, high: int) -> int:
    """A whole number within [low, high]."""
    value = Unit(1, 0).count(parse_decimal(raw, param))
    if value is None or not low <= value <= high:
        raise bad_param(param, f"{bytes(raw).decode()} is not a whole number from {low} to {high}")
    return value


def parse_client_id(raw: bytes, param: str) -> int:
    """A client order id: a whole number from 1 to 2^63 - 1, up to 19 digits, as number or string."""
    text = bytes(raw).strip(b'"')
    if not (0 < len(text) <= 19 and text.isdigit() and 0 < int(text) <= INT64_MAX):
        raise bad_param(param, f"{text[:40].decode('ascii', 'replace')} is not a whole number from 1 to {INT64_MAX}")
    return int(text)


@dataclass(slots=True)
class Contract:
    """A contract as the wire sees it: its names, and its units. The engine knows only its slot.

    `tick` and `lot` are exact decimals; one tick on one lot must be a whole number of micros.
    """

    slot: int
    name: str
    base: str
    settlement: str
    tick: Unit
    lot: Unit
    instrument_id: int = 0
    created_ms: int = 0
    micros_per_tick_lot: int = field(init=False)
    json_name: bytes = field(init=False)
    base_name: bytes = field(init=False)
    settlement_name: bytes = field(init=False)
    index_name: str = field(init=False)
    _ticks: dict[bytes, int] = field(init=False, default_factory=dict)
    _lots: dict[bytes, int] = field(init=False, default_factory=dict)
    _prices: dict[int, bytes] = field(init=False, default_factory=dict)
    _amounts: dict[int, bytes] = field(init=False, default_factory=dict)
    _references: dict[int, bytes] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        product = (self.tick.mantissa * self.lot.mantissa, self.tick.exponent + self.lot.exponent)
        micros = MICRO.count(product)
        if not micros:
            raise ValueError(f"{self.name}: one tick on one lot must be a whole number of micros, at least 1")
        self.micros_per_tick_lot = micros
        self.json_name = b'"' + self.name.encode() + b'"'
        self.base_name, self.settlement_name = self.base.encode(), self.settlement.encode()
        self.index_name = f"{self.base}_{self.settlement}".lower()

    def price_ticks(self, raw: bytes, param: str = "price") -> int:
        """A price in ticks; it must be a multiple of the tick, at least one and at most 2^30 - 1."""
        key = bytes(raw)
        if key in self._ticks:
            return self._ticks[key]
        ticks = self.tick.count(parse_decimal(key, param))
        if not ticks:
            raise _off_grid(Reason.BAD_TICK, self.tick, "tick", param, key)
        if ticks > MAX_TICKS:
            raise _beyond(Reason.PRICE_OUT_OF_BAND, self.tick.text(MAX_TICKS), param, key)
        return _remember(self._ticks, key, ticks)

    def amount_lots(self, raw: bytes, param: str = "amount") -> int:
        """An amount of base currency in lots; it must be a multiple of the lot and at most 2^52 lots."""
        key = bytes(raw)
        known = self._lots.get(key)
        if known is not None:
            return known
        lots = self.lot.count(parse_decimal(key, param))
        if lots is None:
            raise _off_grid(Reason.BAD_LOT, self.lot, "lot", param, key)
        if lots > MAX_LOTS:
            raise _beyond(Reason.QTY_TOO_LARGE, self.lot.text(MAX_LOTS), param, key)
        return _remember(self._lots, key, lots)

    def price_text(self, ticks: int) -> bytes:
        """A price in ticks as a JSON number."""
        known = self._prices.get(ticks)
        return known if known is not None else _remember(self._prices, ticks, self.tick.text(ticks).encode())

    def amount_text(self, lots: int) -> bytes:
        """A quantity in lots as a JSON number in base currency."""
        known = self._amounts.get(lots)
        return known if known is not None else _remember(self._amounts, lots, self.lot.text(lots).encode())

    def amount_words(self, lots: int) -> str:
        """A quantity in base currency, in a sentence for people."""
        return grouped(self.lot.text(lots))

    def money_words(self, micros: int) -> str:
        """Money with its currency, in a sentence for people."""
        return f"{grouped(micros_text(micros))} {self.settlement}"

    def subticks_text(self, subticks: int) -> bytes:
        """An index, mark or average price in subticks as a JSON number."""
        known = self._references.get(subticks)
        if known is not None:
            return known
        return _remember(self._references, subticks, self.tick.text(subticks, SUBTICKS).encode())

    def average_text(self, tick_lots: int, lots: int) -> bytes:
        """The average price of `lots` whose ticks x lots sum to `tick_lots`, rounded down to a subtick."""
        return self.subticks_text(tick_lots * SUBTICKS // lots) if lots else b"0"

    def notional_micros(self, subticks: int, lots: int) -> int:
        """|price x quantity| in micros, rounded down."""
        return abs(subticks * lots * self.micros_per_tick_lot) // SUBTICKS

    def subticks_of(self, notional_micros: int, lots: int) -> int:
        """The price in subticks at which `lots` are worth so much, rounded down."""
        return abs(notional_micros) * SUBTICKS // (abs(lots) * self.micros_per_tick_lot) if lots else 0


def _off_grid(reason: Reason, unit: Unit, name: str, param: str, key: bytes) -> Refusal:
    """A number that is no multiple of a tick or a lot; the multiples next to it would pass."""
    value, step = key.decode().strip('"'), unit.text(1)
    below = unit.within(parse_decimal(key, param))
    near = [unit.text(count) for count in (below, below + 1) if count > 0]
    fault = f"{param} {value} is not a positive multiple of the {name} {step}"
    return refusal_of(reason, Explanation(param, value, step, fault, f"send {' or '.join(near)}"))


def _beyond(reason: Reason, limit: str, param: str, key: bytes) -> Refusal:
    """A number larger than any contract takes."""
    value = key.decode().strip('"')
    fault = f"{param} {value} is above {limit}"
    return refusal_of(reason, Explanation(param, value, limit, fault, f"send {limit} or less"))


def _remember(memory: dict[K, V], key: K, value: V) -> V:
    if len(memory) >= _CACHE_ENTRIES:
        memory.clear()
    memory[key] = value
    return value
