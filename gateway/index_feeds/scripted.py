"""A scripted index: prices that wander from a start, always the same for the same seed. For demos and tests."""

import math
import random
import re
from dataclasses import dataclass, field

from engine.units import SUBTICKS
from gateway.wire.decimals import Contract, parse_decimal

SCRIPTED = "scripted"
"""The name that stands for a venue."""
SOURCES = 3
STEP = 0.0001
"""Standard deviation of one step in a quiet market, as a share of the price: some 6 % in a day of half seconds."""
PULL = 0.000002
"""How strongly the price is drawn back to its start with each step: a day wanders freely, months stay in reach."""
CALMING, STIRRING = 0.001, 0.03
"""How quickly volatility returns to a quiet market's, and how much each step changes it: it comes in clusters."""
SPREAD = 0.00005
"""How far the sources are apart."""
_PRICE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,12})?")
"""As the wire takes a number."""


class IndexScriptError(ValueError):
    """A script that cannot be read: one line."""


def is_price(text: str) -> bool:
    """Whether a text is a price to begin with."""
    return _PRICE.fullmatch(text) is not None


def parse_script(text: str) -> dict[str, str]:
    """`BTC_USDC-PERPETUAL=60000,ETH_USDC-PERPETUAL=3000` as names and first prices."""
    script = {}
    for part in filter(None, text.split(",")):
        name, found, price = part.partition("=")
        if not found or not name or not is_price(price):
            raise IndexScriptError(f"scripted_index: {part[:40]!r} is not like BTC_USDC-PERPETUAL=60000")
        script[name.strip()] = price.strip()
    return script


@dataclass
class IndexWalk:
    """The wandering price of one contract's index: a random walk whose volatility comes and goes."""

    contract: Contract
    first_price: str
    seed: int = 1
    _random: random.Random = field(init=False)
    _first: int = field(init=False)
    _price: float = field(init=False)
    heat: float = field(init=False, default=0.0)
    """Logarithm of the present volatility, as a multiple of a quiet market's."""

    def __post_init__(self) -> None:
        ticks = self.contract.tick.count(parse_decimal(self.first_price.encode(), "scripted_index"))
        if ticks is None:
            ticks = int(float(self.first_price) * 10**-self.contract.tick.exponent / self.contract.tick.mantissa)
        self._random = random.Random(f"{self.seed}/{self.contract.name}")
        self._first = ticks * SUBTICKS
        self._price = float(self._first)

    @property
    def price(self) -> float:
        """The price that the sources surround, in subticks."""
        return self._price

    def go_on_from(self, price_subticks: int) -> None:
        """Wander on from a price; the first one still draws it back."""
        self._price = float(price_subticks)

    def step(self, count: int = 1) -> list[int]:
        """So many steps at once; returns each source's price after them, in subticks."""
        gauss, uniform, spread = self._random.gauss, self._random.uniform, math.sqrt(count)
        self.heat += -min(1.0, CALMING * count) * self.heat + gauss(0, STIRRING * spread)
        drift = PULL * count * (self._first - self._price)
        self._price += drift + self._price * gauss(0, STEP * spread * math.exp(self.heat))
        return [max(1, round(self._price * (1 + uniform(-SPREAD, SPREAD)))) for _ in range(SOURCES)]
